package proxy

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/scimgate/scimgate/proxy/translate"
	"github.com/scimgate/scimgate/rules/scim"
)

const noRoom = "The gateway has no memory left for AWS's answer beside those that others wait for."

// failed is the reply to a plan that has no answer of AWS to pass on.
func (g *Gateway) failed(x *Exchange, err error) *Reply {
	var incomplete *translate.Incomplete
	if errors.As(err, &incomplete) {
		return g.incomplete(x, incomplete)
	}
	var failure *scim.CallError
	if !errors.As(err, &failure) {
		panic(fmt.Sprintf("BUG: a plan failed with %T", err))
	}
	after := failure.RetryAfter
	switch failure.Reason {
	case scim.PacedOut:
		return x.again(max(after, time.Second), "The gateway is keeping within AWS's rate limits.", failure)
	case scim.Unshown:
		return x.again(max(after, time.Second), "AWS's lists do not show yet who is a member.", failure)
	case scim.Unborn:
		return x.again(max(after, time.Second), "AWS does not show yet what it made a moment ago.", failure)
	case scim.NoRoom:
		return x.again(max(after, time.Second), noRoom, failure)
	case scim.NotRecorded:
		return x.again(max(after, outage), "The gateway cannot write its audit log, so nothing was sent to AWS.", failure)
	case scim.DoneUnlogged:
		return x.again(max(after, outage), "The gateway cannot write its audit log any more; AWS has answered, but it is not recorded.", failure)
	case scim.Fenced:
		return x.again(max(after, time.Second), fencedText(failure), failure)
	case scim.Held:
		note := "the guard of the gateway"
		var held *heldBack
		if errors.As(failure, &held) {
			note = held.note()
		}
		return x.again(after, strings.TrimRight(x.said(scim.HeldBack, note), " "), failure)
	case scim.Unsent:
		return x.again(max(after, outage), "AWS cannot be reached; nothing was sent.", failure)
	}
	text := "AWS gave no complete answer."
	if errors.Is(failure, errNoRoom) { // of a write
		text = noRoom
	}
	if x.writes() {
		text += " Whether the change was made is not known."
	}
	return x.again(max(after, outage), text, failure)
}

// unrecorded is the reply where not even the reply can be recorded.
func (x *Exchange) unrecorded(err error) *Reply {
	if !x.writes() {
		return x.again(outage, "The gateway cannot write its audit log.", err)
	}
	text := "The gateway cannot write its audit log, so nothing was sent to AWS."
	if x.wrote > 0 || x.doubt {
		text = "The gateway cannot write its audit log any more; the change was sent to AWS, but it is not recorded."
	}
	return x.again(outage, text, err)
}

// incomplete is the reply to a plan that was carried out in part, or found that it
// can't be carried out: in full words of what was done. It is final only if AWS has
// refused and nothing is in doubt; then the same request would be refused again.
func (g *Gateway) incomplete(x *Exchange, e *translate.Incomplete) *Reply {
	text := e.Detail
	if e.Kind != 0 {
		text = x.said(e.Kind, e.Note) + text
	}
	var failure *scim.CallError
	status := e.Response.Status
	temporary := errors.As(e.Err, &failure) || status == 429 || status >= 500
	switch {
	case e.Partly && !temporary:
		return g.refused(x, e.Response, text+" ", e)
	case e.Partly:
		text += " The same request again does the rest."
	}
	if failure != nil {
		return x.again(max(failure.RetryAfter, soon), text, e)
	}
	if temporary {
		return x.again(max(e.Response.RetryAfter, soon), text, e)
	}
	status = max(status, 400)
	return x.refuseWith(scim.ErrorDocument{Status: status, ScimType: scimTypes[status], Detail: text, UpstreamStatus: e.Response.Status}, e)
}
