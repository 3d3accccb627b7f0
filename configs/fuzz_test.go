package configs

import (
	"os"
	"path/filepath"
	"testing"
)

// Whatever stands in a configuration, it is refused with words or read.
func FuzzLoad(f *testing.F) {
	example, err := os.ReadFile("scimgate.example.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{string(example), "policy: strict\n", "tenants: {a: {policy: observe}}\n", "a: [b, {c: d}]\n", "rules: {SG304: off}\n", "? [x]\n: y\n", "\t", "&a [*a]", "<<: {policy: strict}\n"} {
		f.Add(seed)
	}
	path := filepath.Join(f.TempDir(), "scimgate.yaml")
	f.Fuzz(func(t *testing.T, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := Load(path, nil, nil)
		if err == nil {
			_ = c.Check()
		} else if err.Error() == "" {
			t.Fatal("refused without a word")
		}
	})
}
