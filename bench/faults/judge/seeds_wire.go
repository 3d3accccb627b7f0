package judge

import (
	"slices"
	"strings"

	"github.com/scimgate/scimgate/bench/faults/witness"
)

func titles(a *witness.Asked, _ *call) bool { return a.Method == "PATCH" && a.Wish.Title != "" }

func deactivates(a *witness.Asked, _ *call) bool {
	return a.Method == "PATCH" && a.Wish.Active != nil && !*a.Wish.Active
}

// lastOf tells whether nothing was asked of the resource behind a request.
func (t *tampered) lastOf(a *witness.Asked) bool {
	return !slices.ContainsFunc(t.Asked, func(o witness.Asked) bool {
		return o.Tag != a.Tag && o.Wish != nil && o.Wish.Resource == a.Wish.Resource && (o.Answered.IsZero() || o.Answered.After(a.Began))
	})
}

// wireSeeds are those of requests and answers.
var wireSeeds = []Seed{
	{"failure told as success", FalseSuccess, func(t *tampered) bool {
		for i := range t.Asked {
			a := &t.Asked[i]
			calls := t.calls[a.Exchange]
			if a.Status != 429 || a.Wish == nil || a.Wish.Title == "" || len(calls) != 1 || calls[0].seen == nil || !calls[0].seen.Did.IsZero() {
				continue
			}
			a.Status, a.Answer = 200, ""
			t.set(t.told(a), "reply", "200")
			return true
		}
		return false
	}},
	{"success without effect", FalseSuccess, func(t *tampered) bool {
		_, c := t.write(titles)
		c.seen.State.Title = "as before"
		return true
	}},
	{"done and told as refused", FalseFailure, func(t *tampered) bool {
		a, _ := t.write(titles)
		a.Status, a.Answer = 400, `{"detail":"no"}`
		t.set(t.told(a), "reply", "400")
		return true
	}},
	{"create sent twice for one request", DoubledCreate, func(t *tampered) bool {
		_, c := t.write(func(a *witness.Asked, _ *call) bool { return a.Wish.Create })
		c.seen.Answer, c.seen.Status = witness.Broken, 0
		again := *c.seen
		shift(&again, behind(c.seen.Over, 0.001))
		t.see(again)
		return true
	}},
	{"create sent again by a repeat", DoubledCreate, func(t *tampered) bool {
		a, c := t.write(func(a *witness.Asked, _ *call) bool { return a.Wish.Create })
		a.Status, c.seen.Answer = 429, witness.Broken
		repeat, again := *a, *c.seen
		repeat.Tag, repeat.Exchange, again.Tag = "again", "", "again"
		repeat.Began, repeat.Answered = behind(a.Answered, 1), behind(a.Answered, 2)
		shift(&again, behind(a.Answered, 1.5))
		t.ask(repeat)
		t.see(again)
		return true
	}},
	{"writes overlap", Overlap, func(t *tampered) bool {
		_, c := t.write(titles)
		other := *c.seen
		shift(&other, c.seen.Last)
		t.see(other)
		return true
	}},
	{"write before the settle time", Unsettled, func(t *tampered) bool {
		for _, resource := range sortedKeys(t.written) {
			list := t.written[resource]
			for i := 1; i < len(list); i++ {
				if from, doubtful := t.doubtful(list[i-1]); doubtful && list[i].First.Sub(from) >= t.Settle && !t.lookedUp(list[i-1], list[i]) {
					shift(list[i], behind(from, 0.01))
					slices.SortStableFunc(t.Seen, func(a, b witness.Seen) int { return a.First.Compare(b.First) })
					return true
				}
			}
		}
		return false
	}},
	{"deactivation overtaken by an activation", LostDeactivation, func(t *tampered) bool {
		return t.overtake(deactivates, func(w *witness.Wish, s *witness.State) { w.Active, s.Active = witness.Bool(true), true })
	}},
	{"deactivation undone by a profile", LostDeactivation, func(t *tampered) bool {
		a, c := t.write(func(a *witness.Asked, c *call) bool { return deactivates(a, c) && t.lastOf(a) })
		if a == nil {
			return false
		}
		later, undoes := *a, *c.seen
		later.Tag, undoes.Tag, later.Exchange = "later", "later", ""
		later.Wish = &witness.Wish{Resource: a.Wish.Resource, Title: "x"}
		later.Began = behind(a.Answered, 1)
		undoes.State.Active, undoes.State.Title = true, "x"
		shift(&undoes, behind(a.Answered, 2))
		t.ask(later)
		t.see(undoes)
		return true
	}},
	{"deactivated user active at the end", LostDeactivation, func(t *tampered) bool {
		a, _ := t.write(func(a *witness.Asked, c *call) bool { return deactivates(a, c) && t.lastOf(a) })
		if a == nil {
			return false
		}
		state := t.Final[a.Wish.Resource]
		state.Active = true
		t.Final[a.Wish.Resource] = state
		return true
	}},
	{"failed deactivation not on the list", NotListed, func(t *tampered) bool {
		a, _ := t.write(func(a *witness.Asked, c *call) bool { return deactivates(a, c) && t.lastOf(a) })
		if a == nil {
			return false
		}
		state := t.Final[a.Wish.Resource]
		state.Active, a.Status = true, 429
		t.Final[a.Wish.Resource] = state
		delete(t.Leavers.Open, strings.TrimPrefix(a.Wish.Resource, "Users/"))
		t.set(t.told(a), "reply", "429")
		return true
	}},
	{"write undone by an earlier one", Overtaken, func(t *tampered) bool {
		return t.overtake(titles, func(w *witness.Wish, s *witness.State) { w.Title, s.Title = "earlier", "earlier" })
	}},
	{"answers of two requests swapped", Crossed, func(t *tampered) bool {
		var one *witness.Asked
		for i := range t.Asked {
			a := &t.Asked[i]
			if a.Status != 200 || !strings.HasPrefix(a.Path, "/Users/") {
				continue
			}
			if one != nil && one.Path != a.Path {
				one.Answer, a.Answer = a.Answer, one.Answer
				return true
			}
			one = a
		}
		return false
	}},
	{"answer that nobody asked for", Crossed, func(t *tampered) bool {
		a, _ := t.write(titles)
		a.Answer = `{"id":"` + t.Poison + `"}`
		return true
	}},
	{"answer cut off", BadAnswer, func(t *tampered) bool {
		a, _ := t.write(titles)
		a.Answer = a.Answer[:len(a.Answer)/2]
		return true
	}},
	{"too many calls at once", Pace, func(t *tampered) bool {
		at := slices.IndexFunc(t.Seen, func(s witness.Seen) bool { return s.Method == "GET" })
		for range int(t.Reads.PerSecond) + t.Reads.Burst {
			t.Seen = append(t.Seen, t.Seen[at])
		}
		slices.SortStableFunc(t.Seen, func(a, b witness.Seen) int { return a.First.Compare(b.First) })
		return at >= 0
	}},
	{"header let through", Grammar, func(t *tampered) bool {
		_, c := t.write(anyWrite)
		c.seen.Fields = append(slices.Clone(c.seen.Fields), "X-Forwarded-For")
		return true
	}},
	{"hidden request carried out", Desync, func(t *tampered) bool {
		at := slices.IndexFunc(t.Asked, func(a witness.Asked) bool { return a.Junk })
		_, c := t.write(anyWrite)
		hidden := *c.seen
		hidden.Method, hidden.Path, hidden.Tag = "GET", "/Users", t.Asked[max(at, 0)].Tag
		t.see(hidden)
		return at >= 0
	}},
}

// overtake makes up a request that was accepted before another that worked, and was
// carried out after it.
func (t *tampered) overtake(like func(*witness.Asked, *call) bool, undo func(*witness.Wish, *witness.State)) bool {
	a, c := t.write(func(a *witness.Asked, c *call) bool { return like(a, c) && t.lastOf(a) })
	if a == nil {
		return false
	}
	early, undoes := *a, *c.seen
	early.Tag, undoes.Tag, early.Exchange, early.Status = "early", "early", "", 429
	early.Wish = &witness.Wish{Resource: a.Wish.Resource}
	undo(early.Wish, &undoes.State)
	early.Began, early.Answered = behind(a.Began, -2), behind(a.Began, -1)
	undoes.Did = behind(c.seen.Did, 0.5)
	t.ask(early)
	t.see(undoes)
	return true
}
