package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/scimgate/scimgate/bench/faults/faulty"
	"github.com/scimgate/scimgate/bench/faults/judge"
	"github.com/scimgate/scimgate/bench/faults/witness"
	"github.com/scimgate/scimgate/bench/standin"
)

// mass is the run of many clients at once, with faults.
type mass struct {
	builds    *builds
	folder    string // takes the gateway's files
	exchanges int
	clients   int
	seed      uint64
	share     float64
	without   []string // faults that are left out
}

// massResult is what came of it.
type massResult struct {
	history  *witness.History
	findings []judge.Finding
	tallies  map[string]*judge.Tally
	took     time.Duration
	kept     string // what the gateway has held at the beginning and at the end
}

// poolSize is how many people there are who belong to nobody; a group may have all of
// them.
const poolSize = 260

func (m *mass) run() (*massResult, error) {
	began := time.Now()
	store := standin.New(standin.Options{Rates: standin.Unlimited(), Users: poolSize})
	if err := os.MkdirAll(m.folder, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make a folder: %w", err)
	}
	u, err := faulty.Listen(faulty.Settings{Store: store, Log: filepath.Join(m.folder, "audit.jsonl"), Timeout: timeout, Promise: settle})
	if err != nil {
		return nil, err
	}
	defer u.Close()
	g, err := start(launch{binary: m.builds.plain}, m.folder, u.URL(), "--audit-rotate-size", "400KiB", "--log-level", "info")
	if err != nil {
		return nil, err
	}
	defer g.cmd.Process.Kill()
	var pool []string
	for _, user := range store.Users() {
		pool = append(pool, user.ID)
	}
	c := newCrowd(&book{audit: g.audit}, g.address, u, m, pool)
	if err := c.greet(); err != nil {
		return nil, err
	}
	before, err := c.held(g)
	if err != nil {
		return nil, err
	}
	if err := c.run(m.clients); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, g.output())
	}
	counted, err := c.quiet(g)
	if err != nil {
		return nil, err
	}
	kept, err := c.lets(g, before)
	if err != nil {
		return nil, err
	}
	code, err := g.stop()
	if err != nil {
		return nil, err
	}
	if code != 0 {
		return nil, fmt.Errorf("the gateway ended with exit code %d:\n%s", code, g.output())
	}
	u.Close()
	r := &massResult{took: time.Since(began), kept: kept}
	if r.history, err = history(g, u, c.requests()); err != nil {
		return nil, err
	}
	r.history.Counted = counted
	text, err := json.Marshal(r.history)
	if err == nil {
		err = os.WriteFile(filepath.Join(m.folder, "history.json"), text, 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot keep the history: %w", err)
	}
	r.findings = judge.Check(r.history)
	r.tallies = judge.Tallies(r.history)
	return r, nil
}

// greet shows the token once: before AWS has accepted it, few requests are let through.
func (c *crowd) greet() error {
	one := &client{crowd: c}
	r, err := one.attempt(page(1, 1), "greeting", nil)
	if err == nil && r.Status != 200 {
		err = fmt.Errorf("the first request was told %d: %s", r.Status, r.Answer)
	}
	if one.conn != nil {
		one.conn.close()
	}
	return err
}

// quiet waits until nothing is under way or left alone any more, while a client asks for
// something now and then, and returns how many requests the gateway has counted.
func (c *crowd) quiet(g *gateway) (counted int, err error) {
	last := -1.0
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if err := c.greet(); err != nil && time.Now().After(deadline.Add(-10*time.Second)) {
			return 0, err
		}
		samples, err := g.metrics()
		if err != nil {
			return 0, err
		}
		total := sum(samples, "scimgate_requests_total")
		if sum(samples, "scimgate_lanes") == 0 && sum(samples, "scimgate_pace_waiting") == 0 && total == last+1 {
			return int(total), nil
		}
		last = total
	}
	return 0, fmt.Errorf("the gateway does not come to rest:\n%s", g.output())
}

// holding is what a process holds.
type holding struct{ descriptors, goroutines int }

// held is what the gateway holds, but for the connections that it keeps to the upstream.
func (c *crowd) held(g *gateway) (h holding, err error) {
	samples, err := g.metrics()
	return holding{int(samples["process_open_fds"]) - c.upstream.Open(), int(samples["go_goroutines"])}, err
}

// lets waits until the gateway holds no more than it did before: workers of connections
// stay for ten seconds.
func (c *crowd) lets(g *gateway, before holding) (kept string, err error) {
	for deadline := time.Now().Add(40 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		now, err := c.held(g)
		if err != nil {
			return "", err
		}
		kept = fmt.Sprintf("%d goroutines and %d descriptors before, %d and %d after", before.goroutines, before.descriptors, now.goroutines, now.descriptors)
		if now.descriptors <= before.descriptors && now.goroutines <= before.goroutines {
			return kept, nil
		}
		if time.Now().After(deadline) {
			return kept, fmt.Errorf("the gateway does not let go of all that it held: %s", kept)
		}
	}
}

// report prints a line for each fault, then the findings.
func (r *massResult) report(out io.Writer) {
	for _, f := range faulty.Table {
		r.line(out, f.Row, f.Name)
	}
	r.line(out, "", "overdue")
	for i := range misbehaviours {
		for _, name := range misbehaviours[i].names() {
			r.line(out, misbehaviours[i].row, name)
		}
	}
	r.line(out, "", "canary")
	for i, f := range r.findings {
		if i == 40 {
			fmt.Fprintf(out, "… and %d more\n", len(r.findings)-i)
			break
		}
		fmt.Fprintln(out, f)
	}
}

// faulty is how many requests met a fault.
func (r *massResult) faulty() (n int) {
	met := map[string]bool{}
	for i := range r.history.Seen {
		if s := &r.history.Seen[i]; s.Fault != "" {
			met[s.Tag] = true
		}
	}
	for i := range r.history.Asked {
		if a := &r.history.Asked[i]; a.Fault != "" {
			met[a.Tag] = true
		}
	}
	return len(met)
}

// verdicts is what the judge says, rule by rule where it matters most.
func (r *massResult) verdicts() string {
	count := map[judge.Rule]int{}
	for _, f := range r.findings {
		count[f.Rule]++
	}
	return fmt.Sprintf("- %d findings: %d writes without record, %d false successes, %d doubled creates, %d lost or overtaken deactivations\n",
		len(r.findings), count[judge.WriteAhead], count[judge.FalseSuccess], count[judge.DoubledCreate], count[judge.LostDeactivation])
}

func (r *massResult) line(out io.Writer, row, name string) {
	if t := r.tallies[name]; t != nil {
		fmt.Fprintf(out, "%-4s %-20s %5d  %s\n", row, name, t.Struck, t)
	}
}
