package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// canaries are secrets that are looked for, by every eight bytes in a row, in every form
// in which a program could write them.
type canaries struct {
	of     map[[window]byte][]canary // by the first bytes of the form
	begins [1 << 16]bool             // by the first two, to be quick
}

const window = 8

type canary struct {
	secret string
	form
}

func newCanaries(secrets map[string][]byte) *canaries {
	c := &canaries{of: map[[window]byte][]canary{}}
	for name, secret := range secrets {
		for i := range len(secret) - window + 1 {
			for _, f := range forms(secret[i : i+window]) {
				key := [window]byte([]byte(f.text))
				if !slices.ContainsFunc(c.of[key], func(k canary) bool { return k.secret == name && k.text == f.text }) {
					c.of[key] = append(c.of[key], canary{name, f})
				}
				c.begins[int(f.text[0])<<8|int(f.text[1])] = true
			}
		}
	}
	return c
}

// forms are the ways in which eight bytes can stand in a text. Of base64 it is what does
// not depend on the bytes around them.
func forms(part []byte) (all []form) {
	add := func(name, text string) {
		if len(text) >= window {
			all = append(all, form{name, text})
		}
	}
	text, reversed := string(part), slices.Clone(part)
	slices.Reverse(reversed)
	add("plain", text)
	for offset := range 3 {
		shifted := append(make([]byte, offset), part...)
		first, whole := (offset*8+5)/6, (offset+window)*8/6
		add("base64", base64.RawStdEncoding.EncodeToString(shifted)[first:whole])
		add("base64 for URLs", base64.RawURLEncoding.EncodeToString(shifted)[first:whole])
	}
	for _, digits := range []string{hex.EncodeToString(part), strings.ToUpper(hex.EncodeToString(part))} {
		var percent, unicode strings.Builder
		for i := 0; i < len(digits); i += 2 {
			percent.WriteString("%" + digits[i:i+2])
			unicode.WriteString(`\u00` + digits[i:i+2])
		}
		add("hex", digits)
		add("percent-encoded", percent.String())
		add("JSON, all escaped", unicode.String())
	}
	add("percent-encoded for queries", url.QueryEscape(text))
	add("percent-encoded for paths", url.PathEscape(text))
	add("quoted by Go", inside(strconv.Quote(text)))
	add("quoted by Go in ASCII", inside(strconv.QuoteToASCII(text)))
	add("JSON", inside(jsonOf(text)))
	add("JSON with slashes escaped", strings.ReplaceAll(inside(jsonOf(text)), "/", `\/`))
	numbers := strings.Trim(fmt.Sprint(part), "[]")
	add("bytes printed by Go", numbers)
	add("bytes in JSON", strings.ReplaceAll(numbers, " ", ","))
	add("a word in a stack trace", strings.TrimLeft(hex.EncodeToString(reversed), "0"))
	return all
}

// form is one of them.
type form struct{ name, text string }

func inside(quoted string) string { return quoted[1 : len(quoted)-1] }

func jsonOf(text string) string {
	encoded, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return string(encoded)
}

// spot is where a secret stands in a text, and how.
type spot struct{ form, before, after string }

// in tells which secrets are in a text, and where each stands first.
func (c *canaries) in(text []byte) map[string]spot {
	found := map[string]spot{}
	for i := range len(text) - window + 1 {
		if !c.begins[int(text[i])<<8|int(text[i+1])] {
			continue
		}
		for _, k := range c.of[[window]byte(text[i:i+window])] {
			if found[k.secret].form == "" && bytes.HasPrefix(text[i:], []byte(k.text)) {
				found[k.secret] = spot{k.name, string(text[max(0, i-120):i]), string(text[i:min(len(text), i+80)])}
			}
		}
	}
	return found
}

// The search finds a secret, and each part of one, in whatever form it stands in a text.
func TestCanariesAreFound(t *testing.T) {
	secret := marked("a secret")
	c := newCanaries(map[string][]byte{"secret": []byte(secret)})
	if found := c.in([]byte(marked("another") + strings.Repeat("nothing ", 100))); len(found) > 0 {
		t.Errorf("got %v in a text without it", found)
	}
	middle := secret[11:25]
	for form, text := range map[string]string{
		"plain": middle, "quoted": fmt.Sprintf("%q", middle), "JSON": jsonOf("<" + middle + ">"), "hex": fmt.Sprintf("%x", middle), "HEX": fmt.Sprintf("%X", middle),
		"bytes": fmt.Sprint([]byte(middle)), "a word": fmt.Sprintf("%#x", word(middle)), "query": "?a=" + url.QueryEscape(middle), "path": "/" + url.PathEscape(middle),
		"base64": base64.StdEncoding.EncodeToString([]byte(middle)), "base64 of more": base64.StdEncoding.EncodeToString([]byte("x" + middle)),
		"base64 of still more": base64.URLEncoding.EncodeToString([]byte("xy" + middle + "z")), "basic": "Basic " + base64.StdEncoding.EncodeToString([]byte("user:"+middle)),
	} {
		if found := c.in([]byte("before " + text + " behind")); len(found) == 0 {
			t.Errorf("%s: %s is not found", form, text)
		}
		if found := c.in([]byte("before " + text[:len(text)/3] + " behind")); len(found) > 0 {
			t.Errorf("%s: got %v in less than eight bytes", form, found)
		}
	}
}

// word is the first eight bytes as a processor of today reads them, and Go prints them.
func word(text string) (n uint64) {
	for i := range window {
		n |= uint64(text[i]) << (8 * i)
	}
	return n
}
