package rules

import (
	"strings"

	"github.com/scimgate/scimgate/rules/scim"
)

// patch judges a PatchOp message (RFC 7644 §3.5.2): its frame first, then what
// each operation does to the resource, as if it stood where its path leads.
func (j *judge) patch(resource *schema) {
	operations := j.doc.Child(0, "Operations")
	if operations < 0 && len(j.repaired) > 0 {
		return // repairs have left nothing of it
	}
	j.object(0, j.set.message, true)
	if operations < 0 || j.doc.Nodes[operations].Shape != scim.Array {
		return
	}
	for at := operations + 1; at < j.doc.Nodes[operations].Next; at = j.doc.Nodes[at].Next {
		if j.doc.Nodes[at].Shape == scim.Object {
			j.changes = append(j.changes, j.read(at))
		}
	}
	for i := range j.changes {
		j.change = &j.changes[i]
		j.operation(j.change, resource)
	}
	j.change = nil
}

// read takes an operation apart. What is wrong with its frame has been judged.
func (j *judge) read(at int32) Change {
	c := Change{At: at, OpAt: j.doc.Child(at, "op"), Value: j.doc.Child(at, "value")}
	if c.OpAt >= 0 {
		c.Op = strings.ToLower(j.doc.String(c.OpAt))
	}
	return c
}

func (j *judge) operation(c *Change, resource *schema) {
	frame := j.set.message.named("Operations").sub
	hooks := &frame.named("path").on[patching]
	pathAt := j.doc.Child(c.At, "path")
	if pathAt < 0 || j.doc.Nodes[pathAt].Shape != scim.String || j.doc.Nodes[pathAt].End-j.doc.Nodes[pathAt].Start == 2 {
		if c.Op == "remove" {
			j.run(hooks, Absent, c.At, frame.named("path").Attribute)
		} else if c.Value >= 0 {
			j.members(c, resource)
		}
		return
	}
	path, err := scim.ParsePath(j.doc.String(pathAt))
	if err != nil {
		j.run(hooks, Malformed, pathAt, frame.named("path").Attribute)
		return
	}
	c.Path = path
	r := resource.resolve(path)
	if r == nil {
		c.Attribute = &Attribute{Path: path.String(), Type: Anything}
		j.run(&resource.unlisted[patching], Unlisted, c.At, c.Attribute)
		return
	}
	c.Attribute = r.Attribute
	switch {
	case c.Op == "remove":
		j.run(&r.on[patching], (Removed|Present)&r.on[patching].when, c.At, r.Attribute)
	case c.Value >= 0:
		j.value(c.Value, r)
	}
	if above := j.above(resource, r, path); above != nil && above.on[patching].when&Whole != 0 {
		j.pending = append(j.pending, absence{c.At, above, Whole, c})
	}
}

// above is the row of the complex attribute that a path leads into, nil if it
// leads to no part.
func (j *judge) above(resource *schema, r *row, path scim.Path) *row {
	if path.Sub == "" {
		return nil
	}
	if a := resource.resolve(scim.Path{Schema: path.Schema, Attribute: path.Attribute}); a != r {
		return a
	}
	return nil
}

// members judges the value of an operation without a path: an object whose
// members are attributes, paths with dots among them, as Entra ID sends them.
func (j *judge) members(c *Change, resource *schema) {
	n := &j.doc.Nodes[c.Value]
	if n.Shape != scim.Object || n.Count == 0 {
		signs := Malformed
		if n.Shape == scim.Object {
			signs = EmptyObject
		}
		value := j.set.message.named("Operations").sub.named("value")
		j.run(&value.on[patching], signs, c.Value, value.Attribute)
		return
	}
	for m := c.Value + 1; m < n.Next; m = j.doc.Nodes[m].Next {
		r, exact := resource.find(j.doc, m)
		if r == nil {
			if path, err := scim.ParsePath(j.doc.Name(m)); err == nil && (path.Sub != "" || path.Schema != "") {
				r = resource.resolve(path)
			}
		}
		if r == nil {
			j.run(&resource.unlisted[patching], Unlisted, m, nil)
			continue
		}
		if !exact {
			j.run(&r.on[patching], Miscased, m, r.Attribute)
		}
		j.value(m, r)
	}
}
