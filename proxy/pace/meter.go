package pace

import (
	"math"
	"time"

	"golang.org/x/time/rate"
)

const (
	least     = 0.1              // of the full pace; a throttling goes no lower
	gain      = 0.05             // of the full pace, each interval
	interval  = 10 * time.Second // of gaining
	onceEvery = time.Second      // a throttling counts
)

// meter is one limiter with a pace that gives way to throttling. Reserve and Wait
// of the limiter can't be overtaken or given back, so only AllowN is used.
type meter struct {
	limiter *rate.Limiter
	full    float64   // a second
	share   float64   // of full, at gained
	gained  time.Time // up to when gains are in share
	hit     time.Time // when a throttling last counted
	until   time.Time // nothing is spent before
	burst   int       // of the settings; the limiter has more while a larger ask is saved for
}

func newMeter(r Rate) meter {
	return meter{limiter: rate.NewLimiter(rate.Limit(r.PerSecond), r.Burst), full: r.PerSecond, share: 1, burst: r.Burst}
}

// regain applies what was gained since the last throttling.
func (m *meter) regain(now time.Time) rate.Limit {
	if m.share == 1 {
		return m.limiter.Limit()
	}
	steps := math.Floor(float64(now.Sub(m.gained)) / float64(interval))
	if steps >= 1 {
		m.share = min(1, m.share+gain*steps)
		m.gained = m.gained.Add(time.Duration(steps) * interval)
		m.limiter.SetLimitAt(now, rate.Limit(m.full*m.share))
	}
	return m.limiter.Limit()
}

// scale makes it a part of a rate, under the throttling that there is. What was saved
// beyond the burst is given up.
func (m *meter) scale(r Rate, part float64, now time.Time) {
	m.regain(now)
	m.full, m.burst = r.PerSecond*part, max(1, int(float64(r.Burst)*part))
	m.limiter.SetLimitAt(now, rate.Limit(m.full*m.share))
	m.limiter.SetBurstAt(now, m.burst)
}

// throttle halves the pace, and holds everything for a while.
func (m *meter) throttle(now time.Time, hold time.Duration) {
	if until := now.Add(hold); until.After(m.until) {
		m.until = until
	}
	m.regain(now)
	if m.share < 1 && now.Sub(m.hit) < onceEvery {
		return
	}
	m.share = max(least, m.share/2)
	m.gained, m.hit = now, now
	m.limiter.SetLimitAt(now, rate.Limit(m.full*m.share))
}

func (m *meter) paused(now time.Time) time.Duration { return max(0, m.until.Sub(now)) }

// wait is how long until n can be spent, 0 = now, if there is room to save for n.
func (m *meter) wait(n int, now time.Time) time.Duration {
	limit := m.regain(now)
	wait := m.paused(now)
	if missing := float64(n) - m.limiter.TokensAt(now); missing > 0 {
		wait = max(wait, time.Duration(math.Ceil(missing/float64(limit)*float64(time.Second))))
	}
	return wait
}

// widen makes room to save for n, which may be more than the burst; the least
// that is left is the burst.
func (m *meter) widen(n int, now time.Time) {
	if n = max(n, m.burst); n != m.limiter.Burst() {
		m.limiter.SetBurstAt(now, n)
	}
}

// empty spends all that there is.
func (m *meter) empty(now time.Time) {
	if n := int(math.Ceil(m.limiter.TokensAt(now))); n > 0 { // a part of one as well
		burst := m.limiter.Burst()
		m.limiter.SetBurstAt(now, 0)
		m.limiter.AllowN(now, 0)
		m.limiter.SetBurstAt(now, burst)
	}
}

func (m *meter) take(n int, now time.Time) {
	if n > 0 && !m.limiter.AllowN(now, n) {
		panic("BUG: spent what is not there")
	}
}
