package upstream

import (
	"errors"
	"io"
	"strconv"
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

// Before a body is held, it is asked whether there is room for it, however it comes.
func TestAnswersAskForRoom(t *testing.T) {
	body := `{"id":"906","title":"` + strings.Repeat("x", 100<<10) + `"}`
	for name, text := range map[string]string{
		"announced":  ok(body),
		"chunked":    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n" + body[:5] + "\r\n" + strconv.FormatInt(int64(len(body)-5), 16) + "\r\n" + body[5:] + "\r\n0\r\n\r\n",
		"to the end": "HTTP/1.1 500 Oops\r\n\r\n" + body,
	} {
		t.Run(name, func(t *testing.T) {
			p := listen(t, nil, func(n *line) {
				n.read()
				n.write(text)
				_ = n.tcp.CloseWrite()
				_, _ = io.Copy(io.Discard, n.reader)
			})
			asked, full := 0, errors.New("full")
			call := create("{}")
			call.Fit = func(n int) error {
				asked = max(asked, n)
				return nil
			}
			resp, _, err := p.client(t, nil).Send(call, time.Now().Add(time.Minute))
			if err != nil || string(resp.Body) != body || asked < len(body) {
				t.Errorf("got %d bytes, %v, asked for %d, want %d", len(resp.Body), err, asked, len(body))
			}
			call.Fit = func(n int) error {
				if n > 50<<10 {
					return full
				}
				return nil
			}
			if _, outcome, err := p.client(t, nil).Send(call, time.Now().Add(time.Minute)); outcome != scim.Unknown || !errors.Is(err, full) {
				t.Errorf("got %v %v, want it not read", outcome, err)
			}
		})
	}
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

func TestHeadsOfAnswersAreBounded(t *testing.T) {
	head := "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: \r\n\r\n"
	for size, outcome := range map[int]scim.Outcome{maxHead: scim.Done, maxHead + 1: scim.Unknown} {
		filler := strings.Repeat("x", size-len(head))
		body := "{}"
		if outcome != scim.Done {
			body = ""
		}
		p := listen(t, nil, answer(strings.Replace(head, "X: ", "X: "+filler, 1)+"{}"))
		want(t, p.client(t, nil), get("/Users"), outcome, body)
	}
}

// Of what is passed on of a head, so much is kept.
func TestFieldsOfAnswersAreBounded(t *testing.T) {
	for _, f := range []struct {
		name string
		most int
		of   func(scim.Response) string
	}{
		{"ETag", maxField, func(r scim.Response) string { return r.ETag }},
		{"Location", maxField, func(r scim.Response) string { return r.Location }},
		{"x-amzn-RequestId", 128, func(r scim.Response) string { return r.RequestID }},
	} {
		p := listen(t, nil, answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"+f.name+": "+strings.Repeat("x", f.most+1)+"\r\n\r\n{}"))
		resp, _, err := p.client(t, nil).Send(get("/Users"), soon())
		if got := f.of(resp); err != nil || got != strings.Repeat("x", f.most) {
			t.Errorf("got %v and %d bytes of %s, want %d", err, len(got), f.name, f.most)
		}
	}
}
