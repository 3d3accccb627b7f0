package proxy

import (
	"net/http"
	"strings"
	"time"

	"github.com/scimgate/scimgate/rules/scim"
)

// authenticate asks who sends the request. Where the gateway holds AWS's token, it takes
// the place of a gateway token. Otherwise the token is AWS's to judge, and one that AWS
// has not accepted yet may try a little only, so that a guesser neither spends the budget
// nor fills the log.
func (g *Gateway) authenticate(x *Exchange) *Reply {
	t := x.tenant
	if x.Token == nil {
		return nil
	}
	if t.keeper == nil {
		x.actor = g.journal.Actor(x.Token)
		if x.known = t.seen.Knows(x.actor); !x.known && !t.guesses.Allow(x.address, x.Began) {
			return g.tooManyGuesses(x)
		}
		return nil
	}
	name, ok := t.keeper.Match(x.Token)
	if ok {
		x.actor, x.Token, x.known = name, t.keeper.Upstream(), true
		return nil
	}
	x.Token = nil
	if !t.guesses.Allow(x.address, x.Began) {
		return g.tooManyGuesses(x)
	}
	g.metrics.authFailures.WithLabelValues(t.name).Inc()
	return x.refuse(http.StatusUnauthorized, "", strings.TrimRight(x.said(scim.TokenUnknown, ""), " "), nil)
}

// tokensChanged tells that the files of a tenant's tokens have a fault, or none any more.
func (g *Gateway) tokensChanged(t *Tenant, err error) {
	if err != nil {
		g.log.Error().Err(err).Str("tenant", t.name).Msg("a file of tokens has a fault: tokens.file, tokens.upstream")
		return
	}
	g.log.Info().Str("tenant", t.name).Msg("the files of tokens are sound again")
}

func (g *Gateway) tooManyGuesses(x *Exchange) *Reply {
	g.metrics.authFailures.WithLabelValues(x.tenant.name).Inc()
	return x.again(soon, "Too many requests with a token that AWS has not accepted yet.", nil)
}

// judgeToken takes in whether AWS has accepted the token of an exchange, and warns before
// its year is over.
func (g *Gateway) judgeToken(x *Exchange) {
	status := x.lastAWS.Status
	if x.Calls == 0 || status == 0 || status >= 500 || status == 429 || x.actor == "" || x.actor == ownActor {
		return
	}
	t, digest := x.tenant, x.actor
	if t.keeper != nil {
		digest = g.journal.Actor(x.Token)
	}
	var err error
	switch {
	case status == http.StatusUnauthorized:
		g.metrics.authFailures.WithLabelValues(t.name).Inc()
		x.known = false
		err = t.seen.Refused(digest)
	case x.lastAWS.OK() || (status == http.StatusNotFound || status == http.StatusConflict) && !x.stray: // others may come from something in between
		x.known = true
		var left time.Duration
		if left, err = t.seen.Accepted(digest, t.ends, x.Began); left > 0 {
			g.log.Warn().Str("tenant", t.name).Int("days", int(left/(24*time.Hour))).
				Msg("AWS's token ends soon, and provisioning with it: make another one in IAM Identity Center, Settings, Automatic provisioning")
		}
	}
	if err != nil {
		g.log.Error().Err(err).Str("tenant", t.name).Msg("cannot keep which tokens were seen")
	}
}
