package tokens

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/scimgate/scimgate/proxy/whole"
)

// Life is how long AWS's tokens are good for (IAM Identity Center user guide, automatic
// provisioning): a year from their making, of which only the first use is seen here.
const Life = 365 * 24 * time.Hour

// Warnings before a token's end: from warnFrom on, once a day.
const (
	warnFrom  = 90 * 24 * time.Hour
	warnEvery = 24 * time.Hour
)

// maxSeen bounds the tokens that are remembered; AWS has two at once for an endpoint. The
// one that was used longest ago goes first.
const maxSeen = 256

// Seen are the tokens that the upstream has accepted, by digests that say nothing about
// them, and when each was accepted first. Safe for concurrent use.
type Seen struct {
	path string // "" for memory alone

	mu     sync.Mutex // guards following
	tokens map[string]*seen
	ends   time.Time // of the token that was used last
}

// seen is what is known of one.
type seen struct {
	First  time.Time `json:"first"`
	used   time.Time
	warned time.Time
}

// OpenSeen reads them from a file, if there is one; "" keeps them in memory alone.
func OpenSeen(path string) (*Seen, error) {
	s := &Seen{path: path, tokens: map[string]*seen{}}
	if path == "" {
		return s, nil
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &s.tokens)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read which tokens were seen from %q: %w", path, err)
	}
	return s, nil
}

// Knows tells whether the upstream has accepted a token before.
func (s *Seen) Knows(digest string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tokens[digest] != nil
}

// Accepted takes in that the upstream has accepted a token. ends is when it will no more,
// the zero time if that is still to be a year from its first use. warn is how long is
// left, told once a day when it isn't much; 0 otherwise. The error is of the file alone.
func (s *Seen) Accepted(digest string, ends, now time.Time) (warn time.Duration, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tokens[digest]
	if t == nil {
		t = &seen{First: now.UTC().Truncate(time.Second)}
		s.makeRoom()
		s.tokens[digest] = t
		err = s.write()
	}
	t.used = now
	if ends.IsZero() {
		ends = t.First.Add(Life)
	}
	s.ends = ends
	if left := ends.Sub(now); left < warnFrom && now.Sub(t.warned) >= warnEvery {
		t.warned = now
		return max(left, time.Nanosecond), err
	}
	return 0, err
}

// Refused takes in that the upstream does not accept a token any more.
func (s *Seen) Refused(digest string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tokens[digest] == nil {
		return nil
	}
	delete(s.tokens, digest)
	return s.write()
}

// Ends is when the token ends that was used last; the zero time before there was one.
func (s *Seen) Ends() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ends
}

func (s *Seen) makeRoom() {
	if len(s.tokens) < maxSeen {
		return
	}
	oldest := ""
	for digest, t := range s.tokens {
		if oldest == "" || t.used.Before(s.tokens[oldest].used) {
			oldest = digest
		}
	}
	delete(s.tokens, oldest)
}

// write puts a new file in the place of the old one. It is called with mu held: a token
// is seen for the first time about once a year.
func (s *Seen) write() error {
	if s.path == "" {
		return nil
	}
	text, err := json.Marshal(s.tokens)
	if err != nil {
		return fmt.Errorf("cannot write which tokens were seen: %w", err)
	}
	if err := whole.Write(s.path, append(text, '\n')); err != nil {
		return fmt.Errorf("cannot write which tokens were seen: %w", err)
	}
	return nil
}
