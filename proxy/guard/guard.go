// Package guard keeps accidents of a client from becoming everybody's: a sync
// tool that reads an empty source, after a time-out for instance, deletes all
// users, and one that removes what it does not know deletes the groups of AWS
// Control Tower (observed: awslabs/ssosync#194, #236, #88, #105).
//
// A [Guard] counts, for one tenant, what is taken away within a sliding window
// and rules on what is asked next; it also knows the names of protected groups. It
// carries nothing out and tells nobody. Its counts end with the process, but for those of
// a kind that holds something, which are in a file: what is held stays held over a
// restart, until it is released or the window has passed. Counts that have not reached
// their limit start anew then, and a release that was in force ends.
// Begin with [Guard.Take].
package guard

import (
	"math"
	"strings"
	"sync"
	"time"
)

// Verdict is what becomes of an ask.
type Verdict uint8

const (
	Pass  Verdict = iota // carry it out
	Alarm                // carry it out, and tell someone: once a window
	Hold                 // don't
)

func (v Verdict) String() string { return [...]string{"pass", "alarm", "hold"}[v] }

// Ruling is the answer to an ask.
type Ruling struct {
	Verdict Verdict
	Kind    Kind
	Count   int // taken away within the window, what is asked for included
	Limit   int // how much is allowed within the window
}

// State is how one kind of loss stands, for an administrator.
type State struct {
	Kind          Kind      `json:"kind"`
	Mode          Mode      `json:"mode"`
	Count         int       `json:"count"` // taken away within the window
	Limit         int       `json:"limit"`
	ReleasedUntil time.Time `json:"releasedUntil,omitzero"` // zero if it isn't released
	Held          int       `json:"held"`                   // asks since the start, a client's repeats too
}

// Guard is safe for concurrent use.
type Guard struct {
	window    time.Duration
	protected []string

	disk sync.Mutex // guards following, and is held while the file is written
	path string     // "": there is none
	kept []byte     // what the file has

	mu    sync.Mutex // guards following
	users int        // of the store; 0 until it is known
	taken [kinds]tally
}

// tally is what is known of one kind of loss.
type tally struct {
	limit    Limit
	recent   window
	alarmed  time.Time // zero: never
	released time.Time // nothing is held before
	held     int
	holds    bool // something was held since it was released, or since nothing was counted
}

// New makes a guard of settings that have been checked, with their defaults.
func New(s Settings) *Guard {
	s = s.WithDefaults()
	g := &Guard{window: s.Window, protected: s.Protected}
	for i, name := range g.protected {
		g.protected[i] = strings.TrimSpace(name)
	}
	now := time.Now()
	for kind, limit := range s.limits() {
		g.taken[kind] = tally{limit: *limit, recent: newWindow(s.Window, now)}
	}
	return g
}

// Protects tells whether the group of this name is to be left alone. Names are
// compared case-folded and without blanks around.
func (g *Guard) Protects(group string) bool {
	group = strings.TrimSpace(group)
	for _, name := range g.protected {
		if strings.EqualFold(name, group) {
			return true
		}
	}
	return false
}

// Knows tells the guard how many users the store has. Before, shares of them
// count as 0, so that the floors are the limits.
func (g *Guard) Knows(users int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.users = max(0, users)
}

// Take asks whether n people or groups may lose something now. What passes, with
// an alarm or without, is counted; what is held is not, so that a client's repeats
// change nothing. An alarm is ruled once a window; what follows it passes.
//
// While a kind is released all of it passes, silently, and is counted: afterwards
// nothing more than the limit allows goes through until the window is past it.
func (g *Guard) Take(k Kind, n int) Ruling {
	n = max(0, n)
	g.mu.Lock()
	defer g.mu.Unlock()
	now, t := time.Now(), &g.taken[k]
	r := Ruling{Kind: k, Count: t.recent.count(now) + n, Limit: t.limit.of(g.users)}
	over := n > 0 && r.Count > r.Limit && !now.Before(t.released)
	switch {
	case over && t.limit.Mode == HoldIt:
		t.held++
		t.holds = true
		r.Verdict = Hold
		return r
	case over && t.limit.Mode == AlarmIt && (t.alarmed.IsZero() || now.Sub(t.alarmed) >= g.window):
		t.alarmed = now
		r.Verdict = Alarm
	}
	t.recent.add(n, now)
	return r
}

// Undo takes back a Take that was not held and is known not to have been carried
// out.
func (g *Guard) Undo(k Kind, n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.taken[k].recent.remove(max(0, n), time.Now())
}

// Release lets everything of a kind pass for so long from now on. A duration of 0
// ends a release.
func (g *Guard) Release(k Kind, d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	t := &g.taken[k]
	t.released = time.Now().Add(d)
	t.holds = t.holds && d <= 0
}

// Released is until when a kind is released; zero if it isn't.
func (g *Guard) Released(k Kind) time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.taken[k].releasedAt(time.Now())
}

// Status is how each kind stands, in the order of the kinds.
func (g *Guard) Status() []State {
	g.mu.Lock()
	defer g.mu.Unlock()
	now, all := time.Now(), make([]State, kinds)
	for k := range g.taken {
		t := &g.taken[k]
		all[k] = State{
			Kind: Kind(k), Mode: t.limit.Mode, Count: t.recent.count(now), Limit: t.limit.of(g.users),
			ReleasedUntil: t.releasedAt(now), Held: t.held,
		}
	}
	return all
}

func (t *tally) releasedAt(now time.Time) time.Time {
	if now.Before(t.released) {
		return t.released
	}
	return time.Time{}
}

// of is the limit in a store of so many users.
func (l Limit) of(users int) int {
	// 0.29 × 100 is a hair below 29.
	return max(l.Floor, int(math.Floor(l.Share*float64(users)+1e-6)))
}
