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
