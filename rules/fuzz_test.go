package rules_test

import (
	"testing"

	"github.com/scimgate/scimgate/rules"
)

// Whatever a document says, its shape has none of its texts that may be about people.
func FuzzShape(f *testing.F) {
	f.Add(`{"userName":"ada@example.test","active":true,"emails":[{"value":"x"}]}`)
	f.Add(`[`)
	f.Fuzz(func(t *testing.T, doc string) {
		if n := len(rules.Shape([]byte(doc))); n > 5<<10 {
			t.Fatalf("got a shape of %d bytes", n)
		}
	})
}
