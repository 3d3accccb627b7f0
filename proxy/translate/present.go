package translate

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/scimgate/scimgate/rules/scim"
)

// View is how a client sees resources: under which Base URL, and which of their
// attributes (RFC 7644 §3.9).
type View struct {
	Base                 string // without a slash at its end; "" leaves out locations
	Attributes, Excluded []string
	Filled               bool // the members of groups in a list are those that they have
}

// ViewOf is the view that a query asks for.
func ViewOf(base string, q scim.Query) View {
	return View{Base: base, Attributes: q.Attributes, Excluded: q.ExcludedAttributes}
}

// Location is the URL of a resource as the client reaches it.
func (v View) Location(op scim.Operation, id string) string {
	return v.Base + op.Collection() + "/" + id
}

// Present makes of AWS's resource, or of a list of them, what clients expect: meta
// with the location that AWS leaves out, schemas, booleans and numbers that are
// such, and only the attributes that were asked for. An empty list of members is left out
// of a list of groups, where AWS shows it of each group, whoever is in it (SCIM developer
// guide, ListGroups). What it doesn't know passes as it is; so does a body that is no
// resource.
func (v View) Present(op scim.Operation, body []byte) []byte {
	doc := gjson.ParseBytes(body)
	if !doc.IsObject() {
		return body
	}
	resources := doc.Get("Resources")
	if !op.Is(scim.Lists) || !resources.IsArray() {
		return v.resource(make([]byte, 0, len(body)+256), op, doc)
	}
	out := make([]byte, 0, len(body)+len(body)/4)
	comma := byte('{')
	doc.ForEach(func(name, value gjson.Result) bool {
		out = append(append(append(out, comma), name.Raw...), ':')
		comma = ','
		switch name.Str {
		case "Resources":
			separator := byte('[')
			value.ForEach(func(_, one gjson.Result) bool {
				out = v.resource(append(out, separator), op, one)
				separator = ','
				return true
			})
			if separator == '[' {
				out = append(out, '[')
			}
			out = append(out, ']')
		case "totalResults", "startIndex", "itemsPerPage":
			out = append(out, number(value)...)
		default:
			out = append(out, value.Raw...)
		}
		return true
	})
	return append(out, '}')
}

// number is a number that may have come as a text, at which Okta stops.
func number(value gjson.Result) string {
	if value.Type == gjson.String {
		if n, err := strconv.Atoi(strings.TrimSpace(value.Str)); err == nil {
			return strconv.Itoa(n)
		}
	}
	return value.Raw
}

// resource writes one resource.
func (v View) resource(out []byte, op scim.Operation, doc gjson.Result) []byte {
	if !doc.IsObject() {
		return append(out, doc.Raw...)
	}
	kind, urn := "User", scim.UserSchema
	if op.Is(scim.Groups) {
		kind, urn = "Group", scim.GroupSchema
	}
	out = append(out, '{')
	begin := len(out)
	member := func(name, raw string) {
		if len(out) > begin {
			out = append(out, ',')
		}
		out = append(append(append(out, name...), ':'), raw...)
	}
	id, withSchemas, withMeta := "", false, false
	doc.ForEach(func(name, value gjson.Result) bool {
		switch {
		case name.Str == "id":
			id = value.String()
			member(name.Raw, string(scim.AppendString(nil, id)))
		case name.Str == "schemas" || name.Str == "schema":
			withSchemas = withSchemas || name.Str == "schemas"
			member(name.Raw, value.Raw)
		case name.Str == "meta":
			withMeta = true
			if v.wants("meta") {
				member(name.Raw, v.meta(value, kind, op, doc.Get("id").String()))
			}
		case !v.wants(name.Str):
		case name.Str == "members" && op.Is(scim.Lists) && !v.Filled && len(value.Array()) == 0:
		case name.Str == "active":
			member(name.Raw, boolean(value))
		default:
			if raw := v.part(name.Str, value); raw != "" {
				member(name.Raw, raw)
			}
		}
		return true
	})
	if !withSchemas {
		member(`"schemas"`, `["`+urn+`"]`)
	}
	if !withMeta && v.Base != "" && id != "" && v.wants("meta") {
		member(`"meta"`, v.meta(gjson.Result{}, kind, op, id))
	}
	return append(out, '}')
}

// meta is meta with the resource's type and location.
func (v View) meta(value gjson.Result, kind string, op scim.Operation, id string) string {
	out := []byte(`{"resourceType":"` + kind + `"`)
	value.ForEach(func(name, part gjson.Result) bool {
		if name.Str != "resourceType" && name.Str != "location" {
			out = append(append(append(append(out, ','), name.Raw...), ':'), part.Raw...)
		}
		return true
	})
	if v.Base != "" && id != "" {
		out = scim.AppendString(append(out, `,"location":`...), v.Location(op, id))
	}
	return string(append(out, '}'))
}

func boolean(value gjson.Result) string {
	switch {
	case value.Type == gjson.String && strings.EqualFold(value.Str, "true"):
		return "true"
	case value.Type == gjson.String && strings.EqualFold(value.Str, "false"):
		return "false"
	}
	return value.Raw
}

// wants tells whether an attribute is shown, or something of it.
func (v View) wants(name string) bool {
	for _, asked := range v.Excluded {
		if strings.EqualFold(scim.ShortName(asked), name) {
			return false
		}
	}
	if len(v.Attributes) == 0 {
		return true
	}
	for _, asked := range v.Attributes {
		if _, ok := subOf(asked, name); ok {
			return true
		}
	}
	return false
}

// part is an attribute's value without the sub-attributes that aren't shown; "" if
// nothing is left of it.
func (v View) part(name string, value gjson.Result) string {
	var only, never []string
	whole := len(v.Attributes) == 0
	for _, asked := range v.Attributes {
		if sub, ok := subOf(asked, name); ok {
			whole = whole || sub == ""
			only = append(only, sub)
		}
	}
	for _, asked := range v.Excluded {
		if sub, ok := subOf(asked, name); ok && sub != "" {
			never = append(never, sub)
		}
	}
	if whole {
		only = nil
	}
	if only == nil && never == nil && !textual(value) {
		return value.Raw
	}
	return string(parts(value, only, never))
}

// textual tells whether an element of a list says as a text that it is primary.
func textual(value gjson.Result) (is bool) {
	if value.IsArray() {
		value.ForEach(func(_, one gjson.Result) bool {
			is = one.Get("primary").Type == gjson.String
			return !is
		})
	}
	return is
}

func parts(value gjson.Result, only, never []string) []byte {
	var out []byte
	switch {
	case value.IsArray():
		out = append(out, '[')
		value.ForEach(func(_, one gjson.Result) bool {
			if len(out) > 1 {
				out = append(out, ',')
			}
			out = append(out, parts(one, only, never)...)
			return true
		})
		return append(out, ']')
	case value.IsObject():
		out = append(out, '{')
		value.ForEach(func(name, part gjson.Result) bool {
			if (only == nil || named(only, name.Str)) && !named(never, name.Str) {
				if len(out) > 1 {
					out = append(out, ',')
				}
				raw := part.Raw
				if name.Str == "primary" {
					raw = boolean(part)
				}
				out = append(append(append(out, name.Raw...), ':'), raw...)
			}
			return true
		})
		return append(out, '}')
	}
	return []byte(value.Raw)
}

// named tells whether a sub-attribute is on a list; "manager.value" names manager.
func named(list []string, name string) bool {
	for _, one := range list {
		if one, _, _ = strings.Cut(one, "."); strings.EqualFold(one, name) {
			return true
		}
	}
	return false
}

// subOf tells whether a name that was asked for is that attribute ("" then) or a
// part of it.
func subOf(asked, name string) (sub string, ok bool) {
	asked = scim.ShortName(asked)
	if len(asked) < len(name) || !strings.EqualFold(asked[:len(name)], name) {
		return "", false
	}
	if asked = asked[len(name):]; asked == "" {
		return "", true
	}
	return asked[1:], asked[0] == '.' || asked[0] == ':'
}

// Shows tells whether a body is a JSON object with an id.
func Shows(body []byte) bool {
	return len(bytes.TrimSpace(body)) > 0 && gjson.GetBytes(body, "id").Type == gjson.String
}
