package standin

import (
	"bytes"
	"encoding/json"
	"strconv"
	"unicode/utf8"
)

// object is a JSON object. Its values are nil, bool, string, json.Number, object and []any.
type object = map[string]any

func itoa(n int) string { return strconv.Itoa(n) }

// parse reads a body that must be one JSON object with one reading: valid UTF-8, no
// name twice in an object, nothing after it, no half of a surrogate pair.
func parse(body []byte) (object, error) {
	unreadable := refuse(400, "Invalid JSON from RequestBody")
	if !utf8.Valid(body) || !json.Valid(body) || halfSurrogate(body) {
		return nil, unreadable
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	v, ok := next(dec)
	doc, isObject := v.(object)
	if !ok || !isObject {
		return nil, unreadable
	}
	return doc, nil
}

// next reads one value of JSON that is known to be valid; false if a name is repeated.
func next(dec *json.Decoder) (any, bool) {
	token, err := dec.Token()
	if err != nil {
		return nil, false
	}
	switch token {
	case json.Delim('{'):
		out := object{}
		for dec.More() {
			name, err := dec.Token()
			if err != nil {
				return nil, false
			}
			v, ok := next(dec)
			if _, twice := out[name.(string)]; twice || !ok {
				return nil, false
			}
			out[name.(string)] = v
		}
		_, err = dec.Token()
		return out, err == nil
	case json.Delim('['):
		out := []any{}
		for dec.More() {
			v, ok := next(dec)
			if !ok {
				return nil, false
			}
			out = append(out, v)
		}
		_, err = dec.Token()
		return out, err == nil
	}
	return token, true
}

// halfSurrogate finds an escape \uD800 to \uDFFF without its other half. Go reads it
// as U+FFFD, which AWS's character classes hold; AWS would see a surrogate, which
// they do not.
func halfSurrogate(body []byte) bool {
	for i := 0; i+1 < len(body); i++ {
		if body[i] != '\\' {
			continue
		}
		if body[i+1] != 'u' {
			i++ // the escaped sign may be a backslash itself
			continue
		}
		switch unit := escape(body, i); {
		case unit >= 0xdc00 && unit <= 0xdfff:
			return true
		case unit >= 0xd800 && unit <= 0xdbff:
			if low := escape(body, i+6); low < 0xdc00 || low > 0xdfff {
				return true
			}
			i += 11
		default:
			i += 5
		}
	}
	return false
}

// escape reads \uXXXX at i; 0 if there is none.
func escape(body []byte, i int) uint64 {
	if i+6 > len(body) || body[i] != '\\' || body[i+1] != 'u' {
		return 0
	}
	unit, err := strconv.ParseUint(string(body[i+2:i+6]), 16, 16)
	if err != nil {
		return 0
	}
	return unit
}

// clone copies a value of JSON deeply.
func clone(v any) any {
	switch v := v.(type) {
	case object:
		out := make(object, len(v))
		for name, part := range v {
			out[name] = clone(part)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, part := range v {
			out[i] = clone(part)
		}
		return out
	}
	return v
}
