package proxy

import (
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/scimgate/scimgate/proxy/audit"
	"github.com/scimgate/scimgate/proxy/guard"
	"github.com/scimgate/scimgate/proxy/pace"
	"github.com/scimgate/scimgate/proxy/tokens"
	"github.com/scimgate/scimgate/proxy/upstream"
	"github.com/scimgate/scimgate/proxy/writer"
)

// Settings are those of one gateway: where it listens, where it sends, and how it
// behaves. The zero value of each but upstream.url stands for its default.
type Settings struct {
	Listen   Listen            `yaml:"listen"`
	Admin    Admin             `yaml:"admin"`
	Upstream upstream.Settings `yaml:"upstream"`
	Audit    audit.Settings    `yaml:"audit"`
	Pace     pace.Settings     `yaml:"pace"`
	Client   Client            `yaml:"client"`
	Tokens   tokens.Settings   `yaml:"tokens"`
	Guard    guard.Settings    `yaml:"guard"`
	Replicas writer.Settings   `yaml:"replicas"`
	Schemas  time.Duration     `yaml:"schemas_every"` // how often AWS's own list of attributes is compared with the table of the rules, 24 h
	Log      Log               `yaml:"log"`
	// Tenants are others than the one that upstream, pace, client, tokens and guard
	// describe.
	Tenants []TenantSettings `yaml:"-"`
}

// Listen is where SCIM clients connect.
type Listen struct {
	// Address is host:port, 127.0.0.1:8080. A host other than the loopback needs
	// TLSTerminatedInFront, since tokens would cross the network in the clear.
	Address string `yaml:"address"`
	// TLSTerminatedInFront says that something else, such as a load balancer,
	// does TLS in front of the gateway.
	TLSTerminatedInFront bool `yaml:"tls_terminated_in_front"`
	// CertFile and KeyFile are PEM, read again when they change; TLS 1.2 at least.
	CertFile string `yaml:"cert_file"`
	KeyFile  string `yaml:"key_file"`
	// ClientCAFile asks clients for a certificate of these authorities.
	ClientCAFile string `yaml:"client_ca_file"`
	// Allow are the networks that clients come from; none: all.
	Allow []string `yaml:"allow"`
	// TrustedProxies are networks whose X-Forwarded-For is believed.
	TrustedProxies []string `yaml:"trusted_proxies"`

	MaxBodyBytes   int `yaml:"max_body_bytes"`   // of a request, 16 MiB: a wizard app PUTs whole groups
	MaxBodiesBytes int `yaml:"max_bodies_bytes"` // of the large ones together, above 16 KiB each, 32 MiB; others wait
	MaxHeadBytes   int `yaml:"max_head_bytes"`   // request line and headers, 16 KiB
	MaxConns       int `yaml:"max_conns"`        // open at once, 1024
	// MaxConnsPerAddress are those of one client's address, 512, but for trusted proxies,
	// and for what does TLS in front.
	MaxConnsPerAddress int `yaml:"max_conns_per_address"`

	ReadTimeout    time.Duration `yaml:"read_timeout"`    // of a whole request, 20 s
	IdleTimeout    time.Duration `yaml:"idle_timeout"`    // between two requests, 75 s
	DrainDelay     time.Duration `yaml:"drain_delay"`     // between failing readiness and closing the listener, 5 s; 0 on a loopback address
	ShutdownWithin time.Duration `yaml:"shutdown_within"` // for what is under way at SIGTERM, 25 s
}

// Admin is where operators look: health, metrics.
type Admin struct {
	Address string `yaml:"address"` // host:port, 127.0.0.1:8081; "off" for none
	// TokenFile holds the bearer token without which nothing is answered. An
	// address other than the loopback needs one.
	TokenFile string `yaml:"token_file"`
}

// Client is what is known of the SCIM client's habits.
type Client struct {
	// Patience is how long it waits for an answer, less a margin: 55 s. Okta gives
	// up after 60.
	Patience time.Duration `yaml:"patience"`
	// RetryStatus is what it sends again by itself: 429, which Okta does; others
	// may want 503.
	RetryStatus int `yaml:"retry_status"`
}

// Log is the diagnostics on standard error.
type Log struct {
	Level string `yaml:"level"` // debug, info, warn or error; info
}

// WithDefaults fills in what was left out.
func (s Settings) WithDefaults() Settings {
	otherwise(&s.Listen.Address, "127.0.0.1:8080")
	otherwise(&s.Listen.MaxBodyBytes, 16<<20)
	otherwise(&s.Listen.MaxBodiesBytes, max(32<<20, s.Listen.MaxBodyBytes))
	otherwise(&s.Listen.MaxHeadBytes, 16<<10)
	otherwise(&s.Listen.MaxConns, 1024)
	otherwise(&s.Listen.MaxConnsPerAddress, 512)
	otherwise(&s.Listen.ReadTimeout, 20*time.Second)
	otherwise(&s.Listen.IdleTimeout, 75*time.Second)
	otherwise(&s.Listen.ShutdownWithin, 25*time.Second)
	if !onLoopback(s.Listen.Address) {
		otherwise(&s.Listen.DrainDelay, 5*time.Second)
	}
	otherwise(&s.Admin.Address, "127.0.0.1:8081")
	s.Client = s.Client.withDefaults()
	otherwise(&s.Schemas, 24*time.Hour)
	s.Guard = s.Guard.WithDefaults()
	otherwise(&s.Log.Level, "info")
	return s
}

func (c Client) withDefaults() Client {
	otherwise(&c.Patience, 55*time.Second)
	otherwise(&c.RetryStatus, 429)
	return c
}

func (c Client) check() error {
	c = c.withDefaults()
	switch {
	case c.RetryStatus != 429 && c.RetryStatus != 503:
		return fmt.Errorf("retry_status %d is not 429 or 503", c.RetryStatus)
	case c.Patience < 0:
		return errors.New("patience is negative")
	}
	return nil
}

func otherwise[T comparable](value *T, fallback T) {
	var zero T
	if *value == zero {
		*value = fallback
	}
}

// Check tells everything that is wrong with the settings, by the names of their
// keys.
func (s Settings) Check() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	s = s.WithDefaults()
	if err := checkTenants(s.all(Policy{}, "")); err != nil {
		fault("%w", err)
	}
	if _, _, err := net.SplitHostPort(s.Listen.Address); err != nil {
		fault("listen.address %q is not host:port", s.Listen.Address)
	} else if !onLoopback(s.Listen.Address) && !s.Listen.TLSTerminatedInFront && s.Listen.CertFile == "" {
		fault("listen.address %q is not on the loopback, and tokens would cross the network in the clear: name listen.cert_file and listen.key_file, or put TLS in front of it and set listen.tls_terminated_in_front", s.Listen.Address)
	}
	if err := s.Listen.checkTLS(); err != nil {
		fault("%w", err)
	}
	if _, err := parseNetworks(s.Listen.Allow); err != nil {
		fault("listen.allow: %w", err)
	}
	if _, err := parseNetworks(s.Listen.TrustedProxies); err != nil {
		fault("listen.trusted_proxies: %w", err)
	}
	if s.Admin.Address != "off" {
		if _, _, err := net.SplitHostPort(s.Admin.Address); err != nil {
			fault("admin.address %q is not host:port", s.Admin.Address)
		} else if !onLoopback(s.Admin.Address) && s.Admin.TokenFile == "" {
			fault("admin.address %q is not on the loopback, and metrics tell about people's accounts: name admin.token_file", s.Admin.Address)
		}
	}
	if s.Audit.File == "" {
		fault("audit.file is missing: name a file, or - for standard output")
	}
	if err := s.Replicas.Check(); err != nil {
		fault("replicas: %w", err)
	}
	if s.Replicas.On() {
		s.checkBursts(fault)
	}
	if s.Listen.MaxBodiesBytes < s.Listen.MaxBodyBytes {
		fault("listen.max_bodies_bytes is below listen.max_body_bytes, so that the largest body would never be read")
	}
	for name, d := range map[string]time.Duration{
		"listen.read_timeout": s.Listen.ReadTimeout, "listen.idle_timeout": s.Listen.IdleTimeout, "listen.drain_delay": s.Listen.DrainDelay,
		"listen.shutdown_within": s.Listen.ShutdownWithin, "schemas_every": s.Schemas,
	} {
		if d < 0 {
			fault("%s is negative", name)
		}
	}
	for name, n := range map[string]int{
		"listen.max_bodies_bytes": s.Listen.MaxBodiesBytes,
		"listen.max_body_bytes":   s.Listen.MaxBodyBytes, "listen.max_head_bytes": s.Listen.MaxHeadBytes, "listen.max_conns": s.Listen.MaxConns,
		"listen.max_conns_per_address": s.Listen.MaxConnsPerAddress,
	} {
		if n < 0 {
			fault("%s is negative", name)
		}
	}
	return errors.Join(faults...)
}

// checkBursts tells of each burst that can't be divided among the gateways that there are.
func (s Settings) checkBursts(fault func(format string, args ...any)) {
	for _, t := range s.all(Policy{}, "") {
		for name, rate := range map[string]pace.Rate{"writes": t.Pace.Writes, "reads": t.Pace.Reads, "memberships": t.Pace.Memberships} {
			if float64(rate.Burst)*s.Replicas.Share() < 1 {
				fault("pace.%s.burst of %d leaves none for each of replicas.count", name, rate.Burst)
			}
		}
	}
}

func onLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
