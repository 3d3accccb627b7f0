package audit

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"slices"
	"strconv"

	"github.com/scimgate/scimgate/rules/scim"
)

// maxOpen bounds the intents without an outcome that a reader keeps in mind; a
// gateway has at most one per connection.
const maxOpen = 1 << 16

// chain reads a log line by line and holds each to the one before.
type chain struct {
	anchored bool // seq and hash are known; false in the middle of a log
	records  uint64
	first    uint64   // sequence number of the first record read
	seq      uint64   // of the last whole record; 0 before the first
	hash     [32]byte // of its line; zero before the first
	last     place    // of its line
	unended  bool     // its line has no line break
	gaps     int
	open     map[callKey]place
	doubts   map[callKey]place     // intents whose outcome is unknown, and which were not settled
	missing  bool                  // what was written last is not there
	untold   map[string]place      // by exchange: creates that were carried out, until the client is told
	revoking map[string]revocation // by exchange: users who are to lose access, until it is done, told or taken up

	of      io.ReaderAt           // what is read now, for places
	until   uint64                // the last record that counts in it; 0: all
	endsIn  [32]byte              // that record's hash
	excused bool                  // what stands behind it doesn't count, and the next segment says so
	skipped int64                 // bytes behind it
	retired map[uint64]retirement // of segments that were deleted, by their last record

	mark *Checkpoint // a record that must be met; nil for none
	met  bool

	keys    []ed25519.PublicKey // which checkpoints are held to; none: they aren't
	signed  int                 // checkpoints with a signature of theirs
	vouched uint64              // the last record before one of those; 0: none

	at    int64       // offset of the next line
	torn  torn        // what lies behind the last whole record
	doubt *ChainError // a link that doesn't hold: the next line tells which side was changed
	doc   scim.Document
}

// callKey names a call over all of a log.
type callKey struct {
	exchange string
	call     int
}

// place is where a record stands.
type place struct {
	seq  uint64
	of   io.ReaderAt
	at   int64 // offset of the line
	size int   // of the line without its line break
}

// revocation is what tells that a user's access is to be taken away.
type revocation struct {
	place
	resource string
}

// torn is a stretch of the file that is no whole records.
type torn struct {
	size   int64
	sum    hash.Hash // of the stretch, with its line breaks; nil outside of one
	zeros  bool      // there is a NUL, which is never written: pages were lost
	strict bool      // JSON was met before any NUL: not what a crash leaves
	ended  bool      // the last line has a line break
}

// retirement is what the log says of a segment that was deleted.
type retirement struct {
	told uint64 // the record that says so
	hash string // of the segment's last record
}

// read goes through all of a log. It returns a *ChainError, or why it could not
// read. A stretch that is no records is left in torn if it reaches to the end.
func (c *chain) read(r io.Reader) error {
	in := bufio.NewReaderSize(r, 32<<10)
	var long []byte // a line that is longer than the reader's buffer
	for {
		part, err := in.ReadSlice('\n')
		if len(long)+len(part) > maxLine {
			return c.broken(c.seq+1, fmt.Sprintf("a line is longer than %d bytes", maxLine))
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			long = append(long, part...)
			continue
		}
		if err != nil && err != io.EOF {
			return fmt.Errorf("cannot read the log behind record %d: %w", c.seq, err)
		}
		if len(long) > 0 {
			long = append(long, part...)
			part, long = long, long[:0]
		}
		if len(part) > 0 {
			line, ended := bytes.CutSuffix(part, []byte{'\n'})
			if fault := c.line(line, ended); fault != nil {
				return fault
			}
		}
		if err == io.EOF {
			return c.end()
		}
	}
}

// line takes the next line.
func (c *chain) line(text []byte, ended bool) error {
	start := c.at
	c.at += int64(len(text))
	if ended {
		c.at++
	}
	if c.until != 0 && c.anchored && c.seq == c.until {
		c.skipped += c.at - start
		return nil
	}
	_, isJSON := c.doc.Scan(text)
	if c.torn.sum != nil {
		return c.behindTear(text, start, isJSON, ended)
	}
	if !isJSON && !c.anchored {
		return nil // of a stretch that an earlier gap record accounts for
	}
	if !isJSON && c.doubt == nil {
		if !c.couldBeNext(text) {
			return c.broken(c.seq+1, "is not whole, or something else is in its place")
		}
		c.torn.sum = sha256.New()
		c.tear(text, isJSON, ended)
		return nil
	}
	if c.doubt != nil {
		return c.settleDoubt(isJSON)
	}
	e, reason := c.entry()
	if reason != "" {
		return c.broken(c.seq+1, reason)
	}
	if !c.anchored {
		c.anchored, c.seq, c.hash = true, e.seq-1, e.prev
	}
	if e.seq != c.seq+1 {
		return c.broken(c.seq+1, fmt.Sprintf("is missing or out of order: record %d stands in its place", e.seq))
	}
	if e.prev != c.hash {
		if c.seq == 0 {
			return c.broken(1, "is not the first of a chain: its prev is not zero")
		}
		c.doubt = &ChainError{Seq: c.seq, Reason: fmt.Sprintf("was changed, or the prev of record %d", e.seq)}
	}
	return c.take(&e, text, start, ended)
}

// settleDoubt is for the line behind a link that doesn't hold. If it has the hash
// of the record with that link, that record is as it was written, and the one
// before it was changed.
func (c *chain) settleDoubt(isJSON bool) error {
	if !isJSON {
		return c.doubt
	}
	if e, reason := c.entry(); reason == "" && e.prev == c.hash {
		c.doubt.Reason = fmt.Sprintf("was changed: record %d holds another hash of it", c.seq)
	} else if reason == "" {
		c.doubt = &ChainError{Seq: c.seq, Reason: fmt.Sprintf("was changed, and record %d may have been: the links on both of its sides are broken", c.seq-1)}
	}
	return c.doubt
}

// take makes e the last whole record.
func (c *chain) take(e *entry, text []byte, start int64, ended bool) error {
	c.seq, c.hash, c.unended = e.seq, sha256.Sum256(text), !ended
	c.last = place{seq: e.seq, of: c.of, at: start, size: len(text)}
	if c.records++; c.records == 1 {
		c.first = e.seq
	}
	if c.mark != nil && c.mark.Seq == e.seq {
		if hex.EncodeToString(c.hash[:]) != c.mark.Hash {
			return c.broken(e.seq, "is not the one of the checkpoint")
		}
		c.met = true
	}
	key := callKey{e.exchange, e.call}
	switch Kind(e.kind) {
	case KindIntent:
		if len(c.open) >= maxOpen {
			return c.broken(e.seq, fmt.Sprintf("is one intent too many: %d have no outcome", maxOpen))
		}
		if c.open == nil {
			c.open = map[callKey]place{}
		}
		c.open[key] = c.last
		c.revokes(e)
	case KindOutcome:
		at, ok := c.open[key]
		if own := c.revoking[key.exchange]; ok && string(e.outcome) == "ok" && (e.grants || own.place == at) {
			c.overtakes(e, at)
		}
		if ok && string(e.outcome) == "unknown" && len(c.doubts) < maxOpen {
			if c.doubts == nil {
				c.doubts = map[callKey]place{}
			}
			c.doubts[key] = at
		}
		if ok && e.creates && string(e.outcome) == "ok" && len(c.untold) < maxOpen {
			if c.untold == nil {
				c.untold = map[string]place{}
			}
			c.untold[key.exchange] = at
		}
		delete(c.open, key)
	case KindAnswer:
		delete(c.revoking, key.exchange)
		c.revokes(e) // it could not be put on the list
		if string(e.event) != EventClientGone && !e.again {
			delete(c.untold, key.exchange)
		}
	case KindGap:
		c.gaps++
	case KindCheckpoint:
		if err := c.checkpoint(e, text); err != nil {
			return err
		}
	case KindNotice:
		switch string(e.event) {
		case EventTakenUp:
			clear(c.revoking)
		case EventRetired:
			c.retire(e.seq, text)
		case EventSettled:
			delete(c.doubts, key)
		}
	}
	return nil
}

// revokes keeps the last record that says that a user is to lose access.
func (c *chain) revokes(e *entry) {
	if !e.revokes || !bytes.HasPrefix(e.resource, []byte(`"Users/`)) || len(c.revoking) >= maxOpen {
		return
	}
	if c.revoking == nil {
		c.revoking = map[string]revocation{}
	}
	c.revoking[e.exchange] = revocation{c.last, string(e.resource)}
}

// overtakes takes in that a user has lost, or was given, access by the call of an intent:
// what was to take it away before that is over.
func (c *chain) overtakes(e *entry, intent place) {
	maps.DeleteFunc(c.revoking, func(_ string, r revocation) bool {
		return r.resource == string(e.resource) && r.seq <= intent.seq
	})
}

// checkpoint holds a checkpoint to the keys.
func (c *chain) checkpoint(e *entry, text []byte) error {
	if len(c.keys) == 0 {
		return nil
	}
	var rec Record
	if err := json.Unmarshal(text, &rec); err != nil {
		return c.broken(e.seq, "is a checkpoint that can't be read")
	}
	if !(Checkpoint{e.seq - 1, hex.EncodeToString(e.prev[:]), rec.Key, rec.Sig}).SignedBy(c.keys...) {
		return c.broken(e.seq, "is a checkpoint that none of the keys has signed")
	}
	c.signed++
	c.vouched = e.seq - 1
	return nil
}

// couldBeNext tells whether text may be what a crash left of the next record: its
// beginning, or zeros for a page that never reached the disk.
func (c *chain) couldBeNext(text []byte) bool {
	begin := append(strconv.AppendUint([]byte(`{"v":1,"seq":`), c.seq+1, 10), ',')
	return bytes.HasPrefix(text, begin) || bytes.HasPrefix(begin, text) || bytes.IndexByte(text, 0) >= 0
}

// tear adds a line to the stretch that is no records.
func (c *chain) tear(text []byte, isJSON, ended bool) {
	t := &c.torn
	t.sum.Write(text)
	t.size += int64(len(text))
	if t.ended = ended; ended {
		t.sum.Write([]byte{'\n'})
		t.size++
	}
	t.zeros = t.zeros || bytes.IndexByte(text, 0) >= 0
	t.strict = t.strict || isJSON && !t.zeros
}

// behindTear looks for the gap record that accounts for the stretch.
func (c *chain) behindTear(text []byte, start int64, isJSON, ended bool) error {
	if isJSON {
		e, reason := c.entry()
		if reason == "" && Kind(e.kind) == KindGap && string(e.event) == EventTorn && e.seq == c.seq+1 && e.prev == c.hash {
			var rec Record
			if err := json.Unmarshal(text, &rec); err == nil && slices.Equal(rec.Findings, c.torn.findings()) {
				c.torn = torn{}
				return c.take(&e, text, start, ended)
			}
		}
	}
	c.tear(text, isJSON, ended)
	return nil
}

// findings are what the gap record says of the stretch.
func (t *torn) findings() []string {
	return []string{strconv.FormatInt(t.size, 10) + " bytes", "sha256 " + hex.EncodeToString(t.sum.Sum(nil))}
}

// end settles what waited for a next line.
func (c *chain) end() error {
	if c.doubt != nil {
		return c.doubt
	}
	if c.mark != nil && c.mark.Seq >= c.first && !c.met && c.torn.sum == nil && c.until == 0 {
		return c.broken(c.seq+1, fmt.Sprintf("is missing: the checkpoint is of record %d", c.mark.Seq))
	}
	return nil
}

func (c *chain) broken(seq uint64, reason string) error {
	return &ChainError{Seq: seq, Reason: reason}
}
