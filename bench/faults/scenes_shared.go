package main

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/scimgate/scimgate/bench/faults/faulty"
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

// lease is short, so that a scene is.
const lease = 2 * time.Second

// several are gateways in front of the upstream of a stage.
type several struct {
	*stage
	redis *redisServer
	all   []*one
}

// one is one of them.
type one struct {
	*gateway
	name   string
	folder string
	flags  []string
	valve  *valve
}

// several starts two gateways, the first of which writes.
func (s *stage) several(people int, flags ...string) *several {
	s.upstream(people)
	s.must(os.WriteFile(s.book.audit, nil, 0o600)) // what is noted of it means nothing: each has a log of its own
	p := &several{stage: s, redis: s.redis()}
	s.atEnd(p.redis.kill)
	for _, name := range []string{"first", "second"} {
		v, err := p.redis.valve()
		s.must(err)
		s.atEnd(v.close)
		g := &one{name: name, folder: filepath.Join(s.folder, name), valve: v}
		s.must(os.MkdirAll(g.folder, 0o700))
		g.flags = append([]string{"--replicas-redis", "redis://" + v.listener.Addr().String(), "--replicas-name", name, "--replicas-lease", lease.String()}, flags...)
		p.all = append(p.all, g)
		s.atEnd(func() {
			if g.gateway != nil {
				g.kill()
			}
		})
		p.start(g)
		p.becomes(g, map[string]string{"first": "writing", "second": "standby"}[name])
	}
	return p
}

// start starts one, again perhaps.
func (p *several) start(g *one) {
	how := p.how
	how.binary = cmp.Or(how.binary, p.plain)
	var err error
	g.gateway, err = start(how, g.folder, p.u.URL(), g.flags...)
	p.must(err)
	p.g = g.gateway
}

// ready is what readiness says of one.
func (p *several) ready(g *one) (status int, text string) {
	resp, err := http.Get(g.admin + "/readyz?verbose")
	p.must(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	p.must(err)
	return resp.StatusCode, string(body)
}

// becomes waits until one is what it is to be among the others.
func (p *several) becomes(g *one, role string) {
	text := ""
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if _, text = p.ready(g); strings.Contains(text, "replicas: "+role) {
			return
		}
	}
	p.must(fmt.Errorf("%s does not become %s:\n%s", g.name, role, text))
}

// writes waits until one takes writes.
func (p *several) writes(g *one) {
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if _, text := p.ready(g); strings.Contains(text, "replicas: ") && !strings.Contains(text, "writes in") && !strings.Contains(text, "standby") && !strings.Contains(text, "unsure") {
			return
		}
	}
	p.must(fmt.Errorf("%s does not write", g.name))
}

// to sends a request to one.
func (p *several) to(g *one, o *operation, orders ...faulty.Order) *request {
	r := p.request(o, orders...)
	p.through(g, r)
	return r
}

func (p *several) through(g *one, r *request) {
	l, err := dial(p.book, g.address)
	p.must(err)
	defer l.close()
	if l.send(r, r.text(), 1, 0) == nil {
		l.read(r)
	}
}

// log is that of one.
func (p *several) log(g *one) []witness.Line {
	log, err := witness.ReadLog(filepath.Join(g.folder, "audit.jsonl"))
	p.must(err)
	return log.Lines
}

// noticed tells how often the log of one has an event.
func (p *several) noticed(g *one, event, finding string) (n int) {
	for _, l := range p.log(g) {
		if l.Kind == "notice" && l.Event == event && (finding == "" || slices.Contains(l.Findings, finding)) {
			n++
		}
	}
	return n
}

// logs waits until the log of one has an event so often, and no more.
func (p *several) logs(g *one, event, finding string, n int) {
	got := 0
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if got = p.noticed(g, event, finding); got >= n {
			break
		}
	}
	p.check(got == n, "the log of %s has %s %s %d times, want %d", g.name, event, finding, got, n)
}

// agree ends the gateways, and holds both logs against what the upstream saw and the
// clients were told.
func (p *several) agree() {
	for _, g := range p.all {
		code, err := g.stop()
		p.must(err)
		p.check(code == 0, "%s ended with exit code %d:\n%s", g.name, code, g.output())
		out, err := exec.Command(p.plain, "audit", "verify", filepath.Join(g.folder, "audit.jsonl")).CombinedOutput()
		p.check(err == nil, "the log of %s does not verify: %v\n%s", g.name, err, out)
	}
	p.u.Close()
	exchanges, answered := map[string]string{}, map[string]int{}
	for _, r := range p.book.requests() {
		exchanges[r.Tag] = r.Exchange
		answered[r.Exchange] = r.Status
	}
	intents, done := map[string][]witness.Line{}, map[string]bool{}
	for _, g := range p.all {
		for _, l := range p.log(g) {
			switch {
			case l.Kind == "intent":
				intents[l.Exchange] = append(intents[l.Exchange], l)
			case l.Kind == "outcome" && l.Outcome == "ok":
				done[l.Exchange] = true
			}
		}
	}
	before := map[string]witness.Seen{}
	fences := map[string]uint64{}
	for _, x := range p.u.Seen(nil) {
		if !x.Write() {
			continue
		}
		list := intents[exchanges[x.Tag]]
		if x.Tag == "" || len(list) == 0 {
			p.check(false, "the upstream saw a write of %s that no log announces", x.Resource)
			continue
		}
		was, ok := before[x.Resource]
		p.check(!ok || !was.Over.IsZero() && was.Over.Before(x.First), "two writes of %s were out at once", x.Resource)
		before[x.Resource] = x
		p.check((list[0].Fence > 0) != (list[0].Event == "degraded"), "a write was sent neither under a lease nor alone: %s", list[0].Text)
		if f := list[0].Fence; f > 0 {
			p.check(f >= fences[x.Resource], "a write of %s came under lease %d behind one under %d", x.Resource, f, fences[x.Resource])
			fences[x.Resource] = f
		}
	}
	for _, r := range p.book.requests() {
		p.check(r.Method == "GET" || r.Status/100 != 2 || done[r.Exchange], "%s was told %d, and no log says that it was done", r.Tag, r.Status)
	}
}

// withinPace checks that the calls of all together keep within a pace, reads and writes
// each: any window of time has no more than rate × time + burst.
func (p *several) withinPace(write bool, perSecond float64, burst int) {
	var at []time.Time
	for _, x := range p.u.Seen(nil) {
		if x.Write() == write && !x.First.IsZero() {
			at = append(at, x.First)
		}
	}
	slices.SortFunc(at, time.Time.Compare)
	for i := range at {
		for j := i; j < len(at); j++ {
			// A call comes a little later than it was let go, and the one behind it may not.
			most := perSecond*(at[j].Sub(at[i])+50*time.Millisecond).Seconds() + float64(burst)
			if n := float64(j - i + 1); n > most {
				p.check(false, "%v calls (writes: %v) in %v, want %.1f at most", n, write, at[j].Sub(at[i]), most)
				return
			}
		}
	}
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

// deactivated tells whether a user is deactivated within a time.
func (p *several) deactivated(id string, within time.Duration) bool {
	return p.u.Await(within, func(x witness.Seen) bool {
		return x.Write() && x.Resource == "Users/"+id && !x.State.Active && !x.Did.IsZero()
	})
}

// whole waits until one knows that all others stand by.
func (p *several) whole(g *one) {
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if _, text := p.ready(g); strings.Contains(text, "replicas: writing") && !strings.Contains(text, "its part") {
			return
		}
	}
	p.must(fmt.Errorf("%s does not hear of the other", g.name))
}

func (s *stage) supplanted() {
	p := s.holders()
	a, b := p.all[0], p.all[1]
	id := s.user()
	off := p.to(a, activated(id, false, 0), fault("500"))
	s.told("deactivation", off, 429)
	a.kill()
	p.becomes(b, "writing")
	p.writes(b)
	s.told("activation", p.to(b, activated(id, true, 0)), 200)
	p.start(a)
	p.becomes(a, "standby")
	code, err := b.stop()
	s.must(err)
	s.check(code == 0, "the second ended with exit code %d", code)
	p.becomes(a, "writing")
	p.writes(a)
	p.start(b)
	p.whole(a)
	s.g = a.gateway
	s.openDeactivation(id, true)
	s.check(!p.deactivated(id, 3*time.Second), "a user who was activated at the other is deactivated")
	resp, err := http.Post(a.admin+"/guard/release?kind=deactivations&for=1m", "", nil)
	s.must(err)
	s.must(resp.Body.Close())
	s.check(p.deactivated(id, 10*time.Second), "what a person has released is not carried out")
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if l, err := a.leavers(); err == nil && !l.Open[id] {
			break
		}
	}
	s.openDeactivation(id, false)
}

// openAlone leaves a deactivation open at the one that writes, and has the user activated
// at the other while Redis is away.
func (s *stage) openAlone() {
	p := s.holders()
	a, b := p.all[0], p.all[1]
	id := s.user()
	p.whole(a)
	p.redis.kill()
	p.becomes(a, "alone")
	off := p.to(a, activated(id, false, 0), fault("500"))
	s.told("deactivation", off, 429)
	p.becomes(b, "alone")
	p.writes(b)
	s.told("activation", p.to(b, activated(id, true, 0)), 200)
	s.check(!p.deactivated(id, 3*time.Second), "a user who was activated at the other is deactivated by one alone")
	s.must(p.redis.start())
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		_, one := p.ready(a)
		_, other := p.ready(b)
		if strings.Contains(one+other, "replicas: writing") && strings.Contains(one+other, "replicas: standby") {
			break
		}
	}
	s.check(!p.deactivated(id, 6*time.Second), "a user who was activated at the other is deactivated when Redis is back")
	s.g = a.gateway
	s.openDeactivation(id, true)
}

// slowly is a pace that a scene can reach.
var slowly = []string{
	"--pace-writes-per-second", "40", "--pace-writes-burst", "4", "--pace-reads-per-second", "60", "--pace-reads-burst", "6",
	"--client-patience", "2s",
}

func (p *several) keptPace() {
	p.withinPace(true, 40, 4)
	p.withinPace(false, 60, 6)
}

// traffic sends reads and writes to some, as fast as they go, until it is stopped; it
// checks what is told, unless the clients of one may be told to come again.
func (p *several) traffic(perfect bool, to ...*one) (stop func()) {
	var over atomic.Bool
	var ended []<-chan struct{}
	for _, g := range to {
		for i := range 3 {
			id := p.user()
			ended = append(ended, p.aside(func() {
				for n := 0; !over.Load(); n++ {
					o := titled(id, strconv.Itoa(n))
					if i == 2 {
						o = read("/Users/"+id, 1)
					}
					r := p.to(g, o)
					p.check(r.Status == 200 || !perfect && r.Status == 429, "at %s: %d %.200s", g.name, r.Status, r.Answer)
				}
			}))
		}
	}
	return func() {
		over.Store(true)
		for _, e := range ended {
			<-e
		}
	}
}

func (s *stage) withoutRedis() {
	p := s.several(1, slowly...)
	a, b := p.all[0], p.all[1]
	stop := p.traffic(true, a)
	p.redis.kill()
	p.becomes(a, "alone")
	p.becomes(b, "alone")
	p.writes(b)
	stopOther := p.traffic(true, b)
	time.Sleep(2 * time.Second) // both at once
	stopOther()
	p.logs(a, "degraded", "", 1)
	p.logs(b, "degraded", "", 1)
	stop()
	s.must(p.redis.start())
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		_, one := p.ready(a)
		_, other := p.ready(b)
		if strings.Contains(one+other, "replicas: writing") && strings.Contains(one+other, "replicas: standby") {
			break
		}
		if time.Now().After(deadline) {
			s.must(fmt.Errorf("they do not find each other again:\n%s%s", one, other))
		}
	}
	p.agree()
	p.keptPace()
}

func (s *stage) slowRedis() {
	p := s.several(1, slowly...)
	a := p.all[0]
	stop := p.traffic(true, a)
	s.must(p.redis.process.Process.Signal(syscall.SIGSTOP)) // it takes what comes, and answers nothing
	p.becomes(a, "alone")
	p.logs(a, "degraded", "", 1)
	s.must(p.redis.process.Process.Signal(syscall.SIGCONT))
	p.becomes(a, "writing")
	stop()
	p.becomes(p.all[1], "standby")
	p.agree()
	p.keptPace()
}

func (s *stage) flushedRedis() {
	p := s.several(1, slowly...)
	a, b := p.all[0], p.all[1]
	stop := p.traffic(true, a)
	for range 3 {
		s.must(p.redis.do("FLUSHALL"))
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
	stop := p.traffic(true, a)
	a.valve.turn(true)
	p.becomes(a, "alone")
	p.becomes(b, "writing")
	p.writes(b)
	stopOther := p.traffic(true, b)
	time.Sleep(2 * time.Second) // both at once
	stopOther()
	stop()
	a.valve.turn(false)
	p.becomes(a, "standby")
	p.logs(b, "writer", "another may have written meanwhile", 2) // also of what the first has written alone
	p.agree()
	p.keptPace()
}

func (s *stage) holding() {
	p := s.several(1, "--replicas-without", "hold")
	a := p.all[0]
	id := s.user()
	p.redis.kill()
	p.becomes(a, "unsure")
	status, text := p.ready(a)
	s.check(status == 200, "the load balancer is told to answer by itself: %d %s", status, text)
	s.told("title without Redis", p.to(a, titled(id, "x")), 429)
	s.told("read without Redis", p.to(a, read("/Users/"+id, 1)), 429)
	s.must(p.redis.start())
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		for _, g := range p.all {
			if _, text := p.ready(g); strings.Contains(text, "replicas: writing") {
				a = g
			}
		}
		if _, text := p.ready(a); strings.Contains(text, "replicas: writing") {
			break
		}
	}
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
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) { // it has passed the first question
		p.g = a.gateway
		samples, err := a.metrics()
		s.must(err)
		if sum(samples, "scimgate_pace_waiting") >= 1 {
			break
		}
		if time.Now().After(deadline) {
			s.must(fmt.Errorf("no write waits for its budget"))
		}
	}
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
