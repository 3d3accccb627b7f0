package main

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/scimgate/scimgate/bench/faults/faulty"
	"github.com/scimgate/scimgate/bench/faults/witness"
)

// replicaScenes are about a second gateway on the audit log of the first. The lock on the
// log lets one in. The other does not wait for it: it ends, and is started again and again
// here, as a service manager does.
var replicaScenes = []scene{
	{row: "F48", name: "a second gateway on the same log gets in when the first has drained", run: func(s *stage) { s.afterADrain() }},
	{row: "F48", name: "a second gateway on the same log knows the open deactivations of one that was killed", run: func(s *stage) { s.afterAKill() }},
	{row: "F50", name: "a gateway that is stopped during a write keeps the log, and ends its write", run: func(s *stage) { s.stoppedInAWrite() }},
	{row: "F50", name: "a gateway that is killed while it is stopped leaves its write to the second", run: func(s *stage) { s.killedWhileStopped() }},
}

// unhurried are flags with which a write may be held for a few seconds.
var unhurried = []string{"--upstream-timeout", "20s", "--client-patience", "30s"}

// replica is a second gateway with the files of the first, at addresses of its own. It is
// started again until it serves.
type replica struct {
	address, admin string
	refused        atomic.Int64 // starts that found the log in use
	stop           chan struct{}
	ended          <-chan struct{}
	served         chan struct{}
	g              *gateway // when it serves
}

// replica begins to start one. On other addresses of the loopback no port is taken by the
// connections of other scenes.
func (s *stage) replica() *replica {
	b := &replica{stop: make(chan struct{}), served: make(chan struct{})}
	for at, address := range map[string]*string{"127.0.0.2:0": &b.address, "127.0.0.3:0": &b.admin} {
		l, err := net.Listen("tcp", at)
		if err != nil {
			s.skip("no further addresses on the loopback: " + err.Error())
		}
		*address = l.Addr().String()
		s.must(l.Close())
	}
	how := s.how
	how.binary = cmp.Or(how.binary, s.plain)
	flags := append(slices.Clone(s.flags), "--listen", b.address, "--admin", b.admin)
	b.ended = s.aside(func() {
		for {
			g, err := start(how, s.folder, s.u.URL(), flags...)
			if err == nil {
				b.g = g
				close(b.served)
				return
			}
			if !strings.Contains(err.Error(), "is another process writing to it?") {
				s.check(false, "the second gateway does not say that the log is in use: %v", err)
				return
			}
			b.refused.Add(1)
			select {
			case <-b.stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
	return b
}

// leave ends the replica, unless the stage has it.
func (s *stage) leave(b *replica) {
	close(b.stop)
	<-b.ended
	if b.g != nil && b.g != s.g {
		b.g.kill()
	}
}

// keptOut checks that the replica is started anew and finds the log in use, and that
// nobody listens at its addresses.
func (s *stage) keptOut(what string, b *replica) {
	want := b.refused.Load() + 2 // one may have begun before
	for deadline := time.Now().Add(10 * time.Second); b.refused.Load() < want && time.Now().Before(deadline); {
		select {
		case <-b.ended:
			s.must(fmt.Errorf("%s: the second gateway is not kept out", what))
		case <-time.After(5 * time.Millisecond):
		}
	}
	s.check(b.refused.Load() >= want, "%s: the second gateway does not end", what)
	for _, address := range []string{b.address, b.admin} {
		if c, err := net.DialTimeout("tcp", address, time.Second); err == nil {
			_ = c.Close()
			s.check(false, "%s: the second gateway listens at %s", what, address)
		}
	}
}

// nobodyTakes sends a request to the replica, where nobody may be to take it.
func (s *stage) nobodyTakes(what string, b *replica, r *request) {
	l, err := dial(s.book, b.address)
	if err != nil {
		return
	}
	defer l.close()
	if l.send(r, r.text(), 1, 0) == nil {
		l.read(r)
	}
	s.check(false, "%s: the second gateway took a request, and answered %d; the upstream saw %d writes", what, r.Status, len(s.writesOf(r)))
}

// takesOver waits until the replica serves, and goes on with it.
func (s *stage) takesOver(b *replica) {
	select {
	case <-b.served:
	case <-time.After(10 * time.Second):
		s.must(errors.New("the second gateway does not take over"))
	}
	s.g = b.g
}

// held carries a write out, and answers it when it is released.
func held() (order faulty.Order, release func()) {
	gate := make(chan struct{})
	return faulty.Order{Of: faulty.Write, Fault: &faulty.Fault{Name: "held", Strike: func(k *faulty.Strike) {
		reply := k.Apply()
		<-gate
		k.Whole(reply)
	}}}, sync.OnceFunc(func() { close(gate) })
}

// underWay sends a request aside, and waits until the upstream has carried its write out.
func (s *stage) underWay(r *request) (ended <-chan struct{}) {
	ended = s.aside(func() { s.send(r) })
	s.check(s.u.Await(patience, func(x witness.Seen) bool { return x.Tag == r.Tag && !x.Did.IsZero() }), "the write never came")
	return ended
}

// halt stops the gateway, as a machine that is suspended does, and waits until it stands.
func (s *stage) halt() {
	s.must(s.g.cmd.Process.Signal(syscall.SIGSTOP))
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.g.cmd.Process.Pid))
		if err != nil {
			s.skip("nothing tells that a process is stopped: " + err.Error())
		}
		if strings.Contains(string(text), "State:\tT") {
			return
		}
		if time.Now().After(deadline) {
			s.must(errors.New("the gateway is not stopped"))
		}
	}
}

// oneByOne checks that the writes of a resource reached the upstream in the order of
// these requests, each after the end of the one before.
func (s *stage) oneByOne(resource string, order ...*request) {
	var want, got []string
	for _, r := range order {
		want = append(want, r.Tag)
	}
	before := witness.Seen{}
	for _, x := range s.u.Seen(nil) {
		if !x.Write() || x.Resource != resource {
			continue
		}
		got = append(got, x.Tag)
		s.check(before.Tag == "" || !before.Over.IsZero() && before.Over.Before(x.First), "the write of %s came before the end of that of %s", x.Tag, before.Tag)
		before = x
	}
	s.check(slices.Equal(got, want), "the upstream saw the writes of %v, want %v", got, want)
}

// endOfTwo ends the second gateway. The log is one chain over two lives without a gap, and
// the gateway's own command finds it sound.
func (s *stage) endOfTwo() *witness.History {
	h := s.end(0)
	starts := 0
	for _, l := range h.Log {
		if l.Event == "start" {
			starts++
		}
		s.check(l.Kind != "gap", "the log has a gap: %s", l.Text)
	}
	s.check(starts == 2, "the log tells of %d starts, want 2", starts)
	out, err := exec.Command(s.plain, "audit", "verify", s.g.audit).CombinedOutput()
	s.check(err == nil, "the log does not verify: %v\n%s", err, out)
	return h
}

// afterADrain sends a deactivation to the first gateway and an activation of the same user
// to the second.
func (s *stage) afterADrain() {
	s.open(1, unhurried...)
	id := s.user()
	b := s.replica()
	defer s.leave(b)
	s.keptOut("before", b)
	order, release := held()
	defer release()
	off, on := s.request(activated(id, false, 0), order), s.request(activated(id, true, 0))
	ended := s.underWay(off)
	s.nobodyTakes("during the write", b, on)
	s.keptOut("during the write", b)
	s.g.drain()
	s.keptOut("while the first drains", b)
	s.nobodyTakes("while the first drains", b, on)
	release()
	<-ended
	s.told("deactivation", off, 200)
	code, err := s.g.stop()
	s.must(err)
	s.check(code == 0, "the first gateway ended with exit code %d", code)
	s.takesOver(b)
	s.oneByOne("Users/"+id, off)
	s.openDeactivation(id, false)
	again := s.again(on)
	s.told("activation", again, 200)
	s.oneByOne("Users/"+id, off, again)
	s.endOfTwo()
}

// afterAKill kills the first gateway with a deactivation on its list.
func (s *stage) afterAKill() {
	s.open(1)
	id := s.user()
	b := s.replica()
	defer s.leave(b)
	off, on := s.request(activated(id, false, 0), fault("500")), s.request(activated(id, true, 0))
	s.send(off)
	s.told("deactivation", off, 429)
	s.openDeactivation(id, true)
	s.nobodyTakes("behind the deactivation", b, on)
	s.keptOut("behind the deactivation", b)
	s.g.kill()
	s.takesOver(b)
	s.oneByOne("Users/"+id, off)
	s.openDeactivation(id, true)
	offAgain := s.again(off)
	s.told("deactivation again", offAgain, 200)
	s.openDeactivation(id, false)
	onAgain := s.again(on)
	s.told("activation", onAgain, 200)
	s.oneByOne("Users/"+id, off, offAgain, onAgain)
	s.endOfTwo()
}

// stoppedInAWrite stops the first gateway for three seconds, in which the upstream answers.
func (s *stage) stoppedInAWrite() {
	s.open(1, unhurried...)
	b := s.replica()
	defer s.leave(b)
	order, release := held()
	defer release()
	id := s.user()
	r := s.request(titled(id, "x"), order)
	ended := s.underWay(r)
	s.halt()
	log, err := witness.ReadLog(s.g.audit)
	s.must(err)
	seen, lines := len(s.u.Seen(nil)), len(log.Lines)
	release()
	for deadline := time.Now().Add(3 * time.Second); time.Now().Before(deadline); {
		s.keptOut("while the first is stopped", b)
	}
	log, err = witness.ReadLog(s.g.audit)
	s.must(err)
	s.check(len(s.u.Seen(nil)) == seen, "the upstream saw %d requests while the gateway was stopped", len(s.u.Seen(nil))-seen)
	s.check(len(log.Lines) == lines, "the log got %d records while the gateway was stopped", len(log.Lines)-lines)
	s.must(s.g.cmd.Process.Signal(syscall.SIGCONT))
	<-ended
	s.told("title", r, 200)
	s.logged("title", r, "ok")
	s.keptOut("when the first goes on", b)
	code, err := s.g.stop()
	s.must(err)
	s.check(code == 0, "the first gateway ended with exit code %d", code)
	s.takesOver(b)
	next := s.ask(titled(id, "y"))
	s.told("title by the second", next, 200)
	s.oneByOne("Users/"+id, r, next)
	s.endOfTwo()
}

// killedWhileStopped kills the first gateway while it is stopped, with a deactivation that
// was carried out and not answered. Of other changes of a user the log has no values, so
// that they stay unknown after a crash.
func (s *stage) killedWhileStopped() {
	s.open(1, unhurried...)
	b := s.replica()
	defer s.leave(b)
	id := s.user()
	r := s.request(activated(id, false, 0), fault("done-silent"))
	r.Left = true
	ended := s.underWay(r)
	s.halt()
	s.keptOut("while the first is stopped", b)
	s.g.kill()
	<-ended
	s.takesOver(b)
	log, err := witness.ReadLog(s.g.audit)
	s.must(err)
	lost := *r // nobody was told the exchange
	for _, l := range log.Lines {
		if l.Kind == "intent" && l.Resource == "Users/"+id {
			lost.Exchange = l.Exchange
		}
	}
	s.logged("deactivation", &lost, "unknown")
	crashed := slices.ContainsFunc(s.records(lost.Exchange), func(l witness.Line) bool { return l.Kind == "outcome" && l.Event == "crash" })
	s.check(crashed, "the log doesn't say unknown (crash)")
	s.openDeactivation(id, true)
	got := s.settled(&lost)
	s.check(got == "ok", "the deactivation is settled as %s, want ok", got)
	s.openDeactivation(id, false)
	s.check(len(s.writesOf(r)) == 1, "the upstream saw the write %d times", len(s.writesOf(r)))
	s.endOfTwo()
}
