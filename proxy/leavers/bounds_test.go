package leavers

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A line that is longer than any of these can be is the sign of another file.
func TestLinesAreBounded(t *testing.T) {
	for size, good := range map[int]bool{lineBytes - 1: true, lineBytes: false} {
		path := filepath.Join(t.TempDir(), "leavers")
		line := `{"closed":{"id":"ada","why":"shown"}}`
		if err := os.WriteFile(path, []byte(line+strings.Repeat(" ", size-len(line))+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		l, err := Open(path)
		if (err == nil) != good {
			t.Errorf("got %v for a line of %d bytes, want it read %v", err, size, good)
		}
		if err == nil {
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}
