package main

import (
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/scimgate/scimgate/bench/faults/faulty"
)

// toldScenes are those in which the upstream says that something is wrong, or can't be
// reached.
var toldScenes = []scene{
	{row: "F1", name: "a 429 is waited for", run: func(s *stage) {
		s.open(1)
		r := s.ask(titled(s.user(), "x"), fault("429-wait-1"))
		s.told("throttled once", r, 200)
		s.logged("throttled once", r, "upstream_error", "ok")
		if w := s.writesOf(r); len(w) != 2 || w[1].First.Sub(w[0].Over) < time.Second {
			s.check(false, "got %d writes, want a second one after the second that was asked for", len(w))
		}
		s.end(0)
	}},
	{row: "F1", name: "a 429 that asks for more than the client's patience is passed on", run: func(s *stage) {
		s.open(1, "--client-patience", "1s")
		r := s.ask(titled(s.user(), "x"), fault("429-wait-2"))
		s.told("throttled", r, 429)
		s.check(r.RetryAfter == 2, "got Retry-After %d, want 2", r.RetryAfter)
		s.check(len(s.writesOf(r)) == 1, "got %d writes, want one", len(s.writesOf(r)))
		s.end(0)
	}},
	{row: "F2", name: "a 429 for ever ends before the client's patience", run: func(s *stage) {
		s.open(1)
		r := s.ask(titled(s.user(), "x"), faulty.Order{Fault: faulty.ByName("429"), Times: 100})
		s.told("throttled", r, 429)
		s.check(r.Answered.Sub(r.Sent) < patience, "the answer took %v", r.Answered.Sub(r.Sent))
		s.logged("throttled", r, "upstream_error", "upstream_error", "upstream_error")
		s.end(0)
	}},
	{row: "F3", name: "Retry-After in every form", run: func(s *stage) {
		s.open(1)
		for _, name := range []string{"429", "429-wait-0", "429-wait-soon", "429-wait-minus", "429-wait-past", "429-empty", "429-html", "429-wait-date"} {
			for _, o := range []*operation{titled(s.user(), "x"), lookUp("nobody@example.test")} {
				began := time.Now()
				r := s.ask(o, fault(name))
				s.told(name, r, 200)
				s.check(len(s.u.Of(r.Tag)) == 2, "%s: got %d calls, want two", name, len(s.u.Of(r.Tag)))
				s.check(name != "429-wait-date" || time.Since(began) > time.Second, "a date was not waited for")
			}
		}
		r := s.ask(titled(s.user(), "x"), fault("429-wait-huge"))
		s.told("huge", r, 429)
		s.check(r.RetryAfter <= 300, "got Retry-After %d, want 300 at most", r.RetryAfter)
		s.end(0)
	}},
	{row: "F4", name: "a 503 is repeated for reads alone", run: func(s *stage) {
		s.open(1)
		r := s.ask(titled(s.user(), "x"), fault("503"))
		s.told("write", r, 429)
		s.logged("write", r, "unknown")
		r = s.ask(lookUp("nobody@example.test"), fault("503"))
		s.told("read", r, 200)
		s.check(len(s.u.Of(r.Tag)) == 2, "got %d calls of the read, want two", len(s.u.Of(r.Tag)))
		s.told("create, done", s.ask(createUser("a@example.test", "x"), fault("503-done")), 201)
		s.end(0)
	}},
	{row: "F5", name: "a create that was answered 500 is looked up", run: func(s *stage) {
		s.open(1)
		for i, name := range []string{"500-done", "500-html-done", "504-done"} {
			r := s.ask(createUser(string(rune('a'+i))+"@example.test", "x"), fault(name))
			s.told(name, r, 201)
			s.check(len(s.writesOf(r)) == 1, "%s: got %d creates, want one", name, len(s.writesOf(r)))
		}
		r := s.ask(createUser("z@example.test", "x"), fault("500"))
		s.told("not done", r, 429)
		s.check(len(s.writesOf(r)) == 1, "got %d creates, want one", len(s.writesOf(r)))
		s.told("repeat", s.again(r), 201)
		s.end(0)
	}},
	{row: "F6", name: "a write that was answered 500 is settled by a read", run: func(s *stage) {
		s.open(1)
		for name, want := range map[string]string{"500": "not_done", "500-done": "ok"} {
			id := s.user()
			group, _ := s.group()
			for _, o := range []*operation{activated(id, false, 0), removed("Groups", group), removed("Users", s.user())} {
				r := s.ask(o, of(faulty.Write, name))
				s.told(o.name, r, 429)
				s.logged(o.name, r, "unknown")
				s.check(len(s.writesOf(r)) == 1, "%s: got %d writes, want one", o.name, len(s.writesOf(r)))
				got := s.settled(r)
				s.check(got == want, "%s: it is settled as %s, want %s", o.name, got, want)
			}
		}
		for _, name := range []string{"500", "500-done"} { // a PUT needn't change anything that a read shows
			r := s.ask(putUser(s.user(), s.name(), "x", true), fault(name))
			s.told("put", r, 429)
			s.logged("put", r, "unknown")
			got := s.settled(r)
			s.check(got == map[string]string{"500": "not_done", "500-done": "ok"}[name] || got == "ok", "put: it is settled as %s", got)
		}
		s.end(0)
	}},
	{row: "F7", name: "nothing is sent to a host that refuses", run: func(s *stage) {
		s.open(1, "--client-patience", "2s")
		id := s.user()
		refusing := make(chan error, 1)
		go func() { refusing <- s.u.Refuse(3 * time.Second) }()
		for _, err := net.Dial("tcp", strings.TrimPrefix(strings.TrimSuffix(s.u.URL(), faulty.Base), "http://")); err == nil; {
			_, err = net.Dial("tcp", strings.TrimPrefix(strings.TrimSuffix(s.u.URL(), faulty.Base), "http://"))
		}
		r := s.ask(titled(id, "x"))
		s.told("refused", r, 429)
		s.check(strings.Contains(detail(r), "nothing was sent"), "got %q, want to be told that nothing was sent", detail(r))
		s.check(len(s.u.Of(r.Tag)) == 0, "the upstream saw something")
		list := s.outcomes(r)
		s.check(len(list) > 0 && !slices.ContainsFunc(list, func(o string) bool { return o != "not_sent" }), "the log has %v, want not_sent alone", list)
		s.must(<-refusing)
		for deadline := time.Now().Add(10 * time.Second); r.Status != 200 && time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
			r = s.again(r)
		}
		s.told("back", r, 200)
		s.end(0)
	}},
	{row: "F8", name: "nothing is sent without TLS that holds", run: func(s *stage) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		s.must(err)
		defer l.Close()
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
				_ = c.Close()
			}
		}()
		s.must(os.MkdirAll(s.folder, 0o700))
		s.book = &book{audit: s.folder + "/audit.jsonl"}
		s.g, err = start(launch{binary: s.plain}, s.folder, "https://"+l.Addr().String()+faulty.Base)
		s.must(err)
		u, err := faulty.Listen(faulty.Settings{Store: s.store})
		s.must(err)
		s.u = u
		r := s.ask(createUser("a@example.test", "x"))
		s.told("no TLS", r, 429)
		list := s.outcomes(r)
		s.check(len(list) > 0 && !slices.ContainsFunc(list, func(o string) bool { return o != "not_sent" }), "the log has %v, want not_sent alone", list)
		s.check(s.g.says(r.Exchange, "TLS"), "the gateway does not name the cause:\n%s", s.g.output())
	}},
	{row: "F18", name: "a redirection is not followed", run: func(s *stage) {
		s.open(1)
		for at := range 5 {
			order := fault("redirect")
			order.At = at
			for _, o := range []*operation{titled(s.user(), "x"), lookUp("nobody@example.test"), createUser(s.name(), "x")} {
				r := s.ask(o, order)
				s.told("redirected", r, 429)
				s.check(len(s.writesOf(r)) <= 1, "got %d writes", len(s.writesOf(r)))
				if len(s.writesOf(r)) == 1 {
					s.logged("redirected", r, "upstream_error")
				}
			}
		}
		s.check(s.u.Elsewhere() == 0, "the other host was asked %d times", s.u.Elsewhere())
		s.end(0)
	}},
	{row: "F57", name: "a refused token of the client's is told as it is", run: func(s *stage) {
		s.open(1)
		for name, status := range map[string]int{"401": 401, "403": 403} {
			r := s.ask(titled(s.user(), "x"), fault(name))
			s.told(name, r, status)
			s.logged(name, r, "upstream_error")
			s.check(strings.Contains(detail(r), "oken"), "%s: got %q, want an explanation", name, detail(r))
		}
		s.end(0)
	}},
	{row: "F57", name: "a refused token of the gateway's own is no fault of the client's", run: func(s *stage) {
		folder := s.folder + "-tokens"
		s.must(os.MkdirAll(folder, 0o700))
		s.must(os.WriteFile(folder+"/upstream", []byte(token+"\n"), 0o600))
		s.must(os.WriteFile(folder+"/clients", []byte("okta "+hashed(token)+"\n"), 0o600))
		s.open(1, "--tokens-upstream", "file:"+folder+"/upstream", "--tokens-file", folder+"/clients")
		r := s.ask(titled(s.user(), "x"), fault("401"))
		s.told("refused", r, 429)
		s.logged("refused", r, "upstream_error")
		s.check(s.g.says(r.Exchange, "refuses the token"), "nobody is told")
		s.end(0)
	}},
}
