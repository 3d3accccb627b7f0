// Package writer says which of several gateways in front of one identity store is the
// one that writes, by a lease in Redis or Valkey, and what each may do while that can't
// be reached.
//
// One writes and the others stand by, rather than all with the lanes of each resource
// shared: AWS takes 25 writes a second, so a second writer gains no speed, and what a
// gateway remembers of its own writes (open deactivations, writes in doubt, members that
// AWS doesn't show yet) stays true for as long as nobody else writes.
//
// A lease can't be taken from a call that is out, and AWS knows no fencing. So nothing
// is sent under a lease that has run out, and who takes over from another leaves AWS
// alone for a while (settle), until what the other may have sent is over.
//
// It forwards nothing and knows no HTTP. Begin with [Open], [Writer.Run] and
// [Writer.May]; beat.go has what is said to Redis.
package writer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/redis/go-redis/v9"

	"github.com/scimgate/scimgate/proxy/whole"
)

// Role is what a gateway is among the others.
type Role uint8

const (
	// Unsure has not heard enough of Redis to be anything else: it takes no requests.
	Unsure Role = iota
	// Standby knows of another that writes.
	Standby
	// Writing has the lease.
	Writing
	// Alone can't reach Redis, and goes on with its part of the pace.
	Alone
)

func (r Role) String() string { return [...]string{"unsure", "standby", "writing", "alone"}[r] }

// State is what a gateway is for now. It doesn't change; another takes its place.
type State struct {
	Role  Role
	Fence uint64    // the number of its lease, which is higher for each later one; of others the last that it had
	Other string    // the name of the one that writes, as far as it is known
	Full  bool      // nobody else sends anything: all others have told so, for longer than a lease, or may not without Redis
	From  time.Time // before it, no writes: another may have sent some a moment ago
	Err   error     // why Redis can't be reached, or nil

	// Epoch is another one behind each time at which another gateway may have written: what
	// was begun before is not to be carried on.
	Epoch uint64

	until time.Time // that the lease holds, whatever Redis says
	alone time.Time // up to which, behind that, it is alone: Redis is known to be away
}

// Writer is one gateway among several. Safe for use by many goroutines.
type Writer struct {
	settings Settings
	settle   time.Duration
	id       string // of this process
	file     string // beside the audit log, "" for none
	redis    *redis.Client
	change   func(to State, supplanted bool) error

	now   atomic.Pointer[State]
	wrote atomic.Bool // a write was let out while it was alone, of which the others don't know

	// The following are Run's alone.
	fence   uint64    // of the last lease that it had
	seen    uint64    // the highest that it has heard of
	answer  time.Time // when Redis was asked last that has answered
	contact time.Time // since when it has answered each time; zero while it doesn't
	behind  time.Time // since when it knows less than this gateway; zero while it doesn't
	counted int       // how often in a row it knew of all the others
	unheld  bool      // what it means to be supplanted could not be made durable

	saving sync.Mutex // guards following, and the file
	onDisk kept
}

// kept is what outlives the process.
type kept struct {
	Fence uint64 `json:"fence"` // of the last lease
	Wrote bool   `json:"wrote"` // behind it, alone, and the others don't know
}

// Open prepares a gateway whose writes AWS may carry out for settle after they were
// sent. What has to outlive the process is kept in file, "" for nowhere. Each change is
// told to change, from Run's goroutine, before writes may pass and after they are stopped;
// supplanted says that another may have written since this one did. If change fails, the
// next life of the process is told so as well.
func Open(s Settings, settle time.Duration, file string, change func(to State, supplanted bool) error) (*Writer, error) {
	options, err := s.options()
	if err != nil {
		return nil, err
	}
	s = s.withDefaults()
	w := &Writer{settings: s, settle: settle, id: ulid.Make().String(), file: file, redis: redis.NewClient(options), change: change, answer: time.Now()}
	text, err := os.ReadFile(file)
	switch {
	case file == "" || errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("cannot read the number of the last lease: %w", err)
	case json.Unmarshal(text, &w.onDisk) != nil:
		return nil, fmt.Errorf("%s is not what scimgate has written; without it the gateway takes its open deactivations for overtaken, and holds them for a person", file)
	}
	w.fence = w.onDisk.Fence
	w.wrote.Store(w.onDisk.Wrote)
	w.now.Store(&State{Fence: w.fence})
	return w, nil
}

// Run keeps the state until ctx ends, and then gives the lease back.
func (w *Writer) Run(ctx context.Context) {
	tick := time.NewTicker(w.settings.beat())
	defer tick.Stop()
	for {
		w.beat(ctx)
		select {
		case <-ctx.Done():
			w.release()
			return
		case <-tick.C:
		}
	}
}

// State is what the gateway is now.
func (w *Writer) State() State {
	s := *w.now.Load()
	switch now := time.Now(); {
	case s.Role != Writing || before(now, s.until):
	case before(now, s.alone):
		s.Role = Alone
	default: // asleep, say, when it ran out
		s.Role, s.Full = Unsure, false
	}
	return s
}

// before compares by both clocks: the monotonic one stands still while a machine sleeps,
// and the other one can be put back.
func before(a, b time.Time) bool { return a.Before(b) && a.Round(0).Before(b.Round(0)) }

// Refused is why something may not be done now. Nothing was sent.
type Refused struct {
	Role       Role
	Other      string        // who writes, "" if that isn't known
	RetryAfter time.Duration // when a repeat makes sense
}

func (r *Refused) Error() string {
	switch {
	case r.Role == Standby:
		return fmt.Sprintf("this gateway stands by: %q is the one that writes", r.Other)
	case r.Role == Unsure:
		return "it is not known which gateway is the one that writes"
	}
	return "this gateway has taken over from another, whose last writes may still be carried out"
}

// May tells whether the gateway may send something to AWS now, a write or a read. The
// error is a *[Refused].
func (w *Writer) May(write bool) error { return w.may(w.State(), write) }

func (w *Writer) may(s State, write bool) error {
	switch {
	case s.Role == Unsure || s.Role == Standby:
		return &Refused{s.Role, s.Other, w.settings.beat()}
	case write && time.Now().Before(s.From):
		return &Refused{s.Role, "", time.Until(s.From)}
	}
	return nil
}

// Leaves is asked right before the first byte of a write leaves that was announced in a
// state. It is May, and takes in that others are to be told of what one sends alone.
func (w *Writer) Leaves(announced State) error {
	s := w.State()
	if err := w.may(s, true); err != nil {
		return err
	}
	if announced.Role < Writing || announced.Epoch != s.Epoch || announced.Role == Writing && s.Role == Writing && announced.Fence != s.Fence {
		return &Refused{s.Role, "", w.settings.beat()}
	}
	if s.Role != Alone || !w.wrote.CompareAndSwap(false, true) {
		return nil
	}
	_ = w.keepWrote()          // what can't be kept is told as long as the process lives
	return w.Leaves(announced) // that has taken a while
}

// become puts a state in the place of the last; false if what that means could not be made
// durable.
func (w *Writer) become(to State, supplanted bool) bool {
	was := w.now.Load()
	to.From, to.Epoch = was.From, was.Epoch
	if supplanted {
		to.From, to.Epoch = time.Now().Add(w.settle), was.Epoch+1
	}
	same := was.Role == to.Role && was.Fence == to.Fence && was.Full == to.Full && was.Other == to.Other
	switch {
	case same && !supplanted:
		w.now.Store(&to)
		return true
	case (to.Role == Writing || to.Role == Alone) && !supplanted:
		defer w.now.Store(&to)
	default: // From holds the writes back
		w.now.Store(&to)
	}
	return w.change(to, supplanted) == nil
}

// keepWrote keeps that something was written alone.
func (w *Writer) keepWrote() error {
	w.saving.Lock()
	k := kept{w.onDisk.Fence, true}
	w.saving.Unlock()
	return w.keep(k)
}

// keep writes what outlives the process, in the place of what was there.
func (w *Writer) keep(k kept) error {
	w.saving.Lock()
	defer w.saving.Unlock()
	if k == w.onDisk {
		return nil
	}
	if w.file == "" {
		w.onDisk = k
		return nil
	}
	text, err := json.Marshal(k)
	if err != nil {
		return fmt.Errorf("BUG: numbers have no JSON: %w", err)
	}
	if err := whole.Write(w.file, text); err != nil {
		return fmt.Errorf("cannot keep the number of the lease: %w", err)
	}
	w.onDisk = k
	return nil
}
