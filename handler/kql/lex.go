package kql

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Error is a mistake in a KQL text. Line and Col count from 1, Col in runes.
type Error struct {
	Line, Col int
	Msg       string
	Source    string // the line of the text that the mistake is in
}

// Error prints the place, the message, and the line with a caret below the place.
func (e *Error) Error() string {
	caret := strings.Repeat(" ", max(e.Col-1, 0)) + "^"
	return fmt.Sprintf("%d:%d: %s\n    %s\n    %s", e.Line, e.Col, e.Msg, e.Source, caret)
}

// errorAt makes an Error for byte offset pos of text. A line ends at LF, CR or CRLF.
func errorAt(text string, pos int, format string, args ...any) *Error {
	pos = min(pos, len(text))
	line, start := 1, 0
	for i := 0; i < pos; i++ {
		if text[i] == '\n' || text[i] == '\r' && !strings.HasPrefix(text[i+1:], "\n") {
			line++
			start = i + 1
		}
	}
	end := len(text)
	if i := strings.IndexAny(text[start:], "\r\n"); i >= 0 {
		end = start + i
	}
	src := strings.ReplaceAll(text[start:end], "\t", " ")
	return &Error{line, utf8.RuneCountInString(text[start:min(pos, end)]) + 1, fmt.Sprintf(format, args...), src}
}

type tokenKind uint8

const (
	tokEnd tokenKind = iota
	tokName
	tokNumber // value as written, unit included: 1, 1.5, 0x1f, 2h
	tokString // text is the value, quotes and escapes resolved
	tokPunct
)

type token struct {
	kind     tokenKind
	text     string
	pos, end int
}

// two-character punctuation; a third list would be overkill.
var puncts = []string{"==", "!=", "=~", "!~", "<=", ">=", "<>", "..", "=>"}

// lex splits text into tokens. The last one has kind tokEnd.
func lex(text string) ([]token, error) {
	var toks []token
	for p := 0; p < len(text); {
		c := text[p]
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v':
			p++
		case strings.HasPrefix(text[p:], "//"):
			if i := strings.IndexAny(text[p:], "\r\n"); i >= 0 {
				p += i
			} else {
				p = len(text)
			}
		case isNameStart(text[p:]):
			t, err := lexName(text, p)
			if err != nil {
				return nil, err
			}
			toks = append(toks, t)
			p = t.end
		case '0' <= c && c <= '9':
			t := lexNumber(text, p)
			toks = append(toks, t)
			p = t.end
		case startsString(text[p:]):
			t, err := lexString(text, p)
			if err != nil {
				return nil, err
			}
			toks = append(toks, t)
			p = t.end
		default:
			t, err := lexPunct(text, p)
			if err != nil {
				return nil, err
			}
			toks = append(toks, t)
			p = t.end
		}
	}
	return append(toks, token{tokEnd, "", len(text), len(text)}), nil
}

func isNameStart(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return r == '_' || r == '$' || unicode.IsLetter(r)
}

// dashed are the operators whose names contain a hyphen.
var dashed = []string{"project-away", "project-rename", "project-keep", "project-reorder", "mv-expand", "mv-apply", "parse-where", "parse-kv", "sample-distinct", "top-nested", "top-hitters", "make-series", "make-graph"}

func lexName(text string, p int) (token, error) {
	for _, d := range dashed {
		if strings.HasPrefix(text[p:], d) && !isNamePart(text[p+len(d):]) {
			return token{tokName, d, p, p + len(d)}, nil
		}
	}
	q := p
	for q < len(text) && isNamePart(text[q:]) {
		_, n := utf8.DecodeRuneInString(text[q:])
		q += n
	}
	// h"..." and h'...' are strings whose text is kept out of traces.
	if name := text[p:q]; (name == "h" || name == "H") && startsString(text[q:]) {
		t, err := lexString(text, q)
		t.pos = p
		return t, err
	}
	// contains~ does not exist, in~ does.
	if q < len(text) && text[q] == '~' && text[p:q] == "in" {
		q++
	}
	return token{tokName, text[p:q], p, q}, nil
}

func isNamePart(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return r == '_' || r == '$' || unicode.IsLetter(r) || unicode.IsDigit(r)
}

func lexNumber(text string, p int) token {
	q := p
	if strings.HasPrefix(text[p:], "0x") || strings.HasPrefix(text[p:], "0X") {
		q += 2
		for q < len(text) && strings.IndexByte("0123456789abcdefABCDEF", text[q]) >= 0 {
			q++
		}
		return token{tokNumber, text[p:q], p, q}
	}
	digits := func() {
		for q < len(text) && '0' <= text[q] && text[q] <= '9' {
			q++
		}
	}
	digits()
	if q+1 < len(text) && text[q] == '.' && '0' <= text[q+1] && text[q+1] <= '9' {
		q++
		digits()
	}
	if q < len(text) && (text[q] == 'e' || text[q] == 'E') {
		r := q + 1
		if r < len(text) && (text[r] == '+' || text[r] == '-') {
			r++
		}
		if r < len(text) && '0' <= text[r] && text[r] <= '9' {
			q = r
			digits()
		}
	}
	// A unit makes a timespan of it.
	for q < len(text) && isNamePart(text[q:]) {
		_, n := utf8.DecodeRuneInString(text[q:])
		q += n
	}
	return token{tokNumber, text[p:q], p, q}
}

func startsString(s string) bool {
	if fence(s) != "" {
		return true
	}
	s = strings.TrimPrefix(s, "@")
	return s != "" && (s[0] == '"' || s[0] == '\'')
}

// fence is what opens and closes a string of several lines.
func fence(s string) string {
	for _, f := range []string{"```", "~~~"} {
		if strings.HasPrefix(s, f) {
			return f
		}
	}
	return ""
}

func lexString(text string, p int) (token, error) {
	start := p
	if f := fence(text[p:]); f != "" {
		n := strings.Index(text[p+3:], f)
		if n < 0 {
			return token{}, errorAt(text, start, "string is not closed by %s", f)
		}
		return token{tokString, text[p+3 : p+3+n], start, p + n + 6}, nil
	}
	verbatim := text[p] == '@'
	if verbatim {
		p++
	}
	quote := text[p]
	var b strings.Builder
	for p++; p < len(text); {
		c := text[p]
		switch {
		case c == quote && verbatim && p+1 < len(text) && text[p+1] == quote:
			b.WriteByte(quote)
			p += 2
		case c == quote:
			return token{tokString, b.String(), start, p + 1}, nil
		case c == '\\' && !verbatim:
			n, err := unescape(&b, text, p)
			if err != nil {
				return token{}, err
			}
			p += n
		case (c == '\n' || c == '\r') && !verbatim:
			return token{}, errorAt(text, start, "string is not closed on its line")
		default:
			b.WriteByte(c)
			p++
		}
	}
	return token{}, errorAt(text, start, "string is not closed")
}

// unescape writes what the escape at text[p] means and returns its length.
func unescape(b *strings.Builder, text string, p int) (int, error) {
	if p+1 >= len(text) {
		return 0, errorAt(text, p, "string is not closed")
	}
	c := text[p+1]
	if i := strings.IndexByte("abfnrtv0", c); i >= 0 && c != '0' {
		b.WriteByte("\a\b\f\n\r\t\v"[i])
		return 2, nil
	}
	hex := map[byte]int{'x': 2, 'u': 4, 'U': 8}[c]
	switch {
	case hex > 0:
		r, ok := hexRune(text, p+2, hex)
		if !ok {
			return 0, errorAt(text, p, "want %d hexadecimal digits after \\%c", hex, c)
		}
		n := 2 + hex
		if utf16.IsSurrogate(r) && strings.HasPrefix(text[p+n:], `\u`) { // two of them make one character
			if low, ok := hexRune(text, p+n+2, 4); ok {
				r = utf16.DecodeRune(r, low)
				n += 6
			}
		}
		b.WriteRune(r)
		return n, nil
	case '0' <= c && c <= '7':
		n, v := 1, 0
		for n <= 3 && p+n < len(text) && '0' <= text[p+n] && text[p+n] <= '7' {
			v = v*8 + int(text[p+n]-'0')
			n++
		}
		b.WriteRune(rune(v))
		return n, nil
	case c == '\\' || c == '"' || c == '\'' || c == '/':
		b.WriteByte(c)
		return 2, nil
	}
	return 0, errorAt(text, p, "unknown escape \\%c in a string; write @'…' for a string without escapes", c)
}

// hexRune reads n hexadecimal digits at text[p].
func hexRune(text string, p, n int) (rune, bool) {
	if p+n > len(text) {
		return 0, false
	}
	v, err := strconv.ParseUint(text[p:p+n], 16, 32)
	return rune(v), err == nil && v <= utf8.MaxRune
}

func lexPunct(text string, p int) (token, error) {
	for _, s := range puncts {
		if strings.HasPrefix(text[p:], s) {
			return token{tokPunct, s, p, p + len(s)}, nil
		}
	}
	if text[p] == '!' && p+1 < len(text) && isNameStart(text[p+1:]) { // !in, !contains …
		t, err := lexName(text, p+1)
		return token{tokName, "!" + t.text, p, t.end}, err
	}
	if strings.IndexByte("()[]{},;:|.=<>+-*/%?", text[p]) < 0 {
		r, _ := utf8.DecodeRuneInString(text[p:])
		return token{}, errorAt(text, p, "unexpected character %q", r)
	}
	return token{tokPunct, text[p : p+1], p, p + 1}, nil
}
