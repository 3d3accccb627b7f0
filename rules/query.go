package rules

import (
	"strings"

	"github.com/scimgate/scimgate/rules/scim"
)

// Query judges the filter of a list: whether the upstream carries it out.
func (s *Set) Query(t scim.Target) []Finding {
	forms, limited := s.filters[t.Operation]
	if t.Query.Filter == "" || !limited {
		return nil
	}
	filter, err := scim.ParseFilter(t.Query.Filter)
	if err != nil {
		panic("BUG: a target's filter does not parse: " + err.Error())
	}
	for _, form := range forms {
		if fits(filter, form) {
			return nil
		}
	}
	known := make([]string, len(forms))
	for i, form := range forms {
		known[i] = strings.Join(form, " and ")
	}
	note := strings.Join(known, ", ") + " with eq"
	if attribute := nearest(filter, forms); attribute != "" {
		note += "; the nearest is " + attribute + ` eq "…"`
	}
	return s.Faults([]scim.Fault{{Kind: scim.FilterUnsupported, End: len(t.Query.Filter), Name: note}})
}

// nearest is the attribute of a filter by which the upstream can look up: one that
// the filter compares, else userName in place of an e-mail, which often is one.
func nearest(f *scim.Filter, forms [][]string) string {
	if f == nil {
		return ""
	}
	for _, form := range forms {
		if len(form) == 1 && (strings.EqualFold(scim.ShortName(f.Attribute), form[0]) || f.Op == "eq" && form[0] == "userName" && strings.HasPrefix(strings.ToLower(f.Attribute), "emails")) {
			return form[0]
		}
	}
	if found := nearest(f.Left, forms); found != "" {
		return found
	}
	return nearest(f.Right, forms)
}

// fits tells whether a filter is of a form, in either order.
func fits(f *scim.Filter, form []string) bool {
	if left, right, ok := f.And(); ok {
		return len(form) == 2 && (equals(left, form[0]) && equals(right, form[1]) || equals(left, form[1]) && equals(right, form[0]))
	}
	return len(form) == 1 && equals(f, form[0])
}

func equals(f *scim.Filter, attribute string) bool {
	name, _, ok := f.Eq()
	return ok && strings.EqualFold(scim.ShortName(name), attribute)
}
