package decode

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"mime"
	"regexp"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/unicode/utf32"
)

// toUTF8 makes UTF-8 of a text: by its byte order mark, by how its first character
// is written, by the charset that came with it or that an XML document declares.
// What is no character in it stays no UTF-8, to be seen.
func toUTF8(o Options, body []byte) ([]byte, error) {
	switch {
	case bytes.HasPrefix(body, []byte("\xef\xbb\xbf")):
		return body[3:], nil
	case beginsAsUTF32(binary.BigEndian, body):
		return o.decode(utf32.UTF32(utf32.BigEndian, utf32.UseBOM), body)
	case beginsAsUTF32(binary.LittleEndian, body):
		return o.decode(utf32.UTF32(utf32.LittleEndian, utf32.UseBOM), body)
	case bytes.HasPrefix(body, []byte{0xff, 0xfe}):
		return o.fromUTF16(body[2:], binary.LittleEndian)
	case bytes.HasPrefix(body, []byte{0xfe, 0xff}):
		return o.fromUTF16(body[2:], binary.BigEndian)
	case len(body) >= 2 && body[0] == 0 && body[1] != 0:
		return o.fromUTF16(body, binary.BigEndian)
	case len(body) >= 2 && body[0] != 0 && body[1] == 0:
		return o.fromUTF16(body, binary.LittleEndian)
	}
	_, params, _ := mime.ParseMediaType(o.ContentType)
	label := params["charset"]
	if label == "" && o.Format == "xml" {
		if m := declared.FindSubmatch(body[:min(len(body), 200)]); m != nil {
			label = string(m[1])
		}
	}
	return o.fromCharset(strings.ToLower(label), body)
}

// declared is the encoding that an XML document says it has.
var declared = regexp.MustCompile(`^\s*<\?xml\s[^>]*encoding\s*=\s*["']([A-Za-z0-9._:-]+)["']`)

// fromUTF16 is like package utf16, but half of a pair, which is no character, stays
// none, and stays what it was.
func (o Options) fromUTF16(body []byte, order binary.ByteOrder) ([]byte, error) {
	if err := (&Growth{Room: o.Room}).To(min(len(body)/2*3, Max)); err != nil {
		return nil, err
	}
	out := make([]byte, 0, len(body)/2+len(body)/8)
	for ; len(body) >= 2 && len(out) <= Max; body = body[2:] {
		c := rune(order.Uint16(body))
		if utf16.IsSurrogate(c) {
			if len(body) >= 4 {
				if pair := utf16.DecodeRune(c, rune(order.Uint16(body[2:]))); pair != utf8.RuneError {
					out = utf8.AppendRune(out, pair)
					body = body[2:]
					continue
				}
			}
			out = append(out, 0xe0|byte(c>>12), 0x80|byte(c>>6)&0x3f, 0x80|byte(c)&0x3f)
			continue
		}
		out = utf8.AppendRune(out, c)
	}
	if len(out) > Max {
		return nil, ErrTooLarge
	}
	return append(out, body...), nil // half a character
}

// fromCharset decodes what is written in a charset of bytes. What is UTF-8 although
// it was announced as something else, as JSON has to be, is left as it is.
func (o Options) fromCharset(label string, body []byte) ([]byte, error) {
	switch label {
	case "", "utf-8", "utf8":
		return body, nil
	case "utf-16", "utf-16be": // where the first character is none of ASCII, it was not seen
		return o.fromUTF16Unless(body, binary.BigEndian)
	case "utf-16le":
		return o.fromUTF16Unless(body, binary.LittleEndian)
	}
	if utf8.Valid(body) && !strings.HasPrefix(label, "iso-2022") {
		return body, nil
	}
	e, err := htmlindex.Get(label)
	if err != nil {
		return nil, fmt.Errorf("it is written in the charset %q, which is not known", label)
	}
	if name, _ := htmlindex.Name(e); name == "utf-8" || name == "replacement" {
		return body, nil
	}
	return o.decode(e, body)
}

func (o Options) decode(e encoding.Encoding, body []byte) ([]byte, error) {
	out, err := ReadAll(e.NewDecoder().Reader(bytes.NewReader(body)), len(body)+len(body)/8, o.Room)
	if err != nil && !errors.Is(err, ErrTooLarge) {
		return nil, fmt.Errorf("decode the charset: %w", err)
	}
	if err != nil {
		return nil, err
	}
	return bytes.ReplaceAll(out, []byte("\ufffd"), []byte{0xff}), nil // what could not be decoded
}

// fromUTF16Unless is fromUTF16 for what is no UTF-8.
func (o Options) fromUTF16Unless(body []byte, order binary.ByteOrder) ([]byte, error) {
	if utf8.Valid(body) {
		return body, nil
	}
	return o.fromUTF16(body, order)
}

// beginsAsUTF32 reports whether a text begins with the byte order mark of UTF-32, or
// with a character of ASCII in it.
func beginsAsUTF32(order binary.ByteOrder, body []byte) bool {
	if len(body) < 4 {
		return false
	}
	c := order.Uint32(body)
	return c == 0xfeff || 0 < c && c < utf8.RuneSelf
}
