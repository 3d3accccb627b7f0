package main

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/scimgate/scimgate/bench/standin"
	"github.com/scimgate/scimgate/proxy/audit"
)

// instance is a gateway that is started again at its addresses, with its files.
type instance struct {
	*program
	args        []string
	config, log string // files
	before      []*program
}

func (g *instance) again() {
	g.before = append(g.before, g.program)
	g.program = start(g.t, nil, append(g.args, "--listen", hostOf(g.gateway), "--admin", hostOf(g.admin))...)
}

// kill ends it without a word to anybody.
func (g *instance) kill() {
	g.signal(syscall.SIGKILL)
	g.exit()
}

// drain ends it as an operator does.
func (g *instance) drain() {
	g.signal(syscall.SIGTERM)
	if code := g.exit(); code != exitClean {
		g.t.Errorf("the gateway ended with %d:\n%s", code, g.output())
	}
}

// configure replaces the configuration at once.
func (g *instance) configure(text string) {
	g.t.Helper()
	if err := errors.Join(os.WriteFile(g.config+".new", []byte(text), 0o600), os.Rename(g.config+".new", g.config)); err != nil {
		g.t.Fatal(err)
	}
}

const (
	readyToken = "the-token-of-the-admin-listeners"
	adopting   = "adopt: matching\n"
	serving    = `"message":"exchange"`
)

// hostOf is the host:port of a URL.
func hostOf(url string) string { return strings.Split(strings.TrimPrefix(url, "http://"), "/")[0] }

// instances are gateways in front of one stand-in, which take more than AWS would, so
// that there is always much under way.
func instances(t *testing.T, n int, flags ...string) (*standin.Server, []*instance) {
	t.Helper()
	aws, url := served(t)
	list := make([]*instance, n)
	for i := range list {
		dir := t.TempDir()
		g := &instance{program: &program{t: t}, config: filepath.Join(dir, "scimgate.yaml"), log: filepath.Join(dir, "audit.jsonl")}
		token := filepath.Join(dir, "admin-token")
		g.configure(adopting)
		if err := os.WriteFile(token, []byte(readyToken), 0o600); err != nil {
			t.Fatal(err)
		}
		g.args = append([]string{"--config", g.config, "--upstream", url, "--audit", g.log, "--admin-token-file", token, "--pace-settle", "1s",
			"--pace-writes-per-second", "1000", "--pace-writes-burst", "1000", "--pace-reads-per-second", "1000", "--pace-reads-burst", "1000"}, flags...)
		g.program = start(t, nil, append(g.args, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")...)
		list[i] = g
	}
	return aws, list
}

// balance runs HAProxy with the file of configs/deploy, in which nothing is changed but
// addresses and places, and what is named. It returns how to connect.
func balance(t *testing.T, gateways []*instance, more ...[2]string) (dial func() (net.Conn, error)) {
	t.Helper()
	haproxy, err := exec.LookPath("haproxy")
	if err != nil {
		t.Skip("HAProxy is not installed (apt-get install haproxy)")
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(deploy)); err != nil {
		t.Fatal(err)
	}
	certFile, keyFile, _ := certificate(t, t.TempDir(), "scimgate", time.Now())
	if err := os.WriteFile(filepath.Join(dir, "scimgate.pem"), []byte(readFile(t, certFile)+readFile(t, keyFile)), 0o600); err != nil {
		t.Fatal(err)
	}
	changes := append(slices.Clone(more), [2]string{" bind :443 ", " bind fd@3 "}, [2]string{" log /dev/log ", " log stdout format raw "})
	for i, name := range []string{" 10.0.0.11:8080 port 8081", " 10.0.0.12:8080 port 8081"} {
		_, port, err := net.SplitHostPort(hostOf(gateways[i].admin))
		if err != nil {
			t.Fatal(err)
		}
		changes = append(changes, [2]string{name, " " + hostOf(gateways[i].gateway) + " port " + port})
	}
	if os.Geteuid() != 0 { // who is no other user can't become one
		changes = append(changes, [2]string{" user haproxy", ""}, [2]string{" group haproxy", ""})
	}
	text := readFile(t, filepath.Join(deploy, "haproxy.cfg"))
	for _, change := range changes {
		if strings.Count(text, change[0]) != 1 {
			t.Fatalf("haproxy.cfg has not one %q", change[0])
		}
		text = strings.Replace(text, change[0], change[1], 1)
	}
	if err := os.WriteFile(filepath.Join(dir, "haproxy.cfg"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	file, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	cmd := exec.Command(haproxy, "-db", "-f", filepath.Join(dir, "haproxy.cfg"))
	cmd.ExtraFiles, cmd.Stdout, cmd.Stderr = []*os.File{file}, &said, &said
	cmd.Env = append(os.Environ(), "READYZ_TOKEN="+readyToken)
	if err := errors.Join(cmd.Start(), file.Close(), l.Close()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
		if t.Failed() {
			for line := range strings.Lines(said.String()) {
				if !strings.Contains(line, " ---- ") { // all was well
					t.Log("HAProxy: ", line)
				}
			}
		}
	})
	return func() (net.Conn, error) {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			return nil, err
		}
		shaken := tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
		return shaken, shaken.Handshake()
	}
}

var deploy = filepath.Join("..", "..", "configs", "deploy")

// Behind HAProxy a client gets SCIM from first to last, and no connection is refused or
// broken: while the active gateway is restarted, killed, told to reload, and robbed of
// its audit log, and while there is none at all.
func TestOktaGetsSCIMThroughABalancer(t *testing.T) {
	aws, gateways := instances(t, 2, "--listen-drain-delay", "5s", "--tls-terminated-in-front", "--listen-trusted-proxies", "127.0.0.1")
	dial := balance(t, gateways)
	c := gather(t, 8, dial)
	active, standby := gateways[0], gateways[1]
	c.goOn()
	if strings.Contains(standby.output(), serving) {
		t.Error("the standby serves while the active gateway is there")
	}

	c.during(phase{name: "1 restart", calm: true})
	active.signal(syscall.SIGTERM)
	standby.wait(serving) // while the other one drains
	if code := active.exit(); code != exitClean {
		t.Errorf("the active gateway ended with %d:\n%s", code, active.output())
	}
	c.goOn()
	active.again()
	active.wait(serving)
	c.goOn()

	c.during(phase{name: "2 killed"})
	onTheirWay(c, aws, active.kill)
	c.goOn()
	active.again()
	active.wait(serving)
	c.goOn()

	c.during(phase{name: "3 reloads", calm: true})
	every := time.NewTicker(100 * time.Millisecond)
	for i := range 30 {
		<-every.C
		active.configure([]string{adopting + "rules: {SG304: warn}\n", adopting + "rules: {SG304: wrn}\n", adopting}[i%3])
		active.signal(syscall.SIGHUP)
	}
	every.Stop()
	active.wait("the configuration is reloaded")
	c.goOn()

	c.during(phase{name: "4 no audit log", calm: true})
	if err := os.Remove(active.log); err != nil {
		t.Fatal(err)
	}
	c.met("429 by the gateway", 1)
	c.met("201 by the gateway", 40) // more than were under way
	if _, err := os.Stat(active.log); err != nil {
		t.Errorf("the active gateway has no audit log again: %v", err)
	}

	c.during(phase{name: "5 both killed"})
	active.kill()
	standby.kill()
	c.met("429 by the balancer", 8)
	standby.again()
	standby.wait(serving)
	active.again()
	active.wait(serving)
	c.during(phase{name: "6 end", calm: true})
	c.goOn()
	c.report(aws)
	if c.tally["1 restart"]["429 by the balancer"] > 0 {
		t.Error("the balancer has answered itself during a restart")
	}
	if _, err := audit.VerifyFile(standby.log, nil); err != nil {
		t.Error(err)
	}
	unsound(t, dial)
}

// onTheirWay kills the gateway under a write and a read that AWS has got and not answered:
// the write is not sent again by itself, and the client is told to come back; the read is.
func onTheirWay(c *crowd, aws *standin.Server, kill func()) {
	c.t.Helper()
	const held, target = "held@example.test", "/Users?filter=userName%20eq%20%22held%40example.test%22"
	create := `{"userName":"` + held + `",` + soundNames + `,"displayName":"Grace"}`
	hold := make(chan struct{})
	defer close(hold)
	ask := func(method, target, body string) (status <-chan int) {
		struck := aws.Inject(standin.Fault{Contains: "held", Act: standin.Pass, When: standin.After, Hold: hold})
		answered := make(chan int, 1)
		go func() {
			k := &caller{crowd: c}
			defer k.hangUp()
			resp, _, err := k.once(method, target, body)
			if err != nil {
				c.blame(c.phase.Load(), "%s %s: %v", method, target, err)
				answered <- 0
				return
			}
			answered <- resp.StatusCode
		}()
		for struck() > 0 {
			time.Sleep(time.Millisecond)
		}
		return answered
	}
	read := ask("GET", target, "")
	written := ask("POST", "/Users", create)
	kill()
	if got := <-read; got != 200 {
		c.t.Errorf("got %d for a read that was under way, want it repeated", got)
	}
	if got := <-written; got != 429 {
		c.t.Errorf("got %d for a write that was under way, want the client told to come back", got)
	}
	sent := 0
	for _, e := range aws.Journal() {
		if e.Method == "POST" && strings.Contains(e.Body, held) {
			sent++
		}
	}
	if sent > 1 {
		c.t.Errorf("a write that was under way was sent %d times", sent)
	}
	k := &caller{crowd: c}
	defer k.hangUp()
	if _, ok := k.call("POST", "/Users", create); !ok { // as Okta does
		c.t.Error("a write that was lost is not carried out when it is repeated")
	}
}

// unsound sends what HAProxy itself refuses: without a word, but never in HTML.
func unsound(t *testing.T, dial func() (net.Conn, error)) {
	t.Helper()
	const get, host = "GET /scim/v2/Users HTTP/1.1\r\n", "Host: x\r\n"
	for _, sent := range []string{
		get + host + "Authorization Bearer x\r\n\r\n",
		get + host + "X: " + strings.Repeat("x", 20_000) + "\r\n\r\n",
		get + host + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
		get + host + "Transfer-Encoding: gzip\r\n\r\n",
		"GET /scim/v2/Users\x01 HTTP/1.1\r\n" + host + "\r\n",
		"nonsense\r\n\r\n",
	} {
		conn, err := dial()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, sent); err != nil {
			t.Fatal(err)
		}
		if text, _ := io.ReadAll(conn); len(text) > 0 { // it may be reset
			t.Errorf("got %.300q for %.60q, want nothing", text, sent)
		}
		conn.Close()
	}
}

// Without a balancer connections are refused while a gateway is restarted, and some may
// end of which it hasn't read anything. Whatever it has read it answers.
func TestRestartAnswersWhatWasRead(t *testing.T) {
	aws, gateways := instances(t, 1, "--listen-drain-delay", "200ms")
	g, host := gateways[0], hostOf(gateways[0].gateway)
	c := gather(t, 8, func() (net.Conn, error) { return net.Dial("tcp", host) })
	for range 5 {
		c.during(phase{name: "running", calm: true})
		c.goOn()
		c.during(phase{name: "restart", cut: true})
		g.drain()
		g.again()
		g.wait(serving)
	}
	c.during(phase{name: "running", calm: true})
	c.goOn()
	c.report(aws)
	g.drain()
	var rec struct{ Kind, Exchange string }
	told := 0
	for line := range strings.Lines(readFile(t, g.log)) {
		if err := json.Unmarshal([]byte(line), &rec); err != nil {
			t.Fatal(err)
		}
		if rec.Kind != "answer" && rec.Kind != "refusal" {
			continue
		}
		if told++; !c.answered[rec.Exchange] {
			t.Errorf("no client got the answer that is recorded: %s", line)
		}
	}
	t.Logf("%d answers are recorded, %d were received", told, len(c.answered))
	if _, err := audit.VerifyFile(g.log, nil); err != nil {
		t.Error(err)
	}
}
