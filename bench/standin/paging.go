package standin

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// pageSize is the most a page may hold, and what it holds by default (guide, ListUsers).
const pageSize = 100

// window is what a list request asks for.
type window struct {
	filter string // as given
	count  int
	paged  bool // by cursor
	after  uint64
	later  bool // there was a page before
}

func (s *Server) listUsers(rq *request) (answer, error) { return s.list(s.users, rq) }

func (s *Server) listGroups(rq *request) (answer, error) { return s.list(s.groups, rq) }

// list answers one page. Without cursor that is all that a client ever sees, and
// totalResults is the size of the page, not of the store.
func (s *Server) list(h *shelf, rq *request) (answer, error) {
	w, err := s.window(h, rq.query)
	if err != nil {
		return answer{}, err
	}
	var filter []comparison
	if rq.query.Has("filter") {
		if filter, err = s.filter(h.of, w.filter); err != nil {
			return answer{}, err
		}
	}
	all, err := s.candidates(h, filter)
	if err != nil {
		return answer{}, err
	}
	start, found := position(all, &resource{seq: w.after})
	if found {
		start++
	}
	var shown [][]byte
	var last uint64
	var more bool
	for _, r := range all[start:] {
		if h.byID[r.id] != r { // deleted, but still shown as former member
			continue
		}
		if more = len(shown) == w.count; more {
			break
		}
		last = r.seq
		if !r.missed() {
			shown = append(shown, s.entry(h, r))
		}
	}
	return answer{status: 200, body: s.page(h, w, shown, last, more)}, nil
}

// entry renders a resource of a list: groups have members there, always empty.
func (s *Server) entry(h *shelf, r *resource) []byte {
	if h == s.groups {
		return h.show(r, `,"members":[]`)
	}
	return h.show(r)
}

// page renders a list response.
func (s *Server) page(h *shelf, w window, shown [][]byte, last uint64, more bool) []byte {
	out := []byte{'{'}
	if !w.paged {
		n := itoa(len(shown))
		out = append(out, `"totalResults":`+n+`,"itemsPerPage":`+n+`,"startIndex":1`...)
	} else {
		out = append(out, `"itemsPerPage":`+itoa(len(shown))...)
		if more {
			out = append(append(out, `,"nextCursor":`...), marshal(s.cursor(h, w.filter, last))...)
		}
	}
	out = append(out, `,"schemas":["`+listURN+`"],"Resources":[`...)
	for i, r := range shown {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, r...)
	}
	return append(out, "]}"...)
}

// window reads the query of a list.
func (s *Server) window(h *shelf, query url.Values) (window, error) {
	w := window{filter: query.Get("filter"), count: pageSize, paged: query.Has("cursor")}
	if query.Has("count") {
		n, err := strconv.Atoi(query.Get("count"))
		if err == nil && s.at.is("count-range", "clamp") {
			n = min(max(n, 1), pageSize)
		}
		if err != nil || n < 1 || n > pageSize {
			return w, refuse(400, "count is not in the range of 1 to 100")
		}
		w.count = n
	}
	if value := query.Get("cursor"); value != "" {
		after, ok := s.open(h, w.filter, value)
		if !ok {
			return w, refuse(400, "The cursor is invalid, expired or belongs to another filter")
		}
		w.after, w.later = after, true
	}
	switch {
	case w.paged && s.at.is("pages", "short"):
		w.count = (w.count + 1) / 2
	case w.paged && s.at.is("pages", "empty-first") && !w.later:
		w.count = 0
	}
	return w, nil
}

// A cursor holds where it goes on and when it was made, sealed together with resource
// type and filter, so that the server remembers nothing. The padding makes it end in
// "=", which a client must escape.
const cursorSize = 8 + 8 + 12

func (s *Server) cursor(h *shelf, filter string, after uint64) string {
	out := binary.BigEndian.AppendUint64(nil, after)
	out = binary.BigEndian.AppendUint64(out, uint64(s.now().UnixNano()))
	return base64.StdEncoding.EncodeToString(append(out, s.seal(h, filter, out)...))
}

func (s *Server) open(h *shelf, filter, value string) (after uint64, ok bool) {
	in, err := base64.StdEncoding.DecodeString(value)
	if err != nil || len(in) != cursorSize || !hmac.Equal(in[16:], s.seal(h, filter, in[:16])) {
		return 0, false
	}
	made := time.Unix(0, int64(binary.BigEndian.Uint64(in[8:])))
	if life := s.at.at("cursor-life"); life != "unlimited" {
		most, err := time.ParseDuration(life)
		if err != nil {
			panic("BUG: switch value " + life + " is no duration")
		}
		if s.now().Sub(made) > most {
			return 0, false
		}
	}
	return binary.BigEndian.Uint64(in), true
}

func (s *Server) seal(h *shelf, filter string, content []byte) []byte {
	mac := hmac.New(sha256.New, s.secret[:])
	mac.Write(slices.Concat([]byte(h.of.name), []byte{0}, []byte(filter), []byte{0}, content))
	return mac.Sum(nil)[:cursorSize-16]
}
