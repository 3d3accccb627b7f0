package scim

import (
	"fmt"
	"time"
)

// Request is one call to the upstream, as a plan asks for it. Method, path and
// query follow from the Target; nothing of a client's URL or head is in it.
type Request struct {
	Target Target
	Body   []byte // JSON, or nil; owned by the call until it has ended

	// Memberships counts the membership changes in Body. AWS meters them apart
	// from requests (IAM Identity Center user guide, quotas).
	Memberships int
	// Revokes tells that the call takes access away (active: false, a removal
	// of members, a DELETE): it goes before what gives access.
	Revokes bool

	// Loses is how many people, or of a group that is deleted how many members, lose
	// something by the call, as far as is known; guards count them.
	Loses int

	// Holds is how many bytes the plan keeps of earlier answers, at least: nothing is sent
	// if there is no room for them.
	Holds int

	// For the record of the call: the name of what has no document, paths that it sets or clears, and the ids of
	// the members that it adds and removes.
	Name                  string
	Attrs, Added, Removed []string
	Basis                 string // hash of the members that a change of members was made for, "" if none were read
}

// Response is a complete, well-framed answer of the upstream.
type Response struct {
	Status      int           // HTTP
	Body        []byte        // owned by the receiver; nil if empty. JSON for every 2xx that has a body
	RequestID   string        // x-amzn-RequestId, "" if none
	ContentType string        // as it came, "" if there was none
	ETag        string        // as it came, "" if there was none; AWS sends none
	Location    string        // likewise
	RetryAfter  time.Duration // from Retry-After, at most 300 s; 0 if there was none that could be read
}

// OK tells whether the upstream says that it did what was asked.
func (r Response) OK() bool { return r.Status >= 200 && r.Status < 300 }

// Outcome is what is known of a call when it has ended. The order is that of
// certainty; the zero value claims nothing.
type Outcome uint8

const (
	Unknown       Outcome = iota // bytes left, no complete valid answer came: it may have happened
	NotSent                      // proved: no byte left
	UpstreamError                // a complete answer that is not a 2xx
	Done                         // a complete 2xx
)

// String is the word of the audit record.
func (o Outcome) String() string {
	return [...]string{"unknown", "not_sent", "upstream_error", "ok"}[o]
}

// Reason says why a call has no usable answer.
type Reason uint8

const (
	PacedOut     Reason = iota + 1 // no budget before the deadline; nothing was sent
	NotRecorded                    // the intent could not be made durable; nothing was sent
	Fenced                         // another gateway is the one that writes, or was a moment ago; nothing was sent
	Held                           // a guard against accidents holds it back; nothing was sent
	Unshown                        // the upstream's lists don't show yet what is needed of them
	Unborn                         // the upstream doesn't show yet what it has just made
	NoRoom                         // the upstream has answered a read, and there was no memory for it
	Unsent                         // no byte reached the upstream
	Lost                           // sent, and no complete valid answer: it may have happened
	DoneUnlogged                   // answered by the upstream, but the outcome could not be made durable
)

// CallError is why a call has no usable answer, and whether anything may have
// happened. It is the only error that a Do returns.
type CallError struct {
	Reason     Reason
	RetryAfter time.Duration // when a repeat makes sense; 0 if nothing better is known
	Err        error         // for the operator's log, never for the client
}

func (e *CallError) Error() string {
	words := [...]string{
		PacedOut:     "the call would wait for its budget beyond the deadline",
		NotRecorded:  "cannot record the intent",
		Fenced:       "this gateway may not send it now",
		Held:         "a guard holds it back",
		Unshown:      "the upstream's lists are not to be relied on now",
		Unborn:       "the upstream does not show yet what it has just made",
		NoRoom:       "no memory for the upstream's answer",
		Unsent:       "cannot reach the upstream",
		Lost:         "no complete answer from the upstream",
		DoneUnlogged: "cannot record the outcome",
	}
	if e.Err == nil {
		return words[e.Reason]
	}
	return fmt.Sprintf("%s: %v", words[e.Reason], e.Err)
}

func (e *CallError) Unwrap() error { return e.Err }

// MayHaveHappened tells whether the upstream may have acted on the call.
func (e *CallError) MayHaveHappened() bool { return e.Reason >= Lost }
