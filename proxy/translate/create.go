package translate

import (
	"errors"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/scimgate/scimgate/rules/scim"
)

// Creation is a resource to be made.
type Creation struct {
	Document []byte
	Digest   string // of the document, by which a repeat of the same request is known; "" for none
	Adopt    bool   // take one that AWS has under the same name, unless its externalId contradicts
}

// doubt is a create of which it isn't known what became.
type doubt struct {
	digest string
	since  time.Time
}

// How long a create in doubt and the name of a deleted user are remembered, and how
// many of each.
const (
	doubtFor   = 24 * time.Hour
	deletedFor = 24 * time.Hour
	maxNames   = 4096
	clockSkew  = 5 * time.Minute
)

// identity is by what a resource is known, apart from its id.
type identity struct {
	list       scim.Operation // that looks it up
	attribute  string         // that is unique and required
	name       string         // its value
	externalID string         // "" if it has none
}

func identityOf(op scim.Operation, doc []byte) identity {
	who := identity{list: scim.ListUsers, attribute: "userName", externalID: gjson.GetBytes(doc, "externalId").Str}
	if op.Is(scim.Groups) {
		who.list, who.attribute = scim.ListGroups, "displayName"
	}
	who.name = gjson.GetBytes(doc, who.attribute).Str
	return who
}

// resource is how records name the one with an id.
func (who identity) resource(id string) string {
	if who.list == scim.ListGroups {
		return aGroup(id)
	}
	return aUser(id)
}

func (who identity) key() string { return who.attribute + " " + strings.ToLower(who.name) }

// filters look the resource up, as keys of what is fresh: names may be asked for in any
// letter case.
func (who identity) filters() (list []string) {
	for _, by := range [...][2]string{{who.attribute, who.name}, {"externalId", who.externalID}} {
		if by[1] != "" {
			list = append(list, strings.ToLower(scim.EqFilter(by[0], by[1])))
		}
	}
	return list
}

// CreateUser makes a user, once: where it isn't known what became of a first try,
// AWS is asked whether it has the user before it is told again.
func (m *Memory) CreateUser(c Creation) Plan {
	return func(do Do) (scim.Response, error) {
		resp, err := m.create(do, c, scim.Request{Target: scim.Target{Operation: scim.CreateUser}, Body: c.Document, Attrs: Attributes(c.Document)})
		if err == nil && resp.Status == 200 {
			resp.Status = 201
		}
		return resp, err
	}
}

// create sends a create. Its answer is a 201 with the resource if this call has made it,
// and a 200 if it was found: by this very request at an earlier try, or adopted.
func (m *Memory) create(do Do, c Creation, req scim.Request) (scim.Response, error) {
	who := identityOf(req.Target.Operation, c.Document)
	if since, ok := m.inDoubt(who, c.Digest); ok {
		found, resp, err := m.find(do, who.list, who.attribute, who.name)
		if err != nil || !resp.OK() {
			return resp, err
		}
		if who.is(found, since, c.Document) {
			return m.made(who, found, 200, resp.RequestID), nil
		}
	}
	began := time.Now()
	resp, err := do(req)
	switch {
	case err == nil && resp.OK():
		return m.made(who, gjson.ParseBytes(resp.Body), 201, resp.RequestID), nil
	case lost(resp, err):
		m.doubt(who, c.Digest, began)
		if found, list, err := m.find(do, who.list, who.attribute, who.name); err == nil && list.OK() && who.is(found, began, c.Document) {
			return m.made(who, found, 200, list.RequestID), nil
		}
	case err == nil && resp.Status == 409:
		return m.taken(do, c, who, resp)
	}
	return resp, err
}

// taken is a create that AWS refuses since it has such a resource: perhaps by this
// very request, or one that may be adopted.
func (m *Memory) taken(do Do, c Creation, who identity, refusal scim.Response) (scim.Response, error) {
	since, repeated := m.inDoubt(who, c.Digest)
	if !repeated && !c.Adopt {
		return refusal, nil
	}
	found, resp, err := m.find(do, who.list, who.attribute, who.name)
	if err != nil || !resp.OK() {
		return resp, err
	}
	if repeated && who.is(found, since, c.Document) {
		return m.made(who, found, 200, resp.RequestID), nil
	}
	if !c.Adopt || !found.Exists() || !who.admits(found) || who.list == scim.ListGroups {
		return refusal, nil
	}
	return m.replaceAdopted(do, who, found.Get("id").Str, c.Document)
}

// replaceAdopted gives a user of AWS the attributes with which it was to be made.
func (m *Memory) replaceAdopted(do Do, who identity, id string, doc []byte) (scim.Response, error) {
	resp, err := m.send(do, scim.Request{Target: scim.Target{Operation: scim.ReplaceUser, ID: id}, Body: doc, Attrs: Attributes(doc),
		Revokes: gjson.GetBytes(doc, "active").Type == gjson.False})
	if err != nil || !resp.OK() {
		return resp, err
	}
	return m.made(who, gjson.ParseBytes(resp.Body), 200, resp.RequestID), nil
}

// made is the answer to a create that has worked.
func (m *Memory) made(who identity, resource gjson.Result, status int, requestID string) scim.Response {
	m.settled(who)
	if id := resource.Get("id").Str; id != "" {
		m.created(who.resource(id), who.filters()...)
	}
	return scim.Response{Status: status, Body: []byte(resource.Raw), RequestID: requestID}
}

// is tells whether a resource is the one that was to be made at that time.
// With its document at hand, what AWS shows must not contradict that.
func (who identity) is(found gjson.Result, since time.Time, doc []byte) bool {
	asked := Doubtful{Operation: scim.ReplaceUser, Document: doc}
	if verdict, ok := asked.compared([]byte(found.Raw)); ok && verdict == NotDone {
		return false
	}
	if !strings.EqualFold(found.Get(who.attribute).Str, who.name) || found.Get("externalId").Str != who.externalID {
		return false
	}
	created, err := time.Parse(time.RFC3339, found.Get("meta.created").Str)
	return err != nil || !created.Before(since.Add(-clockSkew))
}

// admits tells whether a resource may be adopted: same name, no other externalId.
func (who identity) admits(found gjson.Result) bool {
	other := found.Get("externalId").Str
	return strings.EqualFold(found.Get(who.attribute).Str, who.name) && (other == "" || other == who.externalID)
}

// find looks a resource up by an attribute that is unique; it doesn't exist if there
// is none.
func (m *Memory) find(do Do, list scim.Operation, attribute, value string) (gjson.Result, scim.Response, error) {
	resp, err := m.send(do, scim.Request{Target: scim.Target{Operation: list, Query: scim.Query{Filter: scim.EqFilter(attribute, value)}}})
	if err == nil && resp.Status == 404 {
		return gjson.Result{}, scim.Response{Status: 200}, nil
	}
	return gjson.GetBytes(resp.Body, "Resources.0"), resp, err
}

// Doubt remembers a create of which it isn't known what became, by the digest of its
// document: also of an earlier life of this process.
func (m *Memory) Doubt(op scim.Operation, name, externalID, digest string, since time.Time) {
	who := identityOf(op, nil)
	who.name, who.externalID = name, externalID
	m.doubt(who, digest, since)
}

func (m *Memory) doubt(who identity, digest string, since time.Time) {
	if digest == "" {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if old, ok := m.doubts[who.key()]; ok && old.digest == digest && old.since.Before(since) {
		since = old.since
	}
	if len(m.doubts) >= maxNames {
		for key, d := range m.doubts {
			if time.Since(d.since) > doubtFor || len(m.doubts) >= maxNames {
				delete(m.doubts, key)
			}
		}
	}
	m.doubts[who.key()] = doubt{digest, since}
}

func (m *Memory) inDoubt(who identity, digest string) (since time.Time, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, ok := m.doubts[who.key()]
	return d.since, ok && digest != "" && d.digest == digest && time.Since(d.since) < doubtFor
}

func (m *Memory) settled(who identity) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.doubts, who.key())
}

// Clash is a resource that has what another one was to have.
type Clash struct {
	Attribute  string // userName, displayName, externalId or PrimaryEmail
	ID         string
	ExternalID string
}

// PrimaryEmail is what texts call the one e-mail that has to be unique.
const PrimaryEmail = "primary e-mail"

// Clashes looks up what a write collides with that AWS has refused as a duplicate,
// which never says what of it is taken. self is the id of the resource that was to
// be changed, "" of a create. An error means that it isn't known.
func (m *Memory) Clashes(do Do, op scim.Operation, self string, doc []byte) (list []Clash, err error) {
	who := identityOf(op, doc)
	if op.Is(scim.PatchUser | scim.PatchGroup) {
		who.name, who.externalID = patched(doc, who.attribute), patched(doc, "externalId")
	}
	for _, by := range [...][2]string{{who.attribute, who.name}, {"externalId", who.externalID}} {
		if by[1] == "" {
			continue
		}
		found, resp, err := m.find(do, who.list, by[0], by[1])
		if err != nil || !resp.OK() {
			return list, errors.Join(err, errors.New("cannot look up what is taken"))
		}
		if id := found.Get("id").Str; id != "" && id != self {
			list = append(list, Clash{by[0], id, found.Get("externalId").Str})
		}
	}
	// E-mails can't be looked up, but who has one often has it as userName.
	mail := gjson.GetBytes(doc, "emails.0.value").Str
	if len(list) > 0 || mail == "" || !op.Is(scim.Users) || strings.EqualFold(mail, who.name) {
		return list, nil
	}
	found, resp, err := m.find(do, who.list, who.attribute, mail)
	if id := found.Get("id").Str; err == nil && resp.OK() && id != "" && id != self && strings.EqualFold(found.Get("emails.0.value").Str, mail) {
		list = append(list, Clash{PrimaryEmail, id, found.Get("externalId").Str})
	}
	return list, nil
}

// patched is the text that a PATCH sets an attribute to.
func patched(doc []byte, attribute string) (text string) {
	gjson.GetBytes(doc, "Operations").ForEach(func(_, op gjson.Result) bool {
		switch path := op.Get("path").Str; {
		case path == "":
			if value := op.Get("value").Get(attribute); value.Exists() {
				text = value.Str
			}
		case strings.EqualFold(scim.ShortName(path), attribute):
			text = op.Get("value").Str
		}
		return true
	})
	return text
}
