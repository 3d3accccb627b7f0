package audit

import (
	"fmt"
	"io/fs"
	"os"
)

// Names in the directory of a log are made, changed and synced by these alone, so that
// tests see each step before it is made, and can fail it.

// tell tells the hook of a step.
func (h *hooks) tell(op, name, to string) error {
	if h.step == nil {
		return nil
	}
	if err := h.step(op, name, to); err != nil {
		return &fs.PathError{Op: op, Path: name, Err: err}
	}
	return nil
}

// make opens a file that may be made by that.
func (h *hooks) make(name string, flag int, mode fs.FileMode) (*os.File, error) {
	if err := h.tell("make", name, ""); err != nil {
		return nil, err
	}
	return os.OpenFile(name, flag|os.O_CREATE, mode)
}

func (h *hooks) rename(from, to string) error {
	if err := h.tell("rename", from, to); err != nil {
		return err
	}
	return os.Rename(from, to)
}

func (h *hooks) remove(name string) error {
	if err := h.tell("remove", name, ""); err != nil {
		return err
	}
	return os.Remove(name)
}

// syncDir makes the names in a directory durable.
func (h *hooks) syncDir(path string) error {
	dir, err := os.Open(path)
	if err == nil {
		if err = h.tell("syncdir", path, ""); err == nil {
			err = dir.Sync()
		}
		if closing := dir.Close(); err == nil {
			err = closing
		}
	}
	if err != nil {
		return fmt.Errorf("cannot sync the directory of the audit file: %w", err)
	}
	return nil
}

// wrapped is a file as it is written to.
func (h *hooks) wrapped(f file) file {
	if h.wrap == nil {
		return f
	}
	return h.wrap(f)
}
