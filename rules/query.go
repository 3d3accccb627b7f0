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
	fault := scim.Fault{Kind: scim.FilterUnsupported, End: len(t.Query.Filter)}
	for _, form := range forms {
		if !fits(filter, form) {
			continue
		}
		if fault.Name = emptyIn(filter); fault.Name == "" {
			return nil
		}
		fault.Kind = scim.ValueEmpty
		return s.Faults([]scim.Fault{fault})
	}
	known := make([]string, len(forms))
	for i, form := range forms {
		known[i] = strings.Join(form, " and ")
	}
	fault.Name = strings.Join(known, ", ") + " with eq"
	if form := nearest(filter, forms); form != nil {
		fault.Name += "; the nearest is " + strings.Join(form, ` eq "…" and `) + ` eq "…"`
	}
	return s.Faults([]scim.Fault{fault})
}

// emptyIn is the attribute that a filter compares with an empty text, "" if it does not.
func emptyIn(f *scim.Filter) string {
	if left, right, ok := f.And(); ok {
		if name := emptyIn(left); name != "" {
			return name
		}
		return emptyIn(right)
	}
	if name, value, _ := f.Eq(); value == "" {
		return name
	}
	return ""
}

// nearest is the form in which the upstream can look up what a filter asks for: by an
// attribute that the filter names as a whole or in part, else by userName in place of
// an e-mail, which often is one. It is nil if there is none.
func nearest(f *scim.Filter, forms [][]string) []string {
	if f == nil {
		return nil
	}
	root := rootOf(f.Attribute)
	if strings.EqualFold(root, "emails") {
		root = "userName"
	}
	for _, form := range forms { // the shorter ones come first
		if strings.EqualFold(rootOf(form[len(form)-1]), root) {
			return form
		}
	}
	if found := nearest(f.Left, forms); found != nil {
		return found
	}
	return nearest(f.Right, forms)
}

// rootOf is an attribute's name without its schema and its part.
func rootOf(attribute string) string {
	if path, err := scim.ParsePath(attribute); err == nil {
		return path.Attribute
	}
	return attribute
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
