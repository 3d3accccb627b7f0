package main

import (
	"maps"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/scimgate/scimgate/bench/faults/judge"
	"github.com/scimgate/scimgate/bench/faults/witness"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A few kills end without a finding, and the comparison sees what would be one.
func TestKills(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds and kills the gateway")
	}
	folder := t.TempDir()
	binary, err := build(folder)
	if err != nil {
		t.Fatal(err)
	}
	l, err := newLoop(binary, folder, 7)
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	if err := l.run(4); err != nil {
		t.Fatal(err)
	}
	h, err := l.history()
	if err != nil {
		t.Fatal(err)
	}
	t.Log(l.summary())
	for _, f := range l.compare(h) {
		t.Error(f)
	}
	if len(l.people) < 6 || len(h.Seen) < 50 {
		t.Fatalf("got %d people and %d calls, want more", len(l.people), len(h.Seen))
	}

	t.Run("seeds of the judge", func(t *testing.T) {
		seen := map[judge.Rule]bool{}
		for _, s := range judge.Sow(h) {
			seen[s.Rule] = seen[s.Rule] || s.Fits && s.Seen
		}
		for _, rule := range []judge.Rule{judge.WriteAhead, judge.OpenIntent, judge.FalseSuccess, judge.DoubledCreate, judge.LostDeactivation} {
			if !seen[rule] {
				t.Errorf("no seed was seen as %q", rule)
			}
		}
	})

	var p *person
	for _, p = range l.people {
		if !p.deleted {
			break
		}
	}
	g := l.teams[0]
	sees := func(name, want string, tamper, mend func(h *witness.History)) {
		t.Run(name, func(t *testing.T) {
			copied := *h
			copied.Final = maps.Clone(h.Final)
			tamper(&copied)
			got := strings.Join(l.compare(&copied), "\n")
			if mend != nil {
				mend(&copied)
			}
			if !strings.Contains(got, want) {
				t.Errorf("got %.1000q, want %q", got, want)
			}
		})
	}
	final := func(resource string, change func(*witness.State)) func(*witness.History) {
		return func(h *witness.History) {
			s := h.Final[resource]
			change(&s)
			h.Final[resource] = s
		}
	}
	user, group := "Users/"+p.id, "Groups/"+g.id
	sees("a deactivation that is lost", user+", "+p.name+": AWS has active", final(user, func(s *witness.State) { s.Active = !s.Active }), nil)
	sees("a change that is lost", user+", "+p.name+": AWS has title", final(user, func(s *witness.State) { s.Title += "x" }), nil)
	sees("a user that is lost", user+", "+p.name+": AWS has it: false", func(h *witness.History) { delete(h.Final, user) }, nil)
	sees("a user whom nobody knows", "Users/nobody, : AWS has it: true", func(h *witness.History) { h.Final["Users/nobody"] = witness.State{} }, nil)
	deleted := g.deleted
	sees("a membership that is lost", group+", "+g.name+": AWS has members", func(h *witness.History) {
		g.deleted = false
		h.Final[group] = witness.State{Name: g.name, Members: []string{"somebody"}}
	}, func(*witness.History) { g.deleted = deleted })
	sees("a doubled create", "created twice: user ", func(h *witness.History) {
		for _, s := range h.Seen {
			if strings.HasPrefix(s.Resource, "user ") && s.Made != "" {
				h.Seen = append(append([]witness.Seen{}, h.Seen...), s)
				return
			}
		}
	}, nil)
}
