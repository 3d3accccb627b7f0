package upstream

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// limit bounds how long the kernel tries to bring to the other side what was written, also
// behind the end of the process (tcp(7), TCP_USER_TIMEOUT).
func limit(raw syscall.RawConn, d time.Duration) {
	_ = raw.Control(func(fd uintptr) { // without it the kernel's own bound holds, which is longer
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(d.Milliseconds()))
	})
}
