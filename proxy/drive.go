package proxy

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/scimgate/scimgate/proxy/guard"
	"github.com/scimgate/scimgate/proxy/leavers"
	"github.com/scimgate/scimgate/proxy/translate"
	"github.com/scimgate/scimgate/rules/scim"
)

// How often an open deactivation is tried again: a second after it was opened, then
// twice as long each time.
const (
	driveFirst = time.Second
	driveMost  = 10 * time.Minute
)

// Bounds of what the gateway does by itself for one identity store.
const (
	driveAtOnce = 8  // deactivations
	askAtOnce   = 16 // writes in doubt, a second
)

// opened is an open deactivation.
type opened struct {
	id    string
	since time.Time
}

// schedule is when one is tried next.
type schedule struct {
	next  time.Time
	after time.Duration
	asked bool // AWS was asked, and nothing was tried
}

// drive carries on, until ctx ends, the deactivations that AWS has not shown, and asks
// about writes in doubt, for tenants whose token the gateway holds itself; each store by
// itself, so that none waits for another. It stops for a user who is activated again,
// since that takes the user off the list, and waits for the release of what a guard holds.
func (g *Gateway) drive(ctx context.Context) {
	var all sync.WaitGroup
	for _, st := range g.stores() {
		schedules := map[opened]*schedule{}
		all.Go(func() { everySecond(ctx, func() { g.deactivateDue(ctx, st, schedules) }) })
		all.Go(func() { everySecond(ctx, func() { g.askAbout(st) }) })
	}
	all.Wait()
}

// everySecond calls f until ctx ends; not again before it has returned.
func everySecond(ctx context.Context, f func()) {
	tick := time.NewTicker(driveFirst)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			f()
		}
	}
}

// askAbout asks about what is in doubt of a store, with the token of one of its tenants.
func (g *Gateway) askAbout(st *store) {
	if !g.undisturbed() { // what AWS shows may be another's doing
		return
	}
	for _, t := range g.tenants {
		if t.store == st && t.keeper != nil && !t.inForce(time.Now()).Plain {
			now := time.Now()
			g.settle(t, t.keeper.Upstream(), t.unsettled.take(now, askAtOnce), now)
			return
		}
	}
}

// deactivateDue tries those of a store whose time has come.
func (g *Gateway) deactivateDue(ctx context.Context, st *store, schedules map[opened]*schedule) {
	if g.writer != nil && g.writer.May(true) != nil {
		return
	}
	open := map[opened]bool{}
	var all sync.WaitGroup
	defer all.Wait()
	places := make(chan struct{}, driveAtOnce)
	for _, l := range g.leavers.All() {
		t, err := g.named(l.Tenant)
		if err != nil || t.store != st || t.keeper == nil {
			continue
		}
		this := opened{l.ID, l.Since}
		open[this] = true
		p := schedules[this]
		if p == nil {
			p = &schedule{next: l.Since.Add(driveFirst), after: driveFirst}
			schedules[this] = p
		}
		try, asked := g.deactivateOpen, !g.mayDrive(t, l)
		if asked {
			try = g.lookAt
			if g.writer == nil || !l.Held || !g.undisturbed() {
				continue
			}
		}
		if time.Now().Before(p.next) && (asked || !p.asked) { // what a person has just released isn't waited for
			continue
		}
		p.asked = asked
		select {
		case <-ctx.Done():
			return
		case places <- struct{}{}:
		}
		all.Go(func() {
			try(t, l.ID)
			p.after = min(2*p.after, driveMost)
			p.next = time.Now().Add(p.after)
			<-places
		})
	}
	maps.DeleteFunc(schedules, func(o opened, _ *schedule) bool { return !open[o] })
}

// mayDrive tells whether an open deactivation may be carried on by the gateway itself: a
// person has said so, or nobody has to, and nobody else writes who may have activated the
// user again.
func (g *Gateway) mayDrive(t *Tenant, l leavers.Leaver) bool {
	return !t.guard.Released(guard.Deactivations).IsZero() || !l.Held && g.undisturbed()
}

// deactivateOpen is an exchange without a client.
func (g *Gateway) deactivateOpen(t *Tenant, id string) {
	x := g.own(t, "PATCH", scim.PatchUser, id)
	x.Document = []byte(translate.Deactivation)
	x.Body, x.Verdict.Document, x.Verdict.Deactivates = x.Document, x.Document, true
	x.only = func() bool {
		l, _, open := g.leavers.Find(id)
		return open && g.mayDrive(t, l)
	}
	g.carryOwn(x)
}

// lookAt asks AWS about a user who is held, since another gateway may have done what was
// asked for: if AWS shows that, the user is off the list.
func (g *Gateway) lookAt(t *Tenant, id string) {
	x := g.own(t, "GET", scim.GetUser, id)
	x.only = func() bool { return g.leavers.Has(id) }
	g.carryOwn(x)
}

// own begins an exchange of the gateway's own.
func (g *Gateway) own(t *Tenant, method string, op scim.Operation, id string) *Exchange {
	x := g.beginFor(t)
	x.ID, x.Client, x.Method = ulid.Make().String(), "scimgate", method
	x.actor, x.Token = ownActor, t.keeper.Upstream()
	x.Target = scim.Target{Operation: op, ID: id}
	return x
}

// carryOwn carries it out, and records what would be the answer.
func (g *Gateway) carryOwn(x *Exchange) {
	defer x.leave()
	r := g.contained(x, func() *Reply { return g.carryOut(x) })
	if r.Status == 0 { // there is nothing to do any more
		return
	}
	if err := g.record(x, r); err != nil {
		g.log.Error().Err(err).Str("exchange", x.ID).Msg("cannot record an answer")
	}
	g.line(x, r, time.Since(x.Began))
}
