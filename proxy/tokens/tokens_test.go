package tokens

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func write(t *testing.T, path, text string, at time.Time) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

func TestTokensAreReadAgain(t *testing.T) {
	dir := t.TempDir()
	file, held := filepath.Join(dir, "tokens"), filepath.Join(dir, "aws")
	one, lineOne := Make("okta")
	two, lineTwo := Make("okta-new")
	began := time.Now().Add(-time.Hour)
	write(t, file, "# tokens\n"+lineOne+"\n", began)
	write(t, held, "first\n", began)
	k, err := Open(Settings{File: file, Upstream: "file:" + held})
	if err != nil {
		t.Fatal(err)
	}
	f := func(token, want string) {
		t.Helper()
		if got, ok := k.Match([]byte(token)); got != want || ok != (want != "") {
			t.Errorf("got %q %v, want %q", got, ok, want)
		}
	}
	f(one, "okta")
	f(two, "")
	f("", "")
	f(one+"x", "")
	write(t, file, lineOne+"\n"+lineTwo+" # while Okta is changed\n", began.Add(time.Minute))
	write(t, held, "second", began.Add(time.Minute))
	if err := k.Err(); err != nil {
		t.Fatal(err)
	}
	f(one, "okta")
	f(two, "okta-new")
	if got := string(k.Upstream()); got != "second" {
		t.Errorf("got %q, want the new token", got)
	}
	// A file that has gone wrong leaves what was known in force.
	write(t, file, "okta nothex\n", began.Add(2*time.Minute))
	if err := k.Err(); err == nil || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("got %v, want the line named", err)
	}
	f(one, "okta")
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	_, line := Make("okta")
	f := func(file, upstream, want string) {
		t.Helper()
		path := filepath.Join(dir, "tokens")
		write(t, path, file, time.Now())
		k, err := Open(Settings{File: path, Upstream: upstream})
		if k != nil || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	f("", "env:HOME", "no token")
	f(line, "env:SCIMGATE_TEST_NOTHING", "holds no token")
	f(line, "file:"+filepath.Join(dir, "nothing"), "cannot read the upstream's token")
	f(line, "the-token-itself", "doesn't belong into a configuration")
	f(line[:len(line)-1], "env:HOME", "line 1")
	if err := (Settings{File: "x"}).Check(); err == nil {
		t.Error("a file of tokens without an upstream token is taken")
	}
}
