package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/scimgate/scimgate/proxy/wire"
	"github.com/scimgate/scimgate/rules/scim"
)

// head is what the gateway reads of a request's head, from the bytes as they
// came: the HTTP library would show one of two readings.
type head struct {
	authorization, contentType, encoding []byte
	userAgent, requestID, host           []byte
	forwarded                            []byte // X-Forwarded-For
	ifMatch, ifNoneMatch                 []byte
	authorizations, userAgents           int
	body                                 bool // Content-Length or Transfer-Encoding announces one
	fault                                string
}

// once are the fields of which a second one would be another reading.
var once = [...]string{"host", "content-length", "transfer-encoding", "content-type", "content-encoding", "authorization", "if-match", "if-none-match"}

// readHead reads the header block between the request line and the empty line. That
// its lines are sound has been seen as they arrived (package wire).
func readHead(raw []byte) (h head) {
	var seen [len(once)]bool
	for len(raw) > 0 {
		end := bytes.IndexByte(raw, '\n')
		if end < 0 {
			break
		}
		line := raw[:end]
		raw = raw[end+1:]
		line = bytes.TrimSuffix(line, []byte("\r"))
		colon := bytes.IndexByte(line, ':')
		if colon <= 0 {
			break
		}
		name, value := line[:colon], bytes.Trim(line[colon+1:], " \t")
		if i := field(name); i >= 0 {
			if seen[i] && once[i] != "authorization" {
				h.fault = "the header " + once[i] + " stands there twice"
				return h
			}
			seen[i] = true
		}
		h.take(name, value)
	}
	return h
}

func field(name []byte) int {
	for i, f := range once {
		if len(name) == len(f) && bytes.EqualFold(name, []byte(f)) {
			return i
		}
	}
	return -1
}

func (h *head) take(name, value []byte) {
	is := func(field string) bool { return len(name) == len(field) && bytes.EqualFold(name, []byte(field)) }
	switch {
	case is("authorization"):
		h.authorization = value
		h.authorizations++
	case is("user-agent"):
		h.userAgent = value
		h.userAgents++
	case is("content-type"):
		h.contentType = value
	case is("content-encoding"):
		h.encoding = value
	case is("host"):
		h.host = value
		if !isHost(value) {
			h.fault = "the header host is no host"
		}
	case is("x-forwarded-for"): // several are one list
		if h.forwarded != nil {
			value = append(append(bytes.Clone(h.forwarded), ','), value...)
		}
		h.forwarded = value
	case is("if-match"):
		h.ifMatch = value
	case is("if-none-match"):
		h.ifNoneMatch = value
	case is("x-request-id"):
		h.requestID = value
	case is("content-length"):
		h.body = h.body || len(bytes.Trim(value, "0")) > 0
	case is("transfer-encoding"):
		h.body = true
	}
}

// isHost tells whether a text can be a host with a port (RFC 9112 §3.2): what a parser
// could take apart in two ways is none.
func isHost(text []byte) bool {
	for _, c := range text {
		if c <= ' ' || c >= 0x7f || bytes.IndexByte([]byte(`"/<>?@\^`+"`{|}#"), c) >= 0 {
			return false
		}
	}
	return true
}

// maxRequestID bounds the client's own id that is echoed and recorded.
const maxRequestID = 128

// admit asks whether the request is HTTP that every parser reads alike, and who
// sends it. Each of its refusals closes the connection.
func (g *Gateway) admit(x *Exchange, ctx *fasthttp.RequestCtx) *Reply {
	before := len(x.Findings) // those of route were let through under observe
	if r := g.admitHead(x, ctx); r != nil {
		return closing(r)
	}
	x.Body = ctx.Request.Body()
	if wantsBody(x.Target) && len(x.Body) == 0 {
		x.found([]scim.Fault{{Kind: scim.BodyMissing}})
	}
	if x.rejected(before) {
		return closing(x.refuseFindings())
	}
	return nil
}

// admitHead asks it of the head alone.
func (g *Gateway) admitHead(x *Exchange, ctx *fasthttp.RequestCtx) *Reply {
	h := readHead(ctx.Request.Header.RawHeaders())
	x.UserAgent = string(h.userAgent)
	x.Host = string(h.host)
	x.ifMatch, x.ifNoneMatch = string(h.ifMatch), string(h.ifNoneMatch)
	x.address = clientOf(x.peer, h.forwarded, g.proxies)
	x.Client = x.address.String()
	if len(g.allow) > 0 && !g.allow.has(x.address) {
		return x.refuse(403, "", "The gateway takes no requests from this address (listen.allow).", nil)
	}
	if len(h.requestID) <= maxRequestID {
		x.RequestID = x.masked(string(h.requestID))
	}
	if h.fault != "" {
		return x.unsound(h.fault)
	}
	if len(h.encoding) > 0 && !bytes.EqualFold(h.encoding, []byte("identity")) {
		return x.refuse(415, "", "The body is compressed. AWS takes none, and so it is not opened here; the client has to send it as it is.", nil)
	}
	before := len(x.Findings)
	x.found(scim.HeadFaults(x.Target, h.authorizations, h.authorization, h.contentType, h.userAgents > 0 && len(h.userAgent) > 0))
	x.Token = scim.Token(h.authorization)
	if r := g.authenticate(x); r != nil {
		return r
	}
	if h.body && !wantsBody(x.Target) && (x.Target.Operation != 0 || x.Method == "GET") { // of others nothing is known under observe
		x.found([]scim.Fault{{Kind: scim.BodyUnexpected}})
	}
	if x.rejected(before) || x.Token == nil {
		return x.refuseFindings()
	}
	return nil
}

// expect answers a client that asks before it sends a body (RFC 9110 §10.1.1): with 100,
// or with the refusal that it would get anyway.
func (g *Gateway) expect(ctx *fasthttp.RequestCtx) int {
	x := g.beginRequest(ctx)
	r := g.contained(x, func() *Reply {
		if r := g.route(x); r != nil {
			return r
		}
		if r := g.admitHead(x, ctx); r != nil {
			return closing(r)
		}
		if ctx.Request.Header.ContentLength() > g.settings.Listen.MaxBodyBytes {
			return x.misread(fasthttp.ErrBodyTooLarge)
		}
		return nil
	})
	if r == nil {
		return http.StatusContinue
	}
	g.answer(x, ctx, r)
	return r.Status
}

func wantsBody(t scim.Target) bool { return t.Operation.HasBody() || t.Search }

func closing(r *Reply) *Reply {
	r.Close = true
	return r
}

// misread answers a request that could not even be read as HTTP. What the library
// says of it may quote it, so only its kind is told.
func (x *Exchange) misread(err error) *Reply {
	var small *fasthttp.ErrSmallBuffer
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		return closing(x.refuse(413, "tooMany", "The body is larger than the gateway takes (listen.max_body_bytes).", nil))
	case errors.As(err, &small):
		return closing(x.refuse(431, "", "The request's headers are larger than the gateway takes (listen.max_head_bytes).", nil))
	case errors.As(err, &timeout) && timeout.Timeout():
		return closing(x.refuse(408, "", "The request did not arrive in time.", nil))
	}
	return closing(x.refuse(400, "invalidSyntax", "The request is not sound HTTP. Look for a proxy in between that changes requests.", nil))
}

// unsound refuses what two parsers could read differently.
func (x *Exchange) unsound(fault string) *Reply {
	return x.refuse(400, "invalidSyntax", "The request is not sound HTTP: "+fault+". Look for a proxy in between that changes requests.", nil)
}

// refuseBytes is the last answer on a connection whose bytes are not sound HTTP.
func (g *Gateway) refuseBytes(fault wire.Fault, peer net.Addr) []byte {
	x := g.begin()
	if tcp, ok := peer.(*net.TCPAddr); ok {
		x.address = tcp.AddrPort().Addr().Unmap()
		x.Client = x.address.String()
	}
	r := closing(x.unsound(fault.String()))
	switch fault {
	case wire.NoRoom:
		r = closing(x.again(soon, "The gateway is at work on as many large requests as it has memory for (listen.max_bodies_bytes).", nil))
	case wire.Crowded:
		r = closing(x.again(soon, "Too many connections are open from this address (listen.max_conns_per_address).", nil))
	}
	if err := g.record(x, r); err != nil {
		g.log.Error().Err(err).Str("exchange", x.ID).Msg("cannot record an answer")
	}
	took := time.Since(x.Began)
	g.metrics.answered(x.tenant.name, 0, r.Status, took)
	g.line(x, r, took)
	head := fmt.Sprintf("HTTP/1.1 %d %s\r\nContent-Type: application/scim+json\r\nContent-Length: %d\r\nX-Scimgate-Exchange: %s\r\nConnection: close\r\n",
		r.Status, http.StatusText(r.Status), len(r.Body), x.ID)
	if r.RetryAfter > 0 {
		head += fmt.Sprintf("Retry-After: %d\r\n", int(r.RetryAfter/time.Second))
	}
	return append([]byte(head+"\r\n"), r.Body...)
}
