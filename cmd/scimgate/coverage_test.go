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
// rules/TROUBLESHOOTING.md; each row names what shows that it is true.
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
	for _, match := range row.FindAllStringSubmatch(page, -1) {
		id, shown := match[1], strings.Split(match[2], ", ")
		if !want[id] {
			t.Errorf("%s is there twice, or is no row", id)
		}
		delete(want, id)
		for _, name := range shown {
			if !known[name] {
				t.Errorf("%s is shown by %q, which does not exist", id, name)
			}
		}
	}
	for id := range want {
		t.Errorf("%s has no row", id)
	}
}

// evidence are the names of fixtures and of what has a scenario instead, of tests,
// and of sections.
func evidence(t *testing.T, page string) map[string]bool {
	known := map[string]bool{}
	set, err := aws.New(aws.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	scenarios := readFile(t, "answers_test.go") + readFile(t, "group_test.go") + readFile(t, "guide_test.go") + readFile(t, "refusals_test.go")
	for r := range set.Rules {
		_, _, fixture := aws.Example(r.ID)
		known[r.ID] = fixture || r.ID > "SG8" && strings.Contains(scenarios, r.ID)
	}
	function := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	err = filepath.WalkDir(filepath.Join("..", ".."), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, match := range function.FindAllSubmatch(text, -1) {
			known[string(match[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	heading := regexp.MustCompile(`(?m)^#+ (.+)$`)
	other := regexp.MustCompile(`[^a-z0-9 -]`)
	for _, match := range heading.FindAllStringSubmatch(page, -1) {
		known["#"+strings.ReplaceAll(other.ReplaceAllString(strings.ToLower(match[1]), ""), " ", "-")] = true
	}
	return known
}
