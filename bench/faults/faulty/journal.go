package faulty

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/scimgate/scimgate/bench/faults/message"
	"github.com/scimgate/scimgate/bench/faults/witness"
	"github.com/scimgate/scimgate/bench/standin"
)

// Seen is the journal, in the order of first bytes. With the log it tells how long that
// was.
func (u *Server) Seen(log *witness.Log) []witness.Seen {
	u.mu.Lock()
	defer u.mu.Unlock()
	out := make([]witness.Seen, len(u.entries))
	for i, e := range u.entries {
		out[i] = e.Seen
		out[i].Fields = slices.Clone(e.Fields)
		if out[i].LogAt = -1; log != nil {
			out[i].LogAt = log.At(e.mark)
		}
	}
	// On a busy machine one may have been noted long after its first byte.
	slices.SortStableFunc(out, func(a, b witness.Seen) int { return a.First.Compare(b.First) })
	return out
}

// Of are the requests with a tag.
func (u *Server) Of(tag string) (list []witness.Seen) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, e := range u.entries {
		if e.Tag == tag {
			list = append(list, e.Seen)
		}
	}
	return list
}

// Await waits until a request is in the journal that is like that, or until d has
// passed.
func (u *Server) Await(d time.Duration, like func(witness.Seen) bool) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		u.mu.Lock()
		news := u.news
		for i := len(u.entries) - 1; i >= 0; i-- {
			if like(u.entries[i].Seen) {
				u.mu.Unlock()
				return true
			}
		}
		u.mu.Unlock()
		select {
		case <-news:
		case <-timer.C:
			return false
		case <-u.closing:
			return false
		}
	}
}

// Struck is how often each fault has struck.
func (u *Server) Struck() map[string]int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return maps.Clone(u.struck)
}

// Final is how the store is at the end, by resource.
func (u *Server) Final() map[string]witness.State {
	all := map[string]witness.State{}
	for _, user := range u.settings.Store.Users() {
		title, _ := user.Document["title"].(string)
		all["Users/"+user.ID] = witness.State{Active: user.Active, Title: title, Name: user.UserName}
	}
	for _, g := range u.settings.Store.Groups() {
		all["Groups/"+g.ID] = witness.State{Name: g.DisplayName, Members: g.Members}
	}
	return all
}

// resourceOf is the resource that a path names, "" if it names none.
func resourceOf(method, path string) string {
	path, _, _ = strings.Cut(strings.TrimPrefix(path, "/"), "?")
	if method == "POST" || strings.Count(path, "/") != 1 {
		return ""
	}
	return path
}

// uniqueOf is by what a resource that is to be made must be unique.
func uniqueOf(path, body string) string {
	var doc struct{ UserName, DisplayName string }
	if json.Unmarshal([]byte(body), &doc) != nil {
		return ""
	}
	if path == "/Groups" {
		return "group " + strings.ToLower(doc.DisplayName)
	}
	return "user " + strings.ToLower(doc.UserName)
}

// Reply is an answer before it is bytes.
type Reply struct {
	Status int
	Fields []message.Field
	Body   string
}

// Bytes is the whole answer.
func (r Reply) Bytes() []byte { return message.Append(nil, r.line(), r.framed(), r.Body) }

func (r Reply) line() string {
	return "HTTP/1.1 " + strconv.Itoa(r.Status) + " " + http.StatusText(r.Status)
}

func (r Reply) framed() []message.Field {
	if r.Status == 204 {
		return r.Fields
	}
	return append(slices.Clone(r.Fields), message.Field{Name: "Content-Length", Value: strconv.Itoa(len(r.Body))})
}

// requestID is AWS's id of an answer.
func (r Reply) requestID() string {
	for _, f := range r.Fields {
		if strings.EqualFold(f.Name, "x-amzn-RequestId") {
			return f.Value
		}
	}
	return ""
}

// recorder takes what the stand-in answers.
type recorder struct {
	header http.Header
	status int
	body   []byte
}

func (w *recorder) Header() http.Header { return w.header }

func (w *recorder) WriteHeader(status int) { w.status = status }

func (w *recorder) Write(p []byte) (int, error) {
	w.body = append(w.body, p...)
	return len(p), nil
}

// carryOut lets the stand-in carry a request out, and notes what became of the resource.
func (u *Server) carryOut(e *entry, head message.Head, body string) Reply {
	u.store.Lock()
	defer u.store.Unlock()
	_, target, _ := head.Request()
	w := &recorder{header: http.Header{}, status: 200}
	at, err := url.ParseRequestURI(target)
	if err != nil {
		return Reply{Status: 400}
	}
	rq := &http.Request{Method: e.Method, URL: at, RequestURI: target, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: http.NoBody, Host: head.Get("Host"), ContentLength: int64(len(body))}
	for _, f := range head.Fields {
		rq.Header.Add(f.Name, f.Value)
	}
	if body != "" {
		rq.Body = readCloser{strings.NewReader(body)}
	}
	u.settings.Store.ServeHTTP(w, rq)
	reply := Reply{Status: w.status, Body: string(w.body)}
	for _, name := range slices.Sorted(maps.Keys(w.header)) {
		if name != "Content-Length" {
			reply.Fields = append(reply.Fields, message.Field{Name: name, Value: w.header[name][0]})
		}
	}
	if e.Write() && w.status/100 == 2 {
		made, state := u.stateOf(e.Resource, reply.Body)
		u.note(func() { e.Did, e.Made, e.State = time.Now(), made, state })
	}
	return reply
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }

// stateOf is the state of the resource that was just written; it may have been made by
// that.
func (u *Server) stateOf(resource, answer string) (made string, state witness.State) {
	kind, id, item := strings.Cut(resource, "/")
	if !item {
		var doc struct{ ID string }
		_ = json.Unmarshal([]byte(answer), &doc) // the stand-in's own answer
		kind, id = "Users", doc.ID
		if strings.HasPrefix(resource, "group ") {
			kind = "Groups"
		}
		made = kind + "/" + id
	}
	if kind == "Groups" {
		g, ok := u.settings.Store.Group(id)
		return made, witness.State{Gone: !ok, Name: g.DisplayName, Members: g.Members}
	}
	user, ok := u.settings.Store.User(id)
	title, _ := user.Document["title"].(string)
	return made, witness.State{Gone: !ok, Active: user.Active, Title: title, Name: user.UserName}
}

// Other carries out a request of another client, which has a way of its own to AWS, and
// returns the status. It is not in the journal.
func (u *Server) Other(method, path, body string) int {
	head := message.Head{Line: method + " " + Base + path + " HTTP/1.1", Fields: []message.Field{
		{Name: "Host", Value: u.address}, {Name: "Authorization", Value: "Bearer " + standin.DefaultToken},
		{Name: "User-Agent", Value: "other"}, {Name: "Content-Type", Value: "application/scim+json"},
	}}
	e := &entry{Seen: witness.Seen{Method: method, Path: path, Resource: resourceOf(method, path)}}
	return u.carryOut(e, head, body).Status
}
