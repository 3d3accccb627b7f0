package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scimgate/scimgate/bench/standin"
	"github.com/scimgate/scimgate/proxy"
	"github.com/scimgate/scimgate/proxy/guard"
	"github.com/scimgate/scimgate/proxy/tokens"
)

// holding is a gateway that holds AWS's token, with a token of its own for Okta and a limit
// for deactivations.
func holding(t *testing.T, deactivations guard.Limit) (c *scene, token string) {
	dir := t.TempDir()
	token, line := tokens.Make("okta")
	file, held := filepath.Join(dir, "tokens"), filepath.Join(dir, "aws")
	for path, text := range map[string]string{file: line, held: standin.DefaultToken} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c = play(t, stage{settings: func(s *proxy.Settings) {
		s.Tokens = tokens.Settings{File: file, Upstream: "file:" + held}
		s.Guard.Deactivations = deactivations
	}})
	return c, token
}

const deactivation = `{` + patchOp + `,"Operations":[{"op":"replace","value":{"active":false}}]}`

// A deactivation that a guard holds is on the list of open ones, and is carried on by the
// gateway itself only after a release; one that AWS has failed is carried on at once, and
// counted once for all its tries.
func TestHeldDeactivationWaitsForARelease(t *testing.T) {
	c, token := holding(t, guard.Limit{Mode: guard.HoldIt, Floor: 1})
	c.token = token
	ids := c.people(2)
	c.aws.Inject(standin.Fault{Operation: standin.PatchUser, Act: standin.Refuse, Status: 500, Times: 1})
	c.through(429, "PATCH", "/Users/"+ids[0], deactivation)
	if r := c.through(429, "PATCH", "/Users/"+ids[1], deactivation); !strings.Contains(r.detail(), "SG802") {
		t.Fatalf("got %q, want it held by the guard", r.detail())
	}
	if _, body := c.adminAsks("GET", "/leavers"); strings.Count(body, `"held": true`) != 1 || strings.Count(body, `"id"`) != 2 {
		t.Errorf("got %s, want both, one of them held", body)
	}
	active := func(id string) bool { u, _ := c.aws.User(id); return u.Active }
	if !c.inactive(ids[0]) {
		t.Error("the deactivation that AWS has failed is not carried on")
	}
	if !active(ids[1]) { // its turn was before the other's success, or at it
		t.Error("what the guard holds is carried out")
	}
	if status, body := c.adminAsks("POST", "/guard/release?kind=deactivations&for=1m"); status != 200 {
		t.Fatalf("got %d %s for a release", status, body)
	}
	if !c.inactive(ids[1]) {
		t.Error("the deactivation is not carried on after the release")
	}
}

// Who is inactive at AWS already loses nothing by another deactivation.
func TestRepeatedDeactivationsAreCountedOnce(t *testing.T) {
	c := play(t, stage{settings: func(s *proxy.Settings) { s.Guard.Deactivations = guard.Limit{Mode: guard.HoldIt, Floor: 1} }})
	ids := c.people(2)
	for range 3 {
		c.through(200, "PATCH", "/Users/"+ids[0], deactivation)
	}
	c.through(429, "PATCH", "/Users/"+ids[1], deactivation)
	c.through(200, "PATCH", "/Users/"+ids[0], strings.Replace(deactivation, "false", "true", 1))
	c.through(429, "PATCH", "/Users/"+ids[0], deactivation) // who came back loses again
}

// What a guard holds is held by the next process on the same log too, until it is released;
// a file that can't be read stops nothing.
func TestAHeldDeletionStaysHeldOverARestart(t *testing.T) {
	limit := func(s *proxy.Settings) { s.Guard.UserDeletes = guard.Limit{Mode: guard.HoldIt, Floor: 3} }
	c := play(t, stage{settings: limit})
	ids := c.people(5)
	restart := func() {
		if err := c.stop(); err != nil {
			t.Fatal(err)
		}
		file := c.audit
		c = play(t, stage{settings: func(s *proxy.Settings) {
			limit(s)
			s.Audit.File = file
		}})
		c.audit, ids = file, c.people(5)
	}
	for _, id := range ids[:3] {
		c.through(204, "DELETE", "/Users/"+id, "")
	}
	kept := c.audit + ".default.guard"
	if _, err := os.Stat(kept); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v for %s, want nothing kept before something is held", err, kept)
	}
	for range 2 {
		if r := c.through(429, "DELETE", "/Users/"+ids[3], ""); !strings.Contains(r.detail(), "SG802") {
			t.Errorf("got %q, want it held by the guard", r.detail())
		}
		restart()
	}
	if status, body := c.adminAsks("POST", "/guard/release?kind=user_deletes&for=1m"); status != 200 {
		t.Fatalf("got %d %s for a release", status, body)
	}
	c.through(204, "DELETE", "/Users/"+ids[3], "")
	if _, err := os.Stat(kept); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v for %s, want it removed by the release", err, kept)
	}
	if err := os.WriteFile(kept, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	restart()
	c.through(204, "DELETE", "/Users/"+ids[3], "")
	if err := c.stop(); err != nil {
		t.Fatal(err)
	}
	c.wantWords(c.log.String(), "what a guard holds", kept)
}
