package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/scimgate/scimgate/bench/faults/faulty"
)

// trustScenes are about whom the gateway believes to be the upstream, and who believes
// the gateway.
var trustScenes = []scene{
	{row: "T13", name: "nothing is sent to an upstream whose certificate doesn't hold", run: func(s *stage) { s.badCertificates() }},
	{row: "F46", name: "a name that moves, is gone, or has a resolver that hangs", run: func(s *stage) { s.moves() }},
	{row: "F47", name: "the certificate of the listener ends soon, and is changed under load", run: func(s *stage) { s.newCertificate() }},
}

// door passes connections on to somewhere else, byte by byte.
type door struct {
	listener net.Listener
	came     atomic.Int64
	all      sync.WaitGroup

	mu    sync.Mutex // guards following
	shut  bool
	conns []net.Conn
}

// opens makes a door of a listener; through connects to what is behind it.
func opens(l net.Listener, through func() (net.Conn, error)) *door {
	d := &door{listener: l}
	d.all.Add(1)
	go func() {
		defer d.all.Done()
		for {
			front, err := l.Accept()
			if err != nil {
				return
			}
			d.came.Add(1)
			d.all.Add(1)
			go d.pass(front, through)
		}
	}()
	return d
}

func (d *door) pass(front net.Conn, through func() (net.Conn, error)) {
	defer d.all.Done()
	defer front.Close()
	if t, ok := front.(*tls.Conn); ok && (t.SetDeadline(time.Now().Add(patience)) != nil || t.Handshake() != nil || t.SetDeadline(time.Time{}) != nil) {
		return
	}
	back, err := through()
	if err != nil {
		return
	}
	defer back.Close()
	d.mu.Lock()
	if d.shut {
		d.mu.Unlock()
		return
	}
	d.conns = append(d.conns, front, back)
	d.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(back, front) // whichever side ends, both do
		_ = back.Close()
	}()
	_, _ = io.Copy(front, back)
	_ = front.Close()
	<-ended
}

// close shuts it, and what it passes on.
func (d *door) close() {
	_ = d.listener.Close()
	d.mu.Lock()
	d.shut = true
	for _, c := range d.conns {
		_ = c.Close()
	}
	d.mu.Unlock()
	d.all.Wait()
}

// toUpstream connects to the upstream.
func (s *stage) toUpstream() (net.Conn, error) {
	return net.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(s.u.URL(), "http://"), faulty.Base))
}

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// identity is a certificate with its key; chain is what is shown to the other side.
type identity struct {
	authority
	chain [][]byte
}

func (i *identity) tls() *tls.Certificate {
	return &tls.Certificate{Certificate: i.chain, PrivateKey: i.key}
}

// issue signs a certificate for 127.0.0.1, as long as change doesn't make another of it;
// without an authority it signs itself.
func (s *stage) issue(by *authority, name string, change func(*x509.Certificate)) *identity {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	s.must(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(365 * 24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}
	if change != nil {
		change(template)
	}
	if by == nil {
		by = &authority{template, key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by.cert, &key.PublicKey, by.key)
	s.must(err)
	cert, err := x509.ParseCertificate(der)
	s.must(err)
	return &identity{authority{cert, key}, [][]byte{der}}
}

func signs(c *x509.Certificate) { c.IsCA, c.IPAddresses, c.ExtKeyUsage = true, nil, nil }

// pems writes certificates, and a key if there is one, into files of PEM.
func (s *stage) pems(path string, key *ecdsa.PrivateKey, chain ...[]byte) {
	write := func(path, kind string, ders ...[]byte) {
		var text []byte
		for _, der := range ders {
			text = append(text, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})...)
		}
		s.must(os.WriteFile(path+".next", text, 0o600))
		s.must(os.Rename(path+".next", path))
	}
	if key != nil {
		der, err := x509.MarshalECPrivateKey(key)
		s.must(err)
		write(path+".key", "EC PRIVATE KEY", der)
	}
	write(path, "CERTIFICATE", chain...)
}

func (s *stage) badCertificates() {
	root := s.issue(nil, "root", signs)
	between := s.issue(&root.authority, "between", signs)
	sound := s.issue(&between.authority, "sound", nil)
	sound.chain = append(sound.chain, between.chain...)
	var shown atomic.Pointer[tls.Config]
	show := func(i *identity, most uint16) {
		shown.Store(&tls.Config{Certificates: []tls.Certificate{*i.tls()}, MaxVersion: most, SessionTicketsDisabled: true})
	}
	show(sound, 0)
	s.upstream(1)
	s.pems(s.folder+"/root.pem", nil, root.chain...)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	s.must(err)
	d := opens(tls.NewListener(l, &tls.Config{SessionTicketsDisabled: true, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return shown.Load(), nil }}), s.toUpstream)
	defer d.close()
	s.url = "https://" + l.Addr().String() + faulty.Base
	s.serve("--upstream-ca-file", s.folder+"/root.pem")
	for _, bad := range []struct {
		name, says string
		with       *identity
		most       uint16
	}{
		{"expired", "expired", s.issue(&root.authority, "expired", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Hour) }), 0},
		{"not valid yet", "not yet valid", s.issue(&root.authority, "early", func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Hour) }), 0},
		{"wrong name", "valid for", s.issue(&root.authority, "another", func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 9)} }), 0},
		{"self-signed", "unknown authority", s.issue(nil, "self", nil), 0},
		{"without the one between", "unknown authority", &identity{sound.authority, sound.chain[:1]}, 0},
		{"TLS 1.1", "protocol version", sound, tls.VersionTLS11},
	} {
		show(bad.with, bad.most)
		r := s.ask(titled(s.user(), "x"))
		s.told(bad.name, r, 429)
		s.check(len(s.u.Of(r.Tag)) == 0, "%s: the upstream saw something", bad.name)
		list := s.outcomes(r)
		s.check(len(list) > 0 && !slices.ContainsFunc(list, func(o string) bool { return o != "not_sent" }), "%s: the log has %v, want not_sent alone", bad.name, list)
		s.check(s.g.says(r.Exchange, "TLS", bad.says), "%s: the gateway does not name the cause:\n%s", bad.name, s.g.output())
		show(sound, 0)
		s.told("with a sound one behind "+bad.name, s.ask(titled(s.user(), "x")), 200)
	}
	s.end(0)
}

// oneName is what the gateway has to find the upstream by.
const oneName = "aws.test"

// moves takes the upstream to another address, takes its name away, and lets the resolver
// hang. The gateway sees files of its own for /etc/hosts and /etc/resolv.conf.
func (s *stage) moves() {
	s.upstream(1)
	files, err := filepath.Abs(s.folder)
	s.must(err)
	write := func(name, text string) { s.must(os.WriteFile(filepath.Join(files, name), []byte(text), 0o644)) }
	at := func(address string) { write("hosts", "127.0.0.1 localhost\n"+address) }
	resolver := fmt.Sprintf("127.%d.%d.53", 1+os.Getpid()>>7%100, 1+os.Getpid()%128)
	answers, err := net.ListenPacket("udp", resolver+":53")
	if err != nil {
		s.skip("no resolver of its own: " + err.Error())
	}
	var hangs atomic.Bool
	ended := s.aside(func() { noSuchName(answers, &hangs) })
	defer func() {
		_ = answers.Close()
		<-ended
	}()
	at("127.0.0.1 " + oneName + "\n")
	write("resolv.conf", "nameserver "+resolver+"\n")
	s.how.wrap = []string{"unshare", "-rm", "sh", "-c", `mount --bind "$0/hosts" /etc/hosts && mount --bind "$0/resolv.conf" /etc/resolv.conf && exec "$@"`, files}
	s.how.env = []string{"GODEBUG=netdns=go"}
	if out, err := exec.Command("unshare", append(slices.Clone(s.how.wrap[1:]), "true")...).CombinedOutput(); err != nil {
		s.skip(fmt.Sprintf("no files of its own for the gateway: %v %s", err, out))
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	s.must(err)
	first := opens(l, s.toUpstream)
	defer first.close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	l, err = net.Listen("tcp", "127.0.0.2:"+port)
	s.must(err)
	second := opens(l, s.toUpstream)
	defer second.close()
	s.url = "http://" + oneName + ":" + port + faulty.Base
	s.serve("--upstream-insecure", "true", "--upstream-connect-timeout", "500ms", "--client-patience", "2s")
	s.told("before", s.ask(titled(s.user(), "x")), 200)
	s.check(first.came.Load() > 0 && second.came.Load() == 0, "the first address was not used")

	at("127.0.0.2 " + oneName + "\n")
	first.close()
	s.until("the new address", 200)
	s.check(second.came.Load() > 0, "the second address was not used")

	at("") // the name is gone
	r := s.until("no such name", 429)
	s.check(s.g.says(r.Exchange, "cannot find "+oneName) || s.g.says("cannot find "+oneName), "the gateway does not name the cause:\n%s", s.g.output())

	hangs.Store(true)
	s.told("a resolver that hangs", s.ask(titled(s.user(), "x")), 429)
	s.told("a read then", s.ask(lookUp("nobody@example.test")), 429)

	at("127.0.0.2 " + oneName + "\n")
	s.until("the name is back", 200)
	s.end(0)
}

// until asks for a change again and again until it is told a status. Each that is told to
// come again must have sent nothing.
func (s *stage) until(what string, status int) *request {
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		r := s.ask(titled(s.user(), "x"))
		s.told(what, r, 200, 429)
		if r.Status == 429 {
			s.check(len(s.writesOf(r)) == 0, "%s: the upstream saw a write", what)
			list := s.outcomes(r)
			s.check(!slices.ContainsFunc(list, func(o string) bool { return o != "not_sent" }), "%s: the log has %v, want not_sent alone", what, list)
		}
		if r.Status == status {
			return r
		}
		if time.Now().After(deadline) {
			s.must(fmt.Errorf("%s: got %d at last, want %d", what, r.Status, status))
		}
	}
}

// noSuchName answers every question with NXDOMAIN (RFC 1035 §4.1.1), or not at all.
func noSuchName(conn net.PacketConn, hangs *atomic.Bool) {
	buf := make([]byte, 1500)
	for {
		n, from, err := conn.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil || n < 12 || hangs.Load() {
			continue
		}
		buf[2], buf[3] = buf[2]|0x80, buf[3]&0xf0|3
		buf[11] = 0 // no additional records
		_, _ = conn.WriteTo(buf[:n], from)
	}
}

// newCertificate changes the listener's certificate while clients come, each on a
// connection of its own.
func (s *stage) newCertificate() {
	old := s.issue(nil, "old", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(20 * 24 * time.Hour) })
	fresh := s.issue(nil, "fresh", nil)
	s.upstream(1)
	file := s.folder + "/listener.pem"
	s.pems(file, old.key, old.chain...)
	s.flags = []string{"--log-level", "info", "--listen-cert-file", file, "--listen-key-file", file + ".key"}
	s.start()
	var seen sync.Map // names of the certificates that were shown
	shows := func() (net.Conn, error) {
		address := s.g.address
		c, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // which one it is is looked at below
		if err == nil {
			seen.Store(c.ConnectionState().PeerCertificates[0].Subject.CommonName, true)
		}
		return c, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	s.must(err)
	d := opens(l, shows)
	defer d.close()
	s.book.address = l.Addr().String()
	id := s.user()
	s.told("with the old one", s.ask(titled(id, "a")), 200)
	s.check(s.g.says("ends soon"), "nobody is warned of a certificate that ends in 20 days:\n%s", s.g.output())
	s.pems(file, fresh.key, fresh.chain...)
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		s.told("while it changes", s.ask(titled(id, s.name())), 200)
		if _, ok := seen.Load("fresh"); ok {
			break
		}
	}
	_, ok := seen.Load("fresh")
	s.check(ok, "the new certificate is not shown")
	s.check(s.g.says("has a new certificate"), "nothing is said of the new certificate:\n%s", s.g.output())
	s.end(0)
}
