package aws

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/scimgate/scimgate/rules"
	"github.com/scimgate/scimgate/rules/scim"
)

// one declares that AWS keeps one value of a multi-valued attribute.
func one(id, attribute, word, again string) rules.Rule {
	return rules.Rule{
		ID:    id,
		Title: attribute + " has {note} values; AWS keeps one",
		Fix:   "In Okta: unmap the other " + word + " in the app's profile mappings. The primary one is kept, else the first of type work, else the first.",
		AWS:   "400: List attribute " + again + " exceeds allowed limit of 1",
		Source: rules.Source{Strength: rules.Documented,
			Where: "IAM Identity Center user guide, troubleshooting; SCIM developer guide, CreateUser"},
		On:   anyUser,
		At:   []string{attribute},
		When: rules.Many,
		Check: func(n rules.Node) (rules.Span, string, bool) {
			return rules.Span{}, fmt.Sprint(n.Doc.Nodes[n.At].Count), true
		},
		Default: rules.Repaired,
		Repair:  []rules.Repair{{Kind: rules.Drop, Mend: keepOne}},
	}
}

// single is what AWS has only one of.
var single = []rules.Rule{
	one("SG331", "emails", "e-mail addresses", "emails"),
	one("SG332", "phoneNumbers", "phone numbers", "phoneNumbers"),
	one("SG333", "addresses", "addresses", "addresses"),
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
			return rules.Span{}, "", element(n) && !isPrimary(n.Doc, n.At)
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
		Fix:    "Nothing to do; to stop it, unmap {field} in the app's profile mappings or give it a value.",
		AWS:    unparsable,
		Source: rules.Source{Strength: rules.Documented, Where: "IAM Identity Center user guide, users and groups provisioning: e-mails are not empty"},
		On:     anyUser,
		At:     []string{"emails", "phoneNumbers"},
		When:   rules.Whole,
		Check: func(n rules.Node) (rules.Span, string, bool) {
			return rules.Span{}, "", element(n) && !filled(n.Doc, n.At, "value")
		},
		Default: rules.Repaired,
		Repair:  quiet,
	},
}

// keepOne keeps the primary value, else the first of type work, else the first.
func keepOne(n rules.Node) ([]rules.Edit, string, bool) {
	nodes := n.Doc.Nodes
	keep, how, best := int32(-1), "", 0
	for c := n.At + 1; c < nodes[n.At].Next; c = nodes[c].Next {
		rank, word := 1, "kept the first one"
		if at := n.Doc.Child(c, "type"); at >= 0 && strings.EqualFold(n.Doc.String(at), "work") {
			rank, word = 2, "kept the one of type work"
		}
		if isPrimary(n.Doc, c) {
			rank, word = 3, "kept the primary one"
		}
		if rank > best {
			keep, how, best = c, word, rank
		}
	}
	var edits []rules.Edit
	for c := n.At + 1; c < nodes[n.At].Next; c = nodes[c].Next {
		if c != keep {
			edits = append(edits, rules.Edit{Kind: rules.Remove, At: c})
		}
	}
	return edits, how, true
}

// element tells that the value is one of several, not an operation on a part of
// one.
func element(n rules.Node) bool { return n.Change() == nil || n.At != n.Change().At }

// filled tells whether an object has a text of that name that says something.
func filled(doc *scim.Document, at int32, name string) bool {
	c := doc.Child(at, name)
	if c < 0 || doc.Nodes[c].Shape != scim.String {
		return false
	}
	raw := doc.Raw(c)
	return len(bytes.TrimSpace(raw[1:len(raw)-1])) > 0
}

func isPrimary(doc *scim.Document, at int32) bool {
	p := doc.Child(at, "primary")
	return p >= 0 && (doc.Nodes[p].Shape == scim.True || strings.EqualFold(doc.String(p), "true"))
}
