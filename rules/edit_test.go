package rules

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/scimgate/scimgate/rules/scim"
)

func scanned(t interface{ Fatalf(string, ...any) }, text string) *scim.Document {
	d := &scim.Document{}
	if fault, ok := d.Scan([]byte(text)); !ok {
		t.Fatalf("%s: %+v", text, fault)
	}
	return d
}

func none(int32) bool { return false }

func TestApply(t *testing.T) {
	// f applies one edit to the value at a path.
	f := func(text, path string, e Edit, want string) {
		t.Helper()
		d := scanned(t, text)
		e.At = d.Locate(path)
		got, err := Apply(d, []Edit{e}, none, none)
		if err != nil || string(got) != want {
			t.Errorf("%s at %s: got %s %v, want %s", text, path, got, err, want)
		}
	}
	f(`{"a":1,"b":2,"c":3}`, "a", Edit{Kind: Remove}, `{"b":2,"c":3}`)
	f(`{"a":1,"b":2,"c":3}`, "b", Edit{Kind: Remove}, `{"a":1,"c":3}`)
	f(`{"a":1,"b":2,"c":3}`, "c", Edit{Kind: Remove}, `{"a":1,"b":2}`)
	f(` { "a" : 1 ,`+"\n"+`  "b":[ 1, 2 ] } `, "a", Edit{Kind: Remove}, ` {`+"\n"+`  "b":[ 1, 2 ] } `)
	f(`{"a":{"b":{"c":1}},"d":2}`, "a.b.c", Edit{Kind: Remove}, `{"d":2}`) // what it empties goes too
	f(`{"a":{"b":1}}`, "a.b", Edit{Kind: Detach}, `{}`)
	f(`{"a":{"b":1}}`, "a.b", Edit{Kind: Replace, New: []byte(`"x"`)}, `{"a":{"b":"x"}}`)
	f(`{"A":1,"b":2}`, "A", Edit{Kind: Rename, Name: "a"}, `{"a":1,"b":2}`)
	f(`{}`, "", Edit{Kind: Insert, Name: "a", New: []byte(`1`)}, `{"a":1}`)
	f(`{"b":{"c":1} }`, "b", Edit{Kind: Insert, Name: "a", New: []byte(`[1]`)}, `{"b":{"c":1,"a":[1]} }`)
	f(`{"b":[1]}`, "b", Edit{Kind: Append, New: []byte(`2`)}, `{"b":[1,2]}`)

	d := scanned(t, `{"emails":[{"type":"work","value":""}],"x":1}`)
	got, err := Apply(d, []Edit{{Kind: Remove, At: d.Locate("emails[0].value")}}, func(at int32) bool { return d.Name(at) == "value" }, none)
	if err != nil || string(got) != `{"x":1}` {
		t.Errorf("a vital part: got %s %v, want the whole gone", got, err)
	}
	got, err = Apply(d, []Edit{{Kind: Remove, At: d.Locate("emails[0].type")}, {Kind: Remove, At: d.Locate("emails[0].value")}}, none, func(at int32) bool { return d.Path(at) == "emails[0]" })
	if err != nil || string(got) != `{"emails":[{}],"x":1}` {
		t.Errorf("an object that stays: got %s %v, want it empty", got, err)
	}
	if got, err := Apply(d, nil, none, none); err != nil || &got[0] != &d.Text[0] {
		t.Errorf("no edits: got another text, %v", err)
	}
	at := d.Locate("x")
	if _, err := Apply(d, []Edit{{Kind: Replace, At: at, New: []byte("1")}, {Kind: Replace, At: at, New: []byte("2")}}, none, none); err == nil {
		t.Error("two replacements of one value: got no error")
	}
}

// Any removals and replacements leave JSON, and every value that they don't touch
// as it was written.
func TestApplyKeepsTheRest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var members []string
		for i := range rapid.IntRange(1, 8).Draw(t, "members") {
			value := rapid.SampledFrom([]string{`1`, ` "ü" `, `{"x": 1,"y":[2 ,3]}`, `[ ]`, `[{"a":1},{"b": 2}]`}).Draw(t, fmt.Sprint("value ", i))
			members = append(members, fmt.Sprintf(`"m%d":%s`, i, value))
		}
		d := scanned(t, "{"+strings.Join(members, " , ")+"}")
		var edits []Edit
		touched := map[int32]bool{}
		for at := int32(1); at < int32(len(d.Nodes)); at++ {
			switch rapid.IntRange(0, 5).Draw(t, fmt.Sprint("edit ", at)) {
			case 0:
				edits = append(edits, Edit{Kind: Remove, At: at})
			case 1:
				edits = append(edits, Edit{Kind: Replace, At: at, New: []byte(`"new"`)})
			default:
				continue
			}
			for up := at; up >= 0; up = d.Nodes[up].Parent {
				touched[up] = true
			}
			for down := at; down < d.Nodes[at].Next; down++ {
				touched[down] = true
			}
		}
		got, err := Apply(d, edits, none, none)
		if err != nil || !json.Valid(got) {
			t.Fatalf("%s with %v: got %s %v", d.Text, edits, got, err)
		}
		for at := int32(1); at < int32(len(d.Nodes)); at++ {
			if d.Nodes[at].Parent == 0 && !touched[at] && !strings.Contains(string(got), d.Name(at)+`":`+string(d.Text[d.Nodes[at].NameEnd+2:d.Nodes[at].End])) {
				t.Fatalf("%s with %v: got %s, which lacks %s", d.Text, edits, got, d.Name(at))
			}
		}
	})
}

func TestNewRefusesRulesThatContradictThemselves(t *testing.T) {
	sound := Rule{ID: "SG301", Title: "t", Fix: "f", AWS: "a", Source: Source{Documented, "w"}, On: scim.CreateUser, At: []string{"userName"}, When: Absent, Default: Reject}
	var all []Rule
	for kind := scim.Kind(1); kind < scim.EndOfKinds; kind++ {
		all = append(all, Rule{ID: fmt.Sprintf("SG9%02d", kind), Title: "t", Fix: "f", AWS: "a", Source: Source{Documented, "w"}, Fault: kind, Default: Reject})
	}
	f := func(want string, settings Settings, change func(*Rule, *Contract)) {
		t.Helper()
		r := sound
		c := Contract{Users: []Attribute{{Path: "userName", Traits: Required}}, Groups: []Attribute{{Path: "displayName"}}, Message: []Attribute{{Path: "Operations", Type: Complex, Traits: Multi}}}
		change(&r, &c)
		c.Rules = append(append(c.Rules, all...), r)
		_, err := New(c, settings)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	f("", Settings{}, func(*Rule, *Contract) {})
	f("the ID was used before", Settings{}, func(r *Rule, c *Contract) { c.Rules = append(c.Rules, *r) })
	f("the ID was used before", Settings{}, func(_ *Rule, c *Contract) { c.Retired = []string{"SG301"} })
	f("an ID is SG and three digits", Settings{}, func(r *Rule, _ *Contract) { r.ID = "X1" })
	f("must not be empty", Settings{}, func(r *Rule, _ *Contract) { r.Fix = "" })
	f("warns at most", Settings{}, func(r *Rule, _ *Contract) { r.Strength = Inferred })
	f("has no repair", Settings{}, func(r *Rule, _ *Contract) { r.Default = Repaired })
	f("would never run", Settings{}, func(r *Rule, _ *Contract) { r.When = 0 })
	f("no attribute has the path", Settings{}, func(r *Rule, _ *Contract) { r.At = []string{"username"} })
	f("there is none", Settings{Dispositions: map[string]Disposition{"SG999": Warn}}, func(*Rule, *Contract) {})
	f("only a person can mend it", Settings{Dispositions: map[string]Disposition{"SG301": Repaired}}, func(*Rule, *Contract) {})
}

func TestDetailIsBounded(t *testing.T) {
	r := &Rule{ID: "SG302", Title: "{at} is missing: {note}", Fix: "In Okta: fill in {field}."}
	one := Finding{Rule: r, Disposition: Reject, Path: "name.familyName", Note: "n", Field: "Last name"}
	if got, want := Detail([]Finding{one}), "name.familyName is missing: n. In Okta: fill in Last name. [SG302]"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	got := Detail(slices.Repeat([]Finding{one}, 50))
	if len(got) > maxDetail+20 || !strings.HasSuffix(got, " more.") {
		t.Errorf("got %d bytes ending in %q", len(got), got[len(got)-20:])
	}
}
