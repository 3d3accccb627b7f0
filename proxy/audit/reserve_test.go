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
			in, err := j.Intend(write(x), Vital)
			must(t, err)
			must(t, in.Settle(&Record{Outcome: "ok"}))
			must(t, j.Answer(&Record{Exchange: x, Reply: 200}, Vital))
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
