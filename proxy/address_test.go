package proxy

import (
	"net/netip"
	"testing"
)

func TestClientOf(t *testing.T) {
	trusted, err := parseNetworks([]string{"10.0.0.0/8", "::1"})
	if err != nil {
		t.Fatal(err)
	}
	f := func(peer, forwarded, want string) {
		t.Helper()
		if got := clientOf(netip.MustParseAddr(peer), []byte(forwarded), trusted).String(); got != want {
			t.Errorf("got %s for %s behind %q, want %s", got, peer, forwarded, want)
		}
	}
	f("203.0.113.7", "", "203.0.113.7")
	f("203.0.113.7", "198.51.100.1", "203.0.113.7") // nobody is believed who isn't trusted
	f("10.1.2.3", "", "10.1.2.3")
	f("10.1.2.3", "198.51.100.1", "198.51.100.1")
	f("10.1.2.3", "192.0.2.66, 198.51.100.1", "198.51.100.1") // what the client wrote itself comes first
	f("10.1.2.3", "198.51.100.1, 10.9.9.9", "198.51.100.1")
	f("10.1.2.3", "nonsense", "10.1.2.3")
	f("10.1.2.3", "198.51.100.1, nonsense", "10.1.2.3")
	f("::ffff:10.1.2.3", "198.51.100.1", "198.51.100.1")
	f("::1", "2001:db8::1", "2001:db8::1")
}
