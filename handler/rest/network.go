package rest

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"

	"github.com/sluice-connectors/sluice/handler/answer"
	"github.com/sluice-connectors/sluice/handler/netguard"
)

// guardedTransport connects to public addresses only. The address is looked at
// when the connection is made, so that a name that is looked up once more in
// between does not help. A base_url that is itself an address of this machine
// or of a private network is meant; so are private ones where allowed. Behind a
// proxy it is the proxy that connects.
func (r *Connection) guardedTransport() *http.Transport {
	t := netguard.Transport()
	if proxy, err := http.ProxyFromEnvironment(&http.Request{URL: r.base}); proxy != nil || err != nil {
		return t
	}
	r.dialer.ControlContext = func(_ context.Context, _, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		return r.checkAddress(at.Addr().Unmap())
	}
	t.DialContext = r.dialer.DialContext
	return t
}

// checkAddress refuses addresses that are not on the internet. That of a
// cloud's metadata service (169.254.169.254) is link-local, and never allowed.
func (r *Connection) checkAddress(ip netip.Addr) error {
	host := r.base.Hostname()
	literal, err := netip.ParseAddr(host)
	switch {
	case ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.IsUnspecified():
		return &answer.PrivateAddress{IP: ip}
	case ip.IsLoopback():
		if !netguard.Loopback(host) {
			return &answer.PrivateAddress{IP: ip}
		}
	case ip.IsPrivate() || sharedSpace.Contains(ip):
		if !r.opt.PrivateNetwork && (err != nil || literal.Unmap() != ip) {
			return &answer.PrivateAddress{IP: ip}
		}
	}
	return nil
}

// sharedSpace is the address space of carriers (RFC 6598); clouds use it inside.
var sharedSpace = netip.MustParsePrefix("100.64.0.0/10")

func newDialer() *net.Dialer {
	return &net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}
}
