package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scimgate/scimgate/bench/standin"
)

// crowd are clients that behave as Okta: a 429 is repeated after its Retry-After, all
// else is final, and nothing is repeated by itself on a connection that breaks. Each
// has users of its own. Half of them keep their connections.
type crowd struct {
	t     *testing.T
	dial  func() (net.Conn, error)
	phase atomic.Pointer[phase]
	ended atomic.Bool
	all   sync.WaitGroup

	mu       sync.Mutex // guards following
	more     *sync.Cond // signalled at each answer and round
	rounds   []int
	tally    map[string]map[string]int // phase → what came → how often
	wrong    []string
	sure     map[string]string // userName → what it has to be at AWS: its title, and whether it is active
	answered map[string]bool   // exchanges of the gateway
}

// phase is a part of a test: what is in order while it lasts.
type phase struct {
	name string
	calm bool // nothing but 2xx and 429
	cut  bool // connections may be refused, or end without an answer
}

// shrink is how much shorter a second of Retry-After is here.
const shrink = 100

func gather(t *testing.T, n int, dial func() (net.Conn, error)) *crowd {
	c := &crowd{t: t, dial: dial, rounds: make([]int, n), tally: map[string]map[string]int{}, sure: map[string]string{}, answered: map[string]bool{}}
	c.more = sync.NewCond(&c.mu)
	c.during(phase{name: "0 begin", calm: true})
	for i := range n {
		c.all.Go(func() {
			k := &caller{crowd: c, keeps: i%2 == 0}
			defer k.hangUp()
			for n := 0; !c.ended.Load(); n++ {
				k.round(fmt.Sprintf("c%d-%d@example.test", i, n))
				c.mu.Lock()
				c.rounds[i]++
				c.more.Broadcast()
				c.mu.Unlock()
			}
		})
	}
	t.Cleanup(c.end)
	return c
}

func (c *crowd) during(p phase) { c.phase.Store(&p) }

// goOn waits until each client has come three rounds further.
func (c *crowd) goOn() {
	c.t.Helper()
	c.mu.Lock()
	goal := slices.Clone(c.rounds)
	c.mu.Unlock()
	c.await("three rounds more of each", func() bool {
		for i := range goal {
			if c.rounds[i] < goal[i]+3 {
				return false
			}
		}
		return true
	})
}

// met waits until something has come so often in this phase.
func (c *crowd) met(what string, times int) {
	c.t.Helper()
	p := c.phase.Load()
	c.await(what, func() bool { return c.tally[p.name][what] >= times })
}

func (c *crowd) await(what string, come func() bool) {
	c.t.Helper()
	late := false
	timer := time.AfterFunc(60*time.Second, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		late = true
		c.more.Broadcast()
	})
	defer timer.Stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	for !come() {
		if late {
			c.t.Fatalf("%s: %s never come; %v, %q", c.phase.Load().name, what, c.tally, c.wrong[:min(5, len(c.wrong))])
		}
		c.more.Wait()
	}
}

func (c *crowd) end() {
	c.ended.Store(true)
	c.all.Wait()
}

func (c *crowd) note(p *phase, what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tally[p.name] == nil {
		c.tally[p.name] = map[string]int{}
	}
	c.tally[p.name][what]++
	c.more.Broadcast()
}

func (c *crowd) blame(p *phase, format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wrong = append(c.wrong, p.name+": "+fmt.Sprintf(format, args...))
}

func (c *crowd) know(name, state string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sure[name] = state
}

// caller is one client and its connection.
type caller struct {
	*crowd
	keeps bool
	conn  net.Conn // nil if there is none
	in    *bufio.Reader
}

func (k *caller) hangUp() {
	if k.conn != nil {
		k.conn.Close()
		k.conn = nil
	}
}

// round is the life of one user. A step that fails ends it, as it ends a job of Okta's.
func (k *caller) round(name string) {
	created, ok := k.call("POST", "/Users", `{"userName":"`+name+`",`+soundNames+`,"displayName":"Grace","active":true}`)
	id := reply{body: created}.text("id")
	if !ok || id == "" {
		return
	}
	k.know(name, " true")
	for _, s := range []struct{ method, target, body, then string }{
		{"GET", "/Users/" + id, "", ""},
		{"PATCH", "/Users/" + id, `{` + patchOp + `,"Operations":[{"op":"replace","path":"title","value":"Admiral"}]}`, "Admiral true"},
		{"GET", "/Users?filter=" + url.QueryEscape(`userName eq "`+name+`"`) + "&startIndex=1&count=100", "", ""},
		{"PATCH", "/Users/" + id, `{` + patchOp + `,"Operations":[{"op":"replace","value":{"active":false}}]}`, "Admiral false"},
	} {
		if s.then != "" {
			k.know(name, "") // until it is answered
		}
		if _, ok := k.call(s.method, s.target, s.body); !ok {
			return
		}
		if s.then != "" {
			k.know(name, s.then)
		}
	}
}

// call makes a request and repeats it as Okta does.
func (k *caller) call(method, target, body string) (answer string, ok bool) {
	wait := time.Duration(0)
	for attempt := 1; ; attempt++ {
		p, kept := k.phase.Load(), k.conn != nil
		resp, text, err := k.once(method, target, body)
		if p.calm { // what came into disorder on its way belongs to what brought that
			p = k.phase.Load()
		}
		if err != nil {
			k.hangUp()
			what := "broken on a new connection"
			if op := (*net.OpError)(nil); errors.As(err, &op) && op.Op == "dial" {
				what = "refused"
				time.Sleep(time.Second / shrink) // Okta's next job
			} else if kept {
				what = "broken on a kept connection"
			}
			k.note(p, what)
			if !p.cut {
				k.blame(p, "%s %s: %s: %v", method, target, what, err)
			}
			return "", false
		}
		k.judge(p, method+" "+target, resp, text)
		if !k.keeps || resp.Close {
			k.hangUp()
		}
		if resp.StatusCode != 429 || attempt == 10 {
			return text, resp.StatusCode < 300
		}
		if wait *= 2; wait == 0 {
			seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After")) // judge has told
			wait = time.Duration(seconds) * time.Second / shrink
		}
		time.Sleep(wait) // Okta's pause
	}
}

func (k *caller) once(method, target, body string) (*http.Response, string, error) {
	req, err := http.NewRequest(method, "http://scim.example.test/scim/v2"+target, strings.NewReader(body))
	if err != nil {
		return nil, "", err
	}
	req.Header.Set("Authorization", "Bearer "+standin.DefaultToken)
	req.Header.Set("User-Agent", "Okta SCIM Client 1.0.0")
	req.Header.Set("Accept", "application/scim+json")
	if body != "" {
		req.Header.Set("Content-Type", "application/scim+json; charset=utf-8")
	}
	if k.conn == nil {
		conn, err := k.dial()
		if err != nil {
			return nil, "", err
		}
		k.conn, k.in = conn, bufio.NewReader(conn)
	}
	if err := k.conn.SetDeadline(time.Now().Add(60 * time.Second)); err != nil { // Okta's own
		return nil, "", err
	}
	if err := req.Write(k.conn); err != nil {
		return nil, "", err
	}
	resp, err := http.ReadResponse(k.in, req)
	if err != nil {
		return nil, "", err
	}
	text, err := io.ReadAll(resp.Body)
	return resp, string(text), err
}

// judge holds an answer to what a SCIM client understands.
func (k *caller) judge(p *phase, what string, resp *http.Response, text string) {
	from := "gateway"
	if exchange := resp.Header.Get("X-Scimgate-Exchange"); exchange == "" {
		from = "balancer"
	} else {
		k.mu.Lock()
		k.answered[exchange] = true
		k.mu.Unlock()
	}
	k.note(p, fmt.Sprint(resp.StatusCode, " by the ", from))
	if fault := notSCIM(resp, text); fault != "" {
		k.blame(p, "%s: %s", what, fault)
	}
	if p.calm && resp.StatusCode >= 300 && resp.StatusCode != 429 {
		k.blame(p, "%s: got %d %s, want 2xx or 429", what, resp.StatusCode, text)
	}
}

// notSCIM tells what is wrong with an answer that should be a SCIM document.
func notSCIM(resp *http.Response, text string) string {
	var doc struct {
		Schemas        []string
		Status, Detail string
	}
	media, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	switch after := resp.Header.Get("Retry-After"); {
	case media != "application/scim+json" && media != "application/json", json.Unmarshal([]byte(text), &doc) != nil, len(doc.Schemas) == 0:
		return fmt.Sprintf("got %d %q %.200s, want a SCIM document", resp.StatusCode, media, text)
	case resp.StatusCode >= 300 && (doc.Status != strconv.Itoa(resp.StatusCode) || doc.Detail == "" || doc.Schemas[0] != "urn:ietf:params:scim:api:messages:2.0:Error"):
		return fmt.Sprintf("got %d %s, want a SCIM error", resp.StatusCode, text)
	case resp.StatusCode == 429 && (after == "" || strings.Trim(after, "0123456789") != ""):
		return fmt.Sprintf("got 429 with Retry-After %q, want whole seconds", after)
	}
	return ""
}

// report ends the load, prints what came in each phase, and fails for what should not
// have come, or was not true.
func (c *crowd) report(aws *standin.Server) {
	c.t.Helper()
	c.end()
	for _, name := range slices.Sorted(maps.Keys(c.tally)) {
		var parts []string
		for _, what := range slices.Sorted(maps.Keys(c.tally[name])) {
			parts = append(parts, fmt.Sprintf("%d × %s", c.tally[name][what], what))
		}
		c.t.Logf("%-20s %s", name, strings.Join(parts, ", "))
	}
	for _, w := range c.wrong[:min(20, len(c.wrong))] {
		c.t.Error(w)
	}
	for name, want := range c.sure {
		u, there := aws.User(name)
		title, _ := u.Document["title"].(string)
		if got := fmt.Sprint(title, " ", u.Active); want != "" && (!there || got != want) {
			c.t.Errorf("%s: got %q at AWS, there %v, want %q, as a client was told", name, got, there, want)
		}
	}
	c.t.Logf("%d users, %d answers or losses that should not be", len(c.sure), len(c.wrong))
}
