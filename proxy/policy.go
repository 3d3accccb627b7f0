package proxy

import (
	"errors"
	"strings"

	"github.com/scimgate/scimgate/proxy/translate"
	"github.com/scimgate/scimgate/rules"
	"github.com/scimgate/scimgate/rules/scim"
)

// Policy is how documents are treated. It is immutable.
type Policy struct {
	Config  string // hash of the configuration that it is of, for records; set by the gateway
	Rules   *rules.Set
	Observe bool // judge, but forward everything as it came
	Pass    bool // of Observe: don't judge; who is activated or deactivated is seen all the same
	Plain   bool // the upstream is a plain store of RFC 7644: nothing is translated
	Limits  translate.Limits

	Adopt             bool // a create of what AWS has under the same name takes that, unless its externalId contradicts
	DeactivateInstead bool // of deleting users
	ListMembers       bool // fill in the members of groups in lists as well

	// With compiles the rules with one rule's disposition changed, for an override;
	// nil if that can't be.
	With func(rule string, d rules.Disposition) (*rules.Set, error)

	// Discovery are the documents that tell what the gateway can do: the list of
	// schemas, of resource types, and the service provider's configuration.
	Discovery map[scim.Operation][]byte
}

// overriddenBy is the policy with an order in force: "observe", "pass" to not even judge, or
// a rule as in "SG401=off".
func (p Policy) overriddenBy(what string) (*Policy, error) {
	id, word, single := strings.Cut(what, "=")
	switch {
	case what == "observe":
		p.Observe = true
	case what == "pass":
		p.Observe, p.Pass = true, true
	case single && p.With != nil:
		d, ok := rules.ParseDisposition(word)
		if !ok {
			return nil, errors.New("a rule is set to off, warn, repair or reject")
		}
		set, err := p.With(id, d)
		if err != nil {
			return nil, err
		}
		p.Rules = set
	default:
		return nil, errors.New("what is observe, pass, a rule as in SG401=off, or end")
	}
	return &p, nil
}
