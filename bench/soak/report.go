package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Sample is what is seen of the program at one moment.
type Sample struct{ Goroutines, Descriptors, Resident, Heap float64 }

// Report is what came of a run.
type Report struct {
	Length        time.Duration
	Before, After Sample   // without load
	Samples       []Sample // under load, evenly in time

	mu      sync.Mutex // guards following
	answers map[string]int
}

func (r *Report) count(answer string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.answers == nil {
		r.answers = map[string]int{}
	}
	r.answers[answer]++
}

// What may differ without being growth: the collector's rhythm, what the runtime keeps for
// later, and connections to AWS that are kept warm.
const (
	memorySlack    = 6 << 20 // bytes
	goroutineSlack = 4
	openSlack      = workers // descriptors
)

// Grown names what has grown: the least memory of the last quarter against the least of
// the second, and goroutines and descriptors without load after against before.
func (r *Report) Grown() (grown []string) {
	if early, late := r.quarter(1), r.quarter(3); len(early) > 0 && len(late) > 0 {
		for _, m := range []struct {
			name string
			of   func(Sample) float64
		}{{"resident memory", func(s Sample) float64 { return s.Resident }}, {"heap", func(s Sample) float64 { return s.Heap }}} {
			if from, to := least(early, m.of), least(late, m.of); to > from+memorySlack {
				grown = append(grown, fmt.Sprintf("%s: from %.1f to %.1f MB", m.name, from/1e6, to/1e6))
			}
		}
	}
	if r.After.Goroutines > r.Before.Goroutines+goroutineSlack {
		grown = append(grown, fmt.Sprintf("goroutines: from %.0f to %.0f", r.Before.Goroutines, r.After.Goroutines))
	}
	if r.After.Descriptors > r.Before.Descriptors+openSlack {
		grown = append(grown, fmt.Sprintf("descriptors: from %.0f to %.0f", r.Before.Descriptors, r.After.Descriptors))
	}
	for _, bad := range []string{"no answer", "half an answer", "500"} {
		if n := r.answers[bad]; n > 0 {
			grown = append(grown, fmt.Sprintf("%d requests had %s", n, bad))
		}
	}
	return grown
}

func (r *Report) quarter(n int) []Sample {
	size := len(r.Samples) / 4
	return r.Samples[n*size : (n+1)*size]
}

func least(samples []Sample, of func(Sample) float64) float64 {
	low := of(samples[0])
	for _, s := range samples {
		low = min(low, of(s))
	}
	return low
}

func (r *Report) String() string {
	var b strings.Builder
	total := 0
	for _, n := range r.answers {
		total += n
	}
	fmt.Fprintf(&b, "%s, %d answers (%.1f a second):", r.Length, total, float64(total)/r.Length.Seconds())
	for _, answer := range slices.Sorted(maps.Keys(r.answers)) {
		fmt.Fprintf(&b, " %s ×%d", answer, r.answers[answer])
	}
	fmt.Fprintf(&b, "\n%-22s %12s %12s %12s %12s\n", "", "goroutines", "descriptors", "resident MB", "heap MB")
	row := func(name string, s Sample) {
		fmt.Fprintf(&b, "%-22s %12.0f %12.0f %12.1f %12.1f\n", name, s.Goroutines, s.Descriptors, s.Resident/1e6, s.Heap/1e6)
	}
	row("before", r.Before)
	for n, name := range []string{"first quarter", "second quarter", "third quarter", "last quarter"} {
		if q := r.quarter(n); len(q) > 0 {
			row(name+", least", Sample{least(q, func(s Sample) float64 { return s.Goroutines }), least(q, func(s Sample) float64 { return s.Descriptors }),
				least(q, func(s Sample) float64 { return s.Resident }), least(q, func(s Sample) float64 { return s.Heap })})
		}
	}
	row("after", r.After)
	if grown := r.Grown(); len(grown) > 0 {
		fmt.Fprintf(&b, "grown: %s\n", strings.Join(grown, "; "))
	} else {
		fmt.Fprintln(&b, "nothing has grown")
	}
	return b.String()
}
