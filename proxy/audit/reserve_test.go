package audit

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// fullDisk has room for nothing but what was reserved.
type fullDisk struct {
	logFile
	full     *atomic.Bool
	reserved bool
}

func (f fullDisk) Write(b []byte) (int, error) {
	if f.full.Load() && !f.reserved {
		return 0, syscall.ENOSPC
	}
	return f.logFile.Write(b)
}

func wrapFull(full *atomic.Bool) func(file) file {
	return func(f file) file {
		l := f.(logFile)
		return fullDisk{l, full, strings.HasSuffix(l.Name(), ".reserve")}
	}
}

// goes takes somebody's access away.
func goes(j *Journal, x string) error {
	in, err := j.Intend(write(x), Vital)
	if err == nil {
		err = in.Settle(&Record{Outcome: "ok", AWS: strings.Repeat("x", 300)})
	}
	if err == nil {
		err = j.Answer(&Record{Exchange: x, Reply: 200}, Vital)
	}
	return err
}

// On a full disk what takes access away goes through, and nothing else; when there is
// room again, everything does.
func TestTheReserveIsForWhatTakesAccessAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "audit.jsonl")
		var full atomic.Bool
		j, err := open(Settings{File: path}, hooks{wrap: wrapFull(&full)})
		must(t, err)
		fill(t, j, 0, 2)
		under, err := j.Intend(write("under way"), Ordinary)
		must(t, err)
		full.Store(true)
		var fault *Fault
		if _, err := j.Intend(write("ordinary"), Ordinary); !errors.As(err, &fault) {
			t.Fatalf("got %v, want the fault", err)
		}
		vital := func(x string) {
			t.Helper()
			must(t, goes(j, x))
		}
		vital("leaver")
		must(t, under.Settle(&Record{Outcome: "ok"})) // what is out has its outcome, whatever it is
		if _, err := j.Intend(write("ordinary"), Ordinary); !errors.As(err, &fault) || !j.Scarce() {
			t.Errorf("got %v, want ordinary writes held", err)
		}
		if err := j.Answer(&Record{Exchange: "ordinary"}, Ordinary); !errors.As(err, &fault) {
			t.Errorf("got %v, want ordinary answers held", err)
		}
		j.Ride(&Record{Exchange: "read"})
		time.Sleep(time.Second / 2)
		vital("another")
		if j.Counts().Dropped != 1 {
			t.Errorf("got %d records of reads dropped, want one", j.Counts().Dropped)
		}
		full.Store(false)
		time.Sleep(2 * recoverMost)
		synctest.Wait()
		if err := j.Err(); err != nil {
			t.Fatalf("got %v, want everything recorded again", err)
		}
		fill(t, j, 10, 2)
		must(t, j.Close())
		if summary, err := VerifyFile(path, nil); err != nil || summary.Gaps == 0 || len(summary.OpenIntents) != 0 {
			t.Errorf("got %+v %v, want a sound log with a gap", summary, err)
		}
		if _, err := os.Stat(path + ".reserve"); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("got %v, want the reserve given back", err)
		}
	})
}

// The room is really taken.
func TestTheReserveHasItsRoom(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	j, err := Open(Settings{File: path, Reserve: 1 << 20})
	must(t, err)
	at, err := os.Stat(path + ".reserve")
	must(t, err)
	if blocks := at.Sys().(*syscall.Stat_t).Blocks * 512; at.Size() != 0 || blocks < 1<<20 {
		t.Errorf("got %d bytes of the disk for a file of %d, want 1 MiB taken", blocks, at.Size())
	}
	must(t, j.Close())
	j, err = Open(Settings{File: path, Reserve: -1})
	must(t, err)
	if _, err := os.Stat(path + ".reserve"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want no reserve", err)
	}
	must(t, j.Close())
}

// SIGUSR1 on a full disk puts no file without room in the place of the reserve.
func TestReopeningKeepsTheReserve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "audit.jsonl")
		var full atomic.Bool
		j, err := open(Settings{File: path}, hooks{wrap: wrapFull(&full)})
		must(t, err)
		fill(t, j, 0, 2)
		full.Store(true)
		must(t, goes(j, "leaver"))
		if !j.Scarce() {
			t.Fatal("not scarce")
		}
		var fault *Fault
		if err := j.Reopen(); !errors.As(err, &fault) {
			t.Errorf("got %v, want to be told that the disk is full", err)
		}
		for i := range 3 {
			if err := goes(j, "leaver"+string(rune('a'+i))); err != nil {
				t.Errorf("a deactivation is held after SIGUSR1, though 4 MiB were reserved: %v", err)
			}
			time.Sleep(time.Minute)
		}
		full.Store(false)
		time.Sleep(time.Minute)
		must(t, j.Close())
	})
}

// A reserve that was lost, since it could not take the log's name, is made again.
func TestALostReserveIsMadeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "audit.jsonl")
		var full, once atomic.Bool
		h := hooks{wrap: wrapFull(&full), step: func(op, name, to string) error {
			if op == "rename" && strings.HasSuffix(name, ".reserve") && once.CompareAndSwap(false, true) {
				return syscall.EIO
			}
			return nil
		}}
		j, err := open(Settings{File: path}, h)
		must(t, err)
		fill(t, j, 0, 2)
		full.Store(true)
		if _, err := j.Intend(write("leaver"), Vital); err == nil {
			t.Fatal("no fault")
		}
		full.Store(false)
		time.Sleep(time.Minute)
		synctest.Wait()
		must(t, j.Err()) // all is well, it says
		if _, err := os.Stat(path + ".reserve"); err != nil {
			t.Errorf("the journal is well again, and has no reserve: %v", err)
		}
		time.Sleep(24 * time.Hour)
		full.Store(true)
		if _, err := j.Intend(write("leaver 2"), Vital); err != nil {
			t.Errorf("a day later a deactivation is held on a full disk: %v", err)
		}
		full.Store(false)
		time.Sleep(time.Minute)
		must(t, j.Close())
	})
}

// nearlyFull has room for so many bytes more, and what was reserved.
type nearlyFull struct {
	logFile
	room     *int
	reserved bool
}

func (f nearlyFull) Write(b []byte) (int, error) {
	if !f.reserved {
		if len(b) > *f.room {
			return 0, syscall.ENOSPC
		}
		*f.room -= len(b)
	}
	return f.logFile.Write(b)
}

// However little room a full disk has left: whoever takes access away gets through, the
// second time at least.
func TestAFullDiskIsLeftBeforeItsLastBytes(t *testing.T) {
	for room := 0; room < 3000; room += 100 {
		path := filepath.Join(t.TempDir(), "audit.jsonl")
		left := 1 << 30
		j, err := open(Settings{File: path}, hooks{wrap: func(f file) file {
			l := f.(logFile)
			return nearlyFull{l, &left, strings.HasSuffix(l.Name(), ".reserve")}
		}})
		must(t, err)
		fill(t, j, 0, 2)
		left = room
		if first := goes(j, "first"); first != nil {
			if err := goes(j, "again"); err != nil {
				t.Errorf("room for %d bytes: %v, and again %v", room, first, err)
			}
		}
		left = 1 << 30
		must(t, j.Close())
	}
}
