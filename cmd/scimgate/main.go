// Command scimgate is a gateway between Okta and AWS IAM Identity Center.
package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

func main() {
	root := &cobra.Command{Use: "scimgate", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(demoCommand())
	if err := root.Execute(); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}
