package proxy

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/scimgate/scimgate/proxy/audit"
	"github.com/scimgate/scimgate/proxy/leavers"
	"github.com/scimgate/scimgate/proxy/pace"
	"github.com/scimgate/scimgate/proxy/translate"
	"github.com/scimgate/scimgate/rules/scim"
)

// maxUnsettled bounds the writes in doubt that are remembered; the oldest go first.
const maxUnsettled = 4096

// againAfter is when a write in doubt is asked about again that could not be settled.
const againAfter = 30 * time.Second

// callLife is longer than any call takes.
const callLife = 2 * time.Minute

// maxUnsettledBody bounds the documents that are kept to be compared with what AWS shows.
const maxUnsettledBody = 16 << 10

// unsettled are the writes of one tenant of which it isn't known what became: those that
// a crash has cut off, and those that AWS gave no usable answer to. AWS is asked about
// each, by a read, at the next request that brings a token, and the log is told.
type unsettled struct {
	n atomic.Int64 // of list and asked, to be looked at without the lock

	mu      sync.Mutex // guards following
	deleted time.Time  // when the gateway deleted something last
	list    []*inDoubt
	asking  bool
	asked   []*inDoubt // about which somebody asks now

	busy func(resource string) bool // tells whether somebody changes it; or nil
}

// inDoubt is one of them.
type inDoubt struct {
	intent audit.Record
	body   []byte    // that was sent, nil if it isn't known any more
	from   time.Time // AWS may still carry it out before
	older  bool      // of an earlier life than the last: what it made may have been deleted since
	rivals bool      // another create of the same thing was sent: a read can't tell which of them has made it

	verdict *verdict // that the log could not be told yet, or nil
}

// verdict is what became of one, and why that is so.
type verdict struct {
	settled translate.Settled
	why     string
}

func (u *unsettled) add(d *inDoubt) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.addLocked(d)
}

func (u *unsettled) addLocked(d *inDoubt) {
	if len(u.list) == maxUnsettled {
		u.list = slices.Delete(u.list, 0, 1)
	}
	d.rivals = u.rivalled(&d.intent) || d.rivals
	u.list = append(u.list, d)
	u.count()
}

// count is called with mu held.
func (u *unsettled) count() { u.n.Store(int64(len(u.list) + len(u.asked))) }

// take hands out those that may be asked about now, so many at most, to one caller at a
// time, who calls rested in the end if there are any. One of them is its caller's until it
// is claimed, put back, or overtaken. What takes access away is asked about when nobody
// changes the user: AWS then shows what was asked for last.
func (u *unsettled) take(now time.Time, most int) []*inDoubt {
	if u.n.Load() == 0 {
		return nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.asking {
		return nil
	}
	u.list = slices.DeleteFunc(u.list, func(d *inDoubt) bool {
		due := len(u.asked) < most && !now.Before(d.from) && (!d.intent.Revokes || u.busy == nil || !u.busy(d.intent.Resource))
		if due {
			u.asked = append(u.asked, d)
		}
		return due
	})
	u.asking = len(u.asked) > 0
	return slices.Clone(u.asked)
}

// rested takes in that nobody asks any more; what was not asked about is asked about later.
func (u *unsettled) rested() {
	u.mu.Lock()
	defer u.mu.Unlock()
	left := u.asked
	u.asking, u.asked = false, nil
	for _, d := range left {
		d.from = time.Now().Add(againAfter)
		u.addLocked(d)
	}
	u.count()
}

// claim takes one that was asked about off the list, for its caller to tell of it; false if
// somebody else has told of it meanwhile.
func (u *unsettled) claim(d *inDoubt) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	at := slices.Index(u.asked, d)
	if at < 0 {
		return false
	}
	u.asked = slices.Delete(u.asked, at, at+1)
	u.count()
	return true
}

// putBack is for one that is to be asked about, or told, again.
func (u *unsettled) putBack(d *inDoubt, v *verdict) {
	u.mu.Lock()
	defer u.mu.Unlock()
	d.from, d.verdict = time.Now().Add(againAfter), v
	u.addLocked(d)
}

// ofCreate is what a read tells of a create in doubt: what it made may have been deleted
// since, and another create may have made what is there.
func (u *unsettled) ofCreate(d *inDoubt, shown translate.Settled) translate.Settled {
	u.mu.Lock()
	defer u.mu.Unlock()
	gone := d.older || u.deleted.After(d.intent.Time)
	if shown == translate.NotDone && gone || shown == translate.Done && d.rivals {
		return translate.Untold
	}
	return shown
}

// sent takes in that a write is sent, and takes those off the list that it overtakes.
func (u *unsettled) sent(op scim.Operation, intent *audit.Record) []*inDoubt {
	switch {
	case op.Is(scim.DeleteUser | scim.DeleteGroup):
		u.deletes()
	case op.Is(scim.CreateUser | scim.CreateGroup):
		u.rival(intent)
	}
	return u.overtaken(intent.Resource)
}

// deletes takes in that the gateway has deleted something.
func (u *unsettled) deletes() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.deleted = time.Now()
}

// rival takes in that a create is sent.
func (u *unsettled) rival(intent *audit.Record) {
	if u.n.Load() == 0 {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.rivalled(intent)
}

// rivalled is called with mu held, and tells whether an intent is of a create of which
// another one is in doubt.
func (u *unsettled) rivalled(intent *audit.Record) (is bool) {
	for _, list := range [...][]*inDoubt{u.asked, u.list} {
		for _, d := range list {
			if d.makes(intent) {
				d.rivals, is = true, true
			}
		}
	}
	return is
}

// makes tells whether one was to create the same as an intent.
func (d *inDoubt) makes(intent *audit.Record) bool {
	return d.creates() && d.intent.Op == intent.Op && strings.EqualFold(d.intent.Name, intent.Name)
}

func (d *inDoubt) creates() bool {
	return d.intent.Op == scim.CreateUser.String() || d.intent.Op == scim.CreateGroup.String()
}

// overtaken takes those off the list whose resource is written anew: what a read shows
// from now on is the doing of that.
func (u *unsettled) overtaken(resource string) []*inDoubt {
	return u.remove(func(d *inDoubt) bool {
		return d.intent.Resource == resource && !d.creates()
	})
}

// found takes the creates of an exchange off the list, which has found what it made.
func (u *unsettled) found(exchange string) []*inDoubt {
	return u.remove(func(d *inDoubt) bool {
		return d.intent.Exchange == exchange && d.creates()
	})
}

// made takes the earlier creates of the same thing off the list: AWS has just made it, so
// that it wasn't there.
func (u *unsettled) made(intent *audit.Record) []*inDoubt {
	return u.remove(func(d *inDoubt) bool { return d.makes(intent) })
}

// all takes them all off the list, for the caller to tell of them.
func (u *unsettled) all() []*inDoubt { return u.remove(func(*inDoubt) bool { return true }) }

// remove takes some off the list, for the caller to tell of them; also those that are asked
// about: a crash could come before that is over.
func (u *unsettled) remove(which func(*inDoubt) bool) (gone []*inDoubt) {
	if u.n.Load() == 0 {
		return nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, list := range [...]*[]*inDoubt{&u.asked, &u.list} {
		*list = slices.DeleteFunc(*list, func(d *inDoubt) bool {
			is := d.verdict == nil && which(d)
			if is {
				gone = append(gone, d)
			}
			return is
		})
	}
	u.count()
	return gone
}

// settleWith asks AWS about what is in doubt, with the token of an exchange that AWS has
// accepted, now or before, behind the exchange's back.
func (g *Gateway) settleWith(x *Exchange) {
	if x.tenant.unsettled.n.Load() == 0 || !g.undisturbed() || len(x.Token) == 0 || !x.known || x.policy.Observe || x.policy.Plain {
		return
	}
	now := time.Now()
	due := x.tenant.unsettled.take(now, maxUnsettled)
	if len(due) == 0 {
		return
	}
	token := bytes.Clone(x.Token)
	g.jobs.all.Add(1)
	go func() {
		defer g.jobs.all.Done()
		g.settle(x.tenant, token, due, now)
	}()
}

// settle asks about each of those that were due at a time, and tells the log.
func (g *Gateway) settle(t *Tenant, token []byte, due []*inDoubt, at time.Time) {
	if len(due) == 0 {
		return
	}
	defer t.unsettled.rested()
	for _, d := range due {
		if d.verdict != nil {
			if t.unsettled.claim(d) {
				g.tellSettled(t, d, d.verdict.settled, d.verdict.why)
			}
			continue
		}
		x := g.beginFor(t)
		x.Client, x.actor, x.Token = ownActor, ownActor, token
		g.contained(x, func() *Reply {
			asked := doubtful(d)
			settled, out, err := t.memory.Settle(g.do(x), asked)
			if !t.unsettled.claim(d) {
				return nil
			}
			if err != nil || x.stray { // under an override it is no error
				t.unsettled.putBack(d, nil)
				return nil
			}
			if d.creates() {
				settled = t.unsettled.ofCreate(d, settled)
			}
			if asked.Revokes && out {
				g.noLeaver(t, asked.ID, "shown", at)
			}
			g.tellSettled(t, d, settled, "")
			return nil
		})
		x.leave()
		if g.draining.Load() {
			return
		}
	}
}

// stillIn puts the user of a write on the list of open deactivations, if it was to take that
// user's access away; false if the list can't be written now.
func (g *Gateway) stillIn(intent *audit.Record) bool {
	id, user := strings.CutPrefix(intent.Resource, "Users/")
	if !intent.Revokes || !user {
		return true
	}
	return g.listed(leavers.Leaver{
		ID: id, Tenant: intent.Tenant, Name: intent.Name, Exchange: intent.Exchange, Since: intent.Time, Held: intent.Event == audit.EventHeld,
	}, g.leavers.Again)
}

// listed puts a leaver on the list of open deactivations; false if that can't take it now.
func (g *Gateway) listed(l leavers.Leaver, add func(leavers.Leaver) error) bool {
	err := add(l)
	if err != nil {
		g.log.Error().Str("exchange", l.Exchange).Err(err).Msg("cannot keep the list of open deactivations")
	}
	return err == nil || errors.Is(err, leavers.ErrNoID)
}

// tellSettled records what became of a write in doubt; later, if it can't now.
func (g *Gateway) tellSettled(t *Tenant, d *inDoubt, settled translate.Settled, why string) {
	intent := &d.intent
	rec := &audit.Record{Exchange: intent.Exchange, Call: intent.Call, Tenant: intent.Tenant, Op: intent.Op, Resource: intent.Resource, Name: intent.Name, Outcome: settled.String()}
	if why != "" {
		rec.Findings = []string{why}
	}
	if err := g.journal.Notice(audit.EventSettled, rec); err != nil {
		t.unsettled.putBack(d, &verdict{settled, why})
		return
	}
	g.log.Info().Str("exchange", intent.Exchange).Str("resource", intent.Resource).Str("outcome", settled.String()).Msg("a write in doubt is settled")
}

// doubtful is what is known of a write in doubt.
func doubtful(d *inDoubt) translate.Doubtful {
	op, _ := scim.ParseOperation(d.intent.Op)
	_, id, _ := strings.Cut(d.intent.Resource, "/")
	return translate.Doubtful{
		Operation: op, ID: id, Name: d.intent.Name, External: d.intent.Ext, Added: d.intent.Added, Removed: d.intent.Removed,
		Revokes: d.intent.Revokes, Document: d.body, Since: d.intent.Time,
	}
}

// recall takes up what an earlier life of the process has left: creates that may have
// been carried out, deactivations that nobody may send again, writes in doubt.
func (g *Gateway) recall() {
	crashed := map[string]bool{}
	for _, intent := range g.journal.Recovered() {
		crashed[intent.Exchange] = true
	}
	// Whose connection was lost, which Okta takes as final; and those that are there already,
	// unless the list itself could not be written.
	listed := true
	unanswered := g.journal.Unanswered()
	for i := range unanswered {
		listed = g.stillIn(&unanswered[i]) && listed
	}
	for _, intent := range g.journal.Doubts() {
		g.stillIn(&intent)
	}
	if listed && len(unanswered) > 0 { // else they are taken up again at the next start
		if err := g.journal.Notice(audit.EventTakenUp, &audit.Record{}); err != nil {
			g.log.Error().Err(err).Msg("cannot record that open deactivations were taken up: the next start does so again")
		}
	}
	doubts := slices.Concat(g.journal.Doubts(), g.journal.Recovered())
	for i, intent := range slices.Concat(doubts, g.journal.Untold()) {
		t, err := g.named(intent.Tenant)
		op, ok := scim.ParseOperation(intent.Op)
		if err != nil || !ok { // the tenant is gone
			continue
		}
		if op.Is(scim.CreateUser | scim.CreateGroup) {
			t.memory.Doubt(op, intent.Name, intent.Ext, intent.Sent, intent.Time)
		}
		if i >= len(doubts) { // it was carried out, and its client sends it again
			continue
		}
		// AWS may carry it out even now, unless it was sent so long ago that no call is.
		wait := max(0, min(t.settle, time.Until(intent.Time.Add(callLife+t.settle))))
		from := time.Now().Add(wait)
		key := intent.Resource
		switch op {
		case scim.CreateUser:
			key = "user " + strings.ToLower(intent.Name)
		case scim.CreateGroup:
			key = "group " + strings.ToLower(intent.Name)
		}
		if turn, err := t.lanes.Enter(time.Now(), pace.InOrder, key); err == nil {
			turn.Leave(wait)
		}
		t.unsettled.add(&inDoubt{intent: intent, from: from, older: !crashed[intent.Exchange]})
	}
}
