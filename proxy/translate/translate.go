// Package translate carries out what a SCIM client asks for by calls that AWS has:
// a group's members as differences in chunks, pages by startIndex over cursors, a
// PATCH in the forms that AWS takes.
//
// A [Plan] is straight-line code that is given [Do], which carries out one call. It
// knows no network, no budget and no log, and is tested with a closure over a map.
// What has to outlive a request is in [Memory]: which resources were made a moment
// ago, which members were written, where pages begin.
//
// Documents that are handed to it have been admitted as JSON with one reading and
// repaired by the rules. Begin with group.go.
package translate

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidwall/gjson"

	"github.com/scimgate/scimgate/rules/scim"
)

// Do carries out one upstream call: waits for budget, records the intent, sends,
// records the outcome. Its error is a *scim.CallError: no usable answer is known.
type Do func(scim.Request) (scim.Response, error)

// Plan carries out an exchange by means of calls. Its error is the *scim.CallError
// of a call, or an *Incomplete.
type Plan func(Do) (scim.Response, error)

// Limits are the numbers of the upstream that plans need.
type Limits struct {
	Members int // membership changes in one request
	Page    int // resources on one page
}

// Incomplete says that a plan has ended without doing all that was asked. If Err is
// a *scim.CallError, or the response says that it may be tried again, the same
// request finishes the rest; else a person has to do something first.
type Incomplete struct {
	Kind     scim.Kind // the rule that puts it into words, with Note; 0: Detail alone does
	Note     string
	Detail   string        // for an administrator: what was done, what was not
	Missing  []string      // ids of members that AWS doesn't have
	Partly   bool          // what AWS says of the rest is in Response or Err, and Detail tells what was done before
	Response scim.Response // AWS's refusal; zero if there was none
	Err      error         // why a call has no answer, or nil
}

func (e *Incomplete) Error() string { return e.Detail }

func (e *Incomplete) Unwrap() error { return e.Err }

// How long things are remembered, and how much of them.
const (
	freshFor   = time.Minute // AWS was seen to need a moment before a new resource can be read (awslabs/ssosync#42)
	recentFor  = 30 * time.Second
	windowFor  = 10 * time.Minute
	maxFresh   = 1 << 14
	maxGroups  = 512
	maxWindows = 256
)

// Memory is what the plans of one tenant remember. It is bounded, and safe for
// concurrent use.
type Memory struct {
	limits   Limits
	protects func(group string) bool // or nil

	mu         sync.Mutex // guards following
	fresh      map[string]time.Time
	recent     map[string]*recent // membership writes, by group
	recentIDs  int                // in all of them
	unfinished map[string]string  // displayName → id of a group whose members are not all there yet
	windows    map[windowKey]*window
	users      int                  // of the store, when their list was last read to its end
	marks      int                  // in all of them
	doubts     map[string]doubt     // by what would be unique
	deleted    map[string]time.Time // by userName in lower case
	names      map[string]groupName // by id
}

// NewMemory remembers nothing yet.
func NewMemory(limits Limits) *Memory {
	return &Memory{
		limits: limits, fresh: map[string]time.Time{}, recent: map[string]*recent{},
		unfinished: map[string]string{}, windows: map[windowKey]*window{},
		doubts: map[string]doubt{}, deleted: map[string]time.Time{}, names: map[string]groupName{},
	}
}

// Forget drops what is true only while nobody else writes. What creates are in doubt stays:
// whoever repeats one finds what it has made.
func (m *Memory) Forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.fresh)
	clear(m.recent)
	clear(m.unfinished)
	clear(m.windows)
	clear(m.deleted)
	clear(m.names)
	m.recentIDs, m.marks = 0, 0
}

// Forward is the plan of one call.
func (m *Memory) Forward(req scim.Request) Plan {
	return func(do Do) (scim.Response, error) { return m.send(do, req) }
}

// ReadFirst reads a user and carries out the plan that is made of what AWS has.
func (m *Memory) ReadFirst(id string, judge func(current []byte) (Plan, error)) Plan {
	return func(do Do) (scim.Response, error) {
		resp, err := m.send(do, scim.Request{Target: scim.Target{Operation: scim.GetUser, ID: id}})
		if err != nil || !resp.OK() {
			return resp, err
		}
		plan, err := judge(resp.Body)
		if err != nil {
			return scim.Response{}, err
		}
		return plan(do)
	}
}

// send carries out one call. A 404 for something that was made here a moment ago is
// tried again, for about two seconds in all: AWS can't always read it at once. Of the
// resource itself it is not believed then either, since nothing has deleted that.
func (m *Memory) send(do Do, req scim.Request) (scim.Response, error) {
	for pause := 50 * time.Millisecond; ; pause += pause * 6 / 10 {
		resp, err := do(req)
		if lost(resp, err) && len(req.Added)+len(req.Removed) > 0 {
			m.doubtMembers(req.Target.ID, append(slices.Clone(req.Added), req.Removed...))
		}
		if err != nil || resp.Status != 404 || !m.isFresh(req) {
			return resp, err
		}
		if pause > time.Second {
			if m.anyFresh(req.Target.Resource()) && len(req.Added)+len(req.Removed) == 0 { // it may be about a member
				return scim.Response{}, errUnborn
			}
			return resp, nil
		}
		time.Sleep(pause)
	}
}

// errUnborn is told of what AWS has made a moment ago, and does not have as it says.
var errUnborn = &scim.CallError{Reason: scim.Unborn, RetryAfter: 5 * time.Second}

// lost tells that a write may have been carried out, and may not.
func lost(resp scim.Response, err error) bool {
	var failure *scim.CallError
	return errors.As(err, &failure) && failure.MayHaveHappened() || err == nil && resp.Status >= 500
}

// created remembers what a resource that was made a moment ago can be asked for by: its
// name in records, which tells users from groups, and the filters that look it up.
func (m *Memory) created(resource string, filters ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.fresh)+len(filters) >= maxFresh {
		for other, at := range m.fresh {
			if time.Since(at) > freshFor {
				delete(m.fresh, other)
			}
		}
		if len(m.fresh)+len(filters) >= maxFresh {
			return
		}
	}
	for _, key := range append(filters, resource) {
		m.fresh[strings.Clone(key)] = time.Now() // which would hold the whole answer
	}
}

// isFresh tells whether a 404 may be about something that AWS will show in a moment. What
// it will never show as a user, a group, is not waited for.
func (m *Memory) isFresh(req scim.Request) bool {
	users := make([]string, len(req.Added))
	for i, id := range req.Added {
		if users[i] = aUser(id); m.anyFresh(aGroup(id)) {
			return false
		}
	}
	return m.anyFresh(append(users, req.Target.Resource())...)
}

func aUser(id string) string  { return scim.Target{Operation: scim.GetUser, ID: id}.Resource() }
func aGroup(id string) string { return scim.Target{Operation: scim.GetGroup, ID: id}.Resource() }

func (m *Memory) anyFresh(keys ...string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, key := range keys {
		if at, ok := m.fresh[key]; ok && time.Since(at) <= freshFor {
			return true
		}
	}
	return false
}

// Deactivation is the one PATCH that nothing may hold up.
const Deactivation = `{"schemas":["` + scim.PatchSchema + `"],"Operations":[{"op":"replace","path":"active","value":false}]}`

// Deactivate takes a user's access away and nothing else. It has worked only if
// AWS's own answer shows it.
func (m *Memory) Deactivate(id string) Plan {
	return func(do Do) (scim.Response, error) {
		resp, err := m.send(do, scim.Request{
			Target: scim.Target{Operation: scim.PatchUser, ID: id}, Body: []byte(Deactivation), Revokes: true, Loses: 1, Attrs: []string{"active"},
		})
		if err != nil || !resp.OK() {
			return resp, err
		}
		if !gjson.GetBytes(resp.Body, "active").Exists() { // believed only when it is shown
			shown, err := do(scim.Request{Target: scim.Target{Operation: scim.GetUser, ID: id}, Revokes: true})
			if err != nil {
				return shown, err
			}
			if !shown.OK() {
				return shown, nil
			}
			resp = shown
		}
		if !Inactive(resp.Body) {
			return resp, &Incomplete{Kind: scim.Unconfirmed, Detail: "AWS took the deactivation, but its answer still shows the user as active.", Response: scim.Response{Status: 503}}
		}
		return resp, err
	}
}

// Inactive tells whether AWS shows a user as inactive; also as a text, which present mends
// for clients.
func Inactive(user []byte) bool {
	active := gjson.GetBytes(user, "active")
	return active.Type == gjson.False || active.Type == gjson.String && strings.EqualFold(active.Str, "false")
}

// partly wraps a failure after something has been done already, in words that say
// what. Before anything was done, the failure speaks for itself.
func partly(done string, resp scim.Response, err error) (scim.Response, error) {
	var incomplete *Incomplete
	if done == "" || errors.As(err, &incomplete) {
		return resp, err
	}
	return resp, &Incomplete{Detail: fmt.Sprintf("Not everything was done. Done: %s.", done), Partly: true, Response: resp, Err: err}
}

func jsonObject(members ...string) []byte { return []byte("{" + strings.Join(members, ",") + "}") }

func patchBody(operations ...string) []byte {
	return jsonObject(`"schemas":["`+scim.PatchSchema+`"]`, `"Operations":[`+strings.Join(operations, ",")+`]`)
}

func operation(op, path, raw string) string {
	text := `{"op":"` + op + `","path":` + string(scim.AppendString(nil, path))
	if op != "remove" || raw != "" {
		text += `,"value":` + raw
	}
	return text + "}"
}
