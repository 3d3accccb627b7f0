package export

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/scimgate/scimgate/proxy/audit"
)

// The names of the headers: a record's sequence number, in decimal, and the SHA-256 of its
// line, hex. A number alone doesn't name a record: behind a fault of the disk, those that
// don't count have had it too.
const (
	seqHeader  = "scimgate-seq"
	hashHeader = "scimgate-sha256"
)

// maxCutText is from where on a text is left out of what takes a record's place, in bytes.
const maxCutText = 1 << 10

// level says what a message holds.
type level int

const (
	full  level = iota // the line
	short              // a document in its place
	bare               // the same without exchange and resource, and without a key
)

// message is a record on its way to Kafka.
type message struct {
	seq    uint64
	hash   string // SHA-256 of the line, hex
	length int    // of the line
	level  level
	key    string // "" for none
	value  []byte
	stub   stub
	before audit.Checkpoint // as [audit.Followed] has it

	acked bool
	err   error // why it is not
}

// stub is what takes the place of a record that is too large.
type stub struct {
	V        int    `json:"v"`
	Seq      uint64 `json:"seq"`
	Time     string `json:"time"`
	Kind     string `json:"kind"`
	Exchange string `json:"exchange,omitempty"`
	Resource string `json:"resource,omitempty"`
	Cut      bool   `json:"cut"`    // true
	SHA256   string `json:"sha256"` // of the line
}

// newMessage copies what it needs of the record.
func newMessage(r audit.Followed) *message {
	m := &message{seq: r.Seq, hash: hex.EncodeToString(r.Hash[:]), before: r.Before, length: len(r.Line), key: r.Resource, value: append([]byte(nil), r.Line...)}
	if m.key == "" {
		m.key = r.Exchange
	}
	return m
}

// size is what it takes of a batch, at most.
func (m *message) size() int { return len(m.key) + len(m.value) + recordExtra }

func (m *message) record() *kgo.Record {
	r := &kgo.Record{Value: m.value, Headers: []kgo.RecordHeader{
		{Key: seqHeader, Value: strconv.AppendUint(nil, m.seq, 10)}, {Key: hashHeader, Value: []byte(m.hash)},
	}}
	if m.key != "" {
		r.Key = []byte(m.key)
	}
	return r
}

// cut makes the message shorter by a level. Its key stays as long as it is short: so it
// stays in its partition.
func (m *message) cut() error {
	if m.level == full {
		if err := json.Unmarshal(m.value, &m.stub); err != nil {
			return fmt.Errorf("BUG: record %d can't be read: %w", m.seq, err)
		}
		m.stub.Cut, m.stub.SHA256 = true, m.hash
	}
	m.level++
	for _, text := range []*string{&m.stub.Exchange, &m.stub.Resource, &m.key} {
		if m.level == bare || len(*text) > maxCutText {
			*text = ""
		}
	}
	var err error
	if m.value, err = json.Marshal(m.stub); err != nil {
		return fmt.Errorf("BUG: what takes the place of record %d can't be written: %w", m.seq, err)
	}
	return nil
}
