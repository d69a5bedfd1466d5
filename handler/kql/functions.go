package kql

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
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
