package standin

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// ada is a CreateUser body in the shape of the guide's example.
const ada = `{"externalId":"hr-00417","userName":"ada.byron@example.test",
 "name":{"formatted":"Dr. Ada K Byron","familyName":"Byron","givenName":"Ada","middleName":"K","honorificPrefix":"Dr."},
 "displayName":"Ada Byron","nickName":"Ada","profileUrl":"https://people.example.test/ada",
 "emails":[{"value":"ada.byron@example.test","type":"work","primary":true}],
 "addresses":[{"type":"work","streetAddress":"1 Mill Lane","locality":"Ely","region":"CAM","postalCode":"CB7 1AA","country":"GB","formatted":"1 Mill Lane, Ely","primary":true}],
 "phoneNumbers":[{"value":"+44 1353 555010","type":"work"}],
 "roles":[{"value":"Analyst","type":"work","primary":true}],
 "userType":"Employee","title":"Analyst","preferredLanguage":"en-GB","locale":"en-GB","timezone":"Europe/London","active":true,
 "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"employeeNumber":"417","costCenter":"C9","organization":"Engines","division":"R","department":"Notes",
   "manager":{"value":"c4d8a478-10a1-70de-3d75-96c6bb640001","$ref":"../Users/c4d8a478-10a1-70de-3d75-96c6bb640001"}}}`

// adaShown is the answer to it; %s is the id.
const adaShown = `{"id":"%s","externalId":"hr-00417",` +
	`"meta":{"resourceType":"User","created":"2026-03-01T10:00:00Z","lastModified":"2026-03-01T10:00:00Z"},` +
	`"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],` +
	`"userName":"ada.byron@example.test",` +
	`"name":{"givenName":"Ada","familyName":"Byron","formatted":"Dr. Ada K Byron","middleName":"K","honorificPrefix":"Dr."},` +
	`"displayName":"Ada Byron","nickName":"Ada","emails":[{"value":"ada.byron@example.test","type":"work","primary":true}],` +
	`"addresses":[{"formatted":"1 Mill Lane, Ely","streetAddress":"1 Mill Lane","locality":"Ely","region":"CAM","postalCode":"CB7 1AA","country":"GB","type":"work","primary":true}],` +
	`"phoneNumbers":[{"value":"+44 1353 555010","type":"work"}],"roles":[{"value":"Analyst","type":"work","primary":true}],` +
	`"title":"Analyst","userType":"Employee","preferredLanguage":"en-GB","locale":"en-GB","timezone":"Europe/London","active":true,` +
	`"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"employeeNumber":"417","costCenter":"C9","organization":"Engines","division":"R","department":"Notes",` +
	`"manager":{"value":"c4d8a478-10a1-70de-3d75-96c6bb640001"}}}`

func same(t *testing.T, why, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got\n%s\nwant\n%s", why, got, want)
	}
}

func TestUserExamples(t *testing.T) {
	s, c := bench(t, "roles=accept")
	got := ask(s, "POST", "/Users", ada)
	want(t, "CreateUser", got, 201)
	id := got.text("id")
	same(t, "CreateUser", got.raw, fmt.Sprintf(adaShown, id))
	if got.header.Get("Location") != "" || got.header.Get("Content-Type") != "application/json" {
		t.Errorf("got header %v, want application/json and no Location", got.header)
	}
	stored, _ := s.User(id)
	if stored.Document["profileUrl"] != "https://people.example.test/ada" {
		t.Errorf("got %v, want profileUrl kept though never shown", stored.Document["profileUrl"])
	}
	same(t, "GetUser", ask(s, "GET", "/Users/"+id, "").raw, got.raw)

	list := ask(s, "GET", "/Users?filter=userName%20eq%20%22ada.byron%40example.test%22", "")
	same(t, "ListUsers", list.raw, `{"totalResults":1,"itemsPerPage":1,"startIndex":1,"schemas":["`+listURN+`"],"Resources":[`+got.raw+`]}`)
	none := ask(s, "GET", "/Users?"+where(`userName eq "nobody"`), "")
	same(t, "ListUsers without match", none.raw, `{"totalResults":0,"itemsPerPage":0,"startIndex":1,"schemas":["`+listURN+`"],"Resources":[]}`)

	c.at = c.at.Add(time.Minute)
	patched := ask(s, "PATCH", "/Users/"+id, operations(change("replace", "active", `"false"`)))
	want(t, "PatchUser", patched, 200)
	if patched.doc["active"] != false || patched.doc["meta"].(map[string]any)["lastModified"] != "2026-03-01T10:01:00Z" {
		t.Errorf("PatchUser: got %s, want inactive and newer", patched.raw)
	}

	put := ask(s, "PUT", "/Users/"+id, person("ada.byron@example.test", `,"id":"`+id+`"`))
	want(t, "PutUser", put, 201)
	same(t, "PutUser", put.raw, `{"id":"`+id+`","meta":{"resourceType":"User","created":"2026-03-01T10:00:00Z","lastModified":"2026-03-01T10:01:00Z"},`+
		`"schemas":["`+userURN+`"],"userName":"ada.byron@example.test","name":{"givenName":"Ada","familyName":"Byron"},"displayName":"Ada Byron"}`)

	gone := ask(s, "DELETE", "/Users/"+id, "")
	want(t, "DeleteUser", gone, 204)
	same(t, "DeleteUser", gone.raw, "")
	for _, method := range []string{"GET", "PATCH", "DELETE", "PUT"} {
		body := person("x")
		if method == "PATCH" {
			body = operations(change("replace", "title", `"x"`))
		}
		want(t, method+" of a deleted user", ask(s, method, "/Users/"+id, body), 404)
	}
	if again := ask(s, "POST", "/Users", ada); again.status != 201 || again.text("id") == id {
		t.Errorf("created again: got %d %s, want another id", again.status, again.text("id"))
	}
}

func TestGroupExamples(t *testing.T) {
	s, _ := bench(t)
	one, two := add(t, s, "one"), add(t, s, "two")
	got := ask(s, "POST", "/Groups", `{"externalId":"grp-77","displayName":"Engine Readers","members":[{"value":"`+one+`","$ref":"../Users/`+one+`","type":"User"}]}`)
	want(t, "CreateGroup", got, 201)
	id := got.text("id")
	same(t, "CreateGroup", got.raw, `{"id":"`+id+`","externalId":"grp-77","meta":{"resourceType":"Group","created":"2026-03-01T10:00:00Z","lastModified":"2026-03-01T10:00:00Z"},"schemas":["`+groupURN+`"],"displayName":"Engine Readers"}`)
	same(t, "GetGroup", ask(s, "GET", "/Groups/"+id, "").raw, got.raw)

	listed := `[` + strings.TrimSuffix(got.raw, "}") + `,"members":[]}]}`
	head := `{"totalResults":1,"itemsPerPage":1,"startIndex":1,"schemas":["` + listURN + `"],"Resources":`
	same(t, "ListGroups", ask(s, "GET", "/Groups?"+where(`displayName eq "Engine Readers"`), "").raw, head+listed)
	same(t, "membership test", ask(s, "GET", "/Groups?"+where(`id eq "`+id+`" and members eq "`+one+`"`), "").raw, head+listed)
	same(t, "groups of a user", ask(s, "GET", "/Groups?cursor&"+where(`members.value eq "`+one+`"`), "").raw,
		`{"itemsPerPage":1,"schemas":["`+listURN+`"],"Resources":`+listed)
	none := ask(s, "GET", "/Groups?"+where(`members eq "`+two+`" and id eq "`+id+`"`), "")
	if none.doc["totalResults"] != 0.0 {
		t.Errorf("membership test: got %s, want none", none.raw)
	}

	patch := func(why string, members []string, ops ...string) {
		t.Helper()
		got := ask(s, "PATCH", "/Groups/"+id, operations(ops...))
		want(t, why, got, 204)
		same(t, why, got.raw, "")
		group, _ := s.Group(id)
		same(t, why, fmt.Sprint(group.Members), fmt.Sprint(members))
	}
	patch("add", []string{one, two}, change("add", "members", member(two, one)))
	patch("remove", []string{two}, change("remove", "members", member(one)))
	patch("add without path", []string{one, two}, change("add", "", `{"members":`+member(one)+`}`))
	patch("rename", []string{one, two}, change("replace", "displayName", `"Engine Authors"`))
	patch("rename without path", []string{one, two}, change("replace", "", `{"id":"`+id+`","displayName":"Engine Writers"}`))
	patch("externalId", []string{one, two}, change("replace", "externalId", `"grp-78"`))
	patch("clear externalId", []string{one, two}, change("remove", "externalId", ""))
	if group, _ := s.Group(id); group.DisplayName != "Engine Writers" || group.ExternalID != "" {
		t.Errorf("got %+v, want the last name and no externalId", group)
	}

	users := ask(s, "GET", "/Users?cursor&count=100&"+where(`groups.value eq "`+id+`"`), "")
	if got := users.doc["itemsPerPage"]; got != 2.0 {
		t.Errorf("members: got %v, want 2", got)
	}
	want(t, "DeleteUser", ask(s, "DELETE", "/Users/"+one, ""), 204)
	if group, _ := s.Group(id); len(group.Members) != 1 {
		t.Errorf("after the deletion of a member: got %v, want one left", group.Members)
	}
	want(t, "DeleteGroup", ask(s, "DELETE", "/Groups/"+id, ""), 204)
	if user, _ := s.User(two); len(user.Groups) != 0 {
		t.Errorf("after the deletion of the group: got %v, want no groups", user.Groups)
	}
}

func TestDiscovery(t *testing.T) {
	s, _ := bench(t)
	config := ask(s, "GET", "/ServiceProviderConfig", "")
	want(t, "ServiceProviderConfig", config, 200)
	if filter := config.doc["filter"].(map[string]any); filter["maxResults"] != 50.0 {
		t.Errorf("got %v, want AWS's stale 50", filter)
	}
	if got := ask(s, "GET", "/Schemas", "").doc["totalResults"]; got != 3.0 {
		t.Errorf("got %v schemas, want 3", got)
	}
	if got := ask(s, "GET", "/ResourceTypes", "").doc["totalResults"]; got != 2.0 {
		t.Errorf("got %v types, want 2", got)
	}
	one := ask(s, "GET", "/Schemas/"+enterpriseURN, "")
	if one.text("id") != enterpriseURN || one.doc["schemas"] != nil {
		t.Errorf("got %s, want the bare schema", one.raw)
	}
	want(t, "escaped URN", ask(s, "GET", "/Schemas/"+strings.ReplaceAll(enterpriseURN, ":", "%3A"), ""), 200)
}

// pages walks a list by cursor and returns the number of entries on each page.
func pages(t *testing.T, s *Server, query string) (sizes []int, ids map[string]bool) {
	t.Helper()
	ids = map[string]bool{}
	for cursor := "cursor"; cursor != ""; {
		got := ask(s, "GET", "/Users?"+cursor+query, "")
		if got.status != 200 {
			t.Fatalf("got %d %s, want 200", got.status, got.raw)
		}
		entries := got.doc["Resources"].([]any)
		if got.doc["itemsPerPage"] != float64(len(entries)) || got.doc["totalResults"] != nil {
			t.Errorf("got %v of %d, total %v", got.doc["itemsPerPage"], len(entries), got.doc["totalResults"])
		}
		if sizes = append(sizes, len(entries)); len(sizes) > 100 {
			t.Fatal("got a walk without end, want a last page")
		}
		for _, entry := range entries {
			ids[entry.(map[string]any)["id"].(string)] = true
		}
		if cursor = ""; got.text("nextCursor") != "" {
			cursor = "cursor=" + escape64(got.text("nextCursor"))
		}
	}
	return sizes, ids
}

func escape64(s string) string {
	return strings.NewReplacer("+", "%2B", "/", "%2F", "=", "%3D").Replace(s)
}

func TestPaging(t *testing.T) {
	s := New(Options{Users: 205, Groups: 2, Rates: Unlimited()})
	plainly := ask(s, "GET", "/Users", "")
	if plainly.doc["totalResults"] != 100.0 || plainly.doc["itemsPerPage"] != 100.0 || plainly.doc["nextCursor"] != nil {
		t.Errorf("without cursor: got total %v, page %v, want 100 and no more", plainly.doc["totalResults"], plainly.doc["itemsPerPage"])
	}
	if got := ask(s, "GET", "/Users?startIndex=101&count=7", "").doc["totalResults"]; got != 7.0 {
		t.Errorf("startIndex: got %v, want the first 7", got)
	}
	f := func(query, sizes string, total int) {
		t.Helper()
		got, ids := pages(t, s, query)
		if fmt.Sprint(got) != sizes || len(ids) != total {
			t.Errorf("%q: got %v of %d, want %s of %d", query, got, len(ids), sizes, total)
		}
	}
	f("", "[100 100 5]", 205)
	f("&count=41", "[41 41 41 41 41]", 205)
	f("&"+where(`groups.value eq "`+s.Groups()[0].ID+`"`), "[100 3]", 103)

	first := escape64(ask(s, "GET", "/Users?cursor&count=2", "").text("nextCursor"))
	refused := func(path string) {
		t.Helper()
		want(t, path, ask(s, "GET", path, ""), 400)
	}
	want(t, "sound", ask(s, "GET", "/Users?count=3&cursor="+first, ""), 200)
	refused("/Users?cursor=" + first + "&" + where(`userName eq "person1@example.test"`))
	refused("/Groups?cursor=" + first)
	refused("/Users?cursor=AAAA")
	refused("/Users?cursor=" + strings.Repeat("A", 38) + "%3D%3D")
	refused("/Users?cursor=" + first + "&cursor=" + first)
	refused("/Users?count=0")
	refused("/Users?count=101")
	refused("/Users?count=ten")
}

func TestQuotas(t *testing.T) {
	c := &clock{time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)}
	s := New(Options{Now: c.now, Users: 300, Groups: 1})
	gid := s.Groups()[0].ID
	until429 := func(method, path, body string) int {
		for n := range 1000 {
			if got := ask(s, method, path, body); got.status == 429 {
				if got.header.Get("Retry-After") != "" || got.text("status") != "429" {
					t.Errorf("got %v %s, want a document and no Retry-After", got.header, got.raw)
				}
				return n
			}
		}
		return 1000
	}
	f := func(why string, got, want int) {
		t.Helper()
		if got != want {
			t.Errorf("%s: got %d, want %d", why, got, want)
		}
	}
	f("reads", until429("GET", "/Users?count=1", ""), 40)
	f("reads of another operation", until429("GET", "/Groups?count=1", ""), 40)
	f("writes", until429("POST", "/Users", "{}"), 25)
	c.at = c.at.Add(time.Second)
	f("writes a second later", until429("POST", "/Users", "{}"), 25)

	var ids []string
	for _, u := range s.Users()[:100] {
		ids = append(ids, u.ID)
	}
	f("membership changes", until429("PATCH", "/Groups/"+gid, operations(change("add", "members", member(ids...)))), 2)
	want(t, "fewer changes", ask(s, "PATCH", "/Groups/"+gid, operations(change("add", "members", member(ids[:50]...)))), 204)
	before, _ := s.Group(gid)
	want(t, "one more", ask(s, "PATCH", "/Groups/"+gid, operations(change("remove", "members", member(ids[0])))), 429)
	if after, _ := s.Group(gid); len(after.Members) != len(before.Members) {
		t.Errorf("throttled: got %d members, want %d as before", len(after.Members), len(before.Members))
	}
	c.at = c.at.Add(4 * time.Millisecond)
	want(t, "4 ms later", ask(s, "PATCH", "/Groups/"+gid, operations(change("remove", "members", member(ids[0])))), 204)
}
