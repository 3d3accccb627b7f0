package pace

import (
	"container/heap"
	"math"
	"sync"
	"time"
)

// Kind is which requests of AWS a call counts against.
type Kind uint8

const (
	Read Kind = iota
	Write
)

// Ask is what one call needs: one request of its kind, and for a write as many
// membership changes.
type Ask struct {
	Kind        Kind
	Memberships int
	Revokes     bool   // it takes access away: it goes before all that don't
	Of          string // who asks, where several share the budgets: they take turns
}

// Budgets paces the calls to one identity store. Safe for use by many goroutines.
//
// Order is kept among reads, and among writes, of one asker, but for two things: what
// revokes goes first, and a write without membership changes passes one that waits for
// nothing but those. Askers that wait take turns, however many asks each has. A
// revocation is refused for number only when everybody who waits revokes as well; an
// asker that has less than its share of the places, only when nobody has more.
type Budgets struct {
	maxWaiting int
	rates      [3]Rate // of the settings

	mu      sync.Mutex // guards following
	meters  [3]meter
	lines   [3]line // who waits: reads, writes, writes with memberships
	askers  map[askerKey]*asker
	clock   [2]float64 // by kind: turns that were served, for the askers' turns
	waiting int
	arrived uint64
	timer   *time.Timer // runs serve when the first who waits can go or must give up
	closed  bool
}

// The meters, and the lines of those who wait for them.
const (
	reads = iota
	writes
	memberships
)

// NewBudgets returns budgets that are full.
func NewBudgets(s Settings) (*Budgets, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	s = s.WithDefaults()
	b := &Budgets{maxWaiting: s.MaxWaiting, askers: map[askerKey]*asker{}}
	b.rates = [...]Rate{reads: s.Reads, writes: s.Writes, memberships: s.Memberships}
	for i, r := range b.rates {
		b.meters[i] = newMeter(r)
	}
	return b, nil
}

// Take waits until the call may go out, at most until by, and spends what it asks
// for. A *[Full] comes at once if the turn can't come by then; later only if calls
// that revoke, or a throttling, came in between.
//
// An ask for more memberships than the burst is saved for: it waits until the
// budget has gathered all of them, so that the average holds.
func (b *Budgets) Take(ask Ask, by time.Time) (waited time.Duration, err error) {
	b.mu.Lock()
	now := time.Now() // with the lock held: a limiter whose time goes back counts twice
	if b.closed {
		b.mu.Unlock()
		return 0, full(Closed, 0)
	}
	if b.nobodyWaits(ask) && !now.After(by) && b.spend(ask, now) {
		b.mu.Unlock()
		return 0, nil
	}
	w, refusal := b.join(ask, now, by)
	if refusal != nil {
		b.mu.Unlock()
		return 0, refusal
	}
	b.serve(now)
	b.mu.Unlock()
	if refusal = <-w.turn; refusal != nil {
		return time.Since(now), refusal
	}
	return time.Since(now), nil
}

func (b *Budgets) nobodyWaits(ask Ask) bool {
	if ask.Kind == Read {
		return len(b.lines[reads]) == 0
	}
	return len(b.lines[writes])+len(b.lines[memberships]) == 0
}

// spend takes all that is asked for, or nothing.
func (b *Budgets) spend(ask Ask, now time.Time) bool {
	if b.wait(ask, now) > 0 {
		return false
	}
	if ask.Kind == Read {
		b.meters[reads].take(1, now)
		return true
	}
	b.meters[writes].take(1, now)
	b.meters[memberships].take(ask.Memberships, now)
	return true
}

// wait is how long the ask would wait if it were the first.
func (b *Budgets) wait(ask Ask, now time.Time) time.Duration {
	if ask.Kind == Read {
		return b.meters[reads].wait(1, now)
	}
	wait := b.meters[writes].wait(1, now)
	if ask.Memberships > 0 {
		wait = max(wait, b.meters[memberships].wait(ask.Memberships, now))
	}
	return wait
}

// join lines up an ask, unless its turn would come too late.
func (b *Budgets) join(ask Ask, now, by time.Time) (*waiter, *Full) {
	w := &waiter{ask: ask, by: by, number: b.arrived, start: b.startOf(ask), turn: make(chan *Full, 1)}
	turn := b.forecast(w, now)
	if now.Add(turn).After(by) {
		return nil, full(TooLong, turn)
	}
	if b.waiting >= b.maxWaiting && !b.makeRoom(w, turn, now) {
		return nil, full(TooMany, turn)
	}
	b.arrived++
	b.waiting++
	b.lineUp(w)
	heap.Push(&b.lines[w.line()], w)
	b.resize(ask, now)
	return w, nil
}

// forecast is how long w will wait if nobody who revokes comes after it.
func (b *Budgets) forecast(w *waiter, now time.Time) time.Duration {
	if w.ask.Kind == Read {
		ahead, _ := b.lines[reads].ahead(w)
		return b.meters[reads].wait(1+ahead, now)
	}
	ahead, _ := b.lines[writes].ahead(w)
	before, changes := b.lines[memberships].ahead(w)
	wait := b.meters[writes].wait(1+ahead+before, now)
	if w.ask.Memberships > 0 {
		wait = max(wait, b.meters[memberships].wait(w.ask.Memberships+changes, now))
	}
	return wait
}

// makeRoom sends the last one away who doesn't revoke, if w does; else the last one of
// the asker that waits most, if w's has less than its share.
func (b *Budgets) makeRoom(w *waiter, turn time.Duration, now time.Time) bool {
	var of askerKey
	if !w.ask.Revokes {
		var over bool
		if of, over = b.greediest(w.ask.key()); !over {
			return false
		}
	}
	var last *waiter
	for _, l := range b.lines {
		for _, v := range l {
			if !v.ask.Revokes && (w.ask.Revokes || v.ask.key() == of) && (last == nil || v.number > last.number) {
				last = v
			}
		}
	}
	if last == nil {
		return false
	}
	b.leave(last, full(TooMany, turn), now)
	return true
}

// leave ends a wait; nil is the turn.
func (b *Budgets) leave(w *waiter, refusal *Full, now time.Time) {
	heap.Remove(&b.lines[w.line()], w.index)
	b.waiting--
	b.step(w, refusal == nil)
	b.resize(w.ask, now)
	w.turn <- refusal
}

// resize gives the memberships room for the largest ask that waits.
func (b *Budgets) resize(changed Ask, now time.Time) {
	m := &b.meters[memberships]
	if changed.Memberships <= m.burst {
		return
	}
	m.widen(b.largest(), now)
}

// largest is how many membership changes the largest ask has that waits.
func (b *Budgets) largest() (most int) {
	for _, w := range b.lines[memberships] {
		most = max(most, w.ask.Memberships)
	}
	return most
}

// serve lets go who can, sends away who can't any more, and sets the timer.
func (b *Budgets) serve(now time.Time) {
	next := min(b.serveReads(now), b.serveWrites(now))
	// After the turns: one that comes at the deadline is in time.
	gone, deadline := b.expire(now)
	if gone { // the first, perhaps: those behind it may need less
		next = min(b.serveReads(now), b.serveWrites(now))
	}
	next = min(next, deadline)
	if b.waiting == 0 {
		if b.timer != nil {
			b.timer.Stop()
		}
		return
	}
	next = max(next, time.Millisecond) // rounding must not make it spin
	if b.timer == nil {
		b.timer = time.AfterFunc(next, b.wake)
		return
	}
	b.timer.Reset(next)
}

// serveReads returns how long until the next can go.
func (b *Budgets) serveReads(now time.Time) time.Duration {
	for {
		w := b.lines[reads].first()
		if w == nil {
			return math.MaxInt64
		}
		if !b.spend(w.ask, now) {
			return b.wait(w.ask, now)
		}
		b.leave(w, nil, now)
	}
}

// serveWrites returns how long until the next can go.
func (b *Budgets) serveWrites(now time.Time) time.Duration {
	for {
		one, other := b.lines[writes].first(), b.lines[memberships].first()
		if one == nil || other != nil && other.before(one) {
			one, other = other, one
		}
		switch {
		case one == nil:
			return math.MaxInt64
		case b.spend(one.ask, now):
			b.leave(one, nil, now)
			continue
		case b.meters[writes].wait(1, now) > 0 || other == nil:
			return b.wait(one.ask, now)
		case b.spend(other.ask, now): // one waits for memberships alone
			b.leave(other, nil, now)
			continue
		}
		return min(b.wait(one.ask, now), b.wait(other.ask, now))
	}
}

// expire sends away whose deadline has passed, or passes while nothing may go
// out. It returns whether there were any, and how long until the next deadline.
func (b *Budgets) expire(now time.Time) (gone bool, next time.Duration) {
	next = math.MaxInt64
	for i := range b.lines {
		for at := 0; at < len(b.lines[i]); {
			w := b.lines[i][at]
			left := w.by.Sub(now)
			if pause := b.pause(w.ask, now); left <= 0 || left < pause {
				b.leave(w, full(TooLong, max(pause, b.wait(w.ask, now))), now)
				gone, at = true, 0 // the heap has moved
				continue
			}
			next = min(next, left)
			at++
		}
	}
	return gone, next
}

func (b *Budgets) pause(ask Ask, now time.Time) time.Duration {
	if ask.Kind == Read {
		return b.meters[reads].paused(now)
	}
	pause := b.meters[writes].paused(now)
	if ask.Memberships > 0 {
		pause = max(pause, b.meters[memberships].paused(now))
	}
	return pause
}

func (b *Budgets) wake() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.serve(time.Now())
}

// Throttled tells that the upstream answered 429 to a call. What the call counted
// against is halved, but not under a tenth, and gains 5 % of the full pace every
// 10 s. None of it is spent before retryAfter has passed (0 = not given; at most
// 300 s), revocations included: AWS would refuse them too.
//
// The answers to calls that were out together say it once: within a second the
// pace isn't halved again.
func (b *Budgets) Throttled(ask Ask, retryAfter time.Duration) {
	b.mu.Lock()
	now := time.Now() // with the lock held: a limiter whose time goes back counts twice
	defer b.mu.Unlock()
	hit := []int{reads}
	if ask.Kind == Write {
		hit = []int{writes}
		if ask.Memberships > 0 {
			hit = append(hit, memberships)
		}
	}
	for _, i := range hit {
		b.meters[i].throttle(now, min(max(retryAfter, 0), maxRetryAfter))
	}
	b.serve(now)
}

// Scale makes the budgets a part of those of the settings, above 0 to 1: so much of the
// pace, and of the burst at least 1. Who waits goes on waiting, for what there is now.
func (b *Budgets) Scale(part float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now() // with the lock held: a limiter whose time goes back counts twice
	for i := range b.meters {
		b.meters[i].scale(b.rates[i], part, now)
	}
	b.meters[memberships].widen(b.largest(), now)
	b.serve(now)
}

// Empty spends all that was saved: somebody else has had it.
func (b *Budgets) Empty() {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now() // with the lock held: a limiter whose time goes back counts twice
	for i := range b.meters {
		b.meters[i].empty(now)
	}
	b.serve(now)
}

// State is how the budgets stand, for metrics.
type State struct {
	Waiting                    int     // calls
	Reads, Writes, Memberships float64 // present pace, per second
}

// State returns how the budgets stand.
func (b *Budgets) State() State {
	b.mu.Lock()
	now := time.Now() // with the lock held: a limiter whose time goes back counts twice
	defer b.mu.Unlock()
	limit := func(i int) float64 { return float64(b.meters[i].regain(now)) }
	return State{b.waiting, limit(reads), limit(writes), limit(memberships)}
}

// Close sends everybody away who waits or comes later.
func (b *Budgets) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	b.closed = true
	for i := range b.lines {
		for len(b.lines[i]) > 0 {
			b.leave(b.lines[i][0], full(Closed, 0), now)
		}
	}
	if b.timer != nil {
		b.timer.Stop()
	}
}
