package aws

import (
	"strings"

	"github.com/scimgate/scimgate/rules"
	"github.com/scimgate/scimgate/rules/scim"
)

const incompleteAddress = "SG401"

// parts are the five that AWS's guide for Okta demands together, with the names
// of Okta's console.
var parts = [...]struct{ attribute, field string }{
	{"streetAddress", "Street address"},
	{"locality", "City"},
	{"region", "State"},
	{"postalCode", "Zip code"},
	{"country", "Country code"},
}

// addresses is what AWS requires of a postal address.
var addresses = []rules.Rule{{
	ID:    incompleteAddress,
	Title: "{at} is incomplete: {note}",
	Fix:   "In Okta: fill in Street address, City, State, Zip code and Country code of the user's profile, or unmap all five.",
	Entra: "map streetAddress, city, state, postalCode and usageLocation (or country), or none of the five.",
	Why: "AWS's guide for Okta demands all five parts or none. An address that AWS has whole already is completed from there if every " +
		"part that was sent agrees with it. Else it is left out, and an update keeps the address that AWS has: nothing is invented, nothing is wiped.",
	AWS:     unparsable,
	Source:  rules.Source{Strength: rules.Guided, Where: "streetAddress, city, state, zipCode and countryCode must all have values"},
	On:      anyUser,
	At:      []string{"addresses"},
	When:    rules.Whole | rules.Parts,
	Check:   incomplete,
	Default: rules.Repaired,
	Repair: []rules.Repair{
		{Kind: rules.Mend, Mend: completeAddress},
		{Kind: rules.Drop, Mend: keepAddress},
		{Kind: rules.Drop, Mend: leaveAddress},
	},
}}

// incomplete tells which of the five parts the address would lack. A change of one part
// is judged on what all operations of the PATCH together make of the address that AWS
// has.
func incomplete(n rules.Node) (rules.Span, string, bool) {
	var has [len(parts)]bool
	if n.Signs&rules.Parts != 0 {
		has = n.Once(func() any { return resulting(n) }).([len(parts)]bool)
	} else {
		for i, p := range parts {
			has[i] = filled(n.Doc, n.At, p.attribute)
		}
	}
	if !mixed(has) {
		return rules.Span{}, "", false
	}
	var lacking []string
	for i, p := range parts {
		if !has[i] {
			lacking = append(lacking, p.attribute+" ("+p.field+")")
		}
	}
	return rules.Span{}, "no " + strings.Join(lacking, ", no "), true
}

func mixed(has [len(parts)]bool) bool {
	for _, h := range has[1:] {
		if h != has[0] {
			return true
		}
	}
	return false
}

// resulting is which parts are there when all changes have been made. What they leave
// open is as AWS has it, and taken not to be there if that isn't known.
func resulting(n rules.Node) (has [len(parts)]bool) {
	has, open := changed(n, nil, has)
	if !open {
		return has
	}
	current := n.Current()
	if current == nil {
		return has
	}
	for i, p := range parts {
		has[i] = current.Child(firstAddress(current), p.attribute) >= 0
	}
	has, _ = changed(n, current, has)
	return has
}

// changed makes the changes of a PATCH to the parts of an address that has some of them.
// open tells that it depends on these what results.
func changed(n rules.Node, current *scim.Document, has [len(parts)]bool) (_ [len(parts)]bool, open bool) {
	touched, settled := false, [len(parts)]bool{}
	for _, c := range n.Changes() {
		if c.Attribute == nil || !selects(c.Path.Filter, current) {
			continue
		}
		for i, p := range parts {
			switch c.Attribute.Path {
			case "addresses":
				has[i] = c.Op != "remove" && filled(n.Doc, elementAt(n.Doc, c.Value), p.attribute)
			case "addresses." + p.attribute:
				has[i] = c.Op != "remove"
			default:
				continue
			}
			touched, settled[i] = true, true
		}
	}
	return has, touched && settled != [len(parts)]bool{true, true, true, true, true}
}

// selects tells whether a path with a value filter leads to the address that AWS has, as
// far as its type tells. Another one would be a second address.
func selects(filter *scim.Filter, user *scim.Document) bool {
	has := childText(user, firstAddress(user), "type")
	if filter == nil || has == "" {
		return true
	}
	name, wanted, ok := filter.Eq()
	return !ok || !strings.EqualFold(name, "type") || strings.EqualFold(wanted, has)
}

// elementAt is the one element of a list that is set, or the value itself.
func elementAt(doc *scim.Document, value int32) int32 {
	if value >= 0 && doc.Nodes[value].Shape == scim.Array && doc.Nodes[value].Count > 0 {
		return value + 1
	}
	return value
}

func firstAddress(user *scim.Document) int32 {
	if user == nil {
		return -1
	}
	at := user.Child(0, "addresses")
	if at < 0 || user.Nodes[at].Count == 0 {
		return -1
	}
	return at + 1
}

// wholeAddress is the address that AWS has, -1 if it has none or not all of it.
func wholeAddress(user *scim.Document) int32 {
	at := firstAddress(user)
	for _, p := range parts {
		if part := childText(user, at, p.attribute); part == "" {
			return -1
		}
	}
	return at
}

func childText(doc *scim.Document, at int32, name string) string {
	if at < 0 {
		return ""
	}
	if c := doc.Child(at, name); c >= 0 && doc.Nodes[c].Shape == scim.String {
		return doc.String(c)
	}
	return ""
}

// completeAddress adds what is missing from the address that AWS has, if all that
// was sent agrees with it.
func completeAddress(n rules.Node) ([]rules.Edit, string, bool) {
	if n.Signs&rules.Parts != 0 {
		return nil, "", false
	}
	current := n.Current()
	at := wholeAddress(current)
	if at < 0 {
		return nil, "", false
	}
	var edits []rules.Edit
	for _, p := range parts {
		switch sent, have := n.Part(p.attribute), childText(current, at, p.attribute); {
		case sent == "":
			edits = append(edits, rules.Edit{Kind: rules.Insert, At: n.At, Name: p.attribute, New: scim.AppendString(nil, have)})
		case sent != have:
			return nil, "", false
		}
	}
	return edits, "completed from the address that AWS has", true
}

// leaveAddress leaves the address out; of a PATCH that sets the list of addresses, the
// change, since an empty list would take away the address that AWS has.
func leaveAddress(n rules.Node) ([]rules.Edit, string, bool) {
	if c := n.Change(); c != nil && c.Attribute != nil && c.Attribute.Path == "addresses" {
		return []rules.Edit{{Kind: rules.Remove, At: c.At}}, "left out", true
	}
	return n.LeaveOut(), "left out", true
}

// keepAddress puts AWS's own address into a replacement, which would wipe it
// otherwise.
func keepAddress(n rules.Node) ([]rules.Edit, string, bool) {
	if n.Operation() != scim.ReplaceUser {
		return nil, "", false
	}
	current := n.Current()
	at := wholeAddress(current)
	if at < 0 {
		return nil, "", false
	}
	own := append([]byte(nil), current.Raw(at)...)
	return []rules.Edit{{Kind: rules.Replace, At: n.At, New: own}}, "left out; the address that AWS has stays", true
}
