package audit

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/scimgate/scimgate/proxy/crash"
)

// A log is a row of segments: FILE is the one that is written, FILE.000000000123 one
// that was closed, named by its first record. The chain goes on from one to the next.

// Defaults of the settings, and bounds.
const (
	rotateSize   = 64 << 20
	rotateAge    = 24 * time.Hour
	recoverFirst = time.Second // after a fault, doubled each time
	recoverMost  = 10 * time.Second
	markEvery    = time.Minute // a checkpoint
)

// segment is the file being written. It belongs to whoever writes, but for doomed.
type segment struct {
	path  string // "-" for a stream
	hooks hooks
	most  int64 // bytes; 0 without a bound
	age   time.Duration
	keep  int
	room  int64 // bytes that are reserved; 0 for none

	reserve *os.File // has that room; nil while there is none
	first   uint64   // record, 0 before there is one
	size    int64
	born    time.Time

	// placed stands under the log's name, though a fault behind that has kept the journal
	// from going on in it; nil if nothing does. Nothing in it counts.
	placed os.FileInfo

	doomed []doomed // segments to be deleted; guarded by the journal's mu
}

// doomed is a segment that goes when the record that tells of it is durable.
type doomed struct {
	file string
	told uint64
}

func newSegment(s Settings, h hooks) segment {
	g := segment{path: s.File, hooks: h, most: int64(s.RotateSize), age: s.RotateAge, keep: s.Keep, room: int64(s.Reserve), born: time.Now()}
	if g.room == 0 {
		g.room = reserveBytes
	}
	if g.most == 0 {
		g.most = rotateSize
	}
	if g.age == 0 {
		g.age = rotateAge
	}
	return g
}

// begin takes up a file that was found.
func (g *segment) begin(f *os.File, found *chain) error {
	status, err := f.Stat()
	if err != nil {
		return err
	}
	g.size = status.Size()
	if began := beganAt(f); !began.IsZero() && began.Before(g.born) { // in an earlier life
		g.born = began
	}
	if g.first, _, _, err = firstOf(f); err != nil || g.first == 0 { // a crash has cut it off, or nothing is written yet
		g.first = found.seq + 1
	}
	return nil
}

// rotate begins another segment if this one is large or old enough. It is called by
// who writes, without mu. If it can't, this one goes on.
func (j *Journal) rotate(written int, last uint64) bool {
	g := &j.segment
	if g.path == "-" {
		return false
	}
	g.size += int64(written)
	if (g.most < 0 || g.size < g.most) && (g.age < 0 || time.Since(g.born) < g.age) {
		return false
	}
	next, err := g.changeToNew(j.file, nil, last)
	if err != nil {
		g.born = time.Now() // not at every record again
		return false
	}
	j.file = next
	g.first, g.size, g.born = last+1, 0, time.Now()
	return true
}

// changeToNew puts a new file in the place of the segment; durable is the last record that
// counts.
func (g *segment) changeToNew(old file, lines []byte, durable uint64) (file, error) {
	f, err := g.create(g.path + ".new")
	if err != nil {
		return nil, err
	}
	return g.change(old, f, lines, durable)
}

// changeToReserve puts the reserve in the place of the segment. It is used up by that.
func (g *segment) changeToReserve(old file, lines []byte, durable uint64) (file, error) {
	f := g.reserve
	g.reserve = nil
	return g.change(old, f, lines, durable)
}

// behind begins the segment behind a fault. It is scarce, to be used by vital records alone,
// if it is the reserve, or if there is no reserve any more: another one comes first then.
func (g *segment) behind(fault *Fault, old file, lines []byte, durable uint64) (next file, scarce bool, err error) {
	full := errors.Is(fault.Err, syscall.ENOSPC) || errors.Is(fault.Err, syscall.EDQUOT)
	if !full || g.reserve == nil { // of a full disk the last bytes are soon used up, in the middle of an exchange
		if next, err = g.changeToNew(old, lines, durable); err == nil {
			return next, g.reserve == nil && g.room > 0, nil
		}
	}
	if g.reserve == nil {
		return nil, false, err
	}
	next, err = g.changeToReserve(old, lines, durable)
	return next, true, err
}

// change puts another file in the place of the segment, with lines in it that are
// durable. The old one gets the name of its first record, if it still has its place and
// holds one that counts; otherwise it is replaced. Whatever fails, the next try goes on
// from there, and so does the next start: see [takeBack].
func (g *segment) change(old file, f *os.File, lines []byte, durable uint64) (file, error) {
	fresh := f.Name()
	next := g.hooks.wrapped(logFile{f, g.path})
	give := func(err error) (file, error) { return nil, errors.Join(err, next.Close(), g.hooks.remove(fresh)) }
	if len(lines) > 0 {
		if n, err := next.Write(lines); err != nil || n < len(lines) {
			return give(errors.Join(err, errors.New("the first records of a segment could not be written")))
		}
		if err := next.Sync(); err != nil {
			return give(err)
		}
	}
	if err := g.hooks.syncDir(filepath.Dir(g.path)); err != nil { // what takes the name is there before it is free
		return give(err)
	}
	crash.At(crash.SegmentMade)
	if err := g.leave(old, durable); err != nil {
		return give(err)
	}
	crash.At(crash.SegmentClosed)
	if err := g.hooks.rename(fresh, g.path); err != nil {
		return give(err)
	}
	crash.At(crash.SegmentPlaced)
	if err := g.hooks.syncDir(filepath.Dir(g.path)); err != nil {
		placed, unknown := f.Stat()
		g.placed = placed
		return nil, errors.Join(err, unknown, next.Close())
	}
	g.placed = nil
	_ = old.Close() // what was synced is safe
	return next, nil
}

// leave makes the log's name free for another segment, or finds that what has it may be
// replaced. The closed one's name is durable before anything takes its place: otherwise a
// loss of power could leave the new one alone.
func (g *segment) leave(old file, durable uint64) error {
	if err := old.Check(); err != nil {
		at, err := os.Lstat(g.path)
		if err == nil && (g.placed == nil || !os.SameFile(at, g.placed)) {
			return fmt.Errorf("%s is another file", g.path)
		}
		return nil
	}
	if g.first > durable {
		return nil
	}
	closed := fmt.Sprintf("%s.%012d", g.path, g.first)
	if _, err := os.Lstat(closed); err == nil {
		return fmt.Errorf("%s is there already", closed)
	}
	if err := g.hooks.rename(g.path, closed); err != nil {
		return err
	}
	return g.hooks.syncDir(filepath.Dir(g.path))
}

// takeBack ends a change of segments that a crash has cut off between the two names: the
// segment that was closed last, of which nothing follows, is the active one again. If there
// was no such change, somebody has taken the active one away: missing tells so.
func takeBack(path string, h *hooks) (missing bool, err error) {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	names, err := Segments(path)
	if err != nil || len(names) < 2 {
		return false, err
	}
	return !ready(path), h.rename(names[len(names)-2], path)
}

// ready tells whether a file stands there to take the log's name: a new one, or the reserve
// with the record that comes first in it.
func ready(path string) bool {
	if _, err := os.Lstat(path + ".new"); err == nil {
		return true
	}
	reserve, err := os.Open(path + ".reserve")
	if err != nil {
		return false
	}
	defer reserve.Close()
	seq, _, _, err := firstOf(reserve)
	return err == nil && seq > 0
}

// retire tells of the segments that are one too many, and deletes those of which was
// told before. It is called with mu held, by who writes.
func (j *Journal) retire() {
	g := &j.segment
	for len(g.doomed) > 0 && g.doomed[0].told <= j.durable { // in order: one that can't be deleted keeps those behind it
		if err := g.hooks.remove(g.doomed[0].file); err != nil && !errors.Is(err, fs.ErrNotExist) { // which somebody else has shipped
			break
		}
		g.doomed = g.doomed[1:]
	}
	names, err := Segments(g.path)
	if g.keep <= 0 || err != nil {
		return
	}
	names = slices.DeleteFunc(names, func(name string) bool {
		return slices.ContainsFunc(g.doomed, func(d doomed) bool { return d.file == name })
	})
	told := len(g.doomed)
	for i := 0; i < len(names)-1-g.keep; i++ {
		next, err := os.Open(names[i+1])
		if err != nil {
			break
		}
		seq, prev, _, err := firstOf(next)
		next.Close()
		if err != nil || seq == 0 {
			break
		}
		rec := Record{Event: EventRetired, Findings: []string{fmt.Sprintf("up to record %d", seq-1), "sha256 " + hex.EncodeToString(prev[:])}}
		if _, err := j.join(&rec, KindNotice); err != nil {
			break
		}
		g.doomed = append(g.doomed, doomed{names[i], rec.Seq})
	}
	if told < len(g.doomed) && j.signer != nil { // so that nobody else can say so
		j.checkpoint(j.time)
		for i := range g.doomed[told:] {
			g.doomed[told+i].told = j.seq
		}
	}
}
