package standin

import (
	"encoding/json"
	"strings"
)

// location is where a PATCH path leads: an attribute of the resource or of the
// extension, and maybe a part of it. A filter selects in a list.
type location struct {
	extension bool
	attribute attribute
	part      *attribute
	filter    *selection
}

// selection is a filter in a path: type eq "work".
type selection struct {
	name  string
	value any
}

// top is the name of the resource's attribute that the location is in or is.
func (l location) top() string {
	if l.extension {
		return enterpriseURN
	}
	return l.attribute.name
}

// path reads the path of an operation. Paths that lead nowhere, or where PATCH may
// change nothing, are refused.
func (r reader) path(t *resourceType, path string) (location, error) {
	unknown := refuse(400, "Unsupported path in PATCH request")
	rows, rest := t.attributes, path
	var at location
	if after, ok := strings.CutPrefix(path, enterpriseURN+":"); ok && t == &users {
		rows, rest, at.extension = enterprise(), after, true
	} else if after, ok := strings.CutPrefix(path, t.urn+":"); ok {
		if r.at.is("core-urn-paths", "refuse") {
			return location{}, unknown
		}
		rest = after
	}
	if !at.extension {
		if a, ok := row(rows, rest); ok && a.name == enterpriseURN {
			at.attribute = a
			return at, nil
		}
	}
	name, filter, partName := split(rest)
	a, ok := row(rows, name)
	allowed := a.has(patchable) || a.has(contested) && r.at.is("roles", "accept-in-patch")
	if !ok || !allowed || strings.HasPrefix(name, "urn:") {
		return location{}, unknown
	}
	at.attribute = a
	if filter != "" {
		if at.filter, ok = r.selection(a, filter); !ok || r.at.is("value-paths", "refuse") {
			return location{}, unknown
		}
	}
	if partName == "" {
		if strings.HasSuffix(rest, ".") {
			return location{}, unknown
		}
		return at, nil
	}
	part, ok := row(a.parts, partName)
	if !ok || a.kind == list && at.filter == nil && r.at.is("dotted-list-paths", "refuse") {
		return location{}, unknown
	}
	at.part = &part
	return at, nil
}

// split takes name[filter].part apart.
func split(path string) (name, filter, part string) {
	name, rest, filtered := strings.Cut(path, "[")
	if !filtered {
		name, part, _ = strings.Cut(path, ".")
		return name, "", part
	}
	end := strings.LastIndex(rest, "]")
	if end < 1 || end+1 < len(rest) && rest[end+1] != '.' {
		return "", "", ""
	}
	return name, rest[:end], strings.TrimPrefix(rest[end+1:], ".")
}

// selection reads a filter of the form: name eq value, the value a JSON string or boolean.
func (r reader) selection(a attribute, filter string) (*selection, bool) {
	words := strings.SplitN(filter, " ", 3)
	if len(words) != 3 || words[1] != "eq" || a.kind != list {
		return nil, false
	}
	if _, ok := row(a.parts, words[0]); !ok {
		return nil, false
	}
	var value any
	if err := json.Unmarshal([]byte(words[2]), &value); err != nil {
		return nil, false
	}
	switch value.(type) {
	case string, bool:
		return &selection{words[0], value}, true
	}
	return nil, false
}
