package proxy

import (
	"fmt"
	"testing"
	"time"

	"github.com/scimgate/scimgate/proxy/room"
)

// Another change of the same resource comes behind a job: the next one like that job is to
// be carried out again.
func TestAnotherChangeSupersedesAJob(t *testing.T) {
	x := func() *Exchange { return &Exchange{tenant: &Tenant{store: &store{url: "aws"}}} }
	js := newJobs(0)
	first := js.start("remove ada", "aws Groups/1", room.Ask{N: 1})
	js.supersede("aws Groups/1", "remove ada")
	js.supersede("aws Groups/2", "add ada")
	if js.join("remove ada") != first {
		t.Error("a repeat with nothing in between does not join")
	}
	js.supersede("aws Groups/1", "add ada")
	if js.join("remove ada") != nil {
		t.Error("it joins a job that another change comes behind")
	}
	second := js.start("remove ada", "aws Groups/1", room.Ask{N: 1})
	js.end("remove ada", first, x(), &Reply{Status: 204})
	if js.join("remove ada") != second {
		t.Error("the end of the older one ends the younger")
	}
	js.leave("remove ada", second, false)
	js.leave("remove ada", second, false)
	if js.end("remove ada", second, x(), &Reply{Status: 204}); js.kept["remove ada"] != second {
		t.Error("an answer that nobody waited for is not kept")
	}
	js.supersede("aws Groups/1", "add ada")
	if js.join("remove ada") != nil {
		t.Error("an answer is kept that another change has come behind")
	}
	made := js.start("create", "aws group engineers", room.Ask{N: 1})
	js.leave("create", made, false)
	js.end("create", made, x(), &Reply{Status: 201, Body: []byte(`{"id":"7"}`)})
	js.supersede("aws Groups/7", "")
	if js.join("create") != nil || !js.places.Take(room.Ask{N: maxJobs}, time.Time{}) || !js.documents.Take(room.Ask{N: maxJobBytes}, time.Time{}) {
		t.Error("a create is told as done whose group was changed since, or something still runs")
	}
}

// A client that was told to come again for what another change has come behind meanwhile is
// told so, once: carried out, its repeat would undo that.
func TestARepeatUndoesNoLaterChange(t *testing.T) {
	f := func(name string, superseded func(js *jobs, add *job)) {
		t.Run(name, func(t *testing.T) {
			js := newJobs(0)
			now := time.Now()
			superseded(js, js.start("add ada", "aws Groups/1", room.Ask{N: 1}))
			if js.overtaken("remove ada", now) {
				t.Error("the later change is told as overtaken")
			}
			if !js.overtaken("add ada", now) || js.overtaken("add ada", now) {
				t.Error("want the repeat told as overtaken, once")
			}
		})
	}
	f("told, then superseded", func(js *jobs, add *job) {
		js.leave("add ada", add, true)
		js.supersede("aws Groups/1", "remove ada")
	})
	f("superseded, then told", func(js *jobs, add *job) {
		js.supersede("aws Groups/1", "remove ada")
		js.leave("add ada", add, true)
	})
	f("told, ended, then superseded", func(js *jobs, add *job) {
		js.leave("add ada", add, true)
		js.end("add ada", add, &Exchange{tenant: &Tenant{store: &store{url: "aws"}}}, &Reply{Status: 204})
		js.supersede("aws Groups/1", "remove ada")
	})
	js := newJobs(0)
	add := js.start("add ada", "aws Groups/1", room.Ask{N: 1})
	js.leave("add ada", add, true)
	if js.join("add ada") != add {
		t.Fatal("the repeat does not join")
	}
	js.leave("add ada", add, false)
	if js.supersede("aws Groups/1", "remove ada"); js.overtaken("add ada", time.Now()) {
		t.Error("one that has come again is told as overtaken")
	}
	for n := range 2 * maxLate {
		js.mu.Lock()
		js.isLate(fmt.Sprint(n))
		js.mu.Unlock()
	}
	if len(js.late) > maxLate {
		t.Errorf("got %d, want %d at most", len(js.late), maxLate)
	}
}
