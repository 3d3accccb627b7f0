package audit

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/scimgate/scimgate/proxy/crash"
)

// file is what the journal writes to; tests give it one that fails.
type file interface {
	Write([]byte) (int, error)
	Sync() error
	Check() error // that the file still stands under its name
	Close() error
}

// Fault is the failed write or sync after which a journal records nothing until it
// has begun another segment. A file is never synced again after a failed sync: the
// kernel would call the lost pages good.
type Fault struct {
	File string
	Op   string // check, write or sync
	Seq  uint64 // the first record that is not durable
	Err  error
}

func (f *Fault) Error() string {
	return fmt.Sprintf("cannot %s audit file %q from record %d on: %v", f.Op, f.File, f.Seq, f.Err)
}

func (f *Fault) Unwrap() error { return f.Err }

// join puts a record behind the others. It is called with mu held. The line is
// good until mu is released.
func (j *Journal) join(rec *Record, kind Kind) ([]byte, error) {
	now, err := j.prelude()
	if err != nil {
		return nil, err
	}
	rec.Time, rec.Kind = now, kind
	line := j.add(rec)
	j.markLater()
	return line, nil
}

// prelude is what comes before a record: whether there can be one, and what has to be
// told first. It is called with mu held.
func (j *Journal) prelude() (now time.Time, err error) {
	if j.fault != nil {
		return now, j.fault
	}
	if j.closed {
		return now, ErrClosed
	}
	now = j.now().UTC().Truncate(time.Microsecond)
	if back := j.time.Sub(now); back > jumpedBack {
		j.add(&Record{Time: now, Kind: KindNotice, Event: EventClockJump, Findings: []string{"back by " + back.String()}})
	}
	if j.missed > 0 {
		j.add(&Record{Time: now, Kind: KindGap, Event: EventDropped, Findings: []string{strconv.FormatUint(j.missed, 10) + " records"}})
		j.missed = 0
	}
	return now, nil
}

// add writes the line of a record that has its time and kind, and links it.
func (j *Journal) add(rec *Record) []byte {
	rec.V, rec.Seq = 1, j.seq+1
	if rec.Config == "" {
		rec.Config = j.config
	}
	start := len(j.pending)
	j.pending = rec.appendChained(j.pending, &j.hash)
	line := j.pending[start:]
	j.seq, j.hash, j.time = rec.Seq, hashOf(line), rec.Time
	j.pending = append(j.pending, '\n')
	return line
}

// commit returns when the record seq is durable or never will be. It is called
// with mu held and releases it. The first to find the file idle writes and syncs
// for all who have joined by then, on its own goroutine; the others wait.
func (j *Journal) commit(seq uint64) error {
	defer j.mu.Unlock()
	era := j.era
	for {
		switch {
		case era.fault != nil && seq > era.durable: // also when it is over before this one wakes
			return era.fault
		case era.fault != nil || j.durable >= seq:
			return nil
		case j.fault != nil:
			return j.fault
		case j.writing:
			j.done.Wait()
		default:
			j.writeBatch()
		}
	}
}

// writeBatch is called with mu held and returns with it held; the disk is at work
// in between.
func (j *Journal) writeBatch() {
	lines, last, hash, scarce := j.pending, j.seq, j.hash, j.scarce != nil
	j.pending, j.spare, j.writing = j.spare[:0], nil, true
	j.mu.Unlock()
	op, err := j.put(lines)
	rotated := err == nil && !scarce && j.rotate(len(lines), last) // what has space is not left for what has none
	j.mu.Lock()
	j.writing = false
	if cap(lines) <= keepBytes {
		j.spare = lines[:0]
	}
	if err != nil {
		j.fault = &Fault{File: j.name, Op: op, Seq: j.durable + 1, Err: err}
		j.era.fault, j.era.durable, j.era = j.fault, j.durable, &era{}
		j.segment.doomed = slices.DeleteFunc(j.segment.doomed, func(d doomed) bool { return d.told > j.durable })
		j.failures.Add(1)
		j.pending, j.spare = nil, nil
		j.recoverLater()
	} else {
		j.syncs.Add(1)
		j.records.Add(last - j.durable)
		j.durable, j.sealed = last, hash
		if rotated {
			j.retire()
		}
	}
	j.done.Broadcast()
}

// put writes and syncs once; op is what failed.
func (j *Journal) put(lines []byte) (op string, err error) {
	if err := j.file.Check(); err != nil {
		return "check", err
	}
	// A full disk takes a part and says so with an error; no part is tried again.
	if n, err := j.file.Write(lines); err != nil {
		return "write", err
	} else if n < len(lines) {
		return "write", fmt.Errorf("%d of %d bytes were taken", n, len(lines))
	}
	crash.At(crash.AfterWrite)
	if err := j.file.Sync(); err != nil {
		return "sync", err
	}
	crash.At(crash.AfterSync)
	return "", nil
}

// ride leaves a record to the next batch, and sees to it that there is one.
func (j *Journal) ride(rec *Record, kind Kind) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.pending) > maxPending {
		j.missed++
		j.dropped.Add(1)
		return
	}
	if _, err := j.admit(rec, kind, Ordinary); err != nil {
		j.dropped.Add(1)
		return
	}
	switch {
	case j.timer == nil:
		j.timer, j.armed = time.AfterFunc(flushWithin, j.flush), true
	case !j.armed:
		j.armed = true
		j.timer.Reset(flushWithin)
	case len(j.pending) > flushAt && !j.hurried && j.timer.Stop():
		j.hurried = true
		j.timer.Reset(0)
	}
}

// flush is the timer's: it writes what rides if nobody has in the meantime.
func (j *Journal) flush() {
	j.mu.Lock()
	j.armed, j.hurried = false, false
	j.flushing++
	_ = j.commit(j.seq) // the fault stays, and is everyone's
	j.mu.Lock()
	j.flushing--
	j.done.Broadcast()
	j.mu.Unlock()
}

// Close makes what rides durable, closes the intents that have no outcome as
// unknown, records the shutdown, and waits for all of it. Later records get
// ErrClosed; so does a second Close.
func (j *Journal) Close() error {
	j.mu.Lock()
	if j.closed {
		j.mu.Unlock()
		return ErrClosed
	}
	for _, s := range j.intents {
		if s.seq != 0 && (s.outcome == 0 || s.failed) && j.fault == nil {
			rec := closing(s.line, EventShutdown)
			_, _ = j.join(&rec, KindOutcome)
		}
	}
	if now, err := j.prelude(); err == nil && j.signer != nil { // so that a log has one, however short its life was
		j.checkpoint(now)
	}
	_, err := j.join(&Record{Event: EventShutdown}, KindNotice)
	j.closed = true
	close(j.stop)
	if err != nil {
		j.mu.Unlock()
	} else {
		err = j.commit(j.seq)
	}
	j.recovery.Wait()
	j.mu.Lock()
	if j.armed && j.timer.Stop() {
		j.armed = false
	}
	if j.marking && j.marks.Stop() {
		j.marking = false
	}
	for j.armed || j.marking || j.flushing > 0 || j.writing {
		j.done.Wait()
	}
	last, hash := j.durable, j.sealed
	j.mu.Unlock()
	j.segment.dropReserve()
	if err == nil && j.signer != nil {
		j.handOut(j.signer.sign(last, hash))
	}
	if closeErr := j.file.Close(); err == nil && closeErr != nil {
		err = fmt.Errorf("cannot close audit file %q: %w", j.name, closeErr)
	}
	_ = j.alone.Close() // which ends the lock; of a stream there is none
	return err
}

// closing is the outcome of an intent whose call nobody will report on.
func closing(line []byte, event string) Record {
	var in Record
	if err := json.Unmarshal(line, &in); err != nil {
		panic("BUG: an intent's line is not JSON: " + err.Error())
	}
	return Record{
		Event: event, Outcome: "unknown", Exchange: in.Exchange, Call: in.Call, Tenant: in.Tenant, Actor: in.Actor,
		Op: in.Op, Method: in.Method, Path: in.Path, Resource: in.Resource, Name: in.Name, Ext: in.Ext, Sent: in.Sent,
	}
}

func hashOf(line []byte) [32]byte { return sha256.Sum256(line) }
