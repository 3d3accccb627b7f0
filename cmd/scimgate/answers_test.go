package main

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/scimgate/scimgate/bench/standin"
	"github.com/scimgate/scimgate/proxy"
	"github.com/scimgate/scimgate/proxy/guard"
)

// adminAsks is a request to the admin listener.
func (c *scene) adminAsks(method, path string) (status int, body string) {
	c.t.Helper()
	req, err := http.NewRequest(method, c.admin+path, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// AWS never says what of a duplicate is taken; the gateway looks it up.
func TestDuplicateIsNamed(t *testing.T) {
	c := play(t, stage{})
	id := c.user("grace@example.test", `,"externalId":"hr-1","emails":[{"value":"g@example.test","primary":true}]`)
	group := c.through(201, "POST", "/Groups", `{"displayName":"Engineers","externalId":"grp-1"}`).text("id")
	f := func(method, target, body string, words ...string) {
		t.Helper()
		r := c.through(409, method, target, body)
		for _, word := range append(words, "In Okta:", "Refused to create a new, duplicate resource.") {
			if !strings.Contains(r.detail(), word) {
				t.Errorf("got %q, want %q in it", r.detail(), word)
			}
		}
		if r.text("scimType") != "uniqueness" {
			t.Errorf("got %s, want uniqueness", r.body)
		}
	}
	f("POST", "/Users", `{`+soundUser+`}`, "this userName and another externalId", id, "SG906")
	f("POST", "/Users", `{`+soundUser+`,"externalId":"hr-1"}`, "the same userName and externalId", id)
	f("POST", "/Users", `{`+strings.Replace(soundUser, "grace", "other", 1)+`,"externalId":"hr-1"}`, "with this externalId", id)
	f("POST", "/Users", `{`+strings.Replace(soundUser, "grace", "other", 1)+`,"emails":[{"value":"g@example.test","primary":true}]}`, "this primary e-mail")
	f("POST", "/Groups", `{"displayName":"Engineers"}`, group, "SG907")
	f("POST", "/Groups", `{"displayName":"Writers","externalId":"grp-1"}`, group, "this externalId")
	other := c.user("other@example.test", "")
	f("PATCH", "/Users/"+other, `{`+patchOp+`,"Operations":[{"op":"replace","path":"userName","value":"grace@example.test"}]}`, id)
	f("PUT", "/Users/"+other, `{`+soundUser+`}`, id)
}

func TestAdoptTakesWhatMatches(t *testing.T) {
	c := play(t, stage{adopt: true})
	id := c.user("grace@example.test", "")
	if r := c.through(201, "POST", "/Users", `{`+soundUser+`,"externalId":"hr-1","title":"Admiral"}`); r.text("id") != id || c.at(id, "title") != "Admiral" || c.at(id, "externalId") != "hr-1" {
		t.Errorf("got %s, want the user that was there, with the new attributes", r.body)
	}
	c.through(409, "POST", "/Users", `{`+soundUser+`,"externalId":"hr-2"}`)
	ids := c.people(2)
	group, err := c.aws.AddGroup(`{"displayName":"Engineers"}`)
	if err != nil {
		t.Fatal(err)
	}
	if r := c.through(201, "POST", "/Groups", `{"displayName":"Engineers","externalId":"grp-1","members":`+membersOf(ids)+`}`); r.text("id") != group {
		t.Errorf("got %s, want the group that was there", r.body)
	}
	c.wantMembers(group, ids)
	c.through(409, "POST", "/Groups", `{"displayName":"Engineers","externalId":"grp-2"}`)
}

// The setting is named only where it would have linked what is there.
func TestAdoptIsAdvisedWhereItHelps(t *testing.T) {
	f := func(name string, s stage, advised bool, target, body string) {
		t.Run(name, func(t *testing.T) {
			c := play(t, s)
			c.user("grace@example.test", "")
			c.user("grace-at-hr@example.test", `,"externalId":"hr-1"`)
			for _, group := range []string{`{"displayName":"Engineers"}`, `{"displayName":"Writers","externalId":"grp-1"}`} {
				if _, err := c.aws.AddGroup(group); err != nil {
					t.Fatal(err)
				}
			}
			if r := c.through(409, "POST", target, body); strings.Contains(r.detail(), "adopt: matching") != advised {
				t.Errorf("got %q, want the setting named: %v", r.detail(), advised)
			}
		})
	}
	hr := strings.Replace(soundUser, "grace", "grace-at-hr", 1)
	f("no externalId there", stage{}, true, "/Users", `{`+soundUser+`,"externalId":"hr-2"}`)
	f("no externalId at all", stage{}, true, "/Users", `{`+soundUser+`}`)
	f("the same externalId", stage{}, true, "/Users", `{`+hr+`,"externalId":"hr-1"}`)
	f("another externalId", stage{}, false, "/Users", `{`+hr+`,"externalId":"hr-2"}`)
	f("another externalId, adopt on", stage{adopt: true}, false, "/Users", `{`+hr+`,"externalId":"hr-2"}`)
	f("somebody else has the externalId", stage{}, false, "/Users", `{`+soundUser+`,"externalId":"hr-1"}`)
	f("the externalId alone", stage{}, false, "/Users", `{`+strings.Replace(soundUser, "grace", "other", 1)+`,"externalId":"hr-1"}`)
	f("under observe", stage{observe: true}, false, "/Users", `{`+soundUser+`}`)
	f("a group without externalId", stage{}, true, "/Groups", `{"displayName":"Engineers","externalId":"grp-2"}`)
	f("a group of another externalId", stage{}, false, "/Groups", `{"displayName":"Writers","externalId":"grp-2"}`)
}

// What is changed links nothing.
func TestAdoptIsNotAdvisedForAChange(t *testing.T) {
	c := play(t, stage{})
	c.user("grace@example.test", "")
	other := c.user("other@example.test", "")
	for _, r := range []reply{
		c.through(409, "PUT", "/Users/"+other, `{`+soundUser+`}`),
		c.through(409, "PATCH", "/Users/"+other, patchOf(`{"op":"replace","path":"userName","value":"grace@example.test"}`)),
	} {
		if strings.Contains(r.detail(), "adopt") {
			t.Errorf("got %q, want no word of adopt", r.detail())
		}
	}
}

// A create whose answer was lost is found out about, not sent again.
func TestCreateIsCarriedOutOnce(t *testing.T) {
	f := func(name string, fault standin.Fault) {
		t.Run(name, func(t *testing.T) {
			c := play(t, stage{})
			c.aws.Inject(fault)
			r := c.through(201, "POST", "/Users", `{`+soundUser+`,"externalId":"hr-1"}`)
			if u, ok := c.aws.User(r.text("id")); !ok || u.UserName != "grace@example.test" || len(c.aws.Users()) != 1 {
				t.Errorf("got %s with %d users at AWS, want the one", r.body, len(c.aws.Users()))
			}
		})
	}
	f("answered 500, done", standin.Fault{Operation: standin.CreateUser, Act: standin.Refuse, When: standin.After})
	f("hung up, done", standin.Fault{Operation: standin.CreateUser, Act: standin.HangUp, When: standin.After})
	f("cut off, done", standin.Fault{Operation: standin.CreateUser, Act: standin.Cut, Keep: 10})
}

// A refusal that no rule foresaw is told of with what is suspected, and kept without
// anything about the person.
func TestUnexplainedRefusal(t *testing.T) {
	c := play(t, stage{})
	id := c.user("grace@example.test", `,"title":"Captain"`)
	c.aws.Inject(standin.Fault{Operation: standin.PutUser, Act: standin.Refuse, Status: 400})
	r := c.through(400, "PUT", "/Users/"+id, `{`+soundUser+`,"title":"Admiral of the Fleet","timezone":"Europe/London"}`)
	for _, word := range []string{"SG901", "timezone", "title (it was changed)", "AWS answered 400", "request id"} {
		if !strings.Contains(r.detail(), word) {
			t.Errorf("got %q, want %q in it", r.detail(), word)
		}
	}
	if strings.Index(r.detail(), "timezone") > strings.Index(r.detail(), "title (it") {
		t.Errorf("got %q, want the likelier first", r.detail())
	}
	_, kept := c.adminAsks("GET", "/unexplained")
	if !strings.Contains(kept, "timezone") || !strings.Contains(kept, `"op": "replaceUser"`) {
		t.Errorf("got %s, want the refusal kept", kept)
	}
	if _, metrics := c.adminAsks("GET", "/metrics"); !strings.Contains(metrics, "scimgate_unexplained_total 1") || !strings.Contains(metrics, `rule="SG901"`) {
		t.Error("the refusal is not counted")
	}
	if err := c.stop(); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{kept, c.log.String()} {
		for _, word := range []string{"Admiral", "grace@", "Hopper"} {
			if strings.Contains(text, word) {
				t.Errorf("%q is in %s", word, text)
			}
		}
	}
	if !strings.Contains(c.log.String(), "no rule explains why") {
		t.Error("the log does not tell of it")
	}
}

// Answers are mended where clients stumble.
func TestAnswersAreMended(t *testing.T) {
	c := play(t, stage{})
	r := c.through(201, "POST", "/Users", `{`+soundUser+`}`)
	id := r.text("id")
	where := c.gateway + "/Users/" + id
	if got := r.header.Get("Location"); got != where {
		t.Errorf("got Location %q, want %q", got, where)
	}
	for _, body := range []string{r.body, c.through(200, "GET", "/Users/"+id, "").body,
		gjson.Get(c.through(200, "GET", "/Users?count=1", "").body, "Resources.0").Raw} {
		if got := gjson.Get(body, "meta.location").Str; got != where {
			t.Errorf("got %s, want the location %q", body, where)
		}
	}
	if got := c.through(200, "GET", "/Users/"+id+"?attributes=userName", "").body; gjson.Get(got, "name").Exists() || !gjson.Get(got, "userName").Exists() {
		t.Errorf("got %s, want userName alone", got)
	}
	if got := c.through(200, "GET", "/Users?excludedAttributes=name,emails", "").body; gjson.Get(got, "Resources.0.name").Exists() || !gjson.Get(got, "Resources.0.userName").Exists() {
		t.Errorf("got %s, want it without name", got)
	}
	if got := c.through(200, "POST", "/Users/.search", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],"filter":"userName eq \"grace@example.test\"","attributes":["userName"]}`).body; gjson.Get(got, "Resources.0.id").Str != id || gjson.Get(got, "Resources.0.name").Exists() {
		t.Errorf("got %s, want the user with userName alone", got)
	}
	c.through(400, "POST", "/Users/.search", `{"filter":"userName sw \"g\""}`)
	c.through(501, "POST", "/Bulk", `{}`)
	c.through(501, "GET", "/Me", "")
}

// What the service says about itself is true of the gateway, also while AWS is out
// of reach, and AWS's own list of attributes is compared.
func TestDiscovery(t *testing.T) {
	c := play(t, stage{})
	f := func(target, path, want string) {
		t.Helper()
		if got := gjson.Get(c.through(200, "GET", target, "").body, path).String(); got != want {
			t.Errorf("got %q at %s of %s, want %q", got, path, target, want)
		}
	}
	all := func() {
		f("/ServiceProviderConfig", "patch.supported", "true")
		f("/ServiceProviderConfig", "filter.maxResults", "100")
		f("/ServiceProviderConfig", "meta.location", c.gateway+"/ServiceProviderConfig")
		f("/ResourceTypes", "Resources.#", "2")
		f("/ResourceTypes/Group", "endpoint", "/Groups")
		f("/Schemas", "Resources.#", "3")
		f("/Schemas", `Resources.0.attributes.#(name=="displayName").required`, "true")
		f("/Schemas", `Resources.0.attributes.#(name=="emails").subAttributes.#(name=="value").type`, "string")
		f("/Schemas/urn:ietf:params:scim:schemas:extension:enterprise:2.0:User", `attributes.#(name=="manager").subAttributes.#`, "2")
	}
	all()
	c.through(404, "GET", "/Schemas/urn:nothing", "")
	c.through(404, "GET", "/ResourceTypes/Printer", "")
	if _, metrics := c.adminAsks("GET", "/metrics"); strings.Contains(metrics, "scimgate_schema_drift 0") {
		t.Error("AWS lists roles, which are left out, and the gateway does not say so")
	}
	c.aws.Inject(standin.Fault{Act: standin.Refuse, Times: 100})
	all()
	if err := c.stop(); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(c.log.String(), "AWS lists attributes"); n != 1 || !strings.Contains(c.log.String(), "roles") {
		t.Errorf("the difference is told %d times, want once", n)
	}
}

// A guard holds what takes too much away, until it is released.
func TestGuardHoldsMassDeletion(t *testing.T) {
	c := play(t, stage{settings: func(s *proxy.Settings) {
		s.Guard.UserDeletes = guard.Limit{Mode: "hold", Floor: 3}
		s.Guard.Deactivations = guard.Limit{Mode: "alarm", Floor: 1}
	}})
	ids := c.people(6)
	for _, id := range ids[:3] {
		c.through(204, "DELETE", "/Users/"+id, "")
	}
	for range 2 {
		r := c.through(429, "DELETE", "/Users/"+ids[3], "")
		if !strings.Contains(r.detail(), "SG802") || !strings.Contains(r.detail(), "scimgate guard release") || r.header.Get("Retry-After") != "300" {
			t.Errorf("got %q %s, want the guard named and a time to come back", r.detail(), r.header.Get("Retry-After"))
		}
	}
	if n := len(c.aws.Users()); n != 3 {
		t.Errorf("got %d users, want the rest held", n)
	}
	for _, id := range ids[3:5] { // an alarm, but no leaver stays in
		c.through(200, "PATCH", "/Users/"+id, `{`+patchOp+`,"Operations":[{"op":"replace","value":{"active":false}}]}`)
	}
	if status, body := c.adminAsks("POST", "/guard/release?kind=user_deletes&for=never"); status != 400 {
		t.Errorf("got %d %s for a release without end", status, body)
	}
	if status, body := c.adminAsks("POST", "/guard/release?kind=user_deletes&for=1m"); status != 200 || !strings.Contains(body, "user_deletes") {
		t.Errorf("got %d %s, want it released", status, body)
	}
	c.through(204, "DELETE", "/Users/"+ids[3], "")
	if _, metrics := c.adminAsks("GET", "/metrics"); !strings.Contains(metrics, `scimgate_guard_total{kind="user_deletes",tenant="default",verdict="held"} 2`) ||
		!strings.Contains(metrics, `scimgate_guard_total{kind="deactivations",tenant="default",verdict="alarm"} 1`) {
		t.Errorf("got %s, want the guards counted", metrics)
	}
	names := 0
	for _, r := range c.records() {
		if r["kind"] == "intent" && r["op"] == "deleteUser" && strings.HasPrefix(fmt.Sprint(r["name"]), "person") {
			names++
		}
	}
	if names != 4 {
		t.Errorf("got %d deletions with a name in the log, want 4", names)
	}
}

func TestProtectedGroupStays(t *testing.T) {
	c := play(t, stage{})
	ids := c.people(2)
	group := c.through(201, "POST", "/Groups", `{"displayName":"AWSControlTowerAdmins","members":`+membersOf(ids[:1])+`}`).text("id")
	for _, r := range []reply{
		c.through(403, "DELETE", "/Groups/"+group, ""),
		c.through(403, "PUT", "/Groups/"+group, `{"displayName":"AWSControlTowerAdmins","members":[]}`),
		c.through(403, "PATCH", "/Groups/"+group, `{`+patchOp+`,"Operations":[{"op":"replace","path":"displayName","value":"Mine"}]}`),
	} {
		if !strings.Contains(r.detail(), "SG801") || !strings.Contains(r.detail(), "AWSControlTowerAdmins") {
			t.Errorf("got %q, want the guard named", r.detail())
		}
	}
	c.through(200, "PUT", "/Groups/"+group, `{"displayName":"AWSControlTowerAdmins","members":`+membersOf(ids[1:])+`}`)
	c.wantMembers(group, ids[1:])
}

func TestDeleteAsDeactivation(t *testing.T) {
	c := play(t, stage{deactivateInstead: true})
	id := c.user("grace@example.test", "")
	c.through(204, "DELETE", "/Users/"+id, "")
	if u, ok := c.aws.User(id); !ok || u.Active {
		t.Errorf("got %+v, want the user there and inactive", u)
	}
}

func TestRecreatedUserIsTold(t *testing.T) {
	c := play(t, stage{})
	id := c.user("grace@example.test", "")
	c.through(204, "DELETE", "/Users/"+id, "")
	r := c.through(201, "POST", "/Users", `{`+soundUser+`}`)
	if got := r.header.Get("X-Scimgate-Findings"); !strings.Contains(got, "SG803 warn") {
		t.Errorf("got findings %q, want the recreation told", got)
	}
}

// A deactivation that has failed is on a list until AWS shows it.
func TestOpenDeactivations(t *testing.T) {
	c := play(t, stage{})
	ids := c.people(3)
	leave := `{` + patchOp + `,"Operations":[{"op":"replace","value":{"active":false}}]}`
	c.aws.Inject(standin.Fault{Operation: standin.PatchUser, Act: standin.Refuse, Times: 3})
	for _, id := range ids {
		c.through(429, "PATCH", "/Users/"+id, leave)
	}
	open := func() int {
		_, body := c.adminAsks("GET", "/leavers")
		var list []struct{ ID string }
		if err := json.Unmarshal([]byte(body), &list); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		return len(list)
	}
	if n := open(); n != 3 {
		t.Errorf("got %d open deactivations, want 3", n)
	}
	if _, metrics := c.adminAsks("GET", "/metrics"); !strings.Contains(metrics, "scimgate_open_deactivations 3") {
		t.Error("the metric does not show them")
	}
	// Lanes settle after an unknown outcome, so AWS itself is told here.
	if r := c.send(c.direct, "PATCH", "/Users/"+ids[0], leave); r.status != 200 {
		t.Fatalf("got %d", r.status)
	}
	c.through(200, "GET", "/Users/"+ids[0], "") // AWS shows it
	c.through(200, "GET", "/Users/"+ids[1], "") // still active
	if n := open(); n != 2 {
		t.Errorf("got %d open deactivations, want 2", n)
	}
}

// AWS's answer doesn't show what was asked: it is not believed.
func TestDeactivationIsBelievedOnlyIfShown(t *testing.T) {
	c := play(t, stage{})
	id := c.user("grace@example.test", "")
	c.aws.Inject(standin.Fault{Operation: standin.PatchUser, Times: 2, Status: 200, Header: http.Header{"Content-Type": {"application/json"}},
		Body: `{"id":"` + id + `","userName":"grace@example.test","active":true}`})
	r := c.through(429, "PATCH", "/Users/"+id, `{`+patchOp+`,"Operations":[{"op":"replace","value":{"active":false}}]}`)
	if !strings.Contains(r.detail(), "SG910") {
		t.Errorf("got %q, want it told that the user may still have access", r.detail())
	}
}

// A gateway that holds AWS's token knows who may use it, and carries on by itself
// the deactivations that have failed, until the user is activated again.
func TestGatewayHoldsTheToken(t *testing.T) {
	c, token := holding(t, guard.Limit{})
	if r := c.through(401, "GET", "/Users?count=2", ""); !strings.Contains(r.detail(), "SG137") || len(c.aws.Journal()) > 0 {
		t.Errorf("got %q with %d calls, want AWS's own token refused here", r.detail(), len(c.aws.Journal()))
	}
	c.token = token
	c.through(200, "GET", "/Users?count=2", "")
	ids := c.people(2)
	patch := func(want int, id, active string) {
		c.through(want, "PATCH", "/Users/"+id, `{`+patchOp+`,"Operations":[{"op":"replace","value":{"active":`+active+`}}]}`)
	}
	c.aws.Inject(standin.Fault{Operation: standin.PatchUser, Act: standin.Refuse, Times: 2})
	patch(429, ids[0], "false")
	patch(429, ids[1], "false")
	patch(200, ids[1], "true")
	deadline := time.Now().Add(20 * time.Second)
	for u, _ := c.aws.User(ids[0]); u.Active && time.Now().Before(deadline); u, _ = c.aws.User(ids[0]) {
		time.Sleep(20 * time.Millisecond) // nothing tells when the gateway has acted
	}
	if u, _ := c.aws.User(ids[0]); u.Active {
		t.Error("the deactivation is not carried on")
	}
	if u, _ := c.aws.User(ids[1]); !u.Active {
		t.Error("a user who was activated again is deactivated by an older request")
	}
	actors := map[string]bool{}
	for _, r := range c.records() {
		actors[fmt.Sprint(r["actor"])] = true
	}
	if !actors["okta"] || !actors["scimgate"] {
		t.Errorf("got actors %v, want both named", actors)
	}
}

// What a guard holds isn't carried on behind its back.
func TestHeldDeletionIsNoOpenDeactivation(t *testing.T) {
	c := play(t, stage{settings: func(s *proxy.Settings) { s.Guard.UserDeletes = guard.Limit{Mode: "hold", Floor: 1} }})
	ids := c.people(2)
	c.through(204, "DELETE", "/Users/"+ids[0], "")
	c.through(429, "DELETE", "/Users/"+ids[1], "")
	if _, body := c.adminAsks("GET", "/leavers"); strings.Contains(body, ids[1]) {
		t.Errorf("got %s, want no leaver", body)
	}
}

// A create that a crash has left without an outcome, or without an answer to its client, is
// recognised after the restart.
func TestCreateBeforeACrashIsRecognised(t *testing.T) {
	for _, behind := range []string{"intent", "outcome", "answer"} {
		c := play(t, stage{})
		body := `{` + soundUser + `,"externalId":"hr-1"}`
		id := c.through(201, "POST", "/Users", body).text("id")
		next := c.after(`"kind":"` + behind + `"`)
		again := next.aws.Users()[0].ID
		if behind == "answer" { // as far as the log knows, the client has it
			next.through(409, "POST", "/Users", body)
			continue
		}
		if r := next.through(201, "POST", "/Users", body); r.text("id") != again || len(next.aws.Users()) != 1 {
			t.Errorf("%s: got %s, want the user %s that was made before the crash", behind, r.body, id)
		}
		next.through(409, "POST", "/Users", body) // another request, since that one is answered
	}
}

// A client that has gone before its create is answered is known, and its repeat gets what
// was made: by this gateway, and by the next one with the same log.
func TestAClientThatHasGoneIsRecognised(t *testing.T) {
	for _, scheme := range []string{"http", "https"} {
		for _, restarted := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, restarted %v", scheme, restarted), func(t *testing.T) {
				dial := func(address string) (net.Conn, error) { return net.Dial("tcp", address) }
				s := stage{}
				if scheme == "https" {
					certFile, keyFile, _ := certificate(t, t.TempDir(), "gateway", time.Now().Add(-time.Minute))
					s.settings = func(s *proxy.Settings) { s.Listen.CertFile, s.Listen.KeyFile = certFile, keyFile }
					dial = func(address string) (net.Conn, error) {
						return tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
					}
				}
				c := play(t, s)
				hold := make(chan struct{})
				left := c.aws.Inject(standin.Fault{Operation: standin.CreateUser, Act: standin.Pass, When: standin.After, Hold: hold})
				body := `{` + soundUser + `,"externalId":"hr-1"}`
				post := fmt.Sprintf("POST /scim/v2/Users HTTP/1.1\r\n%sContent-Type: application/scim+json\r\nContent-Length: %d\r\n\r\n%s", soundHead, len(body), body)
				ask := func(wait func(net.Conn)) {
					t.Helper()
					conn, err := dial(hostOf(c.gateway))
					if err != nil {
						t.Fatal(err)
					}
					defer conn.Close()
					if _, err := io.WriteString(conn, post); err != nil {
						t.Fatal(err)
					}
					wait(conn)
				}
				ask(func(net.Conn) {
					for left() > 0 {
						time.Sleep(time.Millisecond)
					}
				})
				close(hold)
				for !strings.Contains(readFile(t, c.audit), `"kind":"answer"`) {
					time.Sleep(time.Millisecond)
				}
				if !strings.Contains(readFile(t, c.audit), `"event":"client_gone"`) {
					if runtime.GOOS != "linux" {
						t.Skip("this system does not tell")
					}
					t.Error("the log does not tell that the client had gone")
				}
				if restarted {
					next := c.after(`"event":"client_gone"`)
					if r := next.through(201, "POST", "/Users", body); r.text("id") != next.aws.Users()[0].ID || len(next.aws.Users()) != 1 {
						t.Errorf("got %s, want the user that was made", r.body)
					}
					return
				}
				id := c.aws.Users()[0].ID
				for _, want := range []string{"201", "409"} { // the second one is another request: the first was answered
					ask(func(conn net.Conn) {
						answer := make([]byte, 1<<12)
						n, err := conn.Read(answer)
						if err != nil || !strings.HasPrefix(string(answer[:n]), "HTTP/1.1 "+want) || want == "201" && !strings.Contains(string(answer[:n]), id) {
							t.Errorf("got %q %v, want %s", answer[:n], err, want)
						}
					})
				}
				if n := len(c.aws.Users()); n != 1 {
					t.Errorf("got %d users", n)
				}
			})
		}
	}
}
