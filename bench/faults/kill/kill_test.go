package main

import (
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/scimgate/scimgate/bench/faults/witness"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A few kills end without a finding, and the comparison sees what would be one.
func TestKills(t *testing.T) {
	dir := t.TempDir()
	binary, err := build(dir)
	if err != nil {
		t.Fatal(err)
	}
	l, err := newLoop(binary, dir, 7)
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	if err := l.run(6); err != nil {
		t.Fatal(err)
	}
	f := func(what, want string) {
		t.Helper()
		findings, err := l.compare()
		if got := strings.Join(findings, "\n"); err != nil || want == "" && got != "" || want != "" && !strings.Contains(got, want) {
			t.Errorf("%s: got %v %.2000q, want %q", what, err, got, want)
		}
	}
	f("as it was", "")
	t.Log(l.summary())
	if len(l.people) < 10 || len(l.calls) < 50 {
		t.Errorf("got %d people and %d writes, want more", len(l.people), len(l.calls))
	}

	p := l.people[0]
	p.active = !p.active
	f("a deactivation that is lost", p.name+": active")
	p.active = !p.active
	p.title += "x"
	f("a change that is lost", p.name+": title")
	p.title = strings.TrimSuffix(p.title, "x")
	p.member = !p.member
	f("a membership that is lost", p.name+": member")
	p.member = !p.member
	p.deleted = !p.deleted
	f("a deletion that is lost", p.name+": there")
	p.deleted = !p.deleted
	l.calls = append(l.calls, call{key: "PATCH /Users/nobody", status: 200})
	f("a write without record", "a write has no record: PATCH /Users/nobody")
	l.calls = l.calls[:len(l.calls)-1]
	for _, c := range l.calls {
		if c.made != "" {
			l.calls = append(l.calls, c)
			break
		}
	}
	f("a create that was carried out twice", "created twice")
	lines := []witness.Line{{Record: witness.Record{Kind: "intent", Exchange: "X", Call: 1}}}
	if got := settled(lines); len(got) != 1 {
		t.Errorf("got %v for an intent without outcome", got)
	}
}
