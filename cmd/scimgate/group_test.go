package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/scimgate/scimgate/bench/standin"
	"github.com/scimgate/scimgate/proxy"
	"github.com/scimgate/scimgate/proxy/pace"
)

func membersOf(ids []string) string {
	var values []string
	for i, id := range ids {
		display := `"Person"`
		if i%2 == 0 {
			display = "null" // Okta sends it so
		}
		values = append(values, `{"value":"`+id+`","display":`+display+`}`)
	}
	return "[" + strings.Join(values, ",") + "]"
}

func (c *scene) people(n int) (ids []string) {
	for i := range n {
		ids = append(ids, c.user(fmt.Sprintf("person%03d@example.test", i), ""))
	}
	return ids
}

func (c *scene) wantMembers(group string, want []string) {
	c.t.Helper()
	g, ok := c.aws.Group(group)
	got, sorted := slices.Sorted(slices.Values(g.Members)), slices.Sorted(slices.Values(want))
	if !ok || !slices.Equal(got, sorted) {
		c.t.Errorf("group %s has %d members at AWS, want %d", group, len(g.Members), len(want))
	}
}

const patchOp = `"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"]`

func TestGuideGroupPush(t *testing.T) {
	t.Run("catalogue", func(t *testing.T) {
		c := play(t, stage{})
		ids := c.people(256)
		r := c.through(201, "POST", "/Groups", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"Engineers","members":`+membersOf(ids[:150])+`}`)
		group := r.text("id")
		c.wantMembers(group, ids[:150])
		c.through(204, "PATCH", "/Groups/"+group, `{`+patchOp+`,"Operations":[{"op":"remove","path":"members[value eq \"`+ids[0]+`\"]"},{"op":"add","path":"members","value":`+membersOf(ids[150:])+`}]}`)
		c.wantMembers(group, ids[1:])
		pushNow := `{` + patchOp + `,"Operations":[{"op":"replace","path":"members","value":` + strings.ReplaceAll(membersOf(ids[:20]), `,"display":null`, "") + `}]}`
		if r := c.send(c.direct, "PATCH", "/Groups/"+group, strings.ReplaceAll(pushNow, `,"display":"Person"`, "")); r.status != 400 {
			t.Errorf("the stand-in alone answers %d to push now, want 400", r.status)
		}
		c.through(204, "PATCH", "/Groups/"+group, pushNow)
		c.wantMembers(group, ids[:20])
		c.through(204, "PATCH", "/Groups/"+group, `{`+patchOp+`,"Operations":[{"op":"replace","value":{"members":[],"id":"`+group+`","displayName":"Writers"}}]}`)
		c.wantMembers(group, nil)
		if g, _ := c.aws.Group(group); g.DisplayName != "Writers" {
			t.Errorf("got name %q, want the new one", g.DisplayName)
		}
		c.through(204, "DELETE", "/Groups/"+group, "")
	})
	t.Run("wizard", func(t *testing.T) {
		c := play(t, stage{})
		ids := c.people(256)
		group := c.through(201, "POST", "/Groups", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"Engineers","members":[]}`).text("id")
		put := func(name string, members []string) reply {
			return c.through(200, "PUT", "/Groups/"+group, `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"id":"`+group+`","displayName":"`+name+`","members":`+membersOf(members)+`}`)
		}
		if r := c.send(c.direct, "PUT", "/Groups/"+group, `{"displayName":"Engineers","members":[]}`); r.status != 404 {
			t.Errorf("the stand-in alone answers %d to a PUT of a group, want 404", r.status)
		}
		put("Engineers", ids)
		c.wantMembers(group, ids)
		r := put("Writers", ids[250:])
		c.wantMembers(group, ids[250:])
		var doc struct {
			DisplayName string
			Members     []struct{ Value string }
		}
		if err := json.Unmarshal([]byte(r.body), &doc); err != nil || doc.DisplayName != "Writers" || len(doc.Members) != 6 {
			t.Errorf("got %s, want the group with its members: %v", r.body, err)
		}
		before := len(c.aws.Journal())
		put("Writers", ids[250:])
		for _, e := range c.aws.Journal()[before:] {
			if e.Method != "GET" {
				t.Errorf("got %s %s for a PUT that changes nothing, want no write", e.Method, e.Target)
			}
		}
		put("Writers", nil)
		c.wantMembers(group, nil)
		got := c.through(200, "GET", "/Groups/"+group, "")
		if !strings.Contains(got.body, `"members":[]`) {
			t.Errorf("got %s, want members shown", got.body)
		}
	})
	t.Run("unknown member", func(t *testing.T) {
		c := play(t, stage{})
		ids := c.people(3)
		group := c.through(201, "POST", "/Groups", `{"displayName":"Engineers","members":`+membersOf(ids[:1])+`}`).text("id")
		stranger := "c4d8a478-10a1-70de-3d75-96c6bb64ffff"
		r := c.through(400, "PUT", "/Groups/"+group, `{"displayName":"Engineers","members":`+membersOf([]string{ids[1], stranger, ids[2]})+`}`)
		if !strings.Contains(r.detail(), stranger) {
			t.Errorf("got %q, want the stranger named", r.detail())
		}
		c.wantMembers(group, ids[1:])
	})
}

// Every answer that AWS might give to what no document settles: the groups and
// users end up right all the same.
func TestGroupPushUnderEachSwitch(t *testing.T) {
	for _, s := range standin.Switches() {
		for _, value := range s.Values[1:] {
			t.Run(s.Name+"="+value, func(t *testing.T) {
				c := play(t, stage{aws: standin.Options{Switches: standin.Positions{s.Name: value}}})
				ids := c.people(125)
				for i := range 5 {
					r := c.through(201, "POST", "/Users", fmt.Sprintf(`{"userName":"p%d@example.test","name":{"givenName":"P","familyName":"%d"},"emails":[{"value":"p%d@example.test"}]}`, i, i, i))
					ids = append(ids, r.text("id"))
				}
				group := c.through(201, "POST", "/Groups", `{"displayName":"Engineers","members":[]}`).text("id")
				for _, want := range [][]string{ids, ids[100:], nil} {
					c.through(200, "PUT", "/Groups/"+group, `{"displayName":"Engineers","members":`+membersOf(want)+`}`)
					c.wantMembers(group, want)
				}
				c.through(204, "PATCH", "/Groups/"+group, `{`+patchOp+`,"Operations":[{"op":"replace","path":"members","value":`+membersOf(ids[125:])+`}]}`)
				c.wantMembers(group, ids[125:])
				r := c.through(200, "PUT", "/Users/"+ids[129], `{"userName":"p4@example.test","name":{"givenName":"P","familyName":"4"},"displayName":"P","emails":[{"value":"p4@example.test"}],"active":false}`)
				if u, _ := c.aws.User(ids[129]); u.Active {
					t.Errorf("still active after %s", r.body)
				}
			})
		}
	}
}

func TestImportSeesEverybody(t *testing.T) {
	c := play(t, stage{aws: standin.Options{Users: 731}})
	seen := map[string]bool{}
	for start := 1; ; {
		r := c.through(200, "GET", fmt.Sprintf("/Users?startIndex=%d&count=100", start), "")
		var list struct {
			TotalResults, StartIndex, ItemsPerPage int
			Resources                              []struct{ ID string }
		}
		if err := json.Unmarshal([]byte(r.body), &list); err != nil || list.ItemsPerPage != len(list.Resources) || list.StartIndex != start {
			t.Fatalf("got %.300s: %v", r.body, err)
		}
		for _, u := range list.Resources {
			seen[u.ID] = true
		}
		if start += list.ItemsPerPage; start > list.TotalResults {
			break
		}
	}
	if len(seen) != 731 {
		t.Errorf("an import sees %d users, want 731", len(seen))
	}
}

// A plan that takes longer than its client waits goes on, and the client's repeat
// joins it.
func TestLongPlanGoesOn(t *testing.T) {
	c := play(t, stage{settings: func(s *proxy.Settings) {
		s.Client.Patience = 300 * time.Millisecond
		s.Pace.Writes = pace.Rate{PerSecond: 5, Burst: 1}
	}})
	ids := c.people(700)
	group, err := c.aws.AddGroup(`{"displayName":"Engineers"}`)
	if err != nil {
		t.Fatal(err)
	}
	body := `{"displayName":"Engineers","members":` + membersOf(ids) + `}`
	again, r := 0, reply{}
	for ; again < 30; again++ {
		if r = c.send(c.gateway, "PUT", "/Groups/"+group, body); r.status != 429 {
			break
		}
		if !strings.Contains(r.detail(), "goes on") || r.header.Get("Retry-After") == "" {
			t.Errorf("got %q, want it told that it goes on", r.detail())
		}
	}
	if r.status != 200 || again < 2 || gjson.Get(r.body, "members.#").Int() != 700 {
		t.Errorf("got %d after %d repeats, want 200 in the end", r.status, again)
	}
	c.wantMembers(group, ids)
	writes := 0
	for _, e := range c.aws.Journal() {
		if e.Method == "PATCH" {
			writes++
		}
	}
	if writes != 7 {
		t.Errorf("got %d writes, want 7: the repeats join the plan", writes)
	}
}

func TestListMembersAreFilled(t *testing.T) {
	c := play(t, stage{listMembers: true})
	ids := c.people(3)
	c.through(201, "POST", "/Groups", `{"displayName":"Engineers","members":`+membersOf(ids)+`}`)
	c.through(201, "POST", "/Groups", `{"displayName":"Writers"}`)
	for target, want := range map[string]string{"/Groups": "[3,0]", "/Groups?excludedAttributes=members": "[]", "/Groups?filter=displayName+eq+%22Engineers%22": "[3]"} {
		if got := gjson.Get(c.through(200, "GET", target, "").body, "Resources.#.members.#").Raw; got != want {
			t.Errorf("got %s members for %s, want %s", got, target, want)
		}
	}
}

// AWS shows memberships late; what the gateway wrote itself is shown at once.
func TestMembershipReadsShowOwnWrites(t *testing.T) {
	c := play(t, stage{aws: standin.Options{Switches: standin.Positions{"membership-delay": "5"}}})
	ids := c.people(3)
	group := c.through(201, "POST", "/Groups", `{"displayName":"Engineers","members":`+membersOf(ids[:1])+`}`).text("id")
	change := func(op, id string) {
		c.through(204, "PATCH", "/Groups/"+group, `{`+patchOp+`,"Operations":[{"op":"`+op+`","path":"members","value":[{"value":"`+id+`"}]}]}`)
	}
	lists := func(path, target, want string) {
		t.Helper()
		if got := gjson.Get(c.through(200, "GET", target, "").body, path).String(); got != want {
			t.Errorf("got %s for %s, want %s", got, target, want)
		}
	}
	pair := func(id string) string {
		return "/Groups?filter=id+eq+%22" + group + "%22+and+members.value+eq+%22" + id + "%22"
	}
	change("add", ids[1])
	lists("Resources.0.id", pair(ids[1]), group)
	lists("totalResults", "/Users?filter=groups.value+eq+%22"+group+"%22", "2")
	lists("Resources.0.id", "/Groups?filter=MEMBERS.VALUE+eq+%22"+ids[1]+"%22", group)
	change("remove", ids[1])
	lists("Resources.#", pair(ids[1]), "0")
	lists("totalResults", "/Users?filter=groups.value+eq+%22"+group+"%22", "1")
	lists("Resources.#", "/Groups?filter=members.value+eq+%22"+ids[1]+"%22&cursor", "0")
	lists("members.#", "/Groups/"+group, "1")
}
