package main

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/scimgate/scimgate/bench/faults/faulty"
)

// rows.txt has the tables: what is to be shown, and what shows it.
//
//go:embed rows.txt
var rowsText string

// table is one of them.
type table struct {
	title string
	rows  []row
}

// row is one thing that is to be shown.
type row struct {
	id, line string
	evidence []evidence
}

// evidence is one thing that shows it.
type evidence struct {
	kind string // mass, scenes, test, race, doc, run or no
	of   string // a row for mass and scenes; a package for test and race, a file for doc
	what string // a test; words of a document; what was run and seen; why there is nothing
}

// parseTables reads rows.txt. Its lines:
//
//	= TITLE               begins a table
//	ID text               begins a row
//	  mass [ROW]          faults of the mass run, of this row if no other is named
//	  scenes [ROW]        scenes, likewise
//	  test PACKAGE NAME   a Go test elsewhere
//	  race PACKAGE NAME   the same, with the race detector
//	  doc FILE words      a sentence of the documentation has these words
//	  run words           what somebody has run and seen, since it takes too long for this
//	  no reason           nothing shows it, or this part of it
func parseTables(text string) (tables []table, err error) {
	var r *row
	for n, line := range slices.Collect(strings.Lines(text)) {
		line = strings.TrimRight(line, "\n")
		indented := strings.HasPrefix(line, "\t") || strings.HasPrefix(line, " ")
		first, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch {
		case first == "" || strings.HasPrefix(first, "#"):
		case first == "=":
			tables = append(tables, table{title: rest})
			r = nil
		case !indented && len(tables) > 0 && rest != "":
			t := &tables[len(tables)-1]
			t.rows = append(t.rows, row{id: first, line: rest})
			r = &t.rows[len(t.rows)-1]
		case indented && r != nil:
			e := evidence{kind: first}
			switch first {
			case "mass", "scenes":
				if e.of = rest; rest == "" {
					e.of = r.id
				}
			case "test", "race", "doc":
				e.of, e.what, _ = strings.Cut(rest, " ")
			case "run", "no":
				e.what = rest
			}
			if e.of+e.what == "" || first != "mass" && first != "scenes" && e.what == "" {
				return nil, fmt.Errorf("rows.txt, line %d: %q is no evidence", n+1, line)
			}
			r.evidence = append(r.evidence, e)
		default:
			return nil, fmt.Errorf("rows.txt, line %d: %q is no title, row or evidence", n+1, line)
		}
	}
	return tables, nil
}

// massOf are the names of the faults of a row in the mass run.
func massOf(id string) (names []string) {
	for _, f := range faulty.Table {
		if f.Row == id && f.Weight > 0 {
			names = append(names, f.Name)
		}
	}
	for _, m := range misbehaviours {
		if m.row == id {
			names = append(names, m.names()...)
		}
	}
	return names
}

// scenesOf are the scenes of a row.
func scenesOf(id string) (list []*scene) {
	for i := range scenes {
		if scenes[i].row == id {
			list = append(list, &scenes[i])
		}
	}
	return list
}

// check tells what an evidence refers to that there isn't.
func (e evidence) check(root string) error {
	switch e.kind {
	case "mass":
		if len(massOf(e.of)) == 0 {
			return fmt.Errorf("the mass run has no fault of %s", e.of)
		}
	case "scenes":
		if len(scenesOf(e.of)) == 0 {
			return fmt.Errorf("there is no scene of %s", e.of)
		}
	case "test", "race":
		return e.checkTest(root)
	case "doc":
		text, err := os.ReadFile(filepath.Join(root, e.of))
		if err != nil {
			return fmt.Errorf("cannot read what is referred to: %w", err)
		}
		if !strings.Contains(string(text), e.what) {
			return fmt.Errorf("%s does not say %q", e.of, e.what)
		}
	case "run", "no":
	default:
		return fmt.Errorf("%q is no kind of evidence", e.kind)
	}
	return nil
}

func (e evidence) checkTest(root string) error {
	files, err := filepath.Glob(filepath.Join(root, e.of, "*_test.go"))
	if err != nil {
		return err
	}
	form := regexp.MustCompile(`(?m)^func ` + regexp.QuoteMeta(e.what) + `\(`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if form.Match(text) {
			return nil
		}
	}
	return fmt.Errorf("%s has no test %s", e.of, e.what)
}
