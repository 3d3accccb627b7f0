package translate

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/tidwall/gjson"
	"pgregory.net/rapid"

	"github.com/scimgate/scimgate/rules/scim"
)

// flat is a user as a map from paths to texts, a list's one value by its parts:
// "emails.type".
type flat map[string]string

// wish is one thing that a client wants of a user.
type wish struct {
	remove bool
	path   string // of the flat user
	value  string
}

var scalars = []string{"title", "nickName", "displayName", "name.givenName", "name.middleName",
	"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:division"}

var parts2 = []string{"phoneNumbers.value", "addresses.locality", "addresses.region", "emails.value"}

// awsUser is a model of AWS that takes documented forms alone: each operation with a
// path to one attribute, or without for one; lists as a whole.
type awsUser struct {
	t    *rapid.T
	user flat
}

func (a *awsUser) do(req scim.Request) (scim.Response, error) {
	if req.Target.Operation == scim.GetUser {
		return ok(200, a.json()), nil
	}
	next := maps.Clone(a.user)
	refused := false
	gjson.GetBytes(req.Body, "Operations").ForEach(func(_, op gjson.Result) bool {
		path, value := op.Get("path").Str, op.Get("value")
		if path == "" {
			count := 0
			value.ForEach(func(name, part gjson.Result) bool {
				count++
				path, value = name.Str, part
				return true
			})
			refused = refused || count != 1 || strings.ContainsAny(path, ".:")
		}
		p, err := scim.ParsePath(path)
		list := isList(p.Attribute)
		refused = refused || err != nil || list && (p.Filter != nil || p.Sub != "") || strings.HasPrefix(path, scim.UserSchema+":")
		if list || value.IsObject() {
			for key := range next {
				if list && strings.HasPrefix(key, path+".") {
					delete(next, key)
				}
			}
			object := value
			if list {
				object = value.Get("0")
			}
			sep := "."
			if scim.IsURN(path) {
				sep = ":"
			}
			object.ForEach(func(name, part gjson.Result) bool {
				next[path+sep+name.Str] = part.String()
				return true
			})
		} else if op.Get("op").Str == "remove" {
			delete(next, path)
		} else {
			next[path] = value.String()
		}
		return true
	})
	if refused {
		return ok(400, "{}"), nil
	}
	a.user = next
	return ok(200, a.json()), nil
}

// json is the user with its lists.
func (a *awsUser) json() string {
	var members []string
	for _, list := range singles {
		var parts []string
		for key, value := range a.user {
			if name, below := strings.CutPrefix(key, list+"."); below {
				raw := fmt.Sprintf("%q", value)
				if name == "primary" {
					raw = value
				}
				parts = append(parts, fmt.Sprintf("%q:%s", name, raw))
			}
		}
		if len(parts) > 0 {
			members = append(members, fmt.Sprintf(`%q:[{%s}]`, list, strings.Join(parts, ",")))
		}
	}
	return `{"id":"u"` + strings.Join(append([]string{""}, members...), ",") + "}"
}

// want carries a wish out as SCIM has it (RFC 7644 §3.5.2).
func (u flat) want(w wish) {
	list, sub, in := strings.Cut(w.path, ".")
	in = in && isList(list)
	_, exists := u[list+".type"]
	switch {
	case !in && w.remove:
		delete(u, w.path)
	case !in:
		u[w.path] = w.value
	case w.remove && sub == "value":
		for key := range u {
			if strings.HasPrefix(key, list+".") {
				delete(u, key)
			}
		}
	case w.remove:
		if exists {
			delete(u, w.path)
		}
	default:
		if !exists {
			u[list+".type"] = "work"
			if list == "emails" {
				u["emails.primary"] = "true"
			}
		}
		u[w.path] = w.value
	}
}

// A PATCH has the same result at AWS as it has in SCIM, in whatever form it is sent.
func TestPatchOfAUserInAnyForm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start := flat{"userName": "ada"}
		for _, list := range []string{"phoneNumbers", "emails"} {
			if rapid.Bool().Draw(t, "has "+list) {
				start[list+".value"], start[list+".type"] = "old", "work"
			}
		}
		var wishes []wish
		for i := range rapid.IntRange(1, 6).Draw(t, "wishes") {
			path := rapid.SampledFrom(append(scalars[:len(scalars):len(scalars)], parts2...)).Draw(t, "path")
			wishes = append(wishes, wish{rapid.IntRange(0, 3).Draw(t, "remove") == 0, path, fmt.Sprint("v", i)})
		}
		want := maps.Clone(start)
		for _, w := range wishes {
			want.want(w)
		}
		doc := `{"schemas":["` + scim.PatchSchema + `"],"Operations":[` + strings.Join(written(t, wishes), ",") + `]}`
		a := &awsUser{t: t, user: maps.Clone(start)}
		resp, err := NewMemory(limits).PatchUser("u", []byte(doc), func(_ scim.Kind, path string) { t.Errorf("%s is left out", path) })(a.do)
		if err != nil || resp.Status != 200 || !maps.Equal(a.user, want) {
			t.Fatalf("%s on %v: got %d %v %v, want %v", doc, start, resp.Status, err, a.user, want)
		}
	})
}

// written are operations for wishes: with paths, full URNs or value filters, or
// several in one without path, as dotted names or nested.
func written(t *rapid.T, wishes []wish) (operations []string) {
	for i := 0; i < len(wishes); i++ {
		w := wishes[i]
		list, sub, _ := strings.Cut(w.path, ".")
		op := rapid.SampledFrom([]string{"replace", "add"}).Draw(t, "op")
		switch {
		case isList(list):
			path := list + `[type eq \"work\"].` + sub
			if w.remove {
				operations = append(operations, `{"op":"remove","path":"`+path+`"}`)
			} else {
				operations = append(operations, fmt.Sprintf(`{"op":%q,"path":"%s","value":%q}`, op, path, w.value))
			}
		case w.remove:
			operations = append(operations, fmt.Sprintf(`{"op":"remove","path":%q}`, w.path))
		case rapid.Bool().Draw(t, "with path"):
			path := w.path
			if !scim.IsURN(path) && rapid.Bool().Draw(t, "full") {
				path = scim.UserSchema + ":" + path
			}
			operations = append(operations, fmt.Sprintf(`{"op":%q,"path":%q,"value":%q}`, op, path, w.value))
		default:
			members, names := []string{}, map[string]bool{}
			for ; i < len(wishes); i++ { // as many as can stand together
				w := wishes[i]
				head, _, _ := strings.Cut(w.path, ".")
				if scim.IsURN(w.path) {
					head = w.path
				}
				if w.remove || isList(head) || names[head] {
					break
				}
				names[head] = true
				if before, sub, nested := strings.Cut(w.path, "."); nested && before == "name" && rapid.Bool().Draw(t, "nested") {
					members = append(members, fmt.Sprintf(`"name":{%q:%q}`, sub, w.value))
				} else {
					members = append(members, fmt.Sprintf(`%q:%q`, w.path, w.value))
				}
			}
			i--
			operations = append(operations, `{"op":"`+op+`","value":{`+strings.Join(members, ",")+`}}`)
		}
	}
	return operations
}

// What is done to a list as a whole or in part ends in one value, or in none.
func TestWholeLists(t *testing.T) {
	const number = `{"phoneNumbers":[{"value":"1","type":"work"}]}`
	f := func(current, operations, want string, left ...string) {
		t.Helper()
		settings, _ := settingsOf([]byte(`{"Operations":[` + operations + `]}`))
		rest, dropped := wholeLists(settings, []byte(current))
		var got []string
		for _, s := range rest {
			got = append(got, strings.TrimRight(s.op+" "+s.path+" "+s.raw, " "))
		}
		if strings.Join(got, "; ") != want || !slices.Equal(dropped, left) {
			t.Errorf("%s: got %q, dropped %q, want %q and %q", operations, got, dropped, want, left)
		}
	}
	f(number, `{"op":"add","path":"phoneNumbers[type eq \"mobile\"].value","value":"2"},{"op":"replace","path":"title","value":"x"}`, `replace title "x"`, `phoneNumbers[type eq "mobile"].value`)
	f(number, `{"op":"add","path":"phoneNumbers","value":[{"value":"2","type":"work"}]}`, `replace phoneNumbers [{"value":"2","type":"work"}]`)
	f(number, `{"op":"add","path":"phoneNumbers","value":[{"value":"2","type":"mobile"}]}`, ``, `phoneNumbers`)
	f(number, `{"op":"add","path":"phoneNumbers","value":[{"value":"2","type":"mobile","primary":true}]}`, `replace phoneNumbers [{"value":"2","type":"mobile","primary":true}]`)
	f(number, `{"op":"replace","path":"phoneNumbers","value":[{"value":"2","type":"mobile"}]}`, `replace phoneNumbers [{"value":"2","type":"mobile"}]`)
	f(number, `{"op":"remove","path":"phoneNumbers"},{"op":"add","path":"phoneNumbers","value":[{"value":"2","type":"mobile"}]}`, `replace phoneNumbers [{"value":"2","type":"mobile"}]`)
	f(number, `{"op":"remove","path":"phoneNumbers"}`, `remove phoneNumbers`)
	f(`{}`, `{"op":"add","path":"phoneNumbers","value":[{"value":"2"}]}`, `replace phoneNumbers [{"value":"2"}]`)
	for filter, holds := range map[string]bool{
		`type eq \"work\" or type eq \"home\"`: true, `value pr`: true, `display pr`: false, `type ne \"home\"`: true, `type ne \"work\"`: false,
		`value co \"1\"`: true, `value sw \"2\"`: false, `value ew \"1\"`: true, `not (type eq \"work\")`: false, `value gt \"0\" and value lt \"2\"`: true, `value ge \"1\" and value le \"1\"`: true,
	} {
		replace, remove := `{"op":"replace","path":"phoneNumbers[`+filter+`].value","value":"2"}`, `{"op":"remove","path":"phoneNumbers[`+filter+`]"}`
		if path := gjson.Get(replace, "path").Str; holds {
			f(number, replace, `replace phoneNumbers [{"value":"2","type":"work"}]`)
			f(number, remove, `remove phoneNumbers`)
		} else {
			f(number, replace, ``, path)
			f(number, remove, ``)
		}
	}
	f(number, `{"op":"replace","path":"phoneNumbers[type eq \"work\"]","value":[{"value":"2","type":"work"}]}`, `replace phoneNumbers [{"value":"2","type":"work"}]`)
	f(`{}`, `{"op":"replace","path":"emails[type eq \"work\"].value","value":"a"}`, `replace emails [{"primary":true,"type":"work","value":"a"}]`)
}
