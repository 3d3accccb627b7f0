package proxy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/scimgate/scimgate/proxy/audit"
	"github.com/scimgate/scimgate/proxy/guard"
	"github.com/scimgate/scimgate/proxy/translate"
	"github.com/scimgate/scimgate/proxy/writer"
	"github.com/scimgate/scimgate/rules/scim"
)

// joinOthers makes the gateway one of several, if it is to be.
func (g *Gateway) joinOthers() (err error) {
	if !g.settings.Replicas.On() {
		return nil
	}
	settle := time.Duration(0)
	for _, st := range g.stores() {
		settle = max(settle, st.settle)
		st.budgets.Scale(g.settings.Replicas.Share())
	}
	g.writer, err = writer.Open(g.settings.Replicas, settle, beside(g.settings.Audit.File, ".writer"), g.becomes)
	return err
}

// amongOthers begins to be one of several; leave ends it, and lets another take over.
func (g *Gateway) amongOthers() (leave func()) {
	if g.writer == nil {
		return func() {}
	}
	ctx, end := context.WithCancel(context.Background())
	left := make(chan struct{})
	go func() {
		defer close(left)
		g.writer.Run(ctx)
	}()
	return func() {
		end()
		<-left
	}
}

// becomes takes in what the gateway is among the others from now on.
func (g *Gateway) becomes(to writer.State, supplanted bool) error {
	var faults error
	if supplanted {
		faults = g.supplanted()
	}
	part := g.settings.Replicas.Share()
	if to.Full {
		part = 1
	}
	sends := to.Role == writer.Writing || to.Role == writer.Alone
	for _, st := range g.stores() {
		if st.budgets.Scale(part); sends && !g.sent { // another may have spent as much a moment ago
			st.budgets.Empty()
		}
	}
	g.sent = sends
	rec := &audit.Record{Findings: []string{to.Role.String()}}
	if to.Role == writer.Writing {
		rec.Fence = to.Fence
	}
	if supplanted {
		rec.Findings = append(rec.Findings, "another may have written meanwhile")
	}
	event := audit.EventWriter
	if to.Role == writer.Alone {
		event = audit.EventDegraded
	}
	if err := g.journal.Notice(event, rec); err != nil {
		g.log.Error().Err(err).Msg("cannot record what this gateway is among the others")
	}
	g.log.Warn().Str("role", to.Role.String()).Uint64("fence", to.Fence).Str("writes", to.Other).Float64("pace", part).Bool("supplanted", supplanted).AnErr("redis", to.Err).
		Msg("what this gateway is among the others has changed")
	return faults
}

// supplanted drops what is true only while nobody else writes. Deactivations that are open
// here may have been followed by an activation there, so that they wait for a person.
func (g *Gateway) supplanted() error {
	err := g.leavers.Hold()
	if err != nil {
		g.log.Error().Err(err).Msg("cannot keep the list of open deactivations")
	}
	g.jobs.forget()
	for _, t := range g.tenants {
		t.guard.Release(guard.Deactivations, 0) // what was released is not what is held now
	}
	for _, st := range g.stores() {
		st.memory.Forget()
		st.inactive.clear()
	}
	for _, t := range g.tenants {
		for _, d := range t.unsettled.all() {
			g.tellSettled(t, d, translate.Untold, "another gateway may have written meanwhile")
		}
	}
	return err
}

// mayCall tells whether an exchange may send something to AWS now: the gateway may be one of
// several, of which another does, and what was begun before another may have written isn't
// carried on, since a plan may have read what is not so any more. The error is a
// *scim.CallError.
func (g *Gateway) mayCall(x *Exchange, write bool) error {
	if g.writer == nil {
		return nil
	}
	err := g.writer.May(write || x.writes()) // a change that finds nothing to do is told as done
	if err == nil && g.epoch() != x.epoch {
		err = &writer.Refused{Role: writer.Writing, RetryAfter: soon}
	}
	return fenced(err)
}

// leaves is asked right before the first byte of a call leaves, which may have waited for its
// budget since it was announced; nil: there is one gateway.
func (g *Gateway) leaves(x *Exchange, c *call) func() error {
	if g.writer == nil {
		return nil
	}
	return func() error {
		if err := g.mayCall(x, c.Write); err != nil || !c.Write {
			return err
		}
		if x.only != nil && !x.only() { // another may have written while it waited
			return &writer.Refused{Role: writer.Writing, RetryAfter: soon}
		}
		return g.writer.Leaves(c.announced)
	}
}

// undisturbed tells whether nobody else writes, as far as can be known: only then the
// gateway does something that nobody asks it for now.
func (g *Gateway) undisturbed() bool {
	if g.writer == nil {
		return true
	}
	s := g.writer.State()
	return s.Role == writer.Writing && s.Full && !time.Now().Before(s.From)
}

// fenced is the error of a call of which the writer says that it may not be sent, or nil.
func fenced(err error) error {
	var refused *writer.Refused
	if !errors.As(err, &refused) {
		return nil
	}
	return &scim.CallError{Reason: scim.Fenced, RetryAfter: refused.RetryAfter, Err: err}
}

// underLease marks the intent of a write with the lease under which it is sent, and
// returns the state in which that is so.
func (g *Gateway) underLease(rec *audit.Record) (s writer.State) {
	if g.writer == nil {
		return s
	}
	switch s = g.writer.State(); s.Role {
	case writer.Writing:
		rec.Fence = s.Fence
	case writer.Alone:
		rec.Event = audit.EventDegraded
	}
	return s
}

// epoch is the present one, in which an exchange begins.
func (g *Gateway) epoch() uint64 {
	if g.writer == nil {
		return 0
	}
	return g.writer.State().Epoch
}

// fencedText is what a client is told that has come to a gateway which may not send.
func fencedText(failure *scim.CallError) string {
	var refused *writer.Refused
	if !errors.As(failure, &refused) {
		panic("BUG: a call is fenced off, and nobody has refused it")
	}
	switch refused.Role {
	case writer.Standby:
		return fmt.Sprintf("This gateway stands by, and %q is the one that writes. Nothing was sent. If this lasts, look at the load balancer: /readyz tells it where requests belong.", refused.Other)
	case writer.Unsure:
		return "It is not known at the moment which of the gateways is the one that writes. Nothing was sent."
	}
	return "This gateway has taken over from another, and waits until what that may have sent is over. Nothing was sent."
}

// standsBy tells whether another gateway is known to take the requests, for readiness. While
// it isn't known who does, a client is better told to come again than to be left to the load
// balancer, which answers in HTML.
func (g *Gateway) standsBy() (status int, text string, is bool) {
	if g.writer == nil {
		return 0, "", false
	}
	s := g.writer.State()
	return http.StatusServiceUnavailable, fmt.Sprintf("standing by: %q writes", s.Other), s.Role == writer.Standby
}

// replicaState is what the gateway is among the others, for people.
func (g *Gateway) replicaState() string {
	s := g.writer.State()
	text := s.Role.String()
	switch {
	case s.Role == writer.Standby:
		text += fmt.Sprintf(", %q writes", s.Other)
	case s.Role == writer.Writing:
		text += fmt.Sprintf(" under lease %d", s.Fence)
		if !s.Full {
			text += ", with its part of the pace; open deactivations wait: not all others are heard of"
		}
	}
	if wait := time.Until(s.From); wait > 0 && s.Role >= writer.Writing {
		text += fmt.Sprintf(", writes in %s", wait.Round(time.Second))
	}
	if s.Err != nil {
		text += ": " + s.Err.Error()
	}
	return text
}

// ofReplicas are the numbers of what the gateway is among others.
func (m *metrics) ofReplicas(g *Gateway) {
	if g.writer == nil {
		return
	}
	m.registry.MustRegister(
		gauge("scimgate_writer", "1 while this gateway is the one of several that writes; 0.5 while it goes on alone, without Redis.", nil, g.writing),
		gauge("scimgate_writer_fence", "The number of the last lease that this gateway had.", nil, func() float64 { return float64(g.writer.State().Fence) }))
}

// writing is what the gateway is among the others, as a number.
func (g *Gateway) writing() float64 {
	switch g.writer.State().Role {
	case writer.Writing:
		return 1
	case writer.Alone:
		return 0.5
	}
	return 0
}
