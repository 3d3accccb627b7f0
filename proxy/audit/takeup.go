package audit

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"time"
)

// verifyBytes of a log are verified when it is opened, from its end on: a longer
// one is taken on trust up to there, so that a start takes well below a second.
const verifyBytes = 64 << 20

// backSegments of the closed ones are read at a start, where an intent may be that has no
// outcome: of verifyBytes in all, but the last one in any case.
const backSegments = 64

// takeUp reads the end of the log: of the active segment, and of those before. Their files
// stay open as long as the chain is needed, which is until the process has started.
func takeUp(f *os.File, path string) (*chain, error) {
	before, err := Segments(path)
	if err != nil {
		return nil, err
	}
	before = before[:len(before)-1]
	found := &chain{anchored: true}
	back, err := lookBack(f, before)
	if err != nil {
		return nil, err
	}
	for i, segment := range back {
		next := f
		if i+1 < len(back) {
			next = back[i+1]
		}
		if i == 0 { // it may begin in the middle of the chain
			found.anchored = found.beginAt(segment)
		}
		found.at = 0
		if found, err = takeStock(found, segment, verifyBytes, next); err != nil {
			return nil, fmt.Errorf("segment %s: %w", segment.Name(), err)
		}
	}
	found.at = 0
	if len(before) == 0 { // they may have been taken away
		found.beginAt(f)
	}
	return takeStock(found, f, verifyBytes, nil)
}

// lookBack opens the closed segments that are read, oldest first.
func lookBack(f *os.File, before []string) (back []*os.File, err error) {
	size, err := f.Stat()
	if err != nil || size.Size() > verifyBytes {
		return nil, err
	}
	for bytes := int64(0); len(before) > 0 && len(back) < backSegments; before = before[:len(before)-1] {
		segment, err := os.Open(before[len(before)-1])
		if err != nil {
			return nil, err
		}
		at, err := segment.Stat()
		if err != nil {
			return nil, err
		}
		if bytes += at.Size(); len(back) > 0 && bytes > verifyBytes {
			return back, segment.Close()
		}
		back = slices.Insert(back, 0, segment)
	}
	return back, nil
}

// beganAt is the time of a segment's first record, zero if it has none.
func beganAt(f *os.File) time.Time {
	var rec Record
	if _, _, line, err := firstOf(f); err != nil || line == nil || json.Unmarshal(line, &rec) != nil {
		return time.Time{}
	}
	return rec.Time
}

// takeStock reads the last bytes of a segment, at most so many; next is the one that
// follows it, if there is one.
func takeStock(found *chain, f *os.File, most int64, next *os.File) (*chain, error) {
	at, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !at.Mode().IsRegular() {
		return nil, fmt.Errorf("it is not a regular file (%s)", at.Mode().Type())
	}
	found.of = f
	if next != nil {
		if err := found.endBefore(next); err != nil {
			return nil, err
		}
	}
	if from := at.Size() - most; from > 0 {
		found.anchored = false
		if found.at, err = lineBehind(f, from); err != nil {
			return nil, err
		}
	}
	if err := found.read(io.NewSectionReader(f, found.at, at.Size()-found.at)); err != nil {
		return nil, err
	}
	if err := found.ended(); err != nil {
		return nil, err
	}
	if !found.anchored {
		return nil, fmt.Errorf("its last %d bytes hold no record", most)
	}
	// A crash cuts the last line, and lost pages read as zeros. Anything else that
	// is no record was done to the log by someone.
	if found.torn.sum != nil && found.torn.strict {
		return nil, found.broken(found.seq+1, "is not a record, and whole ones follow")
	}
	return found, nil
}

// lineBehind is the offset of the first line that begins behind from.
func lineBehind(f io.ReaderAt, from int64) (int64, error) {
	buf := make([]byte, 64<<10)
	for at := from; ; at += int64(len(buf)) {
		n, err := f.ReadAt(buf, at)
		if end := slices.Index(buf[:n], '\n'); end >= 0 {
			return at + int64(end) + 1, nil
		}
		if err == io.EOF {
			return at + int64(n), nil
		}
		if err != nil {
			return 0, err
		}
	}
}
