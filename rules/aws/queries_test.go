package aws

import (
	"net/url"
	"strings"
	"testing"

	"github.com/scimgate/scimgate/rules"
)

func TestFilters(t *testing.T) {
	s := set(t, Settings{})
	// f wants the filter that is forwarded, or the rule that refuses it and a part of its text.
	f := func(collection, filter, want, text string) {
		t.Helper()
		target, v := s.Inspect(rules.Request{Method: "GET", Target: "/scim/v2/" + collection + "?filter=" + strings.ReplaceAll(url.QueryEscape(filter), "+", "%20")}, nil)
		got := target.Query.Filter
		if v.Rejects() {
			got = v.Findings[0].ID
		}
		if got != want || !strings.Contains(rules.Detail(v.Findings), text) {
			t.Errorf("%s of %s: got %s, %q, want %s, %q", filter, collection, got, rules.Detail(v.Findings), want, text)
		}
	}
	// a value of one word whose quotes were forgotten
	f("Users", `userName eq ada`, `userName eq "ada"`, "")
	f("Users", `userName eq ada@x.test`, `userName eq "ada@x.test"`, "")
	f("Users", `externalId eq 007`, `externalId eq "007"`, "")
	f("Users", `externalId eq `+oneID, `externalId eq "`+oneID+`"`, "")
	f("Groups", `id eq `+oneID+` and members eq `+otherID, `id eq "`+oneID+`" and members eq "`+otherID+`"`, "")
	f("Users", `userName EQ ada`, `userName eq "ada"`, "")
	f("Users", `(userName eq ada)`, `userName eq "ada"`, "")
	// two words, other quotes and nothing at all have no one reading
	f("Users", `userName eq ada byron`, "SG704", "position 17")
	f("Groups", `displayName eq Ada and Eve`, "SG704", "")
	f("Users", `userName eq 'ada'`, "SG704", "in quotes")
	f("Users", `userName eq "ada`, "SG704", "not closed")
	f("Users", `userName eq`, "SG704", "")
	f("Users", `userName eq and`, "SG704", "")
	f("Users", `userName eq true`, "SG705", "")
	// nobody has an empty name
	f("Users", `userName eq ""`, "SG709", "userName")
	f("Users", `externalId eq ""`, "SG709", "externalId")
	f("Groups", `displayName eq ""`, "SG709", "displayName")
	f("Groups", `id eq "`+oneID+`" and members eq ""`, "SG709", "members")
	f("Groups", `members eq "" and id eq "`+oneID+`"`, "SG709", "members")
	// what AWS doesn't look up by, with the nearest that works
	f("Users", `emails[type eq "work"].value eq "a@x.test"`, "SG705", `the nearest is userName eq "…"`)
	f("Users", `emails[type eq "work" and value eq "a@x.test"]`, "SG705", `the nearest is userName eq "…"`)
	f("Users", `emails.value eq "a@x.test"`, "SG705", `the nearest is userName eq "…"`)
	f("Users", `userName sw "ada"`, "SG705", `the nearest is userName eq "…"`)
	f("Users", `userName eq "ada" and active eq true`, "SG705", `the nearest is userName eq "…"`)
	f("Users", `groups eq "x"`, "SG705", `the nearest is groups.value eq "…"`)
	f("Groups", `members[value eq "x"]`, "SG705", `the nearest is members.value eq "…"`)
	f("Groups", `displayName co "x"`, "SG705", `the nearest is displayName eq "…"`)
	f("Users", `title eq "x"`, "SG705", "id and manager with eq.")
}

// A colon in externalId is suspected where there is one.
func TestColonsAreSuspectedWhereThereAreAny(t *testing.T) {
	f := func(externalID string, suspected bool) {
		t.Helper()
		list := set(t, Settings{}).Suspicions(inUser.target.Operation, []byte(`{"userName":"ada","externalId":"`+externalID+`"}`), nil)
		if got := strings.Contains(strings.Join(list, "\n"), "externalId"); got != suspected {
			t.Errorf("%s: got %q", externalID, list)
		}
	}
	f("f:00u1:ada", true)
	f("00u1", false)
	f("", false)
}
