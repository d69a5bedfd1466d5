package rest

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/scan"
)

// Addresses and tokens that a provider gives for its next page.

// endMarks are texts in the place of a page token, or of an address, that mean that
// there is none: what languages write for nothing. The text 0 is none of them, it may
// be an offset.
var endMarks = []string{"", "null", "none", "nil", "undefined", "false", "{}"}

// unlessEnd is a page token as the provider gives it, or "" behind the last page.
func unlessEnd(token string) string {
	if slices.Contains(endMarks, strings.ToLower(strings.TrimSpace(token))) {
		return ""
	}
	return token
}

// tokenText is a value in a body as a page token, or as an address: "" behind the last
// page, where some have the number 0.
func tokenText(value []byte) string {
	if scan.KindOf(value[0]) == scan.Number && strings.Trim(string(value), "0.") == "" {
		return ""
	}
	return unlessEnd(scan.PlainText(value))
}

// links are tokens that are addresses.
type links struct{ p *pager }

func (links) first() string { return "" }

func (links) scope(sc *scope, token string) (*scope, error) { return sc.with("page.token", token), nil }

// address implements addressed.
func (w links) address(token string) (*url.URL, error) { return w.p.src.followed(token) }

// follow makes a page token of an address: its path and query. It has to be at the
// origin that the connection is configured for.
func (w links) follow(resp *http.Response, link string) (string, error) {
	if link = unlessEnd(link); link == "" {
		return "", nil
	}
	u, err := resp.Request.URL.Parse(escapeLink(link))
	if err != nil || !w.p.src.sameOrigin(u) {
		return "", w.p.src.fail(engine.Permanent, "foreign_link", "nothing was sent there; the position stays",
			fmt.Errorf("the provider's next page is at another origin: %s", w.p.src.foreign(link, 100)), 0)
	}
	return u.RequestURI(), nil
}

// followed is the URL that a page token of follow stands for.
func (r *Connection) followed(token string) (*url.URL, error) {
	u, err := url.Parse(r.Origin() + token)
	if err != nil || !strings.HasPrefix(token, "/") || u.Host != r.base.Host {
		return nil, errors.New("the stored page link is not a path")
	}
	return u, nil
}

// escapeLink is an address as it can be sent: providers put filters into it as they
// were written, with blanks and quotes. What is escaped already stays as it is.
func escapeLink(link string) string {
	link = strings.TrimSpace(link)
	var out []byte
	for i := range len(link) {
		switch c := link[i]; {
		case c <= ' ', c >= 0x7f, strings.IndexByte("\"<>\\^`{|}", c) >= 0,
			c == '%' && !escaped(link[i:]):
			out = fmt.Appendf(out, "%%%02X", c)
		default:
			out = append(out, c)
		}
	}
	return string(out)
}

// escaped reports whether a text begins with an escape, such as %20.
func escaped(text string) bool {
	if len(text) < 3 {
		return false
	}
	_, err := strconv.ParseUint(text[1:3], 16, 8)
	return err == nil
}

// sameOrigin reports whether an address is at the origin of the connection, however
// its host and port are written.
func (r *Connection) sameOrigin(u *url.URL) bool {
	return u.Scheme == r.base.Scheme && hostPort(u) == hostPort(r.base)
}

// hostPort is the host and the port of an address, in the one form that each has.
func hostPort(u *url.URL) string {
	host, port := strings.ToLower(strings.TrimSuffix(u.Hostname(), ".")), u.Port()
	if ip, err := netip.ParseAddr(host); err == nil {
		host = ip.Unmap().String()
	}
	switch {
	case port != "":
	case u.Scheme == "https":
		port = "443"
	case u.Scheme == "http":
		port = "80"
	}
	return net.JoinHostPort(host, port)
}
