package scim

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Bounds of a JSON text that is admitted. They are far above what SCIM needs:
// the deepest resource has five levels, the largest object about forty members,
// and a member of a group takes three values.
const (
	MaxDepth   = 32
	MaxValues  = 1 << 19
	MaxMembers = 256 // of one object
	MaxNumber  = 64  // bytes of one number
)

// Shape is the JSON type of a value.
type Shape uint8

// The shapes of RFC 8259; true and false are two, since a rule asks for the value.
const (
	Object Shape = iota
	Array
	String
	Number
	True
	False
	Null
)

// Marks say what the scan met inside a string, so that nobody has to look again
// at the plain ones.
type Marks uint8

const (
	Escaped Marks = 1 << iota // a backslash
	Unusual                   // a byte outside U+0020 to U+007E
)

// Node is one value of a scanned document. Offsets are bytes in the text.
type Node struct {
	NameStart, NameEnd int32 // the member's name without its quotes; both 0 for an element and the root
	Start, End         int32 // the value, with quotes or brackets
	Parent             int32 // index of the enclosing value, -1 for the root
	Next               int32 // index of the first node behind this one's subtree
	Count              int32 // members or elements
	Hash               uint32
	Shape              Shape
	Marks              Marks // of a string
	NameMarks          Marks
}

// Document is a JSON text with one reading, and its values in document order:
// Nodes[0] is the root. It can be scanned into again and again; its nodes are
// reused, so nothing of it outlives the next Scan.
type Document struct {
	Text  []byte
	Nodes []Node
}

// Name is the name of a member with its escapes resolved, "" for an element.
func (d *Document) Name(at int32) string {
	n := &d.Nodes[at]
	return unescape(d.Text[n.NameStart:n.NameEnd], n.NameMarks)
}

// Raw is the value as it was written.
func (d *Document) Raw(at int32) []byte {
	return d.Text[d.Nodes[at].Start:d.Nodes[at].End]
}

// String is the content of a string with its escapes resolved; of another shape
// the text of the value.
func (d *Document) String(at int32) string {
	n := &d.Nodes[at]
	if n.Shape != String {
		return string(d.Text[n.Start:n.End])
	}
	return unescape(d.Text[n.Start+1:n.End-1], n.Marks)
}

// Child finds a member of an object by its name, in any case (RFC 7643 §2.1).
// It is -1 if there is none, and if at is -1 or no object.
func (d *Document) Child(at int32, name string) int32 {
	if at < 0 || d.Nodes[at].Shape != Object {
		return -1
	}
	hash := HashName(name)
	for c := at + 1; c < d.Nodes[at].Next; c = d.Nodes[c].Next {
		n := &d.Nodes[c]
		if n.Hash == hash && (string(d.Text[n.NameStart:n.NameEnd]) == name || strings.EqualFold(d.Name(c), name)) {
			return c
		}
	}
	return -1
}

// Path is where a value stands, as a person would write it:
// "emails[0].value"; the root is "".
func (d *Document) Path(at int32) string {
	if at <= 0 {
		return ""
	}
	n := &d.Nodes[at]
	parent := d.Path(n.Parent)
	if d.Nodes[n.Parent].Shape == Array {
		i := 0
		for c := n.Parent + 1; c != at; c = d.Nodes[c].Next {
			i++
		}
		return parent + "[" + strconv.Itoa(i) + "]"
	}
	return JoinPath(parent, d.Name(at))
}

// JoinPath puts a sub-attribute behind a path. Behind a schema URN the separator
// is a colon (RFC 7644 §3.10).
func JoinPath(parent, name string) string {
	switch {
	case parent == "":
		return name
	case IsURN(parent) && strings.LastIndexByte(parent, ':') > strings.LastIndexByte(parent, '.'):
		if i := strings.LastIndexByte(parent, ':'); parent[i+1:] == "User" || parent[i+1:] == "Group" {
			return parent + ":" + name
		}
	}
	return parent + "." + name
}

// IsURN tells whether a name is that of a schema.
func IsURN(name string) bool {
	return len(name) > 4 && strings.EqualFold(name[:4], "urn:")
}

// Locate finds a value by its Path; where the path leads nowhere it is the
// deepest value on the way.
func (d *Document) Locate(path string) int32 {
	at := int32(0)
	for len(d.Nodes) > 0 && path != "" {
		next, length := d.step(at, path)
		if next < 0 {
			break
		}
		at, path = next, path[length:]
	}
	return at
}

// step is the child that a path leads to, and how much of the path says so; -1 if there is
// none.
func (d *Document) step(at int32, path string) (child int32, length int) {
	child = -1
	n := &d.Nodes[at]
	switch {
	case n.Shape == Array:
		index, _, ok := strings.Cut(strings.TrimPrefix(path, "["), "]")
		i, err := strconv.Atoi(index)
		if path[0] != '[' || !ok || err != nil || i < 0 || i >= int(n.Count) {
			return -1, 0
		}
		for child = at + 1; i > 0; i-- {
			child = d.Nodes[child].Next
		}
		return child, len(index) + 2
	case n.Shape == Object:
		separator := 0
		if at > 0 && (path[0] == '.' || path[0] == ':') {
			separator = 1
		}
		for c := at + 1; c < n.Next; c = d.Nodes[c].Next {
			name := d.Name(c)
			rest, ok := strings.CutPrefix(path[separator:], name)
			if ok && separator+len(name) > length && (rest == "" || strings.IndexByte(".[:", rest[0]) >= 0) {
				child, length = c, separator+len(name)
			}
		}
	}
	return child, length
}

// HashName is the hash of a member's name, the same for all its spellings in
// upper and lower case. Equal hashes do not prove equal names.
func HashName(name string) uint32 {
	for i := 0; i < len(name); i++ {
		if name[i] >= utf8.RuneSelf {
			name = strings.Map(fold, name)
			break
		}
	}
	h := uint64(hashSeed)
	for ; len(name) >= 8; name = name[8:] {
		h = (h ^ (word(name) | spaces)) * hashPrime
	}
	return hashEnd(h, word(name), 8*len(name))
}

// word is the first eight bytes of a name, or as many as there are.
func word(s string) (x uint64) {
	for i := 0; i < len(s) && i < 8; i++ {
		x |= uint64(s[i]) << (8 * i)
	}
	return x
}

const (
	hashSeed  = 0x9e3779b97f4a7c15
	hashPrime = 0xff51afd7ed558ccd
)

// hashEnd takes in the last word of a name, of which n bits belong to it.
func hashEnd(h, x uint64, n int) uint32 {
	h = (h ^ (x&(1<<n-1) | spaces) ^ uint64(n)<<56) * hashPrime
	return uint32(h >> 32)
}

// unescape resolves the escapes of the inside of a JSON string that has been
// scanned, so they are known to be sound.
func unescape(s []byte, marks Marks) string {
	if marks&Escaped == 0 {
		return string(s)
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); {
		if s[i] != '\\' {
			out = append(out, s[i])
			i++
			continue
		}
		switch s[i+1] {
		case 'u':
			r, n := unescapeRune(s[i:])
			out = utf8.AppendRune(out, r)
			i += n
			continue
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		default:
			out = append(out, s[i+1])
		}
		i += 2
	}
	return string(out)
}
