package proxy

import (
	"net/http"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/scimgate/scimgate/proxy/audit"
	"github.com/scimgate/scimgate/proxy/pace"
	"github.com/scimgate/scimgate/proxy/translate"
	"github.com/scimgate/scimgate/proxy/upstream"
	"github.com/scimgate/scimgate/rules/scim"
)

// perform carries the exchange out by calls to AWS.
func (g *Gateway) perform(x *Exchange) *Reply {
	switch {
	case x.Target.Operation.Is(scim.Discovery) && !x.policy.Observe && !x.policy.Plain:
		return g.discover(x)
	case x.long():
		return g.performLong(x)
	case x.Target.Operation == scim.DeleteGroup:
		g.jobs.supersede(x.tenant.url+" "+x.laneKey(), "")
	}
	r := g.carryOut(x)
	if r.Status == 200 {
		g.checkSchemas(x, min(g.settings.Schemas, time.Minute))
	}
	return r
}

// carryOut carries out a plan. A write first takes its place in the lane of its
// resource, and holds it until it is answered.
func (g *Gateway) carryOut(x *Exchange) *Reply {
	if x.writes() {
		began := time.Now()
		turn, err := x.tenant.lanes.Enter(x.Deadline, x.place(), x.laneKey())
		if err != nil {
			g.watchLeavers(x, scim.Response{}, err)
			return x.again(retryAfter(err), "Other changes of the same resource are under way.", err)
		}
		x.lane, x.entered = turn, time.Now()
		x.waited += x.entered.Sub(began)
	}
	if x.only != nil && !x.only() {
		return &Reply{}
	}
	x.quiet = x.Target.Operation == scim.GetUser && g.quiet(x)
	resp, err := g.plan(x)(g.do(x))
	if err == nil && !x.policy.Observe && !x.policy.Plain {
		resp, err = g.filled(x, resp)
	}
	if err == nil && resp.Status == 201 {
		x.doubt = false // what was made has been seen
		for _, d := range x.tenant.unsettled.found(x.ID) {
			g.tellSettled(x.tenant, d, translate.Done, "")
		}
		if op := x.Target.Operation; op.Is(scim.CreateUser | scim.CreateGroup) { // one of an earlier life, say
			for _, d := range x.tenant.unsettled.made(&audit.Record{Exchange: x.ID, Op: op.String(), Name: shownName(op, x.Document)}) {
				g.tellSettled(x.tenant, d, translate.Untold, "overtaken by "+x.ID)
			}
		}
	}
	resp, err = g.deactivateAlone(x, resp, err)
	g.watchLeavers(x, resp, err)
	switch {
	case err != nil:
		return g.failed(x, err)
	case x.policy.Observe || x.policy.Plain && resp.Status < 500 && resp.Status != 429 && (resp.Status/100 != 3 || resp.Status == http.StatusNotModified):
		if resp.Status >= 400 {
			resp.Body = []byte(x.masked(string(resp.Body)))
		}
		return &Reply{Status: resp.Status, Body: resp.Body, RetryAfter: resp.RetryAfter, RequestID: resp.RequestID, contentType: resp.ContentType, etag: resp.ETag, location: x.located(resp.Location)}
	}
	return g.relay(x, resp)
}

// leave gives the lanes and the room back. After an unknown outcome they stay closed for a while.
func (x *Exchange) leave() {
	settle := time.Duration(0)
	if x.doubt {
		settle = x.tenant.settle
	}
	for _, lane := range [...]*pace.Turn{x.lane, x.foundLane} {
		if lane != nil {
			lane.Leave(settle)
		}
	}
	x.lane, x.foundLane = nil, nil
	x.doneWith()
	x.lists.Give(x.ask(x.kept, false))
	x.kept = 0
}

// enterFound takes a create, which is in the lane of a name, into that of the resource that
// it has found or made, before it changes that: others know it by its id. What was taken
// away there since the create came is not given back.
func (g *Gateway) enterFound(x *Exchange, t scim.Target) error {
	create := x.Target.Operation
	if x.foundLane != nil || x.lane == nil || t.ID == "" ||
		!(create == scim.CreateUser && t.Operation == scim.ReplaceUser || create == scim.CreateGroup && t.Operation.Is(scim.PatchGroup|scim.GetGroup)) {
		return nil
	}
	turn, err := x.tenant.lanes.Enter(x.Deadline, pace.InOrder, t.Resource())
	if err != nil {
		return &scim.CallError{Reason: scim.PacedOut, RetryAfter: retryAfter(err), Err: err}
	}
	x.foundLane, x.entered = turn, time.Now()
	if create == scim.CreateUser {
		x.adopts = t.ID
	}
	_, left, open := g.leavers.Find(t.ID)
	if create == scim.CreateUser && (x.tenant.inactive.since(t.ID).After(x.Began) || open && left.After(x.Began)) {
		return &translate.Incomplete{
			Kind: scim.DuplicateUser, Note: "the user, whose id is " + t.ID + ", was deactivated meanwhile", Detail: "Nothing was changed.",
			Response: scim.Response{Status: http.StatusConflict},
		}
	}
	return nil
}

// place says that what takes access away is admitted even where others are refused
// for number. Nothing that came earlier can undo a DELETE, so it goes first; an
// earlier activation could undo a deactivation, which keeps its place.
func (x *Exchange) place() pace.Place {
	switch {
	case x.Target.Operation == scim.DeleteGroup, x.Target.Operation == scim.DeleteUser && !x.policy.DeactivateInstead:
		return pace.Final
	case x.revokes():
		return pace.Revoking
	}
	return pace.InOrder
}

func (x *Exchange) revokes() bool {
	return x.deactivates() || x.Target.Operation.Is(scim.DeleteUser|scim.DeleteGroup)
}

// laneKey names the resource that is written: its id, or for a create what it must
// be unique by.
func (x *Exchange) laneKey() string {
	switch x.Target.Operation {
	case scim.CreateUser:
		return "user " + strings.ToLower(gjson.GetBytes(x.Document, "userName").Str)
	case scim.CreateGroup:
		return "group " + strings.ToLower(gjson.GetBytes(x.Document, "displayName").Str)
	}
	if x.Target.Operation == 0 {
		path, _, _ := strings.Cut(x.belowBase(), "?")
		return path
	}
	return x.Target.Resource()
}

// plan chooses how the exchange is carried out.
func (g *Gateway) plan(x *Exchange) translate.Plan {
	if x.policy.Observe && x.only == nil { // what the gateway itself asks for came from nowhere
		return g.asItCame(x)
	}
	if x.policy.Plain {
		return g.plain(x)
	}
	memory, id := x.tenant.memory, x.Target.ID
	if x.deactivates() && x.unmendable() {
		return memory.Deactivate(id)
	}
	if x.Verdict.NeedsCurrent {
		return memory.ReadFirst(id, func(current []byte) (translate.Plan, error) {
			x.judge(current)
			if x.unmendable() {
				return memory.Deactivate(id), nil // the first reading has refused everything else
			}
			return g.write(x), nil
		})
	}
	switch x.Target.Operation {
	case scim.ListUsers, scim.ListGroups:
		return g.list(x)
	case scim.GetGroup:
		return memory.GetGroup(id, wantsMembers(x.Target.Query))
	case scim.DeleteGroup:
		return memory.DeleteGroup(id)
	case scim.DeleteUser:
		if x.policy.DeactivateInstead {
			return memory.DeactivateInstead(id)
		}
		return memory.DeleteUser(id)
	}
	if !x.Target.Operation.HasBody() {
		return memory.Forward(scim.Request{Target: x.Target, Revokes: x.revokes()})
	}
	return g.write(x)
}

// write chooses the plan of a write whose document is sound.
func (g *Gateway) write(x *Exchange) translate.Plan {
	memory, id := x.tenant.memory, x.Target.ID
	switch x.Target.Operation {
	case scim.CreateGroup:
		return memory.CreateGroup(g.creation(x))
	case scim.ReplaceGroup:
		return memory.ReplaceGroup(id, x.Document)
	case scim.PatchGroup:
		return memory.PatchGroup(id, x.Document)
	case scim.PatchUser:
		if x.Verdict.Nothing { // as AWS would have answered if there had been nothing to do
			return memory.Forward(scim.Request{Target: scim.Target{Operation: scim.GetUser, ID: id}})
		}
		return memory.PatchUser(id, x.Document, func(kind scim.Kind, path string) { x.found([]scim.Fault{{Kind: kind, Name: path}}) })
	}
	if x.Target.Operation == scim.CreateUser {
		if memory.Deleted(gjson.GetBytes(x.Document, "userName").Str) {
			x.found([]scim.Fault{{Kind: scim.Recreated}})
		}
		return memory.CreateUser(g.creation(x))
	}
	return memory.Forward(scim.Request{Target: x.Target, Body: x.Document, Revokes: x.revokes(), Attrs: translate.Attributes(x.Document)})
}

func (g *Gateway) creation(x *Exchange) translate.Creation {
	return translate.Creation{Document: x.Document, Digest: g.journal.Digest(x.Document), Adopt: x.policy.Adopt}
}

// list is the plan of a list. How many users there are is told to the guards, for
// their shares.
func (g *Gateway) list(x *Exchange) translate.Plan {
	plan := x.tenant.memory.List(x.Target, x.actor, x.policy.ListMembers && wantsMembers(x.Target.Query))
	if x.Target.Operation != scim.ListUsers || x.Target.Query.Filter != "" {
		return plan
	}
	return func(do translate.Do) (scim.Response, error) {
		resp, err := plan(do)
		if err == nil && resp.OK() {
			x.tenant.guard.Knows(x.tenant.memory.Users()) // what a page says may be less than there are
		}
		return resp, err
	}
}

// wantsMembers tells whether the client wants to see the members of a group (RFC
// 7644 §3.9).
func wantsMembers(q scim.Query) bool {
	for _, name := range q.ExcludedAttributes {
		if strings.EqualFold(scim.ShortName(name), "members") {
			return false
		}
	}
	for _, name := range q.Attributes {
		if attribute, _, _ := strings.Cut(scim.ShortName(name), "."); strings.EqualFold(attribute, "members") {
			return true
		}
	}
	return len(q.Attributes) == 0
}

// asItCame is the plan under observe: one call with the target as it stood behind
// the prefix, the body as it was.
func (g *Gateway) asItCame(x *Exchange) translate.Plan {
	return func(translate.Do) (scim.Response, error) {
		op := x.Target.Operation
		return g.call(x, &call{
			Call:      x.forwarded(x.Method, x.belowBase(), x.Body),
			operation: op, resource: x.Target.Resource(), revokes: x.revokes(), attrs: nil,
		})
	}
}

// plain is the plan for a store of RFC 7644: one call, its URL put right, its query
// as it came.
func (g *Gateway) plain(x *Exchange) translate.Plan {
	return func(translate.Do) (scim.Response, error) {
		op, method, uri := x.Target.Operation, x.Target.Operation.Method(), x.Target.Path()
		if op == 0 { // what AWS doesn't have, as it came
			return g.asItCame(x)(nil)
		}
		if x.Target.Search {
			method, uri = "POST", uri+"/.search"
		}
		if _, query, ok := strings.Cut(string(x.RawTarget), "?"); ok && query != "" {
			uri += "?" + query
		}
		body := x.Document
		if x.Target.Search {
			body = x.Body
		}
		return g.call(x, &call{
			Call:      x.forwarded(method, uri, body),
			operation: op, resource: x.Target.Resource(), revokes: x.revokes(), attrs: nil,
		})
	}
}

// forwarded is a call with the conditions that the client set.
func (x *Exchange) forwarded(method, uri string, body []byte) upstream.Call {
	return upstream.Call{Method: method, URI: uri, Body: body, Write: x.writes(), IfMatch: x.ifMatch, IfNoneMatch: x.ifNoneMatch}
}

// located is a Location of the store as the client reaches it.
func (x *Exchange) located(url string) string {
	if path, below := strings.CutPrefix(url, x.tenant.url); below && x.base() != "" {
		return x.base() + path
	}
	return url
}

// belowBase is the raw target without the prefix by which the gateway is reached.
func (x *Exchange) belowBase() string {
	target := string(x.RawTarget)
	for _, prefix := range []string{x.prefix, x.tenant.prefix, "/scim/v2"} {
		if rest, ok := strings.CutPrefix(target, prefix); ok && prefix != "" && strings.HasPrefix(rest, "/") {
			return rest
		}
	}
	return target
}
