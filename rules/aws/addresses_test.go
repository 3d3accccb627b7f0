package aws

import (
	"strings"
	"testing"
)

// An address is judged by what all operations together make of the one that AWS has.
func TestAddressesUnderPatch(t *testing.T) {
	const (
		whole = `{"id":"` + fixtureUser + `","userName":"ada","addresses":[{"streetAddress":"1","locality":"Ely","region":"CAM","postalCode":"CB7","country":"GB","type":"work"}]}`
		none  = `{"id":"` + fixtureUser + `","userName":"ada"}`
	)
	part := func(op, path, value string) string {
		if op == "remove" {
			return `{"op":"remove","path":"` + path + `"}`
		}
		return `{"op":"` + op + `","path":"` + path + `","value":"` + value + `"}`
	}
	all := func(op, prefix string, order ...string) string {
		operations := make([]string, len(order))
		for i, name := range order {
			operations[i] = part(op, prefix+name, "x")
		}
		return strings.Join(operations, ",")
	}
	const work, dotted = `addresses[type eq \"work\"].`, `addresses.`
	one, clear := part("replace", work+"locality", "York"), part("replace", work+"locality", "")
	removal := part("remove", work+"locality", "")
	pathless := `{"op":"replace","value":{"` + work + `locality":"York","` + work + `country":"GB"}}`
	orders := [][]string{{"streetAddress", "locality", "region", "postalCode", "country"}, {"country", "postalCode", "streetAddress", "region", "locality"}}

	inUserPatch.becomes(t, whole,
		one, one,
		part("replace", dotted+"locality", "York"), part("replace", dotted+"locality", "York"),
		pathless, pathless,
		removal, `-`, // it would leave four parts: the address stays as it is
		clear, `-`,
		`{"op":"replace","value":{"`+work+`locality":""}}`, `-`,
		`{"op":"replace","path":"addresses","value":[{"locality":"Ely","type":"work"}]}`,
		`{"op":"replace","path":"addresses","value":[{"locality":"Ely","type":"work","streetAddress":"1","region":"CAM","postalCode":"CB7","country":"GB"}]}`,
		`{"op":"replace","path":"addresses","value":[{"locality":"York","type":"work"}]}`, `-`,
		`{"op":"replace","value":{"addresses":[{"locality":"York","type":"work"}],"title":"T"}}`, `{"op":"replace","value":{"title":"T"}}`,
		one+","+removal, `-`,
		removal+","+one, removal+","+one,
	)
	for _, unknown := range []string{none, ""} {
		inUserPatch.becomes(t, unknown,
			one, `-`,
			part("replace", dotted+"locality", "York"), `-`,
			pathless, `-`,
			all("add", work, orders[0][:4]...), `-`,
			`{"op":"replace","path":"addresses","value":[{"locality":"York","type":"work"}]}`, `-`,
		)
	}
	for _, current := range []string{whole, none, ""} {
		for _, order := range orders {
			for _, prefix := range []string{work, dotted} {
				inUserPatch.becomes(t, current,
					all("add", prefix, order...), all("add", prefix, order...),
					all("remove", prefix, order...), all("remove", prefix, order...),
				)
			}
			again := all("remove", work, order...) + "," + all("add", work, order...)
			inUserPatch.becomes(t, current,
				again, again,
				all("remove", dotted, order...)+","+all("add", dotted, order...), all("add", dotted, order...), // what is set again need not go first
			)
		}
		for _, gone := range []string{`{"op":"remove","path":"addresses"}`, `{"op":"remove","path":"addresses[type eq \"work\"]"}`} {
			inUserPatch.becomes(t, current, gone, gone)
		}
		dottedKeys := `{"op":"replace","value":{"addresses.country":"GB","addresses.locality":"Ely","addresses.postalCode":"CB7","addresses.region":"CAM","addresses.streetAddress":"1"}}`
		inUserPatch.becomes(t, current, dottedKeys, dottedKeys)
	}
}
