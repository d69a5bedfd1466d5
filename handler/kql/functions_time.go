package kql

import (
	"math"
	"strings"
)

// The functions over time, and bin, which serves numbers too.

func now(c *compiler, _ *call, args []code) (code, error) {
	k := code{typ: Datetime, eval: func(m *Runner) Value { return longValue(fromTime(m.Now())) }}
	if len(args) == 1 {
		return c.map2(k, c.cast(args[0], Timespan), Datetime, func(_ *Runner, t, d Value) Value { return Value{N: t.N + d.N, OK: d.OK} }), nil
	}
	return k, nil
}

func ago(c *compiler, x *call, args []code) (code, error) {
	k, _ := now(c, x, nil)
	return c.map2(k, c.cast(args[0], Timespan), Datetime, func(_ *Runner, t, d Value) Value { return Value{N: t.N - d.N, OK: d.OK} }), nil
}

func datetimeAdd(c *compiler, x *call, args []code) (code, error) {
	if !args[0].konst {
		return code{}, c.errorf(x.pos, "the unit of datetime_add has to be a constant")
	}
	unit := strings.ToLower(string(args[0].val.S))
	months := map[string]int{"month": 1, "quarter": 3, "year": 12}[unit]
	ticks := map[string]int64{
		"week": 7 * ticksPerDay, "day": ticksPerDay, "hour": 3600 * ticksPerSec, "minute": 60 * ticksPerSec, "second": ticksPerSec,
		"millisecond": ticksPerMs, "microsecond": ticksPerMicro, "nanosecond": 0,
	}
	if _, ok := ticks[unit]; !ok && months == 0 {
		return code{}, c.errorf(x.pos, "datetime_add does not know the unit %q", unit)
	}
	return c.map2(c.cast(args[1], Long), c.cast(args[2], Datetime), Datetime, func(_ *Runner, n, t Value) Value {
		switch {
		case !n.OK || !t.OK:
			return null
		case months > 0:
			t.N = addMonths(t.N, int(n.N)*months)
		case unit == "nanosecond":
			t.N += n.N / 100
		default:
			t.N += n.N * ticks[unit]
		}
		t.OK = t.N >= 0 && t.N <= maxDatetime
		return t
	}), nil
}

// addMonths keeps the day, or takes the last one of a shorter month.
func addMonths(t int64, n int) int64 {
	y, m, d := civil(t / ticksPerDay)
	total := y*12 + m - 1 + n
	if total < 12 {
		return -1
	}
	y, m = total/12, total%12+1
	return days(y, m, min(d, daysIn(y, m)))*ticksPerDay + t%ticksPerDay
}

func bin(c *compiler, x *call, args []code) (code, error) {
	v, size := args[0], args[1]
	switch {
	case (v.typ == Datetime || v.typ == Timespan) && size.typ == Timespan, v.typ == Long && (size.typ == Long || size.typ == Int), v.typ == Int && isNumber(size.typ) && !isReal(size.typ):
		return c.map2(v, size, v.typ, func(_ *Runner, a, b Value) Value {
			if !a.OK || !b.OK || b.N == 0 {
				return null
			}
			r := a.N % b.N
			if r < 0 {
				r += b.N
			}
			return longValue(a.N - r)
		}), nil
	case (isNumber(v.typ) || v.typ == Dynamic) && isNumber(size.typ):
		return c.map2(c.cast(v, Real), c.cast(size, Real), Real, func(_ *Runner, a, b Value) Value {
			return Value{F: math.Floor(a.F/b.F) * b.F, OK: a.OK && b.OK && b.F != 0}
		}), nil
	}
	return code{}, c.errorf(x.pos, "%s cannot be applied to %s and %s", x.fn, v.typ, size.typ)
}

func unixTime(unit int64) function {
	return function{1, 1, func(c *compiler, _ *call, args []code) (code, error) {
		return c.map1(c.cast(args[0], Real), Datetime, func(_ *Runner, v Value) Value {
			// A real is exact to the microsecond for times of this century.
			n := realToLong(math.Round(v.F * float64(unit) / ticksPerMicro))
			if !v.OK || !n.OK {
				return null
			}
			t := unixEpoch + n.N*ticksPerMicro
			return Value{N: t, OK: t >= 0 && t <= maxDatetime}
		}), nil
	}, nil}
}
