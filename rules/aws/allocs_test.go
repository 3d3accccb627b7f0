//go:build !race

package aws

import (
	"testing"

	"github.com/scimgate/scimgate/rules/scim"
)

func TestCleanCreateAllocatesNothing(t *testing.T) {
	s, body, target := set(t, Settings{}), []byte(cleanCreate), scim.Target{Operation: scim.CreateUser}
	if got := testing.AllocsPerRun(200, func() { s.Judge(target, body, nil) }); got != 0 {
		t.Errorf("got %v allocations for a clean document, want none", got)
	}
}
