package scim

import (
	"regexp"
	"strconv"
	"strings"
)

// Schema URNs of RFC 7643 and 7644.
const (
	UserSchema       = "urn:ietf:params:scim:schemas:core:2.0:User"
	GroupSchema      = "urn:ietf:params:scim:schemas:core:2.0:Group"
	EnterpriseSchema = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	ListSchema       = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
	PatchSchema      = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
	ErrorSchema      = "urn:ietf:params:scim:api:messages:2.0:Error"
)

// ShortName is an attribute's name without the URN of a core schema, which says
// nothing.
func ShortName(name string) string {
	for _, urn := range [...]string{UserSchema, GroupSchema} {
		if len(name) > len(urn)+1 && name[len(urn)] == ':' && strings.EqualFold(name[:len(urn)], urn) {
			return name[len(urn)+1:]
		}
	}
	return name
}

// AppendString writes s as a JSON string. Characters that a terminal, a log
// reader or an HTML page could act on (controls, U+007F to U+009F, U+2028,
// U+2029, <, >, &) are escaped. Invalid UTF-8 becomes U+FFFD.
func AppendString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r == '\n':
			dst = append(dst, '\\', 'n')
		case r == '\r':
			dst = append(dst, '\\', 'r')
		case r == '\t':
			dst = append(dst, '\\', 't')
		case r < 0x20, r >= 0x7f && r <= 0x9f, r == 0x2028, r == 0x2029, r == '<', r == '>', r == '&':
			dst = append(dst, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
		default:
			dst = append(dst, string(r)...)
		}
	}
	return append(dst, '"')
}

// AppendStatus writes an HTTP status as RFC 7644 §3.12 has it: a string.
func AppendStatus(dst []byte, status int) []byte {
	dst = append(dst, '"')
	dst = strconv.AppendInt(dst, int64(status), 10)
	return append(dst, '"')
}

// quoted is a text in a filter.
var quoted = regexp.MustCompile(`"(?:[^"\\]|\\.)*"?`)

// WithoutValues is a path without the values in its filter, which may be personal.
func WithoutValues(path string) string {
	if !strings.Contains(path, `"`) {
		return path
	}
	return quoted.ReplaceAllString(path, `"…"`)
}
