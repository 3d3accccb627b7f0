//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package main

import (
	"os"
	"runtime/debug"
	"syscall"
)

// memoryLimit is from where on the garbage collector works harder, unless GOMEMLIMIT
// says otherwise: well below what the bounds permit (proxy/BOUNDS.md).
const memoryLimit = 384 << 20

// confine keeps the process from writing its memory, in which tokens are, into a core
// file, and from growing where it need not.
func confine() {
	_ = syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}) // a smaller limit is always granted
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
}
