package audit

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
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

	first  uint64     // its first record; 0 while there is none
	prev   [32]byte   // the hash before that one
	before Checkpoint // likewise

	lost *LostError // is to be told
	err  error      // it goes no further
}

// Followed is one record of a followed log.
type Followed struct {
	Seq      uint64
	Hash     [32]byte   // SHA-256 of Line
	Line     []byte     // as it is in the log, without its line break; good until the next call
	Before   Checkpoint // the last record of the segment before, which is durable; Seq is 0 in the first one
	Resource string     // the record's, unescaped; "" if it has none
	Exchange string     // likewise
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
		err = f.seek(behind)
		var none *PositionError // yet, perhaps
		if !errors.Is(err, fs.ErrNotExist) && !(errors.As(err, &none) && f.first == 0) {
			break
		}
		time.Sleep(10 * time.Millisecond)
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
	r, d := Followed{Seq: f.c.seq, Hash: f.c.hash, Line: line, Before: f.before}, &f.c.doc
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
