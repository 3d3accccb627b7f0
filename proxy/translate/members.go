package translate

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
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
