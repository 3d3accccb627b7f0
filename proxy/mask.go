package proxy

import (
	"bytes"
	"net/url"
	"slices"

	"github.com/scimgate/scimgate/proxy/audit"
)

// Foreign texts may hold a token by accident or by malice: a client that sends it in a
// name, a filter or a path as well, an upstream that quotes it in an error. They are
// masked before they are told, logged or recorded.
const (
	maskWindow = 8 // bytes of a token that are looked for at once
	mask       = "[token]"
)

// masked is a foreign text without the tokens of the exchange. Parts of them go too, from
// 15 bytes on.
func (x *Exchange) masked(text string) string {
	text = maskedOf(x.presented, text)
	if len(x.Token) > 0 && !bytes.Equal(x.Token, x.presented) {
		text = maskedOf(x.Token, text)
	}
	return text
}

// maskedOf is a text without what it shares with one token. Any 15 bytes hold a whole
// window that begins at a multiple of 8.
func maskedOf(token []byte, text string) string {
	if len(token) < 2*maskWindow { // no secret is so short
		return text
	}
	for at := 0; at+maskWindow <= len(text); at += maskWindow {
		found := bytes.Index(token, []byte(text[at:at+maskWindow]))
		if found < 0 {
			continue
		}
		begin, end := at, at+maskWindow
		for left := found; left > 0 && begin > 0 && token[left-1] == text[begin-1]; left-- {
			begin--
		}
		for right := found + maskWindow; right < len(token) && end < len(text) && token[right] == text[end]; right++ {
			end++
		}
		if end-begin < 2*maskWindow-1 { // as an accident may have it
			continue
		}
		return text[:begin] + mask + maskedOf(token, text[end:])
	}
	return text
}

// maskedPath is a path as it came: encoded or not, with the token it isn't told.
func (x *Exchange) maskedPath(path string) string {
	if decoded, err := url.PathUnescape(path); err == nil && decoded != path && x.masked(decoded) != decoded {
		return mask
	}
	return x.masked(path)
}

// maskFindings masks what findings quote, those from some place on.
func (x *Exchange) maskFindings(from int) {
	for i := from; i < len(x.Findings); i++ {
		f := &x.Findings[i]
		f.Path, f.Note = x.masked(f.Path), x.masked(f.Note)
	}
}

// maskRecord masks all of a record that somebody else wrote.
func (x *Exchange) maskRecord(rec *audit.Record) {
	for _, text := range [...]*string{&rec.Resource, &rec.Name, &rec.Ext, &rec.AWSID, &rec.AWS} {
		*text = x.masked(*text)
	}
	rec.Path = x.maskedPath(rec.Path)
	for _, list := range [...]*[]string{&rec.Attrs, &rec.Added, &rec.Removed} {
		for i, text := range *list {
			if clean := x.masked(text); clean != text {
				*list = slices.Clone(*list) // the plan has it too
				(*list)[i] = clean
			}
		}
	}
}

// presentedIn is what a client sends as its token, whatever its form; nil if nothing.
func presentedIn(authorization []byte) []byte {
	return authorization[bytes.LastIndexByte(authorization, ' ')+1:]
}
