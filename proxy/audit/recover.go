package audit

import (
	"fmt"
	"slices"
	"time"
)

// recoverLater ends a fault when the disk is back. It is called with mu held.
func (j *Journal) recoverLater() {
	if j.segment.path == "-" || j.closed || j.recovering {
		return
	}
	j.recovering = true
	j.recovery.Add(1)
	go func() {
		defer j.recovery.Done()
		for wait := recoverFirst; ; wait = min(2*wait, recoverMost) {
			timer := time.NewTimer(wait)
			select {
			case <-j.stop:
				timer.Stop()
				return
			case <-timer.C:
			}
			if j.goOn() == nil && j.refill() == nil && j.recovered() {
				return
			}
		}
	}()
}

// recovered tells whether there is neither a fault nor scarcity, and that the goroutine
// which ends them has ended.
func (j *Journal) recovered() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.closed && (j.fault != nil || j.scarce != nil) {
		return false
	}
	j.recovering = false
	return true
}

// Reopen begins another segment: for a log that somebody has moved away, as logrotate
// does, at SIGUSR1.
func (j *Journal) Reopen() error {
	if j.segment.path == "-" {
		return nil
	}
	j.mu.Lock()
	for j.writing {
		j.done.Wait()
	}
	if j.fault != nil {
		j.mu.Unlock()
		return j.goOn()
	}
	if j.closed {
		j.mu.Unlock()
		return ErrClosed
	}
	if j.scarce != nil && j.file.Check() == nil { // another one would have no room
		defer j.mu.Unlock()
		return j.scarce
	}
	old, durable := j.file, j.durable
	j.writing = true // nobody else writes; what is joined meanwhile goes into the new one
	j.mu.Unlock()
	next, err := j.segment.changeToNew(old, nil, durable)
	j.mu.Lock()
	j.writing = false
	j.done.Broadcast()
	if err != nil {
		j.mu.Unlock()
		return err
	}
	j.file = next
	j.segment.first, j.segment.size, j.segment.born = j.durable+1, 0, time.Now()
	j.retire()
	if _, err := j.join(&Record{Event: EventReopened}, KindNotice); err != nil {
		j.mu.Unlock()
		return err
	}
	return j.commit(j.seq)
}

// goOn ends a fault: it begins another segment, behind the last durable record, with a
// gap record that says why; in the space that was reserved if the disk is full or there is
// no other, for vital records alone. Intents whose outcomes could not be recorded are closed as
// unknown.
func (j *Journal) goOn() error {
	j.mu.Lock()
	for j.writing {
		j.done.Wait()
	}
	if j.closed || j.fault == nil {
		j.mu.Unlock()
		return nil
	}
	rec := Record{Kind: KindGap, Event: EventFault, Time: j.now().UTC().Truncate(time.Microsecond),
		Findings: []string{fmt.Sprintf("record %d could not be made durable: %s", j.fault.Seq, j.fault.Op)}}
	j.seq, j.hash, j.pending = j.durable, j.sealed, j.pending[:0] // nothing is joined while there is a fault
	j.add(&rec)
	lines := slices.Clone(j.pending)
	last, sum := j.seq, j.hash
	j.seq, j.hash, j.pending = j.durable, j.sealed, j.pending[:0]
	old, fault, durable := j.file, j.fault, j.durable
	j.writing = true
	j.mu.Unlock()
	next, scarce, err := j.segment.behind(fault, old, lines, durable)
	j.mu.Lock()
	j.writing = false
	j.done.Broadcast()
	if err != nil {
		j.mu.Unlock()
		return err
	}
	j.file, j.fault = next, nil
	if scarce {
		j.scarce = fault
	}
	j.segment.first, j.segment.size, j.segment.born = last, int64(len(lines)), time.Now()
	j.seq, j.hash, j.durable, j.sealed = last, sum, last, sum
	j.records.Add(1)
	var closed []int
	for i := range j.intents {
		if s := &j.intents[i]; s.seq != 0 && (s.failed || s.outcome > durable) {
			rec := closing(s.line, EventFault)
			_, err := j.join(&rec, KindOutcome)
			s.outcome, s.failed = rec.Seq, err != nil // lost by another fault, it is closed again
			closed = append(closed, i)
		}
	}
	if !scarce {
		j.retire()
	}
	if err := j.commit(j.seq); err != nil {
		return err // another fault, behind which they are closed again
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, i := range closed {
		j.intents[i].seq = 0
	}
	return nil
}
