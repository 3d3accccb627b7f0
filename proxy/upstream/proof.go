package upstream

import (
	"fmt"
	"strings"
	"sync"

	"github.com/scimgate/scimgate/rules/scim"
)

// documents are kept for their lists of values.
var documents = sync.Pool{New: func() any { return new(scim.Document) }}

// keptValues bounds them; a user has about 50.
const keptValues = 1 << 12

// fulfilled tells whether a 2xx shows that the upstream did what was asked
// (RFC 7644 §3.3 to §3.6): the resource as a JSON object, or 204 where nothing is
// to be shown. A 2xx that doesn't may come from something else than a SCIM
// server, or be half an answer. A body is held to what requests are held to: one
// reading, so that the client doesn't see another resource than the gateway.
func (call *Call) fulfilled(resp scim.Response) error {
	empty := len(resp.Body) == 0
	switch {
	case resp.Status != 200 && resp.Status != 201 && resp.Status != 204:
		return fmt.Errorf("cannot believe answer %d to a %s: it doesn't say that it is done", resp.Status, call.Method)
	case empty && call.Method == "DELETE", empty && resp.Status == 204 && (call.Method == "PATCH" || call.Method == "PUT"):
		return nil // the caller asks for what is not shown
	case empty:
		return fmt.Errorf("cannot believe answer %d to a %s without a body", resp.Status, call.Method)
	}
	d := documents.Get().(*scim.Document)
	defer func() {
		d.Text = nil
		if cap(d.Nodes) <= keptValues {
			documents.Put(d)
		}
	}()
	if _, ok := d.Scan(resp.Body); ok && d.Nodes[0].Shape == scim.Object {
		return call.shown(d, resp.Status)
	}
	return fmt.Errorf("cannot believe answer %d to a %s: its body of %d bytes is not one JSON object with one reading",
		resp.Status, call.Method, len(resp.Body))
}

// shown tells whether the resource in an answer is the one that was asked for. Another one
// was meant for somebody else.
func (call *Call) shown(d *scim.Document, status int) error {
	for name, want := range map[string]string{"id": call.ID, "userName": call.Name, "displayName": call.Name} {
		at := d.Child(0, name)
		if want == "" || at < 0 || name == "displayName" && d.Child(0, "userName") >= 0 {
			continue
		}
		if got := d.String(at); d.Nodes[at].Shape == scim.String && !strings.EqualFold(got, want) {
			return fmt.Errorf("cannot believe answer %d to a %s: it shows a resource with another %s", status, call.Method, name)
		}
	}
	return nil
}
