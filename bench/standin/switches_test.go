package standin

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// probe asks a question of a stand-in that has the users ada and noor and the group
// Readers with ada in it.
type probe func(t *testing.T, s *Server) string

// status is a probe that sends one request; $ada, $noor, $gid are put in.
func status(method, path, body string) probe {
	return func(t *testing.T, s *Server) string { return itoa(send(s, method, path, body).status) }
}

func send(s *Server, method, path, body string) reply {
	a, _ := s.User("ada")
	n, _ := s.User("noor")
	g, _ := s.Group("Readers")
	fill := strings.NewReplacer("$ada", a.ID, "$noor", n.ID, "$gid", g.ID)
	return ask(s, method, fill.Replace(path), fill.Replace(body))
}

func creation(more string) probe { return status("POST", "/Users", person("zoe", more)) }

func patchUser(ops ...string) probe { return status("PATCH", "/Users/$ada", operations(ops...)) }

func found(path, filter string) probe {
	return func(t *testing.T, s *Server) string {
		g, _ := s.Group("Readers")
		a, _ := s.User("ada")
		filter := strings.NewReplacer("$gid", g.ID, "$ada", a.ID).Replace(filter)
		got := ask(s, "GET", path+"?"+where(filter), "")
		if got.status != 200 {
			return itoa(got.status)
		}
		return fmt.Sprint(got.doc["totalResults"])
	}
}

// members tells the status and the size of the group afterwards.
func patchMembers(ops ...string) probe {
	return func(t *testing.T, s *Server) string {
		got := send(s, "PATCH", "/Groups/$gid", operations(ops...))
		g, _ := s.Group("Readers")
		return fmt.Sprint(got.status, " ", len(g.Members))
	}
}

// then joins the answers of probes that are asked one after the other.
func then(probes ...probe) probe {
	return func(t *testing.T, s *Server) string {
		var out []string
		for _, p := range probes {
			out = append(out, p(t, s))
		}
		return strings.Join(out, " ")
	}
}

var absent = uuid()

// questions has a probe for each switch, and its answer at each of the values.
var questions = []struct {
	name string
	ask  probe
	want map[string]string
}{
	{"five-signs", then(creation(`,"title":"a:b"`), status("POST", "/Groups", `{"displayName":"a:b"}`)),
		map[string]string{"accept": "201 201", "identifiers": "201 400", "all": "400 400"}},
	{"user-name-space", status("POST", "/Users", person("a b")), map[string]string{"refuse": "400", "accept": "201"}},
	{"address", creation(`,"addresses":[{"country":"GB"}]`), map[string]string{"complete": "400", "partial": "201"}},
	{"roles", then(creation(`,"roles":[{"value":"x"}]`), patchUser(change("add", "roles", `[{"value":"x"}]`))),
		map[string]string{"refuse": "400 400", "accept": "201 400", "accept-in-patch": "201 200"}},
	{"emails", creation(""), map[string]string{"optional": "201", "required": "400"}},
	{"length-unit", creation(`,"title":"` + strings.Repeat("👩", 600) + `"`), map[string]string{"utf16": "400", "code-points": "201"}},
	{"null-values", creation(`,"title":null`), map[string]string{"accept": "201", "refuse": "400"}},
	{"empty-lists", then(creation(`,"emails":[]`), status("POST", "/Groups", `{"displayName":"x","members":[]}`)),
		map[string]string{"accept": "201 201", "refuse": "400 400"}},
	{"unsupported", creation(`,"photos":[]`), map[string]string{"refuse": "400", "ignore": "201"}},
	{"meta", creation(`,"meta":{"resourceType":"User"}`), map[string]string{"refuse": "400", "accept": "201"}},
	{"create-id", creation(`,"id":"x"`), map[string]string{"refuse": "400", "ignore": "201"}},
	{"active-absent", func(t *testing.T, s *Server) string {
		return fmt.Sprint(ask(s, "POST", "/Users", person("zoe")).doc["active"])
	}, map[string]string{"true": "true", "false": "false", "absent": "<nil>"}},
	{"manager-exists", patchUser(change("add", enterpriseURN+":manager", `{"value":"x"}`)), map[string]string{"ignore": "200", "400": "400", "404": "404"}},
	{"manager-value", then(patchUser(change("add", enterpriseURN+":manager", `"x"`)), patchUser(change("add", enterpriseURN+":manager", `[{"value":"x"}]`))),
		map[string]string{"object": "400 400", "any": "200 200"}},
	{"clash-case", status("POST", "/Users", person("ADA")), map[string]string{"fold": "409", "exact": "201"}},
	{"id-form", func(t *testing.T, s *Server) string {
		id := ask(s, "POST", "/Users", person("zoe")).text("id")
		return fmt.Sprint(len(id), wellFormed.MatchString(id))
	}, map[string]string{"uuid": "36 true", "legacy": "47 true"}},
	{"put-user-status", status("PUT", "/Users/$ada", person("ada")), map[string]string{"201": "201", "200": "200"}},
	{"put-missing-id", status("PUT", "/Users/"+absent, person("zoe")), map[string]string{"404": "404", "400": "400"}},
	{"put-omitted", func(t *testing.T, s *Server) string {
		send(s, "PATCH", "/Users/$ada", operations(change("add", "title", `"x"`)))
		return fmt.Sprint(send(s, "PUT", "/Users/$ada", person("ada")).doc["title"])
	}, map[string]string{"clear": "<nil>", "keep": "x"}},
	{"put-group", status("PUT", "/Groups/$gid", `{}`), map[string]string{"404": "404", "405": "405", "400": "400"}},
	{"op-case", patchUser(change("Replace", "title", `"x"`)), map[string]string{"accept": "200", "refuse": "400"}},
	{"string-booleans", then(patchUser(change("replace", "active", `"false"`)), patchUser(change("replace", "active", `"False"`))),
		map[string]string{"lower": "200 400", "any-case": "200 200", "refuse": "400 400"}},
	{"value-paths", patchUser(change("add", `phoneNumbers[type eq "work"].value`, `"1"`)), map[string]string{"accept": "200", "refuse": "400"}},
	{"dotted-list-paths", patchUser(change("add", "phoneNumbers.value", `"1"`)), map[string]string{"refuse": "400", "accept": "200"}},
	{"core-urn-paths", patchUser(change("add", userURN+":title", `"x"`)), map[string]string{"refuse": "400", "accept": "200"}},
	{"pathless-id", then(patchUser(change("add", "", `{"id":"$ada","title":"x"}`)), patchMembers(change("replace", "", `{"id":"$gid","externalId":"x"}`))),
		map[string]string{"accept": "200 204 1", "refuse": "400 400 1"}},
	{"patch-schemas", status("PATCH", "/Users/$ada", `{"Operations":[`+change("replace", "title", `"x"`)+`]}`), map[string]string{"required": "400", "optional": "200"}},
	{"several-operations", patchUser(change("replace", "title", `"x"`), change("replace", "nickName", `"x"`)), map[string]string{"accept": "200", "refuse": "400"}},
	{"failed-patch", then(patchMembers(change("add", "members", `[{"value":"$noor"},{"value":"`+absent+`"}]`)), func(t *testing.T, s *Server) string {
		send(s, "PATCH", "/Users/$ada", operations(change("add", "title", `"x"`), change("add", "colour", `"x"`)))
		u, _ := s.User("ada")
		return fmt.Sprint(u.Document["title"])
	}), map[string]string{"nothing": "404 1 <nil>", "partial": "404 2 x"}},
	{"replace-members", patchMembers(change("replace", "members", `[{"value":"$noor"}]`)),
		map[string]string{"refuse": "400 1", "refuse-and-empty": "400 0", "ignore": "204 1"}},
	{"remove-all-members", patchMembers(change("remove", "members", "")), map[string]string{"refuse": "400 1", "empty": "204 0"}},
	{"members-filter-remove", patchMembers(change("remove", `members[value eq "$ada"]`, "")), map[string]string{"refuse": "400 1", "accept": "204 0"}},
	{"add-present-member", patchMembers(change("add", "members", `[{"value":"$ada"}]`)),
		map[string]string{"204": "204 1", "400": "400 1", "404": "404 1", "409": "409 1"}},
	{"remove-absent-member", patchMembers(change("remove", "members", `[{"value":"$noor"}]`)),
		map[string]string{"204": "204 1", "400": "400 1", "404": "404 1", "409": "409 1"}},
	{"unknown-member", patchMembers(change("add", "members", member(absent))), map[string]string{"404": "404 1", "400": "400 1"}},
	{"nested-group", patchMembers(change("add", "members", `[{"value":"$gid"}]`)), map[string]string{"400": "400 1", "404": "404 1"}},
	{"rename-clash", then(status("POST", "/Groups", `{"displayName":"Writers"}`), patchMembers(change("replace", "displayName", `"Writers"`))),
		map[string]string{"409": "201 409 1", "400": "201 400 1"}},
	{"start-index", status("GET", "/Users?startIndex=1", ""), map[string]string{"ignore": "200", "refuse": "400"}},
	{"other-parameters", then(status("GET", "/Users?excludedAttributes=groups", ""), status("GET", "/Users/$ada?count=1", "")),
		map[string]string{"ignore": "200 200", "refuse": "400 400"}},
	{"count-range", then(status("GET", "/Users?count=0", ""), status("GET", "/Users?count=101", "")),
		map[string]string{"refuse": "400 400", "clamp": "200 200"}},
	{"pages", func(t *testing.T, s *Server) string {
		sizes, _ := pages(t, s, "&count=2")
		return fmt.Sprint(sizes)
	}, map[string]string{"full": "[2]", "short": "[1 1]", "empty-first": "[0 2]"}},
	{"filter-case", found("/Users", `userName eq "ADA"`), map[string]string{"fold": "1", "exact": "0"}},
	{"filter-words", found("/Users", `USERNAME Eq "ada"`), map[string]string{"exact": "400", "fold": "1"}},
	{"pair-attribute", then(found("/Groups", `id eq "$gid" and members eq "$ada"`), found("/Groups", `id eq "$gid" and members.value eq "$ada"`)),
		map[string]string{"members": "1 400", "members.value": "400 1", "both": "1 1"}},
	{"unknown-group-filter", found("/Users", `groups.value eq "`+absent+`"`), map[string]string{"empty": "0", "404": "404"}},
	{"read-delay", func(t *testing.T, s *Server) string {
		id := ask(s, "POST", "/Users", person("zoe")).text("id")
		for n := range 10 {
			if ask(s, "GET", "/Users/"+id, "").status == 200 {
				return itoa(n)
			}
		}
		return "never"
	}, map[string]string{"0": "0", "1": "1", "2": "2", "5": "5"}},
	{"membership-delay", func(t *testing.T, s *Server) string {
		send(s, "PATCH", "/Groups/$gid", operations(change("remove", "members", `[{"value":"$ada"}]`)))
		for n := range 10 {
			if found("/Users", `groups.value eq "$gid"`)(t, s) == "0" {
				return itoa(n)
			}
		}
		return "never"
	}, map[string]string{"0": "0", "1": "1", "2": "2", "5": "5"}},
	{"details", func(t *testing.T, s *Server) string {
		bad := ask(s, "POST", "/Users", "nothing")
		replaced := send(s, "PATCH", "/Groups/$gid", operations(change("replace", "members", "[]")))
		return fmt.Sprint(bad.text("detail") == plain[400], replaced.text("detail") == plain[400])
	}, map[string]string{"observed": "true false", "specific": "false false", "generic": "true true"}},
	{"error-schemas", func(t *testing.T, s *Server) string {
		got := ask(s, "GET", "/Me", "").doc
		return fmt.Sprint(got["schema"] != nil, got["schemas"] != nil)
	}, map[string]string{"both": "true true", "schema": "true false"}},
	{"user-agent", func(t *testing.T, s *Server) string {
		return fmt.Sprint(ask(s, "GET", "/Users", "", noAgent).status, ask(s, "PATCH", "/Users/x", operations(change("add", "title", `"x"`)), noAgent).status)
	}, map[string]string{"patch": "200 403", "all": "403 403", "none": "200 404"}},
	{"cursor-life", func(t *testing.T, s *Server) string {
		at := s.now()
		cursor := escape64(ask(s, "GET", "/Users?cursor&count=1", "").text("nextCursor"))
		var out []string
		for _, age := range []time.Duration{time.Second, 2 * time.Second, time.Hour} {
			s.now = func() time.Time { return at.Add(age) }
			out = append(out, itoa(ask(s, "GET", "/Users?cursor="+cursor, "").status))
		}
		return strings.Join(out, " ")
	}, map[string]string{"unlimited": "200 200 200", "1s": "200 400 400", "1m": "200 200 400", "10m": "200 200 400"}},
	{"throttle-answer", func(t *testing.T, s *Server) string {
		s.rates.Reads = Rate{PerSecond: 0.4, Burst: 1}
		ask(s, "GET", "/Users", "")
		got := ask(s, "GET", "/Users", "")
		return fmt.Sprint(got.status, " ", got.header.Get("Retry-After"), " ", got.doc["schemas"] != nil, got.raw == "")
	}, map[string]string{"document": "429  true false", "seconds": "429 3 true false", "date": "429 Sun, 01 Mar 2026 10:00:03 GMT true false",
		"empty": "429  false true", "no-schemas": "429  false false"}},
	{"quota-scope", func(t *testing.T, s *Server) string {
		s.rates.Reads = Rate{PerSecond: 1, Burst: 1}
		return fmt.Sprint(ask(s, "GET", "/Users", "").status, ask(s, "GET", "/Groups", "").status)
	}, map[string]string{"operation": "200 200", "kind": "200 429"}},
}

func TestSwitches(t *testing.T) {
	asked := map[string]bool{}
	for _, q := range questions {
		asked[q.name] = true
		sw, ok := find(q.name)
		if !ok {
			t.Errorf("%s: got a question, want a switch of that name", q.name)
			continue
		}
		if got := slices.Sorted(maps.Keys(q.want)); len(got) != len(sw.Values) {
			t.Errorf("%s: got answers for %v, want %v", q.name, got, sw.Values)
		}
		for i, value := range sw.Values {
			s, _ := bench(t)
			if i > 0 { // the default must need no setting
				s, _ = bench(t, q.name+"="+value)
			}
			if q.name != "read-delay" {
				addGroup(t, s, "Readers", add(t, s, "ada"))
				add(t, s, "noor")
			}
			want, ok := q.want[value]
			if got := q.ask(t, s); got != want || !ok {
				t.Errorf("%s=%s: got %q, want %q", q.name, value, got, want)
			}
		}
	}
	for _, sw := range Switches() {
		if !asked[sw.Name] {
			t.Errorf("%s: got no question, want one", sw.Name)
		}
		if sw.Question == "" || len(sw.Values) < 2 {
			t.Errorf("%s: got %+v, want a question and values", sw.Name, sw)
		}
	}
}

func TestSettingSwitches(t *testing.T) {
	var p Positions
	f := func(assignment string, sound bool) {
		t.Helper()
		if err := p.Set(assignment); (err == nil) != sound {
			t.Errorf("%q: got %v, want accepted: %v", assignment, err, sound)
		}
	}
	f("roles=accept", true)
	f("address=partial", true)
	f("roles", false)
	f("roles=maybe", false)
	f("colour=red", false)
	same(t, "String", p.String(), "address=partial,roles=accept")

	s := New(Options{})
	if err := s.Switch("roles", "maybe"); err == nil {
		t.Error("got nil, want an error for a value that does not exist")
	}
	want(t, "before", ask(s, "POST", "/Users", person("a", `,"roles":[]`)), 400)
	if err := s.Switch("roles", "accept"); err != nil {
		t.Error(err)
	}
	want(t, "after", ask(s, "POST", "/Users", person("a", `,"roles":[]`)), 201)
	defer func() {
		if recover() == nil {
			t.Error("got no panic, want one for a switch that does not exist")
		}
	}()
	New(Options{Switches: Positions{"colour": "red"}})
}
