package upstream

import (
	"errors"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/scimgate/scimgate/rules/scim"
)

// What is left of a call that was given up is not sent when the network is back: the
// connection is reset, which drops it, and the kernel gives up as soon as the call does.
func TestWhatIsGivenUpDoesNotArriveLater(t *testing.T) {
	ended := make(chan error, 1)
	p := listen(t, nil, func(n *line) {
		n.read()
		_, err := n.reader.ReadByte() // no answer comes
		ended <- err
	})
	c := p.client(t, func(s *Settings) { s.Timeout = 100 * time.Millisecond })
	_, outcome, err := c.Send(create(`{"userName":"ada"}`), soon())
	if outcome != scim.Unknown {
		t.Fatalf("got %v %v", outcome, err)
	}
	if err := <-ended; !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the connection ended with %v, want a reset", err)
	}
	k, err := c.dial(time.Now(), soon())
	if err != nil {
		t.Fatal(err)
	}
	defer k.close()
	_ = k.raw.Control(func(fd uintptr) {
		if ms, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT); err != nil || ms != 100 {
			t.Errorf("the kernel tries for %d ms (%v), want 100", ms, err)
		}
	})
}
