package proxy

import (
	"errors"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/scimgate/scimgate/proxy/audit"
	"github.com/scimgate/scimgate/proxy/leavers"
	"github.com/scimgate/scimgate/proxy/pace"
	"github.com/scimgate/scimgate/proxy/upstream"
	"github.com/scimgate/scimgate/proxy/writer"
	"github.com/scimgate/scimgate/rules/scim"
)

// oneOfTwo is a gateway that has not heard of Redis yet.
func oneOfTwo(t *testing.T) *Gateway {
	t.Helper()
	g, err := New(Settings{
		Upstream: upstream.Settings{URL: "http://127.0.0.1:1/scim/v2"}, Audit: audit.Settings{File: filepath.Join(t.TempDir(), "audit.jsonl")},
		Replicas: writer.Settings{Redis: "redis://127.0.0.1:1", Name: "a"},
	}, Policy{}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(g.leavers.Close(), g.journal.Close()); err != nil {
			t.Error(err)
		}
	})
	return g
}

// Nothing is sent, and nothing is announced, before it is known who writes.
func TestNothingIsSentBeforeItIsKnownWhoWrites(t *testing.T) {
	g := oneOfTwo(t)
	for _, op := range []scim.Operation{scim.GetUser, scim.PatchUser} {
		x := g.begin()
		x.Target = scim.Target{Operation: op, ID: "906"}
		x.Document = []byte(`{"title":"x"}`)
		_, err := g.do(x)(scim.Request{Target: x.Target, Body: x.Document})
		var failure *scim.CallError
		if !errors.As(err, &failure) || failure.Reason != scim.Fenced || failure.MayHaveHappened() || x.Calls != 0 {
			t.Errorf("%v: got %v after %d calls", op, err, x.Calls)
			continue
		}
		r := g.failed(x, err)
		if r.Status != 429 || r.RetryAfter <= 0 || !strings.Contains(string(r.Body), "which of the gateways") {
			t.Errorf("%v: the client is told %d %s", op, r.Status, r.Body)
		}
	}
}

// What is true only while nobody else writes is dropped, and who may have been activated at
// another gateway is not deactivated again without a person.
func TestWhoWasSupplantedTrustsNothing(t *testing.T) {
	g := oneOfTwo(t)
	tenant := g.tenants[0]
	if err := g.leavers.Add(leavers.Leaver{ID: "906", Tenant: tenant.name, Since: time.Now()}); err != nil {
		t.Fatal(err)
	}
	tenant.unsettled.add(&inDoubt{intent: audit.Record{Exchange: "E", Op: scim.PatchUser.String(), Resource: "Users/906"}})
	g.jobs.kept["push"] = &job{}
	told := func(finding string) (n int) {
		t.Helper()
		for _, line := range recordsOf(t, g) {
			if strings.Contains(line, finding) {
				n++
			}
		}
		return n
	}

	if err := g.becomes(writer.State{Role: writer.Writing, Fence: 7, Full: true}, false); err != nil {
		t.Fatal(err)
	}
	if l, _, _ := g.leavers.Find("906"); l.Held || tenant.unsettled.n.Load() != 1 || len(g.jobs.kept) != 1 {
		t.Error("it drops what is its own")
	}
	if got := tenant.budgets.State().Writes; got != 20 {
		t.Errorf("%v writes a second, want all of them", got)
	}
	if err := g.becomes(writer.State{Role: writer.Alone}, true); err != nil {
		t.Fatal(err)
	}
	if l, _, _ := g.leavers.Find("906"); !l.Held {
		t.Error("the deactivation would be carried out again")
	}
	if tenant.unsettled.n.Load() != 0 || len(g.jobs.kept) != 0 {
		t.Error("it would settle a doubt by what another has done, or tell an answer of a time before")
	}
	if got := tenant.budgets.State().Writes; got != 10 {
		t.Errorf("%v writes a second, want its part", got)
	}
	if told(`"event":"writer"`) != 1 || told(`"fence":7`) != 1 || told(`"event":"degraded"`) != 1 || told(`"event":"settled","exchange":"E"`) != 1 {
		t.Errorf("the log does not tell of it:\n%s", strings.Join(recordsOf(t, g), "\n"))
	}
}

// recordsOf are the lines of a gateway's log.
func recordsOf(t *testing.T, g *Gateway) []string {
	t.Helper()
	text, err := os.ReadFile(g.settings.Audit.File)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

// A load balancer takes out who stands by, and nobody while it isn't known who writes: its
// own answers are in HTML.
func TestReadinessOfOneOfTwo(t *testing.T) {
	g := oneOfTwo(t)
	if status, _ := g.readiness(); status != 200 {
		t.Errorf("readiness is %d while it isn't known who writes", status)
	}
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "/readyz?verbose", nil)
	r.Host = "localhost"
	g.adminServer().Handler.ServeHTTP(w, r)
	if !strings.Contains(w.Body.String(), "replicas: unsure") {
		t.Errorf("the state is not shown: %s", w.Body)
	}
}

// Each of several has a part of the burst, of which none is left if there are too many.
func TestABurstIsForAllOfThem(t *testing.T) {
	s := Settings{
		Upstream: upstream.Settings{URL: "http://127.0.0.1:1/scim/v2"}, Audit: audit.Settings{File: "-"}, Pace: pace.Settings{Writes: pace.Rate{PerSecond: 20, Burst: 3}},
		Replicas: writer.Settings{Redis: "redis://127.0.0.1:1", Count: 4},
	}
	if err := s.Check(); err == nil || !strings.Contains(err.Error(), "pace.writes.burst") {
		t.Errorf("got %v", err)
	}
	s.Replicas.Count = 3
	if err := s.Check(); err != nil {
		t.Errorf("got %v", err)
	}
}
