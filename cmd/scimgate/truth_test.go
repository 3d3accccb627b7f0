package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/scimgate/scimgate/bench/standin"
	"github.com/scimgate/scimgate/proxy"
	"github.com/scimgate/scimgate/proxy/translate"
	"github.com/scimgate/scimgate/proxy/upstream"
	"github.com/scimgate/scimgate/rules/aws"
)

// What is told as done is done at AWS, and nobody loses access whom nobody named.

func memberPatch(verb, id string) string {
	return patchOf(`{"op":"` + verb + `","path":"members","value":[{"value":"` + id + `"}]}`)
}

// A change that its client didn't wait for is not the answer to the same one later, if
// another came in between.
func TestKeptAnswerIsOvertaken(t *testing.T) {
	c := play(t, stage{settings: func(s *proxy.Settings) { s.Client.Patience = 300 * time.Millisecond }})
	id := c.people(1)[0]
	group := c.groupOf("Engineers", id)
	hold := make(chan struct{})
	c.aws.Inject(standin.Fault{Operation: standin.PatchGroup, Act: standin.Pass, Hold: hold})
	c.through(429, "PATCH", "/Groups/"+group, memberPatch("remove", id)) // it goes on
	close(hold)
	c.eventually(204, "PATCH", "/Groups/"+group, memberPatch("add", id))
	c.wantMembers(group, []string{id})
	c.through(204, "PATCH", "/Groups/"+group, memberPatch("remove", id))
	c.wantMembers(group, nil)
}

// A create that takes a user over doesn't give back what was taken away meanwhile.
func TestAdoptionAfterADeactivation(t *testing.T) {
	c := play(t, stage{adopt: true})
	id := c.user("grace@example.test", "")
	hold, done := make(chan struct{}), make(chan reply, 1)
	c.aws.Inject(standin.Fault{Operation: standin.ListUsers, Act: standin.Pass, Hold: hold})
	go func() {
		done <- c.send(c.gateway, "POST", "/Users", `{`+soundUser+`,"active":true,"externalId":"hr-1"}`)
	}()
	for deadline := time.Now().Add(10 * time.Second); len(c.aws.Journal()) == 0 && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond) // until AWS has refused the create; then the look-up is held
	}
	c.through(200, "PATCH", "/Users/"+id, deactivation)
	close(hold)
	if r := <-done; r.status != 409 || !strings.Contains(r.detail(), "deactivated meanwhile") {
		t.Errorf("got %d %q, want it refused", r.status, r.detail())
	}
	if u, _ := c.aws.User(id); u.Active {
		t.Error("a deactivation that was told as done is undone")
	}
}

// Nor does it where that was tried in vain: it stays on the list.
func TestAdoptionAfterADeactivationThatFailed(t *testing.T) {
	c := play(t, stage{adopt: true})
	id := c.user("grace@example.test", "")
	hold, done := make(chan struct{}), make(chan reply, 1)
	c.aws.Inject(standin.Fault{Operation: standin.ListUsers, Act: standin.Pass, Hold: hold})
	c.aws.Inject(standin.Fault{Operation: standin.PatchUser, Act: standin.Refuse})
	go func() {
		done <- c.send(c.gateway, "POST", "/Users", `{`+soundUser+`,"active":true,"externalId":"hr-1"}`)
	}()
	for deadline := time.Now().Add(10 * time.Second); len(c.aws.Journal()) == 0 && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond) // as above
	}
	c.through(429, "PATCH", "/Users/"+id, deactivation)
	close(hold)
	if r := <-done; r.status != 409 || !strings.Contains(r.detail(), "deactivated meanwhile") {
		t.Errorf("got %d %q, want it refused", r.status, r.detail())
	}
	c.wantOnList(id)
}

// What a read has shown of a user says nothing about a deactivation that came behind it.
func TestAnOldReadClosesNoDeactivation(t *testing.T) {
	c := play(t, stage{})
	id := c.user("grace@example.test", "")
	c.through(200, "PATCH", "/Users/"+id, deactivation)
	hold, done := make(chan struct{}), make(chan reply, 1)
	read := len(c.aws.Journal())
	c.aws.Inject(standin.Fault{Operation: standin.GetUser, Act: standin.Pass, When: standin.After, Hold: hold})
	go func() { done <- c.send(c.gateway, "GET", "/Users/"+id, "") }()
	for deadline := time.Now().Add(10 * time.Second); len(c.aws.Journal()) == read && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond) // until AWS has read the user
	}
	c.through(200, "PATCH", "/Users/"+id, patchOf(`{"op":"replace","value":{"active":true}}`))
	c.aws.Inject(standin.Fault{Operation: standin.PatchUser, Act: standin.Refuse})
	c.through(429, "PATCH", "/Users/"+id, deactivation)
	close(hold)
	if r := <-done; r.status != 200 {
		t.Errorf("got %d for the read", r.status)
	}
	c.wantOnList(id)
}

// A user who was made a moment ago is not gone because AWS doesn't show it yet.
func TestA404OfWhoWasJustMade(t *testing.T) {
	c := play(t, stage{})
	id := c.through(201, "POST", "/Users", `{`+soundUser+`}`).text("id")
	for _, op := range []standin.Operation{standin.PatchUser, standin.DeleteUser, standin.GetUser} {
		c.aws.Inject(standin.Fault{Operation: op, Act: standin.Refuse, Status: 404, Times: 99})
	}
	if r := c.through(429, "PATCH", "/Users/"+id, deactivation); !strings.Contains(r.detail(), "made a moment ago") {
		t.Errorf("got %q", r.detail())
	}
	c.wantOnList(id)
	c.through(429, "GET", "/Users/"+id, "")
	c.through(429, "DELETE", "/Users/"+id, "")
	c.wantOnList(id)
}

// A deactivation that comes with a create that takes a user over is on the list until AWS
// shows it.
func TestAdoptionThatDeactivates(t *testing.T) {
	c := play(t, stage{adopt: true})
	id := c.user("grace@example.test", "")
	c.aws.Inject(standin.Fault{Operation: standin.PutUser, Act: standin.Reset})
	c.through(429, "POST", "/Users", `{`+soundUser+`,"active":false}`)
	if _, body := c.adminAsks("GET", "/leavers"); !strings.Contains(body, id) {
		t.Errorf("got %s, want the user listed", body)
	}
}

// Who was deleted is a member of nothing any more, whatever was written before.
func TestDeletedMembers(t *testing.T) {
	c := play(t, stage{})
	id := c.people(1)[0]
	group := c.groupOf("Engineers")
	c.through(204, "PATCH", "/Groups/"+group, memberPatch("add", id))
	c.through(204, "DELETE", "/Users/"+id, "")
	for method, body := range map[string]string{"PATCH": memberPatch("add", id), "PUT": `{"displayName":"Engineers","members":[{"value":"` + id + `"}]}`} {
		if r := c.through(400, method, "/Groups/"+group, body); !strings.Contains(r.detail(), "SG908") {
			t.Errorf("%s: got %q, want the member named", method, r.detail())
		}
	}
}

// A create that is found again is not told as done before its members are there; and what
// was there before with other attributes is not taken for it.
func TestFoundCreates(t *testing.T) {
	c := play(t, stage{settings: func(s *proxy.Settings) { s.Pace.Settle = time.Millisecond }})
	id := c.people(1)[0]
	const stranger = "c4d8a478-10a1-70de-3d75-96c6bb64ffff"
	body := `{"displayName":"Engineers","members":` + membersOf([]string{id, stranger}) + `}`
	c.aws.Inject(standin.Fault{Operation: standin.CreateGroup, Skip: 1, Act: standin.Reset, When: standin.After})
	c.aws.Inject(standin.Fault{Operation: standin.ListGroups, Times: 3, Act: standin.Reset})
	c.through(429, "POST", "/Groups", body)
	if r := c.eventually(400, "POST", "/Groups", body); !strings.Contains(r.detail(), stranger) {
		t.Errorf("got %q, want the stranger named", r.detail())
	}
	c.wantMembers(c.aws.Groups()[0].ID, []string{id})

	user := func(title, active string) string {
		return `{` + soundUser + `,"title":"` + title + `","active":` + active + `}`
	}
	c.through(201, "POST", "/Users", user("one", "true"))
	c.aws.Inject(standin.Fault{Operation: standin.CreateUser, Status: 500, Act: standin.Refuse})
	if r := c.send(c.gateway, "POST", "/Users", user("two", "false")); r.status != 429 {
		t.Errorf("got %d %s for a create that was not done, want 429", r.status, r.body)
	}
	c.through(201, "POST", "/Groups", `{"displayName":"Designers"}`)
	c.aws.Inject(standin.Fault{Operation: standin.CreateGroup, Status: 500, Act: standin.Refuse})
	r := c.send(c.gateway, "POST", "/Groups", `{"displayName":"Designers","members":`+membersOf([]string{id})+`}`)
	if g, _ := c.aws.Group(r.text("id")); r.status == 201 && len(g.Members) != 1 {
		t.Errorf("got 201, and %v at AWS", g.Members)
	}
}

// wantOnList wants a user to be on the list of open deactivations.
func (c *scene) wantOnList(id string) {
	c.t.Helper()
	if _, body := c.adminAsks("GET", "/leavers"); !strings.Contains(body, id) {
		c.t.Errorf("got %s, want %s on the list of open deactivations", body, id)
	}
}

// A 404 that is not AWS's says nothing about a resource.
func TestForeign404(t *testing.T) {
	for _, observe := range []bool{true, false} { // under observe, it is passed on, and not believed
		c := play(t, stage{observe: observe})
		id := c.people(1)[0]
		page := standin.HTML(404)
		page.Operation = standin.PatchUser
		c.aws.Inject(page)
		c.send(c.gateway, "PATCH", "/Users/"+id, deactivation)
		c.wantOnList(id)
		page.Operation = standin.GetUser
		c.aws.Inject(page)
		c.send(c.gateway, "GET", "/Users/"+id, "")
		c.wantOnList(id)
	}
	for _, status := range []int{404, 409} { // nor that a token is AWS's
		stranger := play(t, stage{})
		group := stranger.groupOf("Engineers")
		page := standin.HTML(status)
		page.Times = 9
		stranger.aws.Inject(page)
		stranger.token = fmt.Sprint("a-token-that-aws-does-not-know-", status)
		stranger.send(stranger.gateway, "PATCH", "/Groups/"+group, patchOf(`{"op":"replace","path":"displayName","value":"Builders"}`))
		if _, err := os.Stat(stranger.audit + ".default.tokens"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("got %v: a page of status %d is taken for the acceptance of a token", err, status)
		}
	}
	c := play(t, stage{})
	id := c.people(1)[0]
	foreign := func(op standin.Operation) {
		page := standin.HTML(404)
		page.Operation, page.Times = op, 9
		c.aws.Inject(page)
	}
	foreign(standin.PatchUser)
	c.through(429, "PATCH", "/Users/"+id, deactivation)
	if _, body := c.adminAsks("GET", "/leavers"); !strings.Contains(body, id) {
		t.Errorf("got %s, want the deactivation listed", body)
	}
	foreign(standin.ListUsers)
	c.through(429, "GET", "/Users?filter=userName%20eq%20%22person000@example.test%22", "")
}

// What is asked of a part of members, or of members by what is no id, takes nobody out and
// asks AWS for nothing else.
func TestOddMembers(t *testing.T) {
	c := playKnown(t, stage{})
	ids := c.people(2)
	group := c.groupOf("Engineers", ids...)
	before := len(c.aws.Journal())
	for _, op := range []string{
		`{"op":"remove","path":"members.$ref"}`, `{"op":"remove","path":"members.type"}`, `{"op":"remove","path":"members.type","value":"User"}`,
		`{"op":"replace","path":"members.value","value":"ID"}`, `{"op":"replace","path":"members.type","value":"User"}`, `{"op":"replace","path":"members.$ref","value":"x"}`,
		`{"op":"remove","path":"members[value eq \"ID\"].type"}`, `{"op":"add","path":"members.value","value":"ID"}`, `{"op":"replace","value":{"members.value":"ID"}}`,
		`{"op":"replace","path":"members","value":[{"type":"User"}]}`, `{"op":"remove","path":"members[value eq \"../x\"]"}`,
	} {
		c.through(400, "PATCH", "/Groups/"+group, patchOf(strings.ReplaceAll(op, "ID", ids[0])))
	}
	if r := c.through(400, "PATCH", "/Groups/"+group, patchOf(`{"op":"remove","path":"members[value eq \"`+ids[0]+`\" or value eq \"`+ids[1]+`\"]"}`)); !strings.Contains(r.detail(), "[SG608]") {
		t.Errorf("got %q, want the rule and what to do", r.detail())
	}
	for _, value := range []string{"ada@example.test", " " + ids[0], ids[0] + `\u200b`, "../Users/" + ids[0], "..", "x?cursor", "{" + ids[0] + "}", "00u1abcd"} {
		c.through(400, "PUT", "/Groups/"+group, `{"displayName":"Engineers","members":[{"value":"`+value+`"}]}`)
		c.through(400, "PATCH", "/Groups/"+group, memberPatch("add", value))
	}
	c.wantMembers(group, ids)
	for _, call := range c.aws.Journal()[before:] {
		if call.Method != "GET" || !strings.HasSuffix(call.Target, "/Groups/"+group) {
			t.Errorf("AWS is sent %s %s", call.Method, call.Target)
		}
	}
	c.through(200, "PUT", "/Groups/"+group, `{"displayName":"Engineers","members":[{"value":"`+strings.ToUpper(ids[0])+`"}]}`)
	c.wantMembers(group, ids[:1])
}

// Who AWS doesn't show yet as a member is removed all the same, beside somebody who has
// gone.
func TestRemovalBehindALateList(t *testing.T) {
	c := under(t, "membership-delay=2")
	id := c.people(1)[0]
	group := c.groupOf("Engineers")
	if r := c.send(c.direct, "PATCH", "/Groups/"+group, memberPatch("add", id)); r.status != 204 {
		t.Fatalf("got %d %s", r.status, r.body)
	}
	c.through(204, "PATCH", "/Groups/"+group, patchOf(`{"op":"remove","path":"members","value":[{"value":"`+id+`"},{"value":"c4d8a478-10a1-70de-3d75-96c6bb64ffff"}]}`))
	c.wantMembers(group, nil)
}

// What another identity store says of an id closes no deactivation.
func TestLeaversOfAnotherStore(t *testing.T) {
	_, url := second(t)
	set, err := aws.New(aws.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	c := play(t, stage{settings: func(s *proxy.Settings) {
		s.Tenants = []proxy.TenantSettings{{Name: "other", Upstream: upstream.Settings{URL: url}, Policy: proxy.Policy{Rules: set, Limits: translate.Limits{Members: 100, Page: 100}}}}
	}})
	id := c.people(1)[0]
	c.aws.Inject(standin.Fault{Operation: standin.PatchUser, Status: 500, Act: standin.Refuse})
	c.through(429, "PATCH", "/Users/"+id, deactivation)
	host := strings.TrimSuffix(c.gateway, "/"+standin.DefaultTenant+"/scim/v2")
	if r := c.send(host+"/other/scim/v2", "GET", "/Users/"+id, ""); r.status != 404 {
		t.Fatalf("got %d %s", r.status, r.body)
	}
	if _, body := c.adminAsks("GET", "/leavers"); !strings.Contains(body, id) {
		t.Errorf("got %s, want the deactivation open still", body)
	}
}

// Words that are written with escapes are what they say.
func TestEscapedFalse(t *testing.T) {
	c := play(t, stage{})
	id := c.people(1)[0]
	c.through(200, "PATCH", "/Users/"+id, patchOf(`{"op":"replace","value":{"active":"f\u0061lse"}}`))
	if u, _ := c.aws.User(id); u.Active {
		t.Error("the user is active")
	}
}

// An answer that shows nothing deactivates nobody: the user is read, whoever asks how.
func TestADeactivationWithoutAnAnswerIsRead(t *testing.T) {
	const also = `{"op":"replace","path":"userName","value":"a b"}` // which a person has to mend
	f := func(name string, method, body string, answer standin.Fault, s stage) {
		t.Run(name, func(t *testing.T) {
			c := play(t, s)
			id := c.user("grace@example.test", "")
			answer.Operation, answer.Act, answer.Times = standin.PatchUser, standin.Reply, 9
			c.aws.Inject(answer)
			if r := c.send(c.gateway, method, "/Users/"+id, body); r.status < 400 {
				t.Errorf("got %d %s for a deactivation that was not carried out", r.status, r.body)
			}
			if _, body := c.adminAsks("GET", "/leavers"); !strings.Contains(body, id) {
				t.Errorf("got %s, want the user on the list", body)
			}
		})
	}
	empty, nothing := standin.Fault{Status: 204}, standin.Fault{Status: 200, Body: `{}`}
	f("DELETE, 204", "DELETE", "", empty, stage{deactivateInstead: true})
	f("DELETE, 200", "DELETE", "", nothing, stage{deactivateInstead: true})
	f("alone, 204", "PATCH", patchOf(`{"op":"replace","path":"active","value":false},`+also), empty, stage{})
	f("PATCH, 204", "PATCH", deactivation, empty, stage{})
	f("PATCH, 200", "PATCH", deactivation, nothing, stage{})
}

// A create that takes a user over as active ends an open deactivation: it came later.
func TestAnAdoptionEndsAnOpenDeactivation(t *testing.T) {
	c := play(t, stage{adopt: true})
	id := c.user("grace@example.test", "")
	c.aws.Inject(standin.Fault{Operation: standin.PatchUser, Act: standin.Refuse, Times: 3})
	c.through(429, "PATCH", "/Users/"+id, deactivation)
	c.through(201, "POST", "/Users", `{`+soundUser+`,"active":true,"externalId":"hr-1"}`)
	if _, body := c.adminAsks("GET", "/leavers"); strings.Contains(body, id) {
		t.Errorf("got %s, want nobody on the list whom the client has let in again", body)
	}
}

// One operation without its list is carried out, or refused, as in a list.
func TestAnOperationWithoutItsList(t *testing.T) {
	c := play(t, stage{})
	id := c.user("grace@example.test", "")
	group := c.groupOf("Engineers", id)
	alone := func(operation string) string { return `{` + patchOp + `,"Operations":` + operation + `}` }
	c.through(200, "PATCH", "/Users/"+id, alone(`{"op":"replace","path":"active","value":false}`))
	if u, _ := c.aws.User(id); u.Active {
		t.Error("a deactivation was told as done, and was not")
	}
	c.through(400, "PATCH", "/Groups/"+group, alone(`{"op":"replace","path":"members","value":null}`))
	c.through(400, "PATCH", "/Groups/"+group, alone(`["x"]`))
	c.wantMembers(group, []string{id})
}

// What has no Operations asks for nothing, and is not answered as if it had been done.
func TestAPatchWithoutOperationsIsRefused(t *testing.T) {
	c := play(t, stage{})
	id := c.user("grace@example.test", "")
	group := c.groupOf("Engineers", id)
	before := len(c.aws.Journal())
	for _, body := range []string{
		`{}`, `{` + patchOp + `}`, `{"active":false}`, `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"active":false}`,
		`{` + patchOp + `,"Operation":[{"op":"replace","path":"active","value":false}]}`, `{"displayName":"Builders","members":[]}`,
	} {
		for _, target := range []string{"/Users/" + id, "/Groups/" + group} {
			if r := c.through(400, "PATCH", target, body); !strings.Contains(r.detail(), "[SG508]") {
				t.Errorf("got %q for %s %s, want SG508", r.detail(), target, body)
			}
		}
	}
	if n := len(c.aws.Journal()) - before; n > 0 {
		t.Errorf("AWS is called %d times", n)
	}
}

// An id in another letter case is the same member, also of a protected group.
func TestAProtectedGroupInAnotherCase(t *testing.T) {
	c := play(t, stage{})
	id := c.people(1)[0]
	group := c.groupOf("AWSControlTowerAdmins", id)
	c.through(403, "PATCH", "/Groups/"+group, patchOf(`{"op":"remove","path":"members[value eq \"`+strings.ToUpper(id)+`\"]"}`))
	c.wantMembers(group, []string{id})
	free := c.groupOf("Engineers", id)
	c.through(204, "PATCH", "/Groups/"+free, patchOf(`{"op":"remove","path":"members","value":[{"value":"`+strings.ToUpper(id)+`"}]},{"op":"add","path":"members","value":[{"value":"`+id+`"}]}`))
	c.wantMembers(free, []string{id})
}

// A value in a path is as personal as one behind it.
func TestValuesInPathsAreNotRecorded(t *testing.T) {
	c := play(t, stage{})
	id := c.user("grace@example.test", "")
	c.aws.Inject(standin.Fault{Operation: standin.PatchUser, Act: standin.Refuse, Status: 400})
	c.send(c.gateway, "PATCH", "/Users/"+id, patchOf(`{"op":"remove","path":"phoneNumbers","value":[{"value":"+44 1234 5678"}]}`))
	for _, op := range []string{ // in which a rule finds something
		`{"op":"replace","path":"phoneNumbers[value eq \"+44 1234 5678\"].value","value":" "}`, `{"op":"add","path":"frob[value eq \"+44 1234 5678\"]","value":"x"}`,
		`{"op":"Remove","path":"phonenumbers[type eq \"work\" and (value sw \"+44 1234 5678\")]"}`,
	} {
		c.send(c.gateway, "PATCH", "/Users/"+id, patchOf(op))
	}
	if r := c.through(400, "PATCH", "/Groups/"+c.groupOf("Engineers"), patchOf(`{"op":"remove","path":"members[value eq \"+44 1234 5678\"]"}`)); strings.Contains(r.body, "1234 5678") {
		t.Errorf("got %s", r.body)
	}
	_, unexplained := c.adminAsks("GET", "/unexplained")
	for where, text := range map[string]string{"log": c.log.String(), "audit": readFile(t, c.audit), "admin": unexplained} {
		if strings.Contains(text, "1234 5678") {
			t.Errorf("%s: got %s", where, text)
		}
	}
}
