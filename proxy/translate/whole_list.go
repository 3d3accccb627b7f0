package translate

import (
	"strings"

	"github.com/tidwall/gjson"

	"github.com/scimgate/scimgate/rules/scim"
)

// singles are the multi-valued attributes of which AWS holds one value.
var singles = [...]string{"emails", "phoneNumbers", "addresses", "roles"}

// intoList tells which of them a path leads into, as Entra ID writes it:
// emails[type eq "work"].value.
func intoList(path string) (attribute string, p scim.Path, ok bool) {
	p, err := scim.ParsePath(path)
	if err != nil || p.Filter == nil && p.Sub == "" {
		return "", p, false
	}
	for _, name := range singles {
		if strings.EqualFold(p.Attribute, name) {
			return name, p, true
		}
	}
	return "", p, false
}

// wholeLists rewrites operations on a part of a list as replacements of the whole
// list, which AWS documents; current is the user as AWS has it. A second value, which
// AWS can't hold, is left out: dropped are the paths of such operations.
func wholeLists(settings []setting, current []byte) (rest []setting, dropped []string) {
	lists := map[string]*element{}
	var order []string
	for _, s := range settings {
		attribute, path, ok := intoList(s.path)
		if !ok {
			rest = append(rest, s)
			continue
		}
		e := lists[attribute]
		if e == nil {
			e = elementOf(gjson.GetBytes(current, attribute+".0"))
			lists[attribute] = e
			order = append(order, attribute)
		}
		if !e.apply(s, path, attribute == "emails") {
			dropped = append(dropped, s.path)
		}
	}
	for _, attribute := range order {
		switch e := lists[attribute]; {
		case !e.changed:
		case len(e.names) == 0:
			rest = append(rest, setting{"remove", attribute, ""})
		default:
			rest = append(rest, setting{"replace", attribute, "[" + e.json() + "]"})
		}
	}
	return rest, dropped
}

// element is the one value of a list, its parts in order.
type element struct {
	names   []string
	raw     map[string]string
	changed bool
}

func elementOf(value gjson.Result) *element {
	e := &element{raw: map[string]string{}}
	value.ForEach(func(name, part gjson.Result) bool {
		e.set(name.Str, part.Raw)
		return true
	})
	return e
}

func (e *element) set(name, raw string) {
	for _, known := range e.names {
		if strings.EqualFold(known, name) {
			e.raw[known] = raw
			return
		}
	}
	e.names = append(e.names, name)
	e.raw[name] = raw
}

func (e *element) remove(name string) {
	for i, known := range e.names {
		if strings.EqualFold(known, name) {
			e.names = append(e.names[:i:i], e.names[i+1:]...)
			delete(e.raw, known)
			return
		}
	}
}

func (e *element) json() string {
	parts := make([]string, len(e.names))
	for i, name := range e.names {
		parts[i] = string(scim.AppendString(nil, name)) + ":" + e.raw[name]
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// apply carries out one operation. It is false if the operation is about another
// value than the one that AWS has.
func (e *element) apply(s setting, path scim.Path, primary bool) bool {
	removes := s.op == "remove"
	if path.Filter != nil {
		name, value, ok := path.Filter.Eq()
		if !ok {
			return false
		}
		has := gjson.Parse(e.rawOf(name)).String()
		switch {
		case len(e.names) > 0 && !strings.EqualFold(has, value):
			return removes // what isn't there need not be removed
		case len(e.names) == 0 && removes:
			return true
		case len(e.names) == 0:
			e.set(name, string(scim.AppendString(nil, value)))
			if primary {
				e.set("primary", "true")
			}
		}
	}
	e.changed = true
	switch {
	case path.Sub == "" && removes:
		e.names, e.raw = nil, map[string]string{}
	case path.Sub == "":
		gjson.Parse(s.raw).ForEach(func(name, part gjson.Result) bool {
			e.set(name.Str, part.Raw)
			return true
		})
	case removes:
		if e.remove(path.Sub); strings.EqualFold(path.Sub, "value") { // nothing is left that means anything
			e.names, e.raw = nil, map[string]string{}
		}
	default:
		e.set(path.Sub, s.raw)
	}
	return true
}

func (e *element) rawOf(name string) string {
	for _, known := range e.names {
		if strings.EqualFold(known, name) {
			return e.raw[known]
		}
	}
	return ""
}
