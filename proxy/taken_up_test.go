package proxy

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/scimgate/scimgate/proxy/audit"
	"github.com/scimgate/scimgate/proxy/leavers"
	"github.com/scimgate/scimgate/proxy/upstream"
	"github.com/scimgate/scimgate/rules/scim"
)

// write records a write of a user in a log: intent and outcome, and what the client is told
// if reply isn't 0.
func write(t *testing.T, j *audit.Journal, rec audit.Record, need audit.Need, outcome string, status, reply int) {
	t.Helper()
	rec.Call, rec.Tenant, rec.Op, rec.Method, rec.Resource = 1, "default", "patchUser", "PATCH", "Users/906"
	intent, ended, answer := rec, rec, rec
	in, err := j.Intend(&intent, need)
	if err != nil {
		t.Fatal(err)
	}
	ended.Outcome, ended.Status = outcome, status
	if err := in.Settle(&ended); err != nil {
		t.Fatal(err)
	}
	if answer.Reply = reply; reply != 0 {
		if err := j.Answer(&answer, need); err != nil {
			t.Fatal(err)
		}
	}
}

// open opens a log beside which nothing is.
func open(t *testing.T) (*audit.Journal, Settings) {
	t.Helper()
	s := Settings{Upstream: upstream.Settings{URL: "http://127.0.0.1:1/scim/v2"}, Audit: audit.Settings{File: filepath.Join(t.TempDir(), "audit.jsonl")}}
	j, err := audit.Open(s.Audit)
	if err != nil {
		t.Fatal(err)
	}
	return j, s
}

// listsAtStart tells whether a gateway that is started has the user on its list.
func listsAtStart(t *testing.T, s Settings) bool {
	t.Helper()
	g, err := New(s, Policy{}, new(bytes.Buffer))
	if err != nil {
		t.Fatal(err)
	}
	has := g.leavers.Has("906")
	if err := errors.Join(g.leavers.Close(), g.journal.Close()); err != nil {
		t.Fatal(err)
	}
	return has
}

// A deactivation that a crash cut off behind its outcome is on the list, also if the first
// start behind the crash fails for another reason.
func TestAStartThatFailsForgetsNoDeactivation(t *testing.T) {
	for _, spoil := range []string{".default.tokens", ".leavers"} {
		j, s := open(t)
		write(t, j, audit.Record{Exchange: "D"}, audit.Vital, "upstream_error", 429, 0)
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(s.Audit.File+spoil, []byte("{damaged\n{}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := New(s, Policy{}, io.Discard); err == nil {
			t.Fatalf("%s: want the start refused", spoil)
		}
		if err := os.Remove(s.Audit.File + spoil); err != nil { // as the error says
			t.Fatal(err)
		}
		if !listsAtStart(t, s) {
			t.Errorf("%s: the deactivation is forgotten", spoil)
		}
	}
}

// What is to be taken up again at a start, and what became of it behind that.
func TestWhatIsTakenUpOfTheLog(t *testing.T) {
	refused := func(j *audit.Journal, name string, reply int) {
		write(t, j, audit.Record{Exchange: name}, audit.Vital, "upstream_error", 403, reply)
	}
	unlisted := func(j *audit.Journal, name string) {
		refused(j, name, 0)
		if err := j.Answer(&audit.Record{Exchange: name, Tenant: "default", Op: "patchUser", Resource: "Users/906", Reply: 403, Revokes: true}, audit.Vital); err != nil {
			t.Fatal(err)
		}
	}
	activated := func(j *audit.Journal, name string) {
		write(t, j, audit.Record{Exchange: name, Grants: true}, audit.Ordinary, "ok", 200, 200)
	}
	for name, c := range map[string]struct {
		log  func(*audit.Journal)
		want bool
	}{
		"refused, and told":                    {func(j *audit.Journal) { refused(j, "D", 403) }, false}, // it is on the list, which is another file
		"refused, and nobody was told":         {func(j *audit.Journal) { refused(j, "D", 0) }, true},
		"told, but the list could not take it": {func(j *audit.Journal) { unlisted(j, "D") }, true},
		"activated since":                      {func(j *audit.Journal) { unlisted(j, "D"); activated(j, "A") }, false},
		"cut off, and activated since":         {func(j *audit.Journal) { refused(j, "D", 0); activated(j, "A") }, false},
		"deactivated since": {func(j *audit.Journal) {
			unlisted(j, "D")
			write(t, j, audit.Record{Exchange: "D2"}, audit.Vital, "ok", 200, 200)
		}, false},
		"activated before": {func(j *audit.Journal) { activated(j, "A"); refused(j, "D", 0) }, true},
		"changed otherwise since": {func(j *audit.Journal) {
			unlisted(j, "D")
			write(t, j, audit.Record{Exchange: "T"}, audit.Ordinary, "ok", 200, 200)
		}, true},
	} {
		j, s := open(t)
		c.log(j)
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		if got := listsAtStart(t, s); got != c.want {
			t.Errorf("%s: on the list %v, want %v", name, got, c.want)
		}
		if err := os.Remove(s.Audit.File + ".leavers"); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		if listsAtStart(t, s) {
			t.Errorf("%s: taken up twice", name)
		}
	}
}

// A deactivation that the list could not take is told in the log, with who it is and
// whether a guard holds it.
func TestWhatTheListCouldNotTakeIsInTheLog(t *testing.T) {
	for _, c := range []struct {
		what   scim.Target
		adopts string
		err    error
		held   bool
	}{
		{what: scim.Target{Operation: scim.PatchUser, ID: "906"}},
		{what: scim.Target{Operation: scim.CreateUser}, adopts: "906"},
		{what: scim.Target{Operation: scim.PatchUser, ID: "906"}, err: &scim.CallError{Reason: scim.Held}, held: true},
	} {
		j, s := open(t)
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		g, err := New(s, Policy{}, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		if err := g.leavers.Close(); err != nil {
			t.Fatal(err)
		}
		x := g.begin()
		x.Method, x.Target, x.adopts, x.Calls = c.what.Operation.Method(), c.what, c.adopts, 1
		x.Verdict.Deactivates = true
		g.watchLeavers(x, scim.Response{Status: http.StatusForbidden}, c.err)
		if err := errors.Join(g.record(x, &Reply{Status: http.StatusForbidden}), g.journal.Close()); err != nil {
			t.Fatal(err)
		}
		if g, err = New(s, Policy{}, io.Discard); err != nil {
			t.Fatal(err)
		}
		if all := g.leavers.All(); len(all) != 1 || all[0].ID != "906" || all[0].Held != c.held {
			t.Errorf("%v: got %+v on the list, want the user, held: %v", c.what.Operation, all, c.held)
		}
		if err := errors.Join(g.leavers.Close(), g.journal.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

// A write whose outcome could not be recorded is in doubt, as the log will say.
func TestAWriteWhoseOutcomeIsNotRecordedIsInDoubt(t *testing.T) {
	var g *Gateway
	aws := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = g.journal.Close()
		w.Header().Set("Content-Type", "application/scim+json")
		_, _ = io.WriteString(w, `{"id":"906","active":false}`)
	}))
	defer aws.Close()
	g, err := New(Settings{Upstream: upstream.Settings{URL: aws.URL + "/scim/v2"}, Audit: audit.Settings{File: filepath.Join(t.TempDir(), "audit.jsonl")}}, Policy{}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer g.leavers.Close()
	x := g.begin()
	x.Token = []byte("token-of-aws-0123456789")
	_, err = g.do(x)(scim.Request{Target: scim.Target{Operation: scim.PatchUser, ID: "906"}, Body: []byte(`{}`), Revokes: true})
	var failure *scim.CallError
	if !errors.As(err, &failure) || failure.Reason != scim.DoneUnlogged {
		t.Fatalf("got %v", err)
	}
	if gone := x.tenant.unsettled.overtaken("Users/906"); len(gone) != 1 || time.Until(gone[0].from) <= 0 {
		t.Errorf("got %v, want the write in doubt", gone)
	}
	g.closeStores(true)
}

// Under pass, a fault of the rules holds nothing up: it may be why nothing is to be judged.
func TestAFaultOfTheRulesPasses(t *testing.T) {
	g, _, _ := idle(t)
	x := g.begin()
	x.Target, x.Body = scim.Target{Operation: scim.PatchUser, ID: "906"}, []byte(`{}`)
	x.policy = &Policy{Observe: true, Pass: true} // whose rules are nil
	if r := g.inspect(x); r != nil || !x.Verdict.Unreadable || string(x.Document) != "{}" {
		t.Errorf("got %+v and %+v, want it let through as it is", r, x.Verdict)
	}
}

// Who waits for a person goes on waiting, whatever the log has of the deactivation: another
// gateway, or a guard, is why.
func TestAStartLetsNobodyGoWhoIsHeld(t *testing.T) {
	j, s := open(t)
	write(t, j, audit.Record{Exchange: "D"}, audit.Vital, "upstream_error", 429, 0)
	list, err := leavers.Open(s.Audit.File + ".leavers")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(list.Add(leavers.Leaver{ID: "906", Tenant: "default", Since: time.Now(), Held: true}), list.Close(), j.Close()); err != nil {
		t.Fatal(err)
	}
	g, err := New(s, Policy{}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = errors.Join(g.leavers.Close(), g.journal.Close()) }()
	if l, _, listed := g.leavers.Find("906"); !listed || !l.Held {
		t.Errorf("on the list: %t, held: %t", listed, l.Held)
	}
}
