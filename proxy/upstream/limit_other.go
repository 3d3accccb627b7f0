//go:build !linux

package upstream

import (
	"syscall"
	"time"
)

// limit leaves it to the kernel how long it tries.
func limit(syscall.RawConn, time.Duration) {}
