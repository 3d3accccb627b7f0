package translate

import (
	"testing"

	"github.com/scimgate/scimgate/rules/scim"
)

func TestPresent(t *testing.T) {
	const user = `{"id":"u1","active":"True","userName":"ada","name":{"givenName":"Ada","familyName":"B"},"emails":[{"value":"a@b","type":"work"}],` +
		`"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Notes","manager":{"value":"m"}},"meta":{"created":"2026-03-01T10:00:00Z"}}`
	f := func(op scim.Operation, v View, body, want string) {
		t.Helper()
		if got := string(v.Present(op, []byte(body))); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	const base = "https://gate.example/scim/v2"
	const meta = `"meta":{"resourceType":"User","created":"2026-03-01T10:00:00Z","location":"https://gate.example/scim/v2/Users/u1"}`
	const schemas = `,"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"]}`
	f(scim.GetUser, View{Base: base}, user, `{"id":"u1","active":true,"userName":"ada","name":{"givenName":"Ada","familyName":"B"},"emails":[{"value":"a@b","type":"work"}],`+
		`"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Notes","manager":{"value":"m"}},`+meta+schemas)
	f(scim.GetUser, View{Attributes: []string{"username", "name.familyName", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department"}}, user,
		`{"id":"u1","userName":"ada","name":{"familyName":"B"},"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Notes"}`+schemas)
	f(scim.GetUser, View{Attributes: []string{"urn:ietf:params:scim:schemas:core:2.0:User:userName"}}, user, `{"id":"u1","userName":"ada"`+schemas)
	f(scim.GetUser, View{Excluded: []string{"meta", "emails.type", "name", "id", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"}}, user,
		`{"id":"u1","active":true,"userName":"ada","emails":[{"value":"a@b"}]`+schemas)
	f(scim.ListGroups, View{Base: base}, `{"totalResults":"1","itemsPerPage":1,"Resources":[{"id":"g1","displayName":"E","schemas":["x"]}]}`,
		`{"totalResults":1,"itemsPerPage":1,"Resources":[{"id":"g1","displayName":"E","schemas":["x"],"meta":{"resourceType":"Group","location":"https://gate.example/scim/v2/Groups/g1"}}]}`)
	f(scim.ListGroups, View{}, `{"Resources":[{"id":"g1","members":[],"schemas":["x"]}]}`, `{"Resources":[{"id":"g1","schemas":["x"]}]}`)
	f(scim.ListGroups, View{Filled: true}, `{"Resources":[{"id":"g1","members":[],"schemas":["x"]}]}`, `{"Resources":[{"id":"g1","members":[],"schemas":["x"]}]}`)
	f(scim.GetGroup, View{}, `{"id":"g1","members":[],"schemas":["x"]}`, `{"id":"g1","members":[],"schemas":["x"]}`)
	f(scim.GetUser, View{}, `{"id":"u1","emails":[{"value":"a@b","primary":"True"}],"schemas":["x"]}`, `{"id":"u1","emails":[{"value":"a@b","primary":true}],"schemas":["x"]}`)
	f(scim.ListUsers, View{Base: base}, `{"totalResults":0,"Resources":[]}`, `{"totalResults":0,"Resources":[]}`)
	f(scim.GetUser, View{Base: base}, `"nothing"`, `"nothing"`)
}
