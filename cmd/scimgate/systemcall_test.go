package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/scimgate/scimgate/proxy/audit"
)

// tracer is strace at work on a program.
type tracer struct {
	t    *testing.T
	cmd  *exec.Cmd
	file string // what it tells
	once sync.Once
}

// trace lets strace look at a program that runs, and do something to its system calls.
func (p *program) trace(flags ...string) *tracer {
	p.t.Helper()
	if _, err := exec.LookPath("strace"); err != nil {
		p.t.Skip("strace is not installed")
	}
	tr := &tracer{t: p.t, file: filepath.Join(p.t.TempDir(), "trace")}
	tr.cmd = exec.Command("strace", append([]string{"-f", "-s", "65536", "-o", tr.file, "-p", fmt.Sprint(p.cmd.Process.Pid)}, flags...)...)
	said, err := tr.cmd.StderrPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := tr.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(tr.end)
	in := bufio.NewScanner(said)
	if !in.Scan() || !strings.Contains(in.Text(), "attached") {
		p.t.Skipf("strace is not permitted here: %s", in.Text())
	}
	go func() { // it has more to say about threads that begin and end
		for in.Scan() {
		}
	}()
	return tr
}

// end lets the program go on alone.
func (tr *tracer) end() {
	tr.once.Do(func() {
		_ = tr.cmd.Process.Signal(syscall.SIGINT)
		_ = tr.cmd.Wait() // it ends by the signal
	})
}

// told is what the log tells of each exchange: the kinds of its records and the outcomes
// of its calls. Where a segment has ended in a fault, the next one tells what counts.
func toldOf(t *testing.T, log string) map[string]string {
	t.Helper()
	names, err := audit.Segments(log)
	if err != nil {
		t.Fatal(err)
	}
	bySeq := map[uint64][2]string{}
	for _, name := range names {
		for line := range strings.Lines(readFile(t, name)) {
			var rec audit.Record
			if json.Unmarshal([]byte(line), &rec) != nil {
				continue // torn
			}
			if rec.Kind == audit.KindGap && rec.Event == audit.EventFault {
				for seq := range bySeq {
					if seq >= rec.Seq {
						delete(bySeq, seq)
					}
				}
			}
			bySeq[rec.Seq] = [2]string{rec.Exchange, strings.TrimSpace(string(rec.Kind) + " " + rec.Outcome)}
		}
	}
	told := map[string]string{}
	for seq := uint64(1); len(bySeq) > 0; seq++ {
		if rec, ok := bySeq[seq]; ok {
			told[rec[0]] += rec[1] + ", "
			delete(bySeq, seq)
		}
	}
	return told
}

// F35: a sync fails. Nothing is told that isn't so, and writes go on without a restart.
func TestSyncFails(t *testing.T) {
	for _, n := range []int{1, 2, 3, 5, 8} { // of each thread
		t.Run(fmt.Sprintf("the sync %d of a thread", n), func(t *testing.T) {
			t.Parallel()
			log := filepath.Join(t.TempDir(), "audit.jsonl")
			p, c := onLog(t, nil, log)
			ids := c.people(4)
			tr := p.trace("-y", "-e", "trace=fsync,fdatasync", "-e", fmt.Sprintf("inject=fsync:error=EIO:when=%d", n))
			done := map[string]bool{} // exchanges that were told 2xx
			failed := 0
			for i := range 24 {
				body := retitle
				if i%6 == 5 {
					body = leaves
				}
				before := len(c.aws.Journal())
				r := c.send(c.gateway, "PATCH", "/Users/"+ids[i%4], body)
				switch {
				case r.status == 200:
					done[r.header.Get("X-Scimgate-Exchange")] = true
				case r.status != 429 || r.header.Get("Retry-After") == "":
					t.Errorf("got %d %s, want 200, or 429 and when to come again", r.status, r.body)
				case strings.Contains(r.detail(), "nothing was sent") && len(c.aws.Journal()) > before:
					t.Errorf("it was told that nothing was sent, and %d calls were", len(c.aws.Journal())-before)
				default:
					failed++
				}
			}
			tr.end()
			c.eventually(200, "PATCH", "/Users/"+ids[0], leaves)
			c.eventually(200, "PATCH", "/Users/"+ids[1], retitle)
			p.signal(syscall.SIGTERM)
			if code := p.exit(); code != exitClean {
				t.Errorf("got exit code %d\n%s", code, p.output())
			}
			gaps, struck, ofLog := sound(t, log), 0, 0 // others are of what stands beside it
			for line := range strings.Lines(readFile(t, tr.file)) {
				if strings.Contains(line, "(INJECTED)") {
					struck++
					if strings.Contains(line, "/audit.jsonl>") {
						ofLog++
					}
				}
			}
			t.Logf("%d syncs have failed, %d gaps, %d of 24 requests were told to come again", struck, gaps, failed)
			if struck == 0 || ofLog > 0 && gaps == 0 {
				t.Errorf("got %d failed syncs, %d of the log, and %d gaps", struck, ofLog, gaps)
			}
			told := toldOf(t, log)
			for exchange := range done {
				if got := told[exchange]; !strings.Contains(got, "intent, outcome ok, answer, ") {
					t.Errorf("%s was told 2xx, and the log has %q", exchange, got)
				}
			}
		})
	}
}

// F38: a sync takes two seconds. Nothing goes out before its own has ended, and what takes
// access away waits for no more syncs than anything else.
func TestSyncIsSlow(t *testing.T) {
	log := filepath.Join(t.TempDir(), "audit.jsonl")
	p, c := onLog(t, nil, log)
	ids := c.people(6)
	c.through(200, "PATCH", "/Users/"+ids[0], retitle)
	tr := p.trace("-e", "trace=fsync,write", "-e", "inject=fsync:delay_enter=2000000")
	leaver := ids[5]
	over := make(chan struct{})
	var others sync.WaitGroup
	for _, id := range ids[:5] {
		others.Go(func() {
			for ended := false; !ended; {
				if r := c.send(c.gateway, "PATCH", "/Users/"+id, retitle); r.status != 200 {
					t.Errorf("got %d %s", r.status, r.body)
				}
				select {
				case <-over:
					ended = true
				default:
				}
			}
		})
	}
	for !strings.Contains(readFile(t, log), ids[1]+`","attrs"`) && !strings.Contains(readFile(t, log), "Users/"+ids[1]) {
		time.Sleep(10 * time.Millisecond) // the others are under way
	}
	r := c.through(200, "PATCH", "/Users/"+leaver, leaves)
	close(over)
	tr.end()
	others.Wait()
	p.signal(syscall.SIGTERM)
	if code := p.exit(); code != exitClean {
		t.Errorf("got exit code %d\n%s", code, p.output())
	}
	if sound(t, log) != 0 {
		t.Error("the log has a gap, want it only slow")
	}
	inOrder(t, tr.file, r.header.Get("X-Scimgate-Exchange"))
}

var (
	ofExchange = regexp.MustCompile(`\\"kind\\":\\"(intent|answer)\\".*?\\"exchange\\":\\"([0-9A-Z]{26})\\"`)
	ofPath     = regexp.MustCompile(`\\"path\\":\\"([^\\]*)\\"`)
	answered   = regexp.MustCompile(`X-Scimgate-Exchange: ([0-9A-Z]{26})`)
	called     = regexp.MustCompile(`PATCH /[^ ]*(/Users/[^ ]*) HTTP`)
	descriptor = regexp.MustCompile(`(write|fsync)\(([0-9]+)`)
)

// inOrder reads the program's system calls: each answer and each call to AWS has to come
// behind the end of the sync behind its record. leaver is an exchange that may wait for
// few of them.
func inOrder(t *testing.T, file, leaver string) {
	t.Helper()
	var written, durable = map[string]bool{}, map[string]bool{} // by "answer EXCHANGE", "intent PATH"
	log, syncs, began, calls, answers := "", 0, -1, 0, 0
	syncing := map[string]map[string]bool{} // by thread: what a sync makes durable
	for line := range strings.Lines(readFile(t, file)) {
		thread, _, _ := strings.Cut(line, " ")
		fd := descriptor.FindStringSubmatch(line)
		switch {
		case strings.Contains(line, `"{\"v\":1,`) && fd != nil:
			log = fd[2]
			for record := range strings.SplitSeq(line, `\n`) {
				m, path := ofExchange.FindStringSubmatch(record), ofPath.FindStringSubmatch(record)
				if m != nil && m[1] == "answer" {
					written["answer "+m[2]] = true
				} else if m != nil && path != nil {
					delete(durable, "intent "+path[1]) // one of each user at a time
					written["intent "+path[1]] = true
				}
				if m != nil && m[2] == leaver && began < 0 {
					began = syncs
				}
			}
		case strings.Contains(line, "fsync(") && fd != nil && fd[2] == log:
			syncing[thread] = written
			written = map[string]bool{}
			if strings.Contains(line, "unfinished") {
				continue
			}
			fallthrough
		case strings.Contains(line, "fsync resumed") && syncing[thread] != nil:
			for what := range syncing[thread] {
				durable[what] = true
			}
			delete(syncing, thread)
			syncs++
		case answered.MatchString(line):
			answers++
			exchange := answered.FindStringSubmatch(line)[1]
			if !durable["answer "+exchange] {
				t.Errorf("%s is answered before its sync has ended", exchange)
			}
			if exchange == leaver {
				if n := syncs - began; n > 5 {
					t.Errorf("the deactivation has waited for %d syncs, want 5 at most for its three records", n)
				}
				t.Logf("the deactivation has waited for %d syncs", syncs-began)
			}
		case called.MatchString(line):
			calls++
			if path := called.FindStringSubmatch(line)[1]; !durable["intent "+path] {
				t.Errorf("PATCH %s is sent before its sync has ended", path)
			}
		}
	}
	t.Logf("%d syncs, %d calls and %d answers in order", syncs, calls, answers)
	if answers < 2 || calls < 2 || syncs < 3 {
		t.Error("want more than that")
	}
}
