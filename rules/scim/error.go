package scim

import (
	"encoding/json"
	"strconv"
)

// ErrorDocument is an error answer (RFC 7644 §3.12) with an extension: the
// exchange, what was found, and what the upstream said.
type ErrorDocument struct {
	Status   int
	ScimType string // "" if none of RFC 7644's fits
	Detail   string // for the person in the client's console
	Exchange string
	Findings []ErrorFinding

	UpstreamStatus    int // 0 if the upstream wasn't asked
	UpstreamRequestID string
}

// ErrorFinding is one finding in an error answer.
type ErrorFinding struct{ Rule, Path, Fix string }

// Append writes the document. schemas has the one URN of RFC 7644.
func (e *ErrorDocument) Append(dst []byte) []byte {
	dst = append(dst, `{"schemas":["`+ErrorSchema+`"],"status":`...)
	dst = AppendStatus(dst, e.Status)
	if e.ScimType != "" {
		dst = AppendString(append(dst, `,"scimType":`...), e.ScimType)
	}
	dst = AppendString(append(dst, `,"detail":`...), e.Detail)
	dst = AppendString(append(dst, `,"urn:scimgate:1.0:Error":{"exchange":`...), e.Exchange)
	if len(e.Findings) > 0 {
		dst = append(dst, `,"findings":[`...)
		for i, f := range e.Findings {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = AppendString(append(dst, `{"rule":`...), f.Rule)
			dst = AppendString(append(dst, `,"path":`...), f.Path)
			dst = AppendString(append(dst, `,"fix":`...), f.Fix)
			dst = append(dst, '}')
		}
		dst = append(dst, ']')
	}
	if e.UpstreamStatus != 0 {
		dst = append(dst, `,"upstream":{"status":`...)
		dst = strconv.AppendInt(dst, int64(e.UpstreamStatus), 10)
		dst = AppendString(append(dst, `,"requestId":`...), e.UpstreamRequestID)
		dst = append(dst, '}')
	}
	return append(dst, "}}"...)
}

// maxErrorBody bounds what is read of an upstream's error.
const maxErrorBody = 64 << 10

// ReadError reads an error answer of AWS as far as it can be read: either schema
// key, status as text or number, or no JSON at all, of which nothing is taken.
func ReadError(body []byte) (detail, scimType, requestID string) {
	if len(body) > maxErrorBody {
		return "", "", ""
	}
	var e struct {
		Detail    any `json:"detail"`
		ScimType  any `json:"scimType"`
		RequestID any `json:"exceptionRequestId"`
	}
	if json.Unmarshal(body, &e) != nil {
		return "", "", ""
	}
	text := func(v any) string { s, _ := v.(string); return s }
	return text(e.Detail), text(e.ScimType), text(e.RequestID)
}

// IsError tells whether a body is an error document of SCIM (RFC 7644 §3.12), or AWS's form
// of one: an object with schemas, schema or a detail. What stands in between answers with
// pages, and with documents of its own.
func IsError(body []byte) bool {
	var e struct {
		Schemas, Schema any
		Detail          any
	}
	if len(body) > maxErrorBody || json.Unmarshal(body, &e) != nil {
		return false
	}
	detail, _ := e.Detail.(string)
	return e.Schemas != nil || e.Schema != nil || detail != ""
}
