package judge

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/scimgate/scimgate/bench/faults/witness"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// answers looks for answers that belong to another request, or to none.
func (d *docket) answers() {
	for i := range d.Asked {
		a := &d.Asked[i]
		if a.Flaw != "" {
			d.find(BadAnswer, name(a), "%s", a.Flaw)
		}
		if a.Status == 0 {
			continue
		}
		var doc document
		if a.Answer != "" {
			if err := json.Unmarshal([]byte(a.Answer), &doc); err != nil {
				d.find(BadAnswer, name(a), "%s %s was told %d with a body that is no JSON: %.60q", a.Method, a.Path, a.Status, a.Answer)
				continue
			}
		}
		if why := d.crossed(a, &doc); a.OK() && why != "" {
			d.find(Crossed, name(a), "%s %s was told %d: %s", a.Method, a.Path, a.Status, why)
		}
		if a.RequestID != "" && !d.gave(a) {
			d.find(Crossed, name(a), "%s %s was told the AWS request id %s, which was given to another call", a.Method, a.Path, a.RequestID)
		}
	}
}

// document is what tells whose an answer is.
type document struct {
	ID, UserName, DisplayName string
	Resources                 []document
}

// crossed says why an answer is not the one to a request.
func (d *docket) crossed(a *witness.Asked, doc *document) string {
	if d.Poison != "" && strings.Contains(a.Answer, d.Poison) {
		return "it is the answer that nobody asked for"
	}
	if a.Answer == "" {
		return ""
	}
	path, query, _ := strings.Cut(a.Path, "?")
	kind, id, item := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	switch {
	case item && a.Method != "DELETE":
		if doc.ID != id {
			return "it shows the id " + strconv.Quote(doc.ID)
		}
	case a.Method == "POST" && a.Wish != nil:
		if !strings.EqualFold(cmp.Or(doc.UserName, doc.DisplayName), a.Wish.Name) {
			return "it shows the name " + strconv.Quote(cmp.Or(doc.UserName, doc.DisplayName))
		}
		if made := d.resources[uniqueOf(a)]; made != kind+"/"+doc.ID {
			return "it shows the id " + strconv.Quote(doc.ID) + ", and made was " + made
		}
	case a.Method == "GET":
		_, name, filtered := strings.Cut(query, "%20eq%20%22")
		name, _, _ = strings.Cut(name, "%22")
		for _, r := range doc.Resources {
			if filtered && !strings.EqualFold(cmp.Or(r.UserName, r.DisplayName), name) {
				return "it lists " + strconv.Quote(cmp.Or(r.UserName, r.DisplayName))
			}
		}
	}
	return ""
}

// gave tells whether the upstream gave a request's id to one of its calls, or to one of
// another attempt that it joined.
func (d *docket) gave(a *witness.Asked) bool {
	for _, attempt := range d.logical[a.Logical] {
		for _, s := range d.seenOf[attempt.Tag] {
			if s.RequestID == a.RequestID {
				return true
			}
		}
	}
	return false
}

// fields are all that the gateway ever sends. Connection is with writes, which have a
// connection of their own; that it closes, and stays unused, is the upstream's to see.
var fields = []string{"Host", "Authorization", "User-Agent", "Accept", "Content-Type", "Content-Length", "Connection"}

// grammar looks for bytes that the gateway doesn't write by itself, and for what it
// should have stopped.
func (d *docket) grammar() {
	for i := range d.Seen {
		s := &d.Seen[i]
		if s.Flaw != "" {
			d.find(Grammar, s.Tag, "%s %s: %s", s.Method, s.Path, s.Flaw)
		}
		seen := map[string]bool{}
		for _, f := range s.Fields {
			if seen[f] || !slices.Contains(fields, f) {
				d.find(Grammar, s.Tag, "%s %s has the header %s", s.Method, s.Path, f)
			}
			seen[f] = true
		}
		if a := d.asked[s.Tag]; a != nil && a.Junk {
			d.find(Desync, name(a), "the upstream saw %s %s", s.Method, s.Path)
		}
	}
	for _, l := range d.lines {
		if l.Event == "panic" {
			d.find(Fault, l.Exchange, "a panic")
		}
	}
}

// late is by how much calls may bunch on their way: a process that had no processor
// reads at once what came one after the other.
const late = 250 * time.Millisecond

// pace looks for a window in which more calls left than the pace allows.
func (d *docket) pace() {
	var reads, writes []*witness.Seen
	for i := range d.Seen {
		switch s := &d.Seen[i]; {
		case s.Write():
			writes = append(writes, s)
		case s.Method != "":
			reads = append(reads, s)
		}
	}
	d.window("reads", reads, d.Reads)
	d.window("writes", writes, d.Writes)
}

func (d *docket) window(what string, calls []*witness.Seen, r witness.Rate) {
	if len(calls) == 0 || r.PerSecond == 0 {
		return
	}
	// A window from i to j holds j-i+1 calls, and rate × t + burst of them may leave.
	start := calls[0].First
	spent := func(i int) float64 { return float64(i) - r.PerSecond*calls[i].First.Sub(start).Seconds() }
	least := 0
	for i := range calls {
		if spent(i) < spent(least) {
			least = i
		}
		if over := spent(i) - spent(least) + 1 - float64(r.Burst) - r.PerSecond*late.Seconds(); over > 0 {
			d.find(Pace, d.exchangeOf(calls[i]), "%d %s left within %v, with a pace of %v a second and a burst of %d",
				i-least+1, what, calls[i].First.Sub(calls[least].First), r.PerSecond, r.Burst)
			return
		}
	}
}

// accounting holds the requests of the clients to the records and to the metrics.
func (d *docket) accounting() {
	told, omitted := map[string][]*witness.Line{}, 0
	for _, l := range d.lines {
		switch {
		case l.Kind == "answer" || l.Kind == "refusal":
			told[l.Exchange] = append(told[l.Exchange], l)
		case l.Kind == "gap" && l.Event == "dropped" && len(l.Findings) == 1:
			n := 0
			fmt.Sscanf(l.Findings[0], "%d records", &n)
			omitted += n
		}
	}
	records, missing, unanswered, mine := 0, 0, 0, map[string]bool{}
	for i := range d.Asked {
		a := &d.Asked[i]
		if a.Exchange == "" {
			unanswered++
			continue
		}
		if mine[a.Exchange] {
			d.find(Accounting, a.Exchange, "two requests were told the same exchange")
		}
		mine[a.Exchange] = true
		switch list := told[a.Exchange]; {
		case len(list) == 0 && a.Write() && len(d.calls[a.Exchange]) > 0:
			d.find(Accounting, a.Exchange, "%s %s was told %d, and no record tells of it", a.Method, a.Path, a.Status)
		case len(list) == 0:
			missing++
		case len(list) > 1:
			d.find(Accounting, a.Exchange, "there are %d records of what it was told", len(list))
		case list[0].Reply != a.Status:
			d.find(Accounting, a.Exchange, "it was told %d, and the record says %d", a.Status, list[0].Reply)
		}
	}
	others := 0
	for exchange, list := range told {
		records += len(list)
		if !mine[exchange] {
			others++
		}
	}
	if missing > omitted {
		d.find(Accounting, "", "%d answers have no record, and the log tells of %d that were left out", missing, omitted)
	}
	if others > unanswered {
		d.find(Accounting, "", "the log tells of %d requests that no client knows, and clients of %d without an answer", others, unanswered)
	}
	if d.Counted >= 0 && d.Counted != records+omitted {
		d.find(Accounting, "", "the metrics count %d requests, and the log %d, with %d left out", d.Counted, records, omitted)
	}
}
