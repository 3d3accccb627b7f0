package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/scimgate/scimgate/bench/standin"

	"pgregory.net/rapid"
)

// oddities are members of a user's document with something wrong.
var oddities = []string{
	`"userName":""`, `"userName":"with blank"`, `"name":null`, `"name":{"givenName":"","familyName":null}`, `"name":"Ada"`, `"displayName":"\u200b"`,
	`"emails":[{"value":""}]`, `"emails":"x"`, `"emails":[{"value":"a@example.test"},{"value":"b@example.test"}]`, `"addresses":[{"locality":"Ely"}]`, `"addresses":[[]]`,
	`"title":["x"]`, `"title":"` + strings.Repeat("x", 1100) + `"`, `"nope":1`, `"photos":[]`, `"externalId":"a b"`, `"roles":[{"value":1}]`, `"id":"x"`, `"meta":{}`,
	`"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"manager":"x"}`, `"schemas":["urn:x"]`, `"nickName":"\ue000"`, `"locale":{}`, `"timezone":3`,
}

// Whatever else is in a request that sets active to false, and however broken, the
// user is inactive at AWS afterwards and the client is told so.
func TestNoBrokenProfileKeepsALeaverIn(t *testing.T) {
	c := play(t, stage{})
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		id := c.user(fmt.Sprintf("leaver%d@example.test", n), "")
		seen := map[string]bool{}
		var members []string
		for _, i := range rapid.SliceOfN(rapid.IntRange(0, len(oddities)-1), 0, 6).Draw(t, "oddities") {
			if name, _, _ := strings.Cut(oddities[i], `":`); !seen[name] {
				seen[name] = true
				members = append(members, oddities[i])
			}
		}
		active := `"active":` + rapid.SampledFrom([]string{"false", `"False"`, `"false"`}).Draw(t, "false")
		all := strings.Join(append(members, active), ",")
		method, body := "PUT", "{"+all+"}"
		switch rapid.IntRange(0, 2).Draw(t, "form") {
		case 1:
			method, body = "PATCH", `{`+patchOp+`,"Operations":[{"op":"replace","value":{`+all+`}}]}`
		case 2:
			var operations []string
			for _, m := range append(members, active) {
				name, value, _ := strings.Cut(m, `":`)
				operations = append(operations, `{"op":"Replace","path":`+name+`","value":`+value+`}`)
			}
			method, body = "PATCH", `{"Operations":[`+strings.Join(operations, ",")+`]}`
		}
		r := c.send(c.gateway, method, "/Users/"+id, body)
		if u, _ := c.aws.User(id); r.status != 200 || u.Active {
			t.Fatalf("%s %s: got %d %s, and active %v at AWS", method, body, r.status, r.body, u.Active)
		}
		if r.text("id") != id {
			t.Fatalf("got %s, want AWS's own resource", r.body)
		}
	})
}

// A profile that AWS refuses beside a deactivation is told of: in the header, in the log
// and in the record of the answer.
func TestAProfileThatIsDroppedForADeactivationIsTold(t *testing.T) {
	const taken = `"userName":"taken@example.test","title":"NEW"`
	refused := standin.Fault{Contains: `"NEW"`, Act: standin.Refuse, Status: 400}
	for _, k := range []struct {
		method, body string
		fault        standin.Operation // that AWS refuses for no reason, or 0
		want         string
	}{
		{"PUT", `{` + taken + `,"name":{"givenName":"B","familyName":"B"},"displayName":"B","active":false}`, "", "SG906 reject userName"},
		{"PATCH", patchOf(`{"op":"replace","value":{"active":false,` + taken + `}}`), "", "SG906 reject userName"},
		{"PUT", `{"userName":"b@example.test","title":"NEW","name":{"givenName":"B","familyName":"B"},"displayName":"B","active":false}`, standin.PutUser, "SG901 reject"},
	} {
		c := play(t, stage{})
		id := c.user("b@example.test", `,"title":"Dr"`)
		c.user("taken@example.test", "")
		if refused.Operation = k.fault; k.fault != "" {
			c.aws.Inject(refused)
		}
		r := c.through(200, k.method, "/Users/"+id, k.body)
		c.wantHas(id, "active=false; userName=b@example.test; title=Dr")
		if told := r.header.Get("X-Scimgate-Findings"); told != k.want {
			t.Errorf("%s %s: got %q, want %q", k.method, k.body, told, k.want)
		}
		for _, rec := range c.records() {
			if got := fmt.Sprint(rec["findings"]); rec["kind"] == "answer" && got != "["+k.want+"]" {
				t.Errorf("%s %s: got %s in the record of the answer, want %q", k.method, k.body, got, k.want)
			}
		}
		c.wantWords(c.log.String(), `"findings":["`+k.want+`"]`)
	}
}
