package standin

import (
	"crypto/rand"
	"encoding/hex"
	"slices"
	"strconv"
	"time"
)

// resource is a user or a group. Its links lead to its groups or to its members and
// are in the order of creation, as everything that lists show.
type resource struct {
	id       string
	seq      uint64 // order of creation, over both types
	doc      object // cleaned, with what is never shown; without id, meta and schemas
	created  time.Time
	modified time.Time
	links    []*resource

	unseen int         // reads that still miss it (switch read-delay), for a while
	born   time.Time   // when that began
	former []*resource // links as lists still show them (switch membership-delay)
	stale  int         // lists that still do
}

// shelf holds the resources of one type.
type shelf struct {
	of    *resourceType
	byID  map[string]*resource
	byKey map[string][]*resource // by attribute and folded value of unique attributes
	all   []*resource            // by seq
}

func newShelf(t *resourceType) *shelf {
	return &shelf{of: t, byID: map[string]*resource{}, byKey: map[string][]*resource{}}
}

// unique returns the values of unique attributes: of a list, those of its values.
func (t *resourceType) unique(doc object) map[string]string {
	out := map[string]string{}
	for _, a := range t.attributes {
		if !a.has(unique) {
			continue
		}
		v := doc[a.name]
		if elements, ok := v.([]any); ok && len(elements) > 0 {
			v = elements[0].(object)["value"]
		}
		if s, ok := v.(string); ok {
			out[a.name] = s
		}
	}
	return out
}

func key(attribute, value string) string { return attribute + "\x00" + fold(value) }

// clashes tells whether another resource has one of the document's unique values.
func (h *shelf) clashes(doc object, self *resource, at Positions) bool {
	for name, value := range h.of.unique(doc) {
		for _, other := range h.byKey[key(name, value)] {
			if other != self && (at.is("clash-case", "fold") || h.of.unique(other.doc)[name] == value) {
				return true
			}
		}
	}
	return false
}

// put takes a new resource in.
func (h *shelf) put(r *resource) {
	h.byID[r.id] = r
	h.all = append(h.all, r)
	h.index(r)
}

func (h *shelf) index(r *resource) {
	for name, value := range h.of.unique(r.doc) {
		h.byKey[key(name, value)] = link(h.byKey[key(name, value)], r)
	}
}

// change gives a resource another document.
func (h *shelf) change(r *resource, doc object, now time.Time) {
	h.forget(r)
	r.doc, r.modified = doc, now
	h.index(r)
}

func (h *shelf) forget(r *resource) {
	for name, value := range h.of.unique(r.doc) {
		k := key(name, value)
		if h.byKey[k] = unlink(h.byKey[k], r); len(h.byKey[k]) == 0 {
			delete(h.byKey, k)
		}
	}
}

// drop takes a resource out, with all links to it.
func (h *shelf) drop(r *resource) {
	h.forget(r)
	delete(h.byID, r.id)
	h.all = unlink(h.all, r)
	for _, other := range r.links {
		other.links = unlink(other.links, r)
	}
}

func position(in []*resource, r *resource) (int, bool) {
	return slices.BinarySearchFunc(in, r.seq, func(r *resource, seq uint64) int {
		switch {
		case r.seq < seq:
			return -1
		case r.seq > seq:
			return 1
		}
		return 0
	})
}

func linked(in []*resource, r *resource) bool {
	_, found := position(in, r)
	return found
}

func link(in []*resource, r *resource) []*resource {
	i, found := position(in, r)
	if found {
		return in
	}
	return slices.Insert(in, i, r)
}

func unlink(in []*resource, r *resource) []*resource {
	i, found := position(in, r)
	if !found {
		return in
	}
	return slices.Delete(in, i, i+1)
}

// read finds a resource as a reader does: a new one may still be missing.
func (h *shelf) read(id string) (*resource, error) {
	r := h.byID[id]
	if r == nil || r.missed() {
		return nil, refuse(404, "")
	}
	return r, nil
}

// longestUnseen ends what the switch read-delay begins: the delay that was seen was
// a tenth of a second (awslabs/ssosync#42).
const longestUnseen = time.Second

// missed counts one read of a new resource that does not see it yet.
func (r *resource) missed() bool {
	if r.unseen == 0 || time.Since(r.born) > longestUnseen {
		return false
	}
	r.unseen--
	return true
}

// Quotas of an identity store (user guide, limits).
const (
	mostUsers  = 200_000
	mostGroups = 100_000
)

// create makes a resource of a document that was judged. What AWS answers when the
// store is full is unknown; here it is a 400.
func (s *Server) create(h *shelf, doc object, id string) (*resource, error) {
	most := mostUsers
	if h == s.groups {
		most = mostGroups
	}
	if len(h.all) >= most {
		return nil, refuse(400, "ServiceQuotaExceeded")
	}
	if id == "" {
		id = newID(s.at)
	}
	s.seq++
	now := s.now()
	r := &resource{id: id, seq: s.seq, doc: doc, created: now, modified: now, unseen: number(s.at.at("read-delay")), born: time.Now()}
	h.put(r)
	return r, nil
}

// number reads the value of a switch whose values are numbers.
func number(value string) int {
	n, err := strconv.Atoi(value)
	if err != nil {
		panic("BUG: switch value " + value + " is no number")
	}
	return n
}

// newID makes an id of the form that AWS documents (Identity Store API, UserId).
func newID(at Positions) string {
	if at.is("id-form", "legacy") {
		var prefix [5]byte
		rand.Read(prefix[:])
		return hex.EncodeToString(prefix[:]) + "-" + uuid()
	}
	return uuid()
}

// uuid makes a random UUID (RFC 9562, version 4).
func uuid() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
