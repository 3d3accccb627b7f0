package scim

import (
	"bytes"
	"testing"
)

// Whatever a search asks for, its query is refused or can be sent.
func FuzzSearch(f *testing.F) {
	f.Add([]byte(`{"filter":"userName eq \"a\"","startIndex":1,"count":2,"attributes":["userName"],"excludedAttributes":["name"],"cursor":"x"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		target := Target{Operation: ListUsers, Search: true}
		faults, ok := target.ReadSearch(body)
		if ok {
			if uri := target.AppendURI(nil); bytes.ContainsAny(uri, " \r\n\"#") {
				t.Fatalf("got %q of %q", uri, body)
			}
			return
		}
		if len(faults) == 0 {
			t.Fatalf("%q is refused without a fault", body)
		}
	})
}

// Whatever an Authorization header holds, the token is a part of it that can be sent on.
func FuzzToken(f *testing.F) {
	f.Add([]byte("Bearer abc"))
	f.Add([]byte("Bearer Bearer  abc "))
	f.Fuzz(func(t *testing.T, value []byte) {
		token := Token(value)
		if len(token) > 0 && (!bytes.Contains(value, token) || !isToken(token)) {
			t.Fatalf("got %q of %q", token, value)
		}
		HeadFaults(Target{Operation: CreateUser}, 1, value, value, false)
	})
}
