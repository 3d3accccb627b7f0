package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/scimgate/scimgate/bench/standin"
)

// workers are the clients, enough to use up AWS's quotas through the gateway.
const workers = 12

// soak builds the program if need be, runs it under load, and reports.
func soak(ctx context.Context, binary string, length time.Duration) (*Report, error) {
	dir, err := os.MkdirTemp("", "soak-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if binary == "" {
		binary = filepath.Join(dir, "scimgate")
		if out, err := exec.Command("go", "build", "-o", binary, "github.com/scimgate/scimgate/cmd/scimgate").CombinedOutput(); err != nil {
			return nil, fmt.Errorf("cannot build the program: %w: %s", err, out)
		}
	}
	aws := standin.New(standin.Options{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	go aws.Serve(l)
	defer aws.Close()
	p, err := start(binary, aws.BaseURL(l.Addr()), dir)
	if err != nil {
		return nil, err
	}
	report, err := p.watch(ctx, length)
	return report, errors.Join(err, p.stop())
}

// program is the gateway under load.
type program struct {
	cmd            *exec.Cmd
	gateway, admin string
	client         *http.Client
}

// start runs the program with an audit log on the disk. Its guards are off, since a load
// that deletes what it made is what they are against.
func start(binary, upstream, dir string) (*program, error) {
	p := &program{client: &http.Client{Timeout: 60 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: workers}}}
	p.cmd = exec.Command(binary, "serve", "--upstream", upstream, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0",
		"--audit", filepath.Join(dir, "audit.jsonl"), "--audit-rotate-size", "1MiB", "--audit-keep", "3",
		"--guard-user-deletes-mode", "off", "--guard-group-deletes-mode", "off", "--guard-deactivations-mode", "off", "--guard-removals-mode", "off")
	errs, err := p.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(errs)
	for lines.Scan() {
		var said struct{ Message, Listen, Admin string }
		if json.Unmarshal(lines.Bytes(), &said) == nil && said.Message == "serving" {
			p.gateway, p.admin = "http://"+said.Listen+"/scim/v2", "http://"+said.Admin
			go io.Copy(io.Discard, errs)
			return p, nil
		}
	}
	return nil, errors.Join(errors.New("the program does not serve"), p.cmd.Wait())
}

func (p *program) stop() error {
	p.client.CloseIdleConnections()
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	if err := p.cmd.Wait(); err != nil {
		return fmt.Errorf("the program did not end well: %w", err)
	}
	return nil
}

// watch keeps the program at work, and looks at it sixty times or more. The first quarter
// is for warming up.
func (p *program) watch(ctx context.Context, length time.Duration) (*Report, error) {
	ctx, end := context.WithTimeout(ctx, length)
	defer end()
	r := &Report{Length: length}
	quiet, err := p.look()
	if err != nil {
		return nil, err
	}
	r.Before = quiet
	var all sync.WaitGroup
	for n := range workers {
		all.Go(func() { p.work(ctx, n, r) })
	}
	every := time.NewTicker(max(length/60, 100*time.Millisecond))
	defer every.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-every.C:
			s, err := p.look()
			if err != nil {
				return nil, err
			}
			r.Samples = append(r.Samples, s)
		}
	}
	all.Wait()
	p.client.CloseIdleConnections()
	for range 100 { // what closes connections needs a moment
		if r.After, err = p.look(); err != nil || len(r.Grown()) == 0 {
			break
		}
		time.Sleep(250 * time.Millisecond)
	}
	return r, err
}

// look reads the metrics.
func (p *program) look() (s Sample, err error) {
	resp, err := p.client.Get(p.admin + "/metrics")
	if err != nil {
		return s, err
	}
	defer resp.Body.Close()
	wanted := map[string]*float64{
		"go_goroutines": &s.Goroutines, "process_open_fds": &s.Descriptors, "process_resident_memory_bytes": &s.Resident, "go_memstats_heap_inuse_bytes": &s.Heap,
	}
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if into := wanted[name]; into != nil {
			if _, err := fmt.Sscan(value, into); err != nil {
				return s, err
			}
			delete(wanted, name)
		}
	}
	if len(wanted) > 0 {
		return s, errors.New("the metrics lack what is to be watched")
	}
	return s, lines.Err()
}
