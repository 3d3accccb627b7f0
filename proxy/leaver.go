package proxy

import (
	"errors"
	"time"

	"github.com/scimgate/scimgate/proxy/leavers"
	"github.com/scimgate/scimgate/proxy/translate"
	"github.com/scimgate/scimgate/rules/scim"
)

// deactivates tells whether the request takes a user's access away by active:
// false. Nothing that a rule about a profile finds may hold it up.
func (x *Exchange) deactivates() bool {
	return x.Verdict.Deactivates && x.Target.Operation.Is(scim.ReplaceUser|scim.PatchUser)
}

// deactivateAlone carries a deactivation through that was lost with the document it
// came in, or that AWS answered without showing it.
func (g *Gateway) deactivateAlone(x *Exchange, resp scim.Response, err error) (scim.Response, error) {
	if !x.deactivates() || x.policy.Observe || x.policy.Plain {
		return resp, err
	}
	unseen := err == nil && resp.OK() && !translate.Inactive(resp.Body)
	if !unseen && !x.heldUp(resp, err) {
		return resp, err
	}
	alone, failed := x.tenant.memory.Deactivate(x.Target.ID)(g.do(x))
	if failed == nil && alone.OK() && err == nil && !unseen { // a failure is explained anyhow
		g.explain(x, resp, "", x.masked(resp.RequestID)) // for its findings: what came beside was refused
	}
	return alone, failed
}

// heldUp tells whether a deactivation was lost with the document that it came in:
// AWS has refused that, or the read that should have completed it has failed. The
// deactivation is then sent alone.
func (x *Exchange) heldUp(resp scim.Response, err error) bool {
	if x.wrote > 0 || x.doubt {
		return false
	}
	return err == nil && (resp.Status == 400 || resp.Status == 409) || x.Verdict.NeedsCurrent && (err != nil || !resp.OK() && resp.Status != 404)
}

// watchLeavers believes a deactivation only when AWS's own answer shows it. One that
// isn't shown goes on a durable list until AWS shows it or the user is activated
// again: the client shows the person as deactivated even when the call has failed.
func (g *Gateway) watchLeavers(x *Exchange, resp scim.Response, err error) {
	op, id := x.Target.Operation, x.Target.ID
	leaves := x.deactivates() || op == scim.DeleteUser
	if op == scim.CreateUser && x.adopts != "" { // a create that takes a user over, and may deactivate it
		leaves, id = x.Verdict.Deactivates, x.adopts
	}
	inactive, gone := translate.Inactive(resp.Body), resp.Status == 404 && !x.stray
	switch {
	case leaves && err == nil && (gone || resp.OK() && (op == scim.DeleteUser || inactive)):
		x.tenant.inactive.add(id)
		g.metrics.deactivations.WithLabelValues(x.tenant.name, "ok").Inc()
		g.noLeaver(x.tenant, id, "shown", time.Now()) // what else is done to the user waits
	case leaves && op == scim.DeleteUser && held(err): // it is the guard's to say when
	case leaves:
		result := "failed"
		if held(err) {
			result = "held"
		}
		g.metrics.deactivations.WithLabelValues(x.tenant.name, result).Inc()
		g.log.Error().Str("exchange", x.ID).Str("resource", x.masked(x.Target.Resource())).Int("status", resp.Status).Err(err).
			Msg("a deactivation is not confirmed: the user may still have access")
		name, _ := identityOf(x)
		left := leavers.Leaver{ID: id, Tenant: x.tenant.name, Name: x.masked(name), Exchange: x.ID, Since: time.Now().UTC(), Held: held(err)}
		add := g.leavers.Add
		if x.only != nil { // its own try comes behind no activation, and lets nobody go who is held
			add = g.leavers.Tried
		}
		if !g.listed(left, add) {
			x.unlisted = &left
		}
	case err != nil:
	case (op.Is(scim.ReplaceUser|scim.PatchUser) || op == scim.CreateUser && x.adopts != "") && resp.OK() && x.Verdict.Activates:
		x.tenant.inactive.remove(id)
		g.noLeaver(x.tenant, id, "activated", x.entered)
	case op == scim.GetUser && x.quiet && (gone || resp.OK() && inactive):
		g.noLeaver(x.tenant, id, "shown", x.Began)
	}
}

// quiet tells whether a read of a user that begins now shows what was asked for last: no
// write of the user is under way, waits, or may still be carried out.
func (g *Gateway) quiet(x *Exchange) bool {
	return !x.tenant.lanes.Busy(x.laneKey()) && (g.writer == nil || g.writer.May(true) == nil)
}

// ofStore tells whether a tenant of that name has the same identity store.
func (g *Gateway) ofStore(name string, t *Tenant) bool {
	other, err := g.named(name)
	return err == nil && other.store == t.store
}

// held tells whether a guard holds the call back.
func held(err error) bool {
	var failure *scim.CallError
	return errors.As(err, &failure) && failure.Reason == scim.Held
}

// noLeaver takes a user of a tenant's store off the list of open deactivations: what
// another store shows of the id says nothing, and what was seen at a time nothing about a
// later deactivation.
func (g *Gateway) noLeaver(t *Tenant, id, why string, seen time.Time) {
	if g.leavers.Len() == 0 {
		return
	}
	if l, _, open := g.leavers.Find(id); !open || !g.ofStore(l.Tenant, t) {
		return
	}
	was, err := g.leavers.Done(id, why, seen)
	if err != nil {
		g.log.Error().Err(err).Msg("cannot keep the list of open deactivations")
	}
	if was {
		g.log.Info().Str("resource", "Users/"+id).Str("why", why).Msg("an open deactivation is closed")
	}
}
