package standin

import (
	"bytes"
	"time"
)

// show renders a resource as AWS does, in AWS's order of names: hidden attributes and
// members are left out, there is neither location nor version.
func (h *shelf) show(r *resource, members ...string) []byte {
	var out bytes.Buffer
	out.WriteString(`{"id":`)
	out.Write(marshal(r.id))
	if v, ok := r.doc["externalId"]; ok {
		out.WriteString(`,"externalId":`)
		out.Write(marshal(v))
	}
	out.WriteString(`,"meta":{"resourceType":"` + h.of.name +
		`","created":"` + r.created.UTC().Format(time.RFC3339) +
		`","lastModified":"` + r.modified.UTC().Format(time.RFC3339) + `"},"schemas":["` + h.of.urn + `"`)
	if extension, ok := r.doc[enterpriseURN].(object); ok && bytes.Contains(shown(enterprise(), extension), []byte(":")) {
		out.WriteString(`,"` + enterpriseURN + `"`)
	}
	out.WriteString(`]`)
	rest := shown(h.of.attributes[1:], r.doc) // externalId is the first row of both
	if len(rest) > len("{}") {
		out.WriteByte(',')
		out.Write(rest[1 : len(rest)-1])
	}
	for _, extra := range members {
		out.WriteString(extra)
	}
	out.WriteByte('}')
	return out.Bytes()
}

func enterprise() []attribute {
	a, _ := row(users.attributes, enterpriseURN)
	return a.parts
}

// shown renders the attributes of rows that an object has.
func shown(rows []attribute, in object) []byte {
	var out bytes.Buffer
	out.WriteByte('{')
	for _, a := range rows {
		v, ok := in[a.name]
		if !ok || a.has(hidden) {
			continue
		}
		var value []byte
		switch v := v.(type) {
		case object:
			if value = shown(a.parts, v); string(value) == "{}" {
				continue
			}
		case []any:
			value = append(append([]byte{'['}, shown(a.parts, v[0].(object))...), ']')
		default:
			value = marshal(v)
		}
		if out.Len() > 1 {
			out.WriteByte(',')
		}
		out.Write(marshal(a.name))
		out.WriteByte(':')
		out.Write(value)
	}
	out.WriteByte('}')
	return out.Bytes()
}
