//go:build !race

package scim

import "testing"

func TestCleanTargetAllocatesNothing(t *testing.T) {
	raw := []byte(tenantPrefix + "/Users")
	if got := testing.AllocsPerRun(100, func() { ParseTarget("POST", raw, tenantPrefix) }); got != 0 {
		t.Errorf("got %v allocations, want none", got)
	}
}
