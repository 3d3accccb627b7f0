package tokens

import (
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestFilesOfTokensAreBounded(t *testing.T) {
	dir := t.TempDir()
	gateway, held := filepath.Join(dir, "gateway"), filepath.Join(dir, "held")
	f := func(text, upstream, want string) {
		t.Helper()
		write(t, gateway, text, time.Now())
		write(t, held, upstream, time.Now())
		_, err := Open(Settings{File: gateway, Upstream: "file:" + held})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("got %v for files of %d and %d bytes, want %q", err, len(text), len(upstream), want)
		}
	}
	_, line := Make("okta")
	line += "\n"
	f(strings.Repeat(line, maxTokens), "token", "")
	f(strings.Repeat(line, maxTokens+1), "token", "more than 64 tokens")
	f(line+strings.Repeat("#", maxFile-len(line)), "token", "")
	f(line+strings.Repeat("#", maxFile-len(line)+1), "token", "more than 65536 bytes")
	f(line, strings.Repeat("t", maxToken), "")
	f(line, strings.Repeat("t", maxToken+1), "does not hold one token")
	f(strings.Repeat("n", 60)+line, "token", "")
	f(strings.Repeat("n", 61)+line, "token", "line 1")
}

// A token's end is warned of once a day.
func TestWarningsAreFew(t *testing.T) {
	s, err := OpenSeen("")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for _, step := range []struct {
		after time.Duration
		warns bool
	}{{0, true}, {warnEvery - 1, false}, {warnEvery, true}} {
		left, err := s.Accepted("x", now.Add(10*warnEvery), now.Add(step.after))
		if err != nil || (left > 0) != step.warns {
			t.Errorf("got %v %v after %v, want a warning: %v", left, err, step.after, step.warns)
		}
	}
}

// A token's end is warned of from 90 days before, and not earlier.
func TestWarningsBegin(t *testing.T) {
	s, err := OpenSeen("")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for _, left := range []time.Duration{warnFrom, warnFrom - 1} {
		warn, err := s.Accepted("x", now.Add(left), now)
		if err != nil || (warn > 0) != (left < warnFrom) {
			t.Errorf("got %v %v with %v left", warn, err, left)
		}
	}
}

// A file of tokens is looked at once a second, and no more often; one that was written
// within the last is left until it rests.
func TestFilesAreLookedAtNowAndThen(t *testing.T) {
	s, now := source{path: filepath.Join(t.TempDir(), "tokens")}, time.Now()
	f := func(after time.Duration, want string) {
		t.Helper()
		got := ""
		if err := s.refresh(now.Add(after), func(text []byte) error { got = string(text); return nil }); err != nil || got != want {
			t.Errorf("got %q %v after %v, want %q", got, err, after, want)
		}
	}
	write(t, s.path, "one", now.Add(-time.Hour))
	f(0, "one")
	write(t, s.path, "another", now.Add(-time.Minute))
	f(freshFor-1, "")
	f(freshFor, "another")
	write(t, s.path, "a third", now.Add(2*freshFor))
	f(2*freshFor, "")
	f(3*freshFor, "a third")
}
