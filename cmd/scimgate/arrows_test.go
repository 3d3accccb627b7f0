package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/scimgate/scimgate/"

// arrows says which packages of the module a package may import, itself and
// what is below it aside. A test file may also import bench/standin, bench/okta
// and bench/redis.
var arrows = []struct {
	from string
	to   []string
	why  string
}{
	{"cmd/scimgate", []string{"cmd/scimgate/internal/export", "configs", "proxy", "rules", "bench/standin", "bench/okta", "bench/clients"}, "commands put everything together"},
	{"cmd/scimgate/internal/export", []string{"proxy/audit", "proxy/whole"}, "what speaks Kafka reads the log, and knows no gateway"},
	{"configs", []string{"proxy", "rules"}, "settings are types of those who use them; configs only reads files"},
	{"proxy", []string{"proxy/audit", "proxy/crash", "proxy/guard", "proxy/leavers", "proxy/pace", "proxy/room", "proxy/tokens", "proxy/translate", "proxy/upstream", "proxy/wire", "proxy/writer", "rules", "rules/scim"}, "what AWS accepts is data, handed in by cmd"},
	{"proxy/audit", []string{"proxy/crash", "rules/scim"}, "the log knows no gateway and no rule"},
	{"proxy/crash", nil, "points for tests, at the bottom"},
	{"proxy/guard", []string{"proxy/whole"}, "a guard counts, and knows no SCIM"},
	{"proxy/leavers", nil, "a list on disk"},
	{"proxy/pace", []string{"rules/scim"}, "siblings meet in proxy alone"},
	{"proxy/room", nil, "what is shared is a number to it"},
	{"proxy/tokens", []string{"proxy/whole"}, "who may talk depends on nothing else"},
	{"proxy/translate", []string{"rules/scim"}, "a plan is tested without network, rules or log"},
	{"proxy/upstream", []string{"proxy/crash", "proxy/room", "rules/scim"}, "one hop knows no plan"},
	{"proxy/writer", []string{"proxy/whole"}, "who writes is settled without knowing what"},
	{"proxy/whole", nil, "a file is bytes to it"},
	{"proxy/wire", []string{"proxy/room"}, "bytes are looked at before anything knows what they mean"},
	{"rules/aws", []string{"rules", "rules/scim"}, "what AWS accepts is usable without the gateway"},
	{"rules", []string{"rules/scim"}, "judging knows no upstream"},
	{"rules/scim", nil, "the vocabulary stands alone"},
	{"bench/standin", nil, "the stand-in is written from the contract, not from the rules"},
	{"bench/redis", nil, "the real server is run from outside"},
	{"bench/faults", []string{"bench/standin", "bench/okta", "bench/redis"}, "the judge of the gateway shares no code with it"},
	{"bench/faults/kill", []string{"bench/faults", "bench/standin"}, "the one that kills the gateway shares no code with it either"},
	{"bench/mutants", nil, "the rules are broken from outside"},
	{"bench/soak", []string{"bench/standin"}, "the soak drives the built program"},
	{"bench/clients", nil, "other clients are written from what they send"},
	{"bench/okta", nil, "the client is written from what Okta sends, not from the rules"},
}

// The module's files are read here and now. (Asking the go command instead would
// be answered from the test cache, which doesn't see the sources of others.)
func TestArrows(t *testing.T) {
	root := filepath.Join("..", "..")
	seen := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		from := owner(filepath.ToSlash(dir))
		if from < 0 {
			t.Errorf("%s: no row says what its package may import", path)
			return nil
		}
		seen[arrows[from].from] = true
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if to, ours := strings.CutPrefix(name, module); ours && !allowed(from, to, strings.HasSuffix(path, "_test.go")) {
				t.Errorf("%s imports %s: %s", path, to, arrows[from].why)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range arrows {
		if !seen[a.from] {
			t.Errorf("there is a row for %s, which is gone", a.from)
		}
	}
}

// owner is the longest row that a folder belongs to, -1 if there is none.
func owner(dir string) int {
	best := -1
	for i, a := range arrows {
		if within(dir, a.from) && (best < 0 || len(a.from) > len(arrows[best].from)) {
			best = i
		}
	}
	return best
}

func within(dir, of string) bool { return dir == of || strings.HasPrefix(dir, of+"/") }

func allowed(from int, to string, test bool) bool {
	if within(to, arrows[from].from) && owner(to) == from {
		return true
	}
	if test && (to == "bench/standin" || to == "bench/okta" || to == "bench/redis") {
		return true
	}
	for _, a := range arrows[from].to {
		if to == a || a != "proxy" && a != "rules" && within(to, a) || (arrows[from].from == "cmd/scimgate" || arrows[from].from == "configs") && within(to, a) {
			return true
		}
	}
	return false
}

// Every package says what it is for, once.
func TestEveryPackageHasOneComment(t *testing.T) {
	comments := map[string]int{}
	err := filepath.WalkDir(filepath.Join("..", ".."), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments|parser.PackageClauseOnly)
		if err != nil {
			return err
		}
		dir := filepath.Dir(path)
		comments[dir] += 0
		if file.Doc != nil && !strings.HasPrefix(file.Doc.Text(), "Code generated") {
			comments[dir]++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for dir, n := range comments {
		if n != 1 {
			t.Errorf("%s has %d package comments, want one", dir, n)
		}
	}
}

// Nothing stands at the top but what was agreed.
func TestTopLevel(t *testing.T) {
	agreed := map[string]bool{"cmd": true, "proxy": true, "rules": true, "configs": true, "bench": true, "go.mod": true, "go.sum": true,
		"README.md": true, "LICENSE": true, "SECURITY.md": true, "CHANGELOG.md": true}
	entries, err := os.ReadDir(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !agreed[e.Name()] && !strings.HasPrefix(e.Name(), ".") {
			t.Errorf("%s stands at the top level", e.Name())
		}
	}
}
