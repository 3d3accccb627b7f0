package whole

import (
	"os"
	"path/filepath"
	"testing"
)

// A file is replaced, also over what a crash has left or somebody has put beside it; one that
// can't be is as it was.
func TestWrite(t *testing.T) {
	dir := t.TempDir()
	path, other := filepath.Join(dir, "file"), filepath.Join(dir, "other")
	has := func(file, want string) {
		t.Helper()
		if text, err := os.ReadFile(file); err != nil || string(text) != want {
			t.Errorf("%s: got %q %v, want %q", file, text, err, want)
		}
	}
	put := func(file, text string) {
		t.Helper()
		if err := Write(file, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	put(path, "one")
	put(other, "of somebody else")
	if err := os.Symlink(other, path+".new"); err != nil {
		t.Fatal(err)
	}
	put(path, "two")
	has(path, "two")
	has(other, "of somebody else")
	if at, err := os.Stat(path); err != nil || at.Mode().Perm() != 0o600 {
		t.Errorf("got mode %v %v, want 0600", at.Mode(), err)
	}
	if err := os.MkdirAll(filepath.Join(path+".new", "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Write(path, []byte("three")); err == nil {
		t.Error("there is no room for it, and it is written")
	}
	has(path, "two")
	if err := Write(filepath.Join(dir, "none", "file"), nil); err == nil {
		t.Error("there is no folder, and it is written")
	}
}
