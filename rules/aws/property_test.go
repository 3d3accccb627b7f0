package aws

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/scimgate/scimgate/rules"
	"github.com/scimgate/scimgate/rules/scim"
)

// oddities are values as clients and people make them.
var oddities = []string{
	`"Ada"`, `"Grüße"`, `"أمل"`, `""`, `" "`, `null`, `[]`, `{}`, `true`, `"False"`, `"no"`, `417`, `1e3`, `"a\u200bb"`, `"\u200b"`, `"tab\tbed"`,
	`"\ue000"`, `["x"]`, `[{}]`, `[null]`, `{"value":"x"}`, `[{"value":"x"}]`, `[{"value":""}]`, `[{"value":"x","display":"y","type":""}]`,
	`[{"value":"a@example.test","type":"work"},{"value":"b@example.test","primary":true}]`, `[{"locality":"Ely","type":"work"}]`,
	`[{"streetAddress":"1","locality":"Ely","region":"CAM","postalCode":"CB7","country":"GB"}]`, `{"givenName":"Ada","familyName":""}`,
	`{"givenName":"Ada","familyName":"Byron","middleName":""}`, `{"value":"","displayName":"Boss"}`, `{"department":"","manager":{"value":""}}`,
	`"` + strings.Repeat("x", 1100) + `"`, `["x","y"]`, `{"title":"x","userName":"eve"}`, `{"$ref":null,"value":"x"}`, `[{"$ref":"x"}]`,
	`"` + oneID + `"`, `["` + oneID + `",null]`,
}

func anyMember(t *rapid.T, label string) string {
	names := []string{"nope", "urn:x:y", "userName", "USERNAME", "name", "active", "emails", scim.UserSchema, scim.UserSchema + ":title", scim.GroupSchema, enterprise + ":division"}
	for _, a := range users {
		names = append(names, strings.Split(strings.Split(a.Path, ".")[0], enterprise+":")[0])
	}
	name := rapid.SampledFrom(names).Draw(t, label+" name")
	if name == "" {
		name = enterprise
	}
	return string(scim.AppendString(nil, name)) + ":" + rapid.SampledFrom(oddities).Draw(t, label+" value")
}

func anyUserDocument(t *rapid.T, fixed ...string) []byte {
	members := fixed
	for i := range rapid.IntRange(0, 8).Draw(t, "members") {
		members = append(members, anyMember(t, fmt.Sprint(i)))
	}
	seen := map[string]bool{}
	var kept []string
	for _, m := range members {
		name := strings.ToLower(m[:strings.IndexByte(m[1:], '"')+1])
		if !seen[name] {
			seen[name] = true
			kept = append(kept, m)
		}
	}
	return []byte("{" + strings.Join(kept, ",") + "}")
}

func anyPatchDocument(t *rapid.T, fixed ...string) []byte {
	operations := fixed
	paths := []string{"nope", "Emails[Type eq \"work\"].Value", scim.UserSchema, scim.UserSchema + ":title", scim.UserSchema + ":emails", scim.GroupSchema + ":title", "emails[type eq \"work\"].value", "addresses[type eq \"work\"].locality", "addresses", "name", "name.givenName", "id"}
	for _, a := range users {
		paths = append(paths, a.Path)
	}
	for i := range rapid.IntRange(0, 5).Draw(t, "operations") {
		op := rapid.SampledFrom([]string{"add", "replace", "Replace", "remove"}).Draw(t, fmt.Sprint("op ", i))
		if rapid.Bool().Draw(t, fmt.Sprint("pathless ", i)) {
			operations = append(operations, fmt.Sprintf(`{"op":%q,"value":%s}`, op, anyUserDocument(t)))
			continue
		}
		path := scim.AppendString(nil, rapid.SampledFrom(paths).Draw(t, fmt.Sprint("path ", i)))
		value := ""
		if op != "remove" || rapid.Bool().Draw(t, fmt.Sprint("value too ", i)) {
			value = `,"value":` + rapid.SampledFrom(oddities).Draw(t, fmt.Sprint("value ", i))
		}
		operations = append(operations, fmt.Sprintf(`{"op":%q,"path":%s%s}`, op, path, value))
	}
	return []byte(`{"Operations":[` + strings.Join(operations, ",") + `]}`)
}

var wholeUser = []byte(`{"id":"x","userName":"ada","name":{"givenName":"Ada","familyName":"Byron"},"displayName":"Ada",` +
	`"addresses":[{"streetAddress":"1","locality":"Ely","region":"CAM","postalCode":"CB7","country":"GB","type":"work"}]}`)

// settled fails unless a repaired document has nothing to repair or to reject.
func settled(t interface{ Fatalf(string, ...any) }, s *rules.Set, target scim.Target, body, current []byte) {
	v := s.Judge(target, body, current)
	if !json.Valid(v.Document) {
		t.Fatalf("%s of %s: repaired to %s, which is no JSON", target.Operation, body, v.Document)
	}
	if v.Rejects() || v.Nothing {
		return
	}
	again := s.Judge(target, v.Document, current)
	for i := range again.Findings {
		if again.Findings[i].Disposition > rules.Warn {
			t.Fatalf("%s of %s: repaired to %s, in which %s is found", target.Operation, body, v.Document, again.Findings[i].String())
		}
	}
}

func TestRepairedDocumentHasNothingToRepair(t *testing.T) {
	s := set(t, Settings{Settings: rules.Settings{Templates: map[string]string{"name.familyName": "-"}}})
	rapid.Check(t, func(t *rapid.T) {
		var current []byte
		if rapid.Bool().Draw(t, "current known") {
			current = wholeUser
		}
		settled(t, s, scim.Target{Operation: scim.CreateUser}, anyUserDocument(t), nil)
		settled(t, s, scim.Target{Operation: scim.ReplaceUser, ID: "x"}, anyUserDocument(t), current)
		settled(t, s, scim.Target{Operation: scim.PatchUser, ID: "x"}, anyPatchDocument(t), current)
	})
}

// Whatever stands in place of members, a repair neither adds nor takes away anybody, and
// never makes of what names somebody an operation that empties the group.
func TestRepairsKeepMembers(t *testing.T) {
	s := set(t, Settings{})
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.SampledFrom(append([]string{`[{"value":"` + oneID + `","display":"A"}]`, `[{"value":""},{"value":"` + oneID + `"}]`}, oddities...)).Draw(t, "value")
		op := rapid.SampledFrom([]string{"add", "Replace", "remove"}).Draw(t, "op")
		form := rapid.SampledFrom([]string{`{"op":%q,"path":"members","value":%s}`, `{"op":%q,"path":"Members","value":%s}`, `{"op":%q,"value":{"members":%s}}`}).Draw(t, "form")
		document := fmt.Sprintf(`{"Operations":[`+form+`]}`, op, value)
		target := scim.Target{Operation: scim.PatchGroup, ID: "x"}
		settled(t, s, target, []byte(document), nil)
		v := s.Judge(target, []byte(document), nil)
		if v.Rejects() || v.Nothing {
			if v.Nothing && op != "add" {
				t.Fatalf("%s: got nothing, want it refused or carried out", document)
			}
			return
		}
		sent, left := ids(document), ids(string(v.Document))
		if !slices.Equal(sent, left) || strings.Contains(string(v.Document), `"members":[]`) != strings.Contains(document, `"members":[]`) {
			t.Fatalf("%s: became %s", document, v.Document)
		}
	})
}

// ids are the ids of members in a text, and what stands for one in oddities.
func ids(text string) []string {
	return regexp.MustCompile(`"(`+oneID+`|x|a@example\.test|b@example\.test)"`).FindAllString(text, -1)
}

// Whatever else is wrong with a user's document, that it deactivates is seen, so
// the deactivation can be sent alone.
func TestDeactivationIsSeenInAnyDocument(t *testing.T) {
	s := set(t, Settings{})
	rapid.Check(t, func(t *rapid.T) {
		falsehood := rapid.SampledFrom([]string{"false", `"False"`, `"false"`}).Draw(t, "false")
		put := anyUserDocument(t, `"active":`+falsehood)
		if v := s.Judge(scim.Target{Operation: scim.ReplaceUser, ID: "x"}, put, nil); !v.Deactivates {
			t.Fatalf("got no deactivation in %s: %v", put, v.IDs())
		}
		for _, form := range []string{`{"op":"replace","value":{"active":%s}}`, `{"op":"Replace","path":"active","value":%s}`} {
			operation := fmt.Sprintf(form, falsehood)
			patch := anyPatchDocument(t)
			patch = append(patch[:len(patch)-2], []byte(","+operation+"]}")...)
			patch = []byte(strings.Replace(string(patch), "[,", "[", 1))
			if v := s.Judge(scim.Target{Operation: scim.PatchUser, ID: "x"}, patch, nil); !v.Deactivates {
				t.Fatalf("got no deactivation in %s: %v", patch, v.IDs())
			}
		}
	})
}

func FuzzInspectAndRepair(f *testing.F) {
	s, err := New(Settings{})
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(cleanCreate))
	for _, seed := range oddities {
		f.Add([]byte(`{"userName":"ada","name":` + seed + `,"emails":` + seed + `,"title":` + seed + `}`))
		f.Add([]byte(`{"Operations":[{"op":"replace","path":"title","value":` + seed + `},{"op":"add","value":{"addresses":` + seed + `}}]}`))
	}
	for _, seed := range oddities {
		f.Add([]byte(`{"displayName":"Readers","members":` + seed + `}`))
		f.Add([]byte(`{"Operations":[{"op":"remove","path":"members","value":` + seed + `},{"op":"remove","path":"emails","value":` + seed + `}]}`))
		f.Add([]byte(`{"` + scim.UserSchema + `":` + seed + `,"` + scim.UserSchema + `:title":` + seed + `,"` + enterprise + `:division":` + seed + `}`))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, op := range []scim.Operation{scim.CreateUser, scim.ReplaceUser, scim.PatchUser, scim.CreateGroup, scim.PatchGroup} {
			target := scim.Target{Operation: op}
			if op.HasID() {
				target.ID = "x"
			}
			v := s.Judge(target, body, nil)
			if v.Unreadable {
				continue
			}
			settled(t, s, target, body, wholeUser)
		}
	})
}
