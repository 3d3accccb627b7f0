// Package upstream carries one call to the SCIM endpoint of AWS IAM Identity
// Center and says what is known of it afterwards: not sent, unknown, refused or
// done.
//
// It never repeats a call, follows no redirect and waits for no budget; who wants
// a second try asks for one. A connection serves another call only if the last
// answer was complete and nothing has arrived since.
//
// fasthttp's HostClient is not used, since its pool shows neither the bytes that
// a connection has written nor those that it still holds: a call that provably
// wasn't sent would look like a lost one, and a late byte would become the answer
// to the next call.
//
// Begin with [Client.Send]; the rules of framing are in head.go.
package upstream

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/scimgate/scimgate/proxy/room"
	"github.com/scimgate/scimgate/rules/scim"
)

// Call is one request to the upstream. The client sends nothing else of it than
// what is here: no header is passed through.
type Call struct {
	Method        string // GET, POST, PUT, PATCH or DELETE
	URI           string // path and query below the Base URL, encoded, sent as it is: "/Users?count=1"
	Authorization []byte // the bearer token, without its scheme
	UserAgent     string // "" = scimgate; AWS refuses a PATCH without one (Ping Identity connector changelog 1.1.0.3)
	Body          []byte // JSON, or nil; not changed, not kept
	Write         bool   // it changes something: a 2xx must prove that it did
	Of            string // who asks, where several share the connections; they get equal parts
	Revokes       bool   // it takes access away: it has a connection before all that doesn't
	ID            string // of the resource that a 2xx has to show, if it shows one; "" of a list or a create
	IfMatch       string // conditions of a client for a plain store (RFC 7644 §3.14); "" = none
	IfNoneMatch   string
	Fit           func(n int) error // asked before n bytes of the answer's body are held; nil = there is room
	Leaves        func() error      // asked right before the first byte leaves; its error says that it may not any more. nil = it may
	Name          string            // userName or displayName of the resource that a create's 2xx has to show; "" if it isn't one
}

// Client sends calls to one Base URL. It is safe for use by many goroutines and
// starts none. Connections wait in a stack, so that few are kept warm.
type Client struct {
	settings Settings
	place    place
	trust    *tls.Config // nil = plain HTTP
	slots    *room.Room  // one for each open call: MaxConns
	requests sync.Pool   // *[]byte

	mu      sync.Mutex // guards following
	idle    []*conn    // the longest unused first
	busy    map[*conn]struct{}
	closed  bool
	aborted bool
}

// ErrNotTried is of a call that was not even tried, for a reason that has nothing to do
// with the upstream: it can't be written, its deadline has passed, or there is no
// connection to spare.
var ErrNotTried = errors.New("the call was not tried")

var errClosed = errors.Join(ErrNotTried, errors.New("the client is closed"))

// New makes a client and reads the CAFile. It doesn't connect.
func New(s Settings) (*Client, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	s = s.withDefaults()
	p, err := s.place()
	if err != nil {
		return nil, err
	}
	trust, err := s.trust(p)
	if err != nil {
		return nil, err
	}
	return &Client{settings: s, place: p, trust: trust, slots: room.New(int64(s.MaxConns), s.Timeout, s.manner()), busy: map[*conn]struct{}{}}, nil
}

// Send carries out one call on the caller's goroutine, until by or the Timeout.
//
// The error is nil if and only if the outcome is [scim.Done] or
// [scim.UpstreamError]; only then the response means anything. [scim.NotSent]
// is proved by counting the bytes of the call that the kernel has taken: none.
func (c *Client) Send(call Call, by time.Time) (scim.Response, scim.Outcome, error) {
	if err := call.check(); err != nil {
		return scim.Response{}, scim.NotSent, errors.Join(ErrNotTried, err)
	}
	now := time.Now()
	if latest := now.Add(c.settings.Timeout); by.After(latest) {
		by = latest
	}
	if !by.After(now) {
		return scim.Response{}, scim.NotSent, errors.Join(ErrNotTried, errors.New("cannot send: the deadline has passed"))
	}
	slot := room.Ask{N: 1, Of: call.Of, Revokes: call.Revokes}
	if !c.slots.Take(slot, by) {
		return scim.Response{}, scim.NotSent, fmt.Errorf("%w: all %d connections were busy until the deadline", ErrNotTried, c.settings.MaxConns)
	}
	defer c.slots.Give(slot)
	var k *conn
	var err error
	if c.alone(&call) {
		k, err = c.fresh(now, by)
	} else {
		k, err = c.connection(now, by)
	}
	if err == nil {
		err = c.occupy(k)
	}
	if err != nil {
		return scim.Response{}, scim.NotSent, err
	}
	resp, outcome, err := c.exchange(k, call, by)
	c.release(k)
	if outcome == scim.Unknown {
		k.abandon()
	} else if err != nil || c.alone(&call) || !k.settled() {
		k.close()
	} else {
		c.keep(k)
	}
	return resp, outcome, err
}

// occupy makes a connection one that Abort ends.
func (c *Client) occupy(k *conn) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.aborted {
		k.close()
		return errClosed
	}
	c.busy[k] = struct{}{}
	return nil
}

func (c *Client) release(k *conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.busy, k)
}

// alone tells whether a call has a connection of its own.
func (c *Client) alone(call *Call) bool {
	return (call.Write || call.ID == "") && c.settings.Reuse != "all" // a list shows nothing that it could be told by
}

// fresh is a new connection, on which nothing can have arrived.
func (c *Client) fresh(now, by time.Time) (*conn, error) {
	c.mu.Lock()
	closed := c.closed
	c.mu.Unlock()
	if closed {
		return nil, errClosed
	}
	return c.dial(now, by)
}

// connection returns an idle connection on which nothing has arrived, else a new one.
func (c *Client) connection(now, by time.Time) (*conn, error) {
	for {
		k, err := c.pop(now)
		if err != nil {
			return nil, err
		}
		if k == nil {
			return c.dial(now, by)
		}
		if k.quiet() {
			return k, nil
		}
		k.close()
	}
}

// pop takes the connection that was used last, and closes those that were unused
// for too long. nil: there is none.
func (c *Client) pop(now time.Time) (*conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, errClosed
	}
	stale := 0
	for stale < len(c.idle) && now.Sub(c.idle[stale].used) >= c.settings.IdleTimeout {
		c.idle[stale].close()
		stale++
	}
	if stale > 0 {
		n := copy(c.idle, c.idle[stale:])
		clear(c.idle[n:])
		c.idle = c.idle[:n]
	}
	last := len(c.idle) - 1
	if last < 0 {
		return nil, nil
	}
	k := c.idle[last]
	c.idle[last], c.idle = nil, c.idle[:last]
	return k, nil
}

// keep puts a connection back whose last answer was read to its end.
func (c *Client) keep(k *conn) {
	k.used = time.Now()
	c.mu.Lock()
	closed := c.closed || k.used.Sub(k.born) >= maxAge
	if !closed {
		c.idle = append(c.idle, k)
	}
	c.mu.Unlock()
	if closed {
		k.close()
	}
}

// Close closes the idle connections now, and those in use after their call.
// Further calls are not sent.
func (c *Client) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for _, k := range c.idle {
		k.close()
	}
	c.idle = nil
}

// Abort closes all connections now: calls under way end without an answer.
func (c *Client) Abort() {
	c.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.aborted = true
	for k := range c.busy {
		k.abandon()
	}
}

// cannotReach tells a name that doesn't resolve from a host that doesn't answer.
func (c *Client) cannotReach(err error) error {
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return fmt.Errorf("cannot find %s: %w", c.place.name, err)
	}
	return fmt.Errorf("cannot connect to %s: %w", c.place.address, err)
}
