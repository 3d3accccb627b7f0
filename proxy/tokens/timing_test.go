package tokens

import (
	"path/filepath"
	"testing"
	"time"
)

// BenchmarkMatch tries tokens that are right up to some place, of as many as a file may
// have: none takes longer than another, since their hashes are compared.
func BenchmarkMatch(b *testing.B) {
	dir := b.TempDir()
	token, line := Make("okta")
	text := line + "\n"
	for range maxTokens - 1 {
		_, other := Make("other")
		text += other + "\n"
	}
	file, held := filepath.Join(dir, "tokens"), filepath.Join(dir, "aws")
	write(b, file, text, time.Now().Add(-time.Hour))
	write(b, held, "a-token", time.Now().Add(-time.Hour))
	k, err := Open(Settings{File: file, Upstream: "file:" + held})
	if err != nil {
		b.Fatal(err)
	}
	wrong := []byte("sg_" + string(make([]byte, len(token)-3)))
	for _, c := range []struct {
		name  string
		right int
	}{{"nothing right", 0}, {"half of it", len(token) / 2}, {"all but the last byte", len(token) - 1}, {"all", len(token)}} {
		guess := append([]byte(token[:c.right]), wrong[c.right:]...)
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				if _, ok := k.Match(guess); ok != (c.right == len(token)) {
					b.Fatal(ok)
				}
			}
		})
	}
}
