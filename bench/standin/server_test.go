package standin

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

const base = "/" + DefaultTenant + "/scim/v2"

// clock is a time that tests move.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

// bench is a stand-in with a clock that stands still and no quotas.
func bench(t *testing.T, switches ...string) (*Server, *clock) {
	t.Helper()
	c := &clock{time.Date(2026, 3, 1, 10, 0, 0, 120e6, time.UTC)}
	var at Positions
	for _, assignment := range switches {
		if err := at.Set(assignment); err != nil {
			t.Fatal(err)
		}
	}
	return New(Options{Now: c.now, Rates: Unlimited(), Switches: at}), c
}

// reply is an answer as a test looks at it.
type reply struct {
	status int
	header http.Header
	raw    string
	doc    map[string]any // nil if the body is no JSON object
}

func (r reply) text(name string) string {
	s, _ := r.doc[name].(string)
	return s
}

// ask sends a request; each change may spoil it first.
func ask(s *Server, method, path, body string, changes ...func(*http.Request)) reply {
	r := httptest.NewRequest(method, base+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+DefaultToken)
	r.Header.Set("Content-Type", "application/scim+json")
	r.Header.Set("User-Agent", "test/1")
	for _, change := range changes {
		change(r)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	out := reply{status: w.Code, header: w.Header(), raw: w.Body.String()}
	json.Unmarshal(w.Body.Bytes(), &out.doc)
	return out
}

func want(t *testing.T, why string, got reply, status int) {
	t.Helper()
	if got.status != status {
		t.Errorf("%s: got %d %s, want %d", why, got.status, got.raw, status)
	}
}

// person is the document of a user that has all that AWS requires.
func person(name string, more ...string) string {
	return `{"userName":"` + name + `","name":{"givenName":"Ada","familyName":"Byron"},"displayName":"Ada Byron"` + strings.Join(more, "") + `}`
}

func add(t *testing.T, s *Server, name string, more ...string) string {
	t.Helper()
	id, err := s.AddUser(person(name, more...))
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func addGroup(t *testing.T, s *Server, name string, members ...string) string {
	t.Helper()
	id, err := s.AddGroup(`{"displayName":"`+name+`"}`, members...)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// operations is the body of a PATCH.
func operations(ops ...string) string {
	return `{"schemas":["` + patchURN + `"],"Operations":[` + strings.Join(ops, ",") + `]}`
}

func change(op, path, value string) string {
	out := `{"op":"` + op + `"`
	if path != "" {
		quoted, _ := json.Marshal(path)
		out += `,"path":` + string(quoted)
	}
	if value != "" {
		out += `,"value":` + value
	}
	return out + "}"
}

func member(ids ...string) string {
	var out []string
	for _, id := range ids {
		out = append(out, `{"value":"`+id+`"}`)
	}
	return "[" + strings.Join(out, ",") + "]"
}

func where(filter string) string { return "filter=" + url.QueryEscape(filter) }

func TestAdmission(t *testing.T) {
	s, _ := bench(t)
	f := func(why string, status int, spoil func(*http.Request)) {
		t.Helper()
		want(t, why, ask(s, "GET", "/Users", "", spoil), status)
	}
	f("sound", 200, func(*http.Request) {})
	f("no header", 401, func(r *http.Request) { r.Header.Del("Authorization") })
	f("other token", 401, func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") })
	f("empty token", 401, func(r *http.Request) { r.Header.Set("Authorization", "Bearer ") })
	f("other scheme", 401, func(r *http.Request) { r.Header.Set("Authorization", "Basic "+DefaultToken) })
	f("two headers", 401, func(r *http.Request) { r.Header.Add("Authorization", "Bearer "+DefaultToken) })
	f("wrong tenant", 401, func(r *http.Request) { r.URL.Path = "/22222222222-2222-3333-4444-555555555555/scim/v2/Users" })
	s.SetTokens("old", "new")
	f("second token", 200, func(r *http.Request) { r.Header.Set("Authorization", "Bearer new") })
	f("deleted token", 401, func(*http.Request) {})
}

func TestPathsThatLeadNowhere(t *testing.T) {
	s, _ := bench(t)
	uid, gid := add(t, s, "ada"), addGroup(t, s, "Readers")
	f := func(method, path string) {
		t.Helper()
		got := ask(s, method, path, "{}")
		want(t, method+" "+path, got, 404)
		if got.doc["detail"] == nil {
			t.Errorf("%s %s: got %s, want an error document", method, path, got.raw)
		}
	}
	f("GET", "/Users/")
	f("GET", "//Users")
	f("GET", "Users")
	f("GET", "/Users/"+uid+"/")
	f("GET", "/users")
	f("GET", "/Groups/"+uid)
	f("GET", "/Users/"+gid)
	f("PUT", "/Groups/"+gid)
	f("POST", "/Users/"+uid)
	f("DELETE", "/Users")
	f("GET", "/Me")
	f("POST", "/Bulk")
	f("POST", "/.search")
	f("POST", "/Users/.search")
	f("GET", "/ResourceTypes/User")
	f("GET", "/Schemas/urn:none")
	f("GET", "/%55sers")
}

func TestErrorDocument(t *testing.T) {
	s, _ := bench(t)
	got := ask(s, "POST", "/Users", `{}`)
	id := got.header["x-amzn-RequestId"] //lint:ignore SA1008 AWS writes it so
	if len(id) != 1 || got.text("exceptionRequestId") != id[0] {
		t.Errorf("got request id %v, want that of the document, %q", id, got.text("exceptionRequestId"))
	}
	wantRaw := `{"schema":["` + errorURN + `"],"schemas":["` + errorURN + `"],"detail":"` + plain[400] +
		`","status":"400","exceptionRequestId":"` + id[0] + `","timeStamp":"2026-03-01 10:00:00.12"}`
	if got.raw != wantRaw {
		t.Errorf("got %s, want %s", got.raw, wantRaw)
	}
	if stamp := timeStamp(time.Unix(0, 0)); stamp != "1970-01-01 00:00:00.0" {
		t.Errorf("got %q, want one decimal", stamp)
	}
}

// serve answers on a socket until the test ends, and returns the base URL.
func serve(t *testing.T, s *Server) string {
	t.Helper()
	leaks := goleak.IgnoreCurrent()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		goleak.VerifyNone(t, leaks)
	})
	return s.BaseURL(l.Addr())
}

// poster creates users over a socket.
func poster(t *testing.T, url string) func(name string) (*http.Response, string, error) {
	return func(name string) (*http.Response, string, error) {
		r, err := http.NewRequest("POST", url+"/Users", bytes.NewBufferString(person(name)))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+DefaultToken)
		r.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			return nil, "", err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		return resp, string(body), err
	}
}

func TestFaults(t *testing.T) {
	s, _ := bench(t)
	post := poster(t, serve(t, s))
	f := func(name string, fault Fault, status int, stored bool) {
		t.Helper()
		left := s.Inject(fault)
		resp, body, err := post(name)
		switch {
		case status == 0 && err == nil:
			t.Errorf("%s: got %d %s, want an error", name, resp.StatusCode, body)
		case status != 0 && err != nil:
			t.Errorf("%s: got %v, want %d", name, err, status)
		case status != 0 && resp.StatusCode != status:
			t.Errorf("%s: got %d, want %d", name, resp.StatusCode, status)
		}
		if _, found := s.User(name); found != stored {
			t.Errorf("%s: got stored %v, want %v", name, found, stored)
		}
		if n := left(); n != 0 {
			t.Errorf("%s: got %d left, want 0", name, n)
		}
	}
	open := make(chan struct{})
	close(open)
	f("before", Fault{Status: 503, Body: "busy"}, 503, false)
	f("after", Fault{Status: 500, When: After, Operation: CreateUser}, 500, true)
	f("html", HTML(502), 502, false)
	f("hang-up", Fault{Act: HangUp}, 0, false)
	f("hang-up-after", Fault{Act: HangUp, When: After}, 0, true)
	f("reset", Fault{Act: Reset, When: After}, 0, true)
	f("cut", Fault{Act: Cut, Keep: 10}, 0, true)
	f("refuse", Fault{Act: Refuse, Status: 429}, 429, false)
	f("held", Fault{Act: Pass, Hold: open}, 201, true)

	s.Inject(Fault{Contains: "matching", Skip: 1, Status: 418})
	for _, c := range []struct {
		name   string
		status int
	}{{"other", 201}, {"matching-1", 201}, {"matching-2", 418}, {"matching-3", 201}} {
		resp, _, err := post(c.name)
		if err != nil || resp.StatusCode != c.status {
			t.Errorf("%s: got %v %v, want %d", c.name, resp, err, c.status)
		}
	}
	for _, e := range s.Journal() {
		if e.Injected == strings.Contains(e.Body, "other") {
			t.Errorf("got injected %v of %s", e.Injected, e.Body)
		}
		if strings.Contains(e.Body, "hang-up") && e.Status != 0 {
			t.Errorf("got status %d of a closed connection, want 0", e.Status)
		}
		if e.Seq == 10 {
			break
		}
	}
}

func TestJournal(t *testing.T) {
	s, c := bench(t)
	uid, gid := add(t, s, "ada"), addGroup(t, s, "Readers")
	s.AddUser(person("noor"))
	ask(s, "PATCH", "/Groups/"+gid, operations(change("add", "members", member(uid))), func(r *http.Request) {
		r.Header.Set("X-Trace", "a "+DefaultToken)
	})
	ask(s, "GET", "/Users?"+where(`userName eq "ada"`), "")
	got := s.Journal()
	if len(got) != 2 {
		t.Fatalf("got %d entries, want 2", len(got))
	}
	first := got[0]
	if first.Seq != 1 || first.Operation != PatchGroup || first.Memberships != 1 || first.Status != 204 || !first.Time.Equal(c.at) {
		t.Errorf("got %+v, want PatchGroup with one change", first)
	}
	if first.Header.Get("Authorization") != "" || strings.Contains(first.Header.Get("X-Trace"), DefaultToken) {
		t.Errorf("got header %v, want no token in it", first.Header)
	}
	if second := got[1]; !strings.HasSuffix(second.Target, "/Users?filter=userName+eq+%22ada%22") || !strings.Contains(second.Answer, uid) {
		t.Errorf("got %+v, want raw target and answer", second)
	}
	for range journalEntries + 5 {
		s.journal.add(Entry{Body: "x"})
	}
	if got := s.Journal(); len(got) != journalEntries || got[0].Seq != 8 {
		t.Errorf("got %d entries from %d, want %d from 8", len(got), got[0].Seq, journalEntries)
	}
	s.journal.add(Entry{Body: strings.Repeat("x", journalBytes)})
	if got := s.Journal(); len(got) != 1 {
		t.Errorf("got %d entries, want the last that fit, 1", len(got))
	}
	s.ForgetJournal()
	if got := s.Journal(); len(got) != 0 {
		t.Errorf("got %d entries, want none", len(got))
	}
}

func TestPopulation(t *testing.T) {
	s := New(Options{Users: 250, Groups: 3})
	if got := len(s.Users()); got != 250 {
		t.Errorf("got %d users, want 250", got)
	}
	total := 0
	for _, g := range s.Groups() {
		total += len(g.Members)
	}
	if total != 250 {
		t.Errorf("got %d members, want 250", total)
	}
	u, ok := s.User("PERSON1@example.test")
	if !ok || !u.Active || len(u.Groups) != 1 || u.Email != "person1@example.test" {
		t.Errorf("got %+v, want an active person in a group", u)
	}
	u.Document["userName"] = "changed"
	if again, _ := s.User(u.ID); again.UserName == "changed" || again.Document["userName"] == "changed" {
		t.Errorf("got %q, want snapshots to be copies", again.UserName)
	}
}

func TestRequestsAtOnce(t *testing.T) {
	s := New(Options{Users: 40, Groups: 4, Rates: Unlimited()})
	users, groups := s.Users(), s.Groups()
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			for n := range 60 {
				op, user, group := "add", users[(n*7+worker)%len(users)].ID, groups[(n+worker)%len(groups)].ID
				if (n+worker)%3 == 0 {
					op = "remove"
				}
				got := ask(s, "PATCH", "/Groups/"+group, operations(change(op, "members", member(user))))
				want(t, op, got, 204)
				if n%20 == 19 {
					want(t, "delete", ask(s, "DELETE", "/Users/"+ask(s, "POST", "/Users", person("p"+itoa(worker*100+n))).text("id"), ""), 204)
				}
				s.Journal()
				s.Users()
			}
		})
	}
	all.Wait()
	consistent(t, s)
}

// consistent holds the links and indexes of the store against each other.
func consistent(t *testing.T, s *Server) {
	t.Helper()
	for _, h := range []*shelf{s.users, s.groups} {
		keys := 0
		for i, r := range h.all {
			keys += len(h.of.unique(r.doc))
			if h.byID[r.id] != r || i > 0 && h.all[i-1].seq >= r.seq {
				t.Errorf("%s: got no index or order, want both", r.id)
			}
			for name, value := range h.of.unique(r.doc) {
				if !linked(h.byKey[key(name, value)], r) {
					t.Errorf("%s: got no index by %s, want one", r.id, name)
				}
			}
			for _, other := range r.links {
				if !linked(other.links, r) {
					t.Errorf("%s: got a link in one direction, want both", r.id)
				}
			}
		}
		if len(h.byID) != len(h.all) || len(h.byKey) > keys {
			t.Errorf("got %d ids and %d keys, want %d and at most %d", len(h.byID), len(h.byKey), len(h.all), keys)
		}
	}
}
