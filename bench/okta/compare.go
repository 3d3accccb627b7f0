package okta

import (
	"fmt"
	"slices"
	"sort"
	"strings"
)

// AtAWS is one user or group as the other side has it: its attributes, and for a
// group the userNames of its members.
type AtAWS struct {
	Document map[string]any
	Members  []string
}

// Comparison is Okta's people and groups held against those at AWS.
type Comparison struct {
	Converged   int      // people and groups who are as they should be
	Changed     []string // as they should be after something was changed or left out with a finding
	OnlyPerson  []string // not at AWS, and nobody but a person can change that
	Differences []string // attribute by attribute
}

// Compare holds both sides against each other, attribute by attribute. People are
// found by userName, groups by name.
func (s *Session) Compare(users, groups []AtAWS) Comparison {
	var c Comparison
	byName := map[string]AtAWS{}
	for _, u := range users {
		byName[text(u.Document["userName"])] = u
	}
	for _, p := range s.Population.People {
		c.person(p, byName)
	}
	groupsByName := map[string]AtAWS{}
	for _, g := range groups {
		groupsByName[text(g.Document["displayName"])] = g
	}
	for _, g := range s.Population.Groups {
		c.group(g, groupsByName)
		delete(groupsByName, g.Name)
	}
	for name := range groupsByName {
		c.differ("group %s is at AWS, and not in Okta", name)
	}
	sort.Strings(c.Differences)
	return c
}

func (c *Comparison) differ(format string, args ...any) {
	c.Differences = append(c.Differences, fmt.Sprintf(format, args...))
}

func (c *Comparison) person(p *Person, byName map[string]AtAWS) {
	u, there := byName[p.login()]
	switch {
	case !p.Mendable() && !there:
		c.OnlyPerson = append(c.OnlyPerson, p.Label+": "+p.Fault.Name)
		return
	case !there && !p.Active:
		c.Converged++
		return
	case !there:
		c.differ("%s is not at AWS", p.Label)
		return
	}
	before := len(c.Differences)
	if active, _ := u.Document["active"].(bool); active != p.Active {
		c.differ("%s: active is %v, want %v", p.Label, active, p.Active)
	}
	for path, want := range p.expect {
		if got := at(u.Document, path); got != want {
			c.differ("%s: %s is %q, want %q", p.Label, path, got, want)
		}
	}
	switch {
	case len(c.Differences) > before:
	case p.Fault != nil:
		c.Changed = append(c.Changed, p.Label+": "+p.Fault.Name)
	default:
		c.Converged++
	}
}

func (c *Comparison) group(g *Group, byName map[string]AtAWS) {
	there, ok := byName[g.Name]
	if !ok {
		c.differ("group %s is not at AWS", g.Name)
		return
	}
	var want []string
	for _, p := range g.Members {
		if p.Mendable() {
			want = append(want, p.login())
		}
	}
	missing, extra := minus(want, there.Members), minus(there.Members, want)
	if len(missing)+len(extra) > 0 {
		c.differ("group %s: %d members are missing, %d are too many, of %d", g.Name, len(missing), len(extra), len(want))
		return
	}
	c.Converged++
}

func minus(a, b []string) (rest []string) {
	for _, s := range a {
		if !slices.Contains(b, s) {
			rest = append(rest, s)
		}
	}
	return rest
}

// at is the text at a path: of a multi-valued attribute that of its first value.
func at(doc map[string]any, path string) string {
	schema, rest := "", path
	if i := strings.LastIndexByte(path, ':'); i >= 0 {
		schema, rest = path[:i], path[i+1:]
		doc, _ = doc[schema].(map[string]any)
	}
	name, sub, _ := strings.Cut(rest, ".")
	value := doc[name]
	if list, ok := value.([]any); ok {
		if len(list) == 0 {
			return ""
		}
		value = list[0]
		if sub == "" {
			sub = "value"
		}
	}
	if sub != "" {
		inner, _ := value.(map[string]any)
		value = inner[sub]
	}
	return text(value)
}

func text(value any) string {
	if value == nil {
		return ""
	}
	return fmt.Sprint(value)
}
