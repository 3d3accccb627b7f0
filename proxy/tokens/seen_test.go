package tokens

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestSeenTokensAreRememberedAndWarnedOf(t *testing.T) {
	path := filepath.Join(t.TempDir(), "seen")
	open := func() *Seen {
		s, err := OpenSeen(path)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open()
	first := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	f := func(digest string, ends, now time.Time, days float64) {
		t.Helper()
		left, err := s.Accepted(digest, ends, now)
		if got := left.Hours() / 24; err != nil || got != days {
			t.Errorf("got %v days left, %v, want %v", got, err, days)
		}
	}
	if s.Knows("a") {
		t.Error("a token is known that was never seen")
	}
	f("a", time.Time{}, first, 0)
	s = open() // another life
	if !s.Knows("a") {
		t.Error("a token is forgotten over a restart")
	}
	f("a", time.Time{}, first.AddDate(0, 0, 200), 0)
	f("a", time.Time{}, first.AddDate(0, 0, 300), 65)
	f("a", time.Time{}, first.AddDate(0, 0, 300).Add(time.Hour), 0) // once a day
	f("a", time.Time{}, first.AddDate(0, 0, 301), 64)
	if want := first.Add(Life); !s.Ends().Equal(want) {
		t.Errorf("got an end at %v, want %v", s.Ends(), want)
	}
	f("b", first.AddDate(0, 0, 320), first.AddDate(0, 0, 310), 10) // a configured day
	if err := s.Refused("a"); err != nil || open().Knows("a") || !open().Knows("b") {
		t.Errorf("got %v, want the token that was refused to be forgotten", err)
	}
	text, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(text), `"a"`) {
		t.Errorf("got %s %v", text, err)
	}
	if err := os.WriteFile(path, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenSeen(path); err == nil {
		t.Error("a damaged file is taken for an empty one")
	}
}

func TestSeenIsBounded(t *testing.T) {
	s, err := OpenSeen("")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for i := range maxSeen + 10 {
		if _, err := s.Accepted(fmt.Sprint(i), time.Time{}, now.Add(time.Duration(i))); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.tokens) != maxSeen || s.Knows("9") || !s.Knows("10") {
		t.Errorf("got %d tokens, want %d and the oldest gone", len(s.tokens), maxSeen)
	}
}

func TestGuessesAreLimitedByAddress(t *testing.T) {
	g := NewGuesses(1, 3)
	now := time.Now()
	a, b := netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("198.51.100.2")
	count := func(address netip.Addr, now time.Time) (n int) {
		for range 10 {
			if g.Allow(address, now) {
				n++
			}
		}
		return n
	}
	if got := [...]int{count(a, now), count(a, now), count(b, now), count(a, now.Add(2*time.Second))}; got != [...]int{3, 0, 3, 2} {
		t.Errorf("got %v, want 3 at once for each, and one a second", got)
	}
	for i := range maxAddresses + 100 {
		g.Allow(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), now)
	}
	if len(g.by) > maxAddresses {
		t.Errorf("got %d addresses, want %d at most", len(g.by), maxAddresses)
	}
	g.Allow(netip.MustParseAddr("203.0.113.1"), now.Add(time.Hour))
	if len(g.by) != 1 {
		t.Errorf("got %d addresses after an hour, want the others forgotten", len(g.by))
	}
}

func TestExpiresIsADay(t *testing.T) {
	if err := (Settings{Expires: "soon"}).Check(); err == nil || !strings.Contains(err.Error(), "2027-03-31") {
		t.Errorf("got %v", err)
	}
	if got := (Settings{Expires: "2027-03-31"}).Ends(); got.Format(time.DateOnly) != "2027-03-31" {
		t.Errorf("got %v", got)
	}
}
