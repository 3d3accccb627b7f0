package export

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/scimgate/scimgate/proxy/audit"
	"github.com/scimgate/scimgate/proxy/whole"
)

// position is how far an export is.
type position struct {
	at     audit.Checkpoint // the last record that was acknowledged, with all before it; the zero value: none
	before audit.Checkpoint // the last one of the segment before, which no fault of the disk can lose; the zero value: there is none
}

// readPosition is the one in a file; the zero value if there is none, which is before the
// first export.
func readPosition(file string) (p position, err error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return p, fmt.Errorf("cannot read the position: %w", err)
	}
	at, before, further := strings.Cut(strings.TrimSpace(string(text)), "\n")
	if p.at, err = audit.ParseCheckpoint(at); err == nil && further {
		p.before, err = audit.ParseCheckpoint(before)
	}
	if err != nil {
		return position{}, fmt.Errorf("%s holds no position, SEQ:HASH and perhaps another one below", file) // which may be anything else, of any size
	}
	return p, nil
}

// writePosition puts another position in the place of the old one; it is durable then.
func writePosition(file string, p position) error {
	text := p.at.String() + "\n"
	if p.before.Seq > 0 {
		text += p.before.String() + "\n"
	}
	if err := whole.Write(file, []byte(text)); err != nil {
		return fmt.Errorf("cannot write the position: %w", err)
	}
	return nil
}

// follow opens the log behind a position. A record may have been exported that a fault of
// the disk has lost since: the log goes on with the record of that fault then, and with it
// so does the export.
func follow(file string, p position) (*audit.Follower, position, error) {
	f, err := behind(file, p.at)
	if lost := (*audit.PositionError)(nil); !errors.As(err, &lost) {
		return f, p, err
	}
	sure, found := certain(file, p)
	if !found {
		return nil, p, err
	}
	p.at = sure
	f, err = behind(file, p.at)
	return f, p, err
}

func behind(file string, at audit.Checkpoint) (*audit.Follower, error) {
	if at.Seq == 0 {
		return audit.Follow(file, nil)
	}
	return audit.Follow(file, &at)
}

// certain is the last record before the fault that has lost what was exported, if the log
// tells of one.
func certain(file string, p position) (sure audit.Checkpoint, found bool) {
	f, err := behind(file, p.before)
	if err != nil {
		return sure, false
	}
	defer f.Close()
	for sure = p.before; ; {
		r, err := f.Next()
		if err != nil || r.Seq > p.at.Seq {
			return sure, false
		}
		var rec audit.Record
		if json.Unmarshal(r.Line, &rec) == nil && rec.Kind == audit.KindGap && rec.Event == audit.EventFault {
			return sure, true
		}
		sure = audit.Checkpoint{Seq: r.Seq, Hash: hex.EncodeToString(r.Hash[:])}
	}
}
