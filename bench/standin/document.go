package standin

import (
	"maps"
	"slices"
	"strings"
)

// reader judges documents by the attribute table and returns them cleaned: without
// nulls, empty lists and what is ignored; booleans as booleans.
type reader struct {
	at    Positions
	patch bool // reads a value of PATCH
}

// object reads the attributes of rows. Whether required ones are there is complete's
// question, since PATCH sends a part.
func (r reader) object(rows []attribute, path string, in object) (object, error) {
	for _, name := range slices.Sorted(maps.Keys(in)) {
		if a, ok := row(rows, name); !ok || a.has(contested) && r.at.is("roles", "refuse") {
			if !r.at.is("unsupported", "ignore") {
				return nil, refuse(400, "Unsupported attribute "+join(path, name))
			}
			in = maps.Clone(in)
			delete(in, name)
		}
	}
	out := object{}
	for _, a := range rows {
		v, ok := in[a.name]
		if !ok {
			continue
		}
		clean, err := r.value(a, join(path, a.name), v)
		if err != nil {
			return nil, err
		}
		if clean != nil {
			out[a.name] = clean
		}
	}
	return out, nil
}

// value reads one attribute's value; nil means unassigned.
func (r reader) value(a attribute, path string, v any) (any, error) {
	if v == nil && r.at.is("null-values", "accept") {
		return nil, nil
	}
	wrong := refuse(400, "Wrong type of value at "+path)
	switch a.kind {
	case text:
		s, ok := v.(string)
		if !ok {
			return nil, wrong
		}
		return s, r.text(a, path, s)
	case boolean:
		if b, ok := v.(bool); ok {
			return b, nil
		}
		if s, ok := v.(string); ok && r.patch && a.has(wordy) {
			return r.word(s, wrong)
		}
		return nil, wrong
	case complex:
		in, ok := v.(object)
		if !ok {
			return nil, wrong
		}
		return r.part(a, path, in)
	default:
		in, ok := v.([]any)
		if !ok {
			return nil, wrong
		}
		return r.list(a, path, in)
	}
}

// word reads a boolean in quotes.
func (r reader) word(s string, wrong error) (any, error) {
	if r.at.is("string-booleans", "any-case") {
		s = strings.ToLower(s)
	}
	if r.at.is("string-booleans", "refuse") || s != "true" && s != "false" {
		return nil, wrong
	}
	return s == "true", nil
}

// part reads a complex value; one that holds nothing is unassigned.
func (r reader) part(a attribute, path string, in object) (any, error) {
	out, err := r.object(a.parts, path, in)
	if err != nil || len(out) == 0 {
		return nil, err
	}
	return out, nil
}

// list reads a list of at most one value.
func (r reader) list(a attribute, path string, in []any) (any, error) {
	if len(in) > 1 {
		return nil, tooMany(path)
	}
	if len(in) == 0 {
		if r.at.is("empty-lists", "refuse") {
			return nil, refuse(400, "Empty list at "+path)
		}
		return nil, nil
	}
	element, ok := in[0].(object)
	if !ok {
		return nil, refuse(400, "Wrong type of value at "+path)
	}
	out, err := r.object(a.parts, path, element)
	if err != nil {
		return nil, err
	}
	return []any{out}, nil
}

func tooMany(path string) error {
	return refuse(400, "List attribute "+path+" exceeds allowed limit of 1")
}

// complete judges what a resource must have: on create and PUT everything, on PATCH
// the attributes of the result that the request touched (nil means all).
func (r reader) complete(rows []attribute, doc object, touched map[string]bool) error {
	for _, a := range rows {
		if touched != nil && !touched[a.name] {
			continue
		}
		if a.has(wanted) && doc[a.name] == nil && r.at.is("emails", "required") {
			return tooShort(a.name, general)
		}
		if err := r.has(a, a.name, doc[a.name]); err != nil {
			return err
		}
	}
	return nil
}

// has judges one value and what is in it.
func (r reader) has(a attribute, path string, v any) error {
	switch {
	case a.has(required) && v == nil:
		return tooShort(path, a.class)
	case a.has(certain) && v != true:
		return refuse(400, path+" must be true")
	}
	elements := []any{v}
	if a.kind == list {
		elements, _ = v.([]any)
	}
	for _, element := range elements {
		inside, _ := element.(object) // nil for a complex value that is absent
		var five, present int
		for _, part := range a.parts {
			if err := r.has(part, join(path, part.name), inside[part.name]); err != nil {
				return err
			}
			if part.has(oneOfFive) {
				five++
				if inside[part.name] != nil {
					present++
				}
			}
		}
		if present != 0 && present != five && r.at.is("address", "complete") {
			return refuse(400, path+" must have all of its parts or none")
		}
	}
	return nil
}

// body reads a whole document of create or PUT: takes out schemas, id and meta, then
// reads the rest and asks whether it is complete. id is empty on create.
func (r reader) body(t *resourceType, in object, id string) (object, error) {
	in = maps.Clone(in)
	if v, ok := in["id"]; ok {
		switch {
		case id != "" && v != id && !(v == nil && r.at.is("null-values", "accept")):
			return nil, refuse(400, "id differs from the one in the path")
		case id == "" && r.at.is("create-id", "refuse"):
			return nil, refuse(400, "Unsupported attribute id")
		}
		delete(in, "id")
	}
	if v, ok := in["meta"]; ok {
		meta, _ := v.(object)
		if _, version := meta["version"]; meta == nil || version || r.at.is("meta", "refuse") {
			return nil, refuse(400, "Unsupported attribute meta")
		}
		delete(in, "meta")
	}
	if err := r.schemas(in, t.schemas); err != nil {
		return nil, err
	}
	delete(in, "schemas")
	out, err := r.object(t.attributes, "", in)
	if err != nil {
		return nil, err
	}
	return out, r.complete(t.attributes, out, nil)
}

// schemas judges the list of schema URNs, which may be left out.
func (r reader) schemas(in object, known []string) error {
	v, ok := in["schemas"]
	if !ok || v == nil && r.at.is("null-values", "accept") {
		return nil
	}
	urns, ok := v.([]any)
	if !ok {
		return refuse(400, "schemas is not a list")
	}
	for _, urn := range urns {
		if s, _ := urn.(string); !slices.Contains(known, s) {
			return refuse(400, "Unknown schema")
		}
	}
	return nil
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
