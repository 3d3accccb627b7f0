package redis

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Valve stands between one client and a server, and can be shut.
type Valve struct {
	Address string
	// Late is how long each answer is held, in nanoseconds.
	Late atomic.Int64

	listener net.Listener
	to       string
	all      sync.WaitGroup

	mu   sync.Mutex // guards following
	shut bool
	open []net.Conn
}

// Valve opens one in front of the server.
func (s *Server) Valve() (*Valve, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	v := &Valve{Address: l.Addr().String(), listener: l, to: s.Address}
	v.all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			v.join(c)
		}
	})
	return v, nil
}

// join carries what comes on a connection, unless the valve is shut.
func (v *Valve) join(c net.Conn) {
	up, err := net.Dial("tcp", v.to)
	v.mu.Lock()
	defer v.mu.Unlock()
	if err != nil || v.shut {
		_ = c.Close()
		if err == nil {
			_ = up.Close()
		}
		return
	}
	v.open = append(v.open, c, up)
	v.all.Go(func() { carry(up, c, func() {}) })
	v.all.Go(func() { carry(c, up, func() { time.Sleep(time.Duration(v.Late.Load())) }) })
}

// carry copies until one side ends, and waits before each write.
func carry(to, from net.Conn, wait func()) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		if wait(); n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// Turn opens or shuts the valve, which ends the connections.
func (v *Valve) Turn(shut bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.shut = shut; shut {
		for _, c := range v.open {
			_ = c.Close()
		}
		v.open = nil
	}
}

// Close ends it, with all that it carries.
func (v *Valve) Close() {
	_ = v.listener.Close()
	v.Turn(true)
	v.all.Wait()
}
