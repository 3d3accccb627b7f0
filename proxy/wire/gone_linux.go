package wire

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// hungUp asks the kernel, without waiting and without taking anything: the other side has
// closed the connection, or its sending half, whatever of it is still unread.
func hungUp(raw syscall.RawConn) (yes bool) {
	_ = raw.Control(func(fd uintptr) {
		one := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		n, err := unix.Poll(one, 0)
		yes = err == nil && n > 0 && one[0].Revents&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) != 0
	})
	return yes
}
