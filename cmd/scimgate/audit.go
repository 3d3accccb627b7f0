package main

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/scimgate/scimgate/proxy/audit"
)

func auditCommand() *cobra.Command {
	c := &cobra.Command{Use: "audit", Short: "Check an audit log, or hand it to Kafka", Args: cobra.NoArgs}
	var against string
	var keyFiles []string
	verify := &cobra.Command{
		Use:   "verify FILE",
		Short: "Tell whether an audit log is what was written: nothing changed, dropped or inserted",
		Long: `verify reads an audit log with all its segments, and checks the chain of hashes. Two
things no log can show by itself. That whole records are missing at its end: --against
names a checkpoint that was kept elsewhere, as SEQ:HASH or with its signature, of which
the gateway's log on standard error and audit.checkpoint_file tell. That all of it was
written anew: with --public-key, each checkpoint must have been signed by that key.`,
		Example: "  scimgate audit verify audit.jsonl --public-key audit.jsonl.pub --against \"$(tail -n 1 checkpoints)\"",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if against == "" && c.Flags().Changed("against") {
				return &failure{exitUsage, "is the file of checkpoints there, and is there one in it? without one, a tail that is cut off isn't seen", errors.New("--against is empty, and names no checkpoint")}
			}
			summary, err := verifyLog(args[0], against, keyFiles)
			var usage *failure
			if errors.As(err, &usage) {
				return usage
			}
			out := c.OutOrStdout()
			fmt.Fprintf(out, "%d records are sound, %d to %d; %d intents have no outcome, %d gaps are recorded",
				summary.Records, summary.First, summary.Last, len(summary.OpenIntents), summary.Gaps)
			if len(keyFiles) > 0 {
				fmt.Fprintf(out, ", %d checkpoints are signed", summary.Signed)
			}
			fmt.Fprintln(out)
			if err != nil {
				return &failure{exitAudit, verifyHint(err), err}
			}
			fmt.Fprintf(out, "checkpoint %d:%s\n", summary.Last, summary.LastHash)
			return nil
		},
	}
	verify.Flags().StringVar(&against, "against", "", "a checkpoint that was kept elsewhere, SEQ:HASH or SEQ:HASH:KEY:SIGNATURE")
	verify.Flags().StringArrayVar(&keyFiles, "public-key", nil, "PEM file of a key that signs checkpoints, any number of times")
	c.AddCommand(verify, auditExportCommand())
	return c
}

// verifyHint tells a log in which nothing is signed yet, which is no sign of a change, from
// one that was changed.
func verifyHint(err error) string {
	var broken *audit.ChainError
	if errors.As(err, &broken) && broken.Unsigned {
		return "wait for audit.checkpoint_every, or hold the log --against a signed checkpoint that was kept elsewhere"
	}
	return "keep the file as it is; somebody or a disk has changed it"
}

func verifyLog(log, against string, keyFiles []string) (audit.Summary, error) {
	if _, err := os.Stat(log); err != nil {
		return audit.Summary{}, &failure{exitUsage, "", err}
	}
	var keys []ed25519.PublicKey
	for _, file := range keyFiles {
		key, err := audit.ReadPublicKey(file)
		if err != nil {
			return audit.Summary{}, &failure{exitUsage, "the gateway writes it beside the log, as FILE.pub", fmt.Errorf("--public-key: %w", err)}
		}
		keys = append(keys, key)
	}
	if against == "" {
		return audit.VerifyFile(log, nil, keys...)
	}
	mark, err := audit.ParseCheckpoint(against)
	if err != nil {
		return audit.Summary{}, &failure{exitUsage, "", fmt.Errorf("--against: %w", err)}
	}
	return audit.VerifyFile(log, &mark, keys...)
}
