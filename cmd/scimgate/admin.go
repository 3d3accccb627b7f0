package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// adminFlags say where the admin listener of a running gateway is.
type adminFlags struct{ address, tokenFile, tenant string }

func (a *adminFlags) declare(flags *pflag.FlagSet) {
	flags.StringVar(&a.address, "admin", "127.0.0.1:8081", "host:port of the gateway's admin listener")
	flags.StringVar(&a.tokenFile, "admin-token-file", "", "the file of admin.token_file, if there is one")
	flags.StringVar(&a.tenant, "tenant", "", "name of the tenant, where there are several")
}

func guardCommand() *cobra.Command {
	var admin adminFlags
	c := &cobra.Command{
		Use:   "guard",
		Short: "Show what the guards against accidents count, or release one for a while",
		Long: `guard shows what the guards of a running gateway have counted within their window.
guard release lets pass, for a while, what one of them holds.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return ask(c.OutOrStdout(), "GET", admin, "/guard", nil)
		},
	}
	admin.declare(c.PersistentFlags())
	var while time.Duration
	release := &cobra.Command{
		Use:     "release [user_deletes|group_deletes|deactivations|removals]",
		Short:   "Let pass what a guard holds, for a while; user_deletes unless another is named",
		Example: "  scimgate guard release --for 30m",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			kind := strings.Join(append(args, "user_deletes")[:1], "")
			return ask(c.OutOrStdout(), "POST", admin, "/guard/release", url.Values{"kind": {kind}, "for": {while.String()}})
		},
	}
	release.Flags().DurationVar(&while, "for", time.Hour, "how long, 24h at most")
	c.AddCommand(release)
	return c
}

func overrideCommand() *cobra.Command {
	var admin adminFlags
	var while time.Duration
	c := &cobra.Command{
		Use:   "override [observe | pass | RULE=off|warn|repair|reject | end]",
		Short: "Observe only, or change one rule, for a while, in a running gateway",
		Long: `override is for the night in which a rule, or the gateway as a whole, is in the way. It
is recorded in the audit log, ends by itself, and changes nothing that was configured.
observe forwards everything as it came, and judges it all the same; pass doesn't even
judge. The audit log, pacing and what is refused for safety stay. Without an argument it
shows what is in force.`,
		Example: "  scimgate override observe --for 30m\n  scimgate override SG401=off --for 2h\n  scimgate override end",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return ask(c.OutOrStdout(), "GET", admin, "/override", nil)
			}
			return ask(c.OutOrStdout(), "POST", admin, "/override", url.Values{"what": args, "for": {while.String()}})
		},
	}
	c.Flags().DurationVar(&while, "for", time.Hour, "how long, 24h at most")
	admin.declare(c.Flags())
	return c
}

func leaversCommand() *cobra.Command {
	var admin adminFlags
	c := &cobra.Command{
		Use:   "leavers",
		Short: "List the users whose deactivation AWS has not shown yet",
		Long: `leavers lists the users whose deactivation was asked for and not confirmed by AWS:
they may still have access, though Okta shows them as deactivated. It ends with 1 if
there are any.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			body, err := fetch("GET", admin, "/leavers", nil)
			if err != nil {
				return err
			}
			var list []struct {
				ID, Name, Exchange string
				Since              time.Time
			}
			if err := json.Unmarshal(body, &list); err != nil {
				return &failure{exitUsage, "", fmt.Errorf("cannot read the answer of %s: %w", admin.address, err)}
			}
			for _, l := range list {
				fmt.Fprintf(c.OutOrStdout(), "%s  %s  %s  since %s\n", l.ID, l.Name, l.Exchange, l.Since.Format(time.RFC3339))
			}
			if len(list) > 0 {
				return errFindings
			}
			return nil
		},
	}
	admin.declare(c.Flags())
	return c
}

// ask prints what the admin listener of a running gateway answers.
func ask(out io.Writer, method string, admin adminFlags, path string, values url.Values) error {
	body, err := fetch(method, admin, path, values)
	if err != nil {
		return err
	}
	_, err = out.Write(body)
	return err
}

// maxAdminAnswer bounds an answer of the admin listener.
const maxAdminAnswer = 32 << 20

// adminHints are for answers that don't say what to do themselves.
var adminHints = map[int]string{
	http.StatusUnauthorized: "--admin-token-file names the file of admin.token_file",
}

func fetch(method string, admin adminFlags, path string, values url.Values) ([]byte, error) {
	const hint = "is the gateway running, and is this its admin.address?"
	if values = maps.Clone(values); admin.tenant != "" {
		if values == nil {
			values = url.Values{}
		}
		values.Set("tenant", admin.tenant)
	}
	req, err := http.NewRequest(method, "http://"+admin.address+path+"?"+values.Encode(), nil)
	if err != nil {
		return nil, &failure{exitUsage, hint, err}
	}
	if admin.tokenFile != "" {
		token, err := os.ReadFile(admin.tokenFile)
		if err != nil {
			return nil, &failure{exitUsage, "", err}
		}
		req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	}
	client := http.Client{Timeout: 10 * time.Second}
	resp, err := client.Do(req)
	if err != nil {
		return nil, &failure{exitUsage, hint, err}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAdminAnswer))
	if err != nil {
		return nil, &failure{exitUsage, hint, err}
	}
	if resp.StatusCode != http.StatusOK {
		return nil, &failure{exitUsage, adminHints[resp.StatusCode], fmt.Errorf("the gateway answers %d: %s", resp.StatusCode, strings.TrimSpace(string(body)))}
	}
	return body, nil
}
