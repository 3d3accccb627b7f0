package translate

import (
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
func (m *Memory) PatchUser(id string, doc []byte) Plan {
	return func(do Do) (scim.Response, error) {
		settings, asItIs := settingsOf(doc)
		if len(settings) == 0 {
			return m.send(do, scim.Request{Target: scim.Target{Operation: scim.GetUser, ID: id}})
		}
		req := scim.Request{Target: scim.Target{Operation: scim.PatchUser, ID: id}, Body: doc}
		operations := make([]string, len(settings))
		for i, s := range settings {
			operations[i] = operation(s.op, s.path, s.raw)
			req.Attrs = append(req.Attrs, s.path)
			req.Revokes = req.Revokes || strings.EqualFold(s.path, "active") && s.raw == "false"
		}
		if !asItIs {
			req.Body = patchBody(operations...)
		}
		return m.send(do, req)
	}
}

// settingsOf takes a PATCH apart, and tells whether AWS takes it as it is.
func settingsOf(doc []byte) (settings []setting, asItIs bool) {
	asItIs = true
	gjson.GetBytes(doc, "Operations").ForEach(func(_, op gjson.Result) bool {
		verb, path, value := op.Get("op").Str, op.Get("path").Str, op.Get("value")
		if path != "" {
			short := withoutCore(path)
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
			settings = append(settings, setting{verb, scim.JoinPath(name, key.Str), value.Raw})
			return true
		})
		return settings
	}
	return []setting{{verb, withoutCore(name), raw.Raw}}
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

// lastOfEach keeps the last of several settings of userName or active, which AWS
// takes once in a request (SCIM developer guide, PatchUser).
func lastOfEach(settings []setting) (kept []setting) {
	for i, s := range settings {
		once := strings.EqualFold(s.path, "userName") || strings.EqualFold(s.path, "active")
		again := once && slices.ContainsFunc(settings[i+1:], func(o setting) bool { return strings.EqualFold(o.path, s.path) })
		if !again {
			kept = append(kept, s)
		}
	}
	return kept
}
