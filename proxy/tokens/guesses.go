package tokens

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxAddresses bounds the addresses that have a limit of their own; others share one.
const maxAddresses = 4096

// Guesses limits what those may do who have not shown yet that they may do anything: so
// many a second from each address. Safe for concurrent use.
type Guesses struct {
	perSecond rate.Limit
	burst     int

	mu     sync.Mutex // guards following
	by     map[netip.Addr]*guesser
	others *rate.Limiter
}

type guesser struct {
	limiter *rate.Limiter
	used    time.Time
}

// NewGuesses allows so many a second from each address, and burst at once.
func NewGuesses(perSecond float64, burst int) *Guesses {
	l := rate.Limit(perSecond)
	return &Guesses{perSecond: l, burst: burst, by: map[netip.Addr]*guesser{}, others: rate.NewLimiter(l, burst)}
}

// Allow takes one of an address.
func (g *Guesses) Allow(address netip.Addr, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	one := g.by[address]
	if one == nil {
		if len(g.by) >= maxAddresses {
			g.forget(now)
		}
		if len(g.by) >= maxAddresses {
			return g.others.AllowN(now, 1)
		}
		one = &guesser{limiter: rate.NewLimiter(g.perSecond, g.burst)}
		g.by[address] = one
	}
	one.used = now
	return one.limiter.AllowN(now, 1)
}

// forget drops addresses whose limiters are full again.
func (g *Guesses) forget(now time.Time) {
	full := time.Duration(float64(g.burst)/float64(g.perSecond)*float64(time.Second)) + time.Second
	for address, one := range g.by {
		if now.Sub(one.used) > full {
			delete(g.by, address)
		}
	}
}
