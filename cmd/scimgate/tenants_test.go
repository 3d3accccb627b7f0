package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/scimgate/scimgate/bench/standin"
	"github.com/scimgate/scimgate/configs"
	"github.com/scimgate/scimgate/proxy"
	"github.com/scimgate/scimgate/proxy/guard"
	"github.com/scimgate/scimgate/proxy/translate"
	"github.com/scimgate/scimgate/proxy/upstream"
	"github.com/scimgate/scimgate/rules"
	"github.com/scimgate/scimgate/rules/aws"
)

// second is another stand-in, with a tenant id of its own.
func second(t *testing.T) (*standin.Server, string) {
	t.Helper()
	other := standin.New(standin.Options{Tenant: "99999999999-2222-3333-4444-555555555555", Rates: standin.Unlimited()})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go other.Serve(l)
	t.Cleanup(func() { other.Close() })
	return other, other.BaseURL(l.Addr())
}

// Tenants are reached by their names and by the paths of their endpoints, each under its
// own policy.
func TestTenants(t *testing.T) {
	other, url := second(t)
	strict, err := aws.New(aws.Settings{Settings: rules.Settings{Policy: rules.StrictPolicy}})
	if err != nil {
		t.Fatal(err)
	}
	c := play(t, stage{settings: func(s *proxy.Settings) {
		s.Tenants = []proxy.TenantSettings{{
			Name: "subsidiary", Upstream: upstream.Settings{URL: url}, Guard: guard.Settings{UserDeletes: guard.Limit{Mode: "hold", Floor: 1}},
			Policy: proxy.Policy{Rules: strict, Limits: translate.Limits{Members: 100, Page: 100}},
		}}
	}})
	host := strings.TrimSuffix(c.gateway, "/"+standin.DefaultTenant+"/scim/v2")
	body := `{"userName":"USER@example.test",` + soundNames + `}` // without displayName
	f := func(base, user string, want int, at *standin.Server) {
		t.Helper()
		r := c.send(host+base, "POST", "/Users", strings.Replace(body, "USER", user, 1))
		if _, there := at.User(user + "@example.test"); r.status != want || there != (want == 201) {
			t.Errorf("got %d %s by %s, at its store %v, want %d", r.status, r.body, base, there, want)
		}
		if want == 201 && r.header.Get("Location") != "" && !strings.HasPrefix(r.header.Get("Location"), host+"/"+standin.DefaultTenant) {
			t.Errorf("got location %s", r.header.Get("Location"))
		}
	}
	f("/"+standin.DefaultTenant+"/scim/v2", "a", 201, c.aws)
	f("/scim/v2", "b", 201, c.aws)
	f("/default/scim/v2/", "c", 201, c.aws)
	f("/subsidiary/scim/v2", "d", 400, other) // strict: a display name isn't made
	f("/99999999999-2222-3333-4444-555555555555/scim/v2", "e", 400, other)
	f("/nobody/scim/v2", "f", 404, c.aws)
	body = strings.Replace(body, soundNames, soundNames+`,"displayName":"D"`, 1)
	r := c.send(host+"/subsidiary/scim/v2", "POST", "/Users", strings.Replace(body, "USER", "g", 1))
	if want := host + "/subsidiary/scim/v2/Users/" + r.text("id"); r.status != 201 || r.header.Get("Location") != want {
		t.Errorf("got %d %s, want a location of the tenant's, %s", r.status, r.header.Get("Location"), want)
	}
	if len(other.Users()) != 1 || len(c.aws.Users()) != 3 {
		t.Errorf("got %d and %d users, want each tenant's at its own store", len(c.aws.Users()), len(other.Users()))
	}
	if status, text := c.adminAsks("GET", "/guard?tenant=subsidiary"); status != 200 || !strings.Contains(text, `"limit": 1`) {
		t.Errorf("got %d %s, want the tenant's own guard", status, text)
	}
	if status, _ := c.adminAsks("GET", "/guard?tenant=nobody"); status != 404 {
		t.Errorf("got %d for a tenant that isn't there", status)
	}
	if status, text := c.adminAsks("POST", "/override?what=observe&for=1m&tenant=subsidiary"); status != 200 {
		t.Errorf("got %d %s", status, text)
	}
	if r := c.send(host+"/subsidiary/scim/v2", "POST", "/Users", `{"userName":"h"}`); r.detail() != unparsable {
		t.Errorf("got %s, want AWS's own answer under the override", r.body)
	}
	if r := c.send(c.gateway, "POST", "/Users", `{"userName":"h"}`); r.detail() == unparsable {
		t.Error("the override of one tenant is in force for another")
	}
	tenants := map[string]int{}
	for _, r := range c.records() {
		tenants[fmt.Sprint(r["tenant"])]++
	}
	if tenants["default"] == 0 || tenants["subsidiary"] == 0 {
		t.Errorf("got %v in the log, want both tenants named", tenants)
	}
}

// Tenants may share one identity store, under policies of their own.
func TestTenantsOfOneStore(t *testing.T) {
	var set *rules.Set
	c := play(t, stage{settings: func(s *proxy.Settings) {
		var err error
		if set, err = aws.New(aws.Settings{}); err != nil {
			t.Fatal(err)
		}
		s.Tenants = []proxy.TenantSettings{{Name: "tool", Upstream: s.Upstream, Pace: s.Pace,
			Policy: proxy.Policy{Rules: set, Limits: translate.Limits{Members: 100, Page: 100}}}}
	}})
	ids := c.people(2)
	host := strings.TrimSuffix(c.gateway, "/"+standin.DefaultTenant+"/scim/v2")
	group := c.through(201, "POST", "/Groups", `{"displayName":"Engineers","members":`+membersOf(ids)+`}`).text("id")
	if r := c.send(host+"/tool/scim/v2", "PUT", "/Groups/"+group, `{"displayName":"Engineers","members":[]}`); r.status != 200 {
		t.Errorf("got %d %s", r.status, r.body)
	}
	c.wantMembers(group, nil)
}

// Whoever asks for the open deactivations of one tenant gets those of no other; a name that
// is mistyped is not an empty list.
func TestLeaversAreThoseOfTheTenant(t *testing.T) {
	other, url := second(t)
	set, err := aws.New(aws.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	c := play(t, stage{settings: func(s *proxy.Settings) {
		s.Tenants = []proxy.TenantSettings{{Name: "subsidiary", Upstream: upstream.Settings{URL: url},
			Policy: proxy.Policy{Rules: set, Limits: translate.Limits{Members: 100, Page: 100}}}}
	}})
	id := c.people(1)[0]
	theirs, err := other.AddUser(`{"userName":"x@example.test","name":{"givenName":"Ada","familyName":"Byron"},"displayName":"Ada Byron","active":true}`)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []*standin.Server{c.aws, other} {
		at.Inject(standin.Fault{Operation: standin.PatchUser, Status: 500, Act: standin.Refuse, Times: 9})
	}
	c.through(429, "PATCH", "/Users/"+id, deactivation)
	host := strings.TrimSuffix(c.gateway, "/"+standin.DefaultTenant+"/scim/v2")
	if r := c.send(host+"/subsidiary/scim/v2", "PATCH", "/Users/"+theirs, deactivation); r.status != 429 {
		t.Fatalf("got %d %s", r.status, r.body)
	}
	f := func(query string, want int, ids ...string) {
		t.Helper()
		status, body := c.adminAsks("GET", "/leavers"+query)
		if status != want || strings.Contains(body, id) != slices.Contains(ids, id) || strings.Contains(body, theirs) != slices.Contains(ids, theirs) {
			t.Errorf("got %d %s for %q, want %d and %v", status, body, query, want, ids)
		}
	}
	f("", 200, id, theirs)
	f("?tenant=default", 200, id)
	f("?tenant=subsidiary", 200, theirs)
	f("?tenant=defualt", 404)
}

func TestTenantsInTheConfiguration(t *testing.T) {
	path := filepath.Join(t.TempDir(), "scimgate.yaml")
	load := func(text string) (*configs.Config, error) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := configs.Load(path, nil, nil)
		if err == nil {
			err = c.Check()
		}
		return c, err
	}
	const head = "audit: {file: a}\nupstream: {url: https://one.example.test/t/scim/v2, timeout: 7s}\npolicy: strict\ntokens: {file: f, upstream: \"env:X\"}\n"
	c, err := load(head + "tenants:\n  sub:\n    upstream: {url: https://two.example.test/u/scim/v2}\n    rules: {SG304: warn}\n    guard: {window: 2h}\n")
	if err != nil {
		t.Fatal(err)
	}
	sub := c.Settings.Tenants[0]
	if sub.Name != "sub" || sub.Upstream.URL != "https://two.example.test/u/scim/v2" || sub.Upstream.Timeout.String() != "7s" || sub.Tokens.File != "" || sub.Guard.Window.String() != "2h0m0s" || c.Tenants["sub"].Policy != "strict" {
		t.Errorf("got %+v, want its own settings, the others inherited, and no tokens", sub)
	}
	f := func(text, want string) {
		t.Helper()
		if _, err := load(head + text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	f("tenants: {sub: {listen: {address: x}}}\n", "listen.address is of the gateway")
	f("tenants: {sub: {nonsense: 1}}\n", "nonsense is no setting")
	f("tenants: {sub: {policy: maybe}}\n", "tenants.sub: policy")
	f("tenants: {scim: {policy: strict}}\n", "tenants.scim: a name")
	f("tenants: {sub: {upstream: {timeout: 9s}}}\n", "must be the same")
	f("tenants: {sub: {client: {retry_status: 200}}}\n", "tenants.sub.client: retry_status 200")
	f("tenants: [x]\n", "tenants is not a list of names")
	if _, err := load("audit: {file: a}\ntenants: {sub: {upstream: {url: https://two.example.test/u}}}\n"); err != nil {
		t.Errorf("got %v, want tenants without a default one", err)
	}
}
