package proxy

import (
	"fmt"
	"strings"
	"time"

	"github.com/scimgate/scimgate/rules"
	"github.com/scimgate/scimgate/rules/scim"
)

// Reply is what the client gets.
type Reply struct {
	Status     int
	Body       []byte        // SCIM JSON, or nil
	RetryAfter time.Duration // sent in whole seconds if above 0
	RequestID  string        // of AWS, "" if it wasn't asked
	Close      bool          // the connection is not to be used again
	Cause      error         // for the operator's log, never for the client

	location    string // of a resource that was made, "" if it isn't told
	etag        string // of a plain store
	contentType string // of the body as AWS sent it, under observe; "" is SCIM's
}

// refuse makes an error reply; nothing else does. detail is for the person in the
// client's console: what is wrong and what to do. cause is for the operator.
func (x *Exchange) refuse(status int, scimType, detail string, cause error) *Reply {
	return x.refuseWith(scim.ErrorDocument{Status: status, ScimType: scimType, Detail: detail}, cause)
}

// refuseWith makes an error reply of a document, to which it adds the exchange and
// its findings.
func (x *Exchange) refuseWith(doc scim.ErrorDocument, cause error) *Reply {
	doc.Exchange = x.ID
	doc.Detail = x.masked(doc.Detail) + " " + x.ID
	doc.UpstreamRequestID = x.masked(doc.UpstreamRequestID)
	for i := range x.Findings {
		f := &x.Findings[i]
		doc.Findings = append(doc.Findings, scim.ErrorFinding{Rule: f.ID, Path: f.Path, Fix: f.Advice()})
	}
	return &Reply{Status: doc.Status, Body: doc.Append(nil), Cause: cause, RequestID: doc.UpstreamRequestID}
}

// refuseFindings answers with the findings that reject, worst first. The status is
// that of the first one's rule.
func (x *Exchange) refuseFindings() *Reply {
	first := x.Findings[0]
	for _, f := range x.Findings {
		if f.Disposition == rules.Reject {
			first = f
			break
		}
	}
	status, scimType := first.Reply()
	return x.refuse(status, scimType, rules.Detail(x.Findings), nil)
}

// again tells the client to come back: the status that it repeats by itself, and
// when.
func (x *Exchange) again(after time.Duration, detail string, cause error) *Reply {
	after = max((after + time.Second - 1).Truncate(time.Second), time.Second)
	r := x.refuse(x.tenant.retryStatus, "", fmt.Sprintf("%s Nothing to do: it is tried again in %d s.", detail, int(after/time.Second)), cause)
	r.RetryAfter = after
	return r
}

// maxFindingsHeader bounds the header that names findings on a success.
const maxFindingsHeader = 2048

// findingsHeader names findings: "SG304 repair displayName, SG310 repair title".
// Paths can hold what a client sent, so only printable ASCII passes.
func findingsHeader(findings []rules.Finding) string {
	var b strings.Builder
	for i := range findings {
		text := findings[i].String()
		if b.Len()+len(text) > maxFindingsHeader {
			fmt.Fprintf(&b, ", and %d more", len(findings)-i)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		for _, c := range []byte(text) {
			if c < ' ' || c > '~' || c == ',' {
				c = '?'
			}
			b.WriteByte(c)
		}
	}
	return b.String()
}

// ids are findings as logs and records have them.
func ids(findings []rules.Finding) []string {
	list := make([]string, len(findings))
	for i := range findings {
		list[i] = findings[i].String()
	}
	return list
}
