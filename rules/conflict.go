package rules

import (
	"bytes"
	"strings"

	"github.com/scimgate/scimgate/rules/scim"
)

// claim is what two edits can't both have in their own way: a value, or a name in an
// object.
type claim struct {
	at   int32
	name string // in lower case; "" of the value itself
}

// contradicts tells whether one of the edits wants something else of a value than
// one of this round's, or a name that another member has, or gets. Edits of one repair
// belong together.
func (j *judge) contradicts(edits []Edit) bool {
	for _, e := range edits {
		c, ok := j.claimed(e)
		if !ok {
			continue
		}
		if c.name != "" {
			if twin := j.doc.Child(c.at, e.Name); twin >= 0 && (e.Kind == Insert || twin != e.At) {
				return true
			}
		}
		if i, taken := j.claims[c]; taken {
			o := j.edits[i]
			same := e.Kind == Replace && bytes.Equal(o.New, e.New) || e.Kind == Rename && o.Kind == Rename && o.At == e.At
			if !same {
				return true
			}
		}
	}
	return false
}

// claim takes note of edits that go behind those of this round.
func (j *judge) claim(edits []Edit) {
	for i, e := range edits {
		if c, ok := j.claimed(e); ok {
			if j.claims == nil {
				j.claims = map[claim]int32{}
			}
			j.claims[c] = int32(len(j.edits) + i)
		}
	}
}

// claimed is what an edit claims, if anything.
func (j *judge) claimed(e Edit) (c claim, ok bool) {
	switch e.Kind {
	case Replace:
		return claim{at: e.At}, true
	case Insert:
		return claim{e.At, strings.ToLower(e.Name)}, true
	case Rename:
		return claim{j.doc.Nodes[e.At].Parent, strings.ToLower(e.Name)}, true
	}
	return claim{}, false
}

// settings are the changes of a PATCH by the value that they set, one up, so that zero
// means none; nil if there are none. Those of an operation without path are behind its
// value, and it is theirs too.
func (j *judge) settings() []int32 {
	if len(j.changes) == 0 {
		return nil
	}
	of := make([]int32, len(j.doc.Nodes))
	for i := range j.changes {
		c := &j.changes[i]
		if c.Value < 0 {
			continue
		}
		of[c.Value] = int32(i) + 1
		if c.member() {
			of[j.doc.Nodes[c.Value].Parent] = wholeValue
		}
	}
	return of
}

// wholeValue marks the value of an operation without path, which sets several attributes.
const wholeValue = -1

// vital tells whether the enclosing object means nothing without the value: the
// value of a PATCH operation, or a part that the table calls vital.
func (j *judge) vital(at int32, settings []int32) bool {
	if settings != nil && (settings[at] == wholeValue || settings[at] > 0 && !j.changes[settings[at]-1].member()) {
		return true
	}
	return j.set.vital[strings.ToLower(j.doc.Name(at))] && j.doc.Nodes[at].Parent > 0
}

// stays tells whether an object or a list is kept although repairs have emptied it,
// since it is to be judged as such: a list that a PATCH sets, for then it clears the
// attribute; and an element that has to have something in it, for it stands for
// somebody.
func (j *judge) stays(at int32, settings []int32) bool {
	n := &j.doc.Nodes[at]
	if settings != nil {
		switch own, above := settings[at], settings[max(n.Parent, 0)]; {
		case own > 0 && n.Shape == scim.Array:
			return true
		case own > 0:
			return j.changes[own-1].row.peopled()
		case above > 0:
			return j.changes[above-1].row.peopled()
		}
	}
	if j.variant == patching || n.Parent <= 0 || j.doc.Nodes[n.Parent].Parent != 0 {
		return false
	}
	list, _ := j.root.find(j.doc, n.Parent)
	return list.peopled()
}

// peopled tells of a multi-valued attribute with a part that each element must have.
func (r *row) peopled() bool {
	return r != nil && r.Traits&Multi != 0 && r.sub != nil && r.sub.needed != 0
}
