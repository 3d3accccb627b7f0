package translate

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/scimgate/scimgate/rules/scim"
)

// store is a model of AWS's users, by userName.
type store struct {
	t       *testing.T
	users   map[string]string // documents with id
	creates int
	lose    func(effect func()) (scim.Response, error) // the next create, or nil
	deleted []string
}

func (s *store) do(req scim.Request) (scim.Response, error) {
	switch name := gjson.GetBytes(req.Body, "userName").Str; req.Target.Operation {
	case scim.CreateUser:
		s.creates++
		effect := func() { s.put(name, fmt.Sprintf("id%d", s.creates), req.Body) }
		if lose := s.lose; lose != nil {
			s.lose = nil
			return lose(effect)
		}
		if s.users[name] != "" {
			return ok(409, "{}"), nil
		}
		effect()
		return ok(201, s.users[name]), nil
	case scim.ReplaceUser:
		s.put(name, req.Target.ID, req.Body)
		return ok(200, s.users[name]), nil
	case scim.ListUsers:
		for _, doc := range s.users {
			for _, attribute := range []string{"userName", "externalId"} {
				if req.Target.Query.Filter == scim.EqFilter(attribute, gjson.Get(doc, attribute).Str) {
					return ok(200, `{"Resources":[`+doc+`]}`), nil
				}
			}
		}
		return ok(200, `{"Resources":[]}`), nil
	case scim.GetUser:
		for _, doc := range s.users {
			if gjson.Get(doc, "id").Str == req.Target.ID {
				return ok(200, doc), nil
			}
		}
		return ok(404, ""), nil
	case scim.DeleteUser:
		s.deleted = append(s.deleted, req.Name)
		return ok(204, ""), nil
	}
	s.t.Fatalf("unexpected call %v", req.Target)
	return scim.Response{}, nil
}

func (s *store) put(name, id string, body []byte) {
	s.users[name] = fmt.Sprintf(`{"id":%q,"userName":%q,"externalId":%q,"meta":{"created":%q}}`, id, name,
		gjson.GetBytes(body, "externalId").Str, time.Now().UTC().Format(time.RFC3339))
}

// A create is carried out once, whatever becomes of its answers.
func TestCreateOnce(t *testing.T) {
	const doc = `{"userName":"ada","externalId":"x1"}`
	lost := func() (scim.Response, error) { return scim.Response{}, &scim.CallError{Reason: scim.Lost} }
	f := func(name string, lose func(effect func()) (scim.Response, error), firstOK bool) {
		t.Run(name, func(t *testing.T) {
			s := &store{t: t, users: map[string]string{}, lose: lose}
			m := NewMemory(limits)
			c := Creation{Document: []byte(doc), Digest: "d1"}
			resp, err := m.CreateUser(c)(s.do)
			if got := err == nil && resp.Status == 201; got != firstOK {
				t.Errorf("got %d %v, want success %v", resp.Status, err, firstOK)
			}
			resp, err = m.CreateUser(c)(s.do)
			want := 201
			if firstOK { // the client has its answer, so this is another request
				want = 409
			}
			if err != nil || resp.Status != want || len(s.users) != 1 {
				t.Errorf("got %d %v with %d users, want %d and one", resp.Status, err, len(s.users), want)
			}
		})
	}
	f("done, the answer lost", func(effect func()) (scim.Response, error) { effect(); return lost() }, true)
	f("done, answered 500", func(effect func()) (scim.Response, error) { effect(); return ok(500, ""), nil }, true)
	f("not done, the answer lost", func(func()) (scim.Response, error) { return lost() }, false)
	f("not done, answered 500", func(func()) (scim.Response, error) { return ok(500, ""), nil }, false)
}

func TestCreateOfAnEarlierLifeIsRecognised(t *testing.T) {
	s := &store{t: t, users: map[string]string{}}
	s.put("ada", "id7", []byte(`{"externalId":"x1"}`))
	m := NewMemory(limits)
	m.Doubt(scim.CreateUser, "Ada", "x1", "d1", time.Now())
	f := func(doc, digest string, want int) {
		t.Helper()
		resp, err := m.CreateUser(Creation{Document: []byte(doc), Digest: digest})(s.do)
		if err != nil || resp.Status != want || want == 201 && gjson.GetBytes(resp.Body, "id").Str != "id7" {
			t.Errorf("got %d %s %v for %s, want %d", resp.Status, resp.Body, err, digest, want)
		}
	}
	f(`{"userName":"ada","externalId":"x1"}`, "another", 409)
	f(`{"userName":"ada","externalId":"x1"}`, "d1", 201)
	f(`{"userName":"ada","externalId":"x1"}`, "d1", 409) // settled
	m.Doubt(scim.CreateUser, "ada", "x2", "d2", time.Now())
	f(`{"userName":"ada","externalId":"x2"}`, "d2", 409) // that one is somebody else
	m.Doubt(scim.CreateUser, "ada", "x1", "d3", time.Now().Add(time.Hour))
	f(`{"userName":"ada","externalId":"x1"}`, "d3", 409) // and this one was there before
	if s.creates != 4 {
		t.Errorf("got %d creates, want none for the one that was recognised", s.creates)
	}
}

func TestAdopt(t *testing.T) {
	f := func(existing, doc string, want int) {
		t.Helper()
		s := &store{t: t, users: map[string]string{}}
		s.put("ada", "id7", []byte(existing))
		resp, err := NewMemory(limits).CreateUser(Creation{Document: []byte(doc), Digest: "d", Adopt: true})(s.do)
		if err != nil || resp.Status != want || want == 201 && gjson.GetBytes(resp.Body, "id").Str != "id7" {
			t.Errorf("got %d %s %v, want %d", resp.Status, resp.Body, err, want)
		}
	}
	f(`{}`, `{"userName":"ada","externalId":"x1"}`, 201)
	f(`{"externalId":"x1"}`, `{"userName":"ada","externalId":"x1"}`, 201)
	f(`{"externalId":"x1"}`, `{"userName":"ada","externalId":"x2"}`, 409)
	f(`{"externalId":"x1"}`, `{"userName":"ada"}`, 409)
}

func TestClashes(t *testing.T) {
	s := &store{t: t, users: map[string]string{}}
	s.put("ada", "id1", []byte(`{"externalId":"x1"}`))
	s.put("bob", "id2", []byte(`{"externalId":"x2"}`))
	f := func(op scim.Operation, self, doc, want string) {
		t.Helper()
		list, err := NewMemory(limits).Clashes(s.do, op, self, []byte(doc))
		if got := fmt.Sprint(list); err != nil || got != want {
			t.Errorf("got %s %v, want %s", got, err, want)
		}
	}
	f(scim.CreateUser, "", `{"userName":"ada","externalId":"x2"}`, "[{userName id1 x1} {externalId id2 x2}]")
	f(scim.ReplaceUser, "id1", `{"userName":"ada","externalId":"x2"}`, "[{externalId id2 x2}]")
	f(scim.PatchUser, "id1", `{"Operations":[{"op":"replace","path":"userName","value":"bob"}]}`, "[{userName id2 x2}]")
	f(scim.PatchUser, "id1", `{"Operations":[{"op":"replace","value":{"externalId":"x2"}}]}`, "[{externalId id2 x2}]")
	f(scim.CreateUser, "", `{"userName":"eve"}`, "[]")
}

func TestDeleteUserKnowsWhoItWas(t *testing.T) {
	s := &store{t: t, users: map[string]string{}}
	s.put("ada", "id1", nil)
	m := NewMemory(limits)
	if resp, err := m.DeleteUser("id1")(s.do); err != nil || resp.Status != 204 || fmt.Sprint(s.deleted) != "[ada]" || !m.Deleted("ADA") || m.Deleted("bob") {
		t.Errorf("got %d %v, deleted %v", resp.Status, err, s.deleted)
	}
	broken := func(req scim.Request) (scim.Response, error) {
		if req.Target.Operation == scim.GetUser {
			return scim.Response{}, &scim.CallError{Reason: scim.Lost, Err: errors.New("no answer")}
		}
		return s.do(req)
	}
	if resp, err := m.DeleteUser("id1")(broken); err != nil || resp.Status != 204 {
		t.Errorf("got %d %v, want the user deleted though the read has failed", resp.Status, err)
	}
}

func TestProtectedGroups(t *testing.T) {
	const patch = `{"Operations":[%s]}`
	f := func(name, protectedName string, members []string, plan func(*Memory) Plan, refused bool) {
		t.Run(name, func(t *testing.T) {
			d := newDirectory(t, 3, members)
			m := NewMemory(limits)
			m.Protect(func(group string) bool { return group == protectedName })
			_, err := plan(m)(d.do)
			var incomplete *Incomplete
			if got := errors.As(err, &incomplete) && incomplete.Kind == scim.ProtectedGroup; got != refused {
				t.Errorf("got %v, want refused %v", err, refused)
			}
			if refused && d.writes > 0 {
				t.Errorf("got %d writes, want none", d.writes)
			}
		})
	}
	d := newDirectory(t, 3, nil)
	name, u := d.name, d.users
	put := func(doc string) func(*Memory) Plan {
		return func(m *Memory) Plan { return m.ReplaceGroup("g", []byte(doc)) }
	}
	change := func(operation string) func(*Memory) Plan {
		return func(m *Memory) Plan { return m.PatchGroup("g", []byte(fmt.Sprintf(patch, operation))) }
	}
	remove := func(ids ...string) string {
		return `{"op":"remove","path":"members","value":` + string(membersArray(ids)) + `}`
	}
	f("renamed by PUT", name, u[:1], put(`{"displayName":"Other"}`), true)
	f("emptied by PUT", name, u[:1], put(`{"displayName":"`+name+`","members":[]}`), true)
	f("changed by PUT", name, u[:1], put(`{"displayName":"`+name+`","members":`+string(membersArray(u[1:]))+`}`), false)
	f("renamed by PATCH", name, u[:1], change(`{"op":"replace","value":{"id":"g","displayName":"Other"}}`), true)
	f("named the same by PATCH", name, u[:1], change(`{"op":"replace","path":"displayName","value":"`+name+`"}`), false)
	f("emptied by push now", name, u[:1], change(`{"op":"replace","path":"members","value":[]}`), true)
	f("emptied by removal", name, u[:2], change(remove(u[0], u[1])), true)
	f("one removed", name, u[:2], change(remove(u[0])), false)
	f("push now", name, u[:2], change(`{"op":"replace","path":"members","value":`+string(membersArray(u[2:]))+`}`), false)
	f("another group emptied", "Other", u[:1], change(`{"op":"replace","path":"members","value":[]}`), false)
}
