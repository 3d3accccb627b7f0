package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/scimgate/scimgate/bench/faults/witness"
)

// operation is something that a client wants.
type operation struct {
	name         string
	method, path string
	body         string
	wish         *witness.Wish // of a write
	calls        int           // that it may take the gateway, of which one is struck
	attempts     int           // that the client makes at most
}

const (
	patchSchema = `"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"]`
	userSchema  = `"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"]`
	groupSchema = `"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"]`
)

// userDocument is a profile without a fault.
func userDocument(name, title string, active bool) string {
	return fmt.Sprintf(`{%s,"userName":%q,"externalId":%q,"name":{"givenName":"Ada","familyName":"Lovelace"},"displayName":"Ada Lovelace","title":%q,"emails":[{"value":%q,"type":"work","primary":true}],"active":%v}`,
		userSchema, name, "ext-"+name, title, name, active)
}

func createUser(name, title string) *operation {
	return &operation{name: "create user", method: "POST", path: "/Users", body: userDocument(name, title, true),
		wish: &witness.Wish{Create: true, Name: name, Title: title, Active: witness.Bool(true)}, calls: 1}
}

func putUser(id, name, title string, active bool) *operation {
	return &operation{name: "put user", method: "PUT", path: "/Users/" + id, body: userDocument(name, title, active),
		wish: &witness.Wish{Resource: "Users/" + id, Name: name, Title: title, Active: &active}, calls: 1}
}

func patchUser(id, operations string, wish witness.Wish) *operation {
	wish.Resource = "Users/" + id
	return &operation{name: "patch user", method: "PATCH", path: "/Users/" + id, body: `{` + patchSchema + `,"Operations":[` + operations + `]}`, wish: &wish, calls: 1}
}

func titled(id, title string) *operation {
	return patchUser(id, fmt.Sprintf(`{"op":"replace","path":"title","value":%q}`, title), witness.Wish{Title: title})
}

// activated sets active in one of the forms that clients send.
func activated(id string, active bool, form int) *operation {
	text := [...]string{`{"op":"replace","value":{"active":%v}}`, `{"op":"replace","path":"active","value":%v}`, `{"op":"Replace","path":"active","value":"%v"}`}[form%3]
	o := patchUser(id, fmt.Sprintf(text, active), witness.Wish{Active: &active})
	o.name = map[bool]string{true: "activate", false: "deactivate"}[active]
	return o
}

func removed(kind, id string) *operation {
	return &operation{name: "delete " + kind, method: "DELETE", path: "/" + kind + "/" + id, wish: &witness.Wish{Resource: kind + "/" + id, Gone: true}, calls: 2}
}

func groupDocument(name string, members []string) string {
	return fmt.Sprintf(`{%s,"displayName":%q,"members":%s}`, groupSchema, name, membersOf(members))
}

func membersOf(ids []string) string {
	var b strings.Builder
	b.WriteByte('[')
	for i, id := range ids {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"value":%q}`, id)
	}
	b.WriteByte(']')
	return b.String()
}

func createGroup(name string, members []string) *operation {
	return &operation{name: "create group", method: "POST", path: "/Groups", body: groupDocument(name, members),
		wish: &witness.Wish{Create: true, Name: name, Exactly: true, Members: members}, calls: 1 + len(members)/100}
}

func putGroup(id, name string, members []string) *operation {
	return &operation{name: "put group", method: "PUT", path: "/Groups/" + id, body: groupDocument(name, members),
		wish: &witness.Wish{Resource: "Groups/" + id, Name: name, Exactly: true, Members: members}, calls: 4 + len(members)/100}
}

func patchMembers(id, op string, ids []string) *operation {
	wish := &witness.Wish{Resource: "Groups/" + id, Add: ids}
	if op == "remove" {
		wish.Add, wish.Remove = nil, ids
	}
	return &operation{name: op + " members", method: "PATCH", path: "/Groups/" + id, wish: wish, calls: 1,
		body: `{` + patchSchema + `,"Operations":[{"op":"` + op + `","path":"members","value":` + membersOf(ids) + `}]}`}
}

func read(path string, calls int) *operation {
	return &operation{name: "read", method: "GET", path: path, calls: calls}
}

func lookUp(name string) *operation { return read("/Users?filter=userName%20eq%20%22"+name+"%22", 1) }

func page(start, count int) *operation {
	return read("/Users?startIndex="+strconv.Itoa(start)+"&count="+strconv.Itoa(count), 1)
}
