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
	AWS:     unparsable,
	Source:  rules.Source{Strength: rules.Documented, Where: "SCIM developer guide, PatchUser"},
	On:      anyMessage,
	At:      []string{"active"},
	When:    rules.Removed,
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
	Title:   "the request has no Operations",
	Fix:     "The client has to send a PatchOp message with at least one operation.",
	AWS:     unparsable,
	Source:  rules.Source{Strength: rules.Documented, Where: patchPage},
	On:      anyMessage,
	At:      []string{"Operations"},
	When:    rules.Absent | rules.EmptyArray | rules.Nulled,
	Default: rules.Reject,
}, {
	ID:      "SG509",
	Title:   "a PATCH has no schemas",
	Fix:     "Nothing to do; it is added.",
	AWS:     unparsable,
	Source:  rules.Source{Strength: rules.Documented, Where: "RFC 7644 §3.5.2; every example of AWS's PatchUser and PatchGroup has it"},
	On:      anyMessage,
	At:      []string{"schemas"},
	When:    rules.Absent,
	Default: rules.Repaired,
	Repair: []rules.Repair{{Kind: rules.Normalise, Mend: func(n rules.Node) ([]rules.Edit, string, bool) {
		return []rules.Edit{{Kind: rules.Insert, At: n.At, Name: "schemas", New: []byte(`["` + scim.PatchSchema + `"]`)}}, "added", true
	}}},
}}

func lower(op string) string { return strings.ToLower(op) }

func isOp(op string) bool {
	op = lower(op)
	return op == "add" || op == "replace" || op == "remove"
}
