package okta

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

// seen is one request as a server gets it.
type seen struct {
	method, target, body string
	header               http.Header
}

// record answers every request by f, and keeps them.
func record(t *testing.T, f func(n int, r seen) (status int, header map[string]string, body string)) (*Client, *[]seen) {
	var all []seen
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		all = append(all, seen{r.Method, r.RequestURI, string(body), r.Header})
		status, header, answer := f(len(all), all[len(all)-1])
		for name, value := range header {
			w.Header().Set(name, value)
		}
		w.WriteHeader(status)
		io.WriteString(w, answer)
	}))
	t.Cleanup(server.Close)
	return &Client{BaseURL: server.URL, Token: "t"}, &all
}

func made(n int, r seen) (int, map[string]string, string) {
	if r.method == "POST" {
		return 201, nil, fmt.Sprintf(`{"id":"id%d"}`, n)
	}
	return 200, nil, `{"id":"x","Resources":[],"totalResults":0}`
}

func TestRequestsAreThoseOfOkta(t *testing.T) {
	f := func(dialect Dialect, want ...string) {
		t.Helper()
		client, all := record(t, made)
		p := New(20, 5, 16, 1)
		s := Session{Client: client, Dialect: dialect, Population: p}
		s.Run()
		var lines []string
		for _, r := range *all {
			lines = append(lines, r.method+" "+r.target+" "+r.body)
			if r.header.Get("Accept") != "application/scim+json" || r.header.Get("Accept-Charset") != "utf-8" || r.header.Get("User-Agent") != "Okta SCIM Client 1.0.0" || r.header.Get("Authorization") != "Bearer t" {
				t.Errorf("got headers %v, want Okta's", r.header)
			}
			if got := r.header.Get("Content-Type"); (got == "application/scim+json; charset=utf-8") != (r.body != "") {
				t.Errorf("%s: got Content-Type %q", r.method, got)
			}
		}
		for _, w := range want {
			if !slices.ContainsFunc(lines, func(l string) bool { return strings.Contains(l, w) }) {
				t.Errorf("%s: no request has %q", dialect, w)
			}
		}
	}
	both := []string{
		`GET /Users?startIndex=1&count=2`,
		`GET /Users?filter=userName%20eq%20%22person0000%40example.test%22&startIndex=1&count=100`,
		`POST /Users {"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"person0000@example.test","name":{"givenName":`,
		`"groups":[],"password":"kT9vQ2mZ","active":true}`,
		`GET /Groups?filter=displayName%20eq%20%22AWS%20Team%2001%20Ada%22&startIndex=1&count=100`,
		`DELETE /Groups/`, `GET /Users?startIndex=1&count=100`, `GET /Groups?startIndex=1&count=100`,
	}
	f(Catalogue, append(both,
		`"Operations":[{"op":"replace","value":{"active":false}}]}`, `{"op":"remove","path":"members[value eq \"`, `{"op":"replace","path":"members","value":[`,
		`{"op":"replace","value":{"members":[],"id":`, `{"op":"replace","value":{"id":`)...)
	f(Wizard, append(both, `PUT /Groups/`, `"members":[{"value":"id`, `"active":false`, `PUT /Users/`)...)
}

func TestReactions(t *testing.T) {
	f := func(name string, status int, retryAfter, body, sees string, attempts int, waits ...time.Duration) {
		t.Run(name, func(t *testing.T) {
			client, all := record(t, func(int, seen) (int, map[string]string, string) {
				return status, map[string]string{"Retry-After": retryAfter}, body
			})
			var waited []time.Duration
			client.Wait = func(d time.Duration) { waited = append(waited, d) }
			client.exchange(Event{Did: "x", Method: "POST", Target: "/Users", Sent: "{}"})
			if len(*all) != attempts || fmt.Sprint(waited[:min(len(waited), len(waits))]) != fmt.Sprint(waits) && len(waits) > 0 {
				t.Errorf("got %d attempts with pauses %v, want %d and %v", len(*all), waited, attempts, waits)
			}
			if sees == "" && len(client.Tasks) > 0 || sees != "" && (len(client.Tasks) != 1 || !strings.Contains(client.Tasks[0], sees)) {
				t.Errorf("got tasks %v, want %q", client.Tasks, sees)
			}
		})
	}
	f("made", 201, "", `{"id":"1"}`, "", 1)
	f("empty", 201, "", ``, "Create new user returned empty user", 1)
	f("bad request", 400, "", `{"detail":"no last name"}`, "Bad Request. Errors reported by remote server: no last name", 1)
	f("conflict", 409, "", `{"detail":"twice"}`, "Conflict. Errors reported", 1)
	f("unauthorized", 401, "", `{"detail":"token"}`, "Unauthorized. Errors reported by remote server: token", 1)
	f("outage page", 502, "", `<html>`, "Invalid JSON", 1)
	f("failing", 500, "", `{}`, "Internal Server Error", 1)
	f("throttled", 429, "2", `{}`, "Too Many Requests", 10, 2*time.Second, 4*time.Second, 8*time.Second)
	f("throttled without a time", 429, "", `{}`, "Too Many Requests", 10, 5*time.Minute, 10*time.Minute)
	f("throttled until a date", 429, "Wed, 21 Oct 2026 07:28:00 GMT", `{}`, "Too Many Requests", 10, 5*time.Minute)
}

func TestPopulationIsTheSameForASeedAndHasEveryFault(t *testing.T) {
	a, b := New(300, 12, 256, 7), New(300, 12, 256, 7)
	faults := map[string]int{}
	for i, p := range a.People {
		if fmt.Sprint(p.profile) != fmt.Sprint(b.People[i].profile) {
			t.Fatalf("person %d differs", i)
		}
		if !json.Valid([]byte(object(p.profile))) {
			t.Errorf("%s is no JSON", object(p.profile))
		}
		if p.Fault != nil {
			faults[p.Fault.Name]++
		}
	}
	for _, f := range Faults {
		if faults[f.Name] == 0 {
			t.Errorf("nobody has %q", f.Name)
		}
	}
	if first, last := len(a.Groups[0].Members), len(a.Groups[11].Members); first != 256 || last != 0 {
		t.Errorf("got %d and %d members, want 256 and none", first, last)
	}
}

func TestCompare(t *testing.T) {
	p := New(4, 1, 0, 1)
	fine, lost, mended, active := p.People[0], p.People[1], p.People[2], p.People[3]
	lost.Fault, mended.Fault, active.Active = &Fault{Name: "no name", OnlyPerson: true}, &Fault{Name: "empty"}, false
	fine.expect = map[string]string{"userName": fine.login(), "name.givenName": "A", "emails": "a@example.test"}
	mended.expect, active.expect = map[string]string{}, map[string]string{}
	user := func(p *Person, more string) AtAWS {
		var doc map[string]any
		if err := json.Unmarshal([]byte(`{"userName":`+quote(p.login())+more+`}`), &doc); err != nil {
			t.Fatal(err)
		}
		return AtAWS{Document: doc}
	}
	s := Session{Population: p}
	group := AtAWS{Document: map[string]any{"displayName": p.Groups[0].Name}}
	c := s.Compare([]AtAWS{
		user(fine, `,"active":true,"name":{"givenName":"A"},"emails":[{"value":"a@example.test"}]`),
		user(mended, `,"active":true`), user(active, `,"active":true`),
	}, []AtAWS{group})
	if c.Converged != 2 || len(c.Changed) != 1 || len(c.OnlyPerson) != 1 || len(c.Differences) != 1 || !strings.Contains(c.Differences[0], "active is true") {
		t.Errorf("got %+v", c)
	}
	c = s.Compare(nil, []AtAWS{{Document: map[string]any{"displayName": "other"}}})
	if len(c.Differences) != 4 {
		t.Errorf("got %v, want two people and two groups", c.Differences)
	}
}
