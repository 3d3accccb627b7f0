package proxy

import (
	"fmt"
	"net/http"
	"strings"
	"time"

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
		}
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(g.metrics.registry, promhttp.HandlerOpts{}))
	return &http.Server{
		Handler:           ownHost(mux),
		ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 8 << 10,
	}
}

func ownHost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if host := r.Host; !onLoopback(host) && !onLoopback(host+":80") || strings.ContainsAny(host, "/@") {
			http.Error(w, "this listener answers to localhost only", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// readiness is green while the gateway takes requests. A fault of the audit log
// leaves it green: a load balancer that takes the last replica out would answer
// clients in HTML, which Okta takes as final.
func (g *Gateway) readiness() (status int, text string) {
	if g.draining.Load() {
		return http.StatusServiceUnavailable, "draining"
	}
	return http.StatusOK, "ok"
}

func (g *Gateway) auditState() string {
	if err := g.journal.Err(); err != nil {
		return "failed, writes are held: " + err.Error()
	}
	return "ok"
}
