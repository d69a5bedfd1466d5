package decode

import (
	"bytes"
	"strconv"
	"unicode/utf8"
)

// repairXML makes XML of what is almost that: U+FFFD of each character that XML does not
// allow and of what is no UTF-8, text of an & or < that begins nothing. Comments are
// left out. What is no XML for another reason stays so.
func repairXML(body []byte) []byte {
	out := make([]byte, 0, len(body)+len(body)/16)
	for p := 0; p < len(body) && len(out) <= Max; {
		rest := body[p:]
		switch {
		case bytes.HasPrefix(rest, []byte("<![CDATA[")):
			n := through(rest, "]]>")
			out = appendAllowed(out, rest[:n])
			p += n
		case bytes.HasPrefix(rest, []byte("<!--")):
			p += through(rest, "-->")
		case rest[0] == '<' && !beginsTag(rest):
			out = append(out, "&lt;"...)
			p++
		case bytes.HasPrefix(rest, []byte("]]>")):
			out = append(out, "]]&gt;"...)
			p += len("]]>")
		case rest[0] == '&':
			var n int
			out, n = appendReference(out, rest)
			p += n
		default:
			n := bytes.IndexAny(rest[1:], "<&]") + 1
			if n == 0 {
				n = len(rest)
			}
			out = appendAllowed(out, rest[:n])
			p += n
		}
	}
	return out
}

// through is how long a text is up to and with its end.
func through(text []byte, end string) int {
	if n := bytes.Index(text, []byte(end)); n >= 0 {
		return n + len(end)
	}
	return len(text)
}

func beginsTag(text []byte) bool {
	if len(text) < 2 {
		return false
	}
	c := text[1]
	return c == '/' || c == '!' || c == '?' || c == '_' || c == ':' || c >= utf8.RuneSelf || 'a' <= c|0x20 && c|0x20 <= 'z'
}

// appendReference appends what begins with an &, and returns how long it was.
func appendReference(out, text []byte) ([]byte, int) {
	end := bytes.IndexByte(text[:min(len(text), 12)], ';')
	if end < 0 {
		return append(out, "&amp;"...), 1
	}
	switch name := string(text[1:end]); name {
	case "amp", "lt", "gt", "quot", "apos":
	default:
		digits, number := bytes.CutPrefix(text[1:end], []byte("#"))
		base := 10
		if hex, ok := bytes.CutPrefix(digits, []byte("x")); ok {
			digits, base = hex, 16
		}
		n, err := strconv.ParseUint(string(digits), base, 32)
		if !number || err != nil {
			return append(out, "&amp;"...), 1
		}
		if !allowed(rune(n)) {
			return append(out, "\ufffd"...), end + 1
		}
	}
	return append(out, text[:end+1]...), end + 1
}

// appendAllowed appends a text with U+FFFD for what is no character of XML.
func appendAllowed(out, text []byte) []byte {
	for len(text) > 0 {
		c, n := utf8.DecodeRune(text)
		if c == utf8.RuneError && n == 1 || !allowed(c) {
			out = append(out, "\ufffd"...)
		} else {
			out = append(out, text[:n]...)
		}
		text = text[n:]
	}
	return out
}

// allowed reports whether XML 1.0 has a character (section 2.2).
func allowed(c rune) bool {
	return c == '\t' || c == '\n' || c == '\r' || 0x20 <= c && c <= 0xd7ff || 0xe000 <= c && c <= 0xfffd || 0x10000 <= c && c <= utf8.MaxRune
}
