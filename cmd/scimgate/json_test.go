package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tidwall/gjson"

	"github.com/scimgate/scimgate/bench/standin"
	"github.com/scimgate/scimgate/proxy"
	"github.com/scimgate/scimgate/rules"
	"github.com/scimgate/scimgate/rules/aws"
	"github.com/scimgate/scimgate/rules/scim"
)

// jsonRuling is the verdict of a JSON case.
//
//	invalid SG201 at 3   refused by that rule for what is at that offset
//	valid                read; it may break other rules, by what it says
//
// With alone behind it, it holds for a body, not for a value inside of one.
type jsonRuling struct {
	rule  string // that refuses it, or ""
	at    int
	alone bool
}

func jsonRulingOf(t *testing.T, verdict []string) (r jsonRuling) {
	t.Helper()
	if last := len(verdict) - 1; verdict[last] == "alone" {
		r.alone, verdict = true, verdict[:last]
	}
	switch {
	case len(verdict) == 1 && verdict[0] == "valid":
		return r
	case len(verdict) == 4 && verdict[0] == "invalid" && slices.Contains(unreadable, verdict[1]) && verdict[2] == "at":
		at, err := strconv.Atoi(verdict[3])
		if err == nil {
			r.rule, r.at = verdict[1], at
			return r
		}
	}
	t.Fatalf("%q is no verdict", verdict)
	return r
}

// unreadable are the rules for what is no JSON, or JSON with two readings.
var unreadable = []string{"SG201", "SG202", "SG203", "SG204", "SG205", "SG206"}

func jsonCases(t *testing.T, each func(t *testing.T, file string, cases []bytesCase)) {
	t.Helper()
	files, err := filepath.Glob("testdata/json/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("cannot find cases: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			each(t, file, bytesCases(t, file, func(string, int) string { return "" }))
		})
	}
}

// Each case of testdata/json as a body and as a value inside of one, of a POST and of a
// PATCH, with another request behind it on the same connection: what is no JSON, and what
// two readers could read differently, is refused by the right rule and reaches nobody;
// all other JSON is read.
func TestJSON(t *testing.T) {
	jsonCases(t, func(t *testing.T, _ string, cases []bytesCase) {
		c := playKnown(t, stage{})
		post := document{"POST", "/Users"}
		patch := document{"PATCH", "/Users/" + c.user("target", "")}
		for n, k := range cases {
			t.Run(k.name, func(t *testing.T) {
				want := jsonRulingOf(t, k.verdict)
				c.document(t, post, k.text, want.rule)
				c.document(t, patch, k.text, want.rule)
				if want.alone {
					return
				}
				c.document(t, post, fmt.Sprintf(`{"userName":"user-%d",%s,"displayName":"Ada","title":%s}`, n, soundNames, k.text), want.rule)
				c.document(t, patch, `{`+patchOp+`,"Operations":[{"op":"replace","path":"title","value":`+k.text+`}]}`, want.rule)
			})
		}
	})
}

// document is what a body is sent to.
type document struct{ method, target string }

// document sends a body with another request behind it, and fails unless the rule
// refuses it, or with "" none of the unreadable ones.
func (c *scene) document(t *testing.T, d document, body, rule string) {
	t.Helper()
	text := fmt.Sprintf("%s /scim/v2%s HTTP/1.1\r\n%sContent-Type: application/scim+json\r\nContent-Length: %d\r\n\r\n%s", d.method, d.target, soundHead, len(body), body) +
		"GET /scim/v2/Users?filter=userName%20eq%20%22canary%22 HTTP/1.1\r\n" + soundHead + "Connection: close\r\n\r\n"
	before := len(c.aws.Journal())
	answers, _ := c.utter(t, text, 1<<30, false)
	calls := c.aws.Journal()[before:]
	if rule == "" {
		if len(answers) != 2 || answers[1].status != 200 || answers[0].status >= 500 || answers[0].status == 429 {
			t.Fatalf("got %v for %s of %.200q, want it to be read", answers, d.method, body)
		}
		for _, found := range rulesIn(answers[0]) {
			if slices.Contains(unreadable, found) {
				t.Errorf("got %v for %s of %.200q, which is JSON", answers[0], d.method, body)
			}
		}
		return
	}
	if len(answers) != 1 || answers[0].status != 400 || !strings.Contains(answers[0].body, ", at byte ") || !answers[0].last || !slices.Equal(rulesIn(answers[0]), []string{rule}) {
		t.Errorf("got %v for %s of %.200q, want it refused by %s, and the connection closed", answers, d.method, body, rule)
	}
	if len(calls) > 0 {
		t.Errorf("AWS saw %v for %s of %.200q", calls, d.method, body)
	}
}

func rulesIn(a answer) (ids []string) {
	for _, id := range gjson.Get(a.body, `urn\:scimgate\:1\.0\:Error.findings.#.rule`).Array() {
		ids = append(ids, id.Str)
	}
	return ids
}

// The scanner tells the place of each fault, and encoding/json agrees about every case;
// where it is content with what is refused here, the case says why.
func TestJSONAgreesWithAnotherReader(t *testing.T) {
	set, err := aws.New(aws.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	jsonCases(t, func(t *testing.T, file string, cases []bytesCase) {
		for _, k := range cases {
			want := jsonRulingOf(t, k.verdict)
			var doc scim.Document
			fault, ok := doc.Scan([]byte(k.text))
			var value any
			other := json.Unmarshal([]byte(k.text), &value)
			switch {
			case ok != (want.rule == ""):
				t.Errorf("%s: got %+v, want %v", k.name, fault, k.verdict)
			case ok && other != nil:
				t.Errorf("%s: encoding/json does not read it: %v", k.name, other)
			case ok:
			case set.Faults([]scim.Fault{fault})[0].ID != want.rule || fault.Start != want.at:
				t.Errorf("%s: got %s at %d, want %v", k.name, set.Faults([]scim.Fault{fault})[0].ID, fault.Start, k.verdict)
			case json.Valid([]byte(k.text)) && k.why == "":
				t.Errorf("%s: encoding/json reads it, and the case does not say why it is refused", k.name)
			case json.Valid([]byte(k.text)) && want.rule == "SG201":
				t.Errorf("%s: encoding/json reads it, and here it is called no JSON", k.name)
			}
		}
	})
}

// A sound document that ends too early is no JSON, wherever it ends.
func TestJSONCutShort(t *testing.T) {
	c := playKnown(t, stage{})
	whole := `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"], "userName":"ad\u0061\ud83d\ude00", "active":true, "title":null,` +
		`"x":[-1.5e+3, {}, [false]],` + soundNames + `,"displayName":"Zoë 😀\n"}`
	if !scim.Valid([]byte(whole)) {
		t.Fatal("the document is not sound")
	}
	post, patch := document{"POST", "/Users"}, document{"PATCH", "/Users/" + c.user("target", "")}
	for n := 1; n < len(whole); n++ {
		rule := "SG201"
		switch high := strings.Index(whole, `\ud83d`) + 6; {
		case n >= high && n < high+6:
			rule = "SG204"
		case !utf8.ValidString(whole[:n]):
			rule = "SG203"
		}
		c.document(t, post, whole[:n], rule)
		c.document(t, patch, whole[:n], rule)
	}
}

// What is far too much ends at its bound.
func TestJSONFarTooMuch(t *testing.T) {
	c := playKnown(t, stage{settings: func(s *proxy.Settings) { s.Listen.MaxBodyBytes = 32 << 20 }})
	keys := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"k%d":1`, i)
		}
		return "{" + b.String()[1:] + "}"
	}
	post := document{"POST", "/Users"}
	f := func(name, body, rule string) {
		t.Run(name, func(t *testing.T) { c.document(t, post, body, rule) })
	}
	f("twenty million arrays", strings.Repeat("[", 20_000_000), "SG205")
	f("a million objects", strings.Repeat(`{"":`, 1_000_000), "SG205")
	f("a million names", keys(1_000_000), "SG206")
	f("a million names in objects of 250", `[`+strings.Repeat(keys(250)+",", 4000)+`1]`, "SG206")
	f("256 names", keys(256), "")
	f("257 names", keys(257), "SG206")
	f("a million elements", `[`+strings.Repeat("1,", 1_000_000)+`1]`, "SG206")
	f("a million blanks", strings.Repeat(" ", 1_000_000), "SG201")
	f("a million digits", strings.Repeat("9", 1_000_000), "SG206")
	f("a string of a million", `"`+strings.Repeat("a", 1_000_000)+`"`, "")
	f("a million escapes", `"`+strings.Repeat(`\u0061`, 1_000_000)+`"`, "")
	f("a million escapes, and half a pair", `"`+strings.Repeat(`\u0061`, 1_000_000)+`\ud83d"`, "SG204")
	c.document(t, document{"PATCH", "/Users/" + c.user("target", "")}, strings.Repeat("[", 20_000_000), "SG205")

	small := playKnown(t, stage{})
	answers, _ := small.utter(t, fmt.Sprintf("POST /scim/v2/Users HTTP/1.1\r\n%sContent-Type: application/scim+json\r\nContent-Length: 20000000\r\n\r\n%s", soundHead, strings.Repeat("[", 20_000_000)), 1<<30, false)
	if len(answers) != 1 || answers[0].status != 413 || len(small.aws.Journal()) > 1 {
		t.Errorf("got %v, want a body above the bound refused unread", answers)
	}
}

// A gateway that only observes forwards what is no JSON as it came, byte for byte.
func TestJSONUnderObserve(t *testing.T) {
	jsonCases(t, func(t *testing.T, file string, cases []bytesCase) {
		c := playKnown(t, stage{observe: true, rules: aws.Settings{Settings: rules.Settings{Policy: rules.ObservePolicy}}})
		for _, k := range cases {
			before := len(c.aws.Journal())
			answers, _ := c.utter(t, fmt.Sprintf("POST /scim/v2/Users HTTP/1.1\r\n%sContent-Type: application/scim+json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", soundHead, len(k.text), k.text), 1<<30, false)
			calls := c.aws.Journal()[before:]
			if len(calls) != 1 || calls[0].Operation != standin.CreateUser || calls[0].Body != k.text {
				t.Errorf("%s: AWS saw %.300v, want %.200q", k.name, calls, k.text)
			}
			if len(answers) != 1 || answers[0].status >= 500 {
				t.Errorf("%s: got %v, want AWS's own answer", k.name, answers)
			}
		}
	})
}
