// Package scan reads JSON text in place: it finds where values begin and end,
// validates them strictly (RFC 8259) and never builds a tree of them. A value
// is a span of the text it stands in. Everything that looks into a record or a
// response rests on it; it imports the standard library only.
package scan

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"unicode/utf8"
)

// Kind says what a JSON value is.
type Kind uint8

// The kinds of JSON values; None is the kind of a value that is not there.
const (
	None Kind = iota
	Null
	False
	True
	Number
	String
	Object
	Array
)

// MaxDepth is how deep values may nest; deeper text is a syntax error.
const MaxDepth = 10000

// SyntaxError says where JSON text is malformed.
type SyntaxError struct {
	Offset int    // byte offset in the text that was read
	Msg    string // what is wrong there
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("invalid JSON at byte %d: %s", e.Offset, e.Msg)
}

// Flags tell what was met while scanning.
type Flags uint8

const (
	// Escaped is set on a string that contains a backslash.
	Escaped Flags = 1 << iota
	// BadUTF8 is set when a string is not valid UTF-8.
	BadUTF8
	// Repeated is set when an object has two members of one name.
	Repeated
)

// scanner scans one text. Its methods take the position to start at and return
// the position after what they read, or -1 after setting err.
type scanner struct {
	src   []byte
	flags Flags
	err   *SyntaxError
}

func (s *scanner) fail(at int, msg string) int {
	if s.err == nil {
		s.err = &SyntaxError{Offset: at, Msg: msg}
	}
	return -1
}

// Space returns the position of the first byte at or after p that is not JSON
// white space; it may be len(src).
func Space(src []byte, p int) int {
	for p < len(src) {
		switch src[p] {
		case ' ', '\n', '\r', '\t':
			p++
		default:
			return p
		}
	}
	return p
}

// Skip validates the JSON value at or after src[p] and returns where it ends.
func Skip(src []byte, p int) (end int, flags Flags, err error) {
	s := scanner{src: src}
	end = s.value(Space(src, p), 0)
	if s.err != nil {
		return 0, 0, s.err
	}
	return end, s.flags, nil
}

// Valid reports whether src is exactly one JSON value.
func Valid(src []byte) bool {
	end, _, err := Skip(src, 0)
	return err == nil && Space(src, end) == len(src)
}

// kinds is KindOf as a table.
var kinds = func() (t [256]Kind) {
	for c := range t {
		t[c] = Number
	}
	t['{'], t['['], t['"'], t['t'], t['f'], t['n'] = Object, Array, String, True, False, Null
	return t
}()

// KindOf returns the kind of the value that starts with byte c.
func KindOf(c byte) Kind { return kinds[c] }

// value scans the value at p, which must not be white space.
func (s *scanner) value(p, depth int) int {
	if p >= len(s.src) {
		return s.fail(p, "unexpected end")
	}
	switch c := s.src[p]; c {
	case '"':
		p, _ = s.str(p)
		return p
	case '{':
		return s.object(p, depth)
	case '[':
		return s.array(p, depth)
	case 't':
		return s.literal(p, "true")
	case 'f':
		return s.literal(p, "false")
	case 'n':
		return s.literal(p, "null")
	default:
		return s.number(p)
	}
}

func (s *scanner) object(p, depth int) int {
	if depth >= MaxDepth {
		return s.fail(p, "nested too deep")
	}
	p, more := s.open(p, '}')
	for more {
		if p = s.key(p); p < 0 {
			return -1
		}
		if p = s.value(p, depth+1); p < 0 {
			return -1
		}
		p, more = s.next(p, '}')
	}
	return p
}

func (s *scanner) array(p, depth int) int {
	if depth >= MaxDepth {
		return s.fail(p, "nested too deep")
	}
	p, more := s.open(p, ']')
	for more {
		if p = s.value(p, depth+1); p < 0 {
			return -1
		}
		p, more = s.next(p, ']')
	}
	return p
}

// open steps into the container at p. It reports whether a first member stands
// at the position returned; if not, that position is after the container.
func (s *scanner) open(p int, closing byte) (int, bool) {
	p = Space(s.src, p+1)
	if p < len(s.src) && s.src[p] == closing {
		return p + 1, false
	}
	return p, true
}

// next steps over the comma after a member, or over the end of the container.
func (s *scanner) next(p int, closing byte) (int, bool) {
	if p >= len(s.src) || s.src[p] <= ' ' {
		p = Space(s.src, p)
	}
	if p >= len(s.src) {
		return s.fail(p, "unexpected end"), false
	}
	switch s.src[p] {
	case ',':
		p++
		if p < len(s.src) && s.src[p] <= ' ' {
			p = Space(s.src, p)
		}
		return p, true
	case closing:
		return p + 1, false
	}
	return s.fail(p, fmt.Sprintf("want ',' or %q, got %q", closing, s.src[p])), false
}

// key scans a member's name at p and its colon, and returns where its value starts.
func (s *scanner) key(p int) int {
	if p >= len(s.src) || s.src[p] != '"' {
		return s.fail(p, "want a member name in double quotes")
	}
	if p, _ = s.str(p); p < 0 {
		return -1
	}
	return s.colon(p)
}

func (s *scanner) colon(p int) int {
	if p < len(s.src) && s.src[p] != ':' {
		p = Space(s.src, p)
	}
	if p >= len(s.src) || s.src[p] != ':' {
		return s.fail(p, "want ':' after a member name")
	}
	p++
	if p < len(s.src) && s.src[p] <= ' ' {
		p = Space(s.src, p)
	}
	return p
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// str scans the string whose opening quote is at p, eight bytes at a time.
func (s *scanner) str(p int) (int, Flags) {
	src := s.src
	start := p + 1
	p = start
	var flags Flags
	var high uint64
	for {
		for p+8 <= len(src) {
			w := binary.LittleEndian.Uint64(src[p:])
			q, b := w^(ones*'"'), w^(ones*'\\')
			stop := ((q-ones)&^q | (b-ones)&^b | (w-ones*0x20)&^w) & highs
			high |= w & highs
			if stop != 0 {
				p += bits.TrailingZeros64(stop) >> 3
				break
			}
			p += 8
		}
		for p < len(src) && src[p] != '"' && src[p] != '\\' && src[p] >= 0x20 {
			high |= uint64(src[p]) & 0x80
			p++
		}
		if p >= len(src) {
			return s.fail(p, "string is not closed"), 0
		}
		switch src[p] {
		case '"':
			if high != 0 && !utf8.Valid(src[start:p]) {
				flags |= BadUTF8
				s.flags |= BadUTF8
			}
			return p + 1, flags
		case '\\':
			flags |= Escaped
			if p = s.escape(p); p < 0 {
				return -1, 0
			}
		default:
			return s.fail(p, "control character in a string"), 0
		}
	}
}

func (s *scanner) escape(p int) int {
	if p+1 >= len(s.src) {
		return s.fail(p, "string is not closed")
	}
	switch s.src[p+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return p + 2
	case 'u':
		for i := p + 2; i < p+6; i++ {
			if i >= len(s.src) || unhex(s.src[i]) < 0 {
				return s.fail(p, "want four hexadecimal digits after \\u")
			}
		}
		return p + 6
	}
	return s.fail(p, "unknown escape in a string")
}

func (s *scanner) literal(p int, want string) int {
	if len(s.src)-p < len(want) || string(s.src[p:p+len(want)]) != want {
		return s.fail(p, "want "+want)
	}
	return p + len(want)
}

func (s *scanner) number(p int) int {
	src, start := s.src, p
	if p < len(src) && src[p] == '-' {
		p++
	}
	switch {
	case p < len(src) && src[p] == '0':
		p++
	case p < len(src) && '1' <= src[p] && src[p] <= '9':
		p = digits(src, p)
	default:
		return s.fail(start, "want a value")
	}
	if p < len(src) && src[p] == '.' {
		q := digits(src, p+1)
		if q == p+1 {
			return s.fail(p, "want a digit after the decimal point")
		}
		p = q
	}
	if p < len(src) && (src[p] == 'e' || src[p] == 'E') {
		p++
		if p < len(src) && (src[p] == '+' || src[p] == '-') {
			p++
		}
		q := digits(src, p)
		if q == p {
			return s.fail(p, "want a digit in the exponent")
		}
		p = q
	}
	return p
}

func digits(src []byte, p int) int {
	for p < len(src) && '0' <= src[p] && src[p] <= '9' {
		p++
	}
	return p
}

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
