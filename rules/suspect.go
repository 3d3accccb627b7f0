package rules

import (
	"strings"

	"github.com/tidwall/gjson"

	"github.com/scimgate/scimgate/rules/scim"
)

// Suspect is an attribute that the upstream is known to dislike at times.
type Suspect struct {
	Path  string // of the attribute table
	Why   string // in a few words
	Holds string // what the value has to hold; "" of any value
}

// maxSuspects bounds what is told of one refusal.
const maxSuspects = 5

// Suspicions are guesses at what the upstream dislikes in a document that no rule
// found fault with, the likeliest first: what was changed since current, the last
// version that it accepted (nil if there is none or it isn't known), and of that,
// first what it is known to dislike. No value is quoted.
func (s *Set) Suspicions(op scim.Operation, doc, current []byte) (list []string) {
	sent := sentPaths(op, doc)
	changed := map[string]bool{}
	for path, raw := range sent {
		if current == nil && op.Is(scim.CreateUser|scim.CreateGroup) || op.Is(scim.PatchUser|scim.PatchGroup) || !sameValue(raw, valueAt(current, path)) {
			changed[path] = true
		}
	}
	told := map[string]bool{}
	tell := func(path, why string) {
		if !told[path] && len(list) < maxSuspects {
			told[path] = true
			list = append(list, scim.WithoutValues(path)+why)
		}
	}
	for _, suspect := range s.suspects {
		for path := range sent {
			if changed[path] && within(path, suspect.Path) && strings.Contains(sent[path].String(), suspect.Holds) {
				tell(path, " ("+suspect.Why+")")
			}
		}
	}
	if current != nil || op.Is(scim.PatchUser|scim.PatchGroup) {
		for _, path := range sortedKeys(changed) {
			tell(path, " (it was changed)")
		}
	}
	return list
}

func within(path, above string) bool {
	if len(path) < len(above) || !strings.EqualFold(path[:len(above)], above) {
		return false
	}
	return len(path) == len(above) || strings.IndexByte(".:[", path[len(above)]) >= 0
}

// sentPaths are the attributes of a document with their values: those of a complex
// attribute one by one, a list as a whole; of a PATCH, what its operations are about.
func sentPaths(op scim.Operation, doc []byte) map[string]gjson.Result {
	paths := map[string]gjson.Result{}
	members := func(object gjson.Result) {
		object.ForEach(func(name, value gjson.Result) bool {
			switch {
			case name.Str == "schemas" || name.Str == "id":
			case value.IsObject():
				value.ForEach(func(sub, part gjson.Result) bool {
					paths[scim.JoinPath(name.Str, sub.Str)] = part
					return true
				})
			default:
				paths[name.Str] = value
			}
			return true
		})
	}
	if !op.Is(scim.PatchUser | scim.PatchGroup) {
		members(gjson.ParseBytes(doc))
		return paths
	}
	gjson.GetBytes(doc, "Operations").ForEach(func(_, operation gjson.Result) bool {
		if path := operation.Get("path").Str; path != "" {
			paths[path] = operation.Get("value")
		} else {
			members(operation.Get("value"))
		}
		return true
	})
	return paths
}

// valueAt is the value of a path as sentPaths makes it.
func valueAt(doc []byte, path string) gjson.Result {
	found := gjson.Result{}
	if doc == nil {
		return found
	}
	for other, value := range sentPaths(scim.ReplaceUser, doc) {
		if strings.EqualFold(other, path) {
			found = value
		}
	}
	return found
}

// sameValue compares what was sent with what the upstream shows of it, which may
// hold more.
func sameValue(sent, shown gjson.Result) bool {
	switch {
	case sent.IsArray():
		a, b := sent.Array(), shown.Array()
		if len(a) != len(b) {
			return false
		}
		for i := range a {
			if !sameValue(a[i], b[i]) {
				return false
			}
		}
		return true
	case sent.IsObject():
		same := true
		sent.ForEach(func(name, value gjson.Result) bool {
			same = sameValue(value, shown.Get(gjson.Escape(name.Str)))
			return same
		})
		return same
	}
	return sent.Type == shown.Type && sent.String() == shown.String()
}
