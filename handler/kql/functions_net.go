package kql

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/sluice-connectors/sluice/handler/scan"
)

// The functions over addresses and URLs.

func init() {
	topic = "Addresses and URLs"
	pure("parse_ipv4(ip:string) long", func(m *Runner, a []Value) Value { return m.or(ipv4Value(parseV4(a[0].S, 32))) })
	pure("parse_ipv4_mask(ip:string, prefix:integer) long", func(m *Runner, a []Value) Value { return m.or(ipv4Value(parseV4(a[0].S, a[1].N))) })
	pure("parse_ipv6(ip:string) string", func(m *Runner, a []Value) Value { return m.ipv6Text(a[0].S, 128) })
	pure("parse_ipv6_mask(ip:string, prefix:integer) string", func(m *Runner, a []Value) Value { return m.ipv6Text(a[0].S, a[1].N) })
	built("format_ipv4(ip:scalar, prefix:integer?) string", formatIPv4(false))
	built("format_ipv4_mask(ip:scalar, prefix:integer) string", formatIPv4(true))
	pure("ipv4_netmask_suffix(ip:string) long", func(m *Runner, a []Value) Value {
		p, ok := parseAddress(a[0].S, true)
		return m.or(Value{N: int64(p.Bits()), OK: ok})
	})
	for _, v := range []struct {
		name string
		four bool
	}{{"ipv4", true}, {"ipv6", false}} {
		compare := func(a []Value) (int, bool) {
			limit := int64(128)
			if len(a) == 3 {
				limit = a[2].N
			}
			return compareAddresses(a[0].S, a[1].S, limit, v.four)
		}
		pure(v.name+"_compare(a:string, b:string, prefix:integer?) long", func(m *Runner, a []Value) Value {
			d, ok := compare(a)
			return m.or(Value{N: int64(d), OK: ok})
		})
		pure(v.name+"_is_match(a:string, b:string, prefix:integer?) bool", func(m *Runner, a []Value) Value {
			d, ok := compare(a)
			return m.or(Value{N: boolValue(d == 0).N, OK: ok})
		})
		pure(v.name+"_is_in_range(ip:string, range:string) bool", func(m *Runner, a []Value) Value {
			in, ok := inRange(a[0].S, a[1].S, v.four)
			return m.or(Value{N: boolValue(in).N, OK: ok})
		})
		built(v.name+"_is_in_any_range(ip:string, range:scalar*) bool", anyOf(func(m *Runner, ip, r []byte) Value {
			in, ok := inRange(ip, r, v.four)
			return Value{N: boolValue(in).N, OK: ok}
		}))
	}
	pure("ipv4_is_private(ip:string) bool", func(m *Runner, a []Value) Value {
		p, ok := parseAddress(a[0].S, true)
		private := ok && p.Addr().IsPrivate()
		return m.or(Value{N: boolValue(private).N, OK: ok})
	})
	pure("ipv4_range_to_cidr_list(start:string, end:string) dynamic", cidrList)

	pure("has_ipv4(text:string, ip:string) bool", func(_ *Runner, a []Value) Value { return boolValue(hasIPv4(a[0].S, a[1].S, false)) })
	pure("has_ipv4_prefix(text:string, prefix:string) bool", func(_ *Runner, a []Value) Value { return boolValue(hasIPv4(a[0].S, a[1].S, true)) })
	built("has_any_ipv4(text:string, ip:scalar*) bool", anyOf(func(_ *Runner, s, ip []byte) Value { return boolValue(hasIPv4(s, ip, false)) }))
	built("has_any_ipv4_prefix(text:string, prefix:scalar*) bool", anyOf(func(_ *Runner, s, ip []byte) Value { return boolValue(hasIPv4(s, ip, true)) }))

	pure("parse_url(url:string) dynamic", parseURL).alias("parseurl")
	pure("parse_urlquery(query:string) dynamic", func(m *Runner, a []Value) Value {
		query := strings.TrimPrefix(string(a[0].S), "?")
		return m.makeJSON(func(dst []byte) []byte {
			dst = appendQuery(append(dst, `{"Query Parameters":`...), query)
			return append(dst, '}')
		})
	}).alias("parseurlquery")
}

// parseAddress reads an address with an optional /prefix. Four: IPv4 only;
// otherwise an IPv4 address is one in IPv6 (::ffff:a.b.c.d).
func parseAddress(s []byte, four bool) (netip.Prefix, bool) {
	text, suffix, hasSuffix := strings.Cut(strings.TrimSpace(string(s)), "/")
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" || four && !a.Is4() {
		return netip.Prefix{}, false
	}
	n := a.BitLen()
	if hasSuffix {
		if n, err = strconv.Atoi(suffix); err != nil || n < 0 || n > a.BitLen() {
			return netip.Prefix{}, false
		}
	}
	if !four && a.Is4() {
		return netip.PrefixFrom(netip.AddrFrom16(a.As16()), n+96), true
	}
	return netip.PrefixFrom(a, n), true
}

// parseV4 is an IPv4 address, reduced to its own prefix and to limit bits.
func parseV4(s []byte, limit int64) (netip.Addr, bool) {
	p, ok := parseAddress(s, true)
	if !ok || limit < 0 || limit > 32 {
		return netip.Addr{}, false
	}
	return mask(p.Addr(), min(p.Bits(), int(limit))), true
}

func mask(a netip.Addr, bits int) netip.Addr {
	p, err := a.Prefix(bits)
	if err != nil {
		return a
	}
	return p.Addr()
}

func ipv4Value(a netip.Addr, ok bool) Value {
	if !ok {
		return null
	}
	b := a.As4()
	return longValue(int64(binary.BigEndian.Uint32(b[:])))
}

// ipv6Text writes all eight groups of an address.
func (m *Runner) ipv6Text(s []byte, limit int64) Value {
	p, ok := parseAddress(s, false)
	if !ok || limit < 0 || limit > 128 {
		return m.or(null)
	}
	return m.keepText([]byte(mask(p.Addr(), min(p.Bits(), int(limit))).StringExpanded()))
}

// compareAddresses compares under the shortest of the prefixes.
func compareAddresses(a, b []byte, limit int64, four bool) (int, bool) {
	p, ok1 := parseAddress(a, four)
	q, ok2 := parseAddress(b, four)
	if !ok1 || !ok2 || limit < 0 {
		return 0, false
	}
	if !four && isV4(a) && isV4(b) && limit <= 32 { // the prefix counts the bits of IPv4
		limit += 96
	}
	n := min(p.Bits(), q.Bits(), int(min(limit, 128)))
	return mask(p.Addr(), n).Compare(mask(q.Addr(), n)), true
}

func isV4(s []byte) bool { return bytes.IndexByte(s, ':') < 0 }

func inRange(ip, within []byte, four bool) (in, ok bool) {
	p, ok1 := parseAddress(ip, four)
	r, ok2 := parseAddress(within, four)
	return ok1 && ok2 && p.Bits() >= r.Bits() && mask(p.Addr(), r.Bits()) == mask(r.Addr(), r.Bits()), ok1 && ok2
}

// anyOf makes a function of a text and of several others, or of an array of them.
func anyOf(test func(m *Runner, s, item []byte) Value) func(*compiler, *call, []code) (code, error) {
	return func(c *compiler, x *call, a []code) (code, error) {
		for i, k := range a[1:] {
			if k.typ != String && k.typ != Dynamic {
				return code{}, c.errorf(x.args[i+1].position(), "%s takes texts or an array of them, not a %s", x.fn, k.typ)
			}
			a[i+1] = c.cast(k, Dynamic)
		}
		return c.apply(&function{result: Bool, nulls: true, eval: func(m *Runner, a []Value) Value {
			out := boolValue(false)
			for _, v := range a[1:] {
				if !v.OK {
					continue
				}
				m.eachItem(v, func(item Value) {
					r := test(m, a[0].S, m.converted(item, Dynamic, String).S)
					out.N |= r.N
				})
			}
			return out
		}}, a), nil
	}
}

// formatIPv4 compiles format_ipv4 and format_ipv4_mask, of a text or a number.
func formatIPv4(withMask bool) func(*compiler, *call, []code) (code, error) {
	return func(c *compiler, _ *call, a []code) (code, error) {
		if a[0].typ != String {
			a[0] = c.cast(a[0], Long)
		}
		isText := a[0].typ == String
		return c.apply(&function{result: String, eval: func(m *Runner, a []Value) Value {
			limit := int64(32)
			if len(a) == 2 {
				limit = a[1].N
			}
			text := a[0].S
			if !isText {
				if a[0].N < 0 || a[0].N > 1<<32-1 {
					return m.or(null)
				}
				text = netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, uint32(a[0].N)))).AppendTo(nil)
			}
			p, _ := parseAddress(text, true)
			addr, ok := parseV4(text, limit)
			if !ok {
				return m.or(null)
			}
			return m.make(func(dst []byte) []byte {
				dst = addr.AppendTo(dst)
				if withMask {
					dst = strconv.AppendInt(append(dst, '/'), min(limit, int64(p.Bits())), 10)
				}
				return dst
			})
		}}, a), nil
	}
}

// hasIPv4 looks for an address, or the beginning of one, that nothing is joined to.
func hasIPv4(s, ip []byte, prefix bool) bool {
	if prefix {
		if !prefixOfIPv4(string(ip)) {
			return false
		}
	} else if a, err := netip.ParseAddr(string(ip)); err != nil || !a.Is4() {
		return false
	}
	joined := func(c byte) bool { return c == '.' || c >= 0x80 || isTermRune(rune(c)) }
	for from := 0; ; {
		i := bytes.Index(s[from:], ip)
		if i < 0 {
			return false
		}
		i += from
		end := i + len(ip)
		if prefix {
			for end < len(s) && (s[end] == '.' || '0' <= s[end] && s[end] <= '9') {
				end++
			}
		}
		whole, err := netip.ParseAddr(string(bytes.TrimRight(s[i:end], ".")))
		free := (i == 0 || !joined(s[i-1])) && (end == len(s) || !joined(s[end]))
		if free && err == nil && whole.Is4() {
			return true
		}
		from = i + 1
	}
}

// prefixOfIPv4 reports whether an address can begin so: whole, or up to a dot.
func prefixOfIPv4(s string) bool {
	fields := strings.Split(s, ".")
	if len(fields) > 4 || len(fields) < 4 && fields[len(fields)-1] != "" {
		return false
	}
	for i, f := range fields {
		n, err := strconv.ParseUint(f, 10, 8)
		if (err != nil || n > 255) && !(f == "" && i == len(fields)-1 && i > 0) {
			return false
		}
	}
	return true
}

// cidrList covers a range of addresses with as few prefixes as there can be.
func cidrList(m *Runner, a []Value) Value {
	from, ok1 := parseV4(a[0].S, 32)
	to, ok2 := parseV4(a[1].S, 32)
	lo, hi := ipv4Value(from, ok1), ipv4Value(to, ok2)
	if !lo.OK || !hi.OK || lo.N > hi.N {
		return m.or(null)
	}
	return m.makeJSON(func(dst []byte) []byte {
		dst = append(dst, '[')
		for at := lo.N; at <= hi.N; {
			size := min(bits.TrailingZeros64(uint64(at)|1<<32), bits.Len64(uint64(hi.N-at+1))-1)
			if at > lo.N {
				dst = append(dst, ',')
			}
			addr := netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, uint32(at))))
			dst = scan.AppendQuoted(dst, netip.PrefixFrom(addr, 32-size).String())
			at += 1 << size
		}
		return append(dst, ']')
	})
}

// parseURL takes a URL apart as the documentation shows.
func parseURL(m *Runner, a []Value) Value {
	u, err := url.Parse(string(a[0].S))
	if err != nil {
		u = &url.URL{}
	}
	password, _ := u.User.Password()
	path := u.Path
	if u.Opaque != "" {
		path = u.Opaque
	}
	return m.makeJSON(func(dst []byte) []byte {
		parts := texts("Scheme", u.Scheme, "Host", u.Hostname(), "Port", u.Port(), "Path", path, "Username", u.User.Username(), "Password", password)
		dst = append(dst, parts[:len(parts)-1]...)
		dst = appendQuery(append(dst, `,"Query Parameters":`...), u.RawQuery)
		dst = scan.AppendQuoted(append(dst, `,"Fragment":`...), u.Fragment)
		return append(dst, '}')
	})
}

// appendQuery writes the parameters of a URL as an object.
func appendQuery(dst []byte, query string) []byte {
	dst = append(dst, '{')
	first := true
	for _, pair := range strings.Split(query, "&") {
		if pair == "" {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		key, value, _ := strings.Cut(pair, "=")
		dst = append(scan.AppendQuoted(dst, unescapeQuery(key)), ':')
		dst = scan.AppendQuoted(dst, unescapeQuery(value))
	}
	return append(dst, '}')
}

func unescapeQuery(s string) string {
	if out, err := url.QueryUnescape(s); err == nil {
		return out
	}
	return s
}
