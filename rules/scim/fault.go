package scim

// Kind names a fault that a parser meets in a URL, a head, a query or a JSON
// text. Whether it is mended or refused, and in which words, is a rule keyed by
// it; parsers have no opinion.
type Kind uint8

const (
	_ Kind = iota

	// URL. Mended: one reading is left, and every client means the same by it.
	TrailingSlash        // /Users/
	DoubledSlash         // //Users
	BaseMissing          // the path lacks the /scim/v2 of the Base URL
	BaseDoubled          // /scim/v2/scim/v2
	SlashMissing         // /scim/v2Users
	ResourceTypeCase     // /users
	NeedlessEncoding     // %55sers
	BlankAround          // %20/Users, /Users%20: pasted with the URL
	EmptyQuery           // /Groups/1? with nothing behind it
	PlusForSpace         // userName+eq+"a" in a query
	OperatorCase         // EQ, Eq
	ParameterUnsupported // a query parameter that AWS does not know

	// URL. Refused: what was checked would not be what is forwarded.
	DotSegment          // /Users/../Groups
	EncodedSlash        // %2f, %5c, a backslash
	ControlCharacter    // below U+0020, or U+007F, plain or encoded
	AbsoluteForm        // http://host/Users as the request target
	Fragment            // #
	BadEncoding         // %zz, or bytes that are not UTF-8
	UnknownResourceType // /Widgets
	UnknownBase         // neither the tenant's path nor /scim/v2
	UnsupportedEndpoint // /Me, /Bulk, /.search
	MethodNotAllowed    // PATCH /Users
	TargetTooLong       // more bytes than are bounded
	BadID               // an id outside [A-Za-z0-9-], or too long

	// Query.
	FilterSyntax      // not a filter of RFC 7644 §3.4.2.2
	FilterUnsupported // a filter, but not one that AWS carries out
	ValueUnquoted     // userName eq ada; mended, since one reading is left
	ValueEmpty        // userName eq "": a look-up of nobody
	BadNumber         // startIndex or count that is no number
	RepeatedParameter // filter=…&filter=…

	// Head.
	ContentTypeForm  // not application/scim+json
	UserAgentMissing // none, or empty
	BearerDoubled    // Bearer Bearer x
	BearerMissing    // a bare token
	AuthorizationAbsent
	AuthorizationForm // another scheme, or a token with characters that no token has
	AuthorizationTwice
	TokenUnknown // none of the gateway's own

	// JSON.
	NotJSON
	DuplicateName
	NotUTF8
	LoneSurrogate
	TooDeep
	TooLarge // more values, or a longer number than are bounded
	BodyMissing
	BodyUnexpected // a body where none is allowed
	NotAnObject
	ListInPlace // a list of resources where one belongs

	// Answers of the upstream, put into words for the client.
	Unexplained    // a 400 that no rule foresaw
	TokenRefused   // 401
	NotPermitted   // 403
	UserGone       // 404 for a user
	GroupGone      // 404 for a group
	DuplicateUser  // 409
	DuplicateGroup // 409
	SecondValue    // a PATCH sets a second value where the upstream holds one
	LeftBehind     // an attribute that the upstream refuses beside a deactivation
	MemberUnknown  // a member that is no user
	MemberIsGroup  // a member that is a group
	Unconfirmed    // a deactivation that the upstream's answer does not show

	// Guards against accidents of clients.
	ProtectedGroup // deleted, renamed or emptied
	HeldBack       // too much is taken away at once
	Recreated      // made anew a while after it was deleted

	EndOfKinds
)

// InText tells of the kinds that the scan of a JSON text meets: their place is a byte of
// it.
func (k Kind) InText() bool { return k >= NotJSON && k <= TooLarge }

// Fault is something wrong with a request that a parser met, and where.
type Fault struct {
	Kind       Kind
	Start, End int    // byte offsets in the text that was parsed
	Name       string // what is meant, if a word says more than the place: a parameter, an operator
}
