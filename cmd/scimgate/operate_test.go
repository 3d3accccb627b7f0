package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/scimgate/scimgate/bench/standin"
	"github.com/scimgate/scimgate/proxy/audit"
	"github.com/scimgate/scimgate/rules"
	"github.com/scimgate/scimgate/rules/aws"
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

// What can't be sent at all tells nothing of the upstream, and doesn't open its circuit
// for others.
func TestNobodyOpensTheCircuitFromOutside(t *testing.T) {
	c := play(t, stage{observe: true, rules: aws.Settings{Settings: rules.Settings{Policy: rules.ObservePolicy}}})
	for range 3 {
		for _, method := range []string{"HEAD", "OPTIONS", "get", "QUERY"} {
			if r := c.send(c.gateway, method, "/Users", ""); r.status != 405 {
				t.Errorf("got %d for %s, want 405", r.status, method)
			}
		}
		if r := c.send(c.gateway, "GET", "/Widgets", "{}"); r.status != 404 {
			t.Errorf("got %d for a GET with a body, want it refused here", r.status)
		}
	}
	if n := len(c.aws.Journal()); n > 0 {
		t.Errorf("got %d calls, want none", n)
	}
	c.through(201, "POST", "/Users", `{`+soundUser+`}`)
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
	f("POST", "/override?what=pass&for=1m", 200, "pass")
	if r := c.through(400, "POST", "/Users", broken); r.detail() != unparsable {
		t.Errorf("got %q, want AWS's own answer", r.detail())
	}
	f("GET", "/override", 200, "pass")
	f("POST", "/override?what=end", 200, `"what": ""`)
	if r := c.through(400, "POST", "/Users", broken); !strings.Contains(r.detail(), "SG302") {
		t.Errorf("got %q, want the rules in force again", r.detail())
	}
	told, judged := 0, map[bool]int{}
	for _, r := range c.records() {
		if r["event"] == "config" {
			told++
		}
		if r["kind"] == "intent" {
			judged[strings.Contains(fmt.Sprint(r["findings"]), "SG302")]++
		}
	}
	if told != 3 || judged[true] != 1 || judged[false] != 1 {
		t.Errorf("got %d records of overrides and %v calls that were judged, want 3, and one under observe alone", told, judged)
	}
}

func TestAuditVerifyCommand(t *testing.T) {
	c := play(t, stage{})
	c.through(201, "POST", "/Users", `{`+soundUser+`}`)
	young := c.audit + "-young" // nothing in it is signed yet
	if err := os.WriteFile(young, []byte(readFile(t, c.audit)), 0o600); err != nil {
		t.Fatal(err)
	}
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
	f(exitUsage, "--against is empty", c.audit, "--against", "") // as $(tail -1 FILE) is without the file
	f(exitUsage, "--against is empty", c.audit, "--against=", "--public-key", c.audit+".pub")
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
	f(exitClean, "1 checkpoints are signed", c.audit, "--against", signed, "--public-key", c.audit+".pub")
	f(exitAudit, "none of the keys", c.audit, "--against", mark, "--public-key", c.audit+".pub")
	f(exitAudit, "hint: wait for audit.checkpoint_every", young, "--public-key", c.audit+".pub")
	f(exitUsage, "--public-key", c.audit, "--public-key", c.audit)
	text := readFile(t, c.audit)
	if err := os.WriteFile(c.audit, []byte(strings.Replace(text, `"reply":201`, `"reply":200`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	f(exitAudit, "hint: keep the file as it is", c.audit)
	f(exitAudit, "hint: keep the file as it is", c.audit, "--public-key", c.audit+".pub")
	lines := strings.SplitAfter(text, "\n")
	if err := os.WriteFile(c.audit, []byte(strings.Join(lines[:len(lines)-2], "")), 0o600); err != nil {
		t.Fatal(err)
	}
	f(exitClean, "are sound", c.audit) // a clean cut of the tail shows only from outside
	f(exitAudit, "record", c.audit, "--against", mark)
}

// The configuration is read again whole or not at all, at SIGHUP and when the file
// has changed, also where the file is a link that is turned to another, as Kubernetes
// does. Budgets, lanes and what is remembered live on.
func TestConfigurationIsReloaded(t *testing.T) {
	aws, url := served(t)
	dir := t.TempDir()
	file, log := filepath.Join(dir, "scimgate.yaml"), filepath.Join(dir, "audit.jsonl")
	version := 0
	write := func(more string) {
		version++
		text := "upstream: {url: " + url + "}\naudit: {file: " + log + "}\nlisten: {address: 127.0.0.1:0}\nadmin: {address: \"127.0.0.1:0\"}\n" + more
		data, next := filepath.Join(dir, fmt.Sprint("data", version)), filepath.Join(dir, "next")
		if err := errors.Join(os.WriteFile(data, []byte(text), 0o600), os.Symlink(data, next), os.Rename(next, file)); err != nil {
			t.Fatal(err)
		}
	}
	write("")
	p := start(t, nil, "--config", file)
	c := p.scene(aws)
	hangUp := func(says string) string {
		p.signal(syscall.SIGHUP)
		return p.wait(says)
	}
	body := `{"userName":"grace@example.test",` + soundNames + `}` // without displayName
	c.through(201, "POST", "/Users", body)
	write("rules: {SG304: reject}\n")
	hangUp("the configuration is reloaded")
	other := strings.Replace(body, "grace", "ada", 1)
	c.through(400, "POST", "/Users", other)
	write("rules: {SG304: rejct}\n")
	hangUp("not reloaded")
	c.through(400, "POST", "/Users", other)
	write("pace: {max_waiting: 7}\n")
	if line := hangUp("not reloaded"); !strings.Contains(line, "pace changed") {
		t.Errorf("got %s, want it said that a restart is needed", line)
	}
	c.through(400, "POST", "/Users", other)
	aws.Inject(standin.Fault{Act: standin.Refuse, Status: 503, Times: 6})
	for range 2 { // three tries each: the circuit opens
		c.through(429, "GET", "/Users?count=1", "")
	}
	write("rules: {SG304: repair}\n") // without a signal: the file is watched
	p.wait("the configuration is reloaded")
	if _, ready := c.adminAsks("GET", "/readyz?verbose"); !strings.Contains(ready, "upstream: down") {
		t.Errorf("got %q, want the circuit as it was before the reload", ready)
	}
	c.eventually(201, "POST", "/Users", other)
	http.DefaultClient.CloseIdleConnections()
	p.signal(syscall.SIGTERM)
	if code := p.exit(); code != exitClean {
		t.Errorf("the gateway ended with %d", code)
	}
	configs := map[string]bool{}
	for line := range strings.Lines(readFile(t, log)) {
		var rec struct{ Config string }
		if err := json.Unmarshal([]byte(line), &rec); err != nil {
			t.Fatal(err)
		}
		configs[rec.Config] = true
	}
	if text := readFile(t, log); strings.Count(text, `"event":"config"`) != 4 || len(configs) != 3 {
		t.Errorf("got %d records of configurations and %v in force, want 4 and 3", strings.Count(text, `"event":"config"`), configs)
	}
	if _, err := audit.VerifyFile(log, nil); err != nil {
		t.Error(err)
	}
}

// At SIGUSR1 the log goes on in another file, for one that was moved away.
func TestAuditLogIsReopened(t *testing.T) {
	aws, url := served(t)
	log := filepath.Join(t.TempDir(), "audit.jsonl")
	p := start(t, nil, "--upstream", url, "--listen", "127.0.0.1:0", "--admin", "off", "--audit", log)
	c := p.scene(aws)
	c.through(201, "POST", "/Users", `{`+soundUser+`}`)
	if err := os.Rename(log, log+".000000000001"); err != nil {
		t.Fatal(err)
	}
	p.signal(syscall.SIGUSR1)
	p.wait("the audit log is reopened")
	c.through(201, "POST", "/Users", `{`+strings.Replace(soundUser, "grace", "ada", 1)+`}`)
	http.DefaultClient.CloseIdleConnections()
	p.signal(syscall.SIGTERM)
	if code := p.exit(); code != exitClean {
		t.Errorf("the gateway ended with %d", code)
	}
	if s, err := audit.VerifyFile(log, nil); err != nil || s.First != 1 || !strings.Contains(readFile(t, log), `"event":"reopened"`) {
		t.Errorf("got %+v %v, want one chain over both files", s, err)
	}
}

// A configuration that can't be recorded is not in force, and is loaded when it can.
func TestAConfigurationIsLoadedWhenItCanBeRecorded(t *testing.T) {
	aws, url := served(t)
	dir := t.TempDir()
	file, log := filepath.Join(dir, "scimgate.yaml"), filepath.Join(dir, "audit.jsonl")
	write := func(more string) {
		text := "upstream: {url: " + url + "}\naudit: {file: " + log + "}\nlisten: {address: 127.0.0.1:0}\nadmin: {address: \"127.0.0.1:0\"}\n" + more
		if err := errors.Join(os.WriteFile(file+".next", []byte(text), 0o600), os.Rename(file+".next", file)); err != nil {
			t.Fatal(err)
		}
	}
	write("")
	p := start(t, nil, "--config", file)
	c := p.scene(aws)
	c.through(201, "POST", "/Users", `{"userName":"grace@example.test",`+soundNames+`}`) // without displayName
	if err := errors.Join(os.Rename(log, log+".000000000001"), os.WriteFile(log, []byte("another's\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	write("rules: {SG304: reject}\n")
	p.wait("cannot record the new configuration")
	if err := os.Remove(log); err != nil {
		t.Fatal(err)
	}
	p.wait("the configuration is reloaded")
	c.eventually(400, "POST", "/Users", `{"userName":"ada@example.test",`+soundNames+`}`)
	http.DefaultClient.CloseIdleConnections()
	p.signal(syscall.SIGTERM)
	if code := p.exit(); code != exitClean {
		t.Errorf("the gateway ended with %d", code)
	}
	if _, err := audit.VerifyFile(log, nil); err != nil {
		t.Error(err)
	}
}

// A second SIGTERM ends at once: a deactivation under way is on the list afterwards.
func TestASecondSignalForgetsNoDeactivation(t *testing.T) {
	log := filepath.Join(t.TempDir(), "audit.jsonl")
	p, c := onLog(t, nil, log)
	id := c.user("grace@example.test", "")
	hold, ended := make(chan struct{}), make(chan struct{})
	c.aws.Inject(standin.Fault{Operation: standin.PatchUser, Act: standin.HangUp, Hold: hold})
	go func() {
		defer close(ended)
		req, err := http.NewRequest("PATCH", c.gateway+"/Users/"+id, strings.NewReader(deactivation))
		if err != nil {
			t.Error(err)
			return
		}
		req.Header.Set("Authorization", "Bearer "+c.token)
		if resp, err := http.DefaultClient.Do(req); err == nil { // its connection is lost, if it is not told to come again
			resp.Body.Close()
		}
	}()
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(readFile(t, log), `"kind":"intent"`); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the deactivation never begins")
		}
	}
	p.signal(syscall.SIGTERM)
	p.wait("draining")
	p.signal(syscall.SIGTERM)
	if code := p.exit(); code == exitClean {
		t.Error("a hurried end is told as clean")
	}
	close(hold)
	<-ended
	http.DefaultClient.CloseIdleConnections()
	_, next := onLog(t, nil, log)
	next.wantOnList(id)
}
