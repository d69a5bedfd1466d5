package kql

import (
	"bytes"
	"math"
	"math/bits"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"github.com/sluice-connectors/sluice/handler/scan"
)

// The functions over text.

func init() {
	topic = "Text"
	total("strcat(value:text*) string", func(m *Runner, a []Value) Value { return m.join(nil, a) })
	total("strcat_delim(delimiter:text, value:text*) string", func(m *Runner, a []Value) Value { return m.join(a[0].S, a[1:]) })
	pure("tolower(value:text) string", func(m *Runner, a []Value) Value { return m.lower(a[0]) })
	pure("toupper(value:text) string", func(m *Runner, a []Value) Value { return m.keepText(bytes.ToUpper(a[0].S)) })
	pure("strlen(text:string) long", func(_ *Runner, a []Value) Value { return longValue(int64(utf8.RuneCount(a[0].S))) }).named(nameBoth, "")
	pure("string_size(text:string) long", func(_ *Runner, a []Value) Value { return longValue(int64(len(a[0].S))) }).named(nameBoth, "")
	pure("strcmp(a:text, b:text) long", func(_ *Runner, a []Value) Value { return longValue(int64(bytes.Compare(a[0].S, a[1].S))) })
	pure("strrep(value:text, times:integer, delimiter:text?) string", strrep)
	pure("substring(text:text, start:integer, length:integer?) string", substring)
	pure("reverse(value:text) string", reverse)
	pure("split(text:text, delimiter:string, index:integer?) dynamic", split).named(nameArgument, "")
	pure("indexof(text:text, lookup:text, start:integer?, length:integer?, occurrence:const integer?) long", func(_ *Runner, a []Value) Value {
		return indexOf(a, func(s []byte) []int {
			if i := bytes.Index(s, a[1].S); i >= 0 {
				return []int{i, i + len(a[1].S)}
			}
			return nil
		})
	})
	pure("has_any_index(text:string, values:array) long", hasAnyIndex)
	built("countof(text:string, search:string, kind:const string?) long", countOf)
	pure("translate(from:string, to:string, text:string) string", translate)
	pure("isascii(value:text) bool", func(_ *Runner, a []Value) Value { return boolValue(isASCII(a[0].S)) })
	pure("isutf8(value:text) bool", func(_ *Runner, a []Value) Value { return boolValue(utf8.Valid(a[0].S)) })

	pure("unicode_codepoints_from_string(text:text) dynamic", func(m *Runner, a []Value) Value {
		return m.makeJSON(func(dst []byte) []byte {
			for i, r := range string(a[0].S) {
				dst = strconv.AppendInt(append(dst, "[,"[min(i, 1)]), int64(r), 10)
			}
			if len(a[0].S) == 0 {
				dst = append(dst, '[')
			}
			return append(dst, ']')
		})
	}).alias("to_utf8")
	built("unicode_codepoints_to_string(value:scalar*) string", makeString).alias("make_string")
	built("tohex(value:whole, length:integer?) string", toHex).named(nameArgument, "")

	pure("url_encode(text:string) string", func(m *Runner, a []Value) Value { return m.keepText(escapeURL(a[0].S, "-_.!*()", "+")) })
	pure("url_encode_component(text:string) string", func(m *Runner, a []Value) Value { return m.keepText(escapeURL(a[0].S, "-_.~", "%20")) })
	pure("url_decode(text:string) string", func(m *Runner, a []Value) Value {
		s, err := url.QueryUnescape(string(a[0].S))
		if err != nil {
			return a[0]
		}
		return m.keepText([]byte(s))
	})
	puny := func(name string, f func(string) (string, error)) {
		pure(name+"(text:string) string", func(m *Runner, a []Value) Value {
			s, err := f(string(a[0].S))
			if err != nil {
				return m.or(null)
			}
			return m.keepText([]byte(s))
		})
	}
	puny("punycode_from_string", func(s string) (string, error) {
		if isASCII([]byte(s)) {
			return s, nil
		}
		out, err := idna.Punycode.ToASCII(s)
		return strings.TrimPrefix(out, "xn--"), err
	})
	puny("punycode_to_string", func(s string) (string, error) { return idna.Punycode.ToUnicode("xn--" + s) })
	puny("punycode_domain_from_string", idna.Punycode.ToASCII)
	puny("punycode_domain_to_string", idna.Punycode.ToUnicode)
	total("format_bytes(size:real, precision:const real?, unit:const string?) string", formatBytes).named(nameArgument, "")
}

// bounded reports whether n times size bytes may be made.
func bounded(n int64, size int) bool { return n <= maxRange && n*int64(size) <= maxMade }

// keepText is text that was made for the record.
func (m *Runner) keepText(s []byte) Value {
	return m.make(func(dst []byte) []byte { return append(dst, s...) })
}

func (m *Runner) join(delim []byte, parts []Value) Value {
	if !m.room(len(delim) * len(parts)) {
		return null
	}
	return m.make(func(dst []byte) []byte {
		for i, v := range parts {
			if i > 0 {
				dst = append(dst, delim...)
			}
			dst = append(dst, v.S...)
		}
		return dst
	})
}

func strrep(m *Runner, a []Value) Value {
	delim := []byte(nil)
	if len(a) > 2 {
		delim = a[2].S
	}
	n := min(max(a[1].N, 0), 1024) // the service's limit
	if !bounded(n, len(a[0].S)+len(delim)) {
		return m.or(null)
	}
	return m.make(func(dst []byte) []byte {
		for i := range n {
			if i > 0 {
				dst = append(dst, delim...)
			}
			dst = append(dst, a[0].S...)
		}
		return dst
	})
}

// offset is where the n-th character of s begins, or the end.
func offset(s []byte, n int64) int {
	if isASCII(s) {
		return int(min(n, int64(len(s))))
	}
	p := 0
	for ; n > 0 && p < len(s); n-- {
		_, size := utf8.DecodeRune(s[p:])
		p += size
	}
	return p
}

func substring(_ *Runner, a []Value) Value {
	s, from, n := a[0].S, a[1].N, int64(math.MaxInt32)
	if len(a) == 3 {
		n = a[2].N
	}
	if from < 0 { // counts from the end
		from = max(int64(utf8.RuneCount(s))+from, 0)
	}
	s = s[offset(s, from):]
	return Value{S: s[:offset(s, max(n, 0))], OK: true, Safe: a[0].Safe}
}

func reverse(m *Runner, a []Value) Value {
	return m.make(func(dst []byte) []byte {
		for s := a[0].S; len(s) > 0; {
			_, n := utf8.DecodeLastRune(s)
			dst = append(dst, s[len(s)-n:]...)
			s = s[:len(s)-n]
		}
		return dst
	})
}

// split cuts text at a delimiter; with an index only that part, in an array.
func split(m *Runner, a []Value) Value {
	want := int64(-1)
	if len(a) == 3 {
		want = a[2].N
	}
	return m.makeJSON(func(dst []byte) []byte {
		s, delim := a[0].S, a[1].S
		dst = append(dst, '[')
		for i := int64(0); ; i++ {
			part, rest, found := s, []byte(nil), false
			if len(delim) > 0 {
				part, rest, found = bytes.Cut(s, delim)
			}
			if len(a) < 3 || i == want {
				if i > 0 && len(a) < 3 {
					dst = append(dst, ',')
				}
				dst = scan.AppendQuoted(dst, part)
			}
			if !found {
				return append(dst, ']')
			}
			s = rest
		}
	})
}

// indexOf finds an occurrence in text[start:start+length], in characters.
func indexOf(a []Value, search func([]byte) []int) Value {
	arg := func(i int, def int64) int64 {
		if len(a) > i {
			return a[i].N
		}
		return def
	}
	s, from, n, nth := a[0].S, arg(2, 0), arg(3, -1), arg(4, 1)
	if nth < 1 {
		return null
	}
	if from < 0 {
		from = max(int64(utf8.RuneCount(s))+from, 0)
	}
	start := offset(s, from)
	end := len(s)
	if n >= 0 {
		end = start + offset(s[start:], n)
	}
	for at := start; at <= end; {
		loc := search(s[at:end])
		if loc == nil {
			break
		}
		if at += loc[0]; nth == 1 {
			return longValue(int64(utf8.RuneCount(s[:at])))
		}
		nth--
		at++ // the range moves on with the search, as long as it was
		if end = len(s); n >= 0 && at <= end {
			end = at + offset(s[at:], n)
		}
	}
	return longValue(-1)
}

func hasAnyIndex(m *Runner, a []Value) Value {
	if a[1].S[0] != '[' {
		return null
	}
	s := m.lower(a[0]).S
	i, found := int64(0), int64(-1)
	eachElement(a[1].S, func(raw []byte) {
		if found < 0 && hasTerm(s, bytes.ToLower(appendText(nil, Dynamic, jsonValue(raw))), true, true) {
			found = i
		}
		i++
	})
	return longValue(found)
}

// countOf counts how often a text or a pattern occurs; texts may overlap.
func countOf(c *compiler, x *call, a []code) (code, error) {
	kind := "normal"
	if len(a) == 3 {
		kind = string(a[2].val.S)
	}
	switch kind {
	case "normal":
		return c.map2(a[0], a[1], Long, func(_ *Runner, s, sub Value) Value {
			n := int64(0)
			for from := 0; len(sub.S) > 0; n++ {
				i := bytes.Index(s.S[from:], sub.S)
				if i < 0 {
					break
				}
				_, size := utf8.DecodeRune(s.S[from+i:])
				from += i + size
			}
			return longValue(n)
		}), nil
	case "regex":
		if a[1].konst {
			if _, err := c.pattern(a[1], x.args[1].position(), "%s"); err != nil {
				return code{}, err
			}
		}
		return c.map2(a[0], a[1], Long, func(m *Runner, s, p Value) Value {
			re := m.regexp(p.S)
			if re == nil {
				return m.or(null)
			}
			found := re.FindAllIndex(s.S, maxFound+1)
			return m.or(Value{N: int64(len(found)), OK: len(found) <= maxFound})
		}), nil
	}
	return code{}, c.errorf(x.args[2].position(), "countof counts normal or regex, not %s", kind)
}

func translate(m *Runner, a []Value) Value {
	from, to := []rune(string(a[0].S)), []rune(string(a[1].S))
	return m.make(func(dst []byte) []byte {
		for _, r := range string(a[2].S) {
			i := len(from) - 1
			for i >= 0 && from[i] != r {
				i--
			}
			switch {
			case i < 0:
				dst = utf8.AppendRune(dst, r)
			case len(to) > 0:
				dst = utf8.AppendRune(dst, to[min(i, len(to)-1)])
			}
		}
		return dst
	})
}

// makeString writes characters, given as numbers or arrays of numbers.
func makeString(c *compiler, x *call, a []code) (code, error) {
	for i, k := range a {
		if !isWhole(k.typ) && k.typ != Dynamic {
			return code{}, c.errorf(x.args[i].position(), "%s takes numbers of characters, not a %s", x.fn, k.typ)
		}
		a[i] = c.cast(k, Dynamic)
	}
	return c.apply(&function{result: String, eval: func(m *Runner, a []Value) Value {
		return m.make(func(dst []byte) []byte {
			for _, v := range a {
				m.eachItem(v, func(item Value) {
					if n := parseLong(item.S); n.OK && n.N >= 0 && n.N <= utf8.MaxRune {
						dst = utf8.AppendRune(dst, rune(n.N))
					}
				})
			}
			return dst
		})
	}}, a), nil
}

// toHex prints a number in base 16; a negative int has 8 digits, a long 16.
func toHex(c *compiler, _ *call, a []code) (code, error) {
	mask := uint64(math.MaxUint64)
	if a[0].typ == Int {
		mask = math.MaxUint32
	}
	return c.apply(&function{result: String, eval: func(m *Runner, a []Value) Value {
		return m.make(func(dst []byte) []byte {
			n, width := uint64(a[0].N)&mask, int64(0)
			if len(a) == 2 {
				width = min(a[1].N, 64)
			}
			for i := int64((bits.Len64(n|1) + 3) / 4); i < width; i++ {
				dst = append(dst, '0')
			}
			return strconv.AppendUint(dst, n, 16)
		})
	}}, a), nil
}

// escapeURL writes everything but letters, digits and safe as %xx, and a blank as space.
func escapeURL(s []byte, safe, space string) []byte {
	const hexDigits = "0123456789abcdef"
	var out []byte
	for _, c := range s {
		switch {
		case c == ' ':
			out = append(out, space...)
		case c < utf8.RuneSelf && (isTermRune(rune(c)) || strings.IndexByte(safe, c) >= 0):
			out = append(out, c)
		default:
			out = append(out, '%', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return out
}

// formatBytes prints a size with a unit: 10.1 KB.
func formatBytes(m *Runner, a []Value) Value {
	if !a[0].OK {
		return bytesValue(nil)
	}
	units := []string{"Bytes", "KB", "MB", "GB", "TB", "PB", "EB"}
	size, precision, i := a[0].F, 0, 0
	if len(a) > 1 {
		precision = int(a[1].F)
	}
	for i < len(units)-1 {
		if len(a) > 2 && units[i] == string(a[2].S) || len(a) < 3 && math.Abs(size) < 1024 {
			break
		}
		size /= 1024
		i++
	}
	text := strconv.FormatFloat(size, 'f', min(max(precision, 0), 15), 64)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return m.keepText([]byte(text + " " + units[i]))
}
