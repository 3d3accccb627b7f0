package aws

import (
	"bytes"
	"fmt"
	"iter"
	"strings"

	"github.com/scimgate/scimgate/rules"
	"github.com/scimgate/scimgate/rules/scim"
)

// one declares that AWS keeps one value of a multi-valued attribute. Values that say
// nothing don't count: they are left out by the rules about them.
func one(id, attribute, word, why string, on scim.Operation) rules.Rule {
	return rules.Rule{
		ID:    id,
		Title: attribute + " has {note} values; AWS keeps one",
		Fix:   "In Okta: unmap the other " + word + " in the app's profile mappings. The primary one is kept, else the first of type work, else the first.",
		Entra: "map to " + attribute + "[type eq \"work\"] alone.",
		Why:   why,
		AWS:   "400: List attribute " + attribute + " exceeds allowed limit of 1",
		Source: rules.Source{Strength: rules.Documented,
			Where: "IAM Identity Center user guide, troubleshooting; SCIM developer guide, CreateUser"},
		On:   on,
		At:   []string{attribute},
		When: rules.Many,
		Check: func(n rules.Node) (rules.Span, string, bool) {
			count := meaningful(n)
			return rules.Span{}, fmt.Sprint(count), count > 1 && n.Traits&rules.Unsupported == 0
		},
		Default: rules.Repaired,
		Repair:  []rules.Repair{{Kind: rules.Drop, Mend: keepOne}},
	}
}

// single is what AWS has only one of.
var single = []rules.Rule{
	one("SG331", "emails", "e-mail addresses", "", anyUser),
	one("SG332", "phoneNumbers", "phone numbers", "", anyUser),
	one("SG333", "addresses", "addresses", "", anyUser),
	one("SG337", "roles", "roles", "It is about roles that a setting passes on; by default they are left out (SG322).", fullUser),
	{
		ID:     "SG334",
		Title:  "the only e-mail is not marked as primary",
		Fix:    "Nothing to do; it is marked.",
		AWS:    unparsable,
		Source: rules.Source{Strength: rules.Documented, Where: "SCIM developer guide, CreateUser: the e-mail must be primary"},
		On:     anyUser,
		At:     []string{"emails"},
		When:   rules.Whole,
		Check: func(n rules.Node) (rules.Span, string, bool) {
			return rules.Span{}, "", !isPrimary(n.Doc, n.At)
		},
		Default: rules.Repaired,
		Repair: []rules.Repair{{Kind: rules.Normalise, Mend: func(n rules.Node) ([]rules.Edit, string, bool) {
			if at := n.Doc.Child(n.At, "primary"); at >= 0 {
				return []rules.Edit{{Kind: rules.Replace, At: at, New: []byte("true")}}, "marked as primary", true
			}
			return []rules.Edit{{Kind: rules.Insert, At: n.At, Name: "primary", New: []byte("true")}}, "marked as primary", true
		}}},
	},
	{
		ID:     "SG335",
		Title:  "{at} has no value",
		Fix:    "Nothing to do; to stop it, in Okta: unmap {field} in the app's profile mappings or give it a value.",
		Entra:  "unmap {entra} or give it a value.",
		AWS:    unparsable,
		Source: rules.Source{Strength: rules.Documented, Where: "IAM Identity Center user guide, users and groups provisioning: e-mails are not empty; the same with CloudTrail for manager.value"},
		On:     anyUser,
		At:     []string{"emails", "phoneNumbers", "roles", enterprise + ":manager"},
		When:   rules.Whole,
		Check: func(n rules.Node) (rules.Span, string, bool) {
			return rules.Span{}, "", n.Traits&rules.Unsupported == 0 && !filled(n.Doc, n.At, "value")
		},
		Default: rules.Repaired,
		Repair:  quiet,
	},
	{
		ID:      "SG338",
		Title:   "{at} is not written as a list of objects",
		Fix:     "Nothing to do; it is written as a list of one object.",
		Why:     "Some clients send the bare value, a list of values, or one object without its list.",
		AWS:     unparsable,
		Source:  documented("RFC 7643 §2.4, §4.1.2"),
		On:      anyUser,
		At:      []string{"emails", "phoneNumbers", "addresses", "roles"},
		When:    rules.Mistyped,
		Check:   inOtherShape,
		Default: rules.Repaired,
		Repair:  []rules.Repair{asList},
	},
}

// keepOne keeps a value that says something: the primary one, else the first of type
// work, else the first.
func keepOne(n rules.Node) ([]rules.Edit, string, bool) {
	keep, how, best := int32(-1), "", 0
	for c := range elements(n) {
		rank, word := 1, "kept the first one"
		if at := n.Doc.Child(c, "type"); at >= 0 && strings.EqualFold(n.Doc.String(at), "work") {
			rank, word = 2, "kept the one of type work"
		}
		if isPrimary(n.Doc, c) {
			rank, word = 3, "kept the primary one"
		}
		if says(n, c) {
			rank += 3
		}
		if rank > best {
			keep, how, best = c, word, rank
		}
	}
	var edits []rules.Edit
	for c := range elements(n) {
		if c != keep {
			edits = append(edits, rules.Edit{Kind: rules.Remove, At: c})
		}
	}
	return edits, how, true
}

// meaningful counts the values of a list that say something, or that no rule leaves out
// if they don't.
func meaningful(n rules.Node) (count int) {
	for c := range elements(n) {
		if n.Path == "addresses" || says(n, c) {
			count++
		}
	}
	return count
}

// elements are the indexes of a list's elements.
func elements(n rules.Node) iter.Seq[int32] {
	nodes := n.Doc.Nodes
	return func(yield func(int32) bool) {
		for c := n.At + 1; c < nodes[n.At].Next && yield(c); c = nodes[c].Next {
		}
	}
}

// says tells whether an element of a list says anything: an address any of its parts,
// another its value.
func says(n rules.Node, element int32) bool {
	if n.Path != "addresses" {
		return filled(n.Doc, element, "value")
	}
	for _, p := range parts {
		if filled(n.Doc, element, p.attribute) {
			return true
		}
	}
	return filled(n.Doc, element, "formatted")
}

// filled tells whether an object has a member of that name that says something.
func filled(doc *scim.Document, at int32, name string) bool {
	c := doc.Child(at, name)
	if c < 0 {
		return false
	}
	switch raw := doc.Raw(c); doc.Nodes[c].Shape {
	case scim.String:
		return len(bytes.TrimSpace(raw[1:len(raw)-1])) > 0
	case scim.Array, scim.Object:
		return doc.Nodes[c].Count > 0
	case scim.Null:
		return false
	}
	return true
}

func isPrimary(doc *scim.Document, at int32) bool {
	p := doc.Child(at, "primary")
	return p >= 0 && (doc.Nodes[p].Shape == scim.True || strings.EqualFold(doc.String(p), "true"))
}
