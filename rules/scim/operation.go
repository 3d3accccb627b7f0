package scim

import "math/bits"

// Operation is one of the things that a SCIM client can ask for, or a set of
// them: each is a bit, so that a rule can say in one value where it applies.
type Operation uint32

// The operations (RFC 7644 §3). Those of discovery are reads of what the
// service provider says about itself.
const (
	CreateUser Operation = 1 << iota
	ReplaceUser
	PatchUser
	DeleteUser
	GetUser
	ListUsers
	CreateGroup
	ReplaceGroup
	PatchGroup
	DeleteGroup
	GetGroup
	ListGroups
	GetServiceProviderConfig
	ListSchemas
	GetSchema
	ListResourceTypes
	GetResourceType
	endOfOperations
)

// Sets of operations that rules and stages ask for by name.
const (
	Users     = CreateUser | ReplaceUser | PatchUser | DeleteUser | GetUser | ListUsers
	Groups    = CreateGroup | ReplaceGroup | PatchGroup | DeleteGroup | GetGroup | ListGroups
	Writes    = CreateUser | ReplaceUser | PatchUser | DeleteUser | CreateGroup | ReplaceGroup | PatchGroup | DeleteGroup
	Lists     = ListUsers | ListGroups
	Discovery = GetServiceProviderConfig | ListSchemas | GetSchema | ListResourceTypes | GetResourceType
	Any       = endOfOperations - 1
)

// forms says of each operation, in the order of the constants, its name, its
// HTTP method, its collection below the Base URL, and whether an id follows.
var forms = [...]struct {
	name, method, collection string
	id                       bool
}{
	{"createUser", "POST", "/Users", false},
	{"replaceUser", "PUT", "/Users", true},
	{"patchUser", "PATCH", "/Users", true},
	{"deleteUser", "DELETE", "/Users", true},
	{"getUser", "GET", "/Users", true},
	{"listUsers", "GET", "/Users", false},
	{"createGroup", "POST", "/Groups", false},
	{"replaceGroup", "PUT", "/Groups", true},
	{"patchGroup", "PATCH", "/Groups", true},
	{"deleteGroup", "DELETE", "/Groups", true},
	{"getGroup", "GET", "/Groups", true},
	{"listGroups", "GET", "/Groups", false},
	{"getServiceProviderConfig", "GET", "/ServiceProviderConfig", false},
	{"listSchemas", "GET", "/Schemas", false},
	{"getSchema", "GET", "/Schemas", true},
	{"listResourceTypes", "GET", "/ResourceTypes", false},
	{"getResourceType", "GET", "/ResourceTypes", true},
}

// String is the operation's name in records, metrics and on the command line:
// "createUser". Of a set it is the name of its first member; of none, "".
func (op Operation) String() string {
	if op&Any == 0 {
		return ""
	}
	return forms[bits.TrailingZeros32(uint32(op))].name
}

// Method is the HTTP method that asks for op, "" of none.
func (op Operation) Method() string {
	if op&Any == 0 {
		return ""
	}
	return forms[bits.TrailingZeros32(uint32(op))].method
}

// Collection is the first segment below the Base URL, "/Users", "" of none.
func (op Operation) Collection() string {
	if op&Any == 0 {
		return ""
	}
	return forms[bits.TrailingZeros32(uint32(op))].collection
}

// HasID tells whether the operation names one resource by its id.
func (op Operation) HasID() bool {
	return op&Any != 0 && forms[bits.TrailingZeros32(uint32(op))].id
}

// Is tells whether op is in the set.
func (op Operation) Is(set Operation) bool { return op&set != 0 }

// HasBody tells whether the operation's request carries a document.
func (op Operation) HasBody() bool {
	return op.Is(CreateUser | ReplaceUser | PatchUser | CreateGroup | ReplaceGroup | PatchGroup)
}

// ParseOperation finds an operation by its name, as String writes it.
func ParseOperation(name string) (Operation, bool) {
	for i, form := range forms {
		if form.name == name {
			return 1 << i, true
		}
	}
	return 0, false
}
