package kql

import (
	"math"
	"math/bits"
	"math/rand/v2"

	"github.com/cockroachdb/apd/v3"
)

// The functions over numbers.

func init() {
	topic = "Numbers"
	for name, f := range map[string]func(float64) float64{
		"sqrt": math.Sqrt, "log": math.Log, "log2": math.Log2, "log10": math.Log10, "exp": math.Exp, "exp2": math.Exp2,
		"exp10": func(x float64) float64 { return math.Pow(10, x) },
		"cos":   math.Cos, "sin": math.Sin, "tan": math.Tan, "acos": math.Acos, "asin": math.Asin, "atan": math.Atan,
		"gamma": math.Gamma, "loggamma": func(x float64) float64 { y, _ := math.Lgamma(x); return y }, "erf": math.Erf, "erfc": math.Erfc,
	} {
		real1(name, f).named(nameArgument, "")
	}
	real1("cot", func(x float64) float64 { return 1 / math.Tan(x) })
	real1("degrees", func(x float64) float64 { return x * 180 / math.Pi })
	real1("radians", func(x float64) float64 { return x * math.Pi / 180 })
	real1("sign", func(x float64) float64 {
		switch {
		case x > 0:
			return 1
		case x < 0:
			return -1
		}
		return x
	})
	pure("pi() real", func(*Runner, []Value) Value { return realValue(math.Pi) })
	pure("pow(base:real, exponent:real) real", func(m *Runner, a []Value) Value { return m.finite(math.Pow(a[0].F, a[1].F), a...) }).named(nameArgument, "")
	pure("atan2(y:real, x:real) real", func(_ *Runner, a []Value) Value { return realValue(math.Atan2(a[0].F, a[1].F)) }).named(nameArgument, "")
	pure("isnan(number:float) bool", func(_ *Runner, a []Value) Value { return boolValue(math.IsNaN(a[0].F)) })
	pure("isinf(number:float) bool", func(_ *Runner, a []Value) Value { return boolValue(math.IsInf(a[0].F, 0)) })
	pure("isfinite(number:float) bool", func(_ *Runner, a []Value) Value {
		return boolValue(!math.IsNaN(a[0].F) && !math.IsInf(a[0].F, 0))
	})
	built("abs(number:summable)", absolute).named(nameArgument, "")
	built("round(number:number, precision:const integer?)", round).named(nameArgument, "")
	built("ceiling(number:number)", ceiling).named(nameArgument, "")
	rnd := pure("rand(n:integer?) real", func(_ *Runner, a []Value) Value {
		if len(a) == 1 && a[0].N > 0 {
			return realValue(float64(rand.Int64N(a[0].N)))
		}
		return realValue(rand.Float64())
	}).named(nameArgument, "")
	rnd.varies = true

	for name, f := range map[string]func(a, b int64) int64{
		"binary_and": func(a, b int64) int64 { return a & b }, "binary_or": func(a, b int64) int64 { return a | b }, "binary_xor": func(a, b int64) int64 { return a ^ b },
		"binary_shift_left":  func(a, b int64) int64 { return a << uint(b&63) },
		"binary_shift_right": func(a, b int64) int64 { return a >> uint(b&63) },
	} {
		pure(name+"(a:integer, b:integer) long", func(_ *Runner, a []Value) Value { return longValue(f(a[0].N, a[1].N)) }).named(nameArgument, "")
	}
	pure("binary_not(value:integer) long", func(_ *Runner, a []Value) Value { return longValue(^a[0].N) }).named(nameArgument, "")
	pure("bitset_count_ones(value:integer) long", func(_ *Runner, a []Value) Value {
		return longValue(int64(bits.OnesCount64(uint64(a[0].N))))
	}).named(nameArgument, "")
}

// real1 declares a function of one real. Where it has no value the result is null.
func real1(name string, f func(float64) float64) *function {
	return pure(name+"(number:real) real", func(m *Runner, a []Value) Value { return m.finite(f(a[0].F), a...) })
}

// finite makes null of a result that is no number, unless an argument was none.
func (m *Runner) finite(f float64, a ...Value) Value {
	ok := !math.IsNaN(f)
	for _, v := range a {
		ok = ok || math.IsNaN(v.F)
	}
	return m.or(Value{F: f, OK: ok})
}

func absolute(c *compiler, x *call, a []code) (code, error) {
	t := a[0].typ
	switch t {
	case Datetime:
		return code{}, c.errorf(x.args[0].position(), "abs takes a number or a timespan, not a datetime")
	case Int:
		t = Long
	case Decimal:
		return c.onDecimal(a[0], func(d *apd.Decimal) { d.Abs(d) }), nil
	}
	return c.map1(a[0], t, func(m *Runner, v Value) Value {
		v.F = math.Abs(v.F)
		if v.OK && v.N < 0 {
			return m.or(wholeArithmetic("-", 0, v.N))
		}
		return v
	}), nil
}

func (c *compiler) onDecimal(k code, f func(*apd.Decimal)) code {
	return c.map1(k, Decimal, func(_ *Runner, v Value) Value {
		if !v.OK {
			return null
		}
		d := v.decimal()
		f(d)
		return decimalValue(d)
	})
}

func round(c *compiler, _ *call, a []code) (code, error) {
	digits := int64(0)
	if len(a) == 2 {
		digits = min(max(a[1].val.N, -30), 30)
	}
	switch t := a[0].typ; {
	case isWhole(t) && digits >= 0:
		return a[0], nil
	case t == Decimal:
		return c.onDecimal(a[0], func(d *apd.Decimal) { _, _ = decimals.Quantize(d, d, int32(-digits)) }), nil
	case isWhole(t):
		unit := int64(math.Pow(10, float64(min(-digits, 18))))
		return c.map1(a[0], t, func(m *Runner, v Value) Value {
			if !v.OK {
				return null
			}
			n, rest := v.N/unit, v.N%unit
			switch half := (unit + 1) / 2; {
			case rest >= half:
				n++
			case rest <= -half:
				n--
			}
			return m.or(product(n, unit))
		}), nil
	}
	scale := math.Pow(10, float64(digits))
	return c.map1(a[0], Real, func(_ *Runner, v Value) Value {
		if r := math.Round(v.F*scale) / scale; !math.IsNaN(r) && !math.IsInf(r, 0) {
			v.F = r
		}
		return v
	}), nil
}

func ceiling(c *compiler, _ *call, a []code) (code, error) {
	switch a[0].typ {
	case Real:
		return c.map1(a[0], Real, func(_ *Runner, v Value) Value { v.F = math.Ceil(v.F); return v }), nil
	case Decimal:
		return c.onDecimal(a[0], func(d *apd.Decimal) { _, _ = decimals.Ceil(d, d) }), nil
	}
	return a[0], nil
}
