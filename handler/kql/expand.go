package kql

import (
	"strconv"

	"github.com/sluice-connectors/sluice/handler/scan"
)

// expansion is mv-expand: several rows of one, by the elements of arrays.
type expansion struct {
	evals   []func(*Runner) Value
	targets []int  // registers that hold the current elements
	types   []Type // what the elements are converted to
	pairs   bool   // kind=array: a member of a bag is [key, value], not {key: value}
	index   int    // the register of the element's number, or -1
	limit   int    // rows of one; 0: any number
}

// mvExpand ends the segment: what follows works on the rows that it makes.
func (c *compiler) mvExpand(s *stage, p *Program) error {
	e := &expansion{index: -1}
	var cols []bound
	n := namer{op: "extend", taken: map[string]bool{}}
	for i, it := range s.items {
		k, err := c.apart(func() (code, error) {
			k, err := c.expr(it.x)
			if err != nil {
				return k, err
			}
			return c.run(k), nil
		})
		if err != nil {
			return err
		}
		if k.typ != Dynamic {
			return c.errorf(it.x.position(), "mv-expand takes dynamic values, not a %s", k.typ)
		}
		r := c.newRegister()
		t := s.cols[i].typ
		e.evals, e.targets, e.types = append(e.evals, k.eval), append(e.targets, r), append(e.types, t)
		col := c.registerColumn(n.name(it, i), r, t)
		col.code.reads = k.reads
		cols = append(cols, col)
	}
	for key, opt := range s.with {
		switch key {
		case "kind", "bagexpansion":
			if opt.value != "bag" && opt.value != "array" {
				return c.errorf(opt.pos, "%s is bag or array, not %s", key, opt.value)
			}
			e.pairs = opt.value == "array"
		case "with_itemindex":
			e.index = c.newRegister()
			cols = append(cols, c.registerColumn(opt.value, e.index, Long))
		case "limit":
			n, err := strconv.Atoi(opt.value)
			if err != nil {
				return c.errorf(opt.pos, "%s is no count of rows", opt.value)
			}
			e.limit = n
		}
	}
	c.cols = replaceColumns(c.cols, cols)
	p.segments[len(p.segments)-1].expand = e
	p.segments = append(p.segments, segment{})
	return nil
}

func (c *compiler) registerColumn(name string, r int, t Type) bound {
	return bound{name: name, text: quoteName(name), code: code{typ: t, eval: func(m *Runner) Value { return m.regs[r] }}}
}

// Each reads the record at or after src[0], as Map does, and calls emit with
// each row that the query makes of it, closed by its brace. A row is valid
// until emit returns. Of an Inputless query, src is not read. An error is one
// of emit's, or says that src is no JSON text.
func (m *Runner) Each(src []byte, emit func(row []byte) error) (n int, err error) {
	if m.p.Inputless() {
		m.epoch++
		m.reset()
	} else if n, err = m.read(src); err != nil {
		return 0, err
	}
	var row []byte
	return n, m.rows(func() error {
		row = append(m.writeRow(row[:0]), '}')
		return emit(row)
	})
}

// rows calls visit for each row that the query makes of the record.
func (m *Runner) rows(visit func() error) error {
	if m.p.table == nil {
		return m.flow(0, visit)
	}
	for _, row := range m.p.table.rows {
		m.row = row
		m.epoch++
		if err := m.flow(0, visit); err != nil {
			return err
		}
	}
	return nil
}

// flow takes a row through the segments from the i-th on.
func (m *Runner) flow(i int, visit func() error) error {
	seg := &m.p.segments[i]
	if !m.passes(seg) {
		return nil
	}
	e := seg.expand
	if e == nil {
		return visit()
	}
	lists := make([][]Value, len(e.evals))
	n := 0
	for j, eval := range e.evals {
		lists[j] = m.elements(eval(m), e.pairs)
		n = max(n, len(lists[j]))
	}
	if e.limit > 0 {
		n = min(n, e.limit)
	}
	for k := range n {
		m.epoch++
		for j, r := range e.targets {
			m.regs[r] = null
			if k < len(lists[j]) {
				m.regs[r] = m.convert(lists[j][k], Dynamic, e.types[j])
			}
		}
		if e.index >= 0 {
			m.regs[e.index] = longValue(int64(k))
		}
		at, made := len(m.buf), m.made
		if err := m.flow(i+1, visit); err != nil {
			return err
		}
		m.buf, m.made = m.buf[:at], made // nothing of the row is needed any more
	}
	return nil
}

// elements lists what mv-expand makes rows of: the elements of an array, the
// members of a bag, or the value itself. Of an empty array or bag, nothing.
func (m *Runner) elements(v Value, pairs bool) []Value {
	var out []Value
	switch {
	case v.OK && v.S[0] == '[':
		eachElement(v.S, func(raw []byte) { out = append(out, jsonValue(raw)) })
	case v.OK && v.S[0] == '{':
		open, sep, closing := byte('{'), byte(':'), byte('}')
		if pairs {
			open, sep, closing = '[', ',', ']'
		}
		eachMember(v.S, func(name, raw []byte) {
			out = append(out, m.makeJSON(func(dst []byte) []byte {
				dst = append(scan.AppendQuoted(append(dst, open), name), sep)
				return append(append(dst, raw...), closing)
			}))
		})
	default:
		out = append(out, v)
	}
	return out
}
