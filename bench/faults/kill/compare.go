package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/scimgate/scimgate/bench/faults/witness"
	"github.com/scimgate/scimgate/bench/standin"
)

// call is a write that has arrived at AWS.
type call struct {
	key    string // what the record of it has, too
	status int
	made   string // the name of what it has created, "" if nothing
}

// keyOf tells writes apart: their method and path, and the name of what a create makes.
func keyOf(method, path, name string) string {
	if method != "POST" {
		name = ""
	}
	return strings.TrimSpace(method + " " + path + " " + name)
}

func callOf(e standin.Entry) call {
	_, path, _ := strings.Cut(e.Target, "/scim/v2")
	var doc struct{ UserName, DisplayName string }
	_ = json.Unmarshal([]byte(e.Body), &doc)
	name := doc.UserName
	if name == "" {
		name = doc.DisplayName
	}
	c := call{key: keyOf(e.Method, path, name), status: e.Status}
	if e.Method == "POST" && e.Status == 201 {
		c.made = name
	}
	return c
}

// compare holds what AWS has seen and has, what clients were told, and the log to each
// other.
func (l *loop) compare() (findings []string, err error) {
	log, err := witness.ReadLog(l.log)
	if err != nil {
		return nil, err
	}
	for _, text := range l.failed {
		findings = append(findings, "a client was told otherwise than it must be: "+text)
	}
	findings = append(findings, recorded(log.Lines, l.calls)...)
	findings = append(findings, settled(log.Lines)...)
	findings = append(findings, once(l.calls)...)
	return append(findings, l.asTold()...), nil
}

// recorded: each write that AWS has seen has an intent of its own.
func recorded(lines []witness.Line, calls []call) (findings []string) {
	intents := map[string]int{}
	for _, line := range lines {
		if line.Kind == "intent" {
			var doc struct{ Name string }
			_ = json.Unmarshal([]byte(line.Text), &doc)
			intents[keyOf(line.Method, line.Path, doc.Name)]++
		}
	}
	for _, c := range calls {
		if intents[c.key]--; intents[c.key] < 0 {
			findings = append(findings, "a write has no record: "+c.key)
		}
	}
	return findings
}

// settled: each intent has one outcome.
func settled(lines []witness.Line) (findings []string) {
	open := map[string]int{}
	for _, line := range lines {
		key := fmt.Sprint(line.Exchange, " ", line.Call)
		switch line.Kind {
		case "intent":
			open[key]++
		case "outcome":
			open[key]--
		}
	}
	for key, n := range open {
		if n != 0 {
			findings = append(findings, fmt.Sprintf("the call %s has %d intents more than outcomes", key, n))
		}
	}
	slices.Sort(findings)
	return findings
}

// once: nothing was created twice.
func once(calls []call) (findings []string) {
	made := map[string]int{}
	for _, c := range calls {
		if c.made != "" {
			if made[c.made]++; made[c.made] == 2 {
				findings = append(findings, "created twice: "+c.made)
			}
		}
	}
	return findings
}

// asTold: everybody is at AWS as the client was told last.
func (l *loop) asTold() (findings []string) {
	members := map[string]bool{}
	for _, g := range l.store.Groups() {
		for _, id := range g.Members {
			members[g.ID+" "+id] = true
		}
	}
	for _, p := range l.people {
		u, there := l.store.User(p.id)
		title, _ := u.Document["title"].(string)
		switch {
		case there == p.deleted:
			findings = append(findings, fmt.Sprintf("%s: there %v, told deleted %v", p.name, there, p.deleted))
		case !there:
		case u.Active != p.active:
			findings = append(findings, fmt.Sprintf("%s: active %v, told %v", p.name, u.Active, p.active))
		case title != p.title:
			findings = append(findings, fmt.Sprintf("%s: title %q, told %q", p.name, title, p.title))
		case members[p.group+" "+p.id] != p.member:
			findings = append(findings, fmt.Sprintf("%s: member %v, told %v", p.name, !p.member, p.member))
		}
	}
	return findings
}
