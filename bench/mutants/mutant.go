package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/tools/txtar"
)

// mutant is one change that breaks a rule.
type mutant struct {
	name   string
	rule   string   // that it breaks, in words, and how
	file   string   // of the source, below the module's root
	old    string   // stands there once
	new    string   // in its place
	test   []string // arguments of go test: a package, and which of its tests see the change
	source []byte   // of the file, changed
}

// read reads the mutants of a folder, and demands that each fits the source: whoever
// changes a line that a mutant is about has to change the mutant.
func read(root, folder, only string) ([]*mutant, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.txtar"))
	if err != nil || len(files) == 0 {
		return nil, errors.Join(fmt.Errorf("cannot find mutants in %s", folder), err)
	}
	var wanted []string
	if only != "" {
		wanted = strings.Split(only, ",")
	}
	var list []*mutant
	var faults []error
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		if at := slices.Index(wanted, name); at >= 0 {
			wanted = slices.Delete(wanted, at, at+1)
		} else if only != "" {
			continue
		}
		m, err := readMutant(file)
		if err == nil {
			err = m.change(root)
		}
		if err == nil {
			err = m.leaveNothing(root)
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("mutant %s: %w", name, err))
			continue
		}
		m.name = name
		list = append(list, m)
	}
	for _, name := range wanted {
		faults = append(faults, fmt.Errorf("there is no mutant %q", name))
	}
	return list, errors.Join(faults...)
}

// readMutant reads one file: a comment that says what is broken, and the sections file,
// old, new and test.
func readMutant(file string) (*mutant, error) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		return nil, fmt.Errorf("cannot read it: %w", err)
	}
	m := &mutant{rule: strings.TrimSpace(string(archive.Comment))}
	var names []string
	for _, section := range archive.Files {
		text := string(section.Data)
		switch section.Name {
		case "file":
			m.file = strings.TrimSpace(text)
		case "old":
			m.old = strings.TrimSuffix(text, "\n")
		case "new":
			m.new = strings.TrimSuffix(text, "\n")
		case "test":
			m.test = strings.Fields(text)
		}
		names = append(names, section.Name)
	}
	switch {
	case !slices.Equal(names, []string{"file", "old", "new", "test"}):
		return nil, fmt.Errorf("it has the sections %v, not file, old, new and test", names)
	case m.rule == "":
		return nil, errors.New("it doesn't say which rule it breaks")
	case m.old == m.new || m.old == "":
		return nil, errors.New("it changes nothing")
	case len(m.test) == 0:
		return nil, errors.New("it names no test")
	}
	return m, nil
}

// change makes the changed source.
func (m *mutant) change(root string) error {
	source, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(m.file)))
	if err != nil {
		return fmt.Errorf("cannot read the source: %w", err)
	}
	if n := strings.Count(string(source), m.old); n != 1 {
		return fmt.Errorf("its old text stands in %s %d times, not once: make the mutant fit the source again", m.file, n)
	}
	m.source = []byte(strings.Replace(string(source), m.old, m.new, 1))
	return nil
}

// leaveNothing keeps a test from writing into the tree: the library of property tests
// writes down what has failed, and would play it again without the mutant.
func (m *mutant) leaveNothing(root string) error {
	files, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(m.test[0]), "*_test.go"))
	if err != nil || len(files) == 0 {
		return errors.Join(fmt.Errorf("there are no tests in %s", m.test[0]), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("cannot read a test: %w", err)
		}
		if strings.Contains(string(text), `"pgregory.net/rapid"`) {
			m.test = append(m.test, "-rapid.nofailfile")
			return nil
		}
	}
	return nil
}
