package kql

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The operators over text: contains, has, startswith, matches regex and their kin.

func (c *compiler) matches(x *infix, l, r code) (code, error) {
	if !r.konst {
		return c.map2(l, r, Bool, func(m *Runner, v, p Value) Value {
			re := m.regexp(p.S)
			if re == nil {
				return m.or(null)
			}
			return boolValue(re.Match(v.S))
		}), nil
	}
	re, err := c.pattern(r, x.r.position(), "%s")
	if err != nil {
		return code{}, err
	}
	return c.map1(l, Bool, func(_ *Runner, v Value) Value { return boolValue(re.Match(v.S)) }), nil
}

// textOperator compiles contains, has, startswith, … and their variants.
func (c *compiler) textOperator(x *infix, l, r code) code {
	op, not := strings.CutPrefix(x.op, "!")
	op, cs := strings.CutSuffix(op, "_cs")
	test := map[string]func(s, sub []byte) bool{
		"contains": bytes.Contains, "startswith": bytes.HasPrefix, "endswith": bytes.HasSuffix,
		"has":       func(s, sub []byte) bool { return hasTerm(s, sub, true, true) },
		"hasprefix": func(s, sub []byte) bool { return hasTerm(s, sub, true, false) },
		"hassuffix": func(s, sub []byte) bool { return hasTerm(s, sub, false, true) },
	}[op]
	if cs || r.konst && bytes.Equal(bytes.ToLower(r.val.S), bytes.ToUpper(r.val.S)) { // no letters: case does not matter
		return c.map2(l, r, Bool, func(_ *Runner, a, b Value) Value { return boolValue(test(a.S, b.S) != not) })
	}
	if r.konst {
		r.val.S = bytes.ToLower(r.val.S)
	} else {
		r = c.map1(r, String, func(m *Runner, v Value) Value { return m.lower(v) })
	}
	return c.map2(l, r, Bool, func(m *Runner, a, b Value) Value {
		return boolValue(test(m.lower(a).S, b.S) != not)
	})
}

// hasTerm reports whether sub occurs in s and is not part of a longer term
// there; a term is a run of letters and digits.
func hasTerm(s, sub []byte, left, right bool) bool {
	if len(sub) == 0 {
		return true
	}
	for from := 0; ; {
		i := bytes.Index(s[from:], sub)
		if i < 0 {
			return false
		}
		i += from
		before, _ := utf8.DecodeLastRune(s[:i])
		after, _ := utf8.DecodeRune(s[i+len(sub):])
		first, _ := utf8.DecodeRune(sub)
		last, _ := utf8.DecodeLastRune(sub)
		okLeft := !left || i == 0 || !isTermRune(before) || !isTermRune(first)
		okRight := !right || i+len(sub) == len(s) || !isTermRune(after) || !isTermRune(last)
		if okLeft && okRight {
			return true
		}
		_, n := utf8.DecodeRune(s[i:])
		from = i + n
	}
}

func isTermRune(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }
