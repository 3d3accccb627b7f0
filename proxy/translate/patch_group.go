package translate

import (
	"strings"

	"github.com/tidwall/gjson"

	"github.com/scimgate/scimgate/rules/scim"
)

// groupPatch is what a PATCH of a group comes to when all of its operations have
// been carried out in their order.
type groupPatch struct {
	reset   bool              // the members become those that were added after it
	present map[string]bool   // by member, in lower case: added, or removed; the last one counts
	spelled map[string]string // the member's id as it was named last
	order   []string          // members in the order in which they were named first
	others  []scim.Request    // names, and whatever else
	plain   bool              // one operation in a form that AWS takes as it is
}

// PatchGroup carries out a PATCH of a group. "Push now" and "remove all", which AWS
// refuses, become the difference to what it has. One operation that AWS takes as it
// is goes out as it came.
func (m *Memory) PatchGroup(id string, doc []byte) Plan {
	return func(do Do) (scim.Response, error) {
		p := groupPatch{present: map[string]bool{}, spelled: map[string]string{}}
		operations := gjson.GetBytes(doc, "Operations").Array()
		for _, op := range operations {
			if err := p.take(id, op); err != nil {
				return scim.Response{}, err
			}
		}
		removals, additions := p.net()
		kept, resp, err := m.mayPatch(do, id, &p, removals)
		if err != nil || !resp.OK() {
			return resp, err
		}
		if kept == "" && len(operations) == 1 && p.plain && len(removals)+len(additions) <= m.limits.Members {
			return m.asItIs(do, id, doc, removals, additions, p.others)
		}
		var done progress
		worked := len(p.others) > 0 || len(removals)+len(additions) > 0
		var have []string
		if p.reset || kept != "" {
			var list scim.Response
			if have, list, err = m.members(do, id); err != nil || !list.OK() {
				return list, err
			}
			do, worked = on(do, have), true
			removals, additions = asShown(removals, have), asShown(additions, have)
		}
		if p.reset {
			removals, additions = minus(have, additions), minus(additions, have)
		}
		if kept != "" {
			resp, err = m.changeKept(do, id, have, removals, additions, kept, &done)
		} else {
			resp, err = m.change(do, id, removals, additions, &done)
		}
		if err != nil || !resp.OK() {
			return resp, err
		}
		for _, req := range p.others {
			if resp, err = m.send(do, req); err != nil || !resp.OK() {
				return partly(done.String(), resp, err)
			}
			done.renamed = true
		}
		if !worked { // nothing was asked of the group: at least it should be there
			if group, err := m.send(do, getGroup(id)); err != nil || !group.OK() {
				return group, err
			}
		}
		return scim.Response{Status: 204, RequestID: resp.RequestID}, nil
	}
}

// mayPatch refuses what a protected group is kept from: another name, and the loss
// of all members. kept is its name if it is one and loses some.
func (m *Memory) mayPatch(do Do, id string, p *groupPatch, removals []string) (kept string, resp scim.Response, err error) {
	newName := ""
	for _, req := range p.others {
		if gjson.GetBytes(req.Body, "Operations.0.path").Str == "displayName" {
			newName = gjson.GetBytes(req.Body, "Operations.0.value").Str
		}
	}
	if newName == "" && !p.reset && len(removals) == 0 {
		return "", scim.Response{Status: 200}, nil
	}
	name, resp, err := m.protectedName(do, id)
	if name == "" || err != nil || !resp.OK() {
		return "", resp, err
	}
	if newName != "" && newName != name {
		resp, err = protected(name, "renamed")
		return "", resp, err
	}
	have, resp, err := m.members(do, id)
	if err != nil || !resp.OK() {
		return "", resp, err
	}
	_, additions := p.net()
	if len(have) > 0 && len(additions) == 0 && (p.reset || len(minus(have, asShown(removals, have))) == 0) {
		resp, err = protected(name, "emptied")
		return "", resp, err
	}
	if p.reset || len(removals) > 0 {
		kept = name
	}
	return kept, resp, nil
}

// asItIs sends a PATCH that AWS takes, byte for byte. A refusal of members is looked
// into all the same.
func (m *Memory) asItIs(do Do, id string, doc []byte, removals, additions []string, others []scim.Request) (scim.Response, error) {
	req := scim.Request{Target: scim.Target{Operation: scim.PatchGroup, ID: id}, Body: doc, Attrs: []string{"members"},
		Memberships: len(removals) + len(additions), Revokes: len(removals) > 0, Loses: len(removals), Added: additions, Removed: removals}
	if len(others) == 1 {
		req.Attrs = others[0].Attrs
	}
	resp, err := m.send(do, req)
	if err == nil && refused(resp) && len(others) == 0 {
		var done progress
		return m.change(do, id, removals, additions, &done)
	}
	if err == nil && resp.OK() {
		m.wrote(id, removals, false)
		m.wrote(id, additions, true)
	}
	return resp, err
}

// net is the membership change without what cancels out.
func (p *groupPatch) net() (removals, additions []string) {
	for _, key := range p.order {
		id := p.spelled[key]
		switch present, named := p.present[key]; {
		case named && present:
			additions = append(additions, id)
		case named && !p.reset:
			removals = append(removals, id)
		}
	}
	return removals, additions
}

func (p *groupPatch) set(ids []string, present bool) {
	for _, id := range ids {
		key := strings.ToLower(id) // an id in another letter case is the same member
		if _, named := p.present[key]; !named {
			p.order = append(p.order, key)
		}
		p.present[key], p.spelled[key] = present, id
	}
}

func (p *groupPatch) clear() {
	p.reset, p.order = true, nil
	clear(p.present)
	clear(p.spelled)
}

// take takes in one operation.
func (p *groupPatch) take(group string, op gjson.Result) error {
	verb, text, value := op.Get("op").Str, op.Get("path").Str, op.Get("value")
	if text == "" {
		names := 0
		var err error
		value.ForEach(func(key, raw gjson.Result) bool {
			if key.Str == "id" || key.Str == "schemas" {
				return true
			}
			name := groupAttribute(key.Str)
			if names++; strings.EqualFold(name, "members") {
				err = p.members(verb, raw)
				return err == nil
			}
			if attribute, _, part := strings.Cut(name, "."); part && strings.EqualFold(attribute, "members") {
				err = partOfMember(name)
				return false
			}
			p.others = append(p.others, setAttribute(group, verb, name, raw.Raw))
			p.plain = name == key.Str
			return true
		})
		p.plain = p.plain && names == 1 && len(p.others) == 1
		return err
	}
	path, err := scim.ParsePath(text)
	if err != nil {
		return &Incomplete{Detail: "The path " + text + " of an operation can't be read. Nothing was sent.", Response: scim.Response{Status: 400}}
	}
	if strings.EqualFold(path.Attribute, "members") && path.Sub != "" {
		return partOfMember(text)
	}
	if !strings.EqualFold(path.Attribute, "members") {
		p.plain = path.Schema == ""
		p.others = append(p.others, setAttribute(group, verb, path.Attribute, value.Raw))
		return nil
	}
	if path.Filter == nil {
		ids := memberIDs(value)
		p.plain = path.Schema == "" && verb != "replace" && value.IsArray() && len(ids) > 0 && len(ids) == int(value.Get("#").Int())
		return p.members(verb, value)
	}
	name, id, ok := path.Filter.Eq()
	if !ok || !scim.IsID(id) || !strings.EqualFold(name, "value") || verb != "remove" {
		return &Incomplete{
			Detail:   "AWS can only remove members that are named by their id, as in members[value eq \"…\"]. Nothing was sent.",
			Response: scim.Response{Status: 400},
		}
	}
	p.set([]string{id}, false)
	return nil
}

// groupAttribute is the name of an attribute without the URN of the core schema, which says
// nothing and stands in none of AWS's examples.
func groupAttribute(name string) string {
	const core = scim.GroupSchema + ":"
	if len(name) > len(core) && strings.EqualFold(name[:len(core)], core) {
		return name[len(core):]
	}
	return name
}

// members takes in what an operation does to the members. A remove with a list
// removes those on it; only one without any removes all.
func (p *groupPatch) members(verb string, value gjson.Result) error {
	ids := memberIDs(value)
	switch {
	case len(ids) == 0 && value.IsArray() && value.Get("#").Int() > 0, len(ids) == 0 && value.IsObject():
		return &Incomplete{Detail: "Members are named, but none by an id in value. Nothing was sent.", Response: scim.Response{Status: 400}}
	case verb == "replace":
		p.clear()
		p.set(ids, true)
	case verb == "add":
		p.set(ids, true)
	case value.Exists():
		p.set(ids, false)
	default:
		p.clear()
	}
	return nil
}

// partOfMember is the refusal of an operation on a part of members, which don't change:
// taken for one on the members themselves it would take people out (RFC 7643 §8.7.1).
func partOfMember(path string) error {
	return &Incomplete{
		Detail:   "The parts of a member can't be changed: " + path + ". Members are added and removed as a whole. Nothing was sent.",
		Response: scim.Response{Status: 400},
	}
}
