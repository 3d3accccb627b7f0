package pace

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func budgets(t interface{ Fatal(...any) }, s Settings) *Budgets {
	b, err := NewBudgets(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func in(d time.Duration) time.Time { return time.Now().Add(d) }

// refused compares the reason and the seconds of a refusal.
func refused(t *testing.T, err error, why Why, again time.Duration) {
	t.Helper()
	var f *Full
	if !errors.As(err, &f) || f.Why != why || f.RetryAfter != again {
		t.Errorf("got %v, want reason %d and %v", err, why, again)
	}
}

func TestAnyWindowStaysWithinRateAndBurst(t *testing.T) {
	type spent struct {
		at     time.Time
		ask    Ask
		number int
	}
	rapid.Check(t, func(r *rapid.T) {
		asks := rapid.SliceOfN(rapid.Custom(func(r *rapid.T) Ask {
			return Ask{
				Kind:        rapid.SampledFrom([]Kind{Read, Write}).Draw(r, "kind"),
				Memberships: rapid.SampledFrom([]int{0, 0, 1, 30}).Draw(r, "memberships"),
				Revokes:     rapid.Bool().Draw(r, "revokes"),
			}
		}), 1, 60).Draw(r, "asks")
		gaps := rapid.SliceOfN(rapid.IntRange(0, 100), len(asks), len(asks)).Draw(r, "gaps")
		synctest.Test(t, func(t *testing.T) {
			b := budgets(t, Settings{Memberships: Rate{40, 30}})
			gone := make(chan spent, len(asks))
			for i, ask := range asks {
				time.Sleep(time.Duration(gaps[i]) * time.Millisecond)
				go func() {
					if _, err := b.Take(ask, in(time.Hour)); err != nil {
						t.Errorf("got %v, want a turn within the hour", err)
					}
					gone <- spent{time.Now(), ask, i}
				}()
			}
			var all []spent
			for range asks {
				all = append(all, <-gone)
			}
			slices.SortFunc(all, func(x, y spent) int { return x.at.Compare(y.at) })
			f := func(name string, r Rate, cost func(Ask) int) {
				for i := range all {
					sum := 0
					for j := i; j < len(all); j++ {
						sum += cost(all[j].ask)
						allowed := r.PerSecond*all[j].at.Sub(all[i].at).Seconds() + float64(r.Burst)
						if float64(sum) > allowed+1e-6 {
							t.Errorf("%s: got %d in %v, want at most %g", name, sum, all[j].at.Sub(all[i].at), allowed)
							return
						}
					}
				}
			}
			is := func(k Kind) func(Ask) int {
				return func(a Ask) int {
					if a.Kind == k {
						return 1
					}
					return 0
				}
			}
			f("reads", Rate{32, 8}, is(Read))
			f("writes", Rate{20, 5}, is(Write))
			f("memberships", Rate{40, 30}, func(a Ask) int { return a.Memberships * is(Write)(a) })
			if s := b.State(); s.Waiting != 0 {
				t.Errorf("got %d who wait, want none", s.Waiting)
			}
		})
	})
}

func TestWhoRevokesGoesFirstThenWhoCameFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := budgets(t, Settings{Writes: Rate{1, 1}})
		if _, err := b.Take(Ask{Kind: Write}, in(0)); err != nil {
			t.Fatal(err)
		}
		turns := make(chan int, 4)
		for i, revokes := range []bool{false, true, false, true} {
			go func() {
				if _, err := b.Take(Ask{Kind: Write, Revokes: revokes}, in(time.Minute)); err != nil {
					t.Error(err)
				}
				turns <- i
			}()
			synctest.Wait()
		}
		order := []int{<-turns, <-turns, <-turns, <-turns}
		if want := []int{1, 3, 0, 2}; !slices.Equal(order, want) {
			t.Errorf("got %v, want %v", order, want)
		}
	})
}

func TestTurnAfterTheDeadlineIsRefusedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := budgets(t, Settings{Writes: Rate{0.5, 1}})
		begin := time.Now()
		take := func(d time.Duration) error { _, err := b.Take(Ask{Kind: Write}, in(d)); return err }
		if err := take(0); err != nil {
			t.Fatal(err)
		}
		refused(t, take(1500*time.Millisecond), TooLong, 2*time.Second)
		if !time.Now().Equal(begin) {
			t.Error("waited before refusing")
		}
		if waited, err := b.Take(Ask{Kind: Write}, in(2*time.Second)); err != nil || waited != 2*time.Second {
			t.Errorf("got %v %v, want a turn after exactly 2s", waited, err)
		}
		// Pushed back by one who revokes, beyond its deadline.
		var late error
		go func() { late = take(3 * time.Second) }()
		synctest.Wait()
		if _, err := b.Take(Ask{Kind: Write, Revokes: true}, in(time.Minute)); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		refused(t, late, TooLong, time.Second)
		time.Sleep(time.Second)
		if err := take(0); err != nil {
			t.Errorf("got %v: who gave up has spent something", err)
		}
	})
}

func TestThoseWhoWaitAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := budgets(t, Settings{Writes: Rate{1, 1}, MaxWaiting: 2})
		_, _ = b.Take(Ask{Kind: Write}, in(0))
		errs := make([]error, 2)
		for i := range errs {
			go func() { _, errs[i] = b.Take(Ask{Kind: Write}, in(time.Minute)) }()
			synctest.Wait()
		}
		_, err := b.Take(Ask{Kind: Write}, in(time.Minute))
		refused(t, err, TooMany, 3*time.Second)
		if waited, err := b.Take(Ask{Kind: Write, Revokes: true}, in(time.Minute)); err != nil || waited != time.Second {
			t.Errorf("got %v %v, want that who revokes finds room and goes first", waited, err)
		}
		synctest.Wait()
		refused(t, errs[1], TooMany, time.Second)
		b.Close()
		synctest.Wait()
		refused(t, errs[0], Closed, time.Second)
		_, err = b.Take(Ask{}, in(time.Minute))
		refused(t, err, Closed, time.Second)
	})
}

func TestThrottlingLowersThePaceForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := budgets(t, Settings{})
		f := func(reads, writes, memberships float64) {
			t.Helper()
			if got := b.State(); got != (State{0, reads, writes, memberships}) {
				t.Errorf("got %+v, want %g %g %g", got, reads, writes, memberships)
			}
		}
		write := Ask{Kind: Write}
		f(32, 20, 100)
		b.Throttled(write, 0)
		b.Throttled(write, 0) // of the same moment
		f(32, 10, 100)
		time.Sleep(10 * time.Second)
		f(32, 11, 100)
		b.Throttled(Ask{Kind: Write, Memberships: 3}, 0)
		f(32, 5.5, 50)
		for range 10 {
			time.Sleep(time.Second)
			b.Throttled(Ask{Kind: Read}, 0)
		}
		if got := b.State().Reads; got != 3.2 {
			t.Errorf("got %g, want a tenth", got)
		}
		time.Sleep(10 * time.Minute)
		f(32, 20, 100)

		b.Throttled(write, 7*time.Second)
		_, err := b.Take(Ask{Kind: Write, Revokes: true}, in(6*time.Second))
		refused(t, err, TooLong, 7*time.Second)
		if _, err := b.Take(Ask{Kind: Read}, in(0)); err != nil {
			t.Errorf("got %v: a read has to do with no write", err)
		}
		if waited, err := b.Take(write, in(10*time.Second)); err != nil || waited != 7*time.Second {
			t.Errorf("got %v %v, want a wait of 7s", waited, err)
		}
		b.Throttled(write, 1e9*time.Second)
		_, err = b.Take(write, in(time.Minute))
		refused(t, err, TooLong, 300*time.Second)
	})
}

func TestMoreThanABurstIsSavedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := budgets(t, Settings{Memberships: Rate{10, 20}})
		big := Ask{Kind: Write, Memberships: 100}
		_, err := b.Take(big, in(time.Second))
		refused(t, err, TooLong, 8*time.Second)
		other := make(chan time.Duration, 1)
		go func() {
			time.Sleep(time.Second)
			waited, _ := b.Take(Ask{Kind: Write}, in(0))
			other <- waited
		}()
		if waited, err := b.Take(big, in(time.Minute)); err != nil || waited != 8*time.Second {
			t.Errorf("got %v %v, want a wait of 8s", waited, err)
		}
		if waited := <-other; waited != 0 {
			t.Errorf("got a wait of %v for a write without memberships, want none", waited)
		}
		time.Sleep(time.Minute)
		if got := b.meters[memberships].limiter.TokensAt(time.Now()); got != 20 {
			t.Errorf("got %g saved, want the burst", got)
		}
	})
}

// Who gives up may have held up those behind it, who need less.
func TestWhoGivesUpItsBudgetHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := budgets(t, Settings{Memberships: Rate{1, 10}})
		change := func(n int, revokes bool, d time.Duration) (time.Duration, error) {
			return b.Take(Ask{Kind: Write, Memberships: n, Revokes: revokes}, in(d))
		}
		if _, err := change(10, false, 0); err != nil {
			t.Fatal(err)
		}
		go func() { // gives up after 10 s, when 7 are saved
			_, err := change(9, false, 10*time.Second)
			refused(t, err, TooLong, 2*time.Second)
		}()
		synctest.Wait()
		end := make(chan time.Duration, 1)
		go func() {
			waited, err := change(7, false, time.Minute)
			if err != nil {
				t.Error(err)
			}
			end <- waited
		}()
		synctest.Wait()
		if _, err := change(3, true, time.Minute); err != nil {
			t.Fatal(err)
		}
		if waited := <-end; waited != 10*time.Second {
			t.Errorf("got a turn after %v, want it when the other gave up", waited)
		}
	})
}

func TestNobodyWaitingCostsNoAllocation(t *testing.T) {
	b := budgets(t, Settings{Writes: Rate{1e9, 1e6}})
	by := in(time.Hour)
	if n := testing.AllocsPerRun(100, func() { _, _ = b.Take(Ask{Kind: Write}, by) }); n != 0 {
		t.Errorf("got %g allocations, want 0", n)
	}
}

func TestSettingsAreChecked(t *testing.T) {
	f := func(s Settings, ok bool) {
		t.Helper()
		if err := s.Check(); (err == nil) != ok {
			t.Errorf("%+v: got %v", s, err)
		}
	}
	f(Settings{}, true)
	f(Settings{Writes: Rate{5, 1}}, true)
	f(Settings{Writes: Rate{5, -1}}, false)
	f(Settings{Reads: Rate{-5, 5}}, false)
	f(Settings{Memberships: Rate{-1, 5}}, false)
	f(Settings{MaxWaiting: -1}, false)
}

// Half a pace is the other half of the default.
func TestHalfAPaceIsFilledIn(t *testing.T) {
	f := func(given, want Settings) {
		t.Helper()
		s := given.WithDefaults()
		if s.Writes != want.Writes || s.Reads != want.Reads || s.Memberships != want.Memberships {
			t.Errorf("%+v: got %+v, want %+v", given, s, want)
		}
		if err := given.Check(); err != nil {
			t.Errorf("%+v: got %v", given, err)
		}
	}
	f(Settings{}, Settings{Writes: Rate{20, 5}, Reads: Rate{32, 8}, Memberships: Rate{100, 100}})
	f(Settings{Reads: Rate{PerSecond: 10}}, Settings{Writes: Rate{20, 5}, Reads: Rate{10, 8}, Memberships: Rate{100, 100}})
	f(Settings{Writes: Rate{Burst: 2}, Memberships: Rate{PerSecond: 0.5}}, Settings{Writes: Rate{20, 2}, Reads: Rate{32, 8}, Memberships: Rate{0.5, 100}})
}

// Askers that share a budget take turns: one that asks for very much does not keep
// another from its part.
func TestAskersTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, err := NewBudgets(Settings{Writes: Rate{PerSecond: 10, Burst: 1}, MaxWaiting: 100})
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		var mu sync.Mutex
		var order []string
		var all sync.WaitGroup
		ask := func(of string) {
			all.Go(func() {
				if _, err := b.Take(Ask{Kind: Write, Of: of}, time.Now().Add(time.Hour)); err == nil {
					mu.Lock()
					order = append(order, of)
					mu.Unlock()
				}
			})
		}
		for range 40 {
			ask("noisy")
		}
		synctest.Wait()
		for range 5 {
			ask("quiet")
		}
		synctest.Wait()
		time.Sleep(10 * time.Second)
		all.Wait()
		last := 0
		for i, of := range order {
			if of == "quiet" {
				last = i
			}
		}
		if len(order) != 45 || last > 12 {
			t.Errorf("got the last of the quiet asker's 5 at %d of %d, want them to have every second turn", last, len(order))
		}
	})
}

// One asker can't take all the places of those who wait.
func TestAnAskerMakesRoomForAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, err := NewBudgets(Settings{Writes: Rate{PerSecond: 1, Burst: 1}, MaxWaiting: 10})
		if err != nil {
			t.Fatal(err)
		}
		results := map[string]int{}
		var mu sync.Mutex
		var all sync.WaitGroup
		ask := func(of string) {
			all.Go(func() {
				_, err := b.Take(Ask{Kind: Write, Of: of}, time.Now().Add(time.Hour))
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					results[of+" refused"]++
				} else {
					results[of]++
				}
			})
		}
		for range 12 { // one goes at once, ten wait, one is refused
			ask("noisy")
			synctest.Wait()
		}
		for range 7 { // five are its share
			ask("quiet")
			synctest.Wait()
		}
		time.Sleep(time.Minute)
		all.Wait()
		if got := fmt.Sprint(results); got != "map[noisy:6 noisy refused:6 quiet:5 quiet refused:2]" {
			t.Errorf("got %s, want half of the places for each", got)
		}
	})
}
