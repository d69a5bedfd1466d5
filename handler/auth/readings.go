package auth

import (
	"html"
	"iter"
	"strconv"
	"strings"
	"unicode/utf16"
)

// reading is a text with encodings taken off.
type reading struct {
	text string
	at   []int // where in the original each byte begins, and the end; nil: there too
}

// decoder reads what is at s[i:]: what it stands for, and how long it is; 0 when it
// stands for itself.
type decoder func(s string, i int) (text string, n int)

// encodings are taken off a text that has one of the marks.
var encodings = []struct {
	marks string
	decoder
}{{"%", percent}, {"+%", form}, {`\\`, backslash}, {"&", entity}}

// readings yields a text, and what it may mean in the encodings that are in use on
// the web, in each order and up to three of them within each other.
func readings(text string) iter.Seq[*reading] {
	return func(yield func(*reading) bool) {
		const most = 40 // more is no text but a riddle
		list := []*reading{{text: text}}
		seen := map[string]bool{text: true}
		for depth, from := 0, 0; from < len(list); depth++ {
			level := list[from:]
			from = len(list)
			for _, r := range level {
				if !yield(r) {
					return
				}
				for _, e := range encodings {
					if depth == 3 || len(list) == most || !strings.ContainsAny(r.text, e.marks) {
						continue
					}
					if next := r.take(e.decoder); !seen[next.text] {
						seen[next.text] = true
						list = append(list, next)
					}
				}
			}
		}
	}
}

// take is a reading with one more encoding taken off.
func (r *reading) take(d decoder) *reading {
	out, at := make([]byte, 0, len(r.text)), make([]int, 0, len(r.text)+1)
	for i := 0; i < len(r.text); {
		text, n := d(r.text, i)
		if n == 0 {
			out, at = append(out, r.text[i]), append(at, r.origin(i))
			i++
			continue
		}
		out = append(out, text...)
		for range len(text) {
			at = append(at, r.origin(i))
		}
		i += n
	}
	return &reading{string(out), append(at, r.origin(len(r.text)))}
}

func (r *reading) origin(i int) int {
	if r.at == nil {
		return i
	}
	return r.at[i]
}

// each appends where in the original the reading has what; wider says how much of
// what is around it belongs to it.
func (r *reading) each(found []span, what string, wider func(text string, s span) span) []span {
	if what == "" {
		return found
	}
	for from := 0; ; {
		i := strings.Index(r.text[from:], what)
		if i < 0 {
			return found
		}
		s := span{from + i, from + i + len(what)}
		from = s.from + 1
		if wider != nil {
			s = wider(r.text, s)
		}
		found = append(found, span{r.origin(s.from), r.origin(s.to)})
	}
}

// percent takes off the encoding of URLs.
func percent(s string, i int) (string, int) {
	if s[i] == '%' && i+3 <= len(s) {
		if c, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
			return string([]byte{byte(c)}), 3
		}
	}
	return "", 0
}

// form is percent where a blank is written as a plus.
func form(s string, i int) (string, int) {
	if s[i] == '+' {
		return " ", 1
	}
	return percent(s, i)
}

// backslash takes off the escapes of JSON and of programs.
func backslash(s string, i int) (string, int) {
	if s[i] != '\\' || i+1 == len(s) {
		return "", 0
	}
	switch c := s[i+1]; c {
	case 'u':
		return utf16Escape(s, i)
	case 'x':
		if i+4 <= len(s) {
			if c, err := strconv.ParseUint(s[i+2:i+4], 16, 8); err == nil {
				return string([]byte{byte(c)}), 4
			}
		}
		return "", 0
	default:
		if n := strings.IndexByte("nrtbf", c); n >= 0 {
			return "\n\r\t\b\f"[n : n+1], 2
		}
		return s[i+1 : i+2], 2
	}
}

// utf16Escape reads \u and four digits, or two of them that make a character.
func utf16Escape(s string, i int) (string, int) {
	unit := func(i int) rune {
		if i+6 > len(s) || s[i:i+2] != `\u` {
			return -1
		}
		c, err := strconv.ParseUint(s[i+2:i+6], 16, 16)
		if err != nil {
			return -1
		}
		return rune(c)
	}
	first := unit(i)
	switch {
	case first < 0:
		return "", 0
	case utf16.IsSurrogate(first):
		if second := unit(i + 6); second >= 0 {
			return string(utf16.DecodeRune(first, second)), 12
		}
	}
	return string(first), 6
}

// entity takes off the character references of HTML and XML.
func entity(s string, i int) (string, int) {
	const longest = 12
	if s[i] != '&' {
		return "", 0
	}
	n := strings.IndexByte(s[i:min(len(s), i+longest)], ';') + 1
	if text := html.UnescapeString(s[i : i+n]); text != s[i:i+n] {
		return text, n
	}
	return "", 0
}

// hexDigits leaves hexadecimal digits in lower case, without what may be between two.
func hexDigits(s string, i int) (string, int) {
	switch c := s[i]; {
	case 'A' <= c && c <= 'F':
		return string(rune(c - 'A' + 'a')), 1
	case strings.IndexByte(": -\r\n", c) >= 0 && i > 0 && i+1 < len(s) && isHex(s[i-1]) && isHex(s[i+1]):
		return "", 1
	}
	return "", 0
}

// base64Digits leaves the characters of base64 in its usual alphabet, without the
// ends of lines.
func base64Digits(s string, i int) (string, int) {
	switch s[i] {
	case '\r', '\n':
		return "", 1
	case '-':
		return "+", 1
	case '_':
		return "/", 1
	}
	return "", 0
}

// widen takes in the characters of base64 that a credential shares with what is
// beside it, and the padding.
func widen(text string, s span) span {
	digit := func(i int) bool {
		c := text[i]
		return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '+' || c == '/'
	}
	if s.from > 0 && digit(s.from-1) {
		s.from--
	}
	if s.to < len(text) && digit(s.to) {
		s.to++
	}
	for s.to < len(text) && text[s.to] == '=' {
		s.to++
	}
	return s
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f'
}
