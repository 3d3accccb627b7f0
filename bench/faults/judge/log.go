package judge

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/scimgate/scimgate/bench/faults/witness"
)

// chain reads the log as the chain that it should be, and keeps the lines that count.
func (d *docket) chain() {
	d.records, d.calls = map[string][]*witness.Line{}, map[string][]*call{}
	var torn []byte
	last, prev := uint64(0), strings.Repeat("0", 64)
	for i := range d.Log {
		l := &d.Log[i]
		if len(d.Token) > 8 && strings.Contains(l.Text, d.Token[:len(d.Token)/2]) {
			d.find(Secret, l.Exchange, "line %d of the log", i+1)
		}
		if l.Torn {
			torn = append(append(torn, l.Text...), '\n')
			continue
		}
		if l.Kind == "gap" && l.Event == "fault" && l.Seq <= last && l.Segment > d.Log[max(i-1, 0)].Segment {
			last, prev, torn = d.rewind(l.Seq - 1)
		}
		switch {
		case len(torn) > 0 && !accounts(l, torn):
			d.find(Chain, l.Exchange, "%d bytes before record %d are no records, and it doesn't account for them", len(torn), l.Seq)
		case last == 0 && l.Seq > 1 && d.retired(l.Seq-1, l.Prev): // the beginning was deleted by its age
		case l.Seq != last+1:
			d.find(Chain, l.Exchange, "record %d follows record %d", l.Seq, last)
		case l.Prev != prev:
			d.find(Chain, l.Exchange, "record %d doesn't hold the hash of the line before", l.Seq)
		}
		if !l.Ended {
			d.find(Chain, l.Exchange, "record %d has no line feed", l.Seq)
		}
		sum := sha256.Sum256([]byte(l.Text))
		last, prev, torn = l.Seq, hex.EncodeToString(sum[:]), nil
		d.lines = append(d.lines, l)
	}
	if len(torn) > 0 {
		d.find(Chain, "", "the log ends with %d bytes that are no record", len(torn))
	}
	for _, l := range d.lines {
		if l.Exchange != "" {
			d.records[l.Exchange] = append(d.records[l.Exchange], l)
		}
	}
}

// rewind drops lines behind a record: their segment ended in a fault.
func (d *docket) rewind(seq uint64) (last uint64, prev string, torn []byte) {
	for len(d.lines) > 0 && d.lines[len(d.lines)-1].Seq > seq {
		d.lines = d.lines[:len(d.lines)-1]
	}
	if len(d.lines) == 0 {
		return 0, strings.Repeat("0", 64), nil
	}
	l := d.lines[len(d.lines)-1]
	sum := sha256.Sum256([]byte(l.Text))
	return l.Seq, hex.EncodeToString(sum[:]), nil
}

// accounts tells whether a record is the one that tells of torn bytes.
func accounts(l *witness.Line, torn []byte) bool {
	sum := sha256.Sum256(torn)
	return l.Kind == "gap" && l.Event == "torn" &&
		slices.Equal(l.Findings, []string{fmt.Sprintf("%d bytes", len(torn)), "sha256 " + hex.EncodeToString(sum[:])})
}

// retired tells whether a record says that those up to seq were deleted.
func (d *docket) retired(seq uint64, hash string) bool {
	for i := range d.Log {
		l := &d.Log[i].Record
		if l.Event == "retired" && slices.Equal(l.Findings, []string{fmt.Sprintf("up to record %d", seq), "sha256 " + hash}) {
			return true
		}
	}
	return false
}

// callKey is by what a request of the upstream is known in the log.
type callKey struct{ method, path, sent string }

// intents joins each write that the upstream saw with the intent before it.
func (d *docket) intents() {
	d.intentOf = map[*witness.Seen]*call{}
	open, closed := map[string]*call{}, map[*call]bool{}
	waiting := map[callKey][]*call{}
	for _, l := range d.lines {
		id := fmt.Sprint(l.Exchange, " ", l.Call)
		switch l.Kind {
		case "intent":
			c := &call{intent: l}
			if open[id] != nil {
				d.find(OpenIntent, l.Exchange, "two intents of call %d", l.Call)
			}
			open[id] = c
			d.calls[l.Exchange] = append(d.calls[l.Exchange], c)
			k := callKey{l.Method, l.Path, l.Sent}
			waiting[k] = append(waiting[k], c)
		case "outcome":
			c := open[id]
			switch {
			case c == nil:
				d.find(OpenIntent, l.Exchange, "an outcome of call %d without an intent before it", l.Call)
			case closed[c]:
				d.find(OpenIntent, l.Exchange, "two outcomes of call %d", l.Call)
			default:
				c.outcome, closed[c] = l, true
			}
		}
	}
	for _, c := range sorted(open) {
		if c.outcome == nil {
			d.find(OpenIntent, c.intent.Exchange, "call %d, %s %s, has no outcome", c.intent.Call, c.intent.Method, c.intent.Path)
		}
	}
	for i := range d.Seen {
		if s := &d.Seen[i]; s.Write() && s.Whole {
			d.claim(s, waiting)
		}
	}
}

func sorted(open map[string]*call) (list []*call) {
	for _, c := range open {
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b *call) int { return int(a.intent.Seq) - int(b.intent.Seq) })
	return list
}

// claim finds the intent of a write.
func (d *docket) claim(s *witness.Seen, waiting map[callKey][]*call) {
	sent := ""
	if s.Body != "" {
		mac := hmac.New(sha256.New, d.Key)
		mac.Write([]byte(s.Body))
		sent = hex.EncodeToString(mac.Sum(nil))
	}
	exchange := ""
	if a := d.asked[s.Tag]; a != nil {
		exchange = a.Exchange
	}
	k := callKey{s.Method, s.Path, sent}
	late := false
	var best *call
	for _, c := range waiting[k] {
		switch {
		case c.seen != nil, exchange != "" && c.intent.Exchange != exchange, exchange == "" && cmp.Or(d.tagOf[c.intent.Exchange], s.Tag) != s.Tag:
		case s.LogAt >= 0 && c.intent.End > s.LogAt:
			late = true
		case best == nil || fits(c, s) > fits(best, s) || fits(c, s) == fits(best, s) && s.LogAt >= 0:
			best = c // of several that fit, the last before its first byte: an earlier one may never have left
		}
	}
	if best != nil {
		best.seen, d.intentOf[s] = s, best
		if d.tagOf[best.intent.Exchange] == "" {
			d.tagOf[best.intent.Exchange] = s.Tag
		}
		return
	}
	for _, c := range d.calls[exchange] {
		if c.seen == nil && c.intent.Method == s.Method && c.intent.Path == s.Path && c.intent.Sent != sent {
			c.seen, d.intentOf[s] = s, c
			d.find(WrongDigest, exchange, "call %d, %s %s", c.intent.Call, s.Method, s.Path)
			return
		}
	}
	why := "there is none in the log"
	if late {
		why = "it was written after the first byte had arrived"
	}
	d.find(WriteAhead, d.exchangeOf(s), "%s %s: %s", s.Method, s.Path, why)
}

// fits tells how well an outcome is what the upstream did: of several tries with the same
// bytes, one that was not sent is the last to be taken for it.
func fits(c *call, s *witness.Seen) int {
	exact := false
	switch {
	case c.outcome == nil:
		exact = true
	case c.outcome.Outcome == "ok" || c.outcome.Outcome == "upstream_error":
		exact = s.Status == c.outcome.Status
	case c.outcome.Outcome == "not_sent":
		return 0
	default:
		exact = s.Answer != witness.Whole || s.Status >= 500
	}
	if exact {
		return 2
	}
	return 1
}
