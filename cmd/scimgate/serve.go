package main

import (
	"context"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/scimgate/scimgate/configs"
	"github.com/scimgate/scimgate/proxy"
)

func serveCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run the gateway",
		Long: `serve runs the gateway until SIGTERM, which finishes what is under way; a second one
ends at once. Each setting can stand in the file of --config, in the environment,
or here, and the last of these wins.`,
		Example: `  scimgate serve --upstream https://scim.us-east-2.amazonaws.com/TENANT/scim/v2 \
    --listen 127.0.0.1:8080 --admin 127.0.0.1:8081 --audit audit.jsonl`,
		Args: cobra.NoArgs,
	}
	settings := settingsFlags(c.Flags())
	c.RunE = func(c *cobra.Command, _ []string) error {
		config, err := settings()
		if err != nil {
			return &failure{exitUsage, "scimgate serve --help lists the settings", err}
		}
		policy, err := config.Rulebook()
		if err != nil {
			return &failure{exitUsage, "", err}
		}
		if err := config.Check(); err != nil {
			return &failure{exitUsage, "scimgate serve --help lists the settings", err}
		}
		g, err := proxy.New(config.Settings, policy, c.ErrOrStderr())
		if err != nil {
			return err
		}
		if err := g.Listen(); err != nil {
			return &failure{exitUsage, "another program may be using the port", err}
		}
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		context.AfterFunc(ctx, stop) // a second signal ends at once
		return g.Serve(ctx)
	}
	return c
}

// settingsFlags declares a flag for each setting, and returns what reads them all.
func settingsFlags(flags *pflag.FlagSet) (load func() (*configs.Config, error)) {
	file := flags.String("config", os.Getenv("SCIMGATE_CONFIG"), "YAML file with settings")
	names := map[string]string{} // of flags → of keys
	for _, k := range configs.Keys() {
		usage := k.Doc
		if k.Default != "" {
			usage += " (" + k.Default + ")"
		}
		flag := k.Flag
		if k.Short != "" {
			flag = k.Short
			names[k.Flag] = k.Name
			flags.String(k.Flag, "", usage)
			flags.Lookup(k.Flag).Hidden = true
		}
		names[flag] = k.Name
		flags.String(flag, "", usage)
		if k.Bool() {
			flags.Lookup(flag).NoOptDefVal = "true"
		}
	}
	return func() (*configs.Config, error) {
		values := map[string]string{}
		flags.Visit(func(f *pflag.Flag) {
			if key, ok := names[f.Name]; ok {
				values[key] = f.Value.String()
			}
		})
		return configs.Load(strings.TrimSpace(*file), os.Environ(), values)
	}
}
