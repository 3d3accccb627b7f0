package audit

import (
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// marked is a log of two lives with checkpoints in it, and what was handed out.
func marked(t *testing.T, path string, s Settings) (handed []Checkpoint) {
	t.Helper()
	s.File = path
	s.Told = func(c Checkpoint, err error) {
		must(t, err)
		handed = append(handed, c)
	}
	for life := range 2 {
		j, err := Open(s)
		must(t, err)
		for i := range 3 {
			fill(t, j, life*100+i*10, 2)
			time.Sleep(markEvery + time.Second)
			synctest.Wait()
		}
		must(t, j.Close())
	}
	return handed
}

func TestCheckpointsAreSignedAndHandedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		path, kept := filepath.Join(dir, "audit.jsonl"), filepath.Join(dir, "elsewhere")
		handed := marked(t, path, Settings{CheckpointFile: kept})
		if len(handed) != 8 { // three in each life, and one at its end
			t.Fatalf("got %d checkpoints, want 8", len(handed))
		}
		key, err := ReadPublicKey(path + ".pub")
		must(t, err)
		text, err := os.ReadFile(kept)
		must(t, err)
		lines := strings.Fields(string(text))
		for i, c := range handed {
			again, err := ParseCheckpoint(lines[i])
			if err != nil || again != c || !c.SignedBy(key) {
				t.Errorf("got %v %v in the file, want %v", again, err, c)
			}
			if _, err := VerifyFile(path, &c, key); err != nil {
				t.Errorf("%v: %v", c, err)
			}
		}
		if s, err := VerifyFile(path, &handed[7], key); err != nil || s.Signed != 8 || s.Last != handed[7].Seq {
			t.Errorf("got %+v %v, want the last checkpoint to be of the last record", s, err)
		}
		for _, name := range []string{path + ".signing", kept} {
			if at, err := os.Stat(name); err != nil || at.Mode().Perm() != 0o600 {
				t.Errorf("got %v %v of %s, want 0600", at.Mode(), err, name)
			}
		}
		// An idle log gets no more of them.
		j, err := Open(Settings{File: path})
		must(t, err)
		time.Sleep(10 * markEvery)
		must(t, j.Close())
		if s, err := VerifyFile(path, nil, key); err != nil || s.Signed != 10 {
			t.Errorf("got %+v %v, want one checkpoint for the start, and one for the end", s, err)
		}
	})
}

// Who has the log but not the key can't write it anew, nor cut it.
func TestAForgedLogFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "audit.jsonl")
		handed := marked(t, path, Settings{})
		key, err := ReadPublicKey(path + ".pub")
		must(t, err)
		text, err := os.ReadFile(path)
		must(t, err)
		f := func(what string, forge func(string) string, mark *Checkpoint, keys ...ed25519.PublicKey) {
			t.Helper()
			must(t, os.WriteFile(path, []byte(forge(string(text))), 0o600))
			var broken *ChainError
			if _, err := VerifyFile(path, mark, keys...); !errors.As(err, &broken) {
				t.Errorf("%s: got %v, want it found", what, err)
			}
		}
		last := &handed[len(handed)-1]
		lines := strings.SplitAfter(string(text), "\n")
		cut := func(string) string { return strings.Join(lines[:len(lines)-3], "") }
		f("a tail that is cut off", cut, last, key)
		f("a chain written anew", func(s string) string { return rechain(t, strings.ReplaceAll(s, `"x0"`, `"y0"`)) }, nil, key)
		f("a signature of another record", func(s string) string {
			return rechain(t, strings.Replace(s, between(s, `"sig":"`), between(s[strings.LastIndex(s, `"sig":"`):], `"sig":"`), 1))
		}, nil, key)
		f("no checkpoint at all", func(s string) string {
			var rest []string
			for _, line := range lines {
				if !strings.Contains(line, `"kind":"checkpoint"`) {
					rest = append(rest, line)
				}
			}
			return rechain(t, strings.Join(rest, ""))
		}, nil, key)
		f("a checkpoint that nobody signed", func(s string) string { return s }, &Checkpoint{Seq: last.Seq, Hash: last.Hash}, key)
		other, _, err := ed25519.GenerateKey(nil)
		must(t, err)
		f("another key", func(s string) string { return s }, nil, other)
		must(t, os.WriteFile(path, text, 0o600))
		if _, err := VerifyFile(path, last, other, key); err != nil {
			t.Error(err)
		}
	})
}

func between(s, behind string) string {
	_, s, _ = strings.Cut(s, behind)
	s, _, _ = strings.Cut(s, `"`)
	return s
}

// rechain numbers and links the lines of a log anew, as somebody would who changes it.
func rechain(t *testing.T, text string) string {
	t.Helper()
	var out []byte
	var j Journal
	for i, rec := range records(t, []byte(text)) {
		rec.Seq = uint64(i + 1)
		start := len(out)
		out = rec.appendChained(out, &j.hash)
		j.hash = hashOf(out[start:])
		out = append(out, '\n')
	}
	return string(out)
}

func TestParseCheckpoint(t *testing.T) {
	const hash = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	for _, bad := range []string{"", "7", "7:12", "0:" + hash, "x:" + hash, "7:" + hash + ":key", "7:" + hash[1:] + "g"} {
		if c, err := ParseCheckpoint(bad); err == nil {
			t.Errorf("%q is read as %v", bad, c)
		}
	}
	if c, err := ParseCheckpoint("7:" + hash + "\n"); err != nil || c.Seq != 7 || c.String() != "7:"+hash {
		t.Errorf("got %v %v", c, err)
	}
}

// Each record is followed by a checkpoint, also if it came while another was handed out.
func TestWhatComesDuringACheckpointHasOneToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "audit.jsonl")
		var last, n atomic.Uint64
		var j *Journal
		s := Settings{File: path, Told: func(c Checkpoint, err error) {
			last.Store(c.Seq)
			if n.Add(1) == 1 { // audit.checkpoint_file on another machine's disk takes its time
				time.Sleep(time.Second)
			}
		}}
		var err error
		j, err = Open(s)
		must(t, err)
		time.Sleep(markEvery + time.Second/2)
		in, err := j.Intend(write("late"), Ordinary) // while the checkpoint is being handed out
		must(t, err)
		must(t, in.Settle(&Record{Outcome: "ok"}))
		rec := &Record{Exchange: "late", Reply: 200}
		must(t, j.Answer(rec, Ordinary))
		time.Sleep(10 * time.Hour)
		if last.Load() < rec.Seq {
			t.Errorf("ten hours later the last checkpoint is of record %d, and record %d has none", last.Load(), rec.Seq)
		}
		must(t, j.Close())
	})
}

// Who has no signing key can't delete the beginning of a log, and append that retention has.
func TestForgedRetentionIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "audit.jsonl")
		s := small(path) // keep: 0, everything stays
		var latest Checkpoint
		s.Told = func(c Checkpoint, err error) { latest = c }
		j, err := Open(s)
		must(t, err)
		for i := range 5 {
			fill(t, j, i*10, 8)
			time.Sleep(markEvery + time.Second)
			synctest.Wait()
		}
		must(t, j.Close())
		key, err := ReadPublicKey(path + ".pub")
		must(t, err)
		sum, err := VerifyFile(path, &latest, key)
		must(t, err)
		names := segments(t, path, 5)
		for _, name := range names[:3] {
			must(t, os.Remove(name))
		}
		third, err := os.Open(names[3])
		must(t, err)
		base, prev, _, err := firstOf(third)
		must(t, err)
		must(t, third.Close())
		var hash [32]byte
		_, err = hex.Decode(hash[:], []byte(sum.LastHash))
		must(t, err)
		forged := Record{V: 1, Seq: sum.Last + 1, Time: time.Now(), Kind: KindNotice, Event: EventRetired,
			Findings: []string{fmt.Sprintf("up to record %d", base-1), "sha256 " + hex.EncodeToString(prev[:])}}
		f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		must(t, err)
		_, err = f.Write(append(forged.appendChained(nil, &hash), '\n'))
		must(t, err)
		must(t, f.Close())
		for _, mark := range []*Checkpoint{nil, &latest} {
			if s, err := VerifyFile(path, mark, key); err == nil || !strings.Contains(err.Error(), "none of the keys has signed that record") {
				t.Errorf("records 1 to %d are gone: got %+v %v", base-1, s, err)
			}
		}
	})
}

// A checkpoint of a record that was deleted since says so, rather than that one is missing.
func TestACheckpointOfADeletedRecordTellsNothing(t *testing.T) {
	path := rotated(t, 2)
	s, err := VerifyFile(path, nil)
	must(t, err)
	_, err = VerifyFile(path, &Checkpoint{Seq: s.First - 2, Hash: strings.Repeat("0f", 32)})
	if err == nil || !strings.Contains(err.Error(), "deleted by its age") || !strings.Contains(err.Error(), "a later one") {
		t.Errorf("got %v", err)
	}
}
