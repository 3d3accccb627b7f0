package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/scimgate/scimgate/bench/faults/faulty"
	"github.com/scimgate/scimgate/bench/faults/witness"
)

// processScenes are about the gateway as a process: it drains, reads its configuration
// again, and comes back.
var processScenes = []scene{
	{row: "F40", name: "SIGTERM with 50 requests under way", run: func(s *stage) {
		rounds := 1
		if s.large {
			rounds = 10
		}
		s.open(1)
		for round := range rounds {
			if round > 0 {
				s.start()
			}
			s.drain(50)
		}
	}},
	{row: "F41", name: "SIGTERM while the upstream hangs", run: func(s *stage) {
		s.open(1, "--upstream-timeout", "30s", "--listen-shutdown-within", "3s", "--client-patience", "40s")
		r := s.request(titled(s.user(), "x"), fault("done-silent"))
		ended := s.aside(func() { s.send(r) })
		s.u.Await(patience, func(x witness.Seen) bool { return x.Tag == r.Tag && !x.Did.IsZero() })
		_, err := s.g.stop()
		s.must(err)
		<-ended
		h := s.end(3)
		s.told("hanging", r, 429)
		found := false
		for _, l := range h.Log {
			found = found || l.Kind == "outcome" && l.Outcome == "unknown" && l.Event == "shutdown"
		}
		s.check(found, "the log doesn't say unknown (shutdown)")
	}},
	{row: "F52", name: "a configuration with a fault changes nothing", run: func(s *stage) { s.badConfigurations() }},
	{row: "F58", name: "a failed deactivation stays on the list over restarts", run: func(s *stage) {
		s.open(1)
		id := s.user()
		r := s.ask(activated(id, false, 0), fault("500"))
		s.told("failed", r, 429)
		for range 2 {
			s.openDeactivation(id, true)
			code, err := s.g.stop()
			s.must(err)
			s.check(code == 0, "the gateway ended with exit code %d", code)
			s.start()
		}
		s.openDeactivation(id, true)
		s.told("again", s.again(r), 200)
		s.openDeactivation(id, false)
		s.end(0)
	}},
	{row: "F58", name: "a deactivation that finds its resource left alone is on the list", run: func(s *stage) {
		s.settle = 30 * time.Second
		s.open(1, "--pace-settle", "30s", "--client-patience", "2s")
		id := s.user()
		s.told("title, lost", s.ask(titled(id, "x"), fault("rst-done")), 429)
		r := s.ask(activated(id, false, 0))
		s.told("deactivation", r, 429)
		s.openDeactivation(id, true)
		s.end(0)
	}},
	{row: "F59", name: "a create that a crash has cut off is made once", run: func(s *stage) {
		s.open(1)
		r := s.request(createUser("grace@example.test", "x"), fault("done-silent"))
		r.Left = true
		ended := s.aside(func() { s.send(r) })
		s.u.Await(patience, func(x witness.Seen) bool { return x.Tag == r.Tag && !x.Did.IsZero() })
		s.g.kill()
		<-ended
		s.start()
		again := s.again(r)
		s.told("repeat", again, 201)
		s.check(len(s.writesOf(again)) <= 1, "the create was sent %d times more", len(s.writesOf(again)))
		s.check(field(again.Answer, "id") == strings.TrimPrefix(s.u.Of(r.Tag)[0].Made, "Users/"), "got %.200s, want the user that was made", again.Answer)
		h := s.end(0)
		crashed := slices.ContainsFunc(h.Log, func(l witness.Line) bool { return l.Kind == "outcome" && l.Event == "crash" && l.Outcome == "unknown" })
		s.check(crashed, "the log doesn't say unknown (crash)")
	}},
}

// drain ends the gateway while so many writes are at the upstream, which then answers.
func (s *stage) drain(n int) {
	release := make(chan struct{})
	slow := &faulty.Fault{Name: "slow", Strike: func(k *faulty.Strike) {
		reply := k.Apply()
		<-release
		k.Whole(reply)
	}}
	all := make([]*request, n)
	for i := range all {
		all[i] = s.request(titled(s.user(), "x"), faulty.Order{Fault: slow})
	}
	ended := s.aside(func() { together(n, n, func(i int) { s.send(all[i]) }) })
	for _, r := range all {
		s.check(s.u.Await(patience, func(x witness.Seen) bool { return x.Tag == r.Tag && !x.Did.IsZero() }), "a request never came")
	}
	s.g.drain()
	refused := false
	for deadline := time.Now().Add(timeout / 2); !refused && time.Now().Before(deadline); {
		c, err := net.DialTimeout("tcp", s.g.address, time.Second)
		if refused = err != nil; !refused {
			_ = c.Close()
			time.Sleep(time.Millisecond)
		}
	}
	close(release)
	<-ended
	s.check(refused, "connections are still accepted")
	for _, r := range all {
		s.told("under way", r, 200)
	}
	h := s.end(0)
	last := h.Log[len(h.Log)-1]
	s.check(last.Kind == "notice" && last.Event == "shutdown", "the last record is %s", last.Text)
	s.u.Close()
	if s.reopen() != nil {
		s.check(false, "the upstream could not be opened again")
	}
}

// reopen gives the stage another upstream with the same store.
func (s *stage) reopen() error {
	audit := filepath.Join(s.folder, "audit.jsonl")
	u, err := faulty.Listen(faulty.Settings{Store: s.store, Log: audit, Timeout: timeout, Promise: settle})
	if err != nil {
		return err
	}
	s.u, s.book = u, &book{audit: audit}
	return os.Remove(audit) // each round has a log of its own
}

// openDeactivation checks whether a user is on the list, and whether the metrics say so.
func (s *stage) openDeactivation(id string, want bool) {
	l, err := s.g.leavers()
	s.must(err)
	samples, err := s.g.metrics()
	s.must(err)
	open := sum(samples, "scimgate_open_deactivations")
	s.check(l.Open[id] == want && (open >= 1) == want, "on the list: %v, metrics: %v; want %v", l.Open[id], open, want)
}

// configured starts the gateway with a file, which write changes.
func (s *stage) configured(people int) (write func(more string)) {
	file := s.folder + ".yaml"
	write = func(more string) {
		s.must(os.WriteFile(file+".next", []byte("log: {level: info}\n"+more), 0o600))
		s.must(os.Rename(file+".next", file))
		s.must(s.g.cmd.Process.Signal(syscall.SIGHUP))
	}
	s.must(os.WriteFile(file, []byte("log: {level: info}\n"), 0o600))
	s.open(people, "--config", file)
	return write
}

func (s *stage) badConfigurations() {
	write := s.configured(1)
	id := s.user()
	stop, ended := make(chan struct{}), make(chan struct{})
	var asked atomic.Int64
	go func() { // requests go on meanwhile
		defer close(ended)
		for {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
			}
			s.told("meanwhile", s.ask(titled(id, fmt.Sprint("t", asked.Add(1)))), 200)
		}
	}()
	for i, bad := range []string{"rules: {SG304: [\n", "no_such_key: 1\n", "upstream: {ca_file: /nowhere}\n", "upstream: {url: \"http://127.0.0.1:1/x/scim/v2\"}\npace: {max_waiting: 7}\n", "rules: {SG304: rejct}\n"} {
		before := s.count("not reloaded")
		write(bad)
		for deadline := time.Now().Add(5 * time.Second); s.count("not reloaded") == before && time.Now().Before(deadline); {
			time.Sleep(5 * time.Millisecond)
		}
		s.check(s.count("not reloaded") > before, "nothing is said of the bad configuration %d:\n%s", i, s.g.output())
		s.told("without displayName", s.ask(bare(s.name())), 201)
	}
	write("rules: {SG304: reject}\n")
	s.check(s.g.says("the configuration is reloaded"), "a good one is not taken")
	s.told("rejected now", s.ask(bare(s.name())), 400)
	for asked.Load() < 30 {
		time.Sleep(time.Millisecond)
	}
	close(stop)
	<-ended
	h := s.end(0)
	refused, configs := 0, map[string]bool{}
	for _, l := range h.Log {
		if l.Event == "config" && slices.ContainsFunc(l.Findings, func(f string) bool { return strings.Contains(f, "refused") || strings.Contains(f, "not ") }) {
			refused++
		}
		configs[field(l.Text, "config")] = true
	}
	s.check(refused >= 5, "the log tells of %d refused configurations, want 5", refused)
	s.check(len(configs) == 2, "the log has the configurations %v, want two", configs)
}

// bare is a create without displayName, which is mended unless a rule rejects it.
func bare(name string) *operation {
	o := createUser(name+"@example.test", "")
	o.body = fmt.Sprintf(`{%s,"userName":%q,"name":{"givenName":"A","familyName":"B"}}`, userSchema, name+"@example.test")
	o.wish = &witness.Wish{Create: true, Name: name + "@example.test"}
	return o
}

// count is how many lines on standard error hold a word.
func (s *stage) count(word string) (n int) {
	s.g.mu.Lock()
	defer s.g.mu.Unlock()
	for _, line := range s.g.said {
		if strings.Contains(line, word) {
			n++
		}
	}
	return n
}

// reloadInAPush reads another configuration while the second chunk of a push is out.
func (s *stage) reloadInAPush() {
	write := s.configured(250)
	group, name := s.group()
	release := make(chan struct{})
	order := faulty.Order{Of: faulty.Write, Skip: 1, Fault: &faulty.Fault{Name: "slow", Strike: func(k *faulty.Strike) {
		reply := k.Apply()
		<-release
		k.Whole(reply)
	}}}
	r := s.request(putGroup(group, name, s.pool), order)
	ended := s.aside(func() { s.send(r) })
	s.u.Await(patience, func(x witness.Seen) bool { return x.Tag == r.Tag && x.Fault == "slow" && !x.Did.IsZero() })
	write("policy: strict\n")
	s.check(s.g.says("the configuration is reloaded"), "the configuration is not taken")
	close(release)
	<-ended
	s.told("push", r, 200)
	next := s.ask(titled(s.user(), "x"))
	s.told("the next write", next, 200)
	h := s.end(0)
	var configs [2][]string
	for _, l := range h.Log {
		for i, exchange := range []string{r.Exchange, next.Exchange} {
			if at := field(l.Text, "config"); l.Exchange == exchange && !slices.Contains(configs[i], at) {
				configs[i] = append(configs[i], at)
			}
		}
	}
	s.check(len(configs[0]) == 1 && len(configs[1]) == 1 && configs[0][0] != configs[1][0],
		"the records of the push have the configurations %v, those of the next write %v; want the one that each began with", configs[0], configs[1])
}
