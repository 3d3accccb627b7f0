package leavers

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

const (
	lineBytes = 64 << 10 // far more than any line has
	growth    = 16 << 20 // bytes by which the file grows before it is written anew
)

// line is one line of the file: someone is put on the list, or taken off it.
type line struct {
	Open   *Leaver `json:"open,omitempty"`
	Closed *closed `json:"closed,omitempty"`
}

type closed struct {
	ID  string `json:"id"`
	Why string `json:"why"`
}

// held is why one is closed that begins anew in the next line, as one who waits for a
// person: a line of open alone would not hold who is there already.
const held = "held"

func encode(l line) ([]byte, error) {
	text, err := json.Marshal(l)
	return append(text, '\n'), err
}

// file is what the list writes to; tests give it one that fails.
type file interface {
	io.WriteCloser
	Sync() error
}

// drive is what the list asks of the disk beyond that; likewise.
type drive struct {
	create  func(path string) (file, error) // empty and locked; whatever had the name is removed
	rename  func(from, to string) error
	syncDir func(path string) error // makes the names in a directory durable
}

// Open reads the list in a file and writes it anew without those who are done. It
// makes the file, with mode 0600, if there is none; "" keeps the list in memory
// only.
//
// What a crash has left half written is cut off: nobody was told that it was
// durable. Refused are a file that isn't a regular one, one that another process
// has open, and one with a line that no crash explains; the error names it.
func Open(path string) (*List, error) {
	return open(path, drive{create: create, rename: os.Rename, syncDir: syncDir})
}

func open(path string, d drive) (*List, error) {
	l := &List{name: path, drive: d, open: map[string]*entry{}}
	if path == "" {
		return l, nil
	}
	f, err := take(path)
	if err != nil {
		return nil, fmt.Errorf("cannot open the list of leavers %q: %w", path, err)
	}
	l.file = f
	if err = l.read(f); err == nil {
		err = l.writeAnew(l.copied())
	}
	if err != nil {
		_ = l.file.Close()
		return nil, fmt.Errorf("cannot open the list of leavers %q: %w", path, err)
	}
	l.size.Store(int64(len(l.open)))
	return l, nil
}

// take opens and locks the file that stands under the name.
func take(path string) (*os.File, error) {
	if at, err := os.Lstat(path); err == nil && !at.Mode().IsRegular() {
		return nil, fmt.Errorf("it is not a regular file (%s)", at.Mode().Type())
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := lock(f); err != nil {
		return nil, errors.Join(fmt.Errorf("is another process writing to it? %w", err), f.Close())
	}
	opened, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	named, err := os.Lstat(path)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if !os.SameFile(named, opened) {
		return nil, errors.Join(errors.New("another process has written it anew"), f.Close())
	}
	return f, nil
}

// read fills the list from its lines. A last line without its end is taken if it
// is whole otherwise; zeros are pages that a crash has lost.
func (l *List) read(from io.Reader) error {
	r := bufio.NewReaderSize(from, lineBytes)
	for number := 1; ; number++ {
		text, err := r.ReadSlice('\n')
		if err != nil && err != io.EOF {
			return fmt.Errorf("cannot read line %d: %w", number, err)
		}
		torn := err == io.EOF
		if torn && len(text) == 0 {
			return nil
		}
		if !l.replay(text) && !torn && bytes.IndexByte(text, 0) < 0 {
			return fmt.Errorf("line %d is damaged; mend or remove it", number)
		}
		if torn {
			return nil
		}
	}
}

// replay carries a line out if it is a whole one.
func (l *List) replay(text []byte) bool {
	var a line
	if json.Unmarshal(text, &a) != nil {
		return false
	}
	switch {
	case a.Open != nil && a.Open.ID != "" && a.Closed == nil:
		if e := l.open[a.Open.ID]; e != nil {
			e.Held = e.Held && a.Open.Held
		} else {
			l.open[a.Open.ID] = &entry{Leaver: *a.Open}
		}
	case a.Closed != nil && a.Closed.ID != "" && a.Open == nil && a.Closed.Why == held: // of the line behind it a crash may have left nothing
		if e := l.open[a.Closed.ID]; e != nil {
			e.Held = true
		}
	case a.Closed != nil && a.Closed.ID != "" && a.Open == nil:
		delete(l.open, a.Closed.ID)
	default:
		return false
	}
	return true
}

// commit returns when a change is durable or has failed. The first to find the file
// idle writes and syncs for all who have joined by then.
func (l *List) commit(seq uint64) error {
	if l.name == "" {
		return nil
	}
	l.mu.Lock()
	durable := seq <= l.durable
	l.mu.Unlock()
	if durable {
		return nil
	}
	l.disk.Lock()
	defer l.disk.Unlock()
	l.mu.Lock()
	if seq <= l.durable || seq <= l.failed {
		defer l.mu.Unlock()
		if seq <= l.durable {
			return nil
		}
		return l.fault
	}
	lines, last := l.pending, l.seq
	l.pending = nil
	anew := l.stale || l.bytes > 4*l.least+growth
	var all []Leaver
	if anew && !l.over {
		all = l.copied()
	}
	l.mu.Unlock()
	err := l.put(lines, all, anew)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.failed, l.fault = last, fmt.Errorf("cannot write the list of leavers %q: %w", l.name, err)
		return l.fault
	}
	l.durable = last
	return nil
}

// put is called with disk held. A file is never appended to or synced again after
// a failure, when the kernel calls lost pages good: the next change writes the
// list anew.
func (l *List) put(lines []byte, all []Leaver, anew bool) error {
	if l.over {
		return os.ErrClosed
	}
	l.stale = true
	if anew {
		if err := l.writeAnew(all); err != nil {
			return err
		}
	} else if err := write(l.file, lines); err != nil {
		return err
	} else {
		l.bytes += int64(len(lines))
	}
	l.stale = false
	return nil
}

// writeAnew puts a new file in the place of the old one, which is the list until
// then.
func (l *List) writeAnew(all []Leaver) error {
	fresh := l.name + ".new"
	f, err := l.drive.create(fresh)
	if err != nil {
		return err
	}
	size, err := writeAll(f, all)
	if err == nil {
		err = l.drive.rename(fresh, l.name)
	}
	if err != nil {
		_, _ = f.Close(), os.Remove(fresh) // the next one is in nobody's way
		return err
	}
	_ = l.file.Close() // nothing of it is needed
	l.file, l.bytes, l.least = f, size, size
	return l.drive.syncDir(filepath.Dir(l.name))
}

// writeAll returns when all of them are on the disk.
func writeAll(f file, all []Leaver) (size int64, err error) {
	w := bufio.NewWriterSize(f, lineBytes)
	for i := range all {
		text, err := encode(line{Open: &all[i]})
		if err != nil {
			return 0, err
		}
		size += int64(len(text))
		if _, err := w.Write(text); err != nil {
			return 0, err
		}
	}
	if err := w.Flush(); err != nil {
		return 0, err
	}
	return size, f.Sync()
}

// write returns when all of it is on the disk.
func write(f file, text []byte) error {
	if n, err := f.Write(text); err != nil {
		return err
	} else if n < len(text) {
		return io.ErrShortWrite
	}
	return f.Sync()
}

func create(path string) (file, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	// Locked before it takes the name, so that no other process gets hold of it.
	if err := lock(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
