package rules

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/scimgate/scimgate/rules/scim"
)

// activity takes in what the document makes of active.
func (j *judge) activity(at int32) {
	n, text := &j.doc.Nodes[at], ""
	if n.Shape == scim.String {
		text = j.doc.String(at)
	}
	switch {
	case n.Shape == scim.False, strings.EqualFold(text, "false"):
		j.active = deactivates
	case n.Shape == scim.True, strings.EqualFold(text, "true"):
		j.active = activates
	}
}

// signs is what is to be seen of a value at a glance.
func (j *judge) signs(at int32, n *scim.Node, r *row) Signs {
	signs := Present
	switch empty := hollow(n); {
	case r.Type == Anything:
		return signs
	case n.Shape == scim.Null:
		return signs | Nulled
	case empty != 0 && r.Traits&Optional != 0: // it has no value, whatever its type
		return signs | empty
	}
	switch r.Type {
	case Text:
		switch n.Shape {
		case scim.String:
			return signs | j.text(at, n, r)
		case scim.Number, scim.True, scim.False:
			return signs | Numeric
		}
		return signs | Mistyped
	case Boolean:
		switch n.Shape {
		case scim.True, scim.False:
		case scim.String:
			text := j.doc.Text[n.Start+1 : n.End-1]
			switch {
			case bytes.EqualFold(text, []byte("true")), bytes.EqualFold(text, []byte("false")):
				signs |= Stringly
			default:
				signs |= Mistyped
			}
		default:
			signs |= Mistyped
		}
	case Complex:
		switch {
		case n.Shape == scim.Array && r.Traits&Multi != 0, n.Shape == scim.Object && (r.Traits&Multi == 0 || j.change != nil):
			if n.Shape == scim.Array && n.Count > 1 {
				signs |= Many
			}
			signs |= hollow(n)
		default:
			signs |= Mistyped
		}
	}
	return signs
}

// hollow is how a value says nothing: as an empty text, list or object; 0 if it does
// say something.
func hollow(n *scim.Node) Signs {
	switch {
	case n.Shape == scim.String && n.End-n.Start == 2:
		return Empty
	case n.Shape == scim.Array && n.Count == 0:
		return EmptyArray
	case n.Shape == scim.Object && n.Count == 0:
		return EmptyObject
	}
	return 0
}

func (j *judge) text(at int32, n *scim.Node, r *row) (signs Signs) {
	text := j.doc.Text[n.Start+1 : n.End-1]
	if len(text) == 0 {
		return Empty
	}
	if n.Marks != 0 {
		signs |= Odd
	}
	if r.Max > 0 && len(text) > r.Max && units(j.doc.String(at)) > r.Max {
		signs |= Long
	}
	if r.Traits&Unspaced != 0 && spaced(text, n.Marks) {
		signs |= Spaced
	}
	if r.Traits&Required != 0 && (text[0] <= ' ' || n.Marks != 0) && strings.TrimSpace(j.doc.String(at)) == "" {
		return signs&^Spaced | Blank
	}
	return signs
}

func units(s string) (n int) {
	for _, r := range s {
		n += utf16.RuneLen(r)
	}
	return n
}

func spaced(text []byte, marks scim.Marks) bool {
	if marks == 0 {
		return bytes.IndexByte(text, ' ') >= 0
	}
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		if unicode.IsSpace(r) || r == '\\' && n < len(text) && strings.IndexByte("tnrf", text[1]) >= 0 {
			return true
		}
		text = text[n:]
	}
	return false
}
