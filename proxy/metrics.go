package proxy

import (
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/scimgate/scimgate/rules"
	"github.com/scimgate/scimgate/rules/scim"
)

// metrics are the gateway's numbers. No label ever holds anything about a person:
// operations, statuses, rules and outcomes only.
type metrics struct {
	registry      *prometheus.Registry
	requests      *prometheus.CounterVec // operation, code
	duration      prometheus.Histogram
	calls         *prometheus.CounterVec // operation, outcome, code
	callDuration  prometheus.Histogram
	findings      *prometheus.CounterVec // rule, disposition
	wait          prometheus.Histogram
	panics        prometheus.Counter
	deactivations *prometheus.CounterVec // outcome
	guard         *prometheus.CounterVec // kind, verdict
	unexplained   prometheus.Counter
	drift         prometheus.Gauge

	known sync.Map // [2]uint32 of operation and code → prometheus.Counter, so that no label is made per request
}

func newMetrics(audit func() (records, failures float64), down func() bool, leavers func() float64) *metrics {
	seconds := []float64{0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60}
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "scimgate_requests_total",
			Help: "Requests of SCIM clients, by operation and the status that they were answered with."}, []string{"operation", "code"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "scimgate_request_duration_seconds",
			Help: "From a request's arrival to its answer.", Buckets: seconds}),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "scimgate_upstream_calls_total",
			Help: "Calls to AWS, by operation, outcome (ok, upstream_error, not_sent, unknown) and status."}, []string{"operation", "outcome", "code"}),
		callDuration: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "scimgate_upstream_call_duration_seconds",
			Help: "Of calls to AWS, without waiting for their budget.", Buckets: seconds}),
		findings: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "scimgate_rule_hits_total",
			Help: "Findings, by rule and disposition."}, []string{"rule", "disposition"}),
		wait: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "scimgate_pace_wait_seconds",
			Help: "How long calls waited for their budget.", Buckets: seconds}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{Name: "scimgate_panics_total", Help: "Faults of the gateway itself that were contained."}),
		deactivations: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "scimgate_deactivations_total",
			Help: "Deactivations of users, by outcome: ok when AWS showed active false, failed otherwise."}, []string{"outcome"}),
		guard: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "scimgate_guard_total",
			Help: "What guards against accidents said, by kind and verdict: alarm or held."}, []string{"kind", "verdict"}),
		unexplained: prometheus.NewCounter(prometheus.CounterOpts{Name: "scimgate_unexplained_total",
			Help: "Refusals of AWS that no rule foresaw."}),
		drift: prometheus.NewGauge(prometheus.GaugeOpts{Name: "scimgate_schema_drift",
			Help: "Attributes that AWS lists in its schemas and the gateway leaves out."}),
	}
	counter := func(name, help string, read func() float64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, read)
	}
	m.registry.MustRegister(m.requests, m.duration, m.calls, m.callDuration, m.findings, m.wait, m.panics, m.deactivations, m.guard, m.unexplained, m.drift,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "scimgate_upstream_down", Help: "1 while the circuit to AWS is open."}, func() float64 {
			if down() {
				return 1
			}
			return 0
		}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "scimgate_open_deactivations",
			Help: "Users whose deactivation AWS has not shown yet: they may still have access."}, leavers),
		counter("scimgate_audit_records_total", "Records written to the audit log.", func() float64 { n, _ := audit(); return n }),
		counter("scimgate_audit_failures_total", "Records that could not be made durable. Above 0, writes are not forwarded.", func() float64 { _, n := audit(); return n }))
	return m
}

// answered counts one request. Counters of labels that were seen before are found
// without making strings.
func (m *metrics) answered(op scim.Operation, status int, took time.Duration) {
	key := [2]uint32{uint32(op), uint32(status)}
	c, ok := m.known.Load(key)
	if !ok {
		c, _ = m.known.LoadOrStore(key, m.requests.WithLabelValues(op.String(), strconv.Itoa(status)))
	}
	c.(prometheus.Counter).Inc()
	m.duration.Observe(took.Seconds())
}

func (m *metrics) called(op scim.Operation, outcome scim.Outcome, status int, took, waited time.Duration) {
	m.calls.WithLabelValues(op.String(), outcome.String(), strconv.Itoa(status)).Inc()
	m.callDuration.Observe(took.Seconds())
	m.wait.Observe(waited.Seconds())
}

func (m *metrics) found(findings []rules.Finding) {
	for i := range findings {
		m.findings.WithLabelValues(findings[i].ID, findings[i].Disposition.String()).Inc()
	}
}
