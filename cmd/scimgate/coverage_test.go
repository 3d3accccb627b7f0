package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/scimgate/scimgate/rules/aws"
)

// The problems that people report and the constraints of AWS are a table in
// rules/TROUBLESHOOTING.md; each row names what shows that it is true: a fixture of a
// rule, a test, a scenario of problems_test.go, or a section of the page.
func TestEveryProblemIsCovered(t *testing.T) {
	page := readFile(t, filepath.Join("..", "..", "rules", "TROUBLESHOOTING.md"))
	want := map[string]bool{}
	for n := range 85 {
		want[fmt.Sprint("P", n+1)] = true
	}
	for n := range 29 {
		want[fmt.Sprint("C", n+1)] = true
	}
	known := evidence(t, page)
	row := regexp.MustCompile(`(?m)^\| ([PC]\d+) \|.*\| ([^|]*) \|$`)
	named := map[string]bool{}
	for _, match := range row.FindAllStringSubmatch(page, -1) {
		id, shown := match[1], strings.Split(match[2], ", ")
		if !want[id] {
			t.Errorf("%s is there twice, or is no row", id)
		}
		delete(want, id)
		for _, name := range shown {
			named[name] = true
			if known[name] != 1 {
				t.Errorf("%s is shown by %q, of which there are %d", id, name, known[name])
			}
		}
	}
	for id := range want {
		t.Errorf("%s has no row", id)
	}
	for name := range known {
		if strings.HasPrefix(name, "TestProblems/") && !named[name] {
			t.Errorf("no row names %s", name)
		}
	}
}

// evidence counts, by their names, the fixtures and what has a scenario instead, the
// tests, the scenarios of problems, and the sections with a text. The tests of bench
// show nothing of the gateway.
func evidence(t *testing.T, page string) map[string]int {
	known := map[string]int{}
	set, err := aws.New(aws.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	scenarios := ""
	for _, name := range []string{"answers", "group", "guide", "problems", "problems_calls", "problems_groups", "refusals", "translations"} {
		scenarios += readFile(t, name+"_test.go")
	}
	for r := range set.Rules {
		if _, _, fixture := aws.Example(r.ID); fixture || r.ID > "SG8" && strings.Contains(scenarios, r.ID) {
			known[r.ID] = 1
		}
	}
	for _, p := range problems() {
		known["TestProblems/"+p.row] = 1 // all those of a row together
	}
	function := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	err = filepath.WalkDir(filepath.Join("..", ".."), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() == "bench" {
			return filepath.SkipDir
		}
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, match := range function.FindAllSubmatch(text, -1) {
			known[string(match[1])]++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	heading := regexp.MustCompile(`(?m)^#+ (.+)\n\n[^#|\n]`)
	other := regexp.MustCompile(`[^a-z0-9 -]`)
	for _, match := range heading.FindAllStringSubmatch(page, -1) {
		known["#"+strings.ReplaceAll(other.ReplaceAllString(strings.ToLower(match[1]), ""), " ", "-")]++
	}
	return known
}
