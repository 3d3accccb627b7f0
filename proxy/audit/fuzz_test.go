package audit

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// Whatever a crash, or somebody, has left at the end of a log: it is refused, or taken up
// so that the log verifies afterwards.
func FuzzRecovery(f *testing.F) {
	log, _ := sample(f)
	f.Add(len(log), []byte(`{"v":1,"seq":`))
	f.Add(len(log)-3, []byte("\x00\x00"))
	f.Add(10, []byte{})
	dir := f.TempDir()
	n := 0
	f.Fuzz(func(t *testing.T, keep int, tail []byte) {
		n++
		path := filepath.Join(dir, "log")
		for _, suffix := range []string{"", ".reserve"} {
			_ = os.Remove(path + suffix)
		}
		must(t, os.WriteFile(path, append(append([]byte{}, log[:min(max(keep, 0), len(log))]...), tail...), 0o600))
		j, err := Open(Settings{File: path, Reserve: -1})
		if err != nil {
			var broken *ChainError
			if !errors.As(err, &broken) {
				t.Fatalf("got %v, want a record named", err)
			}
			return
		}
		must(t, j.Close())
		if s, err := VerifyFile(path, nil); err != nil || len(s.OpenIntents) > 0 {
			t.Fatalf("got %+v, %v", s, err)
		}
	})
}

func FuzzCheckpoint(f *testing.F) {
	f.Add("7:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef:k:s")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseCheckpoint(text)
		if err != nil {
			return
		}
		if again, err := ParseCheckpoint(c.String()); err != nil || again.Seq != c.Seq || again.Hash != c.Hash {
			t.Fatalf("got %v, %v of %q", again, err, text)
		}
		if c.SignedBy() {
			t.Fatal("signed by nobody's key")
		}
	})
}
