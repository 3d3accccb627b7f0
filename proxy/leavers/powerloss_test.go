package leavers

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// recorder notes the steps of a list on its disk, and fails those that it is to fail.
// What a loss of power leaves behind them is made up from that.
type recorder struct {
	steps []step
	names map[string]int // inode by name, as they are now
	born  int            // the last inode
	bad   string         // the operation that fails next, "" for none
}

// step is one on the disk, or a change of the list.
type step struct {
	op    string // write, sync, names, syncdir; told or tried, of a change
	inode int
	bytes []byte         // of a write
	names map[string]int // that the directory takes in at once; 0: there is none any more
	id    string         // of a change that was told to be durable, or was not
	open  bool
}

func (r *recorder) take(names map[string]int) {
	maps.Copy(r.names, names)
	r.steps = append(r.steps, step{op: "names", names: names})
}

func (r *recorder) fails(op string) error {
	if r.bad != op {
		return nil
	}
	r.bad = ""
	return errDisk
}

func (r *recorder) drive() drive {
	return drive{
		create: func(path string) (file, error) {
			if err := r.fails("create"); err != nil {
				return nil, err
			}
			f, err := create(path)
			r.born++
			r.take(map[string]int{filepath.Base(path): r.born})
			return &recorded{f, r, r.born}, err
		},
		rename: func(from, to string) error {
			if err := r.fails("rename"); err != nil {
				return err
			}
			r.take(map[string]int{filepath.Base(from): 0, filepath.Base(to): r.names[filepath.Base(from)]})
			return os.Rename(from, to)
		},
		syncDir: func(string) error {
			if err := r.fails("syncdir"); err != nil {
				return err
			}
			r.steps = append(r.steps, step{op: "syncdir"})
			return nil
		},
	}
}

// recorded is a file whose steps are noted. A sync does nothing on the disk.
type recorded struct {
	file
	r     *recorder
	inode int
}

func (f *recorded) Write(b []byte) (int, error) {
	err := f.r.fails("write")
	if err != nil {
		b = b[:len(b)/2]
	}
	f.r.steps = append(f.r.steps, step{op: "write", inode: f.inode, bytes: bytes.Clone(b)})
	n, real := f.file.Write(b)
	return n, errors.Join(err, real)
}

func (f *recorded) Sync() error {
	if err := f.r.fails("sync"); err != nil {
		return err
	}
	f.r.steps = append(f.r.steps, step{op: "sync", inode: f.inode})
	return nil
}

// note takes in a change, and whether it was told to be durable.
func (r *recorder) note(id string, open bool, err error) {
	op := "told"
	if err != nil {
		op = "tried"
	}
	r.steps = append(r.steps, step{op: op, id: id, open: open})
}

// lived is a history of two lives with a fault of each kind.
func lived(t *testing.T) []step {
	path := filepath.Join(t.TempDir(), "leavers.jsonl")
	r := &recorder{born: 1, names: map[string]int{}}
	r.take(map[string]int{filepath.Base(path): 1}) // Open makes it
	var l *List
	begin := func() {
		var err error
		l, err = open(path, r.drive())
		must(t, err)
	}
	n := 0
	add := func(id string) {
		n++
		r.note(id, true, errDisk) // it may be there from now on
		r.note(id, true, l.Add(leaver(id, n)))
	}
	gone := func(id string) {
		r.note(id, false, errDisk)
		_, err := l.Done(id, "shown", time.Now())
		r.note(id, false, err)
	}
	begin()
	add("ada")
	add("grace")
	add("Лев")
	gone("grace")
	add("grace")
	must(t, l.Hold())
	for i, bad := range strings.Fields("write sync create rename syncdir") {
		r.bad = bad
		if bad == "create" || bad == "rename" || bad == "syncdir" {
			l.bytes = 4*l.least + growth + 1 // as if many had come and gone
		}
		add(fmt.Sprint("fault", i))
		add(fmt.Sprint("after", i))
		gone(fmt.Sprint("fault", i))
	}
	must(t, l.Close())
	begin()
	add("edsger")
	gone("ada")
	add("barbara")
	steps := r.steps
	must(t, l.Close())
	return steps
}

// content of a file: what is there for certain, and writes behind it that may be lost.
type content struct{ kept, loose, last []byte }

// leavings are what a loss of power may leave of a file: it is cut at any byte of its last
// write if that is fresh, or has zeros in place of sectors that were lost.
func (c *content) leavings(fresh bool) (list [][]byte) {
	list = append(list, c.kept)
	if len(c.loose) == 0 {
		return list
	}
	whole, every := append(bytes.Clone(c.kept), c.loose...), max(len(c.last)/2, 1)
	if fresh {
		every = 1
	}
	for at := len(whole); at >= len(whole)-len(c.last); at -= every {
		list = append(list, whole[:at])
	}
	const sector = 512
	for at := len(c.kept) / sector * sector; at < len(whole); at += sector {
		for _, to := range []int{at + sector, len(whole)} {
			b := bytes.Clone(whole)
			clear(b[max(at, len(c.kept)):max(len(c.kept), min(to, len(whole)))])
			list = append(list, b)
		}
	}
	return list
}

// states calls f with each state of the directory that a loss of power may leave behind
// some steps, in whatever order names reach the disk.
func states(steps []step, f func(map[string][]byte)) {
	names, loose, files := map[string]int{}, []map[string]int{}, map[int]*content{}
	for _, s := range steps {
		switch s.op {
		case "names":
			loose = append(loose, s.names)
			for _, inode := range s.names {
				if files[inode] == nil {
					files[inode] = &content{}
				}
			}
		case "syncdir":
			for _, changed := range loose {
				maps.Copy(names, changed)
			}
			loose = nil
		case "write":
			c := files[s.inode]
			c.loose, c.last = append(c.loose, s.bytes...), s.bytes
		case "sync":
			c := files[s.inode]
			c.kept, c.loose, c.last = append(c.kept, c.loose...), nil, nil
		}
	}
	for set := range 1 << len(loose) {
		d := maps.Clone(names)
		for i, changed := range loose {
			if set>>i&1 == 1 {
				maps.Copy(d, changed)
			}
		}
		lay(d, files, steps[len(steps)-1], f)
	}
}

// lay calls f with each state of the files in a directory.
func lay(names map[string]int, files map[int]*content, last step, f func(map[string][]byte)) {
	state := map[string][]byte{}
	var next func(rest []string)
	next = func(rest []string) {
		if len(rest) == 0 {
			f(state)
			return
		}
		inode := names[rest[0]]
		for _, text := range files[inode].leavings(last.op == "write" && last.inode == inode) {
			state[rest[0]] = text
			next(rest[1:])
		}
	}
	var there []string
	for name, inode := range names {
		if inode != 0 {
			there = append(there, name)
		}
	}
	next(there)
}

// survives takes a list up that a loss of power has left, and again.
func survives(dir string, steps []step) error {
	path := filepath.Join(dir, "leavers.jsonl")
	want, either := map[string]bool{}, map[string]bool{}
	for _, s := range steps {
		switch s.op {
		case "told":
			want[s.id], either[s.id] = s.open, false
		case "tried":
			either[s.id] = either[s.id] || want[s.id] != s.open
		}
	}
	d := drive{create: func(path string) (file, error) {
		f, err := create(path)
		return unsynced{f}, err
	}, rename: os.Rename, syncDir: func(string) error { return nil }}
	for range 2 {
		l, err := open(path, d)
		if err != nil {
			return fmt.Errorf("a person is needed: %w", err)
		}
		for id, open := range want {
			if l.Has(id) != open && !either[id] {
				err = errors.Join(err, fmt.Errorf("%s is on the list: %v, and the other was told", id, !open))
			}
		}
		if err = errors.Join(err, l.Add(leaver("later", 50)), l.Close()); err != nil {
			return err
		}
		want["later"] = true
	}
	return nil
}

type unsynced struct{ file }

func (unsynced) Sync() error { return nil }

// Whatever a loss of power has made of what wasn't synced: nobody is lost who was told to
// be on the list, nobody comes back, and the list can be opened.
func TestNoLossOfPowerLosesALeaver(t *testing.T) {
	steps := lived(t)
	seen, all := map[string]bool{}, 0
	for n := 1; n <= len(steps) && !t.Failed(); n++ {
		switch steps[n-1].op {
		case "tried":
			continue
		case "told": // another list is wanted from now on
			clear(seen)
		}
		states(steps[:n], func(state map[string][]byte) {
			key := fmt.Sprintf("%q", state)
			if seen[key] || t.Failed() {
				return
			}
			seen[key] = true
			all++
			dir := laidOut(t, state)
			defer os.RemoveAll(dir)
			if err := survives(dir, steps[:n]); err != nil {
				t.Errorf("behind step %d (%s), with %s: %v", n, steps[n-1].op, key, err)
			}
		})
	}
	t.Logf("%d steps, %d states", len(steps), all)
}

// laidOut is a folder with these files, in memory where there is such a place.
func laidOut(t *testing.T, state map[string][]byte) (dir string) {
	dir, err := os.MkdirTemp("/dev/shm", "scimgate-leavers-")
	if err != nil {
		dir, err = os.MkdirTemp("", "scimgate-leavers-")
	}
	for name, text := range state {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, name), text, 0o600))
	}
	must(t, err)
	return dir
}
