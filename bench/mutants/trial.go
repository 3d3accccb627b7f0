package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// lab is where mutants are tried.
type lab struct {
	root   string // of the module
	folder string // for what is shown to the compiler

	named map[string][]string // package → patterns of the tests that mutants name

	mu    sync.Mutex // guards following
	sound map[string]func() (*outcome, error)
}

// fate is what became of a mutant.
type fate int

const (
	killed   fate = iota // a test has failed
	survived             // all have passed
	untried              // it doesn't compile, or nothing can be told
)

type verdict struct {
	fate fate
	by   string // the test that has killed it
	why  error  // that it could not be tried
	took time.Duration
	said string // by the test
}

func (v verdict) String() string {
	switch v.fate {
	case killed:
		return fmt.Sprintf("killed by %s, %.1f s", v.by, v.took.Seconds())
	case survived:
		return fmt.Sprintf("SURVIVED, %.1f s", v.took.Seconds())
	}
	return fmt.Sprintf("NOT TRIED: %v", v.why)
}

// try tries one mutant: its test passes on the source as it is, the mutant compiles, and
// its test fails.
func (l *lab) try(m *mutant) verdict {
	if err := l.passes(m.test); err != nil {
		return verdict{fate: untried, why: err}
	}
	overlay, err := l.overlay(m)
	if err != nil {
		return verdict{fate: untried, why: err}
	}
	began := time.Now()
	o, err := l.test(m.test, "-overlay", overlay)
	v := verdict{took: time.Since(began), said: o.said()}
	switch {
	case err != nil:
		v.fate, v.why = untried, l.uncompiled(m, overlay, err)
	case o.passed:
		v.fate = survived
	case len(o.failed) > 0:
		v.by = o.failed[0]
	case len(o.under) > 0: // a panic of another goroutine, the time limit, an exit
		v.by = o.under[0] + " that did not end"
	default:
		v.fate, v.why = untried, fmt.Errorf("go test %s fails, but none of the tests does:\n%s", strings.Join(m.test, " "), o.said())
	}
	return v
}

// uncompiled says of a run without a result whether it is the mutant that doesn't compile.
func (l *lab) uncompiled(m *mutant, overlay string, err error) error {
	build := exec.Command("go", "build", "-overlay", overlay, "-o", os.DevNull, "./"+path.Dir(m.file))
	build.Dir = l.root
	if out, failure := build.CombinedOutput(); failure != nil {
		return fmt.Errorf("the mutant doesn't compile: %w\n%s", failure, out)
	}
	return fmt.Errorf("with the mutant: %w", err)
}

// passes demands that a test passes without any mutant. All tests of a package that
// mutants name are run together, once: most of the time of a run is that of the linker.
func (l *lab) passes(args []string) error {
	pkg, name := args[0], args[2]
	l.mu.Lock()
	if l.sound == nil {
		l.sound = map[string]func() (*outcome, error){}
	}
	once := l.sound[pkg]
	if once == nil {
		names := append(slices.Clone(l.named[pkg]), name)
		slices.Sort(names)
		together := slices.Clone(args)
		together[2] = strings.Join(slices.Compact(names), "|")
		once = sync.OnceValues(func() (*outcome, error) { return l.test(together) })
		l.sound[pkg] = once
	}
	l.mu.Unlock()
	o, err := once()
	if err != nil {
		return fmt.Errorf("without the mutant: %w", err)
	}
	top, _, _ := strings.Cut(name, "/")
	like, err := regexp.Compile(top)
	if err != nil {
		return fmt.Errorf("%s is no pattern of tests: %w", name, err)
	}
	switch {
	case !o.passed && len(o.failed)+len(o.under) == 0:
		return fmt.Errorf("the tests of %s pass without a mutant, and it fails:\n%s", pkg, o.said())
	case slices.ContainsFunc(o.failed, like.MatchString) || slices.ContainsFunc(o.under, like.MatchString):
		return fmt.Errorf("go test %s fails without the mutant:\n%s", strings.Join(args, " "), o.said())
	case !slices.ContainsFunc(o.ran, like.MatchString):
		return fmt.Errorf("go test %s runs no test", strings.Join(args, " "))
	}
	return nil
}

// overlay writes what the compiler is shown in the place of the file.
func (l *lab) overlay(m *mutant) (file string, err error) {
	changed := filepath.Join(l.folder, m.name+".go")
	file = filepath.Join(l.folder, m.name+".json")
	text, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(l.root, filepath.FromSlash(m.file)): changed}})
	if err = errors.Join(err, os.WriteFile(changed, m.source, 0o600), os.WriteFile(file, text, 0o600)); err != nil {
		return "", fmt.Errorf("cannot write the mutant: %w", err)
	}
	return file, nil
}

// outcome is what a run of go test tells.
type outcome struct {
	passed bool
	began  int      // tests; subtests are left out
	ran    []string // those that ended, and were not skipped
	failed []string // of them
	under  []string // those that began and did not end
	text   bytes.Buffer
}

func (o *outcome) said() string { return strings.TrimSpace(o.text.String()) }

// event is a line of go test -json.
type event struct {
	Action, Test, Output, FailedBuild string
}

// test runs go test. Its error says that nothing is known of the tests.
func (l *lab) test(args []string, flags ...string) (*outcome, error) {
	argv := slices.Concat([]string{"test", "-json", "-vet=off", "-count=1", "-timeout", "120s"}, flags, args)
	cmd := exec.Command("go", argv...)
	cmd.Dir = l.root
	cmd.WaitDelay = 10 * time.Second // a test that panics may leave a process behind that holds its output
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	failure := cmd.Run()
	o := &outcome{passed: failure == nil}
	lines := bufio.NewScanner(&out)
	for lines.Buffer(nil, 1<<24); lines.Scan(); {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			return o, fmt.Errorf("go test %s says what is no JSON: %q", strings.Join(args, " "), lines.Text())
		}
		if o.take(e); e.FailedBuild != "" || e.Action == "build-fail" {
			return o, fmt.Errorf("the tests of %s don't compile:\n%s", args[0], o.said())
		}
	}
	if err := lines.Err(); err != nil {
		return o, fmt.Errorf("cannot read what go test says: %w", err)
	}
	if failure != nil && o.began == 0 {
		return o, fmt.Errorf("go test %s runs no test: %w\n%s%s", strings.Join(args, " "), failure, errs.String(), o.said())
	}
	return o, nil
}

// take takes in one event.
func (o *outcome) take(e event) {
	top := e.Test != "" && !strings.Contains(e.Test, "/")
	switch {
	case e.Action == "output" || e.Action == "build-output":
		o.text.WriteString(e.Output)
	case top && e.Action == "run":
		o.began++
		o.under = append(o.under, e.Test)
	case top && (e.Action == "pass" || e.Action == "fail" || e.Action == "skip"):
		if at := slices.Index(o.under, e.Test); at >= 0 {
			o.under = slices.Delete(o.under, at, at+1)
		}
		if e.Action == "fail" {
			o.failed = append(o.failed, e.Test)
		}
		if e.Action != "skip" {
			o.ran = append(o.ran, e.Test)
		}
	}
}
