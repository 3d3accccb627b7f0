package audit

import (
	"bytes"
	"maps"
)

// medium is what of the steps is on the disk for certain, and what may be.
type medium struct {
	names map[string]int // for certain
	loose [][]name       // changes of names that may be lost, in their order
	files map[int]*content
}

type content struct {
	kept  []byte   // for certain
	loose [][]byte // writes behind it that may be lost
	stuck bool     // the kernel takes some of them for written
}

func (c *content) whole() []byte { return append(bytes.Clone(c.kept), bytes.Join(c.loose, nil)...) }

// lost has zeros in place of what was not certain from one byte to another, and the full
// length.
func (c *content) lost(from, to int) []byte {
	b := c.whole()
	if from, to = max(from, len(c.kept)), min(to, len(b)); from < to {
		clear(b[from:to])
	}
	return b
}

// made is the medium behind some steps.
func made(steps []step) *medium {
	m := &medium{names: map[string]int{}, files: map[int]*content{}}
	for _, s := range steps {
		switch s.op {
		case "names":
			m.loose = append(m.loose, s.names)
			for _, n := range s.names {
				if m.files[n.inode] == nil {
					m.files[n.inode] = &content{}
				}
			}
		case "syncdir":
			for _, names := range m.loose {
				apply(m.names, names)
			}
			m.loose = nil
		case "write":
			c := m.files[s.inode]
			c.loose = append(c.loose, s.bytes)
		case "sync":
			if c := m.files[s.inode]; !c.stuck {
				c.kept, c.loose = c.whole(), nil
			}
		case "unsynced": // after which no sync helps but of what is written anew
			m.files[s.inode].stuck = true
		case "renewed":
			m.files[s.inode].stuck = false
		}
	}
	return m
}

func apply(to map[string]int, names []name) {
	for _, n := range names {
		if to[n.text] = n.inode; n.inode == 0 {
			delete(to, n.text)
		}
	}
}

// directories are those that a loss of power may leave. A file system that keeps changes
// of names in order has done the first of them; another, any of them.
func (m *medium) directories(ordered bool) (list []map[string]int) {
	for set := range 1 << len(m.loose) {
		if ordered && set&(set+1) != 0 {
			continue
		}
		d := maps.Clone(m.names)
		for i, names := range m.loose {
			if set>>i&1 == 1 {
				apply(d, names)
			}
		}
		list = append(list, d)
	}
	return list
}

// sector is what a disk writes at once; the page cache writes them in any order.
const sector = 512

// leavings are what a loss of power may leave of a file: some of the last write's bytes,
// and zeros in place of sectors that were lost. fine tears at each byte.
func (c *content) leavings(fine bool) (list [][]byte) {
	whole, last := c.whole(), c.loose[len(c.loose)-1]
	begin := len(whole) - len(last)
	list = append(list, c.kept, whole)
	every := 1
	if !fine {
		every = 97
	}
	for at := begin; at < len(whole); at += every {
		list = append(list, whole[:at])
	}
	for at := len(c.kept) / sector * sector; at < len(whole); at += sector {
		list = append(list, c.lost(at, at+sector), c.lost(0, at), c.lost(at, len(whole)))
	}
	zeros := c.lost(0, len(whole))
	return append(list, zeros, zeros[:len(c.kept)+1])
}

// states calls f with each state that a loss of power may leave behind some steps.
func states(steps []step, ordered, fine bool, f func(map[string][]byte)) {
	m, last := made(steps), steps[len(steps)-1]
	for _, names := range m.directories(ordered) {
		for rest := range 3 { // what was never synced of the others is lost, there, or zeros
			state := map[string][]byte{}
			loose, at := false, ""
			for name, inode := range names {
				c := m.files[inode]
				switch {
				case last.op == "write" && last.inode == inode:
					at = name
				case len(c.loose) == 0:
					state[name] = c.kept
				default:
					loose = true
					state[name] = [][]byte{c.kept, c.whole(), c.lost(0, len(c.whole()))}[rest]
				}
			}
			if rest > 0 && !loose {
				break
			}
			if at == "" {
				f(state)
				continue
			}
			for _, text := range m.files[names[at]].leavings(fine) {
				state[at] = text
				f(maps.Clone(state))
			}
		}
	}
}
