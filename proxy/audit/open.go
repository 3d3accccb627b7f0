package audit

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// hooks are for tests; the zero value is the real thing.
type hooks struct {
	wrap func(file) file
	now  func() time.Time
	step func(op, name, to string) error // of the directory, before it is made; its error takes the step's place
}

// Open opens a log for writing and records the start. It makes the file, with mode
// 0600, if there is none. What it refuses: a symbolic link or anything that is not
// a regular file, a file that another process writes to, and one whose chain is
// broken in its last 64 MiB, by a *ChainError that names the record.
//
// After a crash it accounts for what was cut off by a record of kind gap, and
// closes each intent without an outcome as unknown. These records are durable when
// it returns.
func Open(s Settings) (*Journal, error) { return open(s, hooks{}) }

func open(s Settings, h hooks) (*Journal, error) {
	j := &Journal{era: &era{}, name: s.File, config: s.Config, now: h.now, stop: make(chan struct{}), markEvery: s.CheckpointEvery, markFile: s.CheckpointFile, told: s.Told}
	if j.markEvery <= 0 {
		j.markEvery = markEvery
	}
	j.segment = newSegment(s, h)
	j.done.L = &j.mu
	if j.now == nil {
		j.now = time.Now
	}
	var f *os.File
	found := &chain{}
	switch s.File {
	case "":
		return nil, errors.New("cannot open an audit log without a name")
	case "-":
		j.file = stream{os.Stdout}
	default:
		var err error
		if at, err := os.Lstat(s.File); err == nil && !at.Mode().IsRegular() {
			return nil, fmt.Errorf("cannot open audit file %q: it is not a regular file (%s)", s.File, at.Mode().Type())
		}
		if j.alone, err = h.alone(s.File); err != nil {
			return nil, err
		}
		if f, found, err = openLog(s.File, &h); err != nil {
			return nil, errors.Join(err, j.alone.Close())
		}
		j.file = logFile{f, s.File}
		if err := j.segment.begin(f, found); err != nil {
			return nil, errors.Join(fmt.Errorf("cannot open audit file %q: %w", s.File, err), f.Close(), j.alone.Close())
		}
	}
	j.file = h.wrapped(j.file)
	if err := j.begin(s, f, found); err != nil {
		j.mu.Lock()
		j.closed = true
		if j.marks != nil {
			j.marks.Stop()
		}
		j.mu.Unlock()
		_ = j.file.Close()
		_ = j.alone.Close()
		return nil, err
	}
	if err := j.segment.takeReserve(); err != nil { // the disk is full already
		j.mu.Lock()
		j.scarce = &Fault{File: j.name, Op: "reserve", Seq: j.durable + 1, Err: err}
		j.recoverLater()
		j.mu.Unlock()
	}
	return j, nil
}

// begin takes up the chain where it ended. f is nil for a stream.
func (j *Journal) begin(s Settings, f *os.File, found *chain) error {
	var key []byte
	var made bool
	var err error
	switch {
	case s.KeyFile != "":
		key, err = readKey(s.KeyFile)
	case f != nil:
		key, made, err = keepKey(s.File+".key", &j.segment.hooks)
	default:
		key = randomKey()
	}
	if err != nil {
		return err
	}
	j.macs = newMACs(key)
	if j.signer, err = newSigner(s, &j.segment.hooks); err != nil {
		return err
	}
	j.mu.Lock()
	j.seq, j.hash, j.durable, j.sealed = found.seq, found.hash, found.seq, found.hash
	if f != nil {
		if err := j.segment.hooks.syncDir(filepath.Dir(s.File)); err != nil {
			j.mu.Unlock()
			return err
		}
		if err := j.mend(found); err != nil {
			j.mu.Unlock()
			return fmt.Errorf("cannot take up audit file %q: %w", s.File, err)
		}
	}
	if made {
		_, _ = j.join(&Record{Event: EventKeyMade}, KindNotice)
	}
	start := Record{Event: EventStart}
	if j.signer != nil {
		start.Findings = []string{"checkpoints are signed by " + j.signer.id}
	}
	_, _ = j.join(&start, KindNotice)
	return j.commit(j.seq)
}

// mend accounts for what a crash has left. It is called with mu held.
func (j *Journal) mend(found *chain) error {
	if found.records > 0 {
		var last Record
		if err := readRecord(found.last, &last); err != nil {
			return err
		}
		j.time = last.Time
	}
	if t := &found.torn; t.sum != nil {
		if !t.ended {
			j.pending = append(j.pending, '\n')
			t.sum.Write([]byte{'\n'})
			t.size++
		}
		_, _ = j.join(&Record{Event: EventTorn, Findings: t.findings()}, KindGap)
	} else if found.unended {
		j.pending = append(j.pending, '\n')
	}
	if found.missing {
		_, _ = j.join(&Record{Event: EventMissing, Findings: []string{"the file that was written was not there at the start: what it held behind this is not known"}}, KindGap)
	}
	for _, at := range inOrder(found.doubts) {
		var intent Record
		if err := readRecord(at, &intent); err != nil {
			return err
		}
		j.doubts = append(j.doubts, intent)
	}
	for _, at := range inOrder(found.untold) {
		var intent Record
		if err := readRecord(at, &intent); err != nil {
			return err
		}
		j.untold = append(j.untold, intent)
	}
	for _, r := range slices.SortedFunc(maps.Values(found.revoking), func(a, b revocation) int { return cmp.Compare(a.seq, b.seq) }) {
		var rec Record
		if err := readRecord(r.place, &rec); err != nil {
			return err
		}
		j.unanswered = append(j.unanswered, rec)
	}
	for _, at := range inOrder(found.open) {
		line := make([]byte, at.size)
		if _, err := at.of.ReadAt(line, at.at); err != nil {
			return err
		}
		var intent Record
		if err := json.Unmarshal(line, &intent); err != nil {
			return err
		}
		j.left = append(j.left, intent)
		rec := closing(line, EventCrash)
		_, _ = j.join(&rec, KindOutcome)
	}
	return nil
}

func inOrder[K comparable](calls map[K]place) []place {
	return slices.SortedFunc(maps.Values(calls), func(a, b place) int { return cmp.Compare(a.seq, b.seq) })
}

func readRecord(at place, rec *Record) error {
	line := make([]byte, at.size)
	if _, err := at.of.ReadAt(line, at.at); err != nil {
		return err
	}
	return json.Unmarshal(line, rec)
}

// alone keeps other processes from the log, its closed segments and what stands beside it,
// before any of that is touched. The lock has a file of its own, since the log's name goes
// from one file to another.
func (h *hooks) alone(path string) (*os.File, error) {
	f, err := h.make(path+".lock", os.O_RDWR|noFollow, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot open audit file: %w", err)
	}
	if err := lock(f); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot lock audit file %q: is another process writing to it? %w", path, err), f.Close())
	}
	return f, nil
}

// openLog opens and reads a log.
func openLog(path string, h *hooks) (*os.File, *chain, error) {
	missing, err := takeBack(path, h)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot open audit file: %w", err)
	}
	f, err := h.make(path, os.O_RDWR|os.O_APPEND|noFollow, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot open audit file: %w", err)
	}
	_ = h.remove(path + ".new")     // of a change of segments that a crash has cut off
	_ = h.remove(path + ".reserve") // of an earlier life: on a full disk, the room to begin in
	if err := renew(path, h); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("cannot write the end of audit file %q again: %w", path, err), f.Close())
	}
	found, err := takeUp(f, path)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("cannot open audit file %q: %w", path, err), f.Close())
	}
	found.missing = missing
	return f, found, nil
}

// renewBytes are more than a batch can have: [maxPending], and the records of what was under
// way then.
const renewBytes = 2 * maxPending

// renew writes the end of a log again as it is, so that the next sync is of all of it. The
// life before may have ended with a sync that failed: then the kernel takes its pages for
// written, and would lose them later, with what was made durable behind them.
func renew(path string, h *hooks) error {
	f, err := os.OpenFile(path, os.O_RDWR|noFollow, 0) // not to append
	if err != nil {
		return err
	}
	defer f.Close()
	at, err := f.Stat()
	if err != nil {
		return err
	}
	text := make([]byte, min(at.Size(), renewBytes))
	from := at.Size() - int64(len(text))
	if _, err := f.ReadAt(text, from); err != nil && err != io.EOF {
		return err
	}
	if err := h.tell("renew", path, ""); err != nil {
		return err
	}
	if _, err = f.WriteAt(text, from); errors.Is(err, syscall.ENOSPC) { // where nothing is written in place; there the kernel doesn't forget
		return nil
	}
	return err
}

// logFile is a log on a disk, and the name that it should have.
type logFile struct {
	*os.File
	path string
}

// Check fails if the file was removed, renamed or replaced: what is written to it
// would be found by nobody.
func (f logFile) Check() error {
	named, err := os.Lstat(f.path)
	if err != nil {
		return err
	}
	opened, err := f.Stat()
	if err != nil {
		return err
	}
	if !os.SameFile(named, opened) {
		return fmt.Errorf("%w: another file has taken the name", fs.ErrNotExist)
	}
	return nil
}

// stream is standard output: it can't be synced, and isn't ours to close.
type stream struct{ out io.Writer }

func (s stream) Write(b []byte) (int, error) { return s.out.Write(b) }
func (s stream) Sync() error                 { return nil }
func (s stream) Check() error                { return nil }
func (s stream) Close() error                { return nil }
