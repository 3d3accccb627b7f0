//go:build crashpoints

package crash

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// SCIMGATE_TEST_CRASH is POINT:N[:ACT]: what happens when the point is reached for the
// N-th time. The act is kill (the default), stop, or panic.
var (
	point, count, act = setting()
	reached           atomic.Int64
)

func setting() (Point, int64, string) {
	parts := strings.Split(os.Getenv("SCIMGATE_TEST_CRASH"), ":")
	_ = os.Unsetenv("SCIMGATE_TEST_CRASH") // it is no setting, which the command would refuse
	if len(parts) < 2 {
		return "", 0, ""
	}
	n, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil {
		panic("SCIMGATE_TEST_CRASH is not POINT:N[:ACT]")
	}
	return Point(parts[0]), n, strings.Join(parts[2:], "")
}

// At ends the process if this is the point and the time.
func At(p Point) {
	if p != point || reached.Add(1) != count {
		return
	}
	switch act {
	case "panic":
		panic("a crash point")
	case "stop":
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	default:
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // nothing happens any more
	}
}
