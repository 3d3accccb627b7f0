package translate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/scimgate/scimgate/rules/scim"
)

// setting is one operation of a PATCH in the form that AWS takes: one attribute by
// its path.
type setting struct{ op, path, raw string }

// PatchUser carries out a PATCH of a user. AWS takes an operation without a path
// for one attribute only (observed: goauthentik/authentik#12321); others become one
// operation with a path for each attribute, in one request. One of which nothing is
// left is answered by what AWS has.
//
// Whether AWS takes a path into a list, as Entra ID sends it, is not documented, nor
// several operations in one request. If it refuses them, the list is read and replaced as a
// whole, and then the operations go out one by one, what takes access away first; dropped
// is told the paths of what would be a second value, and of what AWS refuses beside a
// deactivation.
func (m *Memory) PatchUser(id string, doc []byte, dropped func(kind scim.Kind, path string)) Plan {
	return func(do Do) (scim.Response, error) {
		read := scim.Request{Target: scim.Target{Operation: scim.GetUser, ID: id}}
		settings, asItIs := settingsOf(doc)
		if len(settings) == 0 {
			return m.send(do, read)
		}
		req := patchRequest(id, settings)
		if asItIs {
			req.Body = doc
		}
		resp, err := m.send(do, req)
		if err != nil || resp.Status != 400 {
			return resp, err
		}
		if slices.ContainsFunc(settings, func(s setting) bool { return listOf(s.path) != "" }) {
			user, err := m.send(do, read)
			if err != nil || !user.OK() {
				return user, err
			}
			rest, second := wholeLists(settings, user.Body)
			for _, path := range second {
				dropped(scim.SecondValue, path)
			}
			if len(rest) == 0 {
				return user, nil
			}
			settings = rest
			if resp, err = m.send(do, patchRequest(id, settings)); err != nil || resp.Status != 400 {
				return resp, err
			}
		}
		if len(settings) == 1 {
			return resp, nil
		}
		return m.apart(do, id, settings, dropped)
	}
}

// apart carries out the operations of a PATCH one by one. It ends at the first that AWS
// refuses, and says what was done; but what is refused beside a deactivation is told, and
// nothing more.
func (m *Memory) apart(do Do, id string, settings []setting, dropped func(kind scim.Kind, path string)) (resp scim.Response, err error) {
	settings = slices.Clone(settings)
	slices.SortStableFunc(settings, func(a, b setting) int { return cmp.Compare(b.revokes(), a.revokes()) })
	var done []string
	var last scim.Response
	for _, s := range settings {
		if resp, err = m.send(do, patchRequest(id, []setting{s})); err == nil && (resp.Status == 400 || resp.Status == 409) && last.OK() && settings[0].revokes() > 0 {
			dropped(scim.LeftBehind, s.path)
			continue
		} else if (err != nil || !resp.OK()) && len(done) > 0 {
			return resp, &Incomplete{
				Detail: fmt.Sprintf("Changed were %s; %s was not, and what comes behind it.", strings.Join(done, ", "), s.path), Partly: true, Response: resp, Err: err,
			}
		} else if err != nil || !resp.OK() {
			return resp, err
		}
		done, last = append(done, s.path), resp
	}
	return last, nil
}

// revokes is 1 if the setting takes access away.
func (s setting) revokes() int {
	if strings.EqualFold(s.path, "active") && s.raw == "false" {
		return 1
	}
	return 0
}

// patchRequest is a PATCH of one operation with a path for each setting.
func patchRequest(id string, settings []setting) scim.Request {
	req := scim.Request{Target: scim.Target{Operation: scim.PatchUser, ID: id}}
	operations := make([]string, len(settings))
	for i, s := range settings {
		operations[i] = operation(s.op, s.path, s.raw)
		req.Attrs = append(req.Attrs, scim.WithoutValues(s.path))
		req.Revokes = req.Revokes || s.revokes() > 0
	}
	req.Body = patchBody(operations...)
	return req
}

// settingsOf takes a PATCH apart, and tells whether AWS takes it as it is.
func settingsOf(doc []byte) (settings []setting, asItIs bool) {
	asItIs = true
	gjson.GetBytes(doc, "Operations").ForEach(func(_, op gjson.Result) bool {
		verb, path, value := op.Get("op").Str, op.Get("path").Str, op.Get("value")
		if path != "" && value.IsObject() && isSchema(path) { // the schema's attributes, as without path
			settings, asItIs = append(settings, expand(verb, path, value)...), false
			return true
		}
		if path != "" {
			short := meant(verb, withoutCore(path))
			settings = append(settings, setting{verb, short, value.Raw})
			asItIs = asItIs && short == path
			return true
		}
		before := len(settings)
		value.ForEach(func(key, raw gjson.Result) bool {
			settings = append(settings, expand(verb, key.Str, raw)...)
			return true
		})
		if len(settings)-before != 1 || settings[before].path != onlyName(value) {
			asItIs = false
		}
		return true
	})
	if latest := lastOfEach(settings); len(latest) < len(settings) {
		return latest, false
	}
	return settings, asItIs
}

// onlyName is the name of an object's only member but id, if it is no path itself.
func onlyName(value gjson.Result) (name string) {
	value.ForEach(func(key, _ gjson.Result) bool {
		if key.Str != "id" {
			name = key.Str
		}
		return true
	})
	if strings.ContainsAny(name, ".:") {
		return ""
	}
	return name
}

// expand makes settings of a member of an operation without path: an object that is
// a name or an extension becomes one setting for each of its parts.
func expand(verb, name string, raw gjson.Result) (settings []setting) {
	switch {
	case name == "id" || name == "schemas":
		return nil
	case raw.IsObject() && (strings.EqualFold(name, "name") || scim.IsURN(name) && isSchema(name)):
		raw.ForEach(func(key, value gjson.Result) bool {
			settings = append(settings, setting{verb, meant(verb, withoutCore(scim.JoinPath(name, key.Str))), value.Raw})
			return true
		})
		return settings
	}
	return []setting{{verb, meant(verb, withoutCore(name)), raw.Raw}}
}

// meant is the path of a value of a list where its value alone is to be removed: nothing
// that means anything would be left.
func meant(verb, path string) string {
	if _, p, ok := intoList(path); ok && verb == "remove" && p.Filter != nil && strings.EqualFold(p.Sub, "value") {
		return path[:len(path)-len(".value")]
	}
	return path
}

// withoutCore is a path without the URN of the core schema, which says nothing and
// stands in none of AWS's examples.
func withoutCore(path string) string {
	const core = scim.UserSchema + ":"
	if len(path) > len(core) && strings.EqualFold(path[:len(core)], core) {
		return path[len(core):]
	}
	return path
}

// isSchema tells whether a URN names a schema as a whole, not one of its attributes.
func isSchema(urn string) bool {
	path, err := scim.ParsePath(urn)
	return err == nil && path.Attribute == ""
}

// lastOfEach leaves out what a later operation on the same attribute undoes. AWS
// takes userName and active once in a request at most (SCIM developer guide,
// PatchUser). What is added to a list is not undone by what is added later.
func lastOfEach(settings []setting) (kept []setting) {
	undone := map[string]bool{}
	for _, s := range slices.Backward(settings) {
		path := strings.ToLower(s.path)
		if _, _, inside := intoList(s.path); inside || !undone[path] {
			kept = append(kept, s)
		}
		undone[path] = undone[path] || !(s.op == "add" && isList(s.path))
	}
	slices.Reverse(kept)
	return kept
}

func isList(path string) bool { _, _, part := intoList(path); return !part && listOf(path) != "" }
