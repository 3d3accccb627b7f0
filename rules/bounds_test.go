package rules

import (
	"fmt"
	"strings"
	"testing"

	"github.com/scimgate/scimgate/rules/scim"
)

// restless is a set with a rule whose repair is never content.
func restless(t *testing.T) *Set {
	t.Helper()
	source := Source{Documented, "w"}
	grow := Repair{Kind: Normalise, Mend: func(n Node) ([]Edit, string, bool) {
		text := n.Doc.Raw(n.At)
		return []Edit{{Kind: Replace, At: n.At, New: append(append([]byte(nil), text[:len(text)-1]...), `x"`...)}}, "made longer", true
	}}
	c := Contract{
		Users: []Attribute{{Path: "userName", Traits: Required}, {Path: "title"}}, Groups: []Attribute{{Path: "displayName"}},
		Message: []Attribute{{Path: "Operations", Type: Complex, Traits: Multi}},
		Rules: []Rule{
			{ID: "SG301", Title: "t", Fix: "f", AWS: "a", Source: source, On: scim.CreateUser, At: []string{"title"}, When: Present, Default: Repaired, Repair: []Repair{grow}},
		},
	}
	for kind := scim.Kind(1); kind < scim.EndOfKinds; kind++ {
		c.Rules = append(c.Rules, Rule{ID: fmt.Sprintf("SG9%02d", kind), Title: "t", Fix: "f", AWS: "a", Source: source, Fault: kind, Default: Reject})
	}
	s, err := New(c, Settings{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRoundsAreBounded(t *testing.T) {
	v := restless(t).Judge(scim.Target{Operation: scim.CreateUser}, []byte(`{"userName":"ada","title":"a"}`), nil)
	if want := `{"userName":"ada","title":"a` + strings.Repeat("x", maxRounds) + `"}`; string(v.Document) != want {
		t.Errorf("got %s, want %s", v.Document, want)
	}
}

// What was needed for a whole group is not kept for a user.
func TestLargeJudgesAreNotKept(t *testing.T) {
	s := restless(t)
	body := []byte(`{"displayName":"x","members":[` + strings.Repeat(`1,`, 1<<17) + `1]}`)
	s.Judge(scim.Target{Operation: scim.CreateGroup}, body, nil)
	for range 100 {
		if j := judges.Get().(*judge); cap(j.scratch.Nodes) >= 1<<14 {
			t.Fatalf("a judge with room for %d values is kept", cap(j.scratch.Nodes))
		}
	}
}

func TestShapesAreBounded(t *testing.T) {
	for _, doc := range []string{
		`{"members":[` + strings.Repeat(`{"value":"x"},`, 10_000) + `{}]}`, `{"` + strings.Repeat("a", 100_000) + `":1}`,
	} {
		if got := Shape([]byte(doc)); len(got) != maxShape+len("…") || !strings.HasSuffix(got, "…") {
			t.Errorf("got %d bytes of a document of %d, want %d and a sign that it is cut", len(got), len(doc), maxShape)
		}
	}
}

func TestSuspicionsAreBounded(t *testing.T) {
	var doc strings.Builder
	for n := range 4 * maxSuspects {
		fmt.Fprintf(&doc, `,"attribute%02d":"x"`, n)
	}
	got := restless(t).Suspicions(scim.ReplaceUser, []byte("{"+doc.String()[1:]+"}"), []byte("{}"))
	if len(got) != maxSuspects {
		t.Errorf("got %q, want %d", got, maxSuspects)
	}
}
