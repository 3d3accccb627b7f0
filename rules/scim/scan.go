package scim

import (
	"encoding/binary"
	"math/bits"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Scan reads a JSON text (RFC 8259) in one strict pass and keeps its values. ok
// is false for a text that is no JSON, and for one that two readers could read
// differently: names that are duplicates after unescaping and case-folding,
// bytes that are not UTF-8, lone surrogates; also for one beyond the bounds. The
// fault then says what and where, and the document holds what was read before.
// A byte order mark is not JSON (RFC 8259 §8.1).
func (d *Document) Scan(text []byte) (fault Fault, ok bool) {
	d.Text, d.Nodes = text, d.Nodes[:0]
	s := scanner{doc: d, text: text}
	end := -1
	if len(text) >= 1<<31 {
		s.fail(TooLarge, 0, 0)
	} else {
		end = s.value(s.blank(0), -1, 0, 0, 0)
	}
	if end >= 0 {
		if end = s.blank(end); end != len(text) {
			s.fail(NotJSON, end, end+1)
			end = -1
		}
	}
	return s.fault, end >= 0
}

// Valid tells whether a text is JSON with one reading. It allocates; it is for
// texts that nobody looks into afterwards.
func Valid(text []byte) bool {
	var d Document
	_, ok := d.Scan(text)
	return ok
}

// scanner is one pass. Its methods take an offset and return the one behind what
// they read, or -1 after a fault.
type scanner struct {
	doc   *Document
	text  []byte
	depth int
	fault Fault
}

func (s *scanner) fail(kind Kind, start, end int) int {
	s.fault = Fault{Kind: kind, Start: min(start, len(s.text)), End: min(end, len(s.text))}
	return -1
}

func (s *scanner) blank(i int) int {
	for i < len(s.text) && (s.text[i] == ' ' || s.text[i] == '\n' || s.text[i] == '\t' || s.text[i] == '\r') {
		i++
	}
	return i
}

// value reads one value at i and adds its node.
func (s *scanner) value(i int, parent int32, nameStart, nameEnd int32, hash uint32) int {
	if i >= len(s.text) {
		return s.fail(NotJSON, i, i)
	}
	if len(s.doc.Nodes) >= MaxValues {
		return s.fail(TooLarge, i, i+1)
	}
	at := int32(len(s.doc.Nodes))
	s.doc.Nodes = append(s.doc.Nodes, Node{})
	n := &s.doc.Nodes[at]
	n.NameStart, n.NameEnd, n.Start, n.Parent, n.Next, n.Hash = nameStart, nameEnd, int32(i), parent, at+1, hash
	end := -1
	switch c := s.text[i]; {
	case c == '"':
		var marks Marks
		end, marks = s.string(i)
		s.doc.Nodes[at].Shape, s.doc.Nodes[at].Marks = String, marks
	case c == '{':
		end = s.object(i, at)
	case c == '[':
		end = s.array(i, at)
	case c == 't':
		end = s.literal(i, at, "true", True)
	case c == 'f':
		end = s.literal(i, at, "false", False)
	case c == 'n':
		end = s.literal(i, at, "null", Null)
	case c == '-' || c >= '0' && c <= '9':
		end = s.number(i)
		s.doc.Nodes[at].Shape = Number
	default:
		return s.fail(NotJSON, i, i+1)
	}
	if end < 0 {
		return -1
	}
	s.doc.Nodes[at].End = int32(end)
	s.doc.Nodes[at].Next = int32(len(s.doc.Nodes))
	return end
}

func (s *scanner) literal(i int, at int32, word string, shape Shape) int {
	if len(s.text)-i < len(word) || string(s.text[i:i+len(word)]) != word {
		return s.fail(NotJSON, i, i+1)
	}
	s.doc.Nodes[at].Shape = shape
	return i + len(word)
}

func (s *scanner) object(i int, at int32) int {
	if s.depth++; s.depth > MaxDepth {
		return s.fail(TooDeep, i, i+1)
	}
	var seen uint64 // one bit per hash: two names with the same bit are looked at again
	count := int32(0)
	first := i
	i = s.blank(i + 1)
	if i < len(s.text) && s.text[i] == '}' {
		s.depth--
		s.doc.Nodes[at].Shape = Object
		return i + 1
	}
	for {
		if i >= len(s.text) || s.text[i] != '"' {
			return s.fail(NotJSON, i, i+1)
		}
		start := i + 1
		end, hash, marks := s.name(i)
		if end < 0 {
			return -1
		}
		bit := uint64(1) << (hash & 63)
		if seen&bit != 0 && s.duplicate(at, start, end-1, hash, marks) {
			return s.fail(DuplicateName, start-1, end)
		}
		seen |= bit
		if count++; count > MaxMembers {
			return s.fail(TooLarge, first, i)
		}
		colon := s.blank(end)
		if colon >= len(s.text) || s.text[colon] != ':' {
			return s.fail(NotJSON, colon, colon+1)
		}
		member := len(s.doc.Nodes)
		i = s.value(s.blank(colon+1), at, int32(start), int32(end-1), hash)
		if i < 0 {
			return -1
		}
		s.doc.Nodes[member].NameMarks = marks
		if i = s.blank(i); i < len(s.text) && s.text[i] == ',' {
			i = s.blank(i + 1)
			continue
		}
		if i < len(s.text) && s.text[i] == '}' {
			s.depth--
			s.doc.Nodes[at].Shape, s.doc.Nodes[at].Count = Object, count
			return i + 1
		}
		return s.fail(NotJSON, i, i+1)
	}
}

// duplicate tells whether the object at already has a member of that name.
func (s *scanner) duplicate(at int32, start, end int, hash uint32, marks Marks) bool {
	nodes := s.doc.Nodes
	name := ""
	for c := at + 1; c < int32(len(nodes)); c = nodes[c].Next {
		if nodes[c].Hash != hash {
			continue
		}
		if name == "" {
			name = unescape(s.text[start:end], marks)
		}
		if strings.EqualFold(s.doc.Name(c), name) {
			return true
		}
	}
	return false
}

func (s *scanner) array(i int, at int32) int {
	if s.depth++; s.depth > MaxDepth {
		return s.fail(TooDeep, i, i+1)
	}
	count := int32(0)
	i = s.blank(i + 1)
	if i < len(s.text) && s.text[i] == ']' {
		s.depth--
		s.doc.Nodes[at].Shape = Array
		return i + 1
	}
	for {
		if i = s.value(i, at, 0, 0, 0); i < 0 {
			return -1
		}
		count++
		if i = s.blank(i); i < len(s.text) && s.text[i] == ',' {
			i = s.blank(i + 1)
			continue
		}
		if i < len(s.text) && s.text[i] == ']' {
			s.depth--
			s.doc.Nodes[at].Shape, s.doc.Nodes[at].Count = Array, count
			return i + 1
		}
		return s.fail(NotJSON, i, i+1)
	}
}

// number reads a number by the grammar of RFC 8259 §6. One that no float64 holds
// would be read as infinity here and refused there.
func (s *scanner) number(i int) int {
	start, float := i, false
	digits := func() bool {
		first := i
		for i < len(s.text) && s.text[i] >= '0' && s.text[i] <= '9' {
			i++
		}
		return i > first
	}
	if s.text[i] == '-' {
		i++
	}
	if i < len(s.text) && s.text[i] == '0' {
		i++
	} else if !digits() {
		return s.fail(NotJSON, start, i+1)
	}
	if i < len(s.text) && s.text[i] == '.' {
		if i++; !digits() {
			return s.fail(NotJSON, start, i+1)
		}
	}
	if i < len(s.text) && s.text[i]|0x20 == 'e' {
		float = true
		if i++; i < len(s.text) && (s.text[i] == '+' || s.text[i] == '-') {
			i++
		}
		if !digits() {
			return s.fail(NotJSON, start, i+1)
		}
	}
	if i-start > MaxNumber {
		return s.fail(TooLarge, start, i)
	}
	if float {
		if _, err := strconv.ParseFloat(string(s.text[start:i]), 64); err != nil {
			return s.fail(TooLarge, start, i)
		}
	}
	return i
}

// name reads a member's name at the quote i, with its hash, eight bytes at a time
// like string. A name that is not plain, or ends within eight bytes of the text's
// end, is read again more slowly.
func (s *scanner) name(i int) (end int, hash uint32, marks Marks) {
	h := uint64(hashSeed)
	for j := i + 1; len(s.text)-j >= 8; j += 8 {
		x := binary.LittleEndian.Uint64(s.text[j:])
		stop := stops(x)
		if stop == 0 {
			h = (h ^ (x | spaces)) * hashPrime
			continue
		}
		n := bits.TrailingZeros64(stop) &^ 7 // bits before the byte that stops
		if s.text[j+n/8] != '"' {
			break
		}
		return j + n/8 + 1, hashEnd(h, x, n), 0
	}
	if end, marks = s.string(i); end < 0 {
		return -1, 0, 0
	}
	return end, HashName(unescape(s.text[i+1:end-1], marks)), marks
}

const (
	ones   = 0x0101010101010101
	tops   = 0x8080808080808080
	spaces = ones * 0x20
)

// stops sets the top bit of the first lane whose byte is a quote, a backslash,
// below 0x20 or above 0x7e; lanes behind it may be set too.
func stops(x uint64) uint64 {
	quote, slash := x^(ones*'"'), x^(ones*'\\')
	return ((quote-ones)&^quote | (slash-ones)&^slash | (x - spaces) | (x + ones) | x) & tops
}

// string reads a string at the quote i, eight bytes at a time through the plain
// part.
func (s *scanner) string(i int) (end int, marks Marks) {
	first := i
	for i++; ; {
		for len(s.text)-i >= 8 {
			if stop := stops(binary.LittleEndian.Uint64(s.text[i:])); stop != 0 {
				i += bits.TrailingZeros64(stop) / 8
				break
			}
			i += 8
		}
		if i >= len(s.text) {
			return s.fail(NotJSON, first, i), 0
		}
		switch c := s.text[i]; {
		case c == '"':
			return i + 1, marks
		case c == '\\':
			marks |= Escaped
			if i = s.escape(i); i < 0 {
				return -1, 0
			}
		case c < 0x20:
			return s.fail(NotJSON, i, i+1), 0
		case c >= utf8.RuneSelf:
			r, n := utf8.DecodeRune(s.text[i:])
			if r == utf8.RuneError && n == 1 {
				return s.fail(NotUTF8, i, i+1), 0
			}
			marks |= Unusual
			i += n
		case c == 0x7f:
			marks |= Unusual
			i++
		default:
			i++
		}
	}
}

// escape checks the escape sequence at the backslash i.
func (s *scanner) escape(i int) int {
	if i+1 >= len(s.text) {
		return s.fail(NotJSON, i, i+1)
	}
	switch s.text[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 2
	case 'u':
		r, n := unescapeRune(s.text[i:])
		if n == 0 {
			return s.fail(NotJSON, i, i+2)
		}
		if r == utf8.RuneError && utf16.IsSurrogate(hex4(s.text[i+2:])) {
			return s.fail(LoneSurrogate, i, i+6)
		}
		return i + n
	}
	return s.fail(NotJSON, i, i+2)
}

// unescapeRune reads \uXXXX, or two of them that are a surrogate pair. n is 0 if
// there are no four digits; a lone surrogate is U+FFFD.
func unescapeRune(s []byte) (r rune, n int) {
	if r = hex4(s[2:]); r < 0 {
		return 0, 0
	}
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	if len(s) >= 12 && s[6] == '\\' && s[7] == 'u' {
		if pair := utf16.DecodeRune(r, hex4(s[8:])); pair != utf8.RuneError {
			return pair, 12
		}
	}
	return utf8.RuneError, 6
}

func hex4(s []byte) rune {
	if len(s) < 4 {
		return -1
	}
	r := rune(0)
	for _, c := range s[:4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}

// fold is the smallest of the characters that differ from r only in case, so
// that all of them hash alike.
func fold(r rune) rune {
	least := r
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		least = min(least, f)
	}
	return least
}
