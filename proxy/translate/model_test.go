package translate

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidwall/gjson"
	"pgregory.net/rapid"

	"github.com/scimgate/scimgate/rules/scim"
)

// directory is a model of AWS: one group, users by id, lists by cursor.
type directory struct {
	t        interface{ Fatalf(string, ...any) }
	users    []string
	groups   []string // of a list of all groups, if it isn't the one alone
	members  map[string]bool
	name     string
	page     int
	unknown  map[string]bool // ids that are no users
	calls    []scim.Request
	failAt   int // the write with this number fails, 1-based; 0: none
	failWith func() (scim.Response, error)
	spoil    func(write int) (fails func() (scim.Response, error), done bool) // likewise, of any write; done: it is carried out all the same
	writes   int
	stale    bool // reads don't show what was written
	shown    []string
}

func (d *directory) do(req scim.Request) (scim.Response, error) {
	d.calls = append(d.calls, req)
	if req.Target.Operation.Is(scim.Writes) {
		if d.writes++; d.writes == d.failAt {
			return d.failWith()
		}
		if d.spoil != nil {
			if fails, done := d.spoil(d.writes); fails != nil {
				if done {
					d.carryOut(req)
				}
				return fails()
			}
		}
	}
	return d.carryOut(req)
}

func (d *directory) carryOut(req scim.Request) (scim.Response, error) {
	switch req.Target.Operation {
	case scim.ListGroups:
		if d.groups != nil {
			return d.paged(d.groups, req.Target.Query)
		}
		if d.name == "" || req.Target.Query.Filter != scim.EqFilter("displayName", d.name) {
			return ok(200, `{"Resources":[]}`), nil
		}
		return ok(200, fmt.Sprintf(`{"Resources":[{"id":"g","displayName":%q}]}`, d.name)), nil
	case scim.GetGroup:
		if req.Target.ID != "g" {
			return ok(404, ""), nil
		}
		return ok(200, fmt.Sprintf(`{"id":"g","displayName":%q,"schemas":[]}`, d.name)), nil
	case scim.GetUser:
		if d.unknown[req.Target.ID] {
			return ok(404, ""), nil
		}
		return ok(200, `{"id":"`+req.Target.ID+`"}`), nil
	case scim.ListUsers:
		return d.list(req.Target.Query)
	case scim.PatchGroup:
		return d.patch(req)
	case scim.CreateGroup:
		if d.name != "" {
			return ok(409, ""), nil
		}
		d.name = gjson.GetBytes(req.Body, "displayName").Str
		for _, id := range memberIDs(gjson.GetBytes(req.Body, "members")) {
			d.members[id] = true
		}
		return ok(201, fmt.Sprintf(`{"id":"g","displayName":%q}`, d.name)), nil
	}
	d.t.Fatalf("unexpected call %v", req.Target)
	return scim.Response{}, nil
}

func ok(status int, body string) scim.Response {
	return scim.Response{Status: status, Body: []byte(body)}
}

func (d *directory) list(q scim.Query) (scim.Response, error) {
	all := d.users
	if strings.HasPrefix(q.Filter, "groups.value") {
		all = nil
		for _, id := range d.users {
			if d.members[id] {
				all = append(all, id)
			}
		}
		if d.stale {
			all = d.shown
		}
	}
	return d.paged(all, q)
}

func (d *directory) paged(all []string, q scim.Query) (scim.Response, error) {
	if !q.HasCursor {
		d.t.Fatalf("a list without cursor would be cut in silence")
	}
	from := 0
	if q.Cursor != "" {
		fmt.Sscan(strings.TrimPrefix(q.Cursor, "at"), &from)
	}
	to := min(from+min(q.Count, d.page), len(all))
	var resources []string
	for _, id := range all[from:to] {
		resources = append(resources, `{"id":"`+id+`"}`)
	}
	next := ""
	if to < len(all) {
		next = fmt.Sprintf(`"nextCursor":"at%d",`, to)
	}
	return ok(200, `{`+next+`"Resources":[`+strings.Join(resources, ",")+`]}`), nil
}

func (d *directory) patch(req scim.Request) (scim.Response, error) {
	var doc struct {
		Operations []struct {
			Op, Path string
			Value    json.RawMessage
		}
	}
	if err := json.Unmarshal(req.Body, &doc); err != nil || len(doc.Operations) != 1 {
		d.t.Fatalf("got %s, want one operation: %v", req.Body, err)
	}
	op := doc.Operations[0]
	if op.Path == "displayName" {
		if err := json.Unmarshal(op.Value, &d.name); err != nil {
			d.t.Fatalf("%s: %v", req.Body, err)
		}
		return ok(204, ""), nil
	}
	ids := memberIDs(gjson.ParseBytes(op.Value))
	if op.Op == "replace" || len(ids) == 0 || len(ids) > 100 || op.Path != "members" {
		d.t.Fatalf("AWS takes no %s of %d members at %q", op.Op, len(ids), op.Path)
	}
	if req.Memberships != len(ids) || (op.Op == "remove") != req.Revokes {
		d.t.Fatalf("got %d changes, revokes %v for a %s of %d", req.Memberships, req.Revokes, op.Op, len(ids))
	}
	for _, id := range ids {
		if d.unknown[id] {
			return ok(404, ""), nil
		}
	}
	for _, id := range ids {
		d.members[id] = op.Op == "add"
		if op.Op == "remove" {
			delete(d.members, id)
		}
	}
	return ok(204, ""), nil
}

func (d *directory) has() []string {
	var ids []string
	for id := range d.members {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func newDirectory(t interface{ Fatalf(string, ...any) }, n int, members []string) *directory {
	d := &directory{t: t, members: map[string]bool{}, name: "Readers", page: 100}
	for i := range n {
		d.users = append(d.users, fmt.Sprintf("u%04d", i))
	}
	for _, id := range members {
		d.members[id] = true
	}
	return d
}

func subset(t *rapid.T, all []string, label string) (some []string) {
	from := rapid.IntRange(0, len(all)).Draw(t, label+" from")
	to := rapid.IntRange(from, len(all)).Draw(t, label+" to")
	step := rapid.IntRange(1, 3).Draw(t, label+" step")
	for i := from; i < to; i += step {
		some = append(some, all[i])
	}
	return some
}

func groupDocument(members []string) []byte {
	values := []string{}
	for _, id := range members {
		values = append(values, `{"value":"`+id+`"}`)
	}
	return []byte(`{"displayName":"Readers","members":[` + strings.Join(values, ",") + `]}`)
}

var limits = Limits{Members: 100, Page: 100}

func chunks(n int) int { return (n + 99) / 100 }

func TestReplaceGroupEndsInExactlyTheMembersAskedFor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := newDirectory(t, 2000, nil)
		have, want := subset(t, d.users, "have"), subset(t, d.users, "want")
		for _, id := range have {
			d.members[id] = true
		}
		resp, err := NewMemory(limits).ReplaceGroup("g", groupDocument(want))(d.do)
		if err != nil || resp.Status != 200 {
			t.Fatalf("got %d %v", resp.Status, err)
		}
		if got := d.has(); !slices.Equal(got, want) && len(got)+len(want) > 0 {
			t.Fatalf("got %d members, want %d", len(got), len(want))
		}
		if got := memberIDs(gjson.GetBytes(resp.Body, "members")); len(got) != len(want) {
			t.Fatalf("got %d members in the answer, want %d", len(got), len(want))
		}
		if wanted := chunks(len(minus(have, want))) + chunks(len(minus(want, have))); d.writes != wanted {
			t.Fatalf("got %d writes, want %d", d.writes, wanted)
		}
		adding := false
		for _, c := range d.calls {
			adding = adding || len(c.Added) > 0
			if adding && len(c.Removed) > 0 {
				t.Fatalf("a removal came after an addition")
			}
		}
	})
}

// Whatever call fails, and however, the same request again ends in what was asked.
func TestReplaceGroupCanBeRepeatedAfterAnyFailure(t *testing.T) {
	failures := map[string]func() (scim.Response, error){
		"lost":      func() (scim.Response, error) { return scim.Response{}, &scim.CallError{Reason: scim.Lost} },
		"paced out": func() (scim.Response, error) { return scim.Response{}, &scim.CallError{Reason: scim.PacedOut} },
		"throttled": func() (scim.Response, error) { return ok(429, ""), nil },
		"failing":   func() (scim.Response, error) { return ok(500, ""), nil },
		"refused":   func() (scim.Response, error) { return ok(400, ""), nil },
	}
	for name, failure := range failures {
		for k := 1; k <= 6; k++ {
			d := newDirectory(t, 600, nil)
			for _, id := range d.users[:300] {
				d.members[id] = true
			}
			want := d.users[300:]
			d.failAt, d.failWith = k, failure
			m := NewMemory(limits)
			resp, err := m.ReplaceGroup("g", groupDocument(want))(d.do)
			if err == nil && resp.OK() && !slices.Equal(d.has(), want) {
				t.Errorf("%s at write %d: got success with %d members", name, k, len(d.has()))
			}
			var incomplete *Incomplete
			if k > 1 && err != nil && !errors.As(err, &incomplete) {
				t.Errorf("%s at write %d: got %v, want to be told what was done", name, k, err)
			}
			if resp, err := m.ReplaceGroup("g", groupDocument(want))(d.do); err != nil || resp.Status != 200 || !slices.Equal(d.has(), want) {
				t.Errorf("%s at write %d, again: got %d %v with %d members, want all %d", name, k, resp.Status, err, len(d.has()), len(want))
			}
		}
	}
}

// Whatever calls fail, however often and however, done or not: who repeats until told of
// success finds exactly the members asked for, and is never told of it before.
func TestReplaceGroupUnderAnyFailures(t *testing.T) {
	type failure struct {
		fails func() (scim.Response, error)
		done  bool
	}
	answered := func(status int) func() (scim.Response, error) {
		return func() (scim.Response, error) { return ok(status, ""), nil }
	}
	lost := func() (scim.Response, error) { return scim.Response{}, &scim.CallError{Reason: scim.Lost} }
	failures := []failure{
		{lost, true}, {lost, false}, {answered(500), true}, {answered(500), false}, {answered(429), false}, {answered(400), false},
		{func() (scim.Response, error) { return scim.Response{}, &scim.CallError{Reason: scim.Unsent} }, false},
	}
	rapid.Check(t, func(t *rapid.T) {
		d := newDirectory(t, 2000, nil)
		for _, id := range subset(t, d.users, "have") {
			d.members[id] = true
		}
		left := rapid.IntRange(1, 8).Draw(t, "failures")
		d.spoil = func(write int) (func() (scim.Response, error), bool) {
			if left == 0 || rapid.IntRange(0, 2).Draw(t, "fails") > 0 {
				return nil, false
			}
			left--
			f := rapid.SampledFrom(failures).Draw(t, "failure")
			return f.fails, f.done
		}
		m := NewMemory(limits)
		wishes := [][]string{subset(t, d.users, "first wish"), subset(t, d.users, "second wish")}
		for try, wish := 0, 0; wish < 4; try++ { // to and fro
			want := wishes[wish%2]
			resp, err := m.ReplaceGroup("g", groupDocument(want))(d.do)
			switch got := d.has(); {
			case try == 20:
				t.Fatalf("got no success in 20 tries with %d failures left", left)
			case err != nil || !resp.OK(): // the client repeats it, or sends something else
				if rapid.Bool().Draw(t, "gives up") {
					wish++
				}
			case !slices.Equal(got, want) && len(got)+len(want) > 0:
				t.Fatalf("try %d: told of success with %d members, want %d", try, len(got), len(want))
			default:
				wish++
			}
		}
	})
}

func TestOwnWritesCountThoughAWSDoesNotShowThemYet(t *testing.T) {
	d := newDirectory(t, 10, nil)
	d.stale = true
	m := NewMemory(limits)
	if _, err := m.ReplaceGroup("g", groupDocument(d.users[:5]))(d.do); err != nil {
		t.Fatal(err)
	}
	if _, err := m.ReplaceGroup("g", groupDocument(d.users[2:5]))(d.do); err != nil {
		t.Fatal(err)
	}
	if got, want := d.has(), d.users[2:5]; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v: two members were forgotten", got, want)
	}
	d.shown = d.users[:5] // now AWS shows the first write, and not yet the second
	before := d.writes
	if _, err := m.ReplaceGroup("g", groupDocument(d.users[2:5]))(d.do); err != nil || d.writes != before {
		t.Errorf("got %d more writes, %v: members were removed twice", d.writes-before, err)
	}
}

func TestPatchGroupComesToTheSameAsTheModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := newDirectory(t, 250, nil)
		model := map[string]bool{}
		for _, id := range subset(t, d.users, "have") {
			d.members[id], model[id] = true, true
		}
		var operations []string
		for i := range rapid.IntRange(1, 5).Draw(t, "operations") {
			ids := subset(t, d.users, fmt.Sprint("members ", i))
			values := strings.TrimSuffix(strings.SplitN(string(groupDocument(ids)), `"members":`, 2)[1], "}")
			switch rapid.IntRange(0, 5).Draw(t, fmt.Sprint("kind ", i)) {
			case 0:
				operations = append(operations, `{"op":"add","path":"members","value":`+values+`}`)
				for _, id := range ids {
					model[id] = true
				}
			case 1:
				operations = append(operations, `{"op":"remove","path":"members","value":`+values+`}`)
				for _, id := range ids {
					delete(model, id)
				}
			case 2:
				operations = append(operations, `{"op":"replace","path":"members","value":`+values+`}`)
				clear(model)
				for _, id := range ids {
					model[id] = true
				}
			case 3:
				operations = append(operations, `{"op":"replace","value":{"members":`+values+`,"id":"g","displayName":"Writers"}}`)
				clear(model)
				for _, id := range ids {
					model[id] = true
				}
			case 4:
				operations = append(operations, `{"op":"remove","path":"members"}`)
				clear(model)
			case 5:
				id := d.users[i]
				operations = append(operations, `{"op":"remove","path":"members[value eq \"`+id+`\"]"}`)
				delete(model, id)
			}
		}
		doc := patchBody(operations...)
		resp, err := NewMemory(limits).PatchGroup("g", doc)(d.do)
		if err != nil || resp.Status != 204 {
			t.Fatalf("%s: got %d %v", doc, resp.Status, err)
		}
		if len(d.members) != len(model) {
			t.Fatalf("%s: got %d members, want %d", doc, len(d.members), len(model))
		}
		for id := range model {
			if !d.members[id] {
				t.Fatalf("%s: %s is missing", doc, id)
			}
		}
		if strings.Contains(string(doc), "Writers") && d.name != "Writers" {
			t.Fatalf("got name %q, want the new one", d.name)
		}
	})
}

func TestPatchThatAWSTakesGoesOutAsItCame(t *testing.T) {
	f := func(doc string, memberships int) {
		t.Helper()
		d := newDirectory(t, 5, nil)
		if _, err := NewMemory(limits).PatchGroup("g", []byte(doc))(d.do); err != nil {
			t.Errorf("%s: %v", doc, err)
		}
		if len(d.calls) != 1 || string(d.calls[0].Body) != doc || d.calls[0].Memberships != memberships {
			t.Errorf("%s: got %d calls, the first %s with %d changes", doc, len(d.calls), d.calls[0].Body, d.calls[0].Memberships)
		}
	}
	f(`{"schemas":["x"], "Operations":[{"op":"add","path":"members","value":[{"value":"u0001"},{"value":"u0002"}]}]}`, 2)
	f(`{"Operations":[{"op":"replace","path":"displayName","value":"W"}] }`, 0)
}

func TestUnknownMembersAreNamedAndHoldUpNobody(t *testing.T) {
	d := newDirectory(t, 10, []string{"u0000"})
	d.unknown = map[string]bool{"u0003": true, "u0007": true}
	_, err := NewMemory(limits).ReplaceGroup("g", groupDocument(d.users[1:]))(d.do)
	var incomplete *Incomplete
	if !errors.As(err, &incomplete) || !slices.Equal(incomplete.Missing, []string{"u0003", "u0007"}) || incomplete.Response.Status != 400 {
		t.Fatalf("got %v, want both named in a final refusal", err)
	}
	if got := d.has(); len(got) != 7 || slices.Contains(got, "u0000") {
		t.Errorf("got %v, want all known members and nobody else", got)
	}
}

func TestCreateGroupOfAnySizeAndAgainAfterAFailure(t *testing.T) {
	for k := 0; k <= 4; k++ {
		d := newDirectory(t, 350, nil)
		d.name = ""
		d.failAt, d.failWith = k, func() (scim.Response, error) { return scim.Response{}, &scim.CallError{Reason: scim.Lost} }
		m := NewMemory(limits)
		resp, err := m.CreateGroup(Creation{Document: groupDocument(d.users)})(d.do)
		if k > 0 {
			if err == nil {
				t.Fatalf("failing write %d: got %d, want an error", k, resp.Status)
			}
			resp, err = m.CreateGroup(Creation{Document: groupDocument(d.users)})(d.do)
		}
		if err != nil || resp.Status != 201 || len(d.members) != 350 {
			t.Errorf("failing write %d: got %d %v with %d members, want all", k, resp.Status, err, len(d.members))
		}
	}
}

func TestFreshResourcesAreGivenAMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory(limits)
		began, calls := time.Now(), 0
		m.created(aUser("u1"))
		resp, err := m.Forward(scim.Request{Target: scim.Target{Operation: scim.GetUser, ID: "u1"}})(func(scim.Request) (scim.Response, error) {
			if calls++; time.Since(began) < 600*time.Millisecond {
				return ok(404, ""), nil
			}
			return ok(200, "{}"), nil
		})
		if err != nil || resp.Status != 200 {
			t.Errorf("got %d %v after %d calls, want the user", resp.Status, err, calls)
		}
		calls = 0
		if resp, _ := m.Forward(scim.Request{Target: scim.Target{Operation: scim.GetUser, ID: "u2"}})(func(scim.Request) (scim.Response, error) {
			calls++
			return ok(404, ""), nil
		}); resp.Status != 404 || calls != 1 {
			t.Errorf("got %d after %d calls for one that wasn't made here, want 404 at once", resp.Status, calls)
		}
	})
}

// Any window of users, of groups, or of what a filter finds is a slice of the whole.
func TestAnyWindowIsASliceOfTheWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 450).Draw(t, "users")
		d := newDirectory(t, n, nil)
		d.page = rapid.IntRange(1, 100).Draw(t, "page")
		of := rapid.SampledFrom([]scim.Target{
			{Operation: scim.ListUsers}, {Operation: scim.ListGroups}, {Operation: scim.ListUsers, Query: scim.Query{Filter: scim.EqFilter("groups.value", "g")}},
		}).Draw(t, "list")
		all := d.users
		switch {
		case of.Operation == scim.ListGroups:
			d.groups, d.users = d.users, nil
		case of.Query.Filter != "":
			all = subset(t, d.users, "members")
			for _, id := range all {
				d.members[id] = true
			}
		}
		m := NewMemory(limits)
		for i := range rapid.IntRange(1, 6).Draw(t, "windows") {
			start, count := rapid.IntRange(0, n+5).Draw(t, fmt.Sprint("start ", i)), rapid.IntRange(0, 130).Draw(t, fmt.Sprint("count ", i))
			target := of
			target.Query.StartIndex, target.Query.Count, target.Query.HasCount = start, count, true
			resp, err := m.List(target, "okta", false)(d.do)
			if err != nil || resp.Status != 200 || !json.Valid(resp.Body) {
				t.Fatalf("got %d %v %s", resp.Status, err, resp.Body)
			}
			from := min(max(start, 1)-1, len(all))
			want := all[from:min(from+min(count, 100), len(all))]
			var got []string
			gjson.GetBytes(resp.Body, "Resources").ForEach(func(_, r gjson.Result) bool {
				got = append(got, r.Get("id").Str)
				return true
			})
			if !slices.Equal(got, want) && len(got)+len(want) > 0 {
				t.Fatalf("window %d+%d of %d: got %v, want %v", start, count, len(all), got, want)
			}
			total := int(gjson.GetBytes(resp.Body, "totalResults").Int())
			if total > len(all) || from+len(want) < len(all) && count > 0 && total <= from+len(want) {
				t.Fatalf("window %d+%d of %d: got totalResults %d", start, count, len(all), total)
			}
		}
	})
}

// An import costs one call for each page, and the credentials test one.
func TestImportCostsOneCallAPage(t *testing.T) {
	d := newDirectory(t, 1234, nil)
	m := NewMemory(limits)
	seen := 0
	for start := 1; ; start += 100 {
		before := len(d.calls)
		resp, err := m.List(scim.Target{Operation: scim.ListUsers, Query: scim.Query{StartIndex: start, Count: 100, HasCount: true}}, "okta", false)(d.do)
		if err != nil {
			t.Fatal(err)
		}
		if calls := len(d.calls) - before; calls > 1 {
			t.Errorf("window at %d: got %d calls, want one", start, calls)
		}
		seen += int(gjson.GetBytes(resp.Body, "itemsPerPage").Int())
		if total := int(gjson.GetBytes(resp.Body, "totalResults").Int()); start+100 > total {
			if total != 1234 || seen != 1234 {
				t.Errorf("got %d of %d, want 1234", seen, total)
			}
			break
		}
	}
}

func TestPatchUserForms(t *testing.T) {
	const enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	f := func(operations, want string) {
		t.Helper()
		var sent string
		var revokes bool
		do := func(req scim.Request) (scim.Response, error) {
			sent, revokes = string(req.Body), req.Revokes
			return ok(200, `{"active":false}`), nil
		}
		if _, err := NewMemory(limits).PatchUser("u", []byte(`{"Operations":[`+operations+`]}`), nil)(do); err != nil {
			t.Errorf("%s: %v", operations, err)
		}
		got := gjson.Get(sent, "Operations").Raw
		if got != "["+want+"]" {
			t.Errorf("%s: got %s, want %s", operations, got, want)
		}
		if takes := strings.Contains(want, `"active","value":false`) || strings.Contains(want, `"active":false`); takes != revokes {
			t.Errorf("%s: got revokes %v", operations, revokes)
		}
	}
	same := func(operations string) { t.Helper(); f(operations, operations) }
	same(`{"op":"replace","value":{"active":false}}`)
	same(`{"op":"replace","path":"title","value":"x"}, {"op":"remove","path":"nickName"}`)
	same(`{"op":"add","path":"emails[type eq \"work\"].value","value":"x"}`)
	f(`{"op":"replace","value":{"title":"x","active":false}}`, `{"op":"replace","path":"title","value":"x"},{"op":"replace","path":"active","value":false}`)
	f(`{"op":"replace","path":"urn:ietf:params:scim:schemas:core:2.0:User:title","value":"x"}`, `{"op":"replace","path":"title","value":"x"}`)
	f(`{"op":"replace","value":{"name.givenName":"x"}}`, `{"op":"replace","path":"name.givenName","value":"x"}`)
	f(`{"op":"add","value":{"name":{"givenName":"x","familyName":"y"}}}`, `{"op":"add","path":"name.givenName","value":"x"},{"op":"add","path":"name.familyName","value":"y"}`)
	f(`{"op":"replace","value":{"`+enterprise+`":{"department":"x"}}}`, `{"op":"replace","path":"`+enterprise+`:department","value":"x"}`)
	f(`{"op":"replace","path":"`+enterprise+`","value":{"department":"x","division":"y"}}`, `{"op":"replace","path":"`+enterprise+`:department","value":"x"},{"op":"replace","path":"`+enterprise+`:division","value":"y"}`)
	f(`{"op":"replace","path":"`+scim.UserSchema+`","value":{"title":"x"}}`, `{"op":"replace","path":"title","value":"x"}`)
	same(`{"op":"remove","path":"` + enterprise + `"}`)
	f(`{"op":"replace","path":"active","value":true},{"op":"replace","path":"active","value":false}`, `{"op":"replace","path":"active","value":false}`)
}

// The calls of a change of members say for which members it was made, and again when they
// have been read anew: what somebody else has changed between shows.
func TestAChangeOfMembersSaysForWhichItWasMade(t *testing.T) {
	d := newDirectory(t, 10, nil)
	d.members[d.users[0]], d.members[d.users[1]] = true, true
	var bases []string
	do := func(req scim.Request) (scim.Response, error) {
		if len(req.Added)+len(req.Removed) == 0 {
			return d.do(req)
		}
		if bases = append(bases, req.Basis); len(bases) == 2 { // the additions
			d.members[d.users[9]] = true
			return ok(400, ""), nil
		}
		return d.do(req)
	}
	if resp, err := NewMemory(limits).ReplaceGroup("g", groupDocument(d.users[1:4]))(do); err != nil || resp.Status != 200 {
		t.Fatalf("got %d %v", resp.Status, err)
	}
	basis := func(ids ...string) string {
		slices.Sort(ids)
		sum := sha256.Sum256([]byte(strings.Join(ids, "\n")))
		return hex.EncodeToString(sum[:8])
	}
	u := d.users
	if want := []string{basis(u[0], u[1]), basis(u[0], u[1]), basis(u[1], u[9])}; !slices.Equal(bases, want) {
		t.Fatalf("got %v, want %v", bases, want)
	}
	resp, err := NewMemory(limits).PatchGroup("g", []byte(`{"Operations":[{"op":"add","path":"members","value":[{"value":"`+u[5]+`"}]}]}`))(func(req scim.Request) (scim.Response, error) {
		if req.Basis != "" {
			t.Fatalf("nothing was read, and the call says %s", req.Basis)
		}
		return d.do(req)
	})
	if err != nil || !resp.OK() {
		t.Fatalf("got %d %v", resp.Status, err)
	}
}
