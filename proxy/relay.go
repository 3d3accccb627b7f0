package proxy

import (
	"fmt"
	"strings"
	"time"

	"github.com/scimgate/scimgate/rules"
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
	case resp.Status >= 300 && resp.Status < 400:
		return x.again(outage, fmt.Sprintf("AWS answered with a redirection (%d), which is not followed. Check upstream.url.", resp.Status), nil)
	}
	detail, _, requestID := scim.ReadError(resp.Body)
	if requestID == "" || resp.RequestID != "" {
		requestID = resp.RequestID
	}
	if resp.Status == 401 || resp.Status == 403 {
		g.log.Warn().Str("exchange", x.ID).Int("status", resp.Status).Msg("AWS refuses the token")
	}
	doc := scim.ErrorDocument{
		Status: resp.Status, ScimType: scimTypes[resp.Status], Detail: x.explain(resp.Status, detail, requestID),
		UpstreamStatus: resp.Status, UpstreamRequestID: requestID,
	}
	r := x.refuseWith(doc, nil)
	r.RequestID = requestID
	return r
}

// done is a success. PutUser answers 201 (AWS's example); a client of SCIM expects
// 200 of a replacement (RFC 7644 §3.5.1).
func (x *Exchange) done(resp scim.Response) *Reply {
	status := resp.Status
	if status == 201 && x.Target.Operation.Is(scim.ReplaceUser|scim.ReplaceGroup|scim.PatchUser) {
		status = 200
	}
	return &Reply{Status: status, Body: resp.Body, RequestID: resp.RequestID}
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
	if x.Target.Operation.Is(scim.Writes) {
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

// explain is AWS's refusal in words that help: its own text and request id, and
// what the gateway knows or suspects.
func (x *Exchange) explain(status int, aws, requestID string) string {
	if aws == "" {
		aws = "no text"
	}
	said := fmt.Sprintf("AWS answered %d: %s", status, strings.TrimRight(aws, ". ")+".")
	if requestID != "" {
		said += " AWS request id " + requestID + "."
	}
	switch status {
	case 400:
		return x.suspect() + said
	case 401:
		return "AWS does not accept the token. It is valid for one year, and belongs to the Base URL it was made for: each enabling of provisioning in AWS makes a new URL. " +
			"In IAM Identity Center: Settings, Automatic provisioning, generate a new token; in Okta: paste it as the app's API token. " + said
	case 403:
		return "AWS does not allow this with the token. In IAM Identity Center: check that automatic provisioning is enabled. " + said
	case 404:
		return x.gone() + said
	case 409:
		return x.duplicate() + said
	}
	return said
}

// suspect says what may be behind a refusal that names nothing. What was found and
// let pass comes first.
func (x *Exchange) suspect() string {
	var warned []string
	for i := range x.Findings {
		if f := &x.Findings[i]; f.Disposition == rules.Warn {
			warned = append(warned, f.Text()+" ["+f.ID+"]")
		}
	}
	if len(warned) > 0 {
		return "Suspected: " + strings.Join(warned, "; ") + ". "
	}
	return "No rule of the gateway explains it; AWS support can look it up by the request id. "
}

func (x *Exchange) gone() string {
	switch {
	case x.Target.Operation.Is(scim.Users):
		return "AWS has no user with this id; it was deleted there. In Okta: unassign the user from the app and assign it again. "
	case x.Target.Operation.Is(scim.Groups):
		return "AWS has no group with this id; it was deleted there, or a member is unknown. In Okta: unlink the pushed group and push it again. "
	}
	return ""
}

func (x *Exchange) duplicate() string {
	if x.Target.Operation.Is(scim.Groups) {
		return "A group with this displayName or externalId exists at AWS already; it may have been made by hand or by Control Tower. In Okta: link the push group to it, or rename one of the two. "
	}
	return "A user with this userName, primary e-mail or externalId exists at AWS already; it may have been made by hand. " +
		"In Okta: import the user and link it, or change or delete the one at AWS. "
}
