package audit

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
)

// randomRecord fills each field with probability one half, from the alphabet.
func randomRecord(r *rand.Rand, alphabet []string) Record {
	var rec Record
	text := func() string {
		var b strings.Builder
		for range 1 + r.IntN(12) {
			b.WriteString(alphabet[r.IntN(len(alphabet))])
		}
		return b.String()
	}
	v := reflect.ValueOf(&rec).Elem()
	for i := range v.NumField() {
		field := v.Field(i)
		if r.IntN(2) == 0 {
			continue
		}
		switch field.Interface().(type) {
		case string, Kind:
			field.SetString(text())
		case int, int64:
			field.SetInt(r.Int64N(1<<40) - 1<<20)
		case uint64:
			field.SetUint(r.Uint64())
		case []string:
			list := make([]string, 1+r.IntN(4))
			for i := range list {
				list[i] = text()
			}
			field.Set(reflect.ValueOf(list))
		}
	}
	// encoding/json leaves out the zeros at the end of a fraction.
	rec.Time = time.UnixMicro(r.Int64N(1<<52)*10 + 1).UTC()
	return rec
}

func TestALineIsWhatEncodingJSONWrites(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	plain := []string{"a", "Ω", "名", "😀", "<", ">", "&", `"`, `\`, "\n", "\r", "\t", "\u2028", "\u2029", "\x00", "\x1f", " "}
	for range 2000 {
		rec := randomRecord(r, plain)
		want, err := json.Marshal(rec)
		if err != nil {
			t.Fatal(err)
		}
		if got := rec.AppendLine(nil); string(got) != string(want) {
			t.Fatalf("got  %s\nwant %s", got, want)
		}
	}
}

// Where encoding/json escapes otherwise, the line still reads as the same record.
func TestALineReadsAsTheRecord(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 500 {
		rec := randomRecord(r, []string{"\b", "\f", "\x7f", "\u0085", "\u200b", "x", "ж"})
		line := rec.AppendLine(nil)
		var got Record
		if err := json.Unmarshal(line, &got); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		if !reflect.DeepEqual(got, rec) {
			t.Fatalf("got %+v, want %+v", got, rec)
		}
	}
}

func TestALineIsBounded(t *testing.T) {
	rec := Record{Name: strings.Repeat("é", maxText), Findings: make([]string, maxList+3)}
	for i := range rec.Findings {
		rec.Findings[i] = strings.Repeat("\x01", 2*maxElement)
	}
	rec.Attrs, rec.Added, rec.Removed = rec.Findings, rec.Findings, rec.Findings
	line := rec.AppendLine(nil)
	if len(line) > maxLine {
		t.Errorf("got a line of %d bytes, want at most %d", len(line), maxLine)
	}
	var got Record
	if err := json.Unmarshal(line, &got); err != nil {
		t.Fatal(err)
	}
	if want := strings.Repeat("é", maxText/2) + "…"; got.Name != want {
		t.Errorf("got a name of %d bytes that ends in %q", len(got.Name), got.Name[len(got.Name)-6:])
	}
	if n := len(got.Findings); n != maxList+1 || got.Findings[maxList] != "… and 3 more" {
		t.Errorf("got %d findings, the last %q", n, got.Findings[n-1])
	}
}

func TestALineForgesNoOther(t *testing.T) {
	rec := Record{Name: "ada\"}\n{\"v\":1,\"seq\":2}", AWS: "\x1b[2J\u2028\u009b"}
	line := string(rec.AppendLine(nil))
	for _, bad := range []string{"\n", "\x1b", "\u2028", "\u009b"} {
		if strings.Contains(line, bad) {
			t.Errorf("got %q in %q", bad, line)
		}
	}
}
