package standin

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Entry is one request and its answer, in the order of completion.
type Entry struct {
	Seq         uint64 // 1, 2, 3 … over all requests, also those that were forgotten
	Time        time.Time
	Operation   Operation // empty if the request names none
	Method      string
	Target      string      // raw, as in the request line
	Header      http.Header // without Authorization; the token is taken out wherever it is
	Body        string
	Status      int // 0 if the connection was closed instead
	Answer      string
	RequestID   string // x-amzn-RequestId
	Memberships int    // membership changes counted against their quota
	Injected    bool   // a fault struck
}

// Bounds of the journal: the oldest entries go first.
const (
	journalEntries = 10_000
	journalBytes   = 32 << 20
)

// journal remembers the latest entries.
type journal struct {
	mu      sync.Mutex
	seq     uint64  // guarded by mu, as all below
	entries []Entry // oldest first
	size    int     // bytes of bodies
}

func (e *Entry) size() int { return len(e.Body) + len(e.Answer) + len(e.Target) }

func (j *journal) add(e Entry) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.seq++
	e.Seq = j.seq
	j.entries = append(j.entries, e)
	j.size += e.size()
	for len(j.entries) > journalEntries || j.size > journalBytes {
		j.size -= j.entries[0].size()
		j.entries[0] = Entry{}
		j.entries = j.entries[1:]
	}
}

// Journal returns the latest requests, oldest first: 10,000 at most, and no more than
// 32 MiB. Headers are shared with the server; leave them as they are.
func (s *Server) Journal() []Entry {
	s.journal.mu.Lock()
	defer s.journal.mu.Unlock()
	return slices.Clone(s.journal.entries)
}

// ForgetJournal empties the journal; the sequence goes on.
func (s *Server) ForgetJournal() {
	s.journal.mu.Lock()
	defer s.journal.mu.Unlock()
	s.journal.entries, s.journal.size = nil, 0
}

// headers copies a header without credentials.
func headers(in http.Header) http.Header {
	token := bearer(in)
	out := in.Clone()
	for _, name := range []string{"Authorization", "Proxy-Authorization", "Cookie"} {
		out.Del(name)
	}
	for _, values := range out {
		for i := range values {
			values[i] = without(token, values[i])
		}
	}
	return out
}

// without takes a token out of a text.
func without(token, text string) string {
	if token == "" {
		return text
	}
	return strings.ReplaceAll(text, token, "•••")
}
