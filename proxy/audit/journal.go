package audit

import (
	"encoding/hex"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Settings are those of one journal.
type Settings struct {
	// File takes the records. "-" is standard output, which is best effort: a pipe
	// can't be synced, and each process begins a chain of its own.
	File string `yaml:"file"`
	// KeyFile holds the key of digests, 32 bytes to 4 KiB, all of which count. If
	// empty, 32 random bytes are made once in <file>.key, or per process for "-".
	KeyFile string `yaml:"key_file"`
	// RotateSize and RotateAge end a segment of the log, 64 MiB and 24 h; a negative
	// value never. Keep is how many closed segments stay, 0 for all.
	RotateSize int           `yaml:"rotate_size"`
	RotateAge  time.Duration `yaml:"rotate_age"`
	Keep       int           `yaml:"keep"`
	// Reserve is how many bytes of the disk are taken in advance, 4 MiB, so that what
	// takes access away goes through on a disk that is full; negative for none.
	Reserve int `yaml:"reserve"`
	// SigningKeyFile holds the Ed25519 key of checkpoints, PEM of PKCS #8. If empty, one
	// is made once in <file>.signing, and its public part in <file>.pub; none for "-".
	SigningKeyFile string `yaml:"signing_key_file"`
	// CheckpointEvery is how long records wait for a signed checkpoint, 1 min.
	CheckpointEvery time.Duration `yaml:"checkpoint_every"`
	// CheckpointFile takes each checkpoint as a line, for a place that the writer of the
	// log can't change, such as another machine's disk; "" for none.
	CheckpointFile string `yaml:"checkpoint_file"`
	// Told is called with each checkpoint, and what kept it from CheckpointFile. It is no
	// setting.
	Told func(Checkpoint, error) `yaml:"-"`
	// Config is the hash of the configuration, for each record. It is no setting.
	Config string `yaml:"-"`
}

// Durability says when the door of a record opens again.
type Durability uint8

const (
	// Riding records go with the next batch, a second later at most. They are lost
	// if the process dies before, and dropped, which is counted and recorded, where
	// too many wait.
	Riding Durability = iota
	// Durable records are on the disk when the door returns.
	Durable
)

// Need says which records have the last of the disk.
type Need uint8

const (
	// Ordinary records wait until there is room again.
	Ordinary Need = iota
	// Vital ones are of what takes access away: they go into the space that was reserved.
	Vital
)

// Errors of the doors, beside a [*Fault].
var (
	// ErrBusy is of an intent that came while too much was waiting for the disk.
	ErrBusy = errors.New("cannot record an intent: too many records wait for the disk")
	// ErrClosed is of a record that came after Close.
	ErrClosed = errors.New("cannot record: the journal is closed")
	// ErrSettled is of a second outcome for one intent.
	ErrSettled = errors.New("cannot record an outcome: the intent has one")

	errNoExchange = errors.New("cannot record an intent that names no exchange and call")
)

const (
	flushWithin = time.Second // a riding record waits no longer than that
	flushAt     = 1 << 20     // bytes of riding records that are not kept waiting
	maxPending  = 8 << 20     // bytes that wait before intents and riding records are turned away
	keepBytes   = 4 << 20     // a buffer that has grown past this is dropped
	jumpedBack  = time.Second // of the wall clock, worth a notice
)

// era is the time between two faults. Sequence numbers of records that a fault has lost
// are given again in the next.
type era struct {
	fault   *Fault // that ended it, or nil
	durable uint64 // then
}

// Journal writes one log. Its doors may be used by many goroutines at once; each
// encodes the record before it returns, so records and their texts may be reused.
// They set V, Seq, Time and Kind of the record, and Config if it has none; they leave Prev.
type Journal struct {
	name   string // in errors
	file   file
	alone  *os.File // locked; nil for a stream
	config string
	now    func() time.Time
	macs   *sync.Pool // of hash.Hash, keyed

	records, syncs, failures, dropped atomic.Uint64

	mu      sync.Mutex // guards what follows; never held while the file is at work
	done    sync.Cond  // a batch has ended, or a flush
	pending []byte     // whole lines, not yet being written
	spare   []byte     // the buffer of the batch before
	writing bool       // someone is
	seq     uint64     // of the last line in pending
	hash    [32]byte   // of that line
	durable uint64     // seq of the last line that was synced
	sealed  [32]byte   // hash of that line
	time    time.Time  // of the last record
	missed  uint64     // riding records dropped since the last record
	fault   *Fault     // while set, nothing is written
	era     *era       // that of the records which are joined now
	scarce  *Fault     // while set, only vital records are: the space that was reserved is in use
	closed  bool
	intents []slot // those without outcome, and free places

	left   []Record // intents of an earlier life without an outcome
	doubts []Record // and those whose outcome was unknown
	untold []Record // and creates that were carried out, without a word to the client

	unanswered []Record // and those that take access away and were not carried out, likewise

	segment    segment        // the file being written
	recovery   sync.WaitGroup // of the goroutine that ends a fault
	recovering bool           // it is at work
	stop       chan struct{}  // closed by Close

	signer    *signer // nil without a key
	markEvery time.Duration
	markFile  string
	told      func(Checkpoint, error)
	marks     *time.Timer // of the checkpoint; nil before the first record
	marking   bool        // the timer runs, or a checkpoint is being written

	timer    *time.Timer // of the flush; nil before the first riding record
	armed    bool        // the timer runs
	hurried  bool        // and was set to now
	flushing int         // flushes at work
}

// slot keeps the line of an intent until it is settled, to close it at shutdown.
type slot struct {
	seq     uint64 // 0 if free
	outcome uint64 // seq of the record of its outcome, 0 if none was made yet
	failed  bool   // that could not be made
	line    []byte // kept for its room when free
}

// Intent is a write that was announced. Each is to be settled once.
type Intent struct {
	j        *Journal
	seq      uint64
	slot     int
	exchange string
	call     int
}

// Intend records that a write is about to be sent. Not before it has returned
// without an error may a byte of that write leave. The record's Exchange and Call
// together are never used for two intents. A vital one that meets a fault goes into
// the space that was reserved.
func (j *Journal) Intend(rec *Record, need Need) (Intent, error) {
	if rec.Exchange == "" || rec.Call <= 0 {
		return Intent{}, errNoExchange
	}
	rec.Revokes = need == Vital
	in, err := j.intend(rec, need)
	var fault *Fault
	if need == Vital && errors.As(err, &fault) && j.goOn() == nil {
		return j.intend(rec, need)
	}
	return in, err
}

func (j *Journal) intend(rec *Record, need Need) (Intent, error) {
	j.mu.Lock()
	if len(j.pending) > maxPending {
		j.mu.Unlock()
		return Intent{}, ErrBusy
	}
	line, err := j.admit(rec, KindIntent, need)
	if err != nil {
		j.mu.Unlock()
		return Intent{}, err
	}
	in := Intent{j: j, seq: rec.Seq, slot: j.keep(rec.Seq, line), exchange: rec.Exchange, call: rec.Call}
	if err := j.commit(rec.Seq); err != nil {
		j.mu.Lock()
		j.intents[in.slot].seq = 0 // nothing will be sent
		j.mu.Unlock()
		return Intent{}, err
	}
	return in, nil
}

// admit joins a record that may have the room that there is.
func (j *Journal) admit(rec *Record, kind Kind, need Need) ([]byte, error) {
	if j.scarce != nil && need != Vital && j.fault == nil {
		return nil, j.scarce
	}
	return j.join(rec, kind)
}

// Settle records what became of the write, of which rec.Outcome is one word. After
// an error the answer of AWS is not durably known: the intent is closed as unknown
// when records can be written again.
func (in Intent) Settle(rec *Record) error {
	j := in.j
	rec.Exchange, rec.Call = in.exchange, in.call
	j.mu.Lock()
	if j.fault == nil && !j.closed && j.intents[in.slot].seq != in.seq {
		j.mu.Unlock()
		return ErrSettled
	}
	if _, err := j.join(rec, KindOutcome); err != nil {
		if s := &j.intents[in.slot]; s.seq == in.seq {
			s.failed = true // closed as unknown when records can be written again
		}
		j.mu.Unlock()
		return err
	}
	j.intents[in.slot].outcome = rec.Seq
	if err := j.commit(rec.Seq); err != nil {
		return err // closed likewise, since its outcome is lost
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.intents[in.slot].seq = 0
	return nil
}

// Answer records what the client is told about a write. Not before it has returned
// without an error may a byte of that answer leave.
func (j *Journal) Answer(rec *Record, need Need) error {
	return j.record(rec, KindAnswer, need)
}

// Refuse records a request that was not forwarded: durably for a write that
// someone with a token asked for, riding for a read and for noise. The error of a
// riding one is always nil.
func (j *Journal) Refuse(rec *Record, d Durability) error {
	if d == Durable {
		return j.record(rec, KindRefusal, Ordinary)
	}
	j.ride(rec, KindRefusal)
	return nil
}

// Ride records what the client is told about a read, with the next batch.
func (j *Journal) Ride(rec *Record) { j.ride(rec, KindAnswer) }

// Omit counts a record that is not made, as one of those that a flood would bring. The
// log tells how many there were.
func (j *Journal) Omit() {
	j.dropped.Add(1)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.missed++
}

// Notice records something about the gateway itself, durably. Of rec only what the
// event needs is set: a tenant, an exchange, findings.
func (j *Journal) Notice(event string, rec *Record) error {
	rec.Event = event
	return j.record(rec, KindNotice, Ordinary)
}

// Err is why ordinary records can't be made now, a *Fault; nil while all is well.
func (j *Journal) Err() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.fault != nil:
		return j.fault
	case j.scarce != nil:
		return j.scarce
	}
	return nil
}

// Scarce tells whether vital records alone are made, in the space that was reserved.
func (j *Journal) Scarce() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.fault == nil && j.scarce != nil
}

// Last is the last durable record, to be kept elsewhere. The zero value says that
// there is none.
func (j *Journal) Last() Checkpoint {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.durable == 0 {
		return Checkpoint{}
	}
	return Checkpoint{Seq: j.durable, Hash: hex.EncodeToString(j.sealed[:])}
}

// Counts are numbers since the journal was opened.
type Counts struct {
	Records  uint64 // durable
	Syncs    uint64 // that ended well
	Failures uint64 // writes and syncs that did not
	Dropped  uint64 // riding records that found no room, or a journal that had failed
}

// Counts may be asked for at any time, at no cost to the writers.
func (j *Journal) Counts() Counts {
	return Counts{j.records.Load(), j.syncs.Load(), j.failures.Load(), j.dropped.Load()}
}

func (j *Journal) record(rec *Record, kind Kind, need Need) error {
	j.mu.Lock()
	if _, err := j.admit(rec, kind, need); err != nil {
		j.mu.Unlock()
		return err
	}
	return j.commit(rec.Seq)
}

// keep holds on to an intent's line. It is called with mu held.
func (j *Journal) keep(seq uint64, line []byte) int {
	at := 0
	for at < len(j.intents) && j.intents[at].seq != 0 {
		at++
	}
	if at == len(j.intents) {
		j.intents = append(j.intents, slot{})
	}
	s := &j.intents[at]
	if cap(s.line) > keepBytes/64 {
		s.line = nil
	}
	s.seq, s.outcome, s.failed, s.line = seq, 0, false, append(s.line[:0], line...)
	return at
}

// Recovered are the intents that an earlier life of the process has left without an
// outcome, in their order: it isn't known what became of them. They have been closed
// as unknown.
func (j *Journal) Recovered() []Record { return j.left }

// Doubts are the intents of earlier lives whose outcome was recorded as unknown, and of
// which no notice of the event settled tells.
func (j *Journal) Doubts() []Record { return j.doubts }

// Unanswered are records of users who were to lose access, the last of each exchange: of
// what was not carried out as far as is known, of which no answer tells the client or the
// list of open deactivations could not take it, and behind which no call has given the user
// access. A notice of the event taken_up says that they are on that list.
func (j *Journal) Unanswered() []Record { return j.unanswered }

// Untold are the creates of earlier lives that were carried out, and of which no answer
// tells the client.
func (j *Journal) Untold() []Record { return j.untold }

// Reconfigured puts another hash of the configuration into the records that have none,
// from now on, and records that it is in force.
func (j *Journal) Reconfigured(config string) error {
	j.mu.Lock()
	before := j.config
	j.mu.Unlock()
	if err := j.Notice(EventConfig, &Record{Config: config, Findings: []string{"in force, before it " + before}}); err != nil {
		return err
	}
	j.mu.Lock()
	j.config = config
	j.mu.Unlock()
	return nil
}
