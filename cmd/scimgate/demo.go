package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/scimgate/scimgate/bench/okta"
	"github.com/scimgate/scimgate/bench/standin"
	"github.com/scimgate/scimgate/proxy"
	"github.com/scimgate/scimgate/proxy/audit"
	"github.com/scimgate/scimgate/proxy/pace"
	"github.com/scimgate/scimgate/proxy/translate"
	"github.com/scimgate/scimgate/proxy/upstream"
	"github.com/scimgate/scimgate/rules/aws"
)

// The organisation of the demo.
const (
	demoPeople  = 300
	demoGroups  = 12
	demoLargest = 256
	demoSeed    = 7
)

func demoCommand() *cobra.Command {
	var once bool
	c := &cobra.Command{
		Use:   "demo",
		Short: "Play a provisioning session of Okta through the gateway to a stand-in for AWS",
		Long: `demo starts a strict stand-in for AWS and the gateway in front of it, and plays a
provisioning session as Okta sends it, in both of its dialects, over real sockets.
Then it compares the people and groups on both sides, beside the same session
played straight to the stand-in. It goes on serving until Ctrl-C.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return demo(c.Context(), c.OutOrStdout(), once) },
	}
	c.Flags().BoolVar(&once, "once", false, "end when the session is over: 0 if both sides converged, 1 if they didn't")
	return c
}

// errNotConverged ends a demo whose two sides are not alike; it is a finding.
var errNotConverged = errors.New("the two sides have not converged")

func demo(ctx context.Context, out io.Writer, once bool) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	dir, err := os.MkdirTemp("", "scimgate-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fmt.Fprintf(out, "%d people and %d groups of up to %d members, a third of the people with a fault in the profile.\n", demoPeople, demoGroups, demoLargest)
	fmt.Fprintln(out, "The stand-in's quotas and the gateway's budgets are raised for the demo; in earnest AWS takes 25 writes a second.")
	var last *show
	results := map[string]okta.Comparison{}
	for _, dialect := range []okta.Dialect{okta.Catalogue, okta.Wizard} {
		for _, through := range []bool{false, true} {
			if last != nil {
				if err := last.close(); err != nil {
					return err
				}
			}
			if last, err = open(filepath.Join(dir, fmt.Sprint(dialect, through)), through); err != nil {
				return err
			}
			results[fmt.Sprint(dialect, through)] = last.play(ctx, out, dialect, through)
			if ctx.Err() != nil {
				return last.close()
			}
		}
	}
	converged := summary(out, results)
	if !once {
		scim, admin := last.gateway.Addresses()
		fmt.Fprintf(out, "\nStill serving, until Ctrl-C:\n  gateway   http://%s%s\n  stand-in  %s\n  token     %s\n  metrics   http://%s/metrics\n  audit log %s\n",
			scim, "/"+standin.DefaultTenant+"/scim/v2", last.direct, standin.DefaultToken, admin, last.audit)
		<-ctx.Done()
	}
	if err := last.close(); err != nil {
		return err
	}
	if !converged {
		return errNotConverged
	}
	return nil
}

// show is one stand-in, and one gateway in front of it.
type show struct {
	aws     *standin.Server
	direct  string // Base URL of the stand-in
	gateway *proxy.Gateway
	audit   string
	stop    func()
	ended   chan error
	seen    uint64 // sequence of the stand-in's journal that was told already
}

func open(dir string, through bool) (*show, error) {
	s := &show{aws: standin.New(standin.Options{Rates: standin.Unlimited()}), ended: make(chan error, 2), stop: func() {}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s.direct = s.aws.BaseURL(l.Addr())
	go func() { s.ended <- s.aws.Serve(l) }()
	if !through {
		return s, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	s.audit = filepath.Join(dir, "audit.jsonl")
	rules, err := aws.New(aws.Settings{})
	if err != nil {
		return nil, err
	}
	fast := pace.Rate{PerSecond: 1e5, Burst: 1e4}
	s.gateway, err = proxy.New(proxy.Settings{
		Listen: proxy.Listen{Address: "127.0.0.1:0"}, Admin: proxy.Admin{Address: "127.0.0.1:0"}, Upstream: upstream.Settings{URL: s.direct},
		Audit: audit.Settings{File: s.audit}, Pace: pace.Settings{Writes: fast, Reads: fast, Memberships: fast},
	}, proxy.Policy{Rules: rules, Limits: translate.Limits{Members: aws.Published.Members, Page: aws.Published.Page}, Discovery: aws.Discovery(aws.Settings{})}, io.Discard)
	if err != nil {
		return nil, err
	}
	if err := s.gateway.Listen(); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	go func() { s.ended <- s.gateway.Serve(ctx) }()
	return s, nil
}

func (s *show) close() error {
	s.stop()
	var err error
	if s.gateway != nil {
		err = <-s.ended
	}
	return errors.Join(err, s.aws.Close(), <-s.ended)
}

// play runs one session, and tells of it line by line if it goes through the
// gateway.
func (s *show) play(ctx context.Context, out io.Writer, dialect okta.Dialect, through bool) okta.Comparison {
	base, way := s.direct, "straight to the stand-in"
	if through {
		address, _ := s.gateway.Addresses()
		// A slash at the end of the Base URL, as people paste it.
		base, way = "http://"+address+"/"+standin.DefaultTenant+"/scim/v2/", "through the gateway, whose Base URL was pasted with a slash at its end"
	}
	fmt.Fprintf(out, "\n== Okta, %s dialect, %s\n", dialect, way)
	session := okta.Session{Client: &okta.Client{BaseURL: base, Token: standin.DefaultToken}, Dialect: dialect,
		Population: okta.New(demoPeople, demoGroups, demoLargest, demoSeed)}
	requests, began := 0, time.Now()
	session.Wait = func(d time.Duration) {
		select {
		case <-ctx.Done():
		case <-time.After(d):
		}
	}
	session.Watch = func(e okta.Event) {
		requests++
		if through {
			s.tell(out, requests, e)
		} else if requests%200 == 0 {
			fmt.Fprintf(out, "   … %d requests, %d tasks open\n", requests, len(session.Tasks))
		}
	}
	session.Run()
	users, groups := holdings(s.aws)
	fmt.Fprintf(out, "   %d requests of Okta in %.1f s; %d tasks for the administrator; the imports showed %d resources\n",
		requests, time.Since(began).Seconds(), len(session.Tasks), session.Seen)
	return session.Compare(users, groups)
}

// noise are findings that every request of Okta has, and nobody has to know of.
var noise = map[string]bool{"SG324": true, "SG102": true}

// tell prints what Okta sent, what was wrong, what the gateway did, what AWS
// answered, and what an administrator of Okta sees: one line where all was well.
func (s *show) tell(out io.Writer, n int, e okta.Event) {
	target, _, _ := strings.Cut(e.Target, "?")
	fmt.Fprintf(out, "%5d Okta %s: %s %s\n", n, e.Did, e.Method, target)
	var findings []string
	for _, f := range strings.Split(e.Findings, ", ") {
		if id, _, _ := strings.Cut(f, " "); f != "" && !noise[id] {
			findings = append(findings, f)
		}
	}
	var calls []string
	for _, entry := range s.aws.Journal() {
		if entry.Seq > s.seen {
			s.seen = entry.Seq
			at, _, _ := strings.Cut(strings.TrimPrefix(entry.Target, "/"+standin.DefaultTenant+"/scim/v2"), "?")
			calls = append(calls, fmt.Sprintf("%s %s %d", entry.Method, at, entry.Status))
		}
	}
	if len(findings) == 0 && e.Sees == "" && len(calls) == 1 {
		return
	}
	if e.Person != nil && e.Person.Fault != nil && (len(findings) > 0 || e.Sees != "") {
		fmt.Fprintf(out, "      wrong    %s\n", e.Person.Fault.Name)
	}
	if len(findings) > 0 {
		fmt.Fprintf(out, "      gateway  %s\n", strings.Join(findings, ", "))
	}
	if len(calls) > 6 {
		calls = append(calls[:5], fmt.Sprintf("and %d more", len(calls)-5))
	}
	if len(calls) > 0 {
		fmt.Fprintf(out, "      AWS      %s\n", strings.Join(calls, ", "))
	} else {
		fmt.Fprintln(out, "      AWS      was not asked")
	}
	if e.Sees != "" {
		fmt.Fprintf(out, "      sees     %s\n", e.Sees)
	}
}

// holdings are the users and groups at the stand-in.
func holdings(store *standin.Server) (users, groups []okta.AtAWS) {
	names := map[string]string{}
	for _, u := range store.Users() {
		names[u.ID] = u.UserName
		users = append(users, okta.AtAWS{Document: u.Document})
	}
	for _, g := range store.Groups() {
		members := make([]string, len(g.Members))
		for i, id := range g.Members {
			members[i] = names[id]
		}
		groups = append(groups, okta.AtAWS{Document: g.Document, Members: members})
	}
	return users, groups
}

// list prints people by what is wrong with their profile.
func list(out io.Writer, title string, lines []string) {
	people := map[string][]string{}
	for _, line := range lines {
		person, fault, _ := strings.Cut(line, ": ")
		people[fault] = append(people[fault], person)
	}
	fmt.Fprintf(out, "\n%s:\n", title)
	for _, fault := range slices.Sorted(maps.Keys(people)) {
		fmt.Fprintf(out, "   %s: %s\n", fault, strings.Join(people[fault], ", "))
	}
}

// summary prints the comparisons side by side, and tells whether the gateway's are
// free of differences.
func summary(out io.Writer, results map[string]okta.Comparison) (converged bool) {
	fmt.Fprintf(out, "\n== Okta and AWS compared, attribute by attribute\n\n%-34s %10s %10s %12s %12s\n", "", "alike", "mended", "only person", "differences")
	converged = true
	for _, dialect := range []okta.Dialect{okta.Catalogue, okta.Wizard} {
		for _, through := range []bool{false, true} {
			way := ", straight to AWS"
			if through {
				way = ", through the gateway"
			}
			r := results[fmt.Sprint(dialect, through)]
			fmt.Fprintf(out, "%-34s %10d %10d %12d %12d\n", string(dialect)+way, r.Converged, len(r.Changed), len(r.OnlyPerson), len(r.Differences))
			if through && len(r.Differences) > 0 {
				converged = false
				for _, d := range r.Differences {
					fmt.Fprintf(out, "   %s\n", d)
				}
			}
		}
	}
	through := results[fmt.Sprint(okta.Wizard, true)]
	list(out, "Mended: changed or left out, with a finding", through.Changed)
	list(out, "Only a person can mend; each is a task in Okta that names the field", through.OnlyPerson)
	if converged {
		fmt.Fprintln(out, "\nThrough the gateway both sides have converged, in both dialects.")
	} else {
		fmt.Fprintln(out, "\nThe two sides have NOT converged.")
	}
	return converged
}
