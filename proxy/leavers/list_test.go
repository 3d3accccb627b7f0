package leavers

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// fresh opens a list of nobody.
func fresh(t *testing.T) (l *List, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "leavers.jsonl")
	l, err := Open(path)
	must(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l, path
}

// afterCrash opens what the file of a list has now, as another process would find
// it after a crash.
func afterCrash(t *testing.T, path string) *List {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	l, err := holding(t, string(text))
	must(t, err)
	return l
}

// holding opens a file with this text.
func holding(t *testing.T, text string) (*List, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "found.jsonl")
	must(t, os.WriteFile(path, []byte(text), 0o600))
	l, err := Open(path)
	if err == nil {
		t.Cleanup(func() { _ = l.Close() })
	}
	return l, err
}

// minute is a time on an invented day.
func minute(n int) time.Time { return time.Date(2031, 5, 6, 7, n, 0, 0, time.UTC) }

func leaver(id string, n int) Leaver {
	return Leaver{ID: id, Name: id + "@example.test", Exchange: "x-" + id, Since: minute(n)}
}

func ids(l *List) string {
	var all []string
	for _, x := range l.All() {
		all = append(all, x.ID)
	}
	return strings.Join(all, " ")
}

func listed(t *testing.T, l *List, want string) {
	t.Helper()
	if got := ids(l); got != want || l.Len() != len(strings.Fields(want)) {
		t.Errorf("got %q and %d of them, want %q", got, l.Len(), want)
	}
}

func done(t *testing.T, l *List, id string, want bool) {
	t.Helper()
	if was, err := l.Done(id, "shown", time.Now()); was != want || err != nil {
		t.Errorf("%s is done: got %v, %v, want %v", id, was, err, want)
	}
}

func TestListKeepsWhoIsOpen(t *testing.T) {
	f := func(l *List) {
		t.Helper()
		must(t, l.Add(leaver("ada", 3)))
		must(t, l.Add(leaver("grace", 1)))
		must(t, l.Add(leaver("edsger", 2)))
		listed(t, l, "grace edsger ada")
		done(t, l, "edsger", true)
		done(t, l, "edsger", false)
		done(t, l, "nobody", false)
		listed(t, l, "grace ada")
		if !l.Has("ada") || l.Has("edsger") {
			t.Errorf("got ada %v and edsger %v, want only ada", l.Has("ada"), l.Has("edsger"))
		}
		l.All()[0].ID = "changed"
		listed(t, l, "grace ada")
		must(t, l.Close())
		listed(t, l, "grace ada")
	}
	l, _ := fresh(t)
	f(l)
	l, err := Open("")
	must(t, err)
	f(l)
}

func TestAddedAgainCountsATry(t *testing.T) {
	l, path := fresh(t)
	must(t, l.Add(leaver("ada", 1)))
	before, err := os.Stat(path)
	must(t, err)
	must(t, l.Add(Leaver{ID: "ada", Name: "other", Exchange: "later", Since: minute(9)}))
	must(t, l.Add(leaver("ada", 10)))
	after, err := os.Stat(path)
	must(t, err)
	if before.Size() != after.Size() {
		t.Errorf("got %d bytes after a try, want %d", after.Size(), before.Size())
	}
	want := leaver("ada", 1)
	want.Tries = 2
	if got := l.All()[0]; got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestOneWhoIsBackIsNew(t *testing.T) {
	l, path := fresh(t)
	must(t, l.Add(leaver("ada", 1)))
	done(t, l, "ada", true)
	must(t, l.Add(leaver("ada", 5)))
	if got := afterCrash(t, path).All(); len(got) != 1 || got[0] != leaver("ada", 5) {
		t.Errorf("got %+v, want ada since minute 5 alone", got)
	}
}

func TestListRefuses(t *testing.T) {
	l, path := fresh(t)
	f := func(x Leaver, want string) {
		t.Helper()
		if err := l.Add(x); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
	f(Leaver{}, "has 0 bytes")
	f(Leaver{ID: strings.Repeat("a", 257)}, "has 257 bytes")
	f(Leaver{ID: "a\xff"}, "must be text")
	f(Leaver{ID: "ada", Since: time.Date(12345, 1, 1, 0, 0, 0, 0, time.UTC)}, "year")
	listed(t, l, "")
	listed(t, afterCrash(t, path), "")
}

func TestForeignTextIsCut(t *testing.T) {
	l, path := fresh(t)
	x := leaver("ada", 1)
	x.Name, x.Exchange = strings.Repeat("é", 127)+"東京", strings.Repeat("x", 1<<20)
	must(t, l.Add(x))
	x.Name, x.Exchange = strings.Repeat("é", 127), strings.Repeat("x", 256)
	for _, l := range []*List{l, afterCrash(t, path)} {
		if got := l.All()[0]; got != x {
			t.Errorf("got %+v, want %+v", got, x)
		}
	}
}

func TestTimeIsTheSameAfterARestart(t *testing.T) {
	l, path := fresh(t)
	x := leaver("ada", 1)
	x.Since = time.Now().In(time.FixedZone("CEST", 7200))
	must(t, l.Add(x))
	before, after := l.All()[0], afterCrash(t, path).All()[0]
	if before != after || !before.Since.Equal(x.Since) {
		t.Errorf("got %v and %v after a restart, want %v", before.Since, after.Since, x.Since)
	}
}

func TestFullListSaysSo(t *testing.T) {
	l, err := Open("")
	must(t, err)
	for i := range most {
		must(t, l.Add(Leaver{ID: fmt.Sprint(i)}))
	}
	if err := l.Add(leaver("ada", 1)); err == nil || !strings.Contains(err.Error(), "full with 100000") {
		t.Errorf("got %v, want an error that says so", err)
	}
	must(t, l.Add(Leaver{ID: "7"}))
	done(t, l, "7", true)
	must(t, l.Add(leaver("ada", 1)))
	if l.Len() != most {
		t.Errorf("got %d, want %d", l.Len(), most)
	}
}

func TestManyAtOnce(t *testing.T) {
	l, path := fresh(t)
	var wg sync.WaitGroup
	var want []string
	for n := range 8 {
		for i := range 20 {
			if i%4 != 0 {
				want = append(want, fmt.Sprintf("u%d-%02d", n, i))
			}
		}
		wg.Go(func() {
			for i := range 20 {
				id := fmt.Sprintf("u%d-%02d", n, i)
				if err := l.Add(leaver(id, 0)); err != nil {
					t.Error(err)
				}
				if err := l.Add(leaver("all", 0)); err != nil {
					t.Error(err)
				}
				if !l.Has(id) || l.Len() == 0 || len(l.All()) == 0 {
					t.Errorf("%s is not on the list that it was added to", id)
				}
				if i%4 == 0 {
					done(t, l, id, true)
				}
			}
		})
	}
	wg.Wait()
	slices.Sort(want)
	for _, l := range []*List{l, afterCrash(t, path)} {
		listed(t, l, "all "+strings.Join(want, " "))
	}
	if got := l.All()[0].Tries; got != 159 {
		t.Errorf("got %d tries, want 159", got)
	}
}

// Who was held by a guard isn't any more once something was sent for them, over restarts
// too; and isn't held by a later try.
func TestHeldOnes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "leavers")
	l, err := Open(file)
	if err != nil {
		t.Fatal(err)
	}
	f := func(id string, held, want bool) {
		t.Helper()
		if err := l.Add(Leaver{ID: id, Held: held}); err != nil {
			t.Fatal(err)
		}
		if got, _, open := l.Find(id); !open || got.Held != want {
			t.Errorf("got %v %v of %s, want held %v", got, open, id, want)
		}
	}
	f("ada", true, true)
	f("ada", true, true)
	f("edsger", true, true)
	f("edsger", false, false)
	f("edsger", true, false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if l, err = Open(file); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for id, want := range map[string]bool{"ada": true, "edsger": false} {
		if got, _, open := l.Find(id); !open || got.Held != want {
			t.Errorf("got %v %v of %s after a restart, want held %v", got, open, id, want)
		}
	}
}

// All who are on the list are made to wait for a person, and wait behind a crash as well;
// who comes later doesn't.
func TestAllAreHeld(t *testing.T) {
	l, path := fresh(t)
	must(t, l.Add(Leaver{ID: "a", Name: "ada", Exchange: "E", Since: time.Now()}))
	must(t, l.Add(Leaver{ID: "b", Since: time.Now(), Held: true}))
	before := l.All()
	must(t, l.Hold())
	must(t, l.Add(Leaver{ID: "c", Since: time.Now()}))
	for name, list := range map[string]*List{"now": l, "behind a crash": afterCrash(t, path)} {
		all := list.All()
		if len(all) != 3 || !all[0].Held || !all[1].Held || all[2].Held || all[0].Name != "ada" || all[0].Exchange != "E" || !all[0].Since.Equal(before[0].Since) {
			t.Errorf("%s: got %+v", name, all)
		}
	}
	must(t, l.Add(Leaver{ID: "a", Since: time.Now()})) // it was asked for again
	if a, _, _ := l.Find("a"); a.Held {
		t.Error("who is asked for again is held")
	}
}

// Wherever a crash cuts off the lines that hold all, nobody is off the list.
func TestACrashWhileAllAreHeldLosesNobody(t *testing.T) {
	l, path := fresh(t)
	must(t, l.Add(leaver("ada", 1)))
	must(t, l.Add(leaver("grace", 2)))
	before, err := os.ReadFile(path)
	must(t, err)
	must(t, l.Hold())
	after, err := os.ReadFile(path)
	must(t, err)
	if len(after) <= len(before) || !strings.HasPrefix(string(after), string(before)) {
		t.Fatalf("got %s behind %s, want more lines", after, before)
	}
	for n := len(before); n <= len(after) && !t.Failed(); n++ {
		l, err := holding(t, string(after[:n]))
		must(t, err)
		listed(t, l, "ada grace")
		must(t, l.Close())
	}
}

// A try that nobody has asked for anew opens nothing, lets nobody go who is held, and is no
// later deactivation.
func TestATryChangesNothingButItsCount(t *testing.T) {
	l, path := fresh(t)
	must(t, l.Tried(leaver("nobody", 1)))
	must(t, l.Add(leaver("ada", 2)))
	must(t, l.Hold())
	_, before, _ := l.Find("ada")
	must(t, l.Tried(leaver("ada", 3)))
	listed(t, l, "ada")
	want := leaver("ada", 2)
	want.Held, want.Tries = true, 1
	if got, last, _ := l.Find("ada"); got != want || !last.Equal(before) {
		t.Errorf("got %+v, added last at %v, want %+v at %v", got, last, want, before)
	}
	listed(t, afterCrash(t, path), "ada")
}

// A try is one at the disk as well, for who could not be made durable.
func TestATryIsOneAtTheDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "leavers.jsonl")
	r := &recorder{born: 1, names: map[string]int{}}
	l, err := open(path, r.drive())
	must(t, err)
	defer l.Close()
	r.bad = "write"
	if err := l.Add(leaver("ada", 1)); err == nil {
		t.Fatal("the disk works")
	}
	must(t, l.Tried(leaver("ada", 2)))
	listed(t, afterCrash(t, path), "ada")
}

// What was seen at a time says nothing about who was added later.
func TestWhatWasSeenBeforeTakesNobodyOff(t *testing.T) {
	l, _ := fresh(t)
	must(t, l.Add(leaver("ada", 1)))
	seen := time.Now()
	must(t, l.Add(leaver("ada", 2)))
	if was, err := l.Done("ada", "activated", seen); was || err != nil {
		t.Errorf("got %v, %v", was, err)
	}
	listed(t, l, "ada")
	done(t, l, "ada", true)
}
