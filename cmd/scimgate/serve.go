package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

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
		confine()
		g, err := proxy.New(config.Settings, policy, c.ErrOrStderr())
		if err != nil {
			return err
		}
		if err := g.Listen(); err != nil {
			return &failure{exitUsage, "another program may be using the port", err}
		}
		ctx := untilSignalled(g.Hurry)
		go reload(ctx, g, c.Flag("config").Value.String(), settings)
		go reopen(ctx, g)
		err = g.Serve(ctx)
		if errors.Is(err, proxy.ErrHurried) || errors.Is(err, proxy.ErrCutShort) {
			return &failure{exitUpstream, "", err}
		}
		return err
	}
	return c
}

// untilSignalled ends at the first SIGTERM or SIGINT; again is called at the second.
func untilSignalled(again func()) context.Context {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	ctx, end := context.WithCancel(context.Background())
	go func() {
		<-signals
		end()
		<-signals
		again()
	}()
	return ctx
}

// watchEvery is how often the configuration file is looked at.
const watchEvery = 2 * time.Second

// reload reads the configuration again at SIGHUP, and when its file has changed. One
// with a fault leaves the last one in force.
func reload(ctx context.Context, g *proxy.Gateway, file string, settings func() (*configs.Config, error)) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	ticks := time.NewTicker(watchEvery)
	defer ticks.Stop()
	seen, again := look(file), false
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
		case <-ticks.C:
			if now := look(file); !again && (now == nil || seen != nil && os.SameFile(now, seen) && now.ModTime().Equal(seen.ModTime()) && now.Size() == seen.Size()) {
				continue
			}
		}
		seen, again = look(file), false
		config, err := settings()
		if err != nil {
			g.NotReloaded(err)
			continue
		}
		policy, err := config.Rulebook()
		if err != nil {
			g.NotReloaded(err)
			continue
		}
		again = errors.Is(g.Reload(config.Settings, policy, config.Audit.Config), proxy.ErrNotRecorded) // it has told of its error
	}
}

// reopen begins another segment of the audit log at SIGUSR1.
func reopen(ctx context.Context, g *proxy.Gateway) {
	signalled := make(chan os.Signal, 1)
	signal.Notify(signalled, syscall.SIGUSR1)
	defer signal.Stop(signalled)
	for {
		select {
		case <-ctx.Done():
			return
		case <-signalled:
			g.ReopenAudit()
		}
	}
}

// look is what stands under the name of the configuration: nil if nothing does. Links are
// followed, so that turning one to another file, as Kubernetes does, is a change.
func look(file string) os.FileInfo {
	if file == "" {
		return nil
	}
	status, err := os.Stat(file)
	if err != nil {
		return nil
	}
	return status
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
