package wire

import "strings"

// Fault is something that two HTTP parsers could read differently.
type Fault uint8

// The faults, as far as a client's operator has to tell them apart.
const (
	_ Fault = iota
	LineEndInFront
	BareLineFeed
	BareReturn
	ControlCharacter
	NoMethod
	NoVersion
	OtherVersion
	TLSHello
	Folded
	NoName
	BlankBeforeColon
	LengthTwice
	LengthForm
	LengthAndChunks
	CodingForm
	ChunkExtension
	ChunkForm
	Trailer
	NoRoom  // nothing is wrong with the request, but there is no memory for its body now
	Crowded // nor with it, but its address has too many connections
)

var texts = [...]string{
	LineEndInFront:   "a line end stands in front of the request line",
	BareLineFeed:     "a line ends in a bare line feed",
	BareReturn:       "a carriage return is not followed by a line feed",
	ControlCharacter: "the head has a control character",
	NoMethod:         "the request does not begin with a method",
	NoVersion:        "the request line has no HTTP version",
	OtherVersion:     "the HTTP version is not 1.0 or 1.1",
	TLSHello:         "this is TLS, and the listener speaks HTTP",
	Folded:           "a header is folded over two lines",
	NoName:           "a header line has no name, or one with a character that no name has",
	BlankBeforeColon: "a blank stands before the colon of a header",
	LengthTwice:      "Content-Length stands there twice",
	LengthForm:       "Content-Length is not a number",
	LengthAndChunks:  "the request has both Content-Length and Transfer-Encoding",
	CodingForm:       "the Transfer-Encoding is not chunked, and nothing else",
	ChunkExtension:   "a chunk has an extension",
	ChunkForm:        "a chunk is not well-formed",
	Trailer:          "the body has a trailer",
	NoRoom:           "there is no room for its body now",
	Crowded:          "its address has too many connections",
}

func (f Fault) String() string {
	if int(f) >= len(texts) {
		return ""
	}
	return texts[f]
}

type state uint8

const (
	start state = iota
	method
	target
	version
	requestLF
	lineStart
	name
	value
	valueLF
	headLF
	body
	chunkSize
	chunkSizeLF
	chunkData
	chunkCR
	chunkLF
	trailerStart
	trailerLF
	ended // until the server asks for the next message
)

// Bounds of what is kept: of a name, a value and a version; and of a target, whose first
// part tells whose it is.
const (
	kept       = 32
	keptTarget = 128
)

// machine reads one message after another, byte by byte, and bodies by their length.
type machine struct {
	state  state
	fault  Fault
	left   uint64 // bytes of the body, or of the chunk
	digits int    // of the chunk's size

	word  [kept]byte // the name or version so far
	size  int        // its length; more than kept is not kept
	text  [kept]byte // the value of a field that matters
	long  int        // its length
	field fieldKind

	target [keptTarget]byte // its beginning
	begun  int              // length of that

	most uint64              // bytes of a body that the server reads
	of   func([]byte) string // see Handling

	length, coding bool // seen
	old            bool // HTTP/1.0
}

type fieldKind uint8

const (
	otherField fieldKind = iota
	lengthField
	codingField
)

// next lets the machine go on to the next message, and tells whether there was one.
func (m *machine) next() bool {
	if m.state != ended {
		return false
	}
	*m = machine{most: m.most, of: m.of}
	return true
}

// take looks at bytes, and tells how many of them may be handed on: up to the end of
// the message, or to a fault. The body takes its room as it is announced.
func (m *machine) take(p []byte, h *held) int {
	for i := 0; i < len(p); {
		switch m.state {
		case ended:
			return i
		case body, chunkData:
			n := min(uint64(len(p)-i), m.left)
			i += int(n)
			if m.left -= n; m.left == 0 && m.state == body {
				m.state = ended
			} else if m.left == 0 {
				m.state = chunkCR
			}
			continue
		}
		before := m.state
		m.step(p[i])
		if m.state != before && (m.state == body || m.state == chunkData) && m.left <= m.most && !h.grow(m.left, m.whose) {
			m.fault = NoRoom
		}
		if m.fault != 0 {
			return i
		}
		i++
	}
	return len(p)
}

// whose tells who the message is from, as far as its target tells.
func (m *machine) whose() string {
	if m.of == nil {
		return ""
	}
	return m.of(m.target[:m.begun])
}

func (m *machine) step(c byte) {
	switch m.state {
	case start, method, target, version, requestLF:
		m.requestLine(c)
	case lineStart, name, value, valueLF, headLF:
		m.header(c)
	default:
		m.chunk(c)
	}
}

func (m *machine) requestLine(c byte) {
	switch m.state {
	case start:
		switch {
		case c == '\r' || c == '\n':
			m.fault = LineEndInFront
		case c == 0x16:
			m.fault = TLSHello
		case !isToken(c):
			m.fault = NoMethod
		default:
			m.state = method
		}
	case method:
		switch {
		case c == ' ':
			m.state = target
		case !isToken(c):
			m.fault = NoMethod
		}
	case target:
		switch {
		case c == ' ':
			m.state, m.size = version, 0
		case c == '\r' || c == '\n':
			m.fault = NoVersion
		case c < ' ' || c == 0x7f:
			m.fault = ControlCharacter
		case m.begun < keptTarget:
			m.target[m.begun] = c
			m.begun++
		}
	case version:
		switch {
		case c == '\n':
			m.fault = BareLineFeed
		case c == '\r':
			m.state = requestLF
			if v := string(m.word[:min(m.size, kept)]); v == "HTTP/1.0" {
				m.old = true
			} else if v != "HTTP/1.1" {
				m.fault = OtherVersion
			}
		case m.size == kept:
			m.fault = OtherVersion
		default:
			m.word[m.size] = c
			m.size++
		}
	case requestLF:
		m.lineFeed(c, lineStart)
	}
}

func (m *machine) lineFeed(c byte, then state) {
	if c != '\n' {
		m.fault = BareReturn
		return
	}
	m.state = then
}

func (m *machine) header(c byte) {
	switch m.state {
	case lineStart:
		switch {
		case c == '\r':
			m.state = headLF
		case c == '\n':
			m.fault = BareLineFeed
		case c == ' ' || c == '\t':
			m.fault = Folded
		case !isToken(c):
			m.fault = NoName
		default:
			m.state, m.size, m.long = name, 1, 0
			m.word[0] = c
		}
	case name:
		switch {
		case c == ':':
			m.state = value
			m.name()
		case c == ' ' || c == '\t':
			m.fault = BlankBeforeColon
		case !isToken(c):
			m.fault = NoName
		default:
			if m.size < kept {
				m.word[m.size] = c
			}
			m.size++
		}
	case value:
		switch {
		case c == '\r':
			m.state = valueLF
			m.value()
		case c == '\n':
			m.fault = BareLineFeed
		case c < ' ' && c != '\t' || c == 0x7f:
			m.fault = ControlCharacter
		case m.field != otherField:
			if m.long < kept {
				m.text[m.long] = c
			}
			m.long++
		}
	case valueLF:
		m.lineFeed(c, lineStart)
	case headLF:
		if m.lineFeed(c, ended); m.fault == 0 {
			m.head()
		}
	}
}

// name looks whether the field is one that says where the message ends.
func (m *machine) name() {
	m.field = otherField
	if m.size > kept {
		return
	}
	switch word := string(m.word[:m.size]); {
	case len(word) == len("Content-Length") && strings.EqualFold(word, "Content-Length"):
		if m.length {
			m.fault = LengthTwice
		}
		m.field, m.length = lengthField, true
	case len(word) == len("Transfer-Encoding") && strings.EqualFold(word, "Transfer-Encoding"):
		if m.coding {
			m.fault = CodingForm
		}
		m.field, m.coding = codingField, true
	}
}

// value takes in such a field.
func (m *machine) value() {
	text := strings.Trim(string(m.text[:min(m.long, kept)]), " \t")
	switch m.field {
	case lengthField:
		if m.long > kept || len(text) == 0 || len(text) > 18 {
			m.fault = LengthForm
			return
		}
		m.left = 0
		for _, c := range []byte(text) {
			if c < '0' || c > '9' {
				m.fault = LengthForm
				return
			}
			m.left = 10*m.left + uint64(c-'0')
		}
	case codingField:
		if m.long > kept || len(text) != len("chunked") || !strings.EqualFold(text, "chunked") || m.old {
			m.fault = CodingForm
		}
	}
}

// head is at its end.
func (m *machine) head() {
	switch {
	case m.length && m.coding:
		m.fault = LengthAndChunks
	case m.coding:
		m.state, m.left, m.digits = chunkSize, 0, 0
	case m.left > 0:
		m.state = body
	}
}

func (m *machine) chunk(c byte) {
	switch m.state {
	case chunkSize:
		switch digit, ok := hex(c); {
		case ok && m.digits < 8:
			m.left = m.left<<4 | uint64(digit)
			m.digits++
		case c == '\r' && m.digits > 0:
			m.state = chunkSizeLF
		case c == ';':
			m.fault = ChunkExtension
		default:
			m.fault = ChunkForm
		}
	case chunkSizeLF:
		then := chunkData
		if m.left == 0 {
			then = trailerStart
		}
		if m.lineFeed(c, then); m.fault != 0 {
			m.fault = ChunkForm
		}
	case chunkCR:
		if c != '\r' {
			m.fault = ChunkForm
			return
		}
		m.state = chunkLF
	case chunkLF:
		if m.lineFeed(c, chunkSize); m.fault != 0 {
			m.fault = ChunkForm
		}
		m.left, m.digits = 0, 0
	case trailerStart:
		if c != '\r' {
			m.fault = Trailer
			return
		}
		m.state = trailerLF
	case trailerLF:
		m.lineFeed(c, ended)
	}
}

func hex(c byte) (digit byte, ok bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10, true
	}
	return 0, false
}

// isToken tells of the characters of methods and field names (RFC 9110 §5.6.2).
func isToken(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}
