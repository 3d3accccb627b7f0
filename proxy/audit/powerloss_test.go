package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// lived is a history of three lives with everything that happens to a log: keys are made,
// segments change and are deleted by their number, a write and a sync fail, the reserve
// is used, the second life ends with a sync that fails, and at the end a call is out. It
// returns its steps and the digest of "x".
func lived(t *testing.T) (steps []step, digest string) {
	r := newRecorder()
	s := Settings{File: filepath.Join(t.TempDir(), "audit.jsonl"), RotateSize: 2600, RotateAge: -1, Keep: 2, Reserve: 8 << 10}
	synctest.Test(t, func(t *testing.T) {
		l := &life{t: t, r: r}
		l.begin(s)
		digest = l.j.Digest([]byte("x"))
		l.through("a", Ordinary)
		for range 3 { // one write of several records
			l.j.Ride(&Record{Exchange: "read", Reply: 200})
		}
		for _, x := range []string{"b", "c", "d", "e"} { // two segments are deleted
			l.through(x, Ordinary)
		}
		r.failOn("write", once)
		l.refused("write fails", Ordinary)
		l.through("f", Vital)
		full := true
		r.failOn("write", func(_ int, name string) bool { return full && !strings.HasSuffix(name, ".reserve") })
		l.refused("full", Ordinary)
		l.through("g", Vital)
		full = false
		l.rest()
		l.through("h", Ordinary)
		r.failOn("sync", once)
		l.refused("sync fails", Ordinary)
		l.rest()
		l.through("i", Ordinary)
		must(t, l.j.Close())
		l.begin(s)
		l.through("j", Ordinary)
		r.failOn("sync", once)
		l.refused("sync fails again", Ordinary)
		must(t, abandon(l.j))
		l.begin(s)
		l.through("k", Ordinary)
		rec := write("l")
		_, err := l.j.Intend(rec, Ordinary)
		l.note(rec, err)
		steps = slices.Clone(r.steps)
		must(t, l.j.Close())
	})
	return steps, digest
}

func once(n int, _ string) bool { return n == 1 }

// failOn fails operations of a kind from now on, of which there was an n-th.
func (r *recorder) failOn(op string, on func(n int, name string) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	r.fault = func(_ int, what, name string) error {
		if what != op {
			return nil
		}
		if n++; on(n, name) {
			return syscall.EIO
		}
		return nil
	}
}

// life is a journal whose records are noted when somebody is told of them.
type life struct {
	t *testing.T
	r *recorder
	j *Journal
}

func (l *life) begin(s Settings) {
	l.t.Helper()
	var err error
	l.j, err = open(s, l.r.hooks())
	must(l.t, err)
}

func (l *life) note(rec *Record, err error) bool {
	if err == nil {
		l.r.told(rec)
	}
	return err == nil
}

// exchange tells whether all of an exchange was recorded.
func (l *life) exchange(x string, need Need) bool {
	rec := write(x)
	in, err := l.j.Intend(rec, need)
	if !l.note(rec, err) {
		return false
	}
	outcome, answer := &Record{Outcome: "ok", Status: 200}, &Record{Exchange: x, Reply: 200}
	return l.note(outcome, in.Settle(outcome)) && l.note(answer, l.j.Answer(answer, need))
}

func (l *life) through(x string, need Need) {
	l.t.Helper()
	if !l.exchange(x, need) {
		l.t.Errorf("%s is refused, want it recorded: %v", x, l.j.Err())
	}
}

func (l *life) refused(x string, need Need) {
	l.t.Helper()
	if l.exchange(x, need) {
		l.t.Errorf("%s is recorded, want a fault", x)
	}
}

// rest lets faults end.
func (l *life) rest() {
	time.Sleep(2 * recoverMost)
	synctest.Wait()
}

// survives takes up a log that a loss of power has left, goes on, and takes it up again.
// It demands that no record is lost of which somebody was told, and that no person is
// needed.
func survives(dir string, steps []step, digest string) error {
	path := filepath.Join(dir, "audit.jsonl")
	s := Settings{File: path, RotateSize: 1 << 10, RotateAge: -1, Keep: 2, Reserve: -1}
	told := slices.DeleteFunc(slices.Clone(steps), func(s step) bool { return s.op != "told" })
	for life := range 2 {
		j, err := open(s, hooks{wrap: func(f file) file { return unsynced{f} }})
		if err != nil {
			return fmt.Errorf("a person is needed to open it: %w", err)
		}
		if len(told) > 0 && j.Digest([]byte("x")) != digest {
			err = errors.New("the key is lost")
		}
		if life == 0 {
			err = errors.Join(err, holds(path, told), shows(path))
		}
		for n := range 2 {
			in, intended := j.Intend(write(fmt.Sprint("later", n)), Ordinary)
			err = errors.Join(err, intended)
			if intended == nil {
				err = errors.Join(err, in.Settle(&Record{Outcome: "ok"}))
			}
		}
		err = errors.Join(err, j.Close())
		summary, broken := VerifyFile(path, nil)
		if err = errors.Join(err, broken); err != nil || len(summary.OpenIntents) > 0 {
			return fmt.Errorf("%w; open are %v", err, summary.OpenIntents)
		}
	}
	return nil
}

// shows demands that the public key beside a log is that of the other one.
func shows(path string) error {
	s, err := newSigner(Settings{File: path}, &hooks{})
	if err != nil {
		return err
	}
	if shown, err := ReadPublicKey(path + ".pub"); err != nil || keyID(shown) != s.id {
		return fmt.Errorf("the public key is not that of the checkpoints: %w", err)
	}
	return nil
}

// holds demands each record, but those of segments that were deleted by their number.
func holds(path string, told []step) error {
	names, err := Segments(path)
	if err != nil {
		return err
	}
	found, first := map[uint64][]byte{}, uint64(0)
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		for line := range bytes.Lines(text) {
			var rec struct{ Seq uint64 }
			if json.Unmarshal(line, &rec) != nil || rec.Seq == 0 {
				continue // torn
			}
			if found[rec.Seq] = line; first == 0 || rec.Seq < first { // where there are two, the one in the later segment counts
				first = rec.Seq
			}
		}
	}
	for _, s := range told {
		if s.seq >= first && !bytes.HasPrefix(found[s.seq], s.bytes) {
			return fmt.Errorf("record %d is lost, of which somebody was told: %s", s.seq, s.bytes)
		}
	}
	return nil
}

// lost takes in the states that a loss of power leaves, and tries each once.
type lost struct {
	t     *testing.T
	seen  map[[32]byte]bool
	queue chan func()
	jobs  sync.WaitGroup

	mu     sync.Mutex // guards following
	failed map[string]int
}

func (l *lost) begin() {
	l.seen, l.queue, l.failed = map[[32]byte]bool{}, make(chan func(), 100), map[string]int{}
	for range 2 {
		l.jobs.Go(func() {
			for run := range l.queue {
				run()
			}
		})
	}
}

// try opens a state behind some steps; digest is that of "x".
func (l *lost) try(steps []step, digest string, state map[string][]byte) {
	sum := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(state)) {
		fmt.Fprintf(sum, "%s %d ", name, len(state[name]))
		sum.Write(state[name])
	}
	key := [32]byte(sum.Sum(nil))
	if l.seen[key] {
		return
	}
	l.seen[key] = true
	state = maps.Clone(state)
	l.queue <- func() {
		dir := laidOut(l.t, state)
		defer os.RemoveAll(dir)
		if err := survives(dir, steps, digest); err != nil {
			l.take(fmt.Sprintf("behind step %d (%s)", len(steps), steps[len(steps)-1].op), strings.ReplaceAll(err.Error(), dir+"/", ""))
		}
	}
}

var numbers = regexp.MustCompile(`[0-9]+`)

// take notes what is wrong, each kind once.
func (l *lost) take(where, what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	kind := numbers.ReplaceAllString(what, "N")
	if l.failed[kind]++; l.failed[kind] == 1 {
		l.t.Errorf("%s: %s", where, what)
	}
}

func (l *lost) end() {
	close(l.queue)
	l.jobs.Wait()
	for kind, n := range l.failed {
		l.t.Errorf("in %d states: %s", n, kind)
	}
	l.t.Logf("%d states", len(l.seen))
}

// laidOut is a folder with these files, in memory where there is such a place.
func laidOut(t *testing.T, state map[string][]byte) (dir string) {
	dir, err := os.MkdirTemp("/dev/shm", "scimgate-audit-")
	if err != nil {
		dir, err = os.MkdirTemp("", "scimgate-audit-")
	}
	for name, text := range state {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, name), text, 0o600))
	}
	if err != nil {
		t.Error(err)
	}
	return dir
}

// Whatever a loss of power has made of what wasn't synced: no record is lost of which
// somebody was told, the log verifies, and the next start goes through.
func TestNoLossOfPowerLosesARecord(t *testing.T) {
	steps, digest := lived(t)
	f := func(name string, ordered bool) {
		t.Run(name, func(t *testing.T) {
			l := &lost{t: t}
			l.begin()
			for n := 1; n <= len(steps); n++ {
				if !ordered && steps[n-1].op != "names" || steps[n-1].op == "told" {
					continue
				}
				states(steps[:n], ordered, n > len(steps)-12, func(state map[string][]byte) { l.try(steps[:n], digest, state) })
			}
			l.end()
		})
	}
	f("names change in order", true)
	f("names change in any order", false)
}

// A loss of power while what the one before has left is mended does no more harm.
func TestNoLossOfPowerWhileALogIsMended(t *testing.T) {
	steps, digest := lived(t)
	l := &lost{t: t}
	l.begin()
	for n := 5; n <= len(steps); n += 7 {
		var all []map[string][]byte
		states(steps[:n], true, false, func(state map[string][]byte) { all = append(all, maps.Clone(state)) })
		mending, first, err := mended(t, all[len(all)/2])
		if err != nil {
			l.take(fmt.Sprintf("behind step %d", n), "a person is needed to open it: "+err.Error())
			continue
		}
		told := slices.DeleteFunc(slices.Clone(steps[:n]), func(s step) bool { return s.op != "told" })
		for m := first + 1; m <= len(mending); m++ {
			states(mending[:m], true, false, func(state map[string][]byte) { l.try(append(slices.Clone(told), mending[:m]...), digest, state) })
		}
	}
	l.end()
}

// mended are the steps by which a state came to be, and behind the first of them those of
// taking it up.
func mended(t *testing.T, state map[string][]byte) (steps []step, first int, err error) {
	dir := laidOut(t, state)
	defer os.RemoveAll(dir)
	r := newRecorder()
	for _, text := range slices.Sorted(maps.Keys(state)) {
		r.born++
		r.take(name{text, r.born})
		if len(state[text]) > 0 {
			r.steps = append(r.steps, step{op: "write", inode: r.born, bytes: state[text]}, step{op: "sync", inode: r.born})
		}
	}
	r.steps = append(r.steps, step{op: "syncdir"})
	first = len(r.steps)
	j, err := open(Settings{File: filepath.Join(dir, "audit.jsonl"), RotateSize: 1 << 10, RotateAge: -1, Keep: 2}, r.hooks())
	if err != nil {
		return nil, 0, err
	}
	steps = slices.Clone(r.steps)
	return steps, first, j.Close()
}

// abandon is what SIGKILL leaves.
func abandon(j *Journal) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.closed = true
	close(j.stop)
	if j.marks != nil {
		j.marks.Stop()
	}
	j.segment.dropReserve()
	return errors.Join(j.file.Close(), j.alone.Close())
}
