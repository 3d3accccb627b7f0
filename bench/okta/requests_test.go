package okta

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// faultless is an organisation of twelve people without faults and five groups.
// Its second person has a userName that needs every kind of encoding.
func faultless() *Population {
	p := &Population{}
	random := rand.New(rand.NewPCG(1, 1))
	for i := range 12 {
		one := person(i, random)
		one.Label = fmt.Sprintf("P%d", i)
		p.People = append(p.People, one)
	}
	p.People[1].set("userName", quote(`o’hara+"x"&=#%/@example.test`))
	p.People[1].want("userName", `o’hara+"x"&=#%/@example.test`)
	group := func(name string, members ...*Person) {
		p.Groups = append(p.Groups, &Group{Name: name, Members: members})
	}
	group("A", slices.Clone(p.People[:10])...)
	group("B & Söhne", slices.Clone(p.People[:2])...)
	group("C", slices.Clone(p.People[1:12])...)
	group("D", slices.Clone(p.People[2:4])...)
	group("E")
	return p
}

// play runs a whole session; requests are by what Okta did, "create P0".
func play(t *testing.T, dialect Dialect) (*store, *Session, map[string][]seen) {
	t.Helper()
	st, client := serve(t)
	var did []string
	client.Watch = func(e Event) { did = append(did, e.Did) }
	s := &Session{Client: client, Dialect: dialect, Population: faultless()}
	s.Run()
	if len(did) != len(st.all) {
		t.Fatalf("got %d events of %d requests", len(did), len(st.all))
	}
	requests := map[string][]seen{}
	for i, r := range st.all {
		requests[did[i]] = append(requests[did[i]], r)
	}
	return st, s, requests
}

func display(ids ...string) string {
	var list []string
	for _, id := range ids {
		list = append(list, `{"value":"`+id+`","display":"person"}`)
	}
	return "[" + strings.Join(list, ",") + "]"
}

const (
	patchHead = `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[`
	groupHead = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],`
)

func TestRequestsByteForByte(t *testing.T) {
	for _, dialect := range []Dialect{Catalogue, Wizard} {
		t.Run(string(dialect), func(t *testing.T) {
			_, _, requests := play(t, dialect)
			// f wants the first request by which Okta did something.
			f := func(did, method, target, body string) {
				t.Helper()
				if len(requests[did]) == 0 {
					t.Errorf("%s: no such request among %q", did, slices.Sorted(maps.Keys(requests)))
					return
				}
				r := requests[did][0]
				if r.method != method || r.target != target || r.body != body {
					t.Errorf("%s:\n got %s %s %s\nwant %s %s %s", did, r.method, r.target, r.body, method, target, body)
				}
			}
			f("test API credentials", "GET", "/Users?startIndex=1&count=2", "")
			f("look for P2", "GET", "/Users?filter=userName%20eq%20%22person0002%40example.test%22&startIndex=1&count=100", "")
			f("look for P1", "GET", "/Users?filter=userName%20eq%20%22o%E2%80%99hara%2B%5C%22x%5C%22%26%3D%23%25%2F%40example.test%22&startIndex=1&count=100", "")
			f("look for group B & Söhne", "GET", "/Groups?filter=displayName%20eq%20%22B%20%26%20S%C3%B6hne%22&startIndex=1&count=100", "")
			f("unlink and delete group E", "DELETE", "/Groups/g5", "")
			f("import users from 1", "GET", "/Users?startIndex=1&count=100", "")
			f("import users from 4", "GET", "/Users?startIndex=4&count=100", "")
			f("import groups from 4", "GET", "/Groups?startIndex=4&count=100", "")
			f("read P3", "GET", "/Users/u4", "")
			f("create group E (0 members)", "POST", "/Groups", groupHead+`"displayName":"E","members":[]}`)
			if dialect == Wizard {
				f("create group D (2 members)", "POST", "/Groups", groupHead+`"displayName":"D","members":[]}`)
				f("read group D", "GET", "/Groups/g4", "")
				f("push members of D (2 members)", "PUT", "/Groups/g4", groupHead+`"id":"g4","displayName":"D","members":`+display("u3", "u4")+`}`)
				f("push members of E (0 members)", "PUT", "/Groups/g5", groupHead+`"id":"g5","displayName":"E","members":[]}`)
				f("rename a group to B & Söhne (renamed) (2 members)", "PUT", "/Groups/g2", groupHead+`"id":"g2","displayName":"B & Söhne (renamed)","members":`+display("u1", "u2")+`}`)
				f("push now D, which is empty (0 members)", "PUT", "/Groups/g4", groupHead+`"id":"g4","displayName":"D","members":[]}`)
				return
			}
			f("create group D (2 members)", "POST", "/Groups", groupHead+`"displayName":"D","members":`+display("u3", "u4")+`}`)
			f("deactivate P7", "PATCH", "/Users/u8", patchHead+`{"op":"replace","value":{"active":false}}]}`)
			f("rename a group to B & Söhne (renamed)", "PATCH", "/Groups/g2", patchHead+`{"op":"replace","value":{"id":"g2","displayName":"B & Söhne (renamed)"}}]}`)
			f("change members of A (2 out, 2 in)", "PATCH", "/Groups/g1", patchHead+
				`{"op":"remove","path":"members[value eq \"u1\"]"},{"op":"remove","path":"members[value eq \"u2\"]"},{"op":"add","path":"members","value":`+display("u11", "u12")+`}]}`)
			f("push now C", "PATCH", "/Groups/g3", patchHead+`{"op":"replace","path":"members","value":`+display("u12", "u1")+`}]}`)
			f("push now D, which is empty", "PATCH", "/Groups/g4", patchHead+`{"op":"replace","value":{"members":[],"id":"g4","displayName":"D"}}]}`)
		})
	}
}

func TestCreateHasTheProfileAndWhatOktaAdds(t *testing.T) {
	_, s, requests := play(t, Catalogue)
	p := s.Population.People[5] // has an address and no phone
	got := requests["create P5"][0].body
	want := `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"person0005@example.test",` +
		`"name":{"givenName":` + quote(p.expect["name.givenName"]) + `,"familyName":` + quote(p.expect["name.familyName"]) + `},` +
		`"emails":[{"primary":true,"value":"person0005@example.test","type":"work"}],"displayName":` + quote(p.expect["displayName"]) + `,` +
		`"locale":"en-US","externalId":"00u00000000000000005","title":"Engineer 5",` +
		`"addresses":[{"type":"work","streetAddress":"1 Mill Lane","locality":"Ely","region":"CAM","postalCode":"CB7 1AA","country":"GB"}],` +
		`"groups":[],"password":"kT9vQ2mZ","active":true}`
	if got != want {
		t.Errorf(" got %s\nwant %s", got, want)
	}
	if sent := requests["create P4"][0].body; !strings.Contains(sent, `"phoneNumbers":[{"value":"+44 1353 555010","type":"work"}]`) {
		t.Errorf("got %s, want a phone", sent)
	}
}

// An update sends back what was read, attributes that Okta doesn't know included,
// with Okta's values on top.
func TestUpdateSendsBackWhatWasRead(t *testing.T) {
	for _, dialect := range []Dialect{Catalogue, Wizard} {
		st, client := serve(t)
		s := Session{Client: client, Dialect: dialect, users: map[*Person]string{}}
		p := faultless().People[2]
		s.provision(p)
		st.docs["u1"]["meta"] = map[string]any{"version": "7"}
		st.docs["u1"]["title"] = "changed at AWS"
		p.Active = false
		if !s.update("change P2", p) {
			t.Fatalf("%s: got false, want an update", dialect)
		}
		last := st.all[len(st.all)-1]
		for _, want := range []string{`"id":"u1"`, `"meta":{"version":"7"}`, `"title":"Engineer 2"`, `"password":"kT9vQ2mZ"`, `"groups":[]`, `"active":false`} {
			if !strings.Contains(last.body, want) {
				t.Errorf("%s: got %s, want it to have %s", dialect, last.body, want)
			}
		}
		if last.method != "PUT" || last.target != "/Users/u1" || st.all[len(st.all)-2].method != "GET" {
			t.Errorf("%s: got %s %s, want GET, then PUT /Users/u1", dialect, last.method, last.target)
		}
	}
}

func TestDeactivation(t *testing.T) {
	_, _, requests := play(t, Wizard)
	put := requests["deactivate P7, whose last name is gone"]
	if len(put) != 1 || put[0].method != "PUT" || put[0].target != "/Users/u8" ||
		!strings.Contains(put[0].body, `"active":false`) || !strings.Contains(put[0].body, `"name":{"givenName":"Left","familyName":""}`) {
		t.Errorf("got %+v, want one PUT with active false and without last name", put)
	}
	if n := len(requests["deactivate P7"]); n != 0 {
		t.Errorf("got %d PATCH requests, want none", n)
	}
	if n := len(requests["read P7"]); n != 1 {
		t.Errorf("got %d reads of the user, want one before the PUT", n)
	}
	if n := len(requests["link P0"]); n != 1 {
		t.Errorf("got %d links of who is assigned anew, want 1", n)
	}
	if n := len(requests["create P0"]); n != 1 {
		t.Errorf("got %d creations of who is assigned anew, want 1", n)
	}
}

func TestHeadersAreExactlyThoseOfOkta(t *testing.T) {
	for _, dialect := range []Dialect{Catalogue, Wizard} {
		st, _, _ := play(t, dialect)
		methods := map[string]bool{}
		for _, r := range st.all {
			methods[r.method] = true
			want := map[string][]string{
				"Accept": {"application/scim+json"}, "Accept-Charset": {"utf-8"}, "User-Agent": {"Okta SCIM Client 1.0.0"}, "Authorization": {"Bearer invented"},
			}
			if r.body != "" {
				want["Content-Type"] = []string{"application/scim+json; charset=utf-8"}
			}
			got := maps.Clone(r.header)
			if n := got.Get("Content-Length"); n != "" && n != fmt.Sprint(len(r.body)) {
				t.Errorf("%s %s: got Content-Length %s, want %d", r.method, r.target, n, len(r.body))
			}
			got.Del("Content-Length")  // the connection's,
			got.Del("Accept-Encoding") // not Okta's
			if !maps.EqualFunc(got, want, slices.Equal) {
				t.Errorf("%s %s:\n got %v\nwant %v", r.method, r.target, got, want)
			}
		}
		if methods["PATCH"] != (dialect == Catalogue) || !methods["PUT"] || !methods["DELETE"] || !methods["POST"] || len(methods) > 5 {
			t.Errorf("%s: got methods %v", dialect, methods)
		}
	}
}

// The store keeps what it is sent, so requests that mean what they should leave it
// as Okta is. Who left in the wizard dialect has lost the name on the way.
func TestSessionConvergesWithAStoreThatKeepsEverything(t *testing.T) {
	f := func(dialect Dialect, converged, differences int) {
		t.Helper()
		st, s, _ := play(t, dialect)
		c := s.Compare(st.both())
		if c.Converged != converged || len(c.Differences) != differences || len(c.Changed)+len(c.OnlyPerson) != 0 {
			t.Errorf("%s: got %+v, want %d converged and %d differences", dialect, c, converged, differences)
		}
		if len(s.Tasks) > 0 {
			t.Errorf("%s: got tasks %q, want none", dialect, s.Tasks)
		}
		if s.Seen != 12+4 {
			t.Errorf("%s: got %d resources imported, want 16", dialect, s.Seen)
		}
	}
	f(Catalogue, 16, 0)
	f(Wizard, 15, 2)
}
