package audit

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
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
		return c.take(&entry{seq: uint64(n), kind: []byte(kind), exchange: fmt.Sprint("X", n), call: 1, outcome: []byte(outcome), creates: true}, nil, 0, true)
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
	for n := range maxOpen + 1 {
		must(t, take(KindIntent, "", n))
		must(t, take(KindOutcome, "ok", n))
	}
	if len(c.untold) != maxOpen {
		t.Errorf("got %d writes without an answer, want %d at most", len(c.untold), maxOpen)
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

// While the disk is away it is tried again within seconds, however long that lasts.
func TestTheDiskIsTriedAgainSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var broken atomic.Bool
		var tries []time.Time
		j, err := open(Settings{File: filepath.Join(t.TempDir(), "audit.jsonl"), Reserve: -1}, hooks{
			wrap: func(f file) file { return flaky{f, &broken} },
			step: func(string, string, string) error {
				if !broken.Load() {
					return nil
				}
				tries = append(tries, time.Now())
				return errors.New("the disk is away")
			},
		})
		must(t, err)
		broken.Store(true)
		began := time.Now()
		if err := j.Answer(&Record{Exchange: "x"}, Ordinary); err == nil {
			t.Fatal("the disk is there")
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		last := began
		for i, at := range tries {
			if pause := at.Sub(last); pause > recoverMost || i == 0 && pause != recoverFirst {
				t.Errorf("got a pause of %v before try %d, want %v at first and %v at most", pause, i, recoverFirst, recoverMost)
			}
			last = at
		}
		if len(tries) < int(9*time.Minute/recoverMost) {
			t.Errorf("got %d tries", len(tries))
		}
		broken.Store(false)
		time.Sleep(recoverMost)
		must(t, j.Close())
	})
}

// Of closed segments few are read at a start, and the last in any case.
func TestLookingBackIsBounded(t *testing.T) {
	f := func(name string, n, want int, size int64) {
		t.Helper()
		dir := t.TempDir()
		names := make([]string, n+1) // the last one is open
		for i := range names {
			names[i] = filepath.Join(dir, fmt.Sprint(i))
			must(t, os.WriteFile(names[i], nil, 0o600))
			must(t, os.Truncate(names[i], size))
		}
		active, err := os.Open(names[n])
		must(t, err)
		defer active.Close()
		back, err := lookBack(active, names[:n])
		must(t, err)
		for _, segment := range back {
			must(t, segment.Close())
		}
		if len(back) != want {
			t.Errorf("%s: got %d segments, want %d", name, len(back), want)
		}
	}
	f("many", backSegments+10, backSegments, 1)
	f("large", 10, 4, verifyBytes/4)
	f("one that is too large", 1, 1, verifyBytes)
}

// A file without line breaks is read as far as a line may go.
func TestAFileWithoutLineBreaksIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	must(t, os.WriteFile(path, nil, 0o600))
	must(t, os.Truncate(path, 512<<20)) // sparse, no line break
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := VerifyFile(path, nil)
	runtime.ReadMemStats(&after)
	if got := (after.TotalAlloc - before.TotalAlloc) >> 20; got > 64 {
		t.Errorf("%d MiB were allocated for a file without a line break (%v), want about 8", got, err)
	}
}
