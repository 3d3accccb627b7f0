package pace

import (
	"slices"
	"sync"
	"time"
)

// Place is where in a lane an exchange lines up.
type Place uint8

const (
	// InOrder is behind all that came before.
	InOrder Place = iota
	// Revoking is behind all that came before as well: an earlier activation that
	// it passed would undo it. It is admitted where InOrder is refused for number.
	Revoking
	// Final is before all that wait but other Final ones, and admitted like
	// Revoking. It is for what nothing that came earlier can undo: a DELETE.
	Final
)

// Bounds of lanes. A zero value stands for the default.
type Bounds struct {
	PerLane int // who wait in one lane, 64; twice as many if they revoke
	Waiting int // who wait in all, 1024; twice as many if they revoke
	Lanes   int // held, waited for or settling, 16384
}

// Lanes keep the order of the writes to each resource: an exchange holds the
// lanes of its resources from admission to its answer. Lanes exist while somebody
// holds them, waits or settles. Safe for use by many goroutines.
type Lanes struct {
	bounds Bounds

	mu      sync.Mutex // guards following
	lanes   map[string]*lane
	spare   []*lane // at most 64
	waiting int
	closed  bool
}

// lane is the order of one resource.
type lane struct {
	key    string
	holder *Turn
	queue  []*Turn // in the order in which they will go
	until  time.Time
	opens  *time.Timer // while it settles: an outcome was unknown
}

// Turn is the right to write to the resources of its keys, until Leave.
type Turn struct {
	lanes *Lanes
	place Place
	of    []*lane
	one   [1]*lane // memory for of
	ready chan *Full
}

// NewLanes returns lanes that are all free.
func NewLanes(b Bounds) *Lanes {
	for _, n := range []struct {
		of       *int
		standard int
	}{{&b.PerLane, 64}, {&b.Waiting, 1024}, {&b.Lanes, 16384}} {
		if *n.of <= 0 {
			*n.of = n.standard
		}
	}
	return &Lanes{bounds: b, lanes: map[string]*lane{}}
}

// moment is what a client is told whose lane is full.
const moment = 5 * time.Second

// Enter lines up for all keys at once, in the order of the calls of Enter, and
// waits until it is the first in each, at most until by. Lining up everywhere at
// one moment keeps two exchanges from waiting for each other. At least one key; a
// repeated one counts once. The error is a *[Full], and then no lane is held.
func (l *Lanes) Enter(by time.Time, place Place, keys ...string) (*Turn, error) {
	l.mu.Lock()
	t, refusal := l.join(by, place, keys)
	if refusal != nil {
		l.mu.Unlock()
		return nil, refusal
	}
	if t.takes() {
		l.mu.Unlock()
		return t, nil
	}
	t.ready = make(chan *Full, 1)
	l.waiting++
	l.mu.Unlock()

	timer := time.NewTimer(time.Until(by))
	defer timer.Stop()
	select {
	case refusal = <-t.ready:
	case <-timer.C:
		refusal = l.giveUp(t)
	}
	if refusal != nil {
		return nil, refusal
	}
	return t, nil
}

// join puts a turn into the queues of its keys.
func (l *Lanes) join(by time.Time, place Place, keys []string) (*Turn, *Full) {
	if len(keys) == 0 {
		panic("BUG: a turn without a key")
	}
	if l.closed {
		return nil, full(Closed, 0)
	}
	now, room := time.Now(), 1
	if place != InOrder {
		room = 2
	}
	waits := false
	for _, key := range keys {
		n := l.lanes[key]
		if n == nil {
			continue
		}
		waits = true
		if settles := n.until.Sub(now); settles > 0 && n.until.After(by) {
			return nil, full(TooLong, settles)
		}
		if len(n.queue) >= room*l.bounds.PerLane {
			return nil, full(TooMany, moment)
		}
	}
	if waits && l.waiting >= room*l.bounds.Waiting || len(l.lanes)+len(keys) > l.bounds.Lanes {
		return nil, full(TooMany, moment)
	}
	t := &Turn{lanes: l, place: place}
	t.of = t.one[:0]
	for i, key := range keys {
		if slices.Contains(keys[:i], key) {
			continue
		}
		n := l.lane(key)
		n.line(t)
		t.of = append(t.of, n)
	}
	return t, nil
}

func (l *Lanes) lane(key string) *lane {
	n := l.lanes[key]
	if n == nil {
		if last := len(l.spare) - 1; last >= 0 {
			n, l.spare = l.spare[last], l.spare[:last]
		} else {
			n = new(lane)
		}
		n.key = key
		l.lanes[key] = n
	}
	return n
}

func (n *lane) line(t *Turn) {
	at := len(n.queue)
	if t.place == Final {
		at = 0
		for at < len(n.queue) && n.queue[at].place == Final {
			at++
		}
	}
	n.queue = slices.Insert(n.queue, at, t)
}

// takes makes t the holder of its lanes if it is the first in each.
func (t *Turn) takes() bool {
	for _, n := range t.of {
		if n.holder != nil || n.opens != nil || n.queue[0] != t {
			return false
		}
	}
	for _, n := range t.of {
		n.holder = t
		n.queue = slices.Delete(n.queue, 0, 1)
	}
	return true
}

// advance lets the first of each lane go, and forgets lanes without use.
func (l *Lanes) advance(lanes []*lane) {
	for _, n := range lanes {
		switch {
		case n.holder != nil || n.opens != nil:
		case len(n.queue) == 0:
			if l.lanes[n.key] == n {
				l.forget(n)
			}
		case n.queue[0].takes():
			l.waiting--
			n.holder.ready <- nil
		}
	}
}

func (l *Lanes) forget(n *lane) {
	delete(l.lanes, n.key)
	if len(l.spare) < 64 && cap(n.queue) <= 64 {
		*n = lane{queue: n.queue[:0]}
		l.spare = append(l.spare, n)
	}
}

// giveUp ends a wait at its deadline, unless the turn came at the same moment.
func (l *Lanes) giveUp(t *Turn) *Full {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case refusal := <-t.ready:
		return refusal
	default:
	}
	l.waiting--
	var settles time.Duration
	for _, n := range t.of {
		at := slices.Index(n.queue, t)
		n.queue = slices.Delete(n.queue, at, at+1)
		settles = max(settles, time.Until(n.until))
	}
	l.advance(t.of) // someone behind it may have waited for it alone
	return full(TooLong, max(settles, moment))
}

// Leave gives the lanes to the next. After an unknown outcome settle is how long
// the upstream may still act on it: so long they stay closed to everybody. Only
// the first Leave counts.
func (t *Turn) Leave(settle time.Duration) {
	l := t.lanes
	l.mu.Lock()
	defer l.mu.Unlock()
	left := t.of
	t.of = nil
	for _, n := range left {
		n.holder = nil
		if settle > 0 && !l.closed {
			n.until = time.Now().Add(settle)
			n.opens = time.AfterFunc(settle, func() { l.open(n) })
		}
	}
	l.advance(left)
}

func (l *Lanes) open(n *lane) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n.opens == nil { // closed meanwhile
		return
	}
	n.opens = nil
	l.advance([]*lane{n})
}

// Busy tells whether a lane is held, waited for or settling.
func (l *Lanes) Busy(key string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lanes[key] != nil
}

// Len returns how many lanes are held, waited for or settling.
func (l *Lanes) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.lanes)
}

// Close sends everybody away who waits or comes later. Who holds a lane still
// leaves it.
func (l *Lanes) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for _, n := range l.lanes {
		if n.opens != nil {
			n.opens.Stop()
			n.opens = nil
		}
		for _, t := range n.queue {
			select {
			case t.ready <- full(Closed, 0):
				l.waiting--
			default: // told in another of its lanes
			}
		}
		n.queue = nil
		if n.holder == nil {
			delete(l.lanes, n.key)
		}
	}
}
