package scan

import (
	"errors"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// AppendUnquoted appends to dst the text that raw means, raw being what stands
// between the quotes of a JSON string that was scanned before. Lone surrogates
// and invalid UTF-8 become U+FFFD.
func AppendUnquoted(dst, raw []byte) []byte {
	for i := 0; i < len(raw); {
		c := raw[i]
		if c != '\\' {
			if c < utf8.RuneSelf {
				dst = append(dst, c)
				i++
				continue
			}
			r, n := utf8.DecodeRune(raw[i:])
			dst = utf8.AppendRune(dst, r)
			i += n
			continue
		}
		switch e := raw[i+1]; e {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r := hex4(raw[i+2:])
			i += 6
			if utf16.IsSurrogate(r) {
				low := rune(-1)
				if i+6 <= len(raw) && raw[i] == '\\' && raw[i+1] == 'u' {
					low = hex4(raw[i+2:])
				}
				if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
					r = pair
					i += 6
				} else {
					r = utf8.RuneError
				}
			}
			dst = utf8.AppendRune(dst, r)
			continue
		default:
			dst = append(dst, e)
		}
		i += 2
	}
	return dst
}

func hex4(b []byte) rune {
	return rune(unhex(b[0])<<12 | unhex(b[1])<<8 | unhex(b[2])<<4 | unhex(b[3]))
}

const hexDigits = "0123456789abcdef"

// AppendQuoted appends text as a JSON string, quotes included. Only what JSON
// requires is escaped; invalid UTF-8 becomes U+FFFD.
func AppendQuoted[T []byte | string](dst []byte, text T) []byte {
	dst = append(dst, '"')
	return append(AppendEscaped(dst, text), '"')
}

// AppendEscaped is AppendQuoted without the quotes.
func AppendEscaped[T []byte | string](dst []byte, text T) []byte {
	from := 0
	for i := 0; i < len(text); {
		c := text[i]
		if c >= 0x20 && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(string(text[i:min(i+utf8.UTFMax, len(text))]))
			if r != utf8.RuneError || n > 1 {
				i += n
				continue
			}
			dst = append(dst, text[from:i]...)
			dst = append(dst, "\ufffd"...)
			i++
			from = i
			continue
		}
		dst = append(dst, text[from:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		from = i
	}
	return append(dst, text[from:]...)
}

// AppendValidUTF8 appends src with each byte that is not UTF-8 replaced by U+FFFD.
func AppendValidUTF8(dst, src []byte) []byte {
	for len(src) > 0 {
		r, n := utf8.DecodeRune(src)
		if r == utf8.RuneError && n == 1 {
			dst = append(dst, "\ufffd"...)
		} else {
			dst = append(dst, src[:n]...)
		}
		src = src[n:]
	}
	return dst
}

// Text returns the text of the string sp stands for in src.
func (sp Span) Text(src []byte) []byte {
	raw := src[sp.Start+1 : sp.End-1]
	if sp.Flags&(Escaped|BadUTF8) == 0 {
		return raw
	}
	return AppendUnquoted(nil, raw)
}

// PlainText is a JSON value as a text: a string without its quotes, nothing for null, a
// list with commas. The value was scanned before.
func PlainText(value []byte) string {
	switch KindOf(value[0]) {
	case Null:
		return ""
	case String:
		return string(AppendUnquoted(nil, value[1:len(value)-1]))
	case Array:
		var parts []string
		Children(value, 0, func(_ []byte, at int) bool {
			if end, _, err := Skip(value, at); err == nil {
				parts = append(parts, PlainText(value[at:end]))
			}
			return true
		})
		return strings.Join(parts, ",")
	}
	return string(value)
}

// TextAt is the value that a path leads to in a body, as PlainText; the last one of
// several, "" when there is none. A body that is no JSON, or a path that cannot be read,
// is an error.
func TextAt(body []byte, path string) (text string, err error) {
	p, err := ParsePath(path)
	if err != nil {
		return "", err
	}
	if !Valid(body) {
		return "", errors.New("it is no JSON")
	}
	p.Select(body, func(start, end int) { text = PlainText(body[start:end]) })
	return text, nil
}
