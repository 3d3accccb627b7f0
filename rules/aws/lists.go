package aws

import (
	"slices"

	"github.com/scimgate/scimgate/rules"
	"github.com/scimgate/scimgate/rules/scim"
)

// inList tells whether the value is an element of a list.
func inList(n rules.Node) bool {
	return n.Doc.Nodes[n.Doc.Nodes[n.At].Parent].Shape == scim.Array
}

// inOtherShape tells of a value that has one reading as a list of objects, or as one of them.
func inOtherShape(n rules.Node) (rules.Span, string, bool) {
	return rules.Span{}, "", n.Traits&rules.Unsupported == 0 && asObjects(n) != nil
}

var asList = rules.Repair{Kind: rules.Normalise, Mend: func(n rules.Node) ([]rules.Edit, string, bool) {
	return []rules.Edit{{Kind: rules.Replace, At: n.At, New: asObjects(n)}}, "written as a list of objects", true
}}

// asObjects is what stands in place of a list of objects, or of one of them, as it should
// be written: a text becomes an object with that value, of a member only if it is an id.
// It is nil if that leaves open what is meant.
func asObjects(n rules.Node) []byte {
	if c := n.Change(); n.Traits&rules.Multi == 0 || c != nil && c.Path.Filter != nil {
		return nil
	}
	raw := n.Doc.Raw(n.At)
	switch shape := n.Doc.Nodes[n.At].Shape; {
	case shape == scim.Object && !inList(n):
	case shape == scim.String && n.Path != "addresses" && n.Path != "Operations" && len(raw) > 2 && (n.Path != "members" || isID(inside(n))):
		raw = slices.Concat([]byte(`{"value":`), raw, []byte("}"))
	default:
		return nil
	}
	if inList(n) {
		return raw
	}
	return slices.Concat([]byte("["), raw, []byte("]"))
}
