package upstream

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/scimgate/scimgate/rules/scim"
)

const ada = `{"id":"906","userName":"ada"}`

var (
	created  = "HTTP/1.1 201 Created\r\nContent-Type: application/scim+json\r\nx-amzn-RequestId: r-1\r\nContent-Length: 29\r\n\r\n" + ada
	chunked  = "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n" + ada[:5] + "\r\n18\r\n" + ada[5:] + "\r\n0\r\n\r\n"
	noBody   = "HTTP/1.1 204 No Content\r\n\r\n"
	throttle = "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 2\r\nContent-Length: 0\r\n\r\n"
)

// answer is the script of an upstream that says the same to everything.
func answer(s string) func(*line) {
	return func(n *line) {
		for n.read() {
			n.write(s)
		}
	}
}

func TestRequestIsMadeFromNothingButTheCall(t *testing.T) {
	p := listen(t, nil, func(n *line) {
		for _, s := range []string{created, ok("{}"), noBody} {
			n.read()
			n.write(s)
		}
		n.read()
	})
	c := p.client(t, nil)
	resp, outcome, err := c.Send(create(`{"userName":"ada"}`), soon())
	if err != nil || outcome != scim.Done || resp.Status != 201 || string(resp.Body) != ada || resp.RequestID != "r-1" || resp.ContentType != "application/scim+json" {
		t.Fatalf("got %+v %v %v, want the answer of the script", resp, outcome, err)
	}
	list := get("/Users?cursor&filter=userName%20eq%20%22ada%22")
	list.UserAgent = "okta via scimgate"
	want(t, c, list, scim.Done, "{}")
	want(t, c, Call{Method: "DELETE", URI: "/Users/a%2e%2e/../b", Authorization: []byte(testToken), Write: true}, scim.Done, "")

	host := p.listener.Addr().String()
	wanted := []string{
		"POST /tenant/scim/v2/Users HTTP/1.1\r\nHost: " + host + "\r\nAuthorization: Bearer " + testToken + "\r\nUser-Agent: scimgate\r\n" +
			"Accept: application/scim+json\r\nContent-Type: application/scim+json\r\nContent-Length: 18\r\n\r\n" + `{"userName":"ada"}`,
		"GET /tenant/scim/v2/Users?cursor&filter=userName%20eq%20%22ada%22 HTTP/1.1\r\nHost: " + host + "\r\nAuthorization: Bearer " + testToken +
			"\r\nUser-Agent: okta via scimgate\r\nAccept: application/scim+json\r\n\r\n",
		"DELETE /tenant/scim/v2/Users/a%2e%2e/../b HTTP/1.1\r\nHost: " + host + "\r\nAuthorization: Bearer " + testToken +
			"\r\nUser-Agent: scimgate\r\nAccept: application/scim+json\r\n\r\n",
	}
	if got := p.requests(); !slices.Equal(got, wanted) {
		t.Errorf("got %q, want %q", got, wanted)
	}
	if n := p.connections(); n != 1 {
		t.Errorf("got %d connections for 3 whole answers, want 1", n)
	}
}

// A write or a list goes out on a connection of its own, so that no late byte is taken for
// its answer, and no connection that was just closed leaves it in doubt.
func TestWritesHaveConnectionsOfTheirOwn(t *testing.T) {
	p := listen(t, nil, answer(ok(ada)))
	c := p.client(t, func(s *Settings) { s.Reuse = "" })
	for range 2 {
		want(t, c, create(ada), scim.Done, ada)
		read := get("/Users/906")
		read.ID = "906"
		want(t, c, read, scim.Done, ada)
		want(t, c, get("/Users?count=1"), scim.Done, ada)
	}
	if n := p.connections(); n != 5 {
		t.Errorf("got %d connections, want one for each of 2 writes and 2 lists, and one for the reads by id", n)
	}
	for i, text := range p.requests() {
		if strings.Contains(text, "Connection: close") != !strings.HasPrefix(text, "GET /tenant/scim/v2/Users/") {
			t.Errorf("request %d is %q, want all but reads by id to end their connection", i, text)
		}
	}
}

// An answer that shows another resource was meant for somebody else.
func TestAnAnswerShowsWhatWasAskedFor(t *testing.T) {
	p := listen(t, nil, answer(ok(ada)))
	c := p.client(t, nil)
	f := func(change func(*Call), outcome scim.Outcome) {
		t.Helper()
		call := get("/Users/906")
		change(&call)
		body := ada
		if outcome != scim.Done {
			body = ""
		}
		want(t, c, call, outcome, body)
	}
	f(func(x *Call) { x.ID = "906" }, scim.Done)
	f(func(x *Call) { x.ID = "907" }, scim.Unknown)
	f(func(x *Call) { x.Name = "ADA" }, scim.Done)
	f(func(x *Call) { x.Name = "grace" }, scim.Unknown)
	if n := p.connections(); n != 2 {
		t.Errorf("got %d connections, want the one closed whose answer was not believed", n)
	}
}

func TestWhatWouldBeAnotherRequestIsNotSent(t *testing.T) {
	p := listen(t, nil, answer(created))
	c := p.client(t, nil)
	f := func(change func(*Call)) {
		t.Helper()
		call := create("{}")
		change(&call)
		want(t, c, call, scim.NotSent, "")
	}
	f(func(x *Call) { x.URI = "/Users HTTP/1.1\r\nX: y" })
	f(func(x *Call) { x.URI = "/Users#part" })
	f(func(x *Call) { x.URI = "Users" })
	f(func(x *Call) { x.URI = "" })
	f(func(x *Call) { x.Method = "TRACE" })
	f(func(x *Call) { x.Authorization = nil })
	f(func(x *Call) { x.Authorization = []byte("a\r\nX: y") })
	f(func(x *Call) { x.UserAgent = "a\nX: y" })
	f(func(x *Call) { x.Method = "GET" })
	if _, outcome, err := c.Send(create("{}"), time.Now().Add(-time.Second)); outcome != scim.NotSent || err == nil {
		t.Errorf("got %v %v after the deadline, want not_sent", outcome, err)
	}
	if n := len(p.requests()); n != 0 {
		t.Errorf("got %d requests, want none", n)
	}
}

// However little of an answer is missing, it is no answer; and nothing is sent twice.
func TestAnswerCutAtEveryByteIsUnknown(t *testing.T) {
	endings := []struct {
		name string
		end  func(*line)
	}{
		{"FIN", func(n *line) { _ = n.Close() }},
		{"RST", (*line).reset},
	}
	answers := []struct{ method, text, body string }{
		{"POST", created, ada}, {"POST", chunked, ada}, {"PATCH", noBody, ""}, {"PUT", ok("{}"), "{}"},
	}
	for _, a := range answers {
		for _, e := range endings {
			cut := make(chan int, 1)
			p := listen(t, nil, func(n *line) {
				if n.read() {
					at := <-cut
					n.write(a.text[:at])
					if at == len(a.text) {
						n.read()
					}
					e.end(n)
				}
			})
			c := p.client(t, nil)
			call := create(ada)
			call.Method = a.method
			for at := range len(a.text) {
				cut <- at
				if _, outcome, err := c.Send(call, soon()); outcome != scim.Unknown || err == nil {
					t.Fatalf("%s %s after %q: got %v %v, want unknown", a.method, e.name, a.text[:at], outcome, err)
				}
			}
			cut <- len(a.text)
			want(t, c, call, scim.Done, a.body)
			if got := len(p.requests()); got != len(a.text)+1 {
				t.Fatalf("%s %s: got %d requests for %d calls", a.method, e.name, got, len(a.text)+1)
			}
		}
	}
}

func TestBytesAfterAnAnswerAreNotTheNextAnswer(t *testing.T) {
	trust, file := certificate(t, "127.0.0.1")
	forged := ok(`{"forged":true}`)
	for _, secure := range []bool{false, true} {
		answered := make(chan struct{}, 1)
		script := func(late func(*line)) func(*line) {
			return func(n *line) {
				if !n.read() {
					return
				}
				if n.number > 1 {
					n.write(ok(`{"own":true}`))
					n.read()
					return
				}
				n.write(ok(`{"first":true}`))
				<-answered
				late(n)
				n.read()
			}
		}
		run := func(name string, waits bool, script func(*line)) {
			t.Helper()
			t.Run(name, func(t *testing.T) {
				change, own := func(*Settings) {}, (*tls.Config)(nil)
				if secure {
					own = trust
					change = func(s *Settings) {
						s.URL = strings.Replace(s.URL, "http:", "https:", 1)
						s.CAFile = file
					}
				}
				p := listen(t, own, script)
				c := p.client(t, change)
				want(t, c, get("/Users/1"), scim.Done, `{"first":true}`)
				if waits {
					answered <- struct{}{}
					awaitArrival(t, c)
				}
				want(t, c, get("/Users/2"), scim.Done, `{"own":true}`)
				if n := p.connections(); n != 2 {
					t.Errorf("got %d connections, want a new one for the second call", n)
				}
			})
		}
		run("late answer", true, script(func(n *line) { n.write(forged) }))
		run("late byte", true, script(func(n *line) { n.write("\n") }))
		run("half a record or line", true, script(func(n *line) { _, _ = n.tcp.Write([]byte{0x17, 3, 3}) }))
		run("end", true, script(func(n *line) { _ = n.tcp.Close() }))
		run("reset", true, script((*line).reset))
		run("in the same segment", false, func(n *line) {
			if n.number > 1 {
				script(nil)(n)
				return
			}
			n.read()
			n.write(ok(`{"first":true}`) + forged)
			n.read()
		})
		run("with the answer", false, func(n *line) {
			if n.number > 1 {
				script(nil)(n)
				return
			}
			n.read()
			n.write("HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 14\r\n\r\n" + `{"first":true}`)
			n.read()
		})
	}
}

// One write of the upstream may reach TLS as several records at once.
func TestRecordsThatTLSHasReadAheadAreSeen(t *testing.T) {
	trust, file := certificate(t, "127.0.0.1")
	p := listen(t, trust, func(n *line) {
		if !n.read() {
			return
		}
		if n.number > 1 {
			n.write(ok(`{"own":true}`))
			n.read()
			return
		}
		n.wire.hold = true
		n.write(ok(`{"first":true}`))
		n.write(ok(`{"forged":true}`))
		_, _ = n.tcp.Write(n.wire.held)
		n.read()
	})
	c := p.client(t, func(s *Settings) {
		s.URL = strings.Replace(s.URL, "http:", "https:", 1)
		s.CAFile = file
	})
	want(t, c, get("/Users/1"), scim.Done, `{"first":true}`)
	want(t, c, get("/Users/2"), scim.Done, `{"own":true}`)
}

// brokenPipe takes some bytes of a request and then fails.
type brokenPipe struct {
	net.Conn
	takes int
}

func (b *brokenPipe) Write(p []byte) (int, error) { return min(b.takes, len(p)), syscall.EPIPE }
func (b *brokenPipe) SetDeadline(time.Time) error { return nil }
func (b *brokenPipe) Read([]byte) (int, error)    { return 0, io.EOF }
func pipe(takes int) *conn {
	w := &wire{Conn: &brokenPipe{takes: takes}, written: 1000} // by earlier calls
	return &conn{wire: w, stream: w, reader: bufio.NewReader(w)}
}

func TestNotSentIsProvedByTheBytesWritten(t *testing.T) {
	c, err := New(Settings{URL: "http://127.0.0.1/t"})
	if err != nil {
		t.Fatal(err)
	}
	f := func(takes int, want scim.Outcome) {
		t.Helper()
		if _, got, err := c.exchange(pipe(takes), create(ada), soon()); got != want || err == nil {
			t.Errorf("%d bytes written: got %v %v, want %v", takes, got, err, want)
		}
	}
	f(0, scim.NotSent)
	f(1, scim.Unknown)
	f(100, scim.Unknown)
}

func TestRecordsAreFollowedToTheirEnd(t *testing.T) {
	record := []byte{0x17, 3, 3, 0, 2, 'x', 'y', 0x15, 3, 3, 0, 0, 0x17, 3, 3, 1, 0}
	whole := []int{0, 7, 12}
	for step := range 5 {
		var w wire
		for at := 0; at < len(record); {
			if got, want := w.partial(), !slices.Contains(whole, at); got != want {
				t.Errorf("after %d bytes in steps of %d: got partial %v, want %v", at, step+1, got, want)
			}
			next := min(at+step+1, len(record))
			w.follow(record[at:next])
			at = next
		}
		k := &conn{wire: &w, reader: bufio.NewReader(strings.NewReader(""))}
		if k.settled() {
			t.Error("settled in the middle of a record")
		}
	}
}

func TestConnectionsInUseAreBounded(t *testing.T) {
	busy := make(chan struct{})
	p := listen(t, nil, func(n *line) {
		n.read()
		close(busy)
		n.read()
	})
	c := p.client(t, func(s *Settings) { s.MaxConns = 1 })
	end := make(chan struct{})
	go func() {
		defer close(end)
		if _, outcome, err := c.Send(create("{}"), time.Now().Add(100*time.Millisecond)); outcome != scim.Unknown {
			t.Errorf("got %v %v for silence, want unknown", outcome, err)
		}
	}()
	<-busy
	if _, outcome, err := c.Send(create("{}"), time.Now().Add(time.Millisecond)); outcome != scim.NotSent || err == nil {
		t.Errorf("got %v %v, want not_sent since all connections are busy", outcome, err)
	}
	<-end
	if n := len(p.requests()); n != 1 {
		t.Errorf("got %d requests, want 1", n)
	}
}

func TestIdleConnectionsAgeAndClose(t *testing.T) {
	p := listen(t, nil, answer(ok("{}")))
	c := p.client(t, func(s *Settings) { s.IdleTimeout = time.Minute })
	want(t, c, get("/Users"), scim.Done, "{}")
	c.idle[0].used = time.Now().Add(-time.Minute)
	want(t, c, get("/Users"), scim.Done, "{}")
	if n := p.connections(); n != 2 {
		t.Errorf("got %d connections, want 2: the first was idle too long", n)
	}
	c.idle[0].born = time.Now().Add(-maxAge)
	want(t, c, get("/Users"), scim.Done, "{}")
	want(t, c, get("/Users"), scim.Done, "{}")
	if n := p.connections(); n != 3 {
		t.Errorf("got %d connections, want 3: the second was old", n)
	}
	c.Close()
	want(t, c, get("/Users"), scim.NotSent, "")
}

func TestNothingLeftWithoutAConnection(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().String()
	_ = l.Close()
	other, otherFile := certificate(t, "scim.example.test")
	mine, _ := certificate(t, "127.0.0.1")
	silent := func(n *line) { n.read() }
	wrong, strange := listen(t, other, silent), listen(t, mine, silent)
	f := func(name string, s Settings) {
		t.Helper()
		c, err := New(s)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		want(t, c, create("{}"), scim.NotSent, "")
	}
	f("refused", Settings{URL: "http://" + closed})
	f("wrong name", Settings{URL: "https://" + wrong.listener.Addr().String(), CAFile: otherFile})
	f("unknown issuer", Settings{URL: "https://" + strange.listener.Addr().String(), CAFile: otherFile})
	f("no such name", Settings{URL: "https://scim.invalid", ConnectTimeout: time.Second})
	if n := len(wrong.requests()) + len(strange.requests()); n != 0 {
		t.Errorf("got %d requests, want none", n)
	}
}

// What may not leave any more is not sent, and that is no fault of the upstream.
func TestWhatMayNotLeaveIsNotSent(t *testing.T) {
	p := listen(t, nil, func(n *line) {
		if n.read() {
			t.Error("it was sent all the same")
		}
	})
	c := p.client(t, nil)
	late := errors.New("too late")
	call := create(`{"userName":"ada"}`)
	call.Leaves = func() error { return late }
	_, outcome, err := c.Send(call, soon())
	if outcome != scim.NotSent || !errors.Is(err, late) || !errors.Is(err, ErrNotTried) {
		t.Errorf("got %v, %v", outcome, err)
	}
	c.Close()
}
