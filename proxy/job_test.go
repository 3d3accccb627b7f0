package proxy

import (
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
	js.leave("remove ada", second)
	js.leave("remove ada", second)
	if js.end("remove ada", second, x(), &Reply{Status: 204}); js.kept["remove ada"] != second {
		t.Error("an answer that nobody waited for is not kept")
	}
	js.supersede("aws Groups/1", "add ada")
	if js.join("remove ada") != nil {
		t.Error("an answer is kept that another change has come behind")
	}
	made := js.start("create", "aws group engineers", room.Ask{N: 1})
	js.leave("create", made)
	js.end("create", made, x(), &Reply{Status: 201, Body: []byte(`{"id":"7"}`)})
	js.supersede("aws Groups/7", "")
	if js.join("create") != nil || !js.places.Take(room.Ask{N: maxJobs}, time.Time{}) || !js.documents.Take(room.Ask{N: maxJobBytes}, time.Time{}) {
		t.Error("a create is told as done whose group was changed since, or something still runs")
	}
}
