package main

import (
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
)

// results are what the runs have shown, for the tables.
type results struct {
	mass   *massResult
	scenes []sceneResult
	tests  map[string]bool // "KIND PACKAGE NAME" → passed; one that there isn't is missing
}

// runTests runs the tests that the tables name, one package after the other.
func runTests(root string, tables []table) (map[string]bool, error) {
	by := map[string][]string{} // "KIND PACKAGE" → tests
	for _, t := range tables {
		for _, r := range t.rows {
			for _, e := range r.evidence {
				if key := e.kind + " " + e.of; (e.kind == "test" || e.kind == "race") && !slices.Contains(by[key], e.what) {
					by[key] = append(by[key], e.what)
				}
			}
		}
	}
	passed := map[string]bool{}
	for _, key := range sortedKeys(by) {
		kind, pkg, _ := strings.Cut(key, " ")
		args := []string{"test", "-count=1", "-v", "-run", "^(" + strings.Join(by[key], "|") + ")$", "./" + pkg}
		if kind == "race" {
			args = append(args, "-race")
		}
		fmt.Printf("%s: %d tests\n", key, len(by[key]))
		cmd := exec.Command("go", args...)
		cmd.Dir = root
		out, err := cmd.CombinedOutput() // what has failed is told test by test
		for line := range strings.Lines(string(out)) {
			if name, found := strings.CutPrefix(line, "--- PASS: "); found {
				name, _, _ = strings.Cut(name, " ")
				passed[key+" "+name] = true
			}
			if name, found := strings.CutPrefix(line, "--- FAIL: "); found {
				name, _, _ = strings.Cut(name, " ")
				passed[key+" "+name] = false
			}
		}
		text := string(out)
		switch {
		case err == nil || strings.Contains(text, "--- FAIL: "):
		case !strings.Contains(text, "--- PASS: "):
			return nil, fmt.Errorf("cannot run the tests of %s: %w\n%s", pkg, err, text)
		default: // the package complains, of none of them: of what they have left behind
			fmt.Printf("the tests of %s pass, and it fails: %s\n", pkg, text[max(0, len(text)-2000):])
		}
	}
	return passed, nil
}

// verdict is what is shown of a row.
type verdict struct {
	how    []string // what shows it
	failed []string
	open   []string // what nothing shows
	shown  int
}

func (v *verdict) String() string {
	switch {
	case len(v.failed) > 0:
		return "**FAILS**: " + strings.Join(v.failed, "; ")
	case v.shown == 0:
		return "no: " + strings.Join(v.open, "; ")
	case len(v.open) > 0:
		return "partly: " + strings.Join(v.open, "; ")
	}
	return "yes"
}

// judge holds a row to the results.
func (res *results) judge(r row) *verdict {
	v := &verdict{}
	for _, e := range r.evidence {
		switch e.kind {
		case "no":
			v.open = append(v.open, e.what)
		case "doc":
			v.how = append(v.how, fmt.Sprintf("%s: “%s”", e.of, e.what))
			v.shown++
		case "run":
			v.how = append(v.how, e.what)
			v.shown++
		case "test", "race":
			with := ""
			if e.kind == "race" {
				with = ", with the race detector"
			}
			v.how = append(v.how, fmt.Sprintf("`%s` (%s%s)", e.what, e.of, with))
			v.shown++
			if ok, ran := res.tests[e.kind+" "+e.of+" "+e.what]; !ok {
				v.failed = append(v.failed, fmt.Sprintf("%s (it ran: %v)", e.what, ran))
			}
		case "mass":
			res.massed(e.of, v)
		case "scenes":
			res.played(e.of, v)
		}
	}
	return v
}

// massed sums up the faults of a row in the mass run.
func (res *results) massed(id string, v *verdict) {
	var parts []string
	for _, name := range massOf(id) {
		if t := res.mass.tallies[name]; t != nil {
			parts = append(parts, fmt.Sprintf("%s ×%d (%s)", name, t.Struck, t))
		} else {
			parts = append(parts, name+" ×0")
		}
	}
	v.how = append(v.how, "mass run: "+strings.Join(parts, ", "))
	v.shown++
	if len(res.mass.findings) > 0 {
		v.failed = append(v.failed, "the mass run has findings")
	}
}

// played sums up the scenes of a row.
func (res *results) played(id string, v *verdict) {
	var names []string
	for i := range res.scenes {
		r := &res.scenes[i]
		switch {
		case r.row != id:
			continue
		case r.skips():
			v.open = append(v.open, r.String())
			continue
		case r.err != nil:
			v.failed = append(v.failed, r.name+": "+r.String())
		}
		names = append(names, "“"+r.name+"”")
		v.shown++
	}
	if len(names) > 0 {
		v.how = append(v.how, "scenes: "+strings.Join(names, ", "))
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
