package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/scimgate/scimgate/bench/standin"
	"github.com/scimgate/scimgate/proxy"
	"github.com/scimgate/scimgate/rules"
	"github.com/scimgate/scimgate/rules/aws"
)

// The tests of this file are the rows of AWS's guide for Okta, each end to end.

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

const (
	soundNames = `"name":{"givenName":"Grace","familyName":"Hopper"}`
	soundUser  = `"userName":"grace@example.test",` + soundNames + `,"displayName":"Grace Hopper"`
	mail       = `"emails":[{"primary":true,"value":"grace@example.test","type":"work"}]`
)

func TestGuideCreateUsers(t *testing.T) {
	c := play(t, stage{})
	r := c.through(201, "POST", "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],`+soundUser+`,`+mail+
		`,"locale":"en-US","externalId":"00u1","groups":[],"password":"kT9-secret","active":true}`)
	u, ok := c.aws.User(r.text("id"))
	if !ok || u.UserName != "grace@example.test" || u.Email != "grace@example.test" || !u.Active || u.ExternalID != "00u1" {
		t.Errorf("got %+v at AWS, want the user that was created", u)
	}
	if got := r.header.Get("X-Scimgate-Findings"); !strings.Contains(got, "SG324 repair password") {
		t.Errorf("got findings %q, want the password named", got)
	}
	if got := r.header.Get("Content-Type"); got != "application/scim+json" {
		t.Errorf("got Content-Type %q", got)
	}
}

func TestGuideUpdateAttributes(t *testing.T) {
	c := play(t, stage{})
	id := c.user("grace@example.test", `,"title":"Lieutenant"`)
	got := c.through(200, "GET", "/Users/"+id, "")
	var doc map[string]any
	if err := json.Unmarshal([]byte(got.body), &doc); err != nil {
		t.Fatal(err)
	}
	// Okta sends back what it read, with its own values on top.
	doc["title"], doc["nickName"] = "Rear Admiral", ""
	body, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	c.refusedByAWS("PUT", "/Users/"+id, string(body))
	c.through(200, "PUT", "/Users/"+id, string(body))
	if title := c.at(id, "title"); title != "Rear Admiral" {
		t.Errorf("got title %v at AWS, want the new one", title)
	}
	c.through(200, "PATCH", "/Users/"+id, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"Replace","path":"title","value":"Commodore"}]}`)
	if title := c.at(id, "title"); title != "Commodore" {
		t.Errorf("got title %v at AWS, want the patched one", title)
	}
}

func TestGuideDeactivateUsers(t *testing.T) {
	f := func(name, method, body string) {
		t.Run(name, func(t *testing.T) {
			c := play(t, stage{})
			id := c.user("leaver@example.test", "")
			r := c.through(200, method, "/Users/"+id, body)
			if u, _ := c.aws.User(id); u.Active {
				t.Errorf("the user is still active at AWS after %d %s", r.status, r.body)
			}
			if r.text("id") != id {
				t.Errorf("got %s, want AWS's resource", r.body)
			}
		})
	}
	f("catalogue", "PATCH", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","value":{"active":false}}]}`)
	f("wizard", "PUT", `{`+strings.Replace(soundUser, "grace", "leaver", 1)+`,"active":false}`)
	// A profile that nobody can mend must not keep a leaver in.
	f("wizard, broken profile", "PUT", `{"userName":"leaver@ example.test","name":{"givenName":"","familyName":null},"addresses":[{"locality":"Ely"}],"active":false}`)
	f("Entra, broken profile", "PATCH", `{"Operations":[{"op":"Replace","path":"active","value":"False"},{"op":"Replace","path":"displayName","value":""}]}`)
	// AWS refuses what no rule foresaw.
	f("wizard, refused by AWS", "PUT", `{`+strings.Replace(soundUser, "grace@example.test", "leaver@example.test", 1)+`,"externalId":"taken","active":false}`)
}

func TestGuideBaseURLWithTrailingSlash(t *testing.T) {
	c := play(t, stage{})
	if r := c.send(c.direct, "GET", "//Users?startIndex=1&count=2", ""); r.status != 404 {
		t.Errorf("the stand-in alone answers %d, want 404", r.status)
	}
	c.through(200, "GET", "//Users?startIndex=1&count=2", "")
	c.through(200, "GET", "/Users/?startIndex=1&count=2", "")
	r := c.send(strings.TrimSuffix(c.gateway, "/scim/v2"), "GET", "/nothing", "")
	if r.status != 404 || !strings.Contains(r.detail(), "/scim/v2") || !strings.Contains(r.detail(), "Base URL") {
		t.Errorf("got %d %q, want 404 and the right Base URL", r.status, r.detail())
	}
}

func TestGuideTestAPICredentials(t *testing.T) {
	c := play(t, stage{})
	r := c.through(200, "GET", "/Users?startIndex=1&count=2", "")
	var list struct{ TotalResults, StartIndex, ItemsPerPage *int }
	if err := json.Unmarshal([]byte(r.body), &list); err != nil || list.TotalResults == nil || list.StartIndex == nil || list.ItemsPerPage == nil {
		t.Errorf("got %s, want a list with numbers: %v", r.body, err)
	}
	if n := len(c.aws.Journal()); n != 1 {
		t.Errorf("got %d calls to AWS, want one", n)
	}
	c.aws.SetTokens("another")
	if r := c.through(401, "GET", "/Users?startIndex=1&count=2", ""); !strings.Contains(r.detail(), "token") {
		t.Errorf("got %q, want the token named", r.detail())
	}
}

func TestGuideRequiredAttributes(t *testing.T) {
	const given, family = `"givenName":"Grace"`, `"familyName":"Hopper"`
	f := func(attribute, field, id, body string) {
		t.Run(attribute, func(t *testing.T) {
			c := play(t, stage{})
			c.refusedByAWS("POST", "/Users", body)
			r := c.through(400, "POST", "/Users", body)
			for _, want := range []string{attribute, field, id, "In Okta:"} {
				if !strings.Contains(r.detail(), want) {
					t.Errorf("got detail %q, want %s in it", r.detail(), want)
				}
			}
			if r.text("scimType") != "invalidValue" || r.text("status") != "400" {
				t.Errorf("got %s, want a SCIM error", r.body)
			}
		})
	}
	f("userName", "Username", "SG301", `{`+soundNames+`,"displayName":"Grace Hopper"}`)
	f("name.givenName", "First name", "SG303", `{"userName":"grace","name":{`+family+`},"displayName":"Grace"}`)
	f("name.familyName", "Last name", "SG302", `{"userName":"grace","name":{`+given+`,"familyName":""},"displayName":"Grace"}`)

	t.Run("displayName", func(t *testing.T) {
		c := play(t, stage{})
		body := `{"userName":"grace",` + soundNames + `}`
		c.refusedByAWS("POST", "/Users", body)
		if r := c.through(201, "POST", "/Users", body); r.text("displayName") != "Grace Hopper" {
			t.Errorf("got %s, want a displayName from the names", r.body)
		}
		id, _ := c.aws.User("grace")
		r := c.through(400, "PATCH", "/Users/"+id.ID, `{"Operations":[{"op":"remove","path":"displayName"}]}`)
		if !strings.Contains(r.detail(), "SG304") {
			t.Errorf("got %q, want SG304 for a displayName that is cleared", r.detail())
		}
	})
	t.Run("mononym with a template", func(t *testing.T) {
		c := play(t, stage{rules: aws.Settings{Settings: rules.Settings{Templates: map[string]string{"name.familyName": "{name.givenName}"}}}})
		r := c.through(201, "POST", "/Users", `{"userName":"suharto","name":{"givenName":"Suharto"}}`)
		u, _ := c.aws.User(r.text("id"))
		if got := fmt.Sprint(u.Document["name"], u.Document["displayName"]); !strings.Contains(got, "familyName:Suharto") {
			t.Errorf("got %s, want the template filled in", got)
		}
	})
}

var addressParts = map[string]string{
	"streetAddress": "Street address", "locality": "City", "region": "State", "postalCode": "Zip code", "country": "Country code",
}

func addressWithout(part string) string {
	var members []string
	for _, name := range []string{"streetAddress", "locality", "region", "postalCode", "country"} {
		if name != part {
			members = append(members, fmt.Sprintf("%q:%q", name, name+" 1"))
		}
	}
	return `"addresses":[{"type":"work",` + strings.Join(members, ",") + `}]`
}

func TestGuideAddress(t *testing.T) {
	for part, field := range addressParts {
		broken := addressWithout(part)
		t.Run("create without "+part, func(t *testing.T) {
			c := play(t, stage{})
			body := `{` + soundUser + `,` + broken + `}`
			c.refusedByAWS("POST", "/Users", body)
			r := c.through(201, "POST", "/Users", body)
			if got := c.at(r.text("id"), "addresses"); got != nil {
				t.Errorf("got %v at AWS, want no address", got)
			}
			if got := r.header.Get("X-Scimgate-Findings"); !strings.Contains(got, "SG401") {
				t.Errorf("got findings %q, want the address named", got)
			}
		})
		t.Run("create without "+part+", rejected", func(t *testing.T) {
			c := play(t, stage{rules: aws.Settings{Address: aws.RejectAddress}})
			r := c.through(400, "POST", "/Users", `{`+soundUser+`,`+broken+`}`)
			if want := "no " + part + " (" + field + ")"; !strings.Contains(r.detail(), want) {
				t.Errorf("got %q, want %q in it", r.detail(), want)
			}
		})
		t.Run("update without "+part, func(t *testing.T) {
			c := play(t, stage{})
			id := c.user("grace@example.test", `,`+addressWithout(""))
			body := `{` + soundUser + `,` + broken + `}`
			c.refusedByAWS("PUT", "/Users/"+id, body)
			c.through(200, "PUT", "/Users/"+id, body)
			if got := fmt.Sprint(c.at(id, "addresses")); !strings.Contains(got, part+" 1") {
				t.Errorf("got %s at AWS, want the address completed", got)
			}
			// One that disagrees with what AWS has can't be completed, and wipes nothing.
			c.through(200, "PUT", "/Users/"+id, strings.ReplaceAll(body, " 1", " 2"))
			if got := fmt.Sprint(c.at(id, "addresses")); strings.Contains(got, " 2") || !strings.Contains(got, part+" 1") {
				t.Errorf("got %s at AWS, want the address that it had", got)
			}
		})
		t.Run("patch of "+part+" alone", func(t *testing.T) {
			c := play(t, stage{})
			whole := c.user("whole@example.test", `,`+addressWithout(""))
			patch := fmt.Sprintf(`{"Operations":[{"op":"replace","path":"addresses[type eq \"work\"].%s","value":"new"}]}`, part)
			c.through(200, "PATCH", "/Users/"+whole, patch)
			if got := fmt.Sprint(c.at(whole, "addresses")); !strings.Contains(got, part+":new") {
				t.Errorf("got %s at AWS, want the one part changed", got)
			}
			none := c.user("none@example.test", "")
			if r := c.through(200, "PATCH", "/Users/"+none, patch); !strings.Contains(r.header.Get("X-Scimgate-Findings"), "SG401") || r.text("id") != none {
				t.Errorf("got %v %s, want the part left out and named, and the user as it is", r.header, r.body)
			}
		})
	}
}

func TestGuideEntitlementsAndRoles(t *testing.T) {
	for _, extra := range []string{`"entitlements":[{"value":"admin"}]`, `"roles":[{"value":"Analyst"}]`, `"roles":[]`, `"photos":[]`} {
		c := play(t, stage{})
		body := `{` + soundUser + `,` + extra + `}`
		c.refusedByAWS("POST", "/Users", body)
		c.through(201, "POST", "/Users", body)
	}
}

// What was right reaches AWS as it was sent, byte for byte.
func TestCleanDocumentsReachAWSAsTheyWereSent(t *testing.T) {
	c := play(t, stage{})
	body := `{ "schemas":["urn:ietf:params:scim:schemas:core:2.0:User"], ` + soundUser + `,` + mail + `,"title":"Rear\u0020Admiral"}`
	id := c.through(201, "POST", "/Users", body).text("id")
	c.through(200, "PUT", "/Users/"+id, body)
	patch := `{` + patchOp + `, "Operations":[{"op":"replace", "path":"title","value":"X"}]}`
	c.through(200, "PATCH", "/Users/"+id, patch)
	for i, want := range []string{body, body, patch} {
		if got := c.aws.Journal()[i].Body; got != want {
			t.Errorf("got %s at AWS, want %s", got, want)
		}
	}
}

// The settings for what AWS's documents leave open.
func TestSettingsForAddressAndRoles(t *testing.T) {
	c := play(t, stage{aws: standin.Options{Switches: standin.Positions{"address": "partial", "roles": "accept"}}, rules: aws.Settings{Address: aws.PartialAddress, Roles: true}})
	r := c.through(201, "POST", "/Users", `{`+soundUser+`,"addresses":[{"locality":"Ely","region":"","type":"work"}],"roles":[{"value":"Analyst","primary":true}]}`)
	if got := fmt.Sprint(c.at(r.text("id"), "addresses"), c.at(r.text("id"), "roles")); !strings.Contains(got, "locality:Ely") || strings.Contains(got, "region") || !strings.Contains(got, "Analyst") {
		t.Errorf("got %s at AWS, want the parts that there are, and the role", got)
	}
}

// A client beyond the bound of connections waits; it is not turned away with a
// text that no SCIM client reads.
func TestConnectionsAreBounded(t *testing.T) {
	c := play(t, stage{settings: func(s *proxy.Settings) { s.Listen.MaxConns = 2 }})
	host := strings.Split(strings.TrimPrefix(c.gateway, "http://"), "/")[0]
	var idle []net.Conn
	for range 2 {
		conn, err := net.Dial("tcp", host)
		if err != nil {
			t.Fatal(err)
		}
		idle = append(idle, conn)
	}
	answered := make(chan reply, 1)
	go func() { answered <- c.send(c.gateway, "GET", "/Users?startIndex=1&count=2", "") }()
	for _, conn := range idle {
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if r := <-answered; r.status != 200 {
		t.Errorf("got %d %s, want to be served when there is room", r.status, r.body)
	}
}
