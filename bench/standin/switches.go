package standin

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Switch is one question about AWS that no source settles.
type Switch struct {
	Name     string
	Question string
	Values   []string // the default first
}

// Positions holds the switches that were moved from their defaults, by name. It is
// a flag value: Set takes "name=value". The nil Positions means all defaults.
type Positions map[string]string

// Set moves one switch, given as "name=value". Unknown names and values are errors.
func (p *Positions) Set(assignment string) error {
	name, value, _ := strings.Cut(assignment, "=")
	sw, ok := find(name)
	if !ok {
		return fmt.Errorf("cannot set switch %q: there is no such switch", name)
	}
	if !slices.Contains(sw.Values, value) {
		return fmt.Errorf("cannot set switch %q to %q: want one of %s", name, value, strings.Join(sw.Values, ", "))
	}
	if *p == nil {
		*p = Positions{}
	}
	(*p)[name] = value
	return nil
}

// String lists the moved switches as "name=value", sorted, with commas between.
func (p *Positions) String() string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(*p)) {
		out = append(out, name+"="+(*p)[name])
	}
	return strings.Join(out, ",")
}

// Type names the flag's value in help texts.
func (p *Positions) Type() string { return "name=value" }

// is tells where a switch stands. A name or value that no switch has is a fault of
// this package, not of the caller.
func (p Positions) is(name, value string) bool {
	sw, ok := find(name)
	if !ok || !slices.Contains(sw.Values, value) {
		panic("BUG: no switch " + name + "=" + value)
	}
	return p.at(name) == value
}

// at returns where a switch stands.
func (p Positions) at(name string) string {
	if value, moved := p[name]; moved {
		return value
	}
	sw, ok := find(name)
	if !ok {
		panic("BUG: no switch " + name)
	}
	return sw.Values[0]
}

func find(name string) (Switch, bool) {
	for i := range switches {
		if switches[i].Name == name {
			return switches[i], true
		}
	}
	return Switch{}, false
}

// Switches returns all switches in the order of their declaration, as copies.
func Switches() []Switch {
	out := slices.Clone(switches)
	for i := range out {
		out[i].Values = slices.Clone(out[i].Values)
	}
	return out
}

// switches is never modified. Rows say what speaks for each side where something does.
var switches = []Switch{
	// Values and documents.
	{"five-signs", "are < > ; : % allowed? (Identity Store API of 2020 and Okta's article: no; today's pattern: yes)", []string{"accept", "identifiers", "all"}},
	{"user-name-space", "may a userName hold blanks? (guide: CreateUser no, PutUser yes)", []string{"refuse", "accept"}},
	{"address", "must an address have all five of street, locality, region, postal code and country, or none? (AWS's Okta guide: yes)", []string{"complete", "partial"}},
	{"roles", "are roles accepted? (guide: yes, but for PATCH; AWS's Okta guide: no)", []string{"refuse", "accept", "accept-in-patch"}},
	{"emails", "must a user have an e-mail? (guide lists four other attributes)", []string{"optional", "required"}},
	{"length-unit", "are lengths counted in UTF-16 units or in code points?", []string{"utf16", "code-points"}},
	{"null-values", "is null the same as absent? (Okta's article: tolerated)", []string{"accept", "refuse"}},
	{"empty-lists", "is an empty list of a supported attribute the same as absent? (awslabs/ssosync sends members: [])", []string{"accept", "refuse"}},
	{"unsupported", "are unsupported attributes refused? (goauthentik/authentik#5640: photos: [] is a 400)", []string{"refuse", "ignore"}},
	{"meta", "may a body hold meta without version? (user guide: version is unsupported; Entra ID sends resourceType)", []string{"refuse", "accept"}},
	{"create-id", "may a body of a create hold id?", []string{"refuse", "ignore"}},
	{"active-absent", "what is active of a user created without it?", []string{"true", "false", "absent"}},
	{"manager-exists", "must a manager be an existing user?", []string{"ignore", "400", "404"}},
	{"manager-value", "may PATCH give a manager as string or as list of one, as Entra ID does?", []string{"object", "any"}},
	{"clash-case", "does uniqueness look at letter case? (schema: caseExact false)", []string{"fold", "exact"}},
	{"id-form", "is an id a UUID, or 10 hex digits, hyphen and UUID?", []string{"uuid", "legacy"}},
	// PUT.
	{"put-user-status", "what is the success status of PutUser? (guide's example: 201)", []string{"201", "200"}},
	{"put-missing-id", "PutUser of an id that does not exist? (guide lists no 404)", []string{"404", "400"}},
	{"put-omitted", "does PutUser clear what the body leaves out? (guide: overwritten)", []string{"clear", "keep"}},
	{"put-group", "PUT of a group, an operation that does not exist?", []string{"404", "405", "400"}},
	// PATCH.
	{"op-case", "may op be capitalised? (CloudTrail prints upper case, so it seems normalised)", []string{"accept", "refuse"}},
	{"string-booleans", "may PATCH give active as a string? (guide's example: \"false\"; Entra ID sends \"False\")", []string{"lower", "any-case", "refuse"}},
	{"value-paths", "may a PATCH path hold a value filter, as emails[type eq \"work\"].value? (Entra ID's gallery app uses them)", []string{"accept", "refuse"}},
	{"dotted-list-paths", "may a PATCH path name a part of a list without filter, as emails.value?", []string{"refuse", "accept"}},
	{"core-urn-paths", "may a PATCH path begin with the core schema's URN?", []string{"refuse", "accept"}},
	{"pathless-id", "may the value of an operation without path hold id beside its one attribute? (old guide's example)", []string{"accept", "refuse"}},
	{"patch-schemas", "must a PATCH body hold schemas? (present in every example)", []string{"required", "optional"}},
	{"several-operations", "may a PATCH hold several operations?", []string{"accept", "refuse"}},
	{"failed-patch", "is what came before the fault in a failed PATCH done all the same? (lichti/aws-iam-scim-problem)", []string{"nothing", "partial"}},
	// Members.
	{"replace-members", "replace of members: 400; 400, yet the group is emptied; or 204 without effect? (mitodl/keycloak-scim#73; lichti)", []string{"refuse", "refuse-and-empty", "ignore"}},
	{"remove-all-members", "remove of members without value: 400, or is the group emptied? (guide today; lichti)", []string{"refuse", "empty"}},
	{"members-filter-remove", "may a removal be written members[value eq \"…\"]?", []string{"refuse", "accept"}},
	{"add-present-member", "adding a member that is there already?", []string{"204", "400", "404", "409"}},
	{"remove-absent-member", "removing a member that is not there?", []string{"204", "400", "404", "409"}},
	{"unknown-member", "a member id that is no user?", []string{"404", "400"}},
	{"nested-group", "a group as member?", []string{"400", "404"}},
	{"rename-clash", "PatchGroup to a name that is taken? (guide lists no 409)", []string{"409", "400"}},
	// Queries.
	{"start-index", "is startIndex ignored or refused? (guide: not supported)", []string{"ignore", "refuse"}},
	{"other-parameters", "are attributes, excludedAttributes and unknown parameters ignored or refused?", []string{"ignore", "refuse"}},
	{"count-range", "a count outside of 1 to 100?", []string{"refuse", "clamp"}},
	{"cursor-life", "when does a cursor expire?", []string{"unlimited", "1s", "1m", "10m"}},
	{"pages", "may a page hold fewer than count, or nothing, and yet have a nextCursor?", []string{"full", "short", "empty-first"}},
	{"filter-case", "does eq look at letter case in userName and displayName?", []string{"fold", "exact"}},
	{"filter-words", "may attribute names and operators of a filter have any letter case?", []string{"exact", "fold"}},
	{"pair-attribute", "what is the second attribute of the membership test? (guide's example: members)", []string{"members", "members.value", "both"}},
	{"unknown-group-filter", "groups.value with a group that does not exist?", []string{"empty", "404"}},
	{"read-delay", "for how many reads is a new resource still missing?", []string{"0", "1", "2", "5"}},
	{"membership-delay", "for how many lists does a group still show its former members?", []string{"0", "1", "2", "5"}},
	// Answers.
	{"details", "which texts reach HTTP: those seen there, CloudTrail's too, or none?", []string{"observed", "specific", "generic"}},
	{"error-schemas", "has an error document both schema and schemas? (only schema until February 2022)", []string{"both", "schema"}},
	{"throttle-answer", "what does a 429 look like: document alone, Retry-After in seconds or as date, no body, JSON without schemas?", []string{"document", "seconds", "date", "empty", "no-schemas"}},
	{"quota-scope", "does a quota hold for each operation or for all writes and all reads? (user guide's newest text: per-API)", []string{"operation", "kind"}},
	{"user-agent", "is User-Agent needed? (older examples all have one; a PATCH without is said to be blocked)", []string{"patch", "all", "none"}},
}
