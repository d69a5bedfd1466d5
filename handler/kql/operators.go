package kql

import (
	"bytes"
	"math"
	"strconv"

	"github.com/sluice-connectors/sluice/handler/scan"
)

func isNumber(t Type) bool { return t == Int || t == Long || t == Real || t == Decimal }
func isWhole(t Type) bool  { return t == Int || t == Long }

// widest is the type of two numbers that can hold both.
func widest(a, b Type) Type {
	return max(a, b) // Int < Long < Real < Decimal
}

func (c *compiler) negate(k code, pos int) (code, error) {
	switch k.typ {
	case Dynamic:
		zero := c.cast(constant(Long, longValue(0)), Dynamic)
		return c.dynamicArithmetic("-", zero, k), nil
	case Decimal:
		return c.map1(k, Decimal, func(_ *Runner, v Value) Value {
			if !v.OK {
				return null
			}
			return decimalArithmetic("-", textValue("0"), v)
		}), nil
	case Int, Long, Real, Timespan:
	default:
		return k, c.errorf(pos, "- needs a number or a timespan, not a %s", k.typ)
	}
	t := k.typ
	if t == Int {
		t = Long
	}
	if t == Real {
		return c.map1(k, t, func(_ *Runner, v Value) Value { v.F = -v.F; return v }), nil
	}
	return c.ticks("-", constant(t, longValue(0)), k, t), nil
}

func (c *compiler) binary(x *infix) (code, error) {
	if c.dialect == DCRDialect && !dcrOperators[x.op] {
		return code{}, c.errorf(x.pos, "%s", c.dialect.refuse("the operator", x.op))
	}
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
		return c.logic(x, l, r)
	case "+", "-", "*", "/", "%":
		return c.arithmetic(x, l, r)
	case "==", "!=", "<", ">", "<=", ">=":
		return c.compare(x, l, r)
	}
	for _, k := range []code{l, r} {
		if k.typ != String && k.typ != Dynamic {
			return code{}, c.errorf(x.pos, "%s compares texts, not a %s: write tostring(…)", x.op, k.typ)
		}
	}
	l, r = c.cast(l, String), c.cast(r, String)
	switch x.op {
	case "=~", "!~":
		eq := x.op == "=~"
		return c.map2(l, r, Bool, func(_ *Runner, a, b Value) Value {
			return boolValue(bytes.EqualFold(a.S, b.S) == eq)
		}), nil
	case "matches regex":
		return c.matches(x, l, r)
	}
	return c.textOperator(x, l, r), nil
}

// logic is three-valued: what is null decides nothing.
func (c *compiler) logic(x *infix, l, r code) (code, error) {
	for _, k := range []code{l, r} {
		if k.typ != Bool && k.typ != Dynamic {
			return code{}, c.errorf(x.pos, "%s needs bools, not a %s%s", x.op, k.typ, converter(kindBool, k.typ))
		}
	}
	l, r = c.cast(l, Bool), c.cast(r, Bool)
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
	if l.konst && r.konst && c.fold {
		return c.constant(k), nil
	}
	return k, nil
}

func (c *compiler) arithmetic(x *infix, l, r code) (code, error) {
	lt, rt := l.typ, r.typ
	plus, minus := x.op == "+", x.op == "-"
	switch {
	case isNumber(lt) && isNumber(rt):
		return c.numbers(x.op, l, r), nil
	case lt == Dynamic && rt == Dynamic:
		return c.dynamicArithmetic(x.op, l, r), nil
	case lt == Dynamic && isNumber(rt):
		return c.numbers(x.op, c.dynamicNumber(l, rt), r), nil
	case rt == Dynamic && isNumber(lt):
		return c.numbers(x.op, l, c.dynamicNumber(r, lt)), nil
	case (plus || minus) && (lt == Datetime || lt == Timespan) && rt == Dynamic:
		if minus && lt == Datetime {
			return c.ticks(x.op, l, c.cast(r, Datetime), Timespan), nil
		}
		return c.ticks(x.op, l, c.cast(r, Timespan), lt), nil
	case (plus || minus) && lt == Dynamic && rt == Timespan:
		return c.ticks(x.op, c.cast(l, Timespan), r, Timespan), nil
	case plus && lt == Dynamic && rt == Datetime:
		return c.ticks(x.op, c.cast(l, Timespan), r, Datetime), nil
	case minus && lt == Dynamic && rt == Datetime:
		return c.ticks(x.op, c.cast(l, Datetime), r, Timespan), nil
	case minus && lt == Datetime && rt == Datetime, (plus || minus) && lt == Timespan && rt == Timespan,
		x.op == "%" && (lt == Timespan || lt == Datetime) && rt == Timespan:
		return c.ticks(x.op, l, r, Timespan), nil
	case (plus || minus) && lt == Datetime && rt == Timespan, plus && lt == Timespan && rt == Datetime:
		return c.ticks(x.op, l, r, Datetime), nil
	case x.op == "/" && lt == Timespan && rt == Timespan:
		return c.map2(l, r, Real, func(_ *Runner, a, b Value) Value {
			return Value{F: float64(a.N) / float64(b.N), OK: a.OK && b.OK && b.N != 0}
		}), nil
	case (x.op == "*" || x.op == "/") && lt == Timespan && isNumber(rt):
		return c.scale(x.op, l, r), nil
	case x.op == "*" && isNumber(lt) && rt == Timespan:
		return c.scale(x.op, r, l), nil
	}
	return code{}, c.errorf(x.pos, "%s cannot be applied to %s and %s%s", x.op, lt, rt, hintFor(x.op, lt, rt))
}

func hintFor(op string, l, r Type) string {
	if op == "+" && (l == String || r == String) {
		return ": join texts with strcat(…)"
	}
	return ""
}

// scale multiplies a timespan with a number, or divides it.
func (c *compiler) scale(op string, l, r code) code {
	return c.map2(l, c.cast(r, Real), Timespan, func(_ *Runner, a, b Value) Value {
		f := b.F
		if op == "/" {
			f = 1 / f
		}
		v := realToLong(float64(a.N) * f)
		v.OK = v.OK && a.OK && b.OK
		return v
	})
}

func (c *compiler) numbers(op string, l, r code) code {
	switch t := widest(l.typ, r.typ); t {
	case Decimal:
		return c.map2(c.cast(l, t), c.cast(r, t), t, func(m *Runner, a, b Value) Value {
			if !a.OK || !b.OK {
				return null
			}
			return m.or(decimalArithmetic(op, a, b))
		})
	case Real:
		f := realOperators[op]
		return c.map2(c.cast(l, t), c.cast(r, t), t, func(_ *Runner, a, b Value) Value { return Value{F: f(a.F, b.F), OK: a.OK && b.OK} })
	}
	return c.ticks(op, l, r, Long)
}

var realOperators = map[string]func(a, b float64) float64{
	"+": func(a, b float64) float64 { return a + b },
	"-": func(a, b float64) float64 { return a - b },
	"*": func(a, b float64) float64 { return a * b },
	"/": func(a, b float64) float64 { return a / b },
	"%": func(a, b float64) float64 {
		f := math.Mod(a, b)
		if f < 0 {
			f += math.Abs(b)
		}
		return f
	},
}

// ticks calculates with whole numbers, of which times are made too.
func (c *compiler) ticks(op string, l, r code, t Type) code {
	return c.map2(l, r, t, func(m *Runner, a, b Value) Value {
		if !a.OK || !b.OK {
			return null
		}
		v := wholeArithmetic(op, a.N, b.N)
		if t == Datetime {
			v.OK = v.OK && v.N >= 0 && v.N <= maxDatetime
		}
		return m.or(v)
	})
}

// or returns v, and notes that something was odd if it is null.
func (m *Runner) or(v Value) Value {
	m.odd = m.odd || !v.OK
	return v
}

// wholeArithmetic is null where there is no result, or none of 64 bits.
func wholeArithmetic(op string, a, b int64) Value {
	switch op {
	case "+":
		n := a + b
		return Value{N: n, OK: (n > a) == (b > 0)}
	case "-":
		n := a - b
		return Value{N: n, OK: (n < a) == (b > 0)}
	case "*":
		return product(a, b)
	}
	if b == 0 || a == math.MinInt64 && b == -1 && op == "/" {
		return null
	}
	if op == "/" {
		return longValue(a / b)
	}
	n := a % b
	if n < 0 { // the result of % is never negative in Kusto
		if n += b; b < 0 {
			n -= 2 * b
		}
	}
	return longValue(n)
}

// product is a times b, or null where no 64 bits hold it.
func product(a, b int64) Value {
	n := a * b
	return Value{N: n, OK: a == 0 || n/a == b && (a != -1 || b != math.MinInt64)}
}

// dynamicNumber is a dynamic value as a number that goes with one of type t: a
// fraction stays one.
func (c *compiler) dynamicNumber(k code, t Type) code {
	if t == Int {
		t = Long
	}
	return c.cast(k, t)
}

// dynamicArithmetic calculates with two dynamic values; the result is dynamic.
func (c *compiler) dynamicArithmetic(op string, l, r code) code {
	f := realOperators[op]
	return c.map2(l, r, Dynamic, func(m *Runner, a, b Value) Value {
		x, y := m.number(a), m.number(b)
		if !a.OK || !b.OK {
			return null
		}
		if !x.OK || !y.OK {
			m.odd = true
			return null
		}
		if x.whole && y.whole {
			v := m.or(wholeArithmetic(op, x.n, y.n))
			return m.convert(v, Long, Dynamic)
		}
		return m.convert(realValue(f(x.f, y.f)), Real, Dynamic)
	})
}

// num is a dynamic value as a number.
type num struct {
	n     int64
	f     float64
	whole bool
	OK    bool
}

func (m *Runner) number(v Value) num {
	if !v.OK {
		return num{}
	}
	s := v.S
	if scan.KindOf(s[0]) == scan.String {
		s = s[1 : len(s)-1]
	} else if scan.KindOf(s[0]) != scan.Number {
		return num{}
	}
	if n, ok := parseDigits(s); ok {
		return num{n, float64(n), true, true}
	}
	if n, err := strconv.ParseInt(string(s), 10, 64); err == nil {
		return num{n, float64(n), true, true}
	}
	f, err := strconv.ParseFloat(string(s), 64)
	return num{f: f, OK: err == nil}
}

// compare follows Kusto's rules for nulls: a null and a value are unequal, and
// any other comparison with a null is null.
func (c *compiler) compare(x *infix, l, r code) (code, error) {
	equality := x.op == "==" || x.op == "!="
	lt, rt := l.typ, r.typ
	l, r, ok := c.comparable(l, r)
	t := l.typ
	if !ok || !equality && !ordered(lt, rt) {
		hint := ""
		switch {
		case lt == String && rt == String && c.dialect == DCRDialect:
			hint = ": texts have no order in a data collection rule (dialect dcr)"
		case lt == String && rt == String:
			hint = ": order texts with strcmp(…)"
		case lt == Dynamic:
			hint = converter(kindOf(rt), lt)
		case rt == Dynamic:
			hint = converter(kindOf(lt), rt)
		}
		return code{}, c.errorf(x.pos, "%s cannot compare %s with %s%s", x.op, lt, rt, hint)
	}
	test := map[string]func(int) bool{
		"==": func(d int) bool { return d == 0 }, "!=": func(d int) bool { return d != 0 },
		"<": func(d int) bool { return d < 0 }, "<=": func(d int) bool { return d <= 0 },
		">": func(d int) bool { return d > 0 }, ">=": func(d int) bool { return d >= 0 },
	}[x.op]
	unequal := x.op == "!="
	if t == String {
		return c.map2(l, r, Bool, func(_ *Runner, a, b Value) Value { return boolValue(bytes.Equal(a.S, b.S) != unequal) }), nil
	}
	if t == Dynamic {
		return c.compareDynamic(l, r, equality, test), nil
	}
	order := ordering(t)
	return c.map2(l, r, Bool, func(_ *Runner, a, b Value) Value {
		switch {
		case a.OK && b.OK:
			return boolValue(test(order(a, b)))
		case a.OK == b.OK || !equality:
			return null
		}
		return boolValue(unequal)
	}), nil
}

// ordered reports whether < and > mean something between two types that can be
// compared. A dynamic value has an order among numbers only.
func ordered(l, r Type) bool {
	if l == Dynamic || r == Dynamic {
		return l == r || isNumber(l) || isNumber(r)
	}
	return l != String && l != GUID && r != String && r != GUID
}

func kindOf(t Type) kind {
	return map[Type]kind{String: kindString, Datetime: kindDatetime, Timespan: kindTimespan, GUID: kindGUID, Bool: kindBool}[t]
}

// compareDynamic compares two dynamic values: numbers as such, others as text.
func (c *compiler) compareDynamic(l, r code, equality bool, test func(int) bool) code {
	return c.map2(l, r, Bool, func(m *Runner, a, b Value) Value {
		switch x, y := m.number(a), m.number(b); {
		case !a.OK && !b.OK:
			return null
		case a.OK && b.OK && x.whole && y.whole:
			return boolValue(test(compareInts(x.n, y.n)))
		case a.OK && b.OK && x.OK && y.OK:
			return boolValue(test(compareFloats(x.f, y.f)))
		case !equality:
			return null
		case a.OK != b.OK:
			return boolValue(test(1))
		}
		same := bytes.Equal(appendText(nil, Dynamic, a), appendText(nil, Dynamic, b))
		if same {
			return boolValue(test(0))
		}
		return boolValue(test(1))
	})
}

// comparable brings two values to one type.
func (c *compiler) comparable(l, r code) (code, code, bool) {
	lt, rt := l.typ, r.typ
	switch {
	case lt == rt:
		return l, r, true
	case lt == Dynamic && isWhole(rt), rt == Dynamic && isWhole(lt): // the dynamic one may be a fraction
		return c.cast(l, Dynamic), c.cast(r, Dynamic), true
	case lt == Dynamic:
		return c.cast(l, rt), r, true
	case rt == Dynamic:
		return l, c.cast(r, lt), true
	case isNumber(lt) && isNumber(rt):
		t := widest(lt, rt)
		return c.cast(l, t), c.cast(r, t), true
	case lt == String && rt == GUID || lt == GUID && rt == String:
		return c.cast(l, GUID), c.cast(r, GUID), true
	case lt == String && (rt == Datetime || rt == Timespan) && l.konst:
		return c.cast(l, rt), r, true
	case rt == String && (lt == Datetime || lt == Timespan) && r.konst:
		return l, c.cast(r, lt), true
	case lt == Bool && isNumber(rt):
		return c.cast(c.cast(l, Long), rt), r, true
	case rt == Bool && isNumber(lt):
		return l, c.cast(c.cast(r, Long), lt), true
	}
	return l, r, false
}

func compareInts(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// compareFloats orders reals; NaN is unequal to everything.
func compareFloats(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a == b:
		return 0
	}
	return 1
}

func ordering(t Type) func(a, b Value) int {
	switch t {
	case Real:
		return func(a, b Value) int { return compareFloats(a.F, b.F) }
	case Decimal:
		return func(a, b Value) int { return a.decimal().Cmp(b.decimal()) }
	case String, GUID, Dynamic:
		return func(a, b Value) int { return bytes.Compare(a.S, b.S) }
	}
	return func(a, b Value) int { return compareInts(a.N, b.N) }
}
