package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/scimgate/scimgate/bench/standin"
	"github.com/scimgate/scimgate/proxy/audit"
)

// An upstream that is down is not asked again and again, and found again by itself.
func TestCircuitOpensAndCloses(t *testing.T) {
	c := play(t, stage{})
	c.aws.Inject(standin.Fault{Act: standin.Refuse, Status: 503, Times: 6})
	for range 2 {
		c.through(429, "GET", "/Users?count=1", "") // three tries each
	}
	before := len(c.aws.Journal())
	r := c.through(429, "POST", "/Users", `{`+soundUser+`}`)
	if n := len(c.aws.Journal()); n != before || !strings.Contains(r.detail(), "nothing was sent") || r.header.Get("Retry-After") == "" {
		t.Errorf("got %d calls and %q, want none while the circuit is open", n-before, r.detail())
	}
	if _, body := c.adminAsks("GET", "/readyz?verbose"); !strings.Contains(body, "upstream: down") || !strings.HasPrefix(body, "ok") {
		t.Errorf("got %q, want it told, and ready all the same", body)
	}
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if r = c.send(c.gateway, "POST", "/Users", `{`+soundUser+`}`); r.status != 429 {
			break
		}
	}
	journal := c.aws.Journal()[before:]
	if r.status != 201 || journal[0].Method != "GET" {
		t.Errorf("got %d, first %s %s, want a read to probe and then the write", r.status, journal[0].Method, journal[0].Target)
	}
}

// Reads that fail are repeated, writes are not.
func TestOnlyReadsAreRepeated(t *testing.T) {
	c := play(t, stage{})
	id := c.user("grace@example.test", "")
	c.aws.Inject(standin.Fault{Act: standin.HangUp, Times: 2})
	c.through(200, "GET", "/Users/"+id, "")
	c.aws.Inject(standin.Fault{Act: standin.Refuse, Status: 503})
	c.through(429, "PATCH", "/Users/"+id, `{`+patchOp+`,"Operations":[{"op":"replace","path":"title","value":"x"}]}`)
	writes := 0
	for _, e := range c.aws.Journal() {
		if e.Method == "PATCH" {
			writes++
		}
	}
	if writes != 1 {
		t.Errorf("got %d writes, want one", writes)
	}
}

func TestOverrideIsTimedAndAudited(t *testing.T) {
	c := play(t, stage{})
	broken := `{"userName":"nobody@example.test"}`
	c.through(400, "POST", "/Users", broken)
	f := func(method, path string, want int, in string) {
		t.Helper()
		if status, body := c.adminAsks(method, path); status != want || !strings.Contains(body, in) {
			t.Errorf("got %d %s for %s, want %d and %q", status, body, path, want, in)
		}
	}
	f("POST", "/override?what=observe&for=48h", 400, "24h")
	f("POST", "/override?what=everything&for=1h", 400, "observe")
	f("POST", "/override?what=observe&for=1m", 200, "observe")
	if r := c.through(400, "POST", "/Users", broken); r.detail() != unparsable {
		t.Errorf("got %q, want AWS's own answer", r.detail())
	}
	f("POST", "/override?what=end", 200, `"what": ""`)
	if r := c.through(400, "POST", "/Users", broken); !strings.Contains(r.detail(), "SG302") {
		t.Errorf("got %q, want the rules in force again", r.detail())
	}
	told := 0
	for _, r := range c.records() {
		if r["event"] == "config" {
			told++
		}
	}
	if told != 2 {
		t.Errorf("got %d records of overrides, want 2", told)
	}
}

func TestAuditVerifyCommand(t *testing.T) {
	c := play(t, stage{})
	c.through(201, "POST", "/Users", `{`+soundUser+`}`)
	if err := c.stop(); err != nil {
		t.Fatal(err)
	}
	f := func(want int, in string, args ...string) (out string) {
		t.Helper()
		var text, errs strings.Builder
		if code := run(append([]string{"audit", "verify"}, args...), strings.NewReader(""), &text, &errs); code != want || !strings.Contains(text.String()+errs.String(), in) {
			t.Errorf("got %d %s%s for %v, want %d and %q", code, text.String(), errs.String(), args, want, in)
		}
		return text.String()
	}
	_, mark, _ := strings.Cut(strings.TrimSpace(f(exitClean, "are sound", c.audit)), "checkpoint ")
	f(exitClean, "are sound", c.audit, "--against", mark)
	f(exitUsage, "SEQ:HASH", c.audit, "--against", "7")
	var told map[string]any
	for line := range strings.Lines(c.log.String()) {
		if strings.Contains(line, "checkpoint of the audit log") && json.Unmarshal([]byte(line), &told) != nil {
			t.Errorf("got %s, want JSON", line)
		}
	}
	signed := fmt.Sprintf("%.0f:%s:%s:%s", told["seq"], told["hash"], told["key"], told["sig"])
	if !strings.HasPrefix(signed, mark+":") {
		t.Errorf("got %s in the log, want the checkpoint %s", signed, mark)
	}
	f(exitClean, "0 checkpoints are signed", c.audit, "--against", signed, "--public-key", c.audit+".pub")
	f(exitAudit, "none of the keys", c.audit, "--against", mark, "--public-key", c.audit+".pub")
	f(exitUsage, "--public-key", c.audit, "--public-key", c.audit)
	text := readFile(t, c.audit)
	if err := os.WriteFile(c.audit, []byte(strings.Replace(text, `"reply":201`, `"reply":200`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	f(exitAudit, "record", c.audit)
	lines := strings.SplitAfter(text, "\n")
	if err := os.WriteFile(c.audit, []byte(strings.Join(lines[:len(lines)-2], "")), 0o600); err != nil {
		t.Fatal(err)
	}
	f(exitClean, "are sound", c.audit) // a clean cut of the tail shows only from outside
	f(exitAudit, "record", c.audit, "--against", mark)
}

// The configuration is read again whole or not at all, at SIGHUP and when the file
// has changed.
func TestConfigurationIsReloaded(t *testing.T) {
	dir := t.TempDir()
	binary := filepath.Join(dir, "scimgate")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	c := play(t, stage{})
	file, log := filepath.Join(dir, "scimgate.yaml"), filepath.Join(dir, "audit.jsonl")
	write := func(more string) {
		text := "upstream: {url: " + c.direct + "}\naudit: {file: " + log + "}\nlisten: {address: 127.0.0.1:0}\nadmin: {address: \"off\"}\n" + more
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("")
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	var out watched
	out.news = make(chan string, 100)
	gateway := exec.CommandContext(ctx, binary, "serve", "--config", file)
	gateway.Stderr = &out
	if err := gateway.Start(); err != nil {
		t.Fatal(err)
	}
	serving := out.wait(t, `"message":"serving"`)
	_, address, _ := strings.Cut(serving, `"listen":"`)
	address, _, _ = strings.Cut(address, `"`)
	c.gateway = "http://" + address + "/scim/v2"
	body := `{"userName":"grace@example.test",` + soundNames + `}` // without displayName
	c.through(201, "POST", "/Users", body)
	write("rules: {SG304: reject}\n")
	if err := gateway.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	out.wait(t, "the configuration is reloaded")
	other := strings.Replace(body, "grace", "ada", 1)
	c.through(400, "POST", "/Users", other)
	write("rules: {SG304: rejct}\n")
	if err := gateway.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	out.wait(t, "not reloaded")
	c.through(400, "POST", "/Users", other)
	write("pace: {max_waiting: 7}\n")
	if err := gateway.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if line := out.wait(t, "not reloaded"); !strings.Contains(line, "pace changed") {
		t.Errorf("got %s, want it said that a restart is needed", line)
	}
	c.through(400, "POST", "/Users", other)
	write("rules: {SG304: repair}\n") // without a signal: the file is watched
	out.wait(t, "the configuration is reloaded")
	c.through(201, "POST", "/Users", other)
	http.DefaultClient.CloseIdleConnections()
	if err := gateway.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := gateway.Wait(); err != nil {
		t.Errorf("the gateway ended with %v", err)
	}
	text := readFile(t, log)
	if n := strings.Count(text, `"event":"config"`); n != 4 {
		t.Errorf("got %d records of configurations, want 4", n)
	}
	if _, err := audit.Verify(strings.NewReader(text)); err != nil {
		t.Error(err)
	}
}

// watched hands on what a process writes, line by line.
type watched struct{ news chan string }

func (w *watched) Write(text []byte) (int, error) {
	for line := range strings.Lines(string(text)) {
		w.news <- line
	}
	return len(text), nil
}

func (w *watched) wait(t *testing.T, text string) string {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		select {
		case line := <-w.news:
			if strings.Contains(line, text) {
				return line
			}
		case <-deadline:
			t.Fatalf("%q is never told", text)
		}
	}
}
