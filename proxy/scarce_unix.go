//go:build unix

package proxy

import (
	"errors"
	"syscall"
)

// scarce tells whether accepting has failed for lack of file descriptors or
// memory, which passes.
func scarce(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ENOBUFS) || errors.Is(err, syscall.ENOMEM) || errors.Is(err, syscall.ECONNABORTED)
}
