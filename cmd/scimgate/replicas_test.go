package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/scimgate/scimgate/bench/redis"
	"github.com/scimgate/scimgate/proxy/audit"
)

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
	server, err := redis.Start()
	if errors.Is(err, redis.ErrMissing) {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Kill)
	aws, gateways := instances(t, 2, "--listen-drain-delay", "3s", "--tls-terminated-in-front", "--listen-trusted-proxies", "127.0.0.1",
		"--replicas-redis", "redis://"+server.Address, "--replicas-lease", "2s")
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
