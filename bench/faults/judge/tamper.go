package judge

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/scimgate/scimgate/bench/faults/witness"
)

// Seed is a break of a rule that is put into the history of a real run. The checks must
// see each.
type Seed struct {
	Name string
	Rule Rule
	// tamper changes a copy; false says that the run has nothing to do it to.
	tamper func(*tampered) bool
}

// Sown is what became of a seed.
type Sown struct {
	Seed
	Fits bool // the run had what it needs
	Seen bool
}

// Sow puts each seed into a copy of a history, and tells which the checks have seen, by a
// finding that the history itself doesn't have.
func Sow(h *witness.History) (all []Sown) {
	base := map[Finding]bool{}
	for _, f := range Check(h) {
		base[f] = true
	}
	for _, s := range Seeds {
		t := tamper(h)
		one := Sown{Seed: s, Fits: t.fits(s)}
		if one.Fits {
			one.Seen = slices.ContainsFunc(Check(t.History), func(f Finding) bool { return f.Rule == s.Rule && !base[f] })
		}
		all = append(all, one)
	}
	return all
}

// fits puts a seed in, and tells whether the run has what it needs: a short one may lack
// the request that is to be changed.
func (t *tampered) fits(s Seed) (yes bool) {
	defer func() {
		if recover() != nil {
			yes = false
		}
	}()
	return s.tamper(t)
}

// tampered is a copy of a history, joined, so that what is to be changed can be found.
type tampered struct{ *docket }

func tamper(h *witness.History) *tampered {
	c := *h
	c.Seen, c.Asked, c.Log, c.Final = slices.Clone(h.Seen), slices.Clone(h.Asked), slices.Clone(h.Log), maps.Clone(h.Final)
	c.Leavers.Open, c.Leavers.Ever = maps.Clone(h.Leavers.Open), maps.Clone(h.Leavers.Ever)
	d := &docket{History: &c}
	d.join()
	d.chain()
	d.intents()
	return &tampered{d}
}

// write is a request of a client with one call that worked, and that call.
func (t *tampered) write(like func(*witness.Asked, *call) bool) (*witness.Asked, *call) {
	for i := range t.Asked {
		a := &t.Asked[i]
		calls := t.calls[a.Exchange]
		if a.Wish == nil || !a.OK() || len(calls) != 1 || calls[0].seen == nil || calls[0].outcome == nil || calls[0].outcome.Outcome != "ok" {
			continue
		}
		if like(a, calls[0]) {
			return a, calls[0]
		}
	}
	return nil, nil
}

func anyWrite(*witness.Asked, *call) bool { return true }

// at is where a line stands.
func (t *tampered) at(l *witness.Line) int {
	return slices.IndexFunc(t.Log, func(o witness.Line) bool { return o.Seq == l.Seq })
}

// told is the record of what a client was told.
func (t *tampered) told(a *witness.Asked) *witness.Line {
	for _, l := range t.records[a.Exchange] {
		if l.Kind == "answer" {
			return l
		}
	}
	return nil
}

// set changes a field of a line and links the log again, so that nothing else is wrong
// with it.
func (t *tampered) set(l *witness.Line, field, value string) {
	i := t.at(l)
	t.Log[i].Text = with(t.Log[i].Text, field, value)
	t.relink()
}

var fieldForm = `("(?:[^"\\]|\\.)*"|[0-9]+)`

// with is a line with another value of a field; one that it hasn't comes before prev.
func with(text, field, value string) string {
	form := regexp.MustCompile(`"` + field + `":` + fieldForm)
	if !form.MatchString(text) {
		return strings.Replace(text, `,"prev":`, `,"`+field+`":`+value+`,"prev":`, 1)
	}
	return form.ReplaceAllLiteralString(text, `"`+field+`":`+value)
}

// without is a line without a field.
func without(text, field string) string {
	return regexp.MustCompile(`"`+field+`":`+fieldForm+`,`).ReplaceAllLiteralString(text, "")
}

func quoted(s string) string { return fmt.Sprintf("%q", s) }

// drop takes a line out.
func (t *tampered) drop(l *witness.Line) {
	i := t.at(l)
	t.Log = slices.Delete(t.Log, i, i+1)
}

// insert puts a line behind another.
func (t *tampered) insert(behind *witness.Line, text string) {
	i := t.at(behind)
	line := t.Log[i]
	line.Text = text
	t.Log = slices.Insert(t.Log, i+1, line)
	t.relink()
}

// settle has a call end in doubt, and a notice tell what became of it.
func (t *tampered) settle(c *call, outcome string) {
	t.Log[t.at(c.outcome)].Text = without(c.outcome.Text, "status")
	t.set(c.outcome, "outcome", quoted("unknown"))
	notice := with(with(t.Log[t.at(c.outcome)].Text, "kind", quoted("notice")), "event", quoted("settled"))
	t.insert(c.outcome, with(notice, "outcome", quoted(outcome)))
}

// relink numbers and links all lines anew, as one does who forges a log.
func (t *tampered) relink() {
	prev := strings.Repeat("0", 64)
	for i := range t.Log {
		old := t.Log[i]
		text := with(with(old.Text, "seq", fmt.Sprint(i+1)), "prev", quoted(prev))
		t.Log[i] = witness.Parse(text, old.Segment, old.End)
		sum := sha256.Sum256([]byte(text))
		prev = hex.EncodeToString(sum[:])
	}
}

// see adds a request of the upstream in its place.
func (t *tampered) see(s witness.Seen) {
	t.Seen = append(t.Seen, s)
	slices.SortStableFunc(t.Seen, func(a, b witness.Seen) int { return a.First.Compare(b.First) })
}

// ask adds a request of a client.
func (t *tampered) ask(a witness.Asked) { t.Asked = append(t.Asked, a) }

// shift moves a request of the upstream to another time.
func shift(s *witness.Seen, to time.Time) {
	by := to.Sub(s.First)
	for _, at := range []*time.Time{&s.First, &s.Last, &s.Did, &s.Over} {
		if !at.IsZero() {
			*at = at.Add(by)
		}
	}
}
