package rules

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/tidwall/gjson"

	"github.com/scimgate/scimgate/rules/scim"
)

func sortedKeys(set map[string]bool) (keys []string) {
	for key := range set {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// maxShape bounds the redacted form of a document, in bytes.
const maxShape = 4 << 10

// Shape is a document without what it says about people: names of attributes,
// booleans and the texts of op and path as they are; of every other text its length
// and the kinds of its characters, "12: Ll Nd U+200B". It is what may be kept of a
// request for diagnosis.
func Shape(doc []byte) string {
	var b strings.Builder
	shape(&b, "", gjson.ParseBytes(doc))
	if b.Len() > maxShape {
		return b.String()[:maxShape] + "…"
	}
	return b.String()
}

func shape(b *strings.Builder, name string, value gjson.Result) {
	separate := byte(0)
	each := func(key, item gjson.Result) bool {
		if separate != 0 {
			b.WriteByte(separate)
		}
		separate = ','
		if key.Type == gjson.String {
			b.Write(scim.AppendString(nil, key.Str))
			b.WriteByte(':')
			shape(b, key.Str, item)
		} else {
			shape(b, name, item)
		}
		return b.Len() < maxShape
	}
	switch {
	case value.IsObject():
		b.WriteByte('{')
		value.ForEach(each)
		b.WriteByte('}')
	case value.IsArray():
		b.WriteByte('[')
		value.ForEach(each)
		b.WriteByte(']')
	case value.Type == gjson.String && (name == "op" || name == "schemas"):
		b.Write(scim.AppendString(nil, value.Str[:min(len(value.Str), 80)]))
	case value.Type == gjson.String && name == "path": // a value filter may quote an e-mail
		path, _, filtered := strings.Cut(value.Str, "[")
		if filtered {
			path += "[…]"
		}
		b.Write(scim.AppendString(nil, path[:min(len(path), 80)]))
	case value.Type == gjson.String:
		b.Write(scim.AppendString(nil, characters(value.Str)))
	case value.Type == gjson.Number:
		b.WriteByte('0')
	default:
		b.WriteString(value.Raw)
	}
}

// characters are the length of a text and the kinds of characters in it; those that
// nobody sees by their code point.
func characters(text string) string {
	kinds := map[string]bool{}
	n := 0
	for _, r := range text {
		n++
		switch {
		case r == ' ':
			kinds["Zs"] = true
		case !unicode.IsGraphic(r) || unicode.Is(unicode.Zs, r):
			kinds[fmt.Sprintf("U+%04X", r)] = true
		default:
			for _, kind := range [...]struct {
				name  string
				table *unicode.RangeTable
			}{{"Lu", unicode.Lu}, {"Ll", unicode.Ll}, {"L", unicode.L}, {"M", unicode.M}, {"N", unicode.N}, {"P", unicode.P}, {"S", unicode.S}} {
				if unicode.Is(kind.table, r) {
					kinds[kind.name] = true
					break
				}
			}
		}
		if r > 0x7f && unicode.IsGraphic(r) {
			kinds["wide"] = true
		}
	}
	return strconv.Itoa(n) + ": " + strings.Join(sortedKeys(kinds), " ")
}
