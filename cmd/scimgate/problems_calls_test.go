package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/scimgate/scimgate/bench/standin"
	"github.com/scimgate/scimgate/proxy"
	"github.com/scimgate/scimgate/proxy/pace"
)

// The scenarios of problems_test.go that are about creates, tokens and answers.

// The first create has worked, and neither its answer nor a look came through.
func createAfterAFailure(t *testing.T) {
	for _, act := range []standin.Act{standin.HangUp, standin.Refuse} {
		c := play(t, stage{settings: func(s *proxy.Settings) { s.Pace.Settle = time.Millisecond }})
		c.aws.Inject(standin.Fault{Operation: standin.CreateUser, Act: act, When: standin.After})
		c.aws.Inject(standin.Fault{Operation: standin.ListUsers, Act: standin.HangUp, Times: 3})
		body := `{` + soundUser + `,"externalId":"hr-1"}`
		c.through(429, "POST", "/Users", body)
		r := c.eventually(201, "POST", "/Users", body)
		if u, ok := c.aws.User(r.text("id")); !ok || u.UserName != "grace@example.test" || len(c.aws.Users()) != 1 {
			t.Errorf("got %s with %d users at AWS, want the one", r.body, len(c.aws.Users()))
		}
		c.through(409, "POST", "/Users", body) // it has its answer, so this is another create
	}
}

func newNameOldExternalID(t *testing.T) {
	c := play(t, stage{})
	id := c.user("grace@example.test", `,"externalId":"hr-1","emails":[{"value":"grace@example.test","primary":true}]`)
	r := c.through(409, "POST", "/Users", `{"userName":"hopper@example.test",`+soundNames+`,"displayName":"Grace","externalId":"hr-1","emails":[{"value":"hopper@example.test","primary":true}]}`)
	c.wantWords(r.detail(), "with this externalId", id, "SG906")
	if fault := notSCIM(&http.Response{StatusCode: r.status, Header: r.header}, r.body); fault != "" {
		t.Error(fault)
	}
}

func namesOfAnyScript(t *testing.T) {
	c := play(t, stage{})
	for _, name := range []string{"Μηχανικοί", "エンジニア 100%", `the "A" team`, `back\slash`, "R&D + Söhne = #1?", "Ingénieurs/été", "כהן 👩"} {
		body, err := json.Marshal(map[string]string{"displayName": name})
		if err != nil {
			t.Fatal(err)
		}
		id := c.through(201, "POST", "/Groups", string(body)).text("id")
		quoted, err := json.Marshal(name)
		if err != nil {
			t.Fatal(err)
		}
		filter := url.QueryEscape(`displayName eq ` + strings.NewReplacer(`\u0026`, "&").Replace(string(quoted)))
		for _, form := range []string{filter, strings.ReplaceAll(filter, "+", "%20")} {
			if got := gjson.Get(c.through(200, "GET", "/Groups?filter="+form, "").body, "Resources.#.id").Raw; got != `["`+id+`"]` {
				t.Errorf("got %s for %s, want %s", got, name, id)
			}
		}
		for _, r := range c.aws.Journal()[len(c.aws.Journal())-1].Target {
			if r <= ' ' || r > '~' || r == '"' {
				t.Errorf("got %q sent to AWS, want it percent-encoded", c.aws.Journal()[len(c.aws.Journal())-1].Target)
			}
		}
	}
}

func refusedToken(t *testing.T) {
	c := play(t, stage{})
	c.aws.SetTokens("another")
	for _, target := range []string{"/Users?filter=userName+eq+%22ada%22", "/Groups?count=1"} {
		r := c.through(401, "GET", target, "")
		c.wantWords(r.detail(), "SG902", "generate a new token", "in Okta: paste it", "AWS answered 401")
	}
}

// header is a request of the credentials test with one header as it is written.
func (c *scene) header(want int, name string, value ...string) reply {
	c.t.Helper()
	conn := c.dial(c.t)
	defer conn.Close()
	text := "GET /scim/v2/Users?startIndex=1&count=2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
	for _, v := range value {
		text += name + ": " + v + "\r\n"
	}
	answers, _ := c.utter(c.t, text+"\r\n", 1<<30, false)
	if len(answers) != 1 || answers[0].status != want {
		c.t.Errorf("got %v for %s %q, want %d", answers, name, value, want)
		return reply{}
	}
	return reply{status: answers[0].status, body: answers[0].body}
}

func oddTokens(t *testing.T) {
	c := play(t, stage{})
	const token = standin.DefaultToken
	for _, value := range []string{"Bearer " + token, "Bearer Bearer " + token, token, "bearer " + token, "BEARER   " + token, " Bearer " + token + " "} {
		c.header(200, "Authorization", value)
	}
	c.wantWords(c.header(401, "Authorization").detail(), "SG134")
	c.header(401, "Authorization", "Basic "+token)
}

// Twice as many at once as AWS takes in a second: none is throttled there.
func burst(t *testing.T) {
	c := play(t, stage{aws: standin.Options{Rates: standin.Rates{Writes: standin.Rate{PerSecond: 25}}}, settings: func(s *proxy.Settings) { s.Pace = pace.Settings{} }})
	c.through(200, "GET", "/Users?count=1", "") // a token that AWS hasn't accepted yet has a budget of its own
	answered := make(chan int)
	for i := range 50 {
		go func() {
			answered <- c.send(c.gateway, "POST", "/Users", fmt.Sprintf(`{"userName":"p%d",%s,"displayName":"G"}`, i, soundNames)).status
		}()
	}
	for range 50 {
		if status := <-answered; status != 201 {
			t.Errorf("got %d, want 201", status)
		}
	}
	for _, e := range c.aws.Journal() {
		if e.Status == 429 {
			t.Errorf("AWS throttles %s", e.Body)
		}
	}
}

// Whatever a 429 of AWS looks like: it is waited for, and a client that has to come back
// is told when, in whole seconds.
func throttled(t *testing.T) {
	for _, form := range []string{"document", "seconds", "date", "empty", "no-schemas"} {
		c := play(t, stage{aws: standin.Options{Switches: standin.Positions{"throttle-answer": form}}})
		c.aws.Inject(standin.Fault{Operation: standin.CreateUser, Act: standin.Refuse, Status: 429})
		c.through(201, "POST", "/Users", `{`+soundUser+`}`)

		c = play(t, stage{aws: standin.Options{Switches: standin.Positions{"throttle-answer": form}}, settings: func(s *proxy.Settings) { s.Client.Patience = 100 * time.Millisecond }})
		c.aws.Inject(standin.Fault{Operation: standin.CreateUser, Act: standin.Refuse, Status: 429, Times: 99})
		r := c.through(429, "POST", "/Users", `{`+soundUser+`}`)
		if fault := notSCIM(&http.Response{StatusCode: r.status, Header: r.header}, r.body); fault != "" {
			t.Errorf("%s: %s", form, fault)
		}
	}
}

// Whatever comes from where, the client gets a SCIM document.
func pagesOfOthers(t *testing.T) {
	f := func(method, target, body string, fault standin.Fault, header http.Header, want int) {
		t.Helper()
		c := play(t, stage{settings: func(s *proxy.Settings) { s.Listen.MaxBodyBytes = 64 << 10 }})
		fault.Times = 9
		c.aws.Inject(fault)
		r := c.sendWith(c.gateway, method, target, body, header)
		if fault := notSCIM(&http.Response{StatusCode: r.status, Header: r.header}, r.body); fault != "" || r.status != want {
			t.Errorf("%s %s: got %d, want %d; %s", method, target, r.status, want, fault)
		}
	}
	text := standin.Fault{Act: standin.Reply, Status: 502, Header: http.Header{"Content-Type": {"text/plain"}}, Body: "error code: 502"}
	none := standin.Fault{Operation: "none"}
	for _, method := range []string{"GET", "POST"} {
		target, body := "/Users", ""
		if method == "POST" {
			body = `{` + soundUser + `}`
		}
		f(method, target, body, text, nil, 429)
		f(method, target, body, standin.HTML(503), nil, 429)
		f(method, target, body, standin.HTML(200), nil, 429)
		f(method, target, body, standin.HTML(403), nil, 403)
		f(method, target, body, standin.Fault{Act: standin.Reply, Status: 204}, nil, 429)
	}
	f("GET", "/Widgets", "", none, nil, 404)
	f("TRACE", "/Users", "", none, nil, 405)
	f("POST", "/Users", `{"title":"`+strings.Repeat("x", 70<<10)+`"}`, none, nil, 413)
	f("GET", "/Users", "", none, http.Header{"X-Long": {strings.Repeat("x", 20<<10)}}, 431)
	f("GET", "/Users?x="+strings.Repeat("x", 20<<10), "", none, nil, 431)
}

func numbersAsTexts(t *testing.T) {
	c := play(t, stage{})
	c.aws.Inject(standin.Fault{Operation: standin.ListUsers, Status: 200, Header: http.Header{"Content-Type": {"application/json"}},
		Body: `{"totalResults":"1","itemsPerPage":"1","startIndex":"1","schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"Resources":[{"id":"c4d8a478-10a1-70de-3d75-96c6bb640001","userName":"ada","active":"True"}]}`})
	list := gjson.Parse(c.through(200, "GET", "/Users?filter=userName+eq+%22ada%22", "").body)
	if got := list.Get("[totalResults,itemsPerPage,startIndex,Resources.0.active]").Raw; got != "[1,1,1,true]" {
		t.Errorf("got %s in %s, want numbers and a boolean", got, list.Raw)
	}
}

// AWS says 200 to a deactivation among other things and does nothing: it is sent alone.
func ignoredDeactivation(t *testing.T) {
	for method, body := range map[string]string{
		"PATCH": patchOf(`{"op":"replace","path":"title","value":"Admiral"},{"op":"replace","path":"active","value":false}`),
		"PUT":   `{` + soundUser + `,"active":false}`,
	} {
		c := play(t, stage{})
		id := c.user("grace@example.test", "")
		op := map[string]standin.Operation{"PATCH": standin.PatchUser, "PUT": standin.PutUser}[method]
		c.aws.Inject(standin.Fault{Operation: op, Status: 200, Header: http.Header{"Content-Type": {"application/json"}},
			Body: `{"id":"` + id + `","userName":"grace@example.test","active":true}`})
		r := c.through(200, method, "/Users/"+id, body)
		if u, _ := c.aws.User(id); u.Active || gjson.Get(r.body, "active").Raw != "false" {
			t.Errorf("%s: got %s, and active %v at AWS", method, r.body, u.Active)
		}
		writes := c.writes(0)
		if last := writes[len(writes)-1]; len(writes) != 2 || last.Method != "PATCH" || gjson.Get(last.Body, "Operations.#").Int() != 1 || !strings.Contains(last.Body, "active") {
			t.Errorf("%s: got %d writes, the last %s, want the deactivation alone", method, len(writes), last.Body)
		}
	}
}

// What was deleted at AWS by hand is told, and never made anew.
func goneIsNotMadeAnew(t *testing.T) {
	c := play(t, stage{})
	id, group := c.user("grace@example.test", ""), c.groupOf("Engineers")
	for _, target := range []string{"/Users/" + id, "/Groups/" + group} {
		if r := c.send(c.direct, "DELETE", target, ""); r.status != 204 {
			t.Fatal(r.status)
		}
	}
	before := len(c.aws.Journal())
	for _, r := range []reply{c.through(404, "GET", "/Users/"+id, ""), c.through(404, "PUT", "/Users/"+id, `{`+soundUser+`}`), c.through(404, "PATCH", "/Users/"+id, titled("Admiral"))} {
		c.wantWords(r.detail(), "SG904", "In Okta: unassign")
	}
	for _, r := range []reply{c.through(404, "GET", "/Groups/"+group, ""), c.through(404, "PUT", "/Groups/"+group, `{"displayName":"Engineers","members":[]}`),
		c.through(404, "PATCH", "/Groups/"+group, patchOf(`{"op":"replace","path":"members","value":[]}`))} {
		c.wantWords(r.detail(), "SG905", "In Okta: unlink")
	}
	for _, e := range c.writes(before) {
		if e.Method == "POST" {
			t.Errorf("got %s %s, want nothing made anew", e.Method, e.Body)
		}
	}
	if len(c.aws.Users())+len(c.aws.Groups()) > 0 {
		t.Error("something is there again")
	}
}

// AWS folds case, clients don't.
func namesInOtherCases(t *testing.T) {
	c := play(t, stage{})
	id := c.user("Grace@Example.test", "")
	r := c.through(409, "POST", "/Users", `{`+soundUser+`}`)
	c.wantWords(r.detail(), "SG906", "this userName", id)
	if got := gjson.Get(c.through(200, "GET", "/Users?filter=userName+eq+%22grace%40example.test%22", "").body, "Resources.0.id").Str; got != id {
		t.Errorf("got %q, want the user found", got)
	}
	r = c.through(400, "POST", "/Users", `{`+strings.Replace(soundUser, "grace@", "grace @", 1)+`}`)
	c.wantWords(r.detail(), "userName", "position 6")
	if n := len(c.aws.Users()); n != 1 {
		t.Errorf("got %d users, want no second one", n)
	}
}

// externalId was mapped on what changes: the same person comes with another one.
func changedExternalID(t *testing.T) {
	for _, adopt := range []bool{false, true} {
		c := play(t, stage{adopt: adopt})
		id := c.user("grace@example.test", `,"externalId":"hr-1"`)
		r := c.through(409, "POST", "/Users", `{`+soundUser+`,"externalId":"hr-2"}`)
		c.wantWords(r.detail(), "this userName and another externalId", id)
		if n := len(c.aws.Users()); n != 1 || c.at(id, "externalId") != "hr-1" {
			t.Errorf("got %d users, the first with %v, want no second person", n, c.at(id, "externalId"))
		}
	}
}

// AWS's own request id is in the answer, the log and the record.
func requestID(t *testing.T) {
	c := play(t, stage{})
	c.aws.Inject(standin.Fault{Operation: standin.CreateUser, Act: standin.Refuse, Status: 400})
	r := c.through(400, "POST", "/Users", `{`+soundUser+`}`)
	id := c.aws.Journal()[len(c.aws.Journal())-1].RequestID
	c.wantWords(r.detail(), id)
	recorded := false
	for _, rec := range c.records() {
		recorded = recorded || rec["kind"] == "outcome" && rec["awsRequestId"] == id
	}
	if c.wantWords(c.log.String(), id); !recorded || id == "" {
		t.Errorf("the record has no %q", id)
	}
}

func mediaTypes(t *testing.T) {
	c := play(t, stage{})
	for i, media := range []string{"application/json", "application/scim+json", "application/json; charset=utf-8", "application/scim+json;charset=UTF-8", `application/scim+json; charset="utf-8"`} {
		for _, accept := range []string{"application/json", "*/*", "application/scim+json, application/json"} {
			body := fmt.Sprintf(`{"userName":"p%d-%d",%s,"displayName":"G"}`, i, len(accept), soundNames)
			r := c.sendWith(c.gateway, "POST", "/Users", body, http.Header{"Content-Type": {media}, "Accept": {accept}})
			e := c.aws.Journal()[len(c.aws.Journal())-1]
			if got, _, _ := strings.Cut(e.Header.Get("Content-Type"), ";"); r.status != 201 || got != "application/scim+json" {
				t.Errorf("got %d for %s, and %s at AWS", r.status, media, got)
			}
		}
	}
}

// The test of the connection makes and deletes a user and a group, each time.
func testUserOfJumpCloud(t *testing.T) {
	c := play(t, stage{})
	for range 2 {
		user := c.through(201, "POST", "/Users", `{"userName":"jumpcloud-test@example.test",`+soundNames+`,"displayName":"Test"}`).text("id")
		group := c.through(201, "POST", "/Groups", `{"displayName":"jumpcloud test","members":[]}`).text("id")
		c.through(204, "DELETE", "/Groups/"+group, "")
		c.through(204, "DELETE", "/Users/"+user, "")
	}
	if len(c.aws.Users())+len(c.aws.Groups()) > 0 {
		t.Error("a test user or group is left behind")
	}
	seen := map[string]int{}
	for _, r := range c.records() {
		if r["kind"] == "intent" && strings.Contains(fmt.Sprint(r["name"]), "jumpcloud") {
			seen[fmt.Sprint(r["op"])]++
		}
	}
	if fmt.Sprint(seen) != "map[createGroup:2 createUser:2 deleteGroup:2 deleteUser:2]" {
		t.Errorf("got %v in the log, want each made and deleted twice, with its name", seen)
	}
}
