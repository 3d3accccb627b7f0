package scim

import (
	"fmt"
	"strings"
)

// Bounds of a filter: far above what any client sends.
const (
	maxFilter      = 4096 // bytes
	maxPath        = 1024 // likewise, of a path
	maxFilterDepth = 16
)

// Filter is a filter of RFC 7644 §3.4.2.2. It is one of: a comparison (Op is eq,
// ne, co, sw, ew, gt, ge, lt, le or pr), a value filter (Op is "[]", Left the
// filter inside), not (Left), and, or (Left and Right).
type Filter struct {
	Op          string
	Attribute   string // of a comparison and of a value filter, as written
	Value       string // of a comparison: a JSON literal; "" for pr
	Left, Right *Filter

	// Of a comparison, which values of a list it is about, or nil. RFC 7644 has no such
	// form, but Entra ID sends it: emails[type eq "work"].value eq "a", of which
	// Attribute is emails.value.
	Of *Filter
}

// SyntaxError says where a filter or a path stops making sense.
type SyntaxError struct {
	At   int // byte offset
	Text string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("%s at position %d", e.Text, e.At+1) }

// ParseFilter reads a filter. The error is a *SyntaxError.
func ParseFilter(text string) (*Filter, error) {
	return (&filterParser{text: text}).parse()
}

func (p *filterParser) parse() (f *Filter, err error) {
	if len(p.text) > maxFilter {
		return nil, &SyntaxError{maxFilter, "the filter is too long"}
	}
	defer func() {
		if r := recover(); r != nil {
			syntax, ok := r.(*SyntaxError)
			if !ok {
				panic(r)
			}
			f, err = nil, syntax
		}
	}()
	f = p.or(0)
	if p.blanks(); p.at < len(p.text) {
		p.fail("unexpected text")
	}
	return f, nil
}

type filterParser struct {
	text    string
	at      int
	lenient bool // takes a value without quotes, if it is one word
	odd     bool // an operator is not in lower case
	bare    bool // a value has no quotes
}

func (p *filterParser) fail(text string) { panic(&SyntaxError{p.at, text}) }

func (p *filterParser) blanks() {
	for p.at < len(p.text) && p.text[p.at] == ' ' {
		p.at++
	}
}

// word reads a run of bytes that are neither blank nor bracket.
func (p *filterParser) word() string {
	p.blanks()
	start := p.at
	for p.at < len(p.text) && strings.IndexByte(" ()[]\"", p.text[p.at]) < 0 {
		p.at++
	}
	return p.text[start:p.at]
}

// keyword takes a word if it comes next, in any case.
func (p *filterParser) keyword(word string) bool {
	at := p.at
	if got := p.word(); strings.EqualFold(got, word) {
		p.notice(got)
		return true
	}
	p.at = at
	return false
}

func (p *filterParser) notice(word string) {
	p.odd = p.odd || word != strings.ToLower(word)
}

func (p *filterParser) or(depth int) *Filter {
	f := p.and(depth)
	for p.keyword("or") {
		f = &Filter{Op: "or", Left: f, Right: p.and(depth)}
	}
	return f
}

func (p *filterParser) and(depth int) *Filter {
	f := p.term(depth)
	for p.keyword("and") {
		f = &Filter{Op: "and", Left: f, Right: p.term(depth)}
	}
	return f
}

func (p *filterParser) term(depth int) *Filter {
	if depth > maxFilterDepth {
		p.fail("the filter is nested too deeply")
	}
	if at := p.at; p.keyword("not") {
		if p.blanks(); p.at < len(p.text) && p.text[p.at] == '(' {
			return &Filter{Op: "not", Left: p.group(depth, '(', ')')}
		}
		p.at = at
	}
	if p.blanks(); p.at < len(p.text) && p.text[p.at] == '(' {
		return p.group(depth, '(', ')')
	}
	attribute := p.attribute()
	if p.at < len(p.text) && p.text[p.at] == '[' {
		of := p.group(depth, '[', ']')
		if p.at == len(p.text) || p.text[p.at] != '.' {
			return &Filter{Op: "[]", Attribute: attribute, Left: of}
		}
		at := p.at + 1
		if attribute += p.word(); !isAttributePath(attribute) {
			p.at = at
			p.fail("a sub-attribute is missing")
		}
		return p.comparison(attribute, of)
	}
	return p.comparison(attribute, nil)
}

func (p *filterParser) comparison(attribute string, of *Filter) *Filter {
	p.blanks()
	start := p.at
	op := p.word()
	switch lower := strings.ToLower(op); lower {
	case "pr":
		p.notice(op)
		return &Filter{Op: lower, Attribute: attribute, Of: of}
	case "eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le":
		p.notice(op)
		return &Filter{Op: lower, Attribute: attribute, Value: p.literal(), Of: of}
	}
	p.at = start
	p.fail("an operator such as eq is missing")
	return nil
}

func (p *filterParser) group(depth int, open, end byte) *Filter {
	p.at++
	f := p.or(depth + 1)
	if p.blanks(); p.at >= len(p.text) || p.text[p.at] != end {
		p.fail(fmt.Sprintf("%q is not closed", open))
	}
	p.at++
	return f
}

func (p *filterParser) attribute() string {
	start := p.at
	name := p.word()
	if !isAttributePath(name) {
		p.at = start
		p.fail("an attribute is missing")
	}
	return name
}

// isAttributePath tells whether a text is [URN:]name[.name] (RFC 7644 §3.4.2.2).
func isAttributePath(s string) bool {
	if i := strings.LastIndexByte(s, ':'); i >= 0 {
		if !IsURN(s[:i]) {
			return false
		}
		for _, c := range []byte(s[:i]) {
			if !isNameByte(c) && c != ':' && c != '.' {
				return false
			}
		}
		s = s[i+1:]
	}
	for i, part := range strings.Split(s, ".") {
		if i > 1 || part == "" || part[0] != '$' && (part[0]|0x20 < 'a' || part[0]|0x20 > 'z') {
			return false
		}
		for _, c := range []byte(part[1:]) {
			if !isNameByte(c) {
				return false
			}
		}
	}
	return true
}

func isNameByte(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}

// literal reads a JSON string, number, true, false or null, and keeps it in its
// shortest form.
func (p *filterParser) literal() string {
	p.blanks()
	start := p.at
	if p.at < len(p.text) && p.text[p.at] == '"' {
		for p.at++; p.at < len(p.text) && p.text[p.at] != '"'; p.at++ {
			if p.text[p.at] == '\\' {
				p.at++
			}
		}
		if p.at >= len(p.text) {
			p.at = start
			p.fail("the text is not closed by a quote")
		}
		p.at++
	} else {
		p.word()
	}
	var d Document
	if _, ok := d.Scan([]byte(p.text[start:p.at])); !ok || d.Nodes[0].Shape <= Array {
		if word := p.text[start:p.at]; p.lenient && isBare(word) {
			p.bare = true
			return quoteFilter(word)
		}
		p.at = start
		p.fail("a value in quotes is missing")
	}
	if d.Nodes[0].Shape == String {
		return quoteFilter(d.String(0))
	}
	return p.text[start:p.at]
}

// isBare tells whether a text can only be a value whose quotes were forgotten.
func isBare(word string) bool {
	switch strings.ToLower(word) {
	case "", "and", "or", "not":
		return false
	}
	return word[0] != '\'' && !strings.ContainsAny(word, `"\{}`)
}

// quoteFilter writes a JSON string of a filter: only what must be is escaped.
func quoteFilter(s string) string {
	out := []byte{'"'}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			out = append(out, '\\', c)
		case c < 0x20:
			out = append(out, fmt.Sprintf("\\u%04x", c)...)
		default:
			out = append(out, c)
		}
	}
	return string(append(out, '"'))
}

// EqFilter writes the filter by which a resource is looked up.
func EqFilter(attribute, value string) string { return attribute + " eq " + quoteFilter(value) }

// String is the filter in its one canonical form.
func (f *Filter) String() string {
	switch f.Op {
	case "and", "or":
		return f.operand(f.Left, false) + " " + f.Op + " " + f.operand(f.Right, true)
	case "not":
		return "not (" + f.Left.String() + ")"
	case "[]":
		return f.Attribute + "[" + f.Left.String() + "]"
	}
	attribute := f.Attribute
	if f.Of != nil {
		dot := strings.LastIndexByte(attribute, '.')
		attribute = attribute[:dot] + "[" + f.Of.String() + "]" + attribute[dot:]
	}
	if f.Op == "pr" {
		return attribute + " pr"
	}
	return attribute + " " + f.Op + " " + f.Value
}

// operand puts in brackets what would bind otherwise: an or inside an and, and a
// right side of the same operator.
func (f *Filter) operand(of *Filter, right bool) string {
	if of.Op == "or" && f.Op == "and" || right && of.Op == f.Op {
		return "(" + of.String() + ")"
	}
	return of.String()
}

// Eq takes a comparison with eq and a text apart.
func (f *Filter) Eq() (attribute, value string, ok bool) {
	if f.Op != "eq" || f.Of != nil || !strings.HasPrefix(f.Value, `"`) {
		return "", "", false
	}
	var d Document
	d.Scan([]byte(f.Value))
	return f.Attribute, d.String(0), true
}

// And takes a conjunction apart.
func (f *Filter) And() (left, right *Filter, ok bool) {
	return f.Left, f.Right, f.Op == "and"
}
