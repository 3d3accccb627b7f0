package pace

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// The bounds of lanes as they are where nobody sets others, each reached.
func TestDefaultBoundsOfLanes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLanes(Bounds{})
		defer l.Close()
		f := func(place Place, key string) {
			t.Helper()
			_, err := l.Enter(in(time.Hour), place, key)
			refused(t, err, TooMany, moment)
		}
		var held []*Turn
		for n := range 16384 {
			held = append(held, enter(t, l, InOrder, fmt.Sprint("Users/", n)))
		}
		f(InOrder, "Users/another")
		f(Final, "Users/another")
		for _, turn := range held[1000:] {
			turn.Leave(0)
		}
		if len(l.spare) != 64 {
			t.Errorf("got %d lanes kept for others, want 64", len(l.spare))
		}
		wait := func(place Place, n int, key string) {
			for range n {
				go func() { _, _ = l.Enter(in(time.Hour), place, key) }()
				synctest.Wait()
			}
		}
		wait(InOrder, 64, "Users/0")
		f(InOrder, "Users/0")
		wait(Revoking, 64, "Users/0")
		f(Revoking, "Users/0")
		for n := 1; n < 15; n++ {
			wait(InOrder, 64, fmt.Sprint("Users/", n))
		}
		f(InOrder, "Users/999")
		for n := 100; n < 108; n++ {
			wait(Revoking, 128, fmt.Sprint("Users/", n))
		}
		f(Revoking, "Users/999")
		f(Final, "Users/999")
		if l.waiting != 2048 {
			t.Errorf("got %d who wait, want 2048", l.waiting)
		}
	})
}

// A probe that never went out doesn't keep the circuit open for ever.
func TestAProbeIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &Breaker{}
		f := func(want Passage) {
			t.Helper()
			if got, _ := b.Enter(); got != want {
				t.Errorf("got %d, want %d", got, want)
			}
		}
		for range failuresToOpen {
			f(Pass)
			b.Report(false)
		}
		f(Stop)
		time.Sleep(openFirst)
		f(Probe)
		time.Sleep(probeFor - time.Millisecond)
		f(Stop)
		time.Sleep(time.Millisecond)
		f(Probe)
	})
}

// As many calls wait as where nobody sets another bound.
func TestDefaultBoundOfWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := budgets(t, Settings{Reads: Rate{1, 1}})
		defer b.Close()
		if _, err := b.Take(Ask{}, in(0)); err != nil {
			t.Fatal(err)
		}
		for range 1024 {
			go func() { _, _ = b.Take(Ask{}, in(2000*time.Second)) }()
			synctest.Wait()
		}
		_, err := b.Take(Ask{}, in(2000*time.Second))
		refused(t, err, TooMany, maxRetryAfter)
	})
}
