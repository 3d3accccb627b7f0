package audit

import (
	"encoding/hex"
	"fmt"
	"io"
	"slices"
)

// Summary is what a log holds.
type Summary struct {
	Records     uint64   // whole ones
	First, Last uint64   // their sequence numbers; 0 if there are none
	LastHash    string   // SHA-256 of the last line, hex; "" if there is none
	OpenIntents []uint64 // intents without an outcome, ascending
	Gaps        int      // records of kind gap: see their findings
	Signed      int      // checkpoints that one of the keys has signed
}

// ChainError says where a log is not what was written.
type ChainError struct {
	// Seq is the first record that is changed, missing or out of order. A link joins
	// two records: where those on both sides of a record are broken, that record is
	// named, and the one before it may have been changed as well.
	Seq    uint64
	Reason string // reads on from "record 7 "

	// Unsigned says that all is as its links say, and that none of the keys has signed a
	// checkpoint: a log that has just begun, or one that was written anew.
	Unsigned bool
}

func (e *ChainError) Error() string {
	return fmt.Sprintf("record %d %s", e.Seq, e.Reason)
}

// Verify reads a log from its first record on and detects each that was changed,
// dropped, doubled, swapped or inserted: the error is then a *ChainError. The
// summary is of what was sound before it.
//
// Two things no log can show by itself: that whole records are missing at its
// end, and that its last record was changed, since no other holds its hash. Use
// [VerifyAgainst] with a checkpoint from elsewhere. A log that is being written
// to may end in half a line, which is an error here.
func Verify(r io.Reader) (Summary, error) { return verify(r, nil) }

// VerifyAgainst does what [Verify] does and also demands the checkpoint's record.
// The log may have grown since.
func VerifyAgainst(r io.Reader, c Checkpoint) (Summary, error) { return verify(r, &c) }

func verify(r io.Reader, mark *Checkpoint) (Summary, error) {
	c := chain{anchored: true, mark: mark}
	err := c.read(r)
	switch {
	case err != nil:
	case c.torn.sum != nil:
		err = c.broken(c.seq+1, "is not whole, or something else is in its place")
	case c.unended:
		err = c.broken(c.seq, "has no line break")
	}
	return c.summary(), err
}

func (c *chain) summary() Summary {
	s := Summary{Records: c.records, First: c.first, Last: c.seq, Gaps: c.gaps, Signed: c.signed}
	if c.records > 0 {
		s.LastHash = hex.EncodeToString(c.hash[:])
	}
	for _, intent := range c.open {
		s.OpenIntents = append(s.OpenIntents, intent.seq)
	}
	slices.Sort(s.OpenIntents)
	return s
}
