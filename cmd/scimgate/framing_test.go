package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/scimgate/scimgate/bench/standin"
	"github.com/scimgate/scimgate/rules"
	"github.com/scimgate/scimgate/rules/aws"
)

// bytesCase is one section of a case file: comments that say why, a line with the
// verdict, and the bytes that are sent, as Go string literals and words; 20*"a" is
// twenty of them.
type bytesCase struct {
	name    string
	why     string
	verdict []string
	text    string
}

// bytesCases reads a case file. word is what a word stands for in the case number n.
func bytesCases(t *testing.T, file string, word func(word string, n int) string) []bytesCase {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all []bytesCase
	for n, section := range archive.Files {
		k := bytesCase{name: section.Name}
		for line := range strings.Lines(string(section.Data)) {
			line = strings.TrimSpace(line)
			comment, isComment := strings.CutPrefix(line, "#")
			switch {
			case isComment:
				k.why += comment
			case k.verdict == nil:
				k.verdict = strings.Fields(line)
			default:
				text, err := bytesOf(line, func(w string) string { return word(w, n) })
				if err != nil {
					t.Fatalf("%s: %s: %v", file, k.name, err)
				}
				k.text += text
			}
		}
		if k.verdict == nil || slices.ContainsFunc(all, func(o bytesCase) bool { return o.name == k.name }) {
			t.Fatalf("%s: %s has no verdict, or stands there twice", file, k.name)
		}
		all = append(all, k)
	}
	return all
}

// bytesOf reads a line of literals and words.
func bytesOf(line string, word func(string) string) (string, error) {
	var b strings.Builder
	for rest := line; rest != ""; rest = strings.TrimLeft(rest, " ") {
		times := 1
		if count, after, found := strings.Cut(rest, "*"); found {
			if n, err := strconv.Atoi(count); err == nil {
				times, rest = n, after
			}
		}
		if quoted, err := strconv.QuotedPrefix(rest); err == nil {
			text, err := strconv.Unquote(quoted)
			if err != nil {
				return "", fmt.Errorf("cannot read %s: %w", quoted, err)
			}
			b.WriteString(strings.Repeat(text, times))
			rest = rest[len(quoted):]
			continue
		}
		name, after, _ := strings.Cut(rest, " ")
		text := word(name)
		if text == "" {
			return "", fmt.Errorf("%s is no Go string and no word", name)
		}
		b.WriteString(strings.Repeat(text, times))
		rest = after
	}
	return b.String(), nil
}

const soundHead = "Host: x\r\nAuthorization: Bearer " + standin.DefaultToken + "\r\nUser-Agent: x\r\n"

// framingWord are the words of framing cases. GET and POST begin a request and leave
// its head open; get and post are whole ones.
func framingWord(word string, n int) string {
	switch word {
	case "head":
		return soundHead
	case "token":
		return standin.DefaultToken
	case "GET":
		return "GET /scim/v2/Users?filter=userName%20eq%20%22nobody%22 HTTP/1.1\r\n" + soundHead
	case "POST":
		return "POST /scim/v2/Users HTTP/1.1\r\n" + soundHead + "Content-Type: application/scim+json\r\n"
	case "user": // of 100 bytes, so that lengths can be written down
		return fmt.Sprintf(`{"userName":"user-%03d","name":{"givenName":"Ada","familyName":"Byron"},"displayName":"Ada Byron"%3s}`, n, "")
	case "get":
		return framingWord("GET", n) + "\r\n"
	case "post":
		return framingWord("POST", n) + "Content-Length: 100\r\n\r\n" + framingWord("user", n)
	}
	return ""
}

// ruling is the verdict of a framing case. Statuses are those of the answers, in order.
//
//	serve 200 201        each is answered, and so is the canary behind them
//	serve 200 close      it is answered, and the connection closed
//	refuse 200 400 word  the last one is refused with a SCIM error whose detail has
//	                     the words, and the connection closed
//	close                the client ends its side in the middle: nothing is done
type ruling struct {
	kind     string
	statuses []int
	words    string
}

func rulingOf(t *testing.T, verdict []string) (r ruling) {
	t.Helper()
	r.kind = verdict[0]
	i := 1
	for ; i < len(verdict); i++ {
		status, err := strconv.Atoi(verdict[i])
		if err != nil {
			break
		}
		r.statuses = append(r.statuses, status)
	}
	r.words = strings.Join(verdict[i:], " ")
	sound := map[string]bool{
		"serve": len(r.statuses) > 0 && (r.words == "" || r.words == "close"), "refuse": len(r.statuses) > 0 && r.words != "", "close": len(verdict) == 1,
	}
	if !sound[r.kind] {
		t.Fatalf("%q is no verdict", verdict)
	}
	return r
}

// Each case of testdata/framing on a connection of its own, with another request, the
// canary, behind it: what two parsers could read differently is refused and ends the
// connection, the rest of RFC 9112 is served, in whatever pieces it arrives.
func TestFraming(t *testing.T) {
	files, err := filepath.Glob("testdata/framing/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("cannot find cases: %v", err)
	}
	for _, file := range files {
		class := strings.TrimSuffix(filepath.Base(file), ".txtar")
		t.Run(class, func(t *testing.T) { framingCases(t, file, stage{}, 1<<30) })
		t.Run(class+" byte by byte", func(t *testing.T) { framingCases(t, file, stage{}, 1) })
	}
}

// A gateway that only observes forwards what is no JSON, but nothing whose framing is
// in doubt.
func TestFramingUnderObserve(t *testing.T) {
	observing := stage{observe: true, rules: aws.Settings{Settings: rules.Settings{Policy: rules.ObservePolicy}}}
	for _, class := range []string{"codings", "lengths", "chunks", "lines", "names", "controls"} {
		t.Run(class, func(t *testing.T) { framingCases(t, "testdata/framing/"+class+".txtar", observing, 1<<30) })
	}
}

// playKnown is a scene in which AWS has accepted the client's token once: before that,
// few requests are let through.
func playKnown(t *testing.T, s stage) *scene {
	t.Helper()
	c := play(t, s)
	c.through(200, "GET", "/Users?count=1", "")
	return c
}

// The gateway itself closes a connection on which it has refused something: for its
// bytes, by the library, or by a rule. The client only waits.
func TestRefusedConnectionIsClosed(t *testing.T) {
	c := playKnown(t, stage{})
	for _, text := range []string{
		framingWord("GET", 0) + "X: y\n\r\n", framingWord("POST", 0) + "Content-Length: 99999999\r\n\r\n", framingWord("GET", 0) + "Authorization: other\r\n\r\n",
	} {
		conn := c.dial(t)
		if _, err := io.WriteString(conn, text+framingWord("get", 0)); err != nil {
			t.Fatal(err)
		}
		all, err := io.ReadAll(conn)
		if err != nil && !errors.Is(err, syscall.ECONNRESET) || !bytes.HasPrefix(all, []byte("HTTP/1.1 4")) || bytes.Contains(all, []byte("ListResponse")) {
			t.Errorf("got %q %v for %q, want it refused and the connection closed", all, err, text)
		}
	}
}

func framingCases(t *testing.T, file string, s stage, piece int) {
	c := playKnown(t, s)
	var served []string
	for n, k := range bytesCases(t, file, framingWord) {
		canary := fmt.Sprintf("canary-%03d", n)
		t.Run(k.name, func(t *testing.T) {
			if c.framing(t, k, canary, max(piece, len(k.text)/4096)) {
				served = append(served, canary)
			}
		})
	}
	if err := c.stop(); err != nil {
		t.Fatal(err)
	}
	var seen []string
	for _, e := range c.aws.Journal() {
		if _, rest, found := strings.Cut(e.Target, "canary-"); found {
			seen = append(seen, "canary-"+rest[:3])
		}
	}
	if !slices.Equal(seen, served) {
		t.Errorf("AWS saw %v from behind the cases, want %v", seen, served)
	}
}

// framing runs one case, and tells whether the canary is to be served.
func (c *scene) framing(t *testing.T, k bytesCase, canary string, piece int) bool {
	want := rulingOf(t, k.verdict)
	statuses := want.statuses
	text := k.text + "GET /scim/v2/Users?filter=userName%20eq%20%22" + canary + "%22 HTTP/1.1\r\n" + soundHead + "Connection: close\r\n\r\n"
	serves := want.kind == "serve" && want.words == ""
	switch {
	case serves:
		statuses = append(statuses, 200)
	case want.kind == "close":
		text = k.text
	}
	before := len(c.aws.Journal())
	answers, interim := c.utter(t, text, piece, want.kind == "close")
	if got := statusesOf(answers); want.kind != "close" && !slices.Equal(got, statuses) {
		t.Fatalf("got %v, want %v", answers, statuses)
	} else if want.kind == "close" && len(got) > 0 && got[0] < 400 {
		t.Fatalf("got %v, want nothing, or to be told that it is not whole", answers)
	}
	if n := len(answers); n > 0 && !answers[n-1].last {
		t.Errorf("got %v last, want to be told that the connection is closed", answers[n-1].header)
	}
	if want.kind == "refuse" {
		r := answers[len(answers)-1]
		if !strings.Contains(r.detail(), want.words) || r.text("status") != strconv.Itoa(r.status) || r.header.Get("Content-Type") != "application/scim+json" {
			t.Errorf("got %v %s, want a SCIM error that says %q", r.header, r.body, want.words)
		}
		if interim > 0 {
			t.Errorf("got %d interim answers to what is refused, want none", interim)
		}
	}
	calls := c.aws.Journal()[before:]
	if want.kind == "serve" { // a DELETE of nobody looks first
		calls = slices.DeleteFunc(calls, func(e standin.Entry) bool { return e.Operation == standin.GetUser || e.Operation == standin.DeleteUser })
	}
	c.forwarded(t, calls, statuses)
	return serves
}

// forwarded fails unless AWS saw a request for each answer that is its own, and of each
// no more than the gateway writes by itself: nothing that was hidden in another, no other
// header.
func (c *scene) forwarded(t *testing.T, entries []standin.Entry, statuses []int) {
	t.Helper()
	calls := 0
	for _, status := range statuses {
		if status < 300 {
			calls++
		}
	}
	if len(entries) != calls {
		t.Errorf("AWS saw %v, want %d requests", entries, calls)
	}
	for _, e := range entries {
		if strings.Contains(e.Target, "hidden") || e.Body != "" && !strings.HasPrefix(strings.TrimSpace(e.Body), `{"userName":"user-`) {
			t.Errorf("AWS saw %s %s %q, which nobody asked for", e.Method, e.Target, e.Body)
		}
		for name, values := range e.Header {
			if name == "Connection" && slices.Equal(values, []string{"close"}) {
				continue // of the gateway's own, for a write
			}
			if !slices.Contains([]string{"Accept", "Content-Length", "Content-Type", "User-Agent"}, name) {
				t.Errorf("AWS saw the header %s of %s %s", name, e.Method, e.Target)
			}
		}
	}
}

// answer is one of a connection.
type answer struct {
	reply
	last bool // it says that the connection is closed
}

func (a answer) String() string { return fmt.Sprintf("%d %.200s", a.status, a.body) }

func statusesOf(answers []answer) (list []int) {
	for _, a := range answers {
		list = append(list, a.status)
	}
	return list
}

// utter writes bytes to a connection of its own, in pieces, and reads all answers up to
// its end. The client ends its side when it is told that the connection is closed, or
// with end at once. Interim answers are counted apart.
func (c *scene) utter(t *testing.T, text string, piece int, end bool) (answers []answer, interim int) {
	t.Helper()
	conn := c.dial(t)
	for rest := text; rest != ""; rest = rest[min(piece, len(rest)):] {
		if _, err := io.WriteString(conn, rest[:min(piece, len(rest))]); err != nil {
			break // what came before was refused
		}
	}
	method, _, _ := strings.Cut(text, " ")
	for r := bufio.NewReader(conn); ; method = "" {
		if end {
			_ = conn.CloseWrite() // the gateway may have closed it
		}
		if _, err := r.Peek(1); errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
			return answers, interim
		}
		resp, err := http.ReadResponse(r, &http.Request{Method: method})
		if err != nil {
			t.Fatalf("cannot read an answer behind %v: %v", answers, err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatalf("cannot read an answer behind %v: %v", answers, err)
		}
		if resp.StatusCode < 200 {
			interim++
			continue
		}
		end = end || resp.Close
		answers = append(answers, answer{reply{resp.StatusCode, resp.Header, string(body)}, resp.Close})
	}
}

func (c *scene) dial(t *testing.T) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.Split(strings.TrimPrefix(c.gateway, "http://"), "/")[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil { // only of a test that fails
		t.Fatal(err)
	}
	return conn.(*net.TCPConn)
}

// What is refused by its bytes in the middle of a body, of which the server has read the
// head, is answered once and recorded once.
func TestARefusalOfBytesIsRecordedOnce(t *testing.T) {
	_, gateways := instances(t, 1)
	g := gateways[0]
	conn, err := net.Dial("tcp", hostOf(g.gateway))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	send := func(text string) {
		t.Helper()
		if _, err := io.WriteString(conn, text); err != nil {
			t.Fatal(err)
		}
	}
	send("POST /scim/v2/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + standin.DefaultToken + "\r\nUser-Agent: x\r\n" +
		"Content-Type: application/scim+json\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n")
	if line, err := in.ReadString('\n'); err != nil || !strings.Contains(line, " 100 ") {
		t.Fatalf("got %q %v, want to be told to go on", line, err)
	}
	send("5;extension=1\r\n")
	rest, err := io.ReadAll(in)
	if err != nil || strings.Count(string(rest), "HTTP/1.1 ") != 1 || !strings.Contains(string(rest), "HTTP/1.1 400 ") {
		t.Errorf("got %q %v, want one answer", rest, err)
	}
	g.drain()
	if log := readFile(t, g.log); strings.Count(log, `"kind":"refusal"`) != 1 {
		t.Errorf("want one refusal in the log:\n%s", log)
	}
}
