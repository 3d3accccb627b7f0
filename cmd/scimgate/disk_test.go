package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
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

// onLog is the program with its log in a folder, and a pace that holds nothing up.
func onLog(t *testing.T, wrap []string, log string, more ...string) (*program, *scene) {
	t.Helper()
	aws, url := served(t)
	p := start(t, wrap, append([]string{
		"--upstream", url, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--audit", log, "--log-level", "info",
		"--pace-writes-per-second", "2000", "--pace-writes-burst", "200", "--pace-reads-per-second", "4000", "--pace-reads-burst", "400",
	}, more...)...)
	c := p.scene(aws)
	c.audit, c.direct = log, url
	return p, c
}

// metric is a sample of the program.
func (c *scene) metric(name string) string {
	c.t.Helper()
	_, body := c.adminAsks("GET", "/metrics")
	for line := range strings.Lines(body) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// sound fails unless the log verifies by the command, and returns how many gaps it tells of.
func sound(t *testing.T, log string) (gaps int) {
	t.Helper()
	var out, errs bytes.Buffer
	if code := run([]string{"audit", "verify", log}, nil, &out, &errs); code != exitClean {
		t.Errorf("got exit code %d of audit verify: %s%s", code, out.String(), errs.String())
	}
	summary, err := audit.VerifyFile(log, nil)
	if err != nil || len(summary.OpenIntents) > 0 {
		t.Errorf("got %+v %v, want a sound log", summary, err)
	}
	return summary.Gaps
}

const (
	leaves  = `{` + patchOp + `,"Operations":[{"op":"replace","value":{"active":false}}]}`
	retitle = `{` + patchOp + `,"Operations":[{"op":"replace","path":"title","value":"x"}]}`
)

// smallDisk is a file system of a megabyte: mounted here if that is permitted, else in a
// space of the program's own by the command that is to be put in front of it.
func smallDisk(t *testing.T) (dir string, wrap []string) {
	dir = t.TempDir()
	err := exec.Command("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", dir).Run()
	if err == nil {
		t.Cleanup(func() {
			if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
				t.Error(err)
			}
		})
		return dir, nil
	}
	mount := `mount -t tmpfs -o size=1m tmpfs "$0" && exec "$@"`
	if out, own := exec.Command("unshare", "-rm", "sh", "-c", mount, dir, "true").CombinedOutput(); own != nil {
		t.Skipf("no file system of a megabyte: mount: %v; unshare -rm: %v %s", err, own, out)
	}
	return dir, []string{"unshare", "-rm", "sh", "-c", mount, dir}
}

// F33, F34: on a full disk nothing is sent but what takes access away, which goes through;
// when there is space again, everything does, without a restart.
func TestFullDisk(t *testing.T) {
	dir, wrap := smallDisk(t)
	log := filepath.Join(dir, "audit.jsonl")
	p, c := onLog(t, wrap, log, "--audit-reserve", "128KiB")
	seen := dir // from here
	if wrap != nil {
		seen = fmt.Sprintf("/proc/%d/root%s", p.cmd.Process.Pid, dir)
	}
	ids := c.people(8)
	group, err := c.aws.AddGroup(`{"displayName":"Engineers"}`, ids[6:]...)
	if err != nil {
		t.Fatal(err)
	}
	ballast, err := os.Create(filepath.Join(seen, "ballast"))
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = ballast.Write(make([]byte, 4<<10))
	}
	if err := errors.Join(ballast.Truncate(700<<10), ballast.Close()); err != nil {
		t.Fatal(err)
	}
	done := 0
	for ; done < 1000; done++ { // until the disk is full
		if c.send(c.gateway, "PATCH", "/Users/"+ids[0], retitle).status != 200 {
			break
		}
	}
	c.leaversOnFullDisk(ids[1:6])
	c.through(204, "PATCH", "/Groups/"+group, memberPatch("remove", ids[6]))
	c.wantMembers(group, ids[7:])
	if sound(t, filepath.Join(seen, "audit.jsonl")) == 0 {
		t.Errorf("got no gap, want the log to tell of the fault")
	}
	if err := os.Remove(filepath.Join(seen, "ballast")); err != nil {
		t.Fatal(err)
	}
	c.eventually(200, "PATCH", "/Users/"+ids[0], retitle)
	if got := c.metric("scimgate_audit_writable"); got != "1" {
		t.Errorf("got audit_writable %s, want 1 when there is space again", got)
	}
	c.through(201, "POST", "/Users", `{`+soundUser+`}`)
	t.Logf("%d writes before the disk was full, %d calls in all", done, len(c.aws.Journal()))
	if wrap != nil {
		sound(t, filepath.Join(seen, "audit.jsonl"))
	}
	p.signal(syscall.SIGTERM)
	if code := p.exit(); code != exitClean {
		t.Errorf("got exit code %d\n%s", code, p.output())
	}
	if wrap == nil {
		sound(t, log)
	}
}

// leaversOnFullDisk deactivates, while everything else is told to come again.
func (c *scene) leaversOnFullDisk(ids []string) {
	c.t.Helper()
	for _, id := range ids {
		before := len(c.aws.Journal())
		for _, ordinary := range [][3]string{{"PATCH", "/Users/" + id, retitle}, {"POST", "/Users", `{` + soundUser + `}`}} {
			if r := c.through(429, ordinary[0], ordinary[1], ordinary[2]); r.header.Get("Retry-After") == "" || !strings.Contains(r.detail(), "nothing was sent") {
				c.t.Errorf("got %v %q, want it told when to come again", r.header, r.detail())
			}
		}
		if n := len(c.aws.Journal()); n != before {
			c.t.Errorf("got %d calls for ordinary writes, want none", n-before)
		}
		c.through(200, "PATCH", "/Users/"+id, leaves)
		if u, _ := c.aws.User(id); u.Active {
			c.t.Errorf("%s is active at AWS", id)
		}
	}
	if got := c.metric("scimgate_audit_writable"); got != "0.5" {
		c.t.Errorf("got audit_writable %s, want 0.5", got)
	}
	if status, body := c.adminAsks("GET", "/readyz?verbose"); status != 200 {
		c.t.Errorf("got %d %s, want it ready all the same", status, body)
	}
}

// F36: a log that loses its name. (That a directory is read-only, or a file of mode 000,
// can't be shown to a process of root, which neither stops.)
func TestLogLosesItsName(t *testing.T) {
	t.Run("removed", func(t *testing.T) {
		log := filepath.Join(t.TempDir(), "audit.jsonl")
		p, c := onLog(t, nil, log)
		id := c.people(1)[0]
		c.through(200, "PATCH", "/Users/"+id, retitle)
		if err := os.Remove(log); err != nil {
			t.Fatal(err)
		}
		before := len(c.aws.Journal())
		c.through(429, "PATCH", "/Users/"+id, retitle)
		if n := len(c.aws.Journal()); n != before {
			t.Errorf("got %d calls, want none without a log", n-before)
		}
		c.eventually(200, "PATCH", "/Users/"+id, retitle)
		p.signal(syscall.SIGTERM)
		p.exit()
		if code := run([]string{"audit", "verify", log}, nil, new(bytes.Buffer), new(bytes.Buffer)); code != exitAudit {
			t.Errorf("got exit code %d of audit verify, want the missing records to be missed", code)
		}
		again, _ := onLog(t, nil, log) // what is there can be taken up
		again.signal(syscall.SIGTERM)
		again.exit()
	})
	t.Run("replaced by a link", func(t *testing.T) {
		dir := t.TempDir()
		log, elsewhere := filepath.Join(dir, "audit.jsonl"), filepath.Join(dir, "elsewhere")
		p, c := onLog(t, nil, log)
		id := c.people(1)[0]
		c.through(200, "PATCH", "/Users/"+id, retitle)
		if err := errors.Join(os.Rename(log, log+".away"), os.WriteFile(elsewhere, nil, 0o600), os.Symlink(elsewhere, log)); err != nil {
			t.Fatal(err)
		}
		before := len(c.aws.Journal())
		for _, body := range []string{retitle, leaves} {
			c.through(429, "PATCH", "/Users/"+id, body)
		}
		if n := len(c.aws.Journal()); n != before {
			t.Errorf("got %d calls, want none without a log", n-before)
		}
		if text := readFile(t, elsewhere); text != "" {
			t.Errorf("got %q written behind the link", text)
		}
		again := launch(t, nil, "--upstream", c.direct, "--listen", "127.0.0.1:0", "--admin", "off", "--audit", log)
		if code := again.exit(); code != exitAudit || !strings.Contains(again.output(), "not a regular file") {
			t.Errorf("got exit code %d, want it not to start with a link for a log:\n%s", code, again.output())
		}
		if err := errors.Join(os.Remove(log), os.Rename(log+".away", log)); err != nil {
			t.Fatal(err)
		}
		c.eventually(200, "PATCH", "/Users/"+id, leaves)
		p.signal(syscall.SIGTERM)
		p.exit()
		sound(t, log)
	})
}

// F44: with few descriptors left the gateway lives, records, and answers again when there
// are more.
func TestFewDescriptors(t *testing.T) {
	log := filepath.Join(t.TempDir(), "audit.jsonl")
	p, c := onLog(t, []string{"sh", "-c", `ulimit -n 64 && exec "$@"`, "sh"}, log)
	ids := c.people(3)
	c.through(200, "PATCH", "/Users/"+ids[0], retitle)
	address := strings.Split(strings.TrimPrefix(c.gateway, "http://"), "/")[0]
	var open []net.Conn
	for range 200 {
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err != nil {
			break // the queue of the system is full as well
		}
		open = append(open, conn)
	}
	refused := 0
	for i, conn := range open {
		_ = conn.SetDeadline(time.Now().Add(500 * time.Millisecond))
		if _, err := fmt.Fprintf(conn, "PATCH /scim/v2/Users/%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s", ids[i%2], standin.DefaultToken, len(retitle), retitle); err != nil {
			refused++
			continue
		}
		var answer [12]byte
		if _, err := conn.Read(answer[:]); err != nil {
			refused++
		} else if text := string(answer[:]); text != "HTTP/1.1 200" && text != "HTTP/1.1 429" {
			t.Errorf("got %q", text)
		}
		if refused > 3 { // the others wait as well
			break
		}
	}
	t.Logf("%d connections, %d without an answer before the test went on", len(open), refused)
	if refused == 0 {
		t.Errorf("all of %d connections were served, want too few descriptors for that", len(open))
	}
	for _, conn := range open {
		conn.Close()
	}
	http.DefaultClient.CloseIdleConnections()
	c.eventually(200, "PATCH", "/Users/"+ids[2], leaves)
	if got := c.metric("scimgate_audit_writable"); got != "1" {
		t.Errorf("got audit_writable %s, want 1", got)
	}
	p.signal(syscall.SIGTERM)
	if code := p.exit(); code != exitClean {
		t.Errorf("got exit code %d\n%s", code, p.output())
	}
	if sound(t, log) != 0 {
		t.Errorf("the log has a gap, want room for it all the time")
	}
}
