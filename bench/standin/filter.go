package standin

import (
	"encoding/json"
	"slices"
	"strings"
)

// comparison is one "attribute eq value" of a filter.
type comparison struct{ name, value string }

// filter reads a filter and refuses all but the supported forms: one comparison, or
// two fixed ones joined by and, in either order (guide, ListUsers, ListGroups).
func (s *Server) filter(t *resourceType, raw string) ([]comparison, error) {
	invalid := refuse(400, "Invalid Filter format")
	var out []comparison
	for rest := raw; ; {
		c, after, ok := s.comparison(t, rest)
		if !ok || c.value == "" {
			return nil, invalid
		}
		out = append(out, c)
		if after == "" {
			break
		}
		and := " and "
		if len(after) <= len(and) || s.word(after[:len(and)]) != and {
			return nil, invalid
		}
		rest = after[len(and):]
	}
	names := make([]string, len(out))
	for i, c := range out {
		names[i] = c.name
	}
	if !s.supports(t, names) {
		return nil, invalid
	}
	if len(out) == 2 && out[0].name != "id" {
		slices.Reverse(out)
	}
	return out, nil
}

// supports tells whether a filter may have these attributes.
func (s *Server) supports(t *resourceType, names []string) bool {
	if len(names) == 2 && t == &groups {
		other := slices.Index(names, "id") ^ 1
		switch where := s.at.at("pair-attribute"); {
		case other < 0 || other > 1:
			return false
		case names[other] == "members.value" && where != "members":
			names = []string{"id", "members"}
		case names[other] == "members" && where == "members.value":
			return false
		}
	}
	names = slices.Sorted(slices.Values(names))
	return slices.ContainsFunc(t.filters, func(f []string) bool { return slices.Equal(f, names) })
}

// comparison reads one from the head of a filter and returns what comes after it. The
// value is a JSON string, so that quotes and backslashes in it are escaped.
func (s *Server) comparison(t *resourceType, in string) (c comparison, rest string, ok bool) {
	name, in, ok := strings.Cut(in, " ")
	eq := "eq "
	if !ok || len(in) < len(eq) || s.word(in[:len(eq)]) != eq || in[len(eq):] == "" || in[len(eq)] != '"' {
		return c, "", false
	}
	in = in[len(eq):]
	dec := json.NewDecoder(strings.NewReader(in))
	if err := dec.Decode(&c.value); err != nil {
		return c, "", false
	}
	c.name = name
	for _, form := range t.filters {
		for _, known := range form {
			if s.word(name) == s.word(known) {
				c.name = known
			}
		}
	}
	return c, in[dec.InputOffset():], true
}

// word is a name or operator of a filter as it is compared.
func (s *Server) word(w string) string {
	if s.at.is("filter-words", "fold") {
		return strings.ToLower(w)
	}
	return w
}

// candidates returns what a filter selects, in the order of creation.
func (s *Server) candidates(h *shelf, filter []comparison) ([]*resource, error) {
	if len(filter) == 0 {
		return h.all, nil
	}
	first := filter[0]
	switch first.name {
	case "groups.value":
		group := s.groups.byID[first.value]
		if group == nil && s.at.is("unknown-group-filter", "404") {
			return nil, refuse(404, "")
		}
		if group == nil {
			return nil, nil
		}
		return group.listed(), nil
	case "members.value":
		user := s.users.byID[first.value]
		if user == nil {
			return nil, refuse(404, "")
		}
		return user.links, nil
	case "id":
		return s.pair(h, first.value, filter[1:])
	}
	return s.equal(h, first), nil
}

// equal returns the resources whose unique attribute has a value.
func (s *Server) equal(h *shelf, c comparison) []*resource {
	a, _ := row(h.of.attributes, c.name)
	exactly := !a.has(caseless) || s.at.is("filter-case", "exact")
	var out []*resource
	for _, r := range h.byKey[key(c.name, c.value)] {
		if !exactly || r.doc[c.name] == c.value {
			out = append(out, r)
		}
	}
	return out
}

// pair answers id alone, id with manager, and the membership test: id with members.
func (s *Server) pair(h *shelf, id string, second []comparison) ([]*resource, error) {
	r := h.byID[id]
	if len(second) == 1 && h == s.groups {
		user := s.users.byID[second[0].value]
		if user == nil {
			return nil, refuse(404, "")
		}
		if r != nil && !linked(r.listed(), user) {
			r = nil
		}
	} else if len(second) == 1 && r != nil {
		extension, _ := r.doc[enterpriseURN].(object)
		manager, _ := extension["manager"].(object)
		if manager["value"] != second[0].value {
			r = nil
		}
	}
	if r == nil {
		return nil, nil
	}
	return []*resource{r}, nil
}
