package wire

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/scimgate/scimgate/proxy/room"
)

// A connection holds the room of one message, announced or in chunks, until the next one
// begins or it ends.
func TestAMessageHoldsItsRoom(t *testing.T) {
	bodies := room.New(100<<10, 0, 0)
	refused := 0
	l := Listen(pipes{make(chan net.Conn, 1)}, Handling{Bodies: bodies, Most: 1 << 20, Refuse: func(f Fault, _ net.Addr) []byte {
		if f == NoRoom {
			refused++
		}
		return []byte("refused")
	}}).(*listener)
	open := func() (client net.Conn, server net.Conn) {
		client, other := net.Pipe()
		l.Listener.(pipes).conns <- other
		server, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		return client, server
	}
	client, server := open()
	first := "POST / HTTP/1.1\r\nContent-Length: 65536\r\n\r\n" + strings.Repeat("x", 65536)
	second := "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4000\r\n" + strings.Repeat("x", 0x4000) + "\r\n8000\r\n" + strings.Repeat("x", 0x8000) + "\r\n0\r\n\r\n"
	go io.WriteString(client, first+second+get)
	left := func(want int64) {
		t.Helper()
		all := room.Ask{N: want << 10}
		more := room.Ask{N: want<<10 + 1}
		if bodies.Take(more, time.Time{}) || !bodies.Take(all, time.Time{}) {
			t.Fatalf("got another room left than %d KiB", want)
		}
		bodies.Give(all)
	}
	read := func(message string) {
		t.Helper()
		if _, err := io.ReadFull(server, make([]byte, len(message))); err != nil {
			t.Fatal(err)
		}
	}
	read(first)
	left(36)
	other, busy := open()
	go io.WriteString(other, "POST / HTTP/1.1\r\nContent-Length: 65536\r\n\r\n")
	go io.ReadAll(other)
	if _, err := io.ReadAll(busy); err != nil || refused != 1 {
		t.Errorf("got %v and %d refusals, want no room for another one", err, refused)
	}
	busy.Close()
	left(36)
	read(second)
	left(52) // the first message gave its own back
	read(get)
	left(100)
	server.Close()
	server.Close()
	left(100)
	client.Close()
}

// What an answer has held is given back when the next message begins, or at the end of the
// connection; at once where that has ended.
func TestWhatIsBehindAnAnswer(t *testing.T) {
	l := Listen(pipes{make(chan net.Conn, 1)}, Handling{Bodies: room.New(1<<20, 0, 0), Most: 1 << 20, Refuse: func(Fault, net.Addr) []byte { return nil }})
	client, other := net.Pipe()
	defer client.Close()
	l.(*listener).Listener.(pipes).conns <- other
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	given := 0
	give := func() { given++ }
	go io.WriteString(client, get+get)
	read := func() {
		t.Helper()
		if _, err := io.ReadFull(server, make([]byte, len(get))); err != nil {
			t.Fatal(err)
		}
	}
	read()
	if Behind(server, give); given != 0 {
		t.Error("given back before the answer was written")
	}
	if read(); given != 1 {
		t.Errorf("given back %d times at the next message", given)
	}
	Behind(server, give)
	server.Close()
	if server.Close(); given != 2 {
		t.Errorf("given back %d times at the end", given)
	}
	if Behind(server, give); given != 3 {
		t.Errorf("given back %d times behind the end", given)
	}
}

// pipes is a listener of connections in memory.
type pipes struct{ conns chan net.Conn }

func (p pipes) Accept() (net.Conn, error) { return <-p.conns, nil }
func (p pipes) Close() error              { return nil }
func (p pipes) Addr() net.Addr            { return nil }
