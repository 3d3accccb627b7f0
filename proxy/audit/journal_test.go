package audit

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// disk is a file in memory that can be told to fail and to wait.
type disk struct {
	mu     sync.Mutex
	bytes  []byte
	synced int           // bytes of them
	syncs  int           // that were asked for
	step   int           // operations so far
	failAt int           // the step that fails; 0 for none
	short  bool          // a failing write takes half, and names no reason
	err    error         // of the step that fails
	hold   chan struct{} // a sync waits until it is closed; nil for none
}

func (d *disk) fails() bool {
	d.step++
	return d.step == d.failAt
}

func (d *disk) Write(b []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.fails() {
		d.bytes = append(d.bytes, b...)
		return len(b), nil
	}
	n := len(b) / 2
	d.bytes = append(d.bytes, b[:n]...)
	if d.short {
		return n, nil
	}
	return n, d.err
}

func (d *disk) Sync() error {
	if d.hold != nil {
		<-d.hold
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.syncs++
	if d.fails() {
		return d.err
	}
	d.synced = len(d.bytes)
	return nil
}

// holds tells whether text was written, and whether it was synced.
func (d *disk) holds(text string) (written, synced bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return bytes.Contains(d.bytes, []byte(text)), bytes.Contains(d.bytes[:d.synced], []byte(text))
}

func (d *disk) Check() error { return nil }
func (d *disk) Close() error { return nil }

// onDisk is a journal whose chain begins on the disk.
func onDisk(t testing.TB, d *disk, now func() time.Time) (*Journal, error) {
	t.Helper()
	return open(Settings{File: "-", Config: "0123456789abcdef"}, hooks{wrap: func(file) file { return d }, now: now})
}

func records(t testing.TB, log []byte) []Record {
	t.Helper()
	var list []Record
	for line := range bytes.Lines(log) {
		var rec Record
		if err := json.Unmarshal(line, &rec); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		list = append(list, rec)
	}
	return list
}

// told is the log in short: kind, event, exchange and outcome of each record.
func told(t testing.TB, log []byte) string {
	t.Helper()
	var b strings.Builder
	for _, rec := range records(t, log) {
		b.WriteString(strings.Join(strings.Fields(string(rec.Kind)+" "+rec.Event+" "+rec.Exchange+" "+rec.Outcome), " ") + "\n")
	}
	return b.String()
}

func write(x string) *Record {
	return &Record{Exchange: x, Call: 1, Tenant: "default", Op: "patchUser", Method: "PATCH", Path: "/Users/906", Name: "ада@example.test"}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestRecordsAreDurableWhenTheirDoorReturns(t *testing.T) {
	d := &disk{}
	j, err := onDisk(t, d, nil)
	must(t, err)
	durable := func(want string) {
		t.Helper()
		last := records(t, d.bytes[:d.synced])
		rec := last[len(last)-1]
		if got := string(rec.Kind) + " " + rec.Exchange; got != want {
			t.Errorf("got %q as the last synced record, want %q", got, want)
		}
		if at := j.Last(); at.Seq != rec.Seq {
			t.Errorf("got %d as the last durable record, want %d", at.Seq, rec.Seq)
		}
	}
	in, err := j.Intend(write("X1"), Ordinary)
	must(t, err)
	durable("intent X1")
	must(t, in.Settle(&Record{Outcome: "ok", Status: 200}))
	durable("outcome X1")
	if err := in.Settle(&Record{Outcome: "ok"}); !errors.Is(err, ErrSettled) {
		t.Errorf("got %v for a second outcome, want ErrSettled", err)
	}
	must(t, j.Answer(&Record{Exchange: "X1", Reply: 200}, Ordinary))
	durable("answer X1")
	must(t, j.Refuse(&Record{Exchange: "X2", Reply: 400}, Durable))
	durable("refusal X2")
	must(t, j.Refuse(&Record{Exchange: "X3", Reply: 401}, Riding))
	j.Ride(&Record{Exchange: "X4", Reply: 200})
	durable("refusal X2")
	must(t, j.Notice(EventConfig, &Record{}))
	durable("notice ")
	if _, err := j.Intend(&Record{}, Ordinary); err == nil {
		t.Error("got an intent without an exchange, want an error")
	}
	_, err = j.Intend(write("X5"), Ordinary)
	must(t, err)
	must(t, j.Close())
	if err := j.Answer(&Record{}, Ordinary); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v after Close, want ErrClosed", err)
	}
	want := `notice start
intent X1
outcome X1 ok
answer X1
refusal X2
refusal X3
answer X4
notice config
intent X5
outcome shutdown X5 unknown
notice shutdown
`
	if got := told(t, d.bytes[:d.synced]); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	summary, err := VerifyAgainst(bytes.NewReader(d.bytes), j.Last())
	if err != nil || summary.Records != 11 || len(summary.OpenIntents) != 0 {
		t.Errorf("got %+v, %v, want 11 records", summary, err)
	}
	if c := j.Counts(); c.Records != 11 || int(c.Syncs) != d.syncs || c.Failures != 0 {
		t.Errorf("got %+v, want 11 records and %d syncs", c, d.syncs)
	}
}

func TestConcurrentRecordsShareOneSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{}
		j, err := onDisk(t, d, nil)
		must(t, err)
		d.hold = make(chan struct{})
		before := d.syncs
		var all sync.WaitGroup
		for i := range 50 {
			all.Go(func() {
				if _, err := j.Intend(&Record{Exchange: "X", Call: i + 1}, Ordinary); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait() // one syncs its own record, the others have joined
		close(d.hold)
		all.Wait()
		if got := d.syncs - before; got != 2 {
			t.Errorf("got %d syncs for 50 records, want 2", got)
		}
		summary, err := Verify(bytes.NewReader(d.bytes))
		if err != nil || summary.Records != 51 || len(summary.OpenIntents) != 50 {
			t.Errorf("got %d records, %v, want 51", summary.Records, err)
		}
		must(t, j.Close())
	})
}

func TestReadsRideForASecondAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{}
		j, err := onDisk(t, d, nil)
		must(t, err)
		for _, x := range []string{"R1", "R2"} {
			j.Ride(&Record{Exchange: x})
			if written, _ := d.holds(x); written {
				t.Errorf("%s is written at once, want it to ride", x)
			}
			time.Sleep(flushWithin)
			synctest.Wait()
			if _, synced := d.holds(x); !synced {
				t.Errorf("%s is not durable after %v", x, flushWithin)
			}
		}
		must(t, j.Close())
	})
}

func TestWhatFindsNoRoomIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{}
		j, err := onDisk(t, d, nil)
		must(t, err)
		d.hold = make(chan struct{})
		var leader sync.WaitGroup
		leader.Go(func() { _ = j.Answer(&Record{Exchange: "first"}, Ordinary) })
		synctest.Wait()
		big := &Record{AWS: strings.Repeat("x", maxText)}
		for range maxPending/maxText + 10 {
			j.Ride(big)
		}
		if _, err := j.Intend(write("X1"), Ordinary); !errors.Is(err, ErrBusy) {
			t.Errorf("got %v for an intent, want ErrBusy", err)
		}
		close(d.hold)
		leader.Wait()
		must(t, j.Close())
		dropped := j.Counts().Dropped
		if dropped == 0 || len(d.bytes) > 2*maxPending {
			t.Errorf("got %d dropped and %d bytes, want a bound", dropped, len(d.bytes))
		}
		if log := told(t, d.bytes); !strings.Contains(log, "gap dropped\n") {
			t.Error("no gap record tells of them")
		}
	})
}

// Whatever operation fails, what was acknowledged is in the synced bytes, nothing
// is acknowledged afterwards, and the file is not touched again.
func TestAFailureSticks(t *testing.T) {
	for _, fault := range []struct {
		short bool
		err   error
	}{{false, syscall.ENOSPC}, {false, syscall.EIO}, {true, io.ErrShortWrite}} {
		for n := 1; ; n++ {
			d := &disk{failAt: n, short: fault.short, err: fault.err}
			var acknowledged []string
			j, err := onDisk(t, d, nil)
			if err == nil {
				acknowledged = failingRun(t, j)
				_ = j.Close()
			}
			if d.step < n {
				if len(acknowledged) != 12 {
					t.Errorf("got %d acknowledged records without a fault, want 12", len(acknowledged))
				}
				break
			}
			if d.step > n {
				t.Errorf("failure %d: got %d operations, want none after it", n, d.step)
			}
			var sticky *Fault
			if err == nil {
				err = j.Err()
			}
			if !errors.As(err, &sticky) || sticky.Seq == 0 {
				t.Errorf("failure %d: got %v, want a *Fault", n, err)
			}
			for _, line := range acknowledged {
				if !bytes.Contains(d.bytes[:d.synced], []byte(line)) {
					t.Errorf("failure %d: %s was acknowledged and is not durable", n, line)
				}
			}
		}
	}
}

// failingRun returns the beginnings of the records whose door returned no error,
// and demands that there is none after the first error.
func failingRun(t *testing.T, j *Journal) (acknowledged []string) {
	failed := false
	note := func(rec *Record, err error) {
		switch {
		case err != nil:
			failed = true
			if j.Err() == nil || !errors.Is(err, j.Err()) {
				t.Errorf("got %v, want the fault %v", err, j.Err())
			}
		case failed:
			t.Errorf("record %d was acknowledged after a fault", rec.Seq)
		default:
			rec.Prev = ""
			line := string(rec.AppendLine(nil))
			acknowledged = append(acknowledged, strings.TrimSuffix(line, `"}`))
		}
	}
	for _, x := range []string{"X1", "X2", "X3"} {
		rec := write(x)
		in, err := j.Intend(rec, Ordinary)
		note(rec, err)
		if err == nil {
			rec.Outcome = "ok"
			note(rec, in.Settle(rec))
		}
		rec = &Record{Exchange: x}
		note(rec, j.Answer(rec, Ordinary))
		j.Ride(&Record{Exchange: "read"})
		note(rec, j.Refuse(rec, Durable))
	}
	return acknowledged
}

func TestAClockThatGoesBackIsNoticed(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	d := &disk{}
	j, err := onDisk(t, d, func() time.Time { return at })
	must(t, err)
	for _, step := range []time.Duration{-500 * time.Millisecond, time.Hour, -time.Hour, 10 * 365 * 24 * time.Hour, -10 * 365 * 24 * time.Hour} {
		at = at.Add(step)
		must(t, j.Answer(&Record{Exchange: "X"}, Ordinary))
	}
	must(t, j.Close())
	want := "notice start\nanswer X\nanswer X\nnotice clock_jump\nanswer X\nanswer X\nnotice clock_jump\nanswer X\nnotice shutdown\n"
	if got := told(t, d.bytes); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if _, err := Verify(bytes.NewReader(d.bytes)); err != nil {
		t.Error(err)
	}
}

func TestNoTokenIsEverWritten(t *testing.T) {
	const token = "CANARY-7f3a91c2-token-of-nobody"
	dir := t.TempDir()
	j, err := Open(Settings{File: filepath.Join(dir, "audit.jsonl")})
	must(t, err)
	actor, sent := j.Actor([]byte(token)), j.Digest([]byte(token))
	if len(actor) != 16 || len(sent) != 64 || strings.HasPrefix(sent, actor) {
		t.Errorf("got actor %q and digest %q, want 16 and 64 digits of two domains", actor, sent)
	}
	if actor != j.Actor([]byte(token)) || actor == j.Actor([]byte(token+"!")) {
		t.Error("got digests that don't tell tokens apart")
	}
	must(t, j.Answer(&Record{Actor: actor, Sent: sent}, Ordinary))
	must(t, j.Close())
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	must(t, err)
	for _, name := range files {
		written, err := os.ReadFile(name)
		must(t, err)
		for at := range len(token) - 7 {
			window := token[at : at+8]
			for _, form := range []string{window, hex.EncodeToString([]byte(window)), base64.RawStdEncoding.EncodeToString([]byte(window))[:10]} {
				if bytes.Contains(written, []byte(form)) {
					t.Errorf("got %q of the token in %s", form, name)
				}
			}
		}
	}
}

// A record that a fault has lost is lost also for whoever wakes when the fault is over, and
// others have its number.
func TestWhatAFaultLostIsLostWhenItIsOver(t *testing.T) {
	d := &disk{err: errors.New("no space")}
	j, err := onDisk(t, d, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	j.mu.Lock()
	before := j.seq
	j.writing = true // somebody is
	j.mu.Unlock()
	lost := make(chan error, 1)
	go func() { lost <- j.Answer(&Record{Exchange: "lost"}, Ordinary) }()
	for joined := false; !joined; runtime.Gosched() {
		j.mu.Lock()
		joined = j.seq > before
		if joined { // and waits; the batch fails, and the fault ends, before it wakes
			d.failAt = d.step + 1
			j.writeBatch()
			j.fault, j.durable, j.seq = nil, before+1, before+1
		}
		j.mu.Unlock()
	}
	var fault *Fault
	if err := <-lost; !errors.As(err, &fault) {
		t.Errorf("got %v for a record that is in no file, want the fault", err)
	}
}

// slowSync calls a function in the sync.
type slowSync struct {
	file
	in *func()
}

func (s slowSync) Sync() error {
	if f := *s.in; f != nil {
		f()
	}
	return s.file.Sync()
}

// SIGTERM while the outcomes that a fault has lost are made durable closes no intent twice.
func TestAnIntentHasOneOutcomeAtShutdown(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	broken := false
	var in func()
	j, err := open(Settings{File: path, RotateAge: -1}, hooks{wrap: func(f file) file { return slowSync{&undurable{f, &broken}, &in} }})
	must(t, err)
	call, err := j.Intend(write("call"), Ordinary)
	must(t, err)
	broken = true
	if call.Settle(&Record{Outcome: "ok"}) == nil {
		t.Fatal("there is no fault")
	}
	broken = false
	done := make(chan error, 1)
	n := 0
	in = func() {
		if n++; n == 2 { // the first is of the gap
			go func() { done <- j.Close() }()
			for closed := false; !closed; runtime.Gosched() {
				j.mu.Lock()
				closed = j.closed
				j.mu.Unlock()
			}
		}
	}
	must(t, j.goOn())
	must(t, <-done)
	outcomes := 0
	for _, line := range wholeLog(t, path) {
		if strings.Contains(line, `"kind":"outcome"`) && strings.Contains(line, `"unknown"`) {
			outcomes++
		}
	}
	if outcomes != 1 {
		t.Errorf("one intent has %d outcomes in the log", outcomes)
	}
}
