package faulty

import (
	"bufio"
	"io"
	"net"
	"strings"
	"time"

	"github.com/scimgate/scimgate/bench/faults/message"
	"github.com/scimgate/scimgate/bench/faults/witness"
)

// Fault is one way in which an exchange goes wrong.
type Fault struct {
	Name   string
	Row    string // of the fault matrix
	Weight int    // in the mass run; 0 keeps it out
	Early  bool   // it strikes before the body is read
	Strike func(*Strike)
}

// Kind is which of the calls for a request a fault is for.
type Kind uint8

const (
	Any Kind = iota
	Write
	Read
)

// Order plans a fault for a client's request.
type Order struct {
	Fault *Fault
	Of    Kind
	Skip  int // calls of that kind that are spared first
	Times int // calls that it strikes then; 0 is one
	At    int // where a fault that has a place strikes
}

// Plan plans a fault for the calls with a tag, "*" for those with any.
func (u *Server) Plan(tag string, o Order) {
	o.Times = max(o.Times, 1)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.plans[tag] = append(u.plans[tag], &o)
}

// Forget drops what was planned and has not struck.
func (u *Server) Forget(tag string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.plans, tag)
}

// take finds the fault that strikes a request, or nil.
func (u *Server) take(e *entry) *Order {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, tag := range []string{e.Tag, "*"} {
		for _, o := range u.plans[tag] {
			switch {
			case o.Times == 0, o.Of == Write && !e.Write(), o.Of == Read && e.Write():
			case o.Skip > 0:
				o.Skip--
			default:
				o.Times--
				u.struck[o.Fault.Name]++
				return o
			}
		}
	}
	return nil
}

// Strike is a request on which a fault strikes.
type Strike struct {
	u     *Server
	conn  *net.TCPConn
	r     *bufio.Reader
	e     *entry
	head  message.Head
	body  string
	order Order
	over  bool // the connection is of no more use
	last  bool // the gateway has said that it closes it; that is waited for
}

// At is the place of the fault, from 0 to n.
func (k *Strike) At(n int) int { return k.order.At % (n + 1) }

// Method is that of the request.
func (k *Strike) Method() string { return k.e.Method }

// Used tells whether the connection has served another request before.
func (k *Strike) Used() bool { return k.e.OnConn > 1 }

// Elsewhere is the URL of the host that nobody may be redirected to.
func (k *Strike) Elsewhere() string { return "http://" + k.u.other.Addr().String() + Base + k.e.Path }

// Timeout is the gateway's.
func (k *Strike) Timeout() time.Duration { return k.u.settings.Timeout }

// Apply carries the request out and returns what a sound upstream would answer. What
// would be later than was promised isn't carried out, and has no answer.
func (k *Strike) Apply() Reply {
	if late := time.Since(k.e.Last); late > k.u.settings.Promise && k.u.settings.Promise > 0 {
		k.u.note(func() { k.e.Fault = "overdue" })
		k.Reset()
		return Reply{Status: 503}
	}
	return k.u.carryOut(k.e, k.head, k.body)
}

// Later carries the request out after a while, as one that is still at work on it.
func (k *Strike) Later(d time.Duration) {
	k.u.running.Add(1)
	go func() {
		defer k.u.running.Done()
		select {
		case <-time.After(d):
		case <-k.u.closing:
			return
		}
		if time.Since(k.e.Last) < k.u.settings.Promise {
			k.u.carryOut(k.e, k.head, k.body)
		}
	}()
}

// Whole sends a complete answer.
func (k *Strike) Whole(r Reply) { k.answer(r.Status, r.requestID(), witness.Whole, r.Bytes()) }

// Sends sends bytes that hold a complete answer, of which the status and id are those.
func (k *Strike) Sends(r Reply, bytes []byte) {
	k.answer(r.Status, r.requestID(), witness.Whole, bytes)
}

// Broken sends bytes that are no complete answer.
func (k *Strike) Broken(bytes []byte) { k.answer(0, "", witness.Broken, bytes) }

func (k *Strike) answer(status int, requestID string, what witness.Answer, bytes []byte) {
	if k.over {
		return
	}
	k.u.note(func() {
		k.e.Status, k.e.RequestID, k.e.Answer, k.e.Over = status, requestID, what, time.Now()
	})
	_ = k.conn.SetWriteDeadline(time.Now().Add(10 * time.Second))
	if _, err := k.conn.Write(bytes); err != nil { // the gateway has gone
		k.over = true
	}
}

// nothing notes that no answer will come.
func (k *Strike) nothing() {
	k.u.note(func() {
		if k.e.Over.IsZero() {
			k.e.Over = time.Now()
		}
	})
	k.over = true
}

// Reset ends the connection with a TCP reset.
func (k *Strike) Reset() {
	k.nothing()
	_ = k.conn.SetLinger(0)
	_ = k.conn.Close()
}

// End ends the connection in the usual way.
func (k *Strike) End() {
	k.nothing()
	_ = k.conn.CloseWrite()
	_ = k.conn.SetReadDeadline(time.Now().Add(time.Second))
	_, _ = io.Copy(io.Discard, k.r)
}

// Silent says nothing until the gateway gives up.
func (k *Strike) Silent() {
	k.nothing()
	_, _ = io.Copy(io.Discard, k.r)
}

// Trickle sends one byte at a time. The gateway may or may not wait for all of them.
func (k *Strike) Trickle(r Reply, pause time.Duration) {
	if k.over {
		return
	}
	bytes := r.Bytes()
	k.u.note(func() {
		k.e.Status, k.e.RequestID, k.e.Answer, k.e.Over = r.Status, r.requestID(), witness.Perhaps, time.Now()
	})
	for i := range bytes {
		if _, err := k.conn.Write(bytes[i : i+1]); err != nil {
			k.u.note(func() { k.e.Answer = witness.Broken })
			k.over = true
			return
		}
		if pause == 0 {
			continue
		}
		select {
		case <-time.After(pause):
		case <-k.u.closing:
			k.over = true
			return
		}
	}
}

// Endless sends the same bytes again and again until the gateway has enough.
func (k *Strike) Endless(begin, again string) {
	k.Broken([]byte(begin))
	chunk := []byte(strings.Repeat(again, max(1, 16<<10/len(again))))
	for !k.over {
		_ = k.conn.SetWriteDeadline(time.Now().Add(10 * time.Second))
		if _, err := k.conn.Write(chunk); err != nil {
			k.over = true
		}
	}
}

// Stray sends more bytes on the connection, behind an answer that was complete.
func (k *Strike) Stray(bytes []byte) {
	if _, err := k.conn.Write(bytes); err != nil {
		k.over = true
	}
}

// Behind sends more bytes on the connection, after a while; the answer before was
// complete.
func (k *Strike) Behind(d time.Duration, bytes []byte) {
	conn := k.conn
	k.u.running.Add(1)
	go func() {
		defer k.u.running.Done()
		select {
		case <-time.After(d):
			_, _ = conn.Write(bytes)
		case <-k.u.closing:
		}
	}()
}

// Refused closes the listener for a while, behind the back of this request, which is
// answered.
func (k *Strike) Refused(d time.Duration) {
	k.u.running.Add(1)
	go func() {
		defer k.u.running.Done()
		_ = k.u.Refuse(d) // whoever connects later finds out
	}()
}
