package guard

import (
	"encoding/json"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// strict is a guard that holds deletions of users above floor, or above share.
func strict(floor int, share float64) *Guard {
	return New(Settings{UserDeletes: Limit{HoldIt, floor, share}})
}

func rules(t *testing.T, g *Guard, k Kind, n int, want Verdict, count, limit int) {
	t.Helper()
	if got := g.Take(k, n); got != (Ruling{want, k, count, limit}) {
		t.Errorf("%s, %d more: got %s with %d of %d, want %s with %d of %d",
			k, n, got.Verdict, got.Count, got.Limit, want, count, limit)
	}
}

func TestMoreThanTheLimitIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := strict(3, 0)
		rules(t, g, UserDeletes, 2, Pass, 2, 3)
		rules(t, g, UserDeletes, 2, Hold, 4, 3)
		rules(t, g, UserDeletes, 1, Pass, 3, 3)
		for range 5 {
			rules(t, g, UserDeletes, 1, Hold, 4, 3)
		}
		rules(t, g, UserDeletes, 0, Pass, 3, 3)
		rules(t, g, UserDeletes, -7, Pass, 3, 3)
		rules(t, g, Deactivations, 1, Pass, 1, 50)
		if got := g.Status()[UserDeletes]; got.Held != 6 || got.Count != 3 {
			t.Errorf("got %+v, want 3 counted and 6 held", got)
		}
	})
}

func TestAlarmIsRuledOnceAWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Settings{Removals: Limit{AlarmIt, 10, 0}})
		rules(t, g, Removals, 10, Pass, 10, 10)
		rules(t, g, Removals, 1, Alarm, 11, 10)
		rules(t, g, Removals, 1, Pass, 12, 10)
		time.Sleep(59 * time.Minute)
		rules(t, g, Removals, 30, Pass, 42, 10)
		time.Sleep(time.Minute)
		rules(t, g, Removals, 1, Alarm, 43, 10)
		time.Sleep(3 * time.Hour)
		rules(t, g, Removals, 5, Pass, 5, 10)
		rules(t, g, Removals, 600, Alarm, 605, 10)
	})
}

func TestOffOnlyCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Settings{GroupDeletes: Limit{Off, 1, 0}})
		rules(t, g, GroupDeletes, 90, Pass, 90, 1)
		rules(t, g, GroupDeletes, 9, Pass, 99, 1)
	})
}

func TestLimitIsFloorOrShareOfTheUsers(t *testing.T) {
	f := func(floor int, share float64, users, want int) {
		t.Helper()
		g := strict(floor, share)
		g.Knows(users)
		if got := g.Take(UserDeletes, 1).Limit; got != want {
			t.Errorf("floor %d, %g of %d: got %d, want %d", floor, share, users, got, want)
		}
	}
	f(20, 0.05, 0, 20)
	f(20, 0.05, 400, 20)
	f(20, 0.05, 420, 21)
	f(20, 0.05, 439, 21)
	f(1, 0.29, 100, 29)
	f(20, 1, 100_000, 100_000)
	f(20, 0.5, -3, 20)
}

func TestWhatIsOlderThanTheWindowIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := strict(10, 0)
		time.Sleep(30 * time.Second)
		rules(t, g, UserDeletes, 6, Pass, 6, 10)
		time.Sleep(30 * time.Minute)
		rules(t, g, UserDeletes, 4, Pass, 10, 10)
		time.Sleep(30 * time.Minute) // exactly a window since the first
		rules(t, g, UserDeletes, 1, Hold, 11, 10)
		time.Sleep(time.Minute)
		rules(t, g, UserDeletes, 6, Pass, 10, 10)
		time.Sleep(1000 * time.Hour)
		rules(t, g, UserDeletes, 10, Pass, 10, 10)
	})
}

// The count is that of a plain list of what was taken, but for at most a part of
// the window: never less than the window holds.
func TestWindowAgreesWithAPlainList(t *testing.T) {
	type taken struct {
		at time.Time
		n  int
	}
	synctest.Test(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		length := time.Hour
		w := newWindow(length, time.Now())
		var list []taken
		for range 3000 {
			time.Sleep(time.Duration(r.Int64N(int64(4 * time.Minute))))
			if r.IntN(50) == 0 {
				time.Sleep(time.Duration(r.Int64N(int64(3 * time.Hour))))
			}
			now, least, most := time.Now(), 0, 0
			for _, x := range list {
				if age := now.Sub(x.at); age <= length {
					least += x.n
					most += x.n
				} else if age <= length+length/parts {
					most += x.n
				}
			}
			if got := w.count(now); got < least || got > most {
				t.Fatalf("got %d, want %d to %d", got, least, most)
			}
			n := r.IntN(5)
			w.add(n, now)
			if r.IntN(4) == 0 {
				w.remove(n, now)
				n = 0
			}
			list = append(list, taken{now, n})
		}
	})
}

func TestUndoTakesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := strict(5, 0)
		rules(t, g, UserDeletes, 2, Pass, 2, 5)
		time.Sleep(10 * time.Minute)
		rules(t, g, UserDeletes, 3, Pass, 5, 5)
		time.Sleep(time.Minute)
		g.Undo(UserDeletes, 3)
		g.Undo(UserDeletes, -3)
		rules(t, g, UserDeletes, 3, Pass, 5, 5)
		g.Undo(UserDeletes, 4)
		g.Undo(UserDeletes, 400)
		rules(t, g, UserDeletes, 5, Pass, 5, 5)
		rules(t, g, UserDeletes, 1, Hold, 6, 5)
	})
}

func TestReleaseLetsAKindPassForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Settings{UserDeletes: Limit{HoldIt, 2, 0}, GroupDeletes: Limit{HoldIt, 2, 0}, Removals: Limit{AlarmIt, 2, 0}})
		rules(t, g, UserDeletes, 3, Hold, 3, 2)
		until := time.Now().Add(10 * time.Minute)
		g.Release(UserDeletes, 10*time.Minute)
		g.Release(Removals, time.Minute)
		if got := g.Released(UserDeletes); !got.Equal(until) {
			t.Errorf("got %v, want %v", got, until)
		}
		rules(t, g, UserDeletes, 300, Pass, 300, 2)
		rules(t, g, GroupDeletes, 3, Hold, 3, 2)
		rules(t, g, Removals, 3, Pass, 3, 2)
		time.Sleep(10 * time.Minute)
		if got := g.Released(UserDeletes); !got.IsZero() {
			t.Errorf("got %v after the release, want none", got)
		}
		rules(t, g, UserDeletes, 1, Hold, 301, 2)
		rules(t, g, Removals, 3, Alarm, 6, 2)
		g.Release(UserDeletes, time.Hour)
		g.Release(UserDeletes, 0)
		rules(t, g, UserDeletes, 1, Hold, 301, 2)
	})
}

func TestStatusTellsEachKind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Settings{})
		g.Knows(1000)
		g.Take(UserDeletes, 51)
		g.Take(Deactivations, 7)
		g.Release(GroupDeletes, time.Hour)
		got, err := json.Marshal(g.Status())
		if err != nil {
			t.Fatal(err)
		}
		want := `[{"kind":"user_deletes","mode":"hold","count":0,"limit":50,"held":1},` +
			`{"kind":"group_deletes","mode":"alarm","count":0,"limit":5,"releasedUntil":"` +
			time.Now().Add(time.Hour).Format(time.RFC3339Nano) + `","held":0},` +
			`{"kind":"deactivations","mode":"alarm","count":7,"limit":50,"held":0},` +
			`{"kind":"removals","mode":"alarm","count":0,"limit":500,"held":0}]`
		if string(got) != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

// recalled is a guard of the next life of a process.
func recalled(t *testing.T, path string) *Guard {
	t.Helper()
	g := strict(3, 0)
	if err := g.Recall(path); err != nil {
		t.Error(err)
	}
	return g
}

func keeps(t *testing.T, g *Guard, path string, want bool) {
	t.Helper()
	if err := g.Keep(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); err == nil != want || err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want a file: %v", err, want)
	}
}

// A guard that is made anew counts as the one before would, any number of times, until the
// window has passed.
func TestWhatIsHeldOutlivesAGuard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "guard")
		g := recalled(t, path)
		for range 3 {
			time.Sleep(617 * time.Second)
			rules(t, g, UserDeletes, 1, Pass, g.Status()[UserDeletes].Count+1, 3)
			rules(t, g, Removals, 7, Pass, g.Status()[Removals].Count+7, 500)
		}
		keeps(t, g, path, false)
		rules(t, g, UserDeletes, 1, Hold, 4, 3)
		keeps(t, g, path, true)
		next := recalled(t, path)
		for range 70 {
			next = recalled(t, path)
			if got := next.Status(); got[UserDeletes].Count != g.Status()[UserDeletes].Count || got[Removals].Count != 0 {
				t.Fatalf("got %+v, want what the first guard has, and of what holds alone", got)
			}
			time.Sleep(time.Minute)
		}
		keeps(t, next, path, false)
		rules(t, next, UserDeletes, 3, Pass, 3, 3)
	})
}

func TestWhatIsReleasedIsNotHeldByTheNextGuard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "guard")
		g := recalled(t, path)
		rules(t, g, UserDeletes, 3, Pass, 3, 3)
		rules(t, g, UserDeletes, 1, Hold, 4, 3)
		g.Release(UserDeletes, 0) // ends a release
		keeps(t, g, path, true)
		g.Release(UserDeletes, time.Minute)
		keeps(t, g, path, false)
		rules(t, recalled(t, path), UserDeletes, 3, Pass, 3, 3)
		time.Sleep(time.Minute) // it is over, and what it let pass counts
		rules(t, g, UserDeletes, 1, Hold, 4, 3)
		keeps(t, g, path, true)
		rules(t, recalled(t, path), UserDeletes, 1, Hold, 4, 3)
	})
}

// A file that can't be read or written leaves the guard as it is without one.
func TestAFaultOfTheFileStopsNoGuard(t *testing.T) {
	dir := t.TempDir()
	for _, k := range []struct {
		path, text string
		writable   bool
	}{
		{filepath.Join(dir, "cut"), `{"user_deletes":[{"at":`, true},
		{filepath.Join(dir, "other"), `[]`, true},
		{filepath.Join(dir, "empty"), "", true},
		{filepath.Join(dir, "odd"), `{"user_deletes":[{"at":"9999-01-01T00:00:00Z","n":-5},{"at":"0001-01-01T00:00:00Z","n":5}],"later":[{"n":1}]}`, true},
		{dir, "", false},
		{filepath.Join(dir, "nowhere", "guard"), "", false},
	} {
		if k.writable {
			if err := os.WriteFile(k.path, []byte(k.text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		g := strict(3, 0)
		_ = g.Recall(k.path)
		rules(t, g, UserDeletes, 3, Pass, 3, 3)
		rules(t, g, UserDeletes, 1, Hold, 4, 3)
		if err := g.Keep(); err == nil != k.writable {
			t.Errorf("%s: got %v", k.path, err)
		}
		rules(t, g, UserDeletes, 1, Hold, 4, 3)
		if k.writable {
			rules(t, recalled(t, k.path), UserDeletes, 1, Hold, 4, 3)
		}
	}
}

func TestNoMoreThanTheLimitPassesWhenManyAsk(t *testing.T) {
	g := strict(100, 0)
	if err := g.Recall(filepath.Join(t.TempDir(), "guard")); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 100 {
				if g.Take(UserDeletes, 3).Verdict == Pass {
					g.Undo(UserDeletes, 1)
				}
				g.Knows(10)
				g.Status()
				g.Release(Removals, time.Hour)
				g.Released(Removals)
				g.Protects("Ops")
			}
			if err := g.Keep(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	// Each that passes leaves two, as long as there is room for three.
	for g.Take(UserDeletes, 3).Verdict == Pass {
		g.Undo(UserDeletes, 1)
	}
	if got := g.Status()[UserDeletes]; got.Count != 98 || got.Held < 2 {
		t.Errorf("got %d and %d held, want 98", got.Count, got.Held)
	}
}

func TestProtectedGroups(t *testing.T) {
	f := func(list []string, group string, want bool) {
		t.Helper()
		if got := New(Settings{Protected: list}).Protects(group); got != want {
			t.Errorf("%q of %q: got %v, want %v", group, list, got, want)
		}
	}
	f(nil, "AWSControlTowerAdmins", true)
	f(nil, "awslogarchiveviewers", true)
	f(nil, " AWSAccountFactory\t", true)
	f(nil, "AWSAccountFactory2", false)
	f(nil, "", false)
	f([]string{}, "AWSControlTowerAdmins", false)
	f([]string{"Ops"}, "AWSControlTowerAdmins", false)
	f([]string{" Zürich-Администраторы "}, "ZÜRICH-администраторы", true)
	f([]string{"東京"}, "東京都", false)
}
