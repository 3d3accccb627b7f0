package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/scimgate/scimgate/bench/faults/faulty"
	"github.com/scimgate/scimgate/bench/faults/witness"
)

// basis is how a record names the members that a change was made for.
func basis(ids ...string) string {
	sorted := slices.Sorted(slices.Values(ids))
	sum := sha256.Sum256([]byte(strings.Join(sorted, "\n")))
	return hex.EncodeToString(sum[:8])
}

// groupScenes are about changes that take several calls.
var groupScenes = []scene{
	{row: "F22", name: "a push of a group that fails at any chunk says what was done", run: func(s *stage) { s.chunks(false) }},
	{row: "F23", name: "the same push again does only what is missing", run: func(s *stage) { s.chunks(true) }},
	{row: "F24", name: "a member that somebody else adds meanwhile stays", run: func(s *stage) {
		s.open(20)
		group, name := s.group(s.pool[:5]...)
		other := s.pool[19]
		order := faulty.Order{Of: faulty.Read, Skip: 1, Fault: &faulty.Fault{Name: "another writer", Strike: func(k *faulty.Strike) {
			reply := k.Apply()
			s.check(strings.Contains(reply.Body, "Resources"), "the second read is not the one of the members")
			s.check(s.u.Other("PATCH", "/Groups/"+group, patchMembers(group, "add", []string{other}).body) == 204, "the other writer was refused")
			k.Whole(reply)
		}}}
		o := putGroup(group, name, s.pool[3:8])
		o.wish = &witness.Wish{Resource: "Groups/" + group, Add: s.pool[3:8], Remove: s.pool[:3]}
		s.told("push", s.ask(o, order), 200)
		members := s.u.Final()["Groups/"+group].Members
		s.check(slices.Contains(members, other) && len(members) == 6, "got %d members, want the five and the other writer's", len(members))
		before, between := basis(s.pool[:5]...), 0
		for _, l := range s.end(0).Log {
			if l.Kind == "intent" && l.Resource == "Groups/"+group {
				between++
				s.check(l.Basis == before, "the record says that the change was made for %q, want %q: the members before the other writer's", l.Basis, before)
			}
		}
		s.check(between == 2, "got %d changes, want removals and additions", between)
	}},
	{row: "F53", name: "a reload in the middle of a push leaves it whole", run: func(s *stage) { s.reloadInAPush() }},
	{row: "F54", name: "writes of one person by name and by id keep their order", run: func(s *stage) {
		s.open(1)
		name := "grace@example.test"
		made, release := make(chan string, 1), make(chan struct{})
		first := s.request(createUser(name, "first"), faulty.Order{Fault: &faulty.Fault{Name: "slow", Strike: func(k *faulty.Strike) {
			reply := k.Apply()
			made <- reply.Body
			<-release
			k.Whole(reply)
		}}})
		var early, late []*request
		ended := s.aside(func() { s.send(first) })
		id := field(<-made, "id")
		// Another create of the same name waits for the first; a change by the id goes on.
		other := s.request(createUser(name, "second"))
		together(2, 2, func(i int) {
			if i == 0 {
				r := s.ask(titled(id, "changed"))
				s.told("change", r, 200)
				time.AfterFunc(moment, func() { close(release) })
				early = append(early, r)
				return
			}
			s.send(other)
			s.told("second create", other, 409)
			late = append(late, other)
		})
		<-ended
		s.told("first create", first, 201)
		w := append(s.writesOf(first), s.writesOf(other)...)
		s.check(len(w) == 2 && w[1].First.After(w[0].Over), "the second create did not wait for the first")
		s.check(len(early) == 1 && len(late) == 1, "not all was asked")
		h := s.end(0)
		order := ""
		for _, l := range h.Log {
			if l.Kind == "intent" {
				order += l.Method + " "
			}
		}
		s.check(order == "POST PATCH POST ", "the log has the order %s", order)
	}},
	{row: "F56", name: "a repeat of what is still carried out waits for it", run: func(s *stage) {
		s.open(150)
		group, name := s.group()
		for _, o := range []*operation{createUser("a@example.test", "x"), createGroup("Twice", s.pool), putGroup(group, name, s.pool), activated(s.user(), false, 0)} {
			release := make(chan struct{})
			first := s.request(o, faulty.Order{Of: faulty.Write, Fault: &faulty.Fault{Name: "slow", Strike: func(k *faulty.Strike) {
				reply := k.Apply()
				<-release
				k.Whole(reply)
			}}})
			ended := s.aside(func() { s.send(first) })
			s.u.Await(patience, func(x witness.Seen) bool { return x.Tag == first.Tag && x.Write() })
			again := s.request(&operation{method: o.method, path: o.path, body: o.body, wish: o.wish})
			again.Logical = first.Logical
			time.AfterFunc(moment, func() { close(release) })
			s.send(again)
			<-ended
			s.told(o.name+", first", first, 200, 201, 204)
			want := []int{200, 201, 204}
			if o.wish.Create {
				want = append(want, 409)
			}
			s.told(o.name+", repeat", again, want...)
			done := 0
			for _, w := range append(s.writesOf(first), s.writesOf(again)...) {
				if w.Method == "POST" && !w.Did.IsZero() {
					done++
				}
			}
			s.check(done <= 1, "%s: it was made %d times", o.name, done)
		}
		s.end(0)
	}},
}

// moment is for a request to reach the gateway. If it does not, a scene shows less.
const moment = 50 * time.Millisecond

var progressed = regexp.MustCompile(`Done: (?:(\d+) of \d+ members removed)?(?:, )?(?:(\d+) of \d+ members added)?`)

// chunks pushes groups of which 250 members go and 320 come, and strikes each of the seven
// chunks in turn. With again, each push is repeated and has to end as it was asked for.
func (s *stage) chunks(again bool) {
	const goes, comes = 250, 320
	s.open(goes + comes)
	faults := []string{"500"}
	if s.large || again {
		faults = []string{"500", "rst-done", "rst-read", "cut-fin"}
	}
	type try struct {
		chunk int
		fault string
	}
	var tries []try
	for k := range 7 {
		for _, f := range faults {
			tries = append(tries, try{k, f})
		}
	}
	groups := make([][2]string, len(tries))
	for i := range groups {
		id, name := s.group(s.pool[:goes]...)
		groups[i] = [2]string{id, name}
	}
	together(4, len(tries), func(i int) { // five failures in a row would open the circuit
		t, what := tries[i], fmt.Sprintf("chunk %d, %s", tries[i].chunk, tries[i].fault)
		o := putGroup(groups[i][0], groups[i][1], s.pool[goes:])
		order := of(faulty.Write, t.fault)
		order.Skip = t.chunk
		r := s.ask(o, order)
		s.told(what, r, 429)
		w := s.writesOf(r)
		s.check(len(w) == t.chunk+1, "%s: got %d writes, want the chunks up to it", what, len(w))
		removed, added := 0, 0
		for n, seen := range w {
			count := strings.Count(seen.Body, `"value":"`)
			s.check(count <= 100, "%s: a chunk has %d members", what, count)
			s.check(strings.Contains(seen.Body, `"remove"`) == (n < 3), "%s: removals do not come first", what)
			if n < t.chunk && n < 3 {
				removed += count
			} else if n < t.chunk {
				added += count
			}
		}
		told := progressed.FindStringSubmatch(detail(r))
		said := len(told) == 3 && number(told[1]) == removed && number(told[2]) == added
		s.check(said || t.chunk == 0, "%s: %d were removed and %d added, and the client was told %q", what, removed, added, detail(r))
		if again && len(w) > 0 {
			s.pushAgain(what, r, w)
		}
	})
	s.end(0)
}

// pushAgain repeats a push, which has to do no more than what is missing.
func (s *stage) pushAgain(what string, r *request, before []witness.Seen) {
	state := before[len(before)-1]
	done := 0
	for _, w := range before {
		if !w.Did.IsZero() {
			done += strings.Count(w.Body, `"value":"`)
		}
	}
	repeat := s.again(r)
	s.told(what+", again", repeat, 200)
	changed := 0
	for _, w := range s.writesOf(repeat) {
		changed += strings.Count(w.Body, `"value":"`)
	}
	members := s.u.Final()[state.Resource].Members
	s.check(r.Wish.Holds(witness.State{Name: r.Wish.Name, Members: members}), "%s: the group has %d members at the end", what, len(members))
	s.check(changed+done == 570, "%s: %d changes were done, and %d at the repeat, want 570 together", what, done, changed)
}

func number(text string) (n int) {
	fmt.Sscan(text, &n)
	return n
}

// field is a member of a JSON object that is a text.
func field(doc, name string) string {
	_, rest, _ := strings.Cut(doc, `"`+name+`":"`)
	value, _, _ := strings.Cut(rest, `"`)
	return value
}
