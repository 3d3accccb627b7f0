package translate

import (
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/scimgate/scimgate/rules/scim"
)

// DeleteUser deletes a user. Who it is is read first, for the log and to know the
// name should it be made anew; a read that fails holds nothing up.
func (m *Memory) DeleteUser(id string) Plan {
	return func(do Do) (scim.Response, error) {
		req := scim.Request{Target: scim.Target{Operation: scim.DeleteUser, ID: id}, Revokes: true, Loses: 1}
		user, err := do(scim.Request{Target: scim.Target{Operation: scim.GetUser, ID: id}, Revokes: true})
		if err == nil && user.OK() {
			req.Name = gjson.GetBytes(user.Body, "userName").Str
		}
		resp, err := m.send(do, req)
		if err == nil && resp.OK() {
			m.gone(id, req.Name)
		} else if lost(resp, err) {
			m.doubtUser(id)
		}
		return resp, err
	}
}

// DeactivateInstead answers a DELETE of a user by deactivating it: its id, and what
// is assigned to it, stay for the day it comes back.
func (m *Memory) DeactivateInstead(id string) Plan {
	return func(do Do) (scim.Response, error) {
		resp, err := m.Deactivate(id)(do)
		if err == nil && resp.OK() {
			resp.Status, resp.Body = 204, nil
		}
		return resp, err
	}
}

// DeleteGroup deletes a group, unless its name is protected. How many lose something
// by it is counted up to a page.
func (m *Memory) DeleteGroup(id string) Plan {
	return func(do Do) (scim.Response, error) {
		req := scim.Request{Target: scim.Target{Operation: scim.DeleteGroup, ID: id}, Revokes: true}
		if m.protects != nil {
			group, err := do(getGroup(id))
			switch {
			case err != nil || !group.OK() && group.Status != 404: // its name decides, so it has to be known
				return group, err
			case group.OK():
				req.Name = gjson.GetBytes(group.Body, "displayName").Str
				if m.protects(req.Name) {
					return protected(req.Name, "deleted")
				}
			}
			members, err := do(scim.Request{Target: scim.Target{Operation: scim.ListUsers, Query: scim.Query{
				Filter: scim.EqFilter("groups.value", id), HasCursor: true, HasCount: true, Count: m.limits.Page}}})
			if err == nil && members.OK() {
				req.Loses = int(gjson.GetBytes(members.Body, "Resources.#").Int())
			}
		}
		resp, err := m.send(do, req)
		if err == nil && resp.OK() {
			m.forget(id)
		}
		return resp, err
	}
}

// Protect keeps groups whose names are so from being deleted, renamed and emptied.
// It is to be called before the first plan.
func (m *Memory) Protect(named func(group string) bool) { m.protects = named }

// protected is the refusal that a protected group's name ends a plan with.
func protected(name, done string) (scim.Response, error) {
	return scim.Response{}, &Incomplete{
		Kind: scim.ProtectedGroup, Note: name, Detail: "It would be " + done + ". Nothing was sent.",
		Response: scim.Response{Status: 403},
	}
}

// protectedName is the name of a group if it is protected, else "". What is known of
// a group is remembered for a while.
func (m *Memory) protectedName(do Do, id string) (name string, resp scim.Response, err error) {
	if m.protects == nil {
		return "", scim.Response{Status: 200}, nil
	}
	m.mu.Lock()
	known, ok := m.names[id]
	m.mu.Unlock()
	if !ok || time.Since(known.at) > windowFor {
		group, err := m.send(do, getGroup(id))
		if err != nil || !group.OK() {
			return "", group, err
		}
		known = groupName{gjson.GetBytes(group.Body, "displayName").Str, time.Now()}
		m.learn(id, known.name)
	}
	if m.protects(known.name) {
		return known.name, scim.Response{Status: 200}, nil
	}
	return "", scim.Response{Status: 200}, nil
}

// groupName is what a group was called when it was seen last.
type groupName struct {
	name string
	at   time.Time
}

// learn remembers a group's name.
func (m *Memory) learn(id, name string) {
	if m.protects == nil || id == "" {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.names) >= maxNames {
		clear(m.names)
	}
	m.names[id] = groupName{name, time.Now()}
}

func (m *Memory) forget(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.names, id)
	if r := m.recent[id]; r != nil {
		m.recentIDs -= len(r.present)
		delete(m.recent, id)
	}
	delete(m.fresh, aGroup(id))
}

// doubtUser forgets what was written about a user who may have been deleted.
func (m *Memory) doubtUser(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.recent {
		m.recentIDs -= len(r.present)
		delete(r.present, id)
		m.recentIDs += len(r.present)
	}
}

// gone remembers the name of a user that was deleted, if it is known; a member of anything
// that user isn't any more.
func (m *Memory) gone(id, userName string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.fresh, aUser(id))
	for _, r := range m.recent {
		if r.present[id] {
			r.present[id] = false
		}
	}
	if userName == "" {
		return
	}
	if len(m.deleted) >= maxNames {
		clear(m.deleted)
	}
	m.deleted[strings.ToLower(userName)] = time.Now()
}

// Deleted tells whether a user of this name was deleted a while ago.
func (m *Memory) Deleted(userName string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	at, ok := m.deleted[strings.ToLower(userName)]
	return ok && time.Since(at) < deletedFor
}
