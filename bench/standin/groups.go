package standin

import "maps"

// createGroup is the guide's CreateGroup: 201 and the group, without members.
func (s *Server) createGroup(rq *request) (answer, error) {
	in, err := parse(rq.body)
	if err != nil {
		return answer{}, err
	}
	doc, ids, err := s.newGroup(in)
	if err != nil {
		return answer{}, err
	}
	if err := s.charge(rq, len(ids)); err != nil {
		return answer{}, err
	}
	if s.groups.clashes(doc, nil, s.at) {
		return answer{}, refuse(409, "Duplicate GroupDisplayName")
	}
	var members []*resource
	for _, id := range ids {
		user, err := s.member(id)
		if err != nil {
			return answer{}, err
		}
		members = link(members, user)
	}
	r, err := s.create(s.groups, doc, "")
	if err != nil {
		return answer{}, err
	}
	s.join(r, members)
	return answer{status: 201, body: s.groups.show(r)}, nil
}

// newGroup judges the document of a create and returns it apart from its members.
func (s *Server) newGroup(in object) (object, []string, error) {
	rd := reader{at: s.at}
	in = maps.Clone(in)
	var ids []string
	if v, ok := in["members"]; ok {
		delete(in, "members")
		var err error
		if ids, err = rd.members(v); err != nil {
			return nil, nil, err
		}
	}
	doc, err := rd.body(&groups, in, "")
	return doc, ids, err
}

func (s *Server) getGroup(rq *request) (answer, error) {
	r, err := s.groups.read(rq.id)
	if err != nil {
		return answer{}, err
	}
	return answer{status: 200, body: s.groups.show(r)}, nil
}

// patchGroup is the guide's PatchGroup: 204 and nothing else.
func (s *Server) patchGroup(rq *request) (answer, error) {
	ops, err := s.operations(rq.body)
	if err != nil {
		return answer{}, err
	}
	r := s.groups.byID[rq.id]
	if r == nil {
		return answer{}, refuse(404, "")
	}
	changes := countMembers(ops)
	if changes > maxMembers {
		return answer{}, refuse(400, "")
	}
	if err := s.charge(rq, changes); err != nil {
		return answer{}, err
	}
	rd := reader{at: s.at, patch: true}
	work := membership{server: s, reader: rd, members: append([]*resource(nil), r.links...)}
	p := patch{reader: rd, of: &groups, id: r.id, doc: clone(r.doc).(object), touched: map[string]bool{}, members: work.apply}
	err = s.settle(s.groups, r, &p, p.run(ops))
	if err == nil || s.at.is("failed-patch", "partial") || work.emptied {
		s.rejoin(r, work.members)
	}
	if err != nil {
		return answer{}, err
	}
	return answer{status: 204}, nil
}
