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
