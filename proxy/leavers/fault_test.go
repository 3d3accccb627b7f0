package leavers

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
	"time"
)

var errDisk = errors.New("the disk is full")

// badDisk fails at the operations that bad names, counted from 1.
type badDisk struct {
	count int
	bad   func(n int) bool
	what  string // the operation that failed last

	dirty, renamed bool // what a power cut would lose: bytes, a name
}

func (d *badDisk) fails(what string) bool {
	d.count++
	if d.bad == nil || !d.bad(d.count) {
		return false
	}
	d.what = what
	return true
}

func (d *badDisk) drive() drive {
	return drive{
		create: func(path string) (file, error) {
			if d.fails("create") {
				return nil, errDisk
			}
			d.dirty = false
			f, err := create(path)
			return &badFile{f, d}, err
		},
		rename: func(from, to string) error {
			if d.fails("rename") {
				return errDisk
			}
			if d.dirty {
				return errors.New("renamed before it was synced")
			}
			d.renamed = true
			return os.Rename(from, to)
		},
		syncDir: func(path string) error {
			if d.fails("syncDir") {
				return errDisk
			}
			d.renamed = false
			return syncDir(path)
		},
	}
}

type badFile struct {
	file
	disk *badDisk
}

// Write takes a part when it fails, as a full disk does.
func (f *badFile) Write(b []byte) (int, error) {
	f.disk.dirty = true
	if f.disk.fails("write") {
		n, _ := f.file.Write(b[:len(b)/2])
		return n, errDisk
	}
	return f.file.Write(b)
}

func (f *badFile) Sync() error {
	if f.disk.fails("sync") {
		return errDisk
	}
	f.disk.dirty = false
	return f.file.Sync()
}

// Whatever fails, and whether it comes back: what was reported durable is found
// after a crash, and the memory knows all.
func TestNothingDurableIsLostByAFault(t *testing.T) {
	const steps = 26 // of one run without a fault
	seen := map[string]bool{}
	f := func(name string, bad func(n int) bool, comesBack bool) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "leavers.jsonl")
		must(t, os.WriteFile(path, []byte(`{"open":{"id":"early","since":"2031-05-06T07:00:00Z"}}`+"\n"), 0o600))
		disk := &badDisk{bad: bad}
		l, err := open(path, disk.drive())
		seen[disk.what] = true
		if err != nil {
			if !errors.Is(err, errDisk) {
				t.Errorf("%s: got %v from Open, want the disk's error", name, err)
			}
			listed(t, afterCrash(t, path), "early")
			return
		}
		durable := map[string]bool{"early": true} // false: must be gone; none: either
		check := func(id string, open bool, err error) {
			t.Helper()
			switch {
			case err == nil:
				durable[id] = open
			case !errors.Is(err, errDisk):
				t.Errorf("%s: got %v, want the disk's error", name, err)
			case durable[id] != open:
				delete(durable, id)
			}
			if err == nil && (disk.dirty || disk.renamed) {
				t.Errorf("%s: %s is reported durable before all is synced", name, id)
			}
			if l.Has(id) != open {
				t.Errorf("%s: got %s on the list %v, want %v", name, id, l.Has(id), open)
			}
			text, err := os.ReadFile(path)
			must(t, err)
			found := &List{open: map[string]*entry{}} // as Open does, without its syncs
			must(t, found.read(bytes.NewReader(text)))
			for id, open := range durable {
				if found.Has(id) != open {
					t.Errorf("%s: got %s on the list %v after a crash, want %v", name, id, found.Has(id), open)
				}
			}
		}
		for n := range 3 {
			a, b := fmt.Sprintf("a%d", n), fmt.Sprintf("b%d", n)
			check(a, true, l.Add(leaver(a, n)))
			check(b, true, l.Add(leaver(b, n)))
			check(b, true, l.Add(leaver(b, n)))
			_, err := l.Done(a, "shown", time.Now())
			check(a, false, err)
		}
		_, err = l.Done("early", "gone", time.Now())
		check("early", false, err)
		seen[disk.what] = true
		listed(t, l, "b0 b1 b2")
		closing := l.Close()
		if comesBack && closing != nil {
			t.Errorf("%s: got %v from Close, want none", name, closing)
		}
		if closing == nil {
			listed(t, afterCrash(t, path), "b0 b1 b2")
		}
	}
	for at := 1; at <= steps; at++ {
		f(fmt.Sprintf("operation %d fails", at), func(n int) bool { return n == at }, true)
		f(fmt.Sprintf("operations from %d on fail", at), func(n int) bool { return n >= at }, false)
		f(fmt.Sprintf("operations %d to %d fail", at, at+5), func(n int) bool { return n >= at && n < at+6 }, false)
	}
	for _, what := range strings.Fields("create write sync rename syncDir") {
		if !seen[what] {
			t.Errorf("got no fault of %s, want each to be tried", what)
		}
	}
}

func TestTryAfterAFaultReachesTheDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "leavers.jsonl")
	disk := &badDisk{}
	l, err := open(path, disk.drive())
	must(t, err)
	disk.bad = func(int) bool { return true }
	for range 2 {
		if err := l.Add(leaver("ada", 1)); !errors.Is(err, errDisk) || !strings.Contains(err.Error(), path) {
			t.Errorf("got %v, want the disk's error and the file", err)
		}
	}
	listed(t, l, "ada")
	listed(t, afterCrash(t, path), "")
	disk.bad = nil
	must(t, l.Add(leaver("ada", 1)))
	if got := afterCrash(t, path).All(); len(got) != 1 || got[0].Tries != 2 {
		t.Errorf("got %+v after a crash, want ada with 2 tries", got)
	}
	must(t, l.Close())
}

// slowFile lets its first sync wait, so that others join meanwhile.
type slowFile struct {
	file
	syncs         int
	entered, goOn chan struct{}
	then          error // of the second sync
}

func (f *slowFile) Sync() error {
	switch f.syncs++; f.syncs {
	case 1:
		close(f.entered)
		<-f.goOn
	case 2:
		if f.then != nil {
			return f.then
		}
	}
	return f.file.Sync()
}

func TestThoseWhoWaitShareASyncAndItsFault(t *testing.T) {
	f := func(then error, wantErrors int) {
		t.Helper()
		l, path := fresh(t)
		slow := &slowFile{file: l.file, entered: make(chan struct{}), goOn: make(chan struct{}), then: then}
		l.file = slow
		var wg sync.WaitGroup
		var faults atomic.Int64
		add := func(n int) {
			wg.Go(func() {
				if err := l.Add(leaver(fmt.Sprintf("u%02d", n), 1)); errors.Is(err, errDisk) {
					faults.Add(1)
				} else if err != nil {
					t.Error(err)
				}
			})
		}
		add(0)
		<-slow.entered
		for n := range 19 {
			add(n + 1)
		}
		for l.Len() < 20 { // reading goes on while the file is at work
			runtime.Gosched()
		}
		close(slow.goOn)
		wg.Wait()
		if got := int(faults.Load()); got != wantErrors || slow.syncs != 2 {
			t.Errorf("got %d errors and %d syncs, want %d and 2", got, slow.syncs, wantErrors)
		}
		must(t, l.Add(leaver("last", 1)))
		if got := afterCrash(t, path).Len(); got != 21 {
			t.Errorf("got %d after a crash, want 21", got)
		}
	}
	f(nil, 0)
	f(errDisk, 19)
}
