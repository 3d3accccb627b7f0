package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/scimgate/scimgate/bench/faults/faulty"
	"github.com/scimgate/scimgate/bench/faults/message"
	"github.com/scimgate/scimgate/bench/faults/witness"
	"github.com/scimgate/scimgate/bench/standin"
)

const token = standin.DefaultToken

// request is one request of a client, and what became of it.
type request struct {
	witness.Asked
	Interim int // answers of 1xx before the final one
	mark    witness.Mark
}

// book is the clients' log.
type book struct {
	audit   string // the gateway's log, whose length is noted
	address string // of something in front of the gateway, "" if there is nothing

	mu   sync.Mutex // guards following
	all  []*request
	last int
}

// tag is a new mark for a request.
func (b *book) tag() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last++
	return "q" + strconv.Itoa(b.last)
}

// add takes in a request that is about to be sent.
func (b *book) add(r *request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all = append(b.all, r)
}

func (b *book) requests() []*request {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all
}

// text is the request as bytes, as Okta sends it, with the tag in the User-Agent.
func (r *request) text(fields ...message.Field) string {
	all := []message.Field{
		{Name: "Host", Value: "gateway.test"}, {Name: "Accept", Value: "application/scim+json"},
		{Name: "User-Agent", Value: "Okta SCIM Client 1.0.0 " + r.Tag}, {Name: "Authorization", Value: "Bearer " + token},
	}
	if r.Body != "" {
		all = append(all, message.Field{Name: "Content-Type", Value: "application/scim+json; charset=utf-8"},
			message.Field{Name: "Content-Length", Value: strconv.Itoa(len(r.Body))})
	}
	return string(message.Append(nil, r.Method+" "+faulty.Base+r.Path+" HTTP/1.1", append(all, fields...), r.Body))
}

// line is a client's connection.
type line struct {
	book *book
	conn *net.TCPConn
	r    *bufio.Reader
	over bool // it is of no more use
}

func dial(b *book, address string) (*line, error) { return dialBy(&net.Dialer{}, b, address) }

// dialFrom comes from another address of the loopback.
func dialFrom(local string, b *book, address string) (*line, error) {
	return dialBy(&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(local)}}, b, address)
}

func dialBy(d *net.Dialer, b *book, address string) (*line, error) {
	d.Timeout = answerWithin
	conn, err := d.Dial("tcp", cmp.Or(b.address, address))
	if err != nil {
		return nil, fmt.Errorf("cannot connect to the gateway: %w", err)
	}
	return &line{book: b, conn: conn.(*net.TCPConn), r: bufio.NewReader(conn)}, nil
}

func (l *line) close() {
	l.over = true
	_ = l.conn.Close()
}

// reset closes with a TCP reset.
func (l *line) reset() {
	_ = l.conn.SetLinger(0)
	l.close()
}

// send writes bytes in so many parts, with pauses between them.
func (l *line) send(r *request, bytes string, parts int, pause time.Duration) error {
	l.book.add(r)
	r.Began, r.Parts = time.Now(), parts
	piece := len(bytes)/parts + 1
	for rest := bytes; rest != ""; rest = rest[min(piece, len(rest)):] {
		if len(rest) < len(bytes) {
			time.Sleep(pause)
		}
		if _, err := io.WriteString(l.conn, rest[:min(piece, len(rest))]); err != nil {
			return err
		}
	}
	r.Sent = time.Now()
	return nil
}

// answerWithin is how long a client waits; the gateway answers within its patience.
const answerWithin = 30 * time.Second

// read reads the answer to a request; false says that there is none. The connection is
// closed if it is of no more use.
func (l *line) read(r *request) bool {
	_ = l.conn.SetReadDeadline(time.Now().Add(answerWithin))
	if _, err := l.r.Peek(1); err != nil {
		l.close()
		var slow net.Error
		if errors.As(err, &slow) && slow.Timeout() {
			r.Flaw = "no answer within " + answerWithin.String()
		}
		return false
	}
	r.Answered = time.Now()
	if l.book.audit != "" {
		r.mark = witness.Look(l.book.audit)
	}
	var head message.Head
	var err error
	for r.Status = 100; err == nil && r.Status < 200; r.Interim++ {
		if head, err = message.ReadHead(l.r); err == nil {
			r.Status, err = head.Status()
		}
	}
	r.Interim--
	if err == nil {
		r.Answer, err = head.ReadBody(l.r)
	}
	if err != nil {
		r.Flaw, r.Status = "the answer is not sound: "+err.Error(), 0
		l.close()
		return false
	}
	r.Exchange, r.RequestID = head.Get("X-Scimgate-Exchange"), head.Get("X-Amzn-RequestId")
	r.RetryAfter, _ = strconv.Atoi(head.Get("Retry-After"))
	if strings.EqualFold(head.Get("Connection"), "close") {
		l.close()
	}
	return true
}
