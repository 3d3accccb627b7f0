package pace

import "time"

// waiter is a call that waits for its budget.
type waiter struct {
	ask    Ask
	by     time.Time
	number uint64     // of arrival
	start  float64    // its place among the turns of the askers
	index  int        // in its line
	turn   chan *Full // nil = go; room for one, so that telling never blocks
}

func (w *waiter) line() int {
	switch {
	case w.ask.Kind == Read:
		return reads
	case w.ask.Memberships > 0:
		return memberships
	}
	return writes
}

// before is the order of a line: what revokes, then whose turn it is, then who came
// first.
func (w *waiter) before(v *waiter) bool {
	switch {
	case w.ask.Revokes != v.ask.Revokes:
		return w.ask.Revokes
	case w.start != v.start:
		return w.start < v.start
	}
	return w.number < v.number
}

// line is a heap of waiters (container/heap).
type line []*waiter

func (l line) Len() int           { return len(l) }
func (l line) Less(i, j int) bool { return l[i].before(l[j]) }
func (l line) Swap(i, j int) {
	l[i], l[j] = l[j], l[i]
	l[i].index, l[j].index = i, j
}

// Push is for container/heap.
func (l *line) Push(x any) {
	w := x.(*waiter)
	w.index = len(*l)
	*l = append(*l, w)
}

// Pop is for container/heap.
func (l *line) Pop() any {
	last := len(*l) - 1
	w := (*l)[last]
	(*l)[last] = nil
	*l = (*l)[:last]
	return w
}

func (l line) first() *waiter {
	if len(l) == 0 {
		return nil
	}
	return l[0]
}

// ahead counts who goes before w, and their membership changes.
func (l line) ahead(w *waiter) (calls, changes int) {
	for _, v := range l {
		if v.before(w) {
			calls++
			changes += v.ask.Memberships
		}
	}
	return calls, changes
}
