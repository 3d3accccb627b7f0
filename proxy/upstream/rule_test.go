package upstream

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/scimgate/scimgate/rules/scim"
)

// A connection whose answer could not be believed serves nobody else: what comes next on
// it may belong to anyone.
func TestAConnectionEndsWithItsError(t *testing.T) {
	p := listen(t, nil, func(n *line) {
		n.read()
		if n.number == 1 {
			n.write("HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n{}")
			n.read() // nothing is asked again
		}
		n.write(ok(fmt.Sprintf(`{"connection":%d}`, n.number)))
		n.read()
	})
	c := p.client(t, nil)
	want(t, c, get("/Users/1"), scim.Unknown, "")
	want(t, c, get("/Users/2"), scim.Done, `{"connection":2}`)
}

// An answer that is too large is not read, though it is whole.
func TestAnswersAreBounded(t *testing.T) {
	f := func(fields, body string, outcome scim.Outcome) {
		t.Helper()
		p := listen(t, nil, answer("HTTP/1.1 200 OK\r\n"+fields+"\r\n\r\n"+body))
		c := p.client(t, func(s *Settings) { s.MaxResponseBytes = 1000 })
		if _, got, err := c.Send(get("/Users"), soon()); got != outcome {
			t.Errorf("%s: got %v %v, want %v", fields, got, err, outcome)
		}
	}
	document := func(size int) string { return `{"a":"` + strings.Repeat("x", size-8) + `"}` }
	chunks := func(size int) string {
		return fmt.Sprintf("1\r\n{\r\n%x\r\n%s\r\n0\r\n\r\n", size-1, document(size)[1:])
	}
	f("Content-Length: 1000", document(1000), scim.Done)
	f("Content-Length: 1001", document(1001), scim.Unknown)
	f("Transfer-Encoding: chunked", chunks(1000), scim.Done)
	f("Transfer-Encoding: chunked", chunks(1001), scim.Unknown)
}

// A refusal of which a part is missing may be no refusal.
func TestAFailureCutShortIsUnknown(t *testing.T) {
	p := listen(t, nil, func(n *line) {
		n.read()
		n.write("HTTP/1.1 500 Oops\r\nContent-Length: 10\r\n\r\nhello")
	})
	want(t, p.client(t, nil), create("{}"), scim.Unknown, "")
}

func TestRetryAfterIsRead(t *testing.T) {
	p := listen(t, nil, answer(throttle))
	if resp, _, err := p.client(t, nil).Send(get("/Users"), soon()); err != nil || resp.RetryAfter != 2*time.Second {
		t.Errorf("got %v %v, want 2s", resp.RetryAfter, err)
	}
}

// Errors quote in hex.
func TestNoAnswerQuotesTheToken(t *testing.T) {
	p := listen(t, nil, answer("HTTP/9 "+testToken+"\r\n\r\n"))
	_, _, err := p.client(t, nil).Send(get("/Users"), soon())
	if err == nil || strings.Contains(err.Error(), hex.EncodeToString([]byte(testToken[:8]))) {
		t.Errorf("got %v, want an error without the token", err)
	}
}
