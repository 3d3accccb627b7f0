package faulty

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/scimgate/scimgate/bench/faults/message"
)

// plain answers, and nothing is carried out.
func plain(r Reply) func(*Strike) { return func(k *Strike) { k.Whole(r) } }

// refusal answers with an error document in AWS's form.
func refusal(status int, retryAfter string) func(*Strike) {
	r := Reply{Status: status, Body: fmt.Sprintf(`{"schema":["urn:ietf:params:scim:api:messages:2.0:Error"],"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"detail":"injected","status":"%d"}`, status)}
	r.Fields = append(r.Fields, message.Field{Name: "Content-Type", Value: "application/json"}, message.Field{Name: "x-amzn-RequestId", Value: "injected"})
	if retryAfter != "" {
		r.Fields = append(r.Fields, message.Field{Name: "Retry-After", Value: retryAfter})
	}
	return plain(r)
}

// html is the answer of something in front of AWS that knows no SCIM.
func html(status int) Reply {
	return Reply{Status: status, Fields: []message.Field{{Name: "Content-Type", Value: "text/html"}}, Body: "<html><body>no SCIM here</body></html>"}
}

// Poison is an answer that nobody has asked for.
func Poison() Reply {
	return Reply{Status: 200, Fields: []message.Field{{Name: "Content-Type", Value: "application/json"}, {Name: "x-amzn-RequestId", Value: PoisonID}},
		Body: `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"id":"` + PoisonID + `","userName":"poison","active":false,"totalResults":0,"Resources":[]}`}
}

// PoisonID stands in an answer that nobody has asked for.
const PoisonID = "66666666-6666-6666-6666-666666666666"

// after carries the request out first.
func after(strike func(*Strike)) func(*Strike) {
	return func(k *Strike) {
		k.Apply()
		if !k.over {
			strike(k)
		}
	}
}

// cut sends a part of the answer to what was carried out.
func cut(end func(*Strike)) func(*Strike) {
	return func(k *Strike) {
		bytes := k.Apply().Bytes()
		if k.over {
			return
		}
		if at := k.At(len(bytes) - 1); at > 0 {
			k.Broken(bytes[:at])
		}
		end(k)
	}
}

// garbled sends bytes that are no sound answer, and ends the connection.
func garbled(bytes func(Reply) string) func(*Strike) {
	return func(k *Strike) {
		k.Broken([]byte(bytes(k.Apply())))
		if !k.over {
			k.End()
		}
	}
}

// claims sends a sound message that says it is done, and can't be believed. AWS answers
// a DELETE without a body, which is sound.
func claims(text func(Reply) string) func(*Strike) {
	return func(k *Strike) {
		r := k.Apply()
		if k.over {
			return
		}
		status := r.Status
		if r.Body = text(r); status == 204 {
			status = 200
		}
		r.Status = status
		if k.e.Method == "DELETE" && r.Body == "" {
			k.Whole(r)
			return
		}
		k.Broken(r.Bytes())
	}
}

// another answers with another resource than the one that was written or read; a list is
// no one's. What was just made is known by its name alone: AWS's answer to a create has
// nothing else by which its id could be held to it.
func another(k *Strike) {
	r := k.Apply()
	if k.over {
		return
	}
	begin := strings.Index(r.Body, `"id":"`)
	if r.Status/100 != 2 || begin < 0 || strings.Contains(r.Body, `"Resources"`) {
		k.Whole(r)
		return
	}
	begin += len(`"id":"`)
	end := begin + strings.IndexByte(r.Body[begin:], '"')
	r.Body = r.Body[:begin] + PoisonID + r.Body[end:]
	if k.e.Method == "POST" {
		r.Body = names.ReplaceAllString(r.Body, `"$1":"poison"`)
	}
	k.Broken(r.Bytes())
}

var names = regexp.MustCompile(`"(userName|displayName)":"[^"]*"`)

// body is that of an answer; something, where there is none.
func body(r Reply) string {
	if r.Body == "" {
		return "{}"
	}
	return r.Body
}

// head is the head of an answer with other framing.
func head(r Reply, fields ...string) string {
	status := r
	if r.Status == 204 {
		status.Status = 200
	}
	all := append([]message.Field{}, r.Fields...)
	for i := 0; i < len(fields); i += 2 {
		all = append(all, message.Field{Name: fields[i], Value: fields[i+1]})
	}
	return string(message.Append(nil, status.line(), all, ""))
}

// chunked is a body in two chunks.
func chunked(body string) string {
	half := len(body) / 2
	return fmt.Sprintf("%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n", half, body[:half], len(body)-half, body[half:])
}
