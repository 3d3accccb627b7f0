package audit

import (
	"path/filepath"
	"sync"
)

// step is one that a journal has made on its disk, or a record of which somebody was
// told that it is durable.
type step struct {
	op    string // write, sync, unsynced (a sync that failed), renewed, names, syncdir or told
	inode int
	bytes []byte // of a write; of a record that was told of: its line up to the hash
	seq   uint64 // of that record
	names []name // that a directory takes in at once
}

// name in a directory.
type name struct {
	text  string
	inode int // 0: there is none any more
}

// recorder notes the steps of a journal, and fails those that it is to fail.
type recorder struct {
	mu    sync.Mutex // guards following
	steps []step
	names map[string]int // inode by name, as they are now
	born  int            // the last inode
	count int            // operations, those that failed included
	fault func(n int, op, name string) error
	short bool // a write that fails takes half, and names no reason
}

func newRecorder() *recorder { return &recorder{names: map[string]int{}} }

func (r *recorder) hooks() hooks { return hooks{wrap: r.wrap, step: r.step} }

// fails is called with mu held.
func (r *recorder) fails(op, name string) error {
	r.count++
	if r.fault == nil {
		return nil
	}
	return r.fault(r.count, op, name)
}

func (r *recorder) step(op, from, to string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	from, to = filepath.Base(from), filepath.Base(to)
	if err := r.fails(op, from); err != nil {
		return err
	}
	switch inode := r.names[from]; {
	case op == "make" && inode == 0:
		r.born++
		r.take(name{from, r.born})
	case op == "rename":
		r.take(name{from, 0}, name{to, inode})
	case op == "remove" && inode != 0:
		r.take(name{from, 0})
	case op == "syncdir":
		r.steps = append(r.steps, step{op: op})
	case op == "renew":
		r.steps = append(r.steps, step{op: "renewed", inode: inode})
	}
	return nil
}

// take is called with mu held.
func (r *recorder) take(names ...name) {
	for _, n := range names {
		if r.names[n.text] = n.inode; n.inode == 0 {
			delete(r.names, n.text)
		}
	}
	r.steps = append(r.steps, step{op: "names", names: names})
}

// told notes that somebody was told of a record.
func (r *recorder) told(rec *Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	rec.Prev = ""
	line := rec.AppendLine(nil)
	r.steps = append(r.steps, step{op: "told", seq: rec.Seq, bytes: line[:len(line)-len(`"}`)]})
}

func (r *recorder) wrap(f file) file {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := f.(logFile)
	return &recorded{l, r, filepath.Base(l.Name()), r.names[filepath.Base(l.Name())]}
}

// recorded is a file whose steps are noted.
type recorded struct {
	logFile
	r     *recorder
	name  string // that it was made under
	inode int
}

// Write takes a part when it fails, as a full disk does.
func (f *recorded) Write(b []byte) (int, error) {
	f.r.mu.Lock()
	defer f.r.mu.Unlock()
	err := f.r.fails("write", f.name)
	if err != nil {
		b = b[:len(b)/2]
	}
	if n, real := f.logFile.Write(b); real != nil {
		return n, real
	}
	f.r.steps = append(f.r.steps, step{op: "write", inode: f.inode, bytes: append([]byte{}, b...)})
	if f.r.short {
		err = nil
	}
	return len(b), err
}

// Sync does nothing on the disk: what a loss of power leaves is made up.
func (f *recorded) Sync() error {
	f.r.mu.Lock()
	defer f.r.mu.Unlock()
	if err := f.r.fails("sync", f.name); err != nil {
		f.r.steps = append(f.r.steps, step{op: "unsynced", inode: f.inode})
		return err
	}
	f.r.steps = append(f.r.steps, step{op: "sync", inode: f.inode})
	return nil
}
