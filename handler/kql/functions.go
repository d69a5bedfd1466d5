package kql

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/sluice-connectors/sluice/handler/scan"
)

// function is one scalar function of the language.
type function struct {
	min, max int
	build    func(c *compiler, x *call, args []code) (code, error)
	special  func(c *compiler, x *call) (code, error) // takes its arguments unevaluated
}

const many = 1 << 10

func (f function) arity() string {
	switch {
	case f.min == f.max:
		return fmt.Sprintf("%d arguments", f.min)
	case f.max == many:
		return fmt.Sprintf("at least %d arguments", f.min)
	}
	return fmt.Sprintf("%d to %d arguments", f.min, f.max)
}

func functionNames() []string { return slices.Sorted(maps.Keys(functions)) }

var functions map[string]function

func init() {
	functions = map[string]function{
		"tostring": to(String), "tobool": to(Bool), "toboolean": to(Bool), "toint": to(Int), "tolong": to(Long),
		"toreal": to(Real), "todouble": to(Real), "todecimal": to(Decimal), "todatetime": to(Datetime),
		"totimespan": to(Timespan), "toguid": to(GUID),
		"parse_json": {1, 1, parseJSON, nil}, "todynamic": {1, 1, parseJSON, nil}, "toobject": {1, 1, parseJSON, nil},

		"iff": {3, 3, choose, nil}, "iif": {3, 3, choose, nil}, "case": {3, many, choose, nil},
		"coalesce": {2, many, coalesce, nil},
		"not":      {1, 1, on(Bool, Bool, func(_ *Runner, v Value) Value { v.N ^= 1; return v }), nil},
		"isnull":   {1, 1, isNull(true), nil}, "isnotnull": {1, 1, isNull(false), nil}, "notnull": {1, 1, isNull(false), nil},
		"isempty": {1, 1, isEmpty(true), nil}, "isnotempty": {1, 1, isEmpty(false), nil}, "notempty": {1, 1, isEmpty(false), nil},
		"max_of": {2, many, extreme(1), nil}, "min_of": {2, many, extreme(-1), nil},
		"gettype":         {1, 1, typeOf, nil},
		"column_ifexists": {2, 2, nil, columnIfExists}, "columnifexists": {2, 2, nil, columnIfExists},

		"strcat": {1, many, strcat, nil}, "strcat_delim": {2, many, strcatDelim, nil},
		"tolower": {1, 1, on(String, String, func(m *Runner, v Value) Value { return m.lower(v) }), nil},
		"toupper": {1, 1, on(String, String, func(_ *Runner, v Value) Value { return bytesValue(bytes.ToUpper(v.S)) }), nil},
		"strlen":  {1, 1, on(String, Long, func(_ *Runner, v Value) Value { return longValue(int64(utf8.RuneCount(v.S))) }), nil},
		"split":   {2, 3, split, nil}, "substring": {2, 3, substring, nil}, "indexof": {2, 2, indexOf, nil},
		"trim": {2, 2, trim(true, true), nil}, "trim_start": {2, 2, trim(true, false), nil}, "trim_end": {2, 2, trim(false, true), nil},
		"replace_string": {3, 3, replaceString, nil}, "replace_regex": {3, 3, replaceRegex, nil},
		"extract":                {3, 3, extract, nil},
		"hash_sha256":            {1, 1, on(String, String, hashSHA256), nil},
		"base64_encode_tostring": {1, 1, on(String, String, base64Encode), nil}, "base64_encodestring": {1, 1, on(String, String, base64Encode), nil},
		"base64_decode_tostring": {1, 1, on(String, String, base64Decode), nil}, "base64_decodestring": {1, 1, on(String, String, base64Decode), nil},

		"array_length": {1, 1, on(Dynamic, Long, arrayLength), nil},
		"pack_array":   {1, many, packArray, nil},
		"bag_pack":     {2, many, bagPack, nil}, "pack": {2, many, bagPack, nil},

		"now": {0, 1, now, nil}, "ago": {1, 1, ago, nil},
		"datetime_add": {3, 3, datetimeAdd, nil},
		"bin":          {2, 2, bin, nil}, "floor": {2, 2, bin, nil},
		"unixtime_seconds_todatetime":      unixTime(ticksPerSec),
		"unixtime_milliseconds_todatetime": unixTime(ticksPerMs),
		"unixtime_microseconds_todatetime": unixTime(ticksPerMicro),
		"startofday":                       {1, 1, on(Datetime, Datetime, func(_ *Runner, v Value) Value { v.N -= v.N % ticksPerDay; return v }), nil},
	}
}

// on makes a function of one argument, which is converted to from; a null
// argument that is no string gives null.
func on(from, result Type, f func(m *Runner, v Value) Value) func(*compiler, *call, []code) (code, error) {
	return func(c *compiler, _ *call, args []code) (code, error) {
		return c.map1(c.cast(args[0], from), result, func(m *Runner, v Value) Value {
			if !v.OK && from != String {
				return null
			}
			return f(m, v)
		}), nil
	}
}

func to(t Type) function {
	return function{1, 1, func(c *compiler, _ *call, args []code) (code, error) { return c.cast(args[0], t), nil }, nil}
}

// parseJSON reads text as JSON; what is dynamic already stays, unless it is a
// string: the value may be JSON text that was sent as a string.
func parseJSON(c *compiler, _ *call, args []code) (code, error) {
	k := args[0]
	if k.typ == Dynamic {
		return c.map1(k, Dynamic, func(m *Runner, v Value) Value {
			if !v.OK || v.S[0] != '"' {
				return v
			}
			if inner := m.keep(appendText(nil, Dynamic, v)); scan.Valid(inner) {
				return jsonValue(bytes.TrimSpace(inner))
			}
			return v
		}), nil
	}
	return c.map1(c.cast(k, String), Dynamic, func(m *Runner, v Value) Value {
		s := bytes.TrimSpace(v.S)
		switch {
		case len(s) == 0:
			return null
		case scan.Valid(s):
			return jsonValue(s)
		}
		return Value{S: m.keep(scan.AppendQuoted(nil, v.S)), OK: true}
	}), nil
}

// choose compiles iff(test, a, b) and case(test, a, …, otherwise).
func choose(c *compiler, x *call, args []code) (code, error) {
	if len(args)%2 == 0 {
		return code{}, c.errorf(x.pos, "%s needs a value for each condition and one for the rest: an odd number of arguments", x.fn)
	}
	var values []code
	for i := 1; i < len(args); i += 2 {
		values = append(values, args[i])
	}
	values = append(values, args[len(args)-1])
	t, err := c.unify(x, values)
	if err != nil {
		return code{}, err
	}
	type branch struct{ cond, value func(*Runner) Value }
	var branches []branch
	for i := 0; i+1 < len(args); i += 2 {
		branches = append(branches, branch{c.run(c.cast(args[i], Bool)).eval, c.run(c.cast(values[i/2], t)).eval})
	}
	rest := c.run(c.cast(values[len(values)-1], t)).eval
	return code{typ: t, eval: func(m *Runner) Value {
		for _, b := range branches {
			if v := b.cond(m); v.OK && v.N != 0 {
				return b.value(m)
			}
		}
		return rest(m)
	}}, nil
}

// unify finds the type that all values can have.
func (c *compiler) unify(x *call, values []code) (Type, error) {
	t := values[0].typ
	for i, v := range values[1:] {
		switch {
		case v.typ == t || v.konst && !v.val.OK:
		case values[i].konst && !values[i].val.OK && i == 0: // a null of another type came first
			t = v.typ
		case t == Dynamic || v.typ == Dynamic:
			t = Dynamic
		case isNumber(t) && isNumber(v.typ):
			if isReal(t) || isReal(v.typ) {
				t = Real
			} else {
				t = Long
			}
		default:
			return t, c.errorf(x.pos, "%s needs values of one type, got %s and %s", x.fn, t, v.typ)
		}
	}
	return t, nil
}

func coalesce(c *compiler, x *call, args []code) (code, error) {
	t, err := c.unify(x, args)
	if err != nil {
		return code{}, err
	}
	evals := make([]func(*Runner) Value, len(args))
	for i := range args {
		evals[i] = c.run(c.cast(args[i], t)).eval
	}
	return code{typ: t, eval: func(m *Runner) (v Value) {
		for _, e := range evals {
			if v = e(m); v.OK && (t != String || len(v.S) > 0) {
				return v
			}
		}
		return v
	}}, nil
}

func isNull(want bool) func(*compiler, *call, []code) (code, error) {
	return func(c *compiler, _ *call, args []code) (code, error) {
		isText := args[0].typ == String // a string is never null
		return c.map1(args[0], Bool, func(_ *Runner, v Value) Value { return boolValue((!v.OK && !isText) == want) }), nil
	}
}

func isEmpty(want bool) func(*compiler, *call, []code) (code, error) {
	return func(c *compiler, _ *call, args []code) (code, error) {
		return c.map1(c.cast(args[0], String), Bool, func(_ *Runner, v Value) Value { return boolValue((len(v.S) == 0) == want) }), nil
	}
}

func extreme(sign int) func(*compiler, *call, []code) (code, error) {
	return func(c *compiler, x *call, args []code) (code, error) {
		t, err := c.unify(x, args)
		if err != nil {
			return code{}, err
		}
		order := ordering(t)
		k := c.cast(args[0], t)
		for _, a := range args[1:] {
			k = c.map2(k, c.cast(a, t), t, func(_ *Runner, a, b Value) Value {
				if !a.OK || b.OK && order(b, a)*sign > 0 {
					return b
				}
				return a
			})
		}
		return k, nil
	}
}

func typeOf(c *compiler, _ *call, args []code) (code, error) {
	if args[0].typ != Dynamic {
		return constant(String, textValue(args[0].typ.String())), nil
	}
	return c.map1(args[0], String, func(_ *Runner, v Value) Value {
		if !v.OK {
			return textValue("null")
		}
		switch scan.KindOf(v.S[0]) {
		case scan.Object:
			return textValue("dictionary")
		case scan.Array:
			return textValue("array")
		case scan.String:
			return textValue("string")
		case scan.True, scan.False:
			return textValue("bool")
		}
		if _, ok := parseDigits(v.S); ok {
			return textValue("long")
		}
		return textValue("double")
	}), nil
}

func columnIfExists(c *compiler, x *call) (code, error) {
	id, ok := x.args[0].(*literal)
	if !ok || id.val.typ != String {
		return code{}, c.errorf(x.pos, "the first argument of %s is the column's name in quotes", x.fn)
	}
	if k, ok := c.column(string(id.val.val.S)); ok {
		return k, nil
	}
	return c.expr(x.args[1])
}

func strcat(c *compiler, _ *call, args []code) (code, error) { return c.join(nil, args), nil }
func strcatDelim(c *compiler, _ *call, args []code) (code, error) {
	return c.join(&args[0], args[1:]), nil
}

func (c *compiler) join(delim *code, args []code) code {
	evals := make([]func(*Runner) Value, len(args))
	konst := true
	for i, a := range args {
		k := c.cast(a, String)
		konst = konst && k.konst
		evals[i] = c.run(k).eval
	}
	sep := func(*Runner) Value { return null }
	if delim != nil {
		k := c.cast(*delim, String)
		konst = konst && k.konst
		sep = c.run(k).eval
	}
	eval := func(m *Runner) Value {
		d := sep(m)
		var parts [16]Value
		vals := parts[:0]
		for _, e := range evals {
			vals = append(vals, e(m))
		}
		from := len(m.buf)
		for i, v := range vals {
			if i > 0 {
				m.buf = append(m.buf, d.S...)
			}
			m.buf = append(m.buf, v.S...)
		}
		return bytesValue(m.buf[from:len(m.buf):len(m.buf)])
	}
	if konst {
		return constant(String, eval(newScratch()))
	}
	return code{typ: String, eval: eval}
}

func split(c *compiler, x *call, args []code) (code, error) {
	k := c.map2(c.cast(args[0], String), c.cast(args[1], String), Dynamic, func(m *Runner, s, d Value) Value {
		from := len(m.buf)
		m.buf = append(m.buf, '[')
		for i, part := range bytes.Split(s.S, d.S) {
			if i > 0 {
				m.buf = append(m.buf, ',')
			}
			m.buf = scan.AppendQuoted(m.buf, part)
		}
		m.buf = append(m.buf, ']')
		return jsonValue(m.buf[from:len(m.buf):len(m.buf)])
	})
	if len(args) == 3 { // split(s, d, i) is an array of the one part
		i := c.cast(args[2], Long)
		return c.map2(k, i, Dynamic, func(m *Runner, list, i Value) Value {
			v := m.at(list, Long, i)
			if !v.OK {
				return jsonValue([]byte("[]"))
			}
			return jsonValue(m.keep(append(append([]byte{'['}, v.S...), ']')))
		}), nil
	}
	return k, nil
}

func substring(c *compiler, _ *call, args []code) (code, error) {
	length := constant(Long, longValue(math.MaxInt32))
	if len(args) == 3 {
		length = c.cast(args[2], Long)
	}
	start := c.cast(args[1], Long)
	se, le, te := c.run(start).eval, c.run(length).eval, c.run(c.cast(args[0], String)).eval
	return code{typ: String, eval: func(m *Runner) Value {
		s := []rune(string(te(m).S))
		from, n := se(m).N, le(m).N
		if from < 0 {
			from = max(int64(len(s))+from, 0)
		}
		from = min(from, int64(len(s)))
		n = max(0, min(n, int64(len(s))-from))
		return bytesValue(m.keep([]byte(string(s[from : from+n]))))
	}}, nil
}

func indexOf(c *compiler, _ *call, args []code) (code, error) {
	return c.map2(c.cast(args[0], String), c.cast(args[1], String), Long, func(_ *Runner, s, sub Value) Value {
		i := bytes.Index(s.S, sub.S)
		if i > 0 {
			i = utf8.RuneCount(s.S[:i])
		}
		return longValue(int64(i))
	}), nil
}

// pattern compiles a constant regular expression (RE2, as in Kusto).
func (c *compiler) pattern(k code, pos int, format string) (*regexp.Regexp, error) {
	if !k.konst || k.typ != String {
		return nil, c.errorf(pos, "the regular expression has to be a constant")
	}
	re, err := regexp.Compile(fmt.Sprintf(format, k.val.S))
	if err != nil {
		return nil, c.errorf(pos, "%v", err)
	}
	return re, nil
}

func trim(start, end bool) func(*compiler, *call, []code) (code, error) {
	return func(c *compiler, x *call, args []code) (code, error) {
		head, err := c.pattern(args[0], x.pos, "^(?:%s)")
		if err != nil {
			return code{}, err
		}
		tail, err := c.pattern(args[0], x.pos, "(?:%s)$")
		if err != nil {
			return code{}, err
		}
		return c.map1(c.cast(args[1], String), String, func(_ *Runner, v Value) Value {
			if loc := head.FindIndex(v.S); start && loc != nil {
				v.S = v.S[loc[1]:]
			}
			if loc := tail.FindIndex(v.S); end && loc != nil {
				v.S = v.S[:loc[0]]
			}
			return v
		}), nil
	}
}

func replaceString(c *compiler, _ *call, args []code) (code, error) {
	te, oe, ne := c.run(c.cast(args[0], String)).eval, c.run(c.cast(args[1], String)).eval, c.run(c.cast(args[2], String)).eval
	return code{typ: String, eval: func(m *Runner) Value {
		s, from, with := te(m), oe(m), ne(m)
		if len(from.S) == 0 {
			return s
		}
		return bytesValue(bytes.ReplaceAll(s.S, from.S, with.S))
	}}, nil
}

func replaceRegex(c *compiler, x *call, args []code) (code, error) {
	re, err := c.pattern(args[1], x.pos, "%s")
	if err != nil {
		return code{}, err
	}
	// Kusto refers to groups as \1, package regexp as ${1}.
	group := regexp.MustCompile(`\\(\d)`)
	return c.map2(c.cast(args[0], String), c.cast(args[2], String), String, func(_ *Runner, s, with Value) Value {
		tmpl := bytes.ReplaceAll(with.S, []byte("$"), []byte("$$"))
		return bytesValue(re.ReplaceAll(s.S, group.ReplaceAll(tmpl, []byte("$${$1}"))))
	}), nil
}

func extract(c *compiler, x *call, args []code) (code, error) {
	re, err := c.pattern(args[0], x.pos, "%s")
	if err != nil {
		return code{}, err
	}
	return c.map2(c.cast(args[1], Long), c.cast(args[2], String), String, func(_ *Runner, i, s Value) Value {
		if g := re.FindSubmatch(s.S); g != nil && i.N >= 0 && int(i.N) < len(g) {
			return bytesValue(g[i.N])
		}
		return bytesValue(nil)
	}), nil
}

func hashSHA256(m *Runner, v Value) Value {
	sum := sha256.Sum256(v.S)
	return bytesValue(m.keep(hex.AppendEncode(nil, sum[:])))
}

func base64Encode(m *Runner, v Value) Value {
	return bytesValue(m.keep(base64.StdEncoding.AppendEncode(nil, v.S)))
}

func base64Decode(m *Runner, v Value) Value {
	b, err := base64.StdEncoding.AppendDecode(nil, v.S)
	if err != nil || !utf8.Valid(b) {
		return bytesValue(nil)
	}
	return bytesValue(m.keep(b))
}

func arrayLength(_ *Runner, v Value) Value {
	if v.S[0] != '[' {
		return null
	}
	n := int64(0)
	eachElement(v.S, func([]byte) { n++ })
	return longValue(n)
}

func packArray(c *compiler, _ *call, args []code) (code, error) {
	return c.pack('[', nil, args, ']'), nil
}

func bagPack(c *compiler, x *call, args []code) (code, error) {
	if len(args)%2 != 0 {
		return code{}, c.errorf(x.pos, "%s takes pairs of a key and a value", x.fn)
	}
	var keys, values []code
	for i := 0; i < len(args); i += 2 {
		keys, values = append(keys, c.cast(args[i], String)), append(values, args[i+1])
	}
	return c.pack('{', keys, values, '}'), nil
}

// pack writes values, with keys as the members of an object, as JSON.
func (c *compiler) pack(open byte, keys, values []code, closing byte) code {
	keyEvals, evals := make([]func(*Runner) Value, len(keys)), make([]func(*Runner) Value, len(values))
	for i := range values {
		evals[i] = c.run(values[i]).eval
		if keys != nil {
			keyEvals[i] = c.run(keys[i]).eval
		}
	}
	return code{typ: Dynamic, eval: func(m *Runner) Value {
		out := []byte{open}
		for i, e := range evals {
			if i > 0 {
				out = append(out, ',')
			}
			if keys != nil {
				out = append(scan.AppendQuoted(out, keyEvals[i](m).S), ':')
			}
			v := e(m)
			if values[i].typ == String {
				v.OK = true
			}
			out = appendJSON(out, values[i].typ, v)
		}
		return jsonValue(append(out, closing))
	}}
}

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
