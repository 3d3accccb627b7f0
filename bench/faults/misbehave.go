package main

import (
	"fmt"
	"strings"
	"time"
)

// misbehaviour is what a client does wrong: with a request that it wants something by, or
// alone, with bytes of which nothing may come.
type misbehaviour struct {
	name, row string
	weight    int
	repeats   bool // it may send the same again at once
	with      func(*client, *request)
	alone     func(*client) error
	bads      []bad // that it draws from
}

// names are those under which it is told of.
func (m *misbehaviour) names() []string {
	if len(m.bads) == 0 {
		return []string{m.name}
	}
	var names []string
	for _, b := range m.bads {
		names = append(names, b.name)
	}
	return names
}

// misbehaviours are those of the mass run.
var misbehaviours = []misbehaviour{
	{name: "leaves", row: "F25", weight: 40, repeats: true, with: leaves},
	{name: "leaves-midway", row: "F26", weight: 20, with: leavesMidway},
	{name: "slow", row: "F27", weight: 10, with: func(c *client, r *request) {
		if err := c.conn.send(r, r.text(), 6, 3*time.Millisecond); err != nil {
			c.conn.close()
			return
		}
		c.conn.read(r)
	}},
	{name: "stalls", row: "F27", weight: 3, alone: (*client).stalls},
	{name: "pipelined", row: "F28", weight: 15, alone: func(c *client) error { return c.pipelined("") }},
	{name: "pipelined-unsound", row: "F28", weight: 10, alone: func(c *client) error { return c.pipelined("GET /scim/v2/Users HTTP/1.1\r\nHost : x\r\n\r\n") }},
	{name: "too-large", row: "F29", weight: 6, alone: func(c *client) error { return c.utters(tooLarge) }, bads: tooLarge},
	{name: "nested", row: "F30", weight: 6, alone: func(c *client) error { return c.posts("nested", nested[c.rng.IntN(len(nested))]()) }},
	{name: "two-readings", row: "F31", weight: 15, alone: func(c *client) error { return c.posts("two-readings", twoReadings[c.rng.IntN(len(twoReadings))]) }},
	{name: "token", row: "F32", weight: 4, alone: func(c *client) error { return c.utters(tokens) }, bads: tokens},
	{name: "unsound", row: "T4", weight: 20, alone: func(c *client) error { return c.utters(unsound) }, bads: unsound},
}

// leaves sends all of a request and goes.
func leaves(c *client, r *request) {
	r.Left = true
	if c.conn.send(r, r.text(), 1, 0) == nil && c.rng.IntN(2) == 0 {
		c.conn.close()
		return
	}
	c.conn.reset()
}

// leavesMidway goes before all of it is sent. Nothing of it may be carried out.
func leavesMidway(c *client, r *request) {
	r.Left, r.Junk = true, true
	text := r.text()
	_ = c.conn.send(r, text[:1+c.rng.IntN(len(text)-1)], 1, 0) // the gateway may have closed it
	r.Sent = time.Time{}
	c.conn.close()
}

// stalls stops in the middle until the gateway has enough.
func (c *client) stalls() error {
	l, err := dial(c.book, c.address)
	if err != nil {
		return err
	}
	defer l.close()
	r := c.junk("stalls", createUser("nobody@example.test", "stalls"))
	text := r.text()
	if l.send(r, text[:len(text)-1-c.rng.IntN(len(text)-1)], 1, 0) == nil {
		l.read(r)
	}
	r.Sent = time.Time{}
	return nil
}

// junk is a request of which nothing may reach the upstream.
func (c *client) junk(fault string, o *operation) *request {
	r := c.request(o, c.thing())
	r.Junk, r.Fault, r.Wish = true, fault, nil
	c.left.Add(-1)
	return r
}

// canary is a sound request behind what has to end the connection.
func (c *client) canary() (*request, string) {
	r := c.request(lookUp("canary@example.test"), c.thing())
	r.Junk, r.Fault = true, "canary"
	return r, r.text()
}

// bad is bytes that are refused, made with a head that is sound otherwise and has the
// tag in it.
type bad struct {
	name string
	text func(head string) string
}

// utters sends what is refused, with a canary behind it on the connection.
func (c *client) utters(list []bad) error {
	b := list[c.rng.IntN(len(list))]
	r := c.junk(b.name, read("/Users", 1))
	head := "Host: gateway.test\r\nUser-Agent: x " + r.Tag + "\r\n"
	return c.refused(r, b.text(head))
}

// posts sends a document that is refused.
func (c *client) posts(fault, body string) error {
	r := c.junk(fault, &operation{method: "POST", path: "/Users", body: body})
	return c.refused(r, r.text())
}

func (c *client) refused(r *request, text string) error {
	l, err := dial(c.book, c.address)
	if err != nil {
		return err
	}
	defer l.close()
	canary, behind := c.canary()
	c.add(canary)
	if l.send(r, text+behind, 1, 0) != nil { // it was refused before it was all there
		return nil
	}
	if l.read(r) && !l.over {
		l.read(canary)
	}
	return nil
}

// pipelined sends several requests at once; behind the second one may be bytes that end
// the connection.
func (c *client) pipelined(between string) error {
	if len(c.users) == 0 {
		return nil
	}
	l, err := dial(c.book, c.address)
	if err != nil {
		return err
	}
	defer l.close()
	p := c.users[c.rng.IntN(len(c.users))]
	var all []*request
	var text strings.Builder
	for i, o := range []*operation{read("/Users/"+p.id, 1), titled(p.id, c.title()), lookUp(p.name), read("/Users/"+c.pool[0], 1), titled(p.id, c.title())} {
		if i == 2 && between != "" {
			break
		}
		r := c.request(o, c.thing())
		c.left.Add(-1)
		r.Fault, r.Began = "pipelined", time.Now()
		all = append(all, r)
		text.WriteString(r.text())
	}
	for _, r := range all[1:] {
		c.add(r)
	}
	if between != "" {
		r, canary := c.junk("pipelined-unsound", read("/Users", 1)), ""
		all[0].Fault, all[1].Fault = r.Fault, r.Fault
		behind, canaryText := c.canary()
		canary = canaryText
		c.add(r)
		c.add(behind)
		all = append(all, r)
		text.WriteString(between + canary)
	}
	if l.send(all[0], text.String(), 1, 0) != nil {
		return nil
	}
	for _, r := range all {
		r.Began, r.Sent = all[0].Began, all[0].Sent
		if !l.read(r) {
			return nil
		}
	}
	return nil
}

var tooLarge = []bad{
	{name: "by length", text: func(head string) string {
		return "POST /scim/v2/Users HTTP/1.1\r\n" + head + sound + fmt.Sprintf("Content-Length: %d\r\n\r\n", maxBody+1)
	}},
	{name: "by chunks", text: func(head string) string {
		return "POST /scim/v2/Users HTTP/1.1\r\n" + head + sound + "Transfer-Encoding: chunked\r\n\r\n" +
			strings.Repeat("8000\r\n"+strings.Repeat(" ", 0x8000)+"\r\n", maxBody/0x8000+1) + "0\r\n\r\n"
	}},
	{name: "with Expect", text: func(head string) string {
		return "POST /scim/v2/Users HTTP/1.1\r\n" + head + sound + fmt.Sprintf("Expect: 100-continue\r\nContent-Length: %d\r\n\r\n", maxBody+1)
	}},
}

const sound = "Authorization: Bearer " + token + "\r\nContent-Type: application/scim+json\r\n"

var nested = []func() string{
	func() string { return `{"userName":` + strings.Repeat("[", 33) + strings.Repeat("]", 33) + `}` },
	func() string {
		return `{"userName":"x","a":` + strings.Repeat(`{"a":`, 2000) + `1` + strings.Repeat("}", 2001)
	},
	func() string { return strings.Repeat("[", maxBody-10) },
	func() string {
		var b strings.Builder
		b.WriteString(`{"userName":"x"`)
		for i := range 20_000 {
			fmt.Fprintf(&b, `,"k%d":1`, i)
		}
		return b.String() + "}"
	},
}

// twoReadings are documents that two readers could read differently.
var twoReadings = []string{
	"{\"userName\":\"a\xff\"}", `{"userName":"\ud800"}`, `{"userName":"\udc00\ud800"}`, "{\"userName\":\"a\x00b\"}",
	`{"userName":"a","userName":"b"}`, `{"active":true,"\u0061ctive":false,"userName":"a"}`, `{"active":true,"Active":false,"userName":"a"}`,
	`{"userName":"a"} {"userName":"b"}`, `{"userName":"a"}x`, `{"userName":"a",}`, `{userName:"a"}`, `{"userName":'a'}`, `not json`, `{"userName":"a"`,
	`{"userName":"a","n":01}`, `{"userName":"a","n":+1}`, `{"userName":"a","n":NaN}`, "{\"userName\":\"a\tb\"}", `{"userName":"\x41"}`,
}

var tokens = []bad{
	{name: "none", text: func(head string) string { return "GET /scim/v2/Users HTTP/1.1\r\n" + head + "\r\n" }},
	{name: "two", text: func(head string) string {
		return "GET /scim/v2/Users HTTP/1.1\r\n" + head + "Authorization: Bearer " + token + "\r\nAuthorization: Bearer other-token\r\n\r\n"
	}},
	{name: "other scheme", text: func(head string) string {
		return "GET /scim/v2/Users HTTP/1.1\r\n" + head + "Authorization: Basic dXNlcjpwYXNz\r\n\r\n"
	}},
	{name: "very long", text: func(head string) string {
		return "GET /scim/v2/Users HTTP/1.1\r\n" + head + "Authorization: Bearer " + strings.Repeat("x", 40_000) + "\r\n\r\n"
	}},
}

// unsound are bytes that two HTTP parsers could read differently. None may let what is
// behind it be read as another request.
var unsound = func() (list []bad) {
	post := func(name, fields, body string) {
		list = append(list, bad{name: name, text: func(head string) string {
			return "POST /scim/v2/Users HTTP/1.1\r\n" + head + sound + fields + "\r\n" + body
		}})
	}
	get := func(name, line, fields string) {
		list = append(list, bad{name: name, text: func(head string) string { return line + "\r\n" + head + sound + fields + "\r\n" }})
	}
	post("length and chunks", "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")
	post("chunks and length", "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", "0\r\n\r\n")
	post("chunked twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")
	post("other coding", "Transfer-Encoding: xchunked\r\n", "0\r\n\r\n")
	post("coding list", "Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n")
	post("two lengths", "Content-Length: 2\r\nContent-Length: 2\r\n", "{}")
	post("length list", "Content-Length: 2, 2\r\n", "{}")
	post("signed length", "Content-Length: +2\r\n", "{}")
	post("huge length", "Content-Length: 99999999999999999999\r\n", "{}")
	post("chunk size", "Transfer-Encoding: chunked\r\n", "zz\r\n{}\r\n0\r\n\r\n")
	post("chunk extension", "Transfer-Encoding: chunked\r\n", "2;a=b\r\n{}\r\n0\r\n\r\n")
	post("chunk end", "Transfer-Encoding: chunked\r\n", "2\r\n{}XX0\r\n\r\n")
	post("trailer", "Transfer-Encoding: chunked\r\n", "2\r\n{}\r\n0\r\nX: y\r\n\r\n")
	post("folded coding", "Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n")
	get("bare LF", "GET /scim/v2/Users HTTP/1.1", "X: y\nZ: a\r\n")
	get("blank before colon", "GET /scim/v2/Users HTTP/1.1", "X : y\r\n")
	get("NUL", "GET /scim/v2/Users HTTP/1.1", "X: a\x00b\r\n")
	get("bare CR", "GET /scim/v2/Users HTTP/1.1", "X: a\rb\r\n")
	get("absolute form", "GET http://gateway.test/scim/v2/Users HTTP/1.1", "")
	get("no version", "GET /scim/v2/Users", "")
	get("version 2", "PRI * HTTP/2.0", "")
	get("encoded slash", "GET /scim/v2/Users%2f..%2fGroups HTTP/1.1", "")
	get("dot segments", "GET /scim/v2/Users/../Groups HTTP/1.1", "")
	get("body of a GET", "GET /scim/v2/Users HTTP/1.1", "Content-Length: 5\r\n\r\nhello")
	return list
}()
