package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/scimgate/scimgate/bench/standin"
)

const patch = `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[%s]}`

// work makes people and groups, changes them in each way, and deletes them, until ctx
// ends. Each round leaves AWS as it found it.
func (p *program) work(ctx context.Context, worker int, r *Report) {
	for round := 0; ctx.Err() == nil; round++ {
		name := fmt.Sprintf("person-%d-%d", worker, round)
		user := fmt.Sprintf(`{"userName":"%s@example.test","name":{"givenName":"Ada","familyName":"Byron"},"emails":[{"value":"%s@example.test","type":"work"}],"password":"x","groups":[],"active":true}`, name, name)
		id := p.ask(ctx, r, "POST", "/Users", user)
		p.ask(ctx, r, "GET", "/Users?filter=userName%20eq%20%22"+name+"%40example.test%22&startIndex=1&count=100", "")
		p.ask(ctx, r, "PUT", "/Users/"+id, user)
		p.ask(ctx, r, "PATCH", "/Users/"+id, fmt.Sprintf(patch, `{"op":"replace","value":{"active":false}}`))
		p.ask(ctx, r, "PATCH", "/Users/"+id, fmt.Sprintf(patch, `{"op":"replace","value":{"active":true}}`))
		group := p.ask(ctx, r, "POST", "/Groups", fmt.Sprintf(`{"displayName":"Group %d-%d","members":[{"value":%q,"display":"x"}]}`, worker, round, id))
		p.ask(ctx, r, "PUT", "/Groups/"+group, fmt.Sprintf(`{"displayName":"Group %d-%d","members":[]}`, worker, round))
		p.ask(ctx, r, "GET", "/Groups/"+group, "")
		p.ask(ctx, r, "GET", "/Users?startIndex=1&count=2", "")
		p.ask(ctx, r, "POST", "/Users", `{"userName":"incomplete"}`)
		p.ask(ctx, r, "DELETE", "/Groups/"+group, "")
		p.ask(ctx, r, "DELETE", "/Users/"+id, "")
	}
}

// ask sends a request, again when it is told to, and returns the id in the answer.
func (p *program) ask(ctx context.Context, r *Report, method, target, body string) (id string) {
	if strings.HasSuffix(target, "/") || strings.Contains(target, "//") { // what it is about was never made
		return ""
	}
	for {
		req, err := http.NewRequest(method, p.gateway+target, strings.NewReader(body))
		if err != nil {
			panic(err)
		}
		req.Header.Set("Authorization", "Bearer "+standin.DefaultToken)
		req.Header.Set("User-Agent", "soak")
		if body != "" {
			req.Header.Set("Content-Type", "application/scim+json")
		}
		resp, err := p.client.Do(req)
		if err != nil {
			r.count("no answer")
			return ""
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			r.count("half an answer")
			return ""
		}
		r.count(strconv.Itoa(resp.StatusCode))
		after, err := strconv.Atoi(resp.Header.Get("Retry-After"))
		if resp.StatusCode != http.StatusTooManyRequests || err != nil {
			var resource struct{ ID string }
			_ = json.Unmarshal(text, &resource) // an error has none
			return resource.ID
		}
		select {
		case <-ctx.Done():
			return ""
		case <-time.After(time.Duration(after) * time.Second):
		}
	}
}
