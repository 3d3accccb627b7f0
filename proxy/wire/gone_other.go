//go:build !linux

package wire

import "syscall"

// hungUp can't be known here without reading, which belongs to the server.
func hungUp(syscall.RawConn) bool { return false }
