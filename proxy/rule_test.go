package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/scimgate/scimgate/proxy/audit"
	"github.com/scimgate/scimgate/proxy/pace"
	"github.com/scimgate/scimgate/proxy/upstream"
	"github.com/scimgate/scimgate/rules/scim"
)

// idle is a gateway that nobody asks anything.
func idle(t *testing.T) (g *Gateway, s Settings, log *bytes.Buffer) {
	t.Helper()
	log = new(bytes.Buffer)
	s = Settings{
		Upstream: upstream.Settings{URL: "http://127.0.0.1:1/scim/v2"}, Audit: audit.Settings{File: filepath.Join(t.TempDir(), "audit.jsonl"), Config: "beef"},
	}
	g, err := New(s, Policy{}, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(g.leavers.Close(), g.journal.Close()); err != nil && !errors.Is(err, audit.ErrClosed) {
			t.Error(err)
		}
	})
	return g, s, log
}

// What takes access away is never refused for number, and goes ahead only where nothing
// that came earlier can undo it.
func TestPlacesOfWhatRevokes(t *testing.T) {
	f := func(op scim.Operation, deactivates bool, want pace.Place) {
		t.Helper()
		x := &Exchange{Target: scim.Target{Operation: op}, policy: &Policy{}}
		x.Verdict.Deactivates = deactivates
		if got := x.place(); got != want {
			t.Errorf("got %v for %v, want %v", got, op, want)
		}
	}
	f(scim.PatchUser, true, pace.Revoking)
	f(scim.ReplaceUser, true, pace.Revoking)
	f(scim.PatchUser, false, pace.InOrder)
	f(scim.CreateUser, true, pace.InOrder)
	f(scim.PatchGroup, false, pace.InOrder)
	f(scim.DeleteUser, false, pace.Final)
	f(scim.DeleteGroup, false, pace.Final)
	x := &Exchange{Target: scim.Target{Operation: scim.DeleteUser}, policy: &Policy{DeactivateInstead: true}}
	if got := x.place(); got != pace.Revoking {
		t.Errorf("got %v for a DELETE that deactivates, want %v: an earlier activation could undo it", got, pace.Revoking)
	}
}

func TestDoubtsAreBounded(t *testing.T) {
	var u unsettled
	for i := range maxUnsettled + 10 {
		u.add(&inDoubt{intent: audit.Record{Exchange: fmt.Sprint(i)}})
	}
	if due := u.take(time.Now(), maxUnsettled); len(due) != maxUnsettled || due[0].intent.Exchange != "10" {
		t.Errorf("got %d writes in doubt, the first %s, want the last %d", len(due), due[0].intent.Exchange, maxUnsettled)
	}
}

// A panic is one answer, and nobody is told what it quotes. What was under way is in doubt.
func TestAPanicIsContained(t *testing.T) {
	g, s, log := idle(t)
	x := g.begin()
	x.Calls = 1
	r := g.contained(x, func() *Reply { panic(errors.New("Bearer canary-token")) })
	if r.Status != 500 || !r.Close || !x.doubt {
		t.Errorf("got %d, closing %v, in doubt %v, want a 500 that closes, and the doubt", r.Status, r.Close, x.doubt)
	}
	text, err := os.ReadFile(s.Audit.File)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(text, []byte(`"event":"panic"`)) || !strings.Contains(log.String(), "panic") {
		t.Errorf("the panic is not told in %s or %s", text, log)
	}
	if all := string(text) + log.String() + string(r.Body); strings.Contains(all, "canary") {
		t.Errorf("the panic is quoted in %s", all)
	}
}

func TestTheLibraryIsNotQuoted(t *testing.T) {
	var out bytes.Buffer
	log := zerolog.New(&out)
	serverLog{&log}.Printf("error in %q", "Authorization Bearer canary-token")
	if text := out.String(); text == "" || strings.Contains(text, "canary") {
		t.Errorf("got %q, want that there was an error and no more", text)
	}
}

func TestWebPagesAreAnsweredNothing(t *testing.T) {
	g, _, _ := idle(t)
	served := g.adminOnly(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	f := func(method, origin string, want int) {
		t.Helper()
		r, w := httptest.NewRequest(method, "http://127.0.0.1:8081/override", nil), httptest.NewRecorder()
		if origin != "" {
			r.Header.Set("Origin", origin)
		}
		if served.ServeHTTP(w, r); w.Code != want {
			t.Errorf("got %d for %s of %q, want %d", w.Code, method, origin, want)
		}
	}
	for _, method := range []string{"GET", "POST", "HEAD", "OPTIONS"} {
		f(method, "", 200)
		f(method, "https://elsewhere.example.test", 403)
		f(method, "null", 403)
	}
}

// A configuration is in force whole, and recorded, or not at all.
func TestAReloadIsWholeAndRecorded(t *testing.T) {
	g, s, log := idle(t)
	f := func(s Settings, observe, worked, inForce bool) {
		t.Helper()
		err := g.Reload(s, Policy{Observe: observe}, "cafe")
		if got := g.tenants[0].policy.Load().Observe; (err == nil) != worked || got != inForce {
			t.Errorf("got %v and observe %v, want it worked %v and observe %v", err, got, worked, inForce)
		}
	}
	half := s
	half.Pace.MaxWaiting = 7 // needs a restart
	f(half, true, false, false)
	f(s, true, true, true)
	if err := g.journal.Close(); err != nil {
		t.Fatal(err)
	}
	f(s, false, false, true)
	if err := g.Reload(s, Policy{}, "cafe"); !errors.Is(err, ErrNotRecorded) || !strings.Contains(log.String(), "cannot record the new configuration") {
		t.Errorf("got %v, want it told that it could not be recorded", err)
	}
}

// What an exchange began with is what its records name, whatever is reloaded meanwhile; an
// override stays, over what is new.
func TestRecordsNameWhatWasInForce(t *testing.T) {
	g, s, _ := idle(t)
	f := func(x *Exchange, config string, adopts, observes bool) {
		t.Helper()
		if got := g.recordFor(x).Config; got != config || x.policy.Adopt != adopts || x.policy.Observe != observes {
			t.Errorf("got %q, adopt %v, observe %v; want %q, %v, %v", got, x.policy.Adopt, x.policy.Observe, config, adopts, observes)
		}
	}
	before := g.begin()
	if err := g.order(g.tenants[0], "observe", time.Hour, "127.0.0.1"); err != nil {
		t.Fatal(err)
	}
	during := g.begin()
	if err := g.Reload(s, Policy{Adopt: true}, "cafe"); err != nil {
		t.Fatal(err)
	}
	after := g.begin()
	if err := g.order(g.tenants[0], "end", 0, "127.0.0.1"); err != nil {
		t.Fatal(err)
	}
	f(before, s.Audit.Config, false, false)
	f(during, s.Audit.Config, false, true)
	f(after, "cafe", true, true)
	f(g.begin(), "cafe", true, false)
	if err := g.order(g.tenants[0], "SG401=off", time.Hour, "127.0.0.1"); err == nil {
		t.Error("an order is taken that this policy can't follow")
	}
	if err := g.journal.Refuse(g.recordFor(before), audit.Durable); err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(s.Audit.File)
	if lines := bytes.Split(bytes.TrimSpace(log), []byte("\n")); err != nil || !bytes.Contains(lines[len(lines)-1], []byte(`"config":"beef"`)) {
		t.Errorf("got %s %v, want the configuration that the exchange began with", lines[len(lines)-1], err)
	}
}

func TestAnOverrideEnds(t *testing.T) {
	configured, changed, now := &Policy{}, &Policy{Observe: true}, time.Now()
	tenant := &Tenant{}
	tenant.policy.Store(configured)
	tenant.override.Store(&override{changed, "observe", now.Add(time.Minute)})
	if tenant.inForce(now) != changed {
		t.Error("the override is not in force")
	}
	if tenant.inForce(now.Add(time.Minute)) != configured {
		t.Error("the override is in force behind its end")
	}
}

// crowded is a listener at which somebody always waits.
type crowded struct{ net.Listener }

func (crowded) Accept() (net.Conn, error) { return somebody{}, nil }

type somebody struct{ net.Conn }

func (somebody) Close() error { return nil }

func TestNoMoreAreServedThanTheBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newBounded(crowded{}, 2)
		served := make(chan net.Conn, 3)
		go func() {
			for range 3 {
				conn, err := l.Accept()
				if err != nil {
					t.Error(err)
				}
				served <- conn
			}
		}()
		synctest.Wait()
		if len(served) != 2 {
			t.Fatalf("got %d at once, want 2", len(served))
		}
		if err := (<-served).Close(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if len(served) != 2 {
			t.Errorf("got %d, want the next one when there is a place", len(served))
		}
	})
}

// An activation closes the deactivations that came before it had its turn, and no others.
func TestAnActivationClosesNoLaterDeactivation(t *testing.T) {
	g, _, _ := idle(t)
	for _, later := range []bool{false, true} {
		id := fmt.Sprint("ada", later)
		activates, leaves := g.begin(), g.begin()
		for _, x := range []*Exchange{activates, leaves} {
			x.Target = scim.Target{Operation: scim.PatchUser, ID: id}
		}
		activates.Verdict.Activates, leaves.Verdict.Deactivates = true, true
		if later {
			activates.entered = time.Now()
		}
		g.watchLeavers(leaves, scim.Response{}, &scim.CallError{Reason: scim.PacedOut})
		if !later {
			activates.entered = time.Now()
		}
		g.watchLeavers(activates, scim.Response{Status: 200, Body: []byte(`{"active":true}`)}, nil)
		if open := g.leavers.Has(id); open != later {
			t.Errorf("a deactivation that came later, %v: open %v", later, open)
		}
	}
}

// A try of the gateway itself that fails beside an activation keeps nobody on the list, and
// puts nobody there.
func TestItsOwnTriesOpenNothing(t *testing.T) {
	g, _, _ := idle(t)
	leaves, activates, own := g.begin(), g.begin(), g.begin()
	for _, x := range []*Exchange{leaves, activates, own} {
		x.Target = scim.Target{Operation: scim.PatchUser, ID: "ada"}
	}
	leaves.Verdict.Deactivates, activates.Verdict.Activates, own.Verdict.Deactivates = true, true, true
	own.only = func() bool { return true }
	g.watchLeavers(leaves, scim.Response{}, &scim.CallError{Reason: scim.PacedOut})
	activates.entered = time.Now()
	g.watchLeavers(own, scim.Response{}, &scim.CallError{Reason: scim.PacedOut}) // it waited in vain for the activation's lane
	g.watchLeavers(activates, scim.Response{Status: 200, Body: []byte(`{"active":true}`)}, nil)
	if g.leavers.Has("ada") {
		t.Error("a user who was activated would be deactivated again")
	}
	g.watchLeavers(own, scim.Response{}, &scim.CallError{Reason: scim.PacedOut})
	if g.leavers.Has("ada") || own.unlisted != nil {
		t.Error("a user who was activated is on the list again")
	}
}

// The library's own bound on connections, beyond which it answers in plain text, counts those
// that are closed and not yet forgotten: it has to be far from what the listener lets in.
func TestTheLibrarysOwnBoundIsFarAway(t *testing.T) {
	g, s, _ := idle(t)
	if most := s.WithDefaults().Listen.MaxConns; g.server.Concurrency < 100*most {
		t.Errorf("the library serves %d, and %d are let in", g.server.Concurrency, most)
	}
}
