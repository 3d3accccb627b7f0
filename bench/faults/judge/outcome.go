package judge

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"github.com/scimgate/scimgate/bench/faults/witness"
)

// outcomes holds what the log says of each call to what the upstream did.
func (d *docket) outcomes() {
	for _, exchange := range d.exchanges() {
		for _, c := range d.calls[exchange] {
			if c.outcome == nil {
				continue
			}
			d.outcome(exchange, c)
		}
	}
}

// notices holds what the log says of writes in doubt, later, to what became of them.
func (d *docket) notices() {
	for _, l := range d.lines {
		if l.Event != "settled" {
			continue
		}
		for _, c := range d.calls[l.Exchange] {
			if c.intent.Call != l.Call || c.seen == nil {
				continue
			}
			did := !c.seen.Did.IsZero()
			if l.Outcome == "ok" && !did && !d.hadIt(c.seen) || l.Outcome == "not_done" && did {
				d.find(FalseOutcome, l.Exchange, "call %d, %s %s, is settled as %s, and the upstream carried it out: %v", l.Call, c.intent.Method, c.intent.Path, l.Outcome, did)
			}
		}
	}
}

// hadIt tells whether the upstream had the resource as a write asks for before it came:
// a read can't tell that from what the write has done.
func (d *docket) hadIt(s *witness.Seen) bool {
	a := d.asked[s.Tag]
	if a == nil || a.Wish == nil {
		return false
	}
	resource, wish := s.Resource, *a.Wish
	if s.Method == "POST" {
		resource = d.resources[s.Resource]
	}
	if s.Method == "PATCH" && strings.HasPrefix(resource, "Groups/") {
		wish = memberWish(s.Body)
	}
	var state *witness.State
	for _, before := range d.changes(resource) {
		if before.Did.Before(s.First) {
			state = &before.State
		}
	}
	return state != nil && wish.Holds(*state)
}

// memberWish is what one PATCH of a group asks of its members.
func memberWish(body string) (w witness.Wish) {
	var doc struct {
		Operations []struct {
			Op    string
			Value []struct{ Value string }
		}
	}
	if json.Unmarshal([]byte(body), &doc) != nil {
		return witness.Wish{Gone: true} // of no members at all; nothing that is there is like it
	}
	for _, op := range doc.Operations {
		for _, m := range op.Value {
			if strings.EqualFold(op.Op, "remove") {
				w.Remove = append(w.Remove, m.Value)
			} else {
				w.Add = append(w.Add, m.Value)
			}
		}
	}
	return w
}

// exchanges are those with calls, in the order of the log.
func (d *docket) exchanges() (list []string) {
	seen := map[string]bool{}
	for _, l := range d.lines {
		if l.Kind == "intent" && !seen[l.Exchange] {
			seen[l.Exchange] = true
			list = append(list, l.Exchange)
		}
	}
	return list
}

func (d *docket) outcome(exchange string, c *call) {
	o, s := c.outcome, c.seen
	lies := func(why string) {
		d.find(FalseOutcome, exchange, "call %d, %s %s, is %q with status %d: %s", c.intent.Call, c.intent.Method, c.intent.Path, o.Outcome, o.Status, why)
	}
	answered := s != nil && (s.Answer == witness.Whole || s.Answer == witness.Perhaps)
	switch o.Outcome {
	case "ok":
		switch {
		case s == nil:
			lies("the upstream never saw it")
		case !answered || s.Status/100 != 2:
			lies("the upstream never said that it is done")
		case s.Status != o.Status:
			lies("the upstream answered otherwise")
		case s.Did.IsZero():
			lies("the upstream never carried it out")
		}
	case "upstream_error":
		if s == nil || !answered || s.Status != o.Status {
			lies("the upstream never answered so")
		}
	case "not_sent":
		if s != nil {
			lies("the upstream saw all of it")
		}
	case "unknown":
	default:
		lies("that is no outcome")
	}
	if s != nil && answered && o.AWSID != "" && s.RequestID != "" && o.AWSID != s.RequestID {
		d.find(Crossed, exchange, "call %d has the answer %s, and the upstream gave it %s", c.intent.Call, o.AWSID, s.RequestID)
	}
}

// sequence holds the log to the order of intent, outcome and answer, and what a client
// was told to what was in the log then.
func (d *docket) sequence() {
	for i := range d.Asked {
		a := &d.Asked[i]
		if a.Exchange == "" || !a.Write() || len(d.calls[a.Exchange]) == 0 || a.Status == 429 || a.Status == 503 {
			continue // whoever is told to come back may be told before all is over
		}
		var told *witness.Line
		for _, l := range d.records[a.Exchange] {
			switch {
			case l.Kind == "answer":
				told = l
			case told != nil && l.Kind == "outcome":
				d.find(LateRecord, a.Exchange, "the outcome of call %d stands behind the answer", l.Call)
			}
			if l.Kind == "outcome" && a.LogAt >= 0 && l.End > a.LogAt {
				d.find(LateRecord, a.Exchange, "the client was answered before the outcome of call %d was in the log", l.Call)
			}
		}
		if told != nil && a.LogAt >= 0 && told.End > a.LogAt {
			d.find(LateRecord, a.Exchange, "the client was answered before that was in the log")
		}
	}
}

// successes holds each success of a write to what the upstream did and has.
func (d *docket) successes() {
	for i := range d.Asked {
		a := &d.Asked[i]
		if !a.OK() || !a.Write() || a.Wish == nil {
			continue
		}
		for n, c := range d.calls[a.Exchange] {
			if c.outcome == nil || c.outcome.Outcome == "ok" || d.madeGood(a, c, d.calls[a.Exchange][n+1:]) {
				continue
			}
			d.find(FalseSuccess, a.Exchange, "call %d, %s %s, is %s, and nothing made it good", c.intent.Call, c.intent.Method, c.intent.Path, c.outcome.Outcome)
		}
		if !d.shown(a) {
			d.find(FalseSuccess, a.Exchange, "%s %s was told %d, and the upstream had it otherwise: wanted %+v", a.Method, a.Path, a.Status, *a.Wish)
		}
	}
}

// madeGood tells whether a call that was not ok was followed by one that was, or by a
// read that told what became of it.
func (d *docket) madeGood(a *witness.Asked, c *call, later []*call) bool {
	if slices.ContainsFunc(later, func(o *call) bool { return o.outcome != nil && o.outcome.Outcome == "ok" }) {
		return true
	}
	for _, s := range d.seenOf[a.Tag] {
		if !s.Write() && s.Status == 200 && s.Answer != witness.Broken && (c.seen == nil || s.First.After(c.seen.First)) {
			return true
		}
	}
	return false
}

// shown tells whether the upstream had a resource as it was wished at some time between
// the last write of the exchange and its answer.
func (d *docket) shown(a *witness.Asked) bool {
	resource := a.Wish.Resource
	if a.Wish.Create {
		resource = d.resources[uniqueOf(a)]
	}
	if resource == "" {
		return false
	}
	from := a.Began
	for _, s := range d.seenOf[a.Tag] {
		if !s.Did.IsZero() && s.Did.After(from) {
			from = s.Did
		}
	}
	var state *witness.State
	for _, s := range d.changes(resource) {
		if s.Did.After(a.Answered) {
			break
		}
		if state != nil && s.Did.After(from) && a.Wish.Holds(*state) {
			return true
		}
		state = &s.State
	}
	return state != nil && a.Wish.Holds(*state)
}

// uniqueOf is how the upstream names what a create asks for.
func uniqueOf(a *witness.Asked) string {
	if strings.HasPrefix(a.Path, "/Groups") {
		return "group " + strings.ToLower(a.Wish.Name)
	}
	return "user " + strings.ToLower(a.Wish.Name)
}

// changes are the writes that were carried out on a resource, in that order; the first
// made it. Whoever is deleted is taken out of each group by the upstream, so that a group is
// changed by the deletions of its members as well.
func (d *docket) changes(resource string) []*witness.Seen {
	if list, known := d.changed[resource]; known {
		return list
	}
	list := slices.Clone(d.made()[resource])
	for _, s := range d.written[resource] {
		if !s.Did.IsZero() {
			list = append(list, s)
		}
	}
	own := len(list)
	if strings.HasPrefix(resource, "Groups/") {
		list = append(list, d.deletions()...)
	}
	slices.SortFunc(list, func(a, b *witness.Seen) int { return a.Did.Compare(b.Did) })
	if own < len(list) {
		list = withoutMembers(list)
	}
	d.changed[resource] = list
	return list
}

// deletes tells whether a change of a group is the deletion of one who was in it.
func deletes(s *witness.Seen) bool {
	return s.Method == "DELETE" && strings.HasPrefix(s.Resource, "Users/")
}

// withoutMembers are the changes of a group, of whose deletions of users those are left that
// have changed it, with the group's state behind them.
func withoutMembers(list []*witness.Seen) (changes []*witness.Seen) {
	var state witness.State
	for _, s := range list {
		if deletes(s) {
			members := slices.DeleteFunc(slices.Clone(state.Members), func(id string) bool { return "Users/"+id == s.Resource })
			if len(members) == len(state.Members) {
				continue
			}
			taken := *s
			taken.State = state
			taken.State.Members = members
			s = &taken
		}
		state = s.State
		changes = append(changes, s)
	}
	return changes
}

// deletions are those of users that were carried out.
func (d *docket) deletions() []*witness.Seen {
	if d.deleted == nil {
		d.deleted = []*witness.Seen{}
		for i := range d.Seen {
			if s := &d.Seen[i]; deletes(s) && !s.Did.IsZero() {
				d.deleted = append(d.deleted, s)
			}
		}
	}
	return d.deleted
}

// made are the creates by what they made.
func (d *docket) made() map[string][]*witness.Seen {
	if d.creations == nil {
		d.creations = map[string][]*witness.Seen{}
		for i := range d.Seen {
			if s := &d.Seen[i]; s.Made != "" {
				d.creations[s.Made] = append(d.creations[s.Made], s)
			}
		}
	}
	return d.creations
}

// tellsWhatWasDone are words of a failure that leave no client in the belief that nothing
// has happened.
var tellsWhatWasDone = regexp.MustCompile(`(?i)\b(done|was created|not known)\b`)

// failures holds each final failure to what was done all the same.
func (d *docket) failures() {
	for i := range d.Asked {
		a := &d.Asked[i]
		if a.Status < 400 || a.Status == 429 || a.Status == 503 || !a.Write() || tellsWhatWasDone.MatchString(a.Answer) {
			continue
		}
		for _, c := range d.calls[a.Exchange] {
			did := c.seen != nil && !c.seen.Did.IsZero()
			if unknown := c.outcome != nil && c.outcome.Outcome == "unknown"; did || unknown {
				d.find(FalseFailure, a.Exchange, "%s %s was told %d, and call %d may have been carried out: %.200s", a.Method, a.Path, a.Status, c.intent.Call, a.Answer)
				break
			}
		}
	}
}

// creates looks for creates that were sent again.
func (d *docket) creates() {
	for i := range d.Asked {
		a := &d.Asked[i]
		if a.Wish == nil || !a.Wish.Create {
			continue
		}
		var before *witness.Seen
		for _, s := range d.seenOf[a.Tag] {
			if s.Method != "POST" {
				continue
			}
			if before != nil && !(before.Answer == witness.Whole && (before.Status == 429 || before.Status == 503 || before.Status == 400 || before.Status == 404)) {
				d.find(DoubledCreate, name(a), "%s was sent again for the same request, after %s", s.Path, toldOf(before))
			}
			before = s
		}
	}
	for _, attempts := range d.logical {
		d.createdAgain(attempts)
	}
}

// createdAgain looks for a create that went out after it had been carried out.
func (d *docket) createdAgain(attempts []*witness.Asked) {
	var posts []*witness.Seen
	for _, a := range attempts {
		if a.Wish == nil || !a.Wish.Create {
			return
		}
		for _, s := range d.seenOf[a.Tag] {
			if s.Method == "POST" {
				posts = append(posts, s)
			}
		}
	}
	for _, first := range posts {
		for _, again := range posts {
			known := first.Answer == witness.Whole && first.Status/100 == 2 // and told as it is: the plan goes on behind it
			if first == again || known || first.Did.IsZero() || !again.First.After(first.Did) || d.answered(first, again) {
				continue
			}
			d.find(DoubledCreate, d.exchangeOf(again), "%s was sent again, after it had been carried out", again.Path)
		}
	}
}

// answered tells whether the first create was told to its client, and asked for again by
// a later request.
func (d *docket) answered(first, again *witness.Seen) bool {
	a, b := d.asked[first.Tag], d.asked[again.Tag]
	return a != nil && b != nil && a != b && (a.OK() || a.Left)
}

func toldOf(s *witness.Seen) string {
	if s.Status == 0 {
		return "no answer"
	}
	return "another answer than a complete 429 or 503"
}
