package standin

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"
)

const (
	errorURN = "urn:ietf:params:scim:api:messages:2.0:Error"
	listURN  = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
	patchURN = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
)

// plain is the detail of each status. 400 and 409 are AWS's texts; no source has the
// others, so those are invented.
var plain = map[int]string{
	400: "Request is unparsable, syntactically incorrect, or violates schema.",
	401: "The Authorization header is invalid or missing.",
	403: "The operation is not permitted.",
	404: "The resource was not found.",
	405: "The method is not allowed.",
	409: "Refused to create a new, duplicate resource.",
	429: "Too many requests.",
	500: "The service failed.",
}

// Texts that were seen in HTTP answers, not only in CloudTrail.
const (
	onlyOneAttribute = `Current PATCH support allows omitting "path" attribute only for Add and Replace operations modifying a single attribute.`
	noReplacing      = "Replacing group memberships is not supported."
)

// refusal is why a request is not carried out.
type refusal struct {
	status int
	detail string // AWS's exact text, mostly known from CloudTrail; empty if there is none
	seen   bool   // the exact text is known to reach HTTP
}

func (r *refusal) Error() string { return r.detail }

func refuse(status int, detail string) error { return &refusal{status: status, detail: detail} }

func refuseAsSeen(detail string) error { return &refusal{status: 400, detail: detail, seen: true} }

// answer is a response before it is written.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// refusal turns an error into the document that AWS would send.
func (s *Server) refusal(err error, requestID string) answer {
	var why *refusal
	if !errors.As(err, &why) {
		panic("BUG: not a refusal: " + err.Error())
	}
	detail := plain[why.status]
	if why.status == 400 && why.detail != "" {
		if s.at.is("details", "specific") || why.seen && s.at.is("details", "observed") {
			detail = why.detail
		}
	}
	doc := errorDocument{Schema: []string{errorURN}, Schemas: []string{errorURN}, Detail: detail,
		Status: itoa(why.status), Exception: requestID, Time: timeStamp(s.now())}
	if s.at.is("error-schemas", "schema") {
		doc.Schemas = nil
	}
	return answer{status: why.status, body: marshal(doc)}
}

// errorDocument has AWS's fields in AWS's order; it never had a scimType.
type errorDocument struct {
	Schema    []string `json:"schema"`
	Schemas   []string `json:"schemas,omitempty"`
	Detail    string   `json:"detail"`
	Status    string   `json:"status"`
	Exception string   `json:"exceptionRequestId"`
	Time      string   `json:"timeStamp"`
}

// timeStamp has one to three decimals, zeros at the end dropped, as Java's Timestamp.
func timeStamp(t time.Time) string {
	out := t.UTC().Format("2006-01-02 15:04:05.999")
	if !strings.Contains(out, ".") {
		out += ".0"
	}
	return out
}

// marshal leaves <, > and & as they are, as AWS does. What it is given has only types
// of this package and those that parse returns.
func marshal(v any) []byte {
	var out strings.Builder
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic("BUG: cannot marshal answer: " + err.Error())
	}
	return []byte(strings.TrimSuffix(out.String(), "\n"))
}
