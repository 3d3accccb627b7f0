package main

import (
	"bytes"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/scimgate/scimgate/bench/standin"
)

// requests plays the file of requests.
func (v *trial) requests(policy string) {
	for _, k := range bytesCases(v.t, filepath.Join("testdata", "secrets", "requests.txtar"), v.word) {
		if strings.Contains(k.text, "unparsable@") {
			v.aws.Inject(standin.Fault{Operation: standin.CreateUser, Act: standin.Refuse, Status: 400})
		}
		if got := v.raw("answers, "+policy+": "+k.name, k.text); policy == "repair" && !slices.Equal(got, k.verdict) {
			v.t.Errorf("%s: got %v, want %v\n%s", k.name, got, k.verdict, v.seen["answers, "+policy+": "+k.name])
		}
	}
}

// answers lets the upstream echo the token, as the file of answers has it.
func (v *trial) answers() {
	for n, k := range bytesCases(v.t, filepath.Join("testdata", "secrets", "answers.txtar"), v.word) {
		id, err := v.aws.AddUser(fmt.Sprintf(`{"userName":"leaver%d@example.test",%s,"displayName":"Grace","active":true}`, n, soundNames))
		if err != nil {
			v.t.Fatal(err)
		}
		user := fmt.Sprintf(`{"userName":"new%d@example.test",%s,"displayName":"Grace"}`, n, soundNames)
		for i, request := range []struct {
			text  string
			times int // fewer than open the circuit
		}{
			{v.word("GET", 0) + "\r\n", 3}, {v.word("POST", 0) + user, 1},
			{"PATCH /scim/v2/Users/" + id + " HTTP/1.1\r\n" + v.word("auth", 0) + v.word("json", 0) + `{"Operations":[{"op":"replace","value":{"active":false}}]}`, 3},
		} {
			v.parrot.say(measured(k.text), request.times)
			got := v.raw("answers to an echo: "+k.name, request.text)
			if i == 0 && v.token == v.at && !slices.Equal(got, k.verdict) { // else calls of the gateway's own hear some of it
				v.t.Errorf("%s: got %v, want %v", k.name, got, k.verdict)
			}
			if left := v.parrot.say("", 0); left == request.times {
				v.t.Errorf("%s: nothing was echoed", k.name)
			}
			if got := v.raw("answers", v.word("GET", 0)+"\r\n"); !slices.Equal(got, []string{"200"}) {
				v.t.Errorf("%s: got %v for the next request, want 200", k.name, got)
			}
		}
	}
}

// orders asks the admin listener for all it has, with the token in and out of place, and
// the commands for theirs.
func (v *trial) orders() {
	do := func(method, target string, header ...string) {
		req, err := http.NewRequest(method, v.p.admin+target, nil)
		if err != nil {
			v.t.Fatal(err)
		}
		for i := 0; i < len(header); i += 2 {
			req.Header.Add(header[i], header[i+1])
		}
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			v.t.Fatal(err)
		}
		defer resp.Body.Close()
		dump, err := httputil.DumpResponse(resp, true)
		if err != nil {
			v.t.Fatal(err)
		}
		v.see("admin listener: "+method+" "+strings.ReplaceAll(target, url.QueryEscape(v.admin), "TOKEN"), dump)
	}
	right, in := []string{"Authorization", "Bearer " + v.admin}, url.QueryEscape(v.admin)
	for _, target := range []string{"/healthz", "/readyz", "/readyz?verbose", "/metrics", "/leavers", "/checkpoint", "/unexplained", "/guard", "/override", "/nothing/" + in,
		"/guard?tenant=" + in, "/leavers?token=" + in, "/debug/pprof/cmdline", "/override?what=" + in} {
		do("GET", target, right...)
		do("GET", target)
		do("GET", target, "Authorization", "Basic "+v.admin)
		do("GET", target, "Authorization", "Bearer "+v.admin+"x")
		do("GET", target, "X-Api-Key", v.admin, "Cookie", v.admin, "Origin", "https://"+v.admin)
		do("HEAD", target, right...)
	}
	for _, target := range []string{"/override?what=" + in + "&for=1h", "/override?what=SG304=" + in + "&for=1h", "/override?what=" + in + "=off&for=1h", "/override?what=observe&for=" + in,
		"/guard/release?kind=" + in + "&for=1h", "/guard/release?kind=user_deletes&for=" + in, "/guard/release?tenant=" + in, "/guard/release?kind=user_deletes&for=1m"} {
		do("POST", target, right...)
		do("POST", target, "Authorization", v.admin+"x", "Origin", v.admin)
	}
	for _, args := range [][]string{{"guard"}, {"leavers"}, {"override"}, {"override", "observe", "--for", "1s"}, {"override", "end"}, {"guard", "release", "--for", "1s"}} {
		for _, file := range []string{"admin-token", "aws-token", "signing.pem"} {
			var out bytes.Buffer
			run(append(args, "--admin", hostOf(v.p.admin), "--admin-token-file", filepath.Join(v.inputs, file)), strings.NewReader(""), &out, &out)
			v.see("commands", out.Bytes())
		}
	}
}

// noise is what arrives at the listeners and is no TLS, or no HTTP.
func (v *trial) noise() {
	for _, host := range []string{v.gateway, hostOf(v.p.admin)} {
		for _, text := range []string{"GET / HTTP/1.1\r\nAuthorization: Bearer " + v.token + "\r\n\r\n", v.admin + "\r\n\r\n", "GET / HTTP/1.1\r\nAuthorization Bearer " + v.admin + "\r\n\r\n",
			"GET /" + v.admin + " HTTP/" + v.admin + "\r\n\r\n", "\x16\x03\x01" + v.token} {
			conn, err := net.Dial("tcp", host)
			if err != nil {
				v.t.Fatal(err)
			}
			_, _ = io.WriteString(conn, text)
			_ = conn.(*net.TCPConn).CloseWrite()
			answer, _ := io.ReadAll(conn)
			v.see("answers to noise", answer)
			conn.Close()
		}
	}
	if conn, err := tls.Dial("tcp", v.gateway, &tls.Config{ServerName: idlike("like an id"), NextProtos: []string{v.token}}); err == nil {
		conn.Close()
	}
}

// ends ends it by a signal at which Go tells of all goroutines, while one holds a token.
func (v *trial) ends() {
	pid := fmt.Sprint(v.p.cmd.Process.Pid)
	for _, name := range []string{"cmdline", "environ", "comm", "limits", "status"} {
		text, err := os.ReadFile(filepath.Join("/proc", pid, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue // not on this system
		}
		if err != nil {
			v.t.Fatal(err)
		}
		switch name {
		case "environ":
			text = regexp.MustCompile(`AWS_SCIM_TOKEN=[^\x00]*`).ReplaceAll(text, nil) // what is to be there
		case "limits":
			if !regexp.MustCompile(`(?m)^Max core file size +0 +0 `).Match(text) {
				v.t.Errorf("the process may write its memory into a file: %s", text)
			}
		}
		v.see("/proc/PID/"+name, text)
	}
	out := make(chan struct{})
	go func() {
		defer close(out)
		v.raw("answers", v.word("POST", 0)+`{"userName":"held@example.test",`+soundNames+`,"displayName":"Grace"}`)
	}()
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(readFile(v.t, filepath.Join(v.outputs, "audit.jsonl")), "held@"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			v.t.Fatal("the write that is to be held is not sent")
		}
	}
	v.p.signal(syscall.SIGQUIT)
	v.p.exit()
	<-out
	close(v.parrot.held)
	v.see("standard error", []byte(v.p.output()))
	err := filepath.WalkDir(v.outputs, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			v.see("file "+d.Name(), []byte(readFile(v.t, path)))
		}
		return err
	})
	if err != nil {
		v.t.Fatal(err)
	}
}

// No part of any secret is in anything that the program writes or serves, in any form:
// whatever clients send, wherever the upstream echoes it, and however it ends.
func TestSecretsAreNowhere(t *testing.T) {
	binary := crashing(t)
	for _, tokens := range []string{"", "file", "env"} {
		t.Run("tokens "+tokens, func(t *testing.T) {
			t.Parallel()
			v := begin(t, binary, tokens)
			if got := v.raw("answer to a panic", v.word("GET", 0)+"\r\n"); !slices.Equal(got, []string{"500"}) {
				t.Errorf("got %v for a request that panics, want 500", got)
			}
			v.requests("repair")
			if tokens != "env" {
				v.answers()
			}
			v.noise()
			v.orders()
			for _, text := range []string{"tokens: {file: x, upstream: " + v.at + "}\n", "tokens:\n  upstream: " + v.at + "\n  file: [\n", "log: {level: debug}\nrules: {SG304: warn}\n"} {
				v.write("scimgate.yaml", text)
				v.p.signal(syscall.SIGHUP)
				v.p.wait("reloaded")
			}
			req, err := http.NewRequest("POST", v.p.admin+"/override?what=observe&for=1h", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+v.admin)
			resp, err := http.DefaultClient.Do(req)
			if err != nil || resp.StatusCode != 200 {
				t.Fatalf("got %v %v, want observe in force", resp, err)
			}
			resp.Body.Close()
			v.requests("observe")
			v.ends()
			v.search()
		})
	}
}

// search looks for the secrets in all that was seen; that it would find them is shown by
// a copy with one in it.
func (v *trial) search() {
	c := newCanaries(v.secrets)
	size := 0
	for _, source := range slices.Sorted(maps.Keys(v.seen)) {
		text := v.seen[source]
		size += len(text)
		told := map[string]bool{}
		for line := range bytes.Lines(text) {
			for secret, where := range c.in(line) {
				if place := secret + ", " + where.form + ", in " + member(where.before); !told[place] {
					told[place] = true
					v.t.Errorf("%s has %s: %q", source, place, where.before+where.after)
				}
			}
		}
		if found := c.in(text); len(found) > 0 && len(told) == 0 {
			v.t.Errorf("%s has %v", source, found)
		}
		for name, secret := range v.secrets {
			leaking := slices.Concat(text, []byte(hex.EncodeToString(secret[3:11])), text)
			if len(text) < 1<<20 && c.in(leaking)[name].form == "" {
				v.t.Errorf("%s is not found in %s with it", name, source)
			}
		}
	}
	for source, in := range map[string]string{"standard error": "goroutine ", "file audit.jsonl": `"kind":"intent"`, "file checkpoints": ":",
		"admin listener: GET /metrics": "scimgate_requests_total", "admin listener: GET /unexplained": `"shape"`, "/proc/PID/cmdline": "--admin-token-file"} {
		if !bytes.Contains(v.seen[source], []byte(in)) {
			v.t.Errorf("%s has no %q: the outputs are not all there", source, in)
		}
	}
	v.t.Logf("%d bytes of %d sources, %d forms of parts of %d secrets", size, len(v.seen), len(c.of), len(v.secrets))
}

// member is the name of the last member of a JSON document that begins in a text.
func member(text string) string {
	if end := strings.LastIndex(text, `":`); end >= 0 {
		return text[strings.LastIndexByte(text[:end], '"')+1 : end]
	}
	return "a text"
}
