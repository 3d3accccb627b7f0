package aws

import (
	"bytes"
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
	Entra:   "remove the mapping to {at}.",
	AWS:     unparsable,
	Source:  rules.Source{Strength: rules.Observed, Where: "goauthentik/authentik#5640, 2023-05; SCIM developer guide, limitations"},
	On:      anyWrite,
	When:    rules.Unlisted,
	Check:   func(n rules.Node) (rules.Span, string, bool) { return rules.Span{}, "", !scim.IsURN(n.Name()) },
	Default: rules.Repaired,
	Repair:  leaveOut,
}, {
	ID:      "SG321",
	Title:   "{at} is not supported by AWS",
	Fix:     "In Okta: remove the mapping of {field} in the app's profile mappings. It is left out until then.",
	Entra:   "remove the mapping to {at}.",
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
	Entra:  "remove the mapping to roles.",
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
	Entra:   "remove the mapping to entitlements.",
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
	Trait:   rules.Noise,
	When:    rules.Present | rules.Removed,
	Check:   func(n rules.Node) (rules.Span, string, bool) { return rules.Span{}, "", isPart(n) },
	Default: rules.Repaired,
	Repair:  quiet,
}, {
	ID:     "SG326",
	Title:  "{at} belongs to a schema that AWS does not have",
	Fix:    "In Okta: remove the attributes of this schema from the app's profile mappings. They are left out until then.",
	Entra:  "remove their mappings.",
	AWS:    unparsable,
	Source: rules.Source{Strength: rules.Documented, Where: "SCIM developer guide, ListSchemas: User, Group and EnterpriseUser"},
	On:     anyWrite,
	When:   rules.Unlisted,
	Check: func(n rules.Node) (rules.Span, string, bool) {
		_, _, ours := ofSchema(n)
		return rules.Span{}, "", scim.IsURN(n.Name()) && !ours
	},
	Default: rules.Repaired,
	Repair:  leaveOut,
}, {
	ID:    "SG347",
	Title: "{at} carries the URN of its schema",
	Fix:   "The client has to send attributes of the core schema at the top, those of an extension in the object of its URN, and each of them once. Where that leaves no doubt, it is done here.",
	Why: "Attributes of the core schema stand at the top of a document; those of an extension stand in an object under its URN. " +
		"One that is given twice, with the URN and without, has two readings.",
	AWS:    unparsable,
	Source: documented("RFC 7643 §3, §3.3; AWS's examples of CreateUser and CreateGroup"),
	On:     anyWrite,
	When:   rules.Unlisted,
	Check: func(n rules.Node) (rules.Span, string, bool) {
		_, _, ours := ofSchema(n)
		return rules.Span{}, "", ours
	},
	Default: rules.Repaired,
	Repair:  []rules.Repair{{Kind: rules.Normalise, Mend: withoutURN}},
}, {
	ID:      "SG327",
	Title:   "schemas names a schema that AWS does not have, or none",
	Fix:     "Nothing to do; the name is left out. AWS needs none to create or replace.",
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

// isPart tells of an attribute inside another. Those that AWS's limitations name one by
// one are display, and the manager's displayName.
func isPart(n rules.Node) bool {
	return strings.HasSuffix(n.Path, ".display") || strings.HasSuffix(n.Path, ".displayName")
}

// ofSchema takes the name of a value at the top, or a path, apart into the URN of a schema
// that AWS has and the name behind it, "" for the URN alone. ours is false for any other.
func ofSchema(n rules.Node) (urn, name string, ours bool) {
	if c := n.Change(); c == nil && n.Doc.Nodes[n.At].Parent != 0 || c != nil && n.At != c.At {
		return "", "", false
	}
	schemas := []string{scim.UserSchema, enterprise}
	if n.Operation().Is(scim.Groups) {
		schemas = []string{scim.GroupSchema}
	}
	written := n.Name()
	for _, urn := range schemas {
		switch {
		case len(written) < len(urn) || !strings.EqualFold(written[:len(urn)], urn):
		case len(written) == len(urn):
			return urn, "", urn != enterprise
		case written[len(urn)] == ':':
			return urn, written[len(urn)+1:], n.Change() == nil // the path of a PATCH that leads nowhere is SG326's
		}
	}
	return "", "", false
}

// withoutURN puts what carries the URN of its schema where it belongs: a name at the top or
// into the extension's object; the members of an object of the core schema at the top; a
// path that is a URN alone goes. It declines if one of them is there already, and is another.
func withoutURN(n rules.Node) ([]rules.Edit, string, bool) {
	const did = "put where it belongs"
	urn, name, _ := ofSchema(n)
	nodes, parent := n.Doc.Nodes, n.Doc.Nodes[n.At].Parent
	switch c := n.Change(); {
	case c != nil && c.PathAt >= 0:
		ok := c.Op != "remove" && c.Value >= 0 && nodes[c.Value].Shape == scim.Object
		return []rules.Edit{{Kind: rules.Detach, At: c.PathAt}}, did, ok
	case name != "" && urn != enterprise:
		twin := n.Doc.Child(parent, name)
		if twin >= 0 {
			return []rules.Edit{{Kind: rules.Remove, At: n.At}}, did, bytes.Equal(n.Doc.Raw(twin), n.Doc.Raw(n.At))
		}
		return []rules.Edit{{Kind: rules.Rename, At: n.At, Name: name}}, did, true
	case name != "":
		into, member := n.Doc.Child(parent, enterprise), n.Doc.Raw(n.At)
		edit := rules.Edit{Kind: rules.Insert, At: into, Name: name, New: member}
		if into < 0 {
			object := append(append(scim.AppendString([]byte("{"), name), ':'), member...)
			edit = rules.Edit{Kind: rules.Insert, At: parent, Name: enterprise, New: append(object, '}')}
		}
		ok := into < 0 || nodes[into].Shape == scim.Object && n.Doc.Child(into, name) < 0
		return []rules.Edit{edit, {Kind: rules.Remove, At: n.At}}, did, ok && !strings.Contains(name, ".")
	case nodes[n.At].Shape != scim.Object:
		return n.LeaveOut(), "left out", nodes[n.At].Shape == scim.Null
	}
	edits := []rules.Edit{{Kind: rules.Remove, At: n.At}}
	for at := n.At + 1; at < nodes[n.At].Next; at = nodes[at].Next {
		name := n.Doc.Name(at)
		switch twin := n.Doc.Child(parent, name); {
		case twin < 0:
			edits = append(edits, rules.Edit{Kind: rules.Insert, At: parent, Name: name, New: n.Doc.Raw(at)})
		case !bytes.Equal(n.Doc.Raw(twin), n.Doc.Raw(at)):
			return nil, "", false
		}
	}
	return edits, did, true
}

var knownSchemas = [...]string{scim.UserSchema, scim.GroupSchema, scim.EnterpriseSchema, scim.PatchSchema}

func unknownSchemas(n rules.Node) (edits []rules.Edit) {
	nodes := n.Doc.Nodes
	if !n.Operation().Is(anyMessage) && (nodes[n.At].Shape != scim.Array || nodes[n.At].Count == 0) {
		return []rules.Edit{{Kind: rules.Remove, At: n.At}}
	}
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
