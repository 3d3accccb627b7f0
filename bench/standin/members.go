package standin

import (
	"encoding/json"
	"regexp"
	"strings"
)

// maxMembers bounds the members of CreateGroup and the membership changes of
// PatchGroup, additions and removals together (guide, CreateGroup, PatchGroup).
const maxMembers = 100

// wellFormed is the form of an id (Identity Store API, UserId).
var wellFormed = regexp.MustCompile(`^([0-9a-f]{10}-)?[A-Fa-f0-9]{8}(-[A-Fa-f0-9]{4}){3}-[A-Fa-f0-9]{12}$`)

// members reads a list of members and returns their ids.
func (r reader) members(v any) ([]string, error) {
	if v == nil && r.at.is("null-values", "accept") {
		return nil, nil
	}
	in, ok := v.([]any)
	if !ok || len(in) > maxMembers || len(in) == 0 && r.at.is("empty-lists", "refuse") {
		return nil, refuse(400, "")
	}
	var ids []string
	for _, element := range in {
		member, ok := element.(object)
		if !ok {
			return nil, refuse(400, "Wrong type of value at members")
		}
		clean, err := r.object(memberParts, "members", member)
		if err != nil {
			return nil, err
		}
		id, _ := clean["value"].(string)
		if !wellFormed.MatchString(id) {
			return nil, refuse(400, "members.value is no id")
		}
		if of, ok := clean["type"]; ok && of != users.name {
			return nil, refuse(400, "Only users can be members")
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// member finds the user that a membership names.
func (s *Server) member(id string) (*resource, error) {
	if user, err := s.users.read(id); err == nil {
		return user, nil
	}
	if s.groups.byID[id] != nil {
		return nil, refuse(number(s.at.at("nested-group")), "")
	}
	return nil, refuse(number(s.at.at("unknown-member")), "")
}

// membership is a group's members while a PATCH is at work on them.
type membership struct {
	server  *Server
	reader  reader
	members []*resource
	emptied bool // though the answer is an error
}

// apply carries out one operation on members.
func (m *membership) apply(op operation) error {
	at := m.reader.at
	if id, ok := memberFilter(op.path); ok {
		if op.op != "remove" || op.hasValue || at.is("members-filter-remove", "refuse") {
			return refuse(400, "")
		}
		return m.change("remove", id)
	}
	list, _ := op.value.([]any)
	switch {
	case op.op == "replace" && at.is("replace-members", "ignore"):
		return nil
	case op.op == "replace":
		if at.is("replace-members", "refuse-and-empty") {
			m.members, m.emptied = nil, true
		}
		return refuseAsSeen(noReplacing)
	case op.op == "remove" && len(list) == 0 && (op.value == nil || list != nil):
		if at.is("remove-all-members", "empty") {
			m.members = nil
			return nil
		}
		return refuse(400, "Removing all group memberships is not supported.")
	case len(list) == 0:
		return refuse(400, "")
	}
	ids, err := m.reader.members(op.value)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := m.change(op.op, id); err != nil {
			return err
		}
	}
	return nil
}

// change adds or removes one member.
func (m *membership) change(op, id string) error {
	user, err := m.server.member(id)
	if err != nil {
		return err
	}
	pointless := linked(m.members, user)
	status := m.reader.at.at("add-present-member")
	if op == "remove" {
		pointless = !pointless
		status = m.reader.at.at("remove-absent-member")
	}
	switch {
	case pointless && status != "204":
		return refuse(number(status), "")
	case op == "remove":
		m.members = unlink(m.members, user)
	default:
		m.members = link(m.members, user)
	}
	return nil
}

// memberFilter reads the path members[value eq "…"].
func memberFilter(path string) (id string, ok bool) {
	rest, ok := strings.CutPrefix(path, `members[value eq `)
	quoted, closed := strings.CutSuffix(rest, "]")
	if !ok || !closed {
		return "", false
	}
	err := json.Unmarshal([]byte(quoted), &id)
	return id, err == nil
}

// countMembers counts the membership changes of a request. A replacement is none: it
// has an answer of its own.
func countMembers(ops []operation) int {
	n := 0
	for _, op := range ops {
		if op.op == "replace" {
			continue
		}
		value := op.value
		if pathless, ok := value.(object); ok && !op.hasPath {
			value = pathless["members"]
		} else if op.path != "members" {
			if _, one := memberFilter(op.path); one {
				n++
			}
			continue
		}
		list, _ := value.([]any)
		n += len(list)
	}
	return n
}

// join links a group with its first members.
func (s *Server) join(group *resource, members []*resource) {
	group.links = members
	for _, user := range members {
		user.links = link(user.links, group)
	}
}

// rejoin gives a group other members. Lists may go on showing the former for a while.
func (s *Server) rejoin(group *resource, members []*resource) {
	var changed bool
	for _, user := range group.links {
		if !linked(members, user) {
			user.links = unlink(user.links, group)
			changed = true
		}
	}
	for _, user := range members {
		if !linked(group.links, user) {
			user.links = link(user.links, group)
			changed = true
		}
	}
	if delay := number(s.at.at("membership-delay")); changed && delay > 0 {
		if group.stale == 0 {
			group.former = group.links
		}
		group.stale = delay
	}
	group.links = members
	if changed {
		group.modified = s.now()
	}
}

// listed returns the members as a list shows them now.
func (r *resource) listed() []*resource {
	if r.stale == 0 {
		return r.links
	}
	if r.stale--; r.stale == 0 {
		defer func() { r.former = nil }()
	}
	return r.former
}
