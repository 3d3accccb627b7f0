package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/scimgate/scimgate/bench/standin"
	"github.com/scimgate/scimgate/proxy"
)

// settled waits for the notice about a write in doubt, and returns its outcome.
func (c *scene) settled(op string) string {
	c.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		c.send(c.gateway, "GET", "/Users?count=1", "") // a request that brings a token
		for line := range strings.Lines(readFile(c.t, c.audit)) {
			var rec struct{ Event, Op, Outcome string }
			if json.Unmarshal([]byte(line), &rec) == nil && rec.Event == "settled" && rec.Op == op {
				return rec.Outcome
			}
		}
	}
	c.t.Fatalf("the log never tells what became of %s", op)
	return ""
}

// What became of a write without a usable answer is found out by a read, and told.
func TestWritesInDoubtAreSettled(t *testing.T) {
	f := func(name string, fault standin.Fault, op, method, target, body, want string) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := play(t, stage{settings: func(s *proxy.Settings) { s.Pace.Settle = time.Millisecond }})
			ids := c.people(2)
			group, err := c.aws.AddGroup(`{"displayName":"Engineers"}`, ids[0])
			if err != nil {
				t.Fatal(err)
			}
			c.aws.Inject(fault)
			in := strings.NewReplacer("USER", ids[0], "OTHER", ids[1], "GROUP", group)
			c.send(c.gateway, method, in.Replace(target), in.Replace(body))
			if got := c.settled(op); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
	for _, when := range []standin.When{standin.Before, standin.After} {
		want := map[standin.When]string{standin.Before: "not_done", standin.After: "ok"}[when]
		lost := func(op standin.Operation) standin.Fault {
			return standin.Fault{Operation: op, Act: standin.HangUp, When: when, Times: 3}
		}
		leave := `{` + patchOp + `,"Operations":[{"op":"replace","value":{"active":false}}]}`
		f("deactivation "+want, lost(standin.PatchUser), "patchUser", "PATCH", "/Users/USER", leave, want)
		f("deletion "+want, lost(standin.DeleteUser), "deleteUser", "DELETE", "/Users/USER", "", want)
		f("creation "+want, lost(standin.CreateUser), "createUser", "POST", "/Users", `{`+soundUser+`}`, want)
		f("addition "+want, lost(standin.PatchGroup), "patchGroup", "PATCH", "/Groups/GROUP",
			`{`+patchOp+`,"Operations":[{"op":"add","path":"members","value":[{"value":"OTHER"}]}]}`, want)
		f("removal "+want, lost(standin.PatchGroup), "patchGroup", "PATCH", "/Groups/GROUP",
			`{`+patchOp+`,"Operations":[{"op":"remove","path":"members","value":[{"value":"USER"}]}]}`, want)
		f("group's deletion "+want, lost(standin.DeleteGroup), "deleteGroup", "DELETE", "/Groups/GROUP", "", want)
		f("failure "+want, standin.Fault{Operation: standin.DeleteUser, Act: standin.Refuse, When: when, Times: 3}, "deleteUser", "DELETE", "/Users/USER", "", want)
	}
}

// What AWS's lists show late isn't taken for what was not done.
func TestWhatListsShowLateIsSettledLater(t *testing.T) {
	f := func(late, op string, fault standin.Operation, ask func(c *scene, ids []string) (look string)) {
		t.Run(late, func(t *testing.T) {
			t.Parallel()
			c := play(t, stage{aws: standin.Options{Switches: standin.Positions{late: "5"}}, settings: func(s *proxy.Settings) { s.Pace.Settle = 4 * time.Second }})
			ids := c.people(2)
			c.aws.Inject(standin.Fault{Operation: fault, Act: standin.Refuse, When: standin.After})
			look := ask(c, ids)
			for range 5 { // others look: the delay is over before the settle time is
				c.send(c.direct, "GET", look, "")
			}
			if got := c.settled(op); got != "ok" {
				t.Errorf("got %s of what AWS has done", got)
			}
		})
	}
	f("read-delay", "createUser", standin.CreateUser, func(c *scene, _ []string) string {
		c.send(c.gateway, "POST", "/Users", `{`+soundUser+`}`)
		return "/Users"
	})
	f("membership-delay", "patchGroup", standin.PatchGroup, func(c *scene, ids []string) string {
		group, err := c.aws.AddGroup(`{"displayName":"Engineers"}`, ids[0])
		if err != nil {
			c.t.Fatal(err)
		}
		c.send(c.gateway, "PATCH", "/Groups/"+group, `{`+patchOp+`,"Operations":[{"op":"add","path":"members","value":[{"value":"`+ids[1]+`"}]}]}`)
		return "/Groups?filter=" + url.QueryEscape(`id eq "`+group+`" and members eq "`+ids[1]+`"`)
	})
}

// Any request that brings a token which AWS has accepted before has what is in doubt found
// out, whatever becomes of the request itself.
func TestWhateverIsAskedSettles(t *testing.T) {
	c := play(t, stage{settings: func(s *proxy.Settings) { s.Pace.Settle = time.Millisecond }})
	id := c.user("grace@example.test", "")
	c.through(200, "GET", "/Users/"+id, "")
	c.aws.Inject(standin.Fault{Operation: standin.PatchUser, Act: standin.HangUp})
	c.through(429, "PATCH", "/Users/"+id, `{`+patchOp+`,"Operations":[{"op":"replace","path":"title","value":"Admiral"}]}`)
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		c.through(400, "POST", "/Users", `{`) // of which AWS isn't asked
		if text := readFile(c.t, c.audit); strings.Contains(text, `"event":"settled"`) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the log never tells what became of it")
		}
	}
}

// A write that is sent again is what a later read shows, so that the first is told as
// overtaken.
func TestAWriteInDoubtIsOvertaken(t *testing.T) {
	c := play(t, stage{settings: func(s *proxy.Settings) { s.Pace.Settle = 10 * time.Millisecond }})
	id := c.user("grace@example.test", "")
	body := `{` + patchOp + `,"Operations":[{"op":"replace","path":"title","value":"Admiral"}]}`
	c.aws.Inject(standin.Fault{Operation: standin.PatchUser, Act: standin.HangUp})
	c.through(429, "PATCH", "/Users/"+id, body)
	c.through(200, "PATCH", "/Users/"+id, body)
	told := 0
	for _, r := range c.records() {
		if r["event"] == "settled" && strings.Contains(fmt.Sprint(r["findings"]), "overtaken by") && r["outcome"] == "unknown" {
			told++
		}
	}
	if told != 1 {
		t.Errorf("got %d notices of a write that was overtaken, want one", told)
	}
}

// after is a gateway with the log that a crash would have left behind the first line with
// a text in it, in front of an AWS that has the same users.
func (c *scene) after(text string) *scene {
	c.t.Helper()
	if err := c.stop(); err != nil {
		c.t.Fatal(err)
	}
	var kept strings.Builder
	for line := range strings.Lines(readFile(c.t, c.audit)) {
		kept.WriteString(line)
		if strings.Contains(line, text) {
			break
		}
	}
	key := readFile(c.t, c.audit+".key")
	next := play(c.t, stage{settings: func(s *proxy.Settings) {
		for path, text := range map[string]string{s.Audit.File: kept.String(), s.Audit.File + ".key": key} {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				c.t.Fatal(err)
			}
		}
		s.Pace.Settle = time.Millisecond
	}})
	for _, u := range c.aws.Users() {
		u.Document["id"] = u.ID
		document, err := json.Marshal(u.Document)
		if err != nil {
			c.t.Fatal(err)
		}
		if _, err := next.aws.AddUser(string(document)); err != nil {
			c.t.Fatal(err)
		}
	}
	return next
}

// A deactivation that a crash has cut off is on the list of those that nobody has
// confirmed, and is settled at the next request that brings a token.
func TestADeactivationBeforeACrashIsNotForgotten(t *testing.T) {
	for _, carriedOut := range []bool{true, false} {
		c := play(t, stage{})
		id := c.user("grace@example.test", "")
		c.through(200, "PATCH", "/Users/"+id, `{`+patchOp+`,"Operations":[{"op":"replace","value":{"active":false}}]}`)
		if !carriedOut {
			c.send(c.direct, "PATCH", "/Users/"+id, `{`+patchOp+`,"Operations":[{"op":"replace","value":{"active":true}}]}`)
		}
		next := c.after(`"kind":"intent"`)
		if _, body := next.adminAsks("GET", "/leavers"); !strings.Contains(body, id) {
			t.Errorf("got %s, want the user on the list after the crash", body)
		}
		want := map[bool]string{true: "ok", false: "not_done"}[carriedOut]
		if got := next.settled("patchUser"); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if _, body := next.adminAsks("GET", "/leavers"); strings.Contains(body, id) == carriedOut {
			t.Errorf("got %s after the look, carried out %v", body, carriedOut)
		}
	}
}

// So is one that AWS has refused or not answered, if the crash came before its client was
// told; and what is found out to be not done stays there.
func TestADeactivationBehindItsOutcomeIsNotForgotten(t *testing.T) {
	for name, fault := range map[string]standin.Fault{
		"hang-up":   {Act: standin.HangUp, Times: 9},
		"500":       {Act: standin.Refuse, Times: 9},
		"throttled": {Act: standin.Refuse, Status: 429, Times: 9},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := play(t, stage{settings: func(s *proxy.Settings) { s.Client.Patience = time.Second }})
			id := c.user("grace@example.test", "")
			fault.Operation = standin.PatchUser
			c.aws.Inject(fault)
			c.through(429, "PATCH", "/Users/"+id, deactivation)
			next := c.after(`"kind":"outcome"`)
			next.wantOnList(id)
			if name != "throttled" {
				if got := next.settled("patchUser"); got != "not_done" {
					t.Errorf("got %s", got)
				}
			}
			next.wantOnList(id)
		})
	}
}

// What a crash has cut off is taken up once: a user who was activated since stays so,
// however often the gateway is started.
func TestWhatACrashCutOffIsTakenUpOnce(t *testing.T) {
	for _, at := range []string{`"kind":"intent"`, `"kind":"outcome"`} {
		c := play(t, stage{})
		id := c.user("grace@example.test", "")
		c.aws.Inject(standin.Fault{Operation: standin.PatchUser, Act: standin.Refuse})
		c.through(429, "PATCH", "/Users/"+id, deactivation)
		next := c.after(at)
		next.wantOnList(id)
		next.through(200, "PATCH", "/Users/"+id, deactivation)
		next.through(200, "PATCH", "/Users/"+id, patchOf(`{"op":"replace","value":{"active":true}}`))
		again := next.after(`"event":"shutdown"`)
		if _, body := again.adminAsks("GET", "/leavers"); strings.Contains(body, id) {
			t.Errorf("%s: got %s at another start, want nobody", at, body)
		}
	}
}

// What is in doubt outlives a second restart.
func TestDoubtsOutliveRestarts(t *testing.T) {
	c := play(t, stage{})
	id := c.user("grace@example.test", "")
	c.through(200, "PATCH", "/Users/"+id, `{`+patchOp+`,"Operations":[{"op":"replace","value":{"active":false}}]}`)
	next := c.after(`"kind":"intent"`)
	again := next.after(`"event":"shutdown"`)
	if got := again.settled("patchUser"); got != "ok" {
		t.Errorf("got %s, want ok", got)
	}
}
