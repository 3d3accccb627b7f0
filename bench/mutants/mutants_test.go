package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Every mutant fits the source, and the test that is to kill it is there.
func TestMutantsFit(t *testing.T) {
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	mutants, err := read(root, "testdata", "")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mutants {
		if len(m.test) < 3 || m.test[1] != "-run" || !strings.HasPrefix(m.test[2], "^Test") {
			t.Errorf("mutant %s: got %v, want a package and -run ^TestNAME$", m.name, m.test)
			continue
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(m.test[2], "^"), "$")
		files, err := filepath.Glob(filepath.Join(root, m.test[0], "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			found = found || strings.Contains(string(text), "func "+name+"(")
		}
		if !found {
			t.Errorf("mutant %s: %s has no test %s", m.name, m.test[0], name)
		}
	}
}

// tiny is a module with a rule, and a test of it.
func tiny(t *testing.T) *lab {
	t.Helper()
	root := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":       "module tiny\n\ngo 1.26\n",
		"rule/rule.go": "package rule\n\n// Double is twice n.\nfunc Double(n int) int { return 2 * n }\n\nvar sound = true\n",
		"rule/rule_test.go": `package rule

import (
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if !sound {
		code = 1
	}
	os.Exit(code)
}

func TestDouble(t *testing.T) {
	if got := Double(3); got != 6 {
		t.Errorf("got %d, want 6", got)
	}
}

func TestOther(t *testing.T) {
	done := make(chan int)
	go func() { done <- Double(0) }()
	if got := <-done; got != 0 {
		t.Errorf("got %d, want 0", got)
	}
}

func TestBroken(t *testing.T) { t.Error("always") }

func TestSkipped(t *testing.T) { t.Skip("always") }
`,
	} {
		file := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return &lab{root: root, folder: t.TempDir(), named: map[string][]string{"./rule": {"^TestDouble$", "^TestOther$", "^TestBroken$", "^TestSkipped$"}}}
}

func TestFates(t *testing.T) {
	l := tiny(t)
	before, err := os.ReadFile(filepath.Join(l.root, "rule", "rule.go"))
	if err != nil {
		t.Fatal(err)
	}
	f := func(name, old, changed, test, want string) {
		t.Run(name, func(t *testing.T) {
			m := &mutant{name: name, rule: "x", file: "rule/rule.go", old: old, new: changed, test: []string{"./rule", "-run", "^" + test + "$"}}
			if err := m.change(l.root); err != nil {
				t.Fatal(err)
			}
			if got := l.try(m).String(); !regexp.MustCompile("(?s)^" + want).MatchString(got) {
				t.Errorf("got %q, want %s", got, want)
			}
		})
	}
	f("killed", "2 * n", "3 * n", "TestDouble", `killed by TestDouble, [0-9.]+ s$`)
	f("panics", "2 * n", "n / (n - 3)", "TestDouble", "killed by TestDouble, ")
	f("panics elsewhere", "2 * n", "2 / n", "TestOther", "killed by TestOther that did not end, ")
	f("survives", "2 * n", "3 * n", "TestOther", "SURVIVED, ")
	f("does not compile", "2 * n", "2 * m", "TestDouble", "NOT TRIED: the mutant doesn't compile: .*undefined: m")
	f("its tests do not compile", "Double(n int) int { return 2 * n", "Double(n string) string { return n + n", "TestDouble", "NOT TRIED: with the mutant: the tests of ./rule don't compile:")
	f("no test of its own fails", "true", "false", "TestDouble", "NOT TRIED: go test ./rule -run .TestDouble. fails, but none of the tests does:")
	f("broken before", "2 * n", "3 * n", "TestBroken", "NOT TRIED: go test ./rule -run .TestBroken. fails without the mutant:.*always")
	f("no test", "2 * n", "3 * n", "TestNothing", "NOT TRIED: go test ./rule -run .TestNothing. runs no test$")
	f("skipped", "2 * n", "3 * n", "TestSkipped", "NOT TRIED: go test ./rule -run .TestSkipped. runs no test$")
	if after, err := os.ReadFile(filepath.Join(l.root, "rule", "rule.go")); err != nil || string(after) != string(before) {
		t.Errorf("the tree is touched: %q %v", after, err)
	}
}

func TestMutantsAreChecked(t *testing.T) {
	l := tiny(t)
	const sound = "A rule.\n-- file --\nrule/rule.go\n-- old --\n2 * n\n-- new --\n3 * n\n-- test --\n./rule -run ^TestDouble$\n"
	f := func(text, only, want string) {
		t.Helper()
		folder := t.TempDir()
		if err := os.WriteFile(filepath.Join(folder, "double.txtar"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		list, err := read(l.root, folder, only)
		switch {
		case want == "" && (err != nil || len(list) != 1 || !strings.Contains(string(list[0].source), "{ return 3 * n }")):
			t.Errorf("got %v %v for %q, want one mutant", list, err, text)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("got %v for %q, want %q", err, text, want)
		}
	}
	f(sound, "", "")
	f(sound, "double", "")
	f(sound, "double,single", `no mutant "single"`)
	f(strings.Replace(sound, "2 * n", "4 * n", 1), "", "stands in rule/rule.go 0 times")
	f(strings.Replace(sound, "2 * n", "n", 1), "", "times, not once")
	f(strings.Replace(sound, "3 * n", "2 * n", 1), "", "changes nothing")
	f(strings.Replace(sound, "A rule.\n", "", 1), "", "which rule")
	f(strings.Replace(sound, "rule/rule.go", "rule/none.go", 1), "", "cannot read the source")
	f(strings.Replace(sound, "-- test --", "-- tests --", 1), "", "sections [file old new tests]")
	f(strings.Replace(sound, "./rule -run ^TestDouble$", "", 1), "", "names no test")
	f(strings.Replace(sound, "./rule -run", "./none -run", 1), "", "no tests in ./none")
	if _, err := read(l.root, t.TempDir(), ""); err == nil {
		t.Error("a folder without mutants is read")
	}
}
