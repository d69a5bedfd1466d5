package kql

import (
	"bytes"
	"strings"
)

// The operators that look a value up in a list: in, has_any, between and their kin.

func (c *compiler) inList(x *inList) (code, error) {
	if c.dialect == DCRDialect && !dcrOperators[x.op] {
		return code{}, c.errorf(x.pos, "%s", c.dialect.refuse("the operator", x.op))
	}
	l, err := c.expr(x.x)
	if err != nil {
		return l, err
	}
	fold, not := strings.HasSuffix(x.op, "~"), strings.HasPrefix(x.op, "!")
	byText := fold || strings.HasPrefix(x.op, "has_")
	if byText && l.typ != String && l.typ != Dynamic {
		return l, c.errorf(x.x.position(), "%s compares texts, not a %s: write tostring(…)", x.op, l.typ)
	}
	if byText || l.typ == Dynamic {
		l = c.cast(l, String)
	}
	items, err := c.listItems(x)
	if err != nil {
		return code{}, err
	}
	if strings.HasPrefix(x.op, "has_") {
		return c.hasList(x, l, items)
	}
	t := l.typ
	for _, k := range items { // 1 in (1, 2.5): all as reals
		if isNumber(t) && isNumber(k.typ) {
			t = widest(t, k.typ)
		}
	}
	l = c.cast(l, t)
	for i, k := range items {
		if k.typ == Dynamic && !k.konst {
			continue // a list that comes with the record
		}
		items[i] = c.cast(k, t)
	}
	if t == String {
		return c.inTexts(l, items, fold, not), nil
	}
	return c.inValues(l, items, not), nil
}

// listItems compiles what stands in the parentheses: values, constant arrays of
// values, or a table, whose first column counts.
func (c *compiler) listItems(x *inList) ([]code, error) {
	if x.table != nil {
		t, err := c.table(x.table, c.lets)
		if err != nil {
			return nil, err
		}
		return c.firstColumn(x.pos, t)
	}
	var items []code
	for _, e := range x.list {
		if n, ok := e.(*name); ok && len(x.list) == 1 {
			if t := c.lets.table(n.id); t != nil {
				return c.firstColumn(x.pos, t)
			}
		}
		k, err := c.expr(e)
		if err != nil {
			return nil, err
		}
		if k.konst && k.typ == Dynamic && k.val.OK && k.val.S[0] == '[' { // in (dynamic(['a', 'b']))
			eachElement(k.val.S, func(raw []byte) { items = append(items, constant(Dynamic, jsonValue(bytes.Clone(raw)))) })
			continue
		}
		items = append(items, k)
	}
	return items, nil
}

// inValues looks a value up that is no text.
func (c *compiler) inValues(l code, items []code, not bool) code {
	t := l.typ
	order := ordering(t)
	le := c.run(l).eval
	evals := make([]func(*Runner) Value, len(items))
	lists := make([]bool, len(items))
	for i := range items {
		evals[i], lists[i] = c.run(items[i]).eval, items[i].typ == Dynamic
	}
	return code{typ: Bool, eval: func(m *Runner) Value {
		v := le(m)
		for i, e := range evals {
			w := e(m)
			found := v.OK && w.OK
			if found && lists[i] {
				found = false
				m.eachItem(w, func(item Value) {
					u := m.convert(item, Dynamic, t)
					found = found || u.OK && order(v, u) == 0
				})
			} else if found {
				found = order(v, w) == 0
			}
			if found {
				return boolValue(!not)
			}
		}
		return boolValue(not)
	}}
}

// eachItem calls f with the elements of an array, or with a value that is none.
func (m *Runner) eachItem(v Value, f func(Value)) {
	if v.S[0] != '[' {
		f(v)
		return
	}
	eachElement(v.S, func(raw []byte) { f(jsonValue(raw)) })
}

func (c *compiler) inTexts(l code, items []code, fold, not bool) code {
	set := map[string]bool{}
	var rest []func(*Runner) Value
	var lists []bool
	for _, k := range items {
		switch {
		case k.konst && fold:
			set[strings.ToLower(string(k.val.S))] = true
		case k.konst:
			set[string(k.val.S)] = true
		default:
			rest, lists = append(rest, c.run(k).eval), append(lists, k.typ == Dynamic)
		}
	}
	equal := func(a, b []byte) bool { return bytes.Equal(a, b) || fold && bytes.EqualFold(a, b) }
	le := c.run(l).eval
	k := code{typ: Bool, eval: func(m *Runner) Value {
		v := le(m)
		s := v.S
		if fold {
			s = m.lower(v).S
		}
		found := set[string(s)]
		for i := 0; i < len(rest) && !found; i++ {
			w := rest[i](m)
			if lists[i] && w.OK {
				m.eachItem(w, func(item Value) { found = found || equal(v.S, m.convert(item, Dynamic, String).S) })
			} else {
				found = equal(v.S, w.S)
			}
		}
		return boolValue(found != not)
	}}
	if l.konst && len(rest) == 0 && c.fold {
		return c.constant(k)
	}
	return k
}

// hasList compiles has_any and has_all.
func (c *compiler) hasList(x *inList, l code, items []code) (code, error) {
	var terms [][]byte
	var rest []func(*Runner) Value
	for _, k := range items {
		if k.konst {
			terms = append(terms, bytes.ToLower(appendText(nil, k.typ, k.val)))
		} else {
			rest = append(rest, c.run(c.cast(k, Dynamic)).eval)
		}
	}
	all := x.op == "has_all"
	return c.map1(l, Bool, func(m *Runner, v Value) Value {
		s := m.lower(v).S
		for _, t := range terms {
			if hasTerm(s, t, true, true) != all {
				return boolValue(!all)
			}
		}
		decided := false
		for _, e := range rest {
			w := e(m)
			if !w.OK {
				continue
			}
			m.eachItem(w, func(item Value) {
				t := m.lower(m.convert(item, Dynamic, String)).S
				decided = decided || hasTerm(s, t, true, true) != all
			})
		}
		return boolValue(decided != all)
	}), nil
}

func (c *compiler) between(x *between) (code, error) {
	op := "between"
	if x.not {
		op = "!between"
	}
	if c.dialect == DCRDialect {
		return code{}, c.errorf(x.pos, "%s", c.dialect.refuse("the operator", op))
	}
	var k [3]code
	for i, e := range []expr{x.x, x.lo, x.hi} {
		var err error
		if k[i], err = c.expr(e); err != nil {
			return k[i], err
		}
	}
	if k[0].typ == Datetime && k[2].typ == Timespan { // between (t .. 1d)
		k[2] = c.ticks("+", k[1], k[2], Datetime)
	}
	v, lo, ok1 := c.comparable(k[0], k[1])
	w, hi, ok2 := c.comparable(k[0], k[2])
	fits := func(bound Type) bool {
		t := k[0].typ
		return t != Bool && bound != Bool && ordered(t, bound) && !(t == Dynamic && bound == Dynamic)
	}
	if !ok1 || !ok2 || !fits(k[1].typ) || !fits(k[2].typ) {
		return code{}, c.errorf(x.pos, "%s cannot compare %s with %s and %s", op, k[0].typ, k[1].typ, k[2].typ)
	}
	ge := c.compareOrdered(v, lo, func(d int) bool { return d >= 0 })
	le := c.compareOrdered(w, hi, func(d int) bool { return d <= 0 })
	return c.map2(ge, le, Bool, func(_ *Runner, a, b Value) Value {
		if !a.OK || !b.OK {
			return null
		}
		return boolValue((a.N != 0 && b.N != 0) != x.not)
	}), nil
}

func (c *compiler) compareOrdered(l, r code, test func(int) bool) code {
	if l.typ == Dynamic {
		return c.compareDynamic(l, r, false, test)
	}
	order := ordering(l.typ)
	return c.map2(l, r, Bool, func(_ *Runner, a, b Value) Value {
		if !a.OK || !b.OK {
			return null
		}
		return boolValue(test(order(a, b)))
	})
}
