package okta

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Dialect is how an app in Okta speaks SCIM.
type Dialect string

const (
	Catalogue Dialect = "catalogue" // apps of Okta's catalogue: PATCH
	Wizard    Dialect = "wizard"    // apps made by the wizard: GET and PUT
)

// Session is what Okta does with one app from its first connection on.
type Session struct {
	*Client
	Dialect    Dialect
	Population *Population

	users  map[*Person]string // ids at AWS: Okta's External ID
	groups map[*Group]string
	Seen   int // resources that the imports showed
}

// Run plays the whole session, one request after another: the credentials test,
// people, updates, groups and their members, "push now", people who leave, an
// import. It never fails; what went wrong is in Tasks and in the comparison.
func (s *Session) Run() {
	s.users, s.groups = map[*Person]string{}, map[*Group]string{}
	s.exchange(Event{Did: "test API credentials", Method: "GET", Target: "/Users?startIndex=1&count=2"})
	for _, p := range s.Population.People {
		s.provision(p)
	}
	for i, p := range s.Population.People {
		switch {
		case i%25 == 3:
			s.promote(p)
		case i%50 == 15:
			s.move(p)
		}
	}
	for _, g := range s.Population.Groups {
		s.push(g)
	}
	s.changeGroups()
	for i, p := range s.Population.People {
		if i%10 == 7 {
			s.leave(p)
		}
	}
	s.provision(s.Population.People[0]) // assigned anew: the existence check finds it, so it is linked
	s.Seen = s.importAll("Users") + s.importAll("Groups")
}

func (s *Session) provision(p *Person) {
	status, body := s.exchange(Event{Did: "look for " + p.Label, Person: p, Method: "GET",
		Target: "/Users?filter=" + escape(`userName eq `+quote(p.login())) + "&startIndex=1&count=100"})
	var found struct{ Resources []struct{ ID string } }
	if status == 200 && json.Unmarshal(body, &found) == nil && len(found.Resources) > 0 {
		s.users[p] = found.Resources[0].ID
		s.update("link "+p.Label, p)
		return
	}
	if status != 200 && status != 404 {
		return
	}
	members := append(slices.Clone(p.profile), member{"groups", "[]"}, member{"password", `"kT9vQ2mZ"`}, member{"active", "true"})
	status, body = s.exchange(Event{Did: "create " + p.Label, Person: p, Method: "POST", Target: "/Users", Sent: object(members)})
	var created struct{ ID string }
	if status == 201 && json.Unmarshal(body, &created) == nil {
		s.users[p] = created.ID
	}
}

// update reads a user and sends it back with Okta's values on top: both dialects
// update profiles so.
func (s *Session) update(did string, p *Person) bool {
	id := s.users[p]
	if id == "" {
		return false
	}
	status, body := s.exchange(Event{Did: "read " + p.Label, Person: p, Method: "GET", Target: "/Users/" + id})
	var now map[string]json.RawMessage
	if status != 200 || json.Unmarshal(body, &now) != nil {
		return false
	}
	for _, m := range p.profile {
		now[m.name] = json.RawMessage(m.raw)
	}
	now["groups"] = json.RawMessage("[]")
	now["active"] = json.RawMessage(fmt.Sprint(p.Active))
	var members []member
	for name, raw := range now {
		members = append(members, member{name, string(raw)})
	}
	slices.SortFunc(members, func(a, b member) int { return strings.Compare(a.name, b.name) })
	status, _ = s.exchange(Event{Did: did, Person: p, Method: "PUT", Target: "/Users/" + id, Sent: object(members)})
	return status == 200
}

// promote changes a title, and clears another attribute on the way.
func (s *Session) promote(p *Person) {
	if s.users[p] == "" {
		return
	}
	p.set("title", `"Head of Engines"`)
	p.set("nickName", `""`)
	p.want("title", "Head of Engines", "nickName", "")
	s.update("promote "+p.Label, p)
}

// move changes a part of an address and leaves another empty: what AWS has must
// stay.
func (s *Session) move(p *Person) {
	if s.users[p] == "" || p.Fault != nil {
		return
	}
	p.set("addresses", `[`+strings.Replace(address("postalCode"), "Ely", "Cambridge", 1)+`]`)
	s.update("move "+p.Label+", without zip code", p)
}

// leave takes somebody's access away, after an accident with the profile: the last
// name was deleted first, which only a person can mend.
func (s *Session) leave(p *Person) {
	p.Active = false
	if s.users[p] == "" {
		return
	}
	p.set("name", `{"givenName":"Left","familyName":""}`)
	if s.Dialect == Catalogue {
		s.exchange(Event{Did: "deactivate " + p.Label, Person: p, Method: "PATCH", Target: "/Users/" + s.users[p],
			Sent: `{` + patchOp + `,"Operations":[{"op":"replace","value":{"active":false}}]}`})
		return
	}
	s.update("deactivate "+p.Label+", whose last name is gone", p)
}

const patchOp = `"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"]`

// ids are those members whom Okta could create; it can't push others.
func (s *Session) ids(people []*Person) (ids []string) {
	for _, p := range people {
		if id := s.users[p]; id != "" {
			ids = append(ids, id)
		}
	}
	return ids
}

func values(ids []string) string {
	list := make([]string, len(ids))
	for i, id := range ids {
		list[i] = `{"value":` + quote(id) + `,"display":"person"}`
	}
	return "[" + strings.Join(list, ",") + "]"
}

const groupSchema = `"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"]`

func (s *Session) push(g *Group) {
	s.exchange(Event{Did: "look for group " + g.Name, Method: "GET", Target: "/Groups?filter=" + escape(`displayName eq `+quote(g.Name)) + "&startIndex=1&count=100"})
	members := "[]"
	if s.Dialect == Catalogue {
		members = values(s.ids(g.Members))
	}
	status, body := s.exchange(Event{Did: fmt.Sprintf("create group %s (%d members)", g.Name, len(g.Members)), Method: "POST", Target: "/Groups",
		Sent: `{` + groupSchema + `,"displayName":` + quote(g.Name) + `,"members":` + members + `}`})
	var created struct{ ID string }
	if status != 201 || json.Unmarshal(body, &created) != nil {
		return
	}
	s.groups[g] = created.ID
	if s.Dialect == Wizard {
		s.exchange(Event{Did: "read group " + g.Name, Method: "GET", Target: "/Groups/" + created.ID})
		s.put("push members of "+g.Name, g)
	}
}

// put is the whole group as the wizard's apps send it.
func (s *Session) put(did string, g *Group) {
	id := s.groups[g]
	if id == "" {
		return
	}
	s.exchange(Event{Did: fmt.Sprintf("%s (%d members)", did, len(g.Members)), Method: "PUT", Target: "/Groups/" + id,
		Sent: `{` + groupSchema + `,"id":` + quote(id) + `,"displayName":` + quote(g.Name) + `,"members":` + values(s.ids(g.Members)) + `}`})
}

func (s *Session) patch(did string, g *Group, operations ...string) {
	if id := s.groups[g]; id != "" {
		s.exchange(Event{Did: did, Method: "PATCH", Target: "/Groups/" + id, Sent: `{` + patchOp + `,"Operations":[` + strings.Join(operations, ",") + `]}`})
	}
}

// changeGroups renames one, moves members, pushes one now, and empties one.
func (s *Session) changeGroups() {
	groups := s.Population.Groups
	if len(groups) < 4 {
		return
	}
	renamed, moved, pushed, emptied := groups[1], groups[0], groups[2], groups[3]
	renamed.Name += " (renamed)"
	gone, come := moved.Members[:len(moved.Members)/5], s.strangers(moved, 30)
	moved.Members = append(slices.Clone(moved.Members[len(gone):]), come...)
	pushed.Members = append(slices.Clone(pushed.Members[min(10, len(pushed.Members)):]), s.strangers(pushed, 40)...)
	emptied.Members = nil
	if s.Dialect == Wizard {
		s.put("rename a group to "+renamed.Name, renamed)
		s.put("change members of "+moved.Name, moved)
		s.put("push now "+pushed.Name, pushed)
		s.put("push now "+emptied.Name+", which is empty", emptied)
	} else {
		s.patch("rename a group to "+renamed.Name, renamed, `{"op":"replace","value":{"id":`+quote(s.groups[renamed])+`,"displayName":`+quote(renamed.Name)+`}}`)
		var operations []string
		for _, id := range s.ids(gone) {
			operations = append(operations, `{"op":"remove","path":"members[value eq \"`+id+`\"]"}`)
		}
		operations = append(operations, `{"op":"add","path":"members","value":`+values(s.ids(come))+`}`)
		s.patch(fmt.Sprintf("change members of %s (%d out, %d in)", moved.Name, len(gone), len(come)), moved, operations...)
		s.patch("push now "+pushed.Name, pushed, `{"op":"replace","path":"members","value":`+values(s.ids(pushed.Members))+`}`)
		s.patch("push now "+emptied.Name+", which is empty", emptied, `{"op":"replace","value":{"members":[],"id":`+quote(s.groups[emptied])+`,"displayName":`+quote(emptied.Name)+`}}`)
	}
	last := groups[len(groups)-1]
	if id := s.groups[last]; id != "" {
		s.exchange(Event{Did: "unlink and delete group " + last.Name, Method: "DELETE", Target: "/Groups/" + id})
	}
	s.Population.Groups = groups[:len(groups)-1]
}

// strangers are people who aren't members yet.
func (s *Session) strangers(g *Group, n int) (people []*Person) {
	for _, p := range s.Population.People {
		if len(people) < n && !slices.Contains(g.Members, p) {
			people = append(people, p)
		}
	}
	return people
}

// importAll pages through a collection as Okta's import does.
func (s *Session) importAll(collection string) (seen int) {
	for start := 1; ; {
		status, body := s.exchange(Event{Did: fmt.Sprintf("import %s from %d", strings.ToLower(collection), start), Method: "GET",
			Target: fmt.Sprintf("/%s?startIndex=%d&count=100", collection, start)})
		var list struct {
			TotalResults, ItemsPerPage int
			Resources                  []json.RawMessage
		}
		if status != 200 || json.Unmarshal(body, &list) != nil || len(list.Resources) == 0 {
			return seen
		}
		seen += len(list.Resources)
		if start += len(list.Resources); start > list.TotalResults {
			return seen
		}
	}
}

func object(members []member) string {
	parts := make([]string, len(members))
	for i, m := range members {
		parts[i] = quote(m.name) + ":" + m.raw
	}
	return "{" + strings.Join(parts, ",") + "}"
}
