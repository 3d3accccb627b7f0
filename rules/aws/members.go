package aws

import (
	"strings"

	"github.com/scimgate/scimgate/rules"
	"github.com/scimgate/scimgate/rules/scim"
)

// members is what AWS requires of groups.
var members = []rules.Rule{{
	ID:      "SG601",
	Title:   "a group's displayName is missing",
	Fix:     "In Okta: give the group a name, then push it again.",
	Entra:   "give the group a displayName.",
	AWS:     unparsable,
	Source:  rules.Source{Strength: rules.Documented, Where: "SCIM developer guide, CreateGroup"},
	On:      anyGroup,
	At:      []string{"displayName"},
	When:    missing,
	Default: rules.Reject,
}, {
	ID:      "SG602",
	Title:   "{at} is missing, so it is not known who the member is",
	Fix:     "In Okta: assign the user to the app, so that Okta learns the user's id at AWS, then push the group again.",
	Entra:   "assign the user to the app, then provision the group again.",
	Why:     "In April 2024 AWS was seen to answer 400 to an empty member id and to empty the group all the same.",
	AWS:     unparsable,
	Source:  rules.Source{Strength: rules.Observed, Where: "lichti/aws-iam-scim-problem, 2024-04; SCIM developer guide, PatchGroup"},
	On:      anyGroup,
	At:      []string{"members.value"},
	When:    missing,
	Default: rules.Reject,
}, {
	ID:     "SG607",
	Title:  "{at} is no id of AWS",
	Fix:    "In Okta: assign the user to the app, so that Okta learns the user's id at AWS, then push the group again.",
	Entra:  "assign the user to the app, then provision the group again.",
	Why:    "A login or another system's id names nobody. Replacing the members by such ones would take everybody out.",
	AWS:    "404, or 400: " + unparsable,
	Source: documented("Identity Store API reference, CreateUser: an id has 36 hex digits and hyphens, or 10 more and a hyphen in front"),
	On:     anyGroup,
	At:     []string{"members.value"},
	When:   rules.Present,
	Check: func(n rules.Node) (rules.Span, string, bool) {
		text := inside(n)
		return rules.Span{}, "", len(text) > 0 && !isID(text)
	},
	Default: rules.Reject,
}, {
	ID:      "SG603",
	Title:   "a new group has no members",
	Fix:     "Nothing to do; it is left out.",
	AWS:     "not known: an empty list of what AWS doesn't support is refused",
	Source:  rules.Source{Strength: rules.Observed, Where: "goauthentik/authentik#5640, 2023-05, for photos: []"},
	On:      scim.CreateGroup,
	At:      []string{"members"},
	When:    rules.EmptyArray | rules.Nulled,
	Check:   func(n rules.Node) (rules.Span, string, bool) { return rules.Span{}, "", !inList(n) },
	Default: rules.Repaired,
	Repair:  quiet,
}, {
	ID:      "SG605",
	Title:   "{at} is not written as a list of objects",
	Fix:     "Nothing to do; it is written as a list of objects with the ids.",
	Why:     "An id by itself, a list of ids and one object without its list have one reading each, if the ids are such as AWS assigns.",
	AWS:     unparsable,
	Source:  documented("RFC 7643 §2.4, §4.2; SCIM developer guide, CreateGroup and PatchGroup"),
	On:      anyGroup,
	At:      []string{"members"},
	When:    rules.Mistyped,
	Check:   inOtherShape,
	Default: rules.Repaired,
	Repair:  []rules.Repair{asList},
}, {
	ID:    "SG606",
	Title: "{at} does not say who is meant: {note}",
	Fix:   "The client has to send a list of objects with ids of users at AWS, as in [{\"value\":\"…\"}]; an empty list empties the group.",
	Why: "A group that is emptied by mistake takes access from everybody in it. So what names nobody is refused, but where it would add " +
		"nobody and take nobody away: there it is left out.",
	AWS:     unparsable,
	Source:  documented("RFC 7643 §2.4, §4.2; SCIM developer guide, PatchGroup"),
	On:      anyGroup,
	At:      []string{"members"},
	When:    rules.Mistyped | rules.Nulled | rules.EmptyObject,
	Check:   nobody,
	Default: rules.Repaired,
	Repair: []rules.Repair{{Kind: rules.Normalise, Mend: func(n rules.Node) ([]rules.Edit, string, bool) {
		return n.LeaveOut(), "left out", changesNobody(n)
	}}},
}, {
	ID:    "SG608",
	Title: "{at} does not name one member by an id",
	Fix: "The client has to name each member by its id at AWS, as in members[value eq \"…\"] with one id, or {\"op\":\"remove\",\"path\":\"members\",\"value\":[{\"value\":\"…\"}]} with many. " +
		"Members are added by the path members alone.",
	Why:     "AWS removes the members whose ids it is sent. Whom another filter would select it doesn't look up, and what is guessed of it could take access from others.",
	AWS:     unparsable,
	Source:  documented("SCIM developer guide, PatchGroup: every example names members by their ids"),
	On:      scim.PatchGroup,
	At:      []string{"members"},
	When:    rules.Removed | rules.Present,
	Check:   otherwiseThanByID,
	Default: rules.Reject,
}}

// otherwiseThanByID looks at a path with a filter: a removal of one member is all that AWS
// has a form for.
func otherwiseThanByID(n rules.Node) (rules.Span, string, bool) {
	c := n.Change()
	if c == nil || c.Path.Filter == nil {
		return rules.Span{}, "", false
	}
	name, id, ok := c.Path.Filter.Eq()
	return rules.Span{}, "", c.Op != "remove" || !ok || !strings.EqualFold(name, "value") || !scim.IsID(id)
}

// nobody looks at what stands in place of members, or of one of them, and is neither.
func nobody(n rules.Node) (rules.Span, string, bool) {
	note := ""
	switch node := n.Doc.Nodes[n.At]; {
	case node.Shape == scim.Object && (n.Signs&rules.EmptyObject == 0 || !inList(n)): // SG602 is about its value
		return rules.Span{}, "", false
	case node.Shape == scim.Object:
		note = "an object with nothing in it"
	case node.Shape == scim.Null && n.Operation() == scim.CreateGroup && !inList(n): // SG603
		return rules.Span{}, "", false
	case node.Shape == scim.Null:
		note = "null"
	case node.Shape == scim.String && node.End-node.Start == 2:
		note = "an empty text"
	case node.Shape == scim.String:
		note = "a text that is no id of AWS"
	default:
		note = "neither an object nor an id"
	}
	return rules.Span{}, note, asObjects(n) == nil
}

// changesNobody tells of a value that says nothing, where nobody goes or comes by its
// being left out. A replacement or a removal by nothing would empty the group.
func changesNobody(n rules.Node) bool {
	node := n.Doc.Nodes[n.At]
	hollow := node.Shape == scim.Null || node.Shape == scim.String && node.End-node.Start == 2
	return hollow && !inList(n) && (n.Change() == nil || n.Change().Op == "add")
}
