package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/scimgate/scimgate/bench/standin"
)

func standinCommand() *cobra.Command {
	var options standin.Options
	var address string
	c := &cobra.Command{
		Use:   "standin",
		Short: "Run the stand-in for AWS alone, for anyone's tests",
		Long: `standin imitates the SCIM endpoint of AWS IAM Identity Center in memory, as strictly
as AWS's documents say. What they leave open is a switch:

` + switches(),
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			l, err := net.Listen("tcp", address)
			if err != nil {
				return &failure{exitUsage, "another program may be using the port", err}
			}
			s := standin.New(options)
			token := options.Token
			if token == "" {
				token = standin.DefaultToken
				fmt.Fprintln(c.OutOrStdout(), "token   ", token)
			}
			fmt.Fprintln(c.OutOrStdout(), "base URL", s.BaseURL(l.Addr()))
			ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			served := make(chan error, 1)
			go func() { served <- s.Serve(l) }()
			select {
			case err := <-served:
				return err
			case <-ctx.Done():
			}
			grace, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			return errors.Join(s.Shutdown(grace), <-served)
		},
	}
	c.Flags().StringVar(&address, "listen", "127.0.0.1:9090", "host:port")
	c.Flags().StringVar(&options.Token, "token", "", "bearer token that is accepted (one for tests, printed)")
	c.Flags().StringVar(&options.Tenant, "tenant", "", "first segment of the path ("+standin.DefaultTenant+")")
	c.Flags().IntVar(&options.Users, "users", 0, "invented users to begin with")
	c.Flags().IntVar(&options.Groups, "groups", 0, "invented groups to begin with")
	c.Flags().Var(&options.Switches, "switch", "name=value, any number of times")
	return c
}

func switches() string {
	var b strings.Builder
	for _, s := range standin.Switches() {
		fmt.Fprintf(&b, "  %-24s %s\n", s.Name+"="+strings.Join(s.Values, "|"), s.Question)
	}
	return b.String()
}
