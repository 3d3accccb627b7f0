package writer

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Settings are those of a gateway that is one of several; all of them have the same, but for
// the name. The zero value is a gateway by itself.
type Settings struct {
	// Redis is the URL of Redis 5 or newer, or of Valkey: redis://HOST:PORT/DB, or
	// rediss:// with TLS. It has no password in it.
	Redis string `yaml:"redis"`
	// CAFile is PEM with the roots to trust for rediss://, in place of the system's.
	CAFile string `yaml:"ca_file"`
	// PasswordFile holds PASSWORD, or USER:PASSWORD.
	PasswordFile string `yaml:"password_file"`
	// Group is what those have in common that share the lease, "scimgate".
	Group string `yaml:"group"`
	// Name tells this one from the others, the host's name.
	Name string `yaml:"name"`
	// Count is how many there are in all, 2. Without Redis each has so large a part of
	// the pace.
	Count int `yaml:"count"`
	// Lease is how long the one that writes may do so without hearing of Redis, and so
	// how long another waits for it, 10 s.
	Lease time.Duration `yaml:"lease"`
	// Without says what happens while Redis can't be reached: "share" lets each go on
	// with its part of the pace, in an order of its own; "hold" tells clients to come
	// again.
	Without string `yaml:"without"`
}

// On tells whether there are others at all.
func (s Settings) On() bool { return s.Redis != "" }

func (s Settings) withDefaults() Settings {
	if s.Group == "" {
		s.Group = "scimgate"
	}
	if s.Name == "" {
		s.Name, _ = os.Hostname()
	}
	if s.Count == 0 {
		s.Count = 2
	}
	if s.Lease == 0 {
		s.Lease = 10 * time.Second
	}
	if s.Without == "" {
		s.Without = "share"
	}
	return s
}

// Share is the part of the pace that a gateway has for itself alone.
func (s Settings) Share() float64 { return 1 / float64(s.withDefaults().Count) }

// beats are how often Redis is asked in a lease.
const beats = 5

// beat is the time between two questions, and how long an answer is waited for.
func (s Settings) beat() time.Duration { return s.Lease / beats }

// Check reports all that is wrong with the settings.
func (s Settings) Check() error {
	if !s.On() {
		return nil
	}
	var faults []error
	s = s.withDefaults()
	if at := strings.LastIndexByte(s.Redis, '@'); at >= 0 {
		faults = append(faults, errors.New("redis has a password in it, which would show: it belongs into password_file"))
	} else if _, err := redis.ParseURL(s.Redis); err != nil {
		faults = append(faults, errors.New("redis is not redis://HOST:PORT/DB or rediss://HOST:PORT/DB"))
	}
	if s.CAFile != "" && !strings.HasPrefix(s.Redis, "rediss://") {
		faults = append(faults, errors.New("ca_file is for rediss://"))
	}
	if s.Name == "" || len(s.Name) > 64 || len(s.Group) > 64 {
		faults = append(faults, errors.New("name and group are texts of 1 to 64 bytes"))
	}
	if s.Count < 2 || s.Count > 64 {
		faults = append(faults, fmt.Errorf("count %d is not how many there are: 2 to 64", s.Count))
	}
	if s.Lease < time.Second || s.Lease > 5*time.Minute {
		faults = append(faults, fmt.Errorf("lease %s is not between 1s and 5m", s.Lease))
	}
	if s.Without != "share" && s.Without != "hold" {
		faults = append(faults, fmt.Errorf("without %q is not share or hold", s.Without))
	}
	return errors.Join(faults...)
}

// options are those of the library. It repeats nothing: the next beat does.
func (s Settings) options() (*redis.Options, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	s = s.withDefaults()
	o, err := redis.ParseURL(s.Redis)
	if err != nil {
		return nil, errors.New("redis is not a URL")
	}
	o.MaxRetries, o.PoolSize, o.MinIdleConns = -1, 2, 0
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = s.beat(), s.beat(), s.beat(), s.beat()
	o.ContextTimeoutEnabled = true
	// What old servers don't know, and a script doesn't need.
	o.Protocol, o.DisableIdentity = 2, true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	logging.Disable() // errors are returned as well
	if s.CAFile != "" {
		text, err := os.ReadFile(s.CAFile)
		if err != nil {
			return nil, fmt.Errorf("ca_file: %w", err)
		}
		o.TLSConfig.RootCAs = x509.NewCertPool()
		if !o.TLSConfig.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("ca_file: %s holds no certificate", s.CAFile)
		}
	}
	if s.PasswordFile != "" {
		text, err := os.ReadFile(s.PasswordFile)
		if err != nil {
			return nil, fmt.Errorf("password_file: %w", err)
		}
		user, password, both := strings.Cut(string(bytes.TrimSpace(text)), ":")
		if !both {
			user, password = "", user
		}
		o.Username, o.Password = user, password
	}
	return o, nil
}
