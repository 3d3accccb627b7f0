package translate

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/scimgate/scimgate/rules/scim"
)

// Doubtful is a write of which it isn't known what became, as its record tells of it.
type Doubtful struct {
	Operation      scim.Operation
	ID             string // of the resource, "" of a create
	Name, External string // userName or displayName, externalId
	Added, Removed []string
	Revokes        bool   // it takes access away
	Document       []byte // that was sent, nil if it isn't known any more
	Since          time.Time
}

// Settled is what a look at AWS tells of such a write.
type Settled uint8

// The words of the audit log for them are those of String.
const (
	Untold  Settled = iota // it can't be told
	Done                   // it was carried out
	NotDone                // it was not
)

func (s Settled) String() string { return [...]string{"unknown", "ok", "not_done"}[s] }

// errUnsettled is an answer of AWS that tells nothing now.
var errUnsettled = errors.New("cannot settle a write: AWS does not show the resource now")

// clockDiffers bounds by how much AWS's clock is taken to be behind this one; its times are
// in whole seconds. A resource that was changed so shortly before a write may have been
// changed by it or by another.
const clockDiffers = 2 * time.Second

// Settle asks AWS what became of a write, and tells whether AWS shows the user of it as
// inactive or gone. It changes nothing. An error means that it is to be asked again later.
func (m *Memory) Settle(do Do, d Doubtful) (verdict Settled, out bool, err error) {
	switch {
	case d.Operation.Is(scim.CreateUser | scim.CreateGroup):
		who := identityOf(d.Operation, nil)
		who.name, who.externalID = d.Name, d.External
		found, resp, err := m.find(do, who.list, who.attribute, who.name)
		if err != nil || !resp.OK() {
			return Untold, false, errors.Join(errUnsettled, err)
		}
		return told(who.is(found, d.Since, d.Document)), false, nil
	case d.Operation == scim.PatchGroup && len(d.Added)+len(d.Removed) > 0:
		verdict, err = m.settleMember(do, d)
		return verdict, false, err
	}
	read := scim.GetUser
	if d.Operation.Is(scim.Groups) {
		read = scim.GetGroup
	}
	resp, err := do(scim.Request{Target: scim.Target{Operation: read, ID: d.ID}, Revokes: d.Revokes})
	verdict, err = d.shown(resp, err)
	out = err == nil && d.Operation.Is(scim.Users) && (resp.Status == 404 || Inactive(resp.Body))
	return verdict, out, err
}

// shown is what AWS's resource tells.
func (d *Doubtful) shown(resp scim.Response, err error) (Settled, error) {
	deletes := d.Operation.Is(scim.DeleteUser | scim.DeleteGroup)
	switch {
	case err == nil && resp.Status == 404:
		if deletes {
			return Done, nil
		}
		return Untold, nil // somebody has deleted it since
	case err != nil || !resp.OK():
		return Untold, errors.Join(errUnsettled, err)
	case deletes:
		return NotDone, nil
	case d.Revokes && !Inactive(resp.Body):
		return NotDone, nil
	}
	if verdict, ok := d.compared(resp.Body); ok {
		return verdict, nil
	}
	if d.Revokes && d.Operation == scim.PatchUser { // a PUT may have meant more
		return Done, nil
	}
	changed, err := time.Parse(time.RFC3339, gjson.GetBytes(resp.Body, "meta.lastModified").Str)
	switch {
	case err != nil:
		return Untold, nil
	case !changed.Before(d.Since):
		return Done, nil
	case changed.Before(d.Since.Add(-clockDiffers)):
		return NotDone, nil
	}
	return Untold, nil
}

// compared holds what was sent to what AWS shows, as far as it is of single attributes.
func (d *Doubtful) compared(resource []byte) (verdict Settled, ok bool) {
	if len(d.Document) == 0 {
		return Untold, false
	}
	settings, _ := settingsOf(d.Document)
	if d.Operation == scim.ReplaceUser {
		gjson.ParseBytes(d.Document).ForEach(func(name, value gjson.Result) bool {
			settings = append(settings, expand("replace", name.Str, value)...)
			return true
		})
	}
	shown, alike := 0, 0
	for _, s := range settings {
		at, raw := pointer(s.path), gjson.Parse(s.raw)
		if at == "" || raw.IsArray() || raw.IsObject() || unshown[s.path] {
			continue
		}
		shown++
		if has := gjson.GetBytes(resource, at); s.op == "remove" && !has.Exists() || s.op != "remove" && strings.EqualFold(has.String(), raw.String()) {
			alike++
		}
	}
	switch shown {
	case 0:
		return Untold, false
	case alike:
		return Done, true
	}
	return NotDone, true
}

// unshown are attributes that AWS takes and never shows (SCIM developer guide, CreateUser).
var unshown = map[string]bool{"profileUrl": true, "schemas": true, "password": true}

// pointer is the gjson path of a single attribute, "" of what is in a list.
func pointer(path string) string {
	p, err := scim.ParsePath(path)
	if err != nil || p.Filter != nil || listOf(path) != "" || p.Attribute == "" {
		return ""
	}
	at := gjson.Escape(p.Attribute)
	if p.Schema != "" {
		at = gjson.Escape(p.Schema) + "." + at
	}
	if p.Sub != "" {
		at += "." + gjson.Escape(p.Sub)
	}
	return at
}

// settleMember asks for one member of a change, since AWS carries out all of it or
// nothing.
func (m *Memory) settleMember(do Do, d Doubtful) (Settled, error) {
	members := append(slices.Clone(d.Added), d.Removed...)
	for i, member := range members {
		if i == maxAsked {
			return Untold, nil
		}
		resp, err := do(scim.Request{Target: scim.Target{Operation: scim.ListGroups, Query: scim.Query{
			Filter: scim.EqFilter("id", d.ID) + " and " + scim.EqFilter("members", member)}}})
		switch {
		case err == nil && resp.Status == 404: // the user, or the group, is gone
			return Untold, nil
		case err != nil || !resp.OK():
			return Untold, errors.Join(errUnsettled, err)
		}
		if is := gjson.GetBytes(resp.Body, "Resources.#").Int() > 0; is != (i < len(d.Added)) {
			return NotDone, nil
		}
	}
	return Done, nil
}

// maxAsked bounds the members that are asked for: some may have been there before.
const maxAsked = 10

func told(done bool) Settled {
	if done {
		return Done
	}
	return NotDone
}
