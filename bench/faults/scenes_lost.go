package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/scimgate/scimgate/bench/faults/faulty"
	"github.com/scimgate/scimgate/bench/faults/witness"
)

// lostScenes are those in which an answer does not come, or comes spoiled.
var lostScenes = []scene{
	{row: "F9", name: "a silent upstream ends in the unknown, on a connection that is not used again", run: func(s *stage) {
		s.open(1)
		id := s.user()
		r := s.ask(titled(id, "x"), fault("silence"))
		s.told("silence", r, 429)
		took := r.Answered.Sub(r.Sent)
		s.check(took >= timeout-50*time.Millisecond && took < patience, "the answer took %v", took)
		s.logged("silence", r, "unknown")
		next := s.ask(read("/Users/"+id, 1))
		s.told("next", next, 200)
		s.check(s.u.Of(r.Tag)[0].Conn != s.u.Of(next.Tag)[0].Conn, "the connection was used again")
		s.end(0)
	}},
	{row: "F10", name: "a reset before the request is read", run: func(s *stage) { s.lost("rst-unread", false) }},
	{row: "F11", name: "a reset behind the request, not done", run: func(s *stage) { s.lost("rst-read", false) }},
	{row: "F11", name: "a reset behind the request, done", run: func(s *stage) { s.lost("rst-done", true) }},
	{row: "F11", name: "an end behind the request, done", run: func(s *stage) { s.lost("fin-done", true) }},
	{row: "F12", name: "the answer to a create cut at every byte", run: func(s *stage) { s.cutCreates() }},
	{row: "F12", name: "the answer to a change cut at every byte", run: func(s *stage) { s.cutChanges() }},
	{row: "F13", name: "answers that can't be read", run: func(s *stage) { s.spoiled("F13") }},
	{row: "F14", name: "a body shorter than its length", run: func(s *stage) { s.spoiled("F14") }},
	{row: "F16", name: "a success that can't be believed", run: func(s *stage) { s.spoiled("F16", "invalid-json", "html-ok", "empty-ok") }},
	{row: "F16", name: "a success that shows another resource", run: func(s *stage) { s.spoiled("F16", "wrong-id") }},
	{row: "F17", name: "one or two interim answers are passed over", run: func(s *stage) {
		s.open(1)
		for _, o := range s.sorts() {
			r := s.ask(o, fault("interim"))
			s.told(o.name, r, 200, 201, 204)
		}
		s.end(0)
	}},
	{row: "F17", name: "a flood of interim answers is cut", run: func(s *stage) { s.spoiled("F17") }},
	{row: "F19", name: "an answer byte by byte ends at the deadline", run: func(s *stage) {
		s.open(1)
		r := s.ask(titled(s.user(), "x"), fault("trickle"))
		s.told("slow", r, 429)
		s.check(r.Answered.Sub(r.Sent) < 2*timeout, "the answer took %v", r.Answered.Sub(r.Sent))
		s.logged("slow", r, "unknown")
		s.told("fast enough", s.ask(titled(s.user(), "x"), fault("trickle-fast")), 200)
		s.end(0)
	}},
	{row: "F20", name: "endless answers cost no memory", run: func(s *stage) { s.endless() }},
	{row: "F21", name: "an activation that is late does not pass a deactivation", run: func(s *stage) { s.zombie() }},
}

// sorts are writes of every kind, each of a resource of its own.
func (s *stage) sorts() []*operation {
	group, _ := s.group(s.pool[0])
	other, name := s.group()
	put, title := s.user(), s.name()
	return []*operation{
		createUser(s.name()+"@example.test", title), createGroup(s.name(), s.pool),
		putUser(put, s.name()+"@example.test", title, true), titled(s.user(), title), activated(s.user(), false, 1),
		removed("Users", s.user()), patchMembers(group, "remove", s.pool), putGroup(other, name, s.pool), removed("Groups", s.mustGroup()),
	}
}

func (s *stage) mustGroup() string {
	id, _ := s.group()
	return id
}

// lost loses the answer to a write of every kind. Creates are looked up; what was done is
// settled.
func (s *stage) lost(name string, done bool) {
	s.open(1)
	sorts := s.sorts()
	together(3, len(sorts), func(i int) {
		o := sorts[i]
		s.ask(page(1, 1)) // so that failures don't come in a row
		r := s.ask(o, of(faulty.Write, name))
		writes := s.writesOf(r)
		s.check(len(writes) == 1, "%s: got %d writes, want one", o.name, len(writes))
		if o.wish.Create && done {
			s.told(o.name, r, 201)
			return
		}
		s.told(o.name, r, 429)
		s.logged(o.name, r, "unknown")
	})
	s.end(0)
}

// cutCreates cuts the answer to a create at every byte. The client must never be told a
// success that nothing backs, nor the create be sent twice.
func (s *stage) cutCreates() {
	s.open(1)
	length := s.answerLength(createUser("length@example.test", "x"))
	step := 1
	if !s.large {
		step = 9
	}
	statuses := map[int]int{}
	together(3, length/step, func(i int) {
		order := fault([]string{"cut-rst", "cut-fin"}[i%2])
		order.At = i * step
		order.Of = faulty.Write
		r := s.ask(createUser(fmt.Sprintf("cut%d@example.test", i), "x"), order)
		s.told(fmt.Sprint("cut at ", i*step), r, 201, 429)
		s.check(len(s.writesOf(r)) == 1, "cut at %d: got %d creates, want one", i*step, len(s.writesOf(r)))
		s.mu.Lock()
		statuses[r.Status]++
		s.mu.Unlock()
		if r.Status == 429 { // the lookup was held up
			r = s.again(r)
			s.told(fmt.Sprint("repeat of the cut at ", i*step), r, 201)
			s.check(len(s.writesOf(r)) == 0, "the create was sent again")
		}
	})
	s.check(statuses[201] > length/step/2, "got %v", statuses)
	s.end(0)
}

// answerLength is how long the upstream's answer is.
func (s *stage) answerLength(o *operation) int {
	length := 0
	r := s.ask(o, faulty.Order{Of: faulty.Write, Fault: &faulty.Fault{Name: "measured", Strike: func(k *faulty.Strike) {
		reply := k.Apply()
		length = len(reply.Bytes())
		k.Whole(reply)
	}}})
	s.told("measured", r, 200, 201)
	return length
}

// cutChanges does the same to a change, whose end can't be looked up at once.
func (s *stage) cutChanges() {
	s.open(1)
	length := s.answerLength(titled(s.user(), "x"))
	step := 4
	if !s.large {
		step = 40
	}
	ids := make([]string, length/step)
	for i := range ids {
		ids[i] = s.user()
	}
	together(3, len(ids), func(i int) {
		order := fault([]string{"cut-rst", "cut-fin"}[i%2])
		order.At = i * step
		r := s.ask(titled(ids[i], "x"), order)
		s.told(fmt.Sprint("cut at ", i*step), r, 429)
		s.logged(fmt.Sprint("cut at ", i*step), r, "unknown")
		s.ask(page(1, 1)) // so that failures don't come in a row
	})
	s.end(0)
}

// spoiled strikes writes of every kind with all faults of a row.
func (s *stage) spoiled(row string, names ...string) {
	s.open(1)
	for _, f := range faulty.Table {
		if f.Row != row || f.Name == "interim" || len(names) > 0 && !slices.Contains(names, f.Name) {
			continue
		}
		for _, o := range s.sorts() {
			r := s.ask(o, faulty.Order{Fault: &f, Of: faulty.Write})
			w := s.writesOf(r)
			s.check(len(w) == 1, "%s, %s: got %d writes, want one", f.Name, o.name, len(w))
			if len(w) == 1 && w[0].Answer == witness.Whole { // it is sound for this one
				continue
			}
			want := 429
			if o.wish.Create {
				want = 201 // looked up
			}
			s.told(f.Name+", "+o.name, r, want)
			s.logged(f.Name+", "+o.name, r, "unknown")
			s.ask(page(1, 1))
		}
		r := s.ask(read("/Users/"+s.user(), 1), faulty.Order{Fault: &f, Times: 9})
		s.told(f.Name+", read", r, 429)
		s.ask(page(1, 1))
	}
	s.end(0)
}

// memory is the most that the gateway has used, in bytes; 0 where that can't be told.
func (s *stage) memory() int {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(s.g.cmd.Process.Pid) + "/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "VmHWM:" {
			kib, _ := strconv.Atoi(fields[1])
			return kib << 10
		}
	}
	return 0
}

func (s *stage) endless() {
	s.open(1)
	before := s.memory()
	for _, name := range []string{"endless-body", "endless-head", "huge-length"} {
		ids := make([]string, 10)
		for i := range ids {
			ids[i] = s.user()
		}
		together(len(ids), len(ids), func(i int) {
			r := s.ask(titled(ids[i], "x"), fault(name))
			s.told(name, r, 429)
			s.check(len(s.writesOf(r)) <= 1, "%s: got %d writes", name, len(s.writesOf(r)))
		})
		for deadline := time.Now().Add(10 * time.Second); s.ask(page(1, 1)).Status != 200 && time.Now().Before(deadline); { // the circuit has opened
			time.Sleep(100 * time.Millisecond)
		}
	}
	if grown := s.memory() - before; before > 0 {
		s.check(grown < 64<<20, "the gateway has grown by %d MiB", grown>>20)
	}
	s.end(0)
}

// zombie has the upstream carry out an activation after the gateway has given up on it,
// and a deactivation right behind.
func (s *stage) zombie() {
	s.open(1)
	for _, at := range []int{0, 200, 390} {
		id := s.user()
		s.told("before", s.ask(activated(id, false, 0)), 200)
		order := fault("late")
		order.At = at
		early := s.ask(activated(id, true, 0), order)
		s.told("late", early, 429)
		s.logged("late", early, "unknown")
		r := s.ask(activated(id, false, 0))
		s.told("deactivation", r, 200)
		state := s.u.Final()["Users/"+id]
		s.check(!state.Active, "the user is active")
		w := s.u.Of(early.Tag)
		s.check(len(w) == 1 && !w[0].Did.IsZero(), "the activation was never carried out, so that this shows nothing")
		told := 0
		for _, l := range s.records(early.Exchange) {
			if l.Event == "settled" {
				told++
			}
		}
		s.check(told == 1, "got %d notices of what became of the activation, want one", told)
	}
	s.end(0)
}
