package proxy

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scimgate/scimgate/bench/redis"
	"github.com/scimgate/scimgate/proxy/audit"
	"github.com/scimgate/scimgate/proxy/guard"
	"github.com/scimgate/scimgate/proxy/leavers"
	"github.com/scimgate/scimgate/proxy/pace"
	"github.com/scimgate/scimgate/proxy/translate"
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

// redisFor is a Redis of this test's own.
func redisFor(t *testing.T) *redis.Server {
	t.Helper()
	s, err := redis.Start()
	if errors.Is(err, redis.ErrMissing) {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Kill)
	return s
}

// says sends one command.
func says(t *testing.T, s *redis.Server, args ...any) {
	t.Helper()
	if err := s.Do(args...); err != nil {
		t.Fatal(err)
	}
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it never came: %s", what)
		}
	}
}

// writes is one of two gateways, in front of an upstream, that has the lease.
func writes(t *testing.T, redis *redis.Server, url string) *Gateway {
	t.Helper()
	g, err := New(Settings{
		Upstream: upstream.Settings{URL: url + "/scim/v2"}, Audit: audit.Settings{File: filepath.Join(t.TempDir(), "audit.jsonl")},
		Pace:     pace.Settings{Reads: pace.Rate{PerSecond: 2, Burst: 2}, Settle: time.Second},
		Replicas: writer.Settings{Redis: "redis://" + redis.Address, Name: "a", Lease: time.Second},
	}, Policy{}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	leave := g.amongOthers()
	t.Cleanup(func() {
		leave()
		if err := errors.Join(g.leavers.Close(), g.journal.Close()); err != nil {
			t.Error(err)
		}
	})
	eventually(t, "it writes", func() bool { return g.writer.State().Role == writer.Writing })
	return g
}

// A read that waited for its budget is not sent when another gateway has the lease by then:
// that one has the budget as well.
func TestReadsAreNotSentBehindTheLease(t *testing.T) {
	redis := redisFor(t)
	var g *Gateway
	var late, stopped atomic.Int64
	aws := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if g.writer.State().Role == writer.Standby {
			late.Add(1)
		}
		w.Header().Set("Content-Type", "application/scim+json")
		_, _ = w.Write([]byte(`{"id":"906"}`))
	}))
	defer aws.Close()
	g = writes(t, redis, aws.URL)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			x := g.begin()
			x.Token, x.Target = []byte("t"), scim.Target{Operation: scim.GetUser, ID: "906"}
			_, err := g.do(x)(scim.Request{Target: x.Target})
			var failure *scim.CallError
			switch {
			case err == nil:
			case errors.As(err, &failure) && failure.Reason == scim.Fenced:
				stopped.Add(1)
			default:
				t.Errorf("got %v", err)
			}
		})
	}
	eventually(t, "they wait", func() bool { return g.tenants[0].budgets.State().Waiting > 3 })
	says(t, redis, "HSET", "{scimgate}:writer", "holder", "other", "name", "b", "until", "99999999999999", "fence", "99999999999")
	all.Wait()
	if late.Load() > 0 || stopped.Load() == 0 {
		t.Errorf("a gateway that stands by has sent %d reads and stopped %d", late.Load(), stopped.Load())
	}
}

// A gateway does by itself what nobody asks it for now only while it is known that nobody
// else writes, or when a person has said so.
func TestAGatewayActsByItselfOnlyWhileNobodyElseWrites(t *testing.T) {
	redis := redisFor(t)
	g := writes(t, redis, "http://127.0.0.1:1")
	tenant := g.tenants[0]
	l := leavers.Leaver{ID: "906", Tenant: tenant.name, Since: time.Now()}
	if g.mayDrive(tenant, l) {
		t.Error("the other is not to be seen, and may be alone and writing")
	}
	says(t, redis, "ZADD", "{scimgate}:gateways", "99999999999999", "b")
	eventually(t, "the other is known to stand by", func() bool { return g.mayDrive(tenant, l) })
	held := l
	if held.Held = true; g.mayDrive(tenant, held) {
		t.Error("who waits for a person is not waited for")
	}
	redis.Kill()
	eventually(t, "nothing is known of the other any more", func() bool { return !g.mayDrive(tenant, l) })
	tenant.guard.Release(guard.Deactivations, time.Minute)
	if !g.mayDrive(tenant, held) {
		t.Error("a person has said so, and nothing is done")
	}
	if err := g.supplanted(); err != nil {
		t.Fatal(err)
	}
	if g.mayDrive(tenant, held) {
		t.Error("what was said before another may have written is done behind it")
	}
}

// What was begun before another gateway may have written isn't carried on: it may have read
// what is not so any more.
func TestAPlanEndsWithItsEpoch(t *testing.T) {
	redis := redisFor(t)
	g := writes(t, redis, "http://127.0.0.1:1")
	x := g.begin()
	if err := g.mayCall(x, false); err != nil {
		t.Fatal(err)
	}
	says(t, redis, "HINCRBY", "{scimgate}:writer", "fence", 1) // as another tells of what it has written alone
	eventually(t, "it is told", func() bool { return g.epoch() != x.epoch })
	x.Target = scim.Target{Operation: scim.GetUser, ID: "906"}
	_, err := g.do(x)(scim.Request{Target: x.Target})
	var failure *scim.CallError
	if !errors.As(err, &failure) || failure.Reason != scim.Fenced {
		t.Errorf("got %v", err)
	}
}

// Nor what waited for its budget when that was so, though it is announced anew.
func TestWhatWaitedThroughAnotherEpochIsNotSent(t *testing.T) {
	redis := redisFor(t)
	var sent atomic.Int64
	aws := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/scim+json")
		if sent.Add(1) == 1 {
			w.Header().Set("Retry-After", "4")
			w.WriteHeader(429)
		}
		_, _ = w.Write([]byte(`{"id":"906","active":false}`))
	}))
	defer aws.Close()
	g := writes(t, redis, aws.URL)
	x := g.begin()
	x.Token, x.Target = []byte("t"), scim.Target{Operation: scim.PatchUser, ID: "906"}
	done := make(chan error, 1)
	go func() {
		_, err := g.do(x)(scim.Request{Target: x.Target, Body: []byte(`{"active":false}`)})
		done <- err
	}()
	eventually(t, "it is throttled", func() bool { return sent.Load() == 1 })
	says(t, redis, "HSET", "{scimgate}:writer", "holder", "other", "name", "b", "until", "99999999999999", "fence", "99999999999")
	eventually(t, "it stands by", func() bool { return g.writer.State().Role == writer.Standby })
	says(t, redis, "HSET", "{scimgate}:writer", "holder", "", "until", "0")
	eventually(t, "it writes again", func() bool { return g.writer.May(true) == nil && g.epoch() != x.epoch })
	var failure *scim.CallError
	if err := <-done; !errors.As(err, &failure) || failure.Reason != scim.Fenced || sent.Load() != 1 {
		t.Errorf("got %v after %d calls", err, sent.Load())
	}
}

// Before writes are possible, what finds nothing to do is not told as done either: what it
// reads may be changed by what another has under way.
func TestNoSuccessByReadsAloneBeforeWritesArePossible(t *testing.T) {
	redis := redisFor(t)
	aws := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/scim+json")
		if r.URL.Path == "/scim/v2/Users/906" {
			_, _ = w.Write([]byte(`{"id":"906","active":true}`))
			return
		}
		_, _ = w.Write([]byte(`{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":0,"itemsPerPage":0,"startIndex":1,"Resources":[]}`))
	}))
	defer aws.Close()
	g := writes(t, redis, aws.URL)
	epoch := g.epoch()
	says(t, redis, "HINCRBY", "{scimgate}:writer", "fence", 1) // as another tells of what it has written alone
	eventually(t, "it is told", func() bool { return g.epoch() != epoch })
	x := g.begin()
	x.Token, x.Target = []byte("t"), scim.Target{Operation: scim.PatchUser, ID: "906"}
	x.Verdict.Nothing = true
	_, err := g.plan(x)(g.do(x))
	if g.writer.May(true) == nil {
		t.Skip("the machine is too slow")
	}
	var failure *scim.CallError
	if !errors.As(err, &failure) || failure.Reason != scim.Fenced {
		t.Errorf("got %v", err)
	}
}

// What another gateway has sent may still be carried out: what AWS shows meanwhile closes no
// deactivation.
func TestAReadBeforeWritesArePossibleClosesNothing(t *testing.T) {
	redis := redisFor(t)
	aws := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/scim+json")
		_, _ = w.Write([]byte(`{"id":"906","active":false}`))
	}))
	defer aws.Close()
	g := writes(t, redis, aws.URL)
	if err := g.leavers.Add(leavers.Leaver{ID: "906", Tenant: defaultTenant, Since: time.Now()}); err != nil {
		t.Fatal(err)
	}
	read := func() (status int, open bool) {
		x := g.begin()
		x.Token, x.Method, x.Target = []byte("t"), "GET", scim.Target{Operation: scim.GetUser, ID: "906"}
		defer x.leave()
		return g.carryOut(x).Status, g.leavers.Has("906")
	}
	epoch := g.epoch()
	says(t, redis, "HINCRBY", "{scimgate}:writer", "fence", 1) // as another tells of what it has written alone
	eventually(t, "it is told", func() bool { return g.epoch() != epoch })
	if status, open := read(); g.writer.May(true) == nil {
		t.Skip("the machine is too slow")
	} else if status != 200 || !open {
		t.Errorf("got %d, on the list: %v", status, open)
	}
	eventually(t, "it writes", func() bool { return g.writer.May(true) == nil })
	if status, open := read(); status != 200 || open {
		t.Errorf("got %d, on the list: %v", status, open)
	}
}

// A try of the gateway itself that was under way, or in a copy of the list, when the list
// was held lets nobody go, whatever a person releases meanwhile.
func TestItsOwnTriesEndNoHold(t *testing.T) {
	g := oneOfTwo(t) // it may not send
	tenant := g.tenants[0]
	if err := errors.Join(g.leavers.Add(leavers.Leaver{ID: "906", Tenant: tenant.name, Since: time.Now()}), g.supplanted()); err != nil {
		t.Fatal(err)
	}
	for _, released := range []time.Duration{0, time.Hour} {
		tenant.guard.Release(guard.Deactivations, released)
		x := g.beginFor(tenant)
		x.Target, x.Token = scim.Target{Operation: scim.PatchUser, ID: "906"}, []byte("t")
		x.Document = []byte(translate.Deactivation)
		x.Body, x.Verdict.Document, x.Verdict.Deactivates = x.Document, x.Document, true
		asked := false
		x.only = func() bool { asked = true; return true }
		if r := g.carryOut(x); r.Status != 429 || !asked {
			t.Errorf("released for %v: got %d", released, r.Status)
		}
		x.leave()
		if l, _, open := g.leavers.Find("906"); !open || !l.Held {
			t.Errorf("released for %v: on the list: %t, held: %t", released, open, l.Held)
		}
	}
}
