package standin

import "maps"

// createUser is the guide's CreateUser: 201 and the user.
func (s *Server) createUser(rq *request) (answer, error) {
	in, err := parse(rq.body)
	if err != nil {
		return answer{}, err
	}
	doc, err := s.newUser(in, "")
	if err != nil {
		return answer{}, err
	}
	if s.users.clashes(doc, nil, s.at) {
		return answer{}, refuse(409, "")
	}
	s.activate(doc)
	r, err := s.create(s.users, doc, "")
	if err != nil {
		return answer{}, err
	}
	return answer{status: 201, body: s.users.show(r)}, nil
}

// newUser judges the document of a create or PUT.
func (s *Server) newUser(in object, id string) (object, error) {
	doc, err := reader{at: s.at}.body(&users, in, id)
	if err != nil {
		return nil, err
	}
	return doc, s.managed(doc)
}

// activate gives a new user the active that its document left out.
func (s *Server) activate(doc object) {
	if _, ok := doc["active"]; !ok && !s.at.is("active-absent", "absent") {
		doc["active"] = s.at.is("active-absent", "true")
	}
}

// managed judges whether the manager must exist and does.
func (s *Server) managed(doc object) error {
	extension, _ := doc[enterpriseURN].(object)
	manager, _ := extension["manager"].(object)
	id, ok := manager["value"].(string)
	if !ok || s.at.is("manager-exists", "ignore") || s.users.byID[id] != nil {
		return nil
	}
	return refuse(number(s.at.at("manager-exists")), "")
}

func (s *Server) getUser(rq *request) (answer, error) {
	r, err := s.users.read(rq.id)
	if err != nil {
		return answer{}, err
	}
	return answer{status: 200, body: s.users.show(r)}, nil
}

// putUser is the guide's PutUser: the whole document anew, under the same id.
func (s *Server) putUser(rq *request) (answer, error) {
	in, err := parse(rq.body)
	if err != nil {
		return answer{}, err
	}
	r := s.users.byID[rq.id]
	if r == nil {
		return answer{}, refuse(number(s.at.at("put-missing-id")), "")
	}
	doc, err := s.newUser(in, rq.id)
	if err != nil {
		return answer{}, err
	}
	if s.at.is("put-omitted", "keep") {
		merged := maps.Clone(r.doc)
		maps.Copy(merged, doc)
		doc = merged
	}
	if s.users.clashes(doc, r, s.at) {
		return answer{}, refuse(409, "")
	}
	s.users.change(r, doc, s.now())
	return answer{status: number(s.at.at("put-user-status")), body: s.users.show(r)}, nil
}

// patchUser is the guide's PatchUser: 200 and the user.
func (s *Server) patchUser(rq *request) (answer, error) {
	ops, err := s.operations(rq.body)
	if err != nil {
		return answer{}, err
	}
	r := s.users.byID[rq.id]
	if r == nil {
		return answer{}, refuse(404, "")
	}
	p := patch{reader: reader{at: s.at, patch: true}, of: &users, id: r.id, doc: clone(r.doc).(object), touched: map[string]bool{}}
	err = p.run(ops)
	if fault := s.settle(s.users, r, &p, err); fault != nil {
		return answer{}, fault
	}
	return answer{status: 200, body: s.users.show(r)}, nil
}

// settle makes a patched document the resource's, if it is sound: after a fault only
// what came before it, and only where the switch failed-patch says so.
func (s *Server) settle(h *shelf, r *resource, p *patch, fault error) error {
	if fault != nil && s.at.is("failed-patch", "nothing") {
		return fault
	}
	err := p.complete(p.of.attributes, p.doc, p.touched)
	if err == nil && p.touched[enterpriseURN] {
		err = s.managed(p.doc)
	}
	if err == nil && h.clashes(p.doc, r, s.at) {
		err = refuse(409, "")
		if h == s.groups {
			err = refuse(number(s.at.at("rename-clash")), "Duplicate GroupDisplayName")
		}
	}
	if err == nil {
		h.change(r, p.doc, s.now())
	}
	if fault != nil {
		return fault
	}
	return err
}

func (s *Server) deleteUser(rq *request) (answer, error) { return s.remove(s.users, rq.id) }

func (s *Server) deleteGroup(rq *request) (answer, error) { return s.remove(s.groups, rq.id) }

func (s *Server) remove(h *shelf, id string) (answer, error) {
	r := h.byID[id]
	if r == nil {
		return answer{}, refuse(404, "")
	}
	h.drop(r)
	return answer{status: 204}, nil
}
