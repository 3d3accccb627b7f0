// Command faults is the judge of the gateway's rules of "nothing lost". It runs the
// gateway as a built program between an upstream that goes wrong on purpose and clients
// that behave like Okta, or worse, and then holds three witnesses against each other:
// what the upstream saw, what the clients asked and were told, and the audit log.
//
// It shares no code with the gateway. Begin with mass.go and scene.go; rows.txt says what
// is to be shown, and what shows it.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/scimgate/scimgate/bench/faults/judge"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// options are those of the command.
type options struct {
	mass
	like, binary string
	write        bool
}

func run() error {
	var o options
	flag.IntVar(&o.exchanges, "exchanges", 10_000, "requests of the mass run; 0 for none")
	flag.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano()%1_000_000), "of the mass run")
	flag.Float64Var(&o.share, "faulty", 0.2, "part of the requests with which something goes wrong")
	flag.IntVar(&o.clients, "clients", 48, "at once, in the mass run")
	flag.StringVar(&o.binary, "binary", "", "the gateway; built if there is none")
	flag.StringVar(&o.like, "scenes", ".", "regular expression of the scenes that are played, by row and name")
	flag.BoolVar(&o.write, "write", false, "run the tests that rows.txt names as well, and write bench/faults/README.md")
	without := flag.String("without", "", "faults that the mass run leaves out, with commas between")
	keep := flag.String("keep", "", "folder that keeps what the witnesses told")
	flag.Parse()
	if flag.NArg() > 0 || o.write && (o.exchanges == 0 || o.like != ".") {
		return errors.New("there are no arguments, and --write needs everything: no --scenes, no --exchanges 0")
	}
	o.without = strings.Split(*without, ",")
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	o.folder = *keep
	if o.folder == "" {
		if o.folder, err = os.MkdirTemp("", "scimgate-faults-"); err != nil {
			return fmt.Errorf("cannot make a folder: %w", err)
		}
		defer os.RemoveAll(o.folder)
	} else if entries, _ := os.ReadDir(o.folder); len(entries) > 0 {
		return fmt.Errorf("--keep %s is not empty", o.folder)
	}
	if o.builds, err = newBuilds(root, o.folder, o.binary); err != nil {
		return err
	}
	return o.everything(root)
}

// everything plays scenes, the mass run and the seeded violations, and tells of them.
func (o *options) everything(root string) error {
	var res results
	var err error
	if res.scenes, err = playAll(o.builds, o.folder, o.like, true); err != nil {
		return err
	}
	failed, out := 0, 0
	for i := range res.scenes {
		r := &res.scenes[i]
		fmt.Printf("%-4s %s: %s\n", r.row, r.name, r)
		if r.skips() {
			out++
		} else if r.err != nil {
			failed++
		}
	}
	summary := fmt.Sprintf("- %d scenes: %d passed, %d failed, %d skipped\n", len(res.scenes), len(res.scenes)-failed-out, failed, out)
	if o.exchanges > 0 {
		text, bad, err := o.massively(&res)
		if err != nil {
			return err
		}
		summary += text
		failed += bad
	}
	fmt.Print("\n" + summary)
	if o.write {
		bad, err := o.writeReadme(root, &res, summary)
		if err != nil {
			return err
		}
		failed += bad
	}
	if failed > 0 {
		return errFailed
	}
	return nil
}

// massively does the mass run, and sows the seeded violations into its history.
func (o *options) massively(res *results) (summary string, failed int, err error) {
	m := o.mass
	m.folder = filepath.Join(o.folder, "mass")
	fmt.Printf("\nmass run: %d requests, %d clients, seed %d, faulty %v\n", m.exchanges, m.clients, m.seed, m.share)
	if res.mass, err = m.run(); err != nil {
		return "", 0, err
	}
	r := res.mass
	r.report(os.Stdout)
	seen, sown := 0, judge.Sow(r.history)
	for _, s := range sown {
		if s.Seen {
			seen++
			continue
		}
		fmt.Printf("not seen: %s (the run has what it needs: %v)\n", s.Name, s.Fits)
	}
	summary = fmt.Sprintf("- mass run: %d requests (seed %d, faulty %v), %d with a fault, %d calls, %d records, in %.0f s\n",
		len(r.history.Asked), m.seed, m.share, r.faulty(), len(r.history.Seen), len(r.history.Log), r.took.Seconds())
	summary += r.verdicts()
	summary += "- the gateway has held " + r.kept + "\n"
	summary += fmt.Sprintf("- seeded violations: %d of %d seen\n", seen, len(sown))
	return summary, len(r.findings) + len(sown) - seen, nil
}

// writeReadme runs the tests that the tables name, and writes README.md.
func (o *options) writeReadme(root string, res *results, summary string) (failed int, err error) {
	tables, err := parseTables(rowsText)
	if err != nil {
		return 0, err
	}
	if res.tests, err = runTests(root, tables); err != nil {
		return 0, err
	}
	for _, t := range tables {
		for _, r := range t.rows {
			for _, e := range r.evidence {
				if err := e.check(root); err != nil {
					return 0, fmt.Errorf("rows.txt, %s: %w", r.id, err)
				}
			}
			if v := res.judge(r); len(v.failed) > 0 {
				fmt.Printf("%s %s: %s\n", r.id, r.line, v)
				failed++
			}
		}
	}
	file := filepath.Join(root, "bench", "faults", "README.md")
	if err := os.WriteFile(file, []byte(readme(tables, res, summary)), 0o644); err != nil {
		return 0, fmt.Errorf("cannot write the results: %w", err)
	}
	return failed, nil
}
