// Package wire looks at the bytes of a client's connection as they arrive, and
// refuses what two HTTP parsers could read differently: the HTTP library hides some
// of it, such as a bare line feed behind the request line, line ends in front of it,
// and chunk extensions.
//
// It parses nothing for anybody: bytes pass as they are, up to the end of one message
// at a time, so that a refusal of the next one can't come before the answer to this
// one. Begin with [Listen]; the states are in machine.go.
package wire

import (
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"github.com/scimgate/scimgate/proxy/room"
)

// Handling is what becomes of the connections of a listener, and of their messages.
type Handling struct {
	Bodies *room.Room                   // which they share, but for small ones
	Most   int                          // bytes of a body; a larger one is left for the server to refuse, which doesn't read it
	Of     func(target []byte) string   // who asks for room; of the target there is the beginning alone. nil: nobody in particular
	Refuse func(Fault, net.Addr) []byte // called once for a connection with a fault: what is written as the last answer

	PerAddress int                   // connections of one address; others are refused
	Exempt     func(netip.Addr) bool // from that
}

// Listen looks at the bytes of all connections of a listener.
func Listen(l net.Listener, h Handling) net.Listener {
	return &listener{Listener: l, Handling: h, open: map[netip.Addr]int{}}
}

type listener struct {
	net.Listener
	Handling

	mu   sync.Mutex         // guards following
	open map[netip.Addr]int // connections by address
}

func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	in := &conn{Conn: c, refuse: l.Refuse, machine: machine{most: uint64(l.Most), of: l.Of}, held: held{room: l.Bodies}}
	if address, ok := addressOf(c); ok && !l.Exempt(address) {
		if !l.enter(address) {
			in.machine.fault = Crowded
		}
		in.left = func() { l.leave(address) }
	}
	return in, nil
}

func addressOf(c net.Conn) (netip.Addr, bool) {
	tcp, ok := c.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Addr{}, false
	}
	return tcp.AddrPort().Addr().Unmap(), true
}

// enter counts a connection, and tells whether its address has no more than it may.
func (l *listener) enter(address netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open[address]++
	return l.open[address] <= l.PerAddress
}

func (l *listener) leave(address netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[address]--; l.open[address] == 0 {
		delete(l.open, address)
	}
}

// conn hands on bytes up to the end of a message, or to a fault. Read is called by
// one goroutine.
type conn struct {
	net.Conn
	refuse func(Fault, net.Addr) []byte
	left   func() // when it is closed, or nil

	machine machine
	held    held   // of the room, by this message
	rest    []byte // arrived, and not looked at: of the next message
	at      int    // in rest

	mu      sync.Mutex // guards following
	refused bool
	closed  bool
	behind  func() // when the answer has been written, or nil
}

// Behind calls f when the answer to the message that a connection of [Listen] carries has
// been written, or the connection is closed.
func Behind(answered net.Conn, f func()) {
	c := answered.(*conn)
	c.mu.Lock()
	late := c.closed
	if !late {
		c.behind = f
	}
	c.mu.Unlock()
	if late {
		f()
	}
}

// Gone tells whether the client of a connection of [Listen] has closed it, as far as the
// system can tell: what is written to it now reaches nobody, or one who waits no more.
func Gone(answered net.Conn) bool {
	inner := answered.(*conn).Conn
	if secured, ok := inner.(*tls.Conn); ok {
		inner = secured.NetConn()
	}
	s, ok := inner.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := s.SyscallConn()
	return err == nil && hungUp(raw)
}

// written gives back what a message and its answer have held.
func (c *conn) written() {
	c.mu.Lock()
	f := c.behind
	c.behind = nil
	c.mu.Unlock()
	if f != nil {
		f()
	}
	c.held.release()
}

// Read hands on what arrives. Behind a message it looks at the next only when it is
// asked for it, which a server does when it has answered.
func (c *conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if c.machine.fault != 0 {
		return 0, c.end()
	}
	if c.machine.next() {
		c.written()
		c.held.size = 0
	}
	n := copy(p, c.rest[c.at:])
	var err error
	if n > 0 {
		if c.at += n; c.at == len(c.rest) {
			c.rest, c.at = c.rest[:0], 0
		}
	} else {
		n, err = c.Conn.Read(p)
	}
	taken := c.machine.take(p[:n], &c.held)
	if taken < n {
		if c.at == 0 || len(c.rest) == 0 {
			c.rest, c.at = append(c.rest[:0], p[taken:n]...), 0
		} else {
			c.at -= n - taken // they came from there
		}
	}
	if taken == 0 && c.machine.fault != 0 {
		return 0, c.end()
	}
	return taken, err
}

// Bounds of the wait for a client that is still sending what is refused: closed at
// once, the connection would be reset, and the answer lost.
const (
	linger     = 500 * time.Millisecond
	lingerMost = 256 << 10
)

// end writes the refusal, once, and ends the connection.
func (c *conn) end() error {
	c.mu.Lock()
	done := c.refused
	c.refused = true
	c.mu.Unlock()
	if done {
		return io.EOF
	}
	if answer := c.refuse(c.machine.fault, c.Conn.RemoteAddr()); len(answer) > 0 {
		_ = c.Conn.SetWriteDeadline(time.Now().Add(linger)) // a client that doesn't read gets no answer
		if _, err := c.Conn.Write(answer); err == nil {
			if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
				_ = half.CloseWrite()
			}
			_ = c.Conn.SetReadDeadline(time.Now().Add(linger))
			_, _ = io.CopyN(io.Discard, c.Conn, lingerMost)
		}
	}
	return io.EOF
}

// Refused tells whether a connection of [Listen] has had its last answer: what is read and
// written on it from then on is nobody's.
func Refused(answered net.Conn) bool {
	c, is := answered.(*conn)
	if !is {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.refused
}

// Close gives back the room of the last message.
func (c *conn) Close() error {
	c.mu.Lock()
	first := !c.closed
	c.closed = true
	c.mu.Unlock()
	if first {
		c.written()
		if c.left != nil {
			c.left()
		}
	}
	return c.Conn.Close()
}

// Write is the server's, until the connection has been refused.
func (c *conn) Write(p []byte) (int, error) {
	if Refused(c) {
		return len(p), nil
	}
	return c.Conn.Write(p)
}
