package main

import (
	"bufio"
	"errors"
	"fmt"
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

	"github.com/scimgate/scimgate/bench/standin"
)

// points are the places in the code at which the process ends itself.
var points = [...]string{
	"before_intent", "after_write", "after_sync", "after_first_byte", "before_outcome", "before_answer", "after_answer",
	"segment_made", "segment_closed", "segment_placed",
}

// clients is how many there are at once.
const clients = 6

// loop is one run: a stand-in for AWS, the gateway's lives one after the other, and
// clients that don't care.
type loop struct {
	binary, log string
	listen      string // host:port of the gateway, the same in each life
	store       *standin.Server
	upstream    string
	random      *rand.Rand
	gateway     *exec.Cmd
	ended       chan struct{} // this life is over

	stopping atomic.Bool
	all      sync.WaitGroup

	mu       sync.Mutex // guards following
	people   []*person
	requests int
	failed   []string // what a client can't go on with

	calls  []call // that AWS has seen
	seq    uint64 // of the last of them
	killed map[string]int
	lives  int
}

func newLoop(binary, folder string, seed uint64) (*loop, error) {
	l := &loop{
		binary: binary, log: filepath.Join(folder, "audit.jsonl"), random: rand.New(rand.NewPCG(seed, 0)), killed: map[string]int{},
		store: standin.New(standin.Options{Rates: standin.Unlimited()}),
	}
	aws, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	go l.store.Serve(aws)
	l.upstream = l.store.BaseURL(aws.Addr())
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	l.listen = free.Addr().String()
	return l, free.Close()
}

func (l *loop) close() {
	if l.gateway != nil {
		_ = l.gateway.Process.Kill()
		<-l.ended
	}
	l.store.Close()
}

// live begins another life and waits until it serves. One that reaches its point while it
// starts is followed by one without.
func (l *loop) live(env ...string) error {
	served, err := l.launch(env...)
	if err != nil || served {
		return err
	}
	l.killed["while it starts"]++
	if served, err = l.launch(); err == nil && !served {
		err = errors.New("the gateway does not start again")
	}
	return err
}

func (l *loop) launch(env ...string) (served bool, err error) {
	cmd := exec.Command(l.binary, "serve", "--listen", l.listen, "--admin", "off", "--upstream", l.upstream, "--audit", l.log,
		"--audit-rotate-size", "64KiB", "--audit-checkpoint-every", "200ms", "--pace-settle", "50ms", "--log-level", "info",
		"--pace-writes-per-second", "2000", "--pace-writes-burst", "100", "--pace-reads-per-second", "4000", "--pace-reads-burst", "200",
		"--guard-user-deletes-mode", "off", "--guard-deactivations-mode", "off", "--guard-removals-mode", "off")
	cmd.Env = append(os.Environ(), env...)
	errs, err := cmd.StderrPipe()
	if err != nil {
		return false, err
	}
	if err := cmd.Start(); err != nil {
		return false, err
	}
	l.gateway, l.ended = cmd, make(chan struct{})
	serving, ended := make(chan struct{}), l.ended
	var said strings.Builder
	go func() {
		defer close(ended)
		for in := bufio.NewScanner(errs); in.Scan(); {
			if said.Len() < 1<<14 {
				said.WriteString(in.Text() + "\n")
			}
			if strings.Contains(in.Text(), `"message":"serving"`) {
				close(serving)
			}
		}
		_ = cmd.Wait()
	}()
	select {
	case <-serving:
		l.lives++
		return true, nil
	case <-ended:
		if cmd.ProcessState.Exited() {
			return false, fmt.Errorf("the gateway can't start again:\n%s", said.String())
		}
		return false, nil // killed by its point
	case <-time.After(20 * time.Second):
		return false, errors.New("the gateway does not serve")
	}
}

// run kills it so often, and lets the clients end.
func (l *loop) run(kills int) error {
	if err := l.live(); err != nil {
		return err
	}
	for i := range clients {
		l.all.Add(1)
		go func() {
			defer l.all.Done()
			l.client(i)
		}()
	}
	for n := range kills {
		moment, point := time.Duration(10+l.random.IntN(300))*time.Millisecond, "random"
		if n%2 == 1 { // its own point was set when it began
			point = points[n/2%len(points)]
			moment = 500 * time.Millisecond
		}
		select {
		case <-l.ended:
		case <-time.After(moment):
			if point != "random" {
				point = "not reached"
			}
			_ = l.gateway.Process.Signal(syscall.SIGKILL)
			<-l.ended
		}
		l.killed[point]++
		l.take()
		var env []string
		if next := n + 1; next%2 == 1 && next < kills {
			env = append(env, fmt.Sprintf("SCIMGATE_TEST_CRASH=%s:%d", points[next/2%len(points)], 1+l.random.IntN(20)))
		}
		if err := l.live(env...); err != nil {
			return fmt.Errorf("after %d kills, the last at %s: %w", n+1, point, err)
		}
		if err := l.verify(); err != nil {
			return fmt.Errorf("after %d kills, the last at %s: %w", n+1, point, err)
		}
	}
	l.stopping.Store(true)
	l.all.Wait()
	_ = l.gateway.Process.Signal(syscall.SIGTERM)
	<-l.ended
	if code := l.gateway.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("the gateway ended with exit code %d", code)
	}
	l.gateway = nil
	l.take()
	return l.verify()
}

// verify demands that the log is what was written. While the gateway writes, a record may
// be seen that is not whole yet.
func (l *loop) verify() error {
	var out []byte
	var err error
	for range 5 {
		if out, err = exec.Command(l.binary, "audit", "verify", l.log).CombinedOutput(); err == nil {
			return nil
		}
	}
	return fmt.Errorf("audit verify: %w\n%s", err, out)
}

// take takes in what AWS has seen since.
func (l *loop) take() {
	for _, e := range l.store.Journal() {
		if e.Seq > l.seq {
			l.seq = e.Seq
			if e.Method != "GET" {
				l.calls = append(l.calls, callOf(e))
			}
		}
	}
}

func (l *loop) summary() string {
	names := make([]string, 0, len(l.killed))
	total := 0
	for name, n := range l.killed {
		names = append(names, fmt.Sprintf("%s %d", name, n))
		total += n
	}
	slices.Sort(names)
	return fmt.Sprintf("%d kills (%s), %d lives\n%d requests of %d people, %d writes at AWS\n", total, strings.Join(names, ", "), l.lives, l.requests, len(l.people), len(l.calls))
}
