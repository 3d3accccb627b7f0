package standin

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// class is a set of characters (Identity Store API, API_CreateUser, API_CreateGroup,
// API_ExternalId). Format characters as U+200B are in none of them.
type class uint8

const (
	general   class = iota // letters, marks, signs, numbers, punctuation, TAB, LF, CR, U+0020, U+00A0, U+3000
	groupName              // general without U+3000
	solid                  // no white space at all
)

// visible is what every class holds.
var visible = []*unicode.RangeTable{unicode.L, unicode.M, unicode.S, unicode.N, unicode.P}

// blanks is what a class holds beyond the visible; pattern is how AWS prints it.
var (
	blanks  = [...]string{general: "\t\n\r \u00a0\u3000", groupName: "\t\n\r \u00a0", solid: ""}
	pattern = [...]string{
		general:   `[\p{L}\p{M}\p{S}\p{N}\p{P}\t\n\r ]+`,
		groupName: `[\p{L}\p{M}\p{S}\p{N}\p{P}\t\n\r ]+`,
		solid:     `[\p{L}\p{M}\p{S}\p{N}\p{P}]+`,
	}
)

const fiveSigns = "<>;:%"

// reservedNames may be neither userName nor a group's displayName (Identity Store API).
var reservedNames = []string{"Administrator", "AWSAdministrators"}

// text refuses a string that is empty, too long or outside of its class.
func (r reader) text(a attribute, path, s string) error {
	if s == "" {
		return tooShort(path, a.class)
	}
	if r.length(s) > a.max {
		return refuse(400, fmt.Sprintf("1 validation errors detected: Value at '%s' failed to satisfy constraint: Member must have length less than or equal to %d", path, a.max))
	}
	for _, c := range s {
		if !r.allows(a, c) {
			return refuse(400, fmt.Sprintf("1 validation errors detected: Value at '*%s*' failed to satisfy constraint: Member must satisfy regular expression pattern: %s", path, pattern[a.class]))
		}
	}
	if a.has(reserved) {
		for _, name := range reservedNames {
			if strings.EqualFold(name, s) {
				return refuse(400, path+" is a reserved name")
			}
		}
	}
	return nil
}

// tooShort is the answer to an empty string and to a required attribute that is absent.
func tooShort(path string, c class) error {
	return refuse(400, fmt.Sprintf("2 validation errors detected: Value at '%[1]s' failed to satisfy constraint: Member must have length greater than or equal to 1; Value at '%[1]s' failed to satisfy constraint: Member must satisfy regular expression pattern: %[2]s", path, pattern[c]))
}

func (r reader) allows(a attribute, c rune) bool {
	if strings.ContainsRune(fiveSigns, c) && !a.has(signs) {
		if r.at.is("five-signs", "all") || a.has(identifier) && r.at.is("five-signs", "identifiers") {
			return false
		}
	}
	if unicode.In(c, visible...) || strings.ContainsRune(blanks[a.class], c) {
		return true
	}
	return a.has(spacious) && (c == ' ' || c == '\u00a0') && r.at.is("user-name-space", "accept")
}

func (r reader) length(s string) int {
	n := utf8.RuneCountInString(s)
	if r.at.is("length-unit", "code-points") {
		return n
	}
	for _, c := range s {
		if c > 0xffff {
			n++
		}
	}
	return n
}

// fold makes strings that differ in letter case equal, in all scripts, without
// changing their number of characters.
func fold(s string) string {
	return strings.Map(func(c rune) rune {
		least := c
		for next := unicode.SimpleFold(c); next != c; next = unicode.SimpleFold(next) {
			least = min(least, next)
		}
		return least
	}, s)
}
