package audit

import (
	"path/filepath"
	"strings"
	"testing"
)

// Two who write to one log would break its chain.
func TestOneWritesToALog(t *testing.T) {
	s := Settings{File: filepath.Join(t.TempDir(), "audit.jsonl")}
	j, err := Open(s)
	must(t, err)
	if other, err := Open(s); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("got %v, want the second refused", err)
		if err == nil {
			_ = other.Close()
		}
	}
	must(t, j.Close())
}
