package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// followAll reads what there is behind a record, each line once.
func followAll(t *testing.T, path string, behind *Checkpoint) (list []string, err error) {
	t.Helper()
	f, err := Follow(path, behind)
	if err != nil {
		return nil, err
	}
	defer func() { must(t, f.Close()) }()
	return drained(t, f)
}

// drained are the lines that a follower has, until it has no more.
func drained(t *testing.T, f *Follower) (list []string, err error) {
	t.Helper()
	for {
		r, err := f.Next()
		if err == io.EOF {
			return list, nil
		} else if err != nil {
			return list, err
		}
		if sha256.Sum256(r.Line) != r.Hash {
			t.Errorf("record %d has another hash", r.Seq)
		}
		list = append(list, string(r.Line))
	}
}

// wholeLog are the lines of all segments.
func wholeLog(t *testing.T, path string) (list []string) {
	t.Helper()
	names, err := Segments(path)
	must(t, err)
	for _, name := range names {
		text, err := os.ReadFile(name)
		must(t, err)
		for line := range bytes.Lines(text) {
			list = append(list, strings.TrimSuffix(string(line), "\n"))
		}
	}
	return list
}

func markOf(seq int, line string) *Checkpoint {
	sum := sha256.Sum256([]byte(line))
	return &Checkpoint{Seq: uint64(seq), Hash: hex.EncodeToString(sum[:])}
}

// A log can be followed behind each of its records, over segments and restarts.
func TestFollowBehindEachRecord(t *testing.T) {
	path := rotated(t, 0)
	segments(t, path, 5)
	log := wholeLog(t, path)
	for seq := range len(log) + 1 {
		var behind *Checkpoint
		if seq > 0 {
			behind = markOf(seq, log[seq-1])
		}
		got, err := followAll(t, path, behind)
		if err != nil || !slices.Equal(got, log[seq:]) {
			t.Fatalf("behind record %d: got %d records, %v, want %d", seq, len(got), err, len(log)-seq)
		}
	}
	f, err := Follow(path, nil)
	must(t, err)
	if last, err := f.Last(); err != nil || last != uint64(len(log)) {
		t.Errorf("got %d %v as the last record, want %d", last, err, len(log))
	}
	must(t, f.Close())
}

// A follower keeps up with a log that grows, whenever it looks, and whatever segments that
// begins meanwhile.
func TestFollowKeepsUp(t *testing.T) {
	for _, every := range []int{1, 3, 10} {
		path := filepath.Join(t.TempDir(), "audit.jsonl")
		j, err := Open(small(path))
		must(t, err)
		f, err := Follow(path, nil)
		must(t, err)
		var got []string
		for i := range 60 {
			fill(t, j, 2*i, 2)
			if i%every == 0 {
				more, err := drained(t, f)
				must(t, err)
				got = append(got, more...)
			}
			if i%17 == 0 {
				must(t, j.Reopen())
			}
		}
		must(t, j.Close())
		more, err := drained(t, f)
		must(t, err)
		if got = append(got, more...); !slices.Equal(got, wholeLog(t, path)) {
			t.Errorf("got %d records, want %d", len(got), len(wholeLog(t, path)))
		}
		segments(t, path, 10)
		must(t, f.Close())
	}
}

// Half a line is waited for; what a crash has cut off is accounted for by its gap record,
// and left out.
func TestFollowWaitsForHalfALine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	j, err := Open(Settings{File: path})
	must(t, err)
	fill(t, j, 0, 5)
	must(t, j.Close())
	text, err := os.ReadFile(path)
	must(t, err)
	log := wholeLog(t, path)
	cut := bytes.LastIndexByte(text[:len(text)-1], '\n') + 1 // in front of the last line
	for _, half := range []int{1, 20, len(text) - cut - 1} {
		must(t, os.WriteFile(path, text[:cut+half], 0o600))
		f, err := Follow(path, nil)
		must(t, err)
		got, err := drained(t, f)
		if err != nil || !slices.Equal(got, log[:len(log)-1]) {
			t.Errorf("%d bytes of a line: got %d records, %v", half, len(got), err)
		}
		out, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		must(t, err)
		_, err = out.Write(text[cut+half:])
		must(t, errors.Join(err, out.Close()))
		if got, err = drained(t, f); err != nil || !slices.Equal(got, log[len(log)-1:]) {
			t.Errorf("%d bytes of a line: got %d records, %v when it is whole", half, len(got), err)
		}
		must(t, f.Close())
	}
	must(t, os.WriteFile(path, text[:cut+20], 0o600)) // a crash, and a start
	f, err := Follow(path, nil)
	must(t, err)
	_, err = drained(t, f)
	must(t, err)
	j, err = Open(Settings{File: path})
	must(t, err)
	must(t, j.Close())
	got, err := drained(t, f)
	if err != nil || len(got) < 2 || !strings.Contains(got[0], `"event":"torn"`) {
		t.Errorf("got %q %v, want the gap record", got, err)
	}
	must(t, f.Close())
}

// A log that isn't what was written is followed up to there, and no further.
func TestFollowStopsWhereTheChainIsBroken(t *testing.T) {
	path := rotated(t, 0)
	names := segments(t, path, 5)
	log := wholeLog(t, path)
	text, err := os.ReadFile(names[1])
	must(t, err)
	lines := strings.SplitAfter(string(text), "\n")
	first := slices.Index(log, strings.TrimSuffix(lines[0], "\n"))
	f := func(what, changed string, most int) {
		t.Helper()
		must(t, os.WriteFile(names[1], []byte(changed), 0o600))
		got, err := followAll(t, path, nil)
		var chain *ChainError
		if !errors.As(err, &chain) || len(got) > most || !slices.Equal(got[:len(got)-1], log[:len(got)-1]) {
			t.Errorf("%s: got %d records, %v, want %d at most", what, len(got), err, most)
		}
		must(t, os.WriteFile(names[1], text, 0o600))
	}
	f("a record dropped", strings.Join(append([]string{lines[0]}, lines[2:]...), ""), first+1)
	f("a record changed", strings.Replace(string(text), lines[1], strings.Replace(lines[1], `"kind":"`, `"kind":"x`, 1), 1), first+2)
	f("the last record dropped", strings.Join(lines[:len(lines)-2], ""), first+len(lines)-2)
	last := lines[len(lines)-2]
	f("the last record changed", strings.Join(lines[:len(lines)-2], "")+strings.Replace(last, `"kind":"`, `"kind":"x`, 1), first+len(lines)-2)
	f("something appended", string(text)+"{", first+len(lines)-1)
	f("something else in between", lines[0]+"hello\n"+strings.Join(lines[1:], ""), first+1)
	must(t, os.Remove(names[1]))
	var chain *ChainError
	if _, err := followAll(t, path, nil); !errors.As(err, &chain) {
		t.Errorf("a segment taken out: got %v", err)
	}
}

// A position is believed if the log has it.
func TestFollowHoldsThePositionToTheLog(t *testing.T) {
	path := rotated(t, 0)
	log := wholeLog(t, path)
	f := func(behind *Checkpoint) {
		t.Helper()
		var position *PositionError
		if _, err := followAll(t, path, behind); !errors.As(err, &position) || position.Seq != behind.Seq {
			t.Errorf("got %v", err)
		}
	}
	f(markOf(1, log[1]))
	f(markOf(len(log)/2, "x"))
	f(markOf(len(log)+1, "x"))
	if _, err := Follow(filepath.Join(t.TempDir(), "none"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v for no log", err)
	}
	// What was deleted can't be held to it, but for the last record.
	names := segments(t, path, 5)
	must(t, errors.Join(os.Remove(names[0]), os.Remove(names[1])))
	rest := wholeLog(t, path)
	gone := len(log) - len(rest)
	f(markOf(gone, "x"))
	got, err := followAll(t, path, markOf(gone, log[gone-1]))
	if err != nil || !slices.Equal(got, rest) {
		t.Errorf("got %d records %v", len(got), err)
	}
	for _, behind := range []*Checkpoint{nil, markOf(1, log[0]), markOf(gone-1, log[gone-2])} {
		f, err := Follow(path, behind)
		must(t, err)
		from := uint64(1)
		if behind != nil {
			from = behind.Seq + 1
		}
		var lost *LostError
		if _, err := f.Next(); !errors.As(err, &lost) || lost.From != from || lost.To != uint64(gone) {
			t.Errorf("got %v, want to be told of %d to %d", err, from, gone)
		}
		if got, err := drained(t, f); err != nil || !slices.Equal(got, rest) {
			t.Errorf("got %d records %v", len(got), err)
		}
		must(t, f.Close())
	}
}

// A follower that is slower than retention tells what it has missed, and goes on.
func TestFollowTellsOfWhatRetentionTook(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	s := small(path)
	s.Keep = 2
	j, err := Open(s)
	must(t, err)
	fill(t, j, 0, 2)
	f, err := Follow(path, nil)
	must(t, err)
	_, err = drained(t, f)
	must(t, err)
	fill(t, j, 10, 60)
	must(t, j.Close())
	own, err := drained(t, f) // the rest of its segment, which it holds open
	var lost *LostError
	if !errors.As(err, &lost) {
		t.Fatalf("got %d records, %v, want to be told that some are lost", len(own), err)
	}
	rest := wholeLog(t, path)
	got, err := drained(t, f)
	if err != nil || !slices.Equal(got, rest) || lost.To-lost.From < 10 {
		t.Errorf("got %d records %v behind %v, want %d", len(got), err, lost, len(rest))
	}
	must(t, f.Close())
}

// What a fault has left behind the last durable record doesn't count: a follower that comes
// later leaves it out, and one that has read it goes on with the gap record. To begin behind
// it is an error, and each record tells what would be none.
func TestFollowOverAFault(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	broken := false
	j, err := open(Settings{File: path, RotateAge: -1}, hooks{wrap: func(f file) file { return &undurable{f, &broken} }})
	must(t, err)
	fill(t, j, 0, 3)
	early, err := Follow(path, nil)
	must(t, err)
	before, err := drained(t, early)
	must(t, err)
	broken = true
	if err := j.Refuse(&Record{Exchange: "lost"}, Durable); err == nil {
		t.Fatal("there is no fault")
	}
	broken = false
	lost, err := drained(t, early)
	if err != nil || len(lost) != 1 || !strings.Contains(lost[0], "lost") {
		t.Fatalf("got %q %v, want the record that is not durable", lost, err)
	}
	must(t, j.goOn())
	fill(t, j, 10, 3)
	must(t, j.Close())
	want := slices.DeleteFunc(wholeLog(t, path), func(line string) bool { return line == lost[0] })
	if got, err := followAll(t, path, nil); err != nil || !slices.Equal(got, want) {
		t.Errorf("got %d records, %v, want %d", len(got), err, len(want))
	}
	var position *PositionError
	if _, err := Follow(path, markOf(len(before)+1, lost[0])); !errors.As(err, &position) {
		t.Errorf("got %v behind what doesn't count", err)
	}
	last, err := Follow(path, markOf(len(want)-1, want[len(want)-2]))
	must(t, err)
	if r, err := last.Next(); err != nil || r.Before != *markOf(len(before), before[len(before)-1]) {
		t.Errorf("got %v before the segment, %v, want record %d", r.Before, err, len(before))
	}
	must(t, last.Close())
	got, err := drained(t, early)
	if err != nil || !slices.Equal(append(before, got...), want) || !strings.Contains(got[0], `"event":"fault"`) {
		t.Errorf("got %d records, %v, want %d", len(before)+len(got), err, len(want))
	}
	must(t, early.Close())
}

// undurable writes, and fails to sync while broken.
type undurable struct {
	file
	broken *bool
}

func (u *undurable) Sync() error {
	if *u.broken {
		return errors.New("no")
	}
	return u.file.Sync()
}

// A follower that looks all the time, while segments are written and closed, misses nothing.
func TestFollowBesideAWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	j, err := Open(small(path))
	must(t, err)
	f, err := Follow(path, nil)
	must(t, err)
	done := make(chan error, 1)
	go func() {
		for i := range 300 {
			if err := j.Refuse(write(fmt.Sprint("x", i)), Durable); err != nil {
				done <- errors.Join(err, j.Close())
				return
			}
		}
		done <- j.Close()
	}()
	var got []string
	for ended := false; !ended; {
		select {
		case err := <-done:
			must(t, err)
			ended = true
		default:
		}
		more, err := drained(t, f)
		must(t, err)
		got = append(got, more...)
	}
	if !slices.Equal(got, wholeLog(t, path)) {
		t.Errorf("got %d records, want %d", len(got), len(wholeLog(t, path)))
	}
	segments(t, path, 20)
	must(t, f.Close())
}

// Of an oldest segment that was emptied the records are missed.
func TestFollowBehindAnEmptiedSegment(t *testing.T) {
	path := rotated(t, 0)
	names := segments(t, path, 5)
	log := wholeLog(t, path)
	must(t, os.Truncate(names[0], 0))
	for _, behind := range []*Checkpoint{nil, markOf(1, log[0])} {
		got, err := followAll(t, path, behind)
		var lost *LostError
		if !errors.As(err, &lost) {
			t.Errorf("behind %v: got %d of %d, and %v", behind, len(got), len(log), err)
		}
	}
}

// A follower that begins while a log that was moved away has no record yet waits for it.
func TestFollowWaitsForTheFirstRecord(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	j, err := Open(Settings{File: path})
	must(t, err)
	fill(t, j, 0, 3)
	last := j.Last()
	must(t, os.Rename(path, path+"-20261127"))
	began := make(chan error, 1)
	j.segment.hooks.step = func(op, _, _ string) error {
		if at, err := os.Stat(path); op == "syncdir" && err == nil && at.Size() == 0 && len(began) == 0 {
			began <- nil
			go func() {
				f, err := Follow(path, &last)
				began <- errors.Join(err, f.Close())
			}()
		}
		return nil
	}
	must(t, j.Reopen())
	must(t, errors.Join(<-began, <-began))
	must(t, j.Close())
}
