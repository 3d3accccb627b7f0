package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// fill writes a few exchanges, and leaves the last call open.
func fill(t *testing.T, j *Journal, from, n int) {
	t.Helper()
	for i := from; i < from+n; i++ {
		in, err := j.Intend(write(fmt.Sprint("x", i)), Ordinary)
		must(t, err)
		if i < from+n-1 {
			must(t, in.Settle(&Record{Outcome: "ok"}))
			must(t, j.Answer(&Record{Exchange: fmt.Sprint("x", i), Reply: 200}, Ordinary))
		}
	}
}

// small rotates after about three exchanges.
func small(path string) Settings { return Settings{File: path, RotateSize: 2 << 10, RotateAge: -1} }

// rotated is a closed log of several segments, with a restart in it.
func rotated(t *testing.T, keep int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	for life := range 2 {
		s := small(path)
		s.Keep = keep
		j, err := Open(s)
		must(t, err)
		fill(t, j, life*20, 20)
		must(t, j.Close())
	}
	return path
}

func segments(t *testing.T, path string, atLeast int) []string {
	t.Helper()
	names, err := Segments(path)
	must(t, err)
	if len(names) < atLeast {
		t.Fatalf("got %d segments, want %d at least", len(names), atLeast)
	}
	return names
}

func TestTheChainGoesOnOverSegments(t *testing.T) {
	path := rotated(t, 0)
	names := segments(t, path, 5)
	summary, err := VerifyFile(path, nil)
	if err != nil || summary.First != 1 || summary.Records != summary.Last || len(summary.OpenIntents) != 0 {
		t.Fatalf("got %+v, %v, want a sound log", summary, err)
	}
	if _, err := VerifyFile(path, &Checkpoint{Seq: summary.Last, Hash: summary.LastHash}); err != nil {
		t.Error(err)
	}
	// Whatever is done to a closed segment is found.
	for i, name := range names[:len(names)-1] {
		text, err := os.ReadFile(name)
		must(t, err)
		lines := strings.SplitAfter(string(text), "\n")
		f := func(what, changed string) {
			t.Helper()
			must(t, os.WriteFile(name, []byte(changed), 0o600))
			if _, err := VerifyFile(path, nil); err == nil {
				t.Errorf("segment %d: %s is not found", i, what)
			}
			must(t, os.WriteFile(name, text, 0o600))
		}
		f("its last record dropped", strings.Join(lines[:len(lines)-2], ""))
		f("a record dropped", strings.Join(append(append([]string{}, lines[:1]...), lines[2:]...), ""))
		f("its first record dropped", strings.Join(lines[1:], ""))
		f("a record appended", string(text)+lines[0])
		f("a text changed", strings.Replace(string(text), `"x`, `"y`, 1))
		f("half a line at its end", string(text)+"{")
		must(t, os.Remove(name))
		if _, err := VerifyFile(path, nil); err == nil {
			t.Errorf("segment %d is gone, and that is not found", i)
		}
		must(t, os.WriteFile(name, text, 0o600))
	}
	if _, err := VerifyFile(path, nil); err != nil {
		t.Error(err)
	}
}

// A name may have characters that mean something in patterns.
func TestSegmentsOfAnOddName(t *testing.T) {
	path := filepath.Join(t.TempDir(), `au[d]i*t?\x.jsonl`)
	j, err := Open(small(path))
	must(t, err)
	fill(t, j, 0, 20)
	must(t, j.Close())
	segments(t, path, 3)
	if s, err := VerifyFile(path, nil); err != nil || s.First != 1 {
		t.Errorf("got %+v, %v", s, err)
	}
}

func TestRetentionIsExplained(t *testing.T) {
	path := rotated(t, 2)
	names := segments(t, path, 2)
	if len(names) > 4 { // two, one that is told of but not yet deleted, and the active one
		t.Errorf("got %d segments, want no more", len(names))
	}
	summary, err := VerifyFile(path, nil)
	if err != nil || summary.First == 1 {
		t.Errorf("got %+v, %v, want a sound log that doesn't begin at 1", summary, err)
	}
	must(t, os.Remove(names[0]))
	next, err := VerifyFile(path, nil)
	var chain *ChainError
	if len(names) > 3 && err == nil { // that one had been told of
		must(t, os.Remove(names[1]))
		next, err = VerifyFile(path, nil)
	}
	if !errors.As(err, &chain) {
		t.Errorf("got %+v, %v, want a segment that nobody retired to be missed", next, err)
	}
}

// A crash at each step of a change of segments loses nothing.
func TestACrashWhileSegmentsChange(t *testing.T) {
	f := func(what string, crash func(path string)) {
		t.Run(what, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "audit.jsonl")
			j, err := Open(Settings{File: path, RotateAge: -1})
			must(t, err)
			fill(t, j, 0, 5)
			must(t, j.Close())
			crash(path)
			j, err = Open(Settings{File: path, RotateAge: -1})
			must(t, err)
			fill(t, j, 10, 5)
			must(t, j.Close())
			summary, err := VerifyFile(path, nil)
			if err != nil || summary.First != 1 || len(summary.OpenIntents) != 0 {
				t.Errorf("got %+v, %v, want a sound log", summary, err)
			}
			if _, err := os.Stat(path + ".new"); err == nil {
				t.Error("the half-made segment is still there")
			}
		})
	}
	empty := func(path string) { must(t, os.WriteFile(path, nil, 0o600)) }
	f("nothing", func(string) {})
	f("the new one is made", func(path string) { empty(path + ".new") })
	f("the old one has its name", func(path string) {
		empty(path + ".new")
		must(t, os.Rename(path, path+".000000000001"))
	})
	f("the new one has its place", func(path string) {
		must(t, os.Rename(path, path+".000000000001"))
		empty(path)
	})
	f("the first line of the new one is cut", func(path string) {
		text, err := os.ReadFile(path)
		must(t, err)
		must(t, os.Rename(path, path+".000000000001"))
		n := strings.Count(string(text), "\n")
		must(t, os.WriteFile(path, fmt.Appendf(nil, `{"v":1,"seq":%d,"ti`, n+1), 0o600))
	})
}

// An intent in one segment gets its outcome in the next, and one that a crash has left
// open before a change of segments is found behind it.
func TestOpenIntentsAreFoundInTheSegmentBefore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	j, err := Open(Settings{File: path, RotateAge: -1})
	must(t, err)
	_, err = j.Intend(write("open"), Ordinary)
	must(t, err)
	text, err := os.ReadFile(path)
	must(t, err)
	must(t, j.Close())
	must(t, os.WriteFile(path+".000000000001", text, 0o600)) // as of the moment of the crash
	must(t, os.WriteFile(path, nil, 0o600))
	j, err = Open(Settings{File: path, RotateAge: -1})
	must(t, err)
	if got := j.Recovered(); len(got) != 1 || got[0].Exchange != "open" {
		t.Errorf("got %v, want the open intent", got)
	}
	must(t, j.Close())
	if summary, err := VerifyFile(path, nil); err != nil || len(summary.OpenIntents) != 0 {
		t.Errorf("got %+v, %v", summary, err)
	}
}

// flaky is a log on a disk that fails for a while.
type flaky struct {
	file
	broken *atomic.Bool
}

func (f flaky) Write(b []byte) (int, error) {
	if f.broken.Load() {
		n, _ := f.file.Write(b[:len(b)/2]) // a full disk takes a part
		return n, syscall.ENOSPC
	}
	return f.file.Write(b)
}

func (f flaky) Sync() error {
	if f.broken.Load() {
		return syscall.ENOSPC
	}
	return f.file.Sync()
}

// When the disk is back, records are written again without a restart, and the log
// tells of the gap.
func TestAFaultEndsWhenTheDiskIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "audit.jsonl")
		var broken atomic.Bool
		j, err := open(Settings{File: path}, hooks{wrap: func(f file) file { return flaky{f, &broken} }})
		must(t, err)
		fill(t, j, 0, 3)
		out, err := j.Intend(write("out"), Ordinary)
		must(t, err)
		broken.Store(true)
		var fault *Fault
		if err := out.Settle(&Record{Outcome: "ok"}); !errors.As(err, &fault) {
			t.Fatalf("got %v, want the fault", err)
		}
		if _, err := j.Intend(write("refused"), Ordinary); !errors.As(err, &fault) {
			t.Fatalf("got %v, want the fault to stay", err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if j.Err() == nil {
			t.Fatal("the fault has ended though the disk is full")
		}
		broken.Store(false)
		time.Sleep(recoverMost)
		synctest.Wait()
		if err := j.Err(); err != nil {
			t.Fatalf("got %v, want records written again", err)
		}
		fill(t, j, 10, 3)
		must(t, j.Close())
		summary, err := VerifyFile(path, nil)
		if err != nil || summary.Gaps != 1 || len(summary.OpenIntents) != 0 {
			t.Errorf("got %+v, %v, want a sound log with a gap", summary, err)
		}
		text, err := os.ReadFile(path)
		must(t, err)
		for _, want := range []string{`"event":"fault","findings":["record `, `"exchange":"out"`, `"outcome":"unknown"`} {
			if !strings.Contains(string(text), want) {
				t.Errorf("got %s, want %s in it", text, want)
			}
		}
		if strings.Contains(string(text), "refused") {
			t.Error("what was refused is in the log")
		}
		j, err = Open(Settings{File: path})
		must(t, err)
		must(t, j.Close())
	})
}

// A log that was moved away goes on in a new file, with its chain.
func TestReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	j, err := Open(Settings{File: path})
	must(t, err)
	fill(t, j, 0, 3)
	must(t, os.Rename(path, path+".1"))
	must(t, j.Reopen())
	fill(t, j, 10, 3)
	must(t, j.Reopen()) // nobody has moved it: it is closed under its number
	fill(t, j, 20, 3)
	must(t, j.Close())
	if _, err := VerifyFile(path, nil); err == nil {
		t.Error("a part of the log is missing, and that is not found")
	}
	must(t, os.Rename(path+".1", path+".000000000001"))
	if summary, err := VerifyFile(path, nil); err != nil || summary.First != 1 {
		t.Errorf("got %+v, %v, want a sound log with the part back in its place", summary, err)
	}
	if _, err := os.Stat(path + ".000000000001"); err != nil {
		t.Error(err)
	}
	segments(t, path, 3)
}

// What is half a line when it is read is read again, if it grows.
func TestVerifyCatchesUp(t *testing.T) {
	dir := t.TempDir()
	whole := filepath.Join(dir, "whole.jsonl")
	j, err := Open(Settings{File: whole, Reserve: -1})
	must(t, err)
	fill(t, j, 0, 3)
	must(t, j.Close())
	text, err := os.ReadFile(whole)
	must(t, err)
	begins := bytes.LastIndexByte(text[:len(text)-1], '\n') + 1 // of the last line
	for _, cut := range []int{begins + 1, len(text) - 10, len(text) - 1} {
		path := filepath.Join(dir, fmt.Sprint(cut))
		must(t, os.WriteFile(path, text[:cut], 0o600))
		f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		must(t, err)
		c := chain{anchored: true}
		r, err := os.Open(path)
		must(t, err)
		c.of = r
		must(t, c.read(r))
		_, err = f.Write(text[cut:])
		must(t, err)
		must(t, c.catchUp(r))
		if last := uint64(bytes.Count(text, []byte("\n"))); c.torn.sum != nil || c.unended || c.seq != last || c.records != last {
			t.Errorf("cut at %d of %d: got %d records up to %d, torn %v, unended %v, want %d", cut, len(text), c.records, c.seq, c.torn.sum != nil, c.unended, last)
		}
		must(t, f.Close())
		must(t, r.Close())
		must(t, os.Truncate(path, int64(cut)))
		if _, err := VerifyFile(path, nil); err == nil {
			t.Errorf("cut at %d: what doesn't grow is taken for whole", cut)
		}
	}
}

// A log that is written to, and whose segments change, is verified as it is at one moment.
func TestVerifyWhileSegmentsChange(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	j, err := Open(Settings{File: path, RotateSize: 4 << 10, Reserve: -1})
	must(t, err)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for n := range 1500 {
			in, err := j.Intend(write(fmt.Sprint("X", n)), Ordinary)
			if err == nil {
				err = in.Settle(&Record{Outcome: "ok"})
			}
			if err != nil {
				t.Error(err)
				return
			}
		}
	}()
	for writing := true; writing; {
		select {
		case <-ended:
			writing = false
		default:
		}
		if _, err := VerifyFile(path, nil); err != nil {
			t.Error(err)
			writing = false
		}
	}
	<-ended
	must(t, j.Close())
	if _, err := VerifyFile(path, nil); err != nil {
		t.Error(err)
	}
}

// A segment that somebody else has taken away, once it was to go, leaves no hole behind.
func TestASegmentThatIsGoneAlreadyIsRetired(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	j, err := Open(Settings{File: path, RotateSize: 1, Keep: 2, Reserve: -1})
	must(t, err)
	taken := false
	for range 12 {
		must(t, j.Notice("x", &Record{}))
		j.mu.Lock()
		if d := j.segment.doomed; len(d) > 0 && !taken {
			taken = true
			must(t, os.Remove(d[0].file))
		}
		j.mu.Unlock()
	}
	must(t, j.Close())
	if _, err := VerifyFile(path, nil); err != nil || !taken {
		t.Errorf("got %v, taken away: %v", err, taken)
	}
	if names, err := Segments(path); err != nil || len(names) > 4 {
		t.Errorf("got %v, %v, want the older ones gone", names, err)
	}
}

// A segment stays whose record of its end a fault has lost, though others have its number.
func TestASegmentStaysUntilItsEndIsTold(t *testing.T) {
	d := &disk{err: errors.New("no space")}
	j, err := onDisk(t, d, time.Now)
	must(t, err)
	j.mu.Lock()
	defer j.mu.Unlock()
	_, err = j.join(&Record{Event: EventRetired}, KindNotice)
	must(t, err)
	j.segment.doomed = []doomed{{"told", j.durable}, {"lost", j.seq}}
	d.failAt = d.step + 1
	j.writeBatch()
	if got := j.segment.doomed; len(got) != 1 || got[0].file != "told" {
		t.Errorf("got %v to be deleted, want what was told alone", got)
	}
}

// One segment that can't be deleted keeps those behind it: the log has no hole.
func TestASegmentThatStaysKeepsThoseBehindIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	held := path + ".000000000001"
	stays := true
	j, err := open(Settings{File: path, RotateSize: 400, Keep: 2, Reserve: -1}, hooks{step: func(op, name, _ string) error {
		if op == "remove" && name == held && stays {
			return fs.ErrPermission
		}
		return nil
	}})
	must(t, err)
	write := func() int {
		for range 20 {
			must(t, j.Notice("x", &Record{Exchange: "e"}))
		}
		names, err := Segments(path)
		must(t, err)
		return len(names)
	}
	if n := write(); n < 10 {
		t.Errorf("got %d segments, want none deleted behind one that stays", n)
	}
	if _, err := VerifyFile(path, nil); err != nil {
		t.Error(err)
	}
	stays = false
	if n := write(); n > 5 {
		t.Errorf("got %d segments, want the old ones deleted", n)
	}
	must(t, j.Close())
	if _, err := VerifyFile(path, nil); err != nil {
		t.Error(err)
	}
}

// A log whose active segment was taken away while nobody wrote goes on, and tells so: what
// that held isn't known.
func TestASegmentThatWasTakenAwayIsTold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	for _, taken := range []bool{false, true} {
		j, err := Open(Settings{File: path, RotateSize: 3000, Reserve: -1})
		must(t, err)
		for range 20 {
			must(t, j.Notice("x", &Record{Exchange: "e"}))
		}
		must(t, j.Close())
		if taken {
			must(t, os.Rename(path, path+".1"))
		}
	}
	j, err := Open(Settings{File: path, Reserve: -1})
	must(t, err)
	must(t, j.Close())
	s, err := VerifyFile(path, nil)
	log, unread := os.ReadFile(path)
	must(t, unread)
	if err != nil || s.Gaps != 1 || !strings.Contains(told(t, log), "gap missing\n") {
		t.Errorf("got %+v, %v, and\n%swant one gap told", s, err, told(t, log))
	}
}

// Retention holds for a log whose segments are changed by SIGUSR1 alone.
func TestRetentionHoldsHoweverSegmentsChange(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	j, err := Open(Settings{File: path, RotateSize: -1, RotateAge: -1, Keep: 2})
	must(t, err)
	for range 50 {
		must(t, j.Reopen())
	}
	must(t, j.Close())
	names, _ := Segments(path)
	if len(names) > 5 {
		t.Errorf("got %d segments with keep: 2", len(names))
	}
}

// Who is started anew every 20 hours ends segments by their age too.
func TestTheAgeOfASegmentCountsOverRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "audit.jsonl")
		for range 20 {
			j, err := Open(Settings{File: path})
			must(t, err)
			time.Sleep(20 * time.Hour)
			must(t, j.Refuse(&Record{Exchange: "x"}, Durable))
			must(t, j.Close())
		}
		if names, _ := Segments(path); len(names) < 2 {
			t.Error("a segment has been written for 400 hours, with rotate_age 24 h")
		}
	})
}
