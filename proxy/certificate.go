package proxy

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// certificates are those of the listener: read again when the files change, without a
// restart.
type certificates struct {
	certFile, keyFile string
	log               *zerolog.Logger

	mu      sync.Mutex // guards following
	current *tls.Certificate
	looked  time.Time
	changed [2]time.Time // of both files
	warned  time.Time
}

// lookAgain bounds how often the files are looked at.
const lookAgain = time.Second

// tlsConfig is how the listener does TLS, nil if it doesn't.
func (s Listen) tlsConfig(log *zerolog.Logger) (*tls.Config, error) {
	if s.CertFile == "" {
		return nil, nil
	}
	c := &certificates{certFile: s.CertFile, keyFile: s.KeyFile, log: log}
	if _, err := c.get(nil); err != nil {
		return nil, err
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get, NextProtos: []string{"http/1.1"}}
	if s.ClientCAFile != "" {
		pem, err := os.ReadFile(s.ClientCAFile)
		if err != nil {
			return nil, err
		}
		config.ClientCAs = x509.NewCertPool()
		if !config.ClientCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate", s.ClientCAFile)
		}
		config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return config, nil
}

// get is the certificate of now. One that can't be read leaves the last one in force.
func (c *certificates) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if c.current != nil && now.Sub(c.looked) < lookAgain {
		return c.current, nil
	}
	c.looked = now
	err := c.read()
	if err != nil && c.current == nil {
		return nil, err
	}
	if err != nil {
		c.log.Error().Err(err).Msg("the listener's certificate cannot be read again; the last one stays")
	}
	c.warn(now)
	return c.current, nil
}

func (c *certificates) read() error {
	var changed [2]time.Time
	for i, file := range [...]string{c.certFile, c.keyFile} {
		status, err := os.Stat(file)
		if err != nil {
			return err
		}
		changed[i] = status.ModTime()
	}
	if c.current != nil && changed == c.changed {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil { // one of the two may not be written yet
		return err
	}
	if c.current != nil {
		c.log.Info().Time("until", pair.Leaf.NotAfter).Msg("the listener has a new certificate")
	}
	c.current, c.changed, c.warned = &pair, changed, time.Time{}
	return nil
}

// endings are how often, and how loudly, it is told that a certificate ends within a time.
var endings = [...]struct {
	within, every time.Duration
	level         zerolog.Level
}{
	{24 * time.Hour, time.Hour, zerolog.ErrorLevel},
	{7 * 24 * time.Hour, 24 * time.Hour, zerolog.ErrorLevel},
	{30 * 24 * time.Hour, 24 * time.Hour, zerolog.WarnLevel},
}

// warn tells of a certificate that ends soon, or has ended.
func (c *certificates) warn(now time.Time) {
	left := c.current.Leaf.NotAfter.Sub(now)
	for _, e := range endings {
		if left > e.within {
			continue
		}
		if now.Sub(c.warned) >= e.every {
			c.warned = now
			c.log.WithLevel(e.level).Time("until", c.current.Leaf.NotAfter).Msg("the listener's certificate ends soon")
		}
		return
	}
}

func (s Listen) checkTLS() error {
	if (s.CertFile == "") != (s.KeyFile == "") {
		return errors.New("listen.cert_file and listen.key_file go together")
	}
	if s.ClientCAFile != "" && s.CertFile == "" {
		return errors.New("listen.client_ca_file needs TLS: name listen.cert_file and listen.key_file")
	}
	return nil
}
