package proxy

import (
	"fmt"
	"time"

	"github.com/scimgate/scimgate/rules/scim"
)

// How long a client is told to wait when nothing better is known. Okta doubles it
// each time and gives up after ten.
const (
	soon    = 5 * time.Second  // our own pacing
	outage  = 30 * time.Second // the upstream is down or failing
	maximum = 300 * time.Second
)

// relay makes AWS's answer one that the client understands: a refusal is explained
// and keeps AWS's own words and request id; what can be tried again becomes the
// status that the client tries again.
func (g *Gateway) relay(x *Exchange, resp scim.Response) *Reply {
	switch {
	case resp.OK():
		return x.done(resp)
	case resp.Status == 429:
		return x.throttled(resp)
	case resp.Status >= 500:
		return x.failing(resp)
	}
	return g.refused(x, resp, "", nil)
}

// refused is any other answer that is no success, behind words of what was done before.
func (g *Gateway) refused(x *Exchange, resp scim.Response, before string, cause error) *Reply {
	switch {
	case resp.Status >= 300 && resp.Status < 400:
		return x.again(outage, before+fmt.Sprintf("AWS answered with a redirection (%d), which is not followed. Check upstream.url.", resp.Status), cause)
	case resp.Status == 401 && x.tenant.keeper != nil: // the client's own token is right
		g.log.Error().Str("exchange", x.ID).Msg("AWS refuses the token that the gateway holds: tokens.upstream")
		return x.again(outage, before+"AWS does not accept the token that the gateway holds; its operator has been told.", cause)
	}
	detail, _, requestID := scim.ReadError(resp.Body)
	if requestID == "" || resp.RequestID != "" {
		requestID = resp.RequestID
	}
	detail, requestID = x.masked(detail), x.masked(requestID)
	doc := scim.ErrorDocument{
		Status: resp.Status, ScimType: scimTypes[resp.Status], Detail: before + g.explain(x, resp, detail, requestID),
		UpstreamStatus: resp.Status, UpstreamRequestID: requestID,
	}
	return x.refuseWith(doc, cause)
}

func (x *Exchange) throttled(resp scim.Response) *Reply {
	after := resp.RetryAfter
	if after <= 0 {
		after = soon
	}
	r := x.again(min(after, maximum), "AWS is throttling this identity store.", nil)
	r.RequestID = resp.RequestID
	return r
}

// failing is a 5xx. Of a write it isn't known whether it was carried out.
func (x *Exchange) failing(resp scim.Response) *Reply {
	after := outage
	if resp.RetryAfter > 0 {
		after = min(resp.RetryAfter, maximum)
	}
	text := fmt.Sprintf("AWS failed with status %d.", resp.Status)
	if x.writes() {
		text += " Whether the change was made is not known."
	}
	if resp.RequestID != "" {
		text += " AWS request id " + resp.RequestID + "."
	}
	r := x.again(after, text, nil)
	r.RequestID = resp.RequestID
	return r
}

var scimTypes = map[int]string{400: "invalidValue", 409: "uniqueness"}
