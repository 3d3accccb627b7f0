package aws

import (
	"strings"
	"testing"

	"github.com/scimgate/scimgate/rules/scim"
)

// A PATCH is judged by what all of its operations come to.
func TestPatchIsJudgedAsAWhole(t *testing.T) {
	s := set(t, Settings{})
	target := scim.Target{Operation: scim.PatchUser, ID: fixtureUser}
	f := func(operations, rejects, forwarded string) {
		t.Helper()
		v := s.Judge(target, []byte(`{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[`+operations+`]}`), nil)
		got := ""
		if v.Rejects() {
			got = v.Findings[0].ID
		}
		_, left, _ := strings.Cut(string(v.Document), `"Operations":`)
		if got != rejects || rejects == "" && left != forwarded+"}" {
			t.Errorf("%s: got %q, %s, want %q, %s", operations, got, left, rejects, forwarded)
		}
	}
	const (
		set    = `{"op":"replace","path":"displayName","value":"Ada"}`
		remove = `{"op":"remove","path":"displayName"}`
		title  = `{"op":"replace","path":"title","value":"x"}`
	)
	f(remove, "SG304", "")
	f(set+","+remove, "SG304", "")
	f(remove+","+set, "", "["+set+"]")
	f(title+","+remove, "SG304", "")
	f(set+","+title+","+set, "", "["+title+","+set+"]")
	f(`{"op":"replace","value":{"displayName":"Eve","title":"x"}},`+set, "", `[{"op":"replace","value":{"title":"x"}},`+set+"]")
	f(`{"op":"replace","path":"userName","value":"a"},{"op":"replace","path":"userName","value":"b"}`, "", `[{"op":"replace","path":"userName","value":"b"}]`)
	f(`{"op":"replace","path":"active","value":false},{"op":"replace","value":{"active":true}}`, "", `[{"op":"replace","value":{"active":true}}]`)
	f(title+`,{"op":"remove"}`, "SG503", "")
}
