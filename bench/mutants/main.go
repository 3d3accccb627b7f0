// Command mutants shows that the tests hold the rules: it breaks each rule on purpose, by
// a small change of the source, and demands that a test fails.
//
//	go run ./bench/mutants [--only NAME,…] [--list]
//
// A mutant is a file of testdata: the rule that it breaks, the change, and the test that
// has to see it. Nothing in the tree is touched: the compiler is shown the changed file in
// the place of the real one. One rule has no mutant: that a token is compared in constant
// time is beyond a test that can be trusted.
//
// It ends with 1 if a mutant survives, doesn't fit the source any more, or doesn't compile.
// Begin with mutant.go; trial.go is how one is tried.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// atOnce is how many mutants are tried at the same time.
const atOnce = 2

func main() {
	only := flag.String("only", "", "names of the mutants to try, with commas between; all, if empty")
	list := flag.Bool("list", false, "show the mutants, and try none")
	told := flag.Bool("told", false, "show also what the tests said")
	flag.Parse()
	if err := run(*only, *list, *told); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(only string, list, told bool) error {
	if flag.NArg() > 0 {
		return errors.New("there are no arguments")
	}
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	mutants, err := read(root, filepath.Join(root, "bench", "mutants", "testdata"), only)
	if err != nil {
		return err
	}
	if list {
		for _, m := range mutants {
			fmt.Printf("%-32s %s\n%32s %s\n", m.name, strings.ReplaceAll(m.rule, "\n", " "), "", m.file)
		}
		return nil
	}
	folder, err := os.MkdirTemp("", "scimgate-mutants-")
	if err != nil {
		return fmt.Errorf("cannot make a folder: %w", err)
	}
	defer os.RemoveAll(folder)
	l := &lab{root: root, folder: folder, named: map[string][]string{}}
	for _, m := range mutants {
		l.named[m.test[0]] = append(l.named[m.test[0]], m.test[2])
	}
	return tryAll(l, mutants, told)
}

// tryAll tries mutants, a few at once, and tells of each as it ends.
func tryAll(l *lab, mutants []*mutant, told bool) error {
	began := time.Now()
	queue := make(chan *mutant)
	var all sync.WaitGroup
	var mu sync.Mutex // guards what follows, and the output
	count := map[fate]int{}
	for range atOnce {
		all.Go(func() {
			for m := range queue {
				v := l.try(m)
				mu.Lock()
				count[v.fate]++
				fmt.Printf("%-32s %s\n", m.name, v)
				if told && v.said != "" {
					fmt.Println(v.said)
				}
				mu.Unlock()
			}
		})
	}
	for _, m := range mutants {
		queue <- m
	}
	close(queue)
	all.Wait()
	fmt.Printf("\n%d mutants in %.0f s: %d killed, %d survived, %d that could not be tried\n",
		len(mutants), time.Since(began).Seconds(), count[killed], count[survived], count[untried])
	if count[killed] < len(mutants) {
		return errors.New("not every mutant was killed")
	}
	return nil
}

// moduleRoot is the folder of go.mod.
func moduleRoot() (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("cannot find the module: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}
