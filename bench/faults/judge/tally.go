package judge

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/scimgate/scimgate/bench/faults/witness"
)

// Tally is what came of one fault.
type Tally struct {
	Struck   int            // calls of the gateway, or requests of clients
	Statuses map[int]int    // that the clients were told; 0 where there was no answer
	Outcomes map[string]int // of the writes that were struck
}

// Tallies sums up a history by the faults that struck.
func Tallies(h *witness.History) map[string]*Tally {
	d := &docket{History: h}
	d.join()
	d.chain()
	d.intents()
	all := map[string]*Tally{}
	of := func(fault string) *Tally {
		t := all[fault]
		if t == nil {
			t = &Tally{Statuses: map[int]int{}, Outcomes: map[string]int{}}
			all[fault] = t
		}
		return t
	}
	struck := map[string]bool{}
	for i := range d.Seen {
		s := &d.Seen[i]
		if s.Fault == "" {
			continue
		}
		t := of(s.Fault)
		t.Struck++
		if a := d.asked[s.Tag]; a != nil && !struck[s.Tag] {
			struck[s.Tag] = true
			t.Statuses[a.Status]++
		}
		switch c := d.intentOf[s]; {
		case !s.Write():
			t.Outcomes["read"]++
		case c != nil && c.outcome != nil:
			t.Outcomes[c.outcome.Outcome]++
		default:
			t.Outcomes["not whole"]++
		}
	}
	for i := range d.Asked {
		if a := &d.Asked[i]; a.Fault != "" {
			t := of(a.Fault)
			t.Struck++
			t.Statuses[a.Status]++
		}
	}
	return all
}

func (t *Tally) String() string {
	var parts []string
	for _, status := range slices.Sorted(maps.Keys(t.Statuses)) {
		name := fmt.Sprint(status)
		if status == 0 {
			name = "none"
		}
		parts = append(parts, fmt.Sprintf("%s×%d", name, t.Statuses[status]))
	}
	text := strings.Join(parts, " ")
	if len(t.Outcomes) > 0 {
		parts = nil
		for _, outcome := range sortedKeys(t.Outcomes) {
			parts = append(parts, fmt.Sprintf("%s×%d", outcome, t.Outcomes[outcome]))
		}
		text += "; " + strings.Join(parts, " ")
	}
	return text
}
