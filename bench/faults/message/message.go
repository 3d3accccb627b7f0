// Package message reads and writes HTTP/1.1 messages as bytes, for witnesses that may
// not trust an HTTP library: both of what the gateway sends upstream, which has one form,
// and of what it answers. Anything else than that form is a [*Flaw].
package message

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Flaw says what is wrong with the bytes of a message.
type Flaw struct{ Why string }

func (f *Flaw) Error() string { return "the bytes are no sound message: " + f.Why }

func flawed(format string, args ...any) error { return &Flaw{fmt.Sprintf(format, args...)} }

// Field is a header.
type Field struct{ Name, Value string }

// Head is the first line of a message and its headers.
type Head struct {
	Line   string
	Fields []Field
}

const mostHead = 64 << 10

// ReadHead reads up to the empty line. Its error is io.EOF if there is not one byte.
func ReadHead(r *bufio.Reader) (Head, error) {
	var h Head
	size := 0
	for first := true; ; first = false {
		line, err := r.ReadString('\n')
		if size += len(line); size > mostHead {
			return h, flawed("its head is longer than %d bytes", mostHead)
		}
		if err != nil {
			if errors.Is(err, io.EOF) && size > 0 {
				err = io.ErrUnexpectedEOF
			}
			return h, err
		}
		text, ended := strings.CutSuffix(line, "\r\n")
		switch {
		case !ended:
			return h, flawed("a line ends without CR")
		case strings.ContainsAny(text, "\x00\r"):
			return h, flawed("a line has a control character")
		case first:
			h.Line = text
			continue
		case text == "":
			return h, nil
		}
		name, value, found := strings.Cut(text, ":")
		if !found || name == "" || strings.ContainsAny(name, " \t") {
			return h, flawed("a header line has no name")
		}
		h.Fields = append(h.Fields, Field{name, strings.Trim(value, " \t")})
	}
}

// Get returns the value of a header, "" if there is none.
func (h *Head) Get(name string) string {
	for _, f := range h.Fields {
		if strings.EqualFold(f.Name, name) {
			return f.Value
		}
	}
	return ""
}

// count tells how often a header stands there.
func (h *Head) count(name string) (n int) {
	for _, f := range h.Fields {
		if strings.EqualFold(f.Name, name) {
			n++
		}
	}
	return n
}

// Length is the length of the body; 0 if none is announced. No other framing is known.
func (h *Head) Length() (int, error) {
	if h.count("Transfer-Encoding") > 0 || h.count("Content-Length") > 1 {
		return 0, flawed("it is framed by something else than one Content-Length")
	}
	text := h.Get("Content-Length")
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return 0, flawed("its Content-Length is %q", text)
	}
	return int(n), nil
}

// ReadBody reads as much as the head announces. What came is returned with an error, too.
func (h *Head) ReadBody(r *bufio.Reader) (string, error) {
	n, err := h.Length()
	if err != nil {
		return "", err
	}
	body := make([]byte, n)
	got, err := io.ReadFull(r, body)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return string(body[:got]), err
}

// Request takes a request line apart.
func (h *Head) Request() (method, target string, err error) {
	parts := strings.Split(h.Line, " ")
	if len(parts) != 3 || parts[2] != "HTTP/1.1" || parts[0] == "" || !strings.HasPrefix(parts[1], "/") {
		return "", "", flawed("its first line is %q", h.Line)
	}
	return parts[0], parts[1], nil
}

// Status takes a status line apart.
func (h *Head) Status() (int, error) {
	if len(h.Line) < 12 || !strings.HasPrefix(h.Line, "HTTP/1.1 ") || len(h.Line) > 12 && h.Line[12] != ' ' {
		return 0, flawed("its first line is %q", h.Line)
	}
	status, err := strconv.Atoi(h.Line[9:12])
	if err != nil || status < 100 {
		return 0, flawed("its first line is %q", h.Line)
	}
	return status, nil
}

// Append writes a message; the line and the fields as they are.
func Append(dst []byte, line string, fields []Field, body string) []byte {
	dst = append(append(dst, line...), "\r\n"...)
	for _, f := range fields {
		dst = append(append(append(append(dst, f.Name...), ": "...), f.Value...), "\r\n"...)
	}
	return append(append(dst, "\r\n"...), body...)
}
