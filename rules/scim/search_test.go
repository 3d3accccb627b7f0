package scim

import (
	"fmt"
	"testing"
)

func TestReadSearch(t *testing.T) {
	f := func(body, want string, kinds ...Kind) {
		t.Helper()
		target, faults := ParseTarget("POST", []byte("/scim/v2/Users/.search"), "")
		if len(faults) > 0 || target.Operation != ListUsers || !target.Search {
			t.Fatalf("got %+v %v, want a search of users", target, faults)
		}
		faults, ok := target.ReadSearch([]byte(body))
		var got []Kind
		for _, fault := range faults {
			got = append(got, fault.Kind)
		}
		if uri := string(target.AppendURI(nil)) + fmt.Sprint(target.Query.Attributes); ok && uri != want || fmt.Sprint(got) != fmt.Sprint(kinds) || ok == (want == "") {
			t.Errorf("got %s %v %v for %s, want %s %v", uri, got, ok, body, want, kinds)
		}
	}
	f(`{"schemas":["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],"filter":"userName eq \"ada\"","startIndex":1,"count":10,"attributes":["userName","name"]}`,
		"/Users?startIndex=1&count=10&filter=userName%20eq%20%22ada%22[userName name]")
	f(`{}`, "/Users[]")
	f(`{"sortBy":"userName"}`, "/Users[]", ParameterUnsupported)
	f(`{"filter":"userName"}`, "", FilterSyntax)
	f(`{"count":"many"}`, "", BadNumber)
	f(`[]`, "", NotAnObject)
	f(`{"a":1,"a":2}`, "", DuplicateName)
	for _, target := range []string{"/scim/v2/.search", "/scim/v2/Schemas/.search"} {
		if got, faults := ParseTarget("POST", []byte(target), ""); got.Operation != 0 || faults[len(faults)-1].Kind != UnsupportedEndpoint {
			t.Errorf("got %+v %v for %s, want it refused", got, faults, target)
		}
	}
	if got, faults := ParseTarget("GET", []byte("/scim/v2/Users/.search"), ""); got.Operation != 0 || faults[len(faults)-1].Kind != MethodNotAllowed {
		t.Errorf("got %+v %v for GET, want it refused", got, faults)
	}
}
