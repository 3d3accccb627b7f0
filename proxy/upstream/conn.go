package upstream

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"
)

const (
	// maxHead bounds the head of an answer, and each line of a chunked one. AWS
	// sends about 600 bytes.
	maxHead = 8 << 10
	// maxAge bounds the life of a busy connection, so that calls move when the
	// upstream's name points elsewhere.
	maxAge = 5 * time.Minute
)

// conn is one connection. It belongs to one call, or to the idle stack.
type conn struct {
	wire   *wire
	raw    syscall.RawConn
	stream net.Conn // the wire, or TLS on it
	reader *bufio.Reader
	born   time.Time
	used   time.Time // end of its last call
	last   bool      // the upstream closes it, or its last answer had no clear end
}

// dial tries all addresses of the host, resolved anew: with kept connections
// that is rare, and there is no cache that could be out of date.
func (c *Client) dial(now, by time.Time) (*conn, error) {
	if latest := now.Add(c.settings.ConnectTimeout); by.After(latest) {
		by = latest
	}
	d := net.Dialer{Deadline: by}
	tcp, err := d.DialContext(context.Background(), "tcp", c.place.address)
	if err != nil {
		return nil, c.cannotReach(err)
	}
	sys, ok := tcp.(syscall.Conn)
	if !ok {
		panic("BUG: a TCP connection without a descriptor")
	}
	raw, err := sys.SyscallConn()
	if err != nil {
		_ = tcp.Close()
		return nil, c.cannotReach(err)
	}
	limit(raw, c.settings.Timeout) // likewise if the process ends
	k := &conn{wire: &wire{Conn: tcp}, raw: raw, born: now}
	k.stream = k.wire
	if c.trust != nil {
		k.wire.framed = true
		t := tls.Client(k.wire, c.trust)
		if err = t.SetDeadline(by); err == nil {
			err = t.Handshake()
		}
		if err != nil {
			k.close()
			return nil, fmt.Errorf("cannot agree on TLS with %s: %w", c.place.address, err)
		}
		k.stream = t
	}
	k.reader = bufio.NewReaderSize(k.stream, maxHead)
	return k, nil
}

// close closes without TLS's farewell, which could block.
func (k *conn) close() { _ = k.wire.Close() }

// abandon closes so that nothing that the kernel still has is sent: a call that is given up
// must not arrive behind a later one, when the network is back.
func (k *conn) abandon() {
	if tcp, is := k.wire.Conn.(*net.TCPConn); is {
		_ = tcp.SetLinger(0) // it is closed all the same
	}
	k.close()
}

// settled tells whether the answer that was just read was the last thing that
// arrived, as far as this process has read.
func (k *conn) settled() bool {
	return !k.last && k.reader.Buffered() == 0 && !k.wire.partial()
}

// quiet tells whether nothing arrived on an idle connection since its last
// answer: neither a byte nor the end. What arrived now would be taken for the
// answer to the next call.
func (k *conn) quiet() bool {
	if k.stream != net.Conn(k.wire) {
		// TLS may hold a whole record that nobody has asked for. A deadline in the
		// past makes it read no further than that.
		var one [1]byte
		if k.stream.SetReadDeadline(time.Unix(1, 0)) != nil {
			return false
		}
		n, err := k.stream.Read(one[:])
		if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			return false
		}
	}
	return nothingArrived(k.raw)
}

// wire counts the bytes that the kernel took, and follows the TLS records that
// were read: of half a record, TLS itself shows nothing.
type wire struct {
	net.Conn
	written int64
	framed  bool

	header [5]byte // of the record being read: type, version, length (RFC 8446 §5.1)
	have   int     // bytes of the header
	left   int     // bytes of the record that are still to come
}

func (w *wire) Write(p []byte) (int, error) {
	n, err := w.Conn.Write(p)
	w.written += int64(n)
	return n, err
}

func (w *wire) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if w.framed {
		w.follow(p[:n])
	}
	return n, err
}

func (w *wire) follow(p []byte) {
	for len(p) > 0 {
		if w.left > 0 {
			n := min(w.left, len(p))
			w.left -= n
			p = p[n:]
			continue
		}
		n := copy(w.header[w.have:], p)
		w.have += n
		p = p[n:]
		if w.have == len(w.header) {
			w.have = 0
			w.left = int(w.header[3])<<8 | int(w.header[4])
		}
	}
}

// partial tells whether the last byte read was inside a record.
func (w *wire) partial() bool { return w.have > 0 || w.left > 0 }
