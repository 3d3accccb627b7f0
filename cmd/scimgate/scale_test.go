package main

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/scimgate/scimgate/bench/okta"
	"github.com/scimgate/scimgate/bench/standin"
)

// An import of 50,000 users costs one call to AWS for each page.
func TestImportOfManyUsers(t *testing.T) {
	const users = 50_000
	c := play(t, stage{aws: standin.Options{Users: users}})
	seen, requests := map[string]bool{}, 0
	for start := 1; ; {
		requests++
		list := gjson.Parse(c.through(200, "GET", fmt.Sprintf("/Users?startIndex=%d&count=100", start), "").body)
		for _, u := range list.Get("Resources").Array() {
			seen[u.Get("id").Str] = true
		}
		if start += int(list.Get("itemsPerPage").Int()); start > int(list.Get("totalResults").Int()) {
			break
		}
	}
	if len(seen) != users || requests != users/100 {
		t.Errorf("got %d users in %d requests, want %d in %d", len(seen), requests, users, users/100)
	}
	journal := c.aws.Journal()
	if calls := journal[len(journal)-1].Seq; calls > users/100+2 {
		t.Errorf("got %d calls to AWS, want one for each page", calls)
	}
}

// What Okta has and what AWS has become the same, in both dialects, whatever AWS does
// where no document tells. SCIMGATE_SCALE=full takes 2,000 people and groups of 1,500
// under each switch of the stand-in; without it the switches are tried with fewer.
func TestOktaConvergesUnderEachSwitch(t *testing.T) {
	full := os.Getenv("SCIMGATE_SCALE") == "full"
	for _, dialect := range []okta.Dialect{okta.Catalogue, okta.Wizard} {
		f := func(name string, people int, positions standin.Positions) {
			t.Run(fmt.Sprintf("%v %s", dialect, name), func(t *testing.T) {
				t.Parallel()
				if people < 2000 && full {
					people = 2000
				}
				converges(t, dialect, people, positions)
			})
		}
		f("defaults", 2000, nil)
		for _, s := range standin.Switches() {
			for _, value := range s.Values[1:] {
				f(s.Name+"="+value, 150, standin.Positions{s.Name: value})
			}
		}
	}
}

func converges(t *testing.T, dialect okta.Dialect, people int, positions standin.Positions) {
	c := play(t, stage{aws: standin.Options{Switches: positions}})
	session := okta.Session{Client: &okta.Client{BaseURL: c.gateway, Token: standin.DefaultToken, Wait: func(time.Duration) {}}, Dialect: dialect,
		Population: okta.New(people, 3, people*3/4, 7)}
	session.Run()
	if got := session.Compare(holdings(c.aws)); len(got.Differences) > 0 {
		t.Errorf("%d differences, the first: %q", len(got.Differences), got.Differences[:min(3, len(got.Differences))])
	}
	users, groups := holdings(c.aws)
	seen := session.Seen
	for began := time.Now(); seen != len(users)+len(groups) && positions["read-delay"] != "" && time.Since(began) < 10*time.Second; {
		seen = c.imported("/Users") + c.imported("/Groups") // AWS shows what is new within a second
	}
	if seen != len(users)+len(groups) {
		t.Errorf("the imports see %d resources of %d", seen, len(users)+len(groups))
	}
}

// imported is how many resources an import shows.
func (c *scene) imported(collection string) (seen int) {
	for start := 1; ; {
		list := gjson.Parse(c.through(200, "GET", fmt.Sprintf("%s?startIndex=%d&count=100", collection, start), "").body)
		n := int(list.Get("itemsPerPage").Int())
		seen += n
		if start += n; n == 0 || start > int(list.Get("totalResults").Int()) {
			return seen
		}
	}
}
