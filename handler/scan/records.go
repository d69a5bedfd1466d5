package scan

import (
	"bytes"
	"fmt"
	"iter"
)

// Records goes through the records of a page: the elements of an array, or of
// several one after the other, or else values one after the other, with a line for
// each when lines is set. One that cannot be read comes with the error, and the rest
// is read on, where it can be told where it ends: as SkipDamaged finds it, or with
// its line. Where that cannot be told there is an error without a record, the last.
func Records(src []byte, lines bool) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		w := records{src: src, lines: lines, yield: yield}
		p := between(src, 0)
		list := p < len(src) && src[p] == '['
		for ; p >= 0 && p < len(src); p = between(src, p) {
			switch {
			case !list:
				p = w.record(p)
			case src[p] == '[':
				w.lines = false
				p = w.elements(p + 1)
			default:
				p = w.stop(&SyntaxError{p, "something else follows a list of records"})
			}
			if p < 0 {
				return
			}
		}
	}
}

// records hands on those of a text. Its methods return where what they read ends,
// or -1 when that was the last.
type records struct {
	src   []byte
	lines bool
	yield func([]byte, error) bool
}

func (w *records) elements(p int) int {
	for p = between(w.src, p); p < len(w.src); p = between(w.src, p) {
		if w.src[p] == ']' {
			return p + 1
		}
		if p = w.record(p); p < 0 {
			return -1
		}
	}
	return w.stop(&SyntaxError{p, "the list of records is not closed"})
}

func (w *records) record(p int) int {
	end, _, err := Skip(w.src, p)
	if err != nil {
		ok := true
		if w.lines {
			end = LineEnd(w.src, p)
		} else if end, ok = SkipDamaged(w.src, p); !ok {
			return w.stop(err)
		}
	}
	if !w.yield(w.src[p:end], err) {
		return -1
	}
	return end
}

func (w *records) stop(err error) int {
	w.yield(nil, err)
	return -1
}

// LineEnd returns where the line that src[p] is in ends, before its line feed.
func LineEnd(src []byte, p int) int {
	if n := bytes.IndexByte(src[p:], '\n'); n >= 0 {
		return p + n
	}
	return len(src)
}

// between steps over what stands between records: blanks, commas, and the record
// separator of RFC 7464.
func between(src []byte, p int) int {
	for p < len(src) && (src[p] <= ' ' || src[p] == ',') {
		p++
	}
	return p
}

// Describe says in words what the value is that begins at src[at], for an error:
// "an object with the members error, code".
func Describe(src []byte, at int) string {
	switch KindOf(src[at]) {
	case Null:
		return "null"
	case False:
		return "false"
	case True:
		return "true"
	case Number:
		if c := src[at]; c != '-' && (c < '0' || c > '9') {
			return "no JSON"
		}
		return "a number"
	case String:
		return "a text"
	case Array:
		return "a list"
	}
	var names []byte
	n := 0
	Children(src, at, func(name []byte, _ int) bool {
		if n++; n <= 8 {
			if n > 1 {
				names = append(names, ", "...)
			}
			names = AppendUnquoted(names, name[1:len(name)-1])
		}
		return true
	})
	switch {
	case n == 0:
		return "an object without members"
	case n == 1:
		return fmt.Sprintf("an object with the member %s", names)
	case n > 8:
		return fmt.Sprintf("an object with the members %s and %d more", names, n-8)
	}
	return fmt.Sprintf("an object with the members %s", names)
}
