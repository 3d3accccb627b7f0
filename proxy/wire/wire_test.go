package wire

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"go.uber.org/goleak"

	"github.com/scimgate/scimgate/proxy/room"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// through hands text to a machine in pieces, and tells what passed, message by
// message, and the fault.
func through(text string, piece int) (messages []string, fault Fault) {
	m, h := machine{most: 1 << 20}, held{room: room.New(1<<30, 0, 0)}
	current := ""
	for len(text) > 0 {
		n := min(piece, len(text))
		taken := m.take([]byte(text[:n]), &h)
		current += text[:taken]
		text = text[taken:]
		if m.fault != 0 {
			break
		}
		if m.state == ended {
			messages, current = append(messages, current), ""
			m.next()
		}
	}
	if current != "" {
		messages = append(messages, current+"…")
	}
	return messages, m.fault
}

const (
	get     = "GET /Users HTTP/1.1\r\nHost: x\r\n\r\n"
	post    = "POST /Users HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
	chunked = "POST /Users HTTP/1.1\r\nHost: x\r\ntransfer-encoding: Chunked\r\n\r\n2\r\n{}\r\n0A\r\n0123456789\r\n0\r\n\r\n"
	canary  = "GET /canary HTTP/1.1\r\nHost: x\r\n\r\n"
)

func TestSoundMessagesPass(t *testing.T) {
	for _, text := range []string{
		get, post, chunked, "GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.1\r\nX:\r\nY: a\tb\r\nZ: \xff\r\n\r\n",
		"DELETE /Users/1 HTTP/1.1\r\nContent-Length: 0\r\n\r\n", "POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length:  5 \r\n\r\nhello",
	} {
		for piece := 1; piece <= len(text)*3; piece++ {
			messages, fault := through(text+canary+text, piece)
			if fault != 0 || len(messages) != 3 || messages[0] != text || messages[1] != canary || messages[2] != text {
				t.Fatalf("%q in pieces of %d: got %q %v, want three messages", text, piece, messages, fault)
			}
		}
	}
}

func TestUnsoundMessagesEnd(t *testing.T) {
	f := func(want Fault, text string) {
		t.Helper()
		for _, piece := range []int{1, 2, 7, 1 << 16} {
			messages, fault := through(get+text+canary, piece)
			if fault != want || len(messages) == 0 || messages[0] != get || strings.Contains(strings.Join(messages, ""), "canary") {
				t.Errorf("%q in pieces of %d: got %q, %q, want %q and no canary", text, piece, messages, fault, want)
			}
		}
	}
	f(LineEndInFront, "\r\n"+get)
	f(LineEndInFront, "\n"+get)
	f(BareLineFeed, "GET / HTTP/1.1\nHost: x\r\n\r\n")
	f(BareLineFeed, "GET / HTTP/1.1\r\nHost: x\n\r\n")
	f(BareLineFeed, "GET / HTTP/1.1\r\nHost: x\r\n\n")
	f(BareReturn, "GET / HTTP/1.1\rHost: x\r\n\r\n")
	f(BareReturn, "GET / HTTP/1.1\r\nA: b\rC: d\r\n\r\n")
	f(BareReturn, "GET / HTTP/1.1\r\nA: b\r\n\rX")
	f(ControlCharacter, "GET /a\x00b HTTP/1.1\r\n\r\n")
	f(ControlCharacter, "GET / HTTP/1.1\r\nA: b\x00\r\n\r\n")
	f(ControlCharacter, "GET / HTTP/1.1\r\nA: \x7f\r\n\r\n")
	f(NoMethod, "(GET) / HTTP/1.1\r\n\r\n")
	f(NoMethod, "G\tET / HTTP/1.1\r\n\r\n")
	f(NoVersion, "GET /\r\n")
	f(NoVersion, "GET /\n")
	f(OtherVersion, "GET / HTTP/2.0\r\n\r\n")
	f(OtherVersion, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	f(OtherVersion, "GET / x HTTP/1.1\r\n\r\n")
	f(OtherVersion, "GET / http/1.1\r\n\r\n")
	f(OtherVersion, "GET / HTTP/1.1 \r\n\r\n")
	f(TLSHello, "\x16\x03\x01\x02\x00")
	f(Folded, "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n")
	f(Folded, "GET / HTTP/1.1\r\n A: b\r\n\r\n")
	f(NoName, "GET / HTTP/1.1\r\n: b\r\n\r\n")
	f(NoName, "GET / HTTP/1.1\r\nA\x01: b\r\n\r\n")
	f(NoName, "GET / HTTP/1.1\r\nA\r\n\r\n")
	f(BlankBeforeColon, "GET / HTTP/1.1\r\nContent-Length : 2\r\n\r\n")
	f(LengthTwice, "POST / HTTP/1.1\r\nContent-Length: 2\r\ncontent-length: 2\r\n\r\n{}")
	for _, length := range []string{"+2", "-2", "2,2", "2, 2", "0x2", "2 2", "", "a", "1e1", "99999999999999999999", "2\t3"} {
		f(LengthForm, "POST / HTTP/1.1\r\nContent-Length: "+length+"\r\n\r\n{}")
	}
	f(LengthAndChunks, "POST / HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
	f(LengthAndChunks, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n")
	for _, coding := range []string{"gzip, chunked", "chunked, identity", "xchunked", "identity", "", "chunked;q=1", "\"chunked\"", "\vchunked"} {
		want := CodingForm
		if strings.Contains(coding, "\v") {
			want = ControlCharacter
		}
		f(want, "POST / HTTP/1.1\r\nTransfer-Encoding: "+coding+"\r\n\r\n0\r\n\r\n")
	}
	f(CodingForm, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
	f(CodingForm, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
	head := "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
	f(ChunkExtension, head+"2;a=b\r\n{}\r\n0\r\n\r\n")
	f(ChunkExtension, head+"0;a\r\n\r\n")
	for _, chunk := range []string{"\r\n", "-2\r\n{}\r\n", "+2\r\n{}\r\n", "0x2\r\n{}\r\n", " 2\r\n{}\r\n", "2 \r\n{}\r\n", "2\n{}\r\n", "2\r\n{}x", "2\r\n{}\n", "000000002\r\n{}\r\n", "2\r{}\r\n", "2\r\n{}\rx"} {
		f(ChunkForm, head+chunk)
	}
	f(Trailer, head+"0\r\nA: b\r\n\r\n")
	f(Trailer, head+"0\r\n\n")
}

// A server sees each message, and the fault of the next only when it has answered.
func TestRefusalComesBehindTheAnswers(t *testing.T) {
	client, server := net.Pipe()
	asked := 0
	c := &conn{Conn: server, refuse: func(f Fault, _ net.Addr) []byte {
		return fmt.Appendf(nil, "refused %d", f)
	}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer c.Close()
		r := bufio.NewReader(c)
		for {
			req, err := http.ReadRequest(r)
			if err != nil {
				fmt.Fprint(c, "never written")
				return
			}
			asked++
			if _, err := io.Copy(io.Discard, req.Body); err != nil {
				t.Error(err)
			}
			fmt.Fprintf(c, "answer %s;", req.URL.Path)
		}
	}()
	go func() {
		_, _ = io.WriteString(client, get+post+"GET /bad HTTP/1.1\nHost: x\r\n\r\n"+canary) // the end is not read
	}()
	text, err := io.ReadAll(client)
	if err != nil {
		t.Fatal(err)
	}
	<-done
	if want := fmt.Sprintf("answer /Users;answer /Users;refused %d", BareLineFeed); string(text) != want || asked != 2 {
		t.Errorf("got %q after %d requests, want %q", text, asked, want)
	}
}

func TestReadAllocatesNothing(t *testing.T) {
	text := strings.Repeat(chunked+get, 4)
	p := make([]byte, 4096)
	m, h := machine{most: 1 << 20}, held{room: room.New(1<<30, 0, 0)}
	if n := testing.AllocsPerRun(100, func() {
		for rest := text; rest != ""; m.next() {
			rest = rest[m.take(p[:copy(p, rest)], &h):]
		}
	}); n != 0 {
		t.Errorf("got %.0f allocations for sound messages, want none", n)
	}
}

// What passes is read by another parser in the same way: as many messages, with
// bodies of the same length, in whatever pieces it arrives.
func FuzzMachine(f *testing.F) {
	for _, seed := range []string{get, post, chunked, get + post + chunked, "\n" + get, chunked + "\r\n"} {
		f.Add([]byte(seed), uint8(3))
	}
	f.Fuzz(func(t *testing.T, text []byte, piece uint8) {
		whole, fault := through(string(text), len(text)+1)
		split, same := through(string(text), int(piece)+1)
		if fault != same || strings.Join(whole, "|") != strings.Join(split, "|") {
			t.Fatalf("got %q %v in one piece, %q %v in pieces", whole, fault, split, same)
		}
		for _, message := range whole {
			if strings.HasSuffix(message, "…") {
				continue
			}
			r := bufio.NewReader(iotest.OneByteReader(strings.NewReader(message)))
			req, err := http.ReadRequest(r)
			if err != nil {
				return // what is no URL or no host is for others to refuse
			}
			if _, err := io.Copy(io.Discard, req.Body); err != nil {
				t.Fatalf("%q: the body can't be read: %v", message, err)
			}
			if rest, err := io.ReadAll(r); err != nil || len(bytes.TrimSpace(rest)) > 0 && req.Method != "CONNECT" {
				t.Fatalf("%q: another parser leaves %q", message, rest)
			}
		}
	})
}
