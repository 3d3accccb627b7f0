package wire

import (
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scimgate/scimgate/proxy/room"
)

// A client that is still sending what was refused, one that says nothing more and one
// that doesn't read the refusal hold their connections for a moment only.
func TestARefusedClientIsWaitedForAMoment(t *testing.T) {
	f := func(name string, most time.Duration, client func(net.Conn)) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				other, server := net.Pipe()
				c := &conn{Conn: server, refuse: func(Fault, net.Addr) []byte { return []byte("refused") }}
				done := make(chan struct{})
				go func() {
					defer close(done)
					client(other)
				}()
				began := time.Now()
				if _, err := io.ReadAll(c); err != nil {
					t.Errorf("got %v, want the end", err)
				}
				if took := time.Since(began); took > most {
					t.Errorf("waited for %v, want %v at most", took, most)
				}
				server.Close()
				<-done
			})
		})
	}
	send := func(c net.Conn) { _, _ = io.WriteString(c, "GET / HTTP/1.1\n") }
	read := func(c net.Conn) { _, _ = io.ReadFull(c, make([]byte, len("refused"))) }
	f("silent", linger, func(c net.Conn) { send(c); read(c) })
	f("deaf", linger, send)
	f("drop by drop", linger, func(c net.Conn) {
		send(c)
		read(c)
		for {
			if _, err := io.WriteString(c, "x"); err != nil {
				return
			}
			time.Sleep(linger / 10)
		}
	})
	sent, once := 0, strings.Repeat("x", 1<<10)
	f("talkative", 0, func(c net.Conn) {
		send(c)
		read(c)
		for {
			n, err := io.WriteString(c, once)
			if sent += n; err != nil {
				return
			}
		}
	})
	if sent > lingerMost {
		t.Errorf("%d bytes are read of what was refused, want %d at most", sent, lingerMost)
	}
}

// Of a name, a value and a version only so much is kept.
func TestWordsAreBounded(t *testing.T) {
	long := strings.Repeat("1", 3*kept)
	f := func(text string, want Fault) {
		t.Helper()
		if _, fault := through(text, 1); fault != want {
			t.Errorf("%q: got %q, want %q", text, fault, want)
		}
	}
	f("GET / HTTP/1."+long+"\r\n\r\n", OtherVersion)
	f("GET / HTTP/1.1\r\nX"+long+": x\r\n\r\n", 0)
	f("GET / HTTP/1.1\r\nContent-Length"+long+": 1\r\n\r\n", 0)
	f("POST / HTTP/1.1\r\nContent-Length: "+strings.Repeat("0", 3*kept)+"\r\n\r\n", LengthForm)
	f("POST / HTTP/1.1\r\nTransfer-Encoding: chunked"+strings.Repeat(" ", 3*kept)+"\r\n\r\n0\r\n\r\n", CodingForm)
	f("POST / HTTP/1.1\r\nContent-Length: "+strings.Repeat("0", 18)+"\r\n\r\n", 0)
	f("POST / HTTP/1.1\r\nContent-Length: "+strings.Repeat("0", 19)+"\r\n\r\n", LengthForm)
	f("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"+strings.Repeat("0", 8)+"\r\n\r\n", 0)
	f("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"+strings.Repeat("0", 9)+"\r\n\r\n", ChunkForm)
	var target []byte
	m, h := machine{most: 1 << 20, of: func(t []byte) string { target = t; return "" }}, held{room: room.New(1<<20, 0, 0)}
	m.take([]byte("POST /"+strings.Repeat("a", 2*keptTarget)+" HTTP/1.1\r\nContent-Length: 20000\r\n\r\n"), &h)
	if len(target) != keptTarget || target[0] != '/' {
		t.Errorf("got %d bytes of a target, want the first %d", len(target), keptTarget)
	}
}

// Bodies that are small need no room, and no more than the room is ever promised.
func TestSmallBodiesNeedNoRoom(t *testing.T) {
	bodies := room.New(2*Small, 0, 0)
	whose := func() string { return "" }
	left := func(want int64) {
		t.Helper()
		all := room.Ask{N: want}
		if bodies.Take(room.Ask{N: want + 1}, time.Time{}) || !bodies.Take(all, time.Time{}) {
			t.Fatalf("got another room left than %d", want)
		}
		bodies.Give(all)
	}
	h := held{room: bodies}
	if !h.grow(Small, whose) {
		t.Error("got no room for a small body")
	}
	left(2 * Small)
	if !h.grow(1, whose) {
		t.Error("got no room for a large one")
	}
	left(Small - 1)
	if h.grow(Small, whose) {
		t.Error("got room for more than there is")
	}
	h.release()
	left(2 * Small)
}

// One address has so many connections; one too many is told so at once, and others are
// served.
func TestConnectionsOfAnAddressAreBounded(t *testing.T) {
	refused := 0
	l := Listen(pipes{make(chan net.Conn, 1)}, Handling{
		Bodies: room.New(1<<20, 0, 0), Most: 1 << 20, PerAddress: 2,
		Exempt: func(a netip.Addr) bool { return a == netip.MustParseAddr("192.0.2.9") },
		Refuse: func(f Fault, _ net.Addr) []byte {
			if f == Crowded {
				refused++
			}
			return []byte("too many")
		},
	}).(*listener)
	served := func(address string) (server net.Conn, yes bool) {
		t.Helper()
		client, other := net.Pipe()
		t.Cleanup(func() { client.Close() })
		l.Listener.(pipes).conns <- from{other, &net.TCPAddr{IP: net.ParseIP(address)}}
		server, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			_, _ = io.WriteString(client, get)
			_, _ = io.Copy(io.Discard, client)
		}()
		before := refused
		n, err := io.ReadAtLeast(server, make([]byte, len(get)), len(get))
		if (err == nil) != (n == len(get)) || (err == nil) == (refused > before) {
			t.Errorf("got %d bytes, %v and %d refusals", n, err, refused-before)
		}
		return server, err == nil
	}
	first, _ := served("192.0.2.1")
	for n, step := range []struct {
		address string
		want    bool
	}{{"192.0.2.1", true}, {"192.0.2.1", false}, {"::ffff:192.0.2.1", false}, {"192.0.2.2", true}, {"192.0.2.9", true}, {"192.0.2.9", true}, {"192.0.2.9", true}} {
		conn, yes := served(step.address)
		if yes != step.want {
			t.Errorf("%d: served %v, want %v", n, yes, step.want)
		}
		if !yes {
			conn.Close()
		}
	}
	first.Close()
	first.Close()
	if _, yes := served("192.0.2.1"); !yes {
		t.Error("a place is not given back")
	}
	if _, yes := served("192.0.2.1"); yes {
		t.Error("a place is given back twice")
	}
}

// from is a connection of an address.
type from struct {
	net.Conn
	address net.Addr
}

func (f from) RemoteAddr() net.Addr { return f.address }
