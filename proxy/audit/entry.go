package audit

import (
	"bytes"
	"encoding/hex"
	"strconv"

	"github.com/scimgate/scimgate/rules/scim"
)

// entry is what the chain needs of a line. Its bytes are those of the line.
type entry struct {
	seq      uint64
	prev     [32]byte
	kind     []byte
	event    []byte
	exchange string // of an intent, an outcome, an answer or a notice
	call     int
	outcome  []byte
	creates  bool // it is of a create
	again    bool // the client is told to come again
	revokes  bool
	grants   bool
	resource []byte // quoted
}

// entry reads the scanned line; reason says why it is no record.
func (c *chain) entry() (e entry, reason string) {
	d := &c.doc
	if d.Nodes[0].Shape != scim.Object {
		return e, "is not a JSON object"
	}
	place := 0
	linked := false
	for at := int32(1); at < int32(len(d.Nodes)); at = d.Nodes[at].Next {
		n := &d.Nodes[at]
		name, raw := d.Text[n.NameStart:n.NameEnd], d.Raw(at)
		linked = false
		switch {
		case place == 0:
			if string(name) != "v" || string(raw) != "1" {
				return e, "is not of version 1"
			}
		case place == 1:
			seq, err := strconv.ParseUint(string(raw), 10, 64)
			if err != nil || string(name) != "seq" || seq == 0 {
				return e, "has no sequence number in its place"
			}
			e.seq = seq
		case string(name) == "kind":
			e.kind = bytes.Trim(raw, `"`)
		case string(name) == "event":
			e.event = bytes.Trim(raw, `"`)
		case string(name) == "exchange":
			if kind := Kind(e.kind); kind == KindIntent || kind == KindOutcome || kind == KindAnswer || kind == KindNotice {
				e.exchange = d.String(at)
			}
		case string(name) == "call":
			e.call, _ = strconv.Atoi(string(raw))
		case string(name) == "op":
			e.creates = bytes.HasPrefix(raw, []byte(`"create`))
		case string(name) == "reply":
			e.again = string(raw) == "429" || string(raw) == "503"
		case string(name) == "revokes":
			e.revokes = string(raw) == "true"
		case string(name) == "grants":
			e.grants = string(raw) == "true"
		case string(name) == "resource":
			e.resource = raw
		case string(name) == "outcome":
			e.outcome = bytes.Trim(raw, `"`)
		case string(name) == "prev":
			linked = decodeHash(&e.prev, raw)
		}
		place++
	}
	if e.seq == 0 || !linked {
		return e, "has no hash of the record before at its end"
	}
	return e, ""
}

// decodeHash reads a quoted SHA-256 of 64 digits; capitals are not written.
func decodeHash(sum *[32]byte, raw []byte) bool {
	if len(raw) != 66 || bytes.ContainsAny(raw, "ABCDEF") {
		return false
	}
	_, err := hex.Decode(sum[:], raw[1:65])
	return err == nil
}
