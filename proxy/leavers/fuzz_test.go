package leavers

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Whatever stands in a list, it is refused, or read and written so that it is read the
// same way again.
func FuzzList(f *testing.F) {
	f.Add([]byte(`{"open":{"id":"u1","name":"ada","since":"2026-01-01T00:00:00Z"}}` + "\n" + `{"closed":{"id":"u1","why":"shown"}}` + "\n"))
	f.Add([]byte(`{"open":{"id":"u1"`))
	f.Add([]byte("\x00\x00\n"))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(dir, "list")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		l, err := Open(path)
		if err != nil {
			return
		}
		first := l.All()
		if err := l.Add(Leaver{ID: "added", Since: time.Unix(1, 0)}); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		again, err := Open(path)
		if err != nil {
			t.Fatalf("what was written is not read: %v", err)
		}
		if !again.Has("added") || len(first) > again.Len() || len(first)+1 < again.Len() {
			t.Fatalf("got %d and then %d", len(first), again.Len())
		}
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
