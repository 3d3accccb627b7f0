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

// An exchange keeps the places of its largest answer, and those that find none end.
func TestLargeAnswersHavePlaces(t *testing.T) {
	a := newAnswers()
	exchange := func() *Exchange { return &Exchange{answers: &a, Deadline: time.Now().Add(-time.Second)} }
	var xs []*Exchange
	for range mediumAnswers - largeAnswers {
		xs = append(xs, exchange())
		if err := xs[len(xs)-1].fit(mediumAnswer); err != nil {
			t.Fatal(err)
		}
	}
	for range largeAnswers {
		xs = append(xs, exchange())
		if err := xs[len(xs)-1].fit(mediumAnswer + 1); err != nil {
			t.Fatal(err)
		}
		if err := xs[len(xs)-1].fit(4 << 20); err != nil {
			t.Errorf("got %v for another one of the same exchange", err)
		}
	}
	x := exchange()
	if err := x.fit(mediumAnswer); err != errNoRoom {
		t.Errorf("got %v, want no room", err)
	}
	if err := x.fit(mediumAnswer >> 4); err != nil { // wire.Small
		t.Errorf("got %v, want small ones to need no place", err)
	}
	xs[0].leave()
	if err := x.fit(mediumAnswer); err != nil {
		t.Errorf("got %v, want the place that was given back", err)
	}
	if err := x.fit(mediumAnswer + 1); err != errNoRoom {
		t.Errorf("got %v, want no room for a larger one", err)
	}
}
