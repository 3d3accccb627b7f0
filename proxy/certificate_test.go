package proxy

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// The nearer the end of a certificate, the louder it is told, and the more often.
func TestTheEndOfACertificateIsTold(t *testing.T) {
	end := time.Date(2026, 6, 30, 12, 0, 0, 0, time.UTC)
	f := func(left, length time.Duration, warnings, errors int) {
		t.Helper()
		var out bytes.Buffer
		log := zerolog.New(&out)
		c := certificates{log: &log, current: &tls.Certificate{Leaf: &x509.Certificate{NotAfter: end}}}
		for at := time.Duration(0); at < length; at += time.Minute {
			c.warn(end.Add(at - left))
		}
		if w, e := strings.Count(out.String(), `"warn"`), strings.Count(out.String(), `"error"`); w != warnings || e != errors {
			t.Errorf("from %v before on, for %v: got %d warnings and %d errors, want %d and %d", left, length, w, e, warnings, errors)
		}
	}
	const day = 24 * time.Hour
	f(40*day, 10*day, 0, 0)
	f(30*day, 3*day, 3, 0)
	f(7*day, 3*day, 0, 3)
	f(day, day, 0, 24)
	f(0, day, 0, 24)
}
