package main

import (
	"context"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A short run works from end to end.
func TestSoak(t *testing.T) {
	r, err := soak(context.Background(), "", 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if grown := r.Grown(); len(grown) > 0 || r.answers["201"] == 0 || r.answers["204"] == 0 || r.answers["400"] == 0 {
		t.Errorf("got\n%s", r)
	}
}

// What grows is seen.
func TestGrown(t *testing.T) {
	f := func(r *Report, want int) {
		t.Helper()
		if got := r.Grown(); len(got) != want {
			t.Errorf("got %v, want %d", got, want)
		}
	}
	steady := make([]Sample, 40)
	f(&Report{Samples: steady}, 0)
	leaking := make([]Sample, 40)
	for i := range leaking {
		leaking[i] = Sample{Resident: float64(i) * 1e6, Heap: 1e6}
	}
	f(&Report{Samples: leaking}, 1)
	f(&Report{Before: Sample{Goroutines: 10, Descriptors: 10}, After: Sample{Goroutines: 20, Descriptors: 40}}, 2)
	f(&Report{answers: map[string]int{"500": 1, "201": 5}}, 1)
}
