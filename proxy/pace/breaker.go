package pace

import (
	"math/rand/v2"
	"sync"
	"time"
)

// A circuit opens after so many failures in a row, and stays open for a time that
// doubles as long as its probes fail.
const (
	failuresToOpen = 5
	openFirst      = 2 * time.Second
	openMost       = 60 * time.Second
	probeFor       = 30 * time.Second // after which a probe that never went out is forgotten
)

// Breaker opens on an upstream that is down, so that nobody waits for it: calls are
// refused at once, until a probe has been answered. The zero value is closed. Safe
// for concurrent use.
type Breaker struct {
	mu       sync.Mutex // guards following
	failures int        // in a row
	until    time.Time  // open until then; zero while closed
	length   time.Duration
	probed   time.Time // half-open, and a probe went out then
}

// Passage is what a call may do.
type Passage uint8

const (
	Pass  Passage = iota // go ahead
	Probe                // go ahead as the probe: a read, since nothing may depend on it
	Stop                 // the circuit is open
)

// Enter asks for passage; on Stop wait is when to come again. Who gets Probe
// calls Report.
func (b *Breaker) Enter() (p Passage, wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.until.IsZero() {
		return Pass, 0
	}
	if wait = time.Until(b.until); wait > 0 || time.Since(b.probed) < probeFor {
		return Stop, max(wait, time.Second)
	}
	b.probed = time.Now()
	return Probe, 0
}

// Report tells whether the upstream answered a call, whatever it said.
func (b *Breaker) Report(answered bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.probed = time.Time{}
	switch {
	case answered:
		b.failures, b.until, b.length = 0, time.Time{}, 0
	case !b.until.IsZero() && time.Now().Before(b.until): // of a call that began before it opened
	default:
		if b.failures++; b.failures < failuresToOpen && b.until.IsZero() {
			return
		}
		b.length = min(max(2*b.length, openFirst), openMost)
		b.until = time.Now().Add(b.length/2 + rand.N(b.length/2)) // replicas don't probe in step
	}
}

// Open tells whether calls are refused now.
func (b *Breaker) Open() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.until.IsZero()
}

// Retries bound repeats to a part of the calls, so that they can't make an overload
// worse: a tenth, and a few at once. The zero value has none to begin with.
type Retries struct {
	mu     sync.Mutex // guards following
	tokens float64
}

const (
	perCall    = 0.1
	mostTokens = 20
)

// NewRetries has its few at once.
func NewRetries() *Retries { return &Retries{tokens: mostTokens} }

// Called counts a call that is no repeat.
func (r *Retries) Called() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tokens = min(r.tokens+perCall, mostTokens)
}

// Spend takes the right to one repeat; false if there is none.
func (r *Retries) Spend() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.tokens < 1 {
		return false
	}
	r.tokens--
	return true
}

// Jitter is how long to wait before the n-th repeat (from 1): any time up to a bound
// that doubles, so that clients that failed together don't come back together.
func Jitter(n int) time.Duration {
	const first, most = 100 * time.Millisecond, 3 * time.Second
	return rand.N(min(first<<min(n-1, 10), most))
}
