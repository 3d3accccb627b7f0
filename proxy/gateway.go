package proxy

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"github.com/valyala/fasthttp"

	"github.com/scimgate/scimgate/proxy/audit"
	"github.com/scimgate/scimgate/proxy/crash"
	"github.com/scimgate/scimgate/proxy/leavers"
	"github.com/scimgate/scimgate/proxy/room"
	"github.com/scimgate/scimgate/proxy/tokens"
	"github.com/scimgate/scimgate/proxy/wire"
	"github.com/scimgate/scimgate/proxy/writer"
	"github.com/scimgate/scimgate/rules/scim"
)

// Gateway is the server. New makes it, Listen binds its addresses, Serve runs it.
type Gateway struct {
	settings Settings
	all      []TenantSettings
	tenants  []*Tenant          // the first is the one of whoever names none
	routes   map[string]*Tenant // by the first part of the path; nil: there is one tenant
	journal  *audit.Journal
	metrics  *metrics
	log      zerolog.Logger

	tls        *tls.Config     // nil if something else does TLS
	allow      networks        // none: all
	proxies    networks        // whose X-Forwarded-For is believed
	adminToken []byte          // nil: the loopback is enough
	strangers  *tokens.Guesses // at the admin listener
	leavers    *leavers.List
	writer     *writer.Writer // among several gateways, or nil
	sent       bool           // what it became last lets something pass; of the writer's goroutine
	mysteries  mysteries
	jobs       *jobs
	room       *room.Room // of large bodies
	answers    answers
	lists      *room.Room // what is kept of them
	unread     *room.Room // of large answers to clients
	scheme     string     // of the URLs by which clients reach it

	server    *fasthttp.Server
	admin     *http.Server
	listener  net.Listener
	adminOn   net.Listener
	ordering  sync.Mutex // held while policies or overrides change
	draining  atomic.Bool
	cutShort  atomic.Bool   // the grace time is over
	hurry     chan struct{} // closed by Hurry
	hurryOnce sync.Once

	lastCheckpoint atomic.Pointer[audit.Checkpoint] // of the audit log, nil before there is one
}

// New opens the audit log and prepares everything; it does not listen yet.
// Diagnostics go to log as JSON lines.
func New(s Settings, p Policy, log io.Writer) (*Gateway, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	s = s.WithDefaults()
	level, err := zerolog.ParseLevel(s.Log.Level)
	if err != nil {
		return nil, fmt.Errorf("log.level %q is not debug, info, warn or error", s.Log.Level)
	}
	g := &Gateway{settings: s, all: s.all(p, s.Audit.Config), hurry: make(chan struct{}), strangers: tokens.NewGuesses(1, 10), log: zerolog.New(zerolog.SyncWriter(log)).Level(level).With().Timestamp().Logger()}
	if g.tenants, err = newTenants(g.all); err != nil {
		return nil, err
	}
	g.routes = routes(g.tenants)
	if g.tls, err = s.Listen.tlsConfig(&g.log); err != nil {
		return nil, fmt.Errorf("listen.cert_file: %w", err)
	}
	if g.allow, err = parseNetworks(s.Listen.Allow); err != nil {
		return nil, fmt.Errorf("listen.allow: %w", err)
	}
	if g.proxies, err = parseNetworks(s.Listen.TrustedProxies); err != nil {
		return nil, fmt.Errorf("listen.trusted_proxies: %w", err)
	}
	if s.Admin.TokenFile != "" {
		if g.adminToken, err = readSecret(s.Admin.TokenFile); err != nil {
			return nil, fmt.Errorf("admin.token_file: %w", err)
		}
	}
	auditing := s.Audit
	auditing.Told = g.checkpoint
	if g.journal, err = audit.Open(auditing); err != nil {
		return nil, fmt.Errorf("audit.file: %w", err)
	}
	if g.leavers, err = leavers.Open(beside(s.Audit.File, ".leavers")); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot open the list of open deactivations: %w", err), g.journal.Close())
	}
	for _, t := range g.tenants {
		if t.seen, err = tokens.OpenSeen(beside(s.Audit.File, "."+t.name+".tokens")); err != nil {
			return nil, errors.Join(err, g.leavers.Close(), g.journal.Close())
		}
		g.keepHeld(t, t.guard.Recall(beside(s.Audit.File, "."+t.name+".guard")))
	}
	if err = g.joinOthers(); err != nil {
		return nil, errors.Join(fmt.Errorf("replicas: %w", err), g.leavers.Close(), g.journal.Close())
	}
	for _, t := range g.tenants {
		if t.keeper != nil {
			t.keeper.Tell(func(err error) { g.tokensChanged(t, err) })
		}
	}
	g.recall()
	g.makeRooms()
	g.scheme = "http"
	if s.Listen.TLSTerminatedInFront || s.Listen.CertFile != "" {
		g.scheme = "https"
	}
	g.metrics = newMetrics(g)
	g.server = g.newServer()
	return g, nil
}

// newServer is the one for clients.
func (g *Gateway) newServer() *fasthttp.Server {
	s := g.settings.Listen
	return &fasthttp.Server{
		Name: "scimgate", NoDefaultDate: false, NoDefaultContentType: true,
		Handler:            g.handle,
		ErrorHandler:       g.handleMisread,
		ExpectHandler:      g.expect,
		ReadBufferSize:     s.MaxHeadBytes,
		MaxRequestBodySize: s.MaxBodyBytes,
		ReadTimeout:        s.ReadTimeout,
		WriteTimeout:       30 * time.Second,
		IdleTimeout:        s.IdleTimeout,
		// The listener is the bound. The library's own counts connections that are closed and
		// not yet forgotten as well, and beyond it answers in plain text.
		Concurrency:                  1 << 20,
		CloseOnShutdown:              true,
		ReduceMemoryUsage:            true,
		DisablePreParseMultipartForm: true,
		SecureErrorLogMessage:        true,
		Logger:                       serverLog{&g.log},
	}
}

// makeRooms makes what exchanges share.
func (g *Gateway) makeRooms() {
	how := room.Manner(0)
	if len(g.tenants) > 1 {
		how = room.Shared
	}
	g.room, g.unread = room.New(int64(g.settings.Listen.MaxBodiesBytes), roomWait, how), room.New(maxUnread, roomWait, how)
	g.answers, g.lists = newAnswers(how), room.New(maxKeptLists, 0, how|room.Reserved)
	g.jobs = newJobs(how)
}

// roomWait is how long a large body, or a large answer of AWS, waits for room.
const roomWait = 10 * time.Second

// beside is a file that stands beside the audit log; without one what it would hold is in
// memory alone.
func beside(audit, suffix string) string {
	if audit == "-" {
		return ""
	}
	return audit + suffix
}

// pathOf is the path of a URL without a slash at its end.
func pathOf(url string) string {
	_, rest, _ := strings.Cut(url, "://")
	if slash := strings.IndexByte(rest, '/'); slash >= 0 {
		return strings.TrimRight(rest[slash:], "/")
	}
	return ""
}

// serverLog keeps of the HTTP library's messages that there was one: their texts
// may quote a header with a token in it.
type serverLog struct{ to *zerolog.Logger }

func (l serverLog) Printf(string, ...any) { l.to.Debug().Msg("a connection ended with an error") }

// handle serves one request.
func (g *Gateway) handle(ctx *fasthttp.RequestCtx) {
	x := g.beginRequest(ctx)
	defer g.contain(x, ctx)
	defer x.leave() // the lane is held until the answer is recorded
	g.answer(x, ctx, g.held(x, g.walk(x, ctx)))
}

func (g *Gateway) beginRequest(ctx *fasthttp.RequestCtx) *Exchange {
	x := g.begin()
	x.from(ctx.RemoteIP())
	x.conn = ctx.Conn()
	x.Method = string(ctx.Method())
	x.RawTarget = ctx.Request.Header.RequestURI()
	x.presented = presentedIn(ctx.Request.Header.Peek("Authorization"))
	return x
}

// contain keeps a panic behind the stages, where not even an error can be answered
// in the usual way, from ending the process.
func (g *Gateway) contain(x *Exchange, ctx *fasthttp.RequestCtx) {
	if p := recover(); p != nil {
		g.panicked(x, p)
		r := x.refuse(500, "", "The gateway itself is at fault; its log has the exchange id.", nil)
		ctx.Response.Reset()
		ctx.Response.SetStatusCode(r.Status)
		ctx.Response.Header.SetContentType("application/scim+json")
		ctx.Response.SetBodyRaw(r.Body)
		ctx.SetConnectionClose()
	}
}

// panicked tells of a fault of ours, without the values that it may quote.
func (g *Gateway) panicked(x *Exchange, p any) {
	g.metrics.panics.Inc()
	g.log.Error().Str("exchange", x.ID).Str("kind", fmt.Sprintf("%T", p)).Bytes("stack", debug.Stack()).Msg("panic")
	if err := g.journal.Notice(audit.EventPanic, &audit.Record{Exchange: x.ID}); err != nil {
		g.log.Error().Err(err).Msg("cannot record a panic")
	}
}

// handleMisread serves one that the library could not read; one that was refused by its
// bytes has had its answer and its record.
func (g *Gateway) handleMisread(ctx *fasthttp.RequestCtx, err error) {
	if wire.Refused(ctx.Conn()) {
		return
	}
	x := g.begin()
	x.from(ctx.RemoteIP())
	defer g.contain(x, ctx)
	ctx.Response.Reset()
	g.answer(x, ctx, x.misread(err))
}

// walk takes an exchange through the stages.
func (g *Gateway) walk(x *Exchange, ctx *fasthttp.RequestCtx) *Reply {
	return g.contained(x, func() *Reply { return g.stages(x, ctx) })
}

// contained makes a 500 of a panic: one request must not stop provisioning.
func (g *Gateway) contained(x *Exchange, run func() *Reply) (r *Reply) {
	defer func() {
		if p := recover(); p != nil {
			g.panicked(x, p)
			x.doubt = x.Calls > 0 // what became of its calls isn't known any more
			text := "The gateway itself is at fault; its log has the exchange id."
			if x.doubt {
				text += " Whether the change was made is not known."
			}
			cause := fmt.Errorf("panic: %T", p)
			g.watchLeavers(x, scim.Response{}, cause)
			r = closing(x.refuse(500, "", text, cause))
		}
	}()
	return run()
}

func (g *Gateway) stages(x *Exchange, ctx *fasthttp.RequestCtx) *Reply {
	crash.At(crash.InHandler)
	// The way of every exchange, in order; local, since a package variable that its
	// own stages can reach is an initialisation cycle.
	stages := [...]func() *Reply{
		func() *Reply { return g.route(x) },
		func() *Reply { return g.admit(x, ctx) },
		func() *Reply { return g.inspect(x) },
		func() *Reply { return g.perform(x) },
	}
	for _, stage := range stages {
		if r := stage(); r != nil {
			return r
		}
	}
	panic("BUG: no stage answered")
}

// answer records what the client is told, then tells it.
func (g *Gateway) answer(x *Exchange, ctx *fasthttp.RequestCtx, r *Reply) {
	crash.At(crash.BeforeAnswer)
	if err := g.record(x, r); err != nil {
		g.log.Error().Err(err).Str("exchange", x.ID).Msg("cannot record an answer")
		r = x.unrecorded(err)
	}
	crash.At(crash.AfterAnswer)
	resp := &ctx.Response
	resp.SetStatusCode(r.Status)
	h := &resp.Header
	if len(r.Body) > 0 {
		contentType := "application/scim+json"
		if r.contentType != "" {
			contentType = r.contentType
		}
		h.SetContentType(contentType)
		resp.SetBodyRaw(r.Body)
	}
	g.judgeToken(x)
	g.settleWith(x)
	h.Set("X-Scimgate-Exchange", x.ID)
	if x.RequestID != "" {
		h.Set("X-Request-Id", x.RequestID)
	}
	if r.RequestID != "" {
		h.Set("X-Amzn-RequestId", r.RequestID)
	}
	if r.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(r.RetryAfter/time.Second)))
	}
	if r.location != "" {
		h.Set("Location", r.location)
	}
	if r.etag != "" {
		h.Set("ETag", r.etag)
	}
	if r.Status == http.StatusMethodNotAllowed {
		h.Set("Allow", strings.Join(scim.Methods(x.RawTarget, x.prefix), ", "))
	}
	if len(x.Findings) > 0 && r.Status < 300 {
		h.Set("X-Scimgate-Findings", findingsHeader(x.Findings))
	}
	if r.Close || g.draining.Load() {
		ctx.SetConnectionClose()
	}
	took := time.Since(x.Began)
	g.metrics.answered(x.tenant.name, x.Target.Operation, r.Status, took)
	g.metrics.found(x.Findings)
	g.line(x, r, took)
}

// line is the exchange's one line in the log.
func (g *Gateway) line(x *Exchange, r *Reply, took time.Duration) {
	e := g.log.Info()
	switch {
	case r.Cause != nil && r.Status >= 500:
		e = g.log.Error()
	case r.Cause != nil:
		e = g.log.Warn()
	}
	if e == nil {
		return
	}
	e.Str("exchange", x.ID).Str("op", x.Target.Operation.String()).Str("resource", x.masked(x.Target.Resource())).
		Str("client", x.Client).Int("status", r.Status).Int("calls", x.Calls).Dur("took", took).Dur("waited", x.waited)
	if len(x.Findings) > 0 {
		e.Strs("findings", ids(x.Findings))
	}
	if r.Cause != nil {
		e.AnErr("cause", r.Cause)
	}
	e.Msg("exchange")
}

// ReopenAudit begins another segment of the audit log, under its name: for logs that
// are moved away by something else, such as logrotate.
func (g *Gateway) ReopenAudit() {
	if err := g.journal.Reopen(); err != nil {
		g.log.Error().Err(err).Msg("cannot reopen the audit log")
		return
	}
	g.log.Info().Msg("the audit log is reopened")
}

// checkpoint tells the log of one of the audit log, where a tail that was cut off the
// file is seen.
func (g *Gateway) checkpoint(c audit.Checkpoint, err error) {
	if err != nil {
		g.log.Error().Err(err).Msg("a checkpoint cannot be kept: audit.checkpoint_file")
	}
	g.lastCheckpoint.Store(&c)
	g.log.Info().Uint64("seq", c.Seq).Str("hash", c.Hash).Str("key", c.Key).Str("sig", c.Sig).Msg("checkpoint of the audit log")
}
