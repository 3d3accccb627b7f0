package standin

import (
	"fmt"
	"maps"
)

// User is a copy of a user as the store has it.
type User struct {
	ID         string
	UserName   string
	ExternalID string
	Email      string
	Active     bool
	Groups     []string       // ids, in the order of creation
	Document   map[string]any // all attributes, also those that answers never show
}

// Group is a copy of a group, with the members that AWS never shows.
type Group struct {
	ID          string
	DisplayName string
	ExternalID  string
	Members     []string       // ids, in the order of the users' creation
	Document    map[string]any // all attributes
}

// Users returns all users in the order of creation.
func (s *Server) Users() []User {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]User, len(s.users.all))
	for i, r := range s.users.all {
		out[i] = r.user()
	}
	return out
}

// User returns the user with an id or a userName.
func (s *Server) User(idOrName string) (User, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.users.named(idOrName, "userName")
	if r == nil {
		return User{}, false
	}
	return r.user(), true
}

// Groups returns all groups in the order of creation.
func (s *Server) Groups() []Group {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Group, len(s.groups.all))
	for i, r := range s.groups.all {
		out[i] = r.group()
	}
	return out
}

// Group returns the group with an id or a displayName.
func (s *Server) Group(idOrName string) (Group, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.groups.named(idOrName, "displayName")
	if r == nil {
		return Group{}, false
	}
	return r.group(), true
}

func (h *shelf) named(idOrName, attribute string) *resource {
	if r := h.byID[idOrName]; r != nil {
		return r
	}
	if found := h.byKey[key(attribute, idOrName)]; len(found) > 0 {
		return found[0]
	}
	return nil
}

func (r *resource) user() User {
	unique := users.unique(r.doc)
	active, _ := r.doc["active"].(bool)
	return User{ID: r.id, UserName: unique["userName"], ExternalID: unique["externalId"], Email: unique["emails"],
		Active: active, Groups: ids(r.links), Document: clone(r.doc).(object)}
}

func (r *resource) group() Group {
	unique := groups.unique(r.doc)
	return Group{ID: r.id, DisplayName: unique["displayName"], ExternalID: unique["externalId"],
		Members: ids(r.links), Document: clone(r.doc).(object)}
}

func ids(of []*resource) []string {
	out := make([]string, len(of))
	for i, r := range of {
		out[i] = r.id
	}
	return out
}

// AddUser puts a user into the store past HTTP and quotas. The document is as for
// CreateUser, may hold an id of AWS's form, and may lack an e-mail or parts of an
// address: such users exist, made by the console or in former times. It returns the id.
func (s *Server) AddUser(doc string) (string, error) {
	in, id, err := identified(doc)
	if err != nil {
		return "", fmt.Errorf("cannot add user: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	at := maps.Clone(s.at)
	at["address"], at["emails"] = "partial", "optional"
	clean, err := reader{at: at}.body(&users, in, id)
	if err == nil && (s.users.byID[id] != nil || s.users.clashes(clean, nil, s.at)) {
		err = refuse(409, "the user exists")
	}
	if err != nil {
		return "", fmt.Errorf("cannot add user: %w", err)
	}
	s.activate(clean)
	r, err := s.create(s.users, clean, id)
	if err != nil {
		return "", fmt.Errorf("cannot add user: %w", err)
	}
	r.unseen = 0
	return r.id, nil
}

// AddGroup puts a group into the store past HTTP and quotas, with any number of
// members, which must be ids of users. The document is as for CreateGroup without
// members and may hold an id. It returns the id.
func (s *Server) AddGroup(doc string, members ...string) (string, error) {
	in, id, err := identified(doc)
	if err != nil {
		return "", fmt.Errorf("cannot add group: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	clean, err := reader{at: s.at}.body(&groups, in, id)
	if err == nil && (s.groups.byID[id] != nil || s.groups.clashes(clean, nil, s.at)) {
		err = refuse(409, "the group exists")
	}
	if err != nil {
		return "", fmt.Errorf("cannot add group: %w", err)
	}
	var links []*resource
	for _, id := range members {
		user := s.users.byID[id]
		if user == nil {
			return "", fmt.Errorf("cannot add group: no user %q", id)
		}
		links = link(links, user)
	}
	r, err := s.create(s.groups, clean, id)
	if err != nil {
		return "", fmt.Errorf("cannot add group: %w", err)
	}
	r.unseen = 0
	s.join(r, links)
	return r.id, nil
}

// identified parses a document and finds its id, if it has one.
func identified(doc string) (object, string, error) {
	in, err := parse([]byte(doc))
	if err != nil {
		return nil, "", err
	}
	id, given := in["id"].(string)
	if given && !wellFormed.MatchString(id) {
		return nil, "", refuse(400, "id is neither a UUID nor of the legacy form")
	}
	return in, id, nil
}
