package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// seek finds the record behind which to go on.
func (f *Follower) seek(behind *Checkpoint) error {
	names, active, err := f.names()
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return moved(f.path)
	}
	if behind == nil {
		behind = &Checkpoint{Hash: hex.EncodeToString(make([]byte, sha256.Size))}
	}
	for i := len(names) - 1; i >= 0; i-- {
		if err := f.open(names[i]); err != nil {
			return err
		}
		if names[i] == f.path {
			if own, err := f.is(active); err != nil {
				return err
			} else if !own {
				return moved(f.path)
			}
		}
		if i == 0 && f.first == 0 && len(names) > 1 { // it is empty, and the next one begins the log
			if err := f.open(names[1]); err != nil {
				return err
			}
		}
		switch {
		case f.first != 0 && f.first <= behind.Seq:
			return f.find(behind)
		case i > 0:
		case f.first == 0 && behind.Seq > 0:
			return &PositionError{behind.Seq, "is not in the log, which holds no record"}
		case f.first > behind.Seq+1:
			f.lost = &LostError{behind.Seq + 1, f.first - 1}
		case f.first != 0 && hex.EncodeToString(f.prev[:]) != behind.Hash && behind.Seq > 0:
			return &PositionError{behind.Seq, "has another hash in the log"}
		}
	}
	return nil
}

// find reads up to a record of the segment.
func (f *Follower) find(behind *Checkpoint) error {
	for f.c.seq < behind.Seq {
		if _, err := f.read(); err == io.EOF {
			break
		} else if err != nil {
			return err
		}
	}
	if f.c.seq == behind.Seq && hex.EncodeToString(f.c.hash[:]) == behind.Hash {
		return nil
	}
	if f.c.seq < behind.Seq {
		return &PositionError{behind.Seq, fmt.Sprintf("is not in the log, which ends with record %d", f.c.seq)}
	}
	return &PositionError{behind.Seq, "has another hash in the log"}
}

// tailBytes is how much of the end of a segment is read at first to find its last record.
const tailBytes = 64 << 10

// Last is the sequence number of the last whole record of the log, 0 if it has none. Only
// its end is read.
func (f *Follower) Last() (uint64, error) {
	names, _, err := f.names()
	if err != nil {
		return 0, err
	}
	for i := len(names) - 1; i >= 0; i-- {
		seq, err := lastOf(names[i])
		if errors.Is(err, fs.ErrNotExist) { // renamed or deleted meanwhile
			continue
		}
		if err != nil || seq > 0 {
			return seq, err
		}
	}
	return 0, nil
}

// lastOf is the last whole record of a segment, 0 if it has none.
func lastOf(name string) (uint64, error) {
	file, err := os.Open(name)
	if err != nil {
		return 0, fmt.Errorf("cannot read the audit log: %w", err)
	}
	defer file.Close()
	at, err := file.Stat()
	if err != nil {
		return 0, fmt.Errorf("cannot read the audit log: %w", err)
	}
	for tail := int64(tailBytes); ; tail *= 4 {
		from := int64(0)
		if at.Size() > tail {
			if from, err = lineBehind(file, at.Size()-tail); err != nil {
				return 0, fmt.Errorf("cannot read the audit log: %w", err)
			}
		}
		c := chain{} // in the middle of a log: whatever it finds wrong is not for here
		err := c.read(io.NewSectionReader(file, from, at.Size()-from))
		if chain := (*ChainError)(nil); err != nil && !errors.As(err, &chain) {
			return 0, err
		}
		if c.seq > 0 || from == 0 {
			return c.seq, nil
		}
	}
}
