package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/scimgate/scimgate/bench/standin"
	"github.com/scimgate/scimgate/proxy"
)

// plainStore is a store of RFC 7644 that can do what AWS can't: versions, other resource
// types, any filter, /Me, /Bulk. It remembers what it was sent.
type plainStore struct {
	base string
	seen []string
}

func (s *plainStore) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(400)
		return
	}
	line := r.Method + " " + r.RequestURI + " " + string(body)
	for _, condition := range []string{"If-Match", "If-None-Match"} {
		if value := r.Header.Get(condition); value != "" {
			line += " " + condition + ": " + value
		}
	}
	s.seen = append(s.seen, line)
	w.Header().Set("Content-Type", "application/scim+json")
	w.Header().Set("ETag", `W/"2"`)
	switch {
	case r.Header.Get("If-None-Match") == `W/"2"`:
		w.WriteHeader(304)
	case r.Header.Get("If-Match") != "" && r.Header.Get("If-Match") != `W/"2"`:
		w.WriteHeader(412)
		io.WriteString(w, `{"status":"412","detail":"another version"}`)
	case r.Method == "GET" || strings.HasSuffix(r.URL.Path, "/.search") || strings.HasSuffix(r.URL.Path, "/Bulk"):
		io.WriteString(w, `{"id":"x","members":[{"value":"y"}]}`)
	case r.Method == "DELETE":
		w.WriteHeader(204)
	case r.Method == "POST":
		w.Header().Set("Location", s.base+"/Users/ada.lovelace@x")
		w.WriteHeader(201)
		io.WriteString(w, `{"id":"ada.lovelace@x"}`)
	default:
		w.WriteHeader(400)
		io.WriteString(w, `{"detail":"the store's own words"}`)
	}
}

// In front of a plain store the gateway is a sidecar: it puts the URL right, takes JSON
// with one reading alone, paces and records, and leaves all else to the store.
func TestPlainStore(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &plainStore{base: "http://" + l.Addr().String() + "/scim/v2"}
	server := http.Server{Handler: s}
	go server.Serve(l)
	defer server.Close()
	c := play(t, stage{plain: true, settings: func(settings *proxy.Settings) { settings.Upstream.URL = s.base }})
	c.gateway = strings.Replace(c.gateway, "/"+standin.DefaultTenant, "", 1)

	type request struct {
		method, target, body string
		header               string // NAME: VALUE
		status               int
		want                 string // what the store is to see; "" nothing
	}
	same := func(method, target, body string, status int) request {
		return request{method, target, body, "", status, method + " /scim/v2" + target + " " + body}
	}
	var want []string
	for _, r := range []request{
		same("PUT", "/Groups/x", `{"displayName":"","members":[],"custom":null}`, 400),
		{"GET", "//Groups/x?attributes=members&sortBy=displayName", "", "", 200, "GET /scim/v2/Groups/x?attributes=members&sortBy=displayName "},
		same("GET", "/Users?startIndex=7&filter=emails.value+co+%22a%22", "", 200),
		same("GET", "/Users?filter=a.b.c+xx+%22a%22&count=many", "", 200),
		same("DELETE", "/Users/x", "", 204),
		same("GET", "/Users/ada.lovelace@x", "", 200),
		same("DELETE", "/Users/ada%20lovelace", "", 204),
		same("GET", "/Me", "", 200),
		same("GET", "/Widgets?count=2", "", 200),
		same("PUT", "/Widgets/w.1", `{"a":1}`, 400),
		same("POST", "/Bulk", `{"Operations":[]}`, 200),
		same("POST", "/.search", `{"filter":"title pr"}`, 200),
		same("POST", "/Users/.search", `{"filter":"title pr or x eq 1"}`, 200),
		same("POST", "/Users", `{"userName":"ada"}`, 201),
		{"GET", "/Users/x", "", `If-None-Match: W/"2"`, 304, `GET /scim/v2/Users/x  If-None-Match: W/"2"`},
		{"PUT", "/Users/x", `{"a":1}`, `If-Match: W/"1"`, 412, `PUT /scim/v2/Users/x {"a":1} If-Match: W/"1"`},
		{"POST", "/Users", `{"a":1,"a":2}`, "", 400, ""},
		{"POST", "/Bulk", `{"a":1,"A":2}`, "", 400, ""},
		{"PUT", "/Widgets/w", `{`, "", 400, ""},
		{"GET", "/Widgets/../Users", "", "", 404, ""},
	} {
		header := http.Header{}
		if name, value, ok := strings.Cut(r.header, ": "); ok {
			header.Set(name, value)
		}
		got := c.sendWith(c.gateway, r.method, r.target, r.body, header)
		if got.status != r.status {
			t.Errorf("%s %s: got %d %s, want %d", r.method, r.target, got.status, got.body, r.status)
		}
		if r.want != "" {
			want = append(want, r.want)
			if got.header.Get("ETag") != `W/"2"` {
				t.Errorf("%s %s: got %v, want the store's version", r.method, r.target, got.header)
			}
		}
		if location := got.header.Get("Location"); got.status == 201 && location != c.gateway+"/Users/ada.lovelace@x" {
			t.Errorf("got %q, want the location as the client reaches it", location)
		}
		if r.method == "PUT" && r.target == "/Groups/x" && got.detail() != "the store's own words" {
			t.Errorf("got %s, want the store's answer", got.body)
		}
	}
	if !slices.Equal(s.seen, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(s.seen, "\n"), strings.Join(want, "\n"))
	}
	kinds := map[string]int{}
	for _, r := range c.records() {
		kinds[fmt.Sprint(r["kind"])]++
		if r["kind"] == "intent" && (r["method"] == nil || r["path"] == nil) {
			t.Errorf("got %v, want every write with its method and path", r)
		}
	}
	if kinds["intent"] != 8 || kinds["outcome"] != 8 || kinds["answer"] != 16 || kinds["refusal"] != 4 {
		t.Errorf("got %v, want every exchange recorded, and its writes", kinds)
	}
}
