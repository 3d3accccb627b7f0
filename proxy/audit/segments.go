package audit

import (
	"bufio"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Segments are the files of a log, oldest first; the last is the active one. Others
// that look alike are left out.
func Segments(path string) ([]string, error) {
	names, err := filepath.Glob(escapeGlob(path) + ".????????????")
	if err != nil {
		return nil, err
	}
	names = slices.DeleteFunc(names, func(name string) bool {
		return strings.Trim(name[len(path)+1:], "0123456789") != ""
	})
	slices.Sort(names)
	return append(names, path), nil
}

func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// firstOf is the sequence number and the prev of a segment's first record, and its line; 0
// if it is empty. If a crash has cut that off or lost it, which whole ones may follow, the
// record that accounts for the crash is the first.
func firstOf(f io.ReaderAt) (seq uint64, prev [32]byte, line []byte, err error) {
	in := bufio.NewReaderSize(io.NewSectionReader(f, 0, 1<<62), 32<<10)
	for lost := false; ; lost = true {
		line, err := boundedLine(in)
		if err == io.EOF && !lost && len(line) == 0 {
			return 0, prev, nil, nil
		}
		if err != nil {
			return 0, prev, nil, fmt.Errorf("it holds no whole record: %w", err)
		}
		var c chain
		if _, ok := c.doc.Scan(line[:len(line)-1]); !ok {
			continue
		}
		if e, reason := c.entry(); reason == "" && (!lost || string(e.event) == EventTorn) {
			return e.seq, e.prev, line, nil
		}
	}
}

// beginAt begins the chain with a segment, at the record with which that begins, if it has
// one.
func (c *chain) beginAt(f io.ReaderAt) bool {
	seq, prev, _, err := firstOf(f)
	if err == nil && seq > 1 {
		c.seq, c.hash = seq-1, prev
	}
	return err == nil && seq > 0
}

// boundedLine is the next line, with its line break unless there is an error.
func boundedLine(in *bufio.Reader) (line []byte, err error) {
	for {
		part, err := in.ReadSlice('\n')
		if line = append(line, part...); len(line) > maxLine {
			return nil, errTooLong
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

var errTooLong = fmt.Errorf("a line is longer than %d bytes", maxLine)

// endBefore makes the chain end a segment where the next one begins.
func (c *chain) endBefore(next io.ReaderAt) error {
	seq, prev, line, err := firstOf(next)
	if err != nil || seq == 0 { // a crash has cut it off, or nothing is written yet
		c.until = 0
		return nil
	}
	c.until, c.endsIn, c.skipped = seq-1, prev, 0
	var rec Record
	if json.Unmarshal(line, &rec) == nil {
		c.excused = rec.Kind == KindGap && rec.Event == EventFault
	}
	return nil
}

// ended holds the end of a segment to the beginning of the next.
func (c *chain) ended() error {
	if c.until == 0 {
		return nil
	}
	defer func() { c.until, c.torn = 0, torn{} }()
	switch {
	case c.seq != c.until:
		return c.broken(c.seq+1, fmt.Sprintf("is missing: the next segment begins behind record %d", c.until))
	case c.hash != c.endsIn:
		return c.broken(c.seq, "was changed: the next segment holds another hash of it")
	case c.skipped > 0 && !c.excused:
		return c.broken(c.seq+1, "stands behind the end of a closed segment")
	}
	c.unended = false
	return nil
}

// retire takes in which segments were deleted.
func (c *chain) retire(seq uint64, line []byte) {
	var rec Record
	if json.Unmarshal(line, &rec) != nil || len(rec.Findings) != 2 {
		return
	}
	last, err := strconv.ParseUint(strings.TrimPrefix(rec.Findings[0], "up to record "), 10, 64)
	if err == nil {
		if c.retired == nil {
			c.retired = map[uint64]retirement{}
		}
		c.retired[last] = retirement{seq, strings.TrimPrefix(rec.Findings[1], "sha256 ")}
	}
}

// openSegments opens all segments as they are at one moment: a log that is written to may
// begin another one meanwhile.
func openSegments(path string) (names []string, files []*os.File, err error) {
	for range 1000 {
		if names, files, err = segmentsNow(path); err == nil {
			return names, files, nil
		}
		for _, f := range files {
			f.Close()
		}
		time.Sleep(time.Millisecond)
	}
	return nil, nil, fmt.Errorf("cannot read the audit log %q: %w", path, err)
}

// segmentsNow is one try. The active segment is opened before the others are listed; if it
// is still the active one when all are open, none is missing. The caller closes the files.
func segmentsNow(path string) (names []string, files []*os.File, err error) {
	active, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	if names, err = Segments(path); err != nil {
		return nil, []*os.File{active}, err
	}
	for _, name := range names[:len(names)-1] {
		f, err := os.Open(name)
		if err != nil {
			return nil, append(files, active), err
		}
		files = append(files, f)
	}
	return names, append(files, active), (logFile{active, path}).Check()
}

// catchUp reads the end of a log again that is being written: what looks like half a line
// is whole a moment later. What doesn't grow is as it is.
func (c *chain) catchUp(active *os.File) error {
	for range 100 {
		if c.torn.sum == nil && !c.unended {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
		info, err := active.Stat()
		if err != nil {
			return fmt.Errorf("cannot read the log behind record %d: %w", c.seq, err)
		}
		if info.Size() <= c.at {
			return nil
		}
		at := int64(0) // behind the last whole record
		if c.last.of == active {
			at = c.last.at + int64(c.last.size) + 1
		}
		c.torn, c.unended, c.at = torn{}, false, at
		if err := c.read(io.NewSectionReader(active, at, 1<<62)); err != nil {
			return err
		}
	}
	return nil
}

// VerifyFile does what [Verify] does for a log with all its segments. mark may be
// nil. What retention has deleted is explained by a record, or is an error. With keys,
// each checkpoint has to be signed by one of them, and so has mark.
func VerifyFile(path string, mark *Checkpoint, keys ...ed25519.PublicKey) (Summary, error) {
	if len(keys) > 0 && mark != nil && !mark.SignedBy(keys...) {
		return Summary{}, &ChainError{Seq: mark.Seq, Reason: "has a checkpoint elsewhere that none of the keys has signed"}
	}
	names, files, err := openSegments(path)
	if err != nil {
		return Summary{}, err
	}
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	c := chain{anchored: true, mark: mark, keys: keys}
	base, prev, _, err := firstOf(files[0])
	if err != nil {
		return Summary{}, c.broken(1, "is not a record: "+err.Error())
	}
	c.beginAt(files[0])
	for i, f := range files {
		c.of, c.at = f, 0
		if i+1 < len(files) {
			if err := c.endBefore(files[i+1]); err != nil {
				return c.summary(), fmt.Errorf("segment %s: %w", names[i+1], err)
			}
		}
		if err := c.read(f); err != nil {
			return c.summary(), err
		}
		if err := c.ended(); err != nil {
			return c.summary(), err
		}
	}
	if err := c.catchUp(files[len(files)-1]); err != nil {
		return c.summary(), err
	}
	told, vouched := c.retired[base-1], c.vouched
	if mark != nil {
		vouched = max(vouched, mark.Seq)
	}
	switch {
	case base > 1 && told.hash != hex.EncodeToString(prev[:]):
		err = c.broken(base-1, "and those before it are missing, and no record says that they were deleted by their age")
	case base > 1 && len(keys) > 0 && vouched < told.told:
		err = c.broken(base-1, fmt.Sprintf("and those before it are missing, and none of the keys has signed that record %d, which says that they were deleted by their age", told.told))
	case len(keys) > 0 && mark == nil && c.signed == 0:
		err = &ChainError{Seq: c.seq, Unsigned: true, Reason: "is the last, and none of the keys has signed a checkpoint: the log is younger than audit.checkpoint_every, or was written anew"}
	case c.torn.sum != nil:
		err = c.broken(c.seq+1, "is not whole, or something else is in its place")
	case c.unended:
		err = c.broken(c.seq, "has no line break")
	case mark != nil && mark.Seq < base:
		err = c.broken(mark.Seq, "was deleted by its age, so that its checkpoint tells nothing of the log: verify against a later one")
	case mark != nil && !c.met:
		err = c.broken(c.seq+1, fmt.Sprintf("is missing: the checkpoint is of record %d", mark.Seq))
	}
	return c.summary(), err
}
