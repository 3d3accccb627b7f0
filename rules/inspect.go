package rules

import (
	"strings"

	"github.com/scimgate/scimgate/rules/scim"
)

// Request is one HTTP request as it came, for those who judge it away from a
// server.
type Request struct {
	Method string
	Target string   // as in the request line
	Head   []Header // nil if nothing is known of it: then it isn't judged
	Body   []byte
}

// Header is one field of a head.
type Header struct{ Name, Value string }

// Inspect judges a whole request. The findings' spans are places in the text that
// their rules are about: the target for 1xx and 7xx, the field's value for SG13x,
// the body for the rest. target.Operation is 0 if the URL was refused.
func (s *Set) Inspect(r Request, current []byte) (target scim.Target, v Verdict) {
	target, faults := scim.ParseTarget(r.Method, []byte(r.Target), "")
	findings := s.Faults(faults)
	if target.Operation != 0 {
		if r.Head != nil {
			findings = append(findings, s.Faults(headFaults(r, target))...)
		}
		findings = append(findings, s.Query(target)...)
	}
	switch {
	case target.Operation == 0:
		v.Document = r.Body
	case target.Operation.HasBody() && len(r.Body) == 0:
		findings = append(findings, s.Faults([]scim.Fault{{Kind: scim.BodyMissing}})...)
	case target.Operation.HasBody():
		v = s.Judge(target, r.Body, current)
	case len(r.Body) > 0:
		findings = append(findings, s.Faults([]scim.Fault{{Kind: scim.BodyUnexpected, End: len(r.Body)}})...)
	}
	if len(findings) > 0 {
		v.Findings = append(findings, v.Findings...)
		v.sort()
	}
	return target, v
}

// Forwarded is the request as it goes out after a verdict that does not reject:
// of the head, only what AWS needs.
func Forwarded(r Request, target scim.Target, v Verdict) Request {
	out := Request{Method: target.Operation.Method(), Target: string(target.AppendURI([]byte("/scim/v2"))), Body: v.Document}
	if r.Head != nil {
		agent := strings.Join(r.values("User-Agent"), "")
		if agent == "" {
			agent = "scimgate"
		}
		if target.Operation.HasBody() {
			out.Head = append(out.Head, Header{"Content-Type", "application/scim+json"})
		}
		out.Head = append(out.Head, Header{"User-Agent", agent})
		for _, value := range r.values("Authorization") {
			out.Head = append(out.Head, Header{"Authorization", "Bearer " + string(scim.Token([]byte(value)))})
		}
	}
	return out
}

func headFaults(r Request, target scim.Target) []scim.Fault {
	authorization := r.values("Authorization")
	first := strings.Join(authorization[:min(1, len(authorization))], "")
	return scim.HeadFaults(target, len(authorization), []byte(first), []byte(strings.Join(r.values("Content-Type"), ",")),
		strings.Join(r.values("User-Agent"), "") != "")
}

func (r Request) values(name string) (values []string) {
	for _, h := range r.Head {
		if strings.EqualFold(h.Name, name) {
			values = append(values, h.Value)
		}
	}
	return values
}
