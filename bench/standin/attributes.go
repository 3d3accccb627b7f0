package standin

// kind is the JSON type of an attribute.
type kind uint8

const (
	text    kind = iota // string
	boolean             // true or false
	complex             // object of parts
	list                // array of objects of parts, one at most
)

// trait is something that AWS does with an attribute beyond its type.
type trait uint16

const (
	required   trait = 1 << iota // absent or empty is refused
	patchable                    // PATCH may change it
	fixed                        // PATCH may not remove it, nor name it twice
	unique                       // no two resources of the type have the same value
	hidden                       // accepted, never shown
	identifier                   // the switch five-signs=identifiers covers it
	signs                        // a reference: the switch five-signs never covers it
	reserved                     // AWS keeps some values for itself
	spacious                     // the switch user-name-space adds blanks to its class
	wordy                        // PATCH may give the boolean as string
	certain                      // a boolean that must be true
	oneOfFive                    // all attributes of this trait or none
	contested                    // the switch roles covers it
	wanted                       // the switch emails covers it
	caseless                     // eq ignores letter case
)

// attribute is one row of what AWS accepts. Everything that has no row is refused.
type attribute struct {
	name  string
	kind  kind
	class class // of text
	max   int   // of text, in the units of the switch length-unit
	is    trait
	parts []attribute // of complex and list
}

func (a attribute) has(t trait) bool { return a.is&t != 0 }

// Lengths of the Identity Store API (API_CreateUser, API_CreateGroup, API_ExternalId).
const (
	longText       = 1024
	longExternalID = 256
	longUserName   = 128
	longID         = 47
)

// Schema URNs (RFC 7643 §8.7).
const (
	userURN       = "urn:ietf:params:scim:schemas:core:2.0:User"
	groupURN      = "urn:ietf:params:scim:schemas:core:2.0:Group"
	enterpriseURN = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
)

// resourceType is one of the two types and what AWS accepts of it.
type resourceType struct {
	name       string
	urn        string
	schemas    []string // that a body may name
	attributes []attribute
	filters    [][]string // attributes of each supported filter, in either order
}

// free is a string of the general class that PATCH may change.
func free(name string, extra ...trait) attribute {
	a := attribute{name: name, class: general, max: longText, is: patchable}
	for _, t := range extra {
		a.is |= t
	}
	return a
}

// parts makes rows of general strings.
func parts(names ...string) []attribute {
	var out []attribute
	for _, name := range names {
		out = append(out, free(name))
	}
	return out
}

// users follows the guide's CreateUser, PutUser, PatchUser and limitations pages.
// Without row, hence refused: groups, password, ims, photos, entitlements,
// x509Certificates, display of list values, manager.displayName.
var users = resourceType{
	name:    "User",
	urn:     userURN,
	schemas: []string{userURN, enterpriseURN},
	filters: [][]string{{"userName"}, {"externalId"}, {"groups.value"}, {"id"}, {"id", "manager"}},
	attributes: []attribute{
		{name: "externalId", class: solid, max: longExternalID, is: patchable | unique | identifier},
		{name: "userName", class: solid, max: longUserName, is: required | patchable | fixed | unique | identifier | reserved | spacious | caseless},
		{name: "name", kind: complex, is: patchable, parts: append(
			[]attribute{free("givenName", required), free("familyName", required)},
			parts("formatted", "middleName", "honorificPrefix", "honorificSuffix")...)},
		free("displayName", required),
		free("nickName"),
		free("profileUrl", hidden, signs),
		{name: "emails", kind: list, is: patchable | unique | wanted, parts: []attribute{
			free("value", required), free("type"), {name: "primary", kind: boolean, is: certain}}},
		{name: "addresses", kind: list, is: patchable, parts: []attribute{
			free("formatted"), free("streetAddress", oneOfFive), free("locality", oneOfFive), free("region", oneOfFive),
			free("postalCode", oneOfFive), free("country", oneOfFive), free("type"), {name: "primary", kind: boolean}}},
		{name: "phoneNumbers", kind: list, is: patchable, parts: append(parts("value", "type"), attribute{name: "primary", kind: boolean})},
		{name: "roles", kind: list, is: contested, parts: append(parts("value", "type"), attribute{name: "primary", kind: boolean})},
		free("title"), free("userType"), free("preferredLanguage"), free("locale"), free("timezone"),
		{name: "active", kind: boolean, is: patchable | fixed | wordy},
		{name: enterpriseURN, kind: complex, is: patchable, parts: append(
			parts("employeeNumber", "costCenter", "organization", "division", "department"),
			attribute{name: "manager", kind: complex, is: patchable, parts: []attribute{free("value"), free("$ref", hidden, signs)}})},
	},
}

// groups has no row for members: they are no part of the document (members.go).
var groups = resourceType{
	name:    "Group",
	urn:     groupURN,
	schemas: []string{groupURN},
	filters: [][]string{{"displayName"}, {"externalId"}, {"members.value"}, {"id"}, {"id", "members"}},
	attributes: []attribute{
		{name: "externalId", class: solid, max: longExternalID, is: patchable | unique | identifier},
		{name: "displayName", class: groupName, max: longText, is: required | patchable | unique | identifier | reserved | caseless},
	},
}

// memberParts is what a member in a body may hold.
var memberParts = []attribute{
	{name: "value", class: solid, max: longID, is: required},
	free("$ref", signs),
	free("type"),
}

// row finds an attribute by its exact name.
func row(rows []attribute, name string) (attribute, bool) {
	for i := range rows {
		if rows[i].name == name {
			return rows[i], true
		}
	}
	return attribute{}, false
}
