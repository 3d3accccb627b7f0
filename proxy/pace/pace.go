// Package pace decides when a call may go out: budgets say how many a second,
// lanes in which order the writes to one resource go.
//
// It is local to this process, sends nothing and knows no HTTP. Nothing in it
// ticks: whoever waits does so on the caller's goroutine, and one timer is set to
// the moment at which the first of them can go.
//
// Begin with [Budgets.Take] and [Lanes.Enter].
package pace

import (
	"fmt"
	"time"
)

// Why says why a wait was refused.
type Why uint8

const (
	TooLong Why = iota + 1 // the turn would come after the deadline
	TooMany                // the bound on those who wait is reached
	Closed                 // Close was called
)

// Full is the only error of this package: there is no turn before the deadline,
// and nothing was taken.
type Full struct {
	Why        Why
	RetryAfter time.Duration // whole seconds, 1 s to 300 s: when a repeat makes sense
}

func (f *Full) Error() string {
	words := [...]string{
		TooLong: "the turn comes after the deadline",
		TooMany: "too many wait already",
		Closed:  "it is shutting down",
	}
	return fmt.Sprintf("cannot wait: %s; again in %s", words[f.Why], f.RetryAfter)
}

// maxRetryAfter bounds what an upstream may ask for and what a client is told.
const maxRetryAfter = 300 * time.Second

func full(why Why, wait time.Duration) *Full {
	wait = (wait + time.Second - 1).Truncate(time.Second)
	return &Full{why, min(max(wait, time.Second), maxRetryAfter)}
}
