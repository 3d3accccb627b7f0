package rules

import (
	"math/bits"
	"sync"

	"github.com/scimgate/scimgate/rules/scim"
)

// maxRounds bounds how often a document is judged again after its repair: local
// edits, what they made absent or incomplete, and one more for what that brought
// to light. The last one has nothing left to edit.
const maxRounds = 6

// maxTold bounds how often one rule is named in a verdict: a group may have
// thousands of members with the same fault. All of them are repaired.
const maxTold = 16

// judge is one judgement under way. It is reused: nothing of it may be kept.
type judge struct {
	set     *Set
	root    *schema // of the resource
	op      scim.Operation
	variant variant
	id      string // of the resource, "" of a create
	doc     *scim.Document
	current *scim.Document // or nil

	findings     []Finding // those of this round that were not repaired
	counts       []int32   // findings of this round, by rule
	repaired     []Finding
	edits        []Edit
	pending      []absence
	changes      []Change
	last         map[*Attribute]int32 // where the last change of an attribute without filter is
	claims       map[claim]int32      // what this round's edits want, as the index of the edit
	once         any                  // see Node.Once
	change       *Change
	wantsCurrent bool
	asked        bool // the message has had Operations
	active       activity

	scratch, currentDoc scim.Document
}

// absence is something to be judged when all single values are sound: a row that
// is missing in an object, or a value that is to be looked at as a whole.
type absence struct {
	at     int32
	row    *row
	signs  Signs
	change *Change
}

// activity is what a document makes of a user's active.
type activity uint8

const (
	untouched activity = iota
	activates
	deactivates
)

var judges = sync.Pool{New: func() any { return new(judge) }}

// Judge reads a document and says what is wrong with it. current is the resource
// as the upstream has it, or nil; only few repairs want it, and the verdict tells
// when one did. The verdict's document is body itself if nothing was edited.
// Judging a clean document allocates nothing.
func (s *Set) Judge(target scim.Target, body, current []byte) Verdict {
	j := judges.Get().(*judge)
	*j = judge{
		set: s, op: target.Operation, variant: variantOf(target.Operation), id: target.ID,
		findings: j.findings[:0], repaired: nil, edits: j.edits[:0], pending: j.pending[:0], changes: j.changes[:0],
		counts: j.counts, last: j.last, claims: j.claims,
		scratch: j.scratch, currentDoc: j.currentDoc,
	}
	if current != nil {
		if _, ok := j.currentDoc.Scan(current); ok {
			j.current = &j.currentDoc
		}
	}
	v := j.rounds(body)
	j.set, j.scratch.Text, j.currentDoc.Text = nil, nil, nil
	if cap(j.scratch.Nodes)+cap(j.currentDoc.Nodes) < 1<<14 { // a whole group is too large to keep
		judges.Put(j)
	}
	return v
}

func (j *judge) rounds(body []byte) (v Verdict) {
	j.doc = &j.scratch
	text := body
	var original scim.Document // for places of findings of later rounds
	for round := 0; ; round++ {
		fault, ok := j.doc.Scan(text)
		if !ok {
			return Verdict{Document: body, Findings: j.set.Faults([]scim.Fault{fault}), Unreadable: true}
		}
		if round == 0 && j.variant != patching && j.doc.Nodes[0].Shape == scim.Object && j.doc.Child(0, "Resources") >= 0 && j.doc.Child(0, "totalResults") >= 0 {
			return Verdict{Document: body, Findings: j.set.Faults([]scim.Fault{{Kind: scim.ListInPlace, End: len(text)}}), Unreadable: true}
		}
		j.findings, j.edits, j.pending, j.changes, j.active = j.findings[:0], j.edits[:0], j.pending[:0], j.changes[:0], untouched
		j.once = nil
		clear(j.claims)
		j.counts = append(j.counts[:0], j.set.none...)
		done := len(j.repaired)
		j.round()
		for i := range j.repaired[done:] {
			if round > 0 {
				j.repaired[done+i].locate(&original, body)
			}
		}
		if len(j.edits) == 0 || round == maxRounds {
			break
		}
		settings := j.settings()
		edited, err := Apply(j.doc, j.edits, func(at int32) bool { return j.vital(at, settings) }, func(at int32) bool { return j.stays(at, settings) })
		if err != nil {
			panic("BUG: " + err.Error())
		}
		text = edited
	}
	v.Document, v.NeedsCurrent = text, j.wantsCurrent
	v.Activates, v.Deactivates = j.active == activates, j.active == deactivates
	v.Nothing = j.variant == patching && j.doc.Child(0, "Operations") < 0
	if len(j.findings) > 0 && len(j.repaired) > 0 {
		for i := range j.findings {
			j.findings[i].locate(&original, body)
		}
	}
	if len(j.findings)+len(j.repaired) > 0 {
		v.Findings = append(append(v.Findings, j.findings...), j.repaired...)
		v.sort()
	}
	return v
}

// locate gives a finding of a later round its place in the text as it came. The first one
// reads that text.
func (f *Finding) locate(original *scim.Document, body []byte) {
	if original.Nodes == nil {
		original.Scan(body)
	}
	n := &original.Nodes[original.Locate(f.value)]
	f.Span = Span{int(n.Start), int(n.End)}
	if f.absent {
		f.Span.End = f.Span.Start + 1
	}
}

func (j *judge) round() {
	if j.doc.Nodes[0].Shape != scim.Object {
		j.findings = append(j.findings, j.set.Faults([]scim.Fault{{Kind: scim.NotAnObject, End: len(j.doc.Text)}})...)
		return
	}
	if j.root = j.set.users; j.op.Is(scim.Groups) {
		j.root = j.set.groups
	}
	if j.variant == patching {
		j.patch(j.root)
	} else {
		j.object(0, j.root, true)
	}
	if len(j.edits) > 0 {
		return
	}
	for _, p := range j.pending {
		j.change = p.change
		j.run(&p.row.on[j.variant], p.signs, p.at, p.row.Attribute)
	}
	j.change = nil
}

// object judges the members of an object. complete tells that what is not there
// is absent from the resource.
func (j *judge) object(at int32, s *schema, complete bool) {
	seen := uint64(0)
	nodes := j.doc.Nodes
	for c := at + 1; c < nodes[at].Next; c = nodes[c].Next {
		r, exact := s.find(j.doc, c)
		if r == nil {
			j.run(&s.unlisted[j.variant], Unlisted, c, nil)
			continue
		}
		seen |= 1 << r.index
		if !exact {
			j.run(&r.on[j.variant], Miscased, c, r.Attribute)
		}
		j.value(c, r)
	}
	if complete {
		j.absent(at, s, seen)
	}
}

func (j *judge) absent(at int32, s *schema, seen uint64) {
	for missing := s.needed &^ seen; missing != 0; missing &= missing - 1 {
		r := &s.rows[bits.TrailingZeros64(missing)]
		if r.on[j.variant].when&Absent != 0 {
			j.pending = append(j.pending, absence{at, r, Absent, j.change})
		}
		if r.sub != nil && r.Traits&Multi == 0 {
			j.absent(at, r.sub, 0)
		}
	}
}

// value judges the value of a row, and what is in it.
func (j *judge) value(at int32, r *row) {
	n := &j.doc.Nodes[at]
	hooks := &r.on[j.variant]
	j.run(hooks, j.signs(at, n, r)&hooks.when, at, r.Attribute)
	if r.Path == "active" && j.op.Is(scim.Users) {
		j.activity(at)
	}
	if r.sub == nil {
		return
	}
	switch {
	case n.Shape == scim.Object:
		j.element(at, r)
	case n.Shape == scim.Array && r.Traits&Multi != 0:
		for c := at + 1; c < n.Next; c = j.doc.Nodes[c].Next {
			switch e := &j.doc.Nodes[c]; {
			case e.Shape == scim.Object && e.Count > 0:
				j.element(c, r)
			case e.Shape == scim.Object:
				j.run(hooks, EmptyObject&hooks.when, c, r.Attribute)
			case e.Shape == scim.Null:
				j.run(hooks, Nulled&hooks.when, c, r.Attribute)
			case hollow(e) == Empty && r.Traits&Optional != 0:
				j.run(hooks, Empty&hooks.when, c, r.Attribute)
			default:
				j.run(hooks, Mistyped&hooks.when, c, r.Attribute)
			}
		}
	}
}

// element judges one complex value.
func (j *judge) element(at int32, r *row) {
	j.object(at, r.sub, j.variant != patching || r.Traits&Multi != 0)
	if r.on[j.variant].when&Whole != 0 {
		j.pending = append(j.pending, absence{at, r, Whole, j.change})
	}
}

// run hands a value with signs to the rules that asked for one of them.
func (j *judge) run(h *hooks, signs Signs, at int32, a *Attribute) {
	if signs&h.when == 0 {
		return
	}
	for _, c := range h.rules {
		if signs&c.When != 0 {
			j.hit(c, Node{Attribute: a, Doc: j.doc, At: at, Signs: signs, j: j, change: j.change})
		}
	}
}

func (j *judge) hit(c *compiled, n Node) {
	at := &j.doc.Nodes[n.At]
	span, note := Span{int(at.Start), int(at.End)}, ""
	if c.Check != nil {
		part, text, found := c.Check(n)
		if !found {
			return
		}
		if note = text; part != (Span{}) {
			span = part
		}
	}
	if n.Signs&Absent != 0 {
		span.End = span.Start + 1
	}
	f := Finding{Rule: c.Rule, Disposition: j.set.dispositions[c.index], Span: span, Note: note, absent: n.Signs&Absent != 0}
	f.Field, f.EntraField = n.fields()
	j.counts[c.index]++
	told := j.counts[c.index] <= maxTold
	if told {
		f.Path, f.value = n.place(), j.doc.Path(n.At)
	}
	if f.Disposition == Repaired {
		for _, r := range c.Repair {
			if j.set.policy == StrictPolicy && r.Kind != Normalise {
				continue
			}
			if edits, did, ok := r.Mend(n); ok {
				if j.contradicts(edits) {
					return // another repair of this value goes first; this one has its turn in the next round
				}
				j.claim(edits)
				f.Did = did
				if told {
					j.repaired = append(j.repaired, f)
				}
				j.edits = append(j.edits, edits...)
				return
			}
		}
		f.Disposition = Reject
	}
	if f.Disposition != Off && told {
		j.findings = append(j.findings, f)
	}
}
