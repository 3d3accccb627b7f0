package scim

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"
)

// query reads the query behind the question mark. at is its offset in the target.
func (p *targetParser) query(t *Target, query []byte, at int) bool {
	seen := map[string]bool{}
	for len(query) > 0 {
		pair, rest, _ := bytes.Cut(query, []byte("&"))
		start := at
		at += len(pair) + 1
		query = rest
		if len(pair) == 0 {
			continue
		}
		rawName, rawValue, valued := bytes.Cut(pair, []byte("="))
		name, ok := p.unescape(rawName, start)
		if !ok {
			return false
		}
		valueAt := start + len(rawName) + 1
		value, ok := p.unescape(rawValue, valueAt)
		if !ok {
			return false
		}
		key := strings.ToLower(name)
		if seen[key] {
			p.note(RepeatedParameter, start, start+len(pair), shown(name))
			return false
		}
		seen[key] = true
		if !p.parameter(t, key, name, value, rawValue, start, start+len(pair), valueAt, valued) {
			return false
		}
	}
	return true
}

func (p *targetParser) parameter(t *Target, key, name, value string, rawValue []byte, start, end, valueAt int, valued bool) bool {
	list := t.Operation.Is(Lists)
	switch {
	case key == "filter" && list:
		return p.filter(t, value, rawValue, valueAt)
	case key == "cursor" && list:
		t.Query.Cursor, t.Query.HasCursor = value, true
		return true
	case (key == "startindex" || key == "count") && list:
		n, err := strconv.Atoi(strings.TrimSpace(value))
		if err != nil {
			p.note(BadNumber, start, end, shown(name))
			return false
		}
		if key == "count" {
			t.Query.Count, t.Query.HasCount = max(n, 0), true
		} else {
			t.Query.StartIndex = max(n, 1)
		}
		return true
	case key == "attributes" && t.Operation.Is(Users|Groups):
		t.Query.Attributes = names(value)
		return true
	case key == "excludedattributes" && t.Operation.Is(Users|Groups):
		t.Query.ExcludedAttributes = names(value)
		return true
	}
	p.note(ParameterUnsupported, start, end, shown(name))
	return true
}

func (p *targetParser) filter(t *Target, value string, rawValue []byte, at int) bool {
	if bytes.IndexByte(rawValue, '+') >= 0 {
		p.note(PlusForSpace, at, at+len(rawValue), "")
	}
	parser := filterParser{text: value, lenient: true}
	f, err := parser.parse()
	if err != nil {
		p.note(FilterSyntax, at, at+len(rawValue), err.Error())
		return false
	}
	t.Query.Filter = f.String()
	if len(t.Query.Filter) > maxFilter { // it has grown by quotes or blanks
		p.note(FilterSyntax, at, at+len(rawValue), "the filter is too long")
		return false
	}
	if parser.odd {
		p.note(OperatorCase, at, at+len(rawValue), "")
	}
	if parser.bare {
		p.note(ValueUnquoted, at, at+len(rawValue), "")
	}
	return true
}

// names splits a list of attribute names; empty ones are left out.
func names(value string) (list []string) {
	for name := range strings.SplitSeq(value, ",") {
		if name = strings.TrimSpace(name); name != "" && len(list) < 64 {
			list = append(list, name)
		}
	}
	return list
}

// shown is a parameter's name as a finding may show it.
func shown(name string) string {
	if len(name) > 40 || !isAttributePath(name) {
		return "a parameter"
	}
	return name
}

// unescape decodes a name or value of a query, with + for a blank.
func (p *targetParser) unescape(text []byte, at int) (string, bool) {
	if bytes.IndexByte(text, '%') < 0 && bytes.IndexByte(text, '+') < 0 {
		return string(text), true
	}
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch c {
		case '+':
			c = ' '
		case '%':
			decoded, ok := unhex(text[i+1:])
			if !ok {
				p.note(BadEncoding, at+i, min(at+i+3, at+len(text)), "")
				return "", false
			}
			if decoded < ' ' || decoded == 0x7f {
				p.note(ControlCharacter, at+i, at+i+3, "")
				return "", false
			}
			c = decoded
			i += 2
		}
		out = append(out, c)
	}
	if !utf8.Valid(out) {
		p.note(BadEncoding, at, at+len(text), "")
		return "", false
	}
	return string(out), true
}
