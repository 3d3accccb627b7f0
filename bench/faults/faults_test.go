package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/scimgate/scimgate/bench/faults/judge"
)

// built is the gateway, built once for all tests.
var built *builds

func TestMain(m *testing.M) {
	os.Exit(func() int {
		folder, err := os.MkdirTemp("", "scimgate-faults-")
		if err == nil {
			defer os.RemoveAll(folder)
			var root string
			if root, err = moduleRoot(); err == nil {
				built, err = newBuilds(root, folder, "")
			}
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		code := m.Run()
		if err := goleak.Find(); err != nil && code == 0 {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return code
	}())
}

// short is one small mass run, for all who need one.
var short = sync.OnceValues(func() (*massResult, error) {
	folder, err := os.MkdirTemp("", "scimgate-faults-")
	if err != nil {
		return nil, err
	}
	m := mass{builds: built, folder: filepath.Join(folder, "mass"), exchanges: 800, clients: 48, seed: 4, share: 0.2}
	r, err := m.run()
	return r, errors.Join(err, os.RemoveAll(folder))
})

func TestMassRun(t *testing.T) {
	r, err := short()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.findings {
		t.Error(f)
	}
	if n := r.faulty(); n < len(r.history.Asked)/10 {
		t.Errorf("got %d requests with a fault of %d, want about a fifth", n, len(r.history.Asked))
	}
	if r.history.Counted < 800 {
		t.Errorf("got %d requests by the metrics", r.history.Counted)
	}
}

// The checks see each violation that is put into the history of a real run.
func TestSeededViolations(t *testing.T) {
	r, err := short()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, s := range judge.Sow(r.history) {
		if s.Seen {
			seen++
		} else {
			t.Errorf("%s: not seen (the run has what it needs: %v)", s.Name, s.Fits)
		}
	}
	if len(judge.Seeds) < 20 {
		t.Errorf("got %d seeds, want 20", len(judge.Seeds))
	}
	t.Logf("seeded violations: %d of %d seen", seen, len(judge.Seeds))
}

func TestScenes(t *testing.T) {
	folder := t.TempDir()
	places := make(chan struct{}, 4)
	for i := range scenes {
		s := &scenes[i]
		t.Run(s.row+" "+s.name, func(t *testing.T) {
			if !s.alone { // the others begin when those have ended
				t.Parallel()
				places <- struct{}{}
				defer func() { <-places }()
			}
			r := sceneResult{s, s.play(built, filepath.Join(folder, fmt.Sprint("scene-", i)), false)}
			if r.skips() {
				t.Skip(&r)
			} else if r.err != nil {
				t.Error(&r)
			}
		})
	}
}

// Each row of the tables is there, and so is all that it refers to.
func TestTables(t *testing.T) {
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	tables, err := parseTables(rowsText)
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, table := range tables {
		for _, r := range table.rows {
			ids = append(ids, r.id)
			if len(r.evidence) == 0 {
				t.Errorf("%s has no evidence; write no and why", r.id)
			}
			for _, e := range r.evidence {
				if err := e.check(root); err != nil {
					t.Errorf("%s: %v", r.id, err)
				}
			}
			if !strings.Contains(string(readme), "| "+r.id+" | "+cell(r.line)+" |") {
				t.Errorf("%s is not in README.md: go run ./bench/faults --write", r.id)
			}
			for _, e := range r.evidence {
				if e.kind == "test" && !strings.Contains(string(readme), "`"+e.what+"`") {
					t.Errorf("%s is shown by %s, and README.md doesn't say so: go run ./bench/faults --write", r.id, e.what)
				}
			}
		}
	}
	if strings.Contains(string(readme), "**FAILS**") {
		t.Error("README.md tells of a row that fails")
	}
	var want []string
	for _, list := range []struct {
		letter string
		n      int
	}{{"R", 23}, {"F", 59}, {"P", 33}, {"T", 29}} {
		for i := range list.n {
			want = append(want, fmt.Sprint(list.letter, i+1))
		}
	}
	if !slices.Equal(ids, want) {
		t.Errorf("got the rows %v, want %v", ids, want)
	}
	for _, s := range scenes {
		if !slices.Contains(ids, s.row) {
			t.Errorf("the scene %q is of no row", s.name)
		}
	}
}

func TestTablesAreRead(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		_, err := parseTables(text)
		if got := fmt.Sprint(err); !strings.Contains(got, want) {
			t.Errorf("%q: got %v, want %q", text, got, want)
		}
	}
	f("= A\nF1 x\n\tmass\n\ttest a TestB\n# c\n\n", "<nil>")
	f("F1 x\n", "line 1")
	f("= A\n\tmass\n", "line 2")
	f("= A\nF1 x\n\ttest a\n", "no evidence")
	f("= A\nF1 x\n\tno\n", "no evidence")
	for _, e := range []evidence{{kind: "mass", of: "F99"}, {kind: "scenes", of: "F99"}, {kind: "test", of: "bench/faults", what: "TestNothing"}, {kind: "doc", of: "README.md", what: "no such words"}, {kind: "guess"}} {
		root, err := moduleRoot()
		if err != nil {
			t.Fatal(err)
		}
		if e.check(root) == nil {
			t.Errorf("got %v accepted, want to be told that it leads nowhere", e)
		}
	}
}
