package export

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// Kafka says where the brokers are, and how they are talked to.
type Kafka struct {
	Brokers  []string // host:port of some of them; the others are found
	TLS      bool
	CAFile   string // PEM; "" is the system's roots
	SASL     string // plain, scram-sha-256 or scram-sha-512; "" for none
	SASLFile string // two lines: user and password
}

// Check tells of settings that don't fit together.
func (k *Kafka) Check() error {
	var errs []error
	for _, b := range k.Brokers {
		if host, port, err := net.SplitHostPort(b); err != nil || host == "" || port == "" {
			errs = append(errs, fmt.Errorf("--kafka: %q is not HOST:PORT", b))
		} else if ip := net.ParseIP(host); k.SASL == "plain" && !k.TLS && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			errs = append(errs, errors.New("--sasl plain sends the password as it is, which needs --tls"))
		}
	}
	if k.CAFile != "" && !k.TLS {
		errs = append(errs, errors.New("--ca-file needs --tls"))
	}
	if (k.SASL == "") != (k.SASLFile == "") {
		errs = append(errs, errors.New("--sasl and --sasl-file need each other"))
	}
	if k.SASL != "" && k.SASL != "plain" && k.SASL != "scram-sha-256" && k.SASL != "scram-sha-512" {
		errs = append(errs, fmt.Errorf("--sasl: %q is none of plain, scram-sha-256, scram-sha-512", k.SASL))
	}
	return errors.Join(errs...)
}

// client is a producer that waits for all replicas in sync, tries for ever, and sends nothing
// until it is told to flush, so that a partition gets one batch at a time. It connects when
// it has something to send.
func (k *Kafka) client(topic string, told *lastWords) (*kgo.Client, error) {
	options := []kgo.Opt{
		kgo.SeedBrokers(k.Brokers...), kgo.ClientID("scimgate"), kgo.WithLogger(told), kgo.DisableClientMetrics(),
		kgo.DefaultProduceTopic(topic), kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ManualFlushing(), kgo.ProducerLinger(0), kgo.MaxBufferedRecords(windowRecords),
	}
	if k.TLS {
		config := &tls.Config{MinVersion: tls.VersionTLS12}
		if k.CAFile != "" {
			pem, err := os.ReadFile(k.CAFile)
			if err != nil {
				return nil, fmt.Errorf("--ca-file: %w", err)
			}
			config.RootCAs = x509.NewCertPool()
			if !config.RootCAs.AppendCertsFromPEM(pem) {
				return nil, fmt.Errorf("--ca-file: %s holds no certificate", k.CAFile)
			}
		}
		options = append(options, kgo.DialTLSConfig(config))
	}
	if k.SASL != "" {
		how, err := k.mechanism()
		if err != nil {
			return nil, err
		}
		options = append(options, kgo.SASL(how))
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		return nil, fmt.Errorf("cannot make a client of Kafka: %w", err)
	}
	return client, nil
}

// mechanism is how the client says who it is. Its errors name the file, and nothing of what
// it holds.
func (k *Kafka) mechanism() (sasl.Mechanism, error) {
	text, err := os.ReadFile(k.SASLFile)
	if err != nil {
		return nil, fmt.Errorf("--sasl-file: %w", err)
	}
	lines := strings.Split(strings.TrimSuffix(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n"), "\n")
	if len(lines) != 2 || lines[0] == "" || lines[1] == "" {
		return nil, fmt.Errorf("--sasl-file: %s does not hold two lines, user and password", k.SASLFile)
	}
	switch k.SASL {
	case "plain":
		return plain.Auth{User: lines[0], Pass: lines[1]}.AsMechanism(), nil
	case "scram-sha-256":
		return scram.Auth{User: lines[0], Pass: lines[1]}.AsSha256Mechanism(), nil
	}
	return scram.Auth{User: lines[0], Pass: lines[1]}.AsSha512Mechanism(), nil
}

// lastWords keeps what the library has complained of last, for the line that tells that the
// export is behind. The library never logs what it sends.
type lastWords struct {
	mu   sync.Mutex // guards following
	last string
}

// Level is that of warnings.
func (l *lastWords) Level() kgo.LogLevel { return kgo.LogLevelWarn }

// Log takes the message, and the error among the pairs.
func (l *lastWords) Log(_ kgo.LogLevel, message string, pairs ...any) {
	for i := 0; i+1 < len(pairs); i += 2 {
		if err, is := pairs[i+1].(error); is && err != nil {
			message += ": " + err.Error()
		}
	}
	l.hear(message)
}

func (l *lastWords) hear(words string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = words
}

func (l *lastWords) words() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}
