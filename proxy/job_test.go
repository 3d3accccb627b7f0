package proxy

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scimgate/scimgate/proxy/room"
	"github.com/scimgate/scimgate/proxy/writer"
	"github.com/scimgate/scimgate/rules/scim"
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

// What a gateway has done is told only while it writes, and in the epoch in which it was done:
// another may have undone it.
func TestNoSuccessOfAnEarlierEpochIsTold(t *testing.T) {
	for name, late := range map[string]bool{"the job ends before": false, "the job ends behind": true} {
		t.Run(name, func(t *testing.T) {
			redis := redisFor(t)
			release := make(chan struct{})
			goOn := sync.OnceFunc(func() { close(release) })
			var sent atomic.Int64
			aws := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == "GET" {
					w.Header().Set("Content-Type", "application/scim+json")
					_, _ = w.Write([]byte(`{"id":"906","displayName":"W","meta":{}}`))
					return
				}
				if sent.Add(1) == 1 {
					<-release
				}
				w.WriteHeader(204)
			}))
			defer aws.Close()
			defer goOn()
			g := writes(t, redis, aws.URL)
			push := func(patience time.Duration) int {
				x := g.begin()
				x.Deadline = x.Began.Add(patience)
				x.Token, x.Target = []byte("t"), scim.Target{Operation: scim.PatchGroup, ID: "906"}
				x.Document = []byte(`{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","path":"displayName","value":"X"}]}`)
				x.Body, x.Verdict.Document = x.Document, x.Document
				defer x.leave()
				return g.perform(x).Status
			}
			if status := push(50 * time.Millisecond); status != 429 {
				t.Fatalf("got %d", status)
			}
			eventually(t, "it is sent", func() bool { return sent.Load() == 1 })
			kept := func() bool {
				g.jobs.mu.Lock()
				defer g.jobs.mu.Unlock()
				return len(g.jobs.kept) == 1
			}
			if !late {
				goOn()
				eventually(t, "its answer is kept", kept)
			}
			says(t, redis, "HSET", "{scimgate}:writer", "holder", "other", "name", "b", "until", "99999999999999", "fence", "99999999999")
			eventually(t, "it stands by", func() bool { return g.writer.State().Role == writer.Standby })
			if status := push(time.Second); status != 429 {
				t.Errorf("standing by, it says %d", status)
			}
			if !late {
				return
			}
			says(t, redis, "HSET", "{scimgate}:writer", "holder", "", "until", "0")
			eventually(t, "it writes again", func() bool { return g.writer.May(true) == nil })
			goOn()
			eventually(t, "the answer is kept", kept)
			if status := push(10 * time.Second); status != 204 || sent.Load() != 2 {
				t.Errorf("got %d after %d calls, want it done again", status, sent.Load())
			}
		})
	}
}
