// Package leavers keeps the list of people whose deactivation AWS has not shown
// yet. The client shows such a person as deactivated and may never send the
// deactivation again, so the list outlives the process: what is added is on the
// disk before anyone is told of it.
//
// It asks AWS nothing, raises no alarm and judges nothing: it is told who is added
// and who is done. Begin with [Open]; file.go has what the file looks like and how
// it is written anew.
package leavers

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

const (
	most      = 100_000 // entries
	idBytes   = 256     // AWS's are of 36 to 47
	nameBytes = 256     // more is cut; AWS takes userNames of 128 characters
)

// ErrNoID is of a leaver whose id can't be one of AWS's.
var ErrNoID = errors.New("cannot list a leaver by this id")

// Leaver is a user whose deactivation or deletion was asked for and isn't
// confirmed: the person may still have access.
type Leaver struct {
	ID       string    `json:"id"`                 // AWS's, of at most 256 bytes
	Tenant   string    `json:"tenant,omitempty"`   // whose user it is
	Name     string    `json:"name,omitempty"`     // userName, as far as it is known; cut behind 256 bytes
	Exchange string    `json:"exchange,omitempty"` // the first that failed; cut likewise
	Since    time.Time `json:"since"`              // kept in UTC
	Held     bool      `json:"held,omitempty"`     // by a guard: it waits for a person, not for AWS
	// Tries counts how often it was added again. The count is written only when
	// the whole list is, so that a crash may lose a part of it.
	Tries int `json:"tries,omitempty"`
}

// List is safe for concurrent use. Those who change it at the same time share one
// write and one sync.
type List struct {
	name string // "": in memory only
	size atomic.Int64

	// disk is held while the file is at work; it is taken before mu.
	disk  sync.Mutex // guards following
	drive drive
	file  file
	bytes int64 // in the file
	least int64 // of them when it was last written anew
	stale bool  // the file is not to be appended to: it may end in half a line
	over  bool  // closed

	mu      sync.Mutex // guards following; never held while the file is at work
	open    map[string]*entry
	pending []byte // lines that are not in the file yet
	seq     uint64 // of the last change
	durable uint64 // changes up to here are on the disk
	failed  uint64 // changes up to here have had their answer: fault, if they aren't durable
	fault   error
}

type entry struct {
	Leaver
	seq  uint64    // of the change that put it here
	last time.Time // when it was added last, in this life of the process
}

// Add puts a leaver on the list; it is durable when Add returns nil. One whose id is
// there stays as it is and counts a try, but isn't held any more if this one isn't.
//
// When it can't be made durable, the error says so and the leaver is kept in
// memory: the next change that can be written brings it to the disk. Only a list
// that is full (100,000) and an id that can't be one of AWS's aren't kept at all.
func (l *List) Add(leaver Leaver) error { return l.add(leaver, false) }

// Again is [List.Add] for another try at one who is there: who is held stays so.
func (l *List) Again(leaver Leaver) error { return l.add(leaver, true) }

// Tried is [List.Add] for a try that nobody has asked for anew: who is there counts it and
// stays as it is, also as to when it was added last; nobody else is put there.
func (l *List) Tried(leaver Leaver) error {
	l.mu.Lock()
	e := l.open[leaver.ID]
	if e == nil {
		l.mu.Unlock()
		return nil
	}
	e.Tries++
	seq := l.toDisk(e)
	l.mu.Unlock()
	return l.commit(seq)
}

func (l *List) add(leaver Leaver, again bool) error {
	if n := len(leaver.ID); n == 0 || n > idBytes || !utf8.ValidString(leaver.ID) {
		return fmt.Errorf("%w: it has %d bytes, and must be text of 1 to %d", ErrNoID, n, idBytes)
	}
	leaver.Name, leaver.Exchange, leaver.Tenant = cut(leaver.Name), cut(leaver.Exchange), cut(leaver.Tenant)
	leaver.Since = leaver.Since.UTC().Round(0)
	added, err := encode(line{Open: &leaver})
	if err != nil {
		return fmt.Errorf("cannot list leaver %q: %w", leaver.ID, err)
	}
	l.mu.Lock()
	e := l.open[leaver.ID]
	now := time.Now()
	if e != nil {
		e.last = now
	}
	switch {
	case e == nil && len(l.open) >= most:
		l.mu.Unlock()
		return fmt.Errorf("cannot list leaver %q: the list is full with %d", leaver.ID, most)
	case e == nil:
		e = &entry{Leaver: leaver, seq: l.join(added), last: now}
		l.open[leaver.ID] = e
		l.size.Store(int64(len(l.open)))
	default:
		e.Tries++
		if e.Held && !leaver.Held && !again {
			e.Held = false
			e.seq = l.join(added)
		}
	}
	seq := l.toDisk(e)
	l.mu.Unlock()
	return l.commit(seq)
}

// Hold makes all who are on the list wait for a person; it is durable when Hold returns
// nil. When it can't be made durable, they are held in this life of the process.
func (l *List) Hold() error {
	l.mu.Lock()
	seq := uint64(0)
	for id, e := range l.open {
		if e.Held {
			continue
		}
		e.Held = true
		end, err := encode(line{Closed: &closed{ID: id, Why: held}})
		begin, also := encode(line{Open: &e.Leaver})
		if err = errors.Join(err, also); err != nil {
			panic("BUG: a leaver is not JSON: " + err.Error())
		}
		seq = l.join(append(end, begin...))
		e.seq = seq
	}
	l.mu.Unlock()
	if seq == 0 {
		return nil
	}
	return l.commit(seq)
}

// Done takes a leaver off the list, unless it was added after what says so was seen, and
// tells whether it did. Why is one of shown, gone and activated. When that can't be made
// durable, the leaver is off the list all the same, but may be back after a restart.
func (l *List) Done(id, why string, seen time.Time) (was bool, err error) {
	l.mu.Lock()
	if e := l.open[id]; e == nil || e.last.After(seen) {
		l.mu.Unlock()
		return false, nil
	}
	done, err := encode(line{Closed: &closed{ID: id, Why: cut(why)}})
	if err != nil {
		panic("BUG: two strings are not JSON: " + err.Error())
	}
	delete(l.open, id)
	l.size.Store(int64(len(l.open)))
	seq := l.join(done)
	l.mu.Unlock()
	return true, l.commit(seq)
}

// toDisk is called with mu held, and returns the change that an entry is durable with; one
// that has failed is tried again.
func (l *List) toDisk(e *entry) (seq uint64) {
	if e.seq > l.durable && e.seq <= l.failed {
		e.seq = l.join(nil)
	}
	return e.seq
}

// join is called with mu held.
func (l *List) join(change []byte) (seq uint64) {
	if l.name != "" {
		l.pending = append(l.pending, change...)
	}
	l.seq++
	return l.seq
}

// All is a copy of the list, oldest first.
func (l *List) All() []Leaver {
	l.mu.Lock()
	all := l.copied()
	l.mu.Unlock()
	slices.SortFunc(all, func(a, b Leaver) int {
		return cmp.Or(a.Since.Compare(b.Since), strings.Compare(a.ID, b.ID))
	})
	return all
}

// copied is called with mu held.
func (l *List) copied() []Leaver {
	all := make([]Leaver, 0, len(l.open))
	for _, e := range l.open {
		all = append(all, e.Leaver)
	}
	return all
}

// Len is how many are on the list. It takes no lock.
func (l *List) Len() int { return int(l.size.Load()) }

// Has tells whether a user is on the list.
func (l *List) Has(id string) bool {
	_, _, open := l.Find(id)
	return open
}

// Find is what the list has of a user, and when it was added last in this life of the
// process, the zero time if it wasn't; false if the user isn't on it.
func (l *List) Find(id string) (leaver Leaver, last time.Time, open bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.open[id]; e != nil {
		return e.Leaver, e.last, true
	}
	return Leaver{}, time.Time{}, false
}

// Close brings what only the memory has to the disk, if that can be done, and
// closes the file. The list can be read on; changes stay in memory and get an
// error, and so does a second Close.
func (l *List) Close() error {
	if l.name == "" {
		return nil
	}
	l.mu.Lock()
	seq := l.seq
	if l.durable < seq {
		seq = l.join(nil)
	}
	l.mu.Unlock()
	err := l.commit(seq)
	l.disk.Lock()
	defer l.disk.Unlock()
	if l.over {
		return fmt.Errorf("cannot close the list of leavers %q: %w", l.name, os.ErrClosed)
	}
	l.over = true
	if closing := l.file.Close(); err == nil && closing != nil {
		err = fmt.Errorf("cannot close the list of leavers %q: %w", l.name, closing)
	}
	return err
}

// cut keeps foreign text from filling the memory.
func cut(s string) string {
	if len(s) > nameBytes {
		s = s[:nameBytes]
	}
	return strings.ToValidUTF8(s, "")
}
