package scim

import (
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// ReadSearch takes the query of a search from its body (RFC 7644 §3.4.3). Faults'
// offsets are bytes of the body; those that refuse it come last, and ok is false.
func (t *Target) ReadSearch(body []byte) (faults []Fault, ok bool) {
	var doc Document
	if fault, ok := doc.Scan(body); !ok {
		return []Fault{fault}, false
	}
	if doc.Nodes[0].Shape != Object {
		return []Fault{{Kind: NotAnObject, End: len(body)}}, false
	}
	p := targetParser{raw: body}
	ok = true
	gjson.ParseBytes(body).ForEach(func(name, value gjson.Result) bool {
		start, end := name.Index, value.Index+len(value.Raw)
		switch key := strings.ToLower(name.Str); key {
		case "schemas":
		case "filter":
			if value.Type != gjson.Null { // another type is no filter that AWS has
				ok = p.filter(t, value.String(), []byte(value.Raw), value.Index)
			}
		case "attributes":
			t.Query.Attributes = texts(value)
		case "excludedattributes":
			t.Query.ExcludedAttributes = texts(value)
		case "startindex", "count", "cursor":
			ok = p.parameter(t, key, name.Str, value.String(), nil, start, end, value.Index, true)
		default:
			p.note(ParameterUnsupported, start, end, shown(name.Str))
		}
		return ok
	})
	return p.faults, ok
}

func texts(value gjson.Result) (list []string) {
	value.ForEach(func(_, one gjson.Result) bool {
		list = slices.Concat(list, names(one.Str))
		return len(list) < 64
	})
	return list
}
