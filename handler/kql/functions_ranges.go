package kql

import (
	"iter"
)

// series counts from one value to another.
func series(t Type, from, to, step Value) iter.Seq[Value] {
	return func(yield func(Value) bool) {
		if !from.OK || !to.OK || !step.OK {
			return
		}
		order := ordering(t)
		up := order(step, Value{OK: true, S: []byte("0")})
		if up == 0 {
			return
		}
		for v := from; order(v, to)*up <= 0; {
			if !yield(v) {
				return
			}
			next := Value{N: v.N + step.N, F: v.F + step.F, OK: true}
			if t == Decimal {
				next = decimalArithmetic("+", v, step)
			}
			if order(next, v)*up <= 0 { // beyond the largest number
				return
			}
			v = next
		}
	}
}

// maxRange is how many values range() gives at most; Kusto has the same limit.
const maxRange = 1 << 20

func rangeFunction(c *compiler, x *call, a []code) (code, error) {
	if len(a) == 2 {
		one := constant(Long, longValue(1))
		if a[0].typ == Datetime || a[0].typ == Timespan {
			one = constant(Timespan, longValue(ticksPerDay/24))
		}
		a = append(a, one)
	}
	t, step := a[0].typ, a[2].typ
	switch {
	case isNumber(t) && isNumber(a[1].typ) && isNumber(step):
		t = widest(widest(t, a[1].typ), step)
		step = t
	case (t == Datetime || t == Timespan) && a[1].typ == t && step == Timespan:
	default:
		return code{}, c.errorf(x.pos, "range cannot go from %s to %s by %s", t, a[1].typ, step)
	}
	args := []code{c.cast(a[0], t), c.cast(a[1], t), c.cast(a[2], step)}
	return c.apply(&function{result: Dynamic, eval: func(m *Runner, a []Value) Value {
		return m.makeJSON(func(dst []byte) []byte {
			dst = append(dst, '[')
			n := 0
			for v := range series(t, a[0], a[1], a[2]) {
				if n > 0 {
					dst = append(dst, ',')
				}
				if dst = appendDynamic(dst, t, v); n >= maxRange {
					break
				}
				n++
			}
			return append(dst, ']')
		})
	}}, args), nil
}

func repeat(c *compiler, _ *call, a []code) (code, error) {
	return c.apply(&function{result: Dynamic, nulls: true, eval: func(m *Runner, a []Value) Value {
		if !a[1].OK || a[1].N < 0 {
			return null
		}
		if !bounded(a[1].N, len(a[0].S)) {
			return m.or(null)
		}
		list := make([][]byte, a[1].N)
		for i := range list {
			list[i] = jsonOrNull(a[0])
		}
		return m.arrayOf(list)
	}}, []code{c.cast(a[0], Dynamic), a[1]}), nil
}

func strcatArray(m *Runner, a []Value) Value {
	if !isArray(a[0]) {
		return null
	}
	list := elementsOf(a[0])
	if !bounded(int64(len(list)), len(a[1].S)) {
		return m.or(null)
	}
	return m.make(func(dst []byte) []byte {
		for i, raw := range list {
			if i > 0 {
				dst = append(dst, a[1].S...)
			}
			dst = appendText(dst, Dynamic, jsonValue(raw))
		}
		return dst
	})
}
