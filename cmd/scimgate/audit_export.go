package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/scimgate/scimgate/cmd/scimgate/internal/export"
	"github.com/scimgate/scimgate/proxy/audit"
)

func auditExportCommand() *cobra.Command {
	var s export.Settings
	c := &cobra.Command{
		Use:   "export FILE",
		Short: "Hand the records of an audit log to Kafka",
		Long: `export reads an audit log with all its segments, follows it while the gateway writes to
it, and hands each record to Kafka, for a SIEM: at least once, in order, without a gap. It
is a process of its own that only reads the log: whatever becomes of Kafka, the gateway
goes on. It remembers the last record that Kafka has acknowledged in FILE.export, and goes
on behind that one after a restart.

A message is the line of the log, byte for byte; its key is the record's resource, else its
exchange; by its headers scimgate-seq and scimgate-sha256, the sequence number and the hash
of the line, a consumer knows what it has had. In the place of a record that is too large for Kafka stands a short one, with
"cut":true and the SHA-256 of the line.`,
		Example: `  scimgate audit export audit.jsonl --kafka kafka-1:9093,kafka-2:9093 --topic scimgate \
    --tls --sasl scram-sha-512 --sasl-file kafka.credentials`,
		Args: cobra.ExactArgs(1),
	}
	flags := c.Flags()
	flags.StringSliceVar(&s.Brokers, "kafka", nil, "HOST:PORT of brokers, with commas between")
	flags.StringVar(&s.Topic, "topic", "", "topic, which has to be there")
	flags.StringVar(&s.Position, "position", "", "file that says how far the export is (FILE.export)")
	flags.BoolVar(&s.Once, "once", false, "export what is there, and end")
	flags.BoolVar(&s.TLS, "tls", false, "talk TLS to the brokers")
	flags.StringVar(&s.CAFile, "ca-file", "", "PEM file with the roots of their certificates (those of the system)")
	flags.StringVar(&s.SASL, "sasl", "", "plain, scram-sha-256 or scram-sha-512")
	flags.StringVar(&s.SASLFile, "sasl-file", "", "file with user and password for that, a line each")
	c.RunE = func(c *cobra.Command, args []string) error {
		s.File = args[0]
		if s.Position == "" {
			s.Position = s.File + ".export"
		}
		if len(s.Brokers) == 0 || s.Topic == "" {
			return &failure{exitUsage, "scimgate audit export --help has an example", errors.New("--kafka and --topic are needed")}
		}
		if err := s.Check(); err != nil {
			return &failure{exitUsage, "scimgate audit export --help has an example", err}
		}
		confine() // it has a password in its memory
		ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		context.AfterFunc(ctx, stop) // a second signal ends at once
		return exportFailure(export.Run(ctx, s, c.ErrOrStderr()))
	}
	return c
}

// exportFailure gives an error of an export its exit code.
func exportFailure(err error) error {
	var broken *audit.ChainError
	var position *audit.PositionError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &position):
		return &failure{exitAudit, "if the log was begun anew on purpose, remove the file of the position: the log is exported from its first record on then",
			fmt.Errorf("the position is not one of this log: %w", err)}
	case errors.As(err, &broken):
		return &failure{exitAudit, "nothing behind that record is exported; keep the log as it is, and ask scimgate audit verify", fmt.Errorf("the audit log is broken: %w", err)}
	}
	return &failure{exitUsage, "", err}
}
