package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/scimgate/scimgate/bench/faults/faulty"
	"github.com/scimgate/scimgate/bench/faults/judge"
	"github.com/scimgate/scimgate/bench/faults/witness"
	"github.com/scimgate/scimgate/bench/standin"
)

// scene shows one row of the matrix where the mass run can't. It has a gateway and an
// upstream of its own, and ends with the judge.
type scene struct {
	row, name string
	alone     bool // it leaves too little of the machine to others
	run       func(*stage)
}

// stage is what a scene plays on.
type stage struct {
	*builds
	folder        string
	large         bool       // play at full size
	how           launch     // the binary is the plain one if none is named
	url           string     // that the gateway is given for its upstream; "" is the upstream's own
	tolerated     judge.Rule // a finding that is the scene's own doing
	store         *standin.Server
	u             *faulty.Server
	g             *gateway
	book          *book
	flags         []string
	pool          []string // ids of the people who were there from the beginning
	settle        time.Duration
	reads, writes witness.Rate

	mu     sync.Mutex // guards following
	faults []error
	names  int
	after  []func()
}

// atEnd has something done when the scene is over, however it ends; the last comes first.
func (s *stage) atEnd(f func()) { s.after = append(s.after, f) }

// play runs a scene, and returns what is wrong.
func (s *scene) play(b *builds, folder string, large bool) (err error) {
	st := &stage{builds: b, folder: folder, large: large, settle: settle, reads: witness.Rate{PerSecond: 4000, Burst: 200}, writes: witness.Rate{PerSecond: 2000, Burst: 100}}
	defer func() {
		if p := recover(); p != nil {
			stopped, ok := p.(stopPlaying)
			if !ok {
				panic(p)
			}
			err = errors.Join(append(st.faults, stopped.err)...)
		}
		if st.g != nil {
			st.g.kill()
		}
		for _, f := range slices.Backward(st.after) {
			f()
		}
		if st.u != nil {
			st.u.Close()
		}
	}()
	s.run(st)
	return errors.Join(st.faults...)
}

// stopPlaying ends a scene that can't go on.
type stopPlaying struct{ err error }

// must ends the scene on an error.
func (s *stage) must(err error) {
	if err != nil {
		panic(stopPlaying{err})
	}
}

// skipped is why a scene can't be played here.
type skipped struct{ why string }

func (e *skipped) Error() string { return e.why }

// skip ends a scene that this machine doesn't allow for.
func (s *stage) skip(why string) { s.must(&skipped{why}) }

// check notes what is not as it should be.
func (s *stage) check(ok bool, format string, args ...any) {
	if !ok {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.faults = append(s.faults, fmt.Errorf(format, args...))
	}
}

// open starts an upstream with so many people, and a gateway in front of it.
func (s *stage) open(people int, flags ...string) {
	s.upstream(people)
	s.serve(flags...)
}

// upstream starts one with so many people.
func (s *stage) upstream(people int) {
	s.store = standin.New(standin.Options{Rates: standin.Unlimited(), Users: people})
	s.must(os.MkdirAll(s.folder, 0o700))
	audit := filepath.Join(s.folder, "audit.jsonl")
	var err error
	s.u, err = faulty.Listen(faulty.Settings{Store: s.store, Log: audit, Timeout: timeout, Promise: settle})
	s.must(err)
	s.book = &book{audit: audit}
	for _, user := range s.store.Users() {
		s.pool = append(s.pool, user.ID)
	}
}

// serve starts the gateway in front of the upstream that there is.
func (s *stage) serve(flags ...string) {
	s.flags = flags
	s.start()
	r := s.ask(page(1, 1)) // the token is shown once
	s.check(r.Status == 200, "the first request was told %d", r.Status)
}

// start starts the gateway, again perhaps.
func (s *stage) start() {
	how, url, err := s.how, cmp.Or(s.url, s.u.URL()), error(nil)
	how.binary = cmp.Or(how.binary, s.plain)
	s.g, err = start(how, s.folder, url, s.flags...)
	s.must(err)
}

// user puts a user into the store, and returns its id.
func (s *stage) user() string {
	id, err := s.store.AddUser(userDocument(s.name()+"@example.test", "before", true))
	s.must(err)
	return id
}

// group puts a group into the store.
func (s *stage) group(members ...string) (id, name string) {
	name = s.name()
	id, err := s.store.AddGroup(`{"displayName":"`+name+`"}`, members...)
	s.must(err)
	return id, name
}

// name is a new one.
func (s *stage) name() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names++
	return fmt.Sprint("name-", s.names)
}

// request is one that was not sent yet.
func (s *stage) request(o *operation, orders ...faulty.Order) *request {
	r := &request{}
	r.Tag = s.book.tag()
	r.Logical, r.Method, r.Path, r.Body, r.Wish = r.Tag, o.method, o.path, o.body, o.wish
	for _, order := range orders {
		s.u.Plan(r.Tag, order)
	}
	return r
}

// ask sends a request with faults planned for it, on a connection of its own, and reads
// the answer.
func (s *stage) ask(o *operation, orders ...faulty.Order) *request {
	r := s.request(o, orders...)
	s.send(r)
	return r
}

// again repeats a request as Okta does.
func (s *stage) again(before *request, orders ...faulty.Order) *request {
	r := s.request(&operation{method: before.Method, path: before.Path, body: before.Body, wish: before.Wish}, orders...)
	r.Logical = before.Logical
	s.send(r)
	return r
}

func (s *stage) send(r *request) {
	l, err := dial(s.book, s.g.address)
	s.must(err)
	defer l.close()
	if l.send(r, r.text(), 1, 0) == nil {
		l.read(r)
	}
}

// fault plans one by its name.
func fault(name string) faulty.Order { return faulty.Order{Fault: faulty.ByName(name)} }

// of plans one by its name for one kind of calls.
func of(kind faulty.Kind, name string) faulty.Order {
	return faulty.Order{Fault: faulty.ByName(name), Of: kind}
}

// told checks a status, and that a client that is to come back knows when.
func (s *stage) told(what string, r *request, statuses ...int) {
	s.check(slices.Contains(statuses, r.Status), "%s: got %d %.300s, want %v", what, r.Status, r.Answer, statuses)
	s.check(r.Status != 429 || r.RetryAfter > 0, "%s: got 429 without Retry-After", what)
}

// writes are the writes that reached the upstream for a request.
func (s *stage) writesOf(r *request) []witness.Seen {
	return slices.DeleteFunc(s.u.Of(r.Tag), func(x witness.Seen) bool { return !x.Write() })
}

// outcomes are what the log says of the calls of an exchange, in order.
func (s *stage) outcomes(r *request) (list []string) {
	for _, l := range s.records(r.Exchange) {
		if l.Kind == "outcome" {
			list = append(list, l.Outcome)
		}
	}
	return list
}

// records are those of an exchange.
func (s *stage) records(exchange string) (list []witness.Line) {
	log, err := witness.ReadLog(s.g.audit)
	s.must(err)
	return slices.DeleteFunc(log.Lines, func(l witness.Line) bool { return l.Exchange != exchange })
}

// logged checks the outcomes of an exchange.
func (s *stage) logged(what string, r *request, outcomes ...string) {
	got := s.outcomes(r)
	s.check(slices.Equal(got, outcomes), "%s: the log has the outcomes %v, want %v", what, got, outcomes)
}

// settled waits for the notice about a write of an exchange, while a client asks for
// something now and then.
func (s *stage) settled(r *request) string {
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		for _, l := range s.records(r.Exchange) {
			if l.Event == "settled" {
				return l.Outcome
			}
		}
		s.ask(page(1, 1))
	}
	return "never"
}

// end stops the gateway, which has to end with that code, and holds all witnesses against
// each other.
func (s *stage) end(code int) *witness.History {
	got, err := s.g.stop()
	s.must(err)
	s.check(got == code, "the gateway ended with exit code %d, want %d:\n%s", got, code, s.g.output())
	s.u.Close()
	h, err := history(s.g, s.u, s.book.requests())
	s.must(err)
	h.Settle, h.Reads, h.Writes = s.settle, s.reads, s.writes
	findings := slices.DeleteFunc(judge.Check(h), func(f judge.Finding) bool { return f.Rule == s.tolerated })
	for i, f := range findings {
		if i == 10 {
			s.check(false, "and %d more findings", len(findings)-i)
			break
		}
		s.check(false, "%s", f)
	}
	return h
}

// soon waits for something to come true, without which the scene can't go on.
func (s *stage) soon(what string, is func() bool) {
	for deadline := time.Now().Add(30 * time.Second); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.must(fmt.Errorf("never: %s", what))
		}
	}
}

// detail is what a client's console shows.
func detail(r *request) string {
	_, text, _ := strings.Cut(r.Answer, `"detail":"`)
	return text
}

// together runs jobs at once, at most so many. A scene that can't go on ends behind them.
func together(most, n int, run func(i int)) {
	var all sync.WaitGroup
	var stopped atomic.Value
	places := make(chan struct{}, most)
	for i := range n {
		all.Add(1)
		places <- struct{}{}
		go func() {
			defer all.Done()
			defer func() { <-places }()
			defer func() {
				if p := recover(); p != nil {
					stopped.CompareAndSwap(nil, p)
				}
			}()
			run(i)
		}()
	}
	all.Wait()
	if p := stopped.Load(); p != nil {
		panic(p)
	}
}

// aside runs something beside the scene.
func (s *stage) aside(run func()) (ended <-chan struct{}) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if p := recover(); p != nil {
				s.check(false, "%v", p)
			}
		}()
		run()
	}()
	return done
}

// hashed is how the gateway's file of tokens has one.
func hashed(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}
