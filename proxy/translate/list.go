package translate

import (
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/scimgate/scimgate/rules/scim"
)

// windowKey tells lists apart: what is listed, by which filter, for whom.
type windowKey struct {
	op             scim.Operation
	filter, caller string
}

// window is what is known of where the pages of a list begin.
type window struct {
	used  time.Time
	marks []mark // in order; the first is the beginning
	total int    // -1 until the end was seen
}

// mark is the cursor of the page that begins behind at resources.
type mark struct {
	at     int
	cursor string
}

// maxMarks bounds the marks of one list: AWS holds 200,000 users at most, 2,000
// pages (IAM Identity Center user guide, quotas).
const maxMarks = 4096

// maxMarksAll bounds those of all lists.
const maxMarksAll = 1 << 15

// maxCursor bounds what is remembered as a cursor, in bytes; AWS's have some hundred.
const maxCursor = 1 << 10

// unique are the attributes that at most one resource has: a look-up by one needs no
// pages.
var unique = map[string]bool{"username": true, "externalid": true, "displayname": true, "id": true}

// List answers a list. Clients page by startIndex and count; AWS pages by cursor,
// at most 100 at a time, and leaves out the rest in silence where no cursor is asked
// for. Where pages begin is remembered, so that windows that are read in order cost
// one call each. totalResults is exact when the end was seen; before that it is one
// more than what was shown, which keeps the client paging. A client that pages by
// cursor itself gets AWS's own pages. withMembers fills in the members of groups.
func (m *Memory) List(target scim.Target, caller string, withMembers bool) Plan {
	list := m.list(target, caller)
	if !withMembers || target.Operation != scim.ListGroups {
		return list
	}
	return func(do Do) (scim.Response, error) {
		resp, err := list(do)
		if err != nil || !resp.OK() {
			return resp, err
		}
		return m.fill(do, resp)
	}
}

// fill puts the members into a list of groups, by a walk for each.
func (m *Memory) fill(do Do, list scim.Response) (scim.Response, error) {
	doc := gjson.ParseBytes(list.Body)
	resources := doc.Get("Resources")
	out := append([]byte(nil), list.Body[:resources.Index]...)
	beside := func(req scim.Request) (scim.Response, error) {
		req.Holds += len(out)
		return do(req)
	}
	for i, group := range resources.Array() {
		ids, resp, err := m.members(beside, group.Get("id").Str)
		if err != nil || !resp.OK() {
			return resp, err
		}
		out = append(out, "[,"[min(i, 1)])
		out = append(out, withMembers([]byte(group.Raw), ids)...)
	}
	if len(resources.Array()) == 0 {
		return list, nil
	}
	list.Body = append(append(out, ']'), list.Body[resources.Index+len(resources.Raw):]...)
	return list, nil
}

func (m *Memory) list(target scim.Target, caller string) Plan {
	filter := canonical(target.Query.Filter)
	if filter != nil {
		target.Query.Filter = filter.String()
	}
	pages := m.pages(target, caller)
	return func(do Do) (scim.Response, error) {
		resp, err := pages(do)
		if err == nil && resp.OK() && filter != nil {
			return m.mergeList(do, target.Operation, filter, resp)
		}
		return resp, err
	}
}

func (m *Memory) pages(target scim.Target, caller string) Plan {
	return func(do Do) (scim.Response, error) {
		if target.Query.HasCursor {
			return m.byCursor(do, onlyQuery(target))
		}
		start := max(target.Query.StartIndex, 1) - 1
		count := m.limits.Page
		if target.Query.HasCount {
			count = min(target.Query.Count, m.limits.Page)
		}
		if lookup(target.Query.Filter) {
			return m.lookup(do, target, start, count)
		}
		w := m.window(windowKey{target.Operation, target.Query.Filter, caller}, start == 0)
		resp, err := m.slice(do, target, w, start, count)
		if err == nil && resp.Status == 400 && len(w.marks) > 1 { // a cursor has expired
			w.marks, w.total = w.marks[:1], -1
			resp, err = m.slice(do, target, w, start, count)
		}
		m.keep(windowKey{target.Operation, target.Query.Filter, caller}, w)
		return resp, err
	}
}

// byCursor is a page for a client that pages by cursor itself.
func (m *Memory) byCursor(do Do, target scim.Target) (scim.Response, error) {
	if target.Query.HasCount {
		target.Query.Count = min(max(target.Query.Count, 1), m.limits.Page)
	}
	resp, err := m.send(do, scim.Request{Target: target})
	if err == nil && resp.Status == 404 && target.Query.Filter != "" { // AWS answers so for a member that it doesn't have (ListGroups)
		return scim.Response{Status: 200, Body: pageBody("", nil), RequestID: resp.RequestID}, nil
	}
	return resp, err
}

// onlyQuery keeps of a target what AWS knows.
func onlyQuery(t scim.Target) scim.Target {
	t.Query.StartIndex, t.Query.Attributes, t.Query.ExcludedAttributes = 0, nil, nil
	return t
}

// spelled are the attributes by which AWS looks up, as it writes them.
var spelled = [...]string{"userName", "externalId", "displayName", "id", "groups.value", "members.value", "members", "manager"}

// canonical is a filter with the names of attributes as AWS writes them; nil if
// there is none. A membership test has the bare name: members (SCIM developer guide,
// ListGroups).
func canonical(text string) *scim.Filter {
	if text == "" {
		return nil
	}
	f, err := scim.ParseFilter(text)
	if err != nil {
		return nil
	}
	var spell func(f *scim.Filter, paired bool)
	spell = func(f *scim.Filter, paired bool) {
		if f == nil {
			return
		}
		name := scim.ShortName(f.Attribute)
		for _, known := range spelled {
			if strings.EqualFold(name, known) {
				f.Attribute = known
			}
		}
		if paired && f.Attribute == "members.value" {
			f.Attribute = "members"
		}
		spell(f.Left, f.Op == "and")
		spell(f.Right, f.Op == "and")
	}
	spell(f, false)
	return f
}

func lookup(filter string) bool {
	if filter == "" {
		return false
	}
	f, err := scim.ParseFilter(filter)
	if err != nil {
		return false
	}
	if left, _, ok := f.And(); ok {
		f = left
	}
	name, _, ok := f.Eq()
	return ok && unique[strings.ToLower(name)]
}

// lookup is one call without paging.
func (m *Memory) lookup(do Do, target scim.Target, start, count int) (scim.Response, error) {
	target = onlyQuery(target)
	target.Query.HasCount, target.Query.Count = false, 0
	resp, err := m.lookUp(do, scim.Request{Target: target})
	if err == nil && resp.Status == 404 { // the filter names somebody whom AWS doesn't have
		resp.Status, resp.Body = 200, nil
	}
	if err != nil || !resp.OK() {
		return resp, err
	}
	all := gjson.GetBytes(resp.Body, "Resources").Array()
	shown := all[min(start, len(all)):]
	shown = shown[:min(count, len(shown))]
	resp.Body = listBody(len(all), start, shown)
	return resp, nil
}

// lookUp asks for what was made here a moment ago until AWS shows it, for about two seconds
// in all: told that there is none, a client makes another.
func (m *Memory) lookUp(do Do, req scim.Request) (scim.Response, error) {
	for pause := 50 * time.Millisecond; ; pause += pause * 6 / 10 {
		resp, err := m.send(do, req)
		if err != nil || !resp.OK() || pause > time.Second || !m.anyFresh(strings.ToLower(req.Target.Query.Filter)) ||
			gjson.GetBytes(resp.Body, "Resources.#").Int() > 0 {
			return resp, err
		}
		time.Sleep(pause)
	}
}

// window takes a copy of what is known of a list; a client that begins anew finds
// nothing.
func (m *Memory) window(key windowKey, anew bool) *window {
	m.mu.Lock()
	defer m.mu.Unlock()
	if w := m.windows[key]; w != nil && !anew && time.Since(w.used) < windowFor {
		return &window{marks: append([]mark(nil), w.marks...), total: w.total}
	}
	return &window{marks: []mark{{}}, total: -1}
}

func (m *Memory) keep(key windowKey, w *window) {
	m.mu.Lock()
	defer m.mu.Unlock()
	w.used = time.Now()
	if old := m.windows[key]; old != nil {
		m.marks -= len(old.marks)
	}
	m.windows[key] = w
	m.marks += len(w.marks)
	if w.total >= 0 && key.filter == "" && key.op == scim.ListUsers {
		m.users = w.total
	}
	for len(m.windows) > maxWindows || m.marks > maxMarksAll && len(m.windows) > 1 {
		oldest := key
		for k, other := range m.windows {
			if k != key && (oldest == key || other.used.Before(m.windows[oldest].used)) {
				oldest = k
			}
		}
		m.marks -= len(m.windows[oldest].marks)
		delete(m.windows, oldest)
	}
}

// Users is how many users there were when their list was last read to its end; 0 before.
func (m *Memory) Users() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.users
}

// maxWindow bounds the resources of one answer, in bytes: it has fewer than were asked for
// if they are larger (RFC 7644 §3.4.2.4 permits that).
const maxWindow = 4 << 20

// maxCounted bounds the pages that are read for somebody who asks for nothing but the
// number.
const maxCounted = 20

// shown are the resources of an answer.
type shown struct {
	list  []gjson.Result
	bytes int
	full  bool
	apart int // so many don't stand in a page of AWS's any more
}

// take takes one, if there is room.
func (s *shown) take(r gjson.Result) {
	if s.full = s.full || len(s.list) > 0 && s.bytes+len(r.Raw) > maxWindow; s.full {
		return
	}
	s.list = append(s.list, r)
	s.bytes += len(r.Raw)
}

// keep copies what would hold a whole page of AWS's.
func (s *shown) keep() {
	for ; s.apart < len(s.list); s.apart++ {
		s.list[s.apart].Raw = strings.Clone(s.list[s.apart].Raw)
	}
}

// slice reads the resources behind start, count of them at most.
func (m *Memory) slice(do Do, target scim.Target, w *window, start, count int) (scim.Response, error) {
	if w.total >= 0 && start >= w.total || count == 0 && w.total >= 0 {
		return scim.Response{Status: 200, Body: listBody(w.total, start, nil)}, nil
	}
	from := w.marks[0]
	for _, known := range w.marks {
		if known.at <= start {
			from = known
		}
	}
	var shown shown
	if count == 0 { // the number alone
		from = w.marks[len(w.marks)-1]
	}
	for at, pages := from, 1; ; pages++ {
		size := min(m.limits.Page, max(start-at.at+min(count, m.limits.Page), 1))
		if count == 0 {
			size = m.limits.Page
		}
		target.Query = scim.Query{Filter: target.Query.Filter, HasCursor: true, Cursor: at.cursor, HasCount: true, Count: size}
		resp, err := m.send(do, scim.Request{Target: target, Holds: shown.bytes})
		if err == nil && resp.Status == 404 && target.Query.Filter != "" { // AWS answers so for a member that it doesn't have (ListGroups)
			w.total = at.at
			return scim.Response{Status: 200, Body: listBody(at.at, start, shown.list), RequestID: resp.RequestID}, nil
		}
		if err != nil || !resp.OK() {
			return resp, err
		}
		page := gjson.ParseBytes(resp.Body)
		resources := page.Get("Resources").Array()
		for i, r := range resources {
			if i+at.at >= start && len(shown.list) < count {
				shown.take(r)
			}
		}
		at = mark{at.at + len(resources), strings.Clone(page.Get("nextCursor").Str)} // which would hold the whole page
		if at.cursor == "" {
			w.total = at.at
		} else {
			w.know(at)
		}
		if at.cursor == "" || shown.full || count > 0 && len(shown.list) >= count && at.at >= start+count || count == 0 && pages >= maxCounted {
			total := w.total
			if total < 0 {
				total = at.at + 1
			}
			resp.Body = listBody(total, start, shown.list)
			return resp, nil
		}
		shown.keep()
	}
}

func (w *window) know(next mark) {
	last := w.marks[len(w.marks)-1]
	if next.at > last.at && len(w.marks) < maxMarks && len(next.cursor) <= maxCursor {
		w.marks = append(w.marks, next)
	}
}

// listBody writes a ListResponse (RFC 7644 §3.4.2) of resources as AWS wrote them.
func listBody(total, start int, shown []gjson.Result) []byte {
	size := 200
	for _, r := range shown {
		size += len(r.Raw) + 1
	}
	out := make([]byte, 0, size)
	out = append(out, `{"schemas":["`+scim.ListSchema+`"],"totalResults":`...)
	out = strconv.AppendInt(out, int64(total), 10)
	out = append(out, `,"startIndex":`...)
	out = strconv.AppendInt(out, int64(start+1), 10)
	out = append(out, `,"itemsPerPage":`...)
	out = strconv.AppendInt(out, int64(len(shown)), 10)
	out = append(out, `,"Resources":[`...)
	for i, r := range shown {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, r.Raw...)
	}
	return append(out, "]}"...)
}
