package rules

import (
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/scimgate/scimgate/rules/scim"
)

// LeftOut are the attributes that an upstream lists in its schemas (RFC 7643 §7, a
// ListResponse of them) as to be written, and that the rules leave out of requests:
// no row has them, or one that says they aren't accepted. Sorted, in the notation of
// the table.
func (s *Set) LeftOut(schemas []byte) (list []string) {
	gjson.GetBytes(schemas, "Resources").ForEach(func(_, schema gjson.Result) bool {
		root, prefix := s.users, ""
		switch id := schema.Get("id").Str; {
		case strings.EqualFold(id, scim.UserSchema):
		case strings.EqualFold(id, scim.GroupSchema):
			root = s.groups
		default:
			if r := s.users.named(id); r == nil || r.sub == nil {
				list = append(list, id)
				return true
			} else {
				root, prefix = r.sub, r.Path
			}
		}
		list = append(list, root.leftOut(prefix, schema.Get("attributes"))...)
		return true
	})
	slices.Sort(list)
	return slices.Compact(list)
}

func (s *schema) leftOut(prefix string, attributes gjson.Result) (list []string) {
	attributes.ForEach(func(_, a gjson.Result) bool {
		name := a.Get("name").Str
		if a.Get("mutability").Str == "readOnly" || name == "id" || name == "meta" {
			return true
		}
		path := scim.JoinPath(prefix, name)
		r := s.named(name)
		switch {
		case r == nil || r.Traits&(Unsupported|Noise) != 0:
			list = append(list, path)
		case r.sub != nil:
			list = append(list, r.sub.leftOut(path, a.Get("subAttributes"))...)
		}
		return true
	})
	return list
}
