package main

import (
	"fmt"
	"strings"

	"github.com/scimgate/scimgate/bench/faults/faulty"
)

// answerScenes are about answers that reach another request than theirs, and about what
// is remembered too well.
var answerScenes = []scene{
	{row: "F15", name: "what stands behind an answer never answers the next request", run: func(s *stage) {
		for _, name := range []string{"body-long", "extra-answer"} {
			s.pairs(2, func(k *faulty.Strike, sent chan<- struct{}) {
				faulty.ByName(name).Strike(k)
				close(sent)
			})
		}
		s.end(0)
	}},
	{row: "F15", name: "what arrives behind an answer never answers the next request", run: func(s *stage) {
		// The next request is sent when the bytes have arrived.
		s.pairs(1, func(k *faulty.Strike, sent chan<- struct{}) {
			k.Whole(k.Apply())
			k.Stray(faulty.Poison().Bytes())
			close(sent)
		})
		s.end(0)
	}},
	{row: "F15", name: "what arrives while the next request is under way does not answer it", run: func(s *stage) {
		s.open(1)
		ids := []string{s.user(), s.user()}
		// The answer that nobody asked for leaves when the next request has arrived on the same
		// connection, and before its own.
		s.ask(read("/Users/"+ids[0], 1))
		order := faulty.Order{Fault: &faulty.Fault{Name: "crossing", Strike: func(k *faulty.Strike) {
			k.Sends(k.Apply(), append(faulty.Poison().Bytes(), k.Apply().Bytes()...))
		}}}
		for _, o := range []*operation{titled(ids[1], "x"), activated(ids[1], false, 0), read("/Users/"+ids[1], 1), createUser("a@example.test", "x")} {
			r := s.ask(o, order)
			// The read is repeated, the create looked up.
			s.told(o.name, r, map[string]int{"PATCH": 429, "GET": 200, "POST": 201}[o.method])
			s.check(!strings.Contains(r.Answer, faulty.PoisonID), "%s: got %d with the answer that nobody asked for", o.name, r.Status)
		}
		s.end(0)
	}},
	{row: "F15", name: "a list that arrives while a read is under way on a used connection is not believed", run: func(s *stage) {
		// Lists show nothing by which they could be told from those that others have asked for.
		s.open(3)
		id := s.user()
		group, name := s.group(s.pool...)
		crossing := faulty.Order{Of: faulty.Read, Fault: &faulty.Fault{Name: "crossing", Strike: func(k *faulty.Strike) {
			reply := k.Apply()
			if k.Used() {
				k.Sends(reply, append(faulty.Poison().Bytes(), reply.Bytes()...))
			} else { // nobody has asked for anything else on it
				k.Whole(reply)
			}
		}}}
		used := func() { s.told("read", s.ask(read("/Users/"+id, 1)), 200) }
		used()
		r := s.ask(lookUp(s.u.Final()["Users/"+id].Name), crossing)
		s.told("look-up", r, 200, 429)
		s.check(r.Status != 200 || strings.Contains(r.Answer, id), "the look-up of a user who is there was told %.200s", r.Answer)
		used()
		crossing.Skip = 1 // the list of members
		r = s.ask(putGroup(group, name, nil), crossing)
		s.told("emptied", r, 200, 429)
		members := s.u.Final()["Groups/"+group].Members
		s.check(r.Status != 200 || len(members) == 0, "the client was told 200 for a group without members, and it has %d", len(members))
		s.end(0)
	}},
	{row: "F24", name: "members are read anew after a membership write whose end is unknown", run: func(s *stage) {
		s.open(3)
		one := s.pool[0]
		group, name := s.group(one)
		s.told("removed", s.ask(patchMembers(group, "remove", []string{one})), 204)
		s.told("added, and the answer lost", s.ask(patchMembers(group, "add", []string{one}), fault("500-done")), 429)
		s.told("emptied", s.ask(putGroup(group, name, nil)), 200)
		members := s.u.Final()["Groups/"+group].Members
		s.check(len(members) == 0, "the client was told 200 for a group without members, and it has %v", members)
		s.end(0)
	}},
	{row: "F6", name: "a change that was not carried out is not settled as ok", run: func(s *stage) {
		s.open(1)
		r := s.ask(titled(s.user(), "x"), fault("500"))
		s.told("failed", r, 429)
		got := s.settled(r)
		s.check(got != "ok", "the user was made a moment ago, the change was not carried out, and it is settled as ok")
		s.end(0)
	}},
	{row: "F5", name: "a create that was found is not settled anew when it is gone", run: func(s *stage) {
		s.open(1)
		r := s.ask(createUser("grace@example.test", "x"), fault("rst-done"))
		s.told("create", r, 201)
		s.told("deleted", s.ask(removed("Users", field(r.Answer, "id"))), 204)
		got := s.settled(r)
		s.check(got != "not_done", "the user was made, the client was told 201, and the log says %s", got)
		s.end(0)
	}},
}

// pairs sends two requests behind each other, so many pairs at once, and holds the second
// to its own answer. The fault of the first closes sent when it has struck.
func (s *stage) pairs(atOnce int, strike func(k *faulty.Strike, sent chan<- struct{})) {
	if s.g == nil {
		s.open(1)
	}
	n := 60
	if s.large {
		n = 1500
	}
	together(atOnce, n, func(i int) {
		a, b, sent := s.user(), s.user(), make(chan struct{})
		first := s.ask(titled(a, "x"), faulty.Order{Fault: &faulty.Fault{Name: "behind", Strike: func(k *faulty.Strike) { strike(k, sent) }}})
		s.told("first", first, 200)
		s.check(strings.Contains(first.Answer, a), "the first got %.200s", first.Answer)
		<-sent
		for _, o := range []*operation{read("/Users/"+b, 1), createUser(fmt.Sprintf("pair%d-%s@example.test", i, s.name()), "x")} {
			second := s.ask(o)
			s.told("second", second, 200, 201)
			s.check(!strings.Contains(second.Answer, faulty.PoisonID), "the second got the answer that nobody asked for")
			for _, seen := range s.u.Of(second.Tag) {
				for _, before := range s.u.Of(first.Tag) {
					s.check(seen.Conn != before.Conn, "the connection was used again")
				}
			}
		}
	})
}
