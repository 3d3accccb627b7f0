package proxy

import (
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/scimgate/scimgate/rules"
	"github.com/scimgate/scimgate/rules/scim"
)

// metrics are the gateway's numbers. No label ever holds anything about a person:
// operations, statuses, rules and outcomes only.
type metrics struct {
	registry      *prometheus.Registry
	requests      *prometheus.CounterVec // tenant, operation, code
	duration      prometheus.Histogram
	calls         *prometheus.CounterVec // tenant, operation, outcome, code
	callDuration  prometheus.Histogram
	findings      *prometheus.CounterVec // rule, disposition
	wait          prometheus.Histogram
	panics        prometheus.Counter
	deactivations *prometheus.CounterVec // tenant, outcome
	guard         *prometheus.CounterVec // tenant, kind, verdict
	unexplained   prometheus.Counter
	authFailures  *prometheus.CounterVec // tenant
	adminRefused  *prometheus.CounterVec // why
	drift         prometheus.Gauge

	known sync.Map // labels → prometheus.Counter, so that no text is made per request
}

// labels are those of the counter of requests.
type labels struct {
	tenant string
	op     scim.Operation
	status int
}

func newMetrics(g *Gateway) *metrics {
	seconds := []float64{0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60}
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "scimgate_requests_total",
			Help: "Requests of SCIM clients, by operation and the status that they were answered with."}, []string{"tenant", "operation", "code"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "scimgate_request_duration_seconds",
			Help: "From a request's arrival to its answer.", Buckets: seconds}),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "scimgate_upstream_calls_total",
			Help: "Calls to AWS, by operation, outcome (ok, upstream_error, not_sent, unknown) and status."}, []string{"tenant", "operation", "outcome", "code"}),
		callDuration: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "scimgate_upstream_call_duration_seconds",
			Help: "Of calls to AWS, without waiting for their budget.", Buckets: seconds}),
		findings: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "scimgate_rule_hits_total",
			Help: "Findings, by rule and disposition."}, []string{"rule", "disposition"}),
		wait: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "scimgate_pace_wait_seconds",
			Help: "How long calls waited for their budget.", Buckets: seconds}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{Name: "scimgate_panics_total", Help: "Faults of the gateway itself that were contained."}),
		deactivations: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "scimgate_deactivations_total",
			Help: "Deactivations of users, by outcome: ok when AWS showed active false, failed otherwise."}, []string{"tenant", "outcome"}),
		guard: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "scimgate_guard_total",
			Help: "What guards against accidents said, by kind and verdict: alarm or held."}, []string{"tenant", "kind", "verdict"}),
		unexplained: prometheus.NewCounter(prometheus.CounterOpts{Name: "scimgate_unexplained_total",
			Help: "Refusals of AWS that no rule foresaw."}),
		authFailures: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "scimgate_auth_failures_total",
			Help: "Requests whose token was refused, by the gateway or by AWS, or not tried."}, []string{"tenant"}),
		adminRefused: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "scimgate_admin_refused_total",
			Help: "Requests that the admin listener refused, by why: token, host or origin."}, []string{"why"}),
		drift: prometheus.NewGauge(prometheus.GaugeOpts{Name: "scimgate_schema_drift",
			Help: "Attributes that AWS lists in its schemas and the gateway leaves out."}),
	}
	counter := func(name, help string, read func() float64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, read)
	}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), buildInfo())
	m.registry.MustRegister(m.requests, m.duration, m.calls, m.callDuration, m.findings, m.wait, m.panics, m.deactivations, m.guard, m.unexplained, m.authFailures, m.adminRefused, m.drift,
		gauge("scimgate_open_deactivations", "Users whose deactivation AWS has not shown yet: they may still have access.", nil,
			func() float64 { return float64(g.leavers.Len()) }),
		gauge("scimgate_audit_writable", "1 while records can be made durable; 0.5 while only those of what takes access away can.", nil, g.auditWritable),
		counter("scimgate_audit_records_total", "Records written to the audit log.", func() float64 { return float64(g.journal.Counts().Records) }),
		counter("scimgate_audit_failures_total", "Writes and syncs of the audit log that failed.", func() float64 { return float64(g.journal.Counts().Failures) }),
		counter("scimgate_audit_dropped_total", "Records of reads that found no room.", func() float64 { return float64(g.journal.Counts().Dropped) }))
	m.ofReplicas(g)
	for _, t := range g.tenants {
		tenant := prometheus.Labels{"tenant": t.name}
		m.registry.MustRegister(
			gauge("scimgate_upstream_down", "1 while the circuit to AWS is open.", tenant, func() float64 { return number(t.breaker.Open()) }),
			gauge("scimgate_unsettled_writes", "Writes of which it isn't known what became, and about which AWS was not asked yet.", tenant,
				func() float64 { return float64(t.unsettled.n.Load()) }),
			gauge("scimgate_token_expiry_timestamp_seconds", "When the token of AWS ends that was used last, as far as is known; 0 before there was one.", tenant,
				func() float64 {
					if ends := t.seen.Ends(); !ends.IsZero() {
						return float64(ends.Unix())
					}
					return 0
				}),
			gauge("scimgate_token_files_sound", "1 while the files of gateway tokens and of AWS's token can be read, or there are none.", tenant,
				func() float64 { return number(t.keeper == nil || t.keeper.Err() == nil) }),
			gauge("scimgate_pace_waiting", "Calls that wait for their budget.", tenant, func() float64 { return float64(t.budgets.State().Waiting) }),
			gauge("scimgate_lanes", "Resources that are written, waited for or left alone for a while.", tenant, func() float64 { return float64(t.lanes.Len()) }))
	}
	return m
}

// buildInfo is which program this is.
func buildInfo() prometheus.Collector {
	version := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		version = info.Main.Version
	}
	return gauge("scimgate_build_info", "1; the labels say which program this is.", prometheus.Labels{"version": version, "go": runtime.Version()}, func() float64 { return 1 })
}

func gauge(name, help string, labels prometheus.Labels, read func() float64) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: labels}, read)
}

func number(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// auditWritable is how much of the audit log can be written.
func (g *Gateway) auditWritable() float64 {
	if g.journal.Scarce() {
		return 0.5
	}
	return number(g.journal.Err() == nil)
}

// answered counts one request. Counters of labels that were seen before are found
// without making strings.
func (m *metrics) answered(tenant string, op scim.Operation, status int, took time.Duration) {
	key := labels{tenant, op, status}
	c, ok := m.known.Load(key)
	if !ok {
		c, _ = m.known.LoadOrStore(key, m.requests.WithLabelValues(tenant, op.String(), strconv.Itoa(status)))
	}
	c.(prometheus.Counter).Inc()
	m.duration.Observe(took.Seconds())
}

func (m *metrics) called(tenant string, op scim.Operation, outcome scim.Outcome, status int, took, waited time.Duration) {
	m.calls.WithLabelValues(tenant, op.String(), outcome.String(), strconv.Itoa(status)).Inc()
	m.callDuration.Observe(took.Seconds())
	m.wait.Observe(waited.Seconds())
}

func (m *metrics) found(findings []rules.Finding) {
	for i := range findings {
		m.findings.WithLabelValues(findings[i].ID, findings[i].Disposition.String()).Inc()
	}
}
