package export

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"github.com/scimgate/scimgate/proxy/audit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const topic = "scimgate"

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// cluster is a Kafka in this process.
func cluster(t *testing.T, partitions int32, more ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.SeedTopics(partitions, topic)}, more...)...)
	must(t, err)
	t.Cleanup(c.Close)
	return c
}

// journal is a log that is written to, with segments of a few records.
func journal(t *testing.T, path string) *audit.Journal {
	t.Helper()
	j, err := audit.Open(audit.Settings{File: path, RotateSize: 4 << 10, RotateAge: -1})
	must(t, err)
	t.Cleanup(func() { _ = j.Close() })
	return j
}

// fill writes so many intents with their outcomes.
func fill(t *testing.T, j *audit.Journal, n int) {
	t.Helper()
	for i := range n {
		in, err := j.Intend(&audit.Record{Exchange: fmt.Sprint("X", i), Call: 1, Op: "patchUser", Method: "PATCH", Path: "/Users/906", Resource: fmt.Sprint("Users/", i%7)}, audit.Ordinary)
		must(t, err)
		must(t, in.Settle(&audit.Record{Outcome: "ok", Status: 200}))
	}
}

// lines are those of the log, over all its segments.
func lines(t *testing.T, path string) (all []string) {
	t.Helper()
	names, err := audit.Segments(path)
	must(t, err)
	for _, name := range names {
		text, err := os.ReadFile(name)
		must(t, err)
		for line := range strings.Lines(string(text)) {
			all = append(all, strings.TrimSuffix(line, "\n"))
		}
	}
	return all
}

// said is what an export says; it is written by another goroutine.
type said struct {
	mu   sync.Mutex // guards following
	text bytes.Buffer
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// running is an export in the background.
type running struct {
	t *testing.T
	said
	stop context.CancelFunc
	done chan error
}

func begin(t *testing.T, s Settings) *running {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	r := &running{t: t, stop: stop, done: make(chan error, 1)}
	go func() { r.done <- Run(ctx, s, &r.said) }()
	t.Cleanup(stop)
	return r
}

// end stops it as a signal does.
func (r *running) end() error {
	r.t.Helper()
	r.stop()
	return r.wait()
}

func (r *running) wait() error {
	r.t.Helper()
	select {
	case err := <-r.done:
		return err
	case <-time.After(2 * time.Minute):
		r.t.Fatalf("the export does not end:\n%s", r.String())
		return nil
	}
}

// until waits for something to come true.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// consumed are the values of a partition, with what is wrong with their headers told.
func consumed(t *testing.T, addresses []string, more ...kgo.Opt) (list []*kgo.Record) {
	t.Helper()
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(addresses...), kgo.ConsumeTopics(topic), kgo.FetchMaxWait(50 * time.Millisecond)}, more...)...)
	must(t, err)
	defer client.Close()
	for quiet := 0; quiet < 3; {
		ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
		fetched := client.PollFetches(ctx)
		cancel()
		quiet++
		fetched.EachRecord(func(r *kgo.Record) {
			list, quiet = append(list, r), 0
			sum := sha256.Sum256(r.Value)
			if len(r.Headers) != 2 || r.Headers[0].Key != seqHeader || r.Headers[1].Key != hashHeader ||
				string(r.Headers[1].Value) != hex.EncodeToString(sum[:]) && !bytes.Contains(r.Value, append([]byte(`"sha256":"`), r.Headers[1].Value...)) {
				t.Errorf("got the headers %v", r.Headers)
			}
		})
	}
	return list
}

func seqOf(r *kgo.Record) uint64 {
	seq, _ := strconv.ParseUint(string(r.Headers[0].Value), 10, 64)
	return seq
}

// same checks that what was consumed of one partition is the log: each line, in order of its
// first occurrence, and again only as it was.
func same(t *testing.T, list []*kgo.Record, log []string) (doubles int) {
	t.Helper()
	next := 0
	for _, r := range list {
		seq := int(seqOf(r))
		switch {
		case seq == next+1:
			next++
		case seq > next+1 || seq == 0:
			t.Fatalf("record %d comes behind %d", seq, next)
		default:
			doubles++
		}
		if seq > len(log) || string(r.Value) != log[seq-1] {
			t.Fatalf("record %d is not what the log has: %s", seq, r.Value)
		}
		var rec audit.Record
		must(t, json.Unmarshal(r.Value, &rec))
		if want := rec.Resource; want == "" && string(r.Key) != rec.Exchange || want != "" && string(r.Key) != want {
			t.Errorf("record %d has the key %q", seq, r.Key)
		}
	}
	if next != len(log) {
		t.Errorf("got %d records, want %d", next, len(log))
	}
	return doubles
}

// random are texts that can't be compressed.
func random(n int) (list []string) {
	for range n {
		list = append(list, rand.Text())
	}
	return list
}

func settings(path string, c *kfake.Cluster) Settings {
	return Settings{File: path, Position: path + ".export", Topic: topic, Kafka: Kafka{Brokers: c.ListenAddrs()}}
}

// A log that grows and changes its segments is exported over restarts, each record once: an
// export that was stopped knows what it has done.
func TestExportFollowsTheLog(t *testing.T) {
	c := cluster(t, 1)
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	j := journal(t, path)
	fill(t, j, 30)
	s := settings(path, c)
	for range 3 {
		r := begin(t, s)
		fill(t, j, 20)
		last := j.Last().Seq
		until(t, "all is exported", func() bool { p, _ := readPosition(s.Position); return p.at.Seq == last })
		must(t, r.end())
	}
	must(t, j.Close())
	s.Once = true
	must(t, begin(t, s).wait())
	names, err := audit.Segments(path)
	must(t, err)
	if len(names) < 5 {
		t.Errorf("got %d segments", len(names))
	}
	if doubles := same(t, consumed(t, c.ListenAddrs()), lines(t, path)); doubles > 0 {
		t.Errorf("got %d records twice", doubles)
	}
	if at, err := os.Stat(s.Position); err != nil || at.Mode().Perm() != 0o600 {
		t.Errorf("got %v %v, want mode 0600", at, err)
	}
	must(t, begin(t, s).wait()) // nothing is left
	if got, want := len(consumed(t, c.ListenAddrs())), len(lines(t, path)); got != want {
		t.Errorf("got %d records, want %d", got, want)
	}
}

// The position never says more than Kafka has acknowledged, so that nothing is missing
// behind an end at any moment.
func TestPositionIsNotAheadOfKafka(t *testing.T) {
	c := cluster(t, 1)
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	j := journal(t, path)
	fill(t, j, 50)
	s := settings(path, c)
	var hold atomic.Bool
	c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if hold.Load() {
			return nil, errors.New("down"), true // the connection is closed
		}
		return nil, nil, false
	})
	hold.Store(true)
	r := begin(t, s)
	until(t, "it is behind", func() bool { return strings.Contains(r.String(), `"behind":`) })
	fill(t, j, 1500) // more than the window
	until(t, "the lag is told again", func() bool { return strings.Contains(r.String(), `"cause"`) })
	if at, err := readPosition(s.Position); at != (position{}) || err != nil {
		t.Errorf("got the position %v %v, and nothing was acknowledged", at, err)
	}
	must(t, r.end())
	hold.Store(false)
	r = begin(t, s)
	until(t, "it has caught up", func() bool {
		return strings.Contains(r.String(), fmt.Sprintf(`"exported":%d,"behind":0`, j.Last().Seq))
	})
	must(t, r.end())
	must(t, j.Close())
	s.Once = true
	must(t, begin(t, s).wait())
	same(t, consumed(t, c.ListenAddrs()), lines(t, path))
}

// A record that was exported and then lost by a fault of the disk doesn't end the export: it
// goes on with the record of the fault, as the log does. Without such a record it ends.
func TestExportGoesOnBehindAFault(t *testing.T) {
	c := cluster(t, 1)
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	j := journal(t, path)
	fill(t, j, 30)
	last := j.Last()
	must(t, os.Rename(path, path+".away")) // which is a fault, as far as the log is concerned
	if err := j.Refuse(&audit.Record{Exchange: "X"}, audit.Durable); err == nil {
		t.Fatal("there is no fault")
	}
	until(t, "the fault is over", func() bool { return j.Err() == nil })
	fill(t, j, 1)
	must(t, j.Close())
	text, err := os.ReadFile(path + ".away")
	must(t, err)
	var first audit.Record
	must(t, json.Unmarshal(text[:bytes.IndexByte(text, '\n')], &first))
	must(t, os.Rename(path+".away", fmt.Sprintf("%s.%012d", path, first.Seq)))
	log := lines(t, path)
	s := settings(path, c)
	s.Once = true
	hash := func(line string) string { sum := sha256.Sum256([]byte(line)); return hex.EncodeToString(sum[:]) }
	before := audit.Checkpoint{Seq: first.Seq - 1, Hash: hash(log[first.Seq-2])}
	lost := audit.Checkpoint{Seq: last.Seq + 2, Hash: strings.Repeat("0f", 32)}
	must(t, writePosition(s.Position, position{lost, before}))
	must(t, begin(t, s).wait())
	got := consumed(t, c.ListenAddrs())
	if want := log[last.Seq:]; len(got) != len(want) || string(got[0].Value) != want[0] || !strings.Contains(want[0], `"event":"fault"`) {
		t.Errorf("got %d records, want the %d from the one of the fault on", len(got), len(want))
	}
	for name, p := range map[string]position{
		"before the fault":  {audit.Checkpoint{Seq: last.Seq, Hash: lost.Hash}, before},
		"in another log":    {lost, audit.Checkpoint{Seq: before.Seq, Hash: lost.Hash}},
		"behind all faults": {lost, audit.Checkpoint{Seq: last.Seq + 1, Hash: hash(log[last.Seq])}},
	} {
		must(t, writePosition(s.Position, p))
		var other *audit.PositionError
		if err := begin(t, s).wait(); !errors.As(err, &other) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// What is read and not acknowledged has a bound, whatever the log has.
func TestTheWindowIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	j, err := audit.Open(audit.Settings{File: path})
	must(t, err)
	for range 600 {
		fill(t, j, 1)
		must(t, j.Refuse(&audit.Record{Exchange: "X", Path: strings.Repeat("p", 16<<10)}, audit.Riding))
	}
	must(t, j.Close())
	f := func(from *audit.Checkpoint, records bool) {
		t.Helper()
		follow, err := audit.Follow(path, from)
		must(t, err)
		e := &exporter{follow: follow}
		must(t, e.fill())
		bytes := 0
		for _, m := range e.window {
			bytes += m.size()
		}
		if len(e.window) > windowRecords || bytes-e.window[len(e.window)-1].size() >= windowBytes || bytes < windowBytes {
			t.Errorf("got %d records of %d bytes in the window", len(e.window), bytes)
		}
		must(t, follow.Close())
	}
	f(nil, false)
	small := filepath.Join(t.TempDir(), "small.jsonl")
	j = journal(t, small)
	fill(t, j, windowRecords)
	must(t, j.Close())
	follow, err := audit.Follow(small, nil)
	must(t, err)
	e := &exporter{follow: follow}
	must(t, e.fill())
	if len(e.window) != windowRecords {
		t.Errorf("got %d records in the window, want %d", len(e.window), windowRecords)
	}
	must(t, follow.Close())
}

// Instead of a record that is too large stands a short document, in its place in the order.
func TestTooLargeRecordsAreCut(t *testing.T) {
	f := func(name string, partitions int32, limit int, large *audit.Record, check func(stub, map[string]any)) {
		t.Run(name, func(t *testing.T) {
			c := cluster(t, partitions, kfake.BrokerConfigs(map[string]string{"message.max.bytes": strconv.Itoa(limit)}))
			path := filepath.Join(t.TempDir(), "audit.jsonl")
			j, err := audit.Open(audit.Settings{File: path})
			must(t, err)
			fill(t, j, 40)
			must(t, j.Refuse(large, audit.Durable))
			seq := j.Last().Seq
			fill(t, j, 40)
			must(t, j.Close())
			s := settings(path, c)
			s.Once = true
			r := begin(t, s)
			must(t, r.wait())
			log := lines(t, path)
			list := consumed(t, c.ListenAddrs())
			at := slices.IndexFunc(list, func(r *kgo.Record) bool { return seqOf(r) == seq })
			if at < 0 || string(list[at].Value) == log[seq-1] {
				t.Fatalf("record %d is not cut, or missing", seq)
			}
			var got stub
			must(t, json.Unmarshal(list[at].Value, &got))
			var all map[string]any
			must(t, json.Unmarshal(list[at].Value, &all))
			follow, err := audit.Follow(path, nil)
			must(t, err)
			for {
				rec, err := follow.Next()
				must(t, err)
				if rec.Seq == seq {
					if !got.Cut || got.Seq != seq || got.V != 1 || got.Kind != "refusal" || got.Time == "" || got.SHA256 != fmt.Sprintf("%x", rec.Hash) {
						t.Errorf("got %s", list[at].Value)
					}
					break
				}
			}
			must(t, follow.Close())
			check(got, all)
			if !strings.Contains(r.String(), fmt.Sprintf(`"seq":%d`, seq)) || strings.Count(r.String(), "too large") > 2 {
				t.Errorf("it is not told, or more than that:\n%s", r.String())
			}
			slices.SortStableFunc(list, func(a, b *kgo.Record) int {
				if partitions == 1 {
					return 0
				}
				return int(seqOf(a)) - int(seqOf(b))
			})
			for i, rec := range list {
				if seqOf(rec) != uint64(i+1) || seqOf(rec) != seq && string(rec.Value) != log[i] {
					t.Fatalf("got record %d in place %d", seqOf(rec), i+1)
				}
			}
			if len(list) != len(log) {
				t.Errorf("got %d records, want %d", len(list), len(log))
			}
		})
	}
	noise := make([]string, 1000) // that can't be compressed
	for i := range noise {
		for len(noise[i]) < 250 {
			noise[i] += fmt.Sprintf("%x", time.Now().UnixNano()*int64(i+7))
		}
	}
	with := func(exchange, resource string) func(stub, map[string]any) {
		return func(got stub, all map[string]any) {
			_, has := all["resource"]
			if got.Exchange != exchange || got.Resource != resource || has != (resource != "") {
				t.Errorf("got %v", all)
			}
		}
	}
	large := func(resource string) *audit.Record {
		return &audit.Record{Exchange: "LARGE", Resource: resource, Findings: noise}
	}
	f("by the broker", 1, 100_000, large("Groups/1"), with("LARGE", "Groups/1"))
	f("in one of several partitions", 4, 100_000, large("Groups/1"), with("LARGE", "Groups/1"))
	f("a key that is too large as well", 1, 100_000, large(strings.Repeat("r", 2<<10)), with("LARGE", ""))
	f("by the broker, also when short", 1, 700, large(rand.Text()+rand.Text()+strings.Join(random(36), "")), with("", ""))
	huge := large("Groups/1")
	huge.Added, huge.Removed, huge.Attrs = noise, noise, noise
	f("by the producer", 1, 10_000_000, huge, with("LARGE", "Groups/1"))
}

// Errors that Kafka gives back, and that don't pass by themselves, are lived with.
func TestErrorsOfKafkaAreOutlived(t *testing.T) {
	for _, fault := range []*kerr.Error{kerr.NotEnoughReplicas, kerr.TopicAuthorizationFailed, kerr.UnknownTopicOrPartition, kerr.RequestTimedOut, kerr.InvalidRecord} {
		t.Run(fault.Message, func(t *testing.T) {
			t.Parallel()
			c := cluster(t, 2)
			path := filepath.Join(t.TempDir(), "audit.jsonl")
			j := journal(t, path)
			fill(t, j, 100)
			must(t, j.Close())
			c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: fault, Count: 3})
			s := settings(path, c)
			s.Once = true
			must(t, begin(t, s).wait())
			list := consumed(t, c.ListenAddrs())
			seen := map[uint64]bool{}
			for _, r := range list {
				seen[seqOf(r)] = true
			}
			if got, want := len(seen), len(lines(t, path)); got != want {
				t.Errorf("got %d records, want %d", got, want)
			}
		})
	}
}

// A broken log is exported up to where it is sound, and a position of another log not at all.
func TestBrokenLogsAreNotExported(t *testing.T) {
	c := cluster(t, 1)
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	j, err := audit.Open(audit.Settings{File: path})
	must(t, err)
	fill(t, j, 20)
	must(t, j.Close())
	text, err := os.ReadFile(path)
	must(t, err)
	all := strings.SplitAfter(string(text), "\n")
	must(t, os.WriteFile(path, []byte(strings.Join(slices.Concat(all[:9], all[10:]), "")), 0o600))
	s := settings(path, c)
	s.Once = true
	var broken *audit.ChainError
	if err := begin(t, s).wait(); !errors.As(err, &broken) || broken.Seq != 10 {
		t.Errorf("got %v, want record 10 to be missed", err)
	}
	list := consumed(t, c.ListenAddrs())
	if len(list) != 9 {
		t.Errorf("got %d records, want those before it", len(list))
	}
	if p, err := readPosition(s.Position); err != nil || p.at.Seq != 9 {
		t.Errorf("got the position %v %v, want 9", p, err)
	}
	must(t, os.WriteFile(path, text, 0o600))
	must(t, writePosition(s.Position, position{at: audit.Checkpoint{Seq: 9, Hash: strings.Repeat("ab", 32)}}))
	var other *audit.PositionError
	if err := begin(t, s).wait(); !errors.As(err, &other) || other.Seq != 9 {
		t.Errorf("got %v, want the position to be refused", err)
	}
	must(t, os.WriteFile(s.Position, []byte("x"), 0o600))
	if err := begin(t, s).wait(); err == nil {
		t.Error("a position that is none is taken")
	}
}

// What retention has taken is told, and the rest is exported.
func TestDeletedRecordsAreTold(t *testing.T) {
	c := cluster(t, 1)
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	j := journal(t, path)
	fill(t, j, 30)
	must(t, j.Close())
	names, err := audit.Segments(path)
	must(t, err)
	for _, name := range names[:2] {
		must(t, os.Remove(name))
	}
	s := settings(path, c)
	s.Once = true
	r := begin(t, s)
	must(t, r.wait())
	first := lines(t, path)[0]
	list := consumed(t, c.ListenAddrs())
	if len(list) != len(lines(t, path)) || string(list[0].Value) != first || !strings.Contains(r.String(), fmt.Sprintf(`"level":"warn","from":1,"to":%d`, seqOf(list[0])-1)) {
		t.Errorf("got %d records from %d on:\n%s", len(list), seqOf(list[0]), r.String())
	}
}

// Brokers are believed by their certificate, and the password is nowhere.
func TestExportDoesTLSAndSASL(t *testing.T) {
	const password = "correct-horse-battery"
	dir := t.TempDir()
	ca, config := certified(t, dir)
	file := filepath.Join(dir, "sasl")
	must(t, os.WriteFile(file, []byte("siem\n"+password+"\n"), 0o600))
	for _, how := range []string{"plain", "scram-sha-256", "scram-sha-512"} {
		t.Run(how, func(t *testing.T) {
			c := cluster(t, 1, kfake.TLS(config), kfake.EnableSASL(), kfake.Superuser(strings.ToUpper(how), "siem", password))
			path := filepath.Join(t.TempDir(), "audit.jsonl")
			j := journal(t, path)
			fill(t, j, 5)
			must(t, j.Close())
			s := settings(path, c)
			s.TLS, s.CAFile, s.SASL, s.SASLFile = true, ca, how, file
			var shut atomic.Bool
			shut.Store(true)
			c.ControlKey(int16(kmsg.SASLAuthenticate), func(req kmsg.Request) (kmsg.Response, error, bool) {
				c.KeepControl()
				resp := req.ResponseKind().(*kmsg.SASLAuthenticateResponse)
				resp.ErrorCode = kerr.SaslAuthenticationFailed.Code
				return resp, nil, shut.Load()
			})
			r := begin(t, s)
			until(t, "it says that it isn't let in", func() bool { return strings.Contains(r.String(), "SASL_AUTHENTICATION_FAILED") })
			must(t, r.end())
			shut.Store(false)
			s.Once = true
			r2 := begin(t, s)
			must(t, r2.wait())
			if p, err := readPosition(s.Position); err != nil || p.at.Seq != uint64(len(lines(t, path))) {
				t.Errorf("got %v %v", p, err)
			}
			if strings.Contains(r.String()+r2.String(), password) {
				t.Errorf("the password is told:\n%s%s", r.String(), r2.String())
			}
		})
	}
	c := cluster(t, 1, kfake.TLS(config))
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	j := journal(t, path)
	must(t, j.Close())
	s := settings(path, c)
	s.TLS = true // and nobody vouches for the certificate
	r := begin(t, s)
	until(t, "it doesn't believe the broker", func() bool { return strings.Contains(r.String(), "certificate") })
	must(t, r.end())
}

func TestKafkaSettings(t *testing.T) {
	f := func(k Kafka, want string) {
		t.Helper()
		if err := k.Check(); want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%+v: got %v, want %q", k, err, want)
		}
	}
	f(Kafka{Brokers: []string{"a:1", "b:2"}}, "")
	f(Kafka{Brokers: []string{"a"}}, "is not HOST:PORT")
	f(Kafka{Brokers: []string{"a:1"}, CAFile: "x"}, "needs --tls")
	f(Kafka{Brokers: []string{"a:1"}, SASL: "plain"}, "need each other")
	f(Kafka{Brokers: []string{"a:1"}, SASL: "plain", SASLFile: "x"}, "needs --tls")
	f(Kafka{Brokers: []string{"127.0.0.1:1"}, SASL: "plain", SASLFile: "x"}, "")
	f(Kafka{Brokers: []string{"a:1"}, SASL: "gssapi", SASLFile: "x", TLS: true}, "is none of")
	file := filepath.Join(t.TempDir(), "sasl")
	must(t, os.WriteFile(file, []byte("secretive"), 0o600))
	k := Kafka{SASL: "plain", SASLFile: file}
	if _, err := k.mechanism(); err == nil || strings.Contains(err.Error(), "secretive") {
		t.Errorf("got %v for a file of one line", err)
	}
}

// A broker that nobody listens at costs nothing but time.
func TestKafkaIsDownFromTheBeginning(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	address := l.Addr().String()
	must(t, l.Close())
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	j := journal(t, path)
	fill(t, j, 5)
	r := begin(t, Settings{File: path, Position: path + ".export", Topic: topic, Kafka: Kafka{Brokers: []string{address}}})
	until(t, "it says why", func() bool { return strings.Contains(r.String(), "refused") })
	_, port, err := net.SplitHostPort(address)
	must(t, err)
	n, err := strconv.Atoi(port)
	must(t, err)
	c := cluster(t, 1, kfake.Ports(n))
	until(t, "it has caught up", func() bool {
		return strings.Contains(r.String(), fmt.Sprintf(`"exported":%d,"behind":0`, j.Last().Seq))
	})
	must(t, r.end())
	same(t, consumed(t, c.ListenAddrs()), lines(t, path))
}
