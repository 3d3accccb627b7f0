package proxy

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/scimgate/scimgate/proxy/audit"
	"github.com/scimgate/scimgate/proxy/guard"
	"github.com/scimgate/scimgate/proxy/leavers"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// admin is the listener for operators: whether the process lives, whether it takes
// requests, and its numbers. It is on the loopback alone, and answers only those
// who ask for it by such a name, so that no web page reaches it by DNS rebinding.
func (g *Gateway) adminServer() *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		status, text := g.readiness()
		w.WriteHeader(status)
		fmt.Fprintln(w, text)
		if r.URL.Query().Has("verbose") {
			fmt.Fprintf(w, "audit: %s\n", g.auditState())
			fmt.Fprintf(w, "upstream: %s\n", g.upstreamState())
			fmt.Fprintf(w, "open deactivations: %d\n", g.leavers.Len())
			if g.writer != nil {
				fmt.Fprintf(w, "replicas: %s\n", g.replicaState())
			}
			for _, t := range g.tenants {
				if t.keeper != nil && t.keeper.Err() != nil {
					fmt.Fprintf(w, "tokens: a file of %s has a fault\n", t.name)
				}
				if what, until := t.overridden(); what != "" {
					fmt.Fprintf(w, "override: %s of %s until %s\n", what, t.name, until.Format(time.RFC3339))
				}
			}
		}
	})
	mux.HandleFunc("GET /leavers", func(w http.ResponseWriter, r *http.Request) {
		if t := g.asked(w, r); t != nil {
			answerJSON(w, g.leaversOf(r.FormValue("tenant")))
		}
	})
	mux.HandleFunc("GET /checkpoint", func(w http.ResponseWriter, _ *http.Request) {
		if c := g.lastCheckpoint.Load(); c != nil {
			fmt.Fprintln(w, c)
		}
	})
	mux.HandleFunc("GET /unexplained", func(w http.ResponseWriter, _ *http.Request) { answerJSON(w, g.mysteries.all()) })
	mux.HandleFunc("GET /guard", func(w http.ResponseWriter, r *http.Request) {
		if t := g.asked(w, r); t != nil {
			answerJSON(w, t.guard.Status())
		}
	})
	mux.HandleFunc("POST /guard/release", g.release)
	mux.HandleFunc("GET /override", g.answerOverride)
	mux.HandleFunc("POST /override", g.answerOverride)
	mux.Handle("GET /metrics", promhttp.HandlerFor(g.metrics.registry, promhttp.HandlerOpts{}))
	return &http.Server{
		Handler:     http.MaxBytesHandler(g.adminOnly(asWritten(mux)), 8<<10),
		ReadTimeout: 5 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 8 << 10,
	}
}

// asWritten takes a path as it is written: the mux would send who asks for //metrics to
// another one, by a page of HTML.
func asWritten(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != path.Clean(r.URL.Path) {
			http.NotFound(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// adminConns bounds the connections of the admin listener; others wait.
const adminConns = 64

// maxRelease bounds how long a guard can be released.
const maxRelease = 24 * time.Hour

// asked is the tenant that an order is about: ?tenant=NAME, or the first.
func (g *Gateway) asked(w http.ResponseWriter, r *http.Request) *Tenant {
	t, err := g.named(r.FormValue("tenant"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
	}
	return t
}

// leaversOf are the open deactivations of a tenant, and those of which none is known;
// without a name, all.
func (g *Gateway) leaversOf(tenant string) []leavers.Leaver {
	return slices.DeleteFunc(g.leavers.All(), func(l leavers.Leaver) bool { return tenant != "" && l.Tenant != "" && l.Tenant != tenant })
}

// release lets what a guard holds pass for a while: ?kind=user_deletes&for=1h.
func (g *Gateway) release(w http.ResponseWriter, r *http.Request) {
	t := g.asked(w, r)
	if t == nil {
		return
	}
	kind, unknown := guard.ParseKind(r.FormValue("kind"))
	while, err := time.ParseDuration(r.FormValue("for"))
	if unknown != nil || err != nil || while <= 0 || while > maxRelease {
		http.Error(w, "kind is user_deletes, group_deletes, deactivations or removals; for is a time such as 1h, 24h at most", http.StatusBadRequest)
		return
	}
	if status, text, is := g.standsBy(); is && kind == guard.Deactivations {
		http.Error(w, text+", and this one sends nothing: deactivate the user there, by another push of the client, say", status)
		return
	}
	if err := g.journal.Notice("guard_release", &audit.Record{Tenant: t.name, Client: askerOf(r).String(), Findings: []string{kind.String() + " " + while.String()}}); err != nil {
		http.Error(w, "the release cannot be recorded: "+err.Error(), http.StatusServiceUnavailable)
		return
	}
	t.guard.Release(kind, while)
	g.keepHeld(t, t.guard.Keep())
	g.log.Warn().Str("tenant", t.name).Str("kind", kind.String()).Dur("for", while).Msg("a guard is released")
	answerJSON(w, t.guard.Status())
}

func answerJSON(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(value) // the reader has gone
}

// adminOnly lets in who has the token, if there is one, else who asks for the loopback
// by such a name: no web page reaches it by DNS rebinding. Others are counted, recorded and
// limited.
func (g *Gateway) adminOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		given := sha256.Sum256([]byte(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")))
		wanted := sha256.Sum256(g.adminToken)
		switch {
		case g.adminToken != nil && subtle.ConstantTimeCompare(given[:], wanted[:]) != 1:
			w.Header().Set("WWW-Authenticate", "Bearer")
			g.refuseAdmin(w, r, http.StatusUnauthorized, "token", "this listener wants the token of admin.token_file")
		case g.adminToken == nil && (!onLoopback(host) && !onLoopback(host+":80") || strings.ContainsAny(host, "/@")):
			g.refuseAdmin(w, r, http.StatusMisdirectedRequest, "host", "this listener answers to localhost only")
		case r.Header.Get("Origin") != "": // a web page, not a command
			g.refuseAdmin(w, r, http.StatusForbidden, "origin", "this listener answers no web pages")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func (g *Gateway) refuseAdmin(w http.ResponseWriter, r *http.Request, status int, why, text string) {
	g.metrics.adminRefused.WithLabelValues(why).Inc()
	address := askerOf(r)
	if !g.strangers.Allow(address, time.Now()) {
		g.journal.Omit()
		w.Header().Set("Retry-After", "5")
		http.Error(w, "too many requests that this listener refuses", http.StatusTooManyRequests)
		return
	}
	if err := g.journal.Refuse(&audit.Record{Event: audit.EventAdmin, Client: address.String(), Reply: status, Findings: []string{why}}, audit.Riding); err != nil {
		g.log.Error().Err(err).Msg("cannot record a refusal of the admin listener")
	}
	http.Error(w, text, status)
}

// askerOf is the address of who asks.
func askerOf(r *http.Request) netip.Addr {
	from, _ := netip.ParseAddrPort(r.RemoteAddr)
	return from.Addr().Unmap()
}

// readSecret reads a file that holds one secret and nothing else.
func readSecret(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if text = bytes.TrimSpace(text); len(text) < 16 {
		return nil, errors.New("the file does not hold a token of 16 characters at least")
	}
	return text, nil
}

// readiness is green while the gateway takes requests. A fault of the audit log
// leaves it green: a load balancer that takes the last replica out would answer
// clients in HTML, which Okta takes as final.
func (g *Gateway) readiness() (status int, text string) {
	if g.draining.Load() {
		return http.StatusServiceUnavailable, "draining"
	}
	if status, text, is := g.standsBy(); is {
		return status, text
	}
	return http.StatusOK, "ok"
}

func (g *Gateway) auditState() string {
	if g.journal.Scarce() {
		return "no room, what takes access away goes into the space that was reserved, other writes are held: " + g.journal.Err().Error()
	}
	if err := g.journal.Err(); err != nil {
		return "failed, writes are held: " + err.Error()
	}
	return "ok"
}

func (g *Gateway) upstreamState() string {
	for _, t := range g.tenants {
		if t.breaker.Open() {
			return "down (" + t.name + "), calls are refused until a probe is answered"
		}
	}
	return "ok"
}
