package main

import (
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"github.com/scimgate/scimgate/bench/faults/faulty"
	"github.com/scimgate/scimgate/bench/faults/witness"
)

// clientScenes are about what clients do wrong.
var clientScenes = []scene{
	{row: "F25", name: "a write whose client has gone is finished once", run: func(s *stage) {
		s.open(1)
		for _, reset := range []bool{false, true} {
			id, release := s.user(), make(chan struct{})
			r := s.request(titled(id, "x"), faulty.Order{Fault: &faulty.Fault{Name: "slow", Strike: func(k *faulty.Strike) {
				reply := k.Apply()
				<-release
				k.Whole(reply)
			}}})
			r.Left = true
			l, err := dial(s.book, s.g.address)
			s.must(err)
			s.must(l.send(r, r.text(), 1, 0))
			s.u.Await(patience, func(x witness.Seen) bool { return x.Tag == r.Tag && !x.Did.IsZero() })
			if reset {
				l.reset()
			} else {
				l.close()
			}
			close(release)
			s.told("next", s.ask(titled(id, "y")), 200) // behind it in the lane
			s.check(len(s.writesOf(r)) == 1, "got %d writes, want one", len(s.writesOf(r)))
		}
		h := s.end(0)
		done := 0
		for _, l := range h.Log {
			if l.Kind == "outcome" && l.Outcome == "ok" {
				done++
			}
		}
		s.check(done == 4, "the log has %d writes that worked, want 4", done)
	}},
	{row: "F26", name: "a request that ends at any byte is none", run: func(s *stage) {
		s.open(1)
		text := s.request(createUser("cut@example.test", "x")).text()
		step := 1
		if !s.large {
			step = 13
		}
		together(4, len(text)/step, func(i int) {
			r := s.request(createUser("cut@example.test", "x"))
			r.Left, r.Junk, r.Wish = true, true, nil
			l, err := dial(s.book, s.g.address)
			s.must(err)
			_ = l.send(r, r.text()[:min(i*step, len(r.text())-1)], 1, 0) // the gateway may have enough
			l.close()
		})
		s.told("afterwards", s.ask(createUser("cut@example.test", "x")), 201)
		s.end(0)
	}},
	{row: "F27", name: "slow clients hold up nobody", run: func(s *stage) { s.slowloris() }},
	{row: "F28", name: "ten requests at once, the second or last of them unsound", run: func(s *stage) { s.pipeline() }},
	{row: "F29", name: "a body over the limit is not read, nor asked for", run: func(s *stage) {
		s.open(1)
		for _, b := range tooLarge {
			s.refuses(b, 413)
		}
		s.end(0)
	}},
	{row: "F30", name: "nesting and names without end", run: func(s *stage) {
		s.open(1, "--listen-max-body-bytes", "32MiB", "--listen-max-bodies-bytes", "40MiB")
		var names strings.Builder
		for i := range 1_000_000 {
			fmt.Fprintf(&names, `,"k%d":1`, i)
		}
		for what, body := range map[string]string{
			"33 lists": nested[0](), "2,000 objects": nested[1](), "a million names": `{"userName":"x"` + names.String() + `}`, "20 million lists": strings.Repeat("[", 20_000_000),
		} {
			began := time.Now()
			r := s.posts(body)
			s.told(what, r, 400, 413)
			s.check(time.Since(began) < 5*time.Second, "%s: the answer took %v", what, time.Since(began))
		}
		s.told("afterwards", s.ask(createUser("a@example.test", "x")), 201)
		s.end(0)
	}},
	{row: "F31", name: "documents with two readings are refused with their place", run: func(s *stage) {
		s.open(1)
		for _, body := range append(twoReadings, "\xef\xbb\xbf"+`{"userName":"a"}`) {
			r := s.posts(body)
			s.told(fmt.Sprintf("%.60q", body), r, 400)
			s.check(strings.Contains(r.Answer, "SG2"), "%.60q: got %.300s, want a rule named", body, r.Answer)
		}
		s.end(0)
	}},
	{row: "F32", name: "tokens that are none", run: func(s *stage) {
		s.open(1)
		for i, want := range []int{401, 400, 401, 431} {
			r := s.refuses(tokens[i], want)
			s.check(!strings.Contains(r.Answer, token[:8]) && !strings.Contains(r.Answer, "dXNlcjpw"), "%s: the answer has the token in it", tokens[i].name)
		}
		r := s.request(lookUp("nobody@example.test"))
		l, err := dial(s.book, s.g.address)
		s.must(err)
		defer l.close()
		s.must(l.send(r, strings.Replace(r.text(), token, "wrong-"+token[:4], 1), 1, 0))
		l.read(r)
		s.told("wrong", r, 401)
		s.end(0)
	}},
	{row: "T4", name: "bytes that two parsers read differently", run: func(s *stage) {
		s.open(1)
		for _, b := range unsound {
			s.refuses(b, 400, 404)
		}
		s.end(0)
	}},
	{row: "R19", name: "no window has more calls than the pace", run: func(s *stage) {
		s.reads, s.writes = witness.Rate{PerSecond: 30, Burst: 3}, witness.Rate{PerSecond: 20, Burst: 5}
		s.open(1, "--pace-writes-per-second", "20", "--pace-writes-burst", "5", "--pace-reads-per-second", "30", "--pace-reads-burst", "3")
		ids := make([]string, 60)
		for i := range ids {
			ids[i] = s.user()
		}
		together(60, 60, func(i int) {
			var orders []faulty.Order
			if i%6 == 0 {
				orders = append(orders, fault("429"))
			}
			s.told("write", s.ask(titled(ids[i], "x"), orders...), 200, 429)
			s.told("read", s.ask(read("/Users/"+ids[i], 1)), 200, 429)
		})
		s.end(0)
	}},
	{row: "R7", name: "a deactivation passes a flood", run: func(s *stage) {
		s.open(1, "--pace-writes-per-second", "20", "--pace-writes-burst", "1", "--pace-max-waiting", "40")
		ids := make([]string, 80)
		for i := range ids {
			ids[i] = s.user()
		}
		leaver := s.user()
		var behind atomic.Int64
		flood := s.aside(func() {
			together(80, 80, func(i int) { s.told("flood", s.ask(titled(ids[i], "x")), 200, 429) })
		})
		s.u.Await(patience, func(x witness.Seen) bool { return x.Write() })
		time.Sleep(moment)
		r := s.ask(activated(leaver, false, 0))
		s.told("deactivation", r, 200)
		<-flood
		w := s.writesOf(r)
		for _, x := range s.u.Seen(nil) {
			if x.Write() && len(w) == 1 && x.First.After(w[0].First) {
				behind.Add(1)
			}
		}
		s.check(behind.Load() > 15, "%d writes of the flood came behind the deactivation, want most of those that waited", behind.Load())
		s.end(0)
	}},
}

// refuses sends bytes that have to be refused, with a canary behind them, and returns what
// was told.
func (s *stage) refuses(b bad, statuses ...int) *request {
	r := s.request(read("/Users", 1))
	r.Junk = true
	s.refused(r, b.text("Host: gateway.test\r\nUser-Agent: x "+r.Tag+"\r\n"))
	s.told(b.name, r, statuses...)
	return r
}

// posts sends a document that has to be refused.
func (s *stage) posts(body string) *request {
	r := s.request(&operation{method: "POST", path: "/Users", body: body})
	r.Junk = true
	s.refused(r, r.text())
	return r
}

func (s *stage) refused(r *request, text string) {
	canary := s.request(lookUp("canary@example.test"))
	canary.Junk = true
	s.book.add(canary)
	l, err := dial(s.book, s.g.address)
	s.must(err)
	defer l.close()
	_ = l.send(r, text+canary.text(), 1, 0) // what is too large is refused before it is all there
	if !l.read(r) {
		s.check(false, "%.60q has no answer", text)
		return
	}
	s.check(r.Interim == 0, "%.60q: got an interim answer", text)
	if l.over {
		return
	}
	s.check(!l.read(canary), "the canary behind %.60q was answered", text)
}

// slowloris keeps many connections open that send next to nothing.
func (s *stage) slowloris() {
	n, served := 200, 50 // of one address
	if s.large {
		n, served = 2000, 512
	}
	s.open(1, "--listen-max-conns-per-address", fmt.Sprint(served))
	id := s.user()
	var slow []*line
	for i := range n {
		l, err := dialFrom("127.0.0.2", s.book, s.g.address)
		if i == 0 && err != nil {
			s.skip("no other address to come from: " + err.Error())
		}
		s.must(err)
		defer l.close()
		slow = append(slow, l)
		if i >= served {
			continue
		}
		text := s.request(createUser("slow@example.test", "x")).text()
		_, err = io.WriteString(l.conn, text[:[]int{1, 20, 150, len(text) - 5}[i%4]])
		s.must(err)
	}
	together(20, 100, func(i int) {
		began := time.Now()
		s.told("good client", s.ask(read("/Users/"+id, 1)), 200)
		s.check(time.Since(began) < slowest, "a good client waited %v", time.Since(began))
	})
	cut, crowded := 0, 0
	for i, l := range slow {
		r := s.request(read("/Users", 1))
		r.Junk = true
		s.book.add(r)
		l.read(r)
		switch {
		case i < served && r.Flaw == "" && (r.Status == 408 || r.Status == 0):
			cut++
		case i >= served && r.Flaw == "" && r.Status == 429:
			crowded++
		}
	}
	s.check(cut == served && crowded == n-served, "%d of %d slow connections were cut, and %d of %d refused", cut, served, crowded, n-served)
	s.end(0)
}

// pipeline sends ten requests at once, with bytes that are refused in their midst.
func (s *stage) pipeline() {
	s.open(1)
	for _, at := range []int{1, 5, 10} {
		var all []*request
		var text strings.Builder
		for i := range 10 {
			o := read("/Users/"+s.user(), 1)
			if i%3 == 1 {
				o = titled(s.user(), "x")
			}
			r := s.request(o)
			if i == at {
				text.WriteString(strings.Replace(r.text(), "Host:", "Host :", 1))
			} else {
				text.WriteString(r.text())
			}
			r.Junk = i >= at
			all = append(all, r)
		}
		l, err := dial(s.book, s.g.address)
		s.must(err)
		for _, r := range all[1:] {
			s.book.add(r)
			r.Began = time.Now()
		}
		s.must(l.send(all[0], text.String(), 1, 0))
		for i, r := range all {
			answered := !l.over && l.read(r)
			switch {
			case i < at:
				s.told(fmt.Sprint("request ", i+1), r, 200)
			case i == at:
				s.told("the unsound one", r, 400)
			default:
				s.check(!answered, "request %d behind the unsound one was answered", i+1)
			}
		}
		l.close()
	}
	s.end(0)
}
