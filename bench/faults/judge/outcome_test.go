package judge

import (
	"slices"
	"testing"
	"time"

	"github.com/scimgate/scimgate/bench/faults/witness"
)

// A group loses whoever is deleted, without a write of its own.
func TestWhoIsDeletedIsInNoGroup(t *testing.T) {
	start := time.Now()
	at := func(second int) time.Time { return start.Add(time.Duration(second) * time.Second) }
	seen := []witness.Seen{
		{Method: "POST", Resource: "group team", Made: "Groups/1", Did: at(1), State: witness.State{Name: "team"}},
		{Method: "PATCH", Resource: "Groups/1", Did: at(2), State: witness.State{Name: "team", Members: []string{"a", "b"}}},
		{Method: "DELETE", Resource: "Users/c", Did: at(3), State: witness.State{Gone: true}},
		{Method: "DELETE", Resource: "Users/a", Did: at(4), State: witness.State{Gone: true}},
	}
	for _, c := range []struct {
		members []string // that a PUT behind all that asks for, and is told are there
		backed  bool
	}{
		{[]string{"b"}, true},
		{[]string{"a", "b"}, false},
		{nil, false},
	} {
		put := witness.Asked{Tag: "t", Logical: "t", Method: "PUT", Path: "/Groups/1", Began: at(5), Answered: at(6), Status: 200, Wish: &witness.Wish{Resource: "Groups/1", Exactly: true, Members: c.members}}
		found := Check(&witness.History{Seen: seen, Asked: []witness.Asked{put}, Counted: -1})
		if backed := !slices.ContainsFunc(found, func(f Finding) bool { return f.Rule == FalseSuccess }); backed != c.backed {
			t.Errorf("%v: backed %v, want %v: %v", c.members, backed, c.backed, found)
		}
	}
}
