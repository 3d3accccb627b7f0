package main

import (
	"cmp"
	"errors"
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
	"time"

	"github.com/scimgate/scimgate/bench/faults/faulty"
	"github.com/scimgate/scimgate/bench/faults/witness"
	"github.com/scimgate/scimgate/bench/redis"
)

// lease is short, so that a scene is.
const lease = 2 * time.Second

// several are gateways in front of the upstream of a stage.
type several struct {
	*stage
	redis *redis.Server
	all   []*one
}

// one is one of them.
type one struct {
	*gateway
	name   string
	folder string
	flags  []string
	valve  *redis.Valve
}

// several starts two gateways, the first of which writes.
func (s *stage) several(people int, flags ...string) *several {
	s.upstream(people)
	s.must(os.WriteFile(s.book.audit, nil, 0o600)) // what is noted of it means nothing: each has a log of its own
	server, err := redis.Start()
	if errors.Is(err, redis.ErrMissing) {
		s.skip(err.Error())
	}
	s.must(err)
	s.atEnd(server.Kill)
	p := &several{stage: s, redis: server}
	for _, name := range []string{"first", "second"} {
		v, err := p.redis.Valve()
		s.must(err)
		s.atEnd(v.Close)
		g := &one{name: name, folder: filepath.Join(s.folder, name), valve: v}
		s.must(os.MkdirAll(g.folder, 0o700))
		g.flags = append([]string{"--replicas-redis", "redis://" + v.Address, "--replicas-name", name, "--replicas-lease", lease.String()}, flags...)
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
	return p.answered(http.Get(g.admin + "/readyz?verbose"))
}

func (p *several) answered(resp *http.Response, err error) (status int, text string) {
	p.must(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	p.must(err)
	return resp.StatusCode, string(body)
}

// is tells whether one is this among the others.
func (p *several) is(g *one, role string) bool {
	_, text := p.ready(g)
	return strings.Contains(text, "replicas: "+role)
}

// becomes waits until one is what it is to be among the others.
func (p *several) becomes(g *one, role string) {
	p.soon(g.name+" is "+role, func() bool { return p.is(g, role) })
}

// writes waits until one takes writes.
func (p *several) writes(g *one) {
	p.soon(g.name+" takes writes", func() bool {
		_, text := p.ready(g)
		return (strings.Contains(text, "replicas: writing") || strings.Contains(text, "replicas: alone")) && !strings.Contains(text, "writes in")
	})
}

// whole waits until one knows that all others stand by.
func (p *several) whole(g *one) {
	p.soon(g.name+" hears of the other", func() bool {
		_, text := p.ready(g)
		return strings.Contains(text, "replicas: writing") && !strings.Contains(text, "its part")
	})
}

// together waits until one writes and the other stands by, and returns the first.
func (p *several) together() (writes *one) {
	p.soon("one writes, and the other stands by", func() bool {
		for i, g := range p.all {
			if p.is(g, "writing") && p.is(p.all[1-i], "standby") {
				writes = g
			}
		}
		return writes != nil
	})
	return writes
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
	p.soon(fmt.Sprintf("the log of %s has %s %s %d times", g.name, event, finding, n), func() bool { return p.noticed(g, event, finding) >= n })
	got := p.noticed(g, event, finding)
	p.check(got == n, "the log of %s has %s %s %d times, want %d", g.name, event, finding, got, n)
}

// open tells whether a deactivation is on the list of one.
func (p *several) open(g *one, id string) bool {
	list, err := g.leavers()
	p.must(err)
	return list.Open[id]
}

// release lets what a guard of one holds of deactivations pass.
func (p *several) release(g *one) (status int, text string) {
	return p.answered(http.Post(g.admin+"/guard/release?kind=deactivations&for=1m", "", nil))
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
	exchanges := map[string]string{}
	for _, r := range p.book.requests() {
		exchanges[r.Tag] = r.Exchange
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

// deactivated tells whether a user is deactivated within a time.
func (p *several) deactivated(id string, within time.Duration) bool {
	return p.u.Await(within, func(x witness.Seen) bool {
		return x.Write() && x.Resource == "Users/"+id && !x.State.Active && !x.Did.IsZero()
	})
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

// traffic sends reads and writes to one, as fast as they go, until it is stopped; it
// checks that all are answered.
func (p *several) traffic(to *one) (stop func()) {
	var over atomic.Bool
	var ended []<-chan struct{}
	for i := range 3 {
		id := p.user()
		ended = append(ended, p.aside(func() {
			for n := 0; !over.Load(); n++ {
				o := titled(id, strconv.Itoa(n))
				if i == 2 {
					o = read("/Users/"+id, 1)
				}
				p.told("meanwhile at "+to.name, p.to(to, o), 200)
			}
		}))
	}
	return func() {
		over.Store(true)
		for _, e := range ended {
			<-e
		}
	}
}
