package wire

import (
	"sync/atomic"
	"time"

	"github.com/scimgate/scimgate/proxy/room"
)

// A message takes what it announces before it is read, since the HTTP library makes the
// buffer at once, and gives it back when the next one begins or the connection ends: that
// is when its answer has been written.

// Small bodies take no room: so many bytes of a message are free, which the number of
// connections bounds. AWS's largest PATCH of members has 6 kB.
const Small = 16 << 10

// held is what one connection has taken of the room.
type held struct {
	room  *room.Room
	size  uint64       // of the body so far; the reader's own
	taken atomic.Int64 // of the room; given back by who closes the connection, too
	of    atomic.Pointer[string]
}

// grow takes room for another part of the body; whose it is it asks once.
func (h *held) grow(n uint64, whose func() string) bool {
	h.size += n
	if h.size <= Small {
		return true
	}
	more := int64(h.size) - h.taken.Load()
	if more == int64(h.size) {
		of := whose()
		h.of.Store(&of)
	}
	if h.size > 1<<40 || !h.room.Take(room.Ask{N: more, Of: *h.of.Load()}, time.Time{}) {
		return false
	}
	h.taken.Add(more)
	return true
}

func (h *held) release() {
	if n := h.taken.Swap(0); n > 0 {
		h.room.Give(room.Ask{N: n, Of: *h.of.Load()})
	}
}
