package proxy

import (
	"bytes"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidwall/gjson"

	"github.com/scimgate/scimgate/rules/scim"
)

// discover answers what a client asks about the service: by the documents that tell
// what the gateway can do, since AWS's own tell of 50 results a page and of nothing
// that is translated here. AWS is asked all the same, so that a token that it
// refuses is refused here too; while it is out of reach, the documents do.
func (g *Gateway) discover(x *Exchange) *Reply {
	asked := x.Target
	if asked.Operation == scim.GetResourceType { // AWS has only the list
		asked = scim.Target{Operation: scim.ListResourceTypes}
	}
	resp, err := x.tenant.memory.Forward(scim.Request{Target: asked})(g.do(x))
	if err == nil && !resp.OK() && resp.Status != 429 && resp.Status < 500 && resp.Status != 404 {
		return g.relay(x, resp)
	}
	if err == nil && resp.OK() && asked.Operation == scim.ListSchemas {
		g.compare(x.tenant, resp.Body)
	} else if err == nil && resp.OK() {
		g.checkSchemas(x, 0)
	}
	doc := g.document(x)
	if doc == nil {
		return x.refuse(404, "", "There is no such schema or resource type: AWS has User, Group and the enterprise extension of User.", nil)
	}
	return &Reply{Status: 200, Body: doc, RequestID: resp.RequestID}
}

// document is what the gateway says about itself, nil if it has none of that id.
func (g *Gateway) document(x *Exchange) []byte {
	lists := map[scim.Operation]scim.Operation{scim.GetSchema: scim.ListSchemas, scim.GetResourceType: scim.ListResourceTypes}
	list, one := lists[x.Target.Operation]
	if !one {
		return located(x.policy.Discovery[x.Target.Operation], x.base())
	}
	var found []byte
	gjson.GetBytes(x.policy.Discovery[list], "Resources").ForEach(func(_, resource gjson.Result) bool {
		if strings.EqualFold(resource.Get("id").Str, x.Target.ID) {
			found = []byte(resource.Raw)
		}
		return found == nil
	})
	return located(found, x.base())
}

// located puts the Base URL in front of the locations, which are written without.
func located(doc []byte, base string) []byte {
	if doc == nil {
		return nil
	}
	return bytes.ReplaceAll(doc, []byte(`"location":"/`), []byte(`"location":"`+base+`/`))
}

// drift is when AWS's own list of attributes was last compared with ours, and what
// of it the gateway leaves out.
type drift struct {
	mu   sync.Mutex // guards following
	next time.Time
	told []string
}

// due tells whether it is time to compare, and if so that it is done now.
func (d *drift) due(every, first time.Duration) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	if d.next.IsZero() && first > 0 {
		d.next = now.Add(first)
	}
	if now.Before(d.next) {
		return false
	}
	d.next = now.Add(every)
	return true
}

// checkSchemas reads AWS's schemas with the token of an exchange, if it is time; the
// first time after a while, or at once where a client asks about the service itself.
func (g *Gateway) checkSchemas(x *Exchange, first time.Duration) {
	if x.policy.Plain || x.policy.Observe || !x.tenant.drift.due(g.settings.Schemas, first) {
		return
	}
	resp, err := x.tenant.memory.Forward(scim.Request{Target: scim.Target{Operation: scim.ListSchemas}})(g.do(x))
	if err == nil && resp.OK() {
		g.compare(x.tenant, resp.Body)
	}
}

// maxDrift bounds how many attributes are named that AWS lists and the gateway leaves out.
const maxDrift = 64

// compare warns of attributes that AWS lists and the gateway leaves out: AWS may take
// them by now. Each new set of them is told once.
func (g *Gateway) compare(t *Tenant, schemas []byte) {
	left := t.policy.Load().Rules.LeftOut(schemas)
	g.metrics.drift.Set(float64(len(left)))
	left = left[:min(len(left), maxDrift)]
	t.drift.mu.Lock()
	news := !slices.Equal(left, t.drift.told)
	t.drift.told = left
	t.drift.mu.Unlock()
	if news && len(left) > 0 {
		g.log.Warn().Strs("attributes", left).
			Msg("AWS lists attributes in its schemas that the gateway leaves out: it may take them by now")
	}
}
