package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/scimgate/scimgate/bench/standin"
)

// under is a gateway before a stand-in with some of its switches moved: "NAME=POSITION".
func under(t *testing.T, switches ...string) *scene {
	t.Helper()
	positions := standin.Positions{}
	for _, s := range switches {
		name, position, _ := strings.Cut(s, "=")
		positions[name] = position
	}
	return play(t, stage{aws: standin.Options{Switches: positions}})
}

// A deactivation waits for nothing that AWS refuses beside it: that is left behind, and
// told. Without one, the answer says what was done and what was not.
func TestOperationsApart(t *testing.T) {
	const title, nick = `{"op":"replace","path":"title","value":"Countess"}`, `{"op":"replace","path":"nickName","value":"A"}`
	const out = `{"op":"replace","path":"active","value":false}`
	refused := standin.Fault{Operation: standin.PatchUser, Contains: `"nickName"`, Skip: 1, Act: standin.Refuse, Status: 400} // the first is all operations together

	c := under(t, "several-operations=refuse")
	id := c.people(1)[0]
	r := c.through(200, "PATCH", "/Users/"+id, patchOf(title+","+nick))
	if gjson.Get(r.body, "title").Str != "Countess" || gjson.Get(r.body, "nickName").Str != "A" {
		t.Errorf("got %s, want both set", r.body)
	}

	c.aws.Inject(refused)
	r = c.through(200, "PATCH", "/Users/"+id, patchOf(title+","+nick+","+out))
	if u, _ := c.aws.User(id); u.Active || gjson.Get(r.body, "active").Raw != "false" {
		t.Errorf("got %s, and active %v at AWS", r.body, u.Active)
	}
	if told := r.header.Get("X-Scimgate-Findings"); !strings.Contains(told, "SG912") {
		t.Errorf("got %q, want told what was left behind", told)
	}

	id = c.user("other@example.test", "")
	c.aws.Inject(refused)
	r = c.through(400, "PATCH", "/Users/"+id, patchOf(`{"op":"replace","path":"title","value":"Baroness"},`+nick+`,{"op":"replace","path":"locale","value":"en-GB"}`))
	c.wantWords(r.detail(), "Changed were title; nickName was not", "SG901", "AWS answered 400")
	if u, _ := c.aws.User(id); u.Document["title"] != "Baroness" || u.Document["locale"] != nil {
		t.Errorf("got %v at AWS, want what was told", u.Document)
	}
}

// Adding who is there and removing who is not are no changes, whatever AWS says to them.
func TestMembersThatAreThereOrNot(t *testing.T) {
	for _, status := range []string{"204", "400", "404", "409"} {
		c := under(t, "add-present-member="+status, "remove-absent-member="+status)
		ids := c.people(4)
		group, err := c.aws.AddGroup(`{"displayName":"Engineers"}`) // not through the gateway: a 404 about it isn't waited out
		if err != nil {
			t.Fatal(err)
		}
		add := func(list []string) string { return `{"op":"add","path":"members","value":` + membersOf(list) + `}` }
		remove := func(list []string) string { return `{"op":"remove","path":"members","value":` + membersOf(list) + `}` }
		if r := c.send(c.direct, "PATCH", "/Groups/"+group, patchOf(`{"op":"add","path":"members","value":[{"value":"`+ids[0]+`"},{"value":"`+ids[1]+`"}]}`)); r.status != 204 {
			t.Fatalf("got %d %s for the first members", r.status, r.body)
		}
		for _, step := range []struct {
			operation string
			want      []string
		}{
			{add(ids[:2]), ids[:2]},
			{add(ids[1:3]), ids[:3]},
			{remove(ids[3:]), ids[:3]},
			{remove(ids[2:]), ids[:2]},
			{`{"op":"remove","path":"members[value eq \"` + ids[3] + `\"]"}`, ids[:2]},
		} {
			c.through(204, "PATCH", "/Groups/"+group, patchOf(step.operation))
			c.wantMembers(group, step.want)
		}
		c.through(200, "PUT", "/Groups/"+group, `{"displayName":"Engineers","members":`+membersOf(ids[1:])+`}`)
		c.wantMembers(group, ids[1:])
	}
}

// A group's name that is taken is explained, whichever status AWS gives it.
func TestNamesThatAreTaken(t *testing.T) {
	for _, status := range []int{409, 400} {
		c := under(t, fmt.Sprint("rename-clash=", status))
		other := c.through(201, "POST", "/Groups", `{"displayName":"Engineers"}`).text("id")
		group := c.through(201, "POST", "/Groups", `{"displayName":"Designers"}`).text("id")
		for method, body := range map[string]string{
			"PATCH": patchOf(`{"op":"replace","path":"displayName","value":"Engineers"}`),
			"PUT":   `{"displayName":"Engineers","members":[]}`,
		} {
			r := c.through(status, method, "/Groups/"+group, body)
			if !strings.Contains(r.detail(), "SG907") || !strings.Contains(r.detail(), other) {
				t.Errorf("%s: got %q, want the other group named", method, r.detail())
			}
		}
	}
}

// A refusal behind changes that were made says what was done, and then what it would have
// said alone.
func TestARefusalInPartIsExplained(t *testing.T) {
	for _, status := range []int{409, 400} {
		c := under(t, fmt.Sprint("rename-clash=", status))
		ids := c.people(3)
		other := c.groupOf("Engineers")
		for method, body := range map[string]string{
			"PATCH": patchOf(`{"op":"replace","path":"displayName","value":"Engineers"},{"op":"remove","path":"members[value eq \"` + ids[0] + `\"]"}`),
			"PUT":   `{"displayName":"Engineers","members":` + membersOf(ids[1:]) + `}`,
		} {
			group := c.groupOf("Designers by "+method, ids...)
			r := c.through(status, method, "/Groups/"+group, body)
			c.wantWords(r.detail(), "Done: 1 of 1 members removed.", "SG907", other, "In Okta: link the push group", fmt.Sprint("AWS answered ", status))
			if strings.Contains(r.detail(), "The same request again") || !strings.Contains(r.body, `{"rule":"SG907",`) {
				t.Errorf("%s: got %s, want its finding, and no promise", method, r.body)
			}
			c.wantMembers(group, ids[1:])
		}
	}
}

// Forms of a PATCH that AWS may or may not take end in the same user.
func TestFormsOfAPatchUnderSwitches(t *testing.T) {
	switches := []string{"value-paths", "dotted-list-paths", "core-urn-paths", "pathless-id", "several-operations", "op-case", "string-booleans", "null-values", "empty-lists", "patch-schemas", "manager-value", "failed-patch"}
	const email = `"adaN@other.example.test"` // N is a number: AWS wants e-mails to be unique
	forms := []string{
		`{"op":"Replace","path":"emails[type eq \"work\"].value","value":` + email + `},{"op":"replace","path":"title","value":"Countess"}`,
		`{"op":"add","path":"emails","value":[{"type":"work","primary":true,"value":` + email + `}]},{"op":"add","path":"title","value":"Countess"}`,
		`{"op":"replace","value":{"emails[type eq \"work\"].value":` + email + `,"title":"Countess"}}`,
		`{"op":"replace","value":{"id":"ID","title":"Countess","emails":[{"primary":true,"type":"work","value":` + email + `}],"photos":[]}}`,
		`{"op":"replace","path":"urn:ietf:params:scim:schemas:core:2.0:User:title","value":"Countess"},{"op":"replace","path":"urn:ietf:params:scim:schemas:core:2.0:User:emails[type eq \"work\"].value","value":` + email + `}`,
		`{"op":"replace","path":"nickName","value":""},{"op":"replace","value":{"title":"Countess","locale":null}},{"op":"replace","path":"emails","value":{"type":"work","primary":"true","value":` + email + `}}`,
	}
	for _, s := range standin.Switches() {
		if !slices.Contains(switches, s.Name) {
			continue
		}
		for _, position := range s.Values {
			c := under(t, s.Name+"="+position)
			for n, form := range forms {
				id := c.user(fmt.Sprintf("ada%d@example.test", n), fmt.Sprintf(`,"emails":[{"value":"ada%d@example.test","type":"work","primary":true}],"nickName":"A"`, n))
				email, form := strings.Replace(email, "N", fmt.Sprint(n), 1), strings.NewReplacer("adaN@", fmt.Sprintf("ada%d@", n), `"ID"`, `"`+id+`"`).Replace(form)
				r := c.through(200, "PATCH", "/Users/"+id, patchOf(form))
				u, _ := c.aws.User(id)
				if u.Document["title"] != "Countess" || gjson.Get(r.body, "emails.0.value").Raw != email || gjson.Get(r.body, "emails.#").Int() != 1 {
					t.Errorf("%s=%s, %s: got %s, and %v at AWS", s.Name, position, form, r.body, u.Document)
				}
			}
		}
	}
}

// What was just made is found, though AWS shows it late.
func TestWhatWasJustMadeIsFound(t *testing.T) {
	for _, delay := range []string{"1", "2", "5"} {
		c := under(t, "read-delay="+delay, "membership-delay="+delay)
		body := `{` + soundUser + `,"externalId":"hr-1"}`
		id := c.through(201, "POST", "/Users", body).text("id")
		if found := gjson.Get(c.through(200, "GET", "/Users?filter=userName+eq+%22grace%40example.test%22", "").body, "Resources.0.id").Str; found != id {
			t.Errorf("delay %s: got %q by userName, want what was just made", delay, found)
		}
		group := c.through(201, "POST", "/Groups", `{"displayName":"Engineers","members":[]}`).text("id")
		if found := gjson.Get(c.through(200, "GET", "/Groups?filter=displayName+eq+%22Engineers%22", "").body, "Resources.0.id").Str; found != group {
			t.Errorf("delay %s: got %q by displayName, want what was just made", delay, found)
		}
		c.through(200, "PUT", "/Groups/"+group, `{"displayName":"Engineers","members":`+membersOf([]string{id})+`}`)
		c.wantMembers(group, []string{id})
	}
}
