// Command kill shows that a crash of the gateway loses nothing. It runs the built program
// under load, ends it by SIGKILL again and again, at random moments and at named points of
// a write's way in turn, and starts it again each time.
//
//	go run ./bench/faults/kill [--kills 50] [--seed N]
//
// Clients behave as Okta does: what isn't answered, or answered with 429 or 5xx, is sent
// again; all else is final. After each start, before clients are let in, the program's own
// audit verify must find the log sound and no intent open. When the last life is over, what
// AWS has seen, what clients were told and the whole log are held against each other by
// package judge, and everybody at AWS against what their client was told last. It ends with
// 1 if there is a finding, and with 2 if it can't go on.
//
// Begin with loop.go; client.go is who sends what, and compare.go what has to hold.
package main

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

func main() {
	kills := flag.Int("kills", 50, "how often the gateway is killed")
	seed := flag.Uint64("seed", 1, "of moments, points and clients")
	flag.Parse()
	ok, err := run(*kills, *seed)
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(2)
	}
	if !ok {
		os.Exit(1)
	}
}

func run(kills int, seed uint64) (ok bool, err error) {
	folder, err := os.MkdirTemp("", "scimgate-kill-")
	if err != nil {
		return false, fmt.Errorf("cannot make a folder: %w", err)
	}
	defer func() {
		if ok {
			_ = os.RemoveAll(folder)
		} else {
			fmt.Fprintln(os.Stderr, "the log is kept in", folder)
		}
	}()
	binary, err := build(folder)
	if err != nil {
		return false, err
	}
	l, err := newLoop(binary, folder, seed)
	if err != nil {
		return false, err
	}
	defer l.close()
	began := time.Now()
	if err := l.run(kills); err != nil {
		return false, err
	}
	took := time.Since(began)
	h, err := l.history()
	if err != nil {
		return false, err
	}
	findings := l.compare(h)
	fmt.Printf("seed %d: %s\nin %v; %d records; %d findings\n", seed, l.summary(), took.Round(time.Second), len(h.Log), len(findings))
	counts := map[string]int{}
	for _, f := range findings {
		rule, _, _ := strings.Cut(f, ":")
		counts[rule]++
	}
	for _, rule := range slices.Sorted(maps.Keys(counts)) {
		fmt.Printf("%6d  %s\n", counts[rule], rule)
	}
	for _, f := range findings[:min(20, len(findings))] {
		fmt.Printf("%.500s\n", f)
	}
	if err := os.WriteFile(filepath.Join(folder, "findings"), []byte(strings.Join(findings, "\n")), 0o600); err != nil {
		return false, fmt.Errorf("cannot keep the findings: %w", err)
	}
	return len(findings) == 0, nil
}
