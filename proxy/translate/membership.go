package translate

import (
	"fmt"
	"slices"
	"strings"

	"github.com/scimgate/scimgate/rules/scim"
)

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

func isGroup(do Do, id string) bool {
	group, err := do(getGroup(id))
	return err == nil && group.OK()
}

// maxNamed bounds how many ids are named in a detail.
const maxNamed = 10

// unknown ends a plan that has done all but what AWS refuses: members that are no
// users. AWS has no nested groups, so one that is a group is told apart.
func (m *Memory) unknown(do Do, missing []string, p *progress) error {
	var groups, unknown []string
	for _, id := range missing[:min(len(missing), maxNamed)] {
		switch {
		case !scim.IsID(id):
			unknown = append(unknown, id)
		case m.anyFresh(aGroup(id)), isGroup(do, id):
			groups = append(groups, id)
		default:
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
