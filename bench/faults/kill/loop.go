package main

import (
	"bufio"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/scimgate/scimgate/bench/faults/faulty"
	"github.com/scimgate/scimgate/bench/standin"
)

// points are the places in the code at which the process ends itself.
var points = [...]string{
	"before_intent", "after_write", "after_sync", "after_first_byte", "before_outcome", "before_answer", "after_answer",
	"segment_made", "segment_closed", "segment_placed",
}

// clients is how many there are at once.
const clients = 6

// Settings of the gateway: short, so that a life can be.
const (
	timeout = 250 * time.Millisecond // of a call to the upstream
	settle  = 300 * time.Millisecond // of a resource behind a write in doubt
	within  = 500 * time.Millisecond // a point must be reached, else the life ends as others do
)

// Ends of a life that are no point's.
const (
	atRandom   = "at random"
	notReached = "point not reached"
)

// loop is one run: an upstream, the gateway's lives one after the other, and clients that
// don't care.
type loop struct {
	binary, log string
	listen      string // host:port of the gateway, the same in each life
	store       *standin.Server
	upstream    *faulty.Server // at times slow, and without another fault
	seed        uint64
	random      *rand.Rand
	gateway     *exec.Cmd     // nil while none runs
	ended       chan struct{} // this life is over
	killed      map[string]int
	lives       int

	stopping atomic.Bool // clients end with what they are at
	over     atomic.Bool // nobody answers any more
	all      sync.WaitGroup
	verified sync.RWMutex // held for writing until a start is verified, for reading by requests

	mu     sync.Mutex // guards following
	asked  []*request
	people []*person
	teams  []*team
	failed []string // what a client can't go on with
}

func newLoop(binary, folder string, seed uint64) (*loop, error) {
	l := &loop{
		binary: binary, log: filepath.Join(folder, "audit.jsonl"), killed: map[string]int{}, seed: seed, random: rand.New(rand.NewPCG(seed, 0)),
		store: standin.New(standin.Options{Rates: standin.Unlimited()}),
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("cannot listen: %w", err)
	}
	defer free.Close()
	l.listen = free.Addr().String()
	l.upstream, err = faulty.Listen(faulty.Settings{Store: l.store, Log: l.log, Timeout: timeout, Promise: settle})
	return l, err
}

// close ends everything. Clients would wait for another life.
func (l *loop) close() {
	l.over.Store(true)
	if l.gateway != nil {
		l.kill()
	}
	l.all.Wait()
	l.upstream.Close()
	l.store.Close()
}

func (l *loop) kill() {
	_ = l.gateway.Process.Signal(syscall.SIGKILL) // it may have ended
	<-l.ended
}

// build builds the gateway with its crash points.
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

// run kills the gateway so often, and lets the clients end.
func (l *loop) run(kills int) error {
	l.verified.Lock()
	held := true
	defer func() { // clients must not be left waiting
		if held {
			l.stopping.Store(true)
			l.verified.Unlock()
		}
	}()
	for i := range clients {
		l.all.Go(func() { newClient(l, i).work() })
	}
	for n := range kills {
		point := ""
		if n%2 == 1 {
			point = points[n/2%len(points)]
		}
		if err := l.live(point); err != nil {
			return fmt.Errorf("after %d kills: %w", n, err)
		}
		l.verified.Unlock()
		held = false
		moment, end := time.Duration(10+l.random.IntN(390))*time.Millisecond, atRandom
		if point != "" {
			moment, end = within, point
		}
		select {
		case <-l.ended:
			if point == "" {
				return fmt.Errorf("after %d kills: the gateway ended by itself: %v", n, l.gateway.ProcessState)
			}
		case <-time.After(moment):
			if point != "" {
				end = notReached
			}
			l.kill()
		}
		l.killed[end]++
		l.verified.Lock()
		held = true
	}
	if err := l.live(""); err != nil {
		return fmt.Errorf("after the last kill: %w", err)
	}
	l.stopping.Store(true)
	l.verified.Unlock()
	held = false
	l.all.Wait()
	return l.drain()
}

// drain ends the last life as an administrator does.
func (l *loop) drain() error {
	_ = l.gateway.Process.Signal(syscall.SIGTERM)
	select {
	case <-l.ended:
	case <-time.After(30 * time.Second):
		l.kill()
	}
	code := l.gateway.ProcessState.ExitCode()
	l.gateway = nil
	if code != 0 {
		return fmt.Errorf("the gateway was told to drain, and ended with exit code %d", code)
	}
	return l.verify()
}

// live begins another life and verifies the log when it serves. A point can be reached
// before that; then there is another start, without it.
func (l *loop) live(point string) error {
	for try := range 3 {
		var env []string
		if point != "" && try == 0 {
			most := 20
			if strings.HasPrefix(point, "segment_") { // there are fewer
				most = 2
			}
			env = append(env, fmt.Sprintf("SCIMGATE_TEST_CRASH=%s:%d", point, 1+l.random.IntN(most)))
		}
		served, err := l.launch(env)
		if err != nil {
			return err
		}
		if !served {
			l.killed[point+", starting"]++
			continue
		}
		if err = l.verify(); err == nil {
			return nil
		}
		select {
		case <-l.ended: // while it was verified: the next start mends it
			l.killed[point+", starting"]++
		default:
			return err
		}
	}
	return errors.New("the gateway doesn't come to serve")
}

func (l *loop) launch(env []string) (served bool, err error) {
	cmd := exec.Command(l.binary, "serve", "--listen", l.listen, "--admin", "off", "--upstream", l.upstream.URL(), "--audit", l.log,
		"--audit-rotate-size", "64KiB", "--upstream-timeout", timeout.String(), "--pace-settle", settle.String(), "--client-patience", "5s",
		"--pace-writes-per-second", "2000", "--pace-writes-burst", "100", "--pace-reads-per-second", "4000", "--pace-reads-burst", "200",
		"--pace-memberships-per-second", "100000", "--pace-memberships-burst", "1000", "--log-level", "info",
		"--guard-user-deletes-mode", "off", "--guard-group-deletes-mode", "off", "--guard-deactivations-mode", "off", "--guard-removals-mode", "off")
	cmd.Env = append(os.Environ(), env...)
	errs, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return false, fmt.Errorf("cannot start the gateway: %w", err)
	}
	l.gateway, l.ended = cmd, make(chan struct{})
	serving, ended := make(chan struct{}), l.ended
	var said []string // the last lines; read when ended is closed
	go func() {
		defer close(ended)
		in := bufio.NewScanner(errs)
		in.Buffer(nil, 1<<20)
		for in.Scan() {
			line := in.Text()
			if strings.Contains(line, `"message":"serving"`) {
				close(serving)
			}
			said = append(said[max(0, len(said)-20):], line)
		}
		_ = cmd.Wait() // the state has how it ended
	}()
	select {
	case <-serving:
		l.lives++
		return true, nil
	case <-ended:
		if cmd.ProcessState.Exited() {
			return false, fmt.Errorf("the gateway can't start again:\n%s", strings.Join(said, "\n"))
		}
		return false, nil // killed by its point
	case <-time.After(20 * time.Second):
		l.kill()
		return false, fmt.Errorf("the gateway does not serve:\n%s", strings.Join(said, "\n"))
	}
}

// verify demands that the log is what was written, and that it has no open intent. No
// client is let in meanwhile: a log that grows may end in half a line, or change its files
// while they are listed.
func (l *loop) verify() error {
	out, err := exec.Command(l.binary, "audit", "verify", l.log).CombinedOutput()
	switch {
	case err != nil:
		return fmt.Errorf("audit verify: %w\n%s", err, out)
	case !strings.Contains(string(out), "; 0 intents have no outcome"):
		return fmt.Errorf("audit verify: an intent is open behind a start\n%s", out)
	}
	return nil
}

func (l *loop) summary() string {
	var ends []string
	total := 0
	for _, name := range slices.Sorted(maps.Keys(l.killed)) {
		ends = append(ends, fmt.Sprintf("%s %d", name, l.killed[name]))
		total += l.killed[name]
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return fmt.Sprintf("%d kills (%s), %d starts\n%d requests about %d people and %d groups, %d calls at AWS", total, strings.Join(ends, ", "),
		l.lives, len(l.asked), len(l.people), len(l.teams), len(l.upstream.Seen(nil)))
}
