package tokens

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func write(t testing.TB, path, text string, at time.Time) {
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
	// Of a file that has gone wrong, what is sound is in force, and nothing else; the other
	// file is read all the same.
	var told []error
	k.Tell(func(err error) { told = append(told, err) })
	write(t, file, "okta nothex\n"+lineTwo+"\n", began.Add(2*time.Minute))
	write(t, held, "third", began.Add(2*time.Minute))
	if err := k.Err(); err == nil || !strings.Contains(err.Error(), "line 1") || string(k.Upstream()) != "third" {
		t.Errorf("got %v and %q, want the line named, and the new token", err, k.Upstream())
	}
	f(one, "")
	f(two, "okta-new")
	// One that is gone leaves in force what it held; one that is empty revokes all.
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := k.Err(); err == nil {
		t.Error("a file that is gone is not told")
	}
	f(two, "okta-new")
	write(t, file, "# nobody\n", began.Add(3*time.Minute))
	if err := k.Err(); err == nil || !strings.Contains(err.Error(), "no token") {
		t.Errorf("got %v, want to be told of no token", err)
	}
	f(two, "")
	write(t, file, lineOne+"\n", began.Add(4*time.Minute))
	if err := k.Err(); err != nil {
		t.Error(err)
	}
	f(one, "okta")
	if len(told) != 4 || told[0] == nil || told[3] != nil {
		t.Errorf("told %v, want each fault once, and the end", told)
	}
	// One that is being written is left until it rests.
	write(t, file, "", time.Now())
	if err := k.Err(); err != nil {
		t.Error(err)
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

// A name that is taken stands in the file as it was given, and what is refused would not:
// one bad line holds up the reading of the whole file.
func TestANameIsWhatTheFileReads(t *testing.T) {
	f := func(name string, taken bool) {
		t.Helper()
		if err := CheckName(name); (err == nil) != taken {
			t.Errorf("got %v for %q", err, name)
		}
		_, line := Make(name)
		list, err := parse([]byte(line))
		if read := err == nil && len(list) == 1 && list[0].name == name; read != taken {
			t.Errorf("got %v %v for the line of %q", list, err, name)
		}
	}
	f("okta", true)
	f("okta-2027.new", true)
	f("Ökta", true)
	f(strings.Repeat("x", 64), true)
	f(strings.Repeat("x", 65), false)
	f(strings.Repeat("ö", 33), false)
	f("", false)
	f(" ", false)
	f("new okta", false)
	f(" okta", false)
	f("okta\n", false)
	f("okta\r", false)
	f("okta\u0085new", false)
	f("#x", false)
	f("okta#2", false)
}
