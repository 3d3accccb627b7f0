package upstream

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/scimgate/scimgate/proxy/room"
)

// Settings say where the upstream is and how long it may take. A zero value
// stands for the default.
type Settings struct {
	// URL is the SCIM Base URL as AWS's console shows it, with or without a
	// slash at its end: "https://scim.us-east-2.amazonaws.com/TENANT/scim/v2".
	URL string `yaml:"url"`
	// CAFile holds PEM certificates to trust in place of the system's.
	CAFile string `yaml:"ca_file"`
	// Insecure allows http:// to other hosts than the loopback.
	Insecure bool `yaml:"insecure"`

	// Reuse says which calls go out on a connection that has served others: "reads"
	// (the default: those by an id, whose answer shows whether it is theirs) or "all". On a used one, bytes that arrive too late may be taken for
	// the answer to the next call, and a connection that the upstream has just closed
	// leaves a write in doubt.
	Reuse string `yaml:"reuse"`

	MaxConns         int           `yaml:"max_conns"`          // open at once, 128; further calls wait for one
	MaxResponseBytes int           `yaml:"max_response_bytes"` // of a body, 4 MiB
	ConnectTimeout   time.Duration `yaml:"connect_timeout"`    // name, TCP and TLS together, 5 s
	Timeout          time.Duration `yaml:"timeout"`            // of a whole call, 30 s
	IdleTimeout      time.Duration `yaml:"idle_timeout"`       // after which an unused connection isn't trusted, 20 s

	// Shared says that several ask, who get equal parts of the connections. It is no
	// setting.
	Shared bool `yaml:"-"`
}

// manner is how connections are handed out.
func (s Settings) manner() room.Manner {
	if s.Shared {
		return room.Reserved | room.Shared
	}
	return room.Reserved
}

func (s Settings) withDefaults() Settings {
	s.MaxConns = orDefault(s.MaxConns, 128)
	s.MaxResponseBytes = orDefault(s.MaxResponseBytes, 4<<20)
	s.ConnectTimeout = orDefault(s.ConnectTimeout, 5*time.Second)
	s.Timeout = orDefault(s.Timeout, 30*time.Second)
	s.IdleTimeout = orDefault(s.IdleTimeout, 20*time.Second)
	return s
}

func orDefault[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// Check reports all that is wrong with the settings, but doesn't open the CAFile.
func (s Settings) Check() error {
	_, err := s.place()
	faults := []error{err}
	if s.Reuse != "" && s.Reuse != "reads" && s.Reuse != "all" {
		faults = append(faults, fmt.Errorf("reuse %q is not reads or all", s.Reuse))
	}
	for _, n := range []struct {
		name     string
		negative bool
	}{
		{"max_conns", s.MaxConns < 0},
		{"max_response_bytes", s.MaxResponseBytes < 0},
		{"connect_timeout", s.ConnectTimeout < 0},
		{"timeout", s.Timeout < 0},
		{"idle_timeout", s.IdleTimeout < 0},
	} {
		if n.negative {
			faults = append(faults, fmt.Errorf("%s must not be negative", n.name))
		}
	}
	return errors.Join(faults...)
}

// place is the Base URL, taken apart.
type place struct {
	tls     bool
	name    string // host name, for the certificate
	address string // host:port, to dial
	host    string // as in the Host header
	path    string // no slash at its end
}

func (s Settings) place() (place, error) {
	u, err := url.Parse(s.URL)
	if err != nil {
		// The parser's own text quotes the URL, which may hold a password.
		return place{}, errors.New("cannot read url: it is not a URL")
	}
	name := u.Hostname()
	switch {
	case name == "":
		return place{}, errors.New("cannot use url: it has no host")
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return place{}, errors.New("cannot use url: only scheme, host, port and path belong there")
	case !plain(u.Host) || !plain(u.EscapedPath()):
		return place{}, errors.New("cannot use url: it has blanks or control characters")
	}
	p := place{name: name, host: u.Host, path: strings.TrimRight(u.EscapedPath(), "/")}
	port := u.Port()
	switch u.Scheme {
	case "https":
		p.tls = true
		port = orDefault(port, "443")
	case "http":
		port = orDefault(port, "80")
		if !s.Insecure && !loopback(name) {
			return place{}, fmt.Errorf("cannot use url: http:// would send the token to %s in clear; write https://", name)
		}
	default:
		return place{}, fmt.Errorf("cannot use url: the scheme is %q, not https", u.Scheme)
	}
	p.address = net.JoinHostPort(name, port)
	return p, nil
}

func loopback(name string) bool {
	if ip := net.ParseIP(name); ip != nil {
		return ip.IsLoopback()
	}
	return name == "localhost"
}

// trust makes the TLS settings: 1.2 at least, and the name is always checked.
func (s Settings) trust(p place) (*tls.Config, error) {
	if !p.tls {
		return nil, nil
	}
	t := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		ServerName:         p.name,
		NextProtos:         []string{"http/1.1"},
		ClientSessionCache: tls.NewLRUClientSessionCache(8),
	}
	if s.CAFile == "" {
		return t, nil
	}
	pem, err := os.ReadFile(s.CAFile)
	if err != nil {
		return nil, fmt.Errorf("cannot read ca_file: %w", err)
	}
	t.RootCAs = x509.NewCertPool()
	if !t.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("cannot use ca_file %q: it holds no PEM certificate", s.CAFile)
	}
	return t, nil
}
