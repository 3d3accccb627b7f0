package scim

import (
	"strings"
	"testing"
)

// The bounds of URLs, filters and errors; those of documents are in scan_test.go.

func TestSegmentsAreBounded(t *testing.T) {
	raw := "/scim/v2" + strings.Repeat("/a", maxSegments-2)
	if _, faults := ParseTarget("GET", []byte(raw), tenantPrefix); faults[len(faults)-1].Start == len(raw)-1 {
		t.Errorf("got %v for %d segments, want the resource refused and not the last of them", faults, maxSegments)
	}
	target, faults := ParseTarget("GET", []byte(raw+"/b/c"), tenantPrefix)
	last := faults[len(faults)-1]
	if target.Operation != 0 || last.Kind != UnknownResourceType || last.Start != len(raw)+1 {
		t.Errorf("got %v %+v, want segment %d refused", target.Operation, last, maxSegments+1)
	}
}

func TestFiltersAreBounded(t *testing.T) {
	f := func(text string, at int) {
		t.Helper()
		_, err := ParseFilter(text)
		if syntax, ok := err.(*SyntaxError); at >= 0 && (!ok || syntax.At != at) || at < 0 && err != nil {
			t.Errorf("%.20q of %d bytes: got %v, want a fault at %d", text, len(text), err, at)
		}
	}
	long := `userName eq "` + strings.Repeat("a", maxFilter)
	f(long[:maxFilter-1]+`"`, -1)
	f(long[:maxFilter]+`"`, maxFilter)
	f(strings.Repeat("(", maxFilterDepth)+`a eq "b"`+strings.Repeat(")", maxFilterDepth), -1)
	f(strings.Repeat("(", maxFilterDepth+1)+`a eq "b"`+strings.Repeat(")", maxFilterDepth+1), maxFilterDepth+1)
	f(strings.Repeat("not(", maxFilterDepth+1)+`a eq "b"`+strings.Repeat(")", maxFilterDepth+1), 4*(maxFilterDepth+1))
	if _, err := ParsePath(strings.Repeat("a", maxFilter+1)); err == nil {
		t.Errorf("a path of %d bytes is read", maxFilter+1)
	}
}

func TestErrorsAreReadUpToABound(t *testing.T) {
	text := `{"detail":"no"` + strings.Repeat(" ", maxErrorBody-len(`{"detail":"no"}`)) + `}`
	if detail, _, _ := ReadError([]byte(text)); detail != "no" {
		t.Errorf("got %q of an error of %d bytes", detail, len(text))
	}
	if detail, _, _ := ReadError([]byte(text + " ")); detail != "" {
		t.Errorf("got %q of an error of %d bytes, want it left unread", detail, len(text)+1)
	}
}

func TestPathsAreBounded(t *testing.T) {
	longest := strings.Repeat("a", maxPath)
	if _, err := ParsePath(longest); err != nil {
		t.Errorf("got %v for %d bytes", err, maxPath)
	}
	if _, err := ParsePath(longest + "a"); err == nil {
		t.Errorf("got no error for %d bytes", maxPath+1)
	}
}

// What is an error document is told without reading deep or long ones.
func TestErrorsAreTold(t *testing.T) {
	f := func(body string, want bool) {
		t.Helper()
		if got := IsError([]byte(body)); got != want {
			t.Errorf("got %v for %.60q, want %v", got, body, want)
		}
	}
	f(`{"schemas":["`+ErrorSchema+`"],"status":"404"}`, true)
	f(`{"schema":["`+ErrorSchema+`"],"detail":"x"}`, true)
	f(`{"detail":"Resource not found","status":404}`, true)
	for _, other := range []string{"", "null", "[]", `"x"`, "<html>no backend</html>", `{"message":"Not Found"}`, `{"status":404,"error":"Not Found"}`} {
		f(other, false)
	}
	f(strings.Repeat("[", 4<<20), false)
	f(strings.Repeat("[", maxErrorBody), false)
	f(`{"detail":"`+strings.Repeat("x", maxErrorBody)+`"}`, false)
}
