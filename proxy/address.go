package proxy

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
)

// networks are address ranges: "10.0.0.0/8", or one address.
type networks []netip.Prefix

func parseNetworks(texts []string) (list networks, err error) {
	for _, text := range texts {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			address, single := netip.ParseAddr(text)
			if single != nil {
				return nil, fmt.Errorf("%q is no address and no network such as 10.0.0.0/8", text)
			}
			prefix = netip.PrefixFrom(address, address.BitLen())
		}
		list = append(list, prefix.Masked())
	}
	return list, nil
}

func (n networks) has(address netip.Addr) bool {
	for _, prefix := range n {
		if prefix.Contains(address.Unmap()) {
			return true
		}
	}
	return false
}

// clientOf is the client's address: that of the connection, unless it is of a trusted
// proxy; then the last one in X-Forwarded-For that isn't. Nothing else in that header
// is believed.
func clientOf(peer netip.Addr, forwarded []byte, trusted networks) netip.Addr {
	client := peer.Unmap()
	for trusted.has(client) && len(forwarded) > 0 {
		last := forwarded
		if comma := bytes.LastIndexByte(forwarded, ','); comma >= 0 {
			last, forwarded = forwarded[comma+1:], forwarded[:comma]
		} else {
			forwarded = nil
		}
		next, err := netip.ParseAddr(strings.TrimSpace(string(last)))
		if err != nil {
			return client
		}
		client = next.Unmap()
	}
	return client
}
