package standin

import (
	"math"
	"net/http"
	"time"
)

// Rate is what a quota allows. The zero Rate means the quota's default; a negative
// PerSecond means no limit.
type Rate struct {
	PerSecond float64
	Burst     float64 // zero means PerSecond
}

// Rates are the quotas of an identity store. The defaults are what the user guide
// publishes; the figure for membership changes is not published, so it is a guess.
type Rates struct {
	Writes      Rate // 25/s for each write operation
	Reads       Rate // 40/s for each read operation
	Memberships Rate // 250/s; each member of CreateGroup and PatchGroup counts one
}

// Unlimited is no throttling at all.
func Unlimited() Rates {
	return Rates{Writes: Rate{PerSecond: -1}, Reads: Rate{PerSecond: -1}, Memberships: Rate{PerSecond: -1}}
}

func (r Rate) or(perSecond float64) Rate {
	if r.PerSecond == 0 {
		r.PerSecond = perSecond
	}
	if r.Burst == 0 {
		r.Burst = max(r.PerSecond, 1)
	}
	return r
}

// bucket is a token bucket, full at first.
type bucket struct {
	rate   Rate
	spent  float64 // tokens out; 0 is full
	filled time.Time
}

// take takes n tokens, or none and tells how long until they are there. More than the
// bucket ever holds is given when it is full.
func (b *bucket) take(n float64, now time.Time) (wait time.Duration, ok bool) {
	if b.rate.PerSecond < 0 || n == 0 {
		return 0, true
	}
	b.spent = max(0, b.spent-now.Sub(b.filled).Seconds()*b.rate.PerSecond)
	b.filled = now
	missing := b.spent + min(n, b.rate.Burst) - b.rate.Burst
	if missing > 1e-9 {
		return time.Duration(missing / b.rate.PerSecond * float64(time.Second)), false
	}
	b.spent += n
	return 0, true
}

// throttled is why a request is answered 429.
type throttled struct{ wait time.Duration }

func (*throttled) Error() string { return "throttled" }

// meter counts a request against the quota of its operation.
func (s *Server) meter(op Operation, write bool) error {
	scope, rate := string(op), s.rates.Reads
	if write {
		rate = s.rates.Writes
	}
	if s.at.is("quota-scope", "kind") {
		scope = "reads"
		if write {
			scope = "writes"
		}
	}
	return s.spend(scope, rate, 1)
}

// charge counts membership changes against their quota and notes them for the journal.
func (s *Server) charge(rq *request, changes int) error {
	rq.memberships = changes
	return s.spend("memberships", s.rates.Memberships, float64(changes))
}

func (s *Server) spend(scope string, rate Rate, n float64) error {
	b := s.buckets[scope]
	if b == nil {
		b = &bucket{rate: rate, filled: s.now()}
		s.buckets[scope] = b
	}
	if wait, ok := b.take(n, s.now()); !ok {
		return &throttled{wait}
	}
	return nil
}

// throttle makes the answer of one who asked too much, in the form that the switch
// throttle-answer asks for: no source has AWS's.
func (s *Server) throttle(wait time.Duration, requestID string) answer {
	out := s.refusal(&refusal{status: 429}, requestID)
	out.header = http.Header{}
	seconds := max(1, math.Ceil(wait.Seconds()))
	switch s.at.at("throttle-answer") {
	case "seconds":
		out.header.Set("Retry-After", itoa(int(seconds)))
	case "date":
		out.header.Set("Retry-After", s.now().Add(time.Duration(seconds)*time.Second).UTC().Format(http.TimeFormat))
	case "empty":
		out.body = nil
	case "no-schemas":
		out.body = []byte(`{"message":"Too Many Requests"}`)
	}
	return out
}
