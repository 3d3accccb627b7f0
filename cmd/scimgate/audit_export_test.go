package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/scimgate/scimgate/proxy/audit"
)

// The command by its exit codes, and what it says.
func TestAuditExport(t *testing.T) {
	kafka, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "siem"))
	if err != nil {
		t.Fatal(err)
	}
	defer kafka.Close()
	log := filepath.Join(t.TempDir(), "audit.jsonl")
	j, err := audit.Open(audit.Settings{File: log})
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	sound := readFile(t, log)
	f := func(code int, want string, args ...string) {
		t.Helper()
		var out, errs bytes.Buffer
		got := run(append([]string{"audit", "export"}, args...), nil, &out, &errs)
		if got != code || !strings.Contains(errs.String(), want) || out.Len() > 0 {
			t.Errorf("%v: got exit code %d and %s%s, want %d and %q", args, got, out.String(), errs.String(), code, want)
		}
	}
	write := func(file, text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	to := []string{"--kafka", strings.Join(kafka.ListenAddrs(), ","), "--topic", "siem", "--once"}
	with := func(args ...string) []string { return append(args, to...) }
	f(exitUsage, "--kafka and --topic", log)
	f(exitUsage, "is not HOST:PORT", log, "--kafka", "broker", "--topic", "siem")
	f(exitUsage, "does not exist", with(log+".none")...)
	f(exitUsage, "need each other", with(log, "--sasl", "plain")...)
	f(exitUsage, "holds no position", with(log, "--position", log)...)
	f(exitClean, `"exported":4,"behind":0`, with(log)...)
	if readFile(t, log) != sound || !strings.HasPrefix(readFile(t, log+".export"), "4:") {
		t.Errorf("the position is %q", readFile(t, log+".export"))
	}
	write(log+".export", "3:"+strings.Repeat("0f", 32)+"\n")
	f(exitAudit, "record 3 has another hash in the log", with(log)...)
	f(exitClean, `"exported":4,"behind":0`, with(log, "--position", log+".other")...)
	lines := strings.SplitAfter(sound, "\n")
	write(log, lines[0]+lines[2])
	f(exitAudit, "record 2 is missing", with(log, "--position", log+".third")...)
}
