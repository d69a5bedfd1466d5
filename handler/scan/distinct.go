package scan

import (
	"cmp"
	"slices"
	"strconv"
)

// AppendDistinct appends the valid JSON text src so that no object in it has two
// members of one name: the last keeps the name, those before it are called
// "name (1)", "name (2)".
func AppendDistinct(dst, src []byte) []byte {
	d := distinct{scanner: scanner{src: src}}
	d.value(Space(src, 0))
	slices.SortFunc(d.marks, func(a, b mark) int { return cmp.Compare(a.at, b.at) })
	from := 0
	for _, m := range d.marks {
		dst = append(append(dst, src[from:m.at]...), m.text...)
		from = m.at
	}
	return append(dst, src[from:]...)
}

// distinct looks for repeated names.
type distinct struct {
	scanner
	marks []mark
}

// mark is text to put into a name.
type mark struct {
	at   int
	text string
}

// value goes through the value at p and returns where it ends.
func (d *distinct) value(p int) int {
	if c := d.src[p]; c != '{' && c != '[' {
		return d.scanner.value(p, 0)
	}
	closing := d.src[p] + 2 // ] and } are two after [ and {
	object := closing == '}'
	names := map[string][]int{} // where each name's closing quotes are
	p, more := d.open(p, closing)
	for more {
		if object {
			end, _ := d.str(p)
			name := string(AppendUnquoted(nil, d.src[p+1:end-1]))
			names[name] = append(names[name], end-1)
			p = d.colon(end)
		}
		p, more = d.next(d.value(p), closing)
	}
	for name, at := range names {
		n := 0
		for _, at := range at[:len(at)-1] {
			d.marks = append(d.marks, mark{at, free(names, name, &n)})
		}
	}
	return p
}

// free is the next " (n)" that makes of name one which an object does not have.
func free(names map[string][]int, name string, n *int) string {
	for {
		*n++
		text := " (" + strconv.Itoa(*n) + ")"
		if _, taken := names[name+text]; !taken {
			return text
		}
	}
}
