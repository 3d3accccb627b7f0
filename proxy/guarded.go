package proxy

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/scimgate/scimgate/proxy/guard"
	"github.com/scimgate/scimgate/rules/scim"
)

// heldFor is when a client whose request is held back is told to come again.
const heldFor = 300 * time.Second

// heldBack is why a guard lets a call not pass.
type heldBack struct{ ruling guard.Ruling }

func (h *heldBack) Error() string { return h.note() }

func (h *heldBack) note() string {
	return fmt.Sprintf("%d %s within the window, %d are allowed", h.ruling.Count, words[h.ruling.Kind], h.ruling.Limit)
}

var words = map[guard.Kind]string{
	guard.UserDeletes: "deletions of users", guard.GroupDeletes: "deletions of groups with members",
	guard.Deactivations: "deactivations", guard.Removals: "removals of members",
}

// loss is what a call takes away.
func (c *call) loss() (kind guard.Kind, n int, any bool) {
	switch {
	case c.operation == scim.DeleteUser:
		return guard.UserDeletes, 1, true
	case c.operation == scim.DeleteGroup:
		return guard.GroupDeletes, 1, c.loses > 0
	case c.operation == scim.PatchGroup:
		return guard.Removals, c.loses, c.loses > 0
	case c.revokes && c.operation.Is(scim.PatchUser|scim.ReplaceUser):
		return guard.Deactivations, 1, true
	}
	return 0, 0, false
}

// guarded asks the guards before a call takes something away. Under observe and for
// a plain store they only raise alarms.
func (g *Gateway) guarded(x *Exchange, c *call) error {
	kind, n, any := c.loss()
	if !any || g.counted(x, kind) {
		return nil
	}
	ruling := x.tenant.guard.Take(kind, n)
	if ruling.Verdict == guard.Hold && (x.policy.Observe || x.policy.Plain) {
		ruling.Verdict = guard.Alarm
	}
	switch ruling.Verdict {
	case guard.Hold:
		g.metrics.guard.WithLabelValues(x.tenant.name, kind.String(), "held").Inc()
		g.log.Error().Str("exchange", x.ID).Str("kind", kind.String()).Int("count", ruling.Count).Int("limit", ruling.Limit).
			Msg("a guard holds back what takes too much away; scimgate guard release lets it pass")
		g.keepHeld(x.tenant, x.tenant.guard.Keep())
		return &scim.CallError{Reason: scim.Held, RetryAfter: heldFor, Err: &heldBack{ruling}}
	case guard.Alarm:
		g.metrics.guard.WithLabelValues(x.tenant.name, kind.String(), "alarm").Inc()
		g.log.Error().Str("exchange", x.ID).Str("kind", kind.String()).Int("count", ruling.Count).Int("limit", ruling.Limit).
			Msg("a client takes unusually much away")
	}
	return nil
}

// keepHeld tells of a fault of the file that says what a guard holds. It stops nothing.
func (g *Gateway) keepHeld(t *Tenant, err error) {
	if err != nil {
		g.log.Error().Str("tenant", t.name).Err(err).Msg("what a guard holds may not outlive a restart")
	}
}

// spared gives back what a call did not take away after all.
func (g *Gateway) spared(x *Exchange, c *call, resp scim.Response, err error) {
	var failure *scim.CallError
	if errors.As(err, &failure) && failure.MayHaveHappened() || err == nil && (resp.OK() || resp.Status >= 500) {
		return
	}
	if kind, n, any := c.loss(); any && !g.counted(x, kind) {
		x.tenant.guard.Undo(kind, n)
	}
}

// counted tells whether a deactivation takes nothing away that was not counted before: the
// user is out already, or it is another try.
func (g *Gateway) counted(x *Exchange, kind guard.Kind) bool {
	if kind != guard.Deactivations {
		return false
	}
	if x.tenant.inactive.has(x.Target.ID) {
		return true
	}
	if g.leavers.Len() == 0 {
		return false
	}
	l, _, open := g.leavers.Find(x.Target.ID)
	return open && !l.Held && g.ofStore(l.Tenant, x.tenant)
}

// maxInactive bounds the users whose deactivation AWS has shown and that are remembered;
// beyond it they are forgotten, and a repeat counts as another loss.
const maxInactive = 1 << 16

// inactive are users that AWS has shown to be inactive, or not to be there: of those a
// client repeats the deactivation with each change of the profile.
type inactive struct {
	mu  sync.Mutex           // guards ids
	ids map[string]time.Time // since when
}

func (s *inactive) add(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ids == nil || len(s.ids) >= maxInactive {
		s.ids = map[string]time.Time{}
	}
	s.ids[id] = time.Now()
}

func (s *inactive) remove(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.ids, id)
}

func (s *inactive) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ids = nil
}

// since is when that was shown; zero if it wasn't.
func (s *inactive) since(id string) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ids[id]
}

func (s *inactive) has(id string) bool { return !s.since(id).IsZero() }
