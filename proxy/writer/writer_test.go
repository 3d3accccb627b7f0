package writer

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"go.uber.org/goleak"

	bench "github.com/scimgate/scimgate/bench/redis"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is a Redis of this test's own.
type server struct {
	*bench.Server
	t *testing.T
}

func startRedis(t *testing.T, flags ...string) *server {
	t.Helper()
	s, err := bench.Start(flags...)
	if errors.Is(err, bench.ErrMissing) {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Kill)
	return &server{s, t}
}

func (s *server) start() {
	s.t.Helper()
	if err := s.Again(); err != nil {
		s.t.Fatal(err)
	}
}

func (s *server) do(args ...any) {
	s.t.Helper()
	if err := s.Do(args...); err != nil {
		s.t.Fatal(err)
	}
}

// newValve is what stands between one gateway and Redis.
func newValve(t *testing.T, s *server) *bench.Valve {
	t.Helper()
	v, err := s.Valve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it never came: %s", what)
		}
	}
}

// gateway is one that runs.
type gateway struct {
	*Writer
	t       *testing.T
	end     context.CancelFunc
	ended   chan struct{}
	mu      sync.Mutex
	changes []string
}

const lease = time.Second

func run(t *testing.T, name, redis, file string, how ...func(*Settings)) *gateway {
	t.Helper()
	s := Settings{Redis: "redis://" + redis, Name: name, Lease: lease}
	for _, f := range how {
		f(&s)
	}
	g := &gateway{t: t, ended: make(chan struct{})}
	var err error
	if g.Writer, err = Open(s, lease, file, func(to State, supplanted bool) error {
		g.mu.Lock()
		defer g.mu.Unlock()
		text := to.Role.String()
		if supplanted {
			text += " supplanted"
		}
		g.changes = append(g.changes, text)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	var ctx context.Context
	ctx, g.end = context.WithCancel(t.Context())
	go func() {
		defer close(g.ended)
		g.Run(ctx)
	}()
	t.Cleanup(g.stop)
	return g
}

// stop gives the lease back.
func (g *gateway) stop() {
	g.end()
	<-g.ended
}

func (g *gateway) is(r Role) bool { return g.State().Role == r }

func (g *gateway) becomes(r Role) {
	g.t.Helper()
	eventually(g.t, fmt.Sprintf("%s is %s", g.settings.Name, r), func() bool { return g.is(r) })
}

func (g *gateway) mayWrite() bool { return g.Leaves(g.State()) == nil }

func (g *gateway) told() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.changes)
}

func fileOf(t *testing.T) string { return filepath.Join(t.TempDir(), "audit.jsonl.writer") }

// The other stands by, and takes over: at once from one that gives the lease back, when
// the lease has run out from one that is lost. It writes only when what the other may have
// sent is over.
func TestOneWritesAndTheOtherTakesOver(t *testing.T) {
	t.Parallel()
	s := startRedis(t)
	a := run(t, "a", s.Address, fileOf(t))
	a.becomes(Writing)
	if !a.mayWrite() {
		t.Error("the first ever has nobody to wait for")
	}
	first := a.State().Fence
	b := run(t, "b", s.Address, fileOf(t))
	b.becomes(Standby)
	var refused *Refused
	if err := b.May(false); !errors.As(err, &refused) || refused.Other != "a" {
		t.Errorf("the one that stands by says %v", err)
	}
	eventually(t, "all others are known to stand by", func() bool { return a.State().Full })

	a.stop()
	b.becomes(Writing)
	if b.State().Fence <= first {
		t.Errorf("lease %d is followed by %d", first, b.State().Fence)
	}
	if b.May(false) != nil || b.mayWrite() {
		t.Error("who takes over reads, and doesn't write at once")
	}
	eventually(t, "the new one writes", b.mayWrite)
	if got := b.told(); !slices.Contains(got, "writing supplanted") {
		t.Errorf("it was told %v", got)
	}
}

// A gateway that comes back to the lease that was its own has nothing to fear.
func TestItsOwnLeaseIsKnownAgain(t *testing.T) {
	t.Parallel()
	s := startRedis(t)
	file := fileOf(t)
	a := run(t, "a", s.Address, file)
	a.becomes(Writing)
	a.stop()
	again := run(t, "a", s.Address, file)
	again.becomes(Writing)
	if got := again.told(); slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, "supplanted") }) {
		t.Errorf("nobody else has written, but it was told %v", got)
	}
	if !again.mayWrite() {
		t.Error("it waits for nobody")
	}
	again.stop()
	b := run(t, "b", s.Address, fileOf(t))
	b.becomes(Writing)
	b.stop()
	third := run(t, "a", s.Address, file)
	third.becomes(Writing)
	if got := third.told(); !slices.Contains(got, "writing supplanted") {
		t.Errorf("another has written in between, but it was told %v", got)
	}
}

// The lease of an earlier life that was killed is waited for, as that of nobody: no load
// balancer is to take out the only one there is.
func TestTheLeaseOfAnEarlierLife(t *testing.T) {
	t.Parallel()
	s := startRedis(t)
	file := fileOf(t)
	if err := os.WriteFile(file, []byte(`{"fence":3}`), 0o600); err != nil {
		t.Fatal(err)
	}
	s.do("HSET", "{scimgate}:writer", "holder", "earlier", "name", "a", "until", time.Now().Add(2*lease).UnixMilli(), "fence", "3")
	a := run(t, "a", s.Address, file)
	a.becomes(Writing)
	if got, want := a.told(), []string{"unsure", "writing"}; !slices.Equal(got, want) {
		t.Errorf("it was told %v, want %v", got, want)
	}
}

// A gateway that slept over its lease sends nothing, whether it has heard of it or not.
func TestALeaseThatRanOutLetsNothingPass(t *testing.T) {
	t.Parallel()
	s := startRedis(t)
	a := run(t, "a", s.Address, fileOf(t))
	a.becomes(Writing)
	state := *a.now.Load()
	state.until = time.Now()
	asleep := &Writer{settings: a.settings}
	asleep.now.Store(&state)
	if asleep.May(true) == nil || asleep.May(false) == nil {
		t.Error("something passes under a lease that has run out")
	}
	state.until = time.Now().Round(0).Add(-time.Second) // by the clock on the wall: the other one stands still while a machine sleeps
	if asleep.May(true) == nil {
		t.Error("something passes under a lease that has run out by the clock on the wall")
	}
}

// asleep is a time as a machine has it that has slept for so many seconds since: the monotonic
// clock stood still. The time package has no way to say so.
func asleep(t *testing.T, at time.Time, seconds int) time.Time {
	t.Helper()
	slept := at
	*(*uint64)(unsafe.Pointer(&slept)) -= uint64(seconds) << 30 // its first word has them above the nanoseconds
	if at.Sub(slept) != 0 || at.Round(0).Sub(slept.Round(0)) != time.Duration(seconds)*time.Second {
		t.Fatal("times are not kept as they were")
	}
	return slept
}

// A gateway that has slept while another may have taken over and written doesn't go on with
// what was announced before, though it hears nothing of Redis.
func TestWhoHasSleptGoesOnWithNothing(t *testing.T) {
	supplanted := false
	w, err := Open(Settings{Redis: "redis://127.0.0.1:1", Lease: 10 * lease}, 30*lease, "", func(_ State, is bool) error {
		supplanted = supplanted || is
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	defer w.redis.Close()
	now := time.Now()
	before := State{Role: Writing, Fence: 7, until: asleep(t, now.Add(9*lease), 600)}
	w.fence, w.seen, w.answer = 7, 7, asleep(t, now, 600)
	w.now.Store(&before)
	for range 2 { // the second time, it has waited for Redis in vain
		w.unreachable(w.State(), now, errors.New("no network yet"))
		if w.Leaves(before) == nil {
			t.Error("a write of before the sleep leaves")
		}
		now = now.Add(30 * lease)
	}
	if w.State().Role != Alone || !supplanted {
		t.Errorf("in the end it is %v, supplanted: %v", w.State().Role, supplanted)
	}
}

// Without Redis each goes on with its part: the one that wrote at once, the other when
// the first has surely taken its pace back.
func TestWithoutRedisEachHasItsPart(t *testing.T) {
	t.Parallel()
	s := startRedis(t)
	a := run(t, "a", s.Address, fileOf(t))
	a.becomes(Writing)
	b := run(t, "b", s.Address, fileOf(t))
	b.becomes(Standby)
	eventually(t, "a has the whole pace", func() bool { return a.State().Full })
	s.Kill()
	for !b.is(Alone) { // whatever the moment, no two have more than all
		if full, alone := a.State().Full, b.State().Role == Alone; full && alone {
			t.Fatal("one has the whole pace, and the other a part")
		}
		if a.is(Standby) {
			t.Fatal("the one that writes stands by")
		}
		time.Sleep(time.Millisecond)
	}
	a.becomes(Alone)
	if !a.mayWrite() {
		t.Error("the one that wrote may not go on")
	}
	if b.mayWrite() {
		t.Error("the other writes at once")
	}
	if got := a.told(); slices.Contains(got, "alone supplanted") {
		t.Errorf("nobody took over, but it was told %v", got)
	}
	eventually(t, "the other writes", b.mayWrite)

	s.start() // empty, as after a crash without persistence
	eventually(t, "one of them writes", func() bool { return a.is(Writing) || b.is(Writing) })
	writes, stands := a, b
	if b.is(Writing) {
		writes, stands = b, a
	}
	stands.becomes(Standby)
	if !writes.is(Writing) {
		t.Error("both have come to stand by")
	}
}

// The one that had the lease has it again when Redis is back, and the other, which has
// sent nothing, doesn't hold it up; if it has, that is told.
func TestAfterAnOutage(t *testing.T) {
	t.Parallel()
	for _, wrote := range []bool{false, true} {
		t.Run(fmt.Sprintf("the other wrote %t", wrote), func(t *testing.T) {
			t.Parallel()
			s := startRedis(t)
			va, vb := newValve(t, s), newValve(t, s)
			a := run(t, "a", va.Address, fileOf(t))
			a.becomes(Writing)
			b := run(t, "b", vb.Address, fileOf(t))
			b.becomes(Standby)
			va.Turn(true)
			vb.Turn(true)
			a.becomes(Alone)
			b.becomes(Alone)
			if wrote {
				eventually(t, "the other writes", b.mayWrite)
			}
			vb.Turn(false) // the wrong one first
			eventually(t, "b has heard of Redis", func() bool { return b.State().Err == nil })
			va.Turn(false)
			a.becomes(Writing)
			b.becomes(Standby)
			if !wrote && !a.mayWrite() {
				t.Error("nobody else has written, but it waits")
			}
			if wrote {
				eventually(t, "a knows of the other's writes", func() bool { return slices.Contains(a.told(), "writing supplanted") })
			}
		})
	}
}

// One that is cut off alone goes on with its part, the other takes over with no more than
// its own, and the first stands by when it hears of it.
func TestASplit(t *testing.T) {
	t.Parallel()
	s := startRedis(t)
	va := newValve(t, s)
	a := run(t, "a", va.Address, fileOf(t))
	a.becomes(Writing)
	b := run(t, "b", s.Address, fileOf(t))
	b.becomes(Standby)
	va.Turn(true)
	b.becomes(Writing)
	a.becomes(Alone)
	if b.State().Full || a.State().Full {
		t.Error("each believes that the whole pace is its own")
	}
	if !a.mayWrite() {
		t.Error("the one that is cut off may not write")
	}
	va.Turn(false)
	a.becomes(Standby)
	eventually(t, "the writes of the first are told to the second", func() bool {
		n := 0
		for _, c := range b.told() {
			if c == "writing supplanted" {
				n++
			}
		}
		return n >= 2
	})
}

// An empty Redis tells nothing: the one that writes puts the lease back, and no other
// takes it meanwhile, however long it has stood by.
func TestAFlush(t *testing.T) {
	t.Parallel()
	s := startRedis(t)
	longer := func(s *Settings) { s.Lease = 2 * lease }
	va := newValve(t, s)
	a := run(t, "a", va.Address, fileOf(t), longer)
	a.becomes(Writing)
	fence := a.State().Fence
	b := run(t, "b", s.Address, fileOf(t), longer)
	b.becomes(Standby)
	since := time.Now()
	eventually(t, "b has stood by for long", func() bool { return time.Since(since) > 5*lease })
	moved := func() bool {
		if b.is(Writing) || !a.is(Writing) {
			t.Fatal("a flush moves the lease")
		}
		return false
	}
	va.Turn(true) // b is to be the first to see it
	s.do("FLUSHALL")
	eventually(t, "b sees it", func() bool { return moved() || b.is(Unsure) })
	va.Turn(false)
	eventually(t, "b stands by again", func() bool { return moved() || b.is(Standby) })
	if got := a.State().Fence; got != fence {
		t.Errorf("the number of the lease went from %d to %d", fence, got)
	}
	if got := a.told(); slices.Contains(got, "writing supplanted") {
		t.Errorf("nobody took over, but it was told %v", got)
	}
}

// A Redis that has come back as it was earlier tells nothing either, not even to the one
// that had the lease then.
func TestAnEarlierState(t *testing.T) {
	t.Parallel()
	s := startRedis(t)
	b := run(t, "b", s.Address, fileOf(t))
	b.becomes(Writing)
	key, earlier, later := b.keys()[0], b.State().Fence, b.State().Fence+2
	s.do("HSET", key, "holder", "somebody", "name", "a", "until", "99999999999999", "fence", later)
	b.becomes(Standby)
	since := len(b.told())
	s.do("HSET", key, "holder", b.id, "name", "b", "until", "99999999999999", "fence", earlier)
	b.becomes(Unsure)
	b.becomes(Writing) // nobody puts the later one back
	if got := b.told()[since:]; !slices.Contains(got, "writing supplanted") || b.State().Fence <= later {
		t.Errorf("another has written under lease %d; it was told %v, and writes under lease %d", later, got, b.State().Fence)
	}
}

// Names of those who are gone count among the others for a lease: so long it takes until a
// gateway believes that all others stand by.
func TestAllOthersAreKnownForALease(t *testing.T) {
	t.Parallel()
	s := startRedis(t)
	a := run(t, "a", s.Address, fileOf(t))
	a.becomes(Writing)
	since := time.Now()
	s.do("ZADD", a.keys()[1], "99999999999999", "b")
	eventually(t, "it is known that b stands by", func() bool { return a.State().Full })
	if took := time.Since(since); took < lease {
		t.Errorf("it was believed after %v", took)
	}
	s.do("ZREM", a.keys()[1], "b")
	eventually(t, "it is known that nothing is known of b", func() bool { return !a.State().Full })
}

// What was written alone isn't told by asking a Redis that knows of no lease.
func TestAnEmptyRedisTellsNobody(t *testing.T) {
	t.Parallel()
	s := startRedis(t)
	file := fileOf(t)
	if err := os.WriteFile(file, []byte(`{"fence":3,"wrote":true}`), 0o600); err != nil {
		t.Fatal(err)
	}
	b := run(t, "b", s.Address, file)
	eventually(t, "b has asked", func() bool { return b.redis.ZCard(t.Context(), b.keys()[1]).Val() == 1 })
	s.do("HSET", b.keys()[0], "holder", "somebody", "name", "a", "until", "99999999999999", "fence", "3")
	eventually(t, "a is told", func() bool { return b.redis.HGet(t.Context(), b.keys()[0], "fence").Val() == "4" })
}

// A write that leaves alone while Redis is asked, in a question that says nothing of it, is told
// with the next one.
func TestWhatIsWrittenDuringAQuestionIsTold(t *testing.T) {
	t.Parallel()
	s := startRedis(t)
	v := newValve(t, s)
	s.do("HSET", "{scimgate}:writer", "holder", "other", "name", "b", "until", "99999999999999", "fence", "9", "after", "3")
	w, err := Open(Settings{Redis: "redis://" + v.Address, Name: "a", Lease: 10 * lease}, lease, fileOf(t), func(State, bool) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	defer w.redis.Close()
	w.beat(t.Context()) // connects
	now := time.Now()
	w.fence = 3
	w.now.Store(&State{Role: Writing, Fence: 3, until: now.Add(lease / 4), alone: now.Add(10 * lease)})
	v.Late.Store(int64(lease))
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		w.beat(t.Context())
	}()
	eventually(t, "it is alone", func() bool { return w.State().Role != Writing })
	if alone := w.State(); alone.Role != Alone || w.Leaves(alone) != nil {
		t.Fatalf("it is %v, and may not write", alone.Role)
	}
	<-asked
	if w.State().Role != Standby {
		t.Fatalf("it is %v", w.State().Role)
	}
	v.Late.Store(0)
	w.beat(t.Context())
	if fence := w.redis.HGet(t.Context(), w.keys()[0], "fence").Val(); fence != "10" {
		t.Errorf("the other is not told: the number is %s", fence)
	}
}

// A write that was announced in one state is not sent in another behind which somebody else
// may have written.
func TestAWriteBelongsToItsLease(t *testing.T) {
	w := &Writer{}
	now := State{Role: Writing, Fence: 5, Epoch: 2, until: time.Now().Add(time.Minute)}
	w.now.Store(&now)
	for what, announced := range map[string]State{
		"under lease 4":  {Role: Writing, Fence: 4, Epoch: 2},
		"an epoch ago":   {Role: Writing, Fence: 5, Epoch: 1},
		"while unsure":   {Role: Unsure, Fence: 5, Epoch: 2},
		"alone, earlier": {Role: Alone, Epoch: 1},
	} {
		if w.Leaves(announced) == nil {
			t.Errorf("what was announced %s is sent under lease 5", what)
		}
	}
	for _, announced := range []State{now, {Role: Alone, Epoch: 2}} {
		if err := w.Leaves(announced); err != nil {
			t.Errorf("%v: got %v", announced, err)
		}
	}
}

// Redis has lost its data, and the gateway that knows less comes first: no two leases have
// one number, the one that knows more is told that another has written, and tells of what it
// has written itself.
func TestRedisForgetsALease(t *testing.T) {
	t.Parallel()
	for name, redis := range map[string][]any{
		"all":      nil,
		"the last": {"HSET", "{scimgate}:writer", "holder", "", "name", "b", "until", "0", "fence", "4", "after", "3"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startRedis(t)
			if redis != nil {
				s.do(redis...)
			}
			fa, fb := fileOf(t), fileOf(t)
			if err := errors.Join(os.WriteFile(fa, []byte(`{"fence":5}`), 0o600), os.WriteFile(fb, []byte(`{"fence":4}`), 0o600)); err != nil {
				t.Fatal(err)
			}
			b := run(t, "b", s.Address, fb)
			b.becomes(Writing)
			eventually(t, "b writes", b.mayWrite)
			if got := b.State().Fence; got <= 5 {
				t.Errorf("b writes under lease %d", got)
			}
			a := run(t, "a", s.Address, fa)
			a.becomes(Standby)
			eventually(t, "b is told of lease 5", func() bool { return slices.Contains(b.told(), "writing supplanted") })
			b.stop()
			a.becomes(Writing)
			if got := a.told(); !slices.Contains(got, "writing supplanted") {
				t.Errorf("b has written, and a was told %v", got)
			}
		})
	}
}

// An answer that is lost now and then keeps nobody from taking over from one that is dead.
func TestAnAnswerThatIsLostIsNoOutage(t *testing.T) {
	t.Parallel()
	s := startRedis(t)
	s.do("HSET", "{scimgate}:writer", "holder", "x", "name", "dead", "until", "1", "fence", "9")
	v := newValve(t, s)
	b := run(t, "b", v.Address, fileOf(t))
	since, shut := time.Now(), false
	eventually(t, "b takes over", func() bool {
		if now := time.Since(since)%(3*lease/2) < lease/5; now != shut {
			shut = now
			v.Turn(shut)
		}
		return b.is(Writing) || b.is(Alone)
	})
}

// If it can't be made durable that another may have written, the next life of the process is
// told so again.
func TestWhatCouldNotBeHeldIsToldToTheNextLife(t *testing.T) {
	file := fileOf(t)
	w := &Writer{file: file, unheld: true, fence: 7, onDisk: kept{Fence: 7}}
	w.told()
	if text, err := os.ReadFile(file); err != nil || !strings.Contains(string(text), `"fence":0`) {
		t.Errorf("kept is %s %v", text, err)
	}
}

// Answers that come too late are none, but what they have done in Redis counts.
func TestASlowRedis(t *testing.T) {
	t.Parallel()
	s := startRedis(t)
	va, vb := newValve(t, s), newValve(t, s)
	a := run(t, "a", va.Address, fileOf(t))
	a.becomes(Writing)
	b := run(t, "b", vb.Address, fileOf(t))
	b.becomes(Standby)
	vb.Late.Store(int64(2 * lease)) // its questions arrive
	b.becomes(Alone)
	if a.State().Full {
		t.Error("it believes that an other stands by which has gone on alone")
	}
	vb.Late.Store(0)
	b.becomes(Standby)
	eventually(t, "a has the whole pace again", func() bool { return a.State().Full })
}

// Who has heard nothing for long, and so may be about to go on alone, is counted no more
// among those who stand by, though its questions arrive.
func TestWhoHearsNothingIsNotCounted(t *testing.T) {
	t.Parallel()
	s := startRedis(t)
	w, err := Open(Settings{Redis: "redis://" + s.Address, Name: "b", Lease: lease}, lease, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.redis.Close()
	for silence, want := range map[time.Duration]int64{lease / 2: 1, 2 * lease: 0} {
		now := time.Now()
		w.answer = now.Add(-silence)
		if _, err := w.ask(t.Context(), State{Role: Standby}, now); err != nil {
			t.Fatal(err)
		}
		if got := w.redis.ZCard(t.Context(), w.keys()[1]).Val(); got != want {
			t.Errorf("after a silence of %v: %d are counted, want %d", silence, got, want)
		}
	}
}

// Under hold nobody writes without Redis.
func TestHold(t *testing.T) {
	t.Parallel()
	s := startRedis(t)
	a := run(t, "a", s.Address, fileOf(t), func(s *Settings) { s.Without = "hold" })
	a.becomes(Writing)
	s.Kill()
	a.becomes(Unsure)
	if a.mayWrite() || a.May(false) == nil {
		t.Error("something passes")
	}
	s.start()
	a.becomes(Writing)
}

// A Redis that has come back as it was earlier may have forgotten the lease of another, which
// lasts on: even under hold the whole pace is one's own only behind a lease of contact.
func TestUnderHoldNobodyElseWritesBehindALeaseOfContact(t *testing.T) {
	t.Parallel()
	s := startRedis(t)
	v := newValve(t, s)
	a := run(t, "a", v.Address, fileOf(t), func(s *Settings) { s.Without = "hold" })
	for range 2 {
		v.Turn(true)
		a.becomes(Unsure)
		time.Sleep(lease)
		since := time.Now()
		v.Turn(false)
		eventually(t, "it has the whole pace", func() bool { return a.State().Full })
		if took := time.Since(since); took < lease {
			t.Errorf("it has the whole pace after %v", took)
		}
	}
}

// What was written alone is known in the next life.
func TestWritesOfOneAloneOutliveIt(t *testing.T) {
	t.Parallel()
	s := startRedis(t)
	file := fileOf(t)
	va := newValve(t, s)
	a := run(t, "a", va.Address, file)
	a.becomes(Writing)
	b := run(t, "b", s.Address, fileOf(t))
	b.becomes(Standby)
	va.Turn(true)
	a.becomes(Alone)
	if !a.mayWrite() {
		t.Fatal("it may not write")
	}
	b.becomes(Writing)
	before := len(b.told())
	a.end()
	<-a.ended
	va.Turn(false)
	run(t, "a", va.Address, file).becomes(Standby)
	eventually(t, "the other is told of them", func() bool { return slices.Contains(b.told()[before:], "writing supplanted") })
}

// Over TLS with a password, which is shown nowhere; a wrong one is told as what it is.
func TestRedisWithTLSAndAPassword(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	certificate, key := selfSigned(t)
	cert := write("cert.pem", certificate)
	s := startRedis(t, "--tls-cert-file", cert, "--tls-key-file", write("key.pem", key), "--tls-auth-clients", "no", "--requirepass", "right-password")
	by := func(password string) func(*Settings) {
		return func(s *Settings) {
			s.Redis, s.CAFile, s.PasswordFile, s.Without = "rediss"+strings.TrimPrefix(s.Redis, "redis"), cert, write(password[:5], password+"\n"), "hold"
		}
	}
	right := run(t, "right", s.Address, "", by("right-password"))
	right.becomes(Writing)
	right.stop()
	run(t, "named", s.Address, "", by("default:right-password")).becomes(Writing)
	wrong := run(t, "wrong", s.Address, "", by("wrong-password"))
	eventually(t, "a wrong password is told", func() bool {
		return wrong.State().Err != nil && strings.Contains(wrong.State().Err.Error(), "WRONGPASS")
	})
	if text := fmt.Sprintf("%+v %v", wrong.State(), wrong.State().Err); strings.Contains(text, "wrong-password") {
		t.Errorf("the password is shown: %s", text)
	}
}

// selfSigned is a certificate for 127.0.0.1, and its key, as PEM.
func selfSigned(t *testing.T) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
}

func TestAFileThatIsNoneOfOurs(t *testing.T) {
	file := fileOf(t)
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Settings{Redis: "redis://127.0.0.1:1"}, lease, file, nil); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("the fault of the file is %v", err)
	}
}

func TestSettings(t *testing.T) {
	for _, c := range []struct {
		name, want string
		of         Settings
	}{
		{"none", "", Settings{}},
		{"the least", "", Settings{Redis: "redis://127.0.0.1:6379"}},
		{"TLS and a database", "", Settings{Redis: "rediss://redis.example.com:6379/2"}},
		{"a password that shows", "password_file", Settings{Redis: "redis://:secret@127.0.0.1:6379"}},
		{"no URL", "redis is not", Settings{Redis: "127.0.0.1:6379"}},
		{"roots without TLS", "ca_file", Settings{Redis: "redis://h:1", CAFile: "ca.pem"}},
		{"one alone", "count", Settings{Redis: "redis://h:1", Count: 1}},
		{"a lease that nobody keeps", "lease", Settings{Redis: "redis://h:1", Lease: time.Millisecond}},
		{"another word", "without", Settings{Redis: "redis://h:1", Without: "panic"}},
	} {
		err := c.of.Check()
		if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret")) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// The pace is taken back when the first answer is missing: before the lease ends, when
// another may have it.
func TestThePaceIsTakenBackBeforeTheLeaseEnds(t *testing.T) {
	t.Parallel()
	s := startRedis(t)
	a := run(t, "a", s.Address, fileOf(t), func(s *Settings) { s.Lease = 3 * lease })
	a.becomes(Writing)
	run(t, "b", s.Address, fileOf(t), func(s *Settings) { s.Lease = 3 * lease })
	eventually(t, "a has the whole pace", func() bool { return a.State().Full })
	s.Kill()
	eventually(t, "a takes it back", func() bool { return !a.State().Full })
	if !a.is(Writing) {
		t.Errorf("the lease was over by then: %v", a.State().Role)
	}
}
