package upstream

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/scimgate/scimgate/rules/scim"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testToken = "invented-token-0123456789"

// peer is an upstream that does what its script says, byte by byte, without an
// HTTP library.
type peer struct {
	listener net.Listener
	trust    *tls.Config
	script   func(*line)
	done     sync.WaitGroup

	mu    sync.Mutex // guards following
	lines []net.Conn
	asked []string // requests as they came
}

// line is one connection at the upstream's end; number counts from 1.
type line struct {
	net.Conn
	peer   *peer
	tcp    *net.TCPConn
	wire   *gather
	reader *bufio.Reader
	number int
}

// gather keeps what is written while it holds, to be sent as one segment.
type gather struct {
	net.Conn
	hold bool
	held []byte
}

func (g *gather) Write(p []byte) (int, error) {
	if !g.hold {
		return g.Conn.Write(p)
	}
	g.held = append(g.held, p...)
	return len(p), nil
}

func listen(t *testing.T, trust *tls.Config, script func(*line)) *peer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{listener: l, trust: trust, script: script}
	p.done.Go(p.accept)
	t.Cleanup(func() {
		_ = l.Close()
		p.mu.Lock()
		for _, c := range p.lines {
			_ = c.Close()
		}
		p.mu.Unlock()
		p.done.Wait()
	})
	return p
}

func (p *peer) accept() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		p.lines = append(p.lines, c)
		n := &line{Conn: c, peer: p, tcp: c.(*net.TCPConn), number: len(p.lines)}
		p.mu.Unlock()
		if trust := p.trust; trust != nil {
			n.wire = &gather{Conn: c}
			n.Conn = tls.Server(n.wire, trust)
		}
		n.reader = bufio.NewReader(n.Conn)
		p.done.Go(func() {
			defer n.tcp.Close()
			p.script(n)
		})
	}
}

// read takes one request; false at the end of the connection.
func (n *line) read() bool {
	var raw strings.Builder
	length := 0
	for {
		s, err := n.reader.ReadString('\n')
		if err != nil {
			return false
		}
		raw.WriteString(s)
		if v, ok := strings.CutPrefix(s, "Content-Length: "); ok {
			length, _ = strconv.Atoi(strings.TrimSpace(v))
		}
		if s == "\r\n" {
			break
		}
	}
	if _, err := io.CopyN(&raw, n.reader, int64(length)); err != nil {
		return false
	}
	n.peer.mu.Lock()
	n.peer.asked = append(n.peer.asked, raw.String())
	n.peer.mu.Unlock()
	return true
}

func (n *line) write(s string) { _, _ = io.WriteString(n.Conn, s) }

// reset ends the connection with RST.
func (n *line) reset() {
	_ = n.tcp.SetLinger(0)
	_ = n.tcp.Close()
}

func (p *peer) requests() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked
}

func (p *peer) connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.lines)
}

func (p *peer) client(t *testing.T, change func(*Settings)) *Client {
	t.Helper()
	s := Settings{URL: "http://" + p.listener.Addr().String() + "/tenant/scim/v2/", Reuse: "all"} // the harder case
	if change != nil {
		change(&s)
	}
	c, err := New(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// awaitArrival returns when the kernel holds something for the idle connection.
func awaitArrival(t *testing.T, c *Client) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.idle) != 1 {
		t.Fatalf("got %d idle connections, want 1", len(c.idle))
	}
	for by := soon(); nothingArrived(c.idle[0].raw); {
		if time.Now().After(by) {
			t.Fatal("got nothing on the idle connection")
		}
		runtime.Gosched()
	}
}

func soon() time.Time { return time.Now().Add(20 * time.Second) }

func create(body string) Call {
	return Call{Method: "POST", URI: "/Users", Authorization: []byte(testToken), Body: []byte(body), Write: true}
}

func get(uri string) Call {
	return Call{Method: "GET", URI: uri, Authorization: []byte(testToken)}
}

func ok(body string) string {
	return "HTTP/1.1 200 OK\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
}

// want sends a call and compares outcome and body; a failure must have no response.
func want(t *testing.T, c *Client, call Call, outcome scim.Outcome, body string) {
	t.Helper()
	resp, got, err := c.Send(call, soon())
	if got != outcome || string(resp.Body) != body {
		t.Fatalf("got %v %q (%v), want %v %q", got, resp.Body, err, outcome, body)
	}
	if answered := got == scim.Done || got == scim.UpstreamError; answered != (err == nil) || answered != (resp.Status != 0) {
		t.Fatalf("got outcome %v with status %d and error %v", got, resp.Status, err)
	}
	if err != nil && strings.Contains(err.Error(), testToken[:8]) {
		t.Fatalf("the error holds the token: %v", err)
	}
}

// certificate is self-signed for the names; the file holds it as PEM.
func certificate(t *testing.T, names ...string) (trust *tls.Config, file string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, file
}
