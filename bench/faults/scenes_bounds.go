package main

import (
	"encoding/json"
	"fmt"
	"go/build"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/scimgate/scimgate/bench/faults/faulty"
	"github.com/scimgate/scimgate/bench/faults/judge"
	"github.com/scimgate/scimgate/bench/faults/witness"
)

// boundScenes are about what a process has little of, and about faults within it.
var boundScenes = []scene{
	{row: "F27", alone: true, name: "clients that don't read their answers hold up nobody", run: func(s *stage) { s.slowReaders() }},
	{row: "F45", alone: true, name: "the largest bodies, from many at once, in 256 MiB", run: func(s *stage) { s.largestBodies() }},
	{row: "F39", name: "the clock moves every second, by up to ten years", run: func(s *stage) { s.movingClock() }},
	{row: "F55", name: "a panic is one answer", run: func(s *stage) { s.panics("in_handler") }},
	{row: "F55", name: "a panic behind a write leaves that in doubt", run: func(s *stage) { s.panics("before_outcome") }},
	{row: "F55", name: "a panic in a deactivation leaves that on the list", run: func(s *stage) { s.panics("before_intent") }},
	{row: "T21", name: "an empty PUT of a group of 500 raises an alarm, or is held", run: func(s *stage) { s.emptied() }},
	{row: "P27", name: "paths and names that are a language elsewhere", run: func(s *stage) { s.paths() }},
}

// slowReaders ask for much, and read nothing of it.
func (s *stage) slowReaders() {
	s.open(1, "--upstream-timeout", "20s", "--client-patience", "25s", "--upstream-max-response-bytes", "4MiB") // the lists are the upstream's work as well
	long := strings.Repeat("x", 900)
	for range 100 {
		name := s.name() + "@example.test"
		_, err := s.store.AddUser(fmt.Sprintf(`{%s,"userName":%q,"name":{"givenName":"A","familyName":"B"},"displayName":%q,"nickName":%q,"title":%q}`, userSchema, name, long, long, long))
		s.must(err)
	}
	before, files := s.memory(), s.descriptors()
	n := 12
	if s.large {
		n = 60
	}
	var slow []net.Conn
	narrow := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) (err error) {
		return raw.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096) })
	}}
	for range n {
		c, err := narrow.Dial("tcp", s.g.address)
		s.must(err)
		defer c.Close()
		slow = append(slow, c)
		var text strings.Builder
		for range 40 { // of 300 kB each: more than the system keeps
			r := s.request(page(1, 100))
			r.Left = true
			s.book.add(r)
			text.WriteString(r.text())
		}
		_, err = io.WriteString(c, text.String())
		s.must(err)
	}
	id := s.user()
	together(10, 60, func(i int) {
		s.told("good client", s.ask(titled(id, s.name())), 200)
		s.told("good client's list", s.ask(page(1, 100)), 200)
	})
	if s.large { // longer than the gateway waits for anybody to read, which is half a minute
		for deadline := time.Now().Add(90 * time.Second); s.descriptors() > files+2 && time.Now().Before(deadline); {
			time.Sleep(100 * time.Millisecond)
		}
		s.check(s.descriptors() <= files+2, "%d descriptors are open, want %d again: those who don't read are not cut off", s.descriptors(), files)
	}
	for _, c := range slow {
		_ = c.Close()
	}
	grown := s.memory() - before
	s.check(before == 0 || grown < 128<<20, "the gateway has grown by %d MiB", grown>>20)
	s.end(0)
}

// descriptors are how many the gateway has open beside its connections to the upstream;
// negative where that can't be told.
func (s *stage) descriptors() int {
	list, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.g.cmd.Process.Pid))
	return len(list) - s.u.Open()
}

// largestBodies sends as many documents at once as would fill all memory, if they were
// all taken in.
func (s *stage) largestBodies() {
	const largest = 4 << 20
	n := 100
	if s.large {
		n = 500
	}
	limited := &container{}
	if !racing { // with the race detector it takes several times as much
		var err error
		if limited, err = newContainer("scimgate-"+filepath.Base(s.folder), 256<<20); err != nil {
			s.skip("this machine limits nobody's memory: " + err.Error())
		}
		s.atEnd(limited.remove)
		s.how.wrap = limited.wrap()
	}
	s.open(1, "--listen-max-body-bytes", fmt.Sprint(largest), "--listen-read-timeout", "60s", "--client-patience", "50s", "--upstream-timeout", "20s", "--upstream-connect-timeout", "20s")
	padding := strings.Repeat("x", largest-1000) // of what is left out on the way to AWS
	statuses, mu := map[int]int{}, sync.Mutex{}
	together(n, n, func(i int) {
		o := createUser(s.name()+"@example.test", "x")
		o.body = strings.TrimSuffix(o.body, "}") + `,"photos":[{"value":"` + padding + `"}]}`
		r := s.request(o)
		l, err := dial(s.book, s.g.address)
		s.must(err)
		defer l.close()
		_ = l.send(r, r.text(), 1, 0) // what finds no room is refused before it is all there
		l.read(r)
		s.told("large", r, 201, 429)
		mu.Lock()
		statuses[r.Status]++
		mu.Unlock()
	})
	s.check(statuses[201] > 0, "got %v, want some of them made", statuses)
	s.check(s.until("afterwards", 200).Status == 200, "it does not recover")
	if !racing {
		n, err := limited.ended()
		s.must(err)
		s.check(n == 0, "the system has ended %d processes for their memory", n)
	}
	s.end(0)
}

// clock is what makes the wall clock of a program move: each second of its life has
// another time of day.
const clock = `
var skews = [...]int64{0, 3600, -3600, 315360000, 0, -315360000}
`

// movedClock is the gateway with such a clock, which is put into the standard library's
// package time. To build that takes a minute.
func (s *stage) movedClock() string {
	file := filepath.Join(build.Default.GOROOT, "src", "time", "time.go")
	text, err := os.ReadFile(file)
	s.must(err)
	const now = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n"
	moved := strings.Replace(string(text), now, now+"\tsec += skews[uint64(mono-startNano)/1e9%uint64(len(skews))]\n", 1) + clock
	if strings.Count(string(text), now) != 1 {
		s.skip("this version of Go tells the time in another way")
	}
	at, err := filepath.Abs(s.folder + "-time.go")
	s.must(err)
	s.must(os.WriteFile(at, []byte(moved), 0o600))
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {file: at}})
	s.must(err)
	s.must(os.WriteFile(at+".json", overlay, 0o600))
	binary, err := s.variant("scimgate-moved-clock", "-overlay", at+".json")
	s.must(err)
	return binary
}

func (s *stage) movingClock() {
	if !s.large {
		s.skip("the standard library is built anew for it; go run ./bench/faults does")
	}
	s.must(os.MkdirAll(filepath.Dir(s.folder), 0o700))
	s.how.binary = s.movedClock()
	s.reads, s.writes = witness.Rate{PerSecond: 60, Burst: 6}, witness.Rate{PerSecond: 40, Burst: 5}
	s.open(30, "--pace-reads-per-second", "60", "--pace-reads-burst", "6", "--pace-writes-per-second", "40", "--pace-writes-burst", "5")
	group, name := s.group()
	faults := []string{"429", "500", "500-done", "rst-done", "503-done"}
	jumps := 0
	for round := 0; jumps < 4 && round < 200; round++ { // the schedule goes back twice in six seconds
		together(8, 16, func(i int) {
			var orders []faulty.Order
			if i%8 == 7 {
				orders = append(orders, of(faulty.Write, faults[round%len(faults)]))
			}
			id := s.user()
			s.told("change", s.ask(titled(id, s.name()), orders...), 200, 429)
			s.told("deactivation", s.ask(activated(id, false, i)), 200, 429)
			s.told("create", s.ask(createUser(s.name()+"@example.test", "x")), 201, 429)
			s.told("look", s.ask(read("/Users/"+id, 1)), 200, 429)
		})
		s.told("push", s.ask(putGroup(group, name, s.pool[round%len(s.pool):])), 200, 429)
		log, err := witness.ReadLog(s.g.audit)
		s.must(err)
		jumps = 0
		for _, l := range log.Lines {
			if l.Event == "clock_jump" {
				jumps++
			}
		}
	}
	s.check(jumps >= 4, "the log tells of %d jumps of the clock, want 4", jumps)
	s.end(0)
}

// panics has the gateway panic at a point, which is there in a variant of it alone.
func (s *stage) panics(point string) {
	binary, err := s.variant("scimgate-crashpoints", "-tags", "crashpoints")
	s.must(err)
	s.how = launch{binary: binary, env: []string{"SCIMGATE_TEST_CRASH=" + point + ":3:panic"}}
	s.tolerated = judge.Fault
	s.open(1)
	id := s.user()
	if point != "in_handler" { // the first was no write
		s.told("before", s.ask(titled(id, "first")), 200)
	}
	s.told("before", s.ask(titled(id, "second")), 200)
	o := titled(id, "third")
	if point == "before_intent" {
		o = activated(id, false, 0)
	}
	r := s.ask(o)
	s.told("panic", r, 500)
	var doc struct{ Schemas []string }
	s.check(json.Unmarshal([]byte(r.Answer), &doc) == nil && len(doc.Schemas) == 1 && strings.HasSuffix(doc.Schemas[0], ":Error"), "got %.200s, want an error document", r.Answer)
	s.check(s.g.says(r.Exchange, `"message":"panic"`), "nobody is told of the panic")
	s.check(!slices.ContainsFunc(s.records(r.Exchange), func(l witness.Line) bool { return strings.Contains(l.Text, "a crash point") }), "the log has what the panic says")
	s.check(len(s.writesOf(r)) == 0 || point == "before_outcome", "the upstream saw a write")
	if o.wish.Active != nil {
		s.openDeactivation(id, true)
		s.told("repeat", s.again(r), 200)
		s.openDeactivation(id, false)
	}
	s.told("afterwards", s.ask(titled(id, "fourth")), 200)
	samples, err := s.g.metrics()
	s.must(err)
	s.check(sum(samples, "scimgate_panics_total") == 1, "the metrics count %v panics", sum(samples, "scimgate_panics_total"))
	h := s.end(0)
	s.check(slices.ContainsFunc(h.Log, func(l witness.Line) bool { return l.Event == "panic" && l.Exchange == r.Exchange }), "the log has no record of the panic")
}

// emptied takes all members of a group away by one PUT, as a client does whose source is
// empty.
func (s *stage) emptied() {
	const many = 520
	s.open(many, "--guard-removals-mode", "alarm", "--guard-removals-floor", "500", "--guard-removals-share", "0")
	group, name := s.group(s.pool...)
	r := s.ask(putGroup(group, name, nil))
	s.told("emptied", r, 200)
	s.check(s.g.says(r.Exchange, "unusually much", "removals"), "no alarm is raised:\n%s", s.g.output())
	samples, err := s.g.metrics()
	s.must(err)
	alarms := samples[`scimgate_guard_total{kind="removals",tenant="default",verdict="alarm"}`]
	s.check(alarms >= 1, "the metrics count %v alarms", alarms)
	_, err = s.g.stop()
	s.must(err)

	s.flags = append(s.flags, "--guard-removals-mode", "hold")
	s.start()
	group, name = s.group(s.pool...)
	r = s.ask(putGroup(group, name, nil))
	s.told("held", r, 429)
	members := s.u.Final()["Groups/"+group].Members
	s.check(len(members) >= many-500, "%d members are left, want those over the limit", len(members))
	s.check(s.g.says(r.Exchange, "guard"), "nobody is told:\n%s", s.g.output())
	s.end(0)
}

// paths are sent where a path is asked for, and names where they could be taken for one.
func (s *stage) paths() {
	s.open(1)
	for _, path := range []string{"@this|title", "title|@reverse", "emails.#.value", "emails.0.value", "ti*", "titl?", "..title", "title.@this", "#(active==true)", `ti\tle`, "@pretty", "!null", "name.{givenName}", "[title]"} {
		id := s.user()
		before := s.u.Final()["Users/"+id]
		text, err := json.Marshal(path)
		s.must(err)
		r := s.ask(patchUser(id, `{"op":"replace","path":`+string(text)+`,"value":"x"}`, witness.Wish{}))
		s.check(r.Status == 400, "the path %s was told %d %.200s, want it refused", path, r.Status, r.Answer)
		after := s.u.Final()["Users/"+id]
		s.check(after.Title == before.Title && after.Active == before.Active && after.Name == before.Name, "the path %s has changed %+v to %+v", path, before, after)
	}
	// The URN has dots in it.
	id := s.user()
	s.told("URN", s.ask(patchUser(id, `{"op":"replace","path":"urn:ietf:params:scim:schemas:core:2.0:User:title","value":"by its URN"}`, witness.Wish{Title: "by its URN"})), 200)
	// Names are looked up as they are, when the answer to their create is lost.
	for _, name := range []string{"a.#.@this|b@example.test", "a*?@example.test", `#(x==1)@example.test`, "@this@example.test"} {
		r := s.ask(createUser(name, s.name()), fault("rst-done"))
		if r.Status == 400 { // no name of a user, the gateway says
			s.check(len(s.writesOf(r)) == 0, "%s was refused and sent", name)
			continue
		}
		s.told(name, r, 201)
		s.check(field(r.Answer, "userName") == name, "%s: got %.200s", name, r.Answer)
	}
	s.end(0)
}
