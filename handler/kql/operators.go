package kql

import (
	"bytes"
	"math"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

func isNumber(t Type) bool { return t == Int || t == Long || t == Real || t == Decimal }
func isReal(t Type) bool   { return t == Real || t == Decimal }

func (c *compiler) negate(k code, pos int) (code, error) {
	switch {
	case k.typ == Dynamic:
		k = c.cast(k, Real)
	case !isNumber(k.typ) && k.typ != Timespan:
		return k, c.errorf(pos, "- needs a number or a timespan, not a %s", k.typ)
	}
	return c.map1(k, k.typ, func(_ *Runner, v Value) Value { v.N, v.F = -v.N, -v.F; return v }), nil
}

func (c *compiler) binary(x *binary) (code, error) {
	l, err := c.expr(x.l)
	if err != nil {
		return l, err
	}
	r, err := c.expr(x.r)
	if err != nil {
		return r, err
	}
	switch x.op {
	case "and", "or":
		return c.logic(x, c.cast(l, Bool), c.cast(r, Bool)), nil
	case "+", "-", "*", "/", "%":
		return c.arithmetic(x, l, r)
	case "==", "!=", "<", ">", "<=", ">=":
		return c.compare(x, l, r)
	case "=~", "!~":
		eq := x.op == "=~"
		return c.map2(c.cast(l, String), c.cast(r, String), Bool, func(_ *Runner, a, b Value) Value {
			return boolValue(bytes.EqualFold(a.S, b.S) == eq)
		}), nil
	case "matches regex":
		return c.matches(x, l, r)
	}
	return c.textOperator(x, c.cast(l, String), c.cast(r, String))
}

// logic is three-valued: what is null decides nothing.
func (c *compiler) logic(x *binary, l, r code) code {
	le, re := c.run(l).eval, c.run(r).eval
	decisive := int64(0) // false decides an and
	if x.op == "or" {
		decisive = 1
	}
	k := code{typ: Bool, eval: func(m *Runner) Value {
		a := le(m)
		if a.OK && a.N == decisive {
			return a
		}
		b := re(m)
		if b.OK && b.N == decisive {
			return b
		}
		if !a.OK || !b.OK {
			return null
		}
		return boolValue(decisive == 0)
	}}
	if l.konst && r.konst {
		return constant(Bool, k.eval(nil))
	}
	return k
}

func (c *compiler) arithmetic(x *binary, l, r code) (code, error) {
	if l.typ == Dynamic {
		l = c.cast(l, numberFor(r.typ))
	}
	if r.typ == Dynamic {
		r = c.cast(r, numberFor(l.typ))
	}
	lt, rt := l.typ, r.typ
	switch {
	case isNumber(lt) && isNumber(rt):
		if isReal(lt) || isReal(rt) {
			return c.realArithmetic(x.op, c.cast(l, Real), c.cast(r, Real)), nil
		}
		t := Long
		if lt == Int && rt == Int {
			t = Int
		}
		return c.longArithmetic(x.op, l, r, t), nil
	case x.op == "-" && lt == Datetime && rt == Datetime,
		(x.op == "+" || x.op == "-") && lt == Timespan && rt == Timespan:
		return c.longArithmetic(x.op, l, r, Timespan), nil
	case (x.op == "+" || x.op == "-") && lt == Datetime && rt == Timespan:
		return c.longArithmetic(x.op, l, r, Datetime), nil
	case x.op == "+" && lt == Timespan && rt == Datetime:
		return c.longArithmetic(x.op, l, r, Datetime), nil
	case x.op == "/" && lt == Timespan && rt == Timespan:
		return c.map2(l, r, Real, func(_ *Runner, a, b Value) Value {
			return Value{F: float64(a.N) / float64(b.N), OK: a.OK && b.OK && b.N != 0}
		}), nil
	case x.op == "*" && lt == Timespan && isNumber(rt), x.op == "/" && lt == Timespan && isNumber(rt):
		div := x.op == "/"
		return c.map2(l, c.cast(r, Real), Timespan, func(_ *Runner, a, b Value) Value {
			f := b.F
			if div {
				f = 1 / f
			}
			v := realToLong(float64(a.N) * f)
			v.OK = v.OK && a.OK && b.OK
			return v
		}), nil
	case x.op == "*" && isNumber(lt) && rt == Timespan:
		return c.arithmetic(&binary{x.pos, "*", x.r, x.l}, r, l)
	}
	return code{}, c.errorf(x.pos, "%s cannot be applied to %s and %s", x.op, lt, rt)
}

func numberFor(other Type) Type {
	if other == Dynamic {
		return Real
	}
	return other
}

func (c *compiler) realArithmetic(op string, l, r code) code {
	f := map[string]func(a, b float64) float64{
		"+": func(a, b float64) float64 { return a + b },
		"-": func(a, b float64) float64 { return a - b },
		"*": func(a, b float64) float64 { return a * b },
		"/": func(a, b float64) float64 { return a / b },
		"%": math.Mod,
	}[op]
	return c.map2(l, r, Real, func(_ *Runner, a, b Value) Value { return Value{F: f(a.F, b.F), OK: a.OK && b.OK} })
}

func (c *compiler) longArithmetic(op string, l, r code, t Type) code {
	return c.map2(l, r, t, func(_ *Runner, a, b Value) Value {
		v := Value{OK: a.OK && b.OK}
		switch op {
		case "+":
			v.N = a.N + b.N
		case "-":
			v.N = a.N - b.N
		case "*":
			v.N = a.N * b.N
		default:
			if b.N == 0 {
				return null
			}
			if op == "/" {
				v.N = a.N / b.N
			} else if v.N = a.N % b.N; v.N < 0 { // the result of % is never negative in Kusto
				v.N += max(b.N, -b.N)
			}
		}
		switch {
		case t == Int:
			v = toInt(v)
		case t == Datetime && (v.N < 0 || v.N > maxDatetime):
			return null
		}
		return v
	})
}

// compare follows Kusto's rules for nulls: two nulls compare as null, a null
// and a value are unequal, and no order holds between them.
func (c *compiler) compare(x *binary, l, r code) (code, error) {
	l, r, ok := c.comparable(l, r)
	if !ok {
		return code{}, c.errorf(x.pos, "%s cannot compare %s with %s", x.op, l.typ, r.typ)
	}
	test := map[string]func(int) bool{
		"==": func(d int) bool { return d == 0 }, "!=": func(d int) bool { return d != 0 },
		"<": func(d int) bool { return d < 0 }, "<=": func(d int) bool { return d <= 0 },
		">": func(d int) bool { return d > 0 }, ">=": func(d int) bool { return d >= 0 },
	}[x.op]
	order := ordering(l.typ)
	unequal := x.op == "!="
	if l.typ == String {
		return c.map2(l, r, Bool, func(_ *Runner, a, b Value) Value { return boolValue(test(bytes.Compare(a.S, b.S))) }), nil
	}
	return c.map2(l, r, Bool, func(_ *Runner, a, b Value) Value {
		if a.OK && b.OK {
			return boolValue(test(order(a, b)))
		}
		if !a.OK && !b.OK {
			return null
		}
		return boolValue(unequal)
	}), nil
}

// comparable brings two values to one type.
func (c *compiler) comparable(l, r code) (code, code, bool) {
	lt, rt := l.typ, r.typ
	switch {
	case lt == Dynamic && rt == Dynamic:
		return c.cast(l, String), c.cast(r, String), true
	case lt == Dynamic:
		return c.cast(l, rt), r, true
	case rt == Dynamic:
		return l, c.cast(r, lt), true
	case lt == rt:
		return l, r, true
	case isNumber(lt) && isNumber(rt):
		if isReal(lt) || isReal(rt) {
			return c.cast(l, Real), c.cast(r, Real), true
		}
		return c.cast(l, Long), c.cast(r, Long), true
	case lt == String && rt == GUID || lt == GUID && rt == String:
		return c.cast(l, String), c.cast(r, String), true
	case lt == String && (rt == Datetime || rt == Timespan) && l.konst:
		return c.cast(l, rt), r, true
	case rt == String && (lt == Datetime || lt == Timespan) && r.konst:
		return l, c.cast(r, lt), true
	case lt == Bool && isNumber(rt) || rt == Bool && isNumber(lt):
		return c.cast(l, Long), c.cast(r, Long), true
	}
	return l, r, false
}

func ordering(t Type) func(a, b Value) int {
	switch {
	case isReal(t):
		return func(a, b Value) int {
			switch {
			case a.F < b.F:
				return -1
			case a.F > b.F:
				return 1
			}
			return 0
		}
	case t == String || t == GUID:
		return func(a, b Value) int { return bytes.Compare(a.S, b.S) }
	}
	return func(a, b Value) int {
		switch {
		case a.N < b.N:
			return -1
		case a.N > b.N:
			return 1
		}
		return 0
	}
}

func (c *compiler) matches(x *binary, l, r code) (code, error) {
	if !r.konst {
		return code{}, c.errorf(x.pos, "the regular expression has to be a constant")
	}
	re, err := regexp.Compile(string(r.val.S))
	if err != nil {
		return code{}, c.errorf(x.r.position(), "%v", err)
	}
	return c.map1(c.cast(l, String), Bool, func(_ *Runner, v Value) Value { return boolValue(re.Match(v.S)) }), nil
}

// textOperator compiles contains, has, startswith, … and their variants.
func (c *compiler) textOperator(x *binary, l, r code) (code, error) {
	op, not := strings.CutPrefix(x.op, "!")
	op, cs := strings.CutSuffix(op, "_cs")
	test := map[string]func(s, sub []byte) bool{
		"contains": bytes.Contains, "startswith": bytes.HasPrefix, "endswith": bytes.HasSuffix,
		"has":       func(s, sub []byte) bool { return hasTerm(s, sub, true, true) },
		"hasprefix": func(s, sub []byte) bool { return hasTerm(s, sub, true, false) },
		"hassuffix": func(s, sub []byte) bool { return hasTerm(s, sub, false, true) },
	}[op]
	if cs || r.konst && bytes.Equal(bytes.ToLower(r.val.S), bytes.ToUpper(r.val.S)) { // no letters: case does not matter
		return c.map2(l, r, Bool, func(_ *Runner, a, b Value) Value { return boolValue(test(a.S, b.S) != not) }), nil
	}
	if r.konst {
		r.val.S = bytes.ToLower(r.val.S)
	} else {
		r = c.map1(r, String, func(m *Runner, v Value) Value { return m.lower(v) })
	}
	return c.map2(l, r, Bool, func(m *Runner, a, b Value) Value {
		return boolValue(test(m.lower(a).S, b.S) != not)
	}), nil
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

func (c *compiler) inList(x *inList) (code, error) {
	l, err := c.expr(x.x)
	if err != nil {
		return l, err
	}
	fold, not := strings.HasSuffix(x.op, "~"), strings.HasPrefix(x.op, "!")
	if x.op == "has_any" || x.op == "has_all" {
		return c.hasList(x, l)
	}
	if l.typ == Dynamic {
		l = c.cast(l, String)
	}
	var items []code
	for _, e := range x.list {
		k, err := c.expr(e)
		if err != nil {
			return k, err
		}
		if k.typ == Dynamic && k.konst { // a list in one constant: in (dynamic(['a', 'b']))
			eachElement(k.val.S, func(raw []byte) {
				items = append(items, c.cast(constant(Dynamic, jsonValue(bytes.Clone(raw))), l.typ))
			})
			continue
		}
		a, b, ok := c.comparable(l, k)
		if !ok || a.typ != l.typ {
			return k, c.errorf(e.position(), "%s cannot be in a list with %s", l.typ, k.typ)
		}
		items = append(items, b)
	}
	if l.typ == String {
		return c.inTexts(l, items, fold, not), nil
	}
	order := ordering(l.typ)
	le := c.run(l).eval
	evals := make([]func(*Runner) Value, len(items))
	for i := range items {
		evals[i] = c.run(items[i]).eval
	}
	return code{typ: Bool, eval: func(m *Runner) Value {
		v := le(m)
		for _, e := range evals {
			if w := e(m); v.OK && w.OK && order(v, w) == 0 {
				return boolValue(!not)
			}
		}
		return boolValue(not)
	}}, nil
}

func (c *compiler) inTexts(l code, items []code, fold, not bool) code {
	set := map[string]bool{}
	var rest []func(*Runner) Value
	for _, k := range items {
		switch {
		case k.konst && fold:
			set[strings.ToLower(string(k.val.S))] = true
		case k.konst:
			set[string(k.val.S)] = true
		default:
			rest = append(rest, c.run(k).eval)
		}
	}
	return c.map1(l, Bool, func(m *Runner, v Value) Value {
		s := v.S
		if fold {
			s = m.lower(v).S
		}
		found := set[string(s)]
		for i := 0; i < len(rest) && !found; i++ {
			w := rest[i](m)
			found = bytes.Equal(v.S, w.S) || fold && bytes.EqualFold(v.S, w.S)
		}
		return boolValue(found != not)
	})
}

func (c *compiler) hasList(x *inList, l code) (code, error) {
	var terms [][]byte
	for _, e := range x.list {
		k, err := c.expr(e)
		switch {
		case err != nil:
			return k, err
		case !k.konst:
			return k, c.errorf(e.position(), "%s needs constants", x.op)
		case k.typ == Dynamic:
			eachElement(k.val.S, func(raw []byte) {
				terms = append(terms, bytes.ToLower(appendText(nil, Dynamic, jsonValue(raw))))
			})
		default:
			terms = append(terms, bytes.ToLower(appendText(nil, k.typ, k.val)))
		}
	}
	all := x.op == "has_all"
	return c.map1(c.cast(l, String), Bool, func(m *Runner, v Value) Value {
		s := m.lower(v).S
		for _, t := range terms {
			if hasTerm(s, t, true, true) != all {
				return boolValue(!all)
			}
		}
		return boolValue(all)
	}), nil
}

func (c *compiler) between(x *between) (code, error) {
	var k [3]code
	for i, e := range []expr{x.x, x.lo, x.hi} {
		var err error
		if k[i], err = c.expr(e); err != nil {
			return k[i], err
		}
	}
	if k[0].typ == Datetime && k[2].typ == Timespan { // between (t .. 1d)
		k[2] = c.longArithmetic("+", k[1], k[2], Datetime)
	}
	v, lo, ok1 := c.comparable(k[0], k[1])
	w, hi, ok2 := c.comparable(k[0], k[2])
	if !ok1 || !ok2 {
		return code{}, c.errorf(x.pos, "between cannot compare %s with %s and %s", k[0].typ, k[1].typ, k[2].typ)
	}
	ve, le, we, he := c.run(v).eval, c.run(lo).eval, c.run(w).eval, c.run(hi).eval
	from, to := ordering(v.typ), ordering(w.typ)
	return code{typ: Bool, eval: func(m *Runner) Value {
		a, l, b, h := ve(m), le(m), we(m), he(m)
		if !a.OK || !l.OK || !h.OK {
			return null
		}
		return boolValue((from(a, l) >= 0 && to(b, h) <= 0) != x.not)
	}}, nil
}
