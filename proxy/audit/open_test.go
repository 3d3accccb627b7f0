package audit

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestOpenMakesLogAndKeyForTheOwnerAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	j, err := Open(Settings{File: path, Config: "cafe"})
	must(t, err)
	digest := j.Digest([]byte("ada"))
	if _, err := Open(Settings{File: path}); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("got %v for a second writer, want a refusal", err)
	}
	must(t, j.Close())
	for _, name := range []string{path, path + ".key"} {
		at, err := os.Stat(name)
		must(t, err)
		if at.Mode().Perm() != 0o600 {
			t.Errorf("got mode %v of %s, want 0600", at.Mode(), name)
		}
	}
	j, err = Open(Settings{File: path, Config: "beef"})
	must(t, err)
	if j.Digest([]byte("ada")) != digest {
		t.Error("got another digest under the same key")
	}
	must(t, j.Close())
	log, err := os.ReadFile(path)
	must(t, err)
	want := "notice key_made\nnotice start\ncheckpoint\nnotice shutdown\nnotice start\ncheckpoint\nnotice shutdown\n"
	if got := told(t, log); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if list := records(t, log); list[0].Config != "cafe" || list[5].Config != "beef" {
		t.Errorf("got configurations %s and %s", list[0].Config, list[5].Config)
	}
	if s, err := Verify(bytes.NewReader(log)); err != nil || s.Records != 7 {
		t.Errorf("got %+v, %v, want one chain over both", s, err)
	}
}

// Who is refused a log has touched nothing of it, at whatever step of a change of segments
// it comes.
func TestARefusedOpenTouchesNothing(t *testing.T) {
	for _, step := range []string{"make", "rename", "syncdir"} {
		path := filepath.Join(t.TempDir(), "audit.jsonl")
		asked := 0
		second := func(op, _, _ string) error {
			if op == step {
				if _, err := Open(Settings{File: path}); err == nil || !strings.Contains(err.Error(), "another process") {
					t.Errorf("got %v for a second writer, want a refusal", err)
				}
				asked++
			}
			return nil
		}
		h := hooks{}
		j, err := open(Settings{File: path, RotateSize: 2000}, hooks{step: func(op, name, to string) error { return h.tell(op, name, to) }})
		must(t, err)
		h.step = second
		for n := range 40 {
			must(t, j.Answer(&Record{Exchange: "X", Reply: 200 + n}, Ordinary))
		}
		h.step = nil
		must(t, j.Close())
		if _, err := VerifyFile(path, nil); err != nil || asked < 3 {
			t.Errorf("%s: got %v behind %d second writers, want a whole log", step, err, asked)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	log, _ := sample(t)
	f := func(what, message string, prepare func(path string) Settings) {
		t.Helper()
		path := inDir(t, log)
		s := prepare(path)
		before, _ := os.ReadFile(s.File)
		j, err := Open(s)
		if err == nil {
			_ = j.Close()
			t.Errorf("%s is opened", what)
			return
		}
		if !strings.Contains(err.Error(), message) {
			t.Errorf("%s: got %v, want %q", what, err, message)
		}
		if after, _ := os.ReadFile(s.File); !bytes.Equal(before, after) {
			t.Errorf("%s: the file is changed", what)
		}
	}
	written := func(log []byte) func(string) Settings {
		return func(path string) Settings {
			must(t, os.WriteFile(path, log, 0o600))
			return Settings{File: path}
		}
	}
	f("a symbolic link", "not a regular file", func(path string) Settings {
		must(t, os.Symlink(path, path+".link"))
		return Settings{File: path + ".link"}
	})
	f("a directory", "not a regular file", func(path string) Settings { return Settings{File: filepath.Dir(path)} })
	f("a missing directory", "no such file", func(path string) Settings { return Settings{File: filepath.Join(path+"s", "audit.jsonl")} })
	f("no name", "without a name", func(string) Settings { return Settings{} })
	f("another text", "record 1 is not whole", written([]byte("audit:\n  file: audit.jsonl\n")))
	f("a changed record", "record 3 was changed", written(bytes.Replace(log, []byte(`"outcome":"ok"`), []byte(`"outcome":"no"`), 1)))
	f("a spoilt record", "record 3 is not a record, and whole ones follow", written(bytes.Replace(log, []byte(`"outcome":"ok"`), []byte(`"outcome":"ok`), 1)))
	lines := slices.Collect(bytes.Lines(log))
	f("a dropped record", "record 2 is missing", written(bytes.Join(slices.Delete(lines, 1, 2), nil)))
	f("a short key", "it has 3 bytes", func(path string) Settings {
		must(t, os.WriteFile(path+".key", []byte("abc"), 0o600))
		return Settings{File: path}
	})
	f("a missing key", "cannot read audit key", func(path string) Settings { return Settings{File: path, KeyFile: path + ".none"} })
}

func TestALongLogIsTakenUpFromItsEnd(t *testing.T) {
	log, last := sample(t)
	path := inDir(t, log)
	lines := slices.Collect(bytes.Lines(log))
	size := int64(len(log))
	for most := size; most > 0; most-- {
		f, err := os.Open(path)
		must(t, err)
		found, err := takeStock(&chain{anchored: true}, f, most, nil)
		_ = f.Close()
		if most <= int64(len(lines[4])) {
			if err == nil {
				t.Errorf("%d bytes, which hold no whole record, are taken for a log", most)
			}
		} else if err != nil || found.seq != last.Seq || found.last.at+int64(found.last.size)+1 != size {
			t.Errorf("from %d bytes before the end: got %+v, %v", most, found, err)
		}
	}
}

func TestAFileThatLosesItsNameStopsTheJournal(t *testing.T) {
	f := func(what string, do func(path string) error) {
		t.Helper()
		path := inDir(t, nil)
		j, err := Open(Settings{File: path})
		must(t, err)
		must(t, do(path))
		var fault *Fault
		if _, err := j.Intend(write("X1"), Ordinary); !errors.As(err, &fault) || fault.Op != "check" {
			t.Errorf("%s: got %v, want a fault", what, err)
		}
		if err := j.Close(); err == nil {
			t.Errorf("%s: got no error from Close", what)
		}
	}
	f("removed", os.Remove)
	f("renamed", func(path string) error { return os.Rename(path, path+".1") })
	f("replaced", func(path string) error {
		return errors.Join(os.Rename(path, path+".1"), os.WriteFile(path, nil, 0o600))
	})
	f("replaced by a link to itself", func(path string) error {
		return errors.Join(os.Rename(path, path+".1"), os.Symlink(path+".1", path))
	})
}

func TestAClockThatWentBackWhileStoppedIsNoticed(t *testing.T) {
	log, _ := sample(t)
	path := inDir(t, log)
	before := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	j, err := open(Settings{File: path, RotateAge: -1}, hooks{now: func() time.Time { return before }})
	must(t, err)
	must(t, j.Close())
	log, err = os.ReadFile(path)
	must(t, err)
	if got := told(t, log); strings.Count(got, "notice clock_jump\n") != 1 {
		t.Errorf("got\n%swant one clock_jump", got)
	}
}

func TestTheKeyIsTheOperators(t *testing.T) {
	path := inDir(t, nil)
	key := filepath.Join(filepath.Dir(path), "key")
	digest := func(s Settings) string {
		t.Helper()
		j, err := Open(s)
		must(t, err)
		defer func() { must(t, j.Close()) }()
		return j.Digest([]byte("Zoë"))
	}
	mac := hmac.New(sha256.New, bytes.Repeat([]byte{7}, keySize))
	mac.Write([]byte("Zoë"))
	if got, want := digest(Settings{File: path, KeyFile: key}), hex.EncodeToString(mac.Sum(nil)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if _, err := os.Stat(path + ".key"); err == nil {
		t.Error("a key is made beside the one that is given")
	}
}

// An intent is found behind segments that a clock which has jumped makes old.
func TestAClockThatGoesForwardHidesNoIntent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	j, err := open(Settings{File: path}, hooks{now: func() time.Time { return now }})
	must(t, err)
	_, err = j.Intend(write("out"), Ordinary)
	must(t, err)
	must(t, j.Reopen())
	now = now.Add(2 * time.Hour) // it is the same second
	must(t, j.Reopen())
	must(t, abandon(j))
	j, err = Open(Settings{File: path})
	must(t, err)
	if len(j.Recovered()) != 1 {
		t.Errorf("got %d intents without an outcome, want 1", len(j.Recovered()))
	}
	must(t, j.Close())
	if s, err := VerifyFile(path, nil); err != nil || len(s.OpenIntents) != 0 {
		t.Errorf("got %+v %v", s, err)
	}
}

// The end of a log is written again at a start, as it was: the life before may have ended with
// a sync that failed.
func TestTheEndOfALogIsWrittenAgain(t *testing.T) {
	log, _ := sample(t)
	path, long := inDir(t, log), time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	must(t, os.Chtimes(path, long, long))
	must(t, renew(path, &hooks{}))
	at, err := os.Stat(path)
	must(t, err)
	if text, err := os.ReadFile(path); err != nil || !bytes.Equal(text, log) || !at.ModTime().After(long) {
		t.Errorf("got %v, written at %v, and %d bytes, want the same %d", err, at.ModTime(), len(text), len(log))
	}
}
