package judge

import (
	"slices"
	"strings"
	"time"

	"github.com/scimgate/scimgate/bench/faults/witness"
)

// Seeds are all of them: those of the log here, those of requests and answers in
// seeds_wire.go.
var Seeds = append([]Seed{
	{"intent removed", WriteAhead, func(t *tampered) bool {
		_, c := t.write(anyWrite)
		t.drop(c.intent)
		t.relink()
		return true
	}},
	{"intent behind the write", WriteAhead, func(t *tampered) bool {
		_, c := t.write(anyWrite)
		t.Log[t.at(c.intent)].End = c.seen.LogAt + 1
		return true
	}},
	{"intent of another path", WriteAhead, func(t *tampered) bool {
		_, c := t.write(anyWrite)
		t.set(c.intent, "path", quoted("/Users/another"))
		return true
	}},
	{"outcome removed", OpenIntent, func(t *tampered) bool {
		_, c := t.write(anyWrite)
		t.drop(c.outcome)
		t.relink()
		return true
	}},
	{"outcome twice", OpenIntent, func(t *tampered) bool {
		_, c := t.write(anyWrite)
		t.insert(c.outcome, c.outcome.Text)
		return true
	}},
	{"outcome behind the answer", LateRecord, func(t *tampered) bool {
		a, c := t.write(anyWrite)
		text := c.outcome.Text
		answer := *t.told(a)
		t.drop(c.outcome)
		t.insert(&answer, text)
		return true
	}},
	{"answer before its record", LateRecord, func(t *tampered) bool {
		a, _ := t.write(func(a *witness.Asked, _ *call) bool { return a.LogAt > 0 })
		t.Log[t.at(t.told(a))].End = a.LogAt + 1
		return true
	}},
	{"digest changed", WrongDigest, func(t *tampered) bool {
		_, c := t.write(func(_ *witness.Asked, c *call) bool { return c.intent.Sent != "" })
		t.set(c.intent, "sent", quoted(strings.Repeat("0", 64)))
		return true
	}},
	{"body changed on its way", WrongDigest, func(t *tampered) bool {
		_, c := t.write(func(_ *witness.Asked, c *call) bool { return c.intent.Sent != "" })
		c.seen.Body += " "
		return true
	}},
	{"record dropped", Chain, func(t *tampered) bool {
		t.Log = slices.Delete(t.Log, len(t.Log)/2, len(t.Log)/2+1)
		return true
	}},
	{"records swapped", Chain, func(t *tampered) bool {
		i := len(t.Log) / 2
		t.Log[i], t.Log[i+1] = t.Log[i+1], t.Log[i]
		return true
	}},
	{"byte changed", Chain, func(t *tampered) bool {
		l := &t.Log[len(t.Log)/2]
		*l = witness.Parse(strings.Replace(l.Text, `"tenant":"d`, `"tenant":"D`, 1), l.Segment, l.End)
		return strings.Contains(l.Text, `"D`)
	}},
	{"link changed", Chain, func(t *tampered) bool {
		l := &t.Log[len(t.Log)/2]
		*l = witness.Parse(with(l.Text, "prev", quoted(strings.Repeat("a", 64))), l.Segment, l.End)
		return true
	}},
	{"half a record at the end", Chain, func(t *tampered) bool {
		t.Log = append(t.Log, witness.Parse(`{"v":1,"seq":99`, t.Log[len(t.Log)-1].Segment, t.Log[len(t.Log)-1].End+16))
		return true
	}},
	{"unknown told as done", FalseOutcome, func(t *tampered) bool {
		for _, exchange := range t.exchanges() {
			for _, c := range t.calls[exchange] {
				if c.outcome.Outcome == "unknown" && c.outcome.Status == 0 && c.seen != nil {
					t.Log[t.at(c.outcome)].Text = with(c.outcome.Text, "status", "200")
					t.set(c.outcome, "outcome", quoted("ok"))
					return true
				}
			}
		}
		return false
	}},
	{"done told as not sent", FalseOutcome, func(t *tampered) bool {
		_, c := t.write(anyWrite)
		t.Log[t.at(c.outcome)].Text = without(c.outcome.Text, "status")
		t.set(c.outcome, "outcome", quoted("not_sent"))
		return true
	}},
	{"not done settled as done", FalseOutcome, func(t *tampered) bool {
		_, c := t.write(func(a *witness.Asked, c *call) bool { return titles(a, c) && !t.hadIt(c.seen) })
		c.seen.Did = time.Time{}
		t.settle(c, "ok")
		return true
	}},
	{"done settled as not done", FalseOutcome, func(t *tampered) bool {
		_, c := t.write(anyWrite)
		t.settle(c, "not_done")
		return true
	}},
	{"AWS's id of another call", Crossed, func(t *tampered) bool {
		_, c := t.write(func(_ *witness.Asked, c *call) bool { return c.outcome.AWSID != "" })
		t.set(c.outcome, "awsRequestId", quoted("00000000-0000-0000-0000-000000000000"))
		return true
	}},
	{"answer's record removed", Accounting, func(t *tampered) bool {
		a, _ := t.write(anyWrite)
		t.drop(t.told(a))
		t.relink()
		return true
	}},
	{"answer recorded twice", Accounting, func(t *tampered) bool {
		a, _ := t.write(anyWrite)
		t.insert(t.told(a), t.told(a).Text)
		return true
	}},
	{"answer recorded otherwise", Accounting, func(t *tampered) bool {
		a, _ := t.write(anyWrite)
		t.set(t.told(a), "reply", "409")
		return true
	}},
	{"metrics count one more", Accounting, func(t *tampered) bool {
		t.Counted++
		return t.Counted > 0
	}},
	{"token in the log", Secret, func(t *tampered) bool {
		t.set(&t.Log[len(t.Log)/2], "name", quoted("Bearer "+t.Token))
		return true
	}},
	{"panic", Fault, func(t *tampered) bool {
		l := t.Log[len(t.Log)/2]
		t.insert(&l, with(with(l.Text, "kind", quoted("notice")), "event", quoted("panic")))
		return true
	}},
}, wireSeeds...)

// seconds behind a time.
func behind(at time.Time, seconds float64) time.Time {
	return at.Add(time.Duration(seconds * float64(time.Second)))
}
