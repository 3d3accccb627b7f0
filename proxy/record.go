package proxy

import (
	"net/http"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/scimgate/scimgate/proxy/audit"
	"github.com/scimgate/scimgate/proxy/wire"
	"github.com/scimgate/scimgate/rules/scim"
)

// recordOf is what the log is told of a call: who, what, which attributes, which
// members; no value but the identifying ones, and never the token.
func (g *Gateway) recordOf(x *Exchange, c *call) *audit.Record {
	rec := g.recordFor(x)
	rec.Call, rec.Op, rec.Method, rec.Path, rec.Resource = x.Calls, c.operation.String(), c.Method, c.URI, c.resource
	rec.Attrs, rec.Added, rec.Removed, rec.Basis = c.attrs, c.added, c.removed, c.basis
	rec.Grants = x.Verdict.Activates && c.Write && !c.revokes && c.operation.Is(scim.PatchUser|scim.ReplaceUser)
	if c.Body != nil {
		rec.Sent = g.journal.Digest(c.Body)
	}
	rec.Name = c.name
	if c.operation.HasBody() && !x.Verdict.Unreadable { // under observe a body may be anything
		rec.Name, rec.Ext = identity(c.Body)
	}
	x.maskRecord(rec)
	return rec
}

// recordFor is what every record of an exchange has.
func (g *Gateway) recordFor(x *Exchange) *audit.Record {
	rec := &audit.Record{Exchange: x.ID, Tenant: x.tenant.name, Client: x.Client, Config: x.policy.Config}
	rec.Actor = x.actor
	if len(x.Findings) > 0 {
		rec.Findings = ids(x.Findings)
	}
	return rec
}

// ownActor is the gateway itself, where it acts without a client.
const ownActor = "scimgate"

// identity are the values that tell who or what a document is about.
func identity(doc []byte) (name, ext string) {
	found := gjson.GetManyBytes(doc, "userName", "displayName", "externalId")
	if name = found[0].Str; name == "" {
		name = found[1].Str
	}
	return name, found[2].Str
}

// record makes what the client is told durable, before it is told. Reads and
// noise ride with the next batch.
func (g *Gateway) record(x *Exchange, r *Reply) error {
	rec := g.recordFor(x)
	rec.Op, rec.Method, rec.Resource = x.Target.Operation.String(), x.Method, x.Target.Resource()
	rec.Path, _, _ = strings.Cut(string(x.RawTarget), "?") // a query that was refused may hold anything
	if target := x.Target; target.Operation != 0 {
		target.Query.Filter, target.Query.Cursor = x.masked(target.Query.Filter), x.masked(target.Query.Cursor)
		rec.Path = string(target.AppendURI(nil))
	}
	rec.Reply, rec.Wait, rec.AWSID = r.Status, x.waited.Microseconds(), r.RequestID
	if x.Target.Operation.HasBody() {
		rec.Name, rec.Ext = identityOf(x)
	}
	if left := x.unlisted; left != nil { // the next start finds it here
		rec.Revokes, rec.Resource = true, "Users/"+left.ID
		if left.Held {
			rec.Event = audit.EventHeld
		}
	}
	x.maskRecord(rec)
	write := x.writes()
	switch {
	case rec.Revokes:
		return g.journal.Answer(rec, audit.Vital)
	case x.Calls > 0 && write:
		if x.conn != nil && wire.Gone(x.conn) {
			rec.Event = audit.EventClientGone
			if op := x.Target.Operation; r.Status == http.StatusCreated && op.Is(scim.CreateUser|scim.CreateGroup) { // and is sent again
				x.tenant.memory.Doubt(op, rec.Name, rec.Ext, g.journal.Digest(x.Document), x.Began)
			}
		}
		return g.journal.Answer(rec, needOf(x.vital))
	case x.Calls > 0:
		g.journal.Ride(rec)
		return nil
	case !x.known && x.address.IsValid() && !x.tenant.noise.Allow(x.address, x.Began):
		g.journal.Omit() // a flood of them must not fill the disk
		return nil
	case write && len(x.Token) > 0 && g.journal.Err() == nil:
		return g.journal.Refuse(rec, audit.Durable)
	}
	return g.journal.Refuse(rec, audit.Riding)
}

// identityOf reads the document that was judged; one that was not read as JSON
// tells nothing.
func identityOf(x *Exchange) (name, ext string) {
	if x.Document == nil || x.Verdict.Unreadable {
		return "", ""
	}
	return identity(x.Document)
}
