package aws

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/scimgate/scimgate/rules"
)

// The catalogue is the declarations' own text: a stale one fails here.
func TestCatalogue(t *testing.T) {
	const file = "../README.md"
	if *update {
		if err := os.WriteFile(file, Catalogue(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, Catalogue()) {
		t.Error("rules/README.md is stale: run go generate ./rules/aws")
	}
}

// What is to be done in Okta about a field is said for Entra ID too, in few words.
func TestAdviceIsForBothConsoles(t *testing.T) {
	for r := range set(t, Settings{}).Rules {
		if r.Fault == 0 && strings.Contains(r.Fix, "In Okta:") && r.Entra == "" {
			t.Errorf("%s says nothing of Entra ID: %s", r.ID, r.Fix)
		}
	}
	for _, f := range fixtures(t) {
		if _, detail, _ := strings.Cut(string(f.section("reply")), "\n"); len(detail) > 400 {
			t.Errorf("%s: got %d bytes, want 400 at most: %s", f.id(), len(detail), detail)
		}
	}
	_, all := set(t, Settings{}).Inspect(rules.Request{Method: "POST", Target: "/scim/v2/Users", Body: []byte(`{"userName":"ada"}`)}, nil)
	if got := rules.Detail(all.Findings); !strings.Contains(got, "In Entra ID: fill in surname.") {
		t.Errorf("got %q, want what to do in Entra ID", got)
	}
}

// A topic has one heading.
func TestCatalogueHasOneHeadingForEachTopic(t *testing.T) {
	seen := map[string]bool{}
	for line := range strings.Lines(string(Catalogue())) {
		if strings.HasPrefix(line, "## ") && seen[line] {
			t.Errorf("there is a second heading %q", line)
		}
		seen[line] = true
	}
}
