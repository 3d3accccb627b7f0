package audit

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
)

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
	f.file, f.first, f.prev, f.before, f.rest = b.file, b.first, b.prev, Checkpoint{}, 0
	if b.first > 1 {
		f.before = Checkpoint{Seq: b.first - 1, Hash: hex.EncodeToString(b.prev[:])}
	}
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
