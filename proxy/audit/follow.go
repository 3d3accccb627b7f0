package audit

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"time"

	"github.com/scimgate/scimgate/rules/scim"
)

// Follower reads a log from a record on, over all its segments, while it is written to: it
// holds each record to the one before, and keeps up with changes of segments. It only
// reads, and takes no lock. It belongs to one goroutine.
type Follower struct {
	path string
	file *os.File // the segment that is read
	c    chain    // of it; until is 0 while it is the active one
	in   *bufio.Reader
	rest int64 // bytes of half a line at its end

	first uint64   // its first record; 0 while there is none
	prev  [32]byte // the hash before that one
	fault bool     // that one says that the segment before ended in a fault

	lost *LostError // is to be told
	err  error      // it goes no further
}

// Followed is one record of a followed log.
type Followed struct {
	Seq      uint64
	Hash     [32]byte // SHA-256 of Line
	Line     []byte   // as it is in the log, without its line break; good until the next call
	Resource string   // the record's, unescaped; "" if it has none
	Exchange string   // likewise
}

// LostError says that records were deleted before they were read, as retention does. The
// follower goes on behind them.
type LostError struct{ From, To uint64 }

func (e *LostError) Error() string {
	return fmt.Sprintf("records %d to %d were deleted before they were read", e.From, e.To)
}

// PositionError says that a log does not hold the record behind which it is to be followed.
type PositionError struct {
	Seq    uint64
	Reason string // reads on from "record 7 "
}

func (e *PositionError) Error() string { return fmt.Sprintf("record %d %s", e.Seq, e.Reason) }

// Follow opens a log to be read behind a record, of which sequence number and hash count;
// nil is its beginning. The caller closes it. The errors: fs.ErrNotExist if there is no
// log, a *PositionError if it doesn't hold that record, a *ChainError if it is broken
// before it, as far as the record's segment goes.
func Follow(path string, behind *Checkpoint) (*Follower, error) {
	f := &Follower{path: path, in: bufio.NewReaderSize(nil, 64<<10)}
	var err error
	for range 100 { // segments may be changed, and old ones deleted, meanwhile
		if err = f.seek(behind); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Close closes the segment that is read.
func (f *Follower) Close() error {
	if f.file == nil {
		return nil
	}
	return f.file.Close()
}

// Next is the next record. The errors:
//
//   - io.EOF: there is none yet, or half of one; ask again in a while.
//   - a *LostError: ask again for what comes behind.
//   - a *ChainError: the log is not what was written. It stays, as other errors do.
//
// A segment that ended in a fault may hold lines that don't count: they are left out. Those
// of the active segment are known when the next one begins, with a gap record (event
// fault). If they were read by then, the log goes on with that gap record, whose number is
// that of the first of them.
func (f *Follower) Next() (Followed, error) {
	if f.lost != nil {
		defer func() { f.lost = nil }()
		return Followed{}, f.lost
	}
	if f.err != nil {
		return Followed{}, f.err
	}
	r, err := f.next()
	var lost *LostError
	if err != nil && err != io.EOF && !errors.As(err, &lost) {
		f.err = err
	}
	return r, err
}

func (f *Follower) next() (Followed, error) {
	for {
		r, err := f.read()
		switch {
		case err == nil:
			return r, nil
		case err != io.EOF:
			return r, err
		case f.c.doubt != nil:
			return r, f.c.doubt
		}
		if err := f.advance(); errors.Is(err, fs.ErrNotExist) { // it was deleted or renamed meanwhile
			return r, io.EOF
		} else if err != nil {
			return r, err
		}
	}
}

// read is the next record of the segment; io.EOF if there is none yet.
func (f *Follower) read() (Followed, error) {
	for {
		line, err := f.line()
		if err != nil {
			return Followed{}, err
		}
		c, before := &f.c, f.c.records
		if err := c.line(line, true); err != nil {
			return Followed{}, err
		}
		if c.torn.sum != nil && c.torn.strict {
			return Followed{}, c.broken(c.seq+1, "is not a record, and whole ones follow")
		}
		if c.records == before || c.doubt != nil { // the line behind a doubt tells what was changed
			continue
		}
		if f.first == 0 {
			f.first = c.seq
		}
		if c.seq == c.until && c.hash != c.endsIn {
			return Followed{}, c.ended()
		}
		return f.followed(line), nil
	}
}

// followed is the record that the chain has taken last.
func (f *Follower) followed(line []byte) Followed {
	r, d := Followed{Seq: f.c.seq, Hash: f.c.hash, Line: line}, &f.c.doc
	if at := d.Child(0, "resource"); at > 0 && d.Nodes[at].Shape == scim.String {
		r.Resource = d.String(at)
	}
	if at := d.Child(0, "exchange"); at > 0 && d.Nodes[at].Shape == scim.String {
		r.Exchange = d.String(at)
	}
	return r
}

// line is the next whole line of the segment, without its line break. Half a line at the
// end is read again when it is whole: until then, and if there is none, the error is io.EOF.
func (f *Follower) line() ([]byte, error) {
	var long []byte // a line that is longer than the reader's buffer
	for {
		part, err := f.in.ReadSlice('\n')
		switch {
		case len(long)+len(part) > maxLine:
			return nil, f.c.broken(f.c.seq+1, fmt.Sprintf("is not whole: a line is longer than %d bytes", maxLine))
		case err == io.EOF:
			f.rest = int64(len(long) + len(part))
			f.again()
			return nil, io.EOF
		case errors.Is(err, bufio.ErrBufferFull):
			long = append(long, part...)
			continue
		case err != nil:
			return nil, fmt.Errorf("cannot read the audit log behind record %d: %w", f.c.seq, err)
		case long != nil:
			part = append(long, part...)
		}
		return part[:len(part)-1], nil
	}
}

// again reads on behind the last whole line.
func (f *Follower) again() { f.in.Reset(io.NewSectionReader(f.file, f.c.at, 1<<62-f.c.at)) }

// advance is for the end of what there is: io.EOF if that is all, for now.
func (f *Follower) advance() error {
	if f.c.until != 0 {
		return f.leave()
	}
	if at, err := os.Stat(f.path); err == nil {
		if active, err := f.is(at); active || err != nil {
			if err == nil {
				err = io.EOF
			}
			return err
		}
	}
	next, err := f.successor()
	if err != nil {
		return err
	}
	switch {
	case f.first == 0 && next.first == f.c.seq+1: // this one was never begun
		return f.enter(next)
	case next.first < f.first || next.first <= f.c.seq && !next.fault:
		err = f.c.broken(f.c.seq, fmt.Sprintf("was read, and the log has another one: it goes on with record %d", next.first))
	case next.first <= f.c.seq: // more was read of this one than counts
		if err = f.holds(next); err == nil {
			return f.enter(next)
		}
	default: // what was written last may not have been read yet
		err = f.c.endBefore(next.file)
	}
	return errors.Join(err, next.file.Close())
}

// holds checks that the segment, up to where it counts, is what the next one says.
func (f *Follower) holds(next *beginning) error {
	c := chain{anchored: true, seq: f.first - 1, hash: f.prev}
	if next.first == f.first { // nothing of it counts
		if c.hash != next.prev {
			return c.broken(c.seq, "was changed: the next segment holds another hash of it")
		}
		return nil
	}
	if err := c.endBefore(next.file); err != nil {
		return err
	}
	if err := c.read(io.NewSectionReader(f.file, 0, 1<<62)); err != nil {
		return err
	}
	return c.ended()
}

// leave ends a segment that was read to its end, and goes on with the next.
func (f *Follower) leave() error {
	c := &f.c
	from := c.seq + 1
	lost := false
	if c.seq < c.until { // deleted with those before it, or taken out of a log that is there
		named, err := f.named()
		if err != nil {
			return err
		}
		lost = !named
	}
	last, hash := c.until, c.endsIn
	if !lost {
		c.skipped += f.rest + c.torn.size
		if err := c.ended(); err != nil {
			return err
		}
	}
	next, err := f.successor()
	if err != nil {
		c.until = last // it is looked for again
		return err
	}
	if next.first <= last || next.first == last+1 && next.prev != hash {
		return errors.Join(c.broken(last, "was changed: the next segment holds another hash of it"), next.file.Close())
	}
	if next.first > from {
		f.lost = &LostError{from, next.first - 1}
	}
	if err := f.enter(next); err != nil {
		return err
	}
	if lost := f.lost; lost != nil {
		f.lost = nil
		return lost
	}
	return nil
}

// beginning is how a segment begins.
type beginning struct {
	file  *os.File
	first uint64 // its first record; 0 if it has none yet
	prev  [32]byte
	fault bool // the first record says that the segment before ended in a fault
}

// begins opens a segment. The caller closes it.
func begins(name string) (*beginning, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("cannot read the audit log: %w", err)
	}
	b := &beginning{file: file}
	var line []byte
	if b.first, b.prev, line, err = firstOf(file); err != nil {
		b.first = 0
		if !errors.Is(err, io.EOF) { // which half a record is, or what a crash has left of one
			return nil, errors.Join(fmt.Errorf("cannot read the audit log: segment %s: %w", name, err), file.Close())
		}
	}
	var rec Record
	b.fault = b.first > 0 && json.Unmarshal(line, &rec) == nil && rec.Kind == KindGap && rec.Event == EventFault
	return b, nil
}

// open goes on with a segment by its name.
func (f *Follower) open(name string) error {
	b, err := begins(name)
	if err != nil {
		return err
	}
	return f.enter(b)
}

// enter goes on with a segment, which is closed with the follower, and finds out where it
// ends if another one follows.
func (f *Follower) enter(b *beginning) error {
	if b.first <= 1 {
		b.prev = [32]byte{} // if the record says another one, it isn't the first of a chain
	}
	was := f.file
	f.file, f.first, f.prev, f.fault, f.rest = b.file, b.first, b.prev, b.fault, 0
	f.c = chain{anchored: true, seq: max(b.first, 1) - 1, hash: b.prev, of: b.file}
	f.again()
	if was != nil {
		if err := was.Close(); err != nil {
			return fmt.Errorf("cannot close a segment of the audit log: %w", err)
		}
	}
	if at, err := os.Stat(f.path); err == nil {
		if active, err := f.is(at); active || err != nil {
			return err
		}
	}
	next, err := f.successor()
	if err == io.EOF || errors.Is(err, fs.ErrNotExist) { // a change of segments is under way
		return nil
	} else if err != nil {
		return err
	}
	defer next.file.Close()
	return f.c.endBefore(next.file)
}

// is tells whether the segment that is read is this file.
func (f *Follower) is(at fs.FileInfo) (bool, error) {
	own, err := f.file.Stat()
	if err != nil {
		return false, fmt.Errorf("cannot read the audit log: %w", err)
	}
	return os.SameFile(own, at), nil
}

// names are those of the segments at one moment, and active is the file that has the log's
// name then. In a change of segments, and behind a crash in one, none has it.
func (f *Follower) names() (names []string, active fs.FileInfo, err error) {
	look := func() (fs.FileInfo, error) {
		at, err := os.Stat(f.path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return at, err
	}
	if active, err = look(); err != nil {
		return nil, nil, fmt.Errorf("cannot read the audit log: %w", err)
	}
	for { // as long as one is closed meanwhile, which takes a sync of the disk at least
		if names, err = Segments(f.path); err != nil {
			return nil, nil, err
		}
		again, err := look()
		switch {
		case err != nil:
			return nil, nil, fmt.Errorf("cannot read the audit log: %w", err)
		case active == nil && again == nil:
			return names[:len(names)-1], nil, nil
		case active != nil && again != nil && os.SameFile(active, again):
			return names, active, nil
		}
		active = again
	}
}

// moved is the error of a segment that has another name by now.
func moved(name string) error {
	return fmt.Errorf("cannot read the audit log: %w", &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist})
}

// named tells whether the segment that is read has a name in the log.
func (f *Follower) named() (bool, error) {
	names, active, err := f.names()
	if err != nil {
		return false, err
	}
	for _, name := range names {
		at := active
		if name != f.path {
			if at, err = os.Stat(name); errors.Is(err, fs.ErrNotExist) {
				continue
			} else if err != nil {
				return false, fmt.Errorf("cannot read the audit log: %w", err)
			}
		}
		if own, err := f.is(at); own || err != nil {
			return own, err
		}
	}
	return false, nil
}

// successor is the segment behind the one that is read, or what stands in its place; io.EOF
// if there is none with a record yet. The caller closes it.
func (f *Follower) successor() (*beginning, error) {
	names, active, err := f.names()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if n, err := strconv.ParseUint(name[min(len(f.path)+1, len(name)):], 10, 64); err == nil && n < f.first {
			continue
		}
		next, err := begins(name)
		if err != nil {
			return nil, err
		}
		at, err := next.file.Stat()
		if err == nil && name == f.path && !os.SameFile(at, active) {
			err = moved(name)
		}
		if err == nil {
			var own bool
			if own, err = f.is(at); err == nil && !own && next.first > 0 {
				return next, nil
			}
		}
		if err := errors.Join(err, next.file.Close()); err != nil {
			return nil, err
		}
	}
	return nil, io.EOF
}

// seek finds the record behind which to go on.
func (f *Follower) seek(behind *Checkpoint) error {
	names, active, err := f.names()
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return moved(f.path)
	}
	if behind == nil {
		behind = &Checkpoint{Hash: hex.EncodeToString(make([]byte, sha256.Size))}
	}
	for i := len(names) - 1; i >= 0; i-- {
		if err := f.open(names[i]); err != nil {
			return err
		}
		if names[i] == f.path {
			if own, err := f.is(active); err != nil {
				return err
			} else if !own {
				return moved(f.path)
			}
		}
		switch {
		case f.first != 0 && f.first <= behind.Seq:
			return f.find(names[:i], behind)
		case i > 0:
		case f.first == 0 && len(names) > 1: // what comes before it is gone, and the next one begins the log
			return f.open(names[1])
		case f.first == 0 && behind.Seq > 0:
			return &PositionError{behind.Seq, "is not in the log, which holds no record"}
		case f.first > behind.Seq+1:
			f.lost = &LostError{behind.Seq + 1, f.first - 1}
		case f.first != 0 && hex.EncodeToString(f.prev[:]) != behind.Hash && behind.Seq > 0:
			return &PositionError{behind.Seq, "has another hash in the log"}
		}
	}
	return nil
}

// find reads up to a record of the segment; before are the segments in front of it.
func (f *Follower) find(before []string, behind *Checkpoint) error {
	first := f.first
	for f.c.seq < behind.Seq {
		if _, err := f.read(); err == io.EOF {
			break
		} else if err != nil {
			return err
		}
	}
	if f.c.seq == behind.Seq && hex.EncodeToString(f.c.hash[:]) == behind.Hash {
		return nil
	}
	if f.fault && len(before) > 0 { // it may be one of those that don't count
		found, err := holdsLine(before[len(before)-1], behind.Hash)
		if err != nil {
			return err
		}
		if found { // so the log goes on with the record that says so
			if err := f.open(before[len(before)-1]); err != nil {
				return err
			}
			for f.c.seq < first-1 {
				if _, err := f.read(); err != nil {
					return fmt.Errorf("cannot read the audit log behind record %d: %w", f.c.seq, err)
				}
			}
			return nil
		}
	}
	if f.c.seq < behind.Seq {
		return &PositionError{behind.Seq, fmt.Sprintf("is not in the log, which ends with record %d", f.c.seq)}
	}
	return &PositionError{behind.Seq, "has another hash in the log"}
}

// holdsLine tells whether a file has a line with that hash.
func holdsLine(name, hash string) (bool, error) {
	file, err := os.Open(name)
	if err != nil {
		return false, fmt.Errorf("cannot read the audit log: %w", err)
	}
	defer file.Close()
	f := Follower{file: file, in: bufio.NewReaderSize(nil, 64<<10)}
	f.again()
	for {
		line, err := f.line()
		if err == io.EOF {
			return false, nil
		} else if err != nil {
			return false, err
		}
		if sum := sha256.Sum256(line); hex.EncodeToString(sum[:]) == hash {
			return true, nil
		}
	}
}

// tailBytes is how much of the end of a segment is read at first to find its last record.
const tailBytes = 64 << 10

// Last is the sequence number of the last whole record of the log, 0 if it has none. Only
// its end is read.
func (f *Follower) Last() (uint64, error) {
	names, _, err := f.names()
	if err != nil {
		return 0, err
	}
	for i := len(names) - 1; i >= 0; i-- {
		seq, err := lastOf(names[i])
		if errors.Is(err, fs.ErrNotExist) { // renamed or deleted meanwhile
			continue
		}
		if err != nil || seq > 0 {
			return seq, err
		}
	}
	return 0, nil
}

// lastOf is the last whole record of a segment, 0 if it has none.
func lastOf(name string) (uint64, error) {
	file, err := os.Open(name)
	if err != nil {
		return 0, fmt.Errorf("cannot read the audit log: %w", err)
	}
	defer file.Close()
	at, err := file.Stat()
	if err != nil {
		return 0, fmt.Errorf("cannot read the audit log: %w", err)
	}
	for tail := int64(tailBytes); ; tail *= 4 {
		from := int64(0)
		if at.Size() > tail {
			if from, err = lineBehind(file, at.Size()-tail); err != nil {
				return 0, fmt.Errorf("cannot read the audit log: %w", err)
			}
		}
		c := chain{} // in the middle of a log: whatever it finds wrong is not for here
		err := c.read(io.NewSectionReader(file, from, at.Size()-from))
		if chain := (*ChainError)(nil); err != nil && !errors.As(err, &chain) {
			return 0, err
		}
		if c.seq > 0 || from == 0 {
			return c.seq, nil
		}
	}
}
