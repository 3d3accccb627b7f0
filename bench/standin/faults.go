package standin

import (
	"bytes"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Act is what a fault does to an exchange.
type Act uint8

const (
	Reply  Act = iota // answer with the fault's status, header and body
	Refuse            // answer with the fault's status and AWS's document for it; 429 as throttle-answer says
	HangUp            // close the connection without an answer
	Reset             // the same, with a TCP reset where the connection is TCP
	Cut               // carry out, promise the whole answer, send only Keep bytes of its body
	Pass              // carry out and answer as usual; for Hold
)

// When tells whether a request is carried out before a fault strikes.
type When uint8

const (
	Before When = iota // nothing happens in the store
	After              // it is done, only the answer goes wrong; always so for Cut and Pass
)

// Fault spoils the next requests that it matches. The zero value of a condition
// matches all.
type Fault struct {
	Operation Operation
	Contains  string // in the raw target or in the body
	Skip      int    // matching requests that are spared first
	Times     int    // matching requests that are spoiled; zero means one

	Act    Act
	When   When
	Status int         // of Reply and Refuse; zero means 500
	Header http.Header // of Reply
	Body   string      // of Reply; as it is, it need not be JSON
	Keep   int         // bytes of the body that Cut lets through

	// Hold, if not nil, must be closed or sent to before the answer goes out; a client
	// that gives up ends the wait too.
	Hold <-chan struct{}
}

// HTML is the answer of something in front of AWS that knows no SCIM.
func HTML(status int) Fault {
	return Fault{
		Status: status,
		Header: http.Header{"Content-Type": {"text/html"}},
		Body:   "<html><head><title>" + itoa(status) + " " + http.StatusText(status) + "</title></head><body></body></html>",
	}
}

// faults is what was injected and has not struck yet, in order of injection.
type faults struct {
	mu      sync.Mutex
	waiting []*Fault // guarded by mu
}

// Inject adds a fault; the first that matches a request strikes. The returned function
// tells how many requests it has yet to spoil.
func (s *Server) Inject(f Fault) (left func() int) {
	own := f
	own.Times = max(own.Times, 1)
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.waiting = append(s.faults.waiting, &own)
	return func() int {
		s.faults.mu.Lock()
		defer s.faults.mu.Unlock()
		return own.Times
	}
}

// take finds the fault that strikes a request, or nil.
func (f *faults) take(op Operation, target string, body []byte) *Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, fault := range f.waiting {
		if fault.Operation != "" && fault.Operation != op {
			continue
		}
		if !strings.Contains(target, fault.Contains) && !bytes.Contains(body, []byte(fault.Contains)) {
			continue
		}
		if fault.Skip > 0 {
			fault.Skip--
			continue
		}
		if fault.Times--; fault.Times == 0 {
			f.waiting = append(f.waiting[:i], f.waiting[i+1:]...)
		}
		return fault
	}
	return nil
}

// does tells whether the request is carried out all the same.
func (f *Fault) does() bool {
	return f == nil || f.When == After || f.Act == Cut || f.Act == Pass
}

// spoil turns the real answer, if there is one, into what the client gets.
func (s *Server) spoil(f *Fault, real answer, requestID string) answer {
	if f == nil || f.Act != Reply && f.Act != Refuse {
		return real
	}
	status := f.Status
	if status == 0 {
		status = 500
	}
	if f.Act == Reply {
		return answer{status: status, header: f.Header.Clone(), body: []byte(f.Body)}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if status == 429 {
		return s.throttle(time.Second, requestID)
	}
	return s.refusal(&refusal{status: status}, requestID)
}

// hangUp ends the connection. Where it can't be taken over, net/http is told to.
func hangUp(w http.ResponseWriter, act Act) {
	hijacker, ok := w.(http.Hijacker)
	if !ok {
		panic(http.ErrAbortHandler)
	}
	conn, _, err := hijacker.Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok && act == Reset {
		tcp.SetLinger(0) // an error leaves an ordinary close
	}
	conn.Close()
}
