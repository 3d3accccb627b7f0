package translate

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
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
		r.present[strings.Clone(id)] = added // which would hold the whole document
	}
	m.recentIDs += len(r.present) - before
	for m.recentIDs > maxRecentAll && len(m.recent) > 1 {
		m.forgetGroup()
	}
}

// doubtMembers forgets what was written about members whose change may have been carried
// out: what AWS shows of them counts again.
func (m *Memory) doubtMembers(group string, ids []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.recent[group]
	if r == nil {
		return
	}
	m.recentIDs -= len(r.present)
	for _, id := range ids {
		delete(r.present, id)
	}
	m.recentIDs += len(r.present)
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
	held := 0
	for range maxMarks {
		resp, err = m.send(do, scim.Request{Target: target, Holds: held})
		if err != nil || !resp.OK() {
			return nil, resp, err
		}
		page := gjson.ParseBytes(resp.Body)
		page.Get("Resources").ForEach(func(_, user gjson.Result) bool {
			id := strings.Clone(user.Get("id").Str) // which would hold the whole page
			ids = append(ids, id)
			held += len(id) + perID
			return true
		})
		next := page.Get("nextCursor").Str
		if len(ids) > maxMembers {
			break
		}
		if next == "" {
			return m.merge(group, ids), resp, nil
		}
		target.Query.Cursor = next
	}
	return nil, scim.Response{}, errEndless
}

// on makes the calls say for which members they are: somebody else's change between two of
// them shows in the record.
func on(do Do, members []string) Do {
	sorted := slices.Sorted(slices.Values(members))
	sum := sha256.Sum256([]byte(strings.Join(sorted, "\n")))
	basis := hex.EncodeToString(sum[:8])
	return func(req scim.Request) (scim.Response, error) {
		if req.Basis == "" && len(req.Added)+len(req.Removed) > 0 { // what was read last counts
			req.Basis = basis
		}
		return do(req)
	}
}

// perID is what an id takes beside its bytes, in a list and in a set.
const perID = 64

// maxMembers bounds the members that are read of a group: AWS has 100,000 users at most
// (IAM Identity Center quotas).
const maxMembers = 500_000

// errEndless is told where AWS lists more members than it can have users.
var errEndless = &scim.CallError{Reason: scim.Unshown, RetryAfter: 5 * time.Minute, Err: errors.New("AWS's list of members has no end")}

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

// asShown are ids as AWS writes them, where it shows the same in another letter case.
func asShown(ids, shown []string) []string {
	known := make(map[string]string, len(shown))
	for _, id := range shown {
		known[strings.ToLower(id)] = id
	}
	ids = slices.Clone(ids)
	for i, id := range ids {
		if other, ok := known[strings.ToLower(id)]; ok {
			ids[i] = other
		}
	}
	return minus(ids, nil)
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

// both are the elements of a that b has, too.
func both(a, b []string) (common []string) {
	return minus(a, minus(a, b))
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

// changeKept carries out a difference of a group that must not be emptied: if the removals
// alone would do that, an addition comes first.
func (m *Memory) changeKept(do Do, group string, have, removals, additions []string, name string, p *progress) (scim.Response, error) {
	if len(removals) == 0 || len(additions) == 0 || len(minus(have, removals)) > 0 {
		return m.change(do, group, removals, additions, p)
	}
	resp, lost, err := m.add(do, group, additions[:1])
	for rest := additions[1:]; err == nil && resp.OK() && len(lost) > 0 && len(rest) > 0; rest = rest[1:] { // the first that AWS has
		resp, lost, err = m.add(do, group, rest[:1])
	}
	switch {
	case err != nil || !resp.OK():
		return resp, err
	case len(lost) > 0:
		return protected(name, "emptied, since AWS has none of the new members")
	}
	return m.change(do, group, removals, additions, p)
}

// change carries out a difference. Removals come first: if a later chunk fails,
// someone has too little access for a while, never too much. Members that AWS
// doesn't have don't hold up the others; they are named at the end. Run again after
// a failure, it finishes what is left.
func (m *Memory) change(do Do, group string, removals, additions []string, p *progress) (scim.Response, error) {
	p.removals, p.adds = len(removals), len(additions)
	done := scim.Response{Status: 204}
	for chunk := range slices.Chunk(removals, m.limits.Members) {
		resp, err := m.remove(do, group, chunk)
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

// remove removes one chunk. AWS refuses all of it for one member that it doesn't have any
// more, or that is none already, and was seen to act and refuse at once
// (lichti/aws-iam-scim-problem, 2024-04): so what is there is read after a refusal, and
// the rest of it is removed.
func (m *Memory) remove(do Do, group string, chunk []string) (scim.Response, error) {
	refusal, err := m.send(do, patchMembers(group, "remove", chunk))
	if err != nil || !refused(refusal) {
		return refusal, err
	}
	have, resp, err := m.members(do, group)
	if err != nil || !resp.OK() {
		return m.refusal(do, group, refusal, err)
	}
	do = on(do, have)
	left := both(chunk, have)
	if resp, err := m.removeUnlisted(do, group, minus(chunk, have)); err != nil || !resp.OK() {
		return resp, err
	}
	if len(left) == len(chunk) { // also by what this gateway has written, which may be gone again
		missing, resp, err := m.missing(do, left)
		if err != nil {
			return resp, err
		}
		left = minus(left, missing)
	}
	switch len(left) {
	case 0:
		return scim.Response{Status: 204, RequestID: refusal.RequestID}, nil
	case len(chunk):
		return m.refusal(do, group, refusal, nil)
	}
	return m.send(do, patchMembers(group, "remove", left))
}

// removeUnlisted removes members that AWS doesn't show, one by one: its lists may be behind
// what was written. That one is none is no fault.
func (m *Memory) removeUnlisted(do Do, group string, ids []string) (scim.Response, error) {
	for _, id := range ids {
		resp, err := m.send(do, patchMembers(group, "remove", []string{id}))
		if err != nil || !resp.OK() && !refused(resp) {
			return resp, err
		}
	}
	return scim.Response{Status: 204}, nil
}

// refusal is AWS's refusal of a change of members. A 404 that is not about the group says
// so in another status: the client would take it for the group's end.
func (m *Memory) refusal(do Do, group string, refusal scim.Response, err error) (scim.Response, error) {
	if err != nil || refusal.Status != 404 {
		return refusal, err
	}
	if resp, err := m.send(do, getGroup(group)); err == nil && resp.OK() {
		refusal.Status = 400
	}
	return refusal, nil
}

// add adds one chunk. If AWS refuses it, what is there already and the members that it
// doesn't have are found and left out.
func (m *Memory) add(do Do, group string, chunk []string) (resp scim.Response, missing []string, err error) {
	refusal, err := m.send(do, patchMembers(group, "add", chunk))
	if err != nil || !refused(refusal) {
		if err == nil && refusal.OK() {
			m.wrote(group, chunk, true)
		}
		return refusal, nil, err
	}
	have, resp, err := m.members(do, group)
	if err != nil || !resp.OK() {
		resp, err = m.refusal(do, group, refusal, err)
		return resp, nil, err
	}
	do = on(do, have)
	rest := minus(chunk, have)
	if missing, resp, err = m.missing(do, rest); err != nil {
		return resp, nil, err
	}
	known := minus(rest, missing)
	if len(known) == 0 {
		return scim.Response{Status: 204, RequestID: refusal.RequestID}, missing, nil
	}
	// All of these can be read now, which a moment ago they perhaps couldn't.
	resp, err = m.send(do, patchMembers(group, "add", known))
	switch {
	case err == nil && resp.OK():
		m.wrote(group, known, true)
	case err == nil && refused(resp):
		resp, err = m.refusal(do, group, resp, nil)
	}
	return resp, missing, err
}

// missing are those that are no users of AWS.
func (m *Memory) missing(do Do, ids []string) (missing []string, resp scim.Response, err error) {
	for _, id := range ids {
		if !scim.IsID(id) {
			missing = append(missing, id)
			continue
		}
		resp, err = m.send(do, scim.Request{Target: scim.Target{Operation: scim.GetUser, ID: id}})
		if err != nil {
			return nil, resp, err
		}
		if resp.Status == 404 {
			missing = append(missing, id)
		}
	}
	return missing, resp, nil
}

// maxNamed bounds how many ids are named in a detail.
const maxNamed = 10

// unknown ends a plan that has done all but what AWS refuses: members that are no
// users. AWS has no nested groups, so one that is a group is told apart.
func (m *Memory) unknown(do Do, missing []string, p *progress) error {
	var groups, unknown []string
	for _, id := range missing[:min(len(missing), maxNamed)] {
		if !scim.IsID(id) {
			unknown = append(unknown, id)
		} else if group, err := do(getGroup(id)); err == nil && group.OK() {
			groups = append(groups, id)
		} else {
			unknown = append(unknown, id)
		}
	}
	more := ""
	if len(missing) > maxNamed {
		more = fmt.Sprintf(" and %d more", len(missing)-maxNamed)
	}
	kind, note, detail := scim.MemberUnknown, strings.Join(unknown, ", ")+more, ""
	if len(groups) > 0 {
		kind, note = scim.MemberIsGroup, strings.Join(groups, ", ")
		if len(unknown) > 0 {
			detail = fmt.Sprintf("AWS has no user with the id %s%s either. ", strings.Join(unknown, ", "), more)
		}
	}
	done := p.String()
	if done == "" {
		done = "nothing else was to be done"
	}
	return &Incomplete{
		Kind: kind, Note: note, Detail: detail + fmt.Sprintf("Everything else was done: %s.", done),
		Missing: missing, Response: scim.Response{Status: 400},
	}
}
