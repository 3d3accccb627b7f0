package scim

import (
	"fmt"
	"strings"
	"testing"
)

const tenantPrefix = "/11111111111-2222-3333-4444-555555555555/scim/v2"

func kinds(faults []Fault) (list []Kind) {
	for _, f := range faults {
		list = append(list, f.Kind)
	}
	return list
}

func TestTargetsOfClients(t *testing.T) {
	// f wants the target that is sent to AWS, and what was mended.
	f := func(method, raw, want string, mended ...Kind) {
		t.Helper()
		target, faults := ParseTarget(method, []byte(raw), tenantPrefix)
		if target.Operation == 0 {
			t.Errorf("%s %s: got refused with %v, want %s", method, raw, kinds(faults), want)
			return
		}
		if got := string(target.AppendURI(nil)); got != want {
			t.Errorf("%s %s: got %s, want %s", method, raw, got, want)
		}
		if fmt.Sprint(kinds(faults)) != fmt.Sprint(mended) {
			t.Errorf("%s %s: got faults %v, want %v", method, raw, kinds(faults), mended)
		}
	}
	const id = "9067642ac7-b1e6ec2a-1d71-4c5b-b7b3-2f6a9a8c1d2e"
	f("POST", tenantPrefix+"/Users", "/Users")
	f("POST", "/scim/v2/Users", "/Users")
	f("GET", "/scim/v2/Users/"+id, "/Users/"+id)
	f("DELETE", "/scim/v2/Groups/"+id, "/Groups/"+id)
	f("GET", "/scim/v2/ServiceProviderConfig", "/ServiceProviderConfig")
	f("GET", "/scim/v2/Schemas/urn:ietf:params:scim:schemas:core:2.0:User", "/Schemas/urn:ietf:params:scim:schemas:core:2.0:User")
	f("GET", "/scim/v2/ResourceTypes/User", "/ResourceTypes/User")

	// Okta joins Base URL and path with a slash of its own.
	f("GET", tenantPrefix+"//Users", "/Users", DoubledSlash)
	f("GET", "//scim/v2/Users", "/Users", DoubledSlash)
	f("GET", "/scim/v2/Users/", "/Users", TrailingSlash)
	f("GET", "/scim/v2/Users/"+id+"/", "/Users/"+id, TrailingSlash)
	f("GET", "/Users", "/Users", BaseMissing)
	f("GET", "/11111111111-2222-3333-4444-555555555555/Users", "/Users", BaseMissing)
	f("GET", "/scim/v2/scim/v2/Users", "/Users", BaseDoubled)
	f("GET", tenantPrefix+"/scim/v2/Users", "/Users", BaseDoubled)
	f("GET", tenantPrefix+tenantPrefix+"/Users", "/Users", BaseDoubled)
	f("GET", "/scim/v2Users", "/Users", SlashMissing)
	f("PATCH", tenantPrefix+"Groups/"+id, "/Groups/"+id, SlashMissing)
	f("GET", "/scim/v2/users", "/Users", ResourceTypeCase)
	f("GET", "/SCIM/V2/GROUPS", "/Groups", ResourceTypeCase, ResourceTypeCase)
	f("GET", "/scim/v2/%55sers", "/Users", NeedlessEncoding)
	f("GET", "/%20scim/v2/Users", "/Users", BlankAround)
	f("GET", "/scim/v2/Users%20", "/Users", BlankAround)
	f("GET", "/scim/v2%20/Users", "/Users", BlankAround)
	f("PATCH", "/scim/v2/Groups/"+id+"?", "/Groups/"+id, EmptyQuery)

	f("GET", "/scim/v2/Users?startIndex=1&count=2", "/Users?startIndex=1&count=2")
	f("GET", "/scim/v2/Users?filter=userName%20eq%20%22a%40b%22&startIndex=1&count=100", "/Users?startIndex=1&count=100&filter=userName%20eq%20%22a%40b%22")
	f("GET", "/scim/v2/Users?filter=userName+eq+%22a%22", "/Users?filter=userName%20eq%20%22a%22", PlusForSpace)
	f("GET", "/scim/v2/Users?filter=userName%20EQ%20%22a%22", "/Users?filter=userName%20eq%20%22a%22", OperatorCase)
	f("GET", "/scim/v2/Groups?excludedAttributes=members&filter=displayName%20eq%20%22%D0%96%22", "/Groups?filter=displayName%20eq%20%22%D0%96%22")
	f("GET", "/scim/v2/Users?cursor&count=50", "/Users?cursor&count=50")
	f("GET", "/scim/v2/Users?cursor=a%2Bb%3D", "/Users?cursor=a%2Bb%3D")
	f("GET", "/scim/v2/Users?count=-5&startIndex=0", "/Users?startIndex=1&count=0")
	f("PATCH", "/scim/v2/Users/"+id+"?aadOptscim062020", "/Users/"+id, ParameterUnsupported)
	f("GET", "/scim/v2/Users?sortBy=userName", "/Users", ParameterUnsupported)
	// Once and only once: what was encoded twice stays encoded.
	f("GET", "/scim/v2/Users?filter=userName%20eq%20%22a%252Fb%22", "/Users?filter=userName%20eq%20%22a%252Fb%22")
}

func TestTargetsRefused(t *testing.T) {
	f := func(method, raw string, want Kind) {
		t.Helper()
		target, faults := ParseTarget(method, []byte(raw), tenantPrefix)
		if target.Operation != 0 || len(faults) == 0 || faults[len(faults)-1].Kind != want {
			t.Errorf("%s %q: got %v %v, want it refused with %d last", method, raw, target.Operation, kinds(faults), want)
		}
	}
	f("GET", "/scim/v2/Users/../Groups/1", DotSegment)
	f("GET", "/scim/v2/Users/%2e%2e/Groups/1", DotSegment)
	f("GET", "/scim/v2/./Users", DotSegment)
	f("GET", "/scim/v2/Users/a%2fb", EncodedSlash)
	f("GET", "/scim/v2/Users/a%5Cb", EncodedSlash)
	f("GET", `/scim/v2/Users\1`, EncodedSlash)
	f("GET", "/scim/v2/Users/a%00", ControlCharacter)
	f("GET", "/scim/v2/Users/a%0d%0aX:y", ControlCharacter)
	f("GET", "/scim/v2/Users?filter=userName%20eq%20%22a%0a%22", ControlCharacter)
	f("GET", "http://other.example.test/scim/v2/Users", AbsoluteForm)
	f("OPTIONS", "*", AbsoluteForm)
	f("GET", "", AbsoluteForm)
	f("GET", "/scim/v2/Users#x", Fragment)
	f("GET", "/scim/v2/Users/%zz", BadEncoding)
	f("GET", "/scim/v2/Users/%e9", BadEncoding)
	f("GET", "/scim/v2/Users/é", BadEncoding)
	f("GET", "/scim/v2/Widgets", UnknownResourceType)
	f("GET", "/scim/v2/", UnknownResourceType)
	f("GET", "/scim/v2/Users/1/2", UnknownResourceType)
	f("GET", "/api/v1/Users", UnknownBase)
	f("GET", "/", UnknownBase)
	f("GET", "/22222222222-2222-3333-4444-555555555555/scim/v2/Users", UnknownBase)
	f("GET", "/scim/v2/Me", UnsupportedEndpoint)
	f("POST", "/scim/v2/Bulk", UnsupportedEndpoint)
	f("POST", "/scim/v2/.search", UnsupportedEndpoint)
	f("PATCH", "/scim/v2/Users", MethodNotAllowed)
	f("POST", "/scim/v2/Users/1", MethodNotAllowed)
	f("TRACE", "/scim/v2/Users", MethodNotAllowed)
	f("GET", "/scim/v2/Users/a;b", BadID)
	f("GET", "/scim/v2/Users/"+strings.Repeat("a", 65), BadID)
	f("GET", "/scim/v2/Users?filter=userName%20eq", FilterSyntax)
	f("GET", "/scim/v2/Users?count=many", BadNumber)
	f("GET", "/scim/v2/Users?count=1&Count=2", RepeatedParameter)
	f("GET", "/scim/v2/"+strings.Repeat("a", maxTarget), TargetTooLong)
}

func FuzzTarget(f *testing.F) {
	for _, seed := range []string{tenantPrefix + "//Users/", "/scim/v2Users?filter=userName+eq+%22a%22", "/scim/v2/Users/%2e%2e", "/%20users%20", "/SCIM/v2/scim/V2/groups/1?",
		"/scim/v2/Users?cursor=a%2b&count=3", "/scim/v2/Schemas/urn:a:b"} {
		for _, method := range []string{"GET", "POST", "PATCH"} {
			f.Add(method, seed)
		}
	}
	f.Fuzz(func(t *testing.T, method, raw string) {
		target, faults := ParseTarget(method, []byte(raw), tenantPrefix)
		if target.Operation == 0 {
			if len(faults) == 0 {
				t.Fatalf("refused %q without a word", raw)
			}
			return
		}
		for _, fault := range faults {
			if fault.Start < 0 || fault.End > len(raw) || fault.Start > fault.End {
				t.Fatalf("%q: got place %d to %d", raw, fault.Start, fault.End)
			}
		}
		sent := target.AppendURI([]byte("/scim/v2"))
		for _, c := range sent {
			if c <= ' ' || c >= 0x7f || strings.IndexByte("#\\\"<>;", c) >= 0 {
				t.Fatalf("%q is sent as %q", raw, sent)
			}
		}
		again, faults := ParseTarget(target.Operation.Method(), sent, "")
		again.Query.Attributes, again.Query.ExcludedAttributes = target.Query.Attributes, target.Query.ExcludedAttributes
		if len(faults) > 0 || fmt.Sprintf("%#v", again) != fmt.Sprintf("%#v", target) {
			t.Fatalf("%q is sent as %q, which reads as %#v with %v, want %#v", raw, sent, again, kinds(faults), target)
		}
	})
}
