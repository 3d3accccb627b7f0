// Command scimgate is a gateway between Okta and AWS IAM Identity Center, and the
// tools around it. One file is one command; exit codes are in exit.go.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the program: arguments in, exit code out. Results go to out; errors and
// diagnostics to errs.
func run(args []string, in io.Reader, out, errs io.Writer) int {
	root := &cobra.Command{
		Use:   "scimgate",
		Short: "A gateway between Okta and AWS IAM Identity Center",
		Long: `scimgate stands between Okta and the SCIM endpoint of AWS IAM Identity Center. It
repairs what can be repaired, translates what AWS can't do, and refuses the rest in
words that name the attribute, the field in Okta and the fix.

  scimgate demo          see it at work, without AWS and without Okta
  scimgate serve         run it
  scimgate check FILE    judge a SCIM payload offline
  scimgate rules         what AWS refuses, and why`,
		SilenceErrors: true, SilenceUsage: true,
	}
	root.AddCommand(serveCommand(), demoCommand(), checkCommand(), rulesCommand(), guardCommand(), leaversCommand(), overrideCommand(), auditCommand(), standinCommand(), tokenCommand(), versionCommand())
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errs)
	err := root.ExecuteContext(context.Background())
	if err == nil {
		return exitClean
	}
	code, hint := classify(err)
	if err != errFindings {
		fmt.Fprintln(errs, "error:", strings.ReplaceAll(err.Error(), "\n", "\nerror: "))
	}
	if hint != "" {
		fmt.Fprintln(errs, "hint:", hint)
	}
	return code
}
