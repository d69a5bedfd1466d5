package rest

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
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
	return unlessEnd(plainText(value))
}

// follow makes a page token of an address: its path and query. It has to be at the
// origin that the connection is configured for.
func (p *pager) follow(resp *http.Response, link string) (string, error) {
	if link = unlessEnd(link); link == "" {
		return "", nil
	}
	u, err := resp.Request.URL.Parse(escapeLink(link))
	if err != nil || !p.src.sameOrigin(u) {
		return "", p.src.fail(engine.Permanent, "foreign_link", "nothing was sent there; the position stays",
			fmt.Errorf("the provider's next page is at another origin: %s", p.src.foreign(link, 100)), 0)
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

// byURL reports whether page tokens are addresses.
func (p *pager) byURL() bool {
	return p.paging.Type == "link_header" || p.paging.Type == "next_url"
}

// escapeLink is an address as it can be sent: providers put filters into it as they
// were written, with blanks and quotes. What is escaped already stays as it is.
func escapeLink(link string) string {
	link = strings.TrimSpace(link)
	var out []byte
	for i := range len(link) {
		switch c := link[i]; {
		case c <= ' ', c >= 0x7f, strings.IndexByte("\"<>\\^`{|}", c) >= 0,
			c == '%' && (i+2 >= len(link) || !isHex(link[i+1]) || !isHex(link[i+2])):
			out = fmt.Appendf(out, "%%%02X", c)
		default:
			out = append(out, c)
		}
	}
	return string(out)
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f'
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

// linkTo finds the target of a relation in Link headers (RFC 8288), "" when there is
// none. One that cannot be read, and several that lead to different places, are
// errors: a next page that is not followed would be lost.
func linkTo(rel string, headers []string) (target string, err error) {
	for _, h := range headers {
		for rest := strings.TrimLeft(h, " \t,"); rest != ""; rest = strings.TrimLeft(rest, " \t,") {
			link, params, ok := strings.Cut(strings.TrimPrefix(rest, "<"), ">")
			if !ok || rest[0] != '<' {
				if strings.Contains(strings.ToLower(rest), strings.ToLower(rel)) {
					return "", errors.New("it is not written as <address>; rel=" + rel)
				}
				break
			}
			var rels string
			if rels, rest = relations(params); !slices.ContainsFunc(strings.Fields(rels), func(s string) bool { return strings.EqualFold(s, rel) }) {
				continue
			}
			if target != "" && target != link {
				return "", fmt.Errorf("it leads to %s and to %s", target, link)
			}
			target = link
		}
	}
	return target, nil
}

// relations reads the parameters of a link: what rel says, and what follows the link.
func relations(params string) (rels, rest string) {
	found := false
	for rest = params; ; {
		if rest = strings.TrimLeft(rest, " \t"); rest == "" || rest[0] != ';' {
			if i := strings.IndexByte(rest, ','); i >= 0 {
				return rels, rest[i:]
			}
			return rels, ""
		}
		rest = strings.TrimLeft(rest[1:], " \t")
		end := strings.IndexAny(rest, "=;,")
		if end < 0 {
			return rels, ""
		}
		name, value := strings.TrimSpace(rest[:end]), ""
		if rest = rest[end:]; rest[0] == '=' {
			value, rest = paramValue(strings.TrimLeft(rest[1:], " \t"))
		}
		if strings.EqualFold(name, "rel") && !found { // RFC 8288: the first one counts
			rels, found = value, true
		}
	}
}

// paramValue reads the value of a parameter; some gateways write single quotes.
func paramValue(text string) (value, rest string) {
	if text == "" || text[0] != '"' && text[0] != '\'' {
		end := strings.IndexAny(text, ";,")
		if end < 0 {
			end = len(text)
		}
		return strings.TrimSpace(text[:end]), text[end:]
	}
	var b []byte
	for i := 1; i < len(text) && text[i] != text[0]; i++ {
		if text[i] == '\\' && i+1 < len(text) {
			i++
		}
		b, rest = append(b, text[i]), text[i+1:]
	}
	return string(b), strings.TrimPrefix(rest, text[:1])
}
