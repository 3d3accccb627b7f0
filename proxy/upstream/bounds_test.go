package upstream

import (
	"strings"
	"testing"
	"time"

	"github.com/scimgate/scimgate/rules/scim"
)

func TestInterimAnswersAreBounded(t *testing.T) {
	interim := "HTTP/1.1 103 Early Hints\r\n\r\n"
	p := listen(t, nil, answer(strings.Repeat(interim, maxInterim)+created))
	want(t, p.client(t, nil), create("{}"), scim.Done, ada)
	p = listen(t, nil, answer(strings.Repeat(interim, maxInterim+1)+created))
	want(t, p.client(t, nil), create("{}"), scim.Unknown, "")
}

func TestTimesOfACallAreBounded(t *testing.T) {
	silence := func(n *line) {
		for n.read() {
		}
	}
	f := func(name, scheme string, outcome scim.Outcome, change func(*Settings)) {
		t.Run(name, func(t *testing.T) {
			p := listen(t, nil, silence)
			c := p.client(t, func(s *Settings) {
				s.URL = strings.Replace(s.URL, "http", scheme, 1)
				change(s)
			})
			if _, got, err := c.Send(create("{}"), time.Now().Add(time.Hour)); got != outcome || err == nil {
				t.Errorf("got %v %v, want %v", got, err, outcome)
			}
		})
	}
	f("of a call", "http", scim.Unknown, func(s *Settings) { s.Timeout = 50 * time.Millisecond })
	f("of TLS", "https", scim.NotSent, func(s *Settings) { s.ConnectTimeout = 50 * time.Millisecond; s.Timeout = time.Hour })
}

// What one large call has needed is not kept for the next ones.
func TestLargeBuffersAreNotKept(t *testing.T) {
	members := `{"id":"906","members":[` + strings.Repeat(`1,`, 2*keptValues) + `1]}`
	p := listen(t, nil, answer(ok(members)))
	c := p.client(t, nil)
	call := create(`{"x":"` + strings.Repeat("x", 2*keptRequest) + `"}`)
	for range 3 {
		want(t, c, call, scim.Done, members)
	}
	for range 100 {
		if buf, _ := c.requests.Get().(*[]byte); buf != nil && cap(*buf) > keptRequest {
			t.Fatalf("a buffer of %d bytes is kept", cap(*buf))
		}
		if d := documents.Get().(*scim.Document); cap(d.Nodes) > keptValues {
			t.Fatalf("a document with room for %d values is kept", cap(d.Nodes))
		}
	}
}
