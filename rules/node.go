package rules

import (
	"strings"

	"github.com/scimgate/scimgate/rules/scim"
)

// Node is one value as a rule sees it. It lives no longer than the call that it
// is handed to.
type Node struct {
	*Attribute // the row of the value; nil if no row has its name
	Doc        *scim.Document
	At         int32 // index of the value; of the enclosing object where it is absent
	Signs      Signs // those of the value that the rule asked for

	j      *judge
	change *Change // the PATCH operation that it stands in, or nil
}

// Change is what one operation of a PATCH does to one attribute: each member of the
// value of an operation without path is a change of its own.
type Change struct {
	Op        string     // add, replace, remove
	At        int32      // of the operation; of the member, if it has no path
	Value     int32      // of the new value, -1 if it has none
	PathAt    int32      // of the path, -1 if it has none
	Path      scim.Path  // zero if there is none
	Attribute *Attribute // that the path leads to, nil without path

	row       *row      // of Attribute, nil if no row has its name
	spelled   scim.Path // the path, with the names as the rows have them
	operation int32
	opAt      int32 // of its op, -1 if it has none
}

// member tells that the change is a member of a value without path.
func (c *Change) member() bool { return c.At != c.operation }

// Operation is what the document asks for.
func (n Node) Operation() scim.Operation { return n.j.op }

// TargetID is the id of the resource that the document is about, "" if it has none
// yet.
func (n Node) TargetID() string { return n.j.id }

// Name is the attribute's name: as it was sent if no row has it, else as the row
// has it.
func (n Node) Name() string {
	if n.change != nil && n.At == n.change.At {
		return n.change.Path.String()
	}
	name := n.Doc.Name(n.At)
	if n.Attribute == nil || len(name) > len(n.Path) {
		return name
	}
	return n.Path[len(n.Path)-len(name):]
}

// Text is the content of the value, if it is a string.
func (n Node) Text() string {
	if n.Doc.Nodes[n.At].Shape != scim.String {
		return ""
	}
	return n.Doc.String(n.At)
}

// Get is the text at a path of the document as a whole, "name.givenName"; "" if
// there is none, and in a PATCH, which doesn't hold the whole.
func (n Node) Get(path string) string {
	if n.j.variant == patching {
		return ""
	}
	at := int32(0)
	for _, name := range strings.Split(path, ".") {
		at = n.Doc.Child(at, name)
	}
	if at < 0 || n.Doc.Nodes[at].Shape != scim.String {
		return ""
	}
	return n.Doc.String(at)
}

// Part is the text of a member of the value, "" if there is none.
func (n Node) Part(name string) string {
	if at := n.Doc.Child(n.At, name); at >= 0 && n.Doc.Nodes[at].Shape == scim.String {
		return n.Doc.String(at)
	}
	return ""
}

// Change is the operation of a PATCH that the value stands in, nil elsewhere.
func (n Node) Change() *Change { return n.change }

// Changes are all operations of the PATCH that could be understood.
func (n Node) Changes() []Change { return n.j.changes }

// SetLater tells whether a change of the PATCH behind the node's own is about the same
// attribute, and not only about some of its values.
func (n Node) SetLater() bool { return n.change != nil && n.j.last[n.Attribute] > n.change.At }

// Once is what compute returns: it is called for the first of all the nodes of a document
// that ask, so that what depends on the document as a whole is found once. One kind of
// value can be kept.
func (n Node) Once(compute func() any) any {
	if n.j.once == nil {
		n.j.once = compute()
	}
	return n.j.once
}

// Current is the resource as the upstream has it; nil if it isn't known. Asking
// for one that could be read makes the verdict say so.
func (n Node) Current() *scim.Document {
	if n.j.current == nil {
		n.j.wantsCurrent = n.j.id != ""
		return nil
	}
	return n.j.current
}

// LeaveOut removes the value, and what makes no sense without it. In a PATCH the
// operation goes when nothing of it is left.
func (n Node) LeaveOut() []Edit {
	if n.change != nil && (n.At == n.change.Value || n.At == n.change.At) && n.change.Attribute != nil {
		return []Edit{{Kind: Remove, At: n.change.At}}
	}
	return []Edit{{Kind: Remove, At: n.At}}
}

// Clear makes a value absent: it is left out, and a PATCH asks for its removal,
// since leaving it out there would leave the old value standing.
func (n Node) Clear() []Edit {
	switch c := n.change; {
	case c == nil, c.opAt < 0, c.Attribute == nil, n.insideElement():
		return n.LeaveOut()
	case c.Op == "add" && n.At == c.Value && n.Traits&Multi != 0: // adding nothing to a list adds nothing
		return n.LeaveOut()
	case n.At == c.Value && !c.member():
		edits := []Edit{{Kind: Replace, At: c.opAt, New: []byte(`"remove"`)}, {Kind: Detach, At: n.At}}
		if n.Traits&Vital != 0 {
			edits = append(edits, Edit{Kind: Replace, At: c.PathAt, New: scim.AppendString(nil, n.clearing())})
		}
		return edits
	}
	return []Edit{{Kind: Remove, At: n.At}, n.Removal(n.clearing())}
}

// Removal is a new operation of the PATCH that removes what a path leads to.
func (n Node) Removal(path string) Edit {
	op := scim.AppendString([]byte(`{"op":"remove","path":`), path)
	return Edit{Kind: Append, At: n.Doc.Nodes[n.change.operation].Parent, New: append(op, '}')}
}

// clearing is the path by which a PATCH removes the value; of a vital part, that of
// what means nothing without it.
func (n Node) clearing() string {
	path, part := n.Path, n.Path[strings.LastIndexByte(n.Path, '.')+1:]
	if n.change.Path.Filter != nil {
		if path = n.change.spelled.String(); n.At != n.change.Value {
			path += "." + part
		}
	}
	if n.Traits&Vital != 0 {
		path = strings.TrimSuffix(path, "."+part)
	}
	return path
}

// insideElement tells whether the value is a part of an element of a multi-valued
// attribute that is replaced whole.
func (n Node) insideElement() bool {
	c := n.change
	if c.row != nil && c.row.Traits&Multi != 0 && c.Path.Filter == nil && n.Traits&Vital == 0 && n.At != c.Value {
		return true
	}
	for at := n.Doc.Nodes[n.At].Parent; at >= c.Value && c.Value >= 0; at = n.Doc.Nodes[at].Parent {
		if n.Doc.Nodes[at].Shape == scim.Array {
			return true
		}
	}
	return false
}

// Respell writes the name of the value, or the path that leads to it, as the table
// has it.
func (n Node) Respell() []Edit {
	switch c := n.change; {
	case c != nil && n.At == c.PathAt:
		return []Edit{{Kind: Replace, At: n.At, New: scim.AppendString(nil, c.spelled.String())}}
	case c != nil && n.At == c.At:
		return []Edit{{Kind: Rename, At: n.At, Name: c.spelled.String()}}
	}
	return []Edit{{Kind: Rename, At: n.At, Name: n.Name()}}
}

// Set gives the attribute a text, whether it is there already or absent.
func (n Node) Set(text string) []Edit {
	value := scim.AppendString(nil, text)
	if n.Signs&Absent == 0 {
		return []Edit{{Kind: Replace, At: n.At, New: value}}
	}
	name, rest, nested := strings.Cut(n.Path, ".")
	if nested && n.At == 0 { // the enclosing object is absent too
		return []Edit{{Kind: Insert, At: 0, Name: name, New: append(append(append([]byte("{"), scim.AppendString(nil, rest)...), ':'), append(value, '}')...)}}
	}
	if nested {
		name = rest
	}
	return []Edit{{Kind: Insert, At: n.At, Name: name, New: value}}
}

// place is where the value stands, as findings name it.
func (n Node) place() string {
	switch {
	case n.Signs&Absent != 0 && n.At > 0 && n.j.variant != patching:
		last := n.Path[strings.LastIndexByte(n.Path, '.')+1:]
		return scim.JoinPath(n.Doc.Path(n.At), last)
	case n.Signs&Absent != 0:
		return n.Path
	case n.change != nil && n.change.Attribute != nil && (n.At == n.change.Value || n.At == n.change.At || n.At == n.change.PathAt):
		return shown(n.change.Path)
	}
	path := n.Doc.Path(n.At)
	if n.change != nil && n.change.Value >= 0 {
		if prefix := n.Doc.Path(n.change.Value); strings.HasPrefix(path, prefix) && len(path) > len(prefix) && n.At > n.change.Value {
			path = strings.TrimLeft(path[len(prefix):], ".:")
			switch {
			case n.change.Attribute == nil:
			case strings.HasPrefix(path, "["):
				path = shown(n.change.Path) + path
			default:
				path = scim.JoinPath(shown(n.change.Path), path)
			}
		}
	}
	return path
}

// shown is a path as findings name it. What a filter compares with may be about a person,
// and is not told; a type is not.
func shown(p scim.Path) string {
	p.Filter = unsaid(p.Filter)
	return p.String()
}

func unsaid(f *scim.Filter) *scim.Filter {
	if f == nil {
		return nil
	}
	masked := *f
	if f.Value != "" && !strings.EqualFold(f.Attribute, "type") && !strings.EqualFold(f.Attribute, "primary") {
		masked.Value = `"…"`
	}
	masked.Left, masked.Right, masked.Of = unsaid(f.Left), unsaid(f.Right), unsaid(f.Of)
	return &masked
}

// fields are the names of the attribute in the consoles of Okta and Entra ID.
func (n Node) fields() (okta, entra string) {
	if n.Attribute == nil {
		return "", ""
	}
	return n.Field, n.Entra
}
