// Package room shares what there is a fixed amount of among those who hold some of it for
// a while: memory for large bodies and answers, places, connections.
package room

import (
	"sync"
	"time"
)

// Room is so much of something. Safe for use by many goroutines.
//
// Who waits is served in turn: what takes access away first, then who came first. Where
// several share it, nobody takes more than what is left
// to the others (dynamic thresholds: Choudhury and Hahne, 1998): whoever comes finds some,
// however much one of them asks for, and those who always want more get equal parts.
type Room struct {
	size   int64
	last   int64 // for what takes access away
	shared bool
	wait   time.Duration

	mu    sync.Mutex // guards following
	left  int64
	held  map[string]int64 // by whom, if it is shared
	queue []*place
}

// Ask is what somebody needs.
type Ask struct {
	N       int64
	Of      string // who asks, where several share it
	Revokes bool   // it is for what takes access away
}

// One is a place of the same.
func (a Ask) One() Ask {
	a.N = 1
	return a
}

// place is somebody who waits.
type place struct {
	Ask
	taken chan struct{} // closed when it has what it needs
}

// Manner is how it is handed out.
type Manner uint8

const (
	Reserved Manner = 1 << iota // an eighth is kept for what takes access away: of 4 places one, of 3 none
	Shared                      // by several
)

// New is a room of so much, for which is waited so long at most.
func New(size int64, wait time.Duration, how Manner) *Room {
	r := &Room{size: size, left: size, wait: wait, shared: how&Shared != 0, held: map[string]int64{}}
	if how&Reserved != 0 {
		r.last = (size + 4) / 8
	}
	return r
}

// Take takes what is asked for, in turn, and waits for it until by at most; the zero time
// is no end. It is false if it can't be had in time.
func (r *Room) Take(a Ask, by time.Time) bool {
	wait := r.wait
	if !by.IsZero() {
		wait = min(wait, time.Until(by))
	}
	r.mu.Lock()
	mine := r.mine(a)
	if mine || wait <= 0 || a.N > r.size-r.kept(a) {
		r.mu.Unlock()
		return mine
	}
	p := &place{a, make(chan struct{})}
	r.queue = append(r.queue, p)
	r.mu.Unlock()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-p.taken:
		return true
	case <-timer.C:
	}
	return r.giveUp(p)
}

// giveUp ends a wait, unless its turn came at the same moment.
func (r *Room) giveUp(p *place) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, q := range r.queue {
		if q == p {
			r.queue = append(r.queue[:i], r.queue[i+1:]...)
			r.serve() // those behind it may need less
			return false
		}
	}
	return true
}

// Give gives back what was taken, or a part of it.
func (r *Room) Give(a Ask) {
	if a.N == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left += a.N
	if r.shared {
		if r.held[a.Of] -= a.N; r.held[a.Of] == 0 {
			delete(r.held, a.Of)
		}
	}
	r.serve()
}

// kept is what an ask may not have.
func (r *Room) kept(a Ask) int64 {
	if a.Revokes {
		return 0
	}
	return r.last
}

// mine takes what somebody new asks for, unless others come before.
func (r *Room) mine(a Ask) bool {
	for _, q := range r.queue {
		if (q.Revokes || !a.Revokes) && r.within(q.Ask) {
			return false // it waits for room, and comes first
		}
	}
	return r.try(a)
}

// within tells whether somebody takes no more than is left to the others, or has nothing
// yet.
func (r *Room) within(a Ask) bool {
	has := r.held[a.Of]
	return !r.shared || a.Revokes || has == 0 || has+a.N <= r.left
}

func (r *Room) try(a Ask) bool {
	if a.N > r.left-r.kept(a) || !r.within(a) {
		return false
	}
	r.left -= a.N
	if r.shared {
		r.held[a.Of] += a.N
	}
	return true
}

// serve lets in those who can, in turn. It is called with mu held.
func (r *Room) serve() {
	for _, revokes := range [...]bool{true, false} {
		for i := 0; i < len(r.queue); {
			p := r.queue[i]
			switch {
			case p.Revokes != revokes:
				i++
			case r.try(p.Ask):
				close(p.taken)
				r.queue = append(r.queue[:i], r.queue[i+1:]...)
			case r.within(p.Ask): // the first, who waits for room
				return
			default:
				i++
			}
		}
	}
}
