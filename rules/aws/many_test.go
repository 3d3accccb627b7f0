package aws

import (
	"strings"
	"testing"

	"github.com/scimgate/scimgate/rules/scim"
)

// A fault that many members have is named a few times, and never forgotten, though
// other repairs make the document be read again.
func TestManyFaultsOfOneRuleStillReject(t *testing.T) {
	body := `{"displayName":"Engineers","members":[` + strings.Repeat(`{"value":"","display":"x"},`, 40) + `{"value":""}]}`
	v := set(t, Settings{}).Judge(scim.Target{Operation: scim.CreateGroup}, []byte(body), nil)
	if !v.Rejects() {
		t.Errorf("got %v, want members without an id rejected", v.IDs())
	}
	if n := len(v.Findings); n > 40 {
		t.Errorf("got %d findings, want a few of each rule", n)
	}
	if strings.Contains(string(v.Document), "display\":") {
		t.Errorf("got %s, want every display left out", v.Document)
	}
}

// A document is judged in time that grows with its length alone. If a rule or a repair
// compared each value with each other, these would take minutes.
func TestFloodsAreJudged(t *testing.T) {
	s := set(t, Settings{})
	list := func(one string, length int) string {
		return "[" + strings.TrimSuffix(strings.Repeat(one+",", length/len(one)), ",") + "]"
	}
	const length = 1 << 19
	for _, f := range []struct {
		op       scim.Operation
		document string
		rule     string // that is told
	}{
		{scim.CreateUser, `{"userName":"ada","emails":` + list(`"a"`, length) + `}`, "SG338"},
		{scim.CreateUser, `{"userName":"ada","emails":` + list(`{"value":""}`, length) + `}`, "SG310"},
		{scim.CreateGroup, `{"displayName":"x","members":` + list(`{"value":1}`, length) + `}`, "SG318"},
		{scim.CreateGroup, `{"displayName":"x","members":` + list(`"`+oneID+`"`, length) + `}`, "SG605"},
		{scim.PatchUser, `{"Operations":` + list(`{"op":"remove","path":"title"}`, length) + `}`, "SG510"},
		{scim.PatchUser, `{"Operations":` + list(`{"op":"Add","path":"Title","value":null}`, length) + `}`, "SG329"},
		{scim.PatchUser, `{"Operations":` + list(`{"op":"add","value":{"title":null,"nickName":null}}`, length) + `}`, "SG311"},
		{scim.PatchUser, `{"Operations":` + list(`{"op":"add","path":"addresses[type eq \"work\"].locality","value":"x"}`, length) + `}`, "SG401"},
		{scim.PatchUser, `{"Operations":[{"op":"remove","path":"emails","value":` + list(`"a"`, length/4) + `}]}`, "SG512"},
	} {
		v := s.Judge(scim.Target{Operation: f.op, ID: "x"}, []byte(f.document), nil)
		if !strings.Contains(strings.Join(v.IDs(), " "), f.rule) || len(v.Findings) > 60 {
			t.Errorf("%.60s: got %d findings, %.200q, want %s and few", f.document, len(v.Findings), v.IDs(), f.rule)
		}
	}
}
