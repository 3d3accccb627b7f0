package translate

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidwall/gjson"

	"github.com/scimgate/scimgate/rules/scim"
)

// What is remembered of groups and their members: the group that was written longest ago
// goes first.
func TestRecentMembersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory(Limits{Members: 100, Page: 100})
		group := func(n int) string { return fmt.Sprintf("g%05d", n) }
		for n := range maxGroups + 1 {
			m.wrote(group(n), []string{"ada"}, true)
			time.Sleep(time.Millisecond)
		}
		if len(m.recent) != maxGroups || m.recent[group(0)] != nil || m.recent[group(1)] == nil || m.recentIDs != maxGroups {
			t.Errorf("got %d groups with %d members, want %d and the oldest gone", len(m.recent), m.recentIDs, maxGroups)
		}
		ids := make([]string, maxRecent)
		for n := range ids {
			ids[n] = fmt.Sprint(n)
		}
		for n := range maxRecentAll/maxRecent + 2 {
			m.wrote(group(n), ids, true)
			time.Sleep(time.Millisecond)
		}
		if m.recentIDs > maxRecentAll || m.recent[group(0)] != nil {
			t.Errorf("got %d members, want %d at most", m.recentIDs, maxRecentAll)
		}
		last := group(maxRecentAll/maxRecent + 1)
		m.wrote(last, []string{"one more"}, true)
		if n := len(m.recent[last].present); n != 1 {
			t.Errorf("got %d members of one group, want it begun anew behind %d", n, maxRecent)
		}
		for id := range m.recent {
			m.forget(id)
		}
		if m.recentIDs != 0 {
			t.Errorf("got %d members of no group", m.recentIDs)
		}
	})
}

func TestWhatIsRememberedIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory(Limits{Members: 100, Page: 100})
		m.Protect(func(string) bool { return false })
		f := func(what string, most int, size func() int, add func(name string)) {
			t.Helper()
			peak := 0
			for n := range most + 10 {
				add(fmt.Sprint("name", n))
				peak = max(peak, size())
			}
			if peak != most {
				t.Errorf("%s: got %d, want %d at most", what, peak, most)
			}
		}
		f("fresh resources", maxFresh, func() int { return len(m.fresh) }, func(name string) { m.created(name) })
		time.Sleep(freshFor + time.Second)
		m.created("later")
		if len(m.fresh) != 1 {
			t.Errorf("got %d fresh resources after a while, want the others forgotten", len(m.fresh))
		}
		f("creates in doubt", maxNames, func() int { return len(m.doubts) }, func(name string) { m.Doubt(scim.CreateUser, name, "", "digest", time.Now()) })
		f("deleted users", maxNames, func() int { return len(m.deleted) }, func(name string) { m.gone("id", name) })
		f("names of groups", maxNames, func() int { return len(m.names) }, func(name string) { m.learn(name, name) })
		f("unfinished groups", maxGroups, func() int { return len(m.unfinished) }, func(name string) { m.remember(name, "id") })
		f("lists", maxWindows, func() int { return len(m.windows) }, func(name string) {
			m.keep(windowKey{scim.ListUsers, name, ""}, &window{marks: []mark{{}}})
		})
		if !m.Deleted("NAME4105") {
			t.Error("a user that was deleted a moment ago is forgotten")
		}
		time.Sleep(deletedFor)
		if m.Deleted("name4105") {
			t.Error("a deleted user is remembered for more than a day")
		}
	})
}

// pages is an upstream whose lists have no end.
func pages(read *int) Do {
	return func(scim.Request) (scim.Response, error) {
		*read++
		return ok(200, fmt.Sprintf(`{"nextCursor":"c%d","Resources":[{"id":"a"},{"id":"b"}]}`, *read)), nil
	}
}

func TestPlacesInListsAreBounded(t *testing.T) {
	m := NewMemory(Limits{Members: 100, Page: 2})
	read := 0
	list := func(caller string, start, count int) {
		t.Helper()
		target := scim.Target{Operation: scim.ListUsers, Query: scim.Query{StartIndex: start, HasCount: true, Count: count}}
		if resp, err := m.List(target, caller, false)(pages(&read)); err != nil || !resp.OK() {
			t.Fatalf("got %v %v", resp, err)
		}
	}
	for n := range maxMarksAll/maxMarks + 1 {
		caller := fmt.Sprint("caller", n)
		list(caller, 2*(maxMarks+10), 2)
		if w := m.windows[windowKey{scim.ListUsers, "", caller}]; len(w.marks) != maxMarks {
			t.Fatalf("got %d places of one list, want %d", len(w.marks), maxMarks)
		}
		if m.marks > maxMarksAll {
			t.Fatalf("got %d places of all lists, want %d at most", m.marks, maxMarksAll)
		}
	}
	if m.windows[windowKey{scim.ListUsers, "", "caller0"}] != nil {
		t.Error("the list that was read longest ago is remembered")
	}
	read = 0
	list("counting", 1, 0)
	if read != maxCounted {
		t.Errorf("got %d pages read for the number alone, want %d", read, maxCounted)
	}
}

// Where a list's pages begin is forgotten after a while, and own writes are shown for a
// while only.
func TestWhatIsRememberedGrowsOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory(Limits{Members: 100, Page: 2})
		key := windowKey{scim.ListUsers, "", ""}
		m.keep(key, &window{marks: []mark{{}, {2, "c"}}})
		m.wrote("g", []string{"ada"}, true)
		m.created(aUser("new"))
		m.Doubt(scim.CreateUser, "ada", "", "digest", time.Now())
		who := identityOf(scim.CreateUser, []byte(`{"userName":"ada"}`))
		f := func(after time.Duration, what string, is func() bool) {
			t.Helper()
			time.Sleep(after - time.Millisecond)
			if !is() {
				t.Errorf("%s is forgotten before %v", what, after)
			}
			time.Sleep(2 * time.Millisecond)
			if is() {
				t.Errorf("%s is remembered after %v", what, after)
			}
		}
		f(recentFor, "a membership", func() bool { return len(m.merge("g", nil)) == 1 })
		f(freshFor-recentFor-time.Millisecond, "a new resource", func() bool { return m.anyFresh(aUser("new")) })
		f(windowFor-freshFor-time.Millisecond, "a place in a list", func() bool { return len(m.window(key, false).marks) == 2 })
		f(doubtFor-windowFor-time.Millisecond, "a create in doubt", func() bool { _, ok := m.inDoubt(who, "digest"); return ok })
	})
}

func TestWhatIsReadAndNamedIsBounded(t *testing.T) {
	m := NewMemory(Limits{Members: 100, Page: 100})
	ids := make([]string, maxMerged+10)
	for n := range ids {
		ids[n] = fmt.Sprint("user", n)
	}
	m.wrote("g", ids, true)
	m.wrote("h", ids[:maxMerged], true)
	reads := 0
	do := func(req scim.Request) (scim.Response, error) {
		if req.Target.Operation == scim.ListUsers {
			return ok(200, `{"totalResults":0,"Resources":[]}`), nil
		}
		reads++
		return ok(200, `{"id":"`+req.Target.ID+`"}`), nil
	}
	target := scim.Target{Operation: scim.ListUsers, Query: scim.Query{Filter: scim.EqFilter("groups.value", "g")}}
	if _, err := m.List(target, "", false)(do); err == nil || reads != 0 {
		t.Errorf("got %d reads for more than a page that AWS doesn't show yet, want to be told to come again: nobody is left out in silence", reads)
	}
	target.Query.Filter = scim.EqFilter("groups.value", "h")
	resp, err := m.List(target, "", false)(do)
	if n := int(gjson.GetBytes(resp.Body, "Resources.#").Int()); err != nil || n != maxMerged || reads != maxMerged {
		t.Errorf("got %v, %d resources and %d reads, want %d of those that AWS doesn't show yet", err, n, reads, maxMerged)
	}
	note := ""
	if e, is := m.unknown(func(scim.Request) (scim.Response, error) { return ok(404, ""), nil }, ids, &progress{}).(*Incomplete); is {
		note = e.Note
	}
	if n := strings.Count(note, "user"); n != maxNamed || !strings.HasSuffix(note, fmt.Sprintf(" and %d more", len(ids)-maxNamed)) {
		t.Errorf("got %q, want %d of %d named", note, maxNamed, len(ids))
	}
}

// Of a change of many members as many are asked for as may have been there before; if all
// of these agree, what became of it stays unknown.
func TestDoubtOfManyMembers(t *testing.T) {
	ids := make([]string, maxAsked+1)
	for n := range ids {
		ids[n] = fmt.Sprint("user", n)
	}
	f := func(ids []string, has int, want Settled) {
		t.Helper()
		calls := 0
		do := func(scim.Request) (scim.Response, error) {
			if calls++; calls <= has {
				return ok(200, `{"Resources":[{"id":"g"}]}`), nil
			}
			return ok(200, `{"Resources":[]}`), nil
		}
		got, _, err := NewMemory(limits).Settle(do, Doubtful{Operation: scim.PatchGroup, ID: "g", Added: ids})
		if err != nil || got != want || calls > maxAsked {
			t.Errorf("%d members, %d of them there: got %v %v by %d calls, want %v", len(ids), has, got, err, calls, want)
		}
	}
	f(ids[:3], 3, Done)
	f(ids[:3], 1, NotDone)
	f(ids[:maxAsked], maxAsked, Done)
	f(ids, len(ids), Untold)
	f(ids, 4, NotDone)
}

// What AWS doesn't show yet is waited for a little, by few calls.
func TestWaitsForAWSAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory(Limits{Members: 100, Page: 100})
		filter := scim.EqFilter("userName", "ada")
		m.created(aUser("new"), strings.ToLower(filter))
		for name, plan := range map[string]Plan{
			"a read":    m.Forward(scim.Request{Target: scim.Target{Operation: scim.GetUser, ID: "new"}}),
			"a look-up": m.List(scim.Target{Operation: scim.ListUsers, Query: scim.Query{Filter: filter}}, "", false),
		} {
			began, calls := time.Now(), 0
			_, err := plan(func(req scim.Request) (scim.Response, error) {
				if calls++; req.Target.Operation == scim.GetUser {
					return ok(404, ""), nil
				}
				return ok(200, `{"totalResults":0,"Resources":[]}`), nil
			})
			if name == "a read" && errors.Is(err, errUnborn) {
				err = nil
			}
			if took := time.Since(began); err != nil || calls != 8 || took < 2*time.Second || took > 3*time.Second {
				t.Errorf("%s: got %d calls in %v, %v, want 8 in about two seconds", name, calls, took, err)
			}
		}
	})
}

// AWS's clock may be behind this one, but not by much.
func TestDifferencesOfClocksAreBounded(t *testing.T) {
	since := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	settle := func(d Doubtful, attribute string, at time.Time) Settled {
		resource := fmt.Sprintf(`{"id":"a","userName":"ada","meta":{"%s":"%s"}}`, attribute, at.Format(time.RFC3339))
		verdict, _, err := NewMemory(Limits{Members: 100, Page: 100}).Settle(func(req scim.Request) (scim.Response, error) {
			if req.Target.Operation == scim.ListUsers {
				return ok(200, `{"Resources":[`+resource+`]}`), nil
			}
			return ok(200, resource), nil
		}, d)
		if err != nil {
			t.Error(err)
		}
		return verdict
	}
	f := func(before time.Duration, create, change Settled) {
		t.Helper()
		if got := settle(Doubtful{Operation: scim.CreateUser, Name: "ada", Since: since}, "created", since.Add(-before)); got != create {
			t.Errorf("a create %v earlier: got %v, want %v", before, got, create)
		}
		if got := settle(Doubtful{Operation: scim.PatchUser, ID: "a", Since: since}, "lastModified", since.Add(-before)); got != change {
			t.Errorf("a change %v earlier: got %v, want %v", before, got, change)
		}
	}
	f(0, Done, Done)
	f(clockDiffers, Done, Untold)
	f(clockDiffers+time.Second, Done, NotDone)
	f(clockSkew, Done, NotDone)
	f(clockSkew+time.Second, NotDone, NotDone)
}

// A PUT whose document isn't known any more isn't done because its user is inactive.
func TestAReplacementIsNotSettledByOneAttribute(t *testing.T) {
	since := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	f := func(op scim.Operation, status int, body string, want Settled, wantOut bool) {
		t.Helper()
		verdict, out, err := NewMemory(Limits{Members: 100, Page: 100}).Settle(func(scim.Request) (scim.Response, error) { return ok(status, body), nil },
			Doubtful{Operation: op, ID: "a", Revokes: true, Since: since})
		if verdict != want || out != wantOut || err != nil {
			t.Errorf("%v %d %s: got %v, out %v, %v, want %v, out %v", op, status, body, verdict, out, err, want, wantOut)
		}
	}
	before := `"meta":{"lastModified":"2026-03-01T11:00:00Z"}`
	f(scim.PatchUser, 200, `{"active":false,`+before+`}`, Done, true)
	f(scim.ReplaceUser, 200, `{"active":false,`+before+`}`, NotDone, true)
	f(scim.ReplaceUser, 200, `{"active":true,`+before+`}`, NotDone, false)
	f(scim.ReplaceUser, 200, `{"active":false,"meta":{"lastModified":"2026-03-01T12:00:00Z"}}`, Done, true)
	f(scim.PatchUser, 404, "", Untold, true)
	f(scim.DeleteUser, 404, "", Done, true)
}

// What is remembered is a few bytes of an answer or a document, and doesn't hold all of it.
func TestWhatIsRememberedHoldsNoDocuments(t *testing.T) {
	m, read, made, fat := NewMemory(Limits{Members: 100, Page: 100}), 0, 0, `"`+strings.Repeat("x", 50<<10)+`"}`
	do := func(req scim.Request) (scim.Response, error) {
		switch req.Target.Operation {
		case scim.ListUsers:
			read++
			next := fmt.Sprintf(`"nextCursor":"c%d",`, read)
			if read%100 == 0 {
				next = ""
			}
			return ok(200, `{`+next+`"Resources":[{"id":"user`+fmt.Sprint(read)+`","title":`+fat+`]}`), nil
		case scim.CreateUser:
			made++
			return ok(201, `{"id":"new`+fmt.Sprint(made)+`","title":`+fat), nil
		case scim.GetGroup:
			return ok(200, `{"id":"g","displayName":"g"}`), nil
		}
		return ok(204, ""), nil
	}
	heap := func() int {
		runtime.GC()
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		return int(s.HeapAlloc)
	}
	var ids []string
	f := func(what string, plan Plan) {
		t.Helper()
		before := heap()
		resp, err := plan(do)
		if held := heap() - before; err != nil || !resp.OK() || held > 1<<20 {
			t.Errorf("%s: %d kB are held: %v", what, held>>10, err)
		}
	}
	f("a walk over users", func(do Do) (scim.Response, error) {
		resp, err := m.List(scim.Target{Operation: scim.ListUsers, Query: scim.Query{StartIndex: 100, Count: 1, HasCount: true}}, "me", false)(do)
		resp.Body = nil
		return resp, err
	})
	f("members", func(do Do) (resp scim.Response, err error) {
		ids, resp, err = m.members(do, "g")
		resp.Body = nil
		return resp, err
	})
	f("creates", func(do Do) (resp scim.Response, err error) {
		for n := range 100 {
			doc := `{"userName":"u` + fmt.Sprint(n) + `","title":` + fat
			if resp, err = m.CreateUser(Creation{Document: []byte(doc), Digest: doc[:20]})(do); err != nil {
				return resp, err
			}
		}
		resp.Body = nil
		return resp, err
	})
	f("changes of groups", func(do Do) (resp scim.Response, err error) {
		for n := range 100 {
			doc := `{"Operations":[{"op":"add","path":"members","value":[{"value":"user` + fmt.Sprint(n) + `","display":` + fat + `]}]}`
			if resp, err = m.PatchGroup(fmt.Sprint("g", n), []byte(doc))(do); err != nil {
				return resp, err
			}
		}
		return resp, err
	})
	runtime.KeepAlive(m)
	runtime.KeepAlive(ids)
}

func TestWalksOverMembersEnd(t *testing.T) {
	read := 0
	_, _, err := NewMemory(Limits{Members: 100, Page: 100}).members(pages(&read), "g")
	if failure := (*scim.CallError)(nil); !errors.As(err, &failure) || failure.MayHaveHappened() || read != maxMarks {
		t.Errorf("got %v after %d pages, want to be told to come again after %d", err, read, maxMarks)
	}
	page := `{"nextCursor":"c","Resources":[` + strings.Repeat(`{"id":"x"},`, maxMembers/4) + `{"id":"y"}]}`
	read = 0
	_, _, err = NewMemory(Limits{Members: 100, Page: 100}).members(func(scim.Request) (scim.Response, error) {
		read++
		return ok(200, page), nil
	}, "g")
	if err != errEndless || read != 4 {
		t.Errorf("got %v after %d large pages, want the same after 4", err, read)
	}
}

func TestCursorsAreBounded(t *testing.T) {
	w := window{marks: []mark{{}}}
	for n, size := range []int{maxCursor, maxCursor + 1} {
		if w.know(mark{n + 1, strings.Repeat("c", size)}); len(w.marks) != 2 {
			t.Errorf("got %d marks behind a cursor of %d bytes", len(w.marks), size)
		}
	}
}

// Windows of a list are bounded in bytes, and what is kept of pages is told before more is
// asked for.
func TestWindowsAreBounded(t *testing.T) {
	const each = maxWindow / 4
	m := NewMemory(Limits{Members: 100, Page: 100})
	var held []int
	one := func(req scim.Request) (scim.Response, error) {
		held = append(held, req.Holds)
		return ok(200, fmt.Sprintf(`{"nextCursor":"c%d","Resources":[{"id":"%s"}]}`, len(held), strings.Repeat("x", each-len(`{"id":""}`)))), nil
	}
	for start, want := range map[int]int{1: 4, 3: 4} {
		held = nil
		resp, err := m.List(scim.Target{Operation: scim.ListUsers, Query: scim.Query{StartIndex: start, HasCount: true, Count: 10}}, "", false)(one)
		doc := gjson.ParseBytes(resp.Body)
		if got := doc.Get("Resources.#").Int(); err != nil || int(got) != want || int(doc.Get("itemsPerPage").Int()) != want {
			t.Errorf("got %d resources of %d bytes, %v, want %d", got, each, err, want)
		}
		if total := doc.Get("totalResults").Int(); int(total) <= start-1+want {
			t.Errorf("got %d in all behind %d, want more", total, start-1+want)
		}
		if last := held[len(held)-1]; last != maxWindow {
			t.Errorf("got %v told, want %d bytes at the end", held, maxWindow)
		}
	}
}

// So are the members of groups, also beside those of other groups.
func TestWhatWalksKeepIsTold(t *testing.T) {
	m := NewMemory(Limits{Members: 100, Page: 100})
	var held []int
	aws := func(req scim.Request) (scim.Response, error) {
		held = append(held, req.Holds)
		switch {
		case req.Target.Operation == scim.ListGroups:
			return ok(200, `{"Resources":[{"id":"g1","displayName":"a"},{"id":"g2","displayName":"b"}]}`), nil
		case req.Target.Query.Cursor == "":
			return ok(200, `{"nextCursor":"c","Resources":[{"id":"ada"},{"id":"bob"}]}`), nil
		}
		return ok(200, `{"Resources":[{"id":"eve"}]}`), nil
	}
	resp, err := m.List(scim.Target{Operation: scim.ListGroups}, "", true)(aws)
	if err != nil || gjson.GetBytes(resp.Body, "Resources.1.members.#").Int() != 3 {
		t.Fatalf("got %s %v", resp.Body, err)
	}
	two := 2 * (3 + perID)
	if len(held) != 5 || held[2]-held[1] != two || held[3] <= held[1] || held[4]-held[3] != two {
		t.Errorf("got %v told, want two ids more at the second page of each group, beside the groups before", held)
	}
}
