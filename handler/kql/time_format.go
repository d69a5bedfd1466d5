package kql

import (
	"strings"
)

// formatFunction compiles format_datetime and format_timespan.
func formatFunction(span bool) func(*compiler, *call, []code) (code, error) {
	return func(c *compiler, x *call, a []code) (code, error) {
		pieces, bad := timePieces(string(a[1].val.S), span)
		if bad != "" {
			return code{}, c.errorf(x.args[1].position(), "%s does not know %q in a format", x.fn, bad)
		}
		return c.map1(a[0], String, func(m *Runner, v Value) Value {
			if !v.OK {
				return Value{}
			}
			return m.make(func(dst []byte) []byte {
				n := v.N
				if span && n < 0 {
					dst = append(dst, '-')
					n = -n
				}
				for _, p := range pieces {
					dst = p(dst, n)
				}
				return dst
			})
		}), nil
	}
}

// timePieces takes a format apart: a run of one letter is a part of the time,
// the delimiters of the documentation stand for themselves.
func timePieces(format string, span bool) (pieces []func(dst []byte, t int64) []byte, bad string) {
	for len(format) > 0 {
		c := format[0]
		if strings.IndexByte(" /-:,._[]T", c) >= 0 || c == ' ' {
			pieces = append(pieces, func(dst []byte, _ int64) []byte { return append(dst, c) })
			format = format[1:]
			continue
		}
		n := 1
		for n < len(format) && format[n] == c {
			n++
		}
		run := format[:n]
		format = format[n:]
		p := timePiece(c, n, span)
		if p == nil {
			return nil, run
		}
		pieces = append(pieces, p)
	}
	return pieces, ""
}

func timePiece(c byte, n int, span bool) func(dst []byte, t int64) []byte {
	padded := func(width int, part func(int64) int64) func([]byte, int64) []byte {
		return func(dst []byte, t int64) []byte { return appendPadded(dst, part(t), max(width, 1)) }
	}
	twelve := func(t int64) int64 { return (parts["hour"](t)+11)%12 + 1 }
	switch {
	case c == 'd' && span:
		return padded(n, func(t int64) int64 { return t / ticksPerDay })
	case c == 'd' && n <= 2:
		return padded(n, parts["day"])
	case c == 'M' && n <= 2 && !span:
		return padded(n, parts["month"])
	case c == 'y' && n == 4 && !span:
		return padded(4, parts["year"])
	case c == 'y' && n == 2 && !span:
		return padded(2, func(t int64) int64 { return parts["year"](t) % 100 })
	case c == 'H' && n <= 2, c == 'h' && n <= 2 && span:
		return padded(n, parts["hour"])
	case c == 'h' && n <= 2:
		return padded(n, twelve)
	case c == 'm' && n <= 2:
		return padded(n, parts["minute"])
	case c == 's' && n <= 2:
		return padded(n, parts["second"])
	case c == 't' && n == 2 && !span:
		return func(dst []byte, t int64) []byte { return append(dst, [...]string{"AM", "PM"}[parts["hour"](t)/12]...) }
	case (c == 'f' || c == 'F') && n <= 7:
		return func(dst []byte, t int64) []byte {
			digits := appendPadded(nil, t%ticksPerSec, 7)[:n]
			if c == 'F' {
				digits = []byte(strings.TrimRight(string(digits), "0"))
			}
			return append(dst, digits...)
		}
	}
	return nil
}
