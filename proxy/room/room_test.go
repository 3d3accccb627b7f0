package room

import (
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Who comes first gets room first; who doesn't get it in time gets none.
func TestRoomIsGivenInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(100, 10*time.Second, 0)
		if r.Take(Ask{N: 101}, time.Time{}) || !r.Take(Ask{N: 60}, time.Time{}) {
			t.Fatal("got more than there is, or not what there is")
		}
		got := make(chan string, 3)
		ask := func(name string, n int64) {
			go func() {
				if r.Take(Ask{N: n}, time.Time{}) {
					got <- name
				} else {
					got <- name + " refused"
				}
			}()
			synctest.Wait()
		}
		ask("large", 90)
		time.Sleep(time.Second)
		ask("little", 10) // would fit, but isn't the first
		if len(got) != 0 {
			t.Fatalf("got %s served out of turn", <-got)
		}
		time.Sleep(8 * time.Second)
		ask("late", 50)
		time.Sleep(time.Second)
		synctest.Wait()
		if first, second := <-got, <-got; first != "large refused" || second != "little" {
			t.Errorf("got %s, %s, want the first refused at its time and the next served", first, second)
		}
		r.Give(Ask{N: 60})
		synctest.Wait()
		if name := <-got; name != "late" {
			t.Errorf("got %s, want it served", name)
		}
		r.Give(Ask{N: 10})
		r.Give(Ask{N: 50})
		if !r.Take(Ask{N: 100}, time.Time{}) {
			t.Error("not all of the room was given back")
		}
	})
}

// The last eighth, and the next turn, are for what takes access away.
func TestWhatRevokesHasThePlacesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(8, time.Minute, Reserved)
		for n := range 7 {
			if !r.Take(Ask{N: 1}, time.Time{}) {
				t.Fatalf("got no place %d", n)
			}
		}
		if r.Take(Ask{N: 1}, time.Now()) {
			t.Error("got the last place, which is kept")
		}
		got := make(chan string, 2)
		ask := func(name string, a Ask) {
			go func() {
				if r.Take(a, time.Time{}) {
					got <- name
				}
			}()
			synctest.Wait()
		}
		ask("read", Ask{N: 1})
		if !r.Take(Ask{N: 1, Revokes: true}, time.Now()) {
			t.Error("got no place for what revokes")
		}
		ask("revocation", Ask{N: 1, Revokes: true})
		for _, want := range [...]string{"revocation", "read"} {
			r.Give(Ask{N: 1})
			if want == "read" { // one more, since the last is kept
				r.Give(Ask{N: 1})
			}
			synctest.Wait()
			if name := <-got; name != want {
				t.Errorf("got %s, want %s", name, want)
			}
		}
	})
}

// However much one asks for, others find some, and come to have as much.
func TestWhoSharesLeavesSomeToOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(60, time.Hour, Shared)
		held := func(of string) int64 {
			synctest.Wait()
			r.mu.Lock()
			defer r.mu.Unlock()
			return r.held[of]
		}
		ask := func(of string, times int) {
			for range times {
				go r.Take(Ask{N: 1, Of: of}, time.Time{})
			}
			synctest.Wait()
		}
		ask("greedy", 500)
		if n := held("greedy"); n != 30 {
			t.Errorf("got %d for who is alone, want half", n)
		}
		ask("other", 500)
		for range 200 { // each of them has its turn over and over
			for _, of := range [...]string{"greedy", "other"} {
				r.Give(Ask{N: 1, Of: of})
			}
			synctest.Wait()
		}
		if a, b := held("greedy"), held("other"); a < 19 || a > 21 || b < 19 || b > 21 {
			t.Errorf("got %d and %d, want a third each, and a third for whoever comes", a, b)
		}
		if !r.Take(Ask{N: 15, Of: "new"}, time.Now()) {
			t.Error("got nothing for whoever comes")
		}
		if r.Take(Ask{N: 1, Of: "greedy"}, time.Now()) {
			t.Error("got more than is left to others")
		}
		if !r.Take(Ask{N: 1, Of: "greedy", Revokes: true}, time.Now()) {
			t.Error("got nothing for what revokes")
		}
		time.Sleep(2 * time.Hour) // those who wait give up
	})
}

// Who needs much waits for it, and isn't passed by without end.
func TestLargeAsksAreNotStarved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(100, time.Hour, Shared)
		r.Take(Ask{N: 40, Of: "a"}, time.Time{})
		large := make(chan bool, 1)
		go func() { large <- r.Take(Ask{N: 90, Of: "b"}, time.Time{}) }()
		synctest.Wait()
		if r.Take(Ask{N: 1, Of: "c"}, time.Now()) {
			t.Error("got a place before one who came first")
		}
		r.Give(Ask{N: 40, Of: "a"})
		if synctest.Wait(); len(large) != 1 || !<-large {
			t.Error("got nothing for the first")
		}
		if r.Take(Ask{N: 101}, time.Time{}) {
			t.Error("got more than there is")
		}
	})
}

func TestTakeAllocatesNothing(t *testing.T) {
	r := New(10, time.Second, Reserved|Shared)
	a := Ask{N: 1, Of: "okta"}
	if n := testing.AllocsPerRun(100, func() {
		r.Take(a, time.Time{})
		r.Give(a)
	}); n != 0 {
		t.Errorf("got %v allocations, want none where nobody waits", n)
	}
}
