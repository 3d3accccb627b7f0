package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scimgate/scimgate/bench/standin"
	"github.com/scimgate/scimgate/proxy"
	"github.com/scimgate/scimgate/proxy/pace"
	"github.com/scimgate/scimgate/rules"
	"github.com/scimgate/scimgate/rules/aws"
)

const leaving = `{` + patchOp + `,"Operations":[{"op":"replace","path":"active","value":false}]}`

func titled(title string) string {
	return fmt.Sprintf(`{%s,"Operations":[{"op":"replace","path":"title","value":%q}]}`, patchOp, title)
}

// Without an intent in the log nothing is sent.
func TestNothingIsSentWithoutAnIntent(t *testing.T) {
	c := play(t, stage{})
	if err := os.Remove(c.audit); err != nil {
		t.Fatal(err)
	}
	c.through(429, "POST", "/Users", `{`+soundUser+`}`)
	if n := len(c.aws.Journal()); n != 0 {
		t.Errorf("AWS saw %d calls, want none", n)
	}
	_ = c.stop() // which tells that the log is gone, unless it has recovered
}

// What a client is told about a write is in the log when it is told.
func TestAnswersAreRecordedFirst(t *testing.T) {
	c := play(t, stage{})
	f := func(status int, body string, want ...string) {
		t.Helper()
		r := c.through(status, "POST", "/Users", body)
		var told []string
		for line := range strings.Lines(readFile(t, c.audit)) {
			var rec struct{ Kind, Exchange, Outcome string }
			if err := json.Unmarshal([]byte(line), &rec); err != nil {
				t.Fatal(err)
			}
			if rec.Exchange == r.header.Get("X-Scimgate-Exchange") {
				told = append(told, strings.TrimSpace(rec.Kind+" "+rec.Outcome))
			}
		}
		if !slices.Equal(told, want) {
			t.Errorf("got %q in the log of what was answered %d, want %q", told, status, want)
		}
	}
	f(201, `{`+soundUser+`}`, "intent", "outcome ok", "answer")
	f(400, `{"userName":"nobody"}`, "refusal")
}

// A change of a group that was made in part, the rest of which is in doubt, is never
// answered as refused.
func TestPartlyDoneIsNeverRefused(t *testing.T) {
	c := play(t, stage{})
	ids := c.people(150)
	group := c.through(201, "POST", "/Groups", `{"displayName":"Engineers"}`).text("id")
	c.aws.Inject(standin.Fault{Operation: standin.PatchGroup, Act: standin.HangUp, Skip: 1})
	r := c.through(429, "PUT", "/Groups/"+group, `{"displayName":"Engineers","members":`+membersOf(ids)+`}`)
	if !strings.Contains(r.detail(), "100 of 150 members added. The same request again does the rest.") || r.header.Get("Retry-After") == "" {
		t.Errorf("got %q, want to be told what was done, and when to come back", r.detail())
	}
}

// patches is how many changes of users AWS has seen.
func (c *scene) patches() (n int) {
	for _, e := range c.aws.Journal() {
		if e.Operation == standin.PatchUser {
			n++
		}
	}
	return n
}

// While it isn't known what became of a write, the next one to its resource is not sent.
func TestTheNextWriteWaitsForADoubt(t *testing.T) {
	c := play(t, stage{settings: func(s *proxy.Settings) { s.Pace.Settle = time.Hour }})
	id, other := c.user("grace@example.test", ""), c.user("ada@example.test", "")
	c.aws.Inject(standin.Fault{Operation: standin.PatchUser, Act: standin.HangUp})
	c.through(429, "PATCH", "/Users/"+id, titled("Admiral"))
	c.through(429, "PATCH", "/Users/"+id, titled("Captain"))
	if n := c.patches(); n != 1 {
		t.Errorf("AWS saw %d changes, want the second to wait", n)
	}
	c.through(200, "PATCH", "/Users/"+other, titled("Captain"))
}

// A write is not sent while another one to the same resource is under way.
func TestOneWriteAtATime(t *testing.T) {
	c := play(t, stage{settings: func(s *proxy.Settings) { s.Client.Patience = time.Second }})
	id := c.user("grace@example.test", "")
	hold, answered := make(chan struct{}), make(chan struct{})
	c.aws.Inject(standin.Fault{Operation: standin.PatchUser, Act: standin.Pass, Hold: hold})
	go func() {
		defer close(answered)
		c.send(c.gateway, "PATCH", "/Users/"+id, titled("Admiral"))
	}()
	for c.at(id, "title") != "Admiral" { // it has reached AWS, whose answer is held
		runtime.Gosched()
	}
	c.through(429, "PATCH", "/Users/"+id, titled("Captain"))
	close(hold)
	<-answered
	if n := c.patches(); n != 1 {
		t.Errorf("AWS saw %d changes, want one", n)
	}
}

// A profile that is refused doesn't keep a leaver in.
func TestABrokenProfileHoldsNoLeaver(t *testing.T) {
	c := play(t, stage{})
	id := c.user("grace@example.test", "")
	c.through(200, "PUT", "/Users/"+id, `{"userName":"with blank","active":false}`)
	if u, _ := c.aws.User(id); u.Active {
		t.Error("the user is active")
	}
}

// A deactivation that AWS's answer doesn't show is on the list, whatever the client is
// told.
func TestDeactivationThatIsNotShownIsListed(t *testing.T) {
	c := play(t, stage{observe: true, rules: aws.Settings{Settings: rules.Settings{Policy: rules.ObservePolicy}}})
	id := c.user("grace@example.test", "")
	c.aws.Inject(standin.Fault{Operation: standin.PatchUser, Status: 200, Header: http.Header{"Content-Type": {"application/json"}},
		Body: `{"id":"` + id + `","userName":"grace@example.test","active":true}`})
	c.through(200, "PATCH", "/Users/"+id, leaving)
	if _, list := c.adminAsks("GET", "/leavers"); !strings.Contains(list, id) {
		t.Errorf("got %s, want the user on the list", list)
	}
	c.through(200, "PATCH", "/Users/"+id, leaving)
	if _, list := c.adminAsks("GET", "/leavers"); strings.Contains(list, id) {
		t.Errorf("got %s, want the user off the list: AWS has shown it", list)
	}
}

// A user who is activated again is no leaver, whatever became of the deactivation.
func TestAnActivationEndsAnOpenDeactivation(t *testing.T) {
	c := play(t, stage{})
	id := c.user("grace@example.test", "")
	listed := func(want bool) {
		t.Helper()
		if _, list := c.adminAsks("GET", "/leavers"); strings.Contains(list, id) != want {
			t.Errorf("got %s, want the user on the list: %v", list, want)
		}
	}
	c.aws.Inject(standin.Fault{Operation: standin.PatchUser, Act: standin.Refuse})
	c.through(429, "PATCH", "/Users/"+id, leaving)
	listed(true)
	c.through(200, "PATCH", "/Users/"+id, strings.Replace(leaving, "false", "true", 1))
	listed(false)
}

// A repeat needs budget as any call does.
func TestRepeatsCountAgainstTheBudget(t *testing.T) {
	c := play(t, stage{settings: func(s *proxy.Settings) { s.Pace.Reads = pace.Rate{PerSecond: 0.001, Burst: 1} }})
	c.aws.Inject(standin.Fault{Act: standin.Refuse, Status: 503})
	c.through(429, "GET", "/Users?count=1", "")
	if n := len(c.aws.Journal()); n != 1 {
		t.Errorf("AWS saw %d calls, want one", n)
	}
}

// While AWS wants to be left alone, it is.
func TestRetryAfterIsWaitedFor(t *testing.T) {
	c := play(t, stage{})
	c.aws.Inject(standin.Fault{Status: 429, Header: http.Header{"Retry-After": {"200"}}})
	for range 2 {
		c.through(429, "GET", "/Users?count=1", "")
	}
	if n := len(c.aws.Journal()); n != 1 {
		t.Errorf("AWS saw %d calls, want one", n)
	}
}

// A request whose bytes are not sound is counted as any other.
func TestRefusalsOfBytesAreCounted(t *testing.T) {
	c := play(t, stage{})
	conn := c.dial(t)
	if _, err := io.WriteString(conn, "GET /scim/v2/Users HTTP/1.1\nHost: x\n\n"); err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(conn); err != nil || !strings.HasPrefix(string(text), "HTTP/1.1 400") {
		t.Errorf("got %q %v, want it refused", text, err)
	}
	if _, metrics := c.adminAsks("GET", "/metrics"); !strings.Contains(metrics, `scimgate_requests_total{code="400"`) {
		t.Error("the refusal is not counted")
	}
}

// What follows a refused request on its connection is not read, and a body that is too
// large is not taken.
func TestARefusalEndsItsConnection(t *testing.T) {
	c := playKnown(t, stage{settings: func(s *proxy.Settings) { s.Listen.MaxBodyBytes = 64 << 10 }})
	for status, text := range map[int]string{
		415: framingWord("GET", 0) + "Content-Encoding: gzip\r\n\r\n",
		413: framingWord("POST", 0) + "Content-Length: 70000\r\n\r\n" + strings.Repeat(" ", 70000),
	} {
		answers, _ := c.utter(t, text+framingWord("GET", 0)+"Connection: close\r\n\r\n", 1<<30, false)
		if got := statusesOf(answers); !slices.Equal(got, []int{status}) {
			t.Errorf("got %v, want %d and the end", got, status)
		}
	}
}
