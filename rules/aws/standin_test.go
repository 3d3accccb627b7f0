package aws

import (
	"encoding/json"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/scimgate/scimgate/bench/standin"
)

const (
	fixtureUser  = "c4d8a478-10a1-70de-3d75-96c6bb640001"
	fixtureGroup = "d4d8a478-10a1-70de-3d75-96c6bb640009"
	fixtureToken = "abcDEF123=="
)

// The stand-in for AWS, which knows nothing of the rules, answers what breaks a
// rule as the fixture says, and takes what keeps it and what was repaired.
func TestStandInAgreesWithFixtures(t *testing.T) {
	for _, f := range fixtures(t) {
		answer := string(f.section("aws"))
		if answer == "" {
			continue // it isn't known what AWS answers, or the request never gets there
		}
		t.Run(f.id(), func(t *testing.T) {
			status, detail, _ := strings.Cut(answer, "\n")
			want, err := strconv.Atoi(status)
			if err != nil {
				t.Fatal(err)
			}
			got, said := ask(t, f, f.section("bad"))
			if got != want || detail != "" && said != detail {
				t.Errorf("bad: got %d %q, want %d %q", got, said, want, detail)
			}
			for _, name := range []string{"good", "repaired"} {
				if text := f.section(name); text != nil {
					if got, said := ask(t, f, text); got >= 300 {
						t.Errorf("%s: got %d %q, want it to be taken", name, got, said)
					}
				}
			}
		})
	}
}

// ask puts a request of a fixture to a stand-in of its own.
func ask(t *testing.T, f fixture, text []byte) (status int, detail string) {
	t.Helper()
	options := standin.Options{Token: fixtureToken, Rates: standin.Unlimited()}
	if string(f.section("settings")) == "roles" {
		options.Switches = standin.Positions{"roles": "accept"}
	}
	aws := standin.New(options)
	user := string(f.section("current"))
	if user == "" {
		user = `{"id":"` + fixtureUser + `","userName":"ada.first","name":{"givenName":"Ada","familyName":"Byron"},"displayName":"Ada Byron"}`
	}
	if _, err := aws.AddUser(user); err != nil {
		t.Fatal(err)
	}
	if _, err := aws.AddGroup(`{"id":"` + fixtureGroup + `","displayName":"Readers"}`); err != nil {
		t.Fatal(err)
	}
	r := parseRequest(text)
	req := httptest.NewRequest(r.Method, "/"+standin.DefaultTenant+r.Target, strings.NewReader(string(r.Body)))
	if r.Head == nil {
		req.Header.Set("Authorization", "Bearer "+fixtureToken)
		req.Header.Set("Content-Type", "application/scim+json")
		req.Header.Set("User-Agent", "fixtures")
	}
	for _, h := range r.Head {
		req.Header.Add(h.Name, h.Value)
	}
	w := httptest.NewRecorder()
	aws.ServeHTTP(w, req)
	var doc struct{ Detail string }
	if w.Code >= 300 && w.Body.Len() > 0 && strings.HasPrefix(w.Header().Get("Content-Type"), "application/") {
		if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil {
			t.Fatalf("the stand-in answered %q: %v", w.Body, err)
		}
	}
	return w.Code, doc.Detail
}
