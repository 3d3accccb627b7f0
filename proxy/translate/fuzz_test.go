package translate

import (
	"testing"

	"github.com/tidwall/gjson"

	"github.com/scimgate/scimgate/rules/scim"
)

// Whatever a client sends that is JSON with one reading, and whatever the upstream answers
// that is, a plan ends after a bounded number of calls, and its answer is JSON.
func FuzzPlans(f *testing.F) {
	for _, seed := range [][2]string{
		{`{"Operations":[{"op":"replace","path":"members","value":[]}]}`, `{"Resources":[{"id":"u1"}],"nextCursor":""}`},
		{`{"Operations":[{"op":"remove","path":"members[value eq \"u1\"]"},{"op":"add","value":{"members":[{"value":"u2"}]}}]}`, `{"id":"g"}`},
		{`{"displayName":"E","members":[{"value":"u1"},{"value":"u1"}]}`, `{"Resources":[{"id":"u1"}],"totalResults":"1","nextCursor":"c"}`},
		{`{"Operations":[{"op":"add","path":"emails[type eq \"work\"].value","value":"x"}]}`, `{"id":"u","emails":[{"type":"home"}]}`},
		{`{"userName":"ada"}`, `{"active":"True","meta":[],"schemas":{}}`},
	} {
		f.Add(seed[0], seed[1], 200)
	}
	f.Fuzz(func(t *testing.T, doc, answer string, status int) {
		if !scim.Valid([]byte(doc)) || !scim.Valid([]byte(answer)) || !gjson.Parse(doc).IsObject() || !gjson.Parse(answer).IsObject() {
			return
		}
		calls := 0
		do := func(req scim.Request) (scim.Response, error) {
			if calls++; calls > 400 {
				return scim.Response{}, &scim.CallError{Reason: scim.PacedOut}
			}
			if status < 200 || status > 599 {
				return scim.Response{}, &scim.CallError{Reason: scim.Lost}
			}
			return scim.Response{Status: status, Body: []byte(answer)}, nil
		}
		m := NewMemory(limits)
		m.Protect(func(name string) bool { return name == "E" })
		list := scim.Target{Operation: scim.ListUsers, Query: scim.Query{StartIndex: 3, Count: 7, HasCount: true}}
		for op, plan := range map[scim.Operation]Plan{
			scim.PatchGroup: m.PatchGroup("g", []byte(doc)), scim.ReplaceGroup: m.ReplaceGroup("g", []byte(doc)),
			scim.CreateGroup: m.CreateGroup(Creation{Document: []byte(doc), Digest: "d", Adopt: true}), scim.CreateUser: m.CreateUser(Creation{Document: []byte(doc), Digest: "d"}),
			scim.PatchUser: m.PatchUser("u", []byte(doc), func(scim.Kind, string) {}), scim.DeleteGroup: m.DeleteGroup("g"), scim.DeleteUser: m.DeleteUser("u"),
			scim.GetGroup: m.GetGroup("g", true), scim.ListUsers: m.List(list, "c", false), scim.ListGroups: m.List(scim.Target{Operation: scim.ListGroups}, "c", true),
		} {
			calls = 0
			resp, err := plan(do)
			if err == nil && len(resp.Body) > 0 {
				if shown := (View{Base: "https://g"}).Present(op, resp.Body); !gjson.ValidBytes(shown) {
					t.Fatalf("%s: got %q of %q", op, shown, answer)
				}
			}
		}
	})
}
