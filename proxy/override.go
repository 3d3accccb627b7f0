package proxy

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/scimgate/scimgate/proxy/audit"
)

// override is a policy that is in force for a while: for the night in which a rule, or
// the gateway as a whole, is in somebody's way. It is audited, ends by itself, and
// changes nothing that was configured.
type override struct {
	policy *Policy
	what   string // as it was ordered
	until  time.Time
}

// maxOverride bounds how long one can last.
const maxOverride = 24 * time.Hour

// inForce is the policy for an exchange that begins now.
func (t *Tenant) inForce(now time.Time) *Policy {
	if o := t.override.Load(); o != nil && now.Before(o.until) {
		return o.policy
	}
	return t.policy.Load()
}

// order puts an override in force, or ends it: "end".
func (g *Gateway) order(t *Tenant, what string, while time.Duration, client string) error {
	g.ordering.Lock()
	defer g.ordering.Unlock()
	var changed *Policy
	switch {
	case what == "end":
		while = 0
	case while <= 0 || while > maxOverride:
		return fmt.Errorf("for is a time such as 1h, %s at most", maxOverride)
	default:
		var err error
		if changed, err = t.policy.Load().overriddenBy(what); err != nil {
			return err
		}
	}
	if err := g.journal.Notice(audit.EventConfig, &audit.Record{Tenant: t.name, Client: client, Findings: []string{"override " + what + " for " + while.String()}}); err != nil {
		return fmt.Errorf("cannot record the override: %w", err)
	}
	if what == "end" {
		t.override.Store(nil)
	} else {
		t.override.Store(&override{changed, what, time.Now().Add(while)})
	}
	g.log.Warn().Str("tenant", t.name).Str("what", what).Dur("for", while).Msg("an override is ordered")
	return nil
}

// overridden tells what is in force: "" if nothing is.
func (t *Tenant) overridden() (what string, until time.Time) {
	if o := t.override.Load(); o != nil && time.Now().Before(o.until) {
		return o.what, o.until
	}
	return "", time.Time{}
}

// answerOverride serves /override: what is in force, or by POST ?what=observe&for=1h.
func (g *Gateway) answerOverride(w http.ResponseWriter, r *http.Request) {
	t := g.asked(w, r)
	if t == nil {
		return
	}
	if r.Method == http.MethodPost {
		while, err := time.ParseDuration(r.FormValue("for"))
		if r.FormValue("what") == "end" {
			err = nil
		}
		if err != nil { // whose text would quote what may have been pasted by mistake
			err = fmt.Errorf("for is a time such as 1h, %s at most", maxOverride)
		} else {
			err = g.order(t, r.FormValue("what"), while, askerOf(r).String())
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	what, until := t.overridden()
	answerJSON(w, struct {
		What  string    `json:"what"`
		Until time.Time `json:"until,omitzero"`
	}{what, until})
}

// ErrNotRecorded is of a configuration that would be in force if that could be recorded: it
// is to be loaded again later.
var ErrNotRecorded = errors.New("cannot record the new configuration, so it is not in force")

// Reload puts another policy in force, for exchanges that begin from now on. What else
// has changed in the settings needs a restart: an error says so, and then nothing of
// it is in force. An override stays, over the new policy. config is the hash of the
// configuration, for the records.
func (g *Gateway) Reload(s Settings, p Policy, config string) error {
	if err := s.Check(); err != nil {
		return g.refuseReload(err)
	}
	list := s.all(p, config)
	if changed := g.needsRestart(s.WithDefaults(), list); len(changed) > 0 {
		return g.refuseReload(fmt.Errorf("%s changed, which needs a restart; nothing of the new configuration is in force", strings.Join(changed, ", ")))
	}
	g.ordering.Lock()
	defer g.ordering.Unlock()
	overrides := make([]*override, len(list))
	for i, t := range g.tenants {
		what, until := t.overridden()
		if what == "" {
			continue
		}
		over, err := list[i].Policy.overriddenBy(what)
		if err != nil {
			return g.refuseReload(fmt.Errorf("the override %s of %s cannot be kept, so end it first: %w", what, t.name, err))
		}
		overrides[i] = &override{over, what, until}
	}
	if err := g.journal.Reconfigured(config); err != nil {
		return g.refuseReload(fmt.Errorf("%w: %w", ErrNotRecorded, err))
	}
	for i, t := range g.tenants {
		t.override.Store(overrides[i])
		t.policy.Store(&list[i].Policy)
	}
	g.log.Info().Str("config", config).Msg("the configuration is reloaded")
	return nil
}

// NotReloaded tells of a configuration that could not be read.
func (g *Gateway) NotReloaded(err error) { _ = g.refuseReload(err) }

func (g *Gateway) refuseReload(err error) error {
	if recorded := g.journal.Notice(audit.EventConfig, &audit.Record{Findings: []string{"refused"}}); recorded != nil {
		err = errors.Join(err, recorded)
	}
	g.log.Error().Err(err).Msg("the configuration is not reloaded")
	return err
}

// needsRestart names the groups of settings that differ. The audit settings' own hash
// of the configuration is no setting.
func (g *Gateway) needsRestart(s Settings, list []TenantSettings) (changed []string) {
	now := g.settings
	s.Audit.Config, now.Audit.Config = "", ""
	for _, group := range []struct {
		name     string
		old, new any
	}{
		{"listen", now.Listen, s.Listen}, {"admin", now.Admin, s.Admin}, {"upstream", now.Upstream, s.Upstream}, {"audit", now.Audit, s.Audit},
		{"pace", now.Pace, s.Pace}, {"client", now.Client, s.Client}, {"tokens", now.Tokens, s.Tokens}, {"guard", now.Guard, s.Guard}, {"replicas", now.Replicas, s.Replicas},
		{"schemas_every", now.Schemas, s.Schemas}, {"log", now.Log, s.Log},
	} {
		if fmt.Sprintf("%#v", group.old) != fmt.Sprintf("%#v", group.new) {
			changed = append(changed, group.name)
		}
	}
	if len(changed) == 0 && !sameTenants(g.all, list) {
		changed = append(changed, "tenants")
	}
	return changed
}
