package judge

import (
	"strings"
	"time"

	"github.com/scimgate/scimgate/bench/faults/witness"
)

// order looks at the writes to each resource: one after the other, and none undone by
// one that was accepted earlier.
func (d *docket) order() {
	for _, resource := range sortedKeys(d.written) {
		list := d.written[resource]
		for i := 1; i < len(list); i++ {
			before, s := list[i-1], list[i]
			if !before.Over.IsZero() && s.First.Before(before.Over) || before.Over.IsZero() && !before.Last.IsZero() {
				d.find(Overlap, d.exchangeOf(s), "%s %s arrived while %s of %s was under way", s.Method, s.Path, before.Method, d.exchangeOf(before))
			}
		}
	}
	for i := range d.Asked {
		if a := &d.Asked[i]; a.OK() && a.Write() && a.Wish != nil {
			d.undone(a)
		}
	}
}

// undone looks for writes that have undone a success, though they were accepted before
// it.
func (d *docket) undone(a *witness.Asked) {
	resource := a.Wish.Resource
	if a.Wish.Create {
		resource = d.resources[uniqueOf(a)]
	}
	since := a.Answered
	for _, s := range d.seenOf[a.Tag] {
		if !s.Did.IsZero() {
			since = s.Did
		}
	}
	held, wish, rule := true, *a.Wish, Overtaken
	if takesAccess(a) {
		rule = LostDeactivation
	}
	for _, s := range d.changes(resource) {
		if !s.Did.After(since) || s.Tag == a.Tag {
			continue
		}
		holds := wish.Holds(s.State)
		if rule == LostDeactivation {
			holds = s.State.Gone || !s.State.Active
		}
		if held && !holds && !(deletes(s) && s.Resource != resource) { // who is deleted is in no group, whatever came first
			switch by := d.asked[s.Tag]; {
			case by == nil:
				d.find(rule, a.Exchange, "%s %s was undone by %s %s, which nobody has asked for", a.Method, a.Path, s.Method, s.Path)
			case d.before(by, a):
				d.find(rule, a.Exchange, "%s %s was undone by %s, which was accepted before it and carried out %v after it", a.Method, a.Path, name(by), s.Did.Sub(since).Round(time.Millisecond))
			case rule == LostDeactivation && (by.Wish == nil || by.Wish.Active == nil):
				d.find(rule, a.Exchange, "%s %s was undone by %s, which is no activation", a.Method, a.Path, name(by))
			}
		}
		held = holds
	}
}

// takesAccess tells whether a request deactivates or deletes a user.
func takesAccess(a *witness.Asked) bool {
	return a.Wish != nil && (a.Wish.Active != nil && !*a.Wish.Active || a.Wish.Gone && strings.HasPrefix(a.Wish.Resource, "Users/"))
}

// settling looks for writes that came too soon behind one of which nobody could know
// what became of it.
func (d *docket) settling() {
	for _, resource := range sortedKeys(d.written) {
		list := d.written[resource]
		for i := 1; i < len(list); i++ {
			before, s := list[i-1], list[i]
			from, doubtful := d.doubtful(before)
			if !doubtful || d.lookedUp(before, s) {
				continue
			}
			if waited := s.First.Sub(from); waited < d.Settle {
				d.find(Unsettled, d.exchangeOf(s), "%s %s came %v behind %s, whose end is unknown; the resource is to be left alone for %v",
					s.Method, s.Path, waited.Round(time.Millisecond), d.exchangeOf(before), d.Settle)
			}
		}
	}
}

// doubtful tells whether the gateway can't know what became of a write, and from when on
// at the earliest it waits.
func (d *docket) doubtful(s *witness.Seen) (from time.Time, doubtful bool) {
	switch {
	case s.Answer == witness.None || s.Answer == witness.Broken:
		return s.Over, !s.Over.IsZero()
	case s.Answer == witness.Whole && (s.Status == 502 || s.Status == 504):
		return s.Over, true
	}
	if c := d.intentOf[s]; c != nil && c.outcome != nil && c.outcome.Outcome == "unknown" && c.outcome.Status == 0 {
		return s.First, true // it didn't wait for the answer
	}
	return from, false
}

// lookedUp tells whether a read between two writes has shown that the first was carried
// out.
func (d *docket) lookedUp(before, s *witness.Seen) bool {
	if before.Did.IsZero() {
		return false
	}
	for _, r := range d.seenOf[before.Tag] {
		if !r.Write() && r.Status == 200 && r.Answer != witness.Broken && r.First.After(before.Did) && r.First.Before(s.First) {
			return true
		}
	}
	return false
}

// deactivations looks for people who have access though somebody took it away.
func (d *docket) deactivations() {
	for _, key := range sortedKeys(d.logical) {
		attempts := d.logical[key]
		last := attempts[len(attempts)-1]
		if !takesAccess(last) {
			continue
		}
		state, there := d.Final[last.Wish.Resource]
		if !there || !state.Active || d.activatedSince(attempts[0]) {
			continue
		}
		_, id, _ := strings.Cut(last.Wish.Resource, "/")
		switch {
		case last.OK():
			d.find(LostDeactivation, last.Exchange, "%s was told %d, and the user is active at the end", last.Wish.Resource, last.Status)
		case d.takenIn(attempts) && !d.Leavers.Open[id]:
			d.find(NotListed, name(last), "%s %s was told %d at last, the user is active, and not on the list (was ever: %v)",
				last.Method, last.Wish.Resource, last.Status, d.Leavers.Ever[id])
		}
	}
}

// takenIn tells whether one of the attempts was a request that the gateway took in.
func (d *docket) takenIn(attempts []*witness.Asked) bool {
	for _, a := range attempts {
		if len(d.seenOf[a.Tag]) > 0 || a.Status == 429 || a.Status == 503 || a.Status >= 500 {
			return true
		}
	}
	return false
}

// activatedSince tells whether somebody asked for the user's activation after a request,
// or at the same time.
func (d *docket) activatedSince(a *witness.Asked) bool {
	for i := range d.Asked {
		by := &d.Asked[i]
		if by.Wish != nil && by.Wish.Resource == a.Wish.Resource && by.Wish.Active != nil && *by.Wish.Active && !d.before(by, a) {
			return true
		}
	}
	return false
}
