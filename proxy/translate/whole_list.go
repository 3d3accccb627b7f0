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
// list, which AWS documents, together with what else is done to that list, in order;
// current is the user as AWS has it. A second value, which AWS can't hold, is left out:
// dropped are the paths of such operations.
func wholeLists(settings []setting, current []byte) (rest []setting, dropped []string) {
	lists := map[string]*element{}
	var order []string
	for _, s := range settings {
		attribute := listOf(s.path)
		if attribute == "" {
			rest = append(rest, s)
			continue
		}
		e := lists[attribute]
		if e == nil {
			e = elementOf(gjson.GetBytes(current, attribute+".0"))
			e.primary, e.wanted = attribute == "emails", wantedType(settings, attribute)
			lists[attribute] = e
			order = append(order, attribute)
		}
		_, path, _ := intoList(s.path)
		if !e.apply(s, path) {
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

// listOf is which of the lists a path is about, as a whole or in part; "" if none.
func listOf(path string) string {
	if attribute, _, ok := intoList(path); ok {
		return attribute
	}
	for _, name := range singles {
		if strings.EqualFold(path, name) {
			return name
		}
	}
	return ""
}

// wantedType is the type of the value that is kept where several are written and there is
// none yet: work, as AWS's guide for Entra has it, else the first.
func wantedType(settings []setting, attribute string) (first string) {
	for _, s := range settings {
		of, path, ok := intoList(s.path)
		if !ok || of != attribute || s.op == "remove" {
			continue
		}
		for _, c := range conditions(path.Filter) {
			if !strings.EqualFold(c.name, "type") {
				continue
			}
			kind := gjson.Parse(c.raw).String()
			if strings.EqualFold(kind, "work") {
				return kind
			}
			if first == "" {
				first = kind
			}
		}
	}
	return first
}

// condition is one comparison of a value filter that has to hold: an attribute and a JSON
// literal.
type condition struct{ name, raw string }

// conditions are those of a filter of eq and and; nil of another filter, or of none.
func conditions(f *scim.Filter) []condition {
	if f == nil {
		return nil
	}
	if left, right, ok := f.And(); ok {
		l, r := conditions(left), conditions(right)
		if l == nil || r == nil {
			return nil
		}
		return append(l, r...)
	}
	if f.Op != "eq" {
		return nil
	}
	return []condition{{f.Attribute, f.Value}}
}

// element is the one value of a list, its parts in order.
type element struct {
	names   []string
	raw     map[string]string
	changed bool
	primary bool   // it has to be primary, which AWS demands of an e-mail
	wanted  string // type of the value that is kept where several are written
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
func (e *element) apply(s setting, path scim.Path) bool {
	if path.Filter == nil && path.Sub == "" { // the list as a whole
		return e.whole(s)
	}
	removes := s.op == "remove"
	if path.Filter != nil {
		list := conditions(path.Filter)
		switch {
		case list == nil && (len(e.names) == 0 || !e.holds(path.Filter)):
			return removes
		case len(e.names) > 0 && !e.meets(list):
			return removes // what isn't there need not be removed
		case len(e.names) == 0 && removes:
			return true
		case len(e.names) == 0 && !e.wants(list):
			return false
		}
		for _, c := range list {
			if len(e.names) == 0 && e.primary {
				e.set("primary", "true")
			}
			if e.rawOf(c.name) == "" {
				e.set(c.name, c.raw)
			}
		}
	}
	e.changed = true
	switch {
	case path.Sub == "" && removes:
		e.clear()
	case path.Sub == "":
		e.take(gjson.Parse(s.raw))
	case removes:
		if e.remove(path.Sub); strings.EqualFold(path.Sub, "value") { // nothing is left that means anything
			e.clear()
		}
	default:
		e.set(path.Sub, s.raw)
	}
	return true
}

// whole carries out an operation on the list as a whole. What is added beside the value
// that is there takes its place if it is to be primary, or is of its type.
func (e *element) whole(s setting) bool {
	value := gjson.Parse(s.raw)
	if value.IsArray() {
		value = value.Get("0")
	}
	switch {
	case s.op == "remove":
		e.clear()
	case s.op == "add" && len(e.names) > 0 && value.Get("primary").Type != gjson.True && !e.meets([]condition{{"type", value.Get("type").Raw}}):
		return strings.EqualFold(value.Get("value").String(), gjson.Parse(e.rawOf("value")).String())
	default:
		e.clear()
		e.take(value)
	}
	e.changed = true
	return true
}

func (e *element) take(value gjson.Result) {
	if value.IsArray() { // a list of one
		value = value.Get("0")
	}
	value.ForEach(func(name, part gjson.Result) bool {
		e.set(name.Str, part.Raw)
		return true
	})
}

func (e *element) clear() { e.names, e.raw = nil, map[string]string{} }

// meets tells whether the value is the one that is meant. A part that it doesn't have, such
// as the type of an e-mail that was made by hand, contradicts nothing.
func (e *element) meets(list []condition) bool {
	for _, c := range list {
		has := e.rawOf(c.name)
		if has != "" && c.raw != "" && !strings.EqualFold(gjson.Parse(has).String(), gjson.Parse(c.raw).String()) {
			return false
		}
	}
	return true
}

// holds tells whether a filter of any form is true of the value, letter case aside.
func (e *element) holds(f *scim.Filter) bool {
	switch f.Op {
	case "and":
		return e.holds(f.Left) && e.holds(f.Right)
	case "or":
		return e.holds(f.Left) || e.holds(f.Right)
	case "not":
		return !e.holds(f.Left)
	}
	raw := e.rawOf(f.Attribute)
	has, want := strings.ToLower(gjson.Parse(raw).String()), strings.ToLower(gjson.Parse(f.Value).String())
	switch f.Op {
	case "pr":
		return raw != ""
	case "eq":
		return raw != "" && has == want
	case "ne":
		return has != want
	case "co":
		return strings.Contains(has, want)
	case "sw":
		return strings.HasPrefix(has, want)
	case "ew":
		return strings.HasSuffix(has, want)
	case "gt":
		return has > want
	case "ge":
		return has >= want
	case "lt":
		return has < want
	}
	return has <= want
}

// wants tells whether a value is the one to keep of several.
func (e *element) wants(list []condition) bool {
	for _, c := range list {
		if strings.EqualFold(c.name, "type") {
			return e.wanted == "" || strings.EqualFold(gjson.Parse(c.raw).String(), e.wanted)
		}
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
