//go:build race

package main

// racing tells whether this is built with the race detector; the gateway then is too, so
// that a race of its own ends it with an exit code that no run takes.
const racing = true
