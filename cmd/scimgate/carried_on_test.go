package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scimgate/scimgate/bench/standin"
	"github.com/scimgate/scimgate/proxy"
	"github.com/scimgate/scimgate/proxy/guard"
)

const activation = `{` + patchOp + `,"Operations":[{"op":"replace","value":{"active":true}}]}`

// inactive waits until the gateway has deactivated a user by itself; nothing else tells.
func (c *scene) inactive(id string) bool {
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if u, _ := c.aws.User(id); !u.Active {
			return true
		}
	}
	return false
}

// wantOffList is for a user whose deactivation is over.
func (c *scene) wantOffList(id string) {
	c.t.Helper()
	if _, body := c.adminAsks("GET", "/leavers"); strings.Contains(body, id) {
		c.t.Errorf("got %s, want %s off the list of open deactivations", body, id)
	}
}

// Under an override the gateway carries on what it was asked for before.
func TestDeactivationsAreCarriedOnUnderAnOverride(t *testing.T) {
	for _, what := range []string{"observe", "pass"} {
		c, token := holding(t, guard.Limit{})
		c.token = token
		id := c.people(1)[0]
		c.aws.Inject(standin.Fault{Operation: standin.PatchUser, Act: standin.Refuse, Times: 1})
		c.through(429, "PATCH", "/Users/"+id, deactivation)
		if status, body := c.adminAsks("POST", "/override?what="+what+"&for=1h"); status != 200 {
			t.Fatal(body)
		}
		if !c.inactive(id) {
			t.Errorf("%s: the user is still active", what)
		}
	}
}

// Under pass, who is activated is seen, and so is who is deactivated: nothing else is.
func TestWhoIsActivatedUnderPass(t *testing.T) {
	c := play(t, stage{})
	id := c.people(1)[0]
	c.aws.Inject(standin.Fault{Operation: standin.PatchUser, Act: standin.Refuse, Status: 403})
	c.send(c.gateway, "PATCH", "/Users/"+id, deactivation)
	c.wantOnList(id)
	if status, body := c.adminAsks("POST", "/override?what=pass&for=1h"); status != 200 {
		t.Fatal(body)
	}
	c.through(200, "PATCH", "/Users/"+id, retitle)
	c.wantOnList(id)
	c.through(200, "PATCH", "/Users/"+id, activation)
	c.wantOffList(id)
	c.aws.Inject(standin.Fault{Operation: standin.PatchUser, Act: standin.Refuse, Status: 403})
	c.through(403, "PATCH", "/Users/"+id, deactivation)
	c.wantOnList(id)
}

// A deactivation without an answer, which was repeated and behind which the user was
// activated again, is over, also over a restart; whatever the store is.
func TestADoubtIsOverWhenTheUserIsActivated(t *testing.T) {
	for _, plain := range []bool{false, true} {
		c := play(t, stage{plain: plain, settings: func(s *proxy.Settings) { s.Pace.Settle = time.Millisecond }})
		id := c.people(1)[0]
		c.aws.Inject(standin.Fault{Operation: standin.PatchUser, Act: standin.HangUp, When: standin.Before})
		c.through(429, "PATCH", "/Users/"+id, deactivation)
		c.wantOnList(id)
		c.through(200, "PATCH", "/Users/"+id, deactivation)
		c.through(200, "PATCH", "/Users/"+id, activation)
		c.wantOffList(id)
		c.after("the end").wantOffList(id)
	}
}

// A 404 of something in between ends no doubt, under an override either: there it is no
// error.
func TestAForeign404EndsNoDoubtUnderAnOverride(t *testing.T) {
	c, token := holding(t, guard.Limit{})
	c.token = token
	id := c.people(1)[0]
	if status, body := c.adminAsks("POST", "/override?what=pass&for=1h"); status != 200 {
		t.Fatal(body)
	}
	page := standin.HTML(404)
	page.Operation, page.Times = standin.GetUser, 99
	c.aws.Inject(page)
	c.aws.Inject(standin.Fault{Operation: standin.PatchUser, Act: standin.Refuse, Status: 500, Times: 99})
	c.send(c.gateway, "PATCH", "/Users/"+id, deactivation)
	asked := func() bool {
		return slices.ContainsFunc(c.aws.Journal(), func(e standin.Entry) bool { return e.Method == "GET" && strings.HasSuffix(e.Target, id) })
	}
	for deadline := time.Now().Add(20 * time.Second); !asked() && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) { // nothing tells when the gateway has asked
	}
	if !asked() {
		t.Fatal("AWS is not asked")
	}
	for _, rec := range c.records() { // once all is over
		if rec["event"] == "settled" && rec["outcome"] != "unknown" { // its next try overtakes the doubt
			t.Errorf("got %v, want the doubt to go on", rec)
		}
	}
	if list := readFile(t, c.audit+".leavers"); strings.Contains(list, "closed") {
		t.Errorf("got %s, want the user on the list", list)
	}
}
