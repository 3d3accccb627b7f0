package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/scimgate/scimgate/bench/faults/faulty"
	"github.com/scimgate/scimgate/bench/faults/witness"
	"github.com/scimgate/scimgate/bench/standin"
)

// request is one request of a client, and how long the log was when it was answered.
type request struct {
	witness.Asked
	mark witness.Mark
}

// person is somebody of a client's, as the client was told last.
type person struct {
	id, name, title string
	active, deleted bool
}

// team is a group of a client's, as the client was told last.
type team struct {
	id, name string
	members  []string
	deleted  bool
}

// client does one thing after the other to people and groups that are its own, so that it
// knows how they must be.
type client struct {
	*loop
	number int
	random *rand.Rand
	http   *http.Client
	things int // it has wanted so far
	people []*person
	teams  []*team
}

func newClient(l *loop, number int) *client {
	// Nothing is repeated behind our back: each request has its own connection.
	return &client{loop: l, number: number, random: rand.New(rand.NewPCG(l.seed, uint64(number)+1)),
		http: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 30 * time.Second}}
}

const (
	patchHead   = `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[`
	mostPeople  = 12 // of a client, at once
	mostTeams   = 4
	leastSteps  = 30                   // also of a client in a short run
	betweenOnes = 6 * time.Millisecond // at most, between two things
)

func (c *client) work() {
	for n := 0; !c.over.Load() && (n < leastSteps || !c.stopping.Load()); n++ {
		c.step()
		time.Sleep(time.Duration(c.random.Int64N(int64(betweenOnes))))
	}
}

func (c *client) step() {
	people := slices.DeleteFunc(slices.Clone(c.people), func(p *person) bool { return p.deleted })
	teams := slices.DeleteFunc(slices.Clone(c.teams), func(t *team) bool { return t.deleted })
	dice := c.random.IntN(100)
	switch {
	case len(people) < 2 || dice < 12 && len(people) < mostPeople:
		c.makePerson()
		return
	case len(teams) < 1 || dice < 16 && len(teams) < mostTeams:
		c.makeTeam()
		return
	}
	p, t := people[c.random.IntN(len(people))], teams[c.random.IntN(len(teams))]
	switch {
	case dice < 26:
		title := c.thing()
		if c.patch("/Users/"+p.id, fmt.Sprintf(`{"op":"replace","path":"title","value":%q}`, title), &witness.Wish{Title: title}) {
			p.title = title
		}
	case dice < 56:
		active, form := !p.active, `{"op":"replace","value":{"active":%v}}`
		if c.random.IntN(2) == 0 {
			form = `{"op":"replace","path":"active","value":%v}`
		}
		if c.patch("/Users/"+p.id, fmt.Sprintf(form, active), &witness.Wish{Active: &active}) {
			p.active = active
		}
	case dice < 64:
		title, active := c.thing(), c.random.IntN(2) == 0
		if c.send("PUT", "/Users/"+p.id, document(p.name, title, active), &witness.Wish{Resource: "Users/" + p.id, Name: p.name, Title: title, Active: &active}) {
			p.title, p.active = title, active
		}
	case dice < 68:
		if p.deleted = c.send("DELETE", "/Users/"+p.id, "", &witness.Wish{Resource: "Users/" + p.id, Gone: true}); p.deleted {
			for _, t := range c.teams { // AWS takes whoever is deleted out of theirs
				t.members = slices.DeleteFunc(t.members, func(id string) bool { return id == p.id })
			}
		}
	case dice < 80:
		if c.patch("/Groups/"+t.id, `{"op":"add","path":"members","value":`+members([]string{p.id})+`}`, &witness.Wish{Add: []string{p.id}}) && !slices.Contains(t.members, p.id) {
			t.members = append(t.members, p.id)
		}
	case dice < 88:
		if c.patch("/Groups/"+t.id, `{"op":"remove","path":"members","value":`+members([]string{p.id})+`}`, &witness.Wish{Remove: []string{p.id}}) {
			t.members = slices.DeleteFunc(t.members, func(id string) bool { return id == p.id })
		}
	case dice < 96:
		var ids []string
		for _, p := range people {
			if c.random.IntN(2) == 0 {
				ids = append(ids, p.id)
			}
		}
		body := fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":%q,"members":%s}`, t.name, members(ids))
		if c.send("PUT", "/Groups/"+t.id, body, &witness.Wish{Resource: "Groups/" + t.id, Name: t.name, Exactly: true, Members: ids}) {
			t.members = slices.Clone(ids)
		}
	case dice < 98:
		t.deleted = c.send("DELETE", "/Groups/"+t.id, "", &witness.Wish{Resource: "Groups/" + t.id, Gone: true})
	default:
		c.send("GET", "/Users/"+p.id, "", nil)
	}
}

func document(name, title string, active bool) string {
	return fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":%q,"externalId":%q,"name":{"givenName":"Ada","familyName":"Lovelace"},"displayName":"Ada Lovelace","title":%q,"active":%v}`,
		name, "ext-"+name, title, active)
}

func members(ids []string) string {
	list := make([]string, len(ids))
	for i, id := range ids {
		list[i] = fmt.Sprintf(`{"value":%q}`, id)
	}
	return "[" + strings.Join(list, ",") + "]"
}

// thing is a word that no other client uses, nor this one again.
func (c *client) thing() string {
	c.things++
	return fmt.Sprintf("c%d-%d", c.number, c.things)
}

func (c *client) makePerson() {
	p := &person{name: c.thing() + "@example.test", title: c.thing(), active: true}
	wish := &witness.Wish{Create: true, Name: p.name, Title: p.title, Active: witness.Bool(true)}
	if p.id = c.create("/Users", document(p.name, p.title, true), fmt.Sprintf("userName eq %q", p.name), wish); p.id != "" {
		c.people = append(c.people, p)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.loop.people = append(c.loop.people, p)
	}
}

func (c *client) makeTeam() {
	t := &team{name: "team-" + c.thing()}
	body := fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":%q}`, t.name)
	if t.id = c.create("/Groups", body, fmt.Sprintf("displayName eq %q", t.name), &witness.Wish{Create: true, Name: t.name}); t.id != "" {
		c.teams = append(c.teams, t)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.loop.teams = append(c.loop.teams, t)
	}
}

// create makes something and returns its id, "" if there is none. If it was made by an
// attempt before, Okta looks it up.
func (c *client) create(path, body, filter string, wish *witness.Wish) (id string) {
	r, attempts := c.final("POST", path, body, wish)
	if r != nil && r.Status == 409 && attempts > 1 {
		r, _ = c.final("GET", path+"?filter="+url.PathEscape(filter), "", nil)
	}
	if r == nil {
		return ""
	}
	var doc struct {
		ID        string
		Resources []struct{ ID string }
	}
	if err := json.Unmarshal([]byte(r.Answer), &doc); err == nil && len(doc.Resources) == 1 {
		doc.ID = doc.Resources[0].ID
	}
	if !r.OK() || doc.ID == "" {
		c.complain(r)
	}
	return doc.ID
}

func (c *client) patch(path, operation string, wish *witness.Wish) bool {
	wish.Resource = path[1:]
	return c.send("PATCH", path, patchHead+operation+"]}", wish)
}

// send tells whether something was done in the end. What an attempt before has deleted is
// gone, which isn't a failure.
func (c *client) send(method, path, body string, wish *witness.Wish) bool {
	r, attempts := c.final(method, path, body, wish)
	switch {
	case r == nil:
		return false
	case r.OK(), r.Status == 404 && method == "DELETE" && attempts > 1:
		return true
	}
	c.complain(r)
	return false
}

// complain takes in an answer with which nobody could go on.
func (c *client) complain(r *request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failed = append(c.failed, fmt.Sprintf("%s %s %s was told %d: %.300s", r.Exchange, r.Method, r.Path, r.Status, r.Answer))
}

// patience is how long a client asks for one thing.
const patience = 90 * time.Second

// final sends a request until it is answered finally. It is nil if that didn't come.
func (c *client) final(method, path, body string, wish *witness.Wish) (r *request, attempts int) {
	logical := c.thing()
	for begun := time.Now(); time.Since(begun) < patience; attempts++ {
		r = c.once(logical, method, path, body, wish)
		if r.Status != 0 && r.Status != 429 && r.Status < 500 {
			return r, attempts + 1
		}
		if c.over.Load() {
			return nil, attempts
		}
		time.Sleep(20 * time.Millisecond) // Okta waits longer
	}
	c.complain(r)
	return nil, attempts
}

// slow lets a write outlive the gateway that has sent it: AWS carries it out all the same,
// long before the gateway takes the resource for settled.
var slow = &faulty.Fault{Name: "slow", Strike: func(k *faulty.Strike) {
	time.Sleep(time.Duration(k.At(100)) * time.Millisecond)
	k.Whole(k.Apply())
}}

func (c *client) once(logical, method, path, body string, wish *witness.Wish) *request {
	c.verified.RLock() // comes when the log is verified
	defer c.verified.RUnlock()
	r := &request{}
	r.Logical, r.Client, r.Method, r.Path, r.Body, r.Wish, r.Parts = logical, c.number, method, path, body, wish, 1
	r.Began = time.Now()
	c.mu.Lock()
	c.asked = append(c.asked, r)
	r.Tag = "k" + strconv.Itoa(len(c.asked))
	c.mu.Unlock()
	if c.random.IntN(8) == 0 {
		c.upstream.Plan(r.Tag, faulty.Order{Fault: slow, Of: faulty.Write, At: c.random.IntN(1 << 20)})
		defer c.upstream.Forget(r.Tag)
	}
	var content io.Reader
	if body != "" {
		content = struct{ io.Reader }{strings.NewReader(body)}
	}
	req, err := http.NewRequest(method, "http://"+c.listen+faulty.Base+path, content)
	if err != nil {
		panic(err)
	}
	req.ContentLength = int64(len(body))
	req.Header.Set("Authorization", "Bearer "+standin.DefaultToken)
	req.Header.Set("User-Agent", "Okta SCIM Client 1.0.0 "+r.Tag)
	if body != "" {
		req.Header.Set("Content-Type", "application/scim+json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return r
	}
	defer resp.Body.Close()
	answered, mark := time.Now(), witness.Look(c.log)
	answer, err := io.ReadAll(resp.Body)
	if err != nil { // cut in the middle, which is no answer
		return r
	}
	r.Sent, r.Answered, r.mark = answered, answered, mark
	r.Status, r.Answer = resp.StatusCode, string(answer)
	r.Exchange, r.RequestID = resp.Header.Get("X-Scimgate-Exchange"), resp.Header.Get("X-Amzn-RequestId")
	return r
}
