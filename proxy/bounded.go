package proxy

import (
	"errors"
	"net"
	"sync"
	"syscall"
	"time"
)

// bounded is a listener that has so many connections open at most: others wait to
// be accepted, where the HTTP library would answer them with a text that no SCIM
// client reads. It outlives a lack of file descriptors, at which the library would
// stop serving.
type bounded struct {
	net.Listener
	places chan struct{}
	ended  chan struct{}
	once   sync.Once
}

func newBounded(l net.Listener, most int) *bounded {
	return &bounded{Listener: l, places: make(chan struct{}, most), ended: make(chan struct{})}
}

func (l *bounded) Accept() (net.Conn, error) {
	select {
	case l.places <- struct{}{}:
	case <-l.ended:
		return nil, net.ErrClosed
	}
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		conn, err := l.Listener.Accept()
		switch {
		case err == nil:
			return &counted{Conn: conn, places: l.places}, nil
		case errors.Is(err, net.ErrClosed) || !scarce(err):
			<-l.places
			return nil, err
		}
		time.Sleep(pause)
	}
}

func (l *bounded) Close() error {
	l.once.Do(func() { close(l.ended) })
	return l.Listener.Close()
}

// counted gives its place back when it is closed.
type counted struct {
	net.Conn
	places chan struct{}
	once   sync.Once
}

// CloseWrite ends what the client is sent, so that it sees the end of a last answer.
func (c *counted) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// SyscallConn lets others ask the kernel about the connection.
func (c *counted) SyscallConn() (syscall.RawConn, error) {
	if s, ok := c.Conn.(syscall.Conn); ok {
		return s.SyscallConn()
	}
	return nil, errors.ErrUnsupported
}

func (c *counted) Close() error {
	c.once.Do(func() { <-c.places })
	return c.Conn.Close()
}
