package proxy

import (
	"strings"
	"testing"
)

func TestTokensAreMasked(t *testing.T) {
	const token, other = "0123456789abcdefghijklmnopqrstuvwxyz", "ZYXWVUTSRQPONMLKJIHGFEDCBA9876543210"
	x := &Exchange{presented: []byte(token), Token: []byte(other)}
	f := func(text, want string) {
		t.Helper()
		if got := x.masked(text); got != want {
			t.Errorf("got %q of %q, want %q", got, text, want)
		}
	}
	f("", "")
	f("nothing in it", "nothing in it")
	f(token, "[token]")
	f("a "+token+", b "+other+"; c "+token, "a [token], b [token]; c [token]")
	for begin := range len(token) - 15 {
		for before := range 9 {
			part := token[begin : begin+15]
			f(strings.Repeat("-", before)+part+"-", strings.Repeat("-", before)+"[token]-")
		}
	}
	f("user 01234567 and 89abcdef", "user 01234567 and 89abcdef") // eight bytes are an accident
	x.Token, x.presented = nil, []byte("short")
	f("short is no secret", "short is no secret")
	x.presented = []byte(token)
	if got := x.maskedPath("/a/%30%31%32%33%34%35%36%37%38%39abcdefghijklmnopqrstuvwxyz"); got != "[token]" {
		t.Errorf("got %s of an encoded token", got)
	}
	if got := x.maskedPath("/a/%20b"); got != "/a/%20b" {
		t.Errorf("got %s of a path without it", got)
	}
}

func BenchmarkMasked(b *testing.B) {
	x := &Exchange{presented: []byte(strings.Repeat("0123456789abcdef", 20))}
	text := strings.Repeat("no token is here", 8)
	b.ReportAllocs()
	for b.Loop() {
		x.masked(text)
	}
}
