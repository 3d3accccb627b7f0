package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/scimgate/scimgate/bench/faults/witness"
)

// exportScenes are about what hands the audit log to Kafka beside the gateway.
var exportScenes = []scene{
	{row: "F51", name: "Kafka is down, slow, and refuses a record; the exporter is killed", run: func(s *stage) { s.exported() }},
}

const exportTopic = "scimgate"

// kafka is a cluster in this process, with a temper.
type kafka struct {
	*kfake.Cluster
	down atomic.Bool // it closes every connection that asks for something
	slow atomic.Bool // it takes a while for each request
}

// kafka starts one that takes batches of so many bytes.
func (s *stage) kafka(most int) *kafka {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, exportTopic), kfake.BrokerConfigs(map[string]string{"message.max.bytes": strconv.Itoa(most)}))
	s.must(err)
	k := &kafka{Cluster: c}
	c.Control(func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if k.down.Load() {
			return nil, errors.New("down"), true
		}
		if k.slow.Load() {
			c.SleepControl(func() { time.Sleep(400 * time.Millisecond) })
		}
		return nil, nil, false
	})
	return k
}

// exporter is `scimgate audit export`, running.
type exporter struct {
	cmd   *exec.Cmd
	ended chan struct{}

	mu   sync.Mutex // guards following
	said []string
}

func (s *stage) exporter(k *kafka, flags ...string) *exporter {
	args := append([]string{"audit", "export", s.g.audit, "--kafka", strings.Join(k.ListenAddrs(), ","), "--topic", exportTopic}, flags...)
	e := &exporter{cmd: exec.Command(s.plain, args...), ended: make(chan struct{})}
	errs, err := e.cmd.StderrPipe()
	s.must(err)
	s.must(e.cmd.Start())
	go func() {
		for in := bufio.NewScanner(errs); in.Scan(); {
			e.mu.Lock()
			e.said = append(e.said, in.Text())
			e.mu.Unlock()
		}
		_ = e.cmd.Wait() // the state has the exit code
		close(e.ended)
	}()
	return e
}

// stop ends the exporter by a signal, and returns its exit code.
func (e *exporter) stop(how syscall.Signal) int {
	_ = e.cmd.Process.Signal(how) // it may have ended
	<-e.ended
	return e.cmd.ProcessState.ExitCode()
}

// lags are what it has told of how far behind it is, in order.
func (e *exporter) lags() (list []int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, line := range e.said {
		var told struct{ Exported, Behind *int }
		if json.Unmarshal([]byte(line), &told) == nil && told.Behind != nil && told.Exported != nil {
			list = append(list, *told.Behind)
		}
	}
	return list
}

func (e *exporter) output() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return strings.Join(e.said, "\n")
}

// fed tells whether the exporter has said, last, that nothing is left.
func (e *exporter) fed() bool {
	lags := e.lags()
	return len(lags) > 0 && lags[len(lags)-1] == 0
}

// exported plays the scene.
func (s *stage) exported() {
	s.open(120, "--audit-rotate-size", "24KiB")
	k := s.kafka(2500)
	defer k.Close()
	e := s.exporter(k)
	defer func() { e.stop(syscall.SIGKILL) }()

	stop := make(chan struct{})
	var asked atomic.Int64
	id := s.user()
	clients := s.aside(func() { // they get their answers whatever becomes of Kafka
		for {
			select {
			case <-stop:
				return
			case <-time.After(15 * time.Millisecond):
			}
			s.told("meanwhile", s.ask(titled(id, fmt.Sprint("t", asked.Add(1)))), 200)
		}
	})
	s.soon("the exporter follows", e.fed)

	k.down.Store(true)
	before := len(e.lags())
	s.soon("the lag is told while Kafka is down", func() bool {
		lags := e.lags()
		return len(lags) > before && lags[len(lags)-1] > 0
	})
	group, _ := s.group()
	s.told("push of members", s.ask(patchMembers(group, "add", s.pool[:100])), 200, 204)
	e.stop(syscall.SIGKILL)
	e = s.exporter(k) // while it is down
	s.soon("the lag is told by the next one", func() bool { return len(e.lags()) > 0 })
	k.down.Store(false)
	s.soon("the next one sends", func() bool { return k.PartitionInfo(exportTopic, 0).HighWatermark > 50 })

	k.slow.Store(true)
	for range 3 { // at whatever it is
		time.Sleep(300 * time.Millisecond)
		e.stop(syscall.SIGKILL)
		e = s.exporter(k)
	}
	k.slow.Store(false)
	close(stop)
	<-clients
	s.soon("the exporter has caught up", e.fed)
	h := s.end(0)
	s.soon("the end of the log is exported", func() bool { return k.PartitionInfo(exportTopic, 0).HighWatermark >= int64(len(h.Log)) && e.fed() })
	code := e.stop(syscall.SIGTERM)
	s.check(code == 0, "the exporter ended with exit code %d:\n%s", code, e.output())
	once := s.exporter(k, "--once")
	<-once.ended
	s.check(once.cmd.ProcessState.ExitCode() == 0 && once.fed(), "what is left is not exported at once:\n%s", once.output())
	s.check(asked.Load() > 50, "clients asked %d times", asked.Load())
	s.consumed(k, h.Log)
}

// consumed compares what Kafka has with the log.
func (s *stage) consumed(k *kafka, log []witness.Line) {
	client, err := kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...), kgo.ConsumeTopics(exportTopic), kgo.FetchMaxWait(100*time.Millisecond))
	s.must(err)
	defer client.Close()
	next, doubles, cut := 0, 0, 0
	first := map[int][]byte{} // by sequence number
	for end, n := k.PartitionInfo(exportTopic, 0).HighWatermark, int64(0); n < end; {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		fetched := client.PollFetches(ctx)
		cancel()
		if fetched.NumRecords() == 0 {
			s.check(false, "got %d messages of %d: %v", n, end, fetched.Errors())
			return
		}
		fetched.EachRecord(func(r *kgo.Record) {
			n++
			seq := 0
			hash := ""
			for _, h := range r.Headers {
				switch h.Key {
				case "scimgate-seq":
					seq, _ = strconv.Atoi(string(h.Value))
				case "scimgate-sha256":
					hash = string(h.Value)
				}
			}
			if seq < 1 || seq > len(log) {
				s.check(false, "a message has the sequence number %d", seq)
				return
			}
			if was, again := first[seq]; again {
				doubles++
				s.check(bytes.Equal(was, r.Value), "record %d comes again as another", seq)
				return
			}
			sum := sha256.Sum256([]byte(log[seq-1].Text))
			s.check(hash == hex.EncodeToString(sum[:]), "record %d comes with the hash %s", seq, hash)
			s.check(seq == next+1, "record %d comes behind %d", seq, next)
			next, first[seq] = seq, r.Value
			if string(r.Value) == log[seq-1].Text {
				return
			}
			cut++
			var got struct {
				Seq    int
				Cut    bool
				SHA256 string
			}
			err := json.Unmarshal(r.Value, &got)
			s.check(err == nil && got.Seq == seq && got.Cut && got.SHA256 == hex.EncodeToString(sum[:]), "record %d is exported as %s", seq, r.Value)
			s.check(len(log[seq-1].Text) > 2000, "record %d of %d bytes is cut", seq, len(log[seq-1].Text))
		})
	}
	s.check(len(first) == len(log), "got %d records, want the %d of the log", len(first), len(log))
	s.check(cut > 0, "no record was too large")
	s.check(log[len(log)-1].Segment > 1, "the log has %d segments, want changes", log[len(log)-1].Segment+1)
}
