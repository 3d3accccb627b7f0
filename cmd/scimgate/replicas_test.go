package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/scimgate/scimgate/proxy/audit"
)

// redisFor is a Redis of this test's own.
func redisFor(t *testing.T) (address string) {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("Redis is not installed (apt-get install redis-server)")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = l.Addr().String()
	l.Close()
	_, port, _ := net.SplitHostPort(address)
	cmd := exec.Command("redis-server", "--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no", "--dir", t.TempDir())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
	})
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			return address
		}
	}
	t.Fatal("Redis does not answer")
	return ""
}

// readiness is what the admin listener says of one, "" if it isn't there.
func readiness(g *instance) string {
	req, err := http.NewRequest("GET", g.admin+"/readyz?verbose", nil)
	if err != nil {
		g.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+readyToken)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return ""
	}
	return string(text)
}

// Behind HAProxy, of two gateways with a lease the one that has it gets the requests, though
// neither is a backup; clients get SCIM from first to last while it is handed over, and
// while it is lost.
func TestOneOfTwoWritesBehindABalancer(t *testing.T) {
	redis := redisFor(t)
	aws, gateways := instances(t, 2, "--listen-drain-delay", "3s", "--tls-terminated-in-front", "--listen-trusted-proxies", "127.0.0.1",
		"--replicas-redis", "redis://"+redis, "--replicas-lease", "2s")
	for i, g := range gateways { // each with a name of its own
		g.args = append(g.args, "--replicas-name", fmt.Sprint("gateway-", i))
		g.drain()
		g.again()
	}
	dial := balance(t, gateways, [2]string{" port 8081 backup", " port 8081"})
	writing := func() (one, other *instance) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
			for i, g := range gateways {
				if strings.Contains(readiness(g), "replicas: writing") {
					return g, gateways[1-i]
				}
			}
		}
		t.Fatal("none of them writes")
		return nil, nil
	}
	first, second := writing()
	c := gather(t, 4, dial)
	c.goOn()
	if n := strings.Count(second.output(), `"status":20`); n > 0 {
		t.Errorf("the one that stands by has carried out %d requests", n)
	}

	c.during(phase{name: "1 handed over"})
	first.drain()
	if now, _ := writing(); now != second {
		t.Error("the other has not taken over")
	}
	c.goOn()
	first.again()
	c.goOn()

	c.during(phase{name: "2 lost"})
	second.kill()
	if now, _ := writing(); now != first {
		t.Error("the first has not taken over again")
	}
	c.goOn()
	second.again()
	c.during(phase{name: "3 end"})
	c.goOn()
	c.report(aws)
	for _, g := range gateways {
		if _, err := audit.VerifyFile(g.log, nil); err != nil {
			t.Error(err)
		}
	}
}
