package main

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/scimgate/scimgate/bench/faults/witness"
)

// sharedScenes are about two gateways with audit logs of their own, of which Redis says
// which one writes.
var sharedScenes = []scene{
	{row: "F48", name: "of two gateways the one with the lease writes, and the other when it is given back", run: func(s *stage) { s.oneWrites() }},
	{row: "F48", name: "what one has left open is not carried out behind an activation at the other", run: func(s *stage) { s.supplanted() }},
	{row: "F49", name: "Redis is down, and comes back empty", run: func(s *stage) { s.withoutRedis() }},
	{row: "F49", name: "Redis is slow", run: func(s *stage) { s.slowRedis() }},
	{row: "F49", name: "Redis is flushed", run: func(s *stage) { s.flushedRedis() }},
	{row: "F49", name: "the one that writes is cut off from Redis", run: func(s *stage) { s.split() }},
	{row: "F49", name: "without Redis, what is open at one is not carried out behind an activation at the other", run: func(s *stage) { s.openAlone() }},
	{row: "F49", name: "under hold nobody writes without Redis", run: func(s *stage) { s.holding() }},
	{row: "F50", name: "a write that waits is not sent when the lease was lost meanwhile", run: func(s *stage) { s.leaseLost() }},
}

func (s *stage) oneWrites() {
	p := s.several(1)
	a, b := p.all[0], p.all[1]
	id := s.user()
	status, text := p.ready(a)
	s.check(status == 200, "the one that writes is not ready: %d %s", status, text)
	status, text = p.ready(b)
	s.check(status == 503 && strings.Contains(text, `"first" writes`), "the one that stands by says %d %s", status, text)

	order, release := held()
	defer release()
	off := s.request(activated(id, false, 0), order)
	ended := s.aside(func() { p.through(a, off) })
	s.check(s.u.Await(patience, func(x witness.Seen) bool { return x.Tag == off.Tag && !x.Did.IsZero() }), "the write never came")
	on := p.to(b, activated(id, true, 0))
	s.told("activation at the one that stands by", on, 429)
	s.check(strings.Contains(detail(on), "stands by"), "it does not say why: %s", detail(on))
	s.told("read at the one that stands by", p.to(b, read("/Users/"+id, 1)), 429)
	release()
	<-ended
	s.told("deactivation", off, 200)

	code, err := a.stop()
	s.must(err)
	s.check(code == 0, "the first ended with exit code %d", code)
	p.becomes(b, "writing")
	status, _ = p.ready(b)
	s.check(status == 200, "the one that takes over is not ready")
	s.told("read at the one that takes over", p.to(b, read("/Users/"+id, 1)), 200)
	early := p.to(b, activated(id, true, 0))
	s.told("activation at once", early, 429)
	s.check(strings.Contains(detail(early), "taken over"), "it does not say why: %s", detail(early))
	p.writes(b)
	on = p.to(b, activated(id, true, 0))
	s.told("activation", on, 200)

	p.start(a)
	p.becomes(a, "standby")
	b.kill() // the lease has to run out
	p.becomes(a, "writing")
	p.writes(a)
	s.told("title", p.to(a, titled(id, "x")), 200)
	p.start(b)
	p.becomes(b, "standby")
	p.logs(b, "writer", "another may have written meanwhile", 1)
	p.agree()
}

// holders starts two gateways that have AWS's token, so that they carry on by themselves
// what has failed.
func (s *stage) holders() *several {
	folder := s.folder + "-tokens"
	s.must(os.MkdirAll(folder, 0o700))
	s.must(os.WriteFile(folder+"/upstream", []byte(token+"\n"), 0o600))
	s.must(os.WriteFile(folder+"/clients", []byte("okta "+hashed(token)+"\n"), 0o600))
	return s.several(1, "--tokens-upstream", "file:"+folder+"/upstream", "--tokens-file", folder+"/clients", "--guard-deactivations-mode", "alarm")
}

// supplanted leaves two deactivations open at the first gateway; at the second, one of the
// users is activated again, and the other is deactivated.
func (s *stage) supplanted() {
	p := s.holders()
	a, b := p.all[0], p.all[1]
	back, out := s.user(), s.user()
	for _, id := range []string{back, out} {
		s.told("deactivation", p.to(a, activated(id, false, 0), fault("500")), 429)
	}
	a.kill()
	p.becomes(b, "writing")
	p.writes(b)
	s.told("activation", p.to(b, activated(back, true, 0)), 200)
	s.told("deactivation again", p.to(b, activated(out, false, 0)), 200)
	p.start(a)
	p.becomes(a, "standby")
	status, text := p.release(a)
	s.check(status == 503 && strings.Contains(text, `"second" writes`), "a release at the one that stands by is told %d %s", status, text)
	code, err := b.stop()
	s.must(err)
	s.check(code == 0, "the second ended with exit code %d", code)
	p.becomes(a, "writing")
	p.writes(a)
	p.start(b)
	p.whole(a)
	s.soon("who is out is off the list", func() bool { return !p.open(a, out) })
	s.check(!p.deactivated(back, 3*time.Second), "a user who was activated at the other is deactivated")
	s.check(p.open(a, back), "who waits for a person is not on the list")
	status, text = p.release(a)
	s.check(status == 200, "a release is told %d %s", status, text)
	s.check(p.deactivated(back, 10*time.Second), "what a person has released is not carried out")
	s.soon("the list is empty", func() bool { return !p.open(a, back) })
}

// openAlone leaves a deactivation open at the one that writes, and has the user activated
// at the other while Redis is away.
func (s *stage) openAlone() {
	p := s.holders()
	a, b := p.all[0], p.all[1]
	id := s.user()
	p.whole(a)
	p.redis.Kill()
	p.becomes(a, "alone")
	off := p.to(a, activated(id, false, 0), fault("500"))
	s.told("deactivation", off, 429)
	p.becomes(b, "alone")
	p.writes(b)
	s.told("activation", p.to(b, activated(id, true, 0)), 200)
	s.check(!p.deactivated(id, 3*time.Second), "a user who was activated at the other is deactivated by one alone")
	s.must(p.redis.Again())
	p.together()
	s.check(!p.deactivated(id, 6*time.Second), "a user who was activated at the other is deactivated when Redis is back")
	s.check(p.open(a, id), "who waits for a person is not on the list")
}

func (s *stage) withoutRedis() {
	p := s.several(1, slowly...)
	a, b := p.all[0], p.all[1]
	stop := p.traffic(a)
	p.redis.Kill()
	p.becomes(a, "alone")
	p.becomes(b, "alone")
	p.writes(b)
	stopOther := p.traffic(b)
	time.Sleep(2 * time.Second) // both at once
	stopOther()
	p.logs(a, "degraded", "", 1)
	p.logs(b, "degraded", "", 1)
	stop()
	s.must(p.redis.Again())
	p.together()
	p.agree()
	p.keptPace()
}

func (s *stage) slowRedis() {
	p := s.several(1, slowly...)
	a := p.all[0]
	stop := p.traffic(a)
	s.must(p.redis.Signal(syscall.SIGSTOP)) // it takes what comes, and answers nothing
	p.becomes(a, "alone")
	p.logs(a, "degraded", "", 1)
	s.must(p.redis.Signal(syscall.SIGCONT))
	p.becomes(a, "writing")
	stop()
	p.becomes(p.all[1], "standby")
	p.agree()
	p.keptPace()
}

func (s *stage) flushedRedis() {
	p := s.several(1, slowly...)
	a, b := p.all[0], p.all[1]
	stop := p.traffic(a)
	for range 3 {
		s.must(p.redis.Do("FLUSHALL"))
		time.Sleep(lease) // whatever comes of it comes within its life
		p.becomes(b, "standby")
	}
	stop()
	s.check(p.noticed(a, "writer", "") == p.noticed(a, "writer", "writing"), "the one that writes was something else for a while")
	p.agree()
	p.keptPace()
}

func (s *stage) split() {
	p := s.several(1, slowly...)
	a, b := p.all[0], p.all[1]
	stop := p.traffic(a)
	a.valve.Turn(true)
	p.becomes(a, "alone")
	p.becomes(b, "writing")
	p.writes(b)
	stopOther := p.traffic(b)
	time.Sleep(2 * time.Second) // both at once
	stopOther()
	stop()
	a.valve.Turn(false)
	p.becomes(a, "standby")
	p.logs(b, "writer", "another may have written meanwhile", 2) // also of what the first has written alone
	p.agree()
	p.keptPace()
}

func (s *stage) holding() {
	p := s.several(1, "--replicas-without", "hold")
	a := p.all[0]
	id := s.user()
	p.redis.Kill()
	p.becomes(a, "unsure")
	status, text := p.ready(a)
	s.check(status == 200, "the load balancer is told to answer by itself: %d %s", status, text)
	s.told("title without Redis", p.to(a, titled(id, "x")), 429)
	s.told("read without Redis", p.to(a, read("/Users/"+id, 1)), 429)
	s.must(p.redis.Again())
	a = p.together()
	p.writes(a)
	s.told("title", p.to(a, titled(id, "y")), 200)
	p.agree()
}

// leaseLost lets a write wait for its budget, and stops the gateway until the other has
// taken over.
func (s *stage) leaseLost() {
	p := s.several(1, "--pace-writes-per-second", "0.5", "--pace-writes-burst", "2", "--client-patience", "20s")
	a, b := p.all[0], p.all[1]
	id := s.user()
	var waiting *request
	var ended <-chan struct{}
	for i := range 3 { // the first two at most go at once
		r := s.request(titled(id, strconv.Itoa(i)))
		r.Left = true
		waiting, ended = r, s.aside(func() { p.through(a, r) })
		if i < 2 {
			<-ended
		}
	}
	p.g = a.gateway
	s.soon("a write waits for its budget", func() bool { // it has passed the first question
		samples, err := a.metrics()
		s.must(err)
		return sum(samples, "scimgate_pace_waiting") >= 1
	})
	s.halt()
	p.becomes(b, "writing")
	p.writes(b)
	s.told("title at the second", p.to(b, titled(id, "later")), 200)
	s.must(a.cmd.Process.Signal(syscall.SIGCONT))
	<-ended
	s.told("the write that waited", waiting, 429)
	s.check(len(s.writesOf(waiting)) == 0, "it was sent all the same")
	fenced := slices.ContainsFunc(p.log(a), func(l witness.Line) bool {
		return l.Kind == "outcome" && l.Exchange == waiting.Exchange && l.Outcome == "not_sent" && l.Event == "fenced"
	})
	s.check(fenced, "the log does not say that it was fenced off")
	p.becomes(a, "standby")
	p.agree()
}
