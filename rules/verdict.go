package rules

import (
	"slices"
	"strconv"
	"strings"

	"github.com/scimgate/scimgate/rules/scim"
)

// Finding is a rule that found something.
type Finding struct {
	*Rule
	Disposition Disposition // after policy and settings: warn, repair or reject
	Path        string      // where, as a person would write it: "emails[1].value"; "" for a text as a whole
	Span        Span        // in the text as it came
	Note        string      // what the check noted
	Field       string      // the name of the field in Okta's console, "" if it has none
	EntraField  string      // the name of the attribute in Entra ID's mappings, "" if it has none
	Did         string      // what a repair does

	value  string // path of the value in the document, which a PATCH path is not
	absent bool   // the span is where the enclosing object begins
}

// Text is the finding's title with its place and note.
func (f *Finding) Text() string {
	if f.Fault.InText() {
		return f.fill(f.Title) + ", at " + f.Path
	}
	return f.fill(f.Title)
}

// Advice is what a person can do about it.
func (f *Finding) Advice() string { return f.fill(f.Rule.Advice()) }

func (f *Finding) fill(text string) string {
	field, entra := f.Field, f.EntraField
	if field == "" {
		field = f.Path
	}
	if entra == "" {
		entra = "what is mapped to " + f.Path
	}
	return strings.NewReplacer("{at}", f.Path, "{note}", f.Note, "{field}", field, "{entra}", entra).Replace(text)
}

// String is the finding as records have it: "SG304 repair displayName".
func (f *Finding) String() string {
	return strings.TrimRight(f.ID+" "+f.Disposition.String()+" "+f.Path, " ")
}

// Verdict is what is to be done about a document.
type Verdict struct {
	Findings     []Finding // worst first, then by place; nil for a clean document
	Document     []byte    // with all repairs; the very text that was judged if there were none
	Unreadable   bool      // not JSON, or JSON with two readings: nothing else was judged
	NeedsCurrent bool      // a repair would be better with the resource as the upstream has it
	Activates    bool      // it sets a user's active to true
	Deactivates  bool      // it sets a user's active to false
	Nothing      bool      // a PATCH of which the repairs left nothing
}

// Rejects tells whether a person has to mend something first.
func (v *Verdict) Rejects() bool {
	return len(v.Findings) > 0 && v.Findings[0].Disposition == Reject
}

// IDs are the findings as records have them.
func (v *Verdict) IDs() []string {
	var ids []string
	for i := range v.Findings {
		ids = append(ids, v.Findings[i].String())
	}
	return ids
}

func (v *Verdict) sort() {
	slices.SortStableFunc(v.Findings, func(a, b Finding) int {
		if a.Disposition != b.Disposition {
			return int(b.Disposition) - int(a.Disposition)
		}
		return a.Span.Start - b.Span.Start
	})
}

// maxDetail bounds the text that Okta shows, in bytes; what doesn't fit is
// counted.
const maxDetail = 1000

// Detail is the text for the person in Okta: each finding that rejects, worst
// first, with the attribute, the fault, who demands it, what to do in Okta, and
// the rule.
func Detail(findings []Finding) string {
	var b strings.Builder
	for i := range findings {
		f := &findings[i]
		if f.Disposition != Reject {
			continue
		}
		text := Sentence(f.Text()) + ". " + f.Advice() + " [" + f.ID + "]"
		if b.Len() > 0 && b.Len()+len(text) > maxDetail {
			rest := 0
			for _, r := range findings[i:] {
				if r.Disposition == Reject {
					rest++
				}
			}
			b.WriteString(" And " + strconv.Itoa(rest) + " more.")
			break
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(text)
	}
	return b.String()
}

// Sentence begins a text with a capital, unless it begins with an attribute's name.
func Sentence(text string) string {
	for _, article := range []string{"a ", "an ", "the "} {
		if strings.HasPrefix(text, article) {
			return strings.ToUpper(text[:1]) + text[1:]
		}
	}
	return text
}

// Faults puts what a parser met into findings. Kinds without a rule are a fault
// of the set: New has refused it.
func (s *Set) Faults(faults []scim.Fault) []Finding {
	var findings []Finding
	for _, fault := range faults {
		c := s.faults[fault.Kind]
		if c == nil {
			panic("BUG: no rule for a kind of fault")
		}
		f := Finding{Rule: c.Rule, Disposition: s.dispositions[c.index], Span: Span{fault.Start, fault.End}, Note: fault.Name}
		if fault.Kind.InText() {
			f.Path = "byte " + strconv.Itoa(fault.Start)
		}
		if f.Disposition != Off {
			findings = append(findings, f)
		}
	}
	return findings
}
