package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/scimgate/scimgate/bench/faults/judge"
	"github.com/scimgate/scimgate/bench/faults/witness"
	"github.com/scimgate/scimgate/bench/standin"
)

// history is what the witnesses tell of all lives, which are over.
func (l *loop) history() (*witness.History, error) {
	log, err := witness.ReadLog(l.log)
	if err != nil {
		return nil, err
	}
	key, err := os.ReadFile(l.log + ".key")
	if err != nil {
		return nil, fmt.Errorf("cannot read the key of the digests: %w", err)
	}
	// Each life has its own pace, and counts its own requests.
	h := &witness.History{Seen: l.upstream.Seen(log), Log: log.Lines, Key: key, Final: l.upstream.Final(), Counted: -1, Settle: settle, Token: standin.DefaultToken}
	if h.Leavers, err = witness.ReadLeavers(l.log + ".leavers"); err != nil {
		return nil, err
	}
	for _, r := range l.asked {
		a := r.Asked
		a.LogAt = log.At(r.mark)
		h.Asked = append(h.Asked, a)
	}
	return h, nil
}

// compare holds the witnesses against each other, and everybody against what their client
// was told.
func (l *loop) compare(h *witness.History) (findings []string) {
	for _, text := range l.failed {
		findings = append(findings, "a client was told otherwise than it must be: "+text)
	}
	for _, f := range judge.Check(h) {
		if f.Rule != judge.Accounting || !strings.Contains(f.Evidence, "answers have no record") { // see unrecorded
			findings = append(findings, f.String())
		}
	}
	findings = append(findings, unrecorded(h)...)
	return append(append(findings, once(h)...), l.asTold(h)...)
}

// unrecorded: each write that was told as done has a record of that. The answers to reads
// and refusals aren't synced before they are given, so that a crash may take theirs.
func unrecorded(h *witness.History) (findings []string) {
	recorded := map[string]bool{}
	for i := range h.Log {
		if l := &h.Log[i]; l.Kind == "answer" {
			recorded[l.Exchange] = true
		}
	}
	for i := range h.Asked {
		if a := &h.Asked[i]; a.Write() && a.OK() && !recorded[a.Exchange] {
			findings = append(findings, fmt.Sprintf("success without a record: %s: %s %s was told %d", a.Exchange, a.Method, a.Path, a.Status))
		}
	}
	return findings
}

// once: nothing was created twice, and nothing that no client knows.
func once(h *witness.History) (findings []string) {
	made := map[string]int{}
	for i := range h.Seen {
		if s := &h.Seen[i]; s.Made != "" {
			if made[s.Resource]++; made[s.Resource] == 2 {
				findings = append(findings, "created twice: "+s.Resource)
			}
		}
	}
	return findings
}

// asTold: AWS has exactly those that it should have, each as its client was told last.
func (l *loop) asTold(h *witness.History) (findings []string) {
	differ := func(resource, name, what string, has, told any) {
		findings = append(findings, fmt.Sprintf("other than told at the end: %s, %s: AWS has %s %v, and its client was told %v", resource, name, what, has, told))
	}
	known := map[string]bool{}
	check := func(resource, name string, deleted bool) (s witness.State, there bool) {
		known[resource] = true
		s, there = h.Final[resource]
		if there == deleted {
			differ(resource, name, "it:", there, !deleted)
		}
		return s, there && !deleted
	}
	for _, p := range l.people {
		s, there := check("Users/"+p.id, p.name, p.deleted)
		if there && s.Active != p.active {
			differ("Users/"+p.id, p.name, "active", s.Active, p.active)
		}
		if there && s.Title != p.title {
			differ("Users/"+p.id, p.name, "title", s.Title, p.title)
		}
		if there && s.Name != p.name {
			differ("Users/"+p.id, p.name, "userName", s.Name, p.name)
		}
	}
	for _, t := range l.teams {
		s, there := check("Groups/"+t.id, t.name, t.deleted)
		if has, told := slices.Sorted(slices.Values(s.Members)), slices.Sorted(slices.Values(t.members)); there && !slices.Equal(has, told) {
			differ("Groups/"+t.id, t.name, "members", has, told)
		}
	}
	for resource, s := range h.Final {
		if !known[resource] {
			differ(resource, s.Name, "it:", true, false)
		}
	}
	slices.Sort(findings)
	return findings
}
