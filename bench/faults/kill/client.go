package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/scimgate/scimgate/bench/standin"
)

// person is somebody of a client's, as the client was told last.
type person struct {
	name, id, title string
	active, member  bool
	deleted         bool
	group           string
}

// client takes people through their lives, one after the other.
func (l *loop) client(number int) {
	c := &client{loop: l, http: &http.Client{Transport: &http.Transport{}, Timeout: 60 * time.Second}}
	defer c.http.CloseIdleConnections()
	group := c.made("/Groups", fmt.Sprintf(`{"displayName":"Group %d"}`, number), fmt.Sprintf(`displayName eq "Group %d"`, number))
	for n := 0; !l.stopping.Load(); n++ {
		p := &person{name: fmt.Sprintf("person%d-%d@example.test", number, n), active: true, group: group}
		c.life(p, n)
		l.mu.Lock()
		l.people = append(l.people, p)
		l.mu.Unlock()
	}
}

type client struct {
	*loop
	http *http.Client
}

// life is what happens to one person; each step's answer is final before the next.
func (c *client) life(p *person, n int) {
	p.id = c.made("/Users", fmt.Sprintf(`{"userName":%q,"externalId":%q,"name":{"givenName":"Ada","familyName":"Byron"},"displayName":"Ada Byron","active":true}`, p.name, p.name),
		fmt.Sprintf("userName eq %q", p.name))
	if p.id == "" {
		return
	}
	set := func(operation string) bool {
		return c.final("PATCH", "/Users/"+p.id, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[`+operation+`]}`, 200)
	}
	change := func(op string) bool {
		return c.final("PATCH", "/Groups/"+p.group, fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":%q,"path":"members","value":[{"value":%q}]}]}`, op, p.id), 204)
	}
	if title := fmt.Sprint("title ", n); set(fmt.Sprintf(`{"op":"replace","path":"title","value":%q}`, title)) {
		p.title = title
	}
	p.member = change("add")
	if n%3 == 0 && change("remove") {
		p.member = false
	}
	if n%2 == 0 && set(`{"op":"replace","value":{"active":false}}`) {
		p.active = false
	}
	if n%4 == 2 && set(`{"op":"replace","value":{"active":true}}`) {
		p.active = true
	}
	if n%5 == 4 && c.final("DELETE", "/Users/"+p.id, "", 204, 404) {
		p.deleted, p.member = true, false
	}
}

// made creates something and returns its id. A 409 is answered as Okta does: by a look-up.
func (c *client) made(path, body, filter string) (id string) {
	status, answer := c.send("POST", path, body)
	if status == 409 {
		status, answer = c.send("GET", path+"?filter="+url.QueryEscape(filter), "")
		var list struct{ Resources []struct{ ID string } }
		if json.Unmarshal(answer, &list) == nil && len(list.Resources) == 1 {
			return list.Resources[0].ID
		}
	}
	var one struct{ ID string }
	if json.Unmarshal(answer, &one) != nil || one.ID == "" || status != 201 {
		c.complain("POST %s: %d %s", path, status, answer)
	}
	return one.ID
}

// final sends a request until its answer is one of those.
func (c *client) final(method, path, body string, want ...int) bool {
	status, answer := c.send(method, path, body)
	for _, w := range want {
		if status == w {
			return true
		}
	}
	c.complain("%s %s: %d %s", method, path, status, answer)
	return false
}

func (c *client) complain(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failed = append(c.failed, fmt.Sprintf(format, args...))
}

// send sends a request until it is answered finally.
func (c *client) send(method, path, body string) (status int, answer []byte) {
	for {
		status, answer = c.once(method, path, body)
		if status != 0 && status != 429 && status < 500 {
			return status, answer
		}
		time.Sleep(20 * time.Millisecond) // Okta waits longer
	}
}

func (c *client) once(method, path, body string) (status int, answer []byte) {
	c.mu.Lock()
	c.requests++
	c.mu.Unlock()
	req, err := http.NewRequest(method, "http://"+c.listen+"/scim/v2"+path, strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	req.Header.Set("Authorization", "Bearer "+standin.DefaultToken)
	req.Header.Set("User-Agent", "Okta SCIM Client 1.0.0")
	if body != "" {
		req.Header.Set("Content-Type", "application/scim+json")
	}
	req.GetBody = nil // nothing is repeated behind our back
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, nil
	}
	defer resp.Body.Close()
	if answer, err = io.ReadAll(resp.Body); err != nil {
		return 0, nil
	}
	return resp.StatusCode, answer
}
