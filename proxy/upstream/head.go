package upstream

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"
)

// maxInterim bounds the 1xx answers before the final one. A server sends one or
// two (100, 103).
const maxInterim = 16

// maxField bounds what is kept of a header that is passed on, in bytes.
const maxField = 2 << 10

// maxRetryAfter bounds what an upstream may ask for, as scim.Response says.
const maxRetryAfter = 300 * time.Second

// head is what matters of the head of an answer. There is one way to read it:
// whatever HTTP/1.1 parsers are known to disagree about is an error (RFC 9112 §6.3).
type head struct {
	status      int
	length      int // Content-Length in bytes; -1 = none given
	chunked     bool
	last        bool // the connection ends with this answer
	contentType string
	requestID   string
	etag        string
	location    string
	retryAfter  time.Duration
}

// malformed is an answer that can't be framed, with its first bytes: nothing that
// follows on the connection means anything.
type malformed struct {
	why   string
	start []byte // at most 64 bytes
}

func (m *malformed) Error() string {
	return fmt.Sprintf("cannot read the answer: %s; it begins with hex %x", m.why, m.start)
}

// readHead reads up to the end of the head of the final answer.
func readHead(r *bufio.Reader) (head, error) {
	for range maxInterim + 1 {
		raw, err := peekHead(r)
		if err != nil {
			return head{}, err
		}
		h, why := parseHead(raw)
		if why != "" {
			return head{}, &malformed{why, start(raw)}
		}
		if _, err := r.Discard(len(raw)); err != nil {
			return head{}, err
		}
		if h.status >= 200 {
			return h, nil
		}
		if h.status == fasthttp.StatusSwitchingProtocols {
			return head{}, errors.New("cannot read the answer: it switches protocols")
		}
	}
	return head{}, fmt.Errorf("cannot read the answer: more than %d times 1xx", maxInterim)
}

// peekHead returns the bytes up to the empty line, still in the reader. It gives
// up as soon as they can't become a head, rather than at the deadline.
func peekHead(r *bufio.Reader) ([]byte, error) {
	const begin = "HTTP/1."
	seen := 0
	for {
		_, wait := r.Peek(seen + 1)
		b, _ := r.Peek(r.Buffered())
		if n := min(len(b), len(begin)); string(b[:n]) != begin[:n] {
			return nil, &malformed{"it is not HTTP/1", start(b)}
		}
		for i := seen; i < len(b); i++ {
			if b[i] != '\n' {
				continue
			}
			if b[i-1] != '\r' {
				return nil, &malformed{"a line ends without CR", start(b)}
			}
			if i >= 3 && b[i-2] == '\n' {
				return b[:i+1], nil
			}
		}
		seen = len(b)
		switch {
		case errors.Is(wait, bufio.ErrBufferFull):
			return nil, &malformed{fmt.Sprintf("its head is longer than %d bytes", maxHead), start(b)}
		case wait == io.EOF:
			return nil, fmt.Errorf("cannot read the answer: the connection ended after %d bytes of it", len(b))
		case wait != nil:
			return nil, fmt.Errorf("cannot read the answer: %w", wait)
		}
	}
}

// parseHead reads the lines of a head. why is "" if it has one reading.
func parseHead(raw []byte) (h head, why string) {
	h.length = -1
	line, rest, _ := bytes.Cut(raw, crlf)
	// HTTP/1.x SP 3DIGIT [SP reason]
	if len(line) < 12 || line[8] != ' ' || (line[7] != '0' && line[7] != '1') || len(line) > 12 && line[12] != ' ' {
		return h, "its first line is none of HTTP/1"
	}
	code, err := strconv.ParseUint(string(line[9:12]), 10, 16)
	if err != nil || code < 100 || code > 599 || !text(line) {
		return h, "its status is none of HTTP"
	}
	h.status = int(code)
	old := line[7] == '0'
	h.last = old
	for {
		if line, rest, _ = bytes.Cut(rest, crlf); len(line) == 0 {
			break
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok || !token(name) || !text(value) {
			return h, "a header line is malformed"
		}
		if why = h.field(name, bytes.Trim(value, " \t")); why != "" {
			return h, why
		}
	}
	if h.chunked && (h.length >= 0 || old) {
		return h, "it has Transfer-Encoding beside Content-Length, or in HTTP/1.0"
	}
	return h, ""
}

var crlf = []byte("\r\n")

// field takes one header field. All but those that are named are passed over.
func (h *head) field(name, value []byte) (why string) {
	is := func(want string) bool { return len(name) == len(want) && strings.EqualFold(string(name), want) }
	switch {
	case is("Content-Length"):
		n, err := strconv.ParseUint(string(value), 10, 31)
		if err != nil || h.length >= 0 {
			return "its Content-Length is repeated or no number"
		}
		h.length = int(n)
	case is("Transfer-Encoding"):
		if h.chunked || !strings.EqualFold(string(value), "chunked") {
			return "its Transfer-Encoding is repeated or not chunked"
		}
		h.chunked = true
	case is("Connection"):
		for option := range bytes.SplitSeq(value, []byte(",")) {
			if strings.EqualFold(string(bytes.Trim(option, " \t")), "close") {
				h.last = true
			}
		}
	case is("Content-Type"):
		h.contentType = mediaType(value)
	case is("x-amzn-RequestId"):
		h.requestID = string(value[:min(len(value), 128)])
	case is("ETag"):
		h.etag = string(value[:min(len(value), maxField)])
	case is("Location"):
		h.location = string(value[:min(len(value), maxField)])
	case is("Retry-After"):
		h.retryAfter = retryAfter(value, time.Now())
	}
	return ""
}

// mediaType spares an allocation for the two that AWS sends.
func mediaType(value []byte) string {
	switch string(value) {
	case "application/json":
		return "application/json"
	case "application/scim+json":
		return "application/scim+json"
	}
	return string(value)
}

// retryAfter reads seconds or a date (RFC 9110 §10.2.3). What can't be read, and
// what has passed, is 0.
func retryAfter(value []byte, now time.Time) time.Duration {
	if len(value) > 0 && len(bytes.Trim(value, "0123456789")) == 0 {
		seconds, err := strconv.ParseUint(string(value), 10, 63)
		if err != nil || seconds > uint64(maxRetryAfter/time.Second) {
			return maxRetryAfter
		}
		return time.Duration(seconds) * time.Second
	}
	at, err := fasthttp.ParseHTTPDate(value)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), maxRetryAfter)
}

// token tells whether b is a token of RFC 9110 §5.6.2.
func token(b []byte) bool {
	for _, c := range b {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return len(b) > 0
}

// text tells whether b has no control characters but tabs.
func text(b []byte) bool {
	for _, c := range b {
		if c < 0x20 && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

func start(b []byte) []byte { return bytes.Clone(b[:min(len(b), 64)]) }
