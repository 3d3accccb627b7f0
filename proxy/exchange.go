package proxy

import (
	"errors"
	"net"
	"net/netip"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/scimgate/scimgate/proxy/leavers"
	"github.com/scimgate/scimgate/proxy/pace"
	"github.com/scimgate/scimgate/proxy/room"
	"github.com/scimgate/scimgate/proxy/wire"
	"github.com/scimgate/scimgate/rules"
	"github.com/scimgate/scimgate/rules/scim"
)

// Exchange is one client request on its way through the gateway and back. It
// belongs to one goroutine; nothing of it outlives the handler uncopied, since the
// server reuses its buffers.
type Exchange struct {
	ID       string // ULID; in logs, records and error details
	Began    time.Time
	Deadline time.Time // the client's patience less a margin: a fasthttp request has no context

	Client    string // address
	RequestID string // the client's X-Request-Id, echoed
	UserAgent string
	Host      string // as the client named the gateway
	Method    string
	RawTarget []byte // as in the request line

	Target   scim.Target
	Token    []byte // the client's bearer token; passed on, never kept
	Body     []byte // as received; never modified
	Findings []rules.Finding
	Verdict  rules.Verdict
	Document []byte // as forwarded: Body, or Body with edits applied
	Calls    int    // asked of AWS so far

	presented []byte // what the client sent as its token, whatever became of it; only to be masked

	ifMatch, ifNoneMatch string // for a plain store alone: AWS has no versions

	peer      netip.Addr  // of the connection
	address   netip.Addr  // of the client, behind trusted proxies
	actor     string      // name of the client's gateway token, or a keyed digest of AWS's own; "" without a token
	known     bool        // the token was accepted before
	only      func() bool // asked when the lane is entered whether there is still something to do; or nil
	scheme    string      // by which the client reached the gateway: http or https
	tenant    *Tenant
	prefix    string          // path of the Base URL by which it came, as far as it is the tenant's own
	policy    *Policy         // what the exchange began with, whatever is reloaded meanwhile
	lane      *pace.Turn      // of the resource that is written, or nil
	foundLane *pace.Turn      // of the one that a create has found or made, or nil
	entered   time.Time       // the lane of the resource that is changed
	waited    time.Duration   // for lane and budget
	lastAWS   scim.Response   // the last answer of AWS, for the record
	stray     bool            // that was no document of AWS's, though its status says that it has looked
	adopts    string          // the id of the user that a create takes over
	doubt     bool            // a call was sent of which it isn't known what became
	wrote     int             // writes that AWS carried out
	quiet     bool            // a read of a user, which began when nobody changed the user
	unlisted  *leavers.Leaver // a deactivation that is not confirmed, and that the list could not take
	vital     bool            // a call took access away, so the records have the last of the disk

	conn    net.Conn // of the client, or nil
	epoch   uint64   // in which it was begun among several gateways
	answers *answers
	places  int   // that it has taken of them
	kept    int64 // bytes of lists
	lists   *room.Room
}

// begin starts an exchange.
func (g *Gateway) begin() *Exchange { return g.beginFor(g.tenants[0]) }

func (g *Gateway) beginFor(t *Tenant) *Exchange {
	now := time.Now()
	return &Exchange{
		ID: ulid.Make().String(), Began: now, Deadline: now.Add(t.patience), scheme: g.scheme,
		tenant: t, policy: t.inForce(now), prefix: t.prefix, answers: &g.answers, lists: g.lists, epoch: g.epoch(),
	}
}

// errNoRoom is of an answer that was not read, though AWS has given it.
var errNoRoom = errors.New("the gateway has no memory left for this answer of the upstream beside those that it holds")

// answers are places for those of AWS that are not small: for each size, how many there
// may be at once that are larger. Who needs one of the second size holds one of the first,
// so that nobody waits for somebody who waits for him.
type answers [len(answerSizes)]*room.Room

var answerSizes = [...]struct {
	above  int // bytes
	places int64
}{{wire.Small, mediumAnswers}, {mediumAnswer, largeAnswers}}

const (
	mediumAnswer  = 256 << 10 // bytes: a page of 100 users has half of it
	mediumAnswers = 64        // at once, and of larger ones
	largeAnswers  = 4
)

func newAnswers(how room.Manner) (a answers) {
	for i, size := range answerSizes {
		a[i] = room.New(size.places, roomWait, how|room.Reserved)
	}
	return a
}

// fit takes a place for an answer of AWS of n bytes; the exchange keeps that of its
// largest.
func (x *Exchange) fit(n int, revokes bool) error {
	for x.places < len(x.answers) && n > answerSizes[x.places].above {
		if !x.answers[x.places].Take(x.ask(1, revokes), x.Deadline) {
			return errNoRoom
		}
		x.places++
	}
	return nil
}

// doneWith gives the places back: nothing of AWS's answers is held any more.
func (x *Exchange) doneWith() {
	for i := range x.places {
		x.answers[i].Give(x.ask(1, false))
	}
	x.places = 0
}

// maxKeptLists bounds what is kept of AWS's lists while the next pages are read, such as the
// members of groups, in bytes together.
const maxKeptLists = 32 << 20

// keep takes room for what is kept of lists, until the exchange ends; who finds none ends,
// since those who wait for more hold some.
func (x *Exchange) keep(n int) error {
	more := int64(n) - x.kept
	if n <= wire.Small || more <= 0 {
		return nil
	}
	if !x.lists.Take(x.ask(more, x.revokes()), x.Began) {
		return &scim.CallError{Reason: scim.NoRoom, RetryAfter: soon, Err: errNoRoom}
	}
	x.kept += more
	return nil
}

// ask is the exchange's share of something.
func (x *Exchange) ask(n int64, revokes bool) room.Ask {
	return room.Ask{N: n, Of: x.tenant.name, Revokes: revokes}
}

// maxUnread bounds the large answers that clients have not taken yet, in bytes together.
const maxUnread = 64 << 20

// held is the answer to a read, with its room until the client has taken it; in its place
// that the client is to come again, where others leave too much unread. What a write is
// told is told.
func (g *Gateway) held(x *Exchange, r *Reply) *Reply {
	n := int64(len(r.Body))
	if n <= wire.Small || x.writes() || x.conn == nil {
		return r
	}
	share := x.ask(n, false)
	if !g.unread.Take(share, x.Began) {
		return x.again(soon, "Other clients have asked for more than they take.", nil)
	}
	wire.Behind(x.conn, func() { g.unread.Give(share) })
	return r
}

// of makes the exchange one of a tenant, when it is known whose it is.
func (x *Exchange) of(t *Tenant, prefix string) {
	x.tenant, x.policy, x.prefix = t, t.inForce(x.Began), prefix
	x.Deadline = x.Began.Add(t.patience)
}

// from takes in whose connection it is; headers may tell more.
func (x *Exchange) from(peer net.IP) {
	x.peer, _ = netip.AddrFromSlice(peer)
	x.address = x.peer.Unmap()
	x.Client = x.address.String()
}

// writes tells whether the exchange may change something. Of a target that is not AWS's,
// under observe or for a plain store, only the method tells.
func (x *Exchange) writes() bool {
	return x.Target.Operation.Is(scim.Writes) || x.Target.Operation == 0 && isMethod[x.Method] && x.Method != "GET"
}

// found adds findings of a parser.
func (x *Exchange) found(faults []scim.Fault) {
	if len(faults) > 0 {
		before := len(x.Findings)
		x.Findings = append(x.Findings, x.policy.Rules.Faults(faults)...)
		x.maskFindings(before)
	}
}

// rejected tells whether a finding refuses the request, of those from some place on.
func (x *Exchange) rejected(from int) bool {
	for i := from; i < len(x.Findings); i++ {
		if x.Findings[i].Disposition == rules.Reject {
			return true
		}
	}
	return false
}
