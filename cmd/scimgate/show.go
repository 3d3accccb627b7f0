package main

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/scimgate/scimgate/rules"
)

// parseHTTP takes a whole request apart; ok is false for anything else. at is where
// its body begins.
func parseHTTP(text []byte) (r rules.Request, at int, ok bool) {
	line, _, _ := bytes.Cut(text, []byte("\n"))
	words := strings.Fields(string(line))
	if len(words) < 2 || len(words) > 3 || strings.Trim(words[0], "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" || words[1][0] != '/' {
		return r, 0, false
	}
	r.Method, r.Target = words[0], words[1]
	at = len(line) + 1
	for at < len(text) {
		line, _, _ := bytes.Cut(text[at:], []byte("\n"))
		at += len(line) + 1
		line = bytes.TrimSuffix(line, []byte("\r"))
		if len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		r.Head = append(r.Head, rules.Header{Name: string(name), Value: string(bytes.TrimSpace(value))})
	}
	at = min(at, len(text))
	r.Body = text[at:]
	if len(bytes.TrimSpace(r.Body)) == 0 {
		r.Body = nil
	}
	return r, at, true
}

// place is where a finding stands in a file, counted from 1 in characters, and the
// line around it.
type place struct {
	line, column int
	text         string
	from, to     int // of the span in text, in bytes
}

// locate finds a span in a text. Of findings about a URL the span is behind the
// method, of those about a header it is the request line.
func locate(text []byte, bodyAt int, f *rules.Finding) place {
	start, end := f.Span.Start, f.Span.End
	switch {
	case bodyAt == 0:
	case f.ID < "SG130" || f.ID >= "SG700" && f.ID < "SG800":
		shift := bytes.IndexByte(text, ' ') + 1
		start, end = start+shift, end+shift
	case f.ID < "SG200":
		start, end = 0, bytes.IndexByte(text, '\n')
	default:
		start, end = start+bodyAt, end+bodyAt
	}
	start = min(max(start, 0), len(text))
	end = min(max(end, start), len(text))
	from := bytes.LastIndexByte(text[:start], '\n') + 1
	to := len(text)
	if n := bytes.IndexByte(text[start:], '\n'); n >= 0 {
		to = start + n
	}
	return place{
		line: bytes.Count(text[:from], []byte("\n")) + 1, column: utf8.RuneCount(text[from:start]) + 1,
		text: string(text[from:to]), from: start - from, to: min(end, to) - from,
	}
}

// around is how much of a long line is shown on either side of a span, in
// characters.
const around = 40

// caret is a line with a mark under the span. Long lines are cut around it.
func (p place) caret() string {
	before, span, after := []rune(p.text[:p.from]), []rune(p.text[p.from:p.to]), []rune(p.text[p.to:])
	cut := func(r []rune, front bool) []rune {
		switch {
		case len(r) <= around:
			return r
		case front:
			return append([]rune("…"), r[len(r)-around:]...)
		}
		return append(append([]rune(nil), r[:around]...), '…')
	}
	before, after = cut(before, true), cut(after, false)
	if len(span) > around {
		span, after = append(append([]rune(nil), span[:around]...), '…'), nil
	}
	mark := "^"
	if w := width(span); w > 1 {
		mark += strings.Repeat("~", w-1)
	}
	line := visible(string(before) + string(span) + string(after))
	return "  " + line + "\n  " + strings.Repeat(" ", width(before)) + mark
}

// visible shows what a terminal would act on as one blank each.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == utf8.RuneError {
			return ' '
		}
		return r
	}, s)
}

// width is how many columns of a terminal characters take: two for those of East
// Asia, none for marks.
func width(s []rune) (n int) {
	for _, r := range s {
		switch {
		case unicode.Is(unicode.Mn, r) || unicode.Is(unicode.Me, r):
		case unicode.In(r, unicode.Han, unicode.Hangul, unicode.Hiragana, unicode.Katakana) || r >= 0xff00 && r <= 0xff60:
			n += 2
		default:
			n++
		}
	}
	return n
}

// print tells of each finding like a compiler: place, rule and text; the line with
// a caret; the fix.
func (k *checker) print(file string, text []byte, bodyAt int, v *rules.Verdict) {
	for i := range v.Findings {
		f := &v.Findings[i]
		at := locate(text, bodyAt, f)
		did := ""
		if f.Did != "" {
			did = " (" + f.Did + ")"
		}
		fmt.Fprintf(k.out, "%s:%d:%d: %s %s %s%s\n%s\n  fix: %s\n", file, at.line, at.column, f.Disposition, f.ID, f.Text(), did, at.caret(), f.Advice())
	}
	if v.NeedsCurrent && k.current == nil {
		fmt.Fprintf(k.out, "%s: the gateway would read the user at AWS first; --current FILE stands for it\n", file)
	}
}

// report is what was found in one file, as programs read it.
type report struct {
	File     string     `json:"file"`
	Findings []foundOut `json:"findings"`
	Rejected bool       `json:"rejected"`
	Repaired string     `json:"repaired,omitempty"`
}

type foundOut struct {
	Rule        string `json:"rule"`
	Disposition string `json:"disposition"`
	Path        string `json:"path,omitempty"`
	Line        int    `json:"line"`
	Column      int    `json:"column"`
	Text        string `json:"text"`
	Fix         string `json:"fix"`
	Did         string `json:"did,omitempty"`
}

func reportOf(file string, text []byte, bodyAt int, v *rules.Verdict, repaired []byte, changed bool) report {
	r := report{File: file, Rejected: v.Rejects(), Findings: []foundOut{}}
	for i := range v.Findings {
		f := &v.Findings[i]
		at := locate(text, bodyAt, f)
		r.Findings = append(r.Findings, foundOut{f.ID, f.Disposition.String(), f.Path, at.line, at.column, f.Text(), f.Advice(), f.Did})
	}
	if changed {
		r.Repaired = string(repaired[bodyAt:])
	}
	return r
}
