package leavers

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestListOutlivesEveryEnd(t *testing.T) {
	l, path := fresh(t)
	must(t, l.Add(leaver("ada", 1)))
	must(t, l.Add(leaver("grace", 2)))
	must(t, l.Add(leaver("grace", 2)))
	done(t, l, "ada", true)
	listed(t, afterCrash(t, path), "grace")
	must(t, l.Close())
	l, err := Open(path)
	must(t, err)
	if got := l.All(); len(got) != 1 || got[0] != leaver("grace", 2) {
		t.Errorf("got %+v, want grace", got)
	}
	must(t, l.Add(leaver("ada", 3)))
	listed(t, afterCrash(t, path), "grace ada")
	must(t, l.Close())
}

func TestTornLineIsCut(t *testing.T) {
	l, path := fresh(t)
	must(t, l.Add(leaver("ada", 1)))
	must(t, l.Add(leaver("grace", 2)))
	done(t, l, "ada", true)
	must(t, l.Add(leaver("Лев", 3)))
	text, err := os.ReadFile(path)
	must(t, err)
	// Whole lines count, and so does a last one that lacks its end alone.
	want := []string{"", "ada", "ada grace", "grace", "grace Лев"}
	for at := range len(text) + 1 {
		whole := bytes.Count(text[:min(at+1, len(text))], []byte("\n"))
		l, err := holding(t, string(text[:at]))
		if err != nil {
			t.Fatalf("cut at %d: got %v", at, err)
		}
		listed(t, l, want[whole])
		if at%8 != 0 {
			continue
		}
		must(t, l.Add(leaver("edsger", 9)))
		listed(t, afterCrash(t, l.name), strings.TrimSpace(want[whole]+" edsger"))
	}
}

func TestLostPagesAreSkipped(t *testing.T) {
	const ada, grace = `{"open":{"id":"ada","since":"2031-05-06T07:01:00Z"}}` + "\n", `{"open":{"id":"grace","since":"2031-05-06T07:02:00Z"}}` + "\n"
	f := func(text, want string) {
		t.Helper()
		l, err := holding(t, text)
		must(t, err)
		listed(t, l, want)
	}
	zeros := strings.Repeat("\x00", 4096)
	f(ada+zeros, "ada")
	f(ada+zeros+"\n"+grace, "ada grace")
	f(ada+ada[:9]+zeros+ada[20:]+grace, "ada grace")
}

func TestOpenRefuses(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if _, err := holding(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: got %v, want an error with %q", text, err, want)
		}
	}
	const ada = `{"open":{"id":"ada","since":"2031-05-06T07:01:00Z"}}` + "\n"
	f(ada+"ada\n"+ada, "line 2 is damaged")
	f("\n"+ada, "line 1 is damaged")
	f("{}\n", "line 1 is damaged")
	f(`{"open":{}}`+"\n", "line 1 is damaged")
	f(`{"closed":{"why":"shown"}}`+"\n", "line 1 is damaged")
	f(ada+strings.Repeat("x", lineBytes+1)+"\n", "cannot read line 2")

	dir := t.TempDir()
	g := func(path, want string) {
		t.Helper()
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v, want an error with %q", path, err, want)
		}
	}
	g(dir, "not a regular file")
	g(filepath.Join(dir, "none", "leavers"), "no such file")
	must(t, os.WriteFile(filepath.Join(dir, "true"), nil, 0o600))
	must(t, os.Symlink("true", filepath.Join(dir, "link")))
	g(filepath.Join(dir, "link"), "not a regular file")

	l, path := fresh(t)
	g(path, "another process")
	must(t, l.Add(leaver("ada", 1)))
	must(t, l.Close())
	if err := l.Close(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("got %v for a second Close, want os.ErrClosed", err)
	}
	if err := l.Add(leaver("grace", 2)); !errors.Is(err, os.ErrClosed) {
		t.Errorf("got %v for an Add behind Close, want os.ErrClosed", err)
	}
	listed(t, l, "ada grace")
	listed(t, afterCrash(t, path), "ada")
}

func TestOpenWritesAnewForTheOwnerAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "leavers.jsonl")
	must(t, os.WriteFile(path, []byte(`{"open":{"id":"ada","name":"ada@example.test","since":"2031-05-06T07:01:00Z","tries":3}}
{"open":{"id":"grace","name":"grace@example.test","since":"2031-05-06T07:02:00Z"}}
{"closed":{"id":"grace","why":"gone"}}
{"closed":{"id":"nobody","why":"shown"}}
{"open":{"id":"eds`), 0o644))
	must(t, os.WriteFile(path+".new", []byte("left by a crash"), 0o644))
	l, err := Open(path)
	must(t, err)
	defer l.Close()
	text, err := os.ReadFile(path)
	must(t, err)
	want := `{"open":{"id":"ada","name":"ada@example.test","since":"2031-05-06T07:01:00Z","tries":3}}` + "\n"
	if string(text) != want {
		t.Errorf("got\n%swant\n%s", text, want)
	}
	at, err := os.Stat(path)
	must(t, err)
	if at.Mode().Perm() != 0o600 {
		t.Errorf("got mode %v, want 0600", at.Mode())
	}
	if _, err := os.Stat(path + ".new"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v for what a crash has left, want it gone", err)
	}
}

func TestFileThatGrowsIsWrittenAnew(t *testing.T) {
	l, path := fresh(t)
	must(t, l.Add(leaver("ada", 1)))
	l.bytes = 4*l.least + growth // as if many had come and gone
	must(t, l.Add(leaver("grace", 2)))
	must(t, l.Add(leaver("ada", 1)))
	done(t, l, "grace", true)
	done(t, l, "ada", true)
	must(t, l.Add(leaver("edsger", 3)))
	l.bytes = 4*l.least + growth + 1
	must(t, l.Add(leaver("barbara", 4)))
	text, err := os.ReadFile(path)
	must(t, err)
	if got := strings.Count(string(text), "\n"); got != 2 || l.bytes != int64(len(text)) {
		t.Errorf("got %d lines and %d bytes, want 2 and %d:\n%s", got, l.bytes, len(text), text)
	}
	listed(t, afterCrash(t, path), "edsger barbara")
}
