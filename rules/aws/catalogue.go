package aws

import (
	"fmt"
	"strings"

	"github.com/scimgate/scimgate/rules"
	"github.com/scimgate/scimgate/rules/scim"
)

//go:generate go test -run ^TestCatalogue$ -update .

// topics are the parts of the catalogue, by the first digits of the IDs.
var topics = []struct{ prefix, title string }{
	{"SG10", "The URL"}, {"SG11", "The URL, refused"}, {"SG12", "The URL, refused"}, {"SG13", "Headers and token"}, {"SG2", "JSON"},
	{"SG30", "Names that AWS requires"}, {"SG31", "Values and characters"}, {"SG32", "What AWS does not take"}, {"SG33", "One value only"},
	{"SG4", "Addresses"}, {"SG5", "PATCH"}, {"SG6", "Groups"}, {"SG7", "Filters and queries"}, {"SG8", "Guards against accidents"}, {"SG9", "What AWS answers to a sound request"},
}

// Catalogue is the reference of all rules, in Markdown: what AWS means when it
// says "violates schema", and how each fault is mended in Okta.
func Catalogue() []byte {
	var b strings.Builder
	b.WriteString(`# What AWS IAM Identity Center refuses over SCIM, and why

AWS answers nearly every fault of a SCIM request with one sentence: *Request is unparsable, syntactically incorrect, or violates schema.* This page says which faults there are, what to do about each in Okta, and what ` + "`scimgate`" + ` does with it: it repairs what can be repaired, and refuses the rest with a text that names the attribute and the field.

Each rule has an id that never changes. Its disposition can be set to off, warn, repair or reject by ` + "`rules:`" + ` in the configuration; ` + "`scimgate rules SG302`" + ` prints the same as this page. This file is made from the declarations in rules/aws by ` + "`go generate ./rules/aws`" + `.
`)
	set, err := New(Settings{})
	if err != nil {
		panic("BUG: the contract does not compile: " + err.Error())
	}
	last := ""
	for r, d := range set.Rules {
		for _, topic := range topics {
			if strings.HasPrefix(r.ID, topic.prefix) && topic.title != last {
				last = topic.title
				fmt.Fprintf(&b, "\n## %s\n", last)
			}
		}
		b.WriteString("\n### " + r.ID + " " + Plain(r.Title) + "\n\n")
		b.WriteString(Page(r, d))
		bad, repaired, _ := Example(r.ID)
		block := func(title, text string) {
			if text != "" {
				fmt.Fprintf(&b, "\n%s:\n\n```http\n%s\n```\n", title, strings.ToValidUTF8(strings.TrimRight(text, "\n"), "\ufffd"))
			}
		}
		block("Sent", bad)
		block("Forwarded", repaired)
	}
	return []byte(b.String())
}

// Plain is a title without its placeholders, for a list of rules.
func Plain(title string) string {
	title = strings.NewReplacer(": {note}", "", " {note}", " some", "{note} ", "some ", "{at}", "an attribute").Replace(title)
	return title
}

// Page is the text about one rule: what AWS answers, why, where it applies, how to
// mend it, and where it is known from.
func Page(r *rules.Rule, d rules.Disposition) string {
	var b strings.Builder
	line := func(name, text string) {
		if text != "" {
			fmt.Fprintf(&b, "- %s: %s\n", name, text)
		}
	}
	line("Disposition", d.String())
	line("AWS answers", r.AWS)
	line("Why", r.Why)
	line("Applies to", operations(r.On))
	fields, entra := consoles(r)
	line("Field in Okta", fields)
	line("Attribute in Entra ID", entra)
	line("What to do", strings.ReplaceAll(r.Fix, "{field}", "the field"))
	line("Source", r.Source.String())
	return b.String()
}

func operations(set scim.Operation) string {
	var names []string
	for op := scim.Operation(1); op < scim.Any; op <<= 1 {
		if op&set != 0 {
			names = append(names, op.String())
		}
	}
	return strings.Join(names, ", ")
}

// consoles are the names of the rule's attributes in the consoles of Okta and
// Entra ID, where it is about few.
func consoles(r *rules.Rule) (okta, entra string) {
	if len(r.At) == 0 || len(r.At) > 3 {
		return "", ""
	}
	tables := users
	if r.On&anyUser == 0 {
		tables = groups
	}
	var fields, attributes []string
	for _, a := range tables {
		for _, path := range r.At {
			if a.Path == path && a.Field != "" {
				fields = append(fields, a.Field)
			}
			if a.Path == path && a.Entra != "" {
				attributes = append(attributes, a.Entra)
			}
		}
	}
	return strings.Join(fields, ", "), strings.Join(attributes, ", ")
}
