package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/scimgate/scimgate/proxy/tokens"
)

func tokenCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "token NAME",
		Short: "Make a gateway token, for where the gateway holds AWS's token itself",
		Long: `token makes a token for a SCIM client. The token is printed once, on standard output;
the line for the file of tokens.file, which holds only its hash, on standard error.`,
		Example: "  scimgate token okta 2>>tokens.txt",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := tokens.CheckName(args[0]); err != nil {
				return &failure{exitUsage, "a short word that says who has the token, such as okta", err}
			}
			token, line := tokens.Make(args[0])
			fmt.Fprintln(c.OutOrStdout(), token)
			fmt.Fprintln(c.ErrOrStderr(), line)
			return nil
		},
	}
}
