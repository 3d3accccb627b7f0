package main

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/scimgate/scimgate/bench/standin"
)

// marked is a secret that stands nowhere by accident, with signs that encodings change.
func marked(name string) string {
	sum := sha256.Sum256([]byte("scimgate test: " + name))
	return idlike(name)[:24] + "/+._-~" + hex.EncodeToString(sum[:6]) + "=="
}

// idlike is one that could be the id of a resource.
func idlike(name string) string {
	sum := sha256.Sum256([]byte("scimgate test: " + name))
	return strings.NewReplacer("+", "a", "/", "b", "=", "").Replace(base64.StdEncoding.EncodeToString(sum[:]))
}

// parrot stands in front of the stand-in, and answers in its place with bytes in which
// it echoes the token.
type parrot struct {
	net.Listener
	behind string // host:port

	mu   sync.Mutex // guards following
	says string
	left int // times that it says so; then the stand-in answers
	held chan struct{}
}

// say returns how often it would have said what it did before.
func (p *parrot) say(bytes string, times int) (left int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	left = p.left
	p.says, p.left = bytes, times
	return left
}

// said is what it says now, "" if it leaves that to the stand-in.
func (p *parrot) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left == 0 {
		return ""
	}
	p.left--
	return p.says
}

func (p *parrot) serve() {
	for {
		conn, err := p.Accept()
		if err != nil {
			return
		}
		go p.answer(conn)
	}
}

// answer takes one request of a connection.
func (p *parrot) answer(conn net.Conn) {
	defer conn.Close()
	req, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return
	}
	if strings.Contains(string(body), "held@") {
		<-p.held
		return
	}
	if says := p.said(); says != "" {
		_, _ = io.WriteString(conn, says)
		return
	}
	req.RequestURI, req.URL.Scheme, req.URL.Host, req.Body = "", "http", p.behind, io.NopCloser(bytes.NewReader(body))
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return
	}
	defer resp.Body.Close()
	resp.Close = true
	_ = resp.Write(conn)
}

// trial is one run of the program with secrets of all kinds, and what it wrote and
// served.
type trial struct {
	t               *testing.T
	token           string // that clients send
	at              string // that AWS is sent
	admin           string
	inputs, outputs string // folders
	aws             *standin.Server
	parrot          *parrot
	p               *program
	gateway         string // host:port
	secrets         map[string][]byte

	mu   sync.Mutex // guards following
	seen map[string][]byte
}

func (v *trial) see(source string, text []byte) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.seen[source] = append(append(v.seen[source], text...), '\n')
}

func (v *trial) write(name, text string) (path string) {
	v.t.Helper()
	path = filepath.Join(v.inputs, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		v.t.Fatal(err)
	}
	return path
}

// begin starts the program with its secrets; it panics at its first request. tokens are
// file or env if it holds AWS's, "" if it passes the client's.
func begin(t *testing.T, binary, tokens string) *trial {
	t.Helper()
	v := &trial{t: t, token: marked("of the client " + tokens), at: marked("of AWS " + tokens), admin: marked("of the admin listener"), inputs: t.TempDir(), outputs: t.TempDir(), seen: map[string][]byte{}}
	if tokens == "" {
		v.at = v.token
	}
	v.aws = standin.New(standin.Options{Token: v.at, Rates: standin.Unlimited()})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go v.aws.Serve(l)
	t.Cleanup(func() { v.aws.Close() })
	v.parrot = &parrot{behind: l.Addr().String(), held: make(chan struct{})}
	if v.parrot.Listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	go v.parrot.serve()
	t.Cleanup(func() { v.parrot.Close() })

	auditKey := marked("key of digests")
	seed := sha256.Sum256([]byte("scimgate test: key of checkpoints"))
	signing, err := x509.MarshalPKCS8PrivateKey(ed25519.NewKeyFromSeed(seed[:]))
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile, pair := certificate(t, v.inputs, "localhost", time.Now())
	d, err := pair.PrivateKey.(*ecdsa.PrivateKey).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	v.secrets = map[string][]byte{"the client's token": []byte(v.token), "AWS's token": []byte(v.at), "the admin token": []byte(v.admin), "the key of digests": []byte(auditKey),
		"the key of checkpoints": seed[:], "the key of the listener": d, "a stray token": []byte(marked("stray")), "a token like an id": []byte(idlike("like an id"))}
	if tokens == "" {
		delete(v.secrets, "AWS's token") // it is the client's
	}

	config := v.write("scimgate.yaml", "log: {level: debug}\n")
	args := []string{"--config", config, "--upstream", "http://" + v.parrot.Addr().String() + "/" + standin.DefaultTenant + "/scim/v2", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0",
		"--audit", filepath.Join(v.outputs, "audit.jsonl"), "--audit-key-file", v.write("audit-key", auditKey), "--audit-checkpoint-every", "50ms",
		"--audit-signing-key-file", v.write("signing.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: signing}))),
		"--audit-checkpoint-file", filepath.Join(v.outputs, "checkpoints"), "--admin-token-file", v.write("admin-token", v.admin+"\n"),
		"--listen-cert-file", certFile, "--listen-key-file", keyFile, "--listen-read-timeout", "2s", "--upstream-timeout", "2s"}
	if tokens != "" {
		sum := sha256.Sum256([]byte(v.token))
		args = append(args, "--tokens-file", v.write("tokens", "okta "+hex.EncodeToString(sum[:])+"\n"))
	}
	environment := "SCIMGATE_TEST_CRASH=in_handler:1:panic"
	switch tokens {
	case "file":
		args = append(args, "--tokens-upstream", "file:"+v.write("aws-token", v.at+"\n"))
	case "env":
		environment += " AWS_SCIM_TOKEN='" + v.at + "'"
		args = append(args, "--tokens-upstream", "env:AWS_SCIM_TOKEN")
	}
	// What the shell is told of the environment is gone when the program takes its place.
	v.p = start(t, []string{"sh", "-c", "unset " + asProgram + "; export " + environment + "; exec '" + binary + `' "$@" >'` + filepath.Join(v.outputs, "stdout") + "'"}, args...)
	v.gateway = hostOf(v.p.gateway)
	return v
}

// crashing builds the program with points at which it panics.
func crashing(t *testing.T) (binary string) {
	t.Helper()
	binary = filepath.Join(t.TempDir(), "scimgate")
	if out, err := exec.Command("go", "build", "-tags", "crashpoints", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("cannot build: %v\n%s", err, out)
	}
	return binary
}

// raw sends bytes over TLS, and returns all that comes back.
func (v *trial) raw(source, text string) (statuses []string) {
	v.t.Helper()
	conn, err := tls.Dial("tcp", v.gateway, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		v.t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, measured(text)) // it may be refused before its end
	_ = conn.CloseWrite()
	answer, _ := io.ReadAll(conn) // and be reset
	v.see(source, answer)
	for _, found := range statusLine.FindAllSubmatch(answer, -1) {
		statuses = append(statuses, string(found[1]))
	}
	if len(answer) == 0 {
		statuses = []string{"close"}
	}
	return statuses
}

var statusLine = regexp.MustCompile(`HTTP/1\.1 (\d\d\d) [A-Z]`)

// measured writes down the length of a body.
func measured(text string) string {
	head, body, _ := strings.Cut(text, "\r\n\r\n")
	return strings.Replace(head, "Content-Length: @", fmt.Sprint("Content-Length: ", len(body)), 1) + text[len(head):]
}

// word is what a word of the case files stands for.
func (v *trial) word(word string, _ int) string {
	const host = "Host: x\r\nUser-Agent: x\r\nConnection: close\r\n"
	bearer := "Authorization: Bearer " + v.token + "\r\n"
	const json = "Content-Type: application/scim+json\r\nContent-Length: @\r\n\r\n"
	return map[string]string{
		"token": v.token, "stray": marked("stray"), "idlike": idlike("like an id"), "echo": v.at, "name": v.at[:24],
		"query": url.QueryEscape(v.token), "path": url.PathEscape(v.token), "basic": base64.StdEncoding.EncodeToString([]byte("okta:" + v.token)),
		"host": host, "bearer": bearer, "auth": host + bearer, "json": json, "deep": `{"` + v.token + `":`,
		"OPEN": "GET /scim/v2/Users?count=1 HTTP/1.1\r\n" + host, "GET": "GET /scim/v2/Users?count=1 HTTP/1.1\r\n" + host + bearer,
		"POST": "POST /scim/v2/Users HTTP/1.1\r\n" + host + bearer + json, "PATCH": "PATCH /scim/v2/Users/nobody HTTP/1.1\r\n" + host + bearer + json,
	}[word]
}
