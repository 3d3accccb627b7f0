package audit

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
)

// Whatever operation fails, on a file or on its directory, once or until the disk is
// mended: what somebody was told of is there, after the worst loss of power too,
// everything is recorded again without a restart, and the log verifies.
func TestNoFaultIsForGood(t *testing.T) {
	any := func(string, string) bool { return true }
	writes := func(op, name string) bool { // of records
		return op == "write" && (!strings.HasSuffix(name, ".new") || name == "audit.jsonl.new")
	}
	space := func(op, name string) bool {
		return writes(op, name) && !strings.HasSuffix(name, ".reserve") || op == "allocate" || op == "make" && strings.HasSuffix(name, ".new")
	}
	f := func(name string, fault error, short bool, fits func(op, name string) bool, length int) {
		t.Run(name, func(t *testing.T) {
			l := &lost{t: t}
			l.begin()
			at := 1
			for struck := true; struck; at++ {
				r := newRecorder()
				r.short, struck = short, false
				n := 0
				r.fault = func(_ int, op, name string) error {
					if !fits(op, name) {
						return nil
					}
					if n++; n < at || n >= at+length {
						return nil
					}
					struck = true
					return fault
				}
				synctest.Test(t, func(t *testing.T) {
					if wrong := endure(t, l, r); wrong != "" {
						l.take(fmt.Sprintf("operation %d", at), wrong)
					}
				})
			}
			l.end()
			t.Logf("%d operations failed", at-2)
		})
	}
	f("once, no space", syscall.ENOSPC, false, any, 1)
	f("once, a fault of the disk", syscall.EIO, false, any, 1)
	f("once, short", syscall.ENOSPC, true, writes, 1)
	f("a full disk for a while", syscall.ENOSPC, false, space, 30)
	f("a dead disk for a while", syscall.EIO, false, any, 30)
}

// endure plays a history over a fault, and tells what is wrong behind it.
func endure(t *testing.T, lost *lost, r *recorder) (wrong string) {
	dir := laidOut(t, nil)
	defer os.RemoveAll(dir)
	s := Settings{File: filepath.Join(dir, "audit.jsonl"), RotateSize: 3 << 10, RotateAge: -1, Reserve: 8 << 10}
	l := &life{t: t, r: r}
	var err error
	for range 50 { // whoever has started the process starts it again
		if l.j, err = open(s, r.hooks()); err == nil {
			break
		}
	}
	if err != nil {
		return "it can't be opened: " + err.Error()
	}
	for n := range 6 {
		l.exchange(fmt.Sprint("x", n), Ordinary)
		l.j.Ride(&Record{Exchange: "read"})
		l.exchange(fmt.Sprint("y", n), Vital)
	}
	r.mu.Lock()
	r.fault = nil // the disk is mended
	steps := slices.Clone(r.steps)
	r.mu.Unlock()
	digest := l.j.Digest([]byte("x"))
	states(steps, true, false, func(state map[string][]byte) { lost.try(steps, digest, state) })
	l.rest()
	if err := l.j.Err(); err != nil {
		wrong = "it never goes on: " + err.Error()
	}
	for range 10 {
		if wrong == "" && !l.exchange("after", Ordinary) {
			wrong = "it refuses a record behind the fault"
		}
	}
	if at, err := os.Stat(s.File); wrong == "" && (err != nil || at.Size() > int64(s.RotateSize)) {
		wrong = fmt.Sprintf("segments change no more: %d bytes, %v", at.Size(), err)
	}
	if err := l.j.Close(); err != nil && wrong == "" {
		wrong = "it can't be closed: " + err.Error()
	}
	if wrong != "" {
		return strings.ReplaceAll(wrong, dir+"/", "")
	}
	told := slices.DeleteFunc(slices.Clone(r.steps), func(s step) bool { return s.op != "told" })
	if err := holds(s.File, told); err != nil {
		return err.Error()
	}
	if summary, err := VerifyFile(s.File, nil); err != nil || len(summary.OpenIntents) > 0 {
		return fmt.Sprintf("%v; open are %v", err, summary.OpenIntents)
	}
	return ""
}

// An intent is closed however many segments ago it was written, and a full disk keeps the
// space that was reserved.
func TestSegmentsChangeWhileACallIsOut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	j, err := Open(small(path))
	must(t, err)
	_, err = j.Intend(write("out"), Ordinary)
	must(t, err)
	fill(t, j, 0, 9)
	var state = map[string][]byte{}
	for _, name := range append(segments(t, path, 3), path+".key", path+".signing", path+".pub") {
		text, err := os.ReadFile(name)
		must(t, err)
		state[filepath.Base(name)] = text
	}
	must(t, j.Close())
	dir := laidOut(t, state) // as a crash leaves it
	defer os.RemoveAll(dir)
	path = filepath.Join(dir, "audit.jsonl")
	j, err = Open(small(path))
	must(t, err)
	must(t, j.Close())
	l := &lost{t: t}
	l.begin()
	if summary, err := VerifyFile(path, nil); err != nil || len(summary.OpenIntents) > 0 {
		l.take("behind three segments", fmt.Sprintf("%d intents are open: %v", len(summary.OpenIntents), err))
	}
	l.end()
}

func TestSegmentsChangeOnAFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &life{t: t, r: newRecorder()}
		l.begin(Settings{File: filepath.Join(t.TempDir(), "audit.jsonl"), RotateSize: 2 << 10, RotateAge: -1, Reserve: 64 << 10})
		l.r.failOn("write", func(_ int, name string) bool { return !strings.HasSuffix(name, ".reserve") })
		found := &lost{t: t}
		found.begin()
		for n := range 10 { // far below the space that was reserved
			if !l.exchange(fmt.Sprint("leaver", n), Vital) {
				found.take("on a full disk", fmt.Sprintf("a leaver is refused: %v", l.j.Err()))
			}
		}
		found.end()
		_ = l.j.Close()
	})
}
