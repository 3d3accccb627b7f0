package proxy

import (
	"fmt"

	"github.com/scimgate/scimgate/rules"
	"github.com/scimgate/scimgate/rules/scim"
)

// route reads the raw request target: which operation on which resource. All that
// is sent to AWS is written from what it found. Its refusals show the right Base
// URL.
func (g *Gateway) route(x *Exchange) *Reply {
	t, prefix := g.tenantOf(x.RawTarget)
	if t == nil {
		x.found([]scim.Fault{{Kind: scim.UnknownBase}})
		return closing(x.refuse(404, "", "The URL does not begin with a Base URL of the gateway. In Okta: the Base URL is https://HOST/TENANT/scim/v2, HOST being the gateway's own name and TENANT what its operator calls this one, without a slash at the end.", nil))
	}
	x.of(t, prefix)
	target, faults := scim.ParseTarget(x.Method, x.RawTarget, prefix)
	x.Target = target
	if target.Operation == 0 && isMethod[x.Method] {
		switch fault := faults[len(faults)-1].Kind; {
		case unsafe[fault]:
		case x.policy.Plain && fault != scim.UnknownBase: // it is for the store to say
			x.found(faults[:len(faults)-1])
			return nil
		case x.policy.Observe:
			x.found(faults)
			return nil
		}
	}
	if x.found(faults); target.Operation != 0 {
		return nil
	}
	r := x.refuseFindings()
	if r.Status == 404 {
		f := &x.Findings[len(x.Findings)-1]
		r = x.refuse(404, "", fmt.Sprintf("%s. In Okta: the Base URL is https://HOST%s, HOST being the gateway's own name, without a slash at the end. [%s]",
			rules.Sentence(f.Text()), x.tenant.shown, f.ID), nil)
	}
	r.Close = true
	return r
}

// isMethod are the methods that go on under observe; the upstream package sends no
// others.
var isMethod = map[string]bool{"GET": true, "POST": true, "PUT": true, "PATCH": true, "DELETE": true}

// unsafe are the faults of a target for which it is refused under observe as well:
// what is recorded would not be what AWS carries out.
var unsafe = map[scim.Kind]bool{
	scim.DotSegment: true, scim.EncodedSlash: true, scim.ControlCharacter: true, scim.AbsoluteForm: true,
	scim.Fragment: true, scim.BadEncoding: true, scim.TargetTooLong: true,
}
