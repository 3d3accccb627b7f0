package standin

import (
	"net/http"
	"testing"
)

func TestFilters(t *testing.T) {
	s, _ := bench(t)
	boss := add(t, s, "boss", `,"externalId":"X1"`)
	ada := add(t, s, `o\"neill\\`, `,"`+enterpriseURN+`":{"manager":{"value":"`+boss+`"}}`)
	gid := addGroup(t, s, "Рабочие", ada)
	// f asks; total is -1 for a refusal.
	f := func(resource, filter string, total int) {
		t.Helper()
		got := ask(s, "GET", resource+"?"+where(filter), "")
		if total < 0 {
			want(t, filter, got, 400)
		} else if got.doc["totalResults"] != float64(total) {
			t.Errorf("%s: got %d %s, want %d", filter, got.status, got.raw, total)
		}
	}
	f("/Users", `userName eq "BOSS"`, 1)
	f("/Users", `userName eq "o\"neill\\"`, 1)
	f("/Users", `externalId eq "X1"`, 1)
	f("/Users", `externalId eq "x1"`, 0)
	f("/Users", `groups.value eq "`+gid+`"`, 1)
	f("/Users", `groups.value eq "`+boss+`"`, 0)
	f("/Users", `id eq "`+boss+`"`, 1)
	f("/Users", `id eq "`+ada+`" and manager eq "`+boss+`"`, 1)
	f("/Users", `manager eq "`+boss+`" and id eq "`+ada+`"`, 1)
	f("/Users", `id eq "`+boss+`" and manager eq "`+boss+`"`, 0)
	f("/Groups", `displayName eq "рабочие"`, 1)
	f("/Groups", `externalId eq "x"`, 0)
	f("/Groups", `members.value eq "`+boss+`"`, 0)
	f("/Groups", `id eq "`+gid+`"`, 1)
	for _, filter := range []string{``, ` `, `userName`, `userName eq`, `userName eq ""`, `userName eq ada`, `userName eq 'ada'`, `userName co "a"`, `userName sw "a"`, `userName pr`,
		`userName eq "a" or userName eq "b"`, `not userName eq "a"`, `(userName eq "a")`, `emails.value eq "a"`, `active eq true`, `meta.created eq "x"`, `username eq "a"`,
		`userName EQ "a"`, `userName eq "a" and externalId eq "b"`, `userName eq "a" `, ` userName eq "a"`, `userName  eq "a"`, `userName eq "a`, `id eq "a" AND manager eq "b"`,
		`id eq "a" and`, `id eq "a" and id eq "b"`, `manager eq "a"`, `displayName eq "a"`, `id eq "a" and members eq "b"`, `id eq "a" and manager eq "b" and userName eq "c"`} {
		f("/Users", filter, -1)
	}
	for _, filter := range []string{`userName eq "a"`, `members eq "` + ada + `"`, `id eq "` + gid + `" and members eq ""`,
		`id eq "` + gid + `" and members.value eq "` + ada + `"`, `id eq "a" and manager eq "b"`} {
		f("/Groups", filter, -1)
	}
	want(t, "unknown member", ask(s, "GET", "/Groups?"+where(`members.value eq "`+gid+`"`), ""), 404)
	want(t, "unknown member in a pair", ask(s, "GET", "/Groups?"+where(`id eq "`+gid+`" and members eq "x"`), ""), 404)
	want(t, "two filters", ask(s, "GET", "/Users?"+where(`id eq "a"`)+"&"+where(`id eq "a"`), ""), 400)
	want(t, "malformed escape", ask(s, "GET", "/Users?count=1", "", func(r *http.Request) { r.URL.RawQuery = "filter=%zz" }), 400)
}
