package standin

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// without User-Agent, with another media type: what spoils a request beyond its body.
func noAgent(r *http.Request) { r.Header.Del("User-Agent") }

// sentUser posts a user to an empty stand-in; detail is the exact text, where one is known.
func sentUser(t *testing.T) func(why, body string, status int, detail string) {
	s, _ := bench(t)
	return func(why, body string, status int, detail string) {
		t.Helper()
		for _, at := range []string{"observed", "specific"} {
			if err := s.Switch("details", at); err != nil {
				t.Fatal(err)
			}
			got := ask(s, "POST", "/Users", body)
			want(t, why, got, status)
			if text := got.text("detail"); status == 400 && at == "observed" && text != plain[400] {
				t.Errorf("%s: got %q, want the general text", why, text)
			} else if at == "specific" && detail != "" && text != detail {
				t.Errorf("%s: got %q, want %q", why, text, detail)
			}
			for _, u := range s.Users() {
				ask(s, "DELETE", "/Users/"+u.ID, "")
			}
		}
	}
}

// emptyText is CloudTrail's text for an attribute that is missing or empty.
func emptyText(path string) string {
	return "2 validation errors detected: Value at '" + path + "' failed to satisfy constraint: Member must have length greater than or equal to 1; " +
		"Value at '" + path + `' failed to satisfy constraint: Member must satisfy regular expression pattern: [\p{L}\p{M}\p{S}\p{N}\p{P}\t\n\r ]+`
}

// swap is a sound person with something in it replaced.
func swap(old, now string) string { return strings.Replace(person("ada"), old, now, 1) }

func TestRequiredAttributes(t *testing.T) {
	f := sentUser(t)
	f("all that is required", person("ada"), 201, "")
	f("with schemas", person("ada", `,"schemas":["`+userURN+`","`+enterpriseURN+`"]`), 201, "")

	f("no userName", swap(`"userName":"ada",`, ""), 400, "")
	f("no displayName", swap(`,"displayName":"Ada Byron"`, ""), 400, emptyText("displayName"))
	f("no familyName", swap(`,"familyName":"Byron"`, ""), 400, emptyText("name.familyName"))
	f("no name", swap(`"name":{"givenName":"Ada","familyName":"Byron"},`, ""), 400, emptyText("name.givenName"))
	f("empty familyName", swap(`"Byron"`, `""`), 400, emptyText("name.familyName"))
	f("null familyName", swap(`"Byron"`, `null`), 400, emptyText("name.familyName"))
	f("a blank as familyName", swap(`"Byron"`, `" "`), 201, "")
	f("empty title", person("ada", `,"title":""`), 400, emptyText("title"))
	f("empty manager", person("ada", `,"`+enterpriseURN+`":{"manager":{"value":""}}`), 400, emptyText(enterpriseURN+".manager.value"))
	f("null title", person("ada", `,"title":null`), 201, "")

}

func TestCharactersAndLengths(t *testing.T) {
	f := sentUser(t)
	f("zero-width space", swap("Byron", `By\u200bron`), 400, "1 validation errors detected: Value at '*name.familyName*' failed to satisfy constraint: "+
		`Member must satisfy regular expression pattern: [\p{L}\p{M}\p{S}\p{N}\p{P}\t\n\r ]+`)
	f("control character", swap("Byron", `By\u0001ron`), 400, "")
	f("en quad", swap("Byron", `By\u2000ron`), 400, "")
	f("private use", swap("Byron", `By\ue000ron`), 400, "")
	f("TAB, LF, U+00A0, U+3000", swap("Byron", `B\t\n\u00a0\u3000n`), 201, "")
	f("emoji", swap("Byron", "Byron 👩"), 201, "")
	f("joined emoji", swap("Byron", "👩‍🚀"), 400, "")
	f("other scripts", swap("Byron", "Παππάς 佐藤 כהן রহমান"), 201, "")
	f("blank in userName", person("ada byron"), 400, "")
	f("blank in externalId", person("ada", `,"externalId":"a b"`), 400, "")
	f("five signs", person("<;:%>"), 201, "")
	f("reserved name", person("administrator"), 400, "")

	long := strings.Repeat("x", longText)
	f("1024 characters", person("ada", `,"title":"`+long+`"`), 201, "")
	f("1025 characters", person("ada", `,"title":"`+long+`x"`), 400,
		"1 validation errors detected: Value at 'title' failed to satisfy constraint: Member must have length less than or equal to 1024")
	f("userName of 128", person(long[:128]), 201, "")
	f("userName of 129", person(long[:129]), 400, "")
	f("externalId of 257", person("ada", `,"externalId":"`+long[:257]+`"`), 400, "")

}

func TestListsOfOne(t *testing.T) {
	f := sentUser(t)
	mail := func(value, rest string) string { return `{"value":"` + value + `","type":"work"` + rest + `}` }
	f("two e-mails", person("ada", `,"emails":[`+mail("a@example.test", `,"primary":true`)+`,`+mail("b@example.test", "")+`]`), 400,
		"List attribute emails exceeds allowed limit of 1")
	f("two phones", person("ada", `,"phoneNumbers":[{"value":"1"},{"value":"2"}]`), 400, "List attribute phoneNumbers exceeds allowed limit of 1")
	f("two addresses", person("ada", `,"addresses":[{"type":"work"},{"type":"home"}]`), 400, "List attribute addresses exceeds allowed limit of 1")
	f("e-mail not primary", person("ada", `,"emails":[`+mail("a@example.test", `,"primary":false`)+`]`), 400, "")
	f("primary left out", person("ada", `,"emails":[`+mail("a@example.test", "")+`]`), 400, "")
	f("e-mail without value", person("ada", `,"emails":[{"primary":true}]`), 400, "")
	f("primary in quotes", person("ada", `,"emails":[`+mail("a@example.test", `,"primary":"true"`)+`]`), 400, "")
	f("active in quotes", person("ada", `,"active":"false"`), 400, "")
	f("one address part", person("ada", `,"addresses":[{"locality":"Ely"}]`), 400, "")
	f("address of type alone", person("ada", `,"addresses":[{"type":"work"}]`), 201, "")

}

func TestUnsupportedAttributes(t *testing.T) {
	f := sentUser(t)
	for _, extra := range []string{`"photos":[]`, `"photos":null`, `"groups":[]`, `"password":"x"`, `"entitlements":[]`, `"ims":[]`, `"x509Certificates":[]`,
		`"roles":[]`, `"meta":{"resourceType":"User"}`, `"meta":{"version":"1"}`, `"id":"x"`, `"colour":"red"`, `"Title":"x"`, `"urn:example:1.0:User":{}`,
		`"emails":[{"value":"a@example.test","primary":true,"display":"a"}]`, `"` + enterpriseURN + `":{"manager":{"displayName":"x"}}`,
		`"` + enterpriseURN + `":{"colour":"red"}`, `"schemas":["urn:example:1.0:User"]`, `"schemas":"` + userURN + `"`} {
		f(extra, person("ada", ","+extra), 400, "")
	}
	for _, extra := range []string{`"title":1`, `"name":[]`, `"emails":{}`, `"emails":[1]`, `"active":1`, `"phoneNumbers":[null]`} {
		f("wrong type "+extra, person("ada", ","+extra), 400, "")
	}
}

func TestStrictJSON(t *testing.T) {
	f := sentUser(t)
	unreadable := "Invalid JSON from RequestBody"
	f("not JSON", `{"userName":`, 400, unreadable)
	f("nothing", ``, 400, unreadable)
	f("a list", `[]`, 400, unreadable)
	f("name twice", person("ada", `,"title":"a","title":"b"`), 400, unreadable)
	f("trailing bytes", person("ada")+"}", 400, unreadable)
	f("two documents", person("ada")+person("noor"), 400, unreadable)
	f("byte order mark", "\ufeff"+person("ada"), 400, unreadable)
	f("no UTF-8", person("ada", ",\"title\":\"\xff\""), 400, unreadable)
	f("half a surrogate pair", person("ada", `,"title":"\ud83d"`), 400, unreadable)
	f("low half alone", person("ada", `,"title":"\udc69"`), 400, unreadable)
	f("both halves", person("ada", `,"title":"\ud83d\udc69 \\ud83d"`), 201, "")
	f("too long", person("ada", strings.Repeat(" ", mostBytes)), 400, "")
}

func TestMediaTypesAndAgents(t *testing.T) {
	s, _ := bench(t)
	media := func(value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Content-Type", value) }
	}
	want(t, "application/json", ask(s, "POST", "/Users", person("a"), media("application/json; charset=utf-8")), 201)
	want(t, "text/plain", ask(s, "POST", "/Users", person("b"), media("text/plain")), 400)
	want(t, "none", ask(s, "POST", "/Users", person("b"), media("")), 400)
	want(t, "no User-Agent", ask(s, "POST", "/Users", person("b"), noAgent), 201)
	got := ask(s, "PATCH", "/Users/x", operations(), noAgent)
	want(t, "no User-Agent in PATCH", got, 403)
	if got.doc["schemas"] != nil {
		t.Errorf("got %s, want no SCIM document", got.raw)
	}
}

func TestDuplicates(t *testing.T) {
	s, _ := bench(t)
	unique := `,"externalId":"x-1","emails":[{"value":"ada@example.test","primary":true}]`
	add(t, s, "ada", unique)
	other := add(t, s, "noor")
	addGroup(t, s, "Readers")
	gid := addGroup(t, s, "Writers")
	f := func(why, method, path, body string) {
		t.Helper()
		got := ask(s, method, path, body)
		want(t, why, got, 409)
		if got.text("detail") != "Refused to create a new, duplicate resource." {
			t.Errorf("%s: got %q", why, got.text("detail"))
		}
	}
	f("userName", "POST", "/Users", person("ADA"))
	f("externalId", "POST", "/Users", person("zoe", `,"externalId":"X-1"`))
	f("e-mail", "POST", "/Users", person("zoe", `,"emails":[{"value":"Ada@example.test","primary":true}]`))
	f("put", "PUT", "/Users/"+other, person("ada"))
	f("patch", "PATCH", "/Users/"+other, operations(change("replace", "userName", `"ada"`)))
	f("group", "POST", "/Groups", `{"displayName":"readers"}`)
	f("rename", "PATCH", "/Groups/"+gid, operations(change("replace", "displayName", `"Readers"`)))
	want(t, "put with its id", ask(s, "PUT", "/Users/"+other, person("noor", `,"id":"`+other+`"`)), 201)
	want(t, "put with another id", ask(s, "PUT", "/Users/"+other, person("noor", `,"id":"`+gid+`"`)), 400)
	want(t, "put without displayName", ask(s, "PUT", "/Users/"+other, `{"userName":"noor","name":{"givenName":"N","familyName":"N"}}`), 400)
	want(t, "put with part of an address", ask(s, "PUT", "/Users/"+other, person("noor", `,"addresses":[{"country":"GB"}]`)), 400)
	want(t, "own name", ask(s, "PATCH", "/Users/"+other, operations(change("replace", "userName", `"Noor"`))), 200)
	want(t, "former name", ask(s, "PATCH", "/Users/"+other, operations(change("replace", "userName", `"zoe"`))), 200)
	want(t, "name that is free again", ask(s, "POST", "/Users", person("noor")), 201)
}

const (
	patchMail = `{"value":"ada@example.test","type":"work","primary":true}`
	patchHome = `{"streetAddress":"1 Mill Lane","locality":"Ely","region":"CAM","postalCode":"CB7","country":"GB","type":"work"}`
	extension = enterpriseURN + ":"
)

// patchedUser patches a user that has everything. Where that succeeds, after is the
// attribute's value then, as Go prints it; else the exact text, where one is known.
func patchedUser(t *testing.T) func(why string, status int, attribute, after string, ops ...string) {
	return func(why string, status int, attribute, after string, ops ...string) {
		t.Helper()
		s, _ := bench(t, "details=specific")
		id := add(t, s, "ada", `,"externalId":"x","title":"Dr","active":true,"emails":[`+patchMail+`],"addresses":[`+patchHome+`],"`+enterpriseURN+`":{"department":"Notes","manager":{"value":"m"}}`)
		before, _ := s.User(id)
		got := ask(s, "PATCH", "/Users/"+id, operations(ops...))
		want(t, why, got, status)
		user, _ := s.User(id)
		if status != 200 {
			same(t, why+" without effect", fmt.Sprint(user), fmt.Sprint(before))
			if after != "" {
				same(t, why, got.text("detail"), after)
			}
			return
		}
		value := any(user.Document)
		for _, name := range strings.Split(attribute, "/") {
			value = value.(map[string]any)[name]
		}
		same(t, why, fmt.Sprint(value), after)
	}
}

func TestPatchUser(t *testing.T) {
	f := patchedUser(t)
	f("replace", 200, "title", "Prof", change("replace", "title", `"Prof"`))
	f("upper case", 200, "title", "Prof", change("Replace", "title", `"Prof"`))
	f("add", 200, "nickName", "A", change("add", "nickName", `"A"`))
	f("remove", 200, "title", "<nil>", change("remove", "title", ""))
	f("remove what is absent", 200, "nickName", "<nil>", change("remove", "nickName", ""))
	f("part", 200, "name/givenName", "Zoe", change("replace", "name.givenName", `"Zoe"`))
	f("complex is merged", 200, "name", "map[familyName:Byron givenName:Zoe]", change("replace", "name", `{"givenName":"Zoe"}`))
	f("pathless", 200, "name/givenName", "Zoe", change("replace", "", `{"name":{"givenName":"Zoe"}}`))
	f("pathless with id of another", 400, "", onlyOneAttribute, change("replace", "", `{"id":"x","title":"Prof"}`))
	f("string boolean", 200, "active", "false", change("replace", "active", `"false"`))
	f("extension", 200, enterpriseURN+"/department", "Lab", change("replace", extension+"department", `"Lab"`))
	f("manager", 200, enterpriseURN+"/manager", "map[value:n]", change("replace", extension+"manager", `{"value":"n"}`))
	f("manager's part", 200, enterpriseURN+"/manager", "map[value:n]", change("add", extension+"manager.value", `"n"`))
	f("extension cleared", 200, enterpriseURN, "<nil>", change("remove", extension+"manager", ""), change("remove", extension+"department", ""))
	f("extension removed", 200, enterpriseURN, "<nil>", change("remove", enterpriseURN, ""))
	f("extension pathless", 200, enterpriseURN+"/department", "Lab", change("add", "", `{"`+enterpriseURN+`":{"department":"Lab"}}`))
	f("list", 200, "emails", "[map[primary:true value:new@example.test]]", change("replace", "emails", `[{"value":"new@example.test","primary":true}]`))
	f("same again", 200, "emails", "[map[primary:true type:work value:ada@example.test]]", change("add", "emails", `[`+patchMail+`]`))
	f("list cleared", 200, "emails", "<nil>", change("replace", "emails", `[]`))
	f("value path", 200, "emails", "[map[primary:true type:work value:new@example.test]]", change("replace", `emails[type eq "work"].value`, `"new@example.test"`))
	f("value path in an address", 200, "addresses", "[map[country:GB locality:Wells postalCode:CB7 region:CAM streetAddress:1 Mill Lane type:work]]", change("add", `addresses[type eq "work"].locality`, `"Wells"`))
	f("new value by path", 200, "phoneNumbers", "[map[type:work value:1]]", change("add", `phoneNumbers[type eq "work"].value`, `"1"`))
	f("value removed by path", 200, "emails", "<nil>", change("remove", `emails[type eq "work"]`, ""))
	f("several operations", 200, "title", "C", change("replace", "title", `"B"`), change("replace", "title", `"C"`))
}

func TestPatchUserRefusals(t *testing.T) {
	f := patchedUser(t)
	f("two e-mails", 400, "", "List attribute emails exceeds allowed limit of 1", change("replace", "emails", `[`+patchMail+`,`+patchMail+`]`))
	f("another e-mail", 400, "", "List attribute emails exceeds allowed limit of 1", change("add", "emails", `[{"value":"new@example.test","primary":true}]`))
	f("no target", 400, "", "", change("replace", `emails[type eq "home"].value`, `"new@example.test"`))
	f("not primary", 400, "", "", change("replace", `emails[type eq "work"].primary`, `false`))
	f("two attributes", 400, "", onlyOneAttribute, change("replace", "", `{"title":"B","nickName":"A"}`))
	f("two of the extension", 400, "", onlyOneAttribute, change("replace", "", `{"`+enterpriseURN+`":{"department":"Lab","division":"R"}}`))
	f("no attribute", 400, "", onlyOneAttribute, change("replace", "", `{}`))
	f("dotted name", 400, "", "", change("replace", "", `{"name.givenName":"Zoe"}`))
	f("remove without path", 400, "", "Missing path in PATCH request", `{"op":"remove"}`)
	f("no op", 400, "", "", `{"path":"title","value":"B"}`)
	f("other op", 400, "", "", change("test", "title", `"B"`))
	f("no value", 400, "", "", change("replace", "title", ""))
	f("null", 400, "", "", change("replace", "title", "null"))
	f("pathless null", 400, "", "", change("replace", "", `{"title":null}`))
	f("empty", 400, "", "", change("replace", "title", `""`))
	f("empty path", 400, "", "", `{"op":"replace","path":"","value":{"title":"x"}}`)
	f("other member", 400, "", "", `{"op":"replace","path":"title","value":"x","from":"y"}`)
	f("remove with value", 400, "", "", change("remove", "title", `"Dr"`))
	for _, path := range []string{"id", "schemas", "meta", "groups", "roles", "password", "photos", "colour", "name.colour", "name.", "title.x", "members",
		"emails.value", `emails[type eq "work"].display`, `emails[type eq work].value`, `emails[type ne "work"].value`, `emails[type eq "work"]value`,
		`emails[display eq "x"].value`, "emails[", "Title", extension + "colour", extension + "manager.displayName", userURN + ":title", enterpriseURN + ".department"} {
		f("path "+path, 400, "", "", change("replace", path, `"x"`))
	}
	f("remove userName", 400, "", "", change("remove", "userName", ""))
	f("remove active", 400, "", "", change("remove", "active", ""))
	f("remove displayName", 400, "", "", change("remove", "displayName", ""))
	f("remove familyName", 400, "", "", change("remove", "name.familyName", ""))
	f("remove name", 400, "", "", change("remove", "name", ""))
	f("userName twice", 400, "", "", change("replace", "userName", `"b"`), change("replace", "userName", `"c"`))
	f("active twice", 400, "", "", change("replace", "active", `false`), change("replace", "", `{"active":true}`))
	f("incomplete address", 400, "", "", change("remove", `addresses[type eq "work"].locality`, ""))
	f("incomplete new address", 400, "", "", change("replace", "addresses", `[{"country":"GB"}]`))
	f("fault in the second", 400, "", "", change("replace", "title", `"B"`), change("replace", "colour", `"red"`))
	f("no operations", 400, "", "")
}

func TestPatchEnvelope(t *testing.T) {
	s, _ := bench(t)
	id := add(t, s, "ada")
	op := change("replace", "title", `"x"`)
	for _, body := range []string{
		`{"schemas":["` + patchURN + `"]}`, `{"Operations":[` + op + `]}`, `{"schemas":["` + userURN + `"],"Operations":[` + op + `]}`,
		`{"schemas":["` + patchURN + `"],"operations":[` + op + `]}`, `{"schemas":["` + patchURN + `"],"Operations":[` + op + `],"x":1}`,
		`{"schemas":["` + patchURN + `"],"Operations":[1]}`, `{"schemas":["` + patchURN + `"],"Operations":` + op + `}`, `nothing`,
	} {
		want(t, body, ask(s, "PATCH", "/Users/"+id, body), 400)
	}
}

func TestAddressLeftAlone(t *testing.T) {
	s, _ := bench(t)
	id := add(t, s, "ada", `,"addresses":[{"country":"GB"}]`)
	want(t, "another attribute", ask(s, "PATCH", "/Users/"+id, operations(change("replace", "title", `"x"`))), 200)
	want(t, "the address", ask(s, "PATCH", "/Users/"+id, operations(change("replace", "addresses", `[{"country":"FR"}]`))), 400)
}

func TestMembers(t *testing.T) {
	s, _ := bench(t)
	var ids []string
	for n := range 101 {
		ids = append(ids, add(t, s, fmt.Sprint("u", n)))
	}
	gid := addGroup(t, s, "Readers", ids[0], ids[1])
	other := addGroup(t, s, "Writers")
	unknown := uuid()
	f := func(why string, status, members int, detail string, ops ...string) {
		t.Helper()
		got := ask(s, "PATCH", "/Groups/"+gid, operations(ops...))
		want(t, why, got, status)
		if detail != "" && got.text("detail") != detail {
			t.Errorf("%s: got %q, want %q", why, got.text("detail"), detail)
		}
		if group, _ := s.Group(gid); len(group.Members) != members {
			t.Errorf("%s: got %d members, want %d", why, len(group.Members), members)
		}
	}
	f("replace", 400, 2, noReplacing, change("replace", "members", member(ids[0])))
	f("replace by nothing", 400, 2, noReplacing, change("replace", "members", "[]"))
	f("replace without value", 400, 2, noReplacing, change("replace", "members", ""))
	f("replace without path", 400, 2, noReplacing, change("replace", "", `{"members":`+member(ids[0])+`}`))
	f("remove all", 400, 2, plain[400], change("remove", "members", ""))
	f("remove none", 400, 2, plain[400], change("remove", "members", "[]"))
	f("add none", 400, 2, plain[400], change("add", "members", "[]"))
	f("add no list", 400, 2, plain[400], change("add", "members", `{"value":"`+ids[2]+`"}`))
	f("remove by filter", 400, 2, plain[400], change("remove", `members[value eq "`+ids[0]+`"]`, ""))
	f("display", 400, 2, plain[400], change("add", "members", `[{"value":"`+ids[2]+`","display":"u"}]`))
	f("no value", 400, 2, plain[400], change("add", "members", `[{"type":"User"}]`))
	f("no id", 400, 2, plain[400], change("add", "members", `[{"value":"x"}]`))
	f("null reference", 204, 2, "", change("add", "members", `[{"value":"`+ids[0]+`","$ref":null,"type":"User"}]`))
	f("nested group", 400, 2, plain[400], change("add", "members", member(other)))
	f("nested group by type", 400, 2, plain[400], change("add", "members", `[{"value":"`+ids[2]+`","type":"Group"}]`))
	f("unknown user", 404, 2, "", change("add", "members", member(ids[2], unknown)))
	f("101 changes", 400, 2, plain[400], change("add", "members", member(ids...)))
	f("101 changes in two operations", 400, 2, plain[400], change("add", "members", member(ids[:100]...)), change("remove", "members", member(ids[0])))
	f("100 changes", 204, 100, "", change("add", "members", member(ids[:100]...)))
	f("present and absent", 204, 99, "", change("add", "members", member(ids[0])), change("remove", "members", member(ids[1])), change("remove", "members", member(ids[1])))
	f("no attribute of groups", 400, 99, plain[400], change("replace", "title", `"x"`))
	f("remove the name", 400, 99, plain[400], change("remove", "displayName", ""))
	f("U+3000 in a name", 400, 99, plain[400], change("replace", "displayName", `"a\u3000b"`))

	create := func(why, body string, status int) {
		t.Helper()
		want(t, why, ask(s, "POST", "/Groups", body), status)
	}
	create("no members", `{"displayName":"A","members":[]}`, 201)
	create("100 members", `{"displayName":"B","members":`+member(ids[:100]...)+`}`, 201)
	create("101 members", `{"displayName":"C","members":`+member(ids...)+`}`, 400)
	create("unknown member", `{"displayName":"C","members":`+member(unknown)+`}`, 404)
	create("no name", `{"externalId":"x"}`, 400)
	create("unknown attribute", `{"displayName":"C","owner":"x"}`, 400)
	create("display of a member", `{"displayName":"C","members":[{"value":"`+ids[0]+`","display":"x"}]}`, 400)
	create("reserved name", `{"displayName":"AWSAdministrators"}`, 400)
	create("Entra's second schema", `{"displayName":"C","schemas":["`+groupURN+`","http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"]}`, 400)
}
