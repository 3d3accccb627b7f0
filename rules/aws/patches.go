package aws

import (
	"strings"

	"github.com/scimgate/scimgate/rules"
	"github.com/scimgate/scimgate/rules/scim"
)

const patchPage = "SCIM developer guide, PatchUser and PatchGroup; RFC 7644 §3.5.2"

// patches is what AWS requires of the frame of a PATCH. What its operations do to
// a resource is judged by the rules of the attributes.
var patches = []rules.Rule{{
	ID:     "SG501",
	Title:  "{at} is not written in lower case",
	Fix:    "Nothing to do; it is sent in lower case.",
	AWS:    "not known: AWS's documents show lower case only",
	Source: rules.Source{Strength: rules.Documented, Where: patchPage},
	On:     anyMessage,
	At:     []string{"Operations.op"},
	When:   rules.Present,
	Check: func(n rules.Node) (rules.Span, string, bool) {
		return rules.Span{}, "", isOp(n.Text()) && lower(n.Text()) != n.Text()
	},
	Default: rules.Repaired,
	Repair: []rules.Repair{{Kind: rules.Normalise, Mend: func(n rules.Node) ([]rules.Edit, string, bool) {
		return n.Set(lower(n.Text())), "written in lower case", true
	}}},
}, {
	ID:     "SG502",
	Title:  "an operation has no op, or one that is not add, replace or remove",
	Fix:    "The client has to send add, replace or remove; there is no setting for this in Okta.",
	AWS:    unparsable,
	Source: rules.Source{Strength: rules.Documented, Where: patchPage},
	On:     anyMessage,
	At:     []string{"Operations.op"},
	When:   rules.Present | rules.Absent,
	Check: func(n rules.Node) (rules.Span, string, bool) {
		return rules.Span{}, "", n.Signs&rules.Absent != 0 || !isOp(n.Text())
	},
	Default: rules.Reject,
}, {
	ID:      "SG503",
	Title:   "a remove has no path, so it does not say what to remove",
	Fix:     "The client has to send a path with every remove, for example {\"op\":\"remove\",\"path\":\"title\"}.",
	AWS:     "400: Missing path in PATCH request",
	Source:  rules.Source{Strength: rules.Documented, Where: "IAM Identity Center user guide, logging SCIM calls with CloudTrail"},
	On:      anyMessage,
	At:      []string{"Operations.path"},
	When:    rules.Absent,
	Default: rules.Reject,
}, {
	ID:      "SG504",
	Title:   "active cannot be removed",
	Fix:     "The client has to replace active by false to deactivate a user.",
	Why:     "Null, an empty text and an empty list mean a removal, too. Whether the user is to be kept out, they do not say.",
	AWS:     unparsable,
	Source:  rules.Source{Strength: rules.Documented, Where: "SCIM developer guide, PatchUser"},
	On:      anyMessage,
	At:      []string{"active"},
	When:    rules.Removed | rules.Nulled | rules.Empty | rules.EmptyArray | rules.EmptyObject,
	Default: rules.Reject,
}, {
	ID:      "SG505",
	Title:   "{at} is not a path",
	Fix:     "The client has to send a path such as name.givenName or emails[type eq \"work\"].value.",
	AWS:     unparsable,
	Source:  rules.Source{Strength: rules.Documented, Where: "RFC 7644 §3.5.2"},
	On:      anyMessage,
	At:      []string{"Operations.path"},
	When:    rules.Malformed,
	Default: rules.Reject,
}, {
	ID:     "SG506",
	Title:  "an operation has no value to set",
	Fix:    "The client has to send a value with add and replace, or remove the attribute.",
	AWS:    unparsable,
	Source: rules.Source{Strength: rules.Documented, Where: patchPage},
	On:     anyMessage,
	At:     []string{"Operations"},
	When:   rules.Whole,
	Check: func(n rules.Node) (rules.Span, string, bool) {
		op := lower(n.Part("op"))
		return rules.Span{}, "", (op == "add" || op == "replace") && n.Doc.Child(n.At, "value") < 0
	},
	Default: rules.Reject,
}, {
	ID:      "SG507",
	Title:   "an operation without path has a value that is no object",
	Fix:     "The client has to name the attribute, by a path or as a member of value.",
	AWS:     unparsable,
	Source:  rules.Source{Strength: rules.Documented, Where: "RFC 7644 §3.5.2.1, §3.5.2.3"},
	On:      anyMessage,
	At:      []string{"Operations.value"},
	When:    rules.Malformed,
	Default: rules.Reject,
}, {
	ID:      "SG508",
	Title:   "the request has no Operations, or an empty one",
	Fix:     "The client has to send a PatchOp message with at least one operation.",
	AWS:     unparsable,
	Source:  rules.Source{Strength: rules.Documented, Where: patchPage},
	On:      anyMessage,
	At:      []string{"Operations"},
	When:    rules.Absent | rules.EmptyArray | rules.EmptyObject | rules.Nulled,
	Default: rules.Reject,
}, {
	ID:      "SG513",
	Title:   "the only operation does not stand in a list",
	Fix:     "Nothing to do; it is written as a list of one.",
	Why:     "Operations is a list (RFC 7644 §3.5.2). An operation that is left out because of that could be a deactivation.",
	AWS:     unparsable,
	Source:  rules.Source{Strength: rules.Documented, Where: "RFC 7644 §3.5.2"},
	On:      anyMessage,
	At:      []string{"Operations"},
	When:    rules.Mistyped,
	Check:   inOtherShape,
	Default: rules.Repaired,
	Repair:  []rules.Repair{asList},
}, {
	ID:     "SG509",
	Title:  "schemas of a PATCH does not name the schema of PATCH messages",
	Fix:    "Nothing to do; it is written.",
	AWS:    unparsable,
	Source: rules.Source{Strength: rules.Documented, Where: "RFC 7644 §3.5.2; every example of AWS's PatchUser and PatchGroup has it"},
	On:     anyMessage,
	At:     []string{"schemas"},
	When:   rules.Absent | rules.Present,
	Check: func(n rules.Node) (rules.Span, string, bool) {
		return rules.Span{}, "", n.Signs&rules.Absent != 0 || !isMessage(n)
	},
	Default: rules.Repaired,
	Repair: []rules.Repair{{Kind: rules.Normalise, Mend: func(n rules.Node) ([]rules.Edit, string, bool) {
		schemas := []byte(`["` + scim.PatchSchema + `"]`)
		if n.Signs&rules.Absent != 0 {
			return []rules.Edit{{Kind: rules.Insert, At: n.At, Name: "schemas", New: schemas}}, "added", true
		}
		return []rules.Edit{{Kind: rules.Replace, At: n.At, New: schemas}}, "written", true
	}}},
}, {
	ID:    "SG512",
	Title: "a removal of {at} has a value",
	Fix:   "The client has to say by the path what goes. Where the value leaves no doubt, it is done here.",
	Why: "Some clients send the old value along. RFC 7644 has no value in a removal, and AWS's examples have one for the members of a group alone. " +
		"From a list only that goes which the value names: {\"op\":\"remove\",\"path\":\"emails\",\"value\":[{\"value\":\"a\"}]} is about emails[value eq \"a\"].",
	AWS:     "not known: it could remove more than is meant",
	Source:  documented("RFC 7644 §3.5.2.2; SCIM developer guide, PatchUser and PatchGroup"),
	On:      anyMessage,
	Trait:   rules.Optional | rules.Required | rules.Selective,
	When:    rules.Removed,
	Check:   removesValue,
	Default: rules.Repaired,
	Repair:  []rules.Repair{{Kind: rules.Normalise, Mend: removeByPath}},
}}

func isMessage(n rules.Node) bool {
	nodes := n.Doc.Nodes
	for c := n.At + 1; nodes[n.At].Shape == scim.Array && c < nodes[n.At].Next; c = nodes[c].Next {
		if raw := n.Doc.Raw(c); len(raw) == len(scim.PatchSchema)+2 && strings.EqualFold(string(raw[1:len(raw)-1]), scim.PatchSchema) {
			return true
		}
	}
	return false
}

// removesValue tells of a removal whose value AWS has no form for.
func removesValue(n rules.Node) (rules.Span, string, bool) {
	c := n.Change()
	byValue := n.Traits&rules.Selective != 0 && c.Path.Filter == nil
	return rules.Span{}, "", c.Value >= 0 && !byValue && n.Traits&rules.Unsupported == 0
}

// removeByPath leaves the value of a removal out. Where it names what is to go from a
// list, the path says so; it declines if the value names nothing.
func removeByPath(n rules.Node) ([]rules.Edit, string, bool) {
	c := n.Change()
	edits := []rules.Edit{{Kind: rules.Detach, At: c.Value}}
	value := n.Doc.Nodes[c.Value]
	if n.Traits&rules.Multi == 0 || c.Path.Filter != nil || value.Shape == scim.Null || value.Shape == scim.Array && value.Count == 0 {
		return edits, "left out", true
	}
	elements := []int32{c.Value}
	if value.Shape == scim.Array {
		elements = elements[:0]
		for at := c.Value + 1; at < value.Next; at = n.Doc.Nodes[at].Next {
			elements = append(elements, at)
		}
	}
	for i, at := range elements {
		filter := naming(n.Doc, at)
		if filter == "" {
			return nil, "", false
		}
		path := n.Path + "[" + filter + "]"
		if i > 0 {
			edits = append(edits, n.Removal(path))
			continue
		}
		edits = append(edits, rules.Edit{Kind: rules.Replace, At: c.PathAt, New: scim.AppendString(nil, path)})
	}
	return edits, "said by the path", true
}

// naming is the filter that selects an element of a list by what is sent of it: its value,
// else its type; "" if it has neither.
func naming(doc *scim.Document, at int32) string {
	if doc.Nodes[at].Shape == scim.String && len(doc.Raw(at)) > 2 {
		return scim.EqFilter("value", doc.String(at))
	}
	for _, name := range [...]string{"value", "type"} {
		if text := childText(doc, at, name); text != "" {
			return scim.EqFilter(name, text)
		}
	}
	return ""
}

func lower(op string) string { return strings.ToLower(op) }

func isOp(op string) bool {
	op = lower(op)
	return op == "add" || op == "replace" || op == "remove"
}
