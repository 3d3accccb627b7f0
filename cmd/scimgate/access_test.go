package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/scimgate/scimgate/proxy"
)

// certificate writes a certificate that signs itself, and its key.
func certificate(t *testing.T, dir, name string, at time.Time) (certFile, keyFile string, pair tls.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), DNSNames: []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	pair, err = tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	return certFile, keyFile, pair
}

func TestListenerDoesTLS(t *testing.T) {
	dir, began := t.TempDir(), time.Now().Add(-time.Minute)
	certFile, keyFile, first := certificate(t, dir, "first", began)
	client := t.TempDir()
	caFile, _, own := certificate(t, client, "client", began)
	c := play(t, stage{settings: func(s *proxy.Settings) {
		s.Listen.CertFile, s.Listen.KeyFile, s.Listen.ClientCAFile = certFile, keyFile, caFile
	}})
	address := strings.Split(strings.TrimPrefix(c.gateway, "http://"), "/")[0]
	shake := func(config *tls.Config) (string, error) {
		config.InsecureSkipVerify = true
		conn, err := tls.Dial("tcp", address, config)
		if err != nil {
			return "", err
		}
		defer conn.Close()
		if _, err := conn.Write([]byte("GET /scim/v2/Users HTTP/1.1\r\nHost: localhost\r\n\r\n")); err != nil {
			return "", err
		}
		answer := make([]byte, 12)
		if _, err := conn.Read(answer); err != nil { // TLS 1.3 tells of a refused certificate only now
			return "", err
		}
		return conn.ConnectionState().PeerCertificates[0].Subject.CommonName, nil
	}
	if _, err := shake(&tls.Config{}); err == nil {
		t.Error("a client without certificate is served")
	}
	if _, err := shake(&tls.Config{Certificates: []tls.Certificate{first}}); err == nil {
		t.Error("a client with a certificate of somebody else is served")
	}
	if _, err := shake(&tls.Config{Certificates: []tls.Certificate{own}, MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("TLS 1.1 is served")
	}
	if name, err := shake(&tls.Config{Certificates: []tls.Certificate{own}}); err != nil || name != "first" {
		t.Errorf("got %q %v, want the certificate", name, err)
	}
	certificate(t, dir, "second", began.Add(time.Second))
	name := ""
	for deadline := time.Now().Add(10 * time.Second); name != "second" && time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		var err error
		if name, err = shake(&tls.Config{Certificates: []tls.Certificate{own}}); err != nil {
			t.Fatalf("a connection is lost while the certificate changes: %v", err)
		}
	}
	if name != "second" {
		t.Error("the new certificate is not taken up")
	}
	if err := os.WriteFile(certFile, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if name, err := shake(&tls.Config{Certificates: []tls.Certificate{own}}); err != nil || name != "second" {
		t.Errorf("got %q %v, want the last good certificate", name, err)
	}
}

func TestOnlyAllowedAddressesAreServed(t *testing.T) {
	c := play(t, stage{settings: func(s *proxy.Settings) {
		s.Listen.Allow, s.Listen.TrustedProxies = []string{"198.51.100.0/24"}, []string{"127.0.0.1"}
	}})
	f := func(forwarded string, want int) {
		t.Helper()
		req, err := http.NewRequest("GET", c.gateway+"/Users?count=1", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+c.token)
		if forwarded != "" {
			req.Header.Set("X-Forwarded-For", forwarded)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("got %d for %q, want %d", resp.StatusCode, forwarded, want)
		}
	}
	f("", 403)
	f("198.51.100.7", 200)
	f("203.0.113.9", 403)
	f("198.51.100.7, 203.0.113.9", 403)
	clients := map[any]bool{}
	for _, r := range c.records() {
		clients[r["client"]] = true
	}
	if !clients["198.51.100.7"] || !clients["203.0.113.9"] {
		t.Errorf("got %v in the log, want the clients' addresses", clients)
	}
}

func TestAdminListenerWantsItsToken(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("an-admin-token-of-enough-length\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := play(t, stage{settings: func(s *proxy.Settings) { s.Admin.Address, s.Admin.TokenFile = "0.0.0.0:0", file }})
	_, port, err := net.SplitHostPort(strings.TrimPrefix(c.admin, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	f := func(path, authorization string, want int) string {
		t.Helper()
		req, err := http.NewRequest("GET", "http://127.0.0.1:"+port+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", authorization)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != want {
			t.Errorf("got %d %v for %q, want %d", resp.StatusCode, err, authorization, want)
		}
		return string(text)
	}
	right := "Bearer an-admin-token-of-enough-length"
	f("/leavers", "", 401)
	f("/leavers", "Bearer another", 401)
	f("/leavers", right, 200)
	for range 8 {
		f("/leavers", "Bearer a-third", 401)
	}
	for range 20 {
		f("/leavers", "Bearer a-third", 429)
	}
	f("/leavers", right, 200) // whatever others do
	if text := f("/metrics", right, 200); !strings.Contains(text, `scimgate_admin_refused_total{why="token"} 30`) {
		t.Errorf("got\n%swant 30 counted", text)
	}
	recorded := 0
	for _, r := range c.records() {
		if r["event"] == "admin" && r["client"] == "127.0.0.1" && fmt.Sprint(r["reply"], r["findings"]) == "401 [token]" {
			recorded++
		}
	}
	if recorded != 10 {
		t.Errorf("got %d records, want 10 of 30", recorded)
	}
	if err := (proxy.Settings{Admin: proxy.Admin{Address: "0.0.0.0:1"}}).Check(); err == nil || !strings.Contains(err.Error(), "admin.token_file") {
		t.Errorf("got %v, want the token demanded", err)
	}
}

// What is not a path of the admin listener is none, and no page of HTML leads to another.
func TestTheAdminListenerRedirectsNobody(t *testing.T) {
	c := play(t, stage{})
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	f := func(method, path string, want int) {
		t.Helper()
		req, err := http.NewRequest(method, c.admin+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if kind := resp.Header.Get("Content-Type"); resp.StatusCode != want || !strings.HasPrefix(kind, "text/plain") {
			t.Errorf("got %d %s for %s %s, want %d in plain text", resp.StatusCode, kind, method, path, want)
		}
	}
	f("GET", "/metrics", 200)
	f("GET", "//metrics", 404)
	f("GET", "/./metrics", 404)
	f("GET", "/x/../metrics", 404)
	f("GET", "/x/%2e%2e/metrics", 404)
	f("GET", "/../..", 404)
	f("GET", "/metrics/", 404)
	f("GET", "/", 404)
	f("GET", "", 404)
	f("POST", "/metrics", 405)
	f("POST", "//guard/release?kind=user_deletes&for=1m", 404)
}

// A token that AWS has not accepted yet may try a little; failures are counted, and a
// flood of them doesn't fill the log.
func TestGuessersAreLimited(t *testing.T) {
	c := play(t, stage{})
	right := c.token
	c.token = "a-guess"
	count := map[int]int{}
	for range 60 {
		count[c.send(c.gateway, "GET", "/Users?count=1", "").status]++
	}
	if count[401] < 20 || count[401] > 40 || count[401]+count[429] != 60 || len(c.aws.Journal()) != count[401] {
		t.Errorf("got %v with %d calls, want the first guesses refused by AWS and the others here", count, len(c.aws.Journal()))
	}
	if _, metrics := c.adminAsks("GET", "/metrics"); !strings.Contains(metrics, `scimgate_auth_failures_total{tenant="default"} 60`) {
		t.Error("the failures are not all counted")
	}
	for range 200 { // without any token
		if r := c.send(c.gateway, "GET", "/nothing", ""); r.status != 404 {
			t.Fatalf("got %d", r.status)
		}
	}
	known := play(t, stage{})
	for range 60 { // as many of a token that is known as AWS takes
		known.through(200, "GET", "/Users?count=1", "")
	}
	c.token = right
	records, omitted := c.records(), 0
	for _, r := range records {
		if r["event"] == "dropped" {
			omitted++
		}
	}
	if len(records) > 200 || omitted == 0 {
		t.Errorf("got %d records with %d gaps, want a flood in few", len(records), omitted)
	}
}
