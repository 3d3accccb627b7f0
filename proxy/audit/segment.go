package audit

import (
	"bufio"
	"cmp"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
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
	if g.size > 0 {
		if g.first, _, _, err = firstOf(f); err != nil { // a crash has cut it off
			g.first = found.seq + 1
		}
	}
	return nil
}

// Segments are the files of a log, oldest first; the last is the active one. Others
// that look alike are left out.
func Segments(path string) ([]string, error) {
	names, err := filepath.Glob(escapeGlob(path) + ".????????????")
	if err != nil {
		return nil, err
	}
	names = slices.DeleteFunc(names, func(name string) bool {
		return strings.Trim(name[len(path)+1:], "0123456789") != ""
	})
	slices.Sort(names)
	return append(names, path), nil
}

func escapeGlob(path string) string {
	return strings.NewReplacer(`\\`, `\\\\`, "*", `\\*`, "?", `\\?`, "[", `\\[`).Replace(path)
}

// firstOf is the sequence number and the prev of a segment's first whole record, and its
// line; 0 if it is empty. What stands before it a crash has cut off.
func firstOf(f io.ReaderAt) (seq uint64, prev [32]byte, line []byte, err error) {
	in := bufio.NewReaderSize(io.NewSectionReader(f, 0, 1<<62), 32<<10)
	empty := true
	for {
		line, err := in.ReadBytes('\n')
		if empty = empty && len(line) == 0; err == io.EOF && empty {
			return 0, prev, nil, nil
		}
		if err != nil || len(line) > maxLine {
			return 0, prev, nil, fmt.Errorf("it holds no whole record: %w", cmp.Or(err, errTooLong))
		}
		var c chain
		if _, ok := c.doc.Scan(line[:len(line)-1]); !ok {
			continue
		}
		e, reason := c.entry()
		if reason != "" {
			return 0, prev, nil, errors.New("its first record " + reason)
		}
		return e.seq, e.prev, line, nil
	}
}

var errTooLong = fmt.Errorf("a line is longer than %d bytes", maxLine)

// endBefore makes the chain end a segment where the next one begins.
func (c *chain) endBefore(next io.ReaderAt) error {
	seq, prev, line, err := firstOf(next)
	if err != nil || seq == 0 { // a crash has cut it off, or nothing is written yet
		c.until = 0
		return nil
	}
	c.until, c.endsIn, c.skipped = seq-1, prev, 0
	var rec Record
	if json.Unmarshal(line, &rec) == nil {
		c.excused = rec.Kind == KindGap && rec.Event == EventFault
	}
	return nil
}

// ended holds the end of a segment to the beginning of the next.
func (c *chain) ended() error {
	if c.until == 0 {
		return nil
	}
	defer func() { c.until, c.torn = 0, torn{} }()
	switch {
	case c.seq != c.until:
		return c.broken(c.seq+1, fmt.Sprintf("is missing: the next segment begins behind record %d", c.until))
	case c.hash != c.endsIn:
		return c.broken(c.seq, "was changed: the next segment holds another hash of it")
	case c.skipped > 0 && !c.excused:
		return c.broken(c.seq+1, "stands behind the end of a closed segment")
	}
	c.unended = false
	return nil
}

// retire takes in which segments were deleted.
func (c *chain) retire(line []byte) {
	var rec Record
	if json.Unmarshal(line, &rec) != nil || len(rec.Findings) != 2 {
		return
	}
	last, err := strconv.ParseUint(strings.TrimPrefix(rec.Findings[0], "up to record "), 10, 64)
	if err == nil {
		if c.retired == nil {
			c.retired = map[uint64]string{}
		}
		c.retired[last] = strings.TrimPrefix(rec.Findings[1], "sha256 ")
	}
}

// VerifyFile does what [Verify] does for a log with all its segments. mark may be
// nil. What retention has deleted is explained by a record, or is an error. With keys,
// each checkpoint has to be signed by one of them, and so has mark.
func VerifyFile(path string, mark *Checkpoint, keys ...ed25519.PublicKey) (Summary, error) {
	if len(keys) > 0 && mark != nil && !mark.SignedBy(keys...) {
		return Summary{}, &ChainError{Seq: mark.Seq, Reason: "has a checkpoint elsewhere that none of the keys has signed"}
	}
	names, err := Segments(path)
	if err != nil {
		return Summary{}, err
	}
	files := make([]*os.File, len(names))
	for i, name := range names {
		if files[i], err = os.Open(name); err != nil {
			return Summary{}, err
		}
		defer files[i].Close()
	}
	c := chain{anchored: true, mark: mark, keys: keys}
	base, prev, _, err := firstOf(files[0])
	if err != nil {
		return Summary{}, c.broken(1, "is not a record: "+err.Error())
	}
	if base > 1 {
		c.seq, c.hash = base-1, prev
	}
	for i, f := range files {
		c.of, c.at = f, 0
		if i+1 < len(files) {
			if err := c.endBefore(files[i+1]); err != nil {
				return c.summary(), fmt.Errorf("segment %s: %w", names[i+1], err)
			}
		}
		if err := c.read(f); err != nil {
			return c.summary(), err
		}
		if err := c.ended(); err != nil {
			return c.summary(), err
		}
	}
	switch {
	case base > 1 && c.retired[base-1] != hex.EncodeToString(prev[:]):
		err = c.broken(base-1, "and those before it are missing, and no record says that they were deleted by their age")
	case len(keys) > 0 && mark == nil && c.signed == 0:
		err = c.broken(c.seq, "is the last, and none of the keys has signed a checkpoint: the log may have been written anew")
	case c.torn.sum != nil:
		err = c.broken(c.seq+1, "is not whole, or something else is in its place")
	case c.unended:
		err = c.broken(c.seq, "has no line break")
	case mark != nil && !c.met && mark.Seq >= base:
		err = c.broken(c.seq+1, fmt.Sprintf("is missing: the checkpoint is of record %d", mark.Seq))
	}
	return c.summary(), err
}

// rotate begins another segment if this one is large or old enough. It is called by
// who writes, without mu. If it can't, this one goes on.
func (j *Journal) rotate(written int, last uint64) bool {
	g := &j.segment
	if g.path == "-" {
		return false
	}
	if g.first == 0 {
		g.first = 1
	}
	g.size += int64(written)
	if (g.most < 0 || g.size < g.most) && (g.age < 0 || time.Since(g.born) < g.age) {
		return false
	}
	next, err := g.changeToNew(j.file, nil)
	if err != nil {
		g.born = time.Now() // not at every record again
		return false
	}
	j.file = next
	g.first, g.size, g.born = last+1, 0, time.Now()
	return true
}

// changeToNew puts a new file in the place of the segment.
func (g *segment) changeToNew(old file, lines []byte) (file, error) {
	f, err := g.create(g.path + ".new")
	if err != nil {
		return nil, err
	}
	return g.change(old, f, lines)
}

// changeToReserve puts the reserve in the place of the segment. It is used up by that.
func (g *segment) changeToReserve(old file, lines []byte) (file, error) {
	f := g.reserve
	g.reserve = nil
	return g.change(old, f, lines)
}

// change puts another file in the place of the segment, with lines in it that are
// durable. The old one gets the name of its first record if it still has its place.
func (g *segment) change(old file, f *os.File, lines []byte) (file, error) {
	fresh := f.Name()
	next := file(logFile{f, g.path})
	if g.hooks.wrap != nil {
		next = g.hooks.wrap(next)
	}
	give := func(err error) (file, error) { return nil, errors.Join(err, next.Close(), os.Remove(fresh)) }
	if len(lines) > 0 {
		if n, err := next.Write(lines); err != nil || n < len(lines) {
			return give(errors.Join(err, errors.New("the first records of a segment could not be written")))
		}
		if err := next.Sync(); err != nil {
			return give(err)
		}
	}
	crash.At(crash.SegmentMade)
	switch err := old.Check(); {
	case err == nil:
		closed := fmt.Sprintf("%s.%012d", g.path, max(g.first, 1))
		if _, err := os.Lstat(closed); err == nil {
			return give(fmt.Errorf("%s is there already", closed))
		}
		if err := os.Rename(g.path, closed); err != nil {
			return give(err)
		}
	default:
		if _, err := os.Lstat(g.path); err == nil {
			return give(fmt.Errorf("%s is another file", g.path))
		}
	}
	crash.At(crash.SegmentClosed)
	if err := os.Rename(fresh, g.path); err != nil {
		return give(err)
	}
	crash.At(crash.SegmentPlaced)
	if err := syncDir(filepath.Dir(g.path)); err != nil {
		return give(err)
	}
	_ = old.Close() // what was synced is safe
	return next, nil
}

// retire tells of the segments that are one too many, and deletes those of which was
// told before. It is called with mu held, by who writes.
func (j *Journal) retire() {
	g := &j.segment
	g.doomed = slices.DeleteFunc(g.doomed, func(d doomed) bool { return d.told <= j.durable && os.Remove(d.file) == nil })
	names, err := Segments(g.path)
	if g.keep <= 0 || err != nil || len(names)-1-len(g.doomed) <= g.keep {
		return
	}
	for i := len(g.doomed); i < len(names)-1-g.keep; i++ {
		next, err := os.Open(names[i+1])
		if err != nil {
			return
		}
		seq, prev, _, err := firstOf(next)
		next.Close()
		if err != nil || seq == 0 {
			return
		}
		rec := Record{Event: EventRetired, Findings: []string{fmt.Sprintf("up to record %d", seq-1), "sha256 " + hex.EncodeToString(prev[:])}}
		if _, err := j.join(&rec, KindNotice); err != nil {
			return
		}
		g.doomed = append(g.doomed, doomed{names[i], rec.Seq})
	}
}

// recoverLater ends a fault when the disk is back. It is called with mu held.
func (j *Journal) recoverLater() {
	if j.segment.path == "-" || j.closed || j.recovering {
		return
	}
	j.recovering = true
	j.recovery.Add(1)
	go func() {
		defer j.recovery.Done()
		for wait := recoverFirst; ; wait = min(2*wait, recoverMost) {
			timer := time.NewTimer(wait)
			select {
			case <-j.stop:
				timer.Stop()
				return
			case <-timer.C:
			}
			if j.goOn() == nil && j.refill() == nil && j.recovered() {
				return
			}
		}
	}()
}

// recovered tells whether there is neither a fault nor scarcity, and that the goroutine
// which ends them has ended.
func (j *Journal) recovered() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.closed && (j.fault != nil || j.scarce != nil) {
		return false
	}
	j.recovering = false
	return true
}

// Reopen begins another segment: for a log that somebody has moved away, as logrotate
// does, at SIGUSR1.
func (j *Journal) Reopen() error {
	if j.segment.path == "-" {
		return nil
	}
	j.mu.Lock()
	for j.writing {
		j.done.Wait()
	}
	if j.fault != nil {
		j.mu.Unlock()
		return j.goOn()
	}
	if j.closed {
		j.mu.Unlock()
		return ErrClosed
	}
	old := j.file
	j.writing = true // nobody else writes; what is joined meanwhile goes into the new one
	j.mu.Unlock()
	next, err := j.segment.changeToNew(old, nil)
	j.mu.Lock()
	j.writing = false
	j.done.Broadcast()
	if err != nil {
		j.mu.Unlock()
		return err
	}
	j.file = next
	j.segment.first, j.segment.size, j.segment.born = j.durable+1, 0, time.Now()
	if _, err := j.join(&Record{Event: EventReopened}, KindNotice); err != nil {
		j.mu.Unlock()
		return err
	}
	return j.commit(j.seq)
}

// goOn ends a fault: it begins another segment, behind the last durable record, with a
// gap record that says why; in the space that was reserved if there is no other, for
// vital records alone. Intents whose outcomes could not be recorded are closed as
// unknown.
func (j *Journal) goOn() error {
	j.mu.Lock()
	for j.writing {
		j.done.Wait()
	}
	if j.closed || j.fault == nil {
		j.mu.Unlock()
		return nil
	}
	rec := Record{Kind: KindGap, Event: EventFault, Time: j.now().UTC().Truncate(time.Microsecond),
		Findings: []string{fmt.Sprintf("record %d could not be made durable: %s", j.fault.Seq, j.fault.Op)}}
	j.seq, j.hash, j.pending = j.durable, j.sealed, j.pending[:0] // nothing is joined while there is a fault
	j.add(&rec)
	lines := slices.Clone(j.pending)
	last, sum := j.seq, j.hash
	j.seq, j.hash, j.pending = j.durable, j.sealed, j.pending[:0]
	old, fault := j.file, j.fault
	j.writing = true
	j.mu.Unlock()
	var scarce *Fault
	next, err := j.segment.changeToNew(old, lines)
	if err != nil && j.segment.reserve != nil {
		scarce = fault
		next, err = j.segment.changeToReserve(old, lines)
	}
	j.mu.Lock()
	j.writing = false
	j.done.Broadcast()
	if err != nil {
		j.mu.Unlock()
		return err
	}
	j.file, j.fault = next, nil
	if scarce != nil {
		j.scarce = scarce
	}
	j.segment.first, j.segment.size, j.segment.born = last, int64(len(lines)), time.Now()
	j.seq, j.hash, j.durable, j.sealed = last, sum, last, sum
	j.records.Add(1)
	for i := range j.intents {
		s := &j.intents[i]
		if s.seq != 0 && s.failed {
			rec := closing(s.line, EventFault)
			_, _ = j.join(&rec, KindOutcome)
			s.seq, s.failed = 0, false
		}
	}
	return j.commit(j.seq)
}
