package main

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/scimgate/scimgate/bench/standin"
	"github.com/scimgate/scimgate/proxy"
	"github.com/scimgate/scimgate/proxy/audit"
	"github.com/scimgate/scimgate/rules"
	"github.com/scimgate/scimgate/rules/aws"
)

// Every write that AWS saw has an intent before and an outcome after it, and every
// answer a record; the chain holds.
func TestAuditTellsOfEveryWrite(t *testing.T) {
	c := play(t, stage{})
	ids := c.people(130)
	id := c.through(201, "POST", "/Users", `{`+soundUser+`}`).text("id")
	c.through(200, "PATCH", "/Users/"+id, `{`+patchOp+`,"Operations":[{"op":"replace","value":{"active":false}}]}`)
	group := c.through(201, "POST", "/Groups", `{"displayName":"Engineers"}`).text("id")
	c.through(200, "PUT", "/Groups/"+group, `{"displayName":"Engineers","members":`+membersOf(ids)+`}`)
	c.through(400, "POST", "/Users", `{"userName":"nobody"}`)
	c.through(409, "POST", "/Users", `{`+soundUser+`}`)
	var writes []standin.Entry
	for _, e := range c.aws.Journal() {
		if e.Method != "GET" {
			writes = append(writes, e)
		}
	}
	records := c.records()
	summary, err := audit.Verify(strings.NewReader(readFile(t, c.audit)))
	if err != nil || summary.Records != uint64(len(records)) {
		t.Errorf("got %+v %v, want a sound chain of %d", summary, err, len(records))
	}
	kinds, added, open := map[string]int{}, 0, map[string]string{}
	n := 0
	for _, r := range records {
		kind := fmt.Sprint(r["kind"])
		kinds[kind]++
		call := fmt.Sprint(r["exchange"], r["call"])
		switch kind {
		case "intent":
			if w := writes[n]; r["method"] != w.Method || !strings.HasSuffix(w.Target, fmt.Sprint(r["path"])) || r["sent"] == "" {
				t.Errorf("intent %d is %v, want %s %s", n, r, w.Method, w.Target)
			}
			n++
			open[call] = fmt.Sprint(r["path"])
			list, _ := r["added"].([]any)
			added += len(list)
		case "outcome":
			if open[call] != fmt.Sprint(r["path"]) || r["awsRequestId"] == "" {
				t.Errorf("outcome %v has no intent", r)
			}
			delete(open, call)
		}
	}
	if n != len(writes) || kinds["outcome"] != n || len(open) > 0 || added != 130 {
		t.Errorf("got %v with %d members added, want %d intents and outcomes, and 130", kinds, added, len(writes))
	}
	if kinds["answer"] != 5 || kinds["refusal"] != 1 {
		t.Errorf("got %v, want 5 answers and 1 refusal", kinds)
	}
}

// A log that can't be written holds writes, and says so; reads go on, and so do writes
// when another file could be begun.
func TestNoAuditNoWrite(t *testing.T) {
	c := play(t, stage{})
	id := c.user("grace@example.test", "")
	if err := os.Remove(c.audit); err != nil {
		t.Fatal(err)
	}
	r := c.through(429, "POST", "/Users", `{`+strings.Replace(soundUser, "grace", "other", 1)+`}`)
	if !strings.Contains(r.detail(), "audit log") || r.header.Get("Retry-After") == "" {
		t.Errorf("got %q %v, want the audit log named and a time to come back", r.detail(), r.header)
	}
	if n := len(c.aws.Users()); n != 1 {
		t.Errorf("got %d users at AWS, want nothing written", n)
	}
	c.through(200, "GET", "/Users/"+id, "")
	c.eventually(201, "POST", "/Users", `{`+strings.Replace(soundUser, "grace", "other", 1)+`}`)
	if err := c.stop(); err != nil {
		t.Error(err)
	}
	if _, err := audit.VerifyFile(c.audit, nil); err == nil {
		t.Error("a part of the log was taken away, and that is not found")
	}
	if text := readFile(t, c.audit); !strings.HasPrefix(text, `{"v":1,"seq":`) || !strings.Contains(text, `"kind":"gap","event":"fault"`) {
		t.Errorf("got %s, want the gap told", text)
	}
}

// No part of a token is anywhere: not in answers, logs, metrics or the audit log.
func TestTokenIsNowhere(t *testing.T) {
	const token = "T0kenThatMustNeverBeSeen/4711+abc=="
	c := play(t, stage{aws: standin.Options{Token: token}, settings: func(s *proxy.Settings) { s.Log.Level = "debug" }})
	var seen strings.Builder
	for _, r := range []struct{ method, target, authorization, body string }{
		{"GET", "/Users?startIndex=1&count=2", "Bearer " + token, ""},
		{"GET", "/Users?access_token=" + token, "Bearer " + token, ""},
		{"GET", "/nothing?x=" + token, "Bearer " + token, ""},
		{"POST", "/Users", "Bearer Bearer " + token, `{` + soundUser + `}`},
		{"POST", "/Users", token, `{"userName":"x"}`},
		{"GET", "/Users", "Basic " + token, ""},
		{"POST", "/Users", "Bearer " + token + "\x01", `{`},
	} {
		conn, err := net.Dial("tcp", strings.Split(strings.TrimPrefix(c.gateway, "http://"), "/")[0])
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "%s /scim/v2%s HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\nUser-Agent: x\r\nContent-Type: application/scim+json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
			r.method, r.target, r.authorization, len(r.body), r.body)
		text, err := io.ReadAll(conn)
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
		seen.Write(text)
	}
	metrics, err := http.Get(c.admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(metrics.Body)
	if err != nil {
		t.Fatal(err)
	}
	metrics.Body.Close()
	seen.Write(text)
	c.records()
	seen.WriteString(readFile(t, c.audit))
	seen.WriteString(c.log.String())
	all := seen.String()
	if !strings.Contains(all, `"kind":"intent"`) || !strings.Contains(all, "scimgate_requests_total") {
		t.Fatal("the outputs are not all there")
	}
	for i := 0; i+8 <= len(token); i++ {
		part := token[i : i+8]
		for _, form := range []string{part, hex.EncodeToString([]byte(part)), base64.StdEncoding.EncodeToString([]byte(part))[:10], url.QueryEscape(part)} {
			if strings.Contains(all, form) {
				t.Fatalf("%q of the token is in the outputs", form)
			}
		}
	}
}

func TestPoliciesDiffer(t *testing.T) {
	body := `{"userName":"grace",` + soundNames + `,"password":"x"}`
	c := play(t, stage{rules: aws.Settings{Settings: rules.Settings{Policy: rules.StrictPolicy}}})
	if r := c.through(400, "POST", "/Users", body); !strings.Contains(r.detail(), "SG304") {
		t.Errorf("strict: got %q, want SG304", r.detail())
	}
	c.through(201, "POST", "/Users", `{"userName":"grace",`+soundNames+`,"displayName":"G","password":"x"}`)

	c = play(t, stage{observe: true, rules: aws.Settings{Settings: rules.Settings{Policy: rules.ObservePolicy}}})
	if r := c.through(400, "POST", "/Users", body); r.detail() != unparsable {
		t.Errorf("observe: got %q, want AWS's own answer", r.body)
	}
	if e := c.aws.Journal()[0]; e.Body != body {
		t.Errorf("observe: got %q at AWS, want what was sent", e.Body)
	}
	id := c.user("ada", "")
	if r := c.through(201, "PUT", "/Users/"+id, `{"userName":"ada",`+soundNames+`,"displayName":"A"}`); r.text("id") != id {
		t.Errorf("observe: got %s, want AWS's own 201", r.body)
	}
	c.through(404, "GET", "/Users/"+id+"/", "")
	c.through(404, "GET", "/Widgets", "")
	if r := c.through(404, "GET", "/Users/../Groups", ""); !strings.Contains(r.detail(), "SG112") {
		t.Errorf("observe: got %q, want dots refused", r.detail())
	}
}

func TestOutagesBecomeWhatOktaRepeats(t *testing.T) {
	f := func(name string, fault standin.Fault, status int, want string) {
		t.Run(name, func(t *testing.T) {
			c := play(t, stage{})
			fault.Operation, fault.Times = standin.CreateUser, 9
			c.aws.Inject(fault)
			r := c.through(status, "POST", "/Users", `{`+soundUser+`}`)
			if !strings.Contains(r.detail(), want) {
				t.Errorf("got %q, want %q in it", r.detail(), want)
			}
			if after := r.header.Get("Retry-After"); status == 429 && (after == "" || strings.Trim(after, "0123456789") != "") {
				t.Errorf("got Retry-After %q, want whole seconds", after)
			}
			if r.header.Get("Content-Type") != "application/scim+json" || r.text("status") != fmt.Sprint(status) {
				t.Errorf("got %v %s, want a SCIM error", r.header, r.body)
			}
		})
	}
	f("500", standin.Fault{Act: standin.Refuse, Status: 500}, 429, "AWS failed with status 500")
	f("503 in HTML", standin.HTML(503), 429, "AWS failed with status 503")
	f("hang-up before", standin.Fault{Act: standin.HangUp}, 429, "not known")
	f("201 without a body", standin.Fault{Act: standin.Reply, Status: 201}, 429, "not known")
	f("201 in HTML", standin.HTML(201), 429, "not known")
	f("redirection", standin.Fault{Act: standin.Reply, Status: 302, Header: http.Header{"Location": {"https://other.example.test/"}}}, 429, "redirection")
	f("400", standin.Fault{Act: standin.Refuse, Status: 400}, 400, unparsable)
	t.Run("down", func(t *testing.T) {
		c := play(t, stage{})
		c.aws.Close()
		if r := c.through(429, "POST", "/Users", `{`+soundUser+`}`); !strings.Contains(r.detail(), "nothing was sent") || r.header.Get("Retry-After") == "" {
			t.Errorf("got %v %q, want to be told that nothing was sent", r.header, r.detail())
		}
		c.through(429, "GET", "/Users?startIndex=1&count=2", "")
	})
}

func TestThrottlingInAllItsForms(t *testing.T) {
	for _, s := range standin.Switches() {
		if s.Name != "throttle-answer" {
			continue
		}
		for _, form := range s.Values {
			t.Run(form, func(t *testing.T) {
				c := play(t, stage{aws: standin.Options{Switches: standin.Positions{s.Name: form}}})
				c.aws.Inject(standin.Fault{Operation: standin.ListUsers, Act: standin.Refuse, Status: 429, Times: 1})
				c.through(200, "GET", "/Users?startIndex=1&count=2", "")
			})
		}
		return
	}
	t.Error("the stand-in has no switch for the forms of a 429")
}

// Two exchanges on one resource don't interleave; members pushed from many sides
// at once are all there.
func TestConcurrentPushesOfOneGroup(t *testing.T) {
	c := play(t, stage{})
	ids := c.people(40)
	group := c.through(201, "POST", "/Groups", `{"displayName":"Engineers"}`).text("id")
	var all sync.WaitGroup
	for i := range ids {
		all.Go(func() {
			c.through(204, "PATCH", "/Groups/"+group, `{`+patchOp+`,"Operations":[{"op":"Add","path":"members","value":`+membersOf(ids[i:i+1])+`}]}`)
		})
	}
	all.Wait()
	c.wantMembers(group, ids)
}

func TestAdminListener(t *testing.T) {
	c := play(t, stage{})
	get := func(path, host string) (int, string) {
		req, err := http.NewRequest("GET", c.admin+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if host != "" {
			req.Host = host
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	c.through(200, "GET", "/Users?startIndex=1&count=2", "")
	for path, want := range map[string]string{"/healthz": "ok", "/readyz": "ok", "/readyz?verbose": "audit: ok", "/metrics": `scimgate_requests_total{code="200",operation="listUsers",tenant="default"} 1`} {
		if status, body := get(path, ""); status != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: got %d %.200s, want %q", path, status, body, want)
		}
	}
	if status, _ := get("/metrics", "evil.example.test"); status != http.StatusMisdirectedRequest {
		t.Errorf("got %d for another Host, want it refused", status)
	}
}
