package guard

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/scimgate/scimgate/proxy/whole"
)

// loss is how many were taken away in a part of the window.
type loss struct {
	At time.Time `json:"at"` // when the part began
	N  int       `json:"n"`
}

// Recall takes up what an earlier life of the process has kept in a file, and lets Keep write
// there; "" is memory alone. An error is of the file: the guard counts on, anew if the file
// could not be read.
func (g *Guard) Recall(path string) error {
	if path == "" {
		return nil
	}
	g.disk.Lock()
	g.path = path
	text, err := os.ReadFile(path)
	g.kept = text
	g.disk.Unlock()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	list := map[string][]loss{}
	if err == nil {
		err = json.Unmarshal(text, &list)
	}
	if err != nil {
		return fmt.Errorf("cannot read what a guard holds from %q: %w", path, err)
	}
	g.recall(list)
	return g.Keep() // what is older than the window is held no more
}

func (g *Guard) recall(list map[string][]loss) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	for k := range g.taken {
		if losses := list[Kind(k).String()]; len(losses) > 0 {
			g.taken[k].recent, g.taken[k].holds = windowOf(g.window, losses, now), true
		}
	}
}

// Keep brings what is counted of the kinds that hold something to the disk, if it isn't
// there already, so that a restart lets nothing go. It is to be called after a [Hold] and
// after a release. An error is of the file alone, and the next call tries again.
func (g *Guard) Keep() error {
	g.disk.Lock()
	defer g.disk.Unlock()
	if g.path == "" {
		return nil
	}
	text := g.holding()
	if bytes.Equal(text, g.kept) {
		return nil
	}
	if err := put(g.path, text); err != nil {
		return fmt.Errorf("cannot keep what a guard holds: %w", err)
	}
	g.kept = text
	return nil
}

// holding is what the file has to have, nil for no file.
func (g *Guard) holding() []byte {
	g.mu.Lock()
	defer g.mu.Unlock()
	now, list := time.Now(), map[string][]loss{}
	for k := range g.taken {
		t := &g.taken[k]
		if t.holds = t.holds && t.recent.count(now) > 0; t.holds {
			list[Kind(k).String()] = t.recent.losses()
		}
	}
	if len(list) == 0 {
		return nil
	}
	text, err := json.Marshal(list)
	if err != nil {
		panic("BUG: times and numbers are not JSON: " + err.Error())
	}
	return append(text, '\n')
}

// put makes a text the file's; without one there is no file.
func put(path string, text []byte) error {
	if text != nil {
		return whole.Write(path, text)
	}
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
