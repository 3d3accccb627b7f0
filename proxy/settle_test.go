package proxy

import (
	"testing"
	"time"

	"github.com/scimgate/scimgate/proxy/audit"
	"github.com/scimgate/scimgate/rules/scim"
)

// What a create in doubt has made may have been found and deleted before AWS is asked.
func TestWhatACreateHasMadeMayBeGone(t *testing.T) {
	var u unsettled
	now := time.Now()
	d := &inDoubt{intent: audit.Record{Op: scim.CreateUser.String(), Name: "ada", Time: now.Add(-time.Minute)}}
	if u.mayBeGone(d) {
		t.Error("nothing was deleted")
	}
	if u.deletes(); !u.mayBeGone(d) {
		t.Error("something was deleted behind it")
	}
	d.intent.Time = now.Add(time.Minute)
	if u.mayBeGone(d) {
		t.Error("nothing was deleted behind it")
	}
	if d.older = true; !u.mayBeGone(d) {
		t.Error("a whole life of the process lies between")
	}
}

// One that is overtaken while AWS is asked is told at once, and once.
func TestWhatIsOvertakenWhileItIsAskedAbout(t *testing.T) {
	var u unsettled
	d := &inDoubt{intent: audit.Record{Op: scim.PatchUser.String(), Resource: "Users/1"}}
	u.add(d)
	if due := u.take(time.Now()); len(due) != 1 || u.isTold(d) {
		t.Fatalf("got %v", due)
	}
	if gone := u.overtaken("Users/2"); len(gone) != 0 {
		t.Errorf("got %v for another resource", gone)
	}
	if gone := u.overtaken("Users/1"); len(gone) != 1 || !u.isTold(d) {
		t.Errorf("got %v, want it once", gone)
	}
	if gone := u.overtaken("Users/1"); len(gone) != 0 {
		t.Errorf("got %v again", gone)
	}
	if u.rested(); u.n.Load() != 0 {
		t.Error("it is still there")
	}
}
