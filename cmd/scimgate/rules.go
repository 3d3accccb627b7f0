package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/scimgate/scimgate/rules"
	"github.com/scimgate/scimgate/rules/aws"
)

func rulesCommand() *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:     "rules [ID]",
		Short:   "List the rules, or explain one",
		Example: "  scimgate rules SG302",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			set, err := aws.New(aws.Settings{})
			if err != nil {
				return err
			}
			var list []ruleOut
			for r, d := range set.Rules {
				if len(args) == 0 || strings.EqualFold(args[0], r.ID) {
					list = append(list, describe(r, d))
				}
			}
			switch {
			case len(list) == 0:
				return &failure{exitUsage, "scimgate rules lists them all", fmt.Errorf("there is no rule %q", args[0])}
			case output == "json":
				encoder := json.NewEncoder(c.OutOrStdout())
				encoder.SetIndent("", "  ")
				return encoder.Encode(list)
			case output != "text":
				return &failure{exitUsage, "", fmt.Errorf("--output %q is not text or json", output)}
			case len(args) == 0:
				for _, r := range list {
					fmt.Fprintf(c.OutOrStdout(), "%s  %-6s  %s\n", r.ID, r.Disposition, r.Title)
				}
				return nil
			}
			r := list[0]
			fmt.Fprintf(c.OutOrStdout(), "%s %s\n\n%s", r.ID, r.Title, r.page)
			before(c, "Sent", r.Bad)
			before(c, "Forwarded", r.Repaired)
			return nil
		},
	}
	c.Flags().StringVar(&output, "output", "text", "text or json")
	return c
}

func before(c *cobra.Command, title, text string) {
	if text != "" {
		fmt.Fprintf(c.OutOrStdout(), "\n%s:\n\n  %s\n", title, strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n  "))
	}
}

// ruleOut is a rule as programs read it.
type ruleOut struct {
	ID          string `json:"id"`
	Disposition string `json:"disposition"`
	Title       string `json:"title"`
	Fix         string `json:"fix"`
	Why         string `json:"why,omitempty"`
	AWS         string `json:"aws"`
	Source      string `json:"source"`
	Bad         string `json:"sent,omitempty"`
	Repaired    string `json:"forwarded,omitempty"`

	page string
}

func describe(r *rules.Rule, d rules.Disposition) ruleOut {
	out := ruleOut{
		ID: r.ID, Disposition: d.String(), Title: aws.Plain(r.Title), Fix: r.Fix, Why: r.Why, AWS: r.AWS, Source: r.Source.String(), page: aws.Page(r, d),
	}
	out.Bad, out.Repaired, _ = aws.Example(r.ID)
	return out
}
