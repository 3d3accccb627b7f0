package configs

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/scimgate/scimgate/proxy"
)

func file(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "scimgate.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestTheLastOneWins(t *testing.T) {
	name := file(t, "upstream:\n  url: https://file.example.test/scim/v2\n  timeout: 7s\n  max_conns: 9\npolicy: strict\n")
	c, err := Load(name, []string{"SCIMGATE_UPSTREAM_TIMEOUT=8s", "SCIMGATE_UPSTREAM=https://env.example.test/scim/v2", "HOME=/"},
		map[string]string{"upstream.url": "https://flag.example.test/scim/v2"})
	if err != nil {
		t.Fatal(err)
	}
	if c.Upstream.URL != "https://flag.example.test/scim/v2" || c.Upstream.Timeout != 8*time.Second || c.Upstream.MaxConns != 9 || c.Policy != "strict" {
		t.Errorf("got %+v, want flag before environment before file", c.Upstream)
	}
}

func TestFaultsNameTheirPlaceAndAllAreTold(t *testing.T) {
	name := file(t, "upstream:\n  url: https://x.example.test/scim/v2\n  timeot: 7s\nlisten:\n  max_body_bytes: large\n  read_timeout: soon\naudit: here\n")
	_, err := Load(name, []string{"SCIMGATE_AUDIT_FIEL=a"}, nil)
	if err == nil {
		t.Fatal("got no error")
	}
	for _, want := range []string{
		name + ":3:3: upstream.timeot is no setting; did you mean upstream.timeout?", `listen.max_body_bytes "large"`, `listen.read_timeout "soon" is not a time such as 30s`,
		"SCIMGATE_AUDIT_FIEL is no setting; did you mean SCIMGATE_AUDIT_FILE?", "holds no settings",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %v\nwant %q in it", err, want)
		}
	}
}

func TestChoicesAreChecked(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if _, err := Load(file(t, text), nil, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q in it", text, err, want)
		}
	}
	f("policy: lax\n", `policy "lax" is not repair, strict or observe`)
	f("address: whole\n", `address "whole"`)
	f("roles: yes\n", `roles "yes"`)
	f("rules: {SG304: maybe}\n", `rules.SG304 "maybe"`)
	f("rules: {SG999: warn}\n", `"SG999": there is none`)
	f("rules: {SG301: repair}\n", "only a person can mend it")
}

// A template that would never fill anything in is refused, and not only when somebody
// without a last name is refused.
func TestTemplatesAreOfAttributesThatThereAre(t *testing.T) {
	f := func(key, template, want string) {
		t.Helper()
		text := fmt.Sprintf("upstream: {url: https://x.example.test/scim/v2}\ntemplates: {%q: %q}\n", key, template)
		_, err := Load(file(t, text), nil, nil)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: got %v, want %q in it", text, err, want)
		}
	}
	f("name.familyName", "{name.givenName}", "")
	f("name.familyName", "{Name.GivenName}", "") // documents are read in any case, too
	f("displayName", "{name.givenName} {name.familyName}", "")
	f("name.givenName", "-", "")
	f("displayName", "}", "")
	f("name.familyname", "-", "templates.name.familyname: the attribute is written name.familyName")
	f("frob", "-", "templates.frob: no user has such a text")
	f("name", "-", "templates.name: no user has such a text")
	f("emails.value", "-", "templates.emails.value: no user has such a text")
	f("name.familyName", "{frob}", "templates.name.familyName: no user has a text {frob}")
	f("name.familyName", "{name.givenName} {frob}", "{frob}")
	f("name.familyName", "{}", "{}")
	f("name.familyName", "{name}", "{name}")
	f("name.familyName", "{emails.value}", "{emails.value}")
	f("name.familyName", "{active}", "{active}")
	f("name.familyName", "{name.givenName", "templates.name.familyName: a { is not closed")
	_, err := Load(file(t, "templates: {frob: a, name.familyname: b}\ntenants:\n  other:\n    templates: {frob: c}\n"), nil, nil)
	if err == nil || !strings.Contains(err.Error(), "templates.frob") || !strings.Contains(err.Error(), "templates.name.familyname") {
		t.Errorf("got %v, want both", err)
	}
	_, err = Load(file(t, "tenants:\n  other:\n    templates: {frob: c}\n"), nil, nil)
	if err == nil || !strings.Contains(err.Error(), "tenants.other: templates.frob") {
		t.Errorf("got %v, want the tenant named", err)
	}
	// A store of which no names are known has nothing to fill in, and can be a tenant beside others.
	if _, err := Load(file(t, "templates: {displayName: a}\ntenants:\n  other:\n    contract: none\n"), nil, nil); err != nil {
		t.Error(err)
	}
}

// The example explains every key, and what it says are the defaults.
func TestExampleIsCompleteAndHasTheDefaults(t *testing.T) {
	text, err := os.ReadFile("scimgate.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c, err := Load("scimgate.example.yaml", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Check(); err != nil {
		t.Error(err)
	}
	for _, k := range Keys() {
		last := k.Name[strings.LastIndexByte(k.Name, '.')+1:]
		if !strings.Contains(string(text), last+":") {
			t.Errorf("the example lacks %s", k.Name)
		}
		if k.Doc == "" {
			t.Errorf("%s has no description", k.Name)
		}
	}
	defaults := proxy.Settings{}.WithDefaults()
	if !reflect.DeepEqual(c.Listen, defaults.Listen) || c.Client != defaults.Client || c.Log != defaults.Log || c.Admin != defaults.Admin {
		t.Errorf("got %+v, want the defaults %+v", c.Settings, defaults)
	}
}

func TestKeysHaveThreeNames(t *testing.T) {
	for _, k := range Keys() {
		if k.Name == "upstream.connect_timeout" {
			if k.Flag != "upstream-connect-timeout" || k.Env != "SCIMGATE_UPSTREAM_CONNECT_TIMEOUT" {
				t.Errorf("got %+v", k)
			}
			return
		}
	}
	t.Error("upstream.connect_timeout is no key")
}

func TestHashTellsConfigurationsApart(t *testing.T) {
	load := func(text string) string {
		c, err := Load(file(t, text), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		return c.Hash()
	}
	one := load("policy: strict\nrules: {SG304: warn, SG310: warn}\n")
	if one != load("rules: {SG310: warn, SG304: warn}\npolicy: strict\n") {
		t.Error("the order of keys changes the hash")
	}
	if one == load("policy: observe\n") || len(one) != 16 {
		t.Errorf("got %q for two configurations", one)
	}
}
