package aws

import (
	"bytes"
	"strings"

	"github.com/scimgate/scimgate/rules"
	"github.com/scimgate/scimgate/rules/scim"
)

const (
	unsettled  = "documents of AWS contradict each other, or say nothing"
	accepted   = "not known: " + unsettled
	oldPattern = "Okta support, the usual sentence; Identity Store API reference of 2020; today's pattern allows them"
)

// choices are constraints that are contradictory, or only inferred: they warn at
// most, unless a setting says otherwise.
var choices = []rules.Rule{{
	ID:      "SG306",
	Title:   "userName is no e-mail address, or another than the primary e-mail",
	Fix:     "In Okta: set the app's Application username format to Email, or compare it with the SAML NameID, which has to be the same.",
	Entra:   "map userPrincipalName or mail to userName, whichever the SAML NameID is.",
	Why:     "AWS takes any userName. Sign-in matches it with the SAML NameID, which is an e-mail address in most organisations.",
	AWS:     "none: the user is made, and cannot sign in if the NameID is another",
	Source:  documented("IAM Identity Center user guide, troubleshooting; pocket-id/pocket-id#1353"),
	On:      anyUser,
	At:      []string{"userName"},
	When:    rules.Present,
	Check:   func(n rules.Node) (rules.Span, string, bool) { return rules.Span{}, "", !isOwnEmail(n) },
	Default: rules.Off,
}, {
	ID:     "SG307",
	Title:  "{at} is a name that AWS reserves",
	Fix:    "In Okta: choose another name than Administrator or AWSAdministrators, in whichever case.",
	Entra:  "give the user or group another name.",
	AWS:    unparsable,
	Source: documented("Identity Store API reference, CreateUser and CreateGroup"),
	On:     anyUser | anyGroup,
	At:     []string{"userName", "displayName"},
	When:   rules.Present,
	Check: func(n rules.Node) (rules.Span, string, bool) {
		person := n.Path == "displayName" && n.Operation().Is(scim.Users)
		text := written(n)
		return rules.Span{}, "", !person && (bytes.EqualFold(text, []byte("Administrator")) || bytes.EqualFold(text, []byte("AWSAdministrators")))
	},
	Default: rules.Reject,
}, {
	ID:     "SG308",
	Title:  "the user has no e-mail",
	Fix:    "In Okta: map Primary email in the app's profile mappings.",
	Entra:  "map mail to emails[type eq \"work\"].value.",
	Why:    "The developer guide requires four other attributes; the user guide says that every e-mail is unique and not empty. Whether a user must have one is not settled.",
	AWS:    accepted,
	Source: rules.Source{Strength: rules.Inferred, Where: "IAM Identity Center user guide, users and groups provisioning"},
	On:     fullUser,
	At:     []string{"userName"},
	When:   rules.Present,
	Check: func(n rules.Node) (rules.Span, string, bool) {
		return rules.Span{}, "", n.Doc.Child(0, "emails") < 0
	},
	Default: rules.Off,
}, {
	ID:      "SG340",
	Title:   "{at} holds one of < > ; : %",
	Fix:     "If AWS refuses the user, take the sign out of {field} in Okta, or of {entra} in Entra ID. Set the rule to reject where AWS does.",
	AWS:     accepted,
	Source:  rules.Source{Strength: rules.Observed, Where: oldPattern},
	On:      anyWrite,
	At:      signedPaths,
	When:    rules.Present,
	Check:   holds("<>;:%"),
	Default: rules.Warn,
}, {
	ID:      "SG341",
	Title:   "externalId holds a colon",
	Fix:     "If AWS refuses the user, map another attribute to External ID (in Entra ID: to externalId), one that never changes.",
	AWS:     accepted,
	Source:  rules.Source{Strength: rules.Observed, Where: "suvera/keycloak-scim2-storage#3, 2022; today's pattern allows it"},
	On:      anyWrite,
	At:      []string{"externalId"},
	When:    rules.Present,
	Check:   holds(":"),
	Default: rules.Warn,
}, {
	ID:      "SG342",
	Title:   "{at} holds a tab or a line end: {note}",
	Fix:     "In Okta: type {field} anew, on one line. Set the rule to repair, and it becomes a blank.",
	Entra:   "type {entra} anew, on one line.",
	Why:     "AWS's pattern allows them; Microsoft's page for AWS forbids them. They come along when text is pasted from a sheet.",
	AWS:     accepted,
	Source:  rules.Source{Strength: rules.Observed, Where: "Microsoft's tutorial for AWS IAM Identity Center; Identity Store API reference, patterns of CreateUser"},
	On:      anyUser,
	At:      textPaths,
	When:    rules.Odd,
	Check:   firstRune(func(r rune) bool { return r == '\t' || r == '\n' || r == '\r' }),
	Default: rules.Warn,
	Repair: []rules.Repair{{Kind: rules.Mend, Mend: func(n rules.Node) ([]rules.Edit, string, bool) {
		return n.Set(strings.Join(strings.FieldsFunc(n.Text(), func(r rune) bool { return r == '\t' || r == '\n' || r == '\r' }), " ")), "made blanks", true
	}}},
}, {
	ID:      "SG343",
	Title:   "{at} does not look like {note}",
	Fix:     "If AWS refuses the user, map an attribute to {field} that holds {note}.",
	AWS:     accepted,
	Source:  rules.Source{Strength: rules.Inferred, Where: "RFC 7643 §4.1.1: language tags and names of time zones"},
	On:      anyUser,
	At:      []string{"locale", "preferredLanguage", "timezone"},
	When:    rules.Present,
	Check:   tagged,
	Default: rules.Warn,
}, {
	ID:     "SG344",
	Title:  "{at} does not look like an id of AWS",
	Fix:    "In Okta: map the manager's External ID, not the login; or unmap ManagerId.",
	Entra:  "assign the manager to the app too, or unmap {entra}.",
	Why:    "AWS keeps the id of the manager's user at AWS. Whether there must be such a user is not settled.",
	AWS:    accepted,
	Source: rules.Source{Strength: rules.Inferred, Where: "Identity Store API reference, CreateUser: the form of an id"},
	On:     anyUser,
	At:     []string{enterprise + ":manager.value"},
	When:   rules.Present,
	Check: func(n rules.Node) (rules.Span, string, bool) {
		text := inside(n)
		return rules.Span{}, "", len(text) > 0 && !isID(text)
	},
	Default: rules.Warn,
}, {
	ID:      "SG345",
	Title:   "{at} is written as a text or as a list",
	Fix:     "Nothing to do; it is written as an object with the value.",
	Why:     "Entra ID sends the manager's id as a text, or as a list of one with $ref null. An empty one is SG310's.",
	AWS:     accepted,
	Source:  documented("RFC 7643 §4.3: manager is complex, and has one value"),
	On:      anyUser,
	At:      []string{enterprise + ":manager"},
	When:    rules.Mistyped,
	Check:   func(n rules.Node) (rules.Span, string, bool) { return rules.Span{}, "", managerOf(n) != nil },
	Default: rules.Repaired,
	Repair: []rules.Repair{{Kind: rules.Normalise, Mend: func(n rules.Node) ([]rules.Edit, string, bool) {
		return []rules.Edit{{Kind: rules.Replace, At: n.At, New: managerOf(n)}}, "written as an object", true
	}}},
}, {
	ID:     "SG336",
	Title:  "the id in the body is another than the one in the URL",
	Fix:    "The client mixes two users up. In Okta: unassign the user and assign it again.",
	Entra:  "provision the user on demand.",
	Why:    "An id never changes (RFC 7643 §3.1). Written to the URL's user, the document would give one person the name of another.",
	AWS:    "not known: " + unsettled,
	Source: documented("RFC 7644 §3.5.1; RFC 7643 §3.1"),
	On:     scim.ReplaceUser | scim.ReplaceGroup,
	At:     []string{"id"},
	When:   rules.Present,
	Check: func(n rules.Node) (rules.Span, string, bool) {
		return rules.Span{}, "", !strings.EqualFold(n.Text(), n.TargetID())
	},
	Default: rules.Reject,
}, {
	ID:      "SG346",
	Title:   "the enterprise extension is sent",
	Fix:     "Set the rule to repair where AWS refuses it: department, cost center, employee number and manager are then left out.",
	Why:     "AWS's list of resource types calls the extension required, yet users without it exist; the developer guide lists its attributes as supported.",
	AWS:     accepted,
	Source:  rules.Source{Strength: rules.Inferred, Where: "SCIM developer guide, ListResourceTypes and limitations"},
	On:      anyUser,
	At:      []string{enterprise},
	When:    rules.Present,
	Default: rules.Off,
	Repair:  leaveOut,
}, {
	ID:     "SG402",
	Title:  "{at} is not a country code of two capital letters",
	Fix:    "In Okta: fill in Country code with a code such as GB.",
	Entra:  "map usageLocation to the country.",
	AWS:    accepted,
	Source: rules.Source{Strength: rules.Inferred, Where: "RFC 7643 §4.1.2: ISO 3166-1 alpha-2"},
	On:     anyUser,
	At:     []string{"addresses.country"},
	When:   rules.Present,
	Check: func(n rules.Node) (rules.Span, string, bool) {
		text := inside(n)
		return rules.Span{}, "", len(text) > 0 && (len(text) != 2 || !isUpper(text[0]) || !isUpper(text[1]))
	},
	Default: rules.Warn,
}, {
	ID:     "SG510",
	Title:  "{at} is set by several operations of one PATCH",
	Fix:    "Nothing to do; the last one counts, the others are left out.",
	AWS:    unparsable,
	Source: documented("SCIM developer guide, PatchUser"),
	Why:    "AWS takes userName and active once in a request. What is set or removed first and set again makes no difference, so the request is judged by what results.",
	On:     anyMessage,
	Trait:  rules.Optional | rules.Required | rules.Identifier,
	When:   rules.Present | rules.Removed,
	Check: func(n rules.Node) (rules.Span, string, bool) {
		return rules.Span{}, "", n.Type != rules.Complex && n.SetLater()
	},
	Default: rules.Repaired,
	Repair:  quiet,
}, {
	ID:      "SG511",
	Title:   "{at} is a list of one where a single value belongs",
	Fix:     "Nothing to do; the value is taken out of the list.",
	AWS:     unparsable,
	Source:  documented("RFC 7643 §2.4"),
	On:      anyWrite,
	Trait:   rules.Optional | rules.Required,
	When:    rules.Mistyped,
	Check:   func(n rules.Node) (rules.Span, string, bool) { return rules.Span{}, "", onlyValue(n) >= 0 },
	Default: rules.Repaired,
	Repair: []rules.Repair{{Kind: rules.Normalise, Mend: func(n rules.Node) ([]rules.Edit, string, bool) {
		return []rules.Edit{{Kind: rules.Replace, At: n.At, New: append([]byte(nil), n.Doc.Raw(onlyValue(n))...)}}, "taken out of the list", true
	}}},
}, {
	ID:     "SG604",
	Title:  "a group is to be a member of a group",
	Fix:    "In Okta: push the inner group's people. AWS has no nested groups.",
	Entra:  "assign the inner group to the app by itself.",
	AWS:    unparsable,
	Source: documented("IAM Identity Center user guide, users and groups provisioning"),
	On:     anyGroup,
	At:     []string{"members.type", "members.$ref"},
	When:   rules.Present,
	Check: func(n rules.Node) (rules.Span, string, bool) {
		text := inside(n)
		return rules.Span{}, "", bytes.EqualFold(text, []byte("Group")) || bytes.Contains(text, []byte("/Groups/"))
	},
	Default: rules.Reject,
}}

// signedPaths are texts in which the five signs are worth a warning: not URLs, and
// not externalId, which has a rule of its own.
var signedPaths = func() []string {
	paths := []string{"userName"}
	for _, path := range textPaths {
		if path != "profileUrl" && !strings.HasSuffix(path, "$ref") {
			paths = append(paths, path)
		}
	}
	return paths
}()

// inside is the content of a text as it is written, escapes and all; nil of another
// value.
func inside(n rules.Node) []byte {
	if n.Doc.Nodes[n.At].Shape != scim.String {
		return nil
	}
	raw := n.Doc.Raw(n.At)
	return raw[1 : len(raw)-1]
}

// written is the content of a text with its escapes resolved, nil of another value. One
// without any is not copied.
func written(n rules.Node) []byte {
	if n.Signs&rules.Odd != 0 {
		return []byte(n.Text())
	}
	return inside(n)
}

// holds looks for one of a few signs of ASCII, without making a text of what is clean. It
// sees every text of a document.
func holds(signs string) rules.Check {
	var wanted [256]bool
	for _, c := range []byte(signs) {
		wanted[c] = true
	}
	return func(n rules.Node) (rules.Span, string, bool) {
		for _, c := range written(n) {
			if wanted[c] {
				return rules.Span{}, "", true
			}
		}
		return rules.Span{}, "", false
	}
}

func isUpper(c byte) bool { return c >= 'A' && c <= 'Z' }

// isOwnEmail tells whether a userName is an e-mail address, and the primary one if
// the document has one.
func isOwnEmail(n rules.Node) bool {
	text := n.Text()
	if !strings.Contains(text, "@") {
		return false
	}
	emails := n.Doc.Child(0, "emails")
	if n.Change() != nil || emails < 0 || n.Doc.Nodes[emails].Count == 0 {
		return true
	}
	at := n.Doc.Child(emails+1, "value")
	return at < 0 || strings.EqualFold(n.Doc.String(at), text)
}

// tagged looks at language tags (RFC 5646) and names of time zones, as to their form.
func tagged(n rules.Node) (rules.Span, string, bool) {
	text := inside(n)
	if len(text) == 0 {
		return rules.Span{}, "", false
	}
	if n.Path == "timezone" {
		known := bytes.IndexByte(text, '/') > 0 || string(text) == "UTC" || string(text) == "GMT"
		return rules.Span{}, "the name of a time zone such as Europe/London", !known
	}
	part := 0
	for i, c := range text {
		switch {
		case c == '-' && part > 0 && i+1 < len(text):
			part = 0
			continue
		case c|0x20 >= 'a' && c|0x20 <= 'z', c >= '0' && c <= '9' && i > 1:
			if part++; part <= 8 {
				continue
			}
		}
		return rules.Span{}, "a language tag such as en-US", true
	}
	return rules.Span{}, "", false
}

// managerOf is a manager that is written as a text, or as a list of one, as it should
// be; nil if it is neither. A list of one that names nobody becomes what is in it.
func managerOf(n rules.Node) []byte {
	nodes := n.Doc.Nodes
	at := n.At
	if nodes[at].Shape == scim.Array && nodes[at].Count == 1 {
		at++
	}
	id := at
	if nodes[at].Shape == scim.Object && at != n.At {
		id = n.Doc.Child(at, "value")
	}
	switch {
	case id >= 0 && nodes[id].Shape == scim.String && nodes[id].End-nodes[id].Start > 2:
		return append(append([]byte(`{"value":`), n.Doc.Raw(id)...), '}')
	case at != n.At && (nodes[at].Shape == scim.Object || nodes[at].Shape == scim.String || nodes[at].Shape == scim.Null):
		return append([]byte(nil), n.Doc.Raw(at)...)
	}
	return nil
}

// isID tells whether a text has the form of an id of AWS: a UUID, or one behind ten more
// hex digits.
func isID(text []byte) bool {
	return (len(text) == 36 || len(text) == 47) && len(bytes.Trim(text, "0123456789abcdefABCDEF-")) == 0
}

// onlyValue is the one value in a list that stands where a single value belongs, -1
// if it is something else.
func onlyValue(n rules.Node) int32 {
	nodes := n.Doc.Nodes
	if n.Type == rules.Complex || nodes[n.At].Shape != scim.Array || nodes[n.At].Count != 1 {
		return -1
	}
	at := n.At + 1
	if nodes[at].Shape == scim.Object {
		at = n.Doc.Child(at, "value")
	}
	if at < 0 {
		return -1
	}
	switch shape := nodes[at].Shape; {
	case shape == scim.String:
		return at
	case n.Type == rules.Boolean && (shape == scim.True || shape == scim.False):
		return at
	}
	return -1
}
