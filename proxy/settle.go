package proxy

import (
	"bytes"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/scimgate/scimgate/proxy/audit"
	"github.com/scimgate/scimgate/proxy/leavers"
	"github.com/scimgate/scimgate/proxy/translate"
	"github.com/scimgate/scimgate/rules/scim"
)

// maxUnsettled bounds the writes in doubt that are remembered; the oldest go first.
const maxUnsettled = 4096

// againAfter is when a write in doubt is asked about again that could not be settled.
const againAfter = 30 * time.Second

// unsettled are the writes of one tenant of which it isn't known what became: those that
// a crash has cut off, and those that AWS gave no usable answer to. AWS is asked about
// each, by a read, at the next request that brings a token, and the log is told.
type unsettled struct {
	n atomic.Int64 // of list, to be asked without the lock

	mu   sync.Mutex // guards following
	list []inDoubt
	busy bool // somebody is asking
}

// inDoubt is one of them.
type inDoubt struct {
	intent audit.Record
	from   time.Time // AWS may still carry it out before
}

func (u *unsettled) add(intent audit.Record, from time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.list) == maxUnsettled {
		u.list = append(u.list[:0], u.list[1:]...)
	}
	u.list = append(u.list, inDoubt{intent, from})
	u.n.Store(int64(len(u.list)))
}

// take hands out those that may be asked about now, to one caller at a time.
func (u *unsettled) take(now time.Time) (due []inDoubt) {
	if u.n.Load() == 0 {
		return nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.busy {
		return nil
	}
	rest := u.list[:0]
	for _, d := range u.list {
		if now.Before(d.from) {
			rest = append(rest, d)
		} else {
			due = append(due, d)
		}
	}
	clear(u.list[len(rest):])
	u.list, u.busy = rest, len(due) > 0
	u.n.Store(int64(len(u.list)))
	return due
}

// rested takes in that nobody asks any more.
func (u *unsettled) rested() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.busy = false
}

// overtaken takes those off the list whose resource is written anew: what a read shows
// from now on is the doing of that.
func (u *unsettled) overtaken(resource string) (gone []inDoubt) {
	if u.n.Load() == 0 {
		return nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	rest := u.list[:0]
	for _, d := range u.list {
		if d.intent.Resource == resource && d.intent.Op != scim.CreateUser.String() && d.intent.Op != scim.CreateGroup.String() {
			gone = append(gone, d)
		} else {
			rest = append(rest, d)
		}
	}
	clear(u.list[len(rest):])
	u.list = rest
	u.n.Store(int64(len(u.list)))
	return gone
}

// settleWith asks AWS about what is in doubt, with the token of an exchange that AWS has
// just accepted, behind the exchange's back.
func (g *Gateway) settleWith(x *Exchange) {
	if x.tenant.unsettled.n.Load() == 0 || len(x.Token) == 0 || x.Calls == 0 || !x.lastAWS.OK() || x.policy.Observe || x.policy.Plain {
		return
	}
	due := x.tenant.unsettled.take(time.Now())
	if len(due) == 0 {
		return
	}
	token := bytes.Clone(x.Token)
	g.jobs.all.Add(1)
	go func() {
		defer g.jobs.all.Done()
		g.settle(x.tenant, token, due)
	}()
}

// settle asks about each, and tells the log.
func (g *Gateway) settle(t *Tenant, token []byte, due []inDoubt) {
	defer t.unsettled.rested()
	for _, d := range due {
		x := g.beginFor(t)
		x.Client, x.actor, x.Token = ownActor, ownActor, token
		verdict := translate.Untold
		g.contained(x, func() *Reply {
			var err error
			if verdict, err = t.memory.Settle(g.do(x), doubtful(&d.intent)); err != nil {
				t.unsettled.add(d.intent, time.Now().Add(againAfter))
				return nil
			}
			g.tellSettled(t, &d.intent, verdict.String(), "")
			if asked := doubtful(&d.intent); asked.Revokes && verdict == translate.Done && asked.Operation.Is(scim.Users) {
				g.noLeaver(asked.ID, "shown")
			}
			return nil
		})
		if g.draining.Load() {
			return
		}
	}
}

// tellSettled records what became of a write in doubt.
func (g *Gateway) tellSettled(t *Tenant, intent *audit.Record, outcome, why string) {
	rec := &audit.Record{Exchange: intent.Exchange, Call: intent.Call, Tenant: t.name, Op: intent.Op, Resource: intent.Resource, Name: intent.Name, Outcome: outcome}
	if why != "" {
		rec.Findings = []string{why}
	}
	if err := g.journal.Notice(audit.EventSettled, rec); err != nil {
		t.unsettled.add(*intent, time.Now().Add(againAfter))
		return
	}
	g.log.Info().Str("exchange", intent.Exchange).Str("resource", intent.Resource).Str("outcome", outcome).Msg("a write in doubt is settled")
}

// doubtful is what its record tells of a write.
func doubtful(intent *audit.Record) translate.Doubtful {
	op, _ := scim.ParseOperation(intent.Op)
	_, id, _ := strings.Cut(intent.Resource, "/")
	return translate.Doubtful{
		Operation: op, ID: id, Name: intent.Name, External: intent.Ext, Added: intent.Added, Removed: intent.Removed,
		Revokes: intent.Revokes, Since: intent.Time,
	}
}

// recall takes up what an earlier life of the process has left: creates that may have
// been carried out, deactivations that nobody may send again, writes in doubt.
func (g *Gateway) recall() {
	crashed := map[string]bool{}
	for _, intent := range g.journal.Recovered() {
		crashed[intent.Exchange] = true
		op, _ := scim.ParseOperation(intent.Op)
		_, id, _ := strings.Cut(intent.Resource, "/")
		if !intent.Revokes || !op.Is(scim.PatchUser|scim.ReplaceUser|scim.DeleteUser) {
			continue
		}
		// The client's connection was lost, which Okta takes as final.
		left := leavers.Leaver{ID: id, Tenant: intent.Tenant, Name: intent.Name, Exchange: intent.Exchange, Since: intent.Time}
		if err := g.leavers.Add(left); err != nil {
			g.log.Error().Str("exchange", intent.Exchange).Err(err).Msg("cannot keep the list of open deactivations")
		}
	}
	for _, intent := range append(g.journal.Doubts(), g.journal.Recovered()...) {
		t, err := g.named(intent.Tenant)
		op, ok := scim.ParseOperation(intent.Op)
		if err != nil || !ok { // the tenant is gone
			continue
		}
		if op.Is(scim.CreateUser | scim.CreateGroup) {
			t.memory.Doubt(op, intent.Name, intent.Ext, intent.Sent, intent.Time)
		}
		from := intent.Time.Add(t.settle)
		if !crashed[intent.Exchange] {
			from = time.Now()
		}
		t.unsettled.add(intent, from)
	}
}
