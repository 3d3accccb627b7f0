package pace

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &Breaker{}
		f := func(want Passage) {
			t.Helper()
			if got, wait := b.Enter(); got != want || got == Stop && wait <= 0 {
				t.Errorf("got %d, wait %s, want %d", got, wait, want)
			}
		}
		for range failuresToOpen - 1 {
			f(Pass)
			b.Report(false)
		}
		b.Report(true) // one answer, and the count begins anew
		for range failuresToOpen {
			f(Pass)
			b.Report(false)
		}
		f(Stop)
		b.Report(false) // of a call that was under way: it doesn't prolong
		time.Sleep(openFirst)
		f(Probe)
		f(Stop) // one probe at a time
		b.Report(false)
		f(Stop)
		time.Sleep(openFirst / 2)
		f(Stop) // longer than the first time, which half of twice is
		time.Sleep(2 * openFirst)
		f(Probe)
		b.Report(true)
		f(Pass)
		if b.Open() {
			t.Error("the circuit is open after an answered probe")
		}
		for range 40 {
			b.Report(false)
			time.Sleep(2 * openMost)
		}
		b.Report(false)
		if _, wait := b.Enter(); wait > openMost {
			t.Errorf("got a wait of %s, want %s at most", wait, openMost)
		}
	})
}

func TestRetriesAreATenthOfTheCalls(t *testing.T) {
	r := NewRetries()
	spent := 0
	for r.Spend() {
		spent++
	}
	if spent != mostTokens {
		t.Errorf("got %d at once, want %d", spent, mostTokens)
	}
	for range 1000 {
		r.Called()
		if r.Spend() {
			spent++
		}
	}
	if spent < mostTokens+90 || spent > mostTokens+101 {
		t.Errorf("got %d repeats of 1000 calls, want a tenth", spent-mostTokens)
	}
	for n := 1; n < 100; n++ {
		if d := Jitter(n); d < 0 || d > 3*time.Second {
			t.Errorf("got a jitter of %s", d)
		}
	}
}
