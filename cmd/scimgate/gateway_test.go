package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/scimgate/scimgate/bench/standin"
	"github.com/scimgate/scimgate/proxy"
	"github.com/scimgate/scimgate/proxy/audit"
	"github.com/scimgate/scimgate/proxy/pace"
	"github.com/scimgate/scimgate/proxy/translate"
	"github.com/scimgate/scimgate/proxy/upstream"
	"github.com/scimgate/scimgate/rules"
	"github.com/scimgate/scimgate/rules/aws"
)

// scene is a gateway in front of a stand-in for AWS, over real sockets.
type scene struct {
	t       *testing.T
	aws     *standin.Server
	direct  string // Base URL of the stand-in
	gateway string // of the gateway
	admin   string
	audit   string // file
	log     *bytes.Buffer
	token   string // that the client sends
	stop    func() error
}

// stage is what a scene is made of; zero values are ordinary.
type stage struct {
	aws      standin.Options
	rules    aws.Settings
	observe  bool
	settings func(*proxy.Settings)

	plain, adopt, deactivateInstead, listMembers bool
}

func play(t *testing.T, s stage) *scene {
	t.Helper()
	if s.aws.Rates == (standin.Rates{}) {
		s.aws.Rates = standin.Unlimited()
	}
	c := &scene{t: t, aws: standin.New(s.aws), token: standin.DefaultToken, log: new(bytes.Buffer), audit: filepath.Join(t.TempDir(), "audit.jsonl")}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 2)
	go func() { served <- c.aws.Serve(l) }()
	c.direct = c.aws.BaseURL(l.Addr())

	compile := func() (*rules.Set, error) { return aws.New(s.rules) }
	if s.plain {
		compile = func() (*rules.Set, error) { return aws.PlainStore(s.rules.Settings) }
	}
	set, err := compile()
	if err != nil {
		t.Fatal(err)
	}
	settings := proxy.Settings{
		Listen: proxy.Listen{Address: "127.0.0.1:0"}, Admin: proxy.Admin{Address: "127.0.0.1:0"},
		Upstream: upstream.Settings{URL: c.direct}, Audit: audit.Settings{File: c.audit},
		Pace: pace.Settings{Writes: pace.Rate{PerSecond: 1e5, Burst: 1e5}, Reads: pace.Rate{PerSecond: 1e5, Burst: 1e5}, Memberships: pace.Rate{PerSecond: 1e6, Burst: 1e6}},
	}
	if s.settings != nil {
		s.settings(&settings)
	}
	g, err := proxy.New(settings, proxy.Policy{
		Rules: set, Observe: s.observe, Plain: s.plain, Limits: translate.Limits{Members: 100, Page: 100},
		Adopt: s.adopt, DeactivateInstead: s.deactivateInstead, ListMembers: s.listMembers, Discovery: aws.Discovery(s.rules),
	}, c.log)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() { served <- g.Serve(ctx) }()
	address, admin := g.Addresses()
	c.gateway, c.admin = "http://"+address+"/"+standin.DefaultTenant+"/scim/v2", "http://"+admin
	stopped := false
	c.stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		http.DefaultClient.CloseIdleConnections()
		cancel()
		err := <-served
		c.aws.Close()
		if other := <-served; err == nil {
			err = other
		}
		return err
	}
	t.Cleanup(func() {
		if err := c.stop(); err != nil {
			t.Errorf("the gateway did not stop cleanly: %v", err)
		}
	})
	return c
}

// reply is what a client got.
type reply struct {
	status int
	header http.Header
	body   string
}

func (r reply) detail() string { return r.text("detail") }

func (r reply) text(member string) string {
	var doc map[string]any
	if json.Unmarshal([]byte(r.body), &doc) != nil {
		return ""
	}
	text, _ := doc[member].(string)
	return text
}

// send is one request of a client, as Okta makes it.
func (c *scene) send(base, method, target, body string) reply {
	c.t.Helper()
	return c.sendWith(base, method, target, body, nil)
}

// sendWith is one with headers of its own beside.
func (c *scene) sendWith(base, method, target, body string, header http.Header) reply {
	c.t.Helper()
	req, err := http.NewRequest(method, base+target, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("User-Agent", "Okta SCIM Client 1.0.0")
	req.Header.Set("Accept", "application/scim+json")
	if body != "" {
		req.Header.Set("Content-Type", "application/scim+json; charset=utf-8")
	}
	for name := range header {
		req.Header.Set(name, header.Get(name))
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, string(text)}
}

const unparsable = "Request is unparsable, syntactically incorrect, or violates schema."

// refusedByAWS fails unless the stand-in alone answers the request with its usual
// sentence.
func (c *scene) refusedByAWS(method, target, body string) {
	c.t.Helper()
	if r := c.send(c.direct, method, target, body); r.status != 400 || r.detail() != unparsable {
		c.t.Errorf("the stand-in alone answers %d %q to %s %s %s, want 400 %q", r.status, r.body, method, target, body, unparsable)
	}
}

// through fails unless the gateway answers with the status, and returns the reply.
func (c *scene) through(want int, method, target, body string) reply {
	c.t.Helper()
	r := c.send(c.gateway, method, target, body)
	if r.status != want {
		c.t.Errorf("got %d %s for %s %s %s, want %d", r.status, r.body, method, target, body, want)
	}
	return r
}

// eventually repeats a request, as Okta does, until it is answered with the status.
func (c *scene) eventually(want int, method, target, body string) (r reply) {
	c.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if r = c.send(c.gateway, method, target, body); r.status == want {
			return r
		}
	}
	c.t.Fatalf("got %d %s for %s %s in the end, want %d", r.status, r.body, method, target, want)
	return r
}

// user makes a user at AWS past all rules, and returns the id.
func (c *scene) user(name, more string) string {
	c.t.Helper()
	id, err := c.aws.AddUser(fmt.Sprintf(`{"userName":%q,"name":{"givenName":"Ada","familyName":"Byron"},"displayName":"Ada Byron","active":true%s}`, name, more))
	if err != nil {
		c.t.Fatal(err)
	}
	return id
}

// at is an attribute of a user at AWS.
func (c *scene) at(id, attribute string) any {
	c.t.Helper()
	u, ok := c.aws.User(id)
	if !ok {
		c.t.Fatalf("AWS has no user %s", id)
	}
	return u.Document[attribute]
}

// records are the lines of the audit log, once it is closed.
func (c *scene) records() []map[string]any {
	c.t.Helper()
	if err := c.stop(); err != nil {
		c.t.Fatal(err)
	}
	var list []map[string]any
	for line := range strings.Lines(readFile(c.t, c.audit)) {
		var rec map[string]any
		if err := json.Unmarshal([]byte(line), &rec); err != nil {
			c.t.Fatal(err)
		}
		list = append(list, rec)
	}
	return list
}
