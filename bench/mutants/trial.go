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
	"slices"
	"strings"
	"sync"
	"time"
)

// lab is where mutants are tried.
type lab struct {
	root   string // of the module
	folder string // for what is shown to the compiler

	mu    sync.Mutex // guards following
	sound map[string]func() error
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
	build := exec.Command("go", "build", "-overlay", overlay, "-o", os.DevNull, "./"+path.Dir(m.file))
	build.Dir = l.root
	if out, err := build.CombinedOutput(); err != nil {
		return verdict{fate: untried, why: fmt.Errorf("the mutant doesn't compile: %w\n%s", err, out)}
	}
	began := time.Now()
	o, err := l.test(m.test, "-overlay", overlay)
	v := verdict{took: time.Since(began), said: o.said()}
	switch {
	case err != nil:
		v.fate, v.why = untried, fmt.Errorf("with the mutant: %w", err)
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

// passes demands that a test passes without any mutant. Each is run once.
func (l *lab) passes(args []string) error {
	key := strings.Join(args, " ")
	l.mu.Lock()
	if l.sound == nil {
		l.sound = map[string]func() error{}
	}
	once := l.sound[key]
	if once == nil {
		once = sync.OnceValue(func() error {
			o, err := l.test(args)
			switch {
			case err != nil:
				return fmt.Errorf("without the mutant: %w", err)
			case !o.passed:
				return fmt.Errorf("go test %s fails without the mutant:\n%s", key, o.said())
			case o.tests == 0:
				return fmt.Errorf("go test %s runs no test", key)
			}
			return nil
		})
		l.sound[key] = once
	}
	l.mu.Unlock()
	return once()
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
	tests  int      // that were run
	failed []string // of them; subtests are left out
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
	if failure != nil && o.tests == 0 {
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
		o.tests++
		o.under = append(o.under, e.Test)
	case top && (e.Action == "pass" || e.Action == "fail" || e.Action == "skip"):
		if at := slices.Index(o.under, e.Test); at >= 0 {
			o.under = slices.Delete(o.under, at, at+1)
		}
		if e.Action == "fail" {
			o.failed = append(o.failed, e.Test)
		}
		if e.Action == "skip" {
			o.tests--
		}
	}
}
