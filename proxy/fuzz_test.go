package proxy

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
)

// Whatever stands in a head, it is read to its end, and what is taken from it is a part
// of it; nobody but a trusted proxy says who the client is.
func FuzzHead(f *testing.F) {
	f.Add([]byte("Host: x\r\nAuthorization: Bearer a\r\nContent-Length: 2\r\nX-Forwarded-For: 198.51.100.1, 10.0.0.1\r\n\r\n"))
	f.Add([]byte("Host: x\nHost: y\n"))
	f.Add([]byte(":\r\n"))
	trusted, err := parseNetworks([]string{"10.0.0.0/8"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		h := readHead(raw)
		for _, part := range [][]byte{h.authorization, h.contentType, h.encoding, h.userAgent, h.requestID, h.host} {
			if !bytes.Contains(raw, part) || bytes.ContainsAny(part, "\n") {
				t.Fatalf("got %q of %q", part, raw)
			}
		}
		if stranger := netip.MustParseAddr("203.0.113.9"); clientOf(stranger, h.forwarded, trusted) != stranger {
			t.Fatalf("a stranger is believed: %q", h.forwarded)
		}
		if client := clientOf(netip.MustParseAddr("10.1.1.1"), h.forwarded, trusted); !client.IsValid() {
			t.Fatalf("got no client of %q", h.forwarded)
		}
		x := &Exchange{Host: string(h.host), scheme: "https", tenant: &Tenant{shown: "/scim/v2"}}
		if base := x.base(); base != "" && strings.ContainsAny(base, " \"<>\\\r\n") {
			t.Fatalf("got base %q", base)
		}
	})
}
