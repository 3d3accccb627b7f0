package okta

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

// store is a SCIM server that keeps whatever it is sent, and every request as it
// came.
type store struct {
	mu     sync.Mutex // guards following
	all    []seen
	docs   map[string]map[string]any // by id: u1, u2, g1, …
	order  []string
	counts map[string]int
	refuse func(seen) (status int, body string) // status 0: not refused
}

func serve(t *testing.T) (*store, *Client) {
	st := &store{docs: map[string]map[string]any{}, counts: map[string]int{}}
	server := httptest.NewServer(st)
	t.Cleanup(server.Close)
	return st, &Client{BaseURL: server.URL, Token: "invented"}
}

func (st *store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	st.mu.Lock()
	defer st.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(err)
	}
	one := seen{r.Method, r.RequestURI, string(body), r.Header}
	st.all = append(st.all, one)
	status, answer := 0, ""
	if st.refuse != nil {
		status, answer = st.refuse(one)
	}
	if status == 0 {
		status, answer = st.answer(r, body)
	}
	w.WriteHeader(status)
	if status != 204 {
		io.WriteString(w, answer)
	}
}

func (st *store) answer(r *http.Request, body []byte) (int, string) {
	collection, id, _ := strings.Cut(r.URL.Path[1:], "/")
	sent := map[string]any{}
	if len(body) > 0 && json.Unmarshal(body, &sent) != nil {
		return 400, `{"detail":"not JSON"}`
	}
	letter := strings.ToLower(collection[:1])
	if r.Method == "POST" {
		st.counts[letter]++
		id = fmt.Sprint(letter, st.counts[letter])
		sent["id"] = id
		st.docs[id], st.order = sent, append(st.order, id)
		return 201, encoded(sent)
	}
	if id == "" {
		return 200, st.list(letter, r.URL.Query().Get("filter"), r.URL.Query().Get("startIndex"))
	}
	doc := st.docs[id]
	if doc == nil {
		return 404, `{"detail":"no such id"}`
	}
	switch r.Method {
	case "PUT":
		st.docs[id] = sent
	case "PATCH":
		for _, operation := range sent["Operations"].([]any) {
			patch(doc, operation.(map[string]any))
		}
		return 204, ""
	case "DELETE":
		delete(st.docs, id)
		return 204, ""
	}
	return 200, encoded(st.docs[id])
}

// list answers a filter, or pages of three.
func (st *store) list(letter, filter, start string) string {
	attribute, value, _ := strings.Cut(filter, " eq ")
	found := []any{}
	for _, id := range st.order {
		doc := st.docs[id]
		if doc != nil && id[:1] == letter && (filter == "" || doc[attribute] == unquote(value)) {
			found = append(found, doc)
		}
	}
	total, from := len(found), 1
	fmt.Sscan(start, &from)
	found = found[min(from-1, total):]
	found = found[:min(3, len(found))]
	return encoded(map[string]any{"totalResults": total, "itemsPerPage": len(found), "startIndex": from, "Resources": found})
}

func patch(doc, operation map[string]any) {
	path, _ := operation["path"].(string)
	members, _ := doc["members"].([]any)
	switch {
	case operation["op"] == "remove":
		id := strings.TrimSuffix(strings.TrimPrefix(path, `members[value eq "`), `"]`)
		doc["members"] = slices.DeleteFunc(slices.Clone(members), func(m any) bool { return m.(map[string]any)["value"] == id })
	case operation["op"] == "add":
		doc["members"] = append(slices.Clone(members), operation["value"].([]any)...)
	case path != "":
		doc[path] = operation["value"]
	default:
		for name, value := range operation["value"].(map[string]any) {
			doc[name] = value
		}
	}
}

// both are the users and groups of the store, as a comparison wants them.
func (st *store) both() (users, groups []AtAWS) {
	for _, id := range st.order {
		doc := st.docs[id]
		switch {
		case doc == nil:
		case id[:1] == "u":
			users = append(users, AtAWS{Document: doc})
		default:
			g := AtAWS{Document: doc}
			list, _ := doc["members"].([]any)
			for _, m := range list {
				member, _ := st.docs[text(m.(map[string]any)["value"])]["userName"].(string)
				g.Members = append(g.Members, member)
			}
			groups = append(groups, g)
		}
	}
	return users, groups
}

func encoded(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}
