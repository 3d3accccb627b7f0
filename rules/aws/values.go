package aws

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"

	"github.com/scimgate/scimgate/rules"
)

// mayGo tells that a value that says nothing may be left out. In a PATCH active may not:
// the client may have wanted the user out (SG504).
func mayGo(n rules.Node) (rules.Span, string, bool) {
	return rules.Span{}, "", n.Attribute.Path != "active" || !n.Operation().Is(anyMessage)
}

const classSource = "Identity Store API reference, patterns of CreateUser; IAM Identity Center user guide, logging SCIM calls with CloudTrail"

// values is what AWS requires of single values, whatever they mean.
var values = []rules.Rule{{
	ID:      "SG310",
	Title:   "{at} is an empty text",
	Fix:     "Nothing to do; to stop it, in Okta: unmap {field} in the app's profile mappings or give it a value.",
	Entra:   "unmap {entra}, or give it a value.",
	Why:     "Okta sends an attribute that is mapped but has no value as an empty text. AWS wants it absent. In a PATCH it means that the old value goes.",
	AWS:     unparsable,
	Source:  rules.Source{Strength: rules.Documented, Where: "IAM Identity Center user guide, troubleshooting; Okta support, empty strings"},
	On:      anyWrite,
	Trait:   rules.Optional,
	When:    rules.Empty,
	Check:   mayGo,
	Default: rules.Repaired,
	Repair:  []rules.Repair{{Kind: rules.Normalise, Mend: clear}},
}, {
	ID:      "SG311",
	Title:   "{at} is null",
	Fix:     "Nothing to do; to stop it, in Okta: unmap {field} in the app's profile mappings or give it a value.",
	Entra:   "unmap {entra}, or give it a value.",
	Why:     "A null says that there is no value (RFC 7643 §2.5). Left out, it says the same to every server.",
	AWS:     unparsable,
	Source:  rules.Source{Strength: rules.Documented, Where: "RFC 7643 §2.5; whether AWS takes a null is not documented"},
	On:      anyWrite,
	Trait:   rules.Optional,
	When:    rules.Nulled,
	Check:   mayGo,
	Default: rules.Repaired,
	Repair:  []rules.Repair{{Kind: rules.Normalise, Mend: clear}},
}, {
	ID:      "SG312",
	Title:   "{at} has nothing in it",
	Fix:     "Nothing to do; to stop it, in Okta: unmap {field} in the app's profile mappings.",
	Entra:   "unmap {entra}.",
	Why:     "An empty list or object says that there is no value (RFC 7643 §2.5), but AWS has been seen to refuse it.",
	AWS:     unparsable,
	Source:  rules.Source{Strength: rules.Observed, Where: "goauthentik/authentik#5640, 2023-05, for photos: []"},
	On:      anyWrite,
	Trait:   rules.Optional,
	When:    rules.EmptyArray | rules.EmptyObject,
	Check:   mayGo,
	Default: rules.Repaired,
	Repair:  []rules.Repair{{Kind: rules.Normalise, Mend: clear}},
}, {
	ID:      "SG313",
	Title:   "{at} holds an invisible character: {note}",
	Fix:     "In Okta: delete {field} in the user's profile and type it anew, without pasting.",
	Entra:   "type {entra} anew.",
	Why:     "Zero-width and control characters come along when text is pasted from a web page or a sheet. Nobody sees them, and AWS refuses them.",
	AWS:     unparsable,
	Source:  rules.Source{Strength: rules.Documented, Where: classSource},
	On:      anyUser,
	Trait:   rules.Optional | rules.Required,
	When:    rules.Odd,
	Check:   ofTexts(firstRune(invisible)),
	Default: rules.Repaired,
	Repair:  []rules.Repair{{Kind: rules.Mend, Mend: stripInvisible}},
}, {
	ID:     "SG314",
	Title:  "{at} holds a character that AWS does not take: {note}",
	Fix:    "In Okta: replace the character in {field}, then retry the task.",
	Entra:  "replace the character in {entra}.",
	Why:    "AWS takes letters, marks, symbols, numbers and punctuation of all scripts, blanks, tabs and line ends; of the other spaces only U+00A0 and U+3000, and of these not U+3000 in a group's name.",
	AWS:    unparsable,
	Source: rules.Source{Strength: rules.Documented, Where: classSource},
	On:     anyWrite,
	Trait:  rules.Optional | rules.Required,
	When:   rules.Odd,
	Check: func(n rules.Node) (rules.Span, string, bool) {
		if n.Max == 0 { // a part of a PATCH operation
			return rules.Span{}, "", false
		}
		return firstRune(func(r rune) bool { return foreign(r) || strings.ContainsRune(n.Except, r) })(n)
	},
	Default: rules.Reject,
}, {
	ID:      "SG315",
	Title:   "{at} is too long: {note}",
	Fix:     "In Okta: shorten {field} in the user's profile, then retry the task.",
	Entra:   "shorten {entra}.",
	AWS:     unparsable,
	Source:  rules.Source{Strength: rules.Documented, Where: "Identity Store API reference, lengths of CreateUser and CreateGroup"},
	On:      anyWrite,
	Trait:   rules.Optional | rules.Required | rules.Vital,
	When:    rules.Long,
	Check:   length,
	Default: rules.Reject,
}, {
	ID:      "SG316",
	Title:   "{at} holds white space: {note}",
	Fix:     "In Okta: take the blank out of {field}, then retry the task. It is not done here, since the SAML NameID would no longer match.",
	Why:     "AWS's pages on creating a user and on its store have no blank in a userName; its page on replacing one has. Set the rule to warn to let AWS decide.",
	Entra:   "take the blank out of {entra}.",
	AWS:     unparsable,
	Source:  rules.Source{Strength: rules.Documented, Where: "Identity Store API reference, CreateUser; SCIM developer guide, CreateUser"},
	On:      anyWrite,
	Trait:   rules.Unspaced,
	When:    rules.Spaced,
	Check:   firstRune(unicode.IsSpace),
	Default: rules.Reject,
}, {
	ID:      "SG317",
	Title:   "{at} is a text where true or false belongs",
	Fix:     "Nothing to do; in Entra ID, the provisioning URL flag aadOptscim062020 makes it send booleans.",
	AWS:     "not known; AWS's own example of PatchUser sends \"false\"",
	Source:  rules.Source{Strength: rules.Documented, Where: "RFC 7643 §2.3.2"},
	On:      anyUser,
	Trait:   rules.Optional,
	When:    rules.Stringly,
	Default: rules.Repaired,
	Repair: []rules.Repair{{Kind: rules.Normalise, Mend: func(n rules.Node) ([]rules.Edit, string, bool) {
		word := "true"
		if len(n.Text()) == len("false") {
			word = "false"
		}
		return []rules.Edit{{Kind: rules.Replace, At: n.At, New: []byte(word)}}, "written as " + word, true
	}}},
}, {
	ID:      "SG318",
	Title:   "{at} is a number or boolean where a text belongs",
	Fix:     "Nothing to do; to stop it, make the mapped attribute {field} a string.",
	AWS:     unparsable,
	Source:  rules.Source{Strength: rules.Documented, Where: "RFC 7643 §2.3.1, §4.1"},
	On:      anyWrite,
	Trait:   rules.Optional | rules.Required | rules.Vital,
	When:    rules.Numeric,
	Default: rules.Repaired,
	Repair: []rules.Repair{{Kind: rules.Normalise, Mend: func(n rules.Node) ([]rules.Edit, string, bool) {
		if n.Traits&rules.Identifier != 0 {
			return nil, "", false
		}
		return []rules.Edit{{Kind: rules.Replace, At: n.At, New: append(append([]byte{'"'}, n.Doc.Raw(n.At)...), '"')}}, "written as a text", true
	}}},
}, {
	ID:     "SG319",
	Title:  "{at} is of another type than its schema says",
	Fix:    "In Okta: map an attribute of the right type to {field}.",
	Entra:  "map an attribute of the right type.",
	AWS:    unparsable,
	Source: rules.Source{Strength: rules.Documented, Where: "RFC 7643 §4.1, §4.2, §2.4"},
	On:     anyWrite,
	Trait:  rules.Optional | rules.Required | rules.Multi | rules.Vital,
	When:   rules.Mistyped,
	Check: func(n rules.Node) (rules.Span, string, bool) { // SG338, SG345, SG511, SG513, SG605 and SG606 are about the rest
		return rules.Span{}, "", n.Path != "members" && onlyValue(n) < 0 && asObjects(n) == nil && (n.Path != enterprise+":manager" || managerOf(n) == nil)
	},
	Default: rules.Reject,
}, {
	ID:      "SG328",
	Title:   "{at} holds an invisible character: {note}",
	Fix:     "In Okta: delete {field} and type it anew, without pasting. It is never taken out here: look-ups and the SAML NameID would no longer match.",
	Entra:   "type {entra} anew.",
	Why:     "A userName, an externalId and a group's displayName are matched byte by byte by others. Mending one here would break the match in silence.",
	AWS:     unparsable,
	Source:  rules.Source{Strength: rules.Documented, Where: classSource},
	On:      anyWrite,
	Trait:   rules.Identifier,
	When:    rules.Odd,
	Check:   firstRune(invisible),
	Default: rules.Reject,
}, {
	ID:      "SG329",
	Title:   "{at} is written in another case than its schema has it",
	Fix:     "Nothing to do; the name is sent as AWS knows it.",
	AWS:     unparsable,
	Source:  rules.Source{Strength: rules.Documented, Where: "RFC 7643 §2.1: names are case-insensitive; that AWS reads them so is not documented"},
	On:      anyWrite,
	Trait:   rules.AnyTrait,
	When:    rules.Miscased,
	Default: rules.Repaired,
	Repair: []rules.Repair{{Kind: rules.Normalise, Mend: func(n rules.Node) ([]rules.Edit, string, bool) {
		return n.Respell(), "renamed", true
	}}},
}}

// textPaths are the attributes whose text a person entered and may be mended.
var textPaths = func() (paths []string) {
	for _, a := range users {
		if a.Type == rules.Text && a.Max > 0 && a.Traits&rules.Identifier == 0 && a.Path[:min(5, len(a.Path))] != "roles" {
			paths = append(paths, a.Path)
		}
	}
	return paths
}()

// clear makes an attribute without value absent. An active of no value is left
// out in a PATCH too, since AWS has no removal of it, and so is the $ref of a value,
// which goes with that.
func clear(n rules.Node) ([]rules.Edit, string, bool) {
	if n.Path == "active" || strings.HasSuffix(n.Path, "$ref") {
		return n.LeaveOut(), "left out", true
	}
	return n.Clear(), "left out", true
}

// ofTexts is a check of what a person entered and nobody matches by.
func ofTexts(check rules.Check) rules.Check {
	return func(n rules.Node) (rules.Span, string, bool) {
		if n.Max == 0 || n.Traits&rules.Identifier != 0 {
			return rules.Span{}, "", false
		}
		return check(n)
	}
}

// invisible tells of a control or format character, which AWS's pattern does not
// hold and no reader sees.
func invisible(r rune) bool {
	return r != '\t' && r != '\n' && r != '\r' && (unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Cf, r)) ||
		r == '\u2028' || r == '\u2029'
}

// foreign tells of a character outside AWS's pattern that is not invisible.
func foreign(r rune) bool {
	switch r {
	case '\t', '\n', '\r', ' ', '\u00a0', '\u3000':
		return false
	}
	return !invisible(r) && !unicode.In(r, unicode.L, unicode.M, unicode.S, unicode.N, unicode.P)
}

// firstRune looks for a character and notes its code point and its place,
// counted from 1.
func firstRune(wanted func(rune) bool) rules.Check {
	return func(n rules.Node) (rules.Span, string, bool) {
		position := 0
		for _, r := range n.Text() {
			if position++; wanted(r) {
				return rules.Span{}, fmt.Sprintf("U+%04X at position %d", r, position), true
			}
		}
		return rules.Span{}, "", false
	}
}

func stripInvisible(n rules.Node) ([]rules.Edit, string, bool) {
	clean := make([]rune, 0, 64)
	for _, r := range n.Text() {
		if !invisible(r) {
			clean = append(clean, r)
		}
	}
	return n.Set(string(clean)), "the invisible characters removed", true
}

func length(n rules.Node) (rules.Span, string, bool) {
	units := 0
	for _, r := range n.Text() {
		units += utf16.RuneLen(r)
	}
	return rules.Span{}, fmt.Sprintf("%d characters, AWS takes %d", units, n.Max), true
}
