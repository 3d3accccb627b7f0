package upstream

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/scimgate/scimgate/proxy/crash"
	"github.com/scimgate/scimgate/rules/scim"
	"github.com/valyala/fasthttp"
)

// keptRequest bounds the buffers that are kept for requests; a PATCH of 100
// members is 6 kB.
const keptRequest = 64 << 10

// check refuses what would be another request on the wire than the one meant.
func (call *Call) check() error {
	switch call.Method {
	case "GET", "POST", "PUT", "PATCH", "DELETE":
	default:
		return fmt.Errorf("cannot send: %q is no method of SCIM", call.Method)
	}
	if len(call.URI) == 0 || call.URI[0] != '/' || !plain(call.URI) {
		return errors.New("cannot send: the path is not one below the Base URL")
	}
	if len(call.Authorization) == 0 || !plain(call.Authorization) {
		return errors.New("cannot send: the token is empty or has blanks or control characters")
	}
	if !text([]byte(call.UserAgent)) || !text([]byte(call.IfMatch)) || !text([]byte(call.IfNoneMatch)) {
		return errors.New("cannot send: the user agent or a condition has control characters")
	}
	if call.Method == "GET" && len(call.Body) > 0 {
		return errors.New("cannot send: a GET has no body")
	}
	return nil
}

// plain tells whether s is of visible ASCII without '#', so that it stays one
// part of a request line or of a header value.
func plain[T string | []byte](s T) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f || s[i] == '#' {
			return false
		}
	}
	return true
}

// exchange writes the call and reads its answer. Unless the error is nil, the
// connection is of no further use.
func (c *Client) exchange(k *conn, call Call, by time.Time) (scim.Response, scim.Outcome, error) {
	if err := k.stream.SetDeadline(by); err != nil {
		return scim.Response{}, scim.NotSent, fmt.Errorf("cannot send: %w", err)
	}
	if call.Leaves != nil {
		if err := call.Leaves(); err != nil {
			return scim.Response{}, scim.NotSent, fmt.Errorf("%w: %w", ErrNotTried, err)
		}
	}
	before := k.wire.written
	if err := c.write(k, &call); err != nil {
		if k.wire.written == before {
			return scim.Response{}, scim.NotSent, fmt.Errorf("cannot send: %w", err)
		}
		return scim.Response{}, scim.Unknown, fmt.Errorf("cannot send all of the request: %w", err)
	}
	h, err := readHead(k.reader)
	if err != nil {
		return scim.Response{}, scim.Unknown, withoutToken(err, call.Authorization)
	}
	k.last = h.last
	body, err := c.body(k, h, call.room)
	if err != nil {
		return scim.Response{}, scim.Unknown, fmt.Errorf("cannot read the body of answer %d: %w", h.status, err)
	}
	resp := scim.Response{
		Status: h.status, Body: body, ContentType: h.contentType,
		RequestID: h.requestID, ETag: h.etag, Location: h.location, RetryAfter: h.retryAfter,
	}
	if !resp.OK() {
		return resp, scim.UpstreamError, nil
	}
	if err := call.fulfilled(resp); err != nil {
		return scim.Response{}, scim.Unknown, err
	}
	return resp, scim.Done, nil
}

// write sends the whole request at once.
func (c *Client) write(k *conn, call *Call) error {
	buf, _ := c.requests.Get().(*[]byte)
	if buf == nil {
		buf = new([]byte)
	}
	*buf = append(c.appendHead((*buf)[:0], call), call.Body...)
	_, err := k.stream.Write(*buf)
	if call.Write {
		crash.At(crash.AfterFirstByte)
	}
	clear(*buf) // a token must not lie about
	if cap(*buf) <= keptRequest {
		c.requests.Put(buf)
	}
	return err
}

// appendHead makes the head from nothing but the call.
func (c *Client) appendHead(dst []byte, call *Call) []byte {
	add := func(parts ...string) {
		for _, p := range parts {
			dst = append(dst, p...)
		}
	}
	add(call.Method, " ", c.place.path, call.URI, " HTTP/1.1\r\nHost: ", c.place.host, "\r\nAuthorization: Bearer ")
	dst = append(dst, call.Authorization...)
	if c.alone(call) {
		add("\r\nConnection: close")
	}
	add("\r\nUser-Agent: ", orDefault(call.UserAgent, "scimgate"), "\r\nAccept: application/scim+json\r\n")
	if call.IfMatch != "" {
		add("If-Match: ", call.IfMatch, "\r\n")
	}
	if call.IfNoneMatch != "" {
		add("If-None-Match: ", call.IfNoneMatch, "\r\n")
	}
	if len(call.Body) > 0 {
		add("Content-Type: application/scim+json\r\n")
	}
	if len(call.Body) > 0 || call.Method != "GET" && call.Method != "DELETE" {
		add("Content-Length: ")
		dst = strconv.AppendInt(dst, int64(len(call.Body)), 10)
		add("\r\n")
	}
	add("\r\n")
	return dst
}

// room asks whether n bytes of an answer may be held.
func (call *Call) room(n int) error {
	if call.Fit == nil {
		return nil
	}
	return call.Fit(n)
}

// body reads the body that a head announces; nil if it is empty.
func (c *Client) body(k *conn, h head, room func(n int) error) ([]byte, error) {
	most := c.settings.MaxResponseBytes
	switch {
	case h.status == fasthttp.StatusNoContent || h.status == fasthttp.StatusNotModified:
		// If one is announced or sent all the same, it is not read.
		k.last = k.last || h.chunked || h.length > 0
		return nil, nil
	case h.chunked:
		return readChunked(k.reader, most, room)
	case h.length > most:
		return nil, fmt.Errorf("it has %d bytes, the limit is %d", h.length, most)
	case h.length >= 0:
		if err := room(h.length); err != nil {
			return nil, err
		}
		return readExactly(k.reader, h.length)
	case h.status < 300:
		return nil, errors.New("its end is not marked, so that nobody knows whether it is whole")
	}
	k.last = true
	return readToEnd(k.reader, most, room)
}

// readToEnd reads until the connection ends.
func readToEnd(r io.Reader, most int, room func(n int) error) ([]byte, error) {
	var body []byte
	for {
		if len(body) == cap(body) {
			body = slices.Grow(body, max(len(body), 512))
			if err := room(cap(body)); err != nil {
				return nil, err
			}
		}
		n, err := r.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case len(body) > most:
			return nil, fmt.Errorf("it has more than %d bytes", most)
		case err == io.EOF:
			return body, nil
		case err != nil:
			return nil, err
		}
	}
}

// readExactly doesn't take the memory for n bytes before they come.
func readExactly(r *bufio.Reader, n int) ([]byte, error) {
	if n == 0 {
		return nil, nil
	}
	body := make([]byte, 0, min(n, 256<<10))
	for len(body) < n {
		if len(body) == cap(body) {
			body = slices.Grow(body, min(n-len(body), len(body)))
		}
		m, err := r.Read(body[len(body):min(n, cap(body))])
		body = body[:len(body)+m]
		if err == io.EOF {
			return nil, fmt.Errorf("it has %d bytes, not %d: %w", len(body), n, io.ErrUnexpectedEOF)
		}
		if err != nil {
			return nil, err
		}
	}
	return body, nil
}

// readChunked reads a chunked body (RFC 9112 §7.1), with a trailer of which nothing is
// used. Extensions, and whatever else parsers disagree about, are errors.
func readChunked(r *bufio.Reader, most int, room func(n int) error) ([]byte, error) {
	var body []byte
	for {
		line, err := readLine(r)
		if err != nil {
			return nil, err
		}
		size, err := strconv.ParseUint(string(line), 16, 31)
		if err != nil || len(line) > 8 {
			return nil, errors.New("the size of a chunk is no hexadecimal number")
		}
		if size == 0 {
			return body, readTrailer(r)
		}
		if len(body)+int(size) > most {
			return nil, fmt.Errorf("it has more than %d bytes", most)
		}
		if err := room(len(body) + int(size)); err != nil {
			return nil, err
		}
		chunk, err := readExactly(r, int(size))
		if err != nil {
			return nil, err
		}
		body = append(body, chunk...)
		if line, err = readLine(r); err != nil || len(line) > 0 {
			return nil, errors.Join(errors.New("a chunk is longer than its size"), err)
		}
	}
}

func readTrailer(r *bufio.Reader) error {
	for left := maxHead; ; {
		line, err := readLine(r)
		if err != nil || len(line) == 0 {
			return err
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		if left -= len(line); !ok || !token(name) || !text(value) || left < 0 {
			return errors.New("a trailer line is malformed, or the trailer is too long")
		}
	}
}

// readLine is a line without its end, which is CR LF and nothing else. It is good until
// the next read.
func readLine(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	switch {
	case err == io.EOF:
		return nil, io.ErrUnexpectedEOF
	case err != nil:
		return nil, err
	}
	line, ok := bytes.CutSuffix(line, crlf)
	if !ok || bytes.IndexByte(line, '\r') >= 0 {
		return nil, errors.New("a line ends without CR")
	}
	return line, nil
}

// withoutToken takes the quoted bytes out of an error if the upstream echoed the
// token in them: no eight bytes of it in a row may reach a log.
func withoutToken(err error, token []byte) error {
	var m *malformed
	if !errors.As(err, &m) {
		return err
	}
	for i := 0; i+8 <= len(token); i++ {
		if bytes.Contains(m.start, token[i:i+8]) {
			return &malformed{why: m.why}
		}
	}
	return err
}
