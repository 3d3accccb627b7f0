package audit

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Many records that ride aren't kept waiting, and what one large batch needed isn't kept
// for the next ones.
func TestBatchesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{}
		j, err := onDisk(t, d, nil)
		must(t, err)
		large := &Record{AWS: strings.Repeat("x", maxText)}
		for range flushAt/maxText - 1 {
			j.Ride(large)
		}
		synctest.Wait()
		if written, _ := d.holds("xxx"); written {
			t.Errorf("less than %d bytes don't wait", flushAt)
		}
		for range 3 {
			j.Ride(large)
		}
		synctest.Wait()
		if _, synced := d.holds("xxx"); !synced {
			t.Errorf("more than %d bytes wait for the time to come", flushAt)
		}

		d.hold = make(chan struct{})
		var leader sync.WaitGroup
		leader.Go(func() { _ = j.Answer(&Record{Exchange: "first"}, Ordinary) })
		synctest.Wait()
		for range keepBytes/maxText + 10 {
			j.Ride(large)
		}
		close(d.hold)
		leader.Wait()
		time.Sleep(flushWithin)
		synctest.Wait()
		for range 2 { // of the two buffers, either may have been the large one
			must(t, j.Answer(&Record{Exchange: "small"}, Ordinary))
			j.mu.Lock()
			spare, pending := cap(j.spare), cap(j.pending)
			j.mu.Unlock()
			if spare > keepBytes || pending > keepBytes {
				t.Errorf("buffers of %d and %d bytes are kept, want %d at most", spare, pending, keepBytes)
			}
		}
		must(t, j.Close())
	})
}

// The place of an intent with a long line doesn't keep its room for one with a short one.
func TestPlacesOfIntentsAreBounded(t *testing.T) {
	j, err := onDisk(t, &disk{}, nil)
	must(t, err)
	long := write("long")
	long.Added = make([]string, maxList)
	for i := range long.Added {
		long.Added[i] = strings.Repeat("x", maxElement)
	}
	for _, rec := range []*Record{long, write("short")} {
		in, err := j.Intend(rec, Ordinary)
		must(t, err)
		must(t, in.Settle(&Record{Outcome: "ok"}))
	}
	if len(j.intents) != 1 || cap(j.intents[0].line) > keepBytes/64 {
		t.Errorf("got %d places, the first of %d bytes, want one of %d at most", len(j.intents), cap(j.intents[0].line), keepBytes/64)
	}
	must(t, j.Close())
}

func TestWhatIsReadIsBounded(t *testing.T) {
	log, _ := sample(t)
	line := strings.Repeat("x", maxLine) + "\n"
	if _, err := Verify(strings.NewReader(string(log) + line)); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("got %v for a line of %d bytes", err, len(line))
	}
	if _, _, _, err := firstOf(strings.NewReader(line)); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("got %v for a first line of %d bytes", err, len(line))
	}
	c := chain{open: map[callKey]place{}, doubts: map[callKey]place{}}
	take := func(kind Kind, outcome string, n int) error {
		return c.take(&entry{seq: uint64(n), kind: []byte(kind), exchange: fmt.Sprint("X", n), call: 1, outcome: []byte(outcome)}, nil, 0, true)
	}
	for n := range maxOpen {
		must(t, take(KindIntent, "", n))
	}
	broken(t, "one intent too many", take(KindIntent, "", maxOpen), maxOpen)
	for n := range maxOpen {
		must(t, take(KindOutcome, "unknown", n))
	}
	must(t, take(KindIntent, "", maxOpen))
	must(t, take(KindOutcome, "unknown", maxOpen))
	if len(c.doubts) != maxOpen {
		t.Errorf("got %d calls in doubt, want %d at most", len(c.doubts), maxOpen)
	}
	path := filepath.Join(t.TempDir(), "key")
	for size, good := range map[int]bool{keySize - 1: false, keySize: true, maxKeySize: true, maxKeySize + 1: false} {
		must(t, os.WriteFile(path, make([]byte, size), 0o600))
		if _, err := readKey(path); (err == nil) != good {
			t.Errorf("got %v for a key of %d bytes", err, size)
		}
	}
}

// Of a long log only the end is verified when it is opened.
func TestOpenReadsTheEndOfALongLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	s := Settings{File: path, RotateSize: -1, RotateAge: -1}
	j, err := Open(s)
	must(t, err)
	large := &Record{AWS: strings.Repeat("x", maxText)}
	for n := range verifyBytes/maxText + 10 {
		if n%64 == 0 {
			must(t, j.Answer(&Record{Exchange: "x"}, Ordinary)) // so that those that ride find room
		}
		j.Ride(large)
	}
	must(t, j.Close())
	log, err := os.ReadFile(path)
	must(t, err)
	f := func(at int, good bool) {
		t.Helper()
		other := bytes.Clone(log)
		other[at+bytes.Index(other[at:], []byte("xxx"))] = 'y'
		must(t, os.WriteFile(path, other, 0o600))
		j, err := Open(s)
		if (err == nil) != good {
			t.Errorf("got %v for a log of %d bytes that was changed behind %d", err, len(log), at)
		}
		if err == nil {
			must(t, j.Close())
		}
	}
	f(0, true)
	f(len(log)-verifyBytes/2, false)
}
