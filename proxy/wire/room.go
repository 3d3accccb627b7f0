package wire

import (
	"sync"
	"sync/atomic"
	"time"
)

// Room is memory that large bodies share, in bytes: those of all connections' messages,
// say. A message takes what it announces before it is read, since the HTTP library makes
// the buffer at once, and gives it back when the next one begins or the connection ends:
// that is when its answer has been written.
type Room struct {
	size int64
	wait time.Duration // for room, at most

	mu    sync.Mutex // guards following
	left  int64
	queue []*place
}

// place is somebody who waits for room.
type place struct {
	bytes int64
	taken chan struct{} // closed when it has its room
}

// NewRoom is a room of so many bytes, for which a message waits so long.
func NewRoom(bytes int64, wait time.Duration) *Room {
	return &Room{size: bytes, left: bytes, wait: wait}
}

// Take takes room, in turn, and waits for it. It is false if there is none in time.
func (r *Room) Take(n int64) bool { return r.take(n, r.wait) }

// TakeBy does so until a time at most.
func (r *Room) TakeBy(n int64, by time.Time) bool { return r.take(n, min(r.wait, time.Until(by))) }

func (r *Room) take(n int64, wait time.Duration) bool {
	r.mu.Lock()
	if n > r.size {
		r.mu.Unlock()
		return false
	}
	if len(r.queue) == 0 && n <= r.left {
		r.left -= n
		r.mu.Unlock()
		return true
	}
	p := &place{n, make(chan struct{})}
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

// Give gives it back.
func (r *Room) Give(n int64) {
	if n == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left += n
	r.serve()
}

// serve lets in those who can, in turn. It is called with mu held.
func (r *Room) serve() {
	for len(r.queue) > 0 && r.queue[0].bytes <= r.left {
		r.left -= r.queue[0].bytes
		close(r.queue[0].taken)
		r.queue[0] = nil
		r.queue = r.queue[1:]
	}
}

// Small bodies take no room: so many bytes of a message are free, which the number of
// connections bounds. AWS's largest PATCH of members has 6 kB.
const Small = 16 << 10

// held is what one connection has taken of the room.
type held struct {
	room  *Room
	size  uint64       // of the body so far; the reader's own
	taken atomic.Int64 // of the room; given back by who closes the connection, too
}

// grow takes room for another part of the body.
func (h *held) grow(n uint64) bool {
	h.size += n
	if h.size <= Small {
		return true
	}
	more := int64(h.size) - h.taken.Load()
	if h.size > 1<<40 || !h.room.Take(more) {
		return false
	}
	h.taken.Add(more)
	return true
}

func (h *held) release() { h.room.Give(h.taken.Swap(0)) }
