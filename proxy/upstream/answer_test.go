package upstream

import (
	"bufio"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/scimgate/scimgate/rules/scim"
)

func TestAnswersOfEveryKind(t *testing.T) {
	f := func(method, text string, outcome scim.Outcome, body string) {
		t.Helper()
		p := listen(t, nil, func(n *line) {
			n.read()
			n.write(text)
			_ = n.tcp.CloseWrite()
			_, _ = io.Copy(io.Discard, n.reader)
		})
		c := p.client(t, func(s *Settings) { s.MaxResponseBytes = 1000 })
		call := create("")
		call.Method, call.Write = method, method != "GET"
		want(t, c, call, outcome, body)
		if n := len(p.requests()); n != 1 {
			t.Errorf("got %d requests, want 1", n)
		}
	}
	head := func(status, fields, body string) string {
		return "HTTP/1.1 " + status + "\r\n" + fields + "\r\n" + body
	}

	f("POST", created, scim.Done, ada)
	f("POST", chunked, scim.Done, ada)
	f("POST", strings.Replace(chunked, "0\r\n\r\n", "0\r\nX-Sum: 1\r\n\r\n", 1), scim.Done, ada)
	f("POST", strings.Replace(created, "HTTP/1.1", "HTTP/1.0", 1), scim.Done, ada)
	f("PATCH", noBody, scim.Done, "")
	f("PATCH", head("204 No Content", "Content-Length: 5\r\n", "hello"), scim.Done, "")
	f("POST", throttle, scim.UpstreamError, "")
	f("GET", head("500 Oops", "", "<html>until the end"), scim.UpstreamError, "<html>until the end")
	f("POST", head("307 Elsewhere", "Location: http://127.0.0.1/other\r\nContent-Length: 0\r\n", ""), scim.UpstreamError, "")
	f("POST", head("100 Continue", "", head("103 Early Hints", "Link: x\r\n", created)), scim.Done, ada)
	f("POST", strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 1000)+created, scim.Unknown, "")
	f("POST", head("101 Switching Protocols", "Upgrade: x\r\n", ""), scim.Unknown, "")

	// Garbage, and what two parsers would read differently.
	f("POST", "\x15\x03\x01\x00\x02\x02\x28", scim.Unknown, "")
	f("POST", "<html>HTTP/0.9</html>", scim.Unknown, "")
	f("POST", "\r\n"+created, scim.Unknown, "")
	f("POST", "HTTP/2.0 200 OK\r\n\r\n", scim.Unknown, "")
	f("POST", head("200", "Content-Length: 2\r\n", "{}"), scim.Done, "{}")
	f("POST", head("2000 OK", "Content-Length: 2\r\n", "{}"), scim.Unknown, "")
	f("POST", head("+20 OK", "Content-Length: 2\r\n", "{}"), scim.Unknown, "")
	f("POST", head("099 OK", "Content-Length: 2\r\n", "{}"), scim.Unknown, "")
	f("POST", head("200 OK", "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", "2\r\n{}\r\n0\r\n\r\n"), scim.Unknown, "")
	f("POST", head("200 OK", "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n", "2\r\n{}\r\n0\r\n\r\n"), scim.Unknown, "")
	f("POST", head("200 OK", "Content-Length: 2\r\nContent-Length: 2\r\n", "{}"), scim.Unknown, "")
	f("POST", head("200 OK", "Content-Length: +2\r\n", "{}"), scim.Unknown, "")
	f("POST", head("200 OK", "Content-Length: 2, 2\r\n", "{}"), scim.Unknown, "")
	f("POST", head("200 OK", "Content-Length : 2\r\n", "{}"), scim.Unknown, "")
	f("POST", head("200 OK", "Content-Length: 2\r\n folded\r\n", "{}"), scim.Unknown, "")
	f("POST", head("200 OK", "X: a\rb\r\nContent-Length: 2\r\n", "{}"), scim.Unknown, "")
	f("POST", "HTTP/1.1 200 OK\nContent-Length: 2\n\n{}", scim.Unknown, "")
	f("POST", head("200 OK", "Transfer-Encoding: gzip, chunked\r\n", "2\r\n{}\r\n0\r\n\r\n"), scim.Unknown, "")
	f("POST", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", scim.Unknown, "")
	f("POST", head("200 OK", "Transfer-Encoding: chunked\r\n", "2\r\n{}X\r\n0\r\n\r\n"), scim.Unknown, "")
	for _, bad := range []string{"-2\r\n{}\r\n0\r\n\r\n", "2;a=b\r\n{}\r\n0\r\n\r\n", "2\n{}\r\n0\r\n\r\n", "2 \r\n{}\r\n0\r\n\r\n", "\r\n{}\r\n0\r\n\r\n", "0x2\r\n{}\r\n0\r\n\r\n",
		"2\r\n{}0\r\n\r\n", "2\r\n{}\r\n0\r\nX y\r\n\r\n", "2\r\n{}\r\n0\r\nX: y\n\r\n", "000000002\r\n{}\r\n0\r\n\r\n", "2\r\n{}\r\n0\r\n"} {
		f("POST", head("200 OK", "Transfer-Encoding: chunked\r\n", bad), scim.Unknown, "")
	}

	// Too much.
	f("GET", head("200 OK", "Content-Length: 1001\r\n", "{"), scim.Unknown, "")
	f("GET", head("200 OK", "Content-Length: 99999999999999999999\r\n", "{"), scim.Unknown, "")
	f("GET", head("200 OK", "Transfer-Encoding: chunked\r\n", "400\r\n"+strings.Repeat(" ", 1024)+"\r\n"), scim.Unknown, "")
	f("GET", head("200 OK", strings.Repeat("X: y\r\n", 1<<18), ""), scim.Unknown, "")
	f("GET", head("500 Oops", "", strings.Repeat("x", 1001)), scim.Unknown, "")

	// A 2xx that proves nothing.
	f("POST", head("200 OK", "", ada), scim.Unknown, "") // no end
	f("POST", noBody, scim.Unknown, "")
	f("PUT", head("200 OK", "Content-Length: 0\r\n", ""), scim.Unknown, "")
	f("PATCH", head("200 OK", "Content-Length: 0\r\n", ""), scim.Unknown, "")
	f("DELETE", head("200 OK", "Content-Length: 0\r\n", ""), scim.Done, "")
	f("POST", head("202 Accepted", "Content-Length: 2\r\n", "{}"), scim.Unknown, "")
	f("POST", head("201 Created", "Content-Length: 13\r\n", "<html></html>"), scim.Unknown, "")
	f("POST", head("201 Created", "Content-Length: 7\r\n", `{"a":1,`), scim.Unknown, "")
	f("POST", head("201 Created", "Content-Length: 2\r\n", "[]"), scim.Unknown, "")
	f("GET", head("200 OK", "Content-Length: 2\r\n", "ok"), scim.Unknown, "")
	f("GET", noBody, scim.Unknown, "")
	f("GET", head("200 OK", "Content-Length: 6\r\n", " {x} \n"), scim.Unknown, "")
	f("GET", head("200 OK", "Content-Length: 5\r\n", " {} \n"), scim.Done, " {} \n")
	f("GET", head("200 OK", "Content-Length: 31\r\n", `{"active":true,"Active":false }`), scim.Unknown, "")
	f("GET", "HTTP/9 "+testToken+"\r\n\r\n", scim.Unknown, "") // want looks for the token
}

func TestQuotedBytesNeverHoldTheToken(t *testing.T) {
	f := func(text, wanted string) {
		t.Helper()
		_, err := readHead(bufio.NewReaderSize(strings.NewReader(text), maxHead))
		if err == nil {
			t.Fatal("got no error")
		}
		if got := withoutToken(err, []byte(testToken)).Error(); !strings.HasSuffix(got, "hex "+wanted) {
			t.Errorf("got %q, want hex %s at its end", got, wanted)
		}
	}
	f("Bad!", "42616421")
	f("Bad "+testToken[3:11], "")
}

func TestRetryAfterIsBounded(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	f := func(value string, want time.Duration) {
		t.Helper()
		if got := retryAfter([]byte(value), now); got != want {
			t.Errorf("%q: got %v, want %v", value, got, want)
		}
	}
	f("2", 2*time.Second)
	f("0", 0)
	f("300", 300*time.Second)
	f("301", 300*time.Second)
	f("1000000000", 300*time.Second)
	f(strings.Repeat("9", 100), 300*time.Second)
	f("Sun, 01 Mar 2026 12:00:30 GMT", 30*time.Second)
	f("Sun, 01 Mar 2026 11:00:00 GMT", 0)
	f("Sun, 01 Mar 2066 11:00:00 GMT", 300*time.Second)
	f("", 0)
	f("-1", 0)
	f("1.5", 0)
	f("soon", 0)
}

func TestSettingsAreChecked(t *testing.T) {
	f := func(url string, ok bool) {
		t.Helper()
		if err := (Settings{URL: url}).Check(); (err == nil) != ok {
			t.Errorf("%q: got %v", url, err)
		}
	}
	f("https://scim.us-east-2.amazonaws.com/t/scim/v2", true)
	f("https://scim.us-east-2.amazonaws.com/t/scim/v2/", true)
	f("http://127.0.0.1:8080/t", true)
	f("http://[::1]:8080/t", true)
	f("http://localhost:8080/t", true)
	f("http://scim.example.test/t", false)
	f("ftp://scim.example.test/t", false)
	f("https://a:b@scim.example.test/t", false)
	f("https://scim.example.test/t?x", false)
	f("https://scim.example.test/t#x", false)
	f("https:///t", false)
	f("", false)
	if err := (Settings{URL: "http://scim.example.test/", Insecure: true}).Check(); err != nil {
		t.Errorf("got %v, want none with insecure", err)
	}
	err := Settings{URL: "", Timeout: -1, MaxConns: -1}.Check()
	for _, name := range []string{"url", "max_conns", "timeout"} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("got %q, want it to name %s as well", err, name)
		}
	}
}

// Whatever arrives, reading ends, and a body has the length that was announced.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{created, chunked, noBody, throttle, "HTTP/1.1 100 \r\n\r\n" + created} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r := bufio.NewReaderSize(strings.NewReader(text), maxHead)
		h, err := readHead(r)
		if err != nil {
			return
		}
		if h.status < 200 || h.status > 599 || h.chunked && h.length >= 0 {
			t.Fatalf("got head %+v of %q", h, text)
		}
		c := Client{settings: Settings{MaxResponseBytes: 1000}}
		body, err := c.body(&conn{reader: r}, h, (&Call{}).room)
		if err == nil && (len(body) > 1000 || body != nil && h.length >= 0 && len(body) != h.length) {
			t.Fatalf("got %d bytes of body for %+v", len(body), h)
		}
	})
}
