// Package export hands the records of an audit log to Kafka: each at least once, in order,
// without a gap. It only reads the log, and remembers in a file of its own which record
// Kafka has acknowledged last. Begin with [Run].
package export

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/scimgate/scimgate/proxy/audit"
)

// The window: what was read of the log and not acknowledged. It goes out as one batch for
// each partition, and nothing goes out behind a batch that isn't acknowledged: so a record
// that is refused is not overtaken, whatever takes its place.
const (
	windowRecords = 1000
	windowBytes   = 960_000 // below the 1,000,012 bytes of a batch that brokers take by default
)

const (
	pollEvery   = 200 * time.Millisecond // looks at the log for more
	lateAfter   = time.Second            // without an acknowledgement: Kafka is down or slow
	tellEvery   = 10 * time.Second       // while it is
	retryFirst  = 250 * time.Millisecond // after an error that the library gives back; doubled each time
	retryMost   = 5 * time.Second
	recordExtra = 192 // bytes of a record in a batch beside key and value, at most
)

// Settings are those of one export.
type Settings struct {
	File     string // the audit log
	Position string // file with the last record that Kafka acknowledged; made if there is none
	Topic    string
	Once     bool // end when what is there is exported
	Kafka
}

// exporter is one export. It belongs to the goroutine of Run.
type exporter struct {
	Settings
	log    zerolog.Logger
	client *kgo.Client
	told   *lastWords
	follow *audit.Follower
	window []*message // in order; the first is not acknowledged
	broken error      // why nothing is read any more: what was read before is sent

	position
	unsaved  error         // why the file of the position has an older one
	limit    int           // records that are sent at once
	retry    time.Duration // before the next try; 0 when all is well
	since    time.Time     // of the last acknowledgement, or the last time that there was nothing to send
	late     bool          // it was told that the export is behind
	caused   bool          // and why
	lastTold time.Time
}

// Run exports until ctx ends, or until what was there is exported (Once). Kafka's faults
// never end it: it tries for ever, and tells on errs how far behind it is. The errors: a
// *audit.ChainError or *audit.PositionError, of the log and the position; others are of
// files and of settings.
func Run(ctx context.Context, s Settings, errs io.Writer) (err error) {
	e := &exporter{Settings: s, log: zerolog.New(zerolog.SyncWriter(errs)).With().Timestamp().Logger(), told: &lastWords{}, limit: 1, since: time.Now()}
	kept, err := readPosition(s.Position)
	if err != nil {
		return err
	}
	if e.follow, e.position, err = follow(s.File, kept); err != nil {
		return err
	}
	if e.at != kept.at {
		e.log.Warn().Uint64("exported", kept.at.Seq).Uint64("behind", e.at.Seq).Msg("a fault of the disk has lost what was exported last; the export goes on with the record of that fault")
	}
	defer func() { err = errors.Join(err, e.follow.Close()) }()
	if e.client, err = s.client(s.Topic, e.told); err != nil {
		return err
	}
	defer e.client.Close()
	err = e.run(ctx)
	e.tell(e.late)
	if err == nil && e.unsaved != nil {
		err = e.unsaved
	}
	return err
}

func (e *exporter) run(ctx context.Context) error {
	end := uint64(0) // with Once
	if e.Once {
		var err error
		if end, err = e.follow.Last(); err != nil {
			return err
		}
	}
	e.tell(true)
	for ctx.Err() == nil {
		if err := e.fill(); err != nil {
			return err
		}
		e.watch()
		switch {
		case len(e.window) > 0:
			e.send(ctx)
			if e.Once && e.retry == 0 && e.broken == nil && e.at.Seq >= end {
				e.late = false
				return nil
			}
		case e.broken != nil || e.Once:
			e.late = e.broken != nil
			return e.broken
		default:
			if e.since = time.Now(); e.late {
				e.tell(false)
			}
			e.pause(ctx, pollEvery)
		}
	}
	return nil
}

// fill reads on while there is room.
func (e *exporter) fill() error {
	bytes := 0
	for _, m := range e.window {
		bytes += m.size()
	}
	for e.broken == nil && len(e.window) < windowRecords && bytes < windowBytes {
		r, err := e.follow.Next()
		var lost *audit.LostError
		switch {
		case err == io.EOF:
			return nil
		case errors.As(err, &lost):
			e.log.Warn().Uint64("from", lost.From).Uint64("to", lost.To).Msg("records were deleted before they were exported")
			continue
		case err != nil:
			e.broken = err
			return nil
		}
		m := newMessage(r)
		if m.size() > windowBytes { // no batch has room for it
			if err := e.cut(m); err != nil {
				return err
			}
		}
		e.window = append(e.window, m)
		bytes += m.size()
	}
	return nil
}

// cut puts a shorter document in the place of a record.
func (e *exporter) cut(m *message) error {
	if err := m.cut(); err != nil {
		return err
	}
	e.log.Warn().Uint64("seq", m.seq).Int("bytes", m.length).Msg("a record is too large for Kafka; a short one takes its place")
	return nil
}

// send sends what is at the front of the window, and takes in what became of it.
func (e *exporter) send(ctx context.Context) {
	var sent []*message
	for bytes, i := 0, 0; i < len(e.window) && len(sent) < e.limit; i++ {
		m := e.window[i]
		if m.acked { // by a partition beside the one that refused
			continue
		}
		if bytes += m.size(); bytes > windowBytes && len(sent) > 0 {
			break
		}
		sent = append(sent, m)
	}
	e.produce(ctx, sent)
	var refused *message
	tooLarge := false
	for _, m := range sent {
		if m.acked {
			continue
		}
		if refused == nil {
			refused = m
		}
		tooLarge = tooLarge || errors.Is(m.err, kerr.MessageTooLarge) || errors.Is(m.err, kerr.RecordListTooLarge)
	}
	e.acknowledge()
	switch {
	case refused == nil:
		e.limit, e.retry = min(2*e.limit, windowRecords), 0
		e.told.hear("")
	case ctx.Err() != nil:
	case tooLarge && len(sent) > 1: // together perhaps
		e.limit = len(sent) / 2
	case tooLarge && refused.level < bare:
		if err := e.cut(refused); err != nil && e.broken == nil {
			e.broken = err
		}
	default:
		e.told.hear(refused.err.Error())
		if errors.Is(refused.err, kerr.UnknownTopicID) || errors.Is(refused.err, kerr.UnknownTopicOrPartition) {
			e.client.PurgeTopicsFromProducing(e.Topic) // a topic that was made anew has another id
		}
		e.limit, e.retry = 1, min(max(2*e.retry, retryFirst), retryMost)
		e.watch()
		e.pause(ctx, e.retry)
	}
}

// produce returns when Kafka, or the library, has answered for each. When ctx ends, the
// client is closed, and what it has not answered by then is not acknowledged.
func (e *exporter) produce(ctx context.Context, sent []*message) {
	answers := make(chan struct{}, len(sent))
	for _, m := range sent {
		e.client.Produce(context.Background(), m.record(), func(_ *kgo.Record, err error) {
			m.acked, m.err = err == nil, err
			answers <- struct{}{}
		})
	}
	flushed := make(chan error, 1)
	flushing, stop := context.WithCancel(ctx)
	go func() { flushed <- e.client.Flush(flushing) }()
	defer func() { stop(); <-flushed }()
	ticks := time.NewTicker(pollEvery)
	defer ticks.Stop()
	done := ctx.Done()
	for left := len(sent); left > 0; {
		select {
		case <-answers:
			left--
		case <-ticks.C:
			e.watch()
		case <-done:
			done = nil
			e.client.Close()
		}
	}
}

// acknowledge takes from the window what was acknowledged with all before it, and keeps the
// position. If that can't be written, records are sent again at the next start, and none
// is lost: it is told, and tried again.
func (e *exporter) acknowledge() {
	n := 0
	for n < len(e.window) && e.window[n].acked {
		n++
	}
	if n == 0 {
		return
	}
	last := e.window[n-1]
	e.position = position{audit.Checkpoint{Seq: last.seq, Hash: last.hash}, last.before}
	clear(e.window[:n])
	e.window = e.window[n:]
	e.since = time.Now()
	was := e.unsaved
	if e.unsaved = writePosition(e.Position, e.position); e.unsaved != nil && was == nil {
		e.log.Warn().Err(e.unsaved).Msg("the position is not kept; records are exported again after a restart")
	}
}

// watch tells when the export falls behind, and now and then while it is. That it isn't any
// more is told when there is nothing left to send.
func (e *exporter) watch() {
	late := e.retry > 0 || time.Since(e.since) > lateAfter
	why := e.late && !e.caused && e.told.words() != ""
	if late && !e.late || why || e.late && time.Since(e.lastTold) > tellEvery {
		e.tell(true)
	}
}

// tell says how far the export is.
func (e *exporter) tell(late bool) {
	e.late, e.lastTold = late, time.Now()
	last, err := e.follow.Last()
	if err != nil {
		e.log.Warn().Err(err).Msg("cannot tell how far behind the export is")
		return
	}
	event, message := e.log.Info(), "exporting"
	e.caused = false
	if late && last > e.at.Seq {
		event, message = e.log.Warn(), "the export is behind"
		if words := e.told.words(); words != "" {
			event, e.caused = event.Str("cause", words), true
		}
	}
	event.Uint64("exported", e.at.Seq).Uint64("behind", last-min(last, e.at.Seq)).Msg(message)
}

// pause waits a while, but not beyond the end of ctx.
func (e *exporter) pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
