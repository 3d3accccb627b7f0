package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// container is a control group of Linux in which a process gets so much memory and no
// more: the system ends it when it asks for more.
type container struct {
	folder string
	counts string // the file that tells how often that happened
}

// newContainer makes one. The error says that this machine lets nobody make one: that
// takes root, and a hierarchy that can be written.
func newContainer(name string, bytes int) (*container, error) {
	var faults []error
	for _, kind := range []struct{ parent, limit, swap, unswapped, counts string }{
		{"/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.memsw.limit_in_bytes", fmt.Sprint(bytes), "memory.oom_control"}, // version 1
		{"/sys/fs/cgroup", "memory.max", "memory.swap.max", "0", "memory.events"},
	} {
		c := &container{filepath.Join(kind.parent, name), kind.counts}
		err := os.Mkdir(c.folder, 0o700)
		if err == nil {
			if err = os.WriteFile(filepath.Join(c.folder, kind.limit), fmt.Append(nil, bytes), 0); err == nil {
				_ = os.WriteFile(filepath.Join(c.folder, kind.swap), []byte(kind.unswapped), 0) // there may be no swap
				return c, nil
			}
			c.remove()
		}
		faults = append(faults, err)
	}
	return nil, errors.Join(faults...)
}

// wrap is a command that becomes the one behind it, in the container.
func (c *container) wrap() []string {
	return []string{"sh", "-c", `echo $$ > "$0/cgroup.procs" && exec "$@"`, c.folder}
}

// ended is how many processes the system has ended in it.
func (c *container) ended() (n int, err error) {
	text, err := os.ReadFile(filepath.Join(c.folder, c.counts))
	for line := range strings.Lines(string(text)) {
		if _, scanned := fmt.Sscanf(line, "oom_kill %d", &n); scanned == nil {
			return n, nil
		}
	}
	return 0, errors.Join(fmt.Errorf("%s tells of no ended processes", c.counts), err)
}

// remove takes away one in which nothing runs.
func (c *container) remove() { _ = os.Remove(c.folder) }
