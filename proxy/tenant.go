package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync/atomic"
	"time"

	"github.com/scimgate/scimgate/proxy/guard"
	"github.com/scimgate/scimgate/proxy/pace"
	"github.com/scimgate/scimgate/proxy/tokens"
	"github.com/scimgate/scimgate/proxy/translate"
	"github.com/scimgate/scimgate/proxy/upstream"
)

// TenantSettings are those of one tenant: one endpoint of AWS, under one policy.
type TenantSettings struct {
	Name     string // in records and metrics, and the first part of its path: /NAME/scim/v2
	Upstream upstream.Settings
	Pace     pace.Settings
	Client   Client
	Tokens   tokens.Settings
	Guard    guard.Settings
	Policy   Policy
}

// defaultTenant is the name of the tenant that the settings themselves describe.
const defaultTenant = "default"

// all are the settings of all tenants, with their defaults; the first is the default one
// unless there are others and none is described by the settings themselves.
// config is the hash of the configuration.
func (s Settings) all(p Policy, config string) []TenantSettings {
	var list []TenantSettings
	if s.Upstream.URL != "" || len(s.Tenants) == 0 {
		list = append(list, TenantSettings{defaultTenant, s.Upstream, s.Pace, s.Client, s.Tokens, s.Guard, p})
	}
	list = append(list, s.Tenants...)
	for i := range list {
		list[i].Policy.Config = config
		list[i].Client = list[i].Client.withDefaults()
		list[i].Pace = list[i].Pace.WithDefaults()
		list[i].Guard = list[i].Guard.WithDefaults()
	}
	return list
}

// check tells everything that is wrong with a tenant's settings.
func (s *TenantSettings) check() error {
	var faults []error
	for _, group := range []struct {
		name string
		err  error
	}{{"upstream", s.Upstream.Check()}, {"pace", s.Pace.Check()}, {"tokens", s.Tokens.Check()}, {"guard", s.Guard.Check()}, {"client", s.Client.check()}} {
		if group.err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", group.name, group.err))
		}
	}
	return errors.Join(faults...)
}

// checkTenants tells what is wrong with the tenants together.
func checkTenants(list []TenantSettings) error {
	var faults []error
	names, stores := map[string]bool{}, map[string]TenantSettings{}
	for i := range list {
		t := &list[i]
		in := ""
		if t.Name != defaultTenant {
			in = "tenants." + t.Name + "."
		}
		if !isTenantName(t.Name) || names[t.Name] {
			faults = append(faults, fmt.Errorf("tenants.%s: a name is of letters, digits and hyphens, 64 at most, not scim, and stands there once", t.Name))
		}
		names[t.Name] = true
		if err := t.check(); err != nil {
			faults = append(faults, fmt.Errorf("%s%w", in, err))
		}
		if other, shared := stores[t.store()]; shared && (t.Upstream != other.Upstream || t.Pace != other.Pace) {
			faults = append(faults, fmt.Errorf("%supstream is that of %s, so all of upstream and pace must be the same", in, other.Name))
		}
		stores[t.store()] = *t
	}
	return errors.Join(faults...)
}

func isTenantName(name string) bool {
	for _, c := range []byte(name) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-') {
			return false
		}
	}
	return name != "" && len(name) <= 64 && name != "scim"
}

// store tells tenants apart that have an identity store of their own.
func (s *TenantSettings) store() string { return strings.TrimRight(s.Upstream.URL, "/") }

// store is one identity store of AWS, with what is known of it. Tenants that have the
// same one share all of this.
type store struct {
	upstream  *upstream.Client
	budgets   *pace.Budgets
	lanes     *pace.Lanes
	memory    *translate.Memory
	breaker   pace.Breaker
	retries   *pace.Retries
	unsettled unsettled
	inactive  inactive
	url       string        // of the store, without a slash at its end
	settle    time.Duration // of a resource, after a write in doubt
	guards    []*guard.Guard
}

func newStore(s *TenantSettings, shared bool) (*store, error) {
	var err error
	st := &store{lanes: pace.NewLanes(pace.Bounds{}), retries: pace.NewRetries(), memory: translate.NewMemory(s.Policy.Limits), url: s.store(), settle: s.Pace.Settle}
	to := s.Upstream
	to.Shared = shared
	if st.upstream, err = upstream.New(to); err != nil {
		return nil, fmt.Errorf("upstream: %w", err)
	}
	if st.budgets, err = pace.NewBudgets(s.Pace); err != nil {
		return nil, fmt.Errorf("pace: %w", err)
	}
	st.memory.Protect(st.protects)
	st.unsettled.busy = st.lanes.Busy
	return st, nil
}

// protects tells whether the guard of a tenant leaves a group of this name alone.
func (st *store) protects(group string) bool {
	for _, g := range st.guards {
		if g.Protects(group) {
			return true
		}
	}
	return false
}

// close sends away who waits; abort also ends the calls that are under way.
func (st *store) close(abort bool) {
	st.budgets.Close()
	st.lanes.Close()
	if abort {
		st.upstream.Abort()
		return
	}
	st.upstream.Close()
}

// Tenant is one endpoint of AWS with what the gateway remembers about it.
type Tenant struct {
	*store
	name        string
	prefix      string // path of the Base URL at AWS: "/TENANT/scim/v2"
	shown       string // path of the Base URL that a client should use
	policy      atomic.Pointer[Policy]
	override    atomic.Pointer[override] // in force for a while, or nil
	retryStatus int
	patience    time.Duration
	keeper      *tokens.Keeper // nil if clients bring AWS's own token
	seen        *tokens.Seen   // that AWS has accepted
	ends        time.Time      // of AWS's token, the zero time if that isn't known
	guesses     *tokens.Guesses
	noise       *tokens.Guesses // refusals that are recorded one by one
	guard       *guard.Guard
	drift       drift
}

// newTenants makes all tenants, those of one identity store on one store.
func newTenants(list []TenantSettings) (tenants []*Tenant, err error) {
	stores, users := map[string]*store{}, map[string]int{}
	for i := range list {
		users[list[i].store()]++
	}
	for i := range list {
		s := &list[i]
		st := stores[s.store()]
		if st == nil {
			if st, err = newStore(s, users[s.store()] > 1); err != nil {
				return nil, fmt.Errorf("tenant %s: %w", s.Name, err)
			}
			stores[s.store()] = st
		}
		t := &Tenant{
			store: st, name: s.Name, prefix: pathOf(s.Upstream.URL), retryStatus: s.Client.RetryStatus, patience: s.Client.Patience,
			guesses: tokens.NewGuesses(5, 20), noise: tokens.NewGuesses(10, 100), guard: guard.New(s.Guard), ends: s.Tokens.Ends(),
		}
		st.guards = append(st.guards, t.guard)
		t.policy.Store(&s.Policy)
		if t.keeper, err = tokens.Open(s.Tokens); err != nil {
			return nil, fmt.Errorf("tokens: %w", err)
		}
		t.shown = t.prefix
		if len(list) > 1 && s.Name != defaultTenant {
			t.shown = "/" + s.Name + "/scim/v2"
		}
		if t.shown == "" {
			t.shown = "/scim/v2"
		}
		tenants = append(tenants, t)
	}
	return tenants, nil
}

// routes are the tenants by the first part of the path; nil if there is one only, whose
// every path is. An endpoint's own path stands for its tenant if no other has it.
func routes(tenants []*Tenant) map[string]*Tenant {
	if len(tenants) == 1 && tenants[0].name == defaultTenant {
		return nil
	}
	by, twice := map[string]*Tenant{}, map[string]bool{}
	for _, t := range tenants {
		first, _, _ := strings.Cut(strings.TrimPrefix(t.prefix, "/"), "/")
		if twice[first] = twice[first] || by[first] != nil; first != "" && first != "scim" {
			by[first] = t
		}
	}
	for first := range twice {
		if twice[first] {
			delete(by, first)
		}
	}
	for _, t := range tenants {
		by[t.name] = t
	}
	return by
}

// tenantOf is whose request a raw target is, and the path of the Base URL by which it
// came: that of the endpoint, or the tenant's name. Without either it is the default
// tenant's; nil if there is none.
func (g *Gateway) tenantOf(raw []byte) (t *Tenant, prefix string) {
	if g.routes == nil {
		return g.tenants[0], g.tenants[0].prefix
	}
	path, _, _ := bytes.Cut(raw, []byte("?"))
	first, _, _ := bytes.Cut(bytes.TrimLeft(path, "/"), []byte("/"))
	if t = g.routes[string(first)]; t != nil {
		if string(first) == t.name {
			return t, "/" + t.name + "/scim/v2"
		}
		return t, t.prefix
	}
	if g.tenants[0].name == defaultTenant {
		return g.tenants[0], g.tenants[0].prefix
	}
	return nil, ""
}

// whose is the name of the tenant of a raw target, "" if there is none.
func (g *Gateway) whose(target []byte) string {
	if t, _ := g.tenantOf(target); t != nil {
		return t.name
	}
	return ""
}

// named is the tenant of that name; "" is the first.
func (g *Gateway) named(name string) (*Tenant, error) {
	if name == "" {
		return g.tenants[0], nil
	}
	for _, t := range g.tenants {
		if t.name == name {
			return t, nil
		}
	}
	var names []string
	for _, t := range g.tenants {
		names = append(names, t.name)
	}
	return nil, fmt.Errorf("there is no tenant of that name; there are %s", strings.Join(names, ", "))
}

// stores are the identity stores, each once.
func (g *Gateway) stores() (list []*store) {
	seen := map[*store]bool{}
	for _, t := range g.tenants {
		if !seen[t.store] {
			seen[t.store] = true
			list = append(list, t.store)
		}
	}
	return list
}

// withoutPolicy is what of the settings needs a restart when it changes.
func withoutPolicy(list []TenantSettings) []TenantSettings {
	list = append([]TenantSettings(nil), list...)
	for i := range list {
		list[i].Policy = Policy{}
	}
	return list
}

func sameTenants(a, b []TenantSettings) bool {
	return reflect.DeepEqual(withoutPolicy(a), withoutPolicy(b))
}
