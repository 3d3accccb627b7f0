package pace

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

func enter(t *testing.T, l *Lanes, place Place, keys ...string) *Turn {
	t.Helper()
	turn, err := l.Enter(in(time.Hour), place, keys...)
	if err != nil {
		t.Fatal(err)
	}
	return turn
}

func TestLanesKeepTheOrderOfEachKey(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		keys := rapid.SliceOfN(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c"}), 1, 4), 1, 40).Draw(r, "keys")
		settles := rapid.SliceOfN(rapid.IntRange(0, 2), len(keys), len(keys)).Draw(r, "settles")
		synctest.Test(t, func(t *testing.T) {
			l := NewLanes(Bounds{})
			var mu sync.Mutex // guards the maps: exchanges of different keys run at once
			order := map[string][]int{}
			busy := map[string]bool{}
			free := map[string]time.Time{}
			for i := range keys {
				go func() {
					turn := enter(t, l, InOrder, keys[i]...)
					mu.Lock()
					for _, k := range slices.Compact(slices.Sorted(slices.Values(keys[i]))) {
						if busy[k] || time.Now().Before(free[k]) {
							t.Errorf("%s has two holders, or is settling", k)
						}
						busy[k] = true
						order[k] = append(order[k], i)
					}
					mu.Unlock()
					time.Sleep(time.Millisecond)
					mu.Lock()
					for _, k := range keys[i] {
						busy[k] = false
						free[k] = in(time.Duration(settles[i]) * time.Second)
					}
					mu.Unlock()
					turn.Leave(time.Duration(settles[i]) * time.Second)
				}()
				synctest.Wait()
			}
			time.Sleep(time.Hour)
			synctest.Wait()
			for k, got := range order {
				if !slices.IsSorted(got) {
					t.Errorf("%s: got order %v, want that of entering", k, got)
				}
			}
			done := 0
			for _, got := range order {
				done += len(got)
			}
			want := 0
			for _, ks := range keys {
				want += len(slices.Compact(slices.Sorted(slices.Values(ks))))
			}
			if done != want || l.Len() != 0 || l.waiting != 0 {
				t.Errorf("got %d turns, %d lanes, %d waiting, want %d, 0, 0", done, l.Len(), l.waiting, want)
			}
		})
	})
}

func TestOnlyWhatIsFinalGoesAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLanes(Bounds{})
		holder := enter(t, l, InOrder, "Users/1")
		var order []string
		for _, w := range []struct {
			name  string
			place Place
		}{{"activate", InOrder}, {"deactivate", Revoking}, {"delete", Final}, {"change", InOrder}, {"delete again", Final}} {
			go func() {
				turn := enter(t, l, w.place, "Users/1")
				order = append(order, w.name)
				turn.Leave(0)
			}()
			synctest.Wait()
		}
		holder.Leave(0)
		holder.Leave(0)
		synctest.Wait()
		if want := []string{"delete", "delete again", "activate", "deactivate", "change"}; !slices.Equal(order, want) {
			t.Errorf("got %q, want %q", order, want)
		}
	})
}

func TestUnknownOutcomeKeepsTheLaneClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLanes(Bounds{})
		enter(t, l, InOrder, "Users/1").Leave(30 * time.Second)
		begin := time.Now()
		_, err := l.Enter(in(20*time.Second), Revoking, "Users/1")
		refused(t, err, TooLong, 30*time.Second)
		enter(t, l, InOrder, "Users/2").Leave(0)
		if time.Since(begin) != 0 {
			t.Errorf("got a wait of %v, want none", time.Since(begin))
		}
		enter(t, l, InOrder, "Users/1").Leave(0)
		if got := time.Since(begin); got != 30*time.Second || l.Len() != 0 {
			t.Errorf("got a turn after %v and %d lanes left, want 30s and none", got, l.Len())
		}
	})
}

func TestWhoGivesUpHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLanes(Bounds{})
		a := enter(t, l, InOrder, "a")
		go func() { // is first at b, but waits for a
			_, err := l.Enter(in(time.Second), InOrder, "a", "b")
			refused(t, err, TooLong, 5*time.Second)
		}()
		synctest.Wait()
		begin := time.Now()
		enter(t, l, InOrder, "b").Leave(0)
		if got := time.Since(begin); got != time.Second {
			t.Errorf("got b after %v, want it when the other gave up", got)
		}
		a.Leave(0)
		if l.Len() != 0 {
			t.Errorf("got %d lanes, want none", l.Len())
		}
	})
}

func TestLanesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLanes(Bounds{PerLane: 2, Waiting: 3, Lanes: 4})
		f := func(why Why, place Place, keys ...string) {
			t.Helper()
			_, err := l.Enter(in(time.Hour), place, keys...)
			refused(t, err, why, 5*time.Second)
		}
		wait := func(place Place, key string) {
			go func() {
				turn, err := l.Enter(in(time.Hour), place, key)
				if err != nil {
					refused(t, err, Closed, time.Second)
					return
				}
				turn.Leave(0)
			}()
			synctest.Wait()
		}
		held := enter(t, l, InOrder, "a")
		wait(InOrder, "a")
		wait(InOrder, "a")
		f(TooMany, InOrder, "a")
		wait(Revoking, "a")
		wait(Final, "a")
		f(TooMany, Revoking, "a")
		other := enter(t, l, InOrder, "b")
		f(TooMany, InOrder, "b") // 4 wait in all
		f(TooMany, InOrder, "c", "d", "e")
		l.Close()
		synctest.Wait()
		_, err := l.Enter(in(time.Hour), Final, "x")
		refused(t, err, Closed, time.Second)
		held.Leave(time.Second)
		other.Leave(0)
		if l.Len() != 0 || l.waiting != 0 {
			t.Errorf("got %d lanes and %d waiting, want none", l.Len(), l.waiting)
		}
	})
}

// A lane is busy for as long as what was asked for may still be carried out.
func TestALaneIsBusyUntilItHasSettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLanes(Bounds{})
		f := func(want bool) {
			t.Helper()
			if got := l.Busy("a"); got != want || l.Busy("b") {
				t.Errorf("busy %v, want %v", got, want)
			}
		}
		f(false)
		turn := enter(t, l, InOrder, "a")
		f(true)
		turn.Leave(time.Second)
		f(true)
		time.Sleep(time.Second)
		synctest.Wait()
		f(false)
	})
}

func BenchmarkLane(b *testing.B) {
	l := NewLanes(Bounds{})
	by := in(time.Hour)
	b.ReportAllocs()
	for i := range b.N {
		turn, err := l.Enter(by, InOrder, "Users/1")
		if err != nil {
			b.Fatal(i, err)
		}
		turn.Leave(0)
	}
}

func ExampleFull() {
	fmt.Println(full(TooLong, 1200*time.Millisecond))
	// Output: cannot wait: the turn comes after the deadline; again in 2s
}
