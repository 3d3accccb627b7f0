package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/scimgate/scimgate/bench/standin"
	"github.com/scimgate/scimgate/proxy"
	"github.com/scimgate/scimgate/proxy/tokens"
)

// step is one request of a session of Okta's. In it {NAME} stands for the id that Okta
// has kept of an earlier answer under that name. straight is what AWS answers without
// the gateway, 0 if it is the same.
type step struct {
	method, target, body string
	keep                 string
	want, straight       int
}

func person(name, more string) string {
	return `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"` + name + `@example.test",` + soundNames + `,"displayName":"` + name +
		`","emails":[{"primary":true,"value":"` + name + `@example.test","type":"work"}],"externalId":"00u` + name + `"` + more + `}`
}

func lookup(name string) step {
	return step{method: "GET", target: `/Users?filter=userName%20eq%20%22` + name + `%40example.test%22&startIndex=1&count=100`, want: 200}
}

func patchOf(operations string) string { return `{` + patchOp + `,"Operations":[` + operations + `]}` }

// sessions are two halves of one in each dialect of Okta, in forms that AWS takes, but
// for the wizard's groups.
var sessions = map[string][2][]step{
	"catalogue": {
		{
			lookup("ada"),
			{method: "POST", target: "/Users", body: person("ada", `,"active":true`), keep: "ada", want: 201},
			{method: "POST", target: "/Users", body: person("ben", `,"active":true`), keep: "ben", want: 201},
			{method: "POST", target: "/Users", body: person("cyd", `,"active":true`), keep: "cyd", want: 201},
			{method: "GET", target: `/Groups?filter=displayName%20eq%20%22Engineers%22&startIndex=1&count=100`, want: 200},
			{method: "POST", target: "/Groups", body: `{"displayName":"Engineers","members":[{"value":"{ada}"},{"value":"{ben}"}]}`, keep: "group", want: 201},
			{method: "PATCH", target: "/Users/{ada}", body: patchOf(`{"op":"replace","path":"title","value":"Countess"}`), want: 200},
			{method: "PATCH", target: "/Users/{cyd}", body: patchOf(`{"op":"replace","value":{"active":false}}`), want: 200},
		},
		{
			lookup("ada"),
			{method: "GET", target: "/Users/{ada}", want: 200},
			{method: "PUT", target: "/Users/{ada}", body: person("ada", `,"title":"Lady","active":true`), want: 200},
			{method: "PATCH", target: "/Groups/{group}", body: patchOf(`{"op":"replace","value":{"id":"{group}","displayName":"Builders"}}`), want: 204},
			{method: "POST", target: "/Users", body: person("dot", `,"active":true`), keep: "dot", want: 201},
			{method: "PATCH", target: "/Groups/{group}", body: patchOf(`{"op":"remove","path":"members","value":[{"value":"{ada}"}]},{"op":"add","path":"members","value":[{"value":"{dot}"}]}`), want: 204},
			{method: "PATCH", target: "/Users/{ben}", body: patchOf(`{"op":"replace","value":{"active":false}}`), want: 200},
			{method: "PATCH", target: "/Users/{cyd}", body: patchOf(`{"op":"replace","value":{"active":true}}`), want: 200},
			{method: "POST", target: "/Users", body: person("ada", `,"active":true`), want: 409}, // nobody is doubled
		},
	},
	"wizard": {
		{
			lookup("ada"),
			{method: "POST", target: "/Users", body: person("ada", `,"active":true`), keep: "ada", want: 201},
			{method: "POST", target: "/Users", body: person("ben", `,"active":true`), keep: "ben", want: 201},
			{method: "POST", target: "/Users", body: person("cyd", `,"active":true`), keep: "cyd", want: 201},
			{method: "GET", target: "/Users/{ada}", want: 200},
			{method: "PUT", target: "/Users/{ada}", body: person("ada", `,"title":"Countess","active":true`), want: 200},
			{method: "PUT", target: "/Users/{cyd}", body: person("cyd", `,"active":false`), want: 200},
			{method: "POST", target: "/Groups", body: `{"displayName":"Engineers","members":[{"value":"{ada}"},{"value":"{ben}"}]}`, keep: "group", want: 201},
			{method: "GET", target: "/Groups/{group}", want: 200},
			{method: "PUT", target: "/Groups/{group}", body: `{"displayName":"Engineers","members":[{"value":"{ada}"},{"value":"{ben}"}]}`, want: 200, straight: 404},
		},
		{
			lookup("ada"),
			{method: "GET", target: "/Users/{ada}", want: 200},
			{method: "PUT", target: "/Users/{ada}", body: person("ada", `,"title":"Lady","active":true`), want: 200},
			{method: "POST", target: "/Users", body: person("dot", `,"active":true`), keep: "dot", want: 201},
			{method: "PUT", target: "/Groups/{group}", body: `{"id":"{group}","displayName":"Builders","members":[{"value":"{ben}","display":null},{"value":"{dot}","display":null}]}`, want: 200, straight: 404},
			{method: "PUT", target: "/Users/{ben}", body: person("ben", `,"active":false`), want: 200},
			{method: "PUT", target: "/Users/{cyd}", body: person("cyd", `,"active":true`), want: 200},
			{method: "POST", target: "/Users", body: person("ada", `,"active":true`), want: 409},
		},
	},
}

// plays sends the steps of one half, and keeps ids as Okta does.
func (c *scene) plays(base, token string, steps []step, ids map[string]string) {
	c.t.Helper()
	c.token = token
	fill := func(text string) string {
		for name, id := range ids {
			text = strings.ReplaceAll(text, "{"+name+"}", id)
		}
		return text
	}
	for _, s := range steps {
		want := s.want
		switch {
		case base != c.direct:
		case s.straight != 0:
			want = s.straight
		case s.method == "PUT": // AWS tells of a user that was replaced as of one that was made
			want = 201
		}
		r := c.send(base, s.method, fill(s.target), fill(s.body))
		if r.status != want {
			c.t.Errorf("%s %s %s: got %d %s, want %d", base, s.method, fill(s.target), r.status, r.body, want)
		}
		if s.keep != "" {
			ids[s.keep] = r.text("id")
		}
	}
}

// One half of a session through the gateway and the other straight to AWS, in either
// order: the ids of one half are good in the other, everything works that AWS can do, and
// nothing is doubled.
func TestTakingTheGatewayOutAndPuttingItIn(t *testing.T) {
	own, line := tokens.Make("okta")
	for name, halves := range sessions {
		for _, order := range []string{"out", "in"} {
			for _, holds := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s %s, token held %v", name, order, holds), func(t *testing.T) {
					token := standin.DefaultToken
					c := play(t, stage{settings: func(s *proxy.Settings) {
						if holds {
							dir := t.TempDir()
							s.Tokens = tokens.Settings{File: filepath.Join(dir, "tokens"), Upstream: "file:" + filepath.Join(dir, "aws")}
							for path, text := range map[string]string{s.Tokens.File: line, filepath.Join(dir, "aws"): standin.DefaultToken} {
								if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
									t.Fatal(err)
								}
							}
							token = own
						}
					}})
					ids := map[string]string{}
					if order == "out" {
						c.plays(c.gateway, token, halves[0], ids)
						if holds { // AWS knows nothing of the gateway's tokens
							c.plays(c.direct, token, []step{{method: "GET", target: "/Users?startIndex=1&count=2", want: 401}}, ids)
						}
						c.plays(c.direct, standin.DefaultToken, halves[1], ids)
					} else {
						c.plays(c.direct, standin.DefaultToken, halves[0], ids)
						c.plays(c.gateway, token, halves[1], ids)
					}
					c.isAsOktaHasIt(ids, name == "wizard" && order == "out")
				})
			}
		}
	}
}

// isAsOktaHasIt holds the store against the end of both sessions; stale is a group whose
// last change AWS could not do.
func (c *scene) isAsOktaHasIt(ids map[string]string, stale bool) {
	c.t.Helper()
	got := map[string]string{}
	for _, u := range c.aws.Users() {
		got[u.UserName] = fmt.Sprint(u.ID, " ", u.Document["title"], " ", u.Active)
	}
	want := map[string]string{
		"ada@example.test": ids["ada"] + " Lady true", "ben@example.test": ids["ben"] + " <nil> false",
		"cyd@example.test": ids["cyd"] + " <nil> true", "dot@example.test": ids["dot"] + " <nil> true",
	}
	if !maps.Equal(got, want) || len(c.aws.Users()) != len(want) {
		c.t.Errorf("got %v at AWS, want %v", got, want)
	}
	name, members := "Builders", []string{ids["ben"], ids["dot"]}
	if stale {
		name, members = "Engineers", []string{ids["ada"], ids["ben"]}
	}
	groups := c.aws.Groups()
	if len(groups) != 1 || groups[0].ID != ids["group"] || groups[0].Document["displayName"] != name {
		c.t.Fatalf("got %+v at AWS, want the one group %s", groups, name)
	}
	slices.Sort(members)
	if there := slices.Sorted(slices.Values(groups[0].Members)); !slices.Equal(there, members) {
		c.t.Errorf("got members %v, want %v", there, members)
	}
}

var takeOut = filepath.Join("..", "..", "proxy", "TAKE-OUT.md")

// The commands of the page on taking the gateway out do what it says.
func TestCommandsOfTheTakeOutPage(t *testing.T) {
	aws, url := served(t)
	log := filepath.Join(t.TempDir(), "audit.jsonl")
	p := start(t, nil, "--upstream", url, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--audit", log, "--audit-checkpoint-every", "10ms")
	c := p.scene(aws)
	id := c.user("leaver@example.test", "")
	aws.Inject(standin.Fault{Operation: standin.PatchUser, Act: standin.Refuse, Status: 500})
	c.through(429, "PATCH", "/Users/"+id, patchOf(`{"op":"replace","value":{"active":false}}`))
	p.wait("checkpoint of the audit log")
	said, block := map[string]string{}, false
	for line := range strings.Lines(readFile(t, takeOut)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "```") {
			block = !block
		}
		rest, is := strings.CutPrefix(line, "scimgate ")
		if !block || !is {
			continue
		}
		args, want := strings.Fields(strings.ReplaceAll(rest, "audit.jsonl", log)), exitClean
		switch args[0] {
		case "leavers":
			want = exitFindings // there is one
			fallthrough
		case "override", "guard":
			args = append(args, "--admin", hostOf(p.admin))
		}
		var out, errs strings.Builder
		if code := run(args, strings.NewReader(""), &out, &errs); code != want {
			t.Errorf("%s: got %d %s%s, want %d", line, code, out.String(), errs.String(), want)
		}
		said[line] += out.String()
		if what, ordered := strings.CutPrefix(line, "scimgate override "); ordered {
			c.underOrder(strings.Fields(what)[0])
		}
	}
	for line, in := range map[string]string{
		"scimgate override SG401=off --for 2h": `"SG401=off"`, "scimgate override observe --for 30m": `"observe"`, "scimgate override pass --for 30m": `"pass"`,
		"scimgate override": `"pass"`, "scimgate override end": `"what": ""`, "scimgate leavers": id, "scimgate guard": `"user_deletes"`,
		"scimgate audit verify audit.jsonl --public-key audit.jsonl.pub": "are sound",
	} {
		if !strings.Contains(said[line], in) {
			t.Errorf("%s: got %q, want %q in it", line, said[line], in)
		}
		delete(said, line)
	}
	if len(said) > 0 {
		t.Errorf("the page has commands that nothing is known of: %q", slices.Collect(maps.Keys(said)))
	}
	p.signal(syscall.SIGTERM)
	if code := p.exit(); code != exitClean {
		t.Errorf("the gateway ended with %d, and the page says 0", code)
	}
}

// underOrder looks whether an override does what the page says.
func (c *scene) underOrder(what string) {
	c.t.Helper()
	half := `{"userName":"` + what[:3] + `@example.test",` + soundNames + `,"displayName":"G",` + addressWithout("postalCode") + `}`
	switch what {
	case "observe", "pass", "SG401=off":
		if r := c.through(400, "POST", "/Users", half); !strings.Contains(r.detail(), unparsable) {
			c.t.Errorf("override %s: got %q, want AWS's own words", what, r.detail())
		}
	case "end":
		c.through(201, "POST", "/Users", half)
	}
}

// AWS's answers on the page are those of AWS, and the gateway gives better ones.
func TestAnswersOfTheTakeOutPage(t *testing.T) {
	c := play(t, stage{})
	ids := c.people(101)
	id, group := ids[0], c.through(201, "POST", "/Groups", `{"displayName":"Engineers"}`).text("id")
	n := 0
	user := func(more string) string {
		n++
		return fmt.Sprintf(`{"userName":"u%d@example.test",%s%s}`, n, soundNames, more)
	}
	const named = `,"displayName":"G"`
	read := c.through(200, "GET", "/Users/"+id, "").body
	requests := map[string]step{
		"a Base URL with a slash at the end":                          {method: "GET", target: "//Users?startIndex=1&count=2", want: 200},
		"a user without a display name":                               {method: "POST", target: "/Users", body: user(""), want: 201},
		"a mapped field that is empty":                                {method: "POST", target: "/Users", body: user(named + `,"nickName":""`), want: 201},
		"an address without a zip code":                               {method: "POST", target: "/Users", body: user(named + `,` + addressWithout("postalCode")), want: 201},
		"a second e-mail":                                             {method: "POST", target: "/Users", body: user(named + `,"emails":[{"value":"a@example.test","primary":true},{"value":"b@example.test"}]`), want: 201},
		"a password or an empty list of groups in a user":             {method: "POST", target: "/Users", body: user(named + `,"password":"x","groups":[]`), want: 201},
		`"push now" of a group`:                                       {method: "PATCH", target: "/Groups/" + group, body: patchOf(`{"op":"replace","path":"members","value":` + membersOf(ids[:2]) + `}`), want: 204},
		"a PUT of a group, as apps made by the wizard do":             {method: "PUT", target: "/Groups/" + group, body: `{"displayName":"Engineers","members":` + membersOf(ids[:3]) + `}`, want: 200},
		"more than 100 members at once":                               {method: "PATCH", target: "/Groups/" + group, body: patchOf(`{"op":"add","path":"members","value":` + membersOf(ids) + `}`), want: 204},
		"a PATCH of two attributes without path":                      {method: "PATCH", target: "/Users/" + id, body: patchOf(`{"op":"replace","value":{"title":"x","nickName":"y"}}`), want: 200},
		"a profile that AWS had given out, sent back with its groups": {method: "PUT", target: "/Users/" + id, body: strings.Replace(read, `{`, `{"groups":[],`, 1), want: 200},
	}
	row := regexp.MustCompile(`(?m)^\| ([^|]+) \| (\d\d\d)(?: \*([^|*]+)\*[^|]*)? \|`)
	rows := row.FindAllStringSubmatch(readFile(t, takeOut), -1)
	for _, cells := range rows {
		what, status, words := cells[1], cells[2], cells[3]
		s, known := requests[what]
		if !known {
			t.Errorf("the page has a row %q that nothing shows", what)
			continue
		}
		r := c.send(c.direct, s.method, s.target, s.body)
		if fmt.Sprint(r.status) != status || words != "" && r.detail() != words {
			t.Errorf("%s: the stand-in answers %d %q, the page says %s %q", what, r.status, r.detail(), status, words)
		}
		c.through(s.want, s.method, s.target, s.body)
	}
	if len(rows) != len(requests) {
		t.Errorf("got %d rows, want %d", len(rows), len(requests))
	}
}
