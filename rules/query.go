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
	return s.Faults([]scim.Fault{{Kind: scim.FilterUnsupported, End: len(t.Query.Filter), Name: strings.Join(known, ", ") + " with eq"}})
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
	return ok && strings.EqualFold(name, attribute)
}
