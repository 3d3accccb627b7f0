package rules

import (
	"bytes"
	"errors"

	"github.com/scimgate/scimgate/rules/scim"
)

// EditKind is what an edit does.
type EditKind uint8

const (
	Remove  EditKind = iota + 1 // the value, with its name; containers that it empties go too
	Detach                      // the value, with its name; nothing else
	Replace                     // the value by New
	Rename                      // the member, by Name
	Insert                      // a member Name with the value New into the object
	Append                      // an element New to the array
)

// Edit changes one value of a scanned document. Commas are no concern of it.
type Edit struct {
	Kind EditKind
	At   int32 // index of the value; of the container for Insert and Append
	Name string
	New  []byte // JSON
}

// errOverlap says that two edits want different things of one value: a fault of
// the rules, never of the document.
var errOverlap = errors.New("two repairs of one value contradict each other")

// Apply writes the document with its edits carried out. Without edits it returns
// the very text. An object or array that removals have emptied goes too unless it
// stays, and so does one that has lost a vital part; the root stays. What was not
// edited is copied as it was written.
func Apply(doc *scim.Document, edits []Edit, vital, stays func(at int32) bool) ([]byte, error) {
	if len(edits) == 0 {
		return doc.Text, nil
	}
	a := applier{doc: doc, marks: make([]mark, len(doc.Nodes))}
	grown := 0
	for i, e := range edits {
		if err := a.place(int32(i), e, edits); err != nil {
			return nil, err
		}
		grown += len(e.New) + len(e.Name) + 8
	}
	a.collapse(vital, stays)
	a.edits = edits
	a.out = make([]byte, 0, len(doc.Text)+grown)
	a.out = append(a.out, doc.Text[:doc.Nodes[0].Start]...)
	a.value(0)
	a.out = append(a.out, doc.Text[doc.Nodes[0].End:]...)
	return a.out, nil
}

// mark is what is to become of one value. Indexes of edits are kept one up, so
// that zero means none.
type mark struct {
	removed, detached bool
	dirty             bool // something in its subtree is edited
	replace, rename   int32
	grow              []int32
}

type applier struct {
	doc   *scim.Document
	edits []Edit
	marks []mark
	out   []byte
}

func (a *applier) place(i int32, e Edit, edits []Edit) error {
	m := &a.marks[e.At]
	switch e.Kind {
	case Remove:
		m.removed = true
	case Detach:
		m.detached = true
	case Replace:
		if m.replace != 0 && !bytes.Equal(edits[m.replace-1].New, e.New) {
			return errOverlap
		}
		m.replace = i + 1
	case Rename:
		m.rename = i + 1
	case Insert:
		for _, g := range m.grow { // an object has few members
			if edits[g].Name == e.Name {
				return errOverlap
			}
		}
		m.grow = append(m.grow, i)
	case Append:
		m.grow = append(m.grow, i)
	}
	for at := e.At; at >= 0 && !a.marks[at].dirty; at = a.doc.Nodes[at].Parent {
		a.marks[at].dirty = true
	}
	return nil
}

// collapse spreads removals upwards. Parents have lower indexes than their
// children, so one pass from the end suffices.
func (a *applier) collapse(vital, stays func(at int32) bool) {
	nodes := a.doc.Nodes
	for at := int32(len(nodes)) - 1; at > 0; at-- {
		if !a.marks[at].dirty {
			continue
		}
		if nodes[at].Count > 0 && len(a.marks[at].grow) == 0 && a.marks[at].replace == 0 && a.emptied(at) && !stays(at) {
			a.marks[at].removed = true
		}
		if a.marks[at].removed && nodes[at].Parent > 0 && vital(at) {
			a.marks[nodes[at].Parent].removed = true
			a.marks[nodes[at].Parent].dirty = true
		}
	}
}

func (a *applier) emptied(at int32) bool {
	nodes := a.doc.Nodes
	for c := at + 1; c < nodes[at].Next; c = nodes[c].Next {
		if !a.marks[c].removed && !a.marks[c].detached {
			return false
		}
	}
	return true
}

// value writes one value that stays.
func (a *applier) value(at int32) {
	n, m := &a.doc.Nodes[at], &a.marks[at]
	text := a.doc.Text
	switch {
	case m.replace != 0:
		a.out = append(a.out, a.edits[m.replace-1].New...)
		return
	case !m.dirty || n.Shape != scim.Object && n.Shape != scim.Array:
		a.out = append(a.out, text[n.Start:n.End]...)
		return
	}
	a.out = append(a.out, text[n.Start])
	from, kept := n.Start+1, false
	for c := at + 1; c < n.Next; c = a.doc.Nodes[c].Next {
		child := &a.doc.Nodes[c]
		if !a.marks[c].removed && !a.marks[c].detached {
			if kept {
				a.out = append(a.out, ',')
			}
			kept = true
			if r := a.marks[c].rename; r != 0 {
				a.out = append(a.out, text[from:child.NameStart-1]...)
				a.out = scim.AppendString(a.out, a.edits[r-1].Name)
				a.out = append(a.out, text[child.NameEnd+1:child.Start]...)
			} else {
				a.out = append(a.out, text[from:child.Start]...)
			}
			a.value(c)
		}
		from = child.End
		if child.Next < n.Next { // between two siblings stands nothing but blanks and the comma
			from += int32(bytes.IndexByte(text[from:n.End], ',')) + 1
		}
	}
	for _, g := range m.grow {
		if kept {
			a.out = append(a.out, ',')
		}
		kept = true
		if a.edits[g].Kind == Insert {
			a.out = append(scim.AppendString(a.out, a.edits[g].Name), ':')
		}
		a.out = append(a.out, a.edits[g].New...)
	}
	a.out = append(a.out, text[from:n.End]...)
}
