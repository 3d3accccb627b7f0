package rules

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/scimgate/scimgate/rules/scim"
)

// Contract is what one upstream accepts: attribute tables and rules.
type Contract struct {
	Users   []Attribute
	Groups  []Attribute
	Message []Attribute // of PATCH requests
	Rules   []Rule
	Retired []string // IDs that were once rules
	// Filters that the upstream carries out, with eq: an attribute, or two that
	// are joined by and. No entry: all of them.
	Filters map[scim.Operation][][]string
	// Suspects are attributes that the upstream is known to dislike, the likeliest
	// first: what is said of a refusal that no rule foresaw.
	Suspects []Suspect
}

// Settings are what one tenant wants of it. The zero value is the default.
type Settings struct {
	Policy Policy
	// Dispositions of rules by ID, where they differ from the default.
	Dispositions map[string]Disposition
	// Templates by path of an attribute: what to fill in where a required one is
	// missing. {name.familyName} stands for another attribute's value.
	Templates map[string]string
}

// Set is a contract under one tenant's settings, ready to judge. It is immutable
// and safe for concurrent use.
type Set struct {
	users, groups, message *schema
	rules                  []compiled
	faults                 [scim.EndOfKinds]*compiled
	dispositions           []Disposition
	none                   []int32 // a zero for each rule
	policy                 Policy
	templates              map[string]string
	filters                map[scim.Operation][][]string
	suspects               []Suspect
	vital                  map[string]bool // names of vital parts, in lower case
}

type compiled struct {
	*Rule
	index int
}

// New compiles a set. It refuses a contract that contradicts itself and settings
// that name what doesn't exist; the error tells of everything that it found.
func New(c Contract, settings Settings) (*Set, error) {
	s := &Set{policy: settings.Policy, templates: settings.Templates, filters: c.Filters, suspects: c.Suspects, vital: map[string]bool{}}
	var faults []error
	for _, t := range []struct {
		to   **schema
		from []Attribute
		core string
	}{{&s.users, c.Users, scim.UserSchema}, {&s.groups, c.Groups, scim.GroupSchema}, {&s.message, c.Message, scim.PatchSchema}} {
		built, err := build(t.from)
		if err != nil {
			return nil, err
		}
		built.core = t.core
		*t.to = built
		for _, a := range t.from {
			if a.Traits&Vital != 0 {
				s.vital[strings.ToLower(a.Path[strings.LastIndexByte(a.Path, '.')+1:])] = true
			}
		}
	}
	s.rules = make([]compiled, len(c.Rules))
	s.dispositions = make([]Disposition, len(c.Rules))
	s.none = make([]int32, len(c.Rules))
	seen := map[string]bool{}
	for _, id := range c.Retired {
		seen[id] = true
	}
	for i := range c.Rules {
		r := &c.Rules[i]
		if err := r.check(seen); err != nil {
			faults = append(faults, err)
		}
		seen[r.ID] = true
		s.rules[i] = compiled{r, i}
		s.dispositions[i] = r.Default
		if d, ok := settings.Dispositions[r.ID]; ok {
			if d == Repaired && len(r.Repair) == 0 && r.Fault == 0 {
				faults = append(faults, fmt.Errorf("cannot set %s to repair: only a person can mend it", r.ID))
			}
			s.dispositions[i] = d
		}
		if err := s.place(&s.rules[i]); err != nil {
			faults = append(faults, err)
		}
	}
	for id := range settings.Dispositions {
		if !seen[id] {
			faults = append(faults, fmt.Errorf("cannot set rule %q: there is none", id))
		}
	}
	for _, path := range slices.Sorted(maps.Keys(settings.Templates)) {
		if err := s.checkTemplate(path, settings.Templates[path]); err != nil {
			faults = append(faults, err)
		}
	}
	for kind := scim.Kind(1); kind < scim.EndOfKinds; kind++ {
		if s.faults[kind] == nil && len(c.Rules) > 0 {
			faults = append(faults, fmt.Errorf("no rule puts fault %d of the parsers into words", kind))
		}
	}
	return s, errors.Join(faults...)
}

func (r *Rule) check(seen map[string]bool) error {
	switch {
	case len(r.ID) != 5 || !strings.HasPrefix(r.ID, "SG"):
		return fmt.Errorf("rule %q: an ID is SG and three digits", r.ID)
	case seen[r.ID]:
		return fmt.Errorf("rule %s: the ID was used before", r.ID)
	case r.Title == "" || r.Fix == "" || r.AWS == "" || r.Where == "":
		return fmt.Errorf("rule %s: title, fix, AWS and source must not be empty", r.ID)
	case r.Strength == Inferred && r.Default > Warn:
		return fmt.Errorf("rule %s: what is only inferred warns at most", r.ID)
	case r.Fault == 0 && r.Default == Repaired && len(r.Repair) == 0:
		return fmt.Errorf("rule %s: it repairs by default and has no repair", r.ID)
	case r.Fault == 0 && r.When == 0:
		return fmt.Errorf("rule %s: it would never run", r.ID)
	}
	return nil
}

// place hooks a rule in wherever it looks.
func (s *Set) place(c *compiled) error {
	if c.Fault != 0 {
		if s.faults[c.Fault] != nil {
			return fmt.Errorf("rule %s: %s is about the same fault", c.ID, s.faults[c.Fault].ID)
		}
		s.faults[c.Fault] = c
		return nil
	}
	placed := map[string]bool{}
	in := func(root *schema, ops [variants]scim.Operation) {
		if c.When&Unlisted != 0 {
			s.hook(c, ops, &root.unlisted)
		}
		root.walk(func(_ *schema, r *row) {
			if r.sub != nil && c.When&Unlisted != 0 {
				s.hook(c, ops, &r.sub.unlisted)
			}
			if !c.looksAt(r.Attribute) {
				return
			}
			placed[r.Path] = true
			s.hook(c, ops, &r.on)
		})
	}
	in(s.users, [variants]scim.Operation{scim.CreateUser, scim.ReplaceUser, scim.PatchUser})
	in(s.groups, [variants]scim.Operation{scim.CreateGroup, scim.ReplaceGroup, scim.PatchGroup})
	in(s.message, [variants]scim.Operation{patching: scim.PatchUser | scim.PatchGroup})
	for _, path := range c.At {
		if !placed[path] {
			return fmt.Errorf("rule %s: no attribute has the path %q", c.ID, path)
		}
	}
	return nil
}

func (r *Rule) looksAt(a *Attribute) bool {
	for _, path := range r.At {
		if path == a.Path {
			return true
		}
	}
	return len(r.At) == 0 && (r.Trait == AnyTrait || a.Traits&r.Trait != 0)
}

func (s *Set) hook(c *compiled, ops [variants]scim.Operation, on *[variants]hooks) {
	for v := range on {
		if c.On&ops[v] != 0 && s.dispositions[c.index] != Off {
			on[v].when |= c.When
			on[v].rules = append(on[v].rules, c)
		}
	}
}

// Rules are the rules of the set in their order, with the dispositions that its
// settings give them.
func (s *Set) Rules(yield func(*Rule, Disposition) bool) {
	for i := range s.rules {
		if !yield(s.rules[i].Rule, s.dispositions[i]) {
			return
		}
	}
}
