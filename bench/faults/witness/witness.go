// Package witness is what the witnesses of one run tell, as plain data: the upstream of
// every request that reached it, the clients of every request that they sent, and the
// audit log of the gateway between them. Package judge holds them against each other.
//
// The upstream and the clients are in one process, so their times compare exactly. Of
// the log they note how long it was at a moment, so that what stood in it can be told
// without a clock.
package witness

import (
	"strings"
	"time"
)

// Answer is what of an answer left the upstream.
type Answer uint8

const (
	None    Answer = iota // nothing, or a part of which nobody can make anything
	Broken                // bytes, but no complete and valid answer
	Whole                 // one complete answer
	Perhaps               // a complete answer so slowly that the gateway may have given up
)

// Seen is one request that reached the upstream.
type Seen struct {
	Conn, OnConn int       // which connection, which request on it from 1
	First, Last  time.Time // first and last byte read; Last is zero while it isn't whole
	Method       string
	Path         string   // with the query, below the Base URL
	Fields       []string // names of the headers
	Tag          string   // by which the client marked its request, from the User-Agent
	Body         string
	Whole        bool   // all of it was read
	Flaw         string // what is wrong with its bytes, "" for nothing
	LogAt        int64  // length of the audit log at First

	Resource string    // "Users/ID"; of a create what must be unique, "user name" or "group name"
	Did      time.Time // when the store carried it out; zero if it never did
	Made     string    // the resource that a create made
	State    State     // of the resource, when it was carried out

	Fault     string // that struck it, "" for none
	Status    int    // that was sent, 0 for none
	RequestID string
	Answer    Answer
	Over      time.Time // before the end of the answer was sent, or the fault struck
}

// Write tells whether it would change something.
func (s *Seen) Write() bool { return s.Method != "GET" && s.Method != "" }

// State is what the checks need of a resource.
type State struct {
	Gone    bool
	Active  bool
	Title   string // of a user
	Name    string // userName or displayName
	Members []string
}

// Wish is what a client asked for; what is left zero it didn't ask for.
type Wish struct {
	Resource string // "Users/ID", "" of a create
	Create   bool
	Gone     bool // it deletes
	Active   *bool
	Title    string
	Name     string
	Members  []string // exactly these
	Exactly  bool     // Members counts
	Add      []string
	Remove   []string
}

// Holds tells whether a state is as it was asked for.
func (w *Wish) Holds(s State) bool {
	if w.Gone || s.Gone {
		return w.Gone && s.Gone
	}
	if w.Active != nil && *w.Active != s.Active || w.Title != "" && w.Title != s.Title || w.Name != "" && !strings.EqualFold(w.Name, s.Name) {
		return false
	}
	if w.Exactly && !sameSet(w.Members, s.Members) {
		return false
	}
	have := map[string]bool{}
	for _, id := range s.Members {
		have[id] = true
	}
	for _, id := range w.Add {
		if !have[id] {
			return false
		}
	}
	for _, id := range w.Remove {
		if have[id] {
			return false
		}
	}
	return true
}

func sameSet(a, b []string) bool {
	in := map[string]bool{}
	for _, id := range a {
		in[id] = true
	}
	seen := map[string]bool{}
	for _, id := range b {
		if !in[id] {
			return false
		}
		seen[id] = true
	}
	return len(seen) == len(in)
}

// Asked is one request of a client, and what it was told.
type Asked struct {
	Tag     string // unique
	Logical string // the same for all attempts at one thing
	Client  int
	Method  string
	Path    string // with the query, below the Base URL
	Body    string
	Wish    *Wish // of a write, or nil
	Junk    bool  // nothing of it may reach the upstream
	Fault   string
	Parts   int // pieces in which it was sent

	Began, Sent time.Time // before the first byte, after the last; Sent is zero if the client stopped in between
	Answered    time.Time // first byte of the answer; zero if there was none
	LogAt       int64     // length of the audit log then
	Status      int
	Exchange    string
	RequestID   string // of AWS
	RetryAfter  int    // seconds, 0 if it was not told
	Answer      string // body
	Flaw        string // what is wrong with the answer's bytes
	Left        bool   // the client went before it was answered
}

// Write tells whether it would change something.
func (a *Asked) Write() bool { return a.Method != "GET" && !strings.HasSuffix(a.Path, "/.search") }

// OK tells whether the client was told that it is done.
func (a *Asked) OK() bool { return a.Status/100 == 2 }

// Rate is a pace that was set.
type Rate struct {
	PerSecond float64
	Burst     int
}

// History is everything that is known of one run.
type History struct {
	Seen    []Seen  // in the order of their first bytes
	Asked   []Asked // in the order in which they began
	Log     []Line
	Key     []byte // of the log's digests
	Leavers Leavers
	Final   map[string]State // of every resource
	Counted int              // requests by the gateway's own metrics, -1 if they weren't asked

	Settle        time.Duration // as the gateway was told
	Reads, Writes Rate
	Token         string
	Poison        string // an id that stands in nothing but answers that nobody asked for
}

// Bool is for [Wish].
func Bool(b bool) *bool { return &b }
