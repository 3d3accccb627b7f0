package aws

import (
	"bytes"
	"os"
	"testing"
)

// The catalogue is the declarations' own text: a stale one fails here.
func TestCatalogue(t *testing.T) {
	const file = "../README.md"
	if *update {
		if err := os.WriteFile(file, Catalogue(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, Catalogue()) {
		t.Error("rules/README.md is stale: run go generate ./rules/aws")
	}
}
