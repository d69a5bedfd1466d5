// Package netguard knows which addresses may be sent to and who may ask: origins
// that keep credentials safe on the way, and names that mean this machine.
package netguard

import (
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"
)

// hostname is a DNS name, or an IPv4 address.
var hostname = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9])?\.?$`)

// ParseBase checks an address to send requests to: https, or http to this machine.
func ParseBase(s string) (*url.URL, error) {
	u, err := ParseEndpoint(strings.TrimSuffix(s, "/"))
	if err == nil && (u.RawQuery != "" || u.ForceQuery) {
		return nil, fmt.Errorf("%q has to be a scheme, a host and perhaps a path", s)
	}
	return u, err
}

// ParseEndpoint is ParseBase for the address of one request, which may have a query.
func ParseEndpoint(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%q is no URL", s)
	case u.Host == "" || u.User != nil || u.Fragment != "":
		return nil, fmt.Errorf("%q has to be a scheme, a host and perhaps a path", s)
	case !hostname.MatchString(u.Hostname()) && net.ParseIP(u.Hostname()) == nil:
		return nil, fmt.Errorf("%q: %q is no name of a host", s, u.Hostname())
	case u.Scheme == "https":
		return u, nil
	case u.Scheme == "http" && Loopback(u.Hostname()):
		return u, nil
	case u.Scheme == "http":
		return nil, fmt.Errorf("%q would send credentials unencrypted: write https://, http:// is for 127.0.0.1 only", s)
	}
	return nil, fmt.Errorf("%q has to begin with https://", s)
}

// Loopback reports whether host names this machine.
func Loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
