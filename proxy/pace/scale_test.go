package pace

import (
	"testing"
	"testing/synctest"
	"time"
)

// A part of the budgets is a part of the pace and of the burst, throttled or not, and the
// whole is there again when it is given back.
func TestAPartOfTheBudgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := budgets(t, Settings{Writes: Rate{20, 4}})
		write := Ask{Kind: Write}
		within := func(d time.Duration) (n int) {
			for end := in(d); ; n++ {
				if _, err := b.Take(write, end); err != nil {
					time.Sleep(time.Until(end))
					return n
				}
			}
		}
		if n := within(10 * time.Second); n != 204 {
			t.Errorf("%d writes in 10 s, want 204", n)
		}
		b.Scale(0.5)
		if n := within(10 * time.Second); n != 100 {
			t.Errorf("%d writes in 10 s with half of the pace, want 100", n)
		}
		time.Sleep(time.Minute)
		if n := within(10 * time.Second); n != 102 {
			t.Errorf("%d writes in 10 s with half of the pace and of the burst, want 102", n)
		}
		b.Throttled(write, 0)
		if got := b.State().Writes; got != 5 {
			t.Errorf("a throttled half is %v a second, want 5", got)
		}
		b.Scale(1)
		if got := b.State().Writes; got != 10 {
			t.Errorf("a throttled whole is %v a second, want 10", got)
		}
	})
}

// Who waits for more than there is now at once goes on waiting.
func TestAPartOfTheBudgetsForWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := budgets(t, Settings{Memberships: Rate{100, 100}})
		if _, err := b.Take(Ask{Kind: Write, Memberships: 100}, in(0)); err != nil {
			t.Fatal(err)
		}
		began, gone := time.Now(), make(chan error)
		go func() {
			_, err := b.Take(Ask{Kind: Write, Memberships: 100}, in(time.Minute))
			gone <- err
		}()
		synctest.Wait()
		b.Scale(0.5)
		if err := <-gone; err != nil || time.Since(began) != 2*time.Second {
			t.Errorf("it went after %v with %v, want 2 s", time.Since(began), err)
		}
	})
}

// What another has spent a moment ago is not there.
func TestEmptyBudgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := budgets(t, Settings{Reads: Rate{10, 5}})
		b.Empty()
		began := time.Now()
		for range 5 {
			if _, err := b.Take(Ask{}, in(time.Minute)); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took != 500*time.Millisecond {
			t.Errorf("five reads took %v, want 500 ms", took)
		}
		time.Sleep(time.Minute)
		for range 5 {
			if waited, err := b.Take(Ask{}, in(time.Minute)); err != nil || waited > 0 {
				t.Errorf("waited %v (%v) for what was saved", waited, err)
			}
		}
	})
}
