package proxy

import (
	"github.com/scimgate/scimgate/rules"
	"github.com/scimgate/scimgate/rules/scim"
)

// inspect judges the query and the document by the tenant's policy, and repairs
// the document. It answers with every finding when one of them must be mended by a
// person; but a deactivation goes on alone, whatever else is wrong with the
// profile that it came with.
func (g *Gateway) inspect(x *Exchange) *Reply {
	x.Document = x.Body
	if x.policy.Pass {
		x.Verdict = g.glance(x)
		return nil
	}
	if x.Target.Search && !x.policy.Observe && !x.policy.Plain {
		faults, ok := x.Target.ReadSearch(x.Body)
		if x.found(faults); !ok {
			return closing(x.refuseFindings())
		}
		x.Document = nil
	}
	x.Findings = append(x.Findings, x.policy.Rules.Query(x.Target)...)
	x.maskFindings(0)
	switch {
	case x.Target.Operation.HasBody():
		x.judge(nil)
	case x.policy.Plain && len(x.Body) > 0 && !x.policy.Observe: // it is to have one reading
		var d scim.Document
		if fault, ok := d.Scan(x.Body); !ok {
			x.found([]scim.Fault{fault})
			return closing(x.refuseFindings())
		}
	}
	switch {
	case x.policy.Observe || !x.rejected(0):
		return nil
	case x.Verdict.Unreadable:
		return closing(x.refuseFindings())
	case x.deactivates():
		return nil
	}
	return x.refuseFindings()
}

// glance is all that is looked at under pass: whether a user is activated or deactivated,
// for the list of open deactivations. A fault of the rules, which may be why nothing is to
// be judged, holds nothing up.
func (g *Gateway) glance(x *Exchange) (v rules.Verdict) {
	v.Unreadable = true
	if !x.Target.Operation.Is(scim.ReplaceUser | scim.PatchUser) {
		return v
	}
	defer func() {
		if p := recover(); p != nil {
			g.panicked(x, p)
		}
	}()
	seen := x.policy.Rules.Judge(x.Target, x.Body, nil)
	v.Activates, v.Deactivates = seen.Activates, seen.Deactivates
	return v
}

// judge reads the document, with the resource as AWS has it if that is known. The
// findings of an earlier reading are replaced.
func (x *Exchange) judge(current []byte) {
	before := x.Findings[:len(x.Findings)-len(x.Verdict.Findings)]
	x.Verdict = x.policy.Rules.Judge(x.Target, x.Body, current)
	x.Findings = append(before, x.Verdict.Findings...)
	x.maskFindings(len(before))
	if !x.policy.Observe {
		x.Document = x.Verdict.Document
	}
}

// unmendable tells whether the document as it is would be refused.
func (x *Exchange) unmendable() bool {
	for i := range x.Verdict.Findings {
		if x.Verdict.Findings[i].Disposition == rules.Reject {
			return true
		}
	}
	return false
}
