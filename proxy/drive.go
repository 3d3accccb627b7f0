package proxy

import (
	"context"
	"maps"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/scimgate/scimgate/proxy/guard"
	"github.com/scimgate/scimgate/proxy/translate"
	"github.com/scimgate/scimgate/rules/scim"
)

// How often an open deactivation is tried again: a second after it was opened, then
// twice as long each time.
const (
	driveFirst = time.Second
	driveMost  = 10 * time.Minute
)

// drive carries on, until ctx ends, the deactivations that AWS has not shown, and asks
// about writes in doubt, for tenants whose token the gateway holds itself. It stops for a
// user who is activated again, since that takes the user off the list, and waits for the
// release of what a guard holds.
func (g *Gateway) drive(ctx context.Context) {
	type plan struct {
		next  time.Time
		after time.Duration
	}
	plans := map[string]plan{}
	tick := time.NewTicker(driveFirst)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, t := range g.tenants {
			if t.keeper == nil {
				continue
			}
			if due := t.unsettled.take(time.Now()); len(due) > 0 {
				g.settle(t, t.keeper.Upstream(), due)
			}
		}
		maps.DeleteFunc(plans, func(id string, _ plan) bool { return !g.leavers.Has(id) })
		for _, l := range g.leavers.All() {
			t, err := g.named(l.Tenant)
			if err != nil || t.keeper == nil || l.Held && t.guard.Released(guard.Deactivations).IsZero() {
				continue
			}
			p, known := plans[l.ID]
			if !known {
				p = plan{l.Since.Add(driveFirst), driveFirst}
			}
			if now := time.Now(); !now.Before(p.next) && ctx.Err() == nil {
				g.deactivateOpen(t, l.ID)
				p.after = min(2*p.after, driveMost)
				p.next = time.Now().Add(p.after)
			}
			plans[l.ID] = p
		}
	}
}

// deactivateOpen is an exchange without a client.
func (g *Gateway) deactivateOpen(t *Tenant, id string) {
	x := g.beginFor(t)
	x.ID, x.Client, x.Method = ulid.Make().String(), "scimgate", "PATCH"
	x.actor, x.Token = ownActor, t.keeper.Upstream()
	x.Target = scim.Target{Operation: scim.PatchUser, ID: id}
	x.Document = []byte(translate.Deactivation)
	x.Body, x.Verdict.Document, x.Verdict.Deactivates = x.Document, x.Document, true
	x.only = func() bool { return g.leavers.Has(id) }
	r := g.contained(x, func() *Reply { return g.carryOut(x) })
	if r.Status == 0 { // activated again in the meantime
		x.leave()
		return
	}
	if err := g.record(x, r); err != nil {
		g.log.Error().Err(err).Str("exchange", x.ID).Msg("cannot record an answer")
	}
	x.leave()
	g.line(x, r, time.Since(x.Began))
}
