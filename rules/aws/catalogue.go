package aws

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/scimgate/scimgate/rules"
	"github.com/scimgate/scimgate/rules/scim"
)

//go:generate go test -run ^TestCatalogue$ -update .

// topics are the parts of the catalogue, by the first digits of the IDs.
var topics = []struct{ prefix, title string }{
	{"SG10", "The URL"}, {"SG11", "The URL, refused"}, {"SG12", "The URL, refused"}, {"SG13", "Headers and token"}, {"SG2", "JSON"},
	{"SG30", "Names"}, {"SG31", "Values and characters"}, {"SG32", "What AWS does not take"}, {"SG33", "One value only, and ids"},
	{"SG34", "What is not settled, and odd forms"}, {"SG4", "Addresses"}, {"SG5", "PATCH"}, {"SG6", "Groups"}, {"SG7", "Filters and queries"}, {"SG8", "Guards against accidents"}, {"SG9", "What AWS answers to a sound request"},
}

// Catalogue is the reference of all rules, in Markdown: what AWS means when it
// says "violates schema", and how each fault is mended in Okta.
func Catalogue() []byte {
	var b strings.Builder
	b.WriteString(`# What AWS IAM Identity Center refuses over SCIM, and why

AWS answers nearly every fault of a SCIM request with one sentence: *Request is unparsable, syntactically incorrect, or violates schema.* This page says which faults there are, how to find yours, and what to do about each in Okta or Entra ID; it is of use without ` + "`scimgate`" + ` too. What ` + "`scimgate`" + ` does is each rule's disposition: it repairs what can be repaired, and refuses the rest with a text that names the attribute and the field. [TROUBLESHOOTING.md](TROUBLESHOOTING.md) begins with the symptom instead.

## How to find the fault of a request

1. Take the request as your client sent it: Okta doesn't log bodies, but any relay does, and ` + "`scimgate serve --policy observe`" + ` changes nothing.
2. ` + "`scimgate check request.txt`" + ` names what is wrong with it, offline; the file is the whole request, or the JSON alone.
3. Without it, compare the document with the table of attributes below: every required attribute there and not empty, nothing that isn't in the table, no empty text, list or object, one value of each multi-valued attribute, the e-mail primary, an address whole or not there.
4. Look for characters that nobody sees: retype the field instead of pasting it.
5. The request id in AWS's answer finds the call in CloudTrail (event source identitystore-scim.amazonaws.com, tokens made after September 2024), whose texts are more exact than those of the answer.

`)
	attributeTable(&b, "User", users)
	attributeTable(&b, "Group", groups)
	b.WriteString(`Not in the tables, and so to be absent: everything else, also if it is empty. One request takes 100 members, one page of a list has 100 resources, and an identity store takes 25 writes of a kind and 40 reads of a kind in a second. There is no PUT of a group, no replacing and no emptying of its members, no /Me, /Bulk and /.search, no startIndex, attributes or sortBy, and no filter but those under SG705.

`)
	set, err := New(Settings{})
	if err != nil {
		panic("BUG: the contract does not compile: " + err.Error())
	}
	byAnswer(&b, set)
	b.WriteString(`
## The rules

Each has an id that never changes. Its disposition can be set to off, warn, repair or reject by ` + "`rules:`" + ` in the configuration; ` + "`scimgate rules SG302`" + ` prints the same as this page. This file is made from the declarations in rules/aws by ` + "`go generate ./rules/aws`" + `.
`)
	last := ""
	dispositions := maps.Collect(set.Rules)
	for _, r := range slices.SortedFunc(maps.Keys(dispositions), func(a, b *rules.Rule) int { return strings.Compare(a.ID, b.ID) }) {
		for _, topic := range topics {
			if strings.HasPrefix(r.ID, topic.prefix) && topic.title != last {
				last = topic.title
				fmt.Fprintf(&b, "\n## %s\n", last)
			}
		}
		b.WriteString("\n### " + r.ID + " " + rules.Sentence(Plain(r.Title)) + "\n\n")
		b.WriteString(Page(r, dispositions[r]))
		bad, repaired, _ := Example(r.ID)
		block := func(title, text string) {
			if text != "" {
				fmt.Fprintf(&b, "\n%s:\n\n```http\n%s\n```\n", title, strings.ToValidUTF8(shortened(strings.TrimRight(text, "\n")), "\ufffd"))
			}
		}
		block("Sent", bad)
		block("Forwarded", repaired)
	}
	return []byte(b.String())
}

// attributeTable lists what AWS accepts.
func attributeTable(b *strings.Builder, of string, rows []rules.Attribute) {
	fmt.Fprintf(b, "## What AWS accepts of a %s\n\n| attribute | | length | in Okta | in Entra ID |\n| --- | --- | --- | --- | --- |\n", of)
	for _, a := range rows {
		if a.Traits&(rules.Unsupported|rules.Noise) != 0 || a.Path == "schemas" {
			continue
		}
		var says []string
		for _, trait := range []struct {
			bit  rules.Traits
			word string
		}{{rules.Required, "required"}, {rules.ReadOnly, "assigned by AWS"}, {rules.Identifier, "unique"}, {rules.Unspaced, "no blanks"}, {rules.Multi, "one value"}} {
			if a.Traits&trait.bit != 0 && !(of == "Group" && a.Path == "members" && trait.bit == rules.Multi) {
				says = append(says, trait.word)
			}
		}
		if a.Type == rules.Boolean {
			says = append(says, "true or false")
		}
		length := ""
		if a.Max > 0 {
			length = fmt.Sprint(a.Max)
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s | %s |\n", a.Path, strings.Join(says, ", "), length, a.Field, a.Entra)
	}
	b.WriteByte('\n')
}

// byAnswer is the index of the rules by AWS's own words.
func byAnswer(b *strings.Builder, set *rules.Set) {
	b.WriteString("## By what AWS answers\n\n| AWS answers | rules |\n| --- | --- |\n")
	var answers []string
	links := map[string][]string{}
	for r := range set.Rules {
		if links[r.AWS] == nil {
			answers = append(answers, r.AWS)
		}
		links[r.AWS] = append(links[r.AWS], "["+r.ID+"](#"+anchor(r.ID+" "+Plain(r.Title))+")")
	}
	for _, answer := range answers {
		fmt.Fprintf(b, "| %s | %s |\n", answer, strings.Join(links[answer], " "))
	}
}

// anchor is what a heading is linked by.
func anchor(heading string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(heading) {
		switch {
		case r == ' ':
			b.WriteByte('-')
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-', r == '_':
			b.WriteRune(r)
		}
	}
	return b.String()
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
	line("What to do", strings.NewReplacer("{field}", "the field", "{entra}", "the attribute").Replace(r.Fix))
	line("In Entra ID", strings.NewReplacer("{entra}", "the attribute", "{at}", "it").Replace(r.Entra))
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

// shortened cuts a line that only shows that it is long.
func shortened(text string) string {
	const most = 2 << 10
	if len(text) > most && !strings.Contains(text, "\n") {
		return text[:120] + "…"
	}
	return text
}
