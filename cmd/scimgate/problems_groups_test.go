package main

import (
	"fmt"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/scimgate/scimgate/bench/standin"
	"github.com/scimgate/scimgate/proxy"
)

// The scenarios of problems_test.go that are about groups and lists.

// groupOf makes a group at AWS past all rules.
func (c *scene) groupOf(name string, members ...string) string {
	c.t.Helper()
	id, err := c.aws.AddGroup(fmt.Sprintf(`{"displayName":%q}`, name), members...)
	if err != nil {
		c.t.Fatal(err)
	}
	return id
}

// writes are the changes that AWS has seen since n entries.
func (c *scene) writes(n int) (list []standin.Entry) {
	for _, e := range c.aws.Journal()[n:] {
		if e.Method != "GET" {
			list = append(list, e)
		}
	}
	return list
}

// wantWords fails unless a text holds them all.
func (c *scene) wantWords(text string, words ...string) {
	c.t.Helper()
	for _, word := range words {
		if !strings.Contains(text, word) {
			c.t.Errorf("got %q, want %q in it", text, word)
		}
	}
}

func pushOfAnEmptyGroup(t *testing.T) {
	for _, operation := range []string{`{"op":"replace","path":"members","value":[]}`, `{"op":"replace","value":{"members":[]}}`} {
		c := play(t, stage{})
		ids := c.people(150)
		group := c.groupOf("Engineers", ids...)
		if r := c.send(c.direct, "PATCH", "/Groups/"+group, patchOf(operation)); r.status != 400 {
			t.Errorf("the stand-in alone answers %d, want 400", r.status)
		}
		before := len(c.aws.Journal())
		c.through(204, "PATCH", "/Groups/"+group, patchOf(operation))
		c.wantMembers(group, nil)
		for _, w := range c.writes(before) {
			if w.Memberships == 0 || w.Memberships > 100 || strings.Contains(w.Body, "replace") {
				t.Errorf("got %s, want members removed by their ids, 100 at most", w.Body)
			}
		}
		before = len(c.aws.Journal())
		c.through(204, "PATCH", "/Groups/"+group, patchOf(operation))
		if w := c.writes(before); len(w) > 0 {
			t.Errorf("got %s for a group that is empty, want no write", w[0].Body)
		}
	}
}

func removalsFirst(t *testing.T) {
	c := play(t, stage{})
	ids := c.people(240)
	group := c.groupOf("Engineers", ids[:120]...)
	before := len(c.aws.Journal())
	c.through(200, "PUT", "/Groups/"+group, `{"displayName":"Engineers","members":`+membersOf(ids[120:])+`}`)
	c.wantMembers(group, ids[120:])
	var ops []string
	for _, w := range c.writes(before) {
		ops = append(ops, fmt.Sprint(gjson.Get(w.Body, "Operations.0.op").Str, " ", w.Memberships))
	}
	if want := []string{"remove 100", "remove 20", "add 100", "add 20"}; !slices.Equal(ops, want) {
		t.Errorf("got %v, want %v", ops, want)
	}
	c.aws.Inject(standin.Fault{Operation: standin.PatchGroup, Act: standin.Refuse, Status: 400, Skip: 2, Times: 9})
	r := c.through(400, "PUT", "/Groups/"+group, `{"displayName":"Engineers","members":`+membersOf(ids[:120])+`}`)
	c.wantWords(r.detail(), "Not everything was done", "120 of 120 members removed", "SG901", "AWS answered 400")
	if strings.Contains(r.detail(), "The same request again") {
		t.Errorf("got %q, want no promise of what AWS refuses", r.detail())
	}
}

func whoIsMissingIsNamed(t *testing.T) {
	const stranger = "c4d8a478-10a1-70de-3d75-96c6bb64ffff"
	for _, status := range []string{"404", "400"} {
		c := under(t, "unknown-member="+status)
		ids := c.people(3)
		group := c.groupOf("Engineers", ids[0])
		r := c.through(400, "PATCH", "/Groups/"+group, patchOf(`{"op":"add","path":"members","value":`+membersOf([]string{ids[1], stranger, ids[2]})+`},{"op":"remove","path":"members[value eq \"`+ids[0]+`\"]"}`))
		c.wantWords(r.detail(), "SG908", stranger, "In Okta: assign")
		c.wantMembers(group, ids[1:])
	}
}

// A group that was made a moment ago is told apart from a user whom AWS does not show yet.
func TestANewGroupIsNoMemberThatIsWaitedFor(t *testing.T) {
	for _, answer := range []string{"nested-group=400", "nested-group=404", "read-delay=5"} {
		c := under(t, answer)
		ids := c.people(2)
		group := c.through(201, "POST", "/Groups", `{"displayName":"Engineers"}`).text("id")
		inner := c.through(201, "POST", "/Groups", `{"displayName":"Interns"}`).text("id")
		for i, id := range []string{group, inner} {
			for method, body := range map[string]string{
				"PATCH": memberPatch("add", id),
				"PUT":   `{"displayName":"Engineers","members":[{"value":"` + ids[i] + `"},{"value":"` + id + `"}]}`,
				"POST":  fmt.Sprintf(`{"displayName":"Designers %d","members":[{"value":%q},{"value":%q}]}`, i, ids[i], id),
			} {
				target := "/Groups/" + group
				if method == "POST" {
					target = "/Groups"
				}
				before := len(c.aws.Journal())
				r := c.through(400, method, target, body)
				c.wantWords(r.detail(), "[SG909]", id)
				if calls := len(c.aws.Journal()) - before; calls > 8+5 { // five are of the group itself, which AWS shows late
					t.Errorf("%s, %s: got %d calls, want it told at once", answer, method, calls)
				}
			}
		}
	}
}

func lostID(t *testing.T) {
	c := play(t, stage{})
	target := "/Groups?filter=id+eq+%22" + c.groupOf("Engineers") + "%22+and+members+eq+%22%22"
	c.refusedByAWS("GET", target, "")
	before := len(c.aws.Journal())
	c.wantWords(c.through(400, "GET", target, "").detail(), "SG709", "members")
	if n := len(c.aws.Journal()) - before; n > 0 {
		t.Errorf("got %d calls, want it refused before it is sent", n)
	}
}

func protectedGroup(t *testing.T) {
	c := play(t, stage{})
	ids := c.people(2)
	group := c.groupOf("AWSControlTowerAdmins", ids...)
	for _, operation := range []string{
		`{"op":"replace","path":"members","value":[]}`, `{"op":"remove","path":"members"}`, `{"op":"replace","value":{"members":[]}}`,
		`{"op":"replace","value":{"id":"` + group + `","displayName":"Mine"}}`, `{"op":"remove","path":"members","value":` + membersOf(ids) + `}`,
	} {
		c.wantWords(c.through(403, "PATCH", "/Groups/"+group, patchOf(operation)).detail(), "SG801", "AWSControlTowerAdmins")
	}
	c.wantWords(c.through(403, "DELETE", "/Groups/"+group, "").detail(), "SG801")
	c.wantMembers(group, ids)
}

// A change of a group is not sent while another one is under way.
func changesOfOneGroup(t *testing.T) {
	c := play(t, stage{settings: func(s *proxy.Settings) { s.Client.Patience = time.Second }})
	ids := c.people(3)
	group := c.groupOf("Engineers", ids[0])
	hold, answered := make(chan struct{}), make(chan struct{})
	c.aws.Inject(standin.Fault{Operation: standin.PatchGroup, Act: standin.Pass, Hold: hold})
	before := len(c.aws.Journal())
	go func() {
		defer close(answered)
		c.send(c.gateway, "PUT", "/Groups/"+group, `{"displayName":"Engineers","members":`+membersOf(ids[:2])+`}`)
	}()
	for g, _ := c.aws.Group(group); len(g.Members) != 2; g, _ = c.aws.Group(group) { // it has reached AWS, whose answer is held
		runtime.Gosched()
	}
	c.through(429, "PATCH", "/Groups/"+group, patchOf(`{"op":"add","path":"members","value":`+membersOf(ids[2:])+`}`))
	close(hold)
	<-answered
	c.through(204, "PATCH", "/Groups/"+group, patchOf(`{"op":"add","path":"members","value":`+membersOf(ids[2:])+`}`))
	c.wantMembers(group, ids)
	if w := c.writes(before); len(w) != 2 {
		t.Errorf("AWS saw %d changes, want two: what was told to come back was not sent", len(w))
	}
}

// What names nobody removes nobody, and what removes everybody is sent by ids.
func removalOfNobody(t *testing.T) {
	c := play(t, stage{})
	ids := c.people(3)
	group := c.groupOf("Engineers", ids...)
	for operation, status := range map[string]int{
		`{"op":"remove","path":"members","value":[]}`: 204, `{"op":"Remove","path":"members","value":null}`: 400, `{"op":"remove","path":"members","value":""}`: 400,
		`{"op":"remove","path":"members","value":[{}]}`: 400, `{"op":"remove","path":"members","value":[{"value":""}]}`: 400,
	} {
		c.through(status, "PATCH", "/Groups/"+group, patchOf(operation))
		c.wantMembers(group, ids)
	}
	c.through(204, "PATCH", "/Groups/"+group, patchOf(`{"op":"remove","path":"members"}`))
	c.wantMembers(group, nil)
	if w := c.writes(0); len(w) != 1 || w[0].Memberships != 3 {
		t.Errorf("got %d writes, want one that names the three: %s", len(w), w[0].Body)
	}
}

// Lists that are read by turns keep to their own cursors; a client's own cursor with
// another filter is AWS's to refuse.
func cursorsOfTwoLists(t *testing.T) {
	c := play(t, stage{})
	ids := c.people(330)
	lists := map[string][]string{"": ids, c.groupOf("A", ids[:230]...): ids[:230], c.groupOf("B", ids[90:]...): ids[90:]}
	filter := func(group string) string { return "filter=" + url.QueryEscape(`groups.value eq "`+group+`"`) }
	seen := map[string][]string{}
	for start := 1; start < 400; start += 100 {
		for group := range lists {
			target := fmt.Sprintf("/Users?startIndex=%d&count=100", start)
			if group != "" {
				target += "&" + filter(group)
			}
			for _, id := range gjson.Get(c.through(200, "GET", target, "").body, "Resources.#.id").Array() {
				seen[group] = append(seen[group], id.Str)
			}
		}
	}
	for group, want := range lists {
		if got := slices.Sorted(slices.Values(seen[group])); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
			t.Errorf("got %d of %d users, each once", len(got), len(want))
		}
	}
	for group := range lists {
		if group == "" {
			continue
		}
		cursor := gjson.Get(c.through(200, "GET", "/Users?cursor&"+filter(group), "").body, "nextCursor").Str
		c.through(400, "GET", "/Users?cursor="+url.QueryEscape(cursor), "")
		c.through(200, "GET", "/Users?cursor="+url.QueryEscape(cursor)+"&"+filter(group), "")
	}
}
