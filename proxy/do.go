package proxy

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/scimgate/scimgate/proxy/audit"
	"github.com/scimgate/scimgate/proxy/crash"
	"github.com/scimgate/scimgate/proxy/pace"
	"github.com/scimgate/scimgate/proxy/translate"
	"github.com/scimgate/scimgate/proxy/upstream"
	"github.com/scimgate/scimgate/proxy/writer"
	"github.com/scimgate/scimgate/rules/scim"
)

// maxTries bounds how often one call is sent when AWS answers that it throttles.
// Such an answer proves that the call was not carried out.
const maxTries = 3

// call is one call to AWS on its way through the door.
type call struct {
	upstream.Call
	operation   scim.Operation
	resource    string
	memberships int
	revokes     bool
	loses       int

	name                  string // of the resource, if no document tells it
	basis                 string
	announced             writer.State // in which it was
	attrs, added, removed []string
}

// do is the door to AWS for the plans of an exchange.
func (g *Gateway) do(x *Exchange) translate.Do {
	return func(req scim.Request) (scim.Response, error) {
		op := req.Target.Operation
		if op.HasID() && !op.Is(scim.Discovery) && !scim.IsID(req.Target.ID) { // it would be another URL
			return scim.Response{}, &translate.Incomplete{Detail: "There is an id that AWS would not assign. Nothing was sent for it.", Response: scim.Response{Status: 400}}
		}
		if err := x.keep(req.Holds); err != nil {
			return scim.Response{}, err
		}
		if err := g.enterFound(x, req.Target); err != nil {
			return scim.Response{}, err
		}
		resp, err := g.call(x, &call{
			Call: upstream.Call{
				Method: op.Method(), URI: string(req.Target.AppendURI(nil)), Body: req.Body, Write: op.Is(scim.Writes),
				ID: shownID(req.Target), Name: shownName(op, req.Body),
			},
			operation: op, resource: req.Target.Resource(), memberships: req.Memberships, revokes: req.Revokes,
			loses: req.Loses, name: req.Name, basis: req.Basis,
			attrs: req.Attrs, added: req.Added, removed: req.Removed,
		})
		if op == scim.CreateGroup && err == nil && resp.Status == 201 { // what comes for it by its id from now on waits for the rest
			if err := g.enterFound(x, scim.Target{Operation: scim.PatchGroup, ID: gjson.GetBytes(resp.Body, "id").Str}); err != nil {
				return resp, err
			}
		}
		return resp, err
	}
}

// shownID is the id that an answer has to show, if it shows one.
func shownID(t scim.Target) string {
	if t.Operation.Is(scim.Users | scim.Groups) {
		return t.ID
	}
	return ""
}

// shownName is the name that the answer to a create has to show.
func shownName(op scim.Operation, body []byte) string {
	switch op {
	case scim.CreateUser:
		return gjson.GetBytes(body, "userName").Str
	case scim.CreateGroup:
		return gjson.GetBytes(body, "displayName").Str
	}
	return ""
}

// call waits for budget, records the intent, sends, and records the outcome. It is
// the only way on which anything reaches AWS. Its error is a *scim.CallError.
func (g *Gateway) call(x *Exchange, c *call) (scim.Response, error) {
	if err := g.mayCall(x, c.Write); err != nil {
		return scim.Response{}, err
	}
	c.from(x, c.revokes || x.revokes())
	c.Leaves = g.leaves(x, c)
	ask := pace.Ask{Kind: pace.Read, Memberships: c.memberships, Revokes: c.revokes, Of: x.tenant.name}
	if c.Write {
		ask.Kind = pace.Write
	}
	if c.Write {
		if err := g.guarded(x, c); err != nil {
			return scim.Response{}, err
		}
		resp, err := g.tries(x, c, ask)
		g.spared(x, c, resp, err)
		return resp, err
	}
	return g.tries(x, c, ask)
}

// from makes it a call of an exchange.
func (c *call) from(x *Exchange, revokes bool) {
	c.Authorization, c.UserAgent, c.Of, c.Revokes = x.Token, x.UserAgent, x.tenant.name, revokes
	c.Fit = func(n int) error { return x.fit(n, revokes) }
}

// tries sends a call. It is sent again if AWS says that it throttles, if it is proved
// that nothing was sent, and reads if they weren't answered: nothing else is safe to
// repeat. Repeats are few, spread over time, and within the client's deadline.
func (g *Gateway) tries(x *Exchange, c *call, ask pace.Ask) (scim.Response, error) {
	x.tenant.retries.Called()
	var before error // of the last try
	for try := 1; ; try++ {
		if err := g.passage(x, c); err != nil {
			var failure *scim.CallError
			if errors.As(err, &failure) && before != nil { // why the circuit is open
				failure.Err = errors.Join(failure.Err, before)
			}
			return scim.Response{}, err
		}
		waited, err := x.tenant.budgets.Take(ask, x.Deadline)
		x.waited += waited
		if err != nil {
			return scim.Response{}, &scim.CallError{Reason: scim.PacedOut, RetryAfter: retryAfter(err), Err: err}
		}
		resp, err := g.send(x, c, waited)
		before = err
		pause := pace.Jitter(try)
		if err == nil && resp.Status == 429 {
			x.tenant.budgets.Throttled(ask, resp.RetryAfter)
			pause = resp.RetryAfter
		} else if !repeatable(c, resp, err) {
			return resp, err
		}
		if try == maxTries || time.Until(x.Deadline) <= pause || !x.tenant.retries.Spend() {
			return resp, err
		}
		if resp.Status != 429 { // the budget waits for throttling to end
			time.Sleep(pause)
		}
	}
}

// repeatable tells whether the same call may go out again: it has not been carried
// out, or it makes no difference.
func repeatable(c *call, resp scim.Response, err error) bool {
	var failure *scim.CallError
	if errors.As(err, &failure) {
		return failure.Reason == scim.Unsent && !errors.Is(err, upstream.ErrNotTried) || failure.Reason == scim.Lost && !c.Write
	}
	return !c.Write && resp.Status >= 500 && resp.Status != 501
}

// passage refuses a call at once while the upstream is down. The first one after a
// while is the probe; one that writes lets a read go first, on which nothing depends.
func (g *Gateway) passage(x *Exchange, c *call) error {
	passage, wait := x.tenant.breaker.Enter()
	switch {
	case passage == pace.Stop:
		return &scim.CallError{Reason: scim.Unsent, RetryAfter: wait, Err: errDown}
	case passage == pace.Probe && c.Write:
		probe := &call{operation: scim.GetServiceProviderConfig, Call: upstream.Call{Method: "GET", URI: "/ServiceProviderConfig"}}
		probe.from(x, c.Revokes)
		probe.Leaves = g.leaves(x, probe)
		if _, err := g.send(x, probe, 0); err != nil {
			return err
		}
		if x.tenant.breaker.Open() {
			return &scim.CallError{Reason: scim.Unsent, RetryAfter: soon, Err: errDown}
		}
	}
	return nil
}

// errNotAWS is of a 404 that is no document: AWS's own are. Something in between has
// answered, and whether the resource is there isn't known.
var errNotAWS = errors.New("a 404 that is not AWS's: something in between has answered")

// errDown is told while the circuit is open.
var errDown = errors.New("the upstream has failed several times in a row; the circuit is open")

func retryAfter(err error) time.Duration {
	var full *pace.Full
	if errors.As(err, &full) {
		return full.RetryAfter
	}
	return soon
}

// send carries out one call that has its budget.
func (g *Gateway) send(x *Exchange, c *call, waited time.Duration) (scim.Response, error) {
	x.Calls++
	if x.conn == nil { // nobody waits for all that it has read: the last answer is done with
		x.doneWith()
	}
	var intent audit.Intent
	var announced *audit.Record
	if c.Write {
		var err error
		announced = g.recordOf(x, c)
		c.announced = g.underLease(announced)
		crash.At(crash.BeforeIntent)
		x.vital = x.vital || c.revokes
		if intent, err = g.journal.Intend(announced, needOf(c.revokes)); err != nil {
			return scim.Response{}, &scim.CallError{Reason: scim.NotRecorded, RetryAfter: outage, Err: err}
		}
		for _, d := range x.tenant.unsettled.sent(c.operation, announced) {
			g.tellSettled(x.tenant, d, translate.Untold, "overtaken by "+x.ID)
		}
	}
	settled := !c.Write
	defer func() {
		if !settled { // a panic
			rec := g.recordOf(x, c)
			rec.Outcome = scim.Unknown.String()
			_ = intent.Settle(rec)
		}
	}()
	began := time.Now()
	resp, outcome, err := x.tenant.upstream.Send(c.Call, x.Deadline)
	took := time.Since(began)
	resp.RequestID = x.masked(resp.RequestID)
	g.metrics.called(x.tenant.name, c.operation, outcome, resp.Status, took, waited)
	if !errors.Is(err, upstream.ErrNotTried) { // a fault of the call's own tells nothing of the upstream
		x.tenant.breaker.Report(err == nil && resp.Status < 500 || errors.Is(err, errNoRoom))
	}
	x.lastAWS = resp
	x.lastAWS.Body = nil // an exchange may be kept
	x.stray = (resp.Status == 404 || resp.Status == 409) && !scim.IsError(resp.Body)
	stray := x.stray && resp.Status == 404 && !x.policy.Observe && !x.policy.Plain
	if c.Write {
		if outcome == scim.UpstreamError && (resp.Status >= 500 || stray) { // it may have been carried out
			outcome = scim.Unknown
		}
		g.weigh(x, c, announced, outcome, resp)
		rec := g.endOf(x, c, outcome, resp, err)
		rec.Wait, rec.Micros = waited.Microseconds(), took.Microseconds()
		crash.At(crash.BeforeOutcome)
		settled = true
		if recorded := intent.Settle(rec); recorded != nil {
			if outcome != scim.Unknown { // which is what the log will say
				x.doubts(c, announced, time.Now().Add(x.tenant.settle))
			}
			return resp, &scim.CallError{Reason: scim.DoneUnlogged, RetryAfter: outage, Err: errors.Join(recorded, err)}
		}
	}
	if err == nil && stray {
		err = errNotAWS
	}
	return resp, failureOf(c, outcome, err)
}

// endOf is what the log is told of how a write has ended.
func (g *Gateway) endOf(x *Exchange, c *call, outcome scim.Outcome, resp scim.Response, err error) *audit.Record {
	rec := g.recordOf(x, c)
	rec.Outcome, rec.Status, rec.AWSID = outcome.String(), resp.Status, resp.RequestID
	if outcome == scim.Unknown && g.cutShort.Load() {
		rec.Event = audit.EventShutdown
	}
	if fenced(err) != nil {
		rec.Event = audit.EventFenced
	}
	if resp.Status >= 400 {
		rec.AWS, _, _ = scim.ReadError(resp.Body)
		rec.AWS = x.masked(rec.AWS)
	}
	return rec
}

// failureOf is why a call has no usable answer, a *scim.CallError; nil if it has one.
func failureOf(c *call, outcome scim.Outcome, err error) error {
	switch {
	case err == nil:
		return nil
	case fenced(err) != nil:
		return fenced(err)
	case outcome == scim.NotSent:
		return &scim.CallError{Reason: scim.Unsent, RetryAfter: outage, Err: err}
	case !c.Write && errors.Is(err, errNoRoom):
		return &scim.CallError{Reason: scim.NoRoom, RetryAfter: soon, Err: err}
	}
	return &scim.CallError{Reason: scim.Lost, RetryAfter: outage, Err: err}
}

// weigh takes in how a write has ended. One that may still be carried out closes its
// lane for a while; one of which it isn't known what became is asked about later.
func (g *Gateway) weigh(x *Exchange, c *call, intent *audit.Record, outcome scim.Outcome, resp scim.Response) {
	switch outcome {
	case scim.Done:
		x.wrote++
		if c.operation.Is(scim.CreateUser | scim.CreateGroup) {
			for _, d := range x.tenant.unsettled.made(intent) {
				g.tellSettled(x.tenant, d, translate.Untold, "overtaken by "+x.ID)
			}
		}
	case scim.Unknown:
		from := time.Now()
		// AWS itself has done with a call that it answers; what stands in between may give
		// up while AWS is still at work.
		if resp.Status == 0 || resp.Status == 502 || resp.Status == 504 || resp.Status == 404 {
			x.doubt = true
			from = from.Add(x.tenant.settle)
		} else if c.operation.Is(scim.CreateUser | scim.CreateGroup | scim.PatchGroup) { // AWS's lists show them late
			from = from.Add(x.tenant.settle)
		}
		x.doubts(c, intent, from)
	}
}

// doubts remembers a call of which it isn't known what became, as the log has it, to be
// asked about from some time on. A plain store is not asked, but another write of the
// resource ends the doubt.
func (x *Exchange) doubts(c *call, intent *audit.Record, from time.Time) {
	if c.operation == 0 { // nobody could ask
		return
	}
	d := &inDoubt{intent: *intent, from: from}
	d.intent.Added, d.intent.Removed = apart(intent.Added), apart(intent.Removed)
	if len(c.Body) <= maxUnsettledBody && !x.policy.Plain {
		d.body = bytes.Clone(c.Body)
	}
	x.tenant.unsettled.add(d)
}

// apart are copies that don't hold the document that they stand in.
func apart(list []string) []string {
	list = slices.Clone(list)
	for i := range list {
		list[i] = strings.Clone(list[i])
	}
	return list
}

func needOf(revokes bool) audit.Need {
	if revokes {
		return audit.Vital
	}
	return audit.Ordinary
}
