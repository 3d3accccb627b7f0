package aws

import (
	"strings"

	"github.com/scimgate/scimgate/rules"
	"github.com/scimgate/scimgate/rules/scim"
)

const limitsPage = "SCIM developer guide, CreateUser and limitations"

// leaveOut drops what AWS can't hold; quiet does so with what nobody typed.
var (
	leaveOut = []rules.Repair{{Kind: rules.Drop, Mend: omit}}
	quiet    = []rules.Repair{{Kind: rules.Normalise, Mend: omit}}
)

func omit(n rules.Node) ([]rules.Edit, string, bool) { return n.LeaveOut(), "left out", true }

// unsupported is what AWS has no place for. It must be absent, not empty.
var unsupported = []rules.Rule{{
	ID:      "SG320",
	Title:   "{at} is an attribute that AWS does not have",
	Fix:     "In Okta: remove the mapping of {field} in the app's profile mappings. It is left out until then.",
	AWS:     unparsable,
	Source:  rules.Source{Strength: rules.Observed, Where: "goauthentik/authentik#5640, 2023-05; SCIM developer guide, limitations"},
	On:      anyWrite,
	When:    rules.Unlisted,
	Check:   nameIs(func(name string) bool { return !scim.IsURN(name) }),
	Default: rules.Repaired,
	Repair:  leaveOut,
}, {
	ID:      "SG321",
	Title:   "{at} is not supported by AWS",
	Fix:     "In Okta: remove the mapping of {field} in the app's profile mappings. It is left out until then.",
	Why:     "Photos, instant messengers and certificates must be absent; even an empty list of them is refused.",
	AWS:     unparsable,
	Source:  rules.Source{Strength: rules.Documented, Where: limitsPage},
	On:      anyUser,
	At:      []string{"photos", "ims", "x509Certificates"},
	When:    rules.Present | rules.Removed,
	Default: rules.Repaired,
	Repair:  leaveOut,
}, {
	ID:     "SG322",
	Title:  "roles are not synchronised by AWS",
	Fix:    "In Okta: remove the mapping of Roles; give access in AWS by permission sets of groups. A setting passes roles on.",
	Why:    "AWS's guide for Okta says that roles are not supported; its developer guide lists them for create and replace. The guide is followed unless a setting says otherwise.",
	AWS:    unparsable,
	Source: rules.Source{Strength: rules.Guided, Where: "entitlements and roles cannot be synchronised"},
	On:     anyUser,
	At:     []string{"roles"},
	When:   rules.Present | rules.Removed,
	Check: func(n rules.Node) (rules.Span, string, bool) {
		return rules.Span{}, "", n.Traits&rules.Unsupported != 0 || n.Operation() == scim.PatchUser
	},
	Default: rules.Repaired,
	Repair:  leaveOut,
}, {
	ID:      "SG323",
	Title:   "entitlements are not supported by AWS",
	Fix:     "In Okta: remove the mapping of Entitlements; give access in AWS by permission sets of groups.",
	AWS:     unparsable,
	Source:  rules.Source{Strength: rules.Guided, Where: "entitlements and roles cannot be synchronised"},
	On:      anyUser,
	At:      []string{"entitlements"},
	When:    rules.Present | rules.Removed,
	Default: rules.Repaired,
	Repair:  leaveOut,
}, {
	ID:      "SG324",
	Title:   "{at} is not to be set by a client",
	Fix:     "Nothing to do; it is left out.",
	Why:     "Okta's update sends back what it read, with id, meta and groups in it, and its create sends a password that nobody can use. AWS refuses them.",
	AWS:     unparsable,
	Source:  rules.Source{Strength: rules.Documented, Where: limitsPage},
	On:      anyWrite,
	At:      []string{"password", "groups", "meta"},
	When:    rules.Present | rules.Removed,
	Default: rules.Repaired,
	Repair:  quiet,
}, {
	ID:      "SG325",
	Title:   "{at} is a sub-attribute that AWS does not have",
	Fix:     "Nothing to do; it is left out.",
	AWS:     unparsable,
	Source:  rules.Source{Strength: rules.Documented, Where: limitsPage},
	On:      anyWrite,
	At:      displays,
	When:    rules.Present | rules.Removed,
	Default: rules.Repaired,
	Repair:  quiet,
}, {
	ID:      "SG326",
	Title:   "{at} belongs to a schema that AWS does not have",
	Fix:     "In Okta: remove the attributes of this schema from the app's profile mappings. They are left out until then.",
	AWS:     unparsable,
	Source:  rules.Source{Strength: rules.Documented, Where: "SCIM developer guide, ListSchemas: User, Group and EnterpriseUser"},
	On:      anyWrite,
	When:    rules.Unlisted,
	Check:   nameIs(scim.IsURN),
	Default: rules.Repaired,
	Repair:  leaveOut,
}, {
	ID:      "SG327",
	Title:   "schemas names a schema that AWS does not have",
	Fix:     "Nothing to do; the name is left out.",
	AWS:     unparsable,
	Source:  rules.Source{Strength: rules.Documented, Where: "SCIM developer guide, ListSchemas: User, Group and EnterpriseUser"},
	On:      anyWrite,
	At:      []string{"schemas"},
	When:    rules.Present,
	Check:   func(n rules.Node) (rules.Span, string, bool) { return rules.Span{}, "", len(unknownSchemas(n)) > 0 },
	Default: rules.Repaired,
	Repair: []rules.Repair{{Kind: rules.Normalise, Mend: func(n rules.Node) ([]rules.Edit, string, bool) {
		return unknownSchemas(n), "left out", true
	}}},
}, {
	ID:      "SG330",
	Title:   "id is assigned by AWS",
	Fix:     "Nothing to do; it is left out.",
	AWS:     unparsable,
	Source:  rules.Source{Strength: rules.Documented, Where: "RFC 7643 §3.1; SCIM developer guide, CreateUser"},
	On:      scim.CreateUser | scim.CreateGroup | anyMessage,
	At:      []string{"id"},
	When:    rules.Present | rules.Removed,
	Default: rules.Repaired,
	Repair:  quiet,
}}

// displays are the sub-attributes that AWS's limitations name one by one.
var displays = []string{
	"emails.display", "phoneNumbers.display", "addresses.display", "members.display", enterprise + ":manager.displayName",
}

func nameIs(wanted func(string) bool) rules.Check {
	return func(n rules.Node) (rules.Span, string, bool) { return rules.Span{}, "", wanted(n.Name()) }
}

var knownSchemas = [...]string{scim.UserSchema, scim.GroupSchema, scim.EnterpriseSchema, scim.PatchSchema}

func unknownSchemas(n rules.Node) (edits []rules.Edit) {
	nodes := n.Doc.Nodes
	for c := n.At + 1; c < nodes[n.At].Next; c = nodes[c].Next {
		if !isKnownSchema(n.Doc.Raw(c)) {
			edits = append(edits, rules.Edit{Kind: rules.Remove, At: c})
		}
	}
	return edits
}

func isKnownSchema(raw []byte) bool {
	for _, urn := range knownSchemas {
		if len(raw) == len(urn)+2 && (string(raw[1:len(raw)-1]) == urn || strings.EqualFold(string(raw[1:len(raw)-1]), urn)) {
			return true
		}
	}
	return false
}
