// Command kill ends the gateway again and again under load, by SIGKILL at random moments
// and at named points of a write's way, starts it again each time, and compares in the end
// what AWS has seen, what clients were told and the whole audit log.
//
//	go run ./bench/faults/kill [--kills 50] [--seed N]
//
// Clients behave as Okta does: what isn't answered, or answered with 429 or 5xx, is sent
// again; all else is final. It ends with 1 if a write has no record, a create was carried
// out twice, an intent has no outcome or more than one, a log doesn't verify, or anything
// at AWS is not as its client was told last.
//
// Begin with loop.go; client.go is who sends what, and compare.go what has to hold.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

func main() {
	kills := flag.Int("kills", 50, "how often the gateway is killed")
	seed := flag.Uint64("seed", 1, "of the moments")
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
		return false, err
	}
	defer func() {
		if ok {
			os.RemoveAll(folder)
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
	if err := l.run(kills); err != nil {
		return false, err
	}
	findings, err := l.compare()
	if err != nil {
		return false, err
	}
	fmt.Print(l.summary())
	for i, f := range findings {
		if i == 20 {
			fmt.Printf("and %d more\n", len(findings)-i)
			break
		}
		fmt.Println(f)
	}
	fmt.Printf("%d findings\n", len(findings))
	return len(findings) == 0, nil
}

// build makes the gateway with its crash points.
func build(folder string) (binary string, err error) {
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("cannot find the module: %w", err)
	}
	binary = filepath.Join(folder, "scimgate")
	cmd := exec.Command("go", "build", "-tags", "crashpoints", "-o", binary, "./cmd/scimgate")
	cmd.Dir = strings.TrimSpace(string(root))
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("cannot build the gateway: %w\n%s", err, out)
	}
	return binary, nil
}
