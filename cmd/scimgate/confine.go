package main

import (
	"os"
	"runtime/debug"
	"syscall"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// memoryLimit is from where on the garbage collector works harder, unless GOMEMLIMIT
// says otherwise: well below what the bounds permit (proxy/BOUNDS.md).
const memoryLimit = 384 << 20

// confine keeps the process from writing its memory, in which tokens are, into a core
// file, and from growing where it need not.
func confine() {
	_ = syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}) // a smaller limit is always granted
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryAim(memlimit.FromCgroup()))
	}
}

// memoryAim is the garbage collector's limit in a container of so many bytes, a tenth of
// which is left to what it doesn't count. An error says that there is no container, or
// that its limit can't be read.
func memoryAim(container uint64, err error) int64 {
	if err != nil {
		return memoryLimit
	}
	return int64(min(memoryLimit, container-container/10))
}
