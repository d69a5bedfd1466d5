package kql

import (
	"math"
	"strings"
	"time"
	_ "time/tzdata" // time zones, on machines that have none
)

// The functions over time, and bin, which serves numbers too.

func init() {
	topic = "Time"
	now := pure("now(offset:timespan?) datetime", func(m *Runner, a []Value) Value {
		t := fromTime(m.Now())
		if len(a) == 1 {
			t += a[0].N
		}
		return m.datetime(t)
	})
	ago := pure("ago(timespan:timespan) datetime", func(m *Runner, a []Value) Value { return m.datetime(fromTime(m.Now()) - a[0].N) })
	now.varies, ago.varies = true, true

	built("datetime_add(part:const string, amount:integer, datetime:datetime) datetime", datetimeAdd)
	built("datetime_diff(part:const string, a:datetime, b:datetime) long", datetimeDiff)
	built("datetime_part(part:const string, datetime:datetime) int", datetimePart).alias("datepart")
	for name, part := range map[string]string{
		"dayofmonth": "day", "dayofyear": "dayofyear", "hourofday": "hour", "getyear": "year", "getmonth": "month", "monthofyear": "month",
		"weekofyear": "week_of_year", "week_of_year": "week_of_year",
	} {
		f := parts[part]
		pure(name+"(datetime:datetime) int", func(_ *Runner, a []Value) Value { return longValue(f(a[0].N)) })
	}
	pure("dayofweek(datetime:datetime) timespan", func(_ *Runner, a []Value) Value { return longValue(weekday(a[0].N) * ticksPerDay) })
	for name, round := range roundings {
		step := func(m *Runner, a []Value, end int64) Value {
			n := int64(0)
			if len(a) == 2 {
				n = a[1].N
			}
			if n < -1e7 || n > 1e7 {
				return m.or(null)
			}
			return m.datetime(round(a[0].N, n+end) - end)
		}
		pure("startof"+name+"(datetime:datetime, offset:integer?) datetime", func(m *Runner, a []Value) Value { return step(m, a, 0) })
		pure("endof"+name+"(datetime:datetime, offset:integer?) datetime", func(m *Runner, a []Value) Value { return step(m, a, 1) })
	}
	functions["startofday"].named(nameArgument, "")

	built("make_datetime(year:scalar, month:number?, day:number?, hour:number?, minute:number?, second:number?) datetime", makeDatetime).named(nameOnly, "")
	built("make_timespan(a:scalar, b:integer?, c:integer?, d:integer?) timespan", makeTimespan).named(nameOnly, "")
	for unit, ticks := range map[string]int64{"seconds": ticksPerSec, "milliseconds": ticksPerMs, "microseconds": ticksPerMicro, "nanoseconds": 0} {
		built("unixtime_"+unit+"_todatetime(number:number) datetime", unixTime(ticks))
	}
	built("format_datetime(datetime:datetime, format:const string) string", formatFunction(false)).named(nameArgument, "")
	built("format_timespan(timespan:timespan, format:const string) string", formatFunction(true)).named(nameArgument, "")
	pure("datetime_utc_to_local(datetime:datetime, zone:string) datetime", zoned(toLocal))
	pure("datetime_local_to_utc(datetime:datetime, zone:string) datetime", zoned(toUTC))

	built("bin(value:summable, size:summable)", bin).named(nameArgument, "").alias("floor")
	built("bin_at(value:summable, size:summable, fixed:summable)", binAt).named(nameArgument, "")
}

// datetime is a datetime, or null when it is out of range.
func (m *Runner) datetime(ticks int64) Value {
	return m.or(inTime(longValue(ticks)))
}

// partTicks are the parts of a datetime that have a fixed length.
var partTicks = map[string]int64{
	"week": 7 * ticksPerDay, "day": ticksPerDay, "hour": 3600 * ticksPerSec, "minute": 60 * ticksPerSec, "second": ticksPerSec,
	"millisecond": ticksPerMs, "microsecond": ticksPerMicro,
}

var partMonths = map[string]int64{"month": 1, "quarter": 3, "year": 12}

func datetimeAdd(c *compiler, x *call, a []code) (code, error) {
	unit := strings.ToLower(string(a[0].val.S))
	months, ticks := partMonths[unit], partTicks[unit]
	if months == 0 && ticks == 0 && unit != "nanosecond" {
		return code{}, c.unknownPart(x, unit)
	}
	return c.map2(a[1], a[2], Datetime, func(m *Runner, n, t Value) Value {
		if !n.OK || !t.OK {
			return null
		}
		by := n.N / 100 // of nanoseconds
		switch {
		case n.N > 1e17 || n.N < -1e17 || ticks > 0 && (n.N > maxDatetime/ticks || n.N < -maxDatetime/ticks) || months > 0 && (n.N > 1e6 || n.N < -1e6):
			return m.or(null)
		case months > 0:
			return m.datetime(addMonths(t.N, n.N*months))
		case ticks > 0:
			by = n.N * ticks
		}
		return m.datetime(t.N + by)
	}), nil
}

func (c *compiler) unknownPart(x *call, unit string) error {
	return c.errorf(x.args[0].position(), "%s does not know the part %q of a time", x.fn, unit)
}

// addMonths keeps the day, or takes the last one of a shorter month. It is
// negative when there is no such time.
func addMonths(t, n int64) int64 {
	y, m, d := civil(t / ticksPerDay)
	total := int64(y*12+m-1) + n
	if total < 12 || total >= 10000*12 {
		return -1
	}
	y, m = int(total/12), int(total%12)+1
	return days(y, m, min(d, daysIn(y, m)))*ticksPerDay + t%ticksPerDay
}

// datetimeDiff counts the borders between two times.
func datetimeDiff(c *compiler, x *call, a []code) (code, error) {
	unit := strings.ToLower(string(a[0].val.S))
	index, times := func(t int64) int64 { return t }, int64(1)
	switch months, ticks := partMonths[unit], partTicks[unit]; {
	case unit == "week":
		index = func(t int64) int64 { return (t/ticksPerDay + 1) / 7 }
	case months > 0:
		index = func(t int64) int64 {
			y, m, _ := civil(t / ticksPerDay)
			return int64(y*12+m-1) / months
		}
	case ticks > 0:
		index = func(t int64) int64 { return t / ticks }
	case unit == "nanosecond":
		times = 100
	default:
		return code{}, c.unknownPart(x, unit)
	}
	return c.map2(a[1], a[2], Long, func(m *Runner, a, b Value) Value {
		if !a.OK || !b.OK {
			return null
		}
		return m.or(product(index(a.N)-index(b.N), times))
	}), nil
}

// parts reads the parts of a datetime.
var parts = map[string]func(int64) int64{
	"year":         func(t int64) int64 { y, _, _ := civil(t / ticksPerDay); return int64(y) },
	"quarter":      func(t int64) int64 { _, m, _ := civil(t / ticksPerDay); return int64(m+2) / 3 },
	"month":        func(t int64) int64 { _, m, _ := civil(t / ticksPerDay); return int64(m) },
	"week_of_year": func(t int64) int64 { _, w := toTime(t).ISOWeek(); return int64(w) },
	"day":          func(t int64) int64 { _, _, d := civil(t / ticksPerDay); return int64(d) },
	"dayofyear":    func(t int64) int64 { y, _, _ := civil(t / ticksPerDay); return t/ticksPerDay - days(y, 1, 1) + 1 },
	"hour":         func(t int64) int64 { return t / (3600 * ticksPerSec) % 24 },
	"minute":       func(t int64) int64 { return t / (60 * ticksPerSec) % 60 },
	"second":       func(t int64) int64 { return t / ticksPerSec % 60 },
	"millisecond":  func(t int64) int64 { return t / ticksPerMs % 1000 },
	"microsecond":  func(t int64) int64 { return t / ticksPerMicro % 1_000_000 },
	"nanosecond":   func(t int64) int64 { return t % ticksPerSec * 100 },
}

func datetimePart(c *compiler, x *call, a []code) (code, error) {
	unit := strings.ToLower(string(a[0].val.S))
	f, ok := parts[unit]
	if !ok {
		return code{}, c.unknownPart(x, unit)
	}
	return c.map1(a[1], Int, func(_ *Runner, v Value) Value { return Value{N: f(v.N), OK: v.OK} }), nil
}

// weekday counts from Sunday; 0001-01-01 was a Monday.
func weekday(t int64) int64 { return (t/ticksPerDay + 1) % 7 }

// roundings give the start of the period that t is in, n periods on.
var roundings = map[string]func(t, n int64) int64{
	"day":  func(t, n int64) int64 { return (t/ticksPerDay + n) * ticksPerDay },
	"week": func(t, n int64) int64 { return (t/ticksPerDay - weekday(t) + 7*n) * ticksPerDay },
	"month": func(t, n int64) int64 {
		y, m, _ := civil(t / ticksPerDay)
		return firstOf(int64(y*12+m-1) + n)
	},
	"year": func(t, n int64) int64 {
		y, _, _ := civil(t / ticksPerDay)
		return firstOf((int64(y) + n) * 12)
	},
}

// firstOf is the first day of a month, counted from the year 0.
func firstOf(month int64) int64 {
	if month < 12 || month > 10000*12 {
		return -1
	}
	return days(int(month/12), int(month%12)+1, 1) * ticksPerDay
}

func makeDatetime(c *compiler, x *call, a []code) (code, error) {
	if len(a) == 1 {
		return c.cast(a[0], Datetime), nil
	}
	if len(a) == 2 {
		return code{}, c.errorf(x.pos, "make_datetime takes a year, a month and a day")
	}
	for i, k := range a {
		if !isNumber(k.typ) {
			return code{}, c.errorf(x.args[i].position(), "make_datetime takes numbers, not a %s", k.typ)
		}
		a[i] = c.cast(k, Real)
	}
	return c.apply(&function{result: Datetime, eval: func(m *Runner, a []Value) Value {
		var f [6]float64
		for i, v := range a {
			f[i] = v.F
		}
		y, mo, d := int(f[0]), int(f[1]), int(f[2])
		if y < 1 || y > 9999 || mo < 1 || mo > 12 || d < 1 || d > daysIn(y, mo) || f[3] < 0 || f[3] >= 24 || f[4] < 0 || f[4] >= 60 || !(f[5] >= 0 && f[5] < 60) {
			return m.or(null)
		}
		return m.datetime(days(y, mo, d)*ticksPerDay + (int64(f[3])*60+int64(f[4]))*60*ticksPerSec + int64(math.Round(f[5]*ticksPerSec)))
	}}, a), nil
}

// makeTimespan compiles make_timespan([days,] hours, minutes[, seconds]).
func makeTimespan(c *compiler, x *call, a []code) (code, error) {
	if len(a) == 1 {
		return c.cast(a[0], Timespan), nil
	}
	if !isWhole(a[0].typ) {
		return code{}, c.errorf(x.args[0].position(), "make_timespan takes integers, not a %s", a[0].typ)
	}
	scale := []int64{3600, 60, 1}
	if len(a) == 4 {
		scale = []int64{24 * 3600, 3600, 60, 1}
	}
	return c.apply(&function{result: Timespan, eval: func(m *Runner, a []Value) Value {
		n := int64(0)
		for i, v := range a {
			if v.N > 1e8 || v.N < -1e8 {
				return m.or(null)
			}
			n += v.N * scale[i]
		}
		return m.or(product(n, ticksPerSec))
	}}, a), nil
}

// unixTime makes the functions that read times since 1970; unit 0 is nanoseconds.
func unixTime(unit int64) func(*compiler, *call, []code) (code, error) {
	return func(c *compiler, _ *call, a []code) (code, error) {
		if isWhole(a[0].typ) {
			return c.map1(a[0], Datetime, func(m *Runner, v Value) Value {
				switch {
				case !v.OK:
					return null
				case unit == 0:
					return m.datetime(unixEpoch + v.N/100)
				case v.N > maxDatetime/unit || v.N < -maxDatetime/unit:
					return m.or(null)
				}
				return m.datetime(unixEpoch + v.N*unit)
			}), nil
		}
		return c.map1(c.cast(a[0], Real), Datetime, func(m *Runner, v Value) Value {
			if !v.OK {
				return null
			}
			// A real is exact to the microsecond for times of this century.
			f := v.F * float64(unit) / ticksPerMicro
			if unit == 0 {
				f = v.F / 1000
			}
			n := realToLong(math.Round(f))
			if !n.OK || n.N > maxDatetime/ticksPerMicro || n.N < -maxDatetime/ticksPerMicro {
				return m.or(null)
			}
			return m.datetime(unixEpoch + n.N*ticksPerMicro)
		}), nil
	}
}

func zoned(convert func(t int64, zone *time.Location) int64) func(m *Runner, a []Value) Value {
	return func(m *Runner, a []Value) Value {
		zone, err := time.LoadLocation(string(a[1].S))
		if err != nil || len(a[1].S) == 0 {
			return m.or(null)
		}
		return m.datetime(convert(a[0].N, zone))
	}
}

func toLocal(t int64, zone *time.Location) int64 {
	_, offset := toTime(t).In(zone).Zone()
	return t + int64(offset)*ticksPerSec
}

// toUTC reads a clock on the wall. Of an hour that the clock shows twice, the
// second one is meant; an hour that it skips is read as if it had changed already.
func toUTC(t int64, zone *time.Location) int64 {
	offset := func(at int64) int64 {
		_, sec := toTime(at).In(zone).Zone()
		return int64(sec) * ticksPerSec
	}
	before, after := t-offset(t-ticksPerDay), t-offset(t+ticksPerDay)
	if toLocal(after, zone) != t && toLocal(before, zone) == t {
		return before
	}
	return after
}

func bin(c *compiler, x *call, a []code) (code, error) {
	v, size := a[0], a[1]
	switch {
	case v.typ == Datetime && (size.typ == Timespan || size.typ == Datetime), v.typ == Timespan && size.typ == Timespan:
		return c.binWhole(v, size, v.typ), nil
	case isNumber(v.typ) && isNumber(size.typ):
		switch t := widest(v.typ, size.typ); t {
		case Int, Long:
			return c.binWhole(v, size, Long), nil
		case Decimal:
			return c.map2(c.cast(v, Decimal), c.cast(size, Decimal), t, func(m *Runner, a, b Value) Value {
				r := decimalArithmetic("%", a, b)
				if !a.OK || !b.OK || !r.OK {
					return m.or(null)
				}
				return decimalArithmetic("-", a, r)
			}), nil
		}
		return c.map2(c.cast(v, Real), c.cast(size, Real), Real, func(_ *Runner, a, b Value) Value {
			return Value{F: math.Floor(a.F/b.F) * b.F, OK: a.OK && b.OK && b.F != 0}
		}), nil
	}
	return code{}, c.errorf(x.pos, "%s cannot be applied to %s and %s", x.fn, v.typ, size.typ)
}

func (c *compiler) binWhole(v, size code, t Type) code {
	return c.map2(v, size, t, func(m *Runner, a, b Value) Value {
		if !a.OK || !b.OK {
			return null
		}
		r := wholeArithmetic("%", a.N, b.N)
		v := wholeArithmetic("-", a.N, r.N)
		v.OK = v.OK && r.OK
		return m.or(v)
	})
}

// binAt compiles bin_at(value, size, fixed): bins that begin at a fixed point.
func binAt(c *compiler, x *call, a []code) (code, error) {
	v, size, fixed := a[0], a[1], a[2]
	switch {
	case (v.typ == Datetime || v.typ == Timespan) && fixed.typ == v.typ && size.typ == Timespan, isWhole(v.typ) && isWhole(size.typ) && isWhole(fixed.typ):
		t := v.typ
		if t == Int {
			t = Long
		}
		return c.apply(&function{result: t, eval: func(m *Runner, a []Value) Value {
			r := wholeArithmetic("%", a[0].N-a[2].N, a[1].N)
			return m.or(Value{N: a[0].N - r.N, OK: r.OK})
		}}, a), nil
	case isNumber(v.typ) && isNumber(size.typ) && isNumber(fixed.typ):
		t := widest(widest(v.typ, size.typ), fixed.typ)
		for i, k := range a {
			a[i] = c.cast(k, Real)
		}
		return c.cast(c.apply(&function{result: Real, eval: func(_ *Runner, a []Value) Value {
			return realValue(a[2].F + math.Floor((a[0].F-a[2].F)/a[1].F)*a[1].F)
		}}, a), t), nil
	}
	return code{}, c.errorf(x.pos, "%s cannot be applied to %s, %s and %s", x.fn, v.typ, size.typ, fixed.typ)
}
