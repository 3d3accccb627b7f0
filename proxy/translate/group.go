package translate

import (
	"github.com/tidwall/gjson"

	"github.com/scimgate/scimgate/rules/scim"
)

// memberIDs are the ids of a list of members, each once.
func memberIDs(list gjson.Result) (ids []string) {
	take := func(value gjson.Result) {
		if id := value.Get("value").Str; id != "" {
			ids = append(ids, id)
		}
	}
	if list.IsArray() {
		list.ForEach(func(_, value gjson.Result) bool {
			take(value)
			return true
		})
	} else if list.IsObject() {
		take(list)
	}
	return minus(ids, nil)
}

func getGroup(id string) scim.Request {
	return scim.Request{Target: scim.Target{Operation: scim.GetGroup, ID: id}}
}

// withMembers is a group as SCIM shows it, its members filled in.
func withMembers(group []byte, ids []string) []byte {
	out := []byte{'{'}
	gjson.ParseBytes(group).ForEach(func(key, value gjson.Result) bool {
		if key.Str != "members" {
			out = append(append(append(append(out, key.Raw...), ':'), value.Raw...), ',')
		}
		return true
	})
	out = append(out, `"members":[`...)
	for i, id := range ids {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(scim.AppendString(append(out, `{"value":`...), id), `,"type":"User"}`...)
	}
	return append(out, "]}"...)
}

// GetGroup reads a group. AWS leaves its members out; they are filled in if they
// are wanted.
func (m *Memory) GetGroup(id string, wanted bool) Plan {
	return func(do Do) (scim.Response, error) {
		resp, err := m.send(do, getGroup(id))
		if err != nil || !resp.OK() || !wanted {
			return resp, err
		}
		ids, list, err := m.members(do, id)
		if err != nil || !list.OK() {
			return list, err
		}
		resp.Body = withMembers(resp.Body, ids)
		return resp, nil
	}
}

// ReplaceGroup is PUT /Groups/{id}, which AWS doesn't have: the members by their
// difference, then the name if it is another. Members that are not mentioned at
// all stay: nobody loses access by an omission.
func (m *Memory) ReplaceGroup(id string, doc []byte) Plan {
	return func(do Do) (scim.Response, error) {
		group, err := m.send(do, getGroup(id))
		if err != nil || !group.OK() {
			return group, err
		}
		have, list, err := m.members(do, id)
		if err != nil || !list.OK() {
			return list, err
		}
		do, want := on(do, have), have
		if mentioned := gjson.GetBytes(doc, "members"); mentioned.IsArray() || mentioned.IsObject() { // a null says as little as nothing
			want = asShown(memberIDs(mentioned), have)
		}
		name := gjson.GetBytes(group.Body, "displayName").Str
		m.learn(id, name)
		kept := m.protects != nil && m.protects(name)
		if kept {
			if wanted := gjson.GetBytes(doc, "displayName").Str; wanted != "" && wanted != name {
				return protected(name, "renamed")
			}
			if len(want) == 0 && len(have) > 0 {
				return protected(name, "emptied")
			}
		}
		var p progress
		var resp scim.Response
		if kept {
			resp, err = m.changeKept(do, id, have, minus(have, want), minus(want, have), name, &p)
		} else {
			resp, err = m.change(do, id, minus(have, want), minus(want, have), &p)
		}
		if err != nil || !resp.OK() {
			return resp, err
		}
		for _, name := range []string{"displayName", "externalId"} {
			value := gjson.GetBytes(doc, name)
			if !value.Exists() || value.Str == gjson.GetBytes(group.Body, name).Str {
				continue
			}
			resp, err := m.send(do, setAttribute(id, "replace", name, value.Raw))
			if err != nil || !resp.OK() {
				return partly(p.String(), resp, err)
			}
			p.renamed = true
		}
		if p.renamed {
			if group, err = m.send(do, getGroup(id)); err != nil || !group.OK() {
				return partly(p.String(), group, err)
			}
		}
		group.Body = withMembers(group.Body, want)
		return group, nil
	}
}

func setAttribute(group, op, name, raw string) scim.Request {
	return scim.Request{
		Target: scim.Target{Operation: scim.PatchGroup, ID: group}, Body: patchBody(operation(op, name, raw)), Attrs: []string{name},
	}
}

// CreateGroup makes a group of any size: with as many members as AWS takes at once,
// then the rest. If it stops on the way, the same request again finds the group and
// goes on.
func (m *Memory) CreateGroup(c Creation) Plan {
	return func(do Do) (scim.Response, error) {
		doc := c.Document
		list := gjson.GetBytes(doc, "members")
		ids := memberIDs(list)
		first := ids[:min(len(ids), m.limits.Members)]
		body := doc
		if len(first) < len(ids) || len(ids) > 0 && len(ids) < int(list.Get("#").Int()) {
			body = append(append(append([]byte(nil), doc[:list.Index]...), membersArray(first)...), doc[list.Index+len(list.Raw):]...)
		}
		name := gjson.GetBytes(doc, "displayName").Str
		resp, err := m.createOrFind(do, c, name, scim.Request{
			Target: scim.Target{Operation: scim.CreateGroup}, Body: body, Memberships: len(first), Added: first, Attrs: Attributes(doc),
		})
		if err == nil && (resp.Status == 400 || resp.Status == 404) && len(first) > 0 {
			// One member that AWS doesn't know, or not yet, refuses the whole group.
			first, body = nil, withoutMembers(doc, list)
			resp, err = m.createOrFind(do, c, name, scim.Request{Target: scim.Target{Operation: scim.CreateGroup}, Body: body, Attrs: Attributes(body)})
		}
		if err != nil || !resp.OK() {
			return resp, err
		}
		id := gjson.GetBytes(resp.Body, "id").Str
		if resp.Status == 201 {
			m.wrote(id, first, true)
		}
		if len(ids) == len(first) && resp.Status == 201 {
			return resp, nil
		}
		m.remember(name, id)
		have, list2, err := m.members(do, id)
		if err != nil || !list2.OK() {
			return partly("the group was created with the id "+id, list2, err)
		}
		p := progress{}
		if done, err := m.change(on(do, have), id, nil, minus(ids, have), &p); err != nil || !done.OK() {
			return partly("the group was created with the id "+id, done, err)
		}
		m.remember(name, "")
		resp.Status = 201
		return resp, nil
	}
}

// withoutMembers is a document without its list of members.
func withoutMembers(doc []byte, list gjson.Result) []byte {
	out := []byte{'{'}
	gjson.ParseBytes(doc).ForEach(func(name, value gjson.Result) bool {
		if value.Index != list.Index {
			if len(out) > 1 {
				out = append(out, ',')
			}
			out = append(append(append(out, name.Raw...), ':'), value.Raw...)
		}
		return true
	})
	return append(out, '}')
}

func membersArray(ids []string) []byte {
	out := []byte{'['}
	for i, id := range ids {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(scim.AppendString(append(out, `{"value":`...), id), '}')
	}
	return append(out, ']')
}

// createOrFind makes a group. If AWS has it already, and it is one that was made
// here and not finished, or may be adopted, that one is it, with status 200.
func (m *Memory) createOrFind(do Do, c Creation, name string, req scim.Request) (scim.Response, error) {
	resp, err := m.create(do, c, req)
	if err != nil || resp.Status != 409 {
		return resp, err
	}
	m.mu.Lock()
	id := m.unfinished[name]
	m.mu.Unlock()
	if id == "" && c.Adopt {
		return m.adoptGroup(do, c, resp)
	}
	if id == "" {
		return resp, nil
	}
	group, err := m.send(do, getGroup(id))
	if err != nil || !group.OK() || gjson.GetBytes(group.Body, "displayName").Str != name {
		return resp, err
	}
	return group, nil
}

// adoptGroup finds the group that has the name, and gives it the externalId. Its
// members stay; those of the document are added to them.
func (m *Memory) adoptGroup(do Do, c Creation, refusal scim.Response) (scim.Response, error) {
	who := identityOf(scim.CreateGroup, c.Document)
	found, resp, err := m.find(do, who.list, who.attribute, who.name)
	if err != nil || !resp.OK() {
		return resp, err
	}
	if !found.Exists() || !who.admits(found) {
		return refusal, nil
	}
	id := found.Get("id").Str
	if who.externalID != "" && found.Get("externalId").Str == "" {
		resp, err := m.send(do, setAttribute(id, "add", "externalId", string(scim.AppendString(nil, who.externalID))))
		if err != nil || !resp.OK() {
			return resp, err
		}
	}
	return m.send(do, getGroup(id))
}

// remember keeps the id of a group whose members are not all there; "" forgets it.
func (m *Memory) remember(name, id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if id == "" {
		delete(m.unfinished, name)
		return
	}
	if len(m.unfinished) >= maxGroups {
		clear(m.unfinished)
	}
	m.unfinished[name] = id
}

// Attributes are the names of a document's attributes, for the record.
func Attributes(doc []byte) (names []string) {
	gjson.ParseBytes(doc).ForEach(func(key, _ gjson.Result) bool {
		if key.Str != "schemas" {
			names = append(names, key.Str)
		}
		return true
	})
	return names
}
