package scim

import "strconv"

// Target is what a request is about: one operation on one resource or
// collection, and its query. It is parsed from the raw request target once, and
// everything that is sent or recorded is written from it.
type Target struct {
	Operation Operation
	ID        string // of the resource, or the URN of a schema; "" for a collection
	Query     Query
	Search    bool // a list that was asked for by POST to .search: the body holds the query (RFC 7644 §3.4.3)
}

// Query is the query of a read, decoded. Of an operation that isn't a list all
// but Attributes and ExcludedAttributes are zero.
type Query struct {
	Filter     string // canonical text of a filter, "" if there is none
	StartIndex int    // 1-based; 0 = not given. Values below 1 count as 1 (RFC 7644 §3.4.2.4)
	Count      int    // meaningful if HasCount; negative values count as 0
	Cursor     string // meaningful if HasCursor; "" asks for the first page (RFC 9865)
	HasCount   bool
	HasCursor  bool

	// What the client wants to see of the resources; AWS doesn't know them.
	Attributes         []string
	ExcludedAttributes []string
}

// Path is the target's path below the Base URL: "/Users/906…".
func (t Target) Path() string {
	if t.ID == "" {
		return t.Operation.Collection()
	}
	return t.Operation.Collection() + "/" + t.ID
}

// Resource is the target as records name it: "Users/906…", or "Users".
func (t Target) Resource() string {
	if t.Operation == 0 {
		return ""
	}
	return t.Path()[1:]
}

// AppendURI writes path and query as they are sent to AWS: nothing but cursor,
// count and filter, in this order, each byte outside the unreserved characters
// of RFC 3986 percent-encoded. An empty cursor is bare, since AWS's guide asks
// for the first page so (ListUsers).
func (t Target) AppendURI(dst []byte) []byte {
	dst = append(dst, t.Operation.Collection()...)
	if t.ID != "" {
		dst = append(dst, '/')
		if t.Operation.Is(Discovery) {
			dst = append(dst, t.ID...)
		} else {
			dst = appendEscaped(dst, t.ID)
		}
	}
	mark := byte('?')
	name := func(s string) {
		dst = append(append(dst, mark), s...)
		mark = '&'
	}
	if t.Query.HasCursor {
		name("cursor")
		if t.Query.Cursor != "" {
			dst = appendEscaped(append(dst, '='), t.Query.Cursor)
		}
	}
	if t.Query.StartIndex > 0 && !t.Query.HasCursor {
		name("startIndex=")
		dst = strconv.AppendInt(dst, int64(t.Query.StartIndex), 10)
	}
	if t.Query.HasCount {
		name("count=")
		dst = strconv.AppendInt(dst, int64(t.Query.Count), 10)
	}
	if t.Query.Filter != "" {
		name("filter=")
		dst = appendEscaped(dst, t.Query.Filter)
	}
	return dst
}

func appendEscaped(dst []byte, s string) []byte {
	const hex = "0123456789ABCDEF"
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '.', c == '_', c == '~':
			dst = append(dst, c)
		default:
			dst = append(dst, '%', hex[c>>4], hex[c&15])
		}
	}
	return dst
}
