package standin

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// What the zero Options stand for.
const (
	DefaultTenant = "11111111111-2222-3333-4444-555555555555" // in the form of AWS's documents
	DefaultToken  = "standin-token-for-tests-only"
)

// Options of a stand-in. The zero value is ready for use.
type Options struct {
	Tenant   string    // first segment of the path; empty means DefaultTenant
	Token    string    // empty means DefaultToken
	Switches Positions // those not at their default
	Rates    Rates
	Users    int              // invented users to begin with
	Groups   int              // invented groups to begin with, the users spread over them
	Now      func() time.Time // nil means time.Now
}

// Server is a stand-in. Its methods may be used by many goroutines at once.
type Server struct {
	tenant  string
	rates   Rates
	now     func() time.Time
	secret  [32]byte // of cursors
	http    http.Server
	faults  faults
	journal journal

	mu      sync.Mutex
	at      Positions // guarded by mu, as all below
	tokens  []string
	users   *shelf
	groups  *shelf
	seq     uint64
	buckets map[string]*bucket // by operation, at most one each
}

// New makes a stand-in. It panics on a switch or value that does not exist; check what
// comes from outside with Positions.Set.
func New(o Options) *Server {
	s := &Server{
		tenant: o.Tenant,
		tokens: []string{o.Token},
		rates:  Rates{Writes: o.Rates.Writes.or(25), Reads: o.Rates.Reads.or(40), Memberships: o.Rates.Memberships.or(250)},
		now:    o.Now,
		at:     Positions{},
		users:  newShelf(&users), groups: newShelf(&groups),
		buckets: map[string]*bucket{},
	}
	if s.tenant == "" {
		s.tenant = DefaultTenant
	}
	if o.Token == "" {
		s.tokens = []string{DefaultToken}
	}
	if s.now == nil {
		s.now = time.Now
	}
	for name, value := range o.Switches {
		if err := s.at.Set(name + "=" + value); err != nil {
			panic(err.Error())
		}
	}
	rand.Read(s.secret[:])
	s.http = http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	s.populate(o.Users, o.Groups)
	return s
}

// Switch moves a switch while the server is at work.
func (s *Server) Switch(name, value string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := maps.Clone(s.at)
	err := at.Set(name + "=" + value)
	s.at = at
	return err
}

// SetTokens replaces the tokens that are accepted: none, one, or two while one takes
// the place of the other (user guide, rotate-token).
func (s *Server) SetTokens(tokens ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens = slices.Clone(tokens)
}

// BaseURL is the URL that a client is given for a listener's address.
func (s *Server) BaseURL(addr net.Addr) string {
	return "http://" + addr.String() + "/" + s.tenant + "/scim/v2"
}

// Serve answers on a listener until Shutdown or Close, after which it returns nil. The
// listener is closed then.
func (s *Server) Serve(l net.Listener) error {
	if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Shutdown stops listening and waits for running requests, as long as ctx lives.
func (s *Server) Shutdown(ctx context.Context) error { return s.http.Shutdown(ctx) }

// Close stops at once.
func (s *Server) Close() error { return s.http.Close() }

// request is what a client asks for.
type request struct {
	head        *http.Request
	route       *route // nil if it names no operation
	fault       error  // why not
	id          string
	query       url.Values
	body        []byte
	memberships int // changes counted
}

// mostBytes bounds a body. AWS's bound is unknown; this is the figure that its
// ServiceProviderConfig has for bulk requests.
const mostBytes = 1 << 20

// ServeHTTP answers one request: receive, maybe a fault, perform, journal, write.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rq, err := receive(r)
	if err != nil {
		panic(http.ErrAbortHandler) // the client is gone
	}
	entry := Entry{Time: s.now(), Operation: rq.operation(), Method: r.Method, Target: r.RequestURI,
		Header: headers(r.Header), Body: without(bearer(r.Header), string(rq.body)), RequestID: uuid()}
	fault := s.faults.take(entry.Operation, r.RequestURI, rq.body)
	var out answer
	if fault.does() {
		out = s.perform(rq, entry.RequestID)
	}
	if fault != nil && fault.Hold != nil {
		select {
		case <-fault.Hold:
		case <-r.Context().Done():
		}
	}
	out = s.spoil(fault, out, entry.RequestID)
	hang := fault != nil && (fault.Act == HangUp || fault.Act == Reset)
	if !hang {
		entry.Status, entry.Answer = out.status, string(out.body)
	}
	entry.Memberships, entry.Injected = rq.memberships, fault != nil
	s.journal.add(entry)
	if hang {
		hangUp(w, fault.Act)
		return
	}
	write(w, out, entry.RequestID, fault)
}

// receive reads a request to its end. One that is too long is kept cut, which no
// operation accepts.
func receive(r *http.Request) (*request, error) {
	rq := &request{head: r}
	var err error
	if rq.body, err = io.ReadAll(io.LimitReader(r.Body, mostBytes+1)); err != nil {
		return nil, err
	}
	if len(rq.body) > mostBytes {
		rq.fault = refuse(400, "The body is too long")
	}
	rq.find(r.URL.EscapedPath())
	return rq, nil
}

func (rq *request) operation() Operation {
	if rq.route == nil {
		return ""
	}
	return rq.route.Operation
}

// perform carries a request out, all of it under the lock: requests take effect one
// after the other.
func (s *Server) perform(rq *request, requestID string) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.at.is("user-agent", "all") || s.at.is("user-agent", "patch") && rq.head.Method == http.MethodPatch {
		if rq.head.UserAgent() == "" && s.admit(rq) == nil {
			return answer{status: 403, body: []byte(`{"message":"Forbidden"}`)}
		}
	}
	out, err := s.carryOut(rq)
	var slow *throttled
	switch {
	case errors.As(err, &slow):
		return s.throttle(slow.wait, requestID)
	case err != nil:
		return s.refusal(err, requestID)
	}
	return out
}

func (s *Server) carryOut(rq *request) (answer, error) {
	if err := s.admit(rq); err != nil {
		return answer{}, err
	}
	if rq.route == nil {
		return answer{}, s.unrouted(rq)
	}
	if err := s.meter(rq.route.Operation, rq.route.write); err != nil {
		return answer{}, err
	}
	if rq.fault != nil {
		return answer{}, rq.fault
	}
	if err := s.parameters(rq); err != nil {
		return answer{}, err
	}
	if rq.route.body && !acceptable(rq.head.Header) {
		return answer{}, refuse(400, "Unknown media type")
	}
	return rq.route.run(s, rq)
}

// admit asks for the token and the tenant. A wrong tenant is answered as a bad token.
func (s *Server) admit(rq *request) error {
	token, known := bearer(rq.head.Header), false
	for _, t := range s.tokens {
		known = known || subtle.ConstantTimeCompare([]byte(t), []byte(token)) == 1
	}
	first, _, _ := strings.Cut(strings.TrimPrefix(rq.head.URL.EscapedPath(), "/"), "/")
	if token == "" || !known || first != s.tenant {
		return refuse(401, "")
	}
	return nil
}

// bearer returns the token of the one Authorization header, or nothing.
func bearer(h http.Header) string {
	values := h.Values("Authorization")
	if len(values) != 1 {
		return ""
	}
	token, ok := strings.CutPrefix(values[0], "Bearer ")
	if !ok {
		return ""
	}
	return token
}

// write sends an answer, or as much of it as a fault lets through.
func write(w http.ResponseWriter, out answer, requestID string, fault *Fault) {
	for name, values := range out.header {
		w.Header()[name] = values
	}
	if fault == nil || fault.Act != Reply {
		w.Header()["x-amzn-RequestId"] = []string{requestID}
		if len(out.body) > 0 {
			w.Header().Set("Content-Type", "application/json")
		}
	}
	if out.status != 204 && out.status != 304 {
		w.Header().Set("Content-Length", itoa(len(out.body)))
	}
	w.WriteHeader(out.status)
	if fault == nil || fault.Act != Cut || fault.Keep >= len(out.body) {
		w.Write(out.body) // the client may be gone; the journal has the answer
		return
	}
	w.Write(out.body[:max(fault.Keep, 0)])
	http.NewResponseController(w).Flush() // where that can't be done, the client gets nothing
	panic(http.ErrAbortHandler)
}
