package audit

import (
	"errors"
	"fmt"
	"os"
)

// reserveBytes is the default of the space that is taken in advance: about a kilobyte is
// needed for each of a deactivation's three records.
const reserveBytes = 4 << 20

// A full disk stops provisioning, and must not keep a leaver in. So FILE.reserve has room
// on the disk while there is enough; when there isn't, it becomes the next segment, which
// vital records alone may use, until another reserve could be made.

// takeReserve makes the reserve, if there is to be one and there is none. It belongs to
// who writes.
func (g *segment) takeReserve() error {
	if g.path == "-" || g.room <= 0 || g.reserve != nil {
		return nil
	}
	f, err := g.create(g.path + ".reserve")
	if err != nil {
		return err
	}
	err = g.hooks.tell("allocate", f.Name(), "")
	if err == nil {
		err = allocate(f, g.room)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("cannot reserve %d bytes of the disk: %w", g.room, err), f.Close(), g.hooks.remove(f.Name()))
	}
	g.reserve = f
	return nil
}

// dropReserve closes the reserve when the journal ends.
func (g *segment) dropReserve() {
	if g.reserve != nil {
		_, _ = g.reserve.Close(), g.hooks.remove(g.reserve.Name())
		g.reserve = nil
	}
}

// create makes an empty file, in the place of whatever has the name.
func (g *segment) create(name string) (*os.File, error) {
	if err := g.hooks.remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	return g.hooks.make(name, os.O_RDWR|os.O_APPEND|os.O_EXCL|noFollow, 0o600)
}

// refill makes a new reserve when the disk has room again; then ordinary records are
// made again. It is called by the goroutine that ends faults.
func (j *Journal) refill() error {
	j.mu.Lock()
	for j.writing {
		j.done.Wait()
	}
	if j.closed || j.fault != nil || j.scarce == nil {
		j.mu.Unlock()
		return nil
	}
	j.writing = true
	j.mu.Unlock()
	err := j.segment.takeReserve()
	j.mu.Lock()
	defer j.mu.Unlock()
	j.writing = false
	if err == nil {
		j.scarce = nil
	}
	j.done.Broadcast()
	return err
}
