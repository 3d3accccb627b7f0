package proxy

import (
	"strings"
	"sync"
	"time"

	"github.com/scimgate/scimgate/rules"
	"github.com/scimgate/scimgate/rules/scim"
)

// Unexplained is a refusal of AWS that no rule foresaw, as it is kept for diagnosis:
// without anything that the document says about a person.
type Unexplained struct {
	Time       time.Time `json:"time"`
	Exchange   string    `json:"exchange"`
	Tenant     string    `json:"tenant"`
	Operation  string    `json:"op"`
	Resource   string    `json:"resource"`
	RequestID  string    `json:"awsRequestId"`
	Suspicions []string  `json:"suspicions"`
	Shape      string    `json:"shape"` // of the document as it was sent to AWS
}

// maxUnexplained bounds how many are kept.
const maxUnexplained = 64

// mysteries are the latest of them.
type mysteries struct {
	mu   sync.Mutex // guards following
	list []Unexplained
}

func (m *mysteries) keep(u Unexplained) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.list) == maxUnexplained {
		m.list = append(m.list[:0], m.list[1:]...)
	}
	m.list = append(m.list, u)
}

func (m *mysteries) all() []Unexplained {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]Unexplained{}, m.list...)
}

// unexplained tells of a 400 that no rule foresaw: loudly in the log, with
// suspicions to the client. What was changed is found by asking AWS for the version
// that it accepted last.
func (g *Gateway) unexplained(x *Exchange, requestID string) string {
	if x.Target.Operation.Is(scim.ReplaceGroup | scim.PatchGroup) { // AWS's guide has no 409 for these
		if list, _ := x.tenant.memory.Clashes(g.do(x), x.Target.Operation, x.Target.ID, x.Document); len(list) > 0 {
			return x.said(scim.DuplicateGroup, clashing("group", list, x.Document))
		}
	}
	var suspicions []string
	for i := range x.Findings {
		if f := &x.Findings[i]; f.Disposition == rules.Warn {
			suspicions = append(suspicions, f.Text()+" ["+f.ID+"]")
		}
	}
	if x.Target.Operation.HasBody() && !x.Verdict.Unreadable {
		suspicions = append(suspicions, x.policy.Rules.Suspicions(x.Target.Operation, x.Document, g.accepted(x))...)
	}
	u := Unexplained{
		Time: time.Now().UTC(), Exchange: x.ID, Tenant: x.tenant.name, Operation: x.Target.Operation.String(), Resource: x.masked(x.Target.Resource()),
		RequestID: requestID, Suspicions: suspicions, Shape: rules.Shape(x.Document),
	}
	g.mysteries.keep(u)
	g.metrics.unexplained.Inc()
	g.log.Error().Str("exchange", x.ID).Str("op", u.Operation).Str("resource", u.Resource).Str("awsRequestId", requestID).
		Strs("suspicions", suspicions).Str("shape", u.Shape).Msg("AWS refuses a request, and no rule explains why")
	note := "nothing is suspected"
	if len(suspicions) > 0 {
		note = "suspected are, the likeliest first, " + strings.Join(suspicions, "; ")
	}
	return x.said(scim.Unexplained, note)
}

// accepted is the version of a user that AWS accepted last, nil if it isn't known.
func (g *Gateway) accepted(x *Exchange) []byte {
	if x.Target.Operation != scim.ReplaceUser {
		return nil
	}
	resp, err := x.tenant.memory.Forward(scim.Request{Target: scim.Target{Operation: scim.GetUser, ID: x.Target.ID}})(g.do(x))
	if err != nil || !resp.OK() {
		return nil
	}
	return resp.Body
}
