package wire

import (
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

// segments is a connection on which bytes arrive in given pieces, then end. What is
// written is kept.
type segments struct {
	pieces  []string
	written strings.Builder
}

func (s *segments) Read(p []byte) (int, error) {
	if len(s.pieces) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.pieces[0])
	if s.pieces[0] = s.pieces[0][n:]; s.pieces[0] == "" {
		s.pieces = s.pieces[1:]
	}
	return n, nil
}

func (s *segments) Write(p []byte) (int, error)      { return s.written.Write(p) }
func (s *segments) Close() error                     { return nil }
func (s *segments) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (s *segments) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (s *segments) SetDeadline(time.Time) error      { return nil }
func (s *segments) SetReadDeadline(time.Time) error  { return nil }
func (s *segments) SetWriteDeadline(time.Time) error { return nil }

// reading is what a server gets of pieces when it reads into buffers of these sizes, in
// turn, and what the client gets. A | stands behind each message: no Read goes over its
// end.
func reading(pieces []string, sizes []int) string {
	s := &segments{pieces: pieces}
	c := &conn{Conn: s, refuse: func(f Fault, _ net.Addr) []byte { return fmt.Appendf(nil, "refused: %v", f) }}
	var b strings.Builder
	for i := 0; ; i++ {
		p := make([]byte, sizes[i%len(sizes)])
		n, err := c.Read(p)
		b.Write(p[:n])
		if n > 0 && c.machine.state == ended && c.machine.fault == 0 {
			b.WriteByte('|')
		}
		if err != nil {
			return b.String() + s.written.String()
		}
	}
}

// What passes, and what is refused, is the same in whatever segments it arrives and
// into whatever buffer it is read.
func TestSegmentsChangeNothing(t *testing.T) {
	head := "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
	f := func(text, want string) {
		t.Helper()
		pieces := [][]string{{text}, strings.Split(text, "")}
		for i := 1; i < len(text); i++ {
			pieces = append(pieces, []string{text[:i], text[i:]})
		}
		for i := 2; i < len(text); i++ {
			pieces = append(pieces, []string{text[:i-1], text[i-1 : i], text[i:]})
		}
		for _, p := range pieces {
			for _, sizes := range [][]int{{1}, {2}, {3}, {16}, {64}, {4096}, {4096, 3}, {4096, 64, 64}, {64, 5, 4096}} {
				if got := reading(slices.Clone(p), sizes); got != want {
					t.Fatalf("got %q for %q in buffers of %d, want %q", got, p, sizes, want)
				}
			}
		}
	}
	f(get, get+"|")
	f(post+canary, post+"|"+canary+"|")
	f(chunked+get+post, chunked+"|"+get+"|"+post+"|")
	f(get+get+get+canary, get+"|"+get+"|"+get+"|"+canary+"|")
	f(post[:len(post)-1], post[:len(post)-1])
	f(chunked[:len(chunked)-1], chunked[:len(chunked)-1])
	refused := func(sound, fault string, want Fault) {
		t.Helper()
		f(get+sound+fault+canary, get+"|"+sound+"refused: "+want.String())
	}
	refused("", "\r\n", LineEndInFront)
	refused("GET / HTTP/1.1", "\n", BareLineFeed)
	refused("GET / HTTP/1.1\r\nA: b", "\n", BareLineFeed)
	refused("GET / HTTP/1.1\r", "A", BareReturn)
	refused("GET / HTTP/1.1\r\nA: b\r", "C", BareReturn)
	refused("GET / HTTP/1.1\r\n\r", "X", BareReturn)
	refused("GET /", "\x00", ControlCharacter)
	refused("GET / HTTP/1.1\r\nA: ", "\x00", ControlCharacter)
	refused("GET / HTTP/1.1 ", "\r\n", OtherVersion)
	refused("GET /", "\r\n", NoVersion)
	refused("GET / HTTP/1.1\r\nA: b\r\n", " c", Folded)
	refused("GET / HTTP/1.1\r\nA", " : b", BlankBeforeColon)
	refused("POST / HTTP/1.1\r\nContent-Length: 1\r\ncontent-length", ":", LengthTwice)
	refused("POST / HTTP/1.1\r\nContent-Length: 1, 1", "\r", LengthForm)
	refused("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r", "\n", LengthAndChunks)
	refused("POST / HTTP/1.1\r\nTransfer-Encoding: chunked, x", "\r", CodingForm)
	refused(head+"2", ";", ChunkExtension)
	refused(head+"2", "\n", ChunkForm)
	refused(head+"2\r\n{}", "x", ChunkForm)
	refused(head+"0\r\n", "X", Trailer)
}
