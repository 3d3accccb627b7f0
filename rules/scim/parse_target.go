package scim

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxTarget bounds a request target, in bytes.
const maxTarget = 8 << 10

// ParseTarget reads a request target as it stands in the request line. prefix is
// the path of the tenant's Base URL, "/TENANT/scim/v2" or ""; below it and below
// /scim/v2 the resources are found. What is odd but has one reading left is read so
// and reported; what has not is refused: the operation is then 0, and the refusing
// fault the last of the slice. Everything is decoded once. Faults' offsets are
// bytes of raw. A clean target without id and query allocates nothing.
func ParseTarget(method string, raw []byte, prefix string) (Target, []Fault) {
	p := targetParser{raw: raw}
	if len(raw) > maxTarget {
		return p.refuse(TargetTooLong, 0, len(raw), "")
	}
	if len(raw) == 0 || raw[0] != '/' {
		return p.refuse(AbsoluteForm, 0, len(raw), "")
	}
	path, query := raw, []byte(nil)
	if mark := bytes.IndexByte(raw, '?'); mark >= 0 {
		path, query = raw[:mark], raw[mark+1:]
		if len(query) == 0 {
			p.note(EmptyQuery, mark, mark+1, "")
		}
	}
	if !p.sound(raw) || !p.split(path) {
		return Target{}, p.faults
	}
	t, ok := p.resource(method, prefix)
	if !ok {
		return Target{}, p.faults
	}
	if len(query) > 0 && !p.query(&t, query, len(path)+1) {
		return Target{}, p.faults
	}
	return t, p.faults
}

// Methods are those that fit a request target, whatever else is wrong with it.
func Methods(raw []byte, prefix string) (list []string) {
	for _, method := range [...]string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
		if _, faults := ParseTarget(method, raw, prefix); !slices.ContainsFunc(faults, func(f Fault) bool { return f.Kind == MethodNotAllowed }) {
			list = append(list, method)
		}
	}
	return list
}

// segment is one part of the path between slashes, decoded.
type segment struct {
	text       []byte
	start, end int // in the raw target
}

func (s segment) is(word string) bool { return string(s.text) == word }

func (s segment) folds(word string) bool {
	return len(s.text) == len(word) && bytes.EqualFold(s.text, []byte(word))
}

// maxSegments bounds the path: the longest that means anything is a tenant and a
// doubled base before a resource.
const maxSegments = 12

type targetParser struct {
	raw    []byte
	faults []Fault
	array  [maxSegments]segment
	n      int
}

func (p *targetParser) note(kind Kind, start, end int, name string) {
	p.faults = append(p.faults, Fault{kind, start, end, name})
}

func (p *targetParser) refuse(kind Kind, start, end int, name string) (Target, []Fault) {
	p.note(kind, start, end, name)
	return Target{}, p.faults
}

// sound refuses the bytes that no target has.
func (p *targetParser) sound(raw []byte) bool {
	for i, c := range raw {
		kind := Kind(0)
		switch {
		case c < ' ' || c == 0x7f:
			kind = ControlCharacter
		case c == '#':
			kind = Fragment
		case c == '\\':
			kind = EncodedSlash
		case c >= utf8.RuneSelf || c == ' ':
			kind = BadEncoding
		default:
			continue
		}
		p.note(kind, i, i+1, "")
		return false
	}
	return true
}

// split takes the path apart and decodes each segment.
func (p *targetParser) split(path []byte) bool {
	for at := 1; at <= len(path); {
		end := at + bytes.IndexByte(path[at:], '/')
		if end < at {
			end = len(path)
		}
		text, ok := p.decode(path[at:end], at)
		if !ok {
			return false
		}
		if trimmed := bytes.Trim(text, " "); len(trimmed) < len(text) {
			p.note(BlankAround, at, end, "")
			text = trimmed
			if len(text) == 0 {
				at = end + 1
				continue
			}
		}
		switch {
		case len(text) == 0 && end == len(path) && at > 1:
			p.note(TrailingSlash, at-1, at, "")
		case len(text) == 0 && end < len(path):
			p.note(DoubledSlash, at-1, at+1, "")
		case len(text) == 0:
		case string(text) == "." || string(text) == "..":
			p.note(DotSegment, at, end, "")
			return false
		case p.n == maxSegments:
			p.note(UnknownResourceType, at, end, "")
			return false
		default:
			p.array[p.n] = segment{text, at, end}
			p.n++
		}
		at = end + 1
	}
	return true
}

// decode resolves the percent-encoding of a segment.
func (p *targetParser) decode(text []byte, at int) ([]byte, bool) {
	if bytes.IndexByte(text, '%') < 0 {
		return text, true
	}
	var out []byte
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c != '%' {
			out = append(out, c)
			continue
		}
		decoded, ok := unhex(text[i+1:])
		kind := Kind(0)
		switch {
		case !ok:
			kind = BadEncoding
		case decoded == '/' || decoded == '\\':
			kind = EncodedSlash
		case decoded < ' ' || decoded == 0x7f:
			kind = ControlCharacter
		}
		if kind != 0 {
			p.note(kind, at+i, min(at+i+3, at+len(text)), "")
			return nil, false
		}
		if decoded != ' ' && !p.has(NeedlessEncoding) {
			p.note(NeedlessEncoding, at+i, at+i+3, "")
		}
		out = append(out, decoded)
		i += 2
	}
	if !utf8.Valid(out) {
		p.note(BadEncoding, at, at+len(text), "")
		return nil, false
	}
	return out, true
}

func (p *targetParser) has(kind Kind) bool {
	for _, f := range p.faults {
		if f.Kind == kind {
			return true
		}
	}
	return false
}

func unhex(s []byte) (byte, bool) {
	if len(s) < 2 {
		return 0, false
	}
	value := byte(0)
	for _, c := range s[:2] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		value = value<<4 | c
	}
	return value, true
}

// collections are the resource types that can stand behind the base.
var collections = [...]string{"Users", "Groups", "ServiceProviderConfig", "Schemas", "ResourceTypes"}

func collectionOf(text []byte) (name string, exact bool) {
	for _, c := range collections {
		if string(text) == c {
			return c, true
		}
	}
	for _, c := range collections {
		if len(text) == len(c) && bytes.EqualFold(text, []byte(c)) {
			return c, false
		}
	}
	return "", false
}

// resource finds base, collection, id and operation in the segments.
func (p *targetParser) resource(method, prefix string) (Target, bool) {
	rest, based := p.base(p.array[:p.n], prefix)
	if len(rest) == 0 {
		kind := UnknownBase
		if based {
			kind = UnknownResourceType
		}
		p.note(kind, 0, len(p.raw), "")
		return Target{}, false
	}
	name, exact := collectionOf(rest[0].text)
	if name == "" {
		kind := UnknownBase
		if based {
			kind = UnknownResourceType
			for _, word := range []string{"Me", "Bulk", ".search"} {
				if rest[0].folds(word) {
					kind = UnsupportedEndpoint
				}
			}
		}
		p.note(kind, rest[0].start, rest[0].end, "")
		return Target{}, false
	}
	if !exact {
		p.note(ResourceTypeCase, rest[0].start, rest[0].end, "")
	}
	if !based {
		p.note(BaseMissing, 0, rest[0].start, "")
	}
	switch {
	case len(rest) > 2:
		p.note(UnknownResourceType, rest[2].start, rest[len(rest)-1].end, "")
		return Target{}, false
	case len(rest) == 2 && rest[1].folds(".search"):
		return p.search(method, name, rest)
	}
	var t Target
	for i := range forms {
		f := &forms[i]
		if f.method == method && f.id == (len(rest) == 2) && f.collection[1:] == name {
			t.Operation = 1 << i
		}
	}
	if t.Operation == 0 {
		p.note(MethodNotAllowed, rest[0].start, rest[len(rest)-1].end, method)
		return Target{}, false
	}
	if len(rest) == 2 {
		if !isID(rest[1].text, t.Operation) {
			p.note(BadID, rest[1].start, rest[1].end, "")
			return Target{}, false
		}
		t.ID = string(rest[1].text)
	}
	return t, true
}

// search is a list whose query stands in the body.
func (p *targetParser) search(method, collection string, rest []segment) (Target, bool) {
	t := Target{Search: true}
	switch {
	case collection == "Users":
		t.Operation = ListUsers
	case collection == "Groups":
		t.Operation = ListGroups
	default:
		p.note(UnsupportedEndpoint, rest[1].start, rest[1].end, "")
		return Target{}, false
	}
	if method != "POST" {
		p.note(MethodNotAllowed, rest[0].start, rest[1].end, method)
		return Target{}, false
	}
	return t, true
}

// base takes the Base URL's path off: the tenant's own segments if they are there,
// then /scim/v2. based tells whether anything of it was there.
func (p *targetParser) base(s []segment, prefix string) (rest []segment, based bool) {
	head, own := strings.CutSuffix(prefix, "/scim/v2")
	found := 0
	for {
		n := len(s)
		if head != "" && startsWith(s, head) {
			s = s[strings.Count(head, "/"):]
			based = true
			if !own {
				found++
			}
		}
		if len(s) >= 2 && s[0].folds("scim") && s[1].folds("v2") {
			if (!s[0].is("scim") || !s[1].is("v2")) && !p.has(ResourceTypeCase) {
				p.note(ResourceTypeCase, s[0].start, s[1].end, "")
			}
			s, based = s[2:], true
			found++
		} else if len(s) >= 2 && s[0].folds("scim") && len(s[1].text) > 2 && bytes.EqualFold(s[1].text[:2], []byte("v2")) {
			if name, _ := collectionOf(s[1].text[2:]); name != "" { // /scim/v2Users
				p.note(SlashMissing, s[1].start, s[1].end, "")
				s[1].text = s[1].text[2:]
				s, based = s[1:], true
				found++
				break
			}
		}
		if len(s) == n {
			break
		}
	}
	switch {
	case found > 1:
		p.note(BaseDoubled, 0, len(p.raw), "")
	case found == 0 && based:
		p.note(BaseMissing, 0, len(p.raw), "")
	}
	return s, based
}

func startsWith(s []segment, prefix string) bool {
	for i := 0; prefix != ""; i++ {
		part, rest, _ := strings.Cut(prefix[1:], "/")
		if i >= len(s) || !s[i].is(part) {
			return false
		}
		if prefix = rest; rest != "" {
			prefix = "/" + rest
		}
	}
	return true
}

// IsID tells whether a text can be the id of a user or a group in a URL.
func IsID(text string) bool { return isID([]byte(text), GetUser) }

// isID tells whether a text can be an id of AWS (Identity Store API reference,
// CreateUser: hex digits and hyphens, 47 at most), or for a schema its URN. The
// grammar is wider than AWS's, but has nothing that a URL would read otherwise.
func isID(text []byte, op Operation) bool {
	limit := 64
	if op.Is(Discovery) {
		limit = 256
	}
	for _, c := range text {
		if !isNameByte(c) && !(op.Is(Discovery) && (c == ':' || c == '.')) {
			return false
		}
	}
	return len(text) > 0 && len(text) <= limit
}
