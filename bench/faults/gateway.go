package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/scimgate/scimgate/bench/faults/faulty"
	"github.com/scimgate/scimgate/bench/faults/witness"
)

// gateway is the built binary, running.
type gateway struct {
	cmd     *exec.Cmd
	audit   string // file
	address string // host:port for clients
	admin   string // URL
	ended   chan struct{}
	served  chan struct{} // closed when it says that it serves

	mu       sync.Mutex // guards following
	said     []string   // the last lines on standard error
	signaled bool       // it was told to drain
}

// moduleRoot is where the sources are.
func moduleRoot() (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("cannot find the module: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// builds are the gateway as it was built, and its variants, each of which is built when
// it is asked for.
type builds struct {
	root, folder string
	plain        string // as it is

	mu   sync.Mutex // guards following
	made map[string]string
}

// newBuilds builds the gateway, unless there is one.
func newBuilds(root, folder, binary string) (b *builds, err error) {
	b = &builds{root: root, folder: folder, plain: binary, made: map[string]string{}}
	if binary == "" {
		b.plain, err = b.variant("scimgate")
	}
	return b, err
}

// variant builds the gateway with further flags of go build, once for each name.
func (b *builds) variant(name string, flags ...string) (binary string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.made[name] != "" {
		return b.made[name], nil
	}
	binary = filepath.Join(b.folder, name)
	if racing {
		flags = append(flags, "-race")
	}
	cmd := exec.Command("go", append(append([]string{"build", "-o", binary}, flags...), "./cmd/scimgate")...)
	cmd.Dir = b.root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("cannot build the gateway: %w\n%s", err, out)
	}
	b.made[name] = binary
	return binary, nil
}

// Settings of the gateway in a run: short, so that a run is short.
const (
	timeout  = 600 * time.Millisecond // of a call to the upstream
	settle   = 1500 * time.Millisecond
	patience = 6 * time.Second // of clients
	maxBody  = 256 << 10       // of a request
	slowest  = 2 * time.Second // for a request to arrive
)

// launch is what is run as the gateway.
type launch struct {
	binary string
	wrap   []string // a command in front of it that becomes it
	env    []string // beside that of this process
}

// start runs the gateway in front of an upstream, with its files in a folder, and waits
// until it serves. Flags come behind those of every run, and win.
func start(l launch, folder, upstream string, flags ...string) (*gateway, error) {
	audit := filepath.Join(folder, "audit.jsonl")
	all := append(append(slices.Clone(l.wrap), l.binary), []string{
		"serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--upstream", upstream, "--audit", audit,
		"--upstream-timeout", timeout.String(), "--upstream-connect-timeout", "300ms", "--upstream-max-response-bytes", "256KiB",
		"--pace-settle", settle.String(), "--client-patience", patience.String(),
		"--pace-writes-per-second", "2000", "--pace-writes-burst", "100", "--pace-reads-per-second", "4000", "--pace-reads-burst", "200",
		"--pace-memberships-per-second", "100000", "--pace-memberships-burst", "1000",
		"--listen-read-timeout", slowest.String(), "--listen-idle-timeout", "10s", "--listen-max-body-bytes", strconv.Itoa(maxBody),
		"--guard-user-deletes-mode", "off", "--guard-group-deletes-mode", "off", "--guard-deactivations-mode", "off", "--guard-removals-mode", "off",
	}...)
	all = append(all, flags...)
	g := &gateway{cmd: exec.Command(all[0], all[1:]...), audit: audit, ended: make(chan struct{}), served: make(chan struct{})}
	g.cmd.Env = append(os.Environ(), l.env...)
	errs, err := g.cmd.StderrPipe()
	if err != nil {
		return nil, fmt.Errorf("cannot start the gateway: %w", err)
	}
	if err := g.cmd.Start(); err != nil {
		return nil, fmt.Errorf("cannot start the gateway: %w", err)
	}
	go g.listen(errs)
	select {
	case <-g.served:
		return g, nil
	case <-g.ended:
	case <-time.After(30 * time.Second):
		g.kill()
	}
	return nil, fmt.Errorf("the gateway does not serve:\n%s", g.output())
}

// listen keeps what the gateway says.
func (g *gateway) listen(errs io.Reader) {
	in := bufio.NewScanner(errs)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		line := in.Text()
		g.mu.Lock()
		if g.said = append(g.said, line); len(g.said) > 2000 {
			g.said = g.said[1000:]
		}
		g.mu.Unlock()
		if strings.Contains(line, `"message":"serving"`) {
			var at struct{ Listen, Admin string }
			if json.Unmarshal([]byte(line), &at) == nil {
				g.address, g.admin = at.Listen, "http://"+at.Admin
				close(g.served)
			}
		}
	}
	_ = g.cmd.Wait() // the state has the exit code
	close(g.ended)
}

// output is what the gateway has said, the last of it, but for the lines of exchanges.
func (g *gateway) output() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	lines := slices.DeleteFunc(slices.Clone(g.said), func(l string) bool { return strings.Contains(l, `"message":"exchange"`) })
	return strings.Join(lines[max(0, len(lines)-8):], "\n")
}

// says tells whether a line on standard error holds all of the words, now or in a moment:
// it comes through a pipe.
func (g *gateway) says(words ...string) bool {
	for deadline := time.Now().Add(3 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if g.hasSaid(words) || time.Now().After(deadline) {
			return g.hasSaid(words)
		}
	}
}

func (g *gateway) hasSaid(words []string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, line := range g.said {
		all := true
		for _, w := range words {
			all = all && strings.Contains(line, w)
		}
		if all {
			return true
		}
	}
	return false
}

// drain tells the gateway to end, once: the second signal would end it at once.
func (g *gateway) drain() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.signaled {
		_ = g.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	}
	g.signaled = true
}

// stop drains the gateway, and returns its exit code.
func (g *gateway) stop() (int, error) {
	g.drain()
	return g.wait()
}

func (g *gateway) wait() (int, error) {
	select {
	case <-g.ended:
		return g.cmd.ProcessState.ExitCode(), nil
	case <-time.After(60 * time.Second):
		g.kill()
		return 0, fmt.Errorf("the gateway does not end:\n%s", g.output())
	}
}

// kill ends the gateway as a crash does.
func (g *gateway) kill() {
	_ = g.cmd.Process.Kill()
	<-g.ended
}

// leavers is the list of open deactivations.
func (g *gateway) leavers() (witness.Leavers, error) {
	return witness.ReadLeavers(g.audit + ".leavers")
}

// metrics are all samples by their name and labels.
func (g *gateway) metrics() (map[string]float64, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", g.admin+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("cannot read metrics: %w", err)
	}
	defer resp.Body.Close()
	all := map[string]float64{}
	for in := bufio.NewScanner(resp.Body); in.Scan(); {
		name, value, found := cutLast(in.Text())
		if n, err := strconv.ParseFloat(value, 64); found && err == nil {
			all[name] = n
		}
	}
	return all, nil
}

func cutLast(line string) (before, after string, found bool) {
	at := strings.LastIndexByte(line, ' ')
	if at < 0 || strings.HasPrefix(line, "#") {
		return "", "", false
	}
	return line[:at], line[at+1:], true
}

// sum adds up all samples of a metric.
func sum(samples map[string]float64, name string) (total float64) {
	for sample, n := range samples {
		if sample == name || strings.HasPrefix(sample, name+"{") {
			total += n
		}
	}
	return total
}

// history is what the witnesses tell of the gateway's life, which is over.
func history(g *gateway, u *faulty.Server, asked []*request) (*witness.History, error) {
	log, err := witness.ReadLog(g.audit)
	if err != nil {
		return nil, err
	}
	key, err := os.ReadFile(g.audit + ".key")
	if err != nil {
		return nil, fmt.Errorf("cannot read the key of the digests: %w", err)
	}
	h := &witness.History{Seen: u.Seen(log), Log: log.Lines, Key: key, Final: u.Final(), Counted: -1, Settle: settle,
		Reads: witness.Rate{PerSecond: 4000, Burst: 200}, Writes: witness.Rate{PerSecond: 2000, Burst: 100}, Token: token, Poison: faulty.PoisonID}
	if h.Leavers, err = g.leavers(); err != nil {
		return nil, err
	}
	for _, r := range asked {
		a := r.Asked
		a.LogAt = log.At(r.mark)
		h.Asked = append(h.Asked, a)
	}
	return h, nil
}

var errFailed = errors.New("something failed; see above")
