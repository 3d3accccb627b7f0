// Package judge holds the witnesses of a run against each other, and finds where the
// rules of "nothing lost" were broken. It knows nothing of the gateway but what its log
// is documented to hold.
//
// Begin with [Check]. Each check is a file; seeded.go has the tampered histories by which
// the checks themselves are checked.
package judge

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/scimgate/scimgate/bench/faults/witness"
)

// Rule is what a finding breaks.
type Rule string

// The rules, and which of "nothing lost" each belongs to.
const (
	WriteAhead       Rule = "write without an intent before it"          // 1
	WrongDigest      Rule = "digest is not of the body that was sent"    // 1
	OpenIntent       Rule = "intent without one outcome"                 // 1, 10
	FalseOutcome     Rule = "outcome is not what became of it"           // 1, 22
	LateRecord       Rule = "answer before its record"                   // 1
	FalseSuccess     Rule = "success that nothing backs"                 // 2
	FalseFailure     Rule = "failure that says nothing of what was done" // 3
	DoubledCreate    Rule = "create sent again"                          // 4
	Overlap          Rule = "writes to one resource overlap"             // 5
	Overtaken        Rule = "write undone by an earlier one"             // 5
	Unsettled        Rule = "write before an unknown one was settled"    // 6
	LostDeactivation Rule = "deactivation lost"                          // 7
	Chain            Rule = "chain is broken"                            // 11
	Secret           Rule = "token in the log"                           // 12
	Grammar          Rule = "request that the gateway never writes"      // 13
	Desync           Rule = "refused bytes reached the upstream"         // 15
	Crossed          Rule = "answer to another request"                  // 16
	BadAnswer        Rule = "answer that no client can read"             // 16
	Pace             Rule = "more calls than the pace"                   // 19
	Accounting       Rule = "requests and records differ"                // 22
	NotListed        Rule = "open deactivation is not on the list"       // 23
	Fault            Rule = "fault of the gateway itself"
)

// Finding is one break of a rule.
type Finding struct {
	Rule     Rule
	Exchange string // or the tag of a request, if its exchange isn't known
	Evidence string
}

func (f Finding) String() string { return fmt.Sprintf("%s: %s: %s", f.Rule, f.Exchange, f.Evidence) }

// docket is a history with what has been joined of it.
type docket struct {
	*witness.History
	findings []Finding

	asked     map[string]*witness.Asked   // by tag
	seenOf    map[string][]*witness.Seen  // by tag, in order
	lines     []*witness.Line             // that count
	records   map[string][]*witness.Line  // by exchange
	tagOf     map[string]string           // exchange → tag
	intentOf  map[*witness.Seen]*call     // of writes
	calls     map[string][]*call          // by exchange, in order
	written   map[string][]*witness.Seen  // writes by resource, in order of first bytes
	logical   map[string][]*witness.Asked // attempts at one thing, in order
	resources map[string]string           // user name, group name → Users/ID
	creations map[string][]*witness.Seen  // see made
	deleted   []*witness.Seen             // see deletions
	changed   map[string][]*witness.Seen  // see changes
}

// call is one intent with its outcome, and the request that the upstream saw.
type call struct {
	intent, outcome *witness.Line
	seen            *witness.Seen // nil if it never saw all of it
}

// Check returns all findings of a history, in a fixed order.
func Check(h *witness.History) []Finding {
	d := &docket{History: h}
	d.join()
	for _, check := range []func(){
		d.chain, d.intents, d.outcomes, d.notices, d.sequence, d.successes, d.failures, d.creates,
		d.order, d.settling, d.deactivations, d.answers, d.grammar, d.pace, d.accounting,
	} {
		check()
	}
	slices.SortStableFunc(d.findings, func(a, b Finding) int {
		return cmp.Or(strings.Compare(string(a.Rule), string(b.Rule)), strings.Compare(a.Exchange, b.Exchange))
	})
	return d.findings
}

func (d *docket) find(rule Rule, exchange, format string, args ...any) {
	d.findings = append(d.findings, Finding{rule, exchange, fmt.Sprintf(format, args...)})
}

// join finds out which request of a client is which of the upstream and which exchange.
func (d *docket) join() {
	d.asked, d.seenOf, d.tagOf = map[string]*witness.Asked{}, map[string][]*witness.Seen{}, map[string]string{}
	d.changed = map[string][]*witness.Seen{}
	d.logical, d.written, d.resources = map[string][]*witness.Asked{}, map[string][]*witness.Seen{}, map[string]string{}
	for i := range d.Asked {
		a := &d.Asked[i]
		d.asked[a.Tag] = a
		d.logical[a.Logical] = append(d.logical[a.Logical], a)
		if a.Exchange != "" {
			d.tagOf[a.Exchange] = a.Tag
		}
	}
	for i := range d.Seen {
		s := &d.Seen[i]
		d.seenOf[s.Tag] = append(d.seenOf[s.Tag], s)
		if s.Write() && s.Resource != "" {
			d.written[s.Resource] = append(d.written[s.Resource], s)
		}
		if s.Made != "" {
			d.resources[s.Resource] = s.Made
		}
	}
}

// exchangeOf names what a request of the upstream belongs to.
func (d *docket) exchangeOf(s *witness.Seen) string {
	if a := d.asked[s.Tag]; a != nil && a.Exchange != "" {
		return a.Exchange
	}
	return s.Tag
}

// name is the exchange of a client's request, else its tag.
func name(a *witness.Asked) string { return cmp.Or(a.Exchange, a.Tag) }

// before tells whether a request was certainly accepted before another began: it had been
// answered, or the upstream had seen a call for it.
func (d *docket) before(a, b *witness.Asked) bool {
	if !a.Answered.IsZero() && a.Answered.Before(b.Began) {
		return true
	}
	seen := d.seenOf[a.Tag]
	return len(seen) > 0 && seen[0].First.Before(b.Began)
}
