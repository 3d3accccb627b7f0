package proxy

import (
	"fmt"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/scimgate/scimgate/proxy/translate"
	"github.com/scimgate/scimgate/rules"
	"github.com/scimgate/scimgate/rules/scim"
)

// view is how the client sees resources.
func (x *Exchange) view() translate.View {
	view := translate.ViewOf(x.base(), x.Target.Query)
	view.Filled = x.policy.ListMembers
	return view
}

// base is the Base URL by which the client reached the gateway, as far as its Host
// header tells; "" if that is none. It is told to nobody but this client.
func (x *Exchange) base() string {
	for _, c := range []byte(x.Host) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._:[]", c) >= 0) {
			return ""
		}
	}
	if x.Host == "" {
		return ""
	}
	return x.scheme + "://" + x.Host + x.tenant.shown
}

// done is a success. PutUser answers 201 (AWS's example); a client of SCIM expects
// 200 of a replacement (RFC 7644 §3.5.1), and a location of what was made (§3.3).
func (x *Exchange) done(resp scim.Response) *Reply {
	op := x.Target.Operation
	r := &Reply{Status: resp.Status, Body: resp.Body, RequestID: resp.RequestID}
	if r.Status == 201 && op.Is(scim.ReplaceUser|scim.ReplaceGroup|scim.PatchUser) {
		r.Status = 200
	}
	if op.Is(scim.DeleteUser|scim.DeleteGroup) && resp.OK() { // whatever AWS says beside (RFC 7644 §3.6)
		r.Status, r.Body = 204, nil
	}
	if !op.Is(scim.Users|scim.Groups) || len(r.Body) == 0 {
		return r
	}
	view := x.view()
	r.Body = view.Present(op, resp.Body)
	if id := gjson.GetBytes(resp.Body, "id").Str; r.Status == 201 && view.Base != "" && id != "" {
		r.location = view.Location(op, id)
	}
	return r
}

// filled is a write's answer with the resource in it: AWS is asked for what an
// answer without body leaves out. A deactivation is believed only so.
func (g *Gateway) filled(x *Exchange, resp scim.Response) (scim.Response, error) {
	if !resp.OK() || gjson.GetBytes(resp.Body, "userName").Exists() || !x.Target.Operation.Is(scim.ReplaceUser|scim.PatchUser) {
		return resp, nil
	}
	user, err := x.tenant.memory.Forward(scim.Request{Target: scim.Target{Operation: scim.GetUser, ID: x.Target.ID}, Revokes: x.deactivates()})(g.do(x))
	if err == nil && user.RequestID == "" {
		user.RequestID = resp.RequestID
	}
	return user, err
}

// said puts something into the words of its rule, for a detail; "" if that is off.
func (x *Exchange) said(kind scim.Kind, note string) string {
	before := len(x.Findings)
	x.found([]scim.Fault{{Kind: kind, Name: note}})
	if len(x.Findings) == before {
		return ""
	}
	return rules.Detail(x.Findings[before:]) + " "
}

// explain is AWS's refusal in words that help: what the gateway knows or suspects,
// then AWS's own text and request id.
func (g *Gateway) explain(x *Exchange, resp scim.Response, aws, requestID string) string {
	if aws == "" {
		aws = "no text"
	}
	answered := fmt.Sprintf("AWS answered %d: %s", resp.Status, strings.TrimRight(aws, ". ")+".")
	if requestID != "" {
		answered += " AWS request id " + requestID + "."
	}
	users := x.Target.Operation.Is(scim.Users)
	switch {
	case resp.Status == 400:
		return g.unexplained(x, requestID) + answered
	case resp.Status == 401:
		g.log.Warn().Str("exchange", x.ID).Msg("AWS refuses the token")
		return x.said(scim.TokenRefused, "") + answered
	case resp.Status == 403:
		g.log.Warn().Str("exchange", x.ID).Msg("AWS does not allow this with the token")
		return x.said(scim.NotPermitted, "") + answered
	case resp.Status == 404 && x.Target.ID == "": // of a list, say
		return answered
	case resp.Status == 404 && users:
		return x.said(scim.UserGone, "") + answered
	case resp.Status == 404 && x.Target.Operation.Is(scim.Groups):
		return x.said(scim.GroupGone, "") + answered
	case resp.Status == 409 && users:
		return g.taken(x, scim.DuplicateUser) + answered
	case resp.Status == 409:
		return g.taken(x, scim.DuplicateGroup) + answered
	}
	return answered
}

// taken says what of a write AWS has already, and where.
func (g *Gateway) taken(x *Exchange, rule scim.Kind) string {
	before := len(x.Findings)
	note, at := g.whatIsTaken(x)
	text := x.said(rule, note)
	for i := before; i < len(x.Findings); i++ {
		x.Findings[i].Path = at
	}
	return text
}

// whatIsTaken is that in words, and the attribute, "" if it isn't known.
func (g *Gateway) whatIsTaken(x *Exchange) (note, at string) {
	kind := "user"
	if x.Target.Operation.Is(scim.Groups) {
		kind = "group"
	}
	list, err := x.tenant.memory.Clashes(g.do(x), x.Target.Operation, x.Target.ID, x.Document)
	switch {
	case len(list) > 0:
		if at = list[0].Attribute; at == translate.PrimaryEmail {
			at = "emails"
		}
		note = clashing(kind, list, x.Document)
		if x.adoptable(list) {
			note += "; the setting adopt: matching lets the gateway link it by itself"
		}
		return note, at
	case err != nil && kind == "user":
		return "a user with this userName, primary e-mail or externalId exists at AWS already; which of them could not be looked up", ""
	case err != nil:
		return "a group with this displayName or externalId exists at AWS already; which of them could not be looked up", ""
	case kind == "user":
		return "a user with this primary e-mail exists at AWS already: userName and externalId are not taken, and e-mails cannot be looked up", ""
	}
	return "a group with this displayName or externalId exists at AWS already, but a look-up does not show it", ""
}

// adoptable tells whether a create would have taken what it clashes with, were that set:
// one resource of the same name and no other externalId.
func (x *Exchange) adoptable(list []translate.Clash) bool {
	if p := x.policy; p.Adopt || p.Observe || p.Plain || !x.Target.Operation.Is(scim.CreateUser|scim.CreateGroup) {
		return false
	}
	sent := gjson.GetBytes(x.Document, "externalId").Str
	for _, c := range list {
		if c.ID != list[0].ID || c.ExternalID != "" && c.ExternalID != sent {
			return false
		}
	}
	return list[0].Attribute == "userName" || list[0].Attribute == "displayName"
}

// clashing says what of a document is taken, and by whom.
func clashing(kind string, list []translate.Clash, doc []byte) string {
	var texts []string
	for _, c := range list {
		switch sent := gjson.GetBytes(doc, "externalId").Str; {
		case c.Attribute == "externalId":
			texts = append(texts, fmt.Sprintf("a %s with this externalId exists at AWS already, with the id %s", kind, c.ID))
		case c.ExternalID == "":
			texts = append(texts, fmt.Sprintf("a %s with this %s exists at AWS already, with the id %s and without externalId: it was probably made by hand", kind, c.Attribute, c.ID))
		case c.ExternalID == sent:
			texts = append(texts, fmt.Sprintf("this %s exists at AWS already, with the id %s and the same %s and externalId", kind, c.ID, c.Attribute))
		default:
			texts = append(texts, fmt.Sprintf("a %s with this %s and another externalId exists at AWS already, with the id %s", kind, c.Attribute, c.ID))
		}
	}
	return strings.Join(texts, "; ")
}
