package aws

import (
	"embed"
	"strings"

	"golang.org/x/tools/txtar"
)

//go:embed testdata/*.txtar
var testdata embed.FS

// Example is the fixture of a rule, whole requests as text: one that breaks it,
// and what is forwarded instead ("" if only a person can mend it). ok is false if
// there is no such rule.
func Example(id string) (bad, repaired string, ok bool) {
	entries, err := testdata.ReadDir("testdata")
	if err != nil {
		panic("BUG: cannot read the embedded fixtures: " + err.Error())
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), id+"-") {
			continue
		}
		text, err := testdata.ReadFile("testdata/" + e.Name())
		if err != nil {
			panic("BUG: cannot read the embedded fixtures: " + err.Error())
		}
		for _, f := range txtar.Parse(text).Files {
			switch f.Name {
			case "bad":
				bad = string(f.Data)
			case "repaired":
				repaired = string(f.Data)
			}
		}
		return bad, repaired, true
	}
	return "", "", false
}
