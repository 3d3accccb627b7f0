package aws

import (
	"github.com/scimgate/scimgate/rules"
)

const missing = rules.Absent | rules.Empty | rules.Blank | rules.Nulled | rules.Removed

// names is what AWS requires of a user's names. Okta does not require them all.
var names = []rules.Rule{{
	ID:      "SG301",
	Title:   "userName is missing",
	Fix:     "In Okta: map Username in the app's Sign On settings, then retry the task.",
	Entra:   "map {entra} to userName.",
	Why:     "Sign-in matches the SAML NameID with userName byte for byte, so nothing can stand in for it.",
	AWS:     unparsable,
	Source:  rules.Source{Strength: rules.Documented, Where: "SCIM developer guide, CreateUser and PutUser"},
	On:      anyUser,
	At:      []string{"userName"},
	When:    missing,
	Default: rules.Reject,
}, {
	ID:      "SG302",
	Title:   "name.familyName is missing; AWS requires it",
	Fix:     "In Okta: fill in Last name in the user's profile, then retry the task.",
	Entra:   "fill in {entra}.",
	Why:     "People with one name have none. A template can be set for it, so that the name doesn't have to be invented person by person. AWS takes one blank for a name (goauthentik/authentik#4554), and so it passes.",
	AWS:     unparsable,
	Source:  rules.Source{Strength: rules.Guided, Where: "First name, Last name, Username and Display name must have a value"},
	On:      anyUser,
	At:      []string{"name.familyName"},
	When:    missing,
	Check:   notOneBlank,
	Default: rules.Repaired,
	Repair:  []rules.Repair{fromTemplate},
}, {
	ID:      "SG303",
	Title:   "name.givenName is missing; AWS requires it",
	Fix:     "In Okta: fill in First name in the user's profile, then retry the task.",
	Entra:   "fill in {entra}.",
	Why:     "People with one name have none. A template can be set for it, so that the name doesn't have to be invented person by person. AWS takes one blank for a name (goauthentik/authentik#4554), and so it passes.",
	AWS:     unparsable,
	Source:  rules.Source{Strength: rules.Guided, Where: "First name, Last name, Username and Display name must have a value"},
	On:      anyUser,
	At:      []string{"name.givenName"},
	When:    missing,
	Check:   notOneBlank,
	Default: rules.Repaired,
	Repair:  []rules.Repair{fromTemplate},
}, {
	ID:      "SG304",
	Title:   "displayName is missing; AWS requires it",
	Fix:     "In Okta: map Display name in the app's profile mappings, or let the gateway build it from the names.",
	Entra:   "map {entra}.",
	Why:     "Okta sends no displayName unless it is mapped, though AWS requires it.",
	AWS:     unparsable,
	Source:  rules.Source{Strength: rules.Guided, Where: "First name, Last name, Username and Display name must have a value"},
	On:      anyUser,
	At:      []string{"displayName"},
	When:    missing,
	Default: rules.Repaired,
	Repair:  []rules.Repair{fromTemplate, displayNameFromName},
}, {
	ID:      "SG305",
	Title:   "name is taken away as a whole; AWS requires a first and a last name",
	Fix:     "In Okta: fill in First name and Last name in the user's profile, then retry the task.",
	Entra:   "map givenName and surname.",
	AWS:     unparsable,
	Source:  rules.Source{Strength: rules.Documented, Where: "SCIM developer guide, CreateUser and PatchUser"},
	On:      anyUser,
	At:      []string{"name"},
	When:    rules.Nulled | rules.Removed,
	Default: rules.Reject,
}}

var fromTemplate = rules.Repair{Kind: rules.Mend, Mend: func(n rules.Node) ([]rules.Edit, string, bool) {
	if n.Signs&rules.Removed != 0 {
		return nil, "", false
	}
	value, ok := n.Template()
	if !ok || value == "" {
		return nil, "", false
	}
	return n.Set(value), "filled in by the template", true
}}

// displayNameFromName takes name.formatted, else joins given and family name. It
// declines when a name is missing: a display name is shown to people and must not
// be invented.
var displayNameFromName = rules.Repair{Kind: rules.Mend, Mend: func(n rules.Node) ([]rules.Edit, string, bool) {
	if full := n.Get("name.formatted"); full != "" {
		return n.Set(full), "taken from name.formatted", true
	}
	given, family := n.Get("name.givenName"), n.Get("name.familyName")
	if given == "" || family == "" {
		return nil, "", false
	}
	return n.Set(given + " " + family), "built from first and last name", true
}}

// notOneBlank lets the one blank pass that stands for a name that somebody doesn't have.
func notOneBlank(n rules.Node) (rules.Span, string, bool) {
	return rules.Span{}, "", n.Signs&rules.Blank == 0 || string(inside(n)) != " "
}
