package standin

import (
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Operation is a name from AWS's list of supported operations.
type Operation string

// The operations of the guide's supported-apis page.
const (
	CreateUser            Operation = "CreateUser"
	GetUser               Operation = "GetUser"
	ListUsers             Operation = "ListUsers"
	PutUser               Operation = "PutUser"
	PatchUser             Operation = "PatchUser"
	DeleteUser            Operation = "DeleteUser"
	CreateGroup           Operation = "CreateGroup"
	GetGroup              Operation = "GetGroup"
	ListGroups            Operation = "ListGroups"
	PatchGroup            Operation = "PatchGroup"
	DeleteGroup           Operation = "DeleteGroup"
	ServiceProviderConfig Operation = "ServiceProviderConfig"
	ListSchemas           Operation = "ListSchemas"
	GetSchema             Operation = "GetSchema"
	ListResourceTypes     Operation = "ListResourceTypes"
)

// route is one operation: its method, the path below the base URL, whether an id
// follows, and what carries it out.
type route struct {
	Operation
	method     string
	path       string
	id         bool
	write      bool // counts against the write quota
	body       bool // reads a body
	parameters []string
	run        func(*Server, *request) (answer, error)
}

var listParameters = []string{"cursor", "count", "filter"}

// routes is all there is: no PUT of groups, no /Me, /Bulk or /.search.
var routes = []route{
	{Operation: CreateUser, method: "POST", path: "Users", write: true, body: true, run: (*Server).createUser},
	{Operation: GetUser, method: "GET", path: "Users", id: true, run: (*Server).getUser},
	{Operation: ListUsers, method: "GET", path: "Users", parameters: listParameters, run: (*Server).listUsers},
	{Operation: PutUser, method: "PUT", path: "Users", id: true, write: true, body: true, run: (*Server).putUser},
	{Operation: PatchUser, method: "PATCH", path: "Users", id: true, write: true, body: true, run: (*Server).patchUser},
	{Operation: DeleteUser, method: "DELETE", path: "Users", id: true, write: true, run: (*Server).deleteUser},
	{Operation: CreateGroup, method: "POST", path: "Groups", write: true, body: true, run: (*Server).createGroup},
	{Operation: GetGroup, method: "GET", path: "Groups", id: true, run: (*Server).getGroup},
	{Operation: ListGroups, method: "GET", path: "Groups", parameters: listParameters, run: (*Server).listGroups},
	{Operation: PatchGroup, method: "PATCH", path: "Groups", id: true, write: true, body: true, run: (*Server).patchGroup},
	{Operation: DeleteGroup, method: "DELETE", path: "Groups", id: true, write: true, run: (*Server).deleteGroup},
	{Operation: ServiceProviderConfig, method: "GET", path: "ServiceProviderConfig", run: (*Server).serviceProviderConfig},
	{Operation: ListSchemas, method: "GET", path: "Schemas", run: (*Server).listSchemas},
	{Operation: GetSchema, method: "GET", path: "Schemas", id: true, run: (*Server).getSchema},
	{Operation: ListResourceTypes, method: "GET", path: "ResourceTypes", run: (*Server).listResourceTypes},
}

// find sets the route of a request. Paths are compared as they were sent: a slash too
// many or too few leads nowhere.
func (rq *request) find(path string) {
	segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
	if len(segments) < 4 || len(segments) > 5 || segments[1] != "scim" || segments[2] != "v2" {
		return
	}
	if len(segments) == 5 {
		id, err := url.PathUnescape(segments[4])
		if err != nil || id == "" {
			return
		}
		rq.id = id
	}
	for i := range routes {
		if routes[i].path == segments[3] && routes[i].id == (len(segments) == 5) && routes[i].method == rq.head.Method {
			rq.route = &routes[i]
			return
		}
	}
}

// unrouted answers what is no operation.
func (s *Server) unrouted(rq *request) error {
	if rq.head.Method == http.MethodPut && strings.HasSuffix(rq.head.URL.EscapedPath(), "/scim/v2/Groups/"+rq.id) && rq.id != "" {
		return refuse(number(s.at.at("put-group")), "")
	}
	return refuse(404, "")
}

// parameters reads the query. Parameters that AWS does not support are ignored or
// refused, as the switches say.
func (s *Server) parameters(rq *request) error {
	query, err := url.ParseQuery(rq.head.URL.RawQuery)
	if err != nil {
		return refuse(400, "Malformed query")
	}
	for name, values := range query {
		switch {
		case slices.Contains(rq.route.parameters, name):
			if len(values) > 1 {
				return refuse(400, "Repeated parameter "+name)
			}
		case name == "startIndex" && s.at.is("start-index", "refuse"),
			name != "startIndex" && s.at.is("other-parameters", "refuse"):
			return refuse(400, "Unsupported parameter "+name)
		}
	}
	rq.query = query
	return nil
}

// acceptable tells whether a body's media type is one that works at AWS (seen:
// application/scim+json in most clients, application/json in some).
func acceptable(h http.Header) bool {
	media, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	return err == nil && (media == "application/scim+json" || media == "application/json")
}
