package rules

import "github.com/scimgate/scimgate/rules/scim"

// Disposition is what is done about a finding. The order is that of severity.
type Disposition uint8

// The dispositions, as settings name them: off, warn, repair, reject.
const (
	Off Disposition = iota
	Warn
	Repaired
	Reject
)

var dispositions = [...]string{"off", "warn", "repair", "reject"}

func (d Disposition) String() string { return dispositions[d] }

// ParseDisposition reads the word of a setting.
func ParseDisposition(word string) (Disposition, bool) {
	return parseWord[Disposition](dispositions[:], word)
}

// Policy is the attitude of a tenant. Repair is the default. Strict normalises
// protocol noise, and rejects what a person entered rather than changing it.
// Observe judges and repairs all the same; its caller forwards the original.
type Policy uint8

// The policies, as settings name them: repair, strict, observe.
const (
	RepairPolicy Policy = iota
	StrictPolicy
	ObservePolicy
)

var policies = [...]string{"repair", "strict", "observe"}

func (p Policy) String() string { return policies[p] }

// ParsePolicy reads the word of a setting.
func ParsePolicy(word string) (Policy, bool) { return parseWord[Policy](policies[:], word) }

func parseWord[T ~uint8](words []string, word string) (T, bool) {
	for i, w := range words {
		if w == word {
			return T(i), true
		}
	}
	return 0, false
}

// Strength says how much is known of a constraint.
type Strength uint8

// A rule of inferred strength warns at most; New refuses anything else.
const (
	Inferred Strength = iota
	Observed
	Documented
	Guided // the AWS guide for Okta demands it, even where today's endpoint seems milder
)

// Source is where a constraint was learnt.
type Source struct {
	Strength Strength
	Where    string // document and page, or project and thread
}

func (s Source) String() string {
	return [...]string{"inferred", "observed", "documented", "AWS guide for Okta"}[s.Strength] + ": " + s.Where
}

// Rule is one constraint: text first, code last. In Title, {at} stands for the
// attribute's path and {note} for what the check noted; in Fix and Entra, {field}
// stands for the name of the field in Okta's console, {entra} for that in Entra ID's
// mappings.
type Rule struct {
	ID    string // SG and three digits, stable for ever
	Title string // one line: what is wrong
	Fix   string // one line: what a person does about it, naming the field as Okta's console does
	Entra string // the same in Entra ID, where it is another act; may be empty
	Why   string // a paragraph for the catalogue; may be empty
	AWS   string // what AWS answers when this is not caught
	Source

	On    scim.Operation
	Fault scim.Kind // a fault of a parser that this rule puts into words; On, At, When are then unused
	At    []string  // paths of attributes; empty: all that have a trait of Trait
	Trait Traits
	When  Signs // run if the value has one of these
	Check Check // looks closer; nil: the sign suffices

	Default  Disposition
	Status   int      // HTTP, of the refusal; 0: 400
	ScimType string   // of the refusal (RFC 7644 §3.12); "" with Status 0: invalidValue
	Repair   []Repair // the first that applies wins; none applies: the finding rejects
}

// Advice is what a person can do, in the console of each client.
func (r *Rule) Advice() string {
	if r.Entra == "" {
		return r.Fix
	}
	return r.Fix + " In Entra ID: " + r.Entra
}

// Reply is the HTTP status and the scimType with which the rule refuses.
func (r *Rule) Reply() (status int, scimType string) {
	if r.Status == 0 {
		return 400, "invalidValue"
	}
	return r.Status, r.ScimType
}

// Check looks closer at a value with one of the rule's signs. It returns the part
// of the value that is at fault (zero for the whole value) and a note for Title.
type Check func(Node) (at Span, note string, found bool)

// Span is a piece of a document, in bytes.
type Span struct{ Start, End int }

// Repair is one way to mend a finding. Mend returns the edits and a few words on
// what they do, "left out"; ok is false if it declines. Notes on persons' values
// must not quote them.
type Repair struct {
	Kind RepairKind
	Mend func(Node) (edits []Edit, did string, ok bool)
}

// RepairKind tells what a repair does to what a person entered.
type RepairKind uint8

const (
	Normalise RepairKind = iota // protocol noise that nobody typed; done under strict too
	Mend                        // what a person entered, with nothing lost
	Drop                        // what the upstream can't hold is left out
)
