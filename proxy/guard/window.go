package guard

import "time"

const parts = 60 // of a window

// window is a count over the last while in bounded memory: one count for each part
// of it. One part more than the window has makes it at least as long as it says,
// and at most a part longer.
type window struct {
	start  time.Time
	part   time.Duration
	last   int64 // the part that was counted last, from start on
	counts [parts + 1]int
	sum    int
}

func newWindow(length time.Duration, now time.Time) window {
	return window{start: now, part: max(1, length/parts)}
}

// windowOf is a window that has counted these losses already: that of an earlier life of the
// process, as it would be now.
func windowOf(length time.Duration, list []loss, now time.Time) window {
	w := newWindow(length, now)
	for _, l := range list {
		age := max(0, now.Sub(l.At)) // the clock may have been set back meanwhile
		if age >= (parts+1)*w.part {
			continue
		}
		if w.sum == 0 {
			w.start = now.Add(-age) // so that the parts begin when they did
		}
		w.add(max(0, l.N), now.Add(-age))
	}
	return w
}

// losses are the counts of its parts, oldest first.
func (w *window) losses() (list []loss) {
	for i := max(0, w.last-parts); i <= w.last; i++ {
		if n := *w.slot(i); n > 0 {
			list = append(list, loss{w.start.Add(time.Duration(i) * w.part).UTC(), n})
		}
	}
	return list
}

// slide forgets what is older than the window. It ends when nothing is left, which
// is after one time round.
func (w *window) slide(now time.Time) {
	at := max(w.last, int64(now.Sub(w.start)/w.part))
	for i := w.last + 1; i <= at && w.sum > 0; i++ {
		slot := w.slot(i)
		w.sum -= *slot
		*slot = 0
	}
	w.last = at
}

func (w *window) slot(part int64) *int { return &w.counts[part%int64(len(w.counts))] }

func (w *window) count(now time.Time) int {
	w.slide(now)
	return w.sum
}

func (w *window) add(n int, now time.Time) {
	w.slide(now)
	*w.slot(w.last) += n
	w.sum += n
}

// remove takes n off, from the newest part on, and never goes below 0: what it
// takes back was added a moment ago.
func (w *window) remove(n int, now time.Time) {
	w.slide(now)
	for i := w.last; i >= 0 && n > 0 && w.sum > 0; i-- {
		slot := w.slot(i)
		off := min(n, *slot)
		*slot -= off
		w.sum -= off
		n -= off
	}
}
