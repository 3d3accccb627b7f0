package proxy

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/scimgate/scimgate/proxy/audit"
	"github.com/scimgate/scimgate/proxy/leavers"
	"github.com/scimgate/scimgate/proxy/pace"
	"github.com/scimgate/scimgate/proxy/translate"
	"github.com/scimgate/scimgate/proxy/upstream"
	"github.com/scimgate/scimgate/rules/scim"
)

// What a create in doubt has made may have been found and deleted before AWS is asked.
func TestWhatACreateHasMadeMayBeGone(t *testing.T) {
	var u unsettled
	now := time.Now()
	d := &inDoubt{intent: audit.Record{Op: scim.CreateUser.String(), Name: "ada", Time: now.Add(-time.Minute)}}
	gone := func() bool { return u.ofCreate(d, translate.NotDone) == translate.Untold }
	if gone() {
		t.Error("nothing was deleted")
	}
	if u.deletes(); !gone() {
		t.Error("something was deleted behind it")
	}
	d.intent.Time = now.Add(time.Minute)
	if gone() {
		t.Error("nothing was deleted behind it")
	}
	if d.older = true; !gone() {
		t.Error("a whole life of the process lies between")
	}
}

// One that is overtaken while AWS is asked is told at once, and once.
func TestWhatIsOvertakenWhileItIsAskedAbout(t *testing.T) {
	var u unsettled
	d := &inDoubt{intent: audit.Record{Op: scim.PatchUser.String(), Resource: "Users/1"}}
	u.add(d)
	if due := u.take(time.Now(), 1); len(due) != 1 {
		t.Fatalf("got %v", due)
	}
	if gone := u.overtaken("Users/2"); len(gone) != 0 {
		t.Errorf("got %v for another resource", gone)
	}
	if gone := u.overtaken("Users/1"); len(gone) != 1 || u.claim(d) {
		t.Errorf("got %v, want it once", gone)
	}
	if gone := u.overtaken("Users/1"); len(gone) != 0 {
		t.Errorf("got %v again", gone)
	}
	if u.rested(); u.n.Load() != 0 {
		t.Error("it is still there")
	}
}

// One person asks at a time, about so many; what was found out is told, however often the
// log can't take it, and isn't found out anew.
func TestWhatWasFoundOutIsTold(t *testing.T) {
	var u unsettled
	now := time.Now()
	one, other := &inDoubt{intent: audit.Record{Resource: "Users/1"}}, &inDoubt{intent: audit.Record{Resource: "Users/2"}}
	u.add(one)
	u.add(other)
	if due := u.take(now, 1); len(due) != 1 || due[0] != one || u.take(now, 1) != nil {
		t.Fatalf("got %v, want the first, and nothing for another caller", due)
	}
	if !u.claim(one) || u.claim(one) || u.claim(other) {
		t.Error("want it claimed once")
	}
	u.putBack(one, &verdict{translate.Done, ""})
	if gone := u.overtaken("Users/1"); len(gone) != 0 {
		t.Errorf("got %v, want what was found out to stay", gone)
	}
	u.rested()
	if due := u.take(now, 2); len(due) != 1 || due[0] != other {
		t.Errorf("got %v, want the other one alone", due)
	}
	u.rested() // without a claim: it was ended before
	if due := u.take(now.Add(2*againAfter), 2); len(due) != 2 || u.n.Load() != 2 {
		t.Errorf("got %v, want both", due)
	}
}

// inactiveAt is a gateway in front of an AWS that shows everybody as inactive, with a user on
// the list of open deactivations whom somebody is about to change.
func inactiveAt(t *testing.T) (g *Gateway, changes *pace.Turn) {
	t.Helper()
	aws := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/scim+json")
		_, _ = io.WriteString(w, `{"id":"906","active":false}`)
	}))
	t.Cleanup(aws.Close)
	g, err := New(Settings{Upstream: upstream.Settings{URL: aws.URL + "/scim/v2"}, Audit: audit.Settings{File: filepath.Join(t.TempDir(), "audit.jsonl")}}, Policy{}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		g.closeStores(true)
		if err := errors.Join(g.leavers.Close(), g.journal.Close()); err != nil {
			t.Error(err)
		}
	})
	if changes, err = g.tenants[0].lanes.Enter(time.Now(), pace.InOrder, "Users/906"); err != nil {
		t.Fatal(err)
	}
	if err := g.leavers.Add(leavers.Leaver{ID: "906", Tenant: defaultTenant, Since: time.Now()}); err != nil {
		t.Fatal(err)
	}
	return g, changes
}

// What AWS shows before an activation that is under way says nothing about a deactivation that
// waits behind it.
func TestAReadBesideAWriteClosesNothing(t *testing.T) {
	g, activates := inactiveAt(t)
	for _, busy := range []bool{true, false} {
		x := g.begin()
		x.Token, x.Method, x.Target = []byte("t"), "GET", scim.Target{Operation: scim.GetUser, ID: "906"}
		if r := g.carryOut(x); r.Status != 200 {
			t.Fatalf("got %d %s", r.Status, r.Body)
		}
		x.leave()
		if open := g.leavers.Has("906"); open != busy {
			t.Errorf("somebody changes the user: %v, on the list: %v", busy, open)
		}
		activates.Leave(0)
	}
}

// Nor does it settle a doubt.
func TestADoubtIsNotSettledBesideAWrite(t *testing.T) {
	g, activates := inactiveAt(t)
	tenant := g.tenants[0]
	tenant.unsettled.add(&inDoubt{intent: audit.Record{Exchange: "E", Op: scim.PatchUser.String(), Resource: "Users/906", Revokes: true}})
	for _, busy := range []bool{true, false} {
		now := time.Now()
		due := tenant.unsettled.take(now, 1)
		if g.settle(tenant, []byte("t"), due, now); (len(due) == 0) != busy || g.leavers.Has("906") != busy {
			t.Errorf("somebody changes the user: %v, asked about %d", busy, len(due))
		}
		activates.Leave(0)
	}
}

// Of two creates of the same person, of which one may have been carried out, a read can't tell
// which: the second is sent while somebody asks about the first, or is in doubt itself.
func TestWhatAnotherCreateMadeIsNoneOfAnEarlierOne(t *testing.T) {
	create := func(exchange string) *audit.Record {
		return &audit.Record{Exchange: exchange, Op: scim.CreateUser.String(), Name: "Ada@example.test"}
	}
	for name, want := range map[string]translate.Settled{"alone": translate.Done, "sent": translate.Untold, "in doubt": translate.Untold} {
		var u unsettled
		first := &inDoubt{intent: *create("1")}
		u.add(first)
		u.rival(&audit.Record{Exchange: "3", Op: scim.CreateUser.String(), Name: "grace@example.test"})
		u.take(time.Now(), 1)
		switch name {
		case "sent":
			u.rival(create("2"))
		case "in doubt":
			second := &inDoubt{intent: *create("2")}
			u.add(second)
			if got := u.ofCreate(second, translate.Done); got != want {
				t.Errorf("%s: got %v for the second, want %v", name, got, want)
			}
		}
		if got := u.ofCreate(first, translate.Done); got != want || u.ofCreate(first, translate.NotDone) != translate.NotDone {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
}

// A create is a rival of an earlier one before it is sent.
func TestACreateIsTakenInBeforeItIsSent(t *testing.T) {
	d := &inDoubt{intent: audit.Record{Exchange: "1", Op: scim.CreateUser.String(), Name: "ada@example.test"}}
	var g *Gateway
	aws := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if g.tenants[0].unsettled.ofCreate(d, translate.Done) != translate.Untold {
			t.Error("it is sent, and what it makes is taken for the earlier one's")
		}
		w.WriteHeader(http.StatusBadRequest)
	}))
	defer aws.Close()
	g, err := New(Settings{Upstream: upstream.Settings{URL: aws.URL + "/scim/v2"}, Audit: audit.Settings{File: filepath.Join(t.TempDir(), "audit.jsonl")}}, Policy{}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	g.tenants[0].unsettled.add(d)
	x := g.begin()
	x.Token, x.Method, x.Target = []byte("t"), "POST", scim.Target{Operation: scim.CreateUser}
	x.Document = []byte(`{"userName":"ada@example.test"}`)
	if resp, err := g.do(x)(scim.Request{Target: x.Target, Body: x.Document}); err != nil || resp.Status != 400 {
		t.Errorf("got %d %v", resp.Status, err)
	}
	x.leave()
	g.closeStores(true)
	if err := errors.Join(g.leavers.Close(), g.journal.Close()); err != nil {
		t.Error(err)
	}
}

// What AWS showed says nothing about a deactivation that has come since the doubt was due.
func TestADoubtClosesNoLaterDeactivation(t *testing.T) {
	g, activates := inactiveAt(t)
	activates.Leave(0)
	tenant, now := g.tenants[0], time.Now()
	tenant.unsettled.add(&inDoubt{intent: audit.Record{Exchange: "E", Op: scim.PatchUser.String(), Resource: "Users/906", Revokes: true}})
	due := tenant.unsettled.take(now, 1)
	if err := g.leavers.Add(leavers.Leaver{ID: "906", Tenant: tenant.name, Since: time.Now()}); err != nil {
		t.Fatal(err)
	}
	if g.settle(tenant, []byte("t"), due, now); len(due) != 1 || !g.leavers.Has("906") {
		t.Errorf("asked about %d, on the list: %v", len(due), g.leavers.Has("906"))
	}
}

// What something in between may have answered is no acceptance of a token; AWS's own
// refusal of it ends one.
func TestATokenIsAcceptedByAnAnswerOfAWS(t *testing.T) {
	g, _, _ := idle(t)
	f := func(status int, known bool) {
		t.Helper()
		x := g.begin()
		x.Token, x.Calls, x.lastAWS.Status = []byte("a-token"), 1, status
		x.actor = g.journal.Actor(x.Token)
		x.known = g.tenants[0].seen.Knows(x.actor)
		g.judgeToken(x)
		if now := g.tenants[0].seen.Knows(x.actor); now != known || x.known != known {
			t.Errorf("got known %v, and %v for the exchange, behind a %d, want %v", now, x.known, status, known)
		}
	}
	for _, status := range []int{302, 400, 403, 418, 429, 500, 0} {
		f(status, false)
	}
	x := g.begin()
	x.Token, x.Calls, x.lastAWS.Status, x.stray = []byte("a-token"), 1, 404, true // a page
	x.actor = g.journal.Actor(x.Token)
	if g.judgeToken(x); x.known {
		t.Error("a 404 that is not AWS's is taken for an acceptance")
	}
	for _, status := range []int{200, 201, 204, 404, 409} {
		f(status, true)
		f(403, true)
		f(401, false)
		f(400, false)
	}
}
