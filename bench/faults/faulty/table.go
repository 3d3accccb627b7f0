package faulty

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/scimgate/scimgate/bench/faults/message"
)

// Table is every fault, in the order of the matrix. A weight of 0 keeps out of the mass
// run what would hold up all of it, or shows nothing there.
var Table = []Fault{
	// F1 to F3: throttling. A Retry-After holds up everybody, so it is rare.
	{Name: "429-wait-1", Row: "F1", Weight: 1, Strike: refusal(429, "1")},
	{Name: "429-wait-2", Row: "F1", Strike: refusal(429, "2")},
	{Name: "429", Row: "F3", Weight: 12, Strike: refusal(429, "")},
	{Name: "429-wait-0", Row: "F3", Weight: 6, Strike: refusal(429, "0")},
	{Name: "429-wait-soon", Row: "F3", Weight: 6, Strike: refusal(429, "soon")},
	{Name: "429-wait-minus", Row: "F3", Weight: 6, Strike: refusal(429, "-5")},
	{Name: "429-wait-past", Row: "F3", Weight: 6, Strike: refusal(429, "Sun, 06 Nov 1994 08:49:37 GMT")},
	{Name: "429-wait-huge", Row: "F3", Strike: refusal(429, "1000000000")},
	{Name: "429-wait-date", Row: "F3", Strike: func(k *Strike) {
		refusal(429, time.Now().Add(3*time.Second).UTC().Format(http.TimeFormat))(k)
	}},
	{Name: "429-empty", Row: "F3", Weight: 6, Strike: plain(Reply{Status: 429})},
	{Name: "429-html", Row: "F3", Weight: 6, Strike: plain(html(429))},

	// F4 to F6: failures that are told.
	{Name: "503", Row: "F4", Weight: 12, Strike: refusal(503, "")},
	{Name: "503-done", Row: "F4", Weight: 12, Strike: after(refusal(503, ""))},
	{Name: "503-wait", Row: "F4", Weight: 6, Strike: refusal(503, "1")},
	{Name: "500", Row: "F5", Weight: 15, Strike: refusal(500, "")},
	{Name: "500-done", Row: "F5", Weight: 15, Strike: after(refusal(500, ""))},
	{Name: "500-html-done", Row: "F6", Weight: 6, Strike: after(plain(html(500)))},
	{Name: "502", Row: "F6", Weight: 8, Strike: plain(html(502))},
	{Name: "504-done", Row: "F6", Weight: 8, Strike: after(plain(html(504)))},

	// F7, F9 to F12: connections that end.
	{Name: "refused", Row: "F7", Weight: 1, Strike: func(k *Strike) {
		k.Refused(50 * time.Millisecond)
		k.Whole(k.Apply())
	}},
	{Name: "silence", Row: "F9", Weight: 8, Early: true, Strike: (*Strike).Silent},
	{Name: "rst-unread", Row: "F10", Weight: 15, Early: true, Strike: (*Strike).Reset},
	{Name: "rst-read", Row: "F11", Weight: 15, Strike: (*Strike).Reset},
	{Name: "rst-done", Row: "F11", Weight: 20, Strike: after((*Strike).Reset)},
	{Name: "fin-read", Row: "F11", Weight: 10, Strike: (*Strike).End},
	{Name: "fin-done", Row: "F11", Weight: 10, Strike: after((*Strike).End)},
	{Name: "cut-rst", Row: "F12", Weight: 20, Strike: cut((*Strike).Reset)},
	{Name: "cut-fin", Row: "F12", Weight: 20, Strike: cut((*Strike).End)},

	// F13: answers that can't be read, of what was done.
	{Name: "garbage", Row: "F13", Weight: 4, Strike: garbled(func(Reply) string { return "\x15\x03\x01\x00\x02\x02\x28" })},
	{Name: "status-line", Row: "F13", Weight: 4, Strike: garbled(func(r Reply) string { return strings.Replace(string(r.Bytes()), "HTTP/1.1 ", "HTTP/1.1 +", 1) })},
	{Name: "http-09", Row: "F13", Weight: 4, Strike: garbled(func(r Reply) string { return r.Body + "\r\n\r\n" })},
	{Name: "bare-lf", Row: "F13", Weight: 4, Strike: garbled(func(r Reply) string { return strings.ReplaceAll(string(r.Bytes()), "\r\n", "\n") })},
	{Name: "fold", Row: "F13", Weight: 4, Strike: garbled(func(r Reply) string {
		return string(message.Append(nil, r.line(), append(r.framed(), message.Field{Name: "X-Folded", Value: "a\r\n b"}), body(r)))
	})},
	{Name: "length-and-chunks", Row: "F13", Weight: 4, Strike: garbled(func(r Reply) string {
		return head(r, "Content-Length", fmt.Sprint(len(body(r))), "Transfer-Encoding", "chunked") + chunked(body(r))
	})},
	{Name: "length-twice", Row: "F13", Weight: 4, Strike: garbled(func(r Reply) string {
		n := fmt.Sprint(len(body(r)))
		return head(r, "Content-Length", n, "Content-Length", n) + body(r)
	})},
	{Name: "length-minus", Row: "F13", Weight: 4, Strike: garbled(func(r Reply) string { return head(r, "Content-Length", "-1") + body(r) })},
	{Name: "chunk-size", Row: "F13", Weight: 4, Strike: garbled(func(r Reply) string {
		return head(r, "Transfer-Encoding", "chunked") + "xyz\r\n" + body(r) + "\r\n0\r\n\r\n"
	})},
	{Name: "chunk-end", Row: "F13", Weight: 4, Strike: garbled(func(r Reply) string {
		return head(r, "Transfer-Encoding", "chunked") + fmt.Sprintf("%x\r\n%sXX0\r\n\r\n", len(body(r)), body(r))
	})},
	{Name: "chunk-missing", Row: "F13", Weight: 4, Strike: garbled(func(r Reply) string {
		return head(r, "Transfer-Encoding", "chunked") + strings.TrimSuffix(chunked(body(r)), "0\r\n\r\n")
	})},
	{Name: "gzip-chunks", Row: "F13", Weight: 4, Strike: garbled(func(r Reply) string {
		return head(r, "Transfer-Encoding", "gzip, chunked") + chunked(body(r))
	})},

	// F14 to F16: bodies that are not what was promised.
	{Name: "body-short", Row: "F14", Weight: 15, Strike: garbled(func(r Reply) string {
		return head(r, "Content-Length", fmt.Sprint(len(body(r))+7)) + body(r)
	})},
	{Name: "body-long", Row: "F15", Weight: 15, Strike: func(k *Strike) {
		r := k.Apply()
		k.Sends(r, append(r.Bytes(), "\r\n  and some more"...))
	}},
	{Name: "extra-answer", Row: "F15", Weight: 15, Strike: func(k *Strike) {
		r := k.Apply()
		k.Sends(r, append(r.Bytes(), Poison().Bytes()...))
	}},
	{Name: "extra-later", Row: "F15", Weight: 15, Strike: func(k *Strike) {
		k.Whole(k.Apply())
		k.Behind(time.Duration(1+k.At(40))*time.Millisecond, Poison().Bytes())
	}},
	{Name: "invalid-json", Row: "F16", Weight: 8, Strike: claims(func(r Reply) string { return strings.TrimSuffix(body(r), "}") })},
	{Name: "html-ok", Row: "F16", Weight: 8, Strike: claims(func(Reply) string { return html(200).Body })},
	{Name: "empty-ok", Row: "F16", Weight: 8, Strike: claims(func(Reply) string { return "" })},
	{Name: "wrong-id", Row: "F16", Weight: 8, Strike: another},

	// F17 to F21: answers that take their time.
	{Name: "interim", Row: "F17", Weight: 10, Strike: func(k *Strike) {
		r := k.Apply()
		k.Sends(r, append([]byte("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"), r.Bytes()...))
	}},
	{Name: "interim-flood", Row: "F17", Weight: 10, Strike: garbled(func(r Reply) string {
		return strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 1000) + string(r.Bytes())
	})},
	{Name: "redirect", Row: "F18", Weight: 15, Strike: func(k *Strike) {
		status := []int{301, 302, 303, 307, 308}[k.At(4)]
		k.Whole(Reply{Status: status, Fields: []message.Field{{Name: "Location", Value: k.Elsewhere()}}})
	}},
	{Name: "trickle", Row: "F19", Weight: 5, Strike: func(k *Strike) { k.Trickle(k.Apply(), k.Timeout()/10) }},
	{Name: "trickle-fast", Row: "F19", Weight: 5, Strike: func(k *Strike) { k.Trickle(k.Apply(), 0) }},
	{Name: "endless-body", Row: "F20", Weight: 4, Strike: func(k *Strike) {
		k.Endless(head(k.Apply(), "Transfer-Encoding", "chunked"), "400\r\n"+strings.Repeat(" ", 1024)+"\r\n")
	}},
	{Name: "endless-head", Row: "F20", Weight: 4, Strike: func(k *Strike) {
		k.Apply()
		k.Endless("HTTP/1.1 200 OK\r\n", "X-Filler: "+strings.Repeat("y", 90)+"\r\n")
	}},
	{Name: "huge-length", Row: "F20", Weight: 4, Strike: garbled(func(r Reply) string { return head(r, "Content-Length", "2000000000") + body(r) })},
	{Name: "late", Row: "F21", Weight: 15, Strike: func(k *Strike) {
		k.Later(k.Timeout() + time.Duration(20+k.At(400))*time.Millisecond)
		k.Silent()
	}},
	{Name: "done-silent", Row: "F21", Weight: 8, Strike: after((*Strike).Silent)},

	// F57: the token.
	{Name: "401", Row: "F57", Weight: 2, Strike: refusal(401, "")},
	{Name: "403", Row: "F57", Weight: 4, Strike: refusal(403, "")},
}

// ByName finds a fault; a name that there isn't is a fault of the caller.
func ByName(name string) *Fault {
	at := slices.IndexFunc(Table, func(f Fault) bool { return f.Name == name })
	if at < 0 {
		panic("BUG: no fault " + name)
	}
	return &Table[at]
}
