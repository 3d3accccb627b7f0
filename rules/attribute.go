package rules

// Attribute is one row of what an upstream accepts.
type Attribute struct {
	Path   string // "userName", "name.givenName", "emails.value"; a schema URN, or one with a colon and an attribute
	Type   Type
	Traits Traits
	Max    int    // UTF-16 units of a text, at most; 0: not bounded
	Except string // characters that it doesn't take, though other texts do
	Field  string // the name of the field in Okta's console; "" if there is none
	Entra  string // the same in Entra ID's provisioning
}

// Type is what a single value of an attribute is.
type Type uint8

const (
	Text Type = iota
	Boolean
	Complex
	Anything // not looked into
)

// Traits are what rules ask of an attribute.
type Traits uint32

const (
	Multi       Traits = 1 << iota // multi-valued
	Required                       // must be there and say something, on create and replace
	Optional                       // may be absent, so an empty one can go
	Identifier                     // matched byte by byte by somebody else: never mended
	Unspaced                       // no white space
	Vital                          // its complex value means nothing without it, and goes with it
	Noise                          // sent by protocol, not by a person, and not accepted
	Unsupported                    // not accepted
	ReadOnly                       // assigned by the upstream
	Selective                      // multi-valued; a removal may list the values that go, the others stay

	AnyTrait = ^Traits(0) // of a rule: it looks at every row
)

// Signs are what the pass sees of a value at a glance.
type Signs uint32

const (
	Absent      Signs = 1 << iota // required, and not there
	Empty                         // ""
	Blank                         // nothing but white space
	Nulled                        // null
	EmptyArray                    // []
	EmptyObject                   // {}
	Odd                           // a text with characters outside U+0020 to U+007E, or with escapes
	Spaced                        // white space where none may be
	Long                          // more than Max
	Stringly                      // a boolean written as a text
	Numeric                       // a number or boolean where a text belongs
	Mistyped                      // another JSON type than the attribute's
	Many                          // more than one element
	Present                       // always
	Unlisted                      // no row has its name
	Miscased                      // the row's name, or the path to it, in another case
	Removed                       // a PATCH takes it away
	Malformed                     // a part of a PATCH operation that does not say what it is about
	Whole                         // a complex value, looked at when all its parts are sound
	Parts                         // a part of a complex value that a PATCH sets or removes, looked at then too
)
