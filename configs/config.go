package configs

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/scimgate/scimgate/proxy"
	"github.com/scimgate/scimgate/proxy/translate"
	"github.com/scimgate/scimgate/rules"
	"github.com/scimgate/scimgate/rules/aws"
)

// Config is everything that can be set. The zero value of each key stands for its
// default.
type Config struct {
	proxy.Settings `yaml:",inline"`

	Contract    string `yaml:"contract"`
	Policy      string `yaml:"policy"`
	Address     string `yaml:"address"`
	Roles       string `yaml:"roles"`
	Adopt       string `yaml:"adopt"`
	DeleteUsers string `yaml:"delete_users"`
	ListMembers string `yaml:"list_members"`
	// Rules are dispositions by ID: off, warn, repair, reject.
	Rules map[string]string `yaml:"rules"`
	// Templates say what to fill in where a required name is missing, by the path
	// of the attribute. {name.familyName} stands for another attribute's value.
	Templates map[string]string `yaml:"templates"`
	// Tenants are other endpoints beside the one that these settings describe, by name.
	// What a tenant leaves out is as it is here, but for tokens.
	Tenants map[string]*Config `yaml:"tenants"`
}

// Load reads the settings: defaults, then the file, then the environment, then
// flags, the last one wins. file may be "". environ is as of os.Environ; flags are
// values by the name of the key. The error tells of all faults at once, each with
// its place.
func Load(file string, environ []string, flags map[string]string) (*Config, error) {
	c, r := &Config{}, &reading{file: file, values: map[string]string{}, tenants: map[string]*reading{}}
	values, faults := r.values, []error(nil)
	if file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("cannot read configuration: %w", err)
		}
		faults = append(faults, r.read(text)...)
		c.Rules, c.Templates = r.rules, r.templates
	}
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, "SCIMGATE_") || name == "SCIMGATE_CONFIG" {
			continue
		}
		if key, ok := byEnv(name); ok {
			values[key] = value
		} else {
			faults = append(faults, fmt.Errorf("environment: %s is no setting%s", name, nearest(name, envNames())))
		}
	}
	for name, value := range flags {
		values[name] = value
	}
	faults = append(faults, c.fill(values)...)
	for _, name := range slices.Sorted(maps.Keys(r.tenants)) {
		t, err := r.tenants[name].tenant(r)
		faults = append(faults, err...)
		if c.Tenants == nil {
			c.Tenants = map[string]*Config{}
		}
		c.Tenants[name] = t
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	if _, err := c.Rulebook(); err != nil {
		return nil, err
	}
	c.Audit.Config = c.Hash()
	return c, c.addTenants()
}

// addTenants makes the tenants settings of the gateway, with their policies.
func (c *Config) addTenants() error {
	for _, name := range slices.Sorted(maps.Keys(c.Tenants)) {
		t := c.Tenants[name]
		policy, err := t.Rulebook()
		if err != nil {
			return fmt.Errorf("tenants.%s: %w", name, err)
		}
		c.Settings.Tenants = append(c.Settings.Tenants, proxy.TenantSettings{
			Name: name, Upstream: t.Upstream, Pace: t.Pace, Client: t.Client, Tokens: t.Settings.Tokens, Guard: t.Guard, Policy: policy,
		})
	}
	return nil
}

func isKey(name string) bool {
	return slices.ContainsFunc(Keys(), func(k Key) bool { return k.Name == name })
}

func isList(name string) bool {
	return slices.ContainsFunc(Keys(), func(k Key) bool { return k.Name == name && k.kind.Kind() == listKind })
}

func isGroup(name string) bool {
	return slices.ContainsFunc(Keys(), func(k Key) bool { return strings.HasPrefix(k.Name, name+".") })
}

// fill sets the values by the names of their keys.
func (c *Config) fill(values map[string]string) (faults []error) {
	var tree strings.Builder
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	sort.Strings(names)
	nested := map[string]any{}
	for _, name := range names {
		key := Keys()[slices.IndexFunc(Keys(), func(k Key) bool { return k.Name == name })]
		value, err := typed(key, values[name])
		if err != nil {
			faults = append(faults, err)
			continue
		}
		if list, ok := value.([]string); ok && len(list) == 0 {
			continue // as if it had not been set
		}
		in := nested
		parts := strings.Split(name, ".")
		for _, p := range parts[:len(parts)-1] {
			if in[p] == nil {
				in[p] = map[string]any{}
			}
			in = in[p].(map[string]any)
		}
		in[parts[len(parts)-1]] = value
	}
	text, err := yaml.Marshal(nested)
	if err != nil {
		return append(faults, fmt.Errorf("BUG: settings have no YAML: %w", err))
	}
	tree.Write(text)
	if err := yaml.UnmarshalWithOptions(text, c, yaml.DisallowUnknownField()); err != nil {
		faults = append(faults, fmt.Errorf("BUG: settings cannot be read back: %w", err))
	}
	return faults
}

// typed reads one value: 30s for a time, 1MiB for a size.
func typed(k Key, value string) (any, error) {
	switch {
	case k.kind == durationType:
		d, err := time.ParseDuration(value)
		if err != nil {
			return nil, fmt.Errorf("%s %q is not a time such as 30s", k.Name, value)
		}
		return d.String(), nil
	case k.Bool():
		b, err := strconv.ParseBool(value)
		if err != nil {
			return nil, fmt.Errorf("%s %q is not true or false", k.Name, value)
		}
		return b, nil
	case k.kind.Kind() == intKind:
		n, err := size(value)
		if err != nil {
			return nil, fmt.Errorf("%s %q is not a number, or a size such as 1MiB", k.Name, value)
		}
		return n, nil
	case k.kind.Kind() == listKind:
		var list []string
		for text := range strings.SplitSeq(value, ",") {
			if text = strings.TrimSpace(text); text != "" {
				list = append(list, text)
			}
		}
		return list, nil
	case k.kind.Kind() == floatKind:
		f, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return nil, fmt.Errorf("%s %q is not a number", k.Name, value)
		}
		return f, nil
	}
	return value, nil
}

func size(value string) (int, error) {
	for suffix, unit := range map[string]int{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30} {
		if number, ok := strings.CutSuffix(value, suffix); ok {
			n, err := strconv.Atoi(strings.TrimSpace(number))
			return n * unit, err
		}
	}
	return strconv.Atoi(value)
}

// Rulebook compiles the rules under these settings.
func (c *Config) Rulebook() (proxy.Policy, error) {
	var faults []error
	for _, choice := range []struct {
		key, value string
		of         []string // the default first
	}{
		{"contract", c.Contract, []string{"aws", "none"}},
		{"roles", c.Roles, []string{"leave_out", "pass"}},
		{"adopt", c.Adopt, []string{"never", "matching"}},
		{"delete_users", c.DeleteUsers, []string{"delete", "deactivate"}},
		{"list_members", c.ListMembers, []string{"leave_out", "fill"}},
	} {
		if choice.value != "" && !slices.Contains(choice.of, choice.value) {
			faults = append(faults, fmt.Errorf("%s %q is not %s", choice.key, choice.value, strings.Join(choice.of, " or ")))
		}
	}
	s := aws.Settings{Address: aws.AddressPolicy(orElse(c.Address, "complete")), Roles: c.Roles == "pass"}
	if s.Address != aws.CompleteAddress && s.Address != aws.RejectAddress && s.Address != aws.PartialAddress {
		faults = append(faults, fmt.Errorf("address %q is not complete, reject or partial", c.Address))
	}
	policy, ok := rules.ParsePolicy(orElse(c.Policy, "repair"))
	if !ok {
		faults = append(faults, fmt.Errorf("policy %q is not repair, strict or observe", c.Policy))
	}
	s.Policy, s.Templates, s.Dispositions = policy, c.Templates, map[string]rules.Disposition{}
	for id, word := range c.Rules {
		d, ok := rules.ParseDisposition(word)
		if !ok {
			faults = append(faults, fmt.Errorf("rules.%s %q is not off, warn, repair or reject", id, word))
		}
		s.Dispositions[id] = d
	}
	if len(faults) > 0 {
		return proxy.Policy{}, errors.Join(faults...)
	}
	compile := func() (*rules.Set, error) { return aws.New(s) }
	plain := c.Contract == "none"
	if plain {
		compile = func() (*rules.Set, error) { return aws.PlainStore(s.Settings) }
	}
	set, err := compile()
	if err != nil {
		return proxy.Policy{}, err
	}
	with := func(rule string, d rules.Disposition) (*rules.Set, error) {
		changed := maps.Clone(s.Dispositions)
		changed[rule] = d
		other := s
		other.Dispositions = changed
		if plain {
			return aws.PlainStore(other.Settings)
		}
		return aws.New(other)
	}
	return proxy.Policy{
		With:  with,
		Rules: set, Observe: policy == rules.ObservePolicy, Plain: plain,
		Limits: translate.Limits{Members: aws.Published.Members, Page: aws.Published.Page},
		Adopt:  c.Adopt == "matching", DeactivateInstead: c.DeleteUsers == "deactivate", ListMembers: c.ListMembers == "fill",
		Discovery: aws.Discovery(s),
	}, nil
}

func orElse(value, fallback string) string {
	if value == "" {
		return fallback
	}
	return value
}

// Hash names the configuration in the audit log: SHA-256 of what was set, 16 hex
// digits.
func (c *Config) Hash() string {
	text, err := yaml.Marshal(c)
	if err != nil {
		panic("BUG: settings have no YAML: " + err.Error())
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}
