package rules

import (
	"strings"

	"github.com/scimgate/scimgate/rules/scim"
)

// patch judges a PatchOp message (RFC 7644 §3.5.2): its frame first, then what
// each operation does to the resource, as if it stood where its path leads.
func (j *judge) patch(resource *schema) {
	operations := j.doc.Child(0, "Operations")
	if operations < 0 && j.asked {
		return // repairs have left nothing of it
	}
	j.asked = j.asked || operations >= 0
	j.object(0, j.set.message, true)
	if operations < 0 || j.doc.Nodes[operations].Shape != scim.Array {
		return
	}
	for at := operations + 1; at < j.doc.Nodes[operations].Next; at = j.doc.Nodes[at].Next {
		if j.doc.Nodes[at].Shape == scim.Object {
			j.read(at, resource)
		}
	}
	if j.last == nil {
		j.last = map[*Attribute]int32{}
	}
	clear(j.last)
	for i := range j.changes {
		if c := &j.changes[i]; c.row != nil && c.Path.Filter == nil {
			j.last[c.Attribute] = c.At
		}
	}
	for i := range j.changes {
		j.change = &j.changes[i]
		j.carryOut(j.change, resource)
	}
	j.change = nil
}

// read takes an operation apart. What is wrong with its frame has been judged. The
// members of a value without path are attributes, and paths, as Entra ID sends them.
func (j *judge) read(at int32, resource *schema) {
	c := Change{At: at, operation: at, opAt: j.doc.Child(at, "op"), Value: j.doc.Child(at, "value"), PathAt: j.doc.Child(at, "path")}
	if c.opAt >= 0 {
		c.Op = strings.ToLower(j.doc.String(c.opAt))
	}
	if p := c.PathAt; p >= 0 && j.doc.Nodes[p].Shape == scim.String && hollow(&j.doc.Nodes[p]) == 0 {
		c.lead(resource, j.doc.String(p))
		j.changes = append(j.changes, c)
		return
	}
	c.PathAt = -1
	if c.Op == "remove" || c.Value < 0 || j.doc.Nodes[c.Value].Shape != scim.Object || j.doc.Nodes[c.Value].Count == 0 {
		j.changes = append(j.changes, c)
		return
	}
	for m := c.Value + 1; m < j.doc.Nodes[c.Value].Next; m = j.doc.Nodes[m].Next {
		member := c
		member.At, member.Value = m, m
		if name := j.doc.Name(m); !member.lead(resource, name) {
			member.Path = scim.Path{Attribute: name}
			member.Attribute = &Attribute{Path: name, Type: Anything}
		}
		j.changes = append(j.changes, member)
	}
}

// lead follows a path to its row; ok is false if it is none.
func (c *Change) lead(resource *schema, text string) (ok bool) {
	path, err := scim.ParsePath(text)
	if err != nil {
		return false
	}
	c.Path, c.spelled, c.row = path, resource.spell(path), resource.resolve(path)
	if c.row != nil {
		c.Attribute = c.row.Attribute
	} else {
		c.Attribute = &Attribute{Path: path.String(), Type: Anything}
	}
	return true
}

// carryOut judges what a change does to the resource.
func (j *judge) carryOut(c *Change, resource *schema) {
	if c.Attribute == nil {
		j.pathless(c)
		return
	}
	if c.row == nil {
		j.run(&resource.unlisted[patching], Unlisted, c.At, c.Attribute)
		return
	}
	on := &c.row.on[patching]
	name := c.At
	if !c.member() {
		name = c.PathAt
	}
	if j.misspelled(c, name) {
		j.run(on, Miscased, name, c.Attribute)
	}
	if c.Op == "remove" {
		j.run(on, (Removed|Present)&on.when, c.At, c.Attribute)
	}
	if c.Value >= 0 && (c.Op != "remove" || c.selects()) {
		j.value(c.Value, c.row)
	}
	if above := resource.above(c); above != nil && above.on[patching].when&Parts != 0 {
		j.pending = append(j.pending, absence{c.At, above, Parts, c})
	}
}

// selects tells of a removal whose value lists what goes.
func (c *Change) selects() bool {
	return c.row != nil && c.row.Traits&Selective != 0 && c.Path.Filter == nil
}

// misspelled tells whether a path, or a member's name, is written in another case.
func (j *judge) misspelled(c *Change, at int32) bool {
	written := j.doc.Name(at)
	if !c.member() {
		written = j.doc.String(at)
	}
	proper := c.spelled.String()
	return written != proper && (strings.EqualFold(written, proper) || proper != c.Path.String())
}

// pathless judges the frame of an operation that names no attribute.
func (j *judge) pathless(c *Change) {
	frame := j.set.message.named("Operations").sub
	path, value := frame.named("path"), frame.named("value")
	switch {
	case c.PathAt >= 0:
		j.run(&path.on[patching], Malformed, c.PathAt, path.Attribute)
	case c.Op == "remove":
		j.run(&path.on[patching], Absent, c.At, path.Attribute)
	case c.Value < 0:
	case j.doc.Nodes[c.Value].Shape == scim.Object:
		j.run(&value.on[patching], EmptyObject, c.Value, value.Attribute)
	case j.doc.Nodes[c.Value].Shape == scim.Null:
		j.run(&value.on[patching], Nulled, c.Value, value.Attribute)
	default:
		j.run(&value.on[patching], Malformed, c.Value, value.Attribute)
	}
}

// above is the row of the complex attribute that a change leads into, nil if it leads
// to no part of one.
func (s *schema) above(c *Change) *row {
	if c.Path.Sub == "" {
		return nil
	}
	if a := s.resolve(scim.Path{Schema: c.Path.Schema, Attribute: c.Path.Attribute}); a != c.row {
		return a
	}
	return nil
}
