package audit

import (
	"encoding/hex"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/scimgate/scimgate/rules/scim"
)

// Kind says what a record tells.
type Kind string

// The kinds of record.
const (
	KindIntent     Kind = "intent"     // a write that is about to be sent to AWS
	KindOutcome    Kind = "outcome"    // what became of it
	KindRefusal    Kind = "refusal"    // a request that was not forwarded
	KindAnswer     Kind = "answer"     // what the client is told
	KindCheckpoint Kind = "checkpoint" // of the record before it, signed
	KindGap        Kind = "gap"        // something is missing here; the findings say what
	KindNotice     Kind = "notice"     // of the gateway itself; Event names it
)

// Events of notices, gaps and outcomes. Others may be given to [Journal.Notice].
const (
	EventStart      = "start"       // written by Open
	EventShutdown   = "shutdown"    // written by Close; of an outcome: the call was still out
	EventPanic      = "panic"       // a fault of the gateway
	EventConfig     = "config"      // another configuration is in force, or was refused
	EventClockJump  = "clock_jump"  // the wall clock went back by more than a second
	EventKeyMade    = "key_made"    // a new key: digests don't join with those before
	EventCrash      = "crash"       // of an outcome: the process ended while the call was out
	EventClientGone = "client_gone" // of an answer: the client had closed its connection, or its sending half
	EventTorn       = "torn"        // of a gap: bytes before it are no whole records
	EventMissing    = "missing"     // of a gap: the file that was written was taken away while the process was stopped
	EventDropped    = "dropped"     // of a gap: records of reads that found no room
	EventFault      = "fault"       // of a gap, the first record of a segment: the one before ended in a fault, and what it holds behind the record before this one doesn't count; of an outcome: it could not be recorded
	EventRetired    = "retired"     // segments were deleted by their number; the findings name their last record
	EventReopened   = "reopened"    // the first record after Reopen
	EventAdmin      = "admin"       // of a refusal: by the admin listener; the findings say what for
	EventTakenUp    = "taken_up"    // what the start before it found of deactivations that were cut off is on the list of open ones
	EventHeld       = "held"        // of an answer that could not be put on the list of open deactivations: a guard holds it
	EventWriter     = "writer"      // what this gateway is among several: the findings say writing, standby or unsure
	EventDegraded   = "degraded"    // this gateway goes on alone, since Redis can't be reached; of an intent: so it was sent
	EventFenced     = "fenced"      // of an outcome: another gateway had taken over before the first byte left
	EventSettled    = "settled"     // what AWS shows of a write whose outcome was unknown: ok, not_done, or unknown for good
)

// Record is one line of the log. Fields keep order and name for ever; new ones go
// before Prev. It holds no token and no value but the identifying ones, unless the
// policy says so. Texts longer than 16 KiB, lists of more than 1,000 and their
// elements of more than 256 bytes are cut, visibly.
type Record struct {
	V        int       `json:"v"`                  // 1
	Seq      uint64    `json:"seq"`                // 1, 2, 3 … over files and restarts
	Time     time.Time `json:"time"`               // UTC, microseconds; informs, does not order
	Kind     Kind      `json:"kind"`               // intent, outcome, refusal, answer, checkpoint, gap, notice
	Event    string    `json:"event,omitempty"`    // of a notice: start, shutdown, panic, config, clock_jump …
	Exchange string    `json:"exchange,omitempty"` // ULID; the same in logs and error details
	Call     int       `json:"call,omitempty"`     // 1, 2 … within the exchange
	Tenant   string    `json:"tenant,omitempty"`   // name in the configuration
	Actor    string    `json:"actor,omitempty"`    // keyed digest of the client's token, or its configured name
	Client   string    `json:"client,omitempty"`   // address
	Op       string    `json:"op,omitempty"`       // patchGroup
	Method   string    `json:"method,omitempty"`   // HTTP, as sent to AWS
	Path     string    `json:"path,omitempty"`     // below the base URL, as sent to AWS
	Resource string    `json:"resource,omitempty"` // Groups/9067…
	Name     string    `json:"name,omitempty"`     // userName or displayName; Ext beside it is the externalId
	Ext      string    `json:"ext,omitempty"`
	Attrs    []string  `json:"attrs,omitempty"` // paths that the write sets or clears
	Added    []string  `json:"added,omitempty"` // member ids
	Removed  []string  `json:"removed,omitempty"`
	Sent     string    `json:"sent,omitempty"`     // keyed digest (HMAC-SHA-256) of the body sent to AWS, hex
	Findings []string  `json:"findings,omitempty"` // "SG304 repair displayName"
	Outcome  string    `json:"outcome,omitempty"`  // ok, upstream_error, not_sent, unknown
	Status   int       `json:"status,omitempty"`   // HTTP, of AWS
	Reply    int       `json:"reply,omitempty"`    // HTTP, to the client
	AWSID    string    `json:"awsRequestId,omitempty"`
	AWS      string    `json:"awsDetail,omitempty"`
	Wait     int64     `json:"wait_us,omitempty"` // for lane and budget
	Micros   int64     `json:"us,omitempty"`      // first byte out to last byte in
	Config   string    `json:"config"`            // SHA-256 of the configuration, 16 hex digits
	Revokes  bool      `json:"revokes,omitempty"` // of an intent: it takes access away; of an answer: so it was to, and the list of open deactivations could not take it
	Key      string    `json:"key,omitempty"`     // of a checkpoint: see Checkpoint
	Sig      string    `json:"sig,omitempty"`     // of a checkpoint: Ed25519, base64
	Grants   bool      `json:"grants,omitempty"`  // of a write and its outcome: it activates a user
	Fence    uint64    `json:"fence,omitempty"`   // of an intent: the number of the lease under which the write is sent, if there are several gateways; a higher one is later, in whichever log
	Basis    string    `json:"basis,omitempty"`   // of a change of members that was made for those that a group had: SHA-256 of their ids, sorted, with LF between, its first 16 hex digits
	Prev     string    `json:"prev"`              // SHA-256 of the bytes of the line before, without LF, hex; 64 zeros in the first
}

// Bounds of a record, so that a line is bounded: a request line has at most
// 16 KiB, and AWS takes 100 membership changes in a call.
const (
	maxText    = 16 << 10 // bytes of a text, before escaping
	maxList    = 1000     // elements
	maxElement = 256      // bytes of an element, before escaping
	maxLine    = 8 << 20  // of a line that is read; a written one is below it by these bounds
)

// layout has a fixed width, so that lines sort and columns stand.
const layout = "2006-01-02T15:04:05.000000Z"

// AppendLine writes the record as one JSON object, without a line break.
func (r *Record) AppendLine(dst []byte) []byte {
	dst = append(r.appendFields(dst), `,"prev":`...)
	return append(scim.AppendString(dst, r.Prev), '}')
}

// appendChained writes the record with a link instead of its Prev.
func (r *Record) appendChained(dst []byte, prev *[32]byte) []byte {
	dst = append(r.appendFields(dst), `,"prev":"`...)
	dst = hex.AppendEncode(dst, prev[:])
	return append(dst, `"}`...)
}

func (r *Record) appendFields(dst []byte) []byte {
	dst = append(dst, `{"v":`...)
	dst = strconv.AppendInt(dst, int64(r.V), 10)
	dst = append(dst, `,"seq":`...)
	dst = strconv.AppendUint(dst, r.Seq, 10)
	dst = append(dst, `,"time":"`...)
	dst = r.Time.UTC().AppendFormat(dst, layout)
	dst = append(dst, `","kind":`...)
	dst = scim.AppendString(dst, string(r.Kind))
	dst = appendText(dst, `,"event":`, r.Event)
	dst = appendText(dst, `,"exchange":`, r.Exchange)
	dst = appendNumber(dst, `,"call":`, int64(r.Call))
	dst = appendText(dst, `,"tenant":`, r.Tenant)
	dst = appendText(dst, `,"actor":`, r.Actor)
	dst = appendText(dst, `,"client":`, r.Client)
	dst = appendText(dst, `,"op":`, r.Op)
	dst = appendText(dst, `,"method":`, r.Method)
	dst = appendText(dst, `,"path":`, r.Path)
	dst = appendText(dst, `,"resource":`, r.Resource)
	dst = appendText(dst, `,"name":`, r.Name)
	dst = appendText(dst, `,"ext":`, r.Ext)
	dst = appendList(dst, `,"attrs":`, r.Attrs)
	dst = appendList(dst, `,"added":`, r.Added)
	dst = appendList(dst, `,"removed":`, r.Removed)
	dst = appendText(dst, `,"sent":`, r.Sent)
	dst = appendList(dst, `,"findings":`, r.Findings)
	dst = appendText(dst, `,"outcome":`, r.Outcome)
	dst = appendNumber(dst, `,"status":`, int64(r.Status))
	dst = appendNumber(dst, `,"reply":`, int64(r.Reply))
	dst = appendText(dst, `,"awsRequestId":`, r.AWSID)
	dst = appendText(dst, `,"awsDetail":`, r.AWS)
	dst = appendNumber(dst, `,"wait_us":`, r.Wait)
	dst = appendNumber(dst, `,"us":`, r.Micros)
	dst = append(dst, `,"config":`...)
	dst = appendClipped(dst, r.Config, maxText)
	if r.Revokes {
		dst = append(dst, `,"revokes":true`...)
	}
	dst = appendText(dst, `,"key":`, r.Key)
	dst = appendText(dst, `,"sig":`, r.Sig)
	if r.Grants {
		dst = append(dst, `,"grants":true`...)
	}
	if r.Fence > 0 {
		dst = strconv.AppendUint(append(dst, `,"fence":`...), r.Fence, 10)
	}
	dst = appendText(dst, `,"basis":`, r.Basis)
	return dst
}

func appendText(dst []byte, name, s string) []byte {
	if s == "" {
		return dst
	}
	return appendClipped(append(dst, name...), s, maxText)
}

func appendNumber(dst []byte, name string, n int64) []byte {
	if n == 0 {
		return dst
	}
	return strconv.AppendInt(append(dst, name...), n, 10)
}

func appendList(dst []byte, name string, list []string) []byte {
	if len(list) == 0 {
		return dst
	}
	dst = append(dst, name...)
	mark := byte('[')
	for _, s := range list[:min(len(list), maxList)] {
		dst = appendClipped(append(dst, mark), s, maxElement)
		mark = ','
	}
	if more := len(list) - maxList; more > 0 {
		dst = append(dst, `,"… and `...)
		dst = strconv.AppendInt(dst, int64(more), 10)
		dst = append(dst, ` more"`...)
	}
	return append(dst, ']')
}

func appendClipped(dst []byte, s string, limit int) []byte {
	if len(s) <= limit {
		if plain(s) {
			return append(append(append(dst, '"'), s...), '"')
		}
		return scim.AppendString(dst, s)
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	dst = scim.AppendString(dst, s[:limit])
	return append(dst[:len(dst)-1], `…"`...)
}

// plain tells whether a text needs no escape, as most don't: looking costs a
// fraction of writing character by character.
func plain(s string) bool {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c < ' ', c >= 0x7f, c == '"', c == '\\', c == '<', c == '>', c == '&':
			return false
		}
	}
	return true
}
