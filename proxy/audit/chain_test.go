package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// sample is a sound log of two intents, one of them without an outcome, and its
// checkpoint.
func sample(t testing.TB) ([]byte, Checkpoint) {
	t.Helper()
	d := &disk{}
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	j, err := onDisk(t, d, func() time.Time { at = at.Add(time.Millisecond); return at })
	must(t, err)
	in, err := j.Intend(write("X1"), Ordinary)
	must(t, err)
	must(t, in.Settle(&Record{Outcome: "ok"}))
	must(t, j.Answer(&Record{Exchange: "X1", Reply: 200, Findings: []string{"SG304 repair displayName"}}, Ordinary))
	_, err = j.Intend(write("X2"), Ordinary)
	must(t, err)
	return d.bytes, j.Last()
}

// broken demands a chain error at one of these records.
func broken(t testing.TB, what string, err error, seqs ...uint64) {
	t.Helper()
	var chain *ChainError
	if !errors.As(err, &chain) {
		t.Errorf("%s: got %v, want a broken chain", what, err)
	} else if !slices.Contains(seqs, chain.Seq) {
		t.Errorf("%s: got record %d (%v), want one of %v", what, chain.Seq, err, seqs)
	}
}

func TestVerifySumsUpASoundLog(t *testing.T) {
	log, last := sample(t)
	got, err := VerifyAgainst(bytes.NewReader(log), last)
	must(t, err)
	want := Summary{Records: 5, First: 1, Last: 5, LastHash: last.Hash, OpenIntents: []uint64{5}}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got, err := Verify(strings.NewReader("")); err != nil || got.Records != 0 {
		t.Errorf("got %+v, %v for an empty log, want none", got, err)
	}
}

func TestVerifyNamesTheRecordOfEachFlippedByte(t *testing.T) {
	log, last := sample(t)
	for at := range log {
		seq := uint64(1 + bytes.Count(log[:at], []byte{'\n'}))
		for _, flip := range []byte{0x01, 0x20, 0x80, 0xff} {
			bad := slices.Clone(log)
			bad[at] ^= flip
			what := fmt.Sprintf("byte %d ^ %02x", at, flip)
			_, err := VerifyAgainst(bytes.NewReader(bad), last)
			if seq == last.Seq {
				// No other record holds the hash of the last one: a broken link may be its fault.
				broken(t, what, err, seq, seq-1)
				continue
			}
			broken(t, what, err, seq)
			_, err = Verify(bytes.NewReader(bad))
			broken(t, what, err, seq)
		}
	}
}

func TestVerifyNamesWhatIsDroppedDoubledSwappedOrInserted(t *testing.T) {
	log, last := sample(t)
	lines := slices.Collect(bytes.Lines(log))
	f := func(what string, want uint64, lines ...[]byte) {
		t.Helper()
		_, err := VerifyAgainst(bytes.NewReader(bytes.Join(lines, nil)), last)
		broken(t, what, err, want)
	}
	for at := range lines {
		seq := uint64(at + 1)
		f("dropped", seq, slices.Delete(slices.Clone(lines), at, at+1)...)
		f("blank line", seq, slices.Insert(slices.Clone(lines), at, []byte("\n"))...)
		f("foreign line", seq, slices.Insert(slices.Clone(lines), at, []byte("{}\n"))...)
		if seq < last.Seq {
			f("doubled", seq+1, slices.Insert(slices.Clone(lines), at, lines[at])...)
			swapped := slices.Clone(lines)
			swapped[at], swapped[at+1] = swapped[at+1], swapped[at]
			f("swapped", seq, swapped...)
		}
	}
	for at := range len(log) {
		_, err := VerifyAgainst(bytes.NewReader(log[:at]), last)
		seq := uint64(1 + bytes.Count(log[:at], []byte{'\n'}))
		if log[at] == '\n' {
			seq++ // that record lacks its line break only, the next is the first to miss
		}
		broken(t, fmt.Sprintf("cut at %d", at), err, min(seq, last.Seq))
	}
}

// Two logs of the same gateway can't be joined in the middle. Which side of the
// seam is foreign, only a checkpoint could tell.
func TestVerifySeesASplice(t *testing.T) {
	log, _ := sample(t)
	other := rechained(t, bytes.ReplaceAll(log, []byte("X1"), []byte("Y1")))
	if _, err := Verify(bytes.NewReader(other)); err != nil {
		t.Fatal(err)
	}
	a, b := slices.Collect(bytes.Lines(log)), slices.Collect(bytes.Lines(other))
	_, err := Verify(bytes.NewReader(bytes.Join(append(slices.Clone(a[:3]), b[3:]...), nil)))
	broken(t, "splice", err, 3, 4)
}

// rechained is a log with the links that someone would compute who has no
// checkpoint to fear.
func rechained(t *testing.T, log []byte) []byte {
	var out []byte
	var prev [32]byte
	for _, rec := range records(t, log) {
		rec.Prev = hex.EncodeToString(prev[:])
		line := rec.AppendLine(nil)
		prev = sha256.Sum256(line)
		out = append(append(out, line...), '\n')
	}
	return out
}

func TestVerifyDetectsAnyMutation(t *testing.T) {
	log, last := sample(t)
	rapid.Check(t, func(t *rapid.T) {
		at := rapid.IntRange(0, len(log)).Draw(t, "at")
		end := rapid.IntRange(at, len(log)).Draw(t, "end")
		put := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "put")
		bad := slices.Concat(log[:at], put, log[end:])
		if bytes.Equal(bad, log) {
			t.Skip("nothing is changed")
		}
		if _, err := VerifyAgainst(bytes.NewReader(bad), last); err == nil {
			t.Fatalf("%q in place of bytes %d to %d is not detected", put, at, end)
		}
	})
}

// unsynced spares the loops over every byte the wait for a real disk.
type unsynced struct{ file }

func (unsynced) Sync() error { return nil }

// reopen is what a restart does, down to a clean end.
func reopen(t testing.TB, path string) error {
	t.Helper()
	j, err := open(Settings{File: path, RotateAge: -1, KeyFile: filepath.Join(filepath.Dir(path), "key")},
		hooks{wrap: func(f file) file { return unsynced{f} }})
	if err != nil {
		return err
	}
	return j.Close()
}

// inDir writes a log and a key into an own directory.
func inDir(t testing.TB, log []byte) string {
	t.Helper()
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "key"), bytes.Repeat([]byte{7}, keySize), 0o600))
	path := filepath.Join(dir, "audit.jsonl")
	must(t, os.WriteFile(path, log, 0o600))
	return path
}

// afterCrash opens what a crash left and checks that no byte of it is gone, that
// the chain holds, and that no intent is open.
func afterCrash(t *testing.T, what, path string, left []byte) Summary {
	t.Helper()
	must(t, os.WriteFile(path, left, 0o600))
	if err := reopen(t, path); err != nil {
		t.Errorf("%s: %v", what, err)
		return Summary{}
	}
	log, err := os.ReadFile(path)
	must(t, err)
	if !bytes.HasPrefix(log, left) {
		t.Errorf("%s: what the crash left is changed", what)
	}
	s, err := Verify(bytes.NewReader(log))
	if err != nil || len(s.OpenIntents) != 0 {
		t.Errorf("%s: got %v and open intents %v, want a sound log:\n%s", what, err, s.OpenIntents, log)
	}
	return s
}

func TestACutAtAnyByteIsMendedAndTold(t *testing.T) {
	log, _ := sample(t)
	path := inDir(t, nil)
	for at := range len(log) + 1 {
		whole := at == 0 || log[at-1] == '\n' || at < len(log) && log[at] == '\n'
		s := afterCrash(t, fmt.Sprintf("cut at %d", at), path, log[:at])
		if (s.Gaps == 0) != whole {
			t.Errorf("cut at %d: got %d gaps", at, s.Gaps)
		}
	}
	// A crash in the midst of mending: the mended log, cut at every byte again.
	left := log[:len(log)-20]
	afterCrash(t, "mended", path, left)
	mended, err := os.ReadFile(path)
	must(t, err)
	for at := len(left); at <= len(mended); at++ {
		if s := afterCrash(t, fmt.Sprintf("mended and cut at %d", at), path, mended[:at]); s.Gaps == 0 {
			t.Errorf("mended and cut at %d: no gap is told", at)
		}
	}
}

// Pages of the last batch that never reached the disk read as zeros, whatever
// comes behind them.
func TestPagesLostInThePowerCutAreTold(t *testing.T) {
	log, _ := sample(t)
	const page = 64
	path := inDir(t, nil)
	synced := bytes.IndexByte(log, '\n') + 1
	for from := synced; from < len(log); from += page {
		left := slices.Clone(log)
		clear(left[from:min(from+page, len(left))])
		what := fmt.Sprintf("zeros at %d", from)
		if s := afterCrash(t, what, path, left); s.Gaps != 1 {
			t.Errorf("%s: got %d gaps, want 1", what, s.Gaps)
		}
	}
}

func TestOpenIntentsAreClosedAsUnknown(t *testing.T) {
	log, last := sample(t)
	path := inDir(t, log[:len(log)-1])
	must(t, reopen(t, path))
	mended, err := os.ReadFile(path)
	must(t, err)
	want := told(t, log) + "outcome crash X2 unknown\nnotice start\ncheckpoint\nnotice shutdown\n"
	if got := told(t, mended); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	closed := records(t, mended)[last.Seq]
	if closed.Resource != "" || closed.Path != "/Users/906" || closed.Name != "ада@example.test" || closed.Tenant != "default" {
		t.Errorf("got %+v, want the identity of the intent", closed)
	}
	if _, err := VerifyAgainst(bytes.NewReader(mended), last); err != nil {
		t.Errorf("a log that has grown: %v", err)
	}
}

func TestTheTornTailIsNamedByLengthAndHash(t *testing.T) {
	log, _ := sample(t)
	path := inDir(t, log[:len(log)-20])
	must(t, reopen(t, path))
	mended, err := os.ReadFile(path)
	must(t, err)
	from := bytes.LastIndexByte(log[:len(log)-1], '\n') + 1
	tail := mended[from : len(log)-20+1]
	for at := from; at < from+len(tail); at++ {
		bad := slices.Clone(mended)
		bad[at] ^= 1
		_, err := Verify(bytes.NewReader(bad))
		broken(t, fmt.Sprintf("byte %d of the torn tail", at), err, 5)
	}
	gap := records(t, append(slices.Clone(log[:from]), mended[from+len(tail):]...))[4]
	if gap.Kind != KindGap || gap.Seq != 5 || gap.Findings[0] != fmt.Sprintf("%d bytes", len(tail)) {
		t.Errorf("got %+v, want a gap of %d bytes", gap, len(tail))
	}
}

func FuzzVerify(f *testing.F) {
	log, last := sample(f)
	f.Add(log)
	f.Add(log[:len(log)-30])
	f.Add(append(slices.Clone(log[:len(log)-30]), "\n{\"v\":1,\"seq\":5,\"prev\":\"00\"}\n"...))
	f.Add([]byte("{}\n\x00\n[]\n\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := Verify(bytes.NewReader(text))
		if err == nil && s.Records > 0 && (s.First != 1 || s.Last != s.Records) {
			t.Fatalf("got %+v for a log that is said to be sound", s)
		}
		if _, err := VerifyAgainst(bytes.NewReader(text), last); err == nil && !bytes.HasPrefix(text, log) {
			t.Fatalf("another log passes the checkpoint: %q", text)
		}
		// What follows damage never makes it good again.
		if _, err := Verify(bytes.NewReader(append([]byte("{\"v\":1,\"seq\":1\n"), text...))); err == nil {
			t.Fatalf("a torn first record passes before %q", text)
		}
	})
}
