package translate

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/scimgate/scimgate/rules/scim"
)

// recent are the membership writes that AWS may not show yet.
type recent struct {
	at      time.Time       // of the last one
	present map[string]bool // by user: added, or removed
}

// Bounds of the members that are remembered: of one group, and of all.
const (
	maxRecent    = 1 << 14
	maxRecentAll = 1 << 16
)

// wrote remembers a membership write that AWS has taken.
func (m *Memory) wrote(group string, ids []string, added bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.recent[group]
	if r == nil || time.Since(r.at) > recentFor || len(r.present)+len(ids) > maxRecent {
		if r == nil && len(m.recent) >= maxGroups {
			m.forgetGroup()
		}
		if r != nil {
			m.recentIDs -= len(r.present)
		}
		r = &recent{present: map[string]bool{}}
		m.recent[group] = r
	}
	r.at = time.Now()
	before := len(r.present)
	for _, id := range ids {
		r.present[id] = added
	}
	m.recentIDs += len(r.present) - before
	for m.recentIDs > maxRecentAll && len(m.recent) > 1 {
		m.forgetGroup()
	}
}

// forgetGroup drops the group that was written longest ago.
func (m *Memory) forgetGroup() {
	oldest := ""
	for id, r := range m.recent {
		if oldest == "" || r.at.Before(m.recent[oldest].at) {
			oldest = id
		}
	}
	m.recentIDs -= len(m.recent[oldest].present)
	delete(m.recent, oldest)
}

// members are the ids of a group's members: as AWS tells them by a walk over its
// users, with this gateway's own recent writes on top. AWS never shows them on the
// group itself (SCIM developer guide, ListUsers). A response that is not OK is
// AWS's refusal.
func (m *Memory) members(do Do, group string) (ids []string, resp scim.Response, err error) {
	target := scim.Target{Operation: scim.ListUsers, Query: scim.Query{
		Filter: scim.EqFilter("groups.value", group), HasCursor: true, Count: m.limits.Page, HasCount: true,
	}}
	for {
		resp, err = m.send(do, scim.Request{Target: target})
		if err != nil || !resp.OK() {
			return nil, resp, err
		}
		page := gjson.ParseBytes(resp.Body)
		page.Get("Resources").ForEach(func(_, user gjson.Result) bool {
			ids = append(ids, user.Get("id").Str)
			return true
		})
		next := page.Get("nextCursor").Str
		if next == "" {
			return m.merge(group, ids), resp, nil
		}
		target.Query.Cursor = next
	}
}

func (m *Memory) merge(group string, ids []string) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.recent[group]
	if r == nil || time.Since(r.at) > recentFor {
		return ids
	}
	seen := make(map[string]bool, len(ids))
	merged := ids[:0]
	for _, id := range ids {
		seen[id] = true
		if present, written := r.present[id]; !written || present {
			merged = append(merged, id)
		}
	}
	for id, present := range r.present {
		if present && !seen[id] {
			merged = append(merged, id)
		}
	}
	return merged
}

// minus are the elements of a that b doesn't have, each once.
func minus(a, b []string) (rest []string) {
	drop := make(map[string]bool, len(b))
	for _, id := range b {
		drop[id] = true
	}
	for _, id := range a {
		if !drop[id] {
			drop[id] = true
			rest = append(rest, id)
		}
	}
	return rest
}

// patchMembers is one change of at most as many members as AWS takes.
func patchMembers(group, op string, ids []string) scim.Request {
	values := make([]string, len(ids))
	for i, id := range ids {
		values[i] = `{"value":` + string(scim.AppendString(nil, id)) + `}`
	}
	req := scim.Request{
		Target: scim.Target{Operation: scim.PatchGroup, ID: group}, Body: patchBody(operation(op, "members", "["+strings.Join(values, ",")+"]")),
		Memberships: len(ids), Revokes: op == "remove", Attrs: []string{"members"},
	}
	if op == "remove" {
		req.Removed, req.Loses = ids, len(ids)
	} else {
		req.Added = ids
	}
	return req
}

// progress is what a plan has done so far.
type progress struct {
	renamed                        bool
	removed, added, removals, adds int
}

func (p *progress) String() string {
	var done []string
	if p.removed > 0 {
		done = append(done, fmt.Sprintf("%d of %d members removed", p.removed, p.removals))
	}
	if p.added > 0 {
		done = append(done, fmt.Sprintf("%d of %d members added", p.added, p.adds))
	}
	if p.renamed {
		done = append(done, "the name changed")
	}
	return strings.Join(done, ", ")
}

// change carries out a difference. Removals come first: if a later chunk fails,
// someone has too little access for a while, never too much. Members that AWS
// doesn't have don't hold up the others; they are named at the end. Run again after
// a failure, it finishes what is left.
func (m *Memory) change(do Do, group string, removals, additions []string, p *progress) (scim.Response, error) {
	p.removals, p.adds = len(removals), len(additions)
	done := scim.Response{Status: 204}
	for chunk := range slices.Chunk(removals, m.limits.Members) {
		resp, err := m.send(do, patchMembers(group, "remove", chunk))
		if err == nil && refused(resp) {
			resp, err = m.compare(do, group, resp, func(have []string) bool { return len(minus(chunk, have)) == len(chunk) })
		}
		if err != nil || !resp.OK() {
			return partly(p.String(), resp, err)
		}
		m.wrote(group, chunk, false)
		p.removed += len(chunk)
		done = resp
	}
	var missing []string
	for chunk := range slices.Chunk(additions, m.limits.Members) {
		resp, lost, err := m.add(do, group, chunk)
		missing = append(missing, lost...)
		if err != nil || !resp.OK() {
			return partly(p.String(), resp, err)
		}
		p.added += len(chunk) - len(lost)
		done = resp
	}
	if len(missing) > 0 {
		return done, m.unknown(do, missing, p)
	}
	return done, nil
}

// refused tells of an answer that doesn't say which member it is about.
func refused(resp scim.Response) bool {
	return resp.Status == 400 || resp.Status == 404 || resp.Status == 409
}

// compare reads the members after a refusal, since AWS was seen to act and refuse
// at once (lichti/aws-iam-scim-problem, 2024-04), and to refuse what is so already.
// If they are as they should be, that is what was asked.
func (m *Memory) compare(do Do, group string, refusal scim.Response, asWanted func(have []string) bool) (scim.Response, error) {
	have, resp, err := m.members(do, group)
	if err != nil {
		return resp, err
	}
	if resp.OK() && asWanted(have) {
		return scim.Response{Status: 204, RequestID: refusal.RequestID}, nil
	}
	return refusal, nil
}

// add adds one chunk. If AWS refuses it, the members that it doesn't have are found
// and left out.
func (m *Memory) add(do Do, group string, chunk []string) (resp scim.Response, missing []string, err error) {
	resp, err = m.send(do, patchMembers(group, "add", chunk))
	if err != nil || !refused(resp) {
		if err == nil && resp.OK() {
			m.wrote(group, chunk, true)
		}
		return resp, nil, err
	}
	resp, err = m.compare(do, group, resp, func(have []string) bool { return len(minus(chunk, have)) == 0 })
	if err != nil || resp.OK() {
		return resp, nil, err
	}
	for _, id := range chunk {
		user, err := m.send(do, scim.Request{Target: scim.Target{Operation: scim.GetUser, ID: id}})
		if err != nil {
			return user, nil, err
		}
		if user.Status == 404 {
			missing = append(missing, id)
		}
	}
	known := minus(chunk, missing)
	if len(known) == 0 {
		return scim.Response{Status: 204}, missing, nil
	}
	// All of these can be read now, which a moment ago they perhaps couldn't.
	resp, err = m.send(do, patchMembers(group, "add", known))
	if err == nil && resp.OK() {
		m.wrote(group, known, true)
	}
	return resp, missing, err
}

// maxNamed bounds how many ids are named in a detail.
const maxNamed = 10

// unknown ends a plan that has done all but what AWS refuses: members that are no
// users. AWS has no nested groups, so one that is a group is told apart.
func (m *Memory) unknown(do Do, missing []string, p *progress) error {
	kind, named := scim.MemberUnknown, missing[:min(len(missing), maxNamed)]
	for _, id := range named {
		if group, err := do(getGroup(id)); err == nil && group.OK() {
			kind, named = scim.MemberIsGroup, []string{id}
			break
		}
	}
	note := strings.Join(named, ", ")
	if kind == scim.MemberUnknown && len(missing) > maxNamed {
		note += fmt.Sprintf(" and %d more", len(missing)-maxNamed)
	}
	done := p.String()
	if done == "" {
		done = "nothing else was to be done"
	}
	return &Incomplete{
		Kind: kind, Note: note, Detail: fmt.Sprintf("Everything else was done: %s.", done),
		Missing: missing, Response: scim.Response{Status: 400},
	}
}
