// Package faulty is an upstream that goes wrong on purpose. It speaks HTTP/1.1 over raw
// sockets with a parser and a writer of its own, so that every byte is its to spoil; what
// is sound is carried out by the stand-in for AWS, in process. It keeps a journal of
// every request that it has read: when, what, whether it was carried out, what was sent
// back.
//
// A fault strikes the request of a client that it was planned for: clients mark each of
// their requests in the User-Agent, which the gateway passes on. Begin with [Listen];
// table.go has the faults.
package faulty

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/scimgate/scimgate/bench/faults/message"
	"github.com/scimgate/scimgate/bench/faults/witness"
	"github.com/scimgate/scimgate/bench/standin"
)

// Settings of an upstream.
type Settings struct {
	Store *standin.Server // whose tenant and token are the defaults
	Log   string          // the gateway's audit log, whose length is noted; "" for none
	// Timeout is the gateway's; what is to be late is carried out behind it.
	Timeout time.Duration
	// Promise is how long after its last byte a request may still be carried out, at most:
	// the gateway leaves a resource alone for so long.
	Promise time.Duration
}

// Server is an upstream. Its methods may be used by many goroutines at once.
type Server struct {
	settings Settings
	address  string
	other    net.Listener // the host that nobody may be redirected to
	closing  chan struct{}
	close    sync.Once
	running  sync.WaitGroup

	store sync.Mutex // held while a request is carried out and its state is noted

	mu        sync.Mutex // guards following
	listener  net.Listener
	conns     map[*net.TCPConn]bool // whether it is idle
	born      int
	entries   []*entry
	news      chan struct{} // closed and made anew at each change of the journal
	plans     map[string][]*Order
	struck    map[string]int
	elsewhere int
}

// entry is one request in the journal.
type entry struct {
	witness.Seen
	mark witness.Mark
}

// Base is the path of the upstream's Base URL.
const Base = "/" + standin.DefaultTenant + "/scim/v2"

// Listen starts an upstream on a port of its own.
func Listen(s Settings) (*Server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("cannot listen: %w", err)
	}
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cannot listen: %w", err), l.Close())
	}
	u := &Server{
		settings: s, address: l.Addr().String(), other: other, listener: l, closing: make(chan struct{}),
		conns: map[*net.TCPConn]bool{}, news: make(chan struct{}), plans: map[string][]*Order{}, struck: map[string]int{},
	}
	u.running.Add(2)
	go u.accept(l)
	go u.count()
	return u, nil
}

// URL is the Base URL.
func (u *Server) URL() string { return "http://" + u.address + Base }

// accept serves the connections of a listener.
func (u *Server) accept(l net.Listener) {
	defer u.running.Done()
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		conn := c.(*net.TCPConn)
		u.mu.Lock()
		u.born++
		number := u.born
		u.conns[conn] = true
		u.mu.Unlock()
		u.running.Add(1)
		go func() {
			defer u.running.Done()
			u.serve(conn, number)
			_ = conn.Close()
			u.mu.Lock()
			delete(u.conns, conn)
			u.mu.Unlock()
		}()
	}
}

// count takes in who comes to the other host.
func (u *Server) count() {
	defer u.running.Done()
	for {
		c, err := u.other.Accept()
		if err != nil {
			return
		}
		_ = c.Close()
		u.mu.Lock()
		u.elsewhere++
		u.mu.Unlock()
	}
}

// Elsewhere is how many connections came to the host that redirections name.
func (u *Server) Elsewhere() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.elsewhere
}

// Connections is how many the gateway has opened so far.
func (u *Server) Connections() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.born
}

// Open is how many the gateway has open now.
func (u *Server) Open() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.conns)
}

// serve reads one request after the other.
func (u *Server) serve(conn *net.TCPConn, number int) {
	r := bufio.NewReaderSize(conn, 32<<10)
	last := false
	for n := 1; ; n++ {
		if _, err := r.Peek(1); err != nil {
			return
		}
		u.mu.Lock()
		u.conns[conn] = false
		u.mu.Unlock()
		e := &entry{Seen: witness.Seen{Conn: number, OnConn: n, First: time.Now()}}
		if u.settings.Log != "" {
			e.mark = witness.Look(u.settings.Log)
		}
		u.note(func() { u.entries = append(u.entries, e) })
		k := &Strike{u: u, conn: conn, r: r, e: e, last: last}
		if !k.request() || k.over {
			return
		}
		last = k.last
		u.mu.Lock()
		u.conns[conn] = true
		u.mu.Unlock()
	}
}

// note changes the journal.
func (u *Server) note(change func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	change()
	close(u.news)
	u.news = make(chan struct{})
}

// request reads a request and answers it; false says that the connection is of no more
// use.
func (k *Strike) request() bool {
	head, err := message.ReadHead(k.r)
	if err != nil {
		return k.unsound(err)
	}
	method, target, err := head.Request()
	if err != nil {
		return k.unsound(err)
	}
	k.head = head
	agent := head.Get("User-Agent")
	k.u.note(func() {
		k.e.Method, k.e.Path = method, strings.TrimPrefix(target, Base)
		for _, f := range head.Fields {
			k.e.Fields = append(k.e.Fields, f.Name)
		}
		k.e.Tag = agent[strings.LastIndexByte(agent, ' ')+1:]
		k.e.Resource = resourceOf(method, k.e.Path)
		if !strings.HasPrefix(target, Base+"/") {
			k.e.Flaw = "its path is not below the Base URL"
		}
		if k.last {
			k.e.Flaw = "it comes on a connection that was to end with the request before"
		}
		switch head.Get("Connection") {
		case "":
		case "close":
			k.last = true
		default:
			k.e.Flaw = "its Connection is not close"
		}
	})
	order := k.u.take(k.e)
	if order != nil {
		k.order = *order
		k.u.note(func() { k.e.Fault = order.Fault.Name })
		if order.Fault.Early {
			order.Fault.Strike(k)
			return !k.over
		}
	}
	if !k.ReadBody() {
		return false
	}
	if order != nil {
		order.Fault.Strike(k)
		return !k.over
	}
	k.Whole(k.Apply())
	return true
}

// unsound notes what the gateway should never have sent. A connection that just ends is
// not whole, which is no flaw.
func (k *Strike) unsound(err error) bool {
	var flaw *message.Flaw
	if errors.As(err, &flaw) {
		k.u.note(func() { k.e.Flaw = flaw.Why })
	}
	return false
}

// ReadBody reads the rest of the request.
func (k *Strike) ReadBody() bool {
	body, err := k.head.ReadBody(k.r)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return k.unsound(err)
	}
	k.u.note(func() {
		k.e.Body, k.e.Whole = body, err == nil
		if err == nil {
			k.e.Last = time.Now()
			k.body = body
		}
		if k.e.Method == "POST" {
			k.e.Resource = uniqueOf(k.e.Path, body)
		}
	})
	return err == nil
}

// Refuse closes the listener and all idle connections for a while: whoever connects
// is refused.
func (u *Server) Refuse(d time.Duration) error {
	u.mu.Lock()
	l := u.listener
	u.listener = nil
	for conn, idle := range u.conns {
		if idle {
			_ = conn.Close()
		}
	}
	u.mu.Unlock()
	if l == nil { // it is refusing already
		return nil
	}
	_ = l.Close()
	select {
	case <-time.After(d):
	case <-u.closing:
		return nil
	}
	for try := 0; ; try++ {
		again, err := net.Listen("tcp", u.address)
		if err != nil && try < 100 { // somebody's connection may have had the port
			time.Sleep(10 * time.Millisecond)
			continue
		}
		if err != nil {
			return fmt.Errorf("cannot listen again: %w", err)
		}
		u.mu.Lock()
		u.listener = again
		u.mu.Unlock()
		u.running.Add(1)
		go u.accept(again)
		return nil
	}
}

// Close ends everything, and waits for it.
func (u *Server) Close() {
	u.close.Do(func() { close(u.closing) })
	u.mu.Lock()
	l := u.listener
	for conn := range u.conns {
		_ = conn.Close()
	}
	u.mu.Unlock()
	if l != nil {
		_ = l.Close()
	}
	_ = u.other.Close()
	u.running.Wait()
}
