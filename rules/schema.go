package rules

import (
	"fmt"
	"strings"

	"github.com/scimgate/scimgate/rules/scim"
)

// schema is one complex type with its rows, ready to be asked by name.
type schema struct {
	path     string
	core     string // of a resource, the URN of its own schema, which says nothing in a path
	rows     []row
	slots    []uint8 // open addressing by hash; index of a row, one up
	needed   uint64  // one bit for each row that must be there, or has a part that must
	unlisted [variants]hooks
}

// row is an attribute with the rules that look at it.
type row struct {
	*Attribute
	name  string // the last part of the path
	hash  uint32
	index uint8
	sub   *schema // of a complex value, or nil
	on    [variants]hooks
}

// hooks are the rules that look at one place, and the signs that any of them
// asks for.
type hooks struct {
	when  Signs
	rules []*compiled
}

// variant is the kind of document: the same attribute has other rules in each.
type variant uint8

const (
	creation variant = iota
	replacement
	patching
	variants
)

func variantOf(op scim.Operation) variant {
	switch {
	case op.Is(scim.ReplaceUser | scim.ReplaceGroup):
		return replacement
	case op.Is(scim.PatchUser | scim.PatchGroup):
		return patching
	}
	return creation
}

// build makes a schema of rows. A row belongs to the longest other row that its
// path begins with.
func build(attributes []Attribute) (*schema, error) {
	root := &schema{}
	schemas := map[string]*schema{"": root}
	for i := range attributes {
		a := &attributes[i]
		parent, name := "", a.Path
		for path := range schemas {
			if path != "" && len(path) > len(parent) && strings.HasPrefix(a.Path, path) && len(a.Path) > len(path) &&
				strings.IndexByte(".:", a.Path[len(path)]) >= 0 {
				parent, name = path, a.Path[len(path)+1:]
			}
		}
		in := schemas[parent]
		if len(in.rows) == 64 {
			return nil, fmt.Errorf("cannot list %q: %q has 64 attributes already", a.Path, parent)
		}
		r := row{Attribute: a, name: name, hash: scim.HashName(name), index: uint8(len(in.rows))}
		if a.Type == Complex && a.Traits&(Unsupported|Noise) == 0 {
			r.sub = &schema{path: a.Path}
			schemas[a.Path] = r.sub
		}
		in.rows = append(in.rows, r)
	}
	for _, s := range schemas {
		s.hashRows()
	}
	root.need()
	return root, nil
}

// need finds the rows whose absence somebody has to look at.
func (s *schema) need() bool {
	for i := range s.rows {
		r := &s.rows[i]
		if inside := r.sub != nil && r.sub.need(); r.Traits&Required != 0 || inside && r.Traits&Multi == 0 {
			s.needed |= 1 << i
		}
	}
	return s.needed != 0
}

func (s *schema) hashRows() {
	size := 8
	for size < 3*len(s.rows) {
		size *= 2
	}
	s.slots = make([]uint8, size)
	for i := range s.rows {
		at := int(s.rows[i].hash) & (size - 1)
		for s.slots[at] != 0 {
			at = (at + 1) & (size - 1)
		}
		s.slots[at] = uint8(i) + 1
	}
}

// find is the row of a member, and whether its name is written as in the row; nil
// if there is none.
func (s *schema) find(doc *scim.Document, at int32) (r *row, exact bool) {
	n := &doc.Nodes[at]
	mask := len(s.slots) - 1
	for slot := int(n.Hash) & mask; s.slots[slot] != 0; slot = (slot + 1) & mask {
		r := &s.rows[s.slots[slot]-1]
		if r.hash != n.Hash {
			continue
		}
		if string(doc.Text[n.NameStart:n.NameEnd]) == r.name {
			return r, true
		}
		if name := doc.Name(at); len(name) == len(r.name) && strings.EqualFold(name, r.name) {
			return r, name == r.name
		}
	}
	return nil, true
}

// named is the row of a name in any case, or nil.
func (s *schema) named(name string) *row {
	for i := range s.rows {
		if strings.EqualFold(s.rows[i].name, name) {
			return &s.rows[i]
		}
	}
	return nil
}

// resolve is the row that a PATCH path leads to, or nil.
func (s *schema) resolve(p scim.Path) *row {
	in := s
	if p.Schema != "" && !strings.EqualFold(p.Schema, s.core) {
		r := s.named(p.Schema)
		if r == nil || p.Attribute == "" {
			return r
		}
		in = r.sub
	}
	if in == nil || p.Attribute == "" {
		return nil
	}
	r := in.named(p.Attribute)
	if r == nil || p.Sub == "" {
		return r
	}
	if r.sub == nil {
		return r // what is left out whole is left out in parts
	}
	return r.sub.named(p.Sub)
}

// spell is a path with its names as the rows have them, as far as there are any, and
// without the URN of the resource's own schema.
func (s *schema) spell(p scim.Path) scim.Path {
	in := s
	switch {
	case p.Schema == "":
	case strings.EqualFold(p.Schema, s.core):
		if p.Attribute == "" {
			return p
		}
		p.Schema = ""
	default:
		r := s.named(p.Schema)
		if r == nil || r.sub == nil {
			return p
		}
		p.Schema, in = r.name, r.sub
	}
	r := in.named(p.Attribute)
	if r == nil {
		return p
	}
	if p.Attribute = r.name; r.sub == nil {
		return p
	}
	if part := r.sub.named(p.Sub); part != nil {
		p.Sub = part.name
	}
	p.Filter = r.sub.spellFilter(p.Filter)
	return p
}

func (s *schema) spellFilter(f *scim.Filter) *scim.Filter {
	if f == nil {
		return nil
	}
	spelled := *f
	if r := s.named(f.Attribute); r != nil {
		spelled.Attribute = r.name
	}
	spelled.Left, spelled.Right = s.spellFilter(f.Left), s.spellFilter(f.Right)
	return &spelled
}

// walk visits the schema's rows and those below.
func (s *schema) walk(visit func(*schema, *row)) {
	for i := range s.rows {
		visit(s, &s.rows[i])
		if sub := s.rows[i].sub; sub != nil {
			sub.walk(visit)
		}
	}
}
