package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/scimgate/scimgate/proxy/audit"
)

func auditCommand() *cobra.Command {
	c := &cobra.Command{Use: "audit", Short: "Check an audit log", Args: cobra.NoArgs}
	var against string
	verify := &cobra.Command{
		Use:   "verify FILE",
		Short: "Tell whether an audit log is what was written: nothing changed, dropped or inserted",
		Long: `verify reads an audit log with all its segments, and checks the chain of hashes. That
whole records are missing at the end no log can show by itself: --against names a record
that was seen elsewhere, as SEQ:HASH, which the summary of an earlier run prints.`,
		Example: "  scimgate audit verify audit.jsonl",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			summary, err := check(args[0], against)
			var usage *failure
			if errors.As(err, &usage) {
				return usage
			}
			out := c.OutOrStdout()
			fmt.Fprintf(out, "%d records are sound, %d to %d; %d intents have no outcome, %d gaps are recorded\n",
				summary.Records, summary.First, summary.Last, len(summary.OpenIntents), summary.Gaps)
			if err != nil {
				return &failure{exitAudit, "keep the file as it is; somebody or a disk has changed it", err}
			}
			fmt.Fprintf(out, "checkpoint %d:%s\n", summary.Last, summary.LastHash)
			return nil
		},
	}
	verify.Flags().StringVar(&against, "against", "", "a checkpoint that was kept elsewhere, SEQ:HASH")
	c.AddCommand(verify)
	return c
}

func check(log, against string) (audit.Summary, error) {
	if _, err := os.Stat(log); err != nil {
		return audit.Summary{}, &failure{exitUsage, "", err}
	}
	if against == "" {
		return audit.VerifyFile(log, nil)
	}
	seq, hash, _ := strings.Cut(against, ":")
	n, err := strconv.ParseUint(seq, 10, 64)
	if err != nil || len(hash) != 64 {
		return audit.Summary{}, &failure{exitUsage, "", fmt.Errorf("--against %q is not SEQ:HASH", against)}
	}
	return audit.VerifyFile(log, &audit.Checkpoint{Seq: n, Hash: hash})
}
