package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/scimgate/scimgate/bench/standin"
	"github.com/scimgate/scimgate/proxy"
	"github.com/scimgate/scimgate/proxy/guard"
)

// A look-up of nobody is an empty list, whatever AWS answers; a resource that isn't
// there is a 404.
func TestLookUpOfNobody(t *testing.T) {
	for _, positions := range []standin.Positions{nil, {"unknown-group-filter": "404"}} {
		c := play(t, stage{aws: standin.Options{Switches: positions}})
		const nobody = "c4d8a478-10a1-70de-3d75-96c6bb64ffff"
		for _, target := range []string{
			"/Users?filter=userName+eq+%22nobody%22", "/Users?filter=externalId+eq+%22nobody%22&startIndex=1&count=100", "/Users?filter=id+eq+%22" + nobody + "%22",
			"/Users?filter=groups.value+eq+%22" + nobody + "%22", "/Groups?filter=members.value+eq+%22" + nobody + "%22", "/Groups?filter=displayName+eq+%22nobody%22",
			"/Groups?filter=id+eq+%22" + nobody + "%22+and+members+eq+%22" + nobody + "%22", "/Users?filter=USERNAME%20EQ%20%22nobody%22",
			"/Users?filter=urn:ietf:params:scim:schemas:core:2.0:User:userName+eq+%22nobody%22",
		} {
			list := gjson.Parse(c.through(200, "GET", target, "").body)
			if list.Get("totalResults").Raw != "0" || list.Get("Resources").Raw != "[]" {
				t.Errorf("got %s for %s, want an empty list", list.Raw, target)
			}
		}
		for _, target := range []string{"/Users/" + nobody, "/Groups/" + nobody} {
			c.through(404, "GET", target, "")
		}
	}
}

// What AWS answers to a sound request is put into words, and keeps AWS's own.
func TestRefusalsOfAWSAreExplained(t *testing.T) {
	f := func(method, target, body string, fault *standin.Fault, status int, words ...string) {
		t.Helper()
		c := play(t, stage{})
		if fault != nil {
			c.aws.Inject(*fault)
		}
		r := c.through(status, method, target, body)
		for _, word := range words {
			if !strings.Contains(r.detail(), word) {
				t.Errorf("got %q, want %q in it", r.detail(), word)
			}
		}
		if gjson.Get(r.body, `urn\:scimgate\:1\.0\:Error.findings.0.rule`).Str != words[0] {
			t.Errorf("got %s, want %s as its finding", r.body, words[0])
		}
	}
	const nobody = "c4d8a478-10a1-70de-3d75-96c6bb64ffff"
	f("GET", "/Users?count=1", "", &standin.Fault{Act: standin.Refuse, Status: 401}, 401, "SG902", "valid", "AWS answered 401", "in Okta")
	f("GET", "/Users?count=1", "", &standin.Fault{Act: standin.Refuse, Status: 403}, 403, "SG903", "AWS answered 403")
	f("GET", "/Users/"+nobody, "", nil, 404, "SG904", "unassign", "AWS answered 404")
	f("GET", "/Groups/"+nobody, "", nil, 404, "SG905", "unlink", "AWS answered 404")
	f("PATCH", "/Groups/"+nobody, `{`+patchOp+`,"Operations":[{"op":"replace","path":"displayName","value":"x"}]}`, nil, 404, "SG905")
}

// Whoever asks by another method is told of those that fit the URL (RFC 9110 §15.5.6).
func TestAllowIsThatOfTheTarget(t *testing.T) {
	c := play(t, stage{})
	id := c.people(1)[0]
	f := func(method, target, want string) {
		t.Helper()
		if r := c.through(405, method, target, ""); r.header.Get("Allow") != want {
			t.Errorf("got Allow: %s for %s %s, want %s", r.header.Get("Allow"), method, target, want)
		}
	}
	f("PATCH", "/Users", "GET, POST")
	f("DELETE", "/Groups?count=1", "GET, POST")
	f("HEAD", "/Users", "GET, POST")
	f("get", "/Users/", "GET, POST")
	f("POST", "/Users/"+id, "GET, PUT, PATCH, DELETE")
	f("POST", "/groups/no%20id", "GET, PUT, PATCH, DELETE")
	f("GET", "/Users/.search", "POST")
	f("POST", "/ServiceProviderConfig", "GET")
	f("DELETE", "/Schemas/urn:ietf:params:scim:schemas:core:2.0:User", "GET")
	f("PUT", "/ResourceTypes", "GET")
	f("GET", "/ServiceProviderConfig/x", "")
}

// Members whom AWS doesn't know are named, whatever the request; the rest is done.
func TestUnknownMembersAreNamed(t *testing.T) {
	c := play(t, stage{})
	ids := c.people(3)
	stranger := "c4d8a478-10a1-70de-3d75-96c6bb64ffff"
	r := c.through(400, "POST", "/Groups", `{"displayName":"Engineers","members":`+membersOf([]string{ids[0], stranger})+`}`)
	if !strings.Contains(r.detail(), "SG908") || !strings.Contains(r.detail(), stranger) {
		t.Errorf("got %q, want the stranger named", r.detail())
	}
	groups := c.aws.Groups()
	if len(groups) != 1 {
		t.Fatalf("got %d groups, want one", len(groups))
	}
	c.wantMembers(groups[0].ID, ids[:1])
	inner, err := c.aws.AddGroup(`{"displayName":"Inner"}`)
	if err != nil {
		t.Fatal(err)
	}
	r = c.through(400, "PATCH", "/Groups/"+groups[0].ID, fmt.Sprintf(`{%s,"Operations":[{"op":"add","path":"members","value":[{"value":%q},{"value":%q}]}]}`, patchOp, ids[1], inner))
	if !strings.Contains(r.detail(), "SG909") || !strings.Contains(r.detail(), inner) {
		t.Errorf("got %q, want the group named", r.detail())
	}
	c.wantMembers(groups[0].ID, ids[:2])
}

// A second value by a path is left out and told; everything else of the PATCH is done.
func TestSecondPhoneByPath(t *testing.T) {
	for _, value := range []string{"accept", "refuse"} {
		c := play(t, stage{aws: standin.Options{Switches: standin.Positions{"value-paths": value}}})
		id := c.user("grace@example.test", `,"phoneNumbers":[{"value":"+1","type":"work"}]`)
		r := c.through(200, "PATCH", "/Users/"+id, `{`+patchOp+`,"Operations":[{"op":"Add","path":"phoneNumbers[type eq \"mobile\"].value","value":"+2"},{"op":"Replace","path":"title","value":"Admiral"}]}`)
		if got := r.header.Get("X-Scimgate-Findings"); !strings.Contains(got, "SG911 warn") || c.at(id, "title") != "Admiral" {
			t.Errorf("%s: got findings %q, title %v, want the second number told and the title set", value, got, c.at(id, "title"))
		}
		r = c.through(200, "PATCH", "/Users/"+id, `{`+patchOp+`,"Operations":[{"op":"Replace","path":"phoneNumbers[type eq \"work\"].value","value":"+3"}]}`)
		if got := gjson.Get(r.body, "phoneNumbers.0.value").Str; got != "+3" {
			t.Errorf("%s: got %s, want the number changed", value, r.body)
		}
	}
}

// Where AWS's answer lacks the resource, it is read, not invented.
func TestEmptyAnswersAreFilled(t *testing.T) {
	c := play(t, stage{})
	empty := func(op standin.Operation, status int) {
		c.aws.Inject(standin.Fault{Operation: op, Act: standin.Reply, When: standin.After, Status: status})
	}
	empty(standin.CreateUser, 201)
	r := c.through(201, "POST", "/Users", `{`+soundUser+`}`)
	id := r.text("id")
	if u, ok := c.aws.User(id); !ok || u.UserName != r.text("userName") {
		t.Errorf("got %s, want the user that was made", r.body)
	}
	empty(standin.PutUser, 204)
	if r := c.through(200, "PUT", "/Users/"+id, `{`+soundUser+`,"title":"Admiral"}`); r.text("title") != "Admiral" {
		t.Errorf("got %s, want the user as AWS has it", r.body)
	}
	empty(standin.PatchUser, 204)
	if r := c.through(200, "PATCH", "/Users/"+id, `{`+patchOp+`,"Operations":[{"op":"replace","value":{"active":false}}]}`); !strings.Contains(r.body, `"active":false`) {
		t.Errorf("got %s, want the deactivation shown", r.body)
	}
	if _, metrics := c.adminAsks("GET", "/metrics"); !strings.Contains(metrics, `scimgate_deactivations_total{outcome="ok",tenant="default"} 1`) {
		t.Error("the deactivation is not counted as confirmed")
	}
}

// What was left out isn't in the answer, and what was repaired is there as AWS has it.
func TestAnswerShowsWhatAWSHas(t *testing.T) {
	c := play(t, stage{})
	r := c.through(201, "POST", "/Users", `{`+soundUser+`,"photos":[{"value":"x"}],"title":"Ad\u200bmiral","emails":[{"value":"a@example.test"},{"value":"b@example.test"}]}`)
	doc := gjson.Parse(r.body)
	if doc.Get("photos").Exists() || doc.Get("title").Str != "Admiral" || doc.Get("emails.#").Int() != 1 {
		t.Errorf("got %s, want what AWS has", r.body)
	}
	if r.header.Get("X-Scimgate-Findings") == "" {
		t.Error("the client is not told")
	}
}

// AWS's list of attributes is read now and then with a request of a client.
func TestSchemasAreReadNowAndThen(t *testing.T) {
	c := play(t, stage{settings: func(s *proxy.Settings) { s.Schemas = time.Nanosecond }})
	reads := func() (n int) {
		for _, e := range c.aws.Journal() {
			if strings.HasSuffix(e.Target, "/Schemas") {
				n++
			}
		}
		return n
	}
	for range 3 {
		c.through(200, "GET", "/Users?count=1", "")
	}
	if reads() == 0 {
		t.Error("AWS's schemas are never read")
	}
}

func TestGuardCommand(t *testing.T) {
	c := play(t, stage{settings: func(s *proxy.Settings) { s.Guard.UserDeletes = guard.Limit{Mode: "hold", Floor: 1} }})
	ids := c.people(2)
	c.through(204, "DELETE", "/Users/"+ids[0], "")
	c.through(429, "DELETE", "/Users/"+ids[1], "")
	address := strings.TrimPrefix(c.admin, "http://")
	f := func(want int, in string, args ...string) {
		t.Helper()
		var out, errs strings.Builder
		if code := run(append(args, "--admin", address), strings.NewReader(""), &out, &errs); code != want || !strings.Contains(out.String()+errs.String(), in) {
			t.Errorf("got %d %s%s for %v, want %d and %q", code, out.String(), errs.String(), args, want, in)
		}
	}
	f(exitClean, `"user_deletes"`, "guard")
	f(exitUsage, "24h at most", "guard", "release", "--for", "48h")
	f(exitUsage, "kind is", "guard", "release", "everything")
	f(exitClean, "released", "guard", "release", "--for", "1m")
	f(exitClean, "", "leavers")
	c.through(204, "DELETE", "/Users/"+ids[1], "")
}

// A gateway that answers is running: the hint is another one, or none.
func TestHintsOfAdminCommandsFitTheFault(t *testing.T) {
	c := play(t, stage{})
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("an-admin-token-of-enough-length\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	guarded := play(t, stage{settings: func(s *proxy.Settings) { s.Admin.TokenFile = file }})
	f := func(address, said, hint string, args ...string) {
		t.Helper()
		var out, errs strings.Builder
		code := run(append(args, "--admin", address), nil, &out, &errs)
		_, got, _ := strings.Cut(errs.String(), "hint: ")
		if code != exitUsage || !strings.Contains(errs.String(), said) || !strings.HasPrefix(got, hint) || (hint == "") != (got == "") {
			t.Errorf("%v: got exit code %d and %s, want %q and the hint %q", args, code, errs.String(), said, hint)
		}
	}
	here, there := strings.TrimPrefix(c.admin, "http://"), strings.TrimPrefix(guarded.admin, "http://")
	f(here, "404: there is no tenant of that name; there are default", "", "leavers", "--tenant", "defualt")
	f(here, "404: there is no tenant", "", "guard", "--tenant", "defualt")
	f(here, "400: kind is", "", "guard", "release", "everything")
	f(there, "401:", "--admin-token-file", "leavers")
	f("127.0.0.1:1", "refused", "is the gateway running", "leavers")
}
