package tokens

import (
	"strings"
	"testing"
)

// Whatever stands in a file of tokens, what is taken is within the bounds, and no tokens at all are a fault.
func FuzzTokens(f *testing.F) {
	_, line := Make("okta")
	for _, seed := range []string{line, line + "\n# a comment\n" + line, "okta", "okta 00", strings.Repeat(line+"\n", 65), "\x00"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		list, err := parse(text)
		if len(list) == 0 && err == nil || len(list) > maxTokens {
			t.Fatalf("got %d tokens", len(list))
		}
		for _, one := range list {
			if one.name == "" || len(one.name) > 64 || strings.ContainsAny(one.name, " \n") {
				t.Fatalf("got the name %q", one.name)
			}
		}
	})
}
