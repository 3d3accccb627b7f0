package translate

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/scimgate/scimgate/rules/scim"
)

// maxMerged bounds how many resources are read to put them into a list, which is to hold
// them all: otherwise AWS's own list is shown, as late as it is.
const maxMerged = 100

// mergeList makes a list by membership show this gateway's own recent writes, which
// AWS may not show yet: the users of a group (groups.value), the groups of a user
// (members.value), and the test for one pair (id and members).
func (m *Memory) mergeList(do Do, op scim.Operation, filter *scim.Filter, resp scim.Response) (scim.Response, error) {
	added, removed := m.recently(op, filter)
	if len(added)+len(removed) == 0 {
		return resp, nil
	}
	doc := gjson.ParseBytes(resp.Body)
	all := doc.Get("Resources").Array()
	shown := slices.DeleteFunc(slices.Clone(all), func(r gjson.Result) bool { return slices.Contains(removed, r.Get("id").Str) })
	whole := doc.Get("nextCursor").Str == "" && (!doc.Get("totalResults").Exists() || doc.Get("totalResults").Int() == int64(len(all)))
	added = slices.DeleteFunc(added, func(id string) bool {
		return slices.ContainsFunc(all, func(r gjson.Result) bool { return r.Get("id").Str == id })
	})
	if whole && len(added) > 0 && len(shown)+len(added) > maxMerged {
		return scim.Response{}, errLate
	}
	for _, id := range added {
		if !whole {
			continue
		}
		one, err := m.send(do, scim.Request{Target: scim.Target{Operation: oneOf(op), ID: id}})
		if err != nil {
			return one, err
		}
		if one.OK() {
			shown = append(shown, gjson.ParseBytes(bytes.TrimSpace(one.Body)))
		}
	}
	total := int(doc.Get("totalResults").Int()) - len(all) + len(shown)
	if next := doc.Get("nextCursor").Str; next != "" || !doc.Get("totalResults").Exists() {
		resp.Body = pageBody(next, shown)
	} else {
		resp.Body = listBody(total, max(int(doc.Get("startIndex").Int()), 1)-1, shown)
	}
	return resp, nil
}

// errLate is told to come again: more was written than fits on a page, and AWS doesn't show
// it yet.
var errLate = &scim.CallError{Reason: scim.Unshown, RetryAfter: 5 * time.Second, Err: errors.New("AWS does not show memberships yet that were written a moment ago")}

func oneOf(list scim.Operation) scim.Operation {
	if list == scim.ListGroups {
		return scim.GetGroup
	}
	return scim.GetUser
}

// pageBody is a page by cursor, as AWS writes it.
func pageBody(next string, shown []gjson.Result) []byte {
	list := string(listBody(len(shown), 0, shown))
	head := `{"schemas":["` + scim.ListSchema + `"],`
	rest := list[strings.Index(list, `"itemsPerPage"`):]
	if next != "" {
		head += `"nextCursor":` + string(scim.AppendString(nil, next)) + ","
	}
	return []byte(head + rest)
}

// recently are the resources that a list by membership should show by what was
// written here, and those that it should not.
func (m *Memory) recently(op scim.Operation, filter *scim.Filter) (added, removed []string) {
	group, user := "", ""
	if left, right, ok := filter.And(); ok {
		for _, f := range []*scim.Filter{left, right} {
			switch name, value, ok := f.Eq(); {
			case ok && name == "id":
				group = value
			case ok && name == "members":
				user = value
			}
		}
		if op != scim.ListGroups || group == "" || user == "" {
			return nil, nil
		}
	} else if name, value, ok := filter.Eq(); ok && name == "groups.value" && op == scim.ListUsers {
		group = value
	} else if ok && name == "members.value" && op == scim.ListGroups {
		user = value
	} else {
		return nil, nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, r := range m.recent {
		if group != "" && id != group || time.Since(r.at) > recentFor {
			continue
		}
		for member, present := range r.present {
			if user != "" && member != user {
				continue
			}
			listed := member
			if op == scim.ListGroups {
				listed = id
			}
			if present {
				added = append(added, listed)
			} else {
				removed = append(removed, listed)
			}
		}
	}
	slices.Sort(added)
	return added, removed
}
