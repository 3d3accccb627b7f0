package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/scimgate/scimgate/bench/standin"
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
