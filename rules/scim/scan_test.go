package scim

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func TestScanKeepsValuesWithTheirPlaces(t *testing.T) {
	text := `{"userName":"ada","name":{"givenName":"Ad\u0061","x":[1,-2.5e3,true,null]},"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"manager":{"value":"ü"}}}`
	var d Document
	if fault, ok := d.Scan([]byte(text)); !ok {
		t.Fatalf("got fault %+v, want none", fault)
	}
	f := func(path, raw, text string) {
		t.Helper()
		for at := range d.Nodes {
			if d.Path(int32(at)) == path {
				if got := string(d.Raw(int32(at))); got != raw {
					t.Errorf("%s: got raw %s, want %s", path, got, raw)
				}
				if got := d.String(int32(at)); got != text {
					t.Errorf("%s: got text %s, want %s", path, got, text)
				}
				return
			}
		}
		t.Errorf("no value at %s", path)
	}
	f("userName", `"ada"`, "ada")
	f("name.givenName", `"Ad\u0061"`, "Ada")
	f("name.x[1]", `-2.5e3`, `-2.5e3`)
	f("name.x[3]", `null`, `null`)
	f("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value", `"ü"`, "ü")
	if at := d.Child(0, "USERNAME"); at < 0 || d.Name(at) != "userName" {
		t.Errorf("got %d for a name in another case, want the member", at)
	}
	if at := d.Child(0, "nick"); at != -1 {
		t.Errorf("got %d for an absent member, want -1", at)
	}
	for at := range int32(len(d.Nodes)) {
		if got := d.Locate(d.Path(at)); got != at {
			t.Errorf("%q: got %d, want %d", d.Path(at), got, at)
		}
	}
	for path, want := range map[string]string{
		"name.givenName.first": "name.givenName", "name.x[4]": "name.x", "name.x[-1]": "name.x", "name.x[0": "name.x", "name[0]": "name", "nam": "", "username": "", "": "",
	} {
		if at := d.Locate(path); d.Path(at) != want {
			t.Errorf("%s: got %q, want %q, the deepest value on the way", path, d.Path(at), want)
		}
	}
}

func TestScanRefusesWhatTwoReadersCouldReadDifferently(t *testing.T) {
	f := func(text string, want Kind, start int) {
		t.Helper()
		var d Document
		fault, ok := d.Scan([]byte(text))
		if ok || fault.Kind != want || fault.Start != start {
			t.Errorf("%.60q: got %v %+v, want kind %d at %d", text, ok, fault, want, start)
		}
	}
	f(``, NotJSON, 0)
	f(`{"a":1} x`, NotJSON, 8)
	f("\ufeff{}", NotJSON, 0)
	f(`{"a":1,}`, NotJSON, 7)
	f(`{"a" 1}`, NotJSON, 5)
	f(`[1,]`, NotJSON, 3)
	f(`"a`+"\x00"+`b"`, NotJSON, 2)
	f(`"12345678`+"\n"+`"`, NotJSON, 9)
	f(`01`, NotJSON, 1)
	f(`-`, NotJSON, 0)
	f(`1.`, NotJSON, 0)
	f(`"\x"`, NotJSON, 1)
	f(`"\u12"`, NotJSON, 1)
	f(`nul`, NotJSON, 0)
	f(`{"active":true,"active":false}`, DuplicateName, 15)
	f(`{"active":true,"\u0061ctive":false}`, DuplicateName, 15)
	f(`{"active":true,"Active":false}`, DuplicateName, 15)
	f(`{"k":1,"`+"\u212a"+`":2}`, DuplicateName, 7) // the Kelvin sign folds to k
	f("\"a\xffb\"", NotUTF8, 2)
	f("\"\xed\xa0\x80\"", NotUTF8, 1) // a surrogate in UTF-8
	f(`"\ud800"`, LoneSurrogate, 1)
	f(`"\ud800\u0041"`, LoneSurrogate, 1)
	f(`"\udc00"`, LoneSurrogate, 1)
	f(strings.Repeat("[", MaxDepth+1)+strings.Repeat("]", MaxDepth+1), TooDeep, MaxDepth)
	f(strings.Repeat("[", 1<<20), TooDeep, MaxDepth)
	f(`1e400`, TooLarge, 0)
	f(strings.Repeat("1", MaxNumber+1), TooLarge, 0)
	f(`[`+strings.Repeat("1,", MaxValues)+`1]`, TooLarge, 1+2*(MaxValues-1))
	var many bytes.Buffer
	for i := range MaxMembers + 1 {
		many.WriteString(`,"` + strings.Repeat("a", i+1) + `":1`)
	}
	f("{"+many.String()[1:]+"}", TooLarge, 0)
}

func TestScanMarksWhatIsNotPlain(t *testing.T) {
	f := func(text string, want Marks) {
		t.Helper()
		var d Document
		if _, ok := d.Scan([]byte(text)); !ok || d.Nodes[0].Marks != want {
			t.Errorf("%q: got marks %b, want %b", text, d.Nodes[0].Marks, want)
		}
	}
	f(`"plain text of more than eight bytes ~"`, 0)
	f(`"with a \" quote"`, Escaped)
	f(`"Zoë"`, Unusual)
	f("\"delete \x7f\"", Unusual)
	f(`"12345678\u200b and ünd"`, Escaped|Unusual)
	f(`"😀"`, Unusual)
}

// What the scan accepts is JSON; what it alone refuses has one of its own reasons.
func FuzzScan(f *testing.F) {
	for _, seed := range []string{`{"a":[1,true,null,"x\u00e9"],"b":{"c":-0.5e-3}}`, `"\ud83d\ude00"`, `[[[]]]`, "\"\x80\"", `{"a":1,"A":2}`, "{}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var d Document
		fault, ok := d.Scan(text)
		valid := json.Valid(text)
		if ok && !valid {
			t.Fatalf("accepted %q, which is no JSON", text)
		}
		if !ok && valid {
			switch fault.Kind {
			case NotUTF8, LoneSurrogate, DuplicateName, TooDeep, TooLarge:
			default:
				t.Fatalf("refused %q with %+v, which is JSON", text, fault)
			}
		}
		if !ok {
			return
		}
		for at := range d.Nodes {
			if raw := d.Raw(int32(at)); !json.Valid(raw) {
				t.Fatalf("value %d of %q is %q", at, text, raw)
			}
			if d.Nodes[at].Shape == String {
				var want string
				if err := json.Unmarshal(d.Raw(int32(at)), &want); err != nil || d.String(int32(at)) != want {
					t.Fatalf("string %q: got %q, want %q", d.Raw(int32(at)), d.String(int32(at)), want)
				}
			}
		}
	})
}
