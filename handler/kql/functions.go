package kql

import (
	"slices"

	"github.com/sluice-connectors/sluice/handler/scan"
)

// The functions that convert, choose and ask for types. Those of other topics
// are in the files beside this one.

func init() {
	topic = "Conversion, choice and types"
	for t, names := range map[Type]string{
		String: "tostring", Bool: "tobool toboolean", Int: "toint", Long: "tolong", Real: "toreal todouble", Decimal: "todecimal",
		Datetime: "todatetime", Timespan: "totimespan totime",
	} {
		for name := range words(names) {
			built(name+"(value:scalar) "+t.String(), to(t)).named(nameArgument, "")
		}
	}
	built("toguid(value:string) guid", to(GUID)).named(nameArgument, "")
	built("parse_json(json:textual) dynamic", parseJSON).named(nameArgument, "").alias("parsejson", "todynamic", "toobject")
	built("dynamic_to_json(value:scalar) string", canonicalJSON)

	built("iff(if:bool, then:scalar, else:scalar)", choose).alias("iif")
	built("case(if:bool*, then:scalar*, else:scalar)", choose)
	built("coalesce(value:scalar*)", coalesce).least(2)
	pure("not(value:bool) bool", func(_ *Runner, a []Value) Value { return boolValue(a[0].N == 0) })
	built("isnull(value:scalar) bool", isNull(true))
	built("isnotnull(value:scalar) bool", isNull(false)).alias("notnull")
	total("isempty(value:text) bool", func(_ *Runner, a []Value) Value { return boolValue(len(a[0].S) == 0) })
	total("isnotempty(value:text) bool", func(_ *Runner, a []Value) Value { return boolValue(len(a[0].S) > 0) }).alias("notempty")
	built("max_of(value:scalar*)", extreme(1)).least(2)
	built("min_of(value:scalar*)", extreme(-1)).least(2)
	built("around(value:scalar, center:scalar, delta:scalar) bool", around)
	built("gettype(value:scalar) string", typeName).named(nameTypePrefix, "type")
	declare("column_ifexists(name:const string, default:scalar)").named(nameValue, "").special = columnIfExists
	functions["column_ifexists"].alias("columnifexists")
	declare("iscolumnexists(name:const string) bool").special = isColumnExists
	pure("assert(condition:bool, message:string) bool", func(_ *Runner, a []Value) Value { return a[0] })
}

func to(t Type) func(c *compiler, x *call, a []code) (code, error) {
	return func(c *compiler, _ *call, a []code) (code, error) { return c.cast(a[0], t), nil }
}

// parseJSON reads text as JSON. What is dynamic already stays, unless it is a
// string: that may be JSON text which was sent as a string.
func parseJSON(c *compiler, _ *call, a []code) (code, error) {
	if a[0].typ == String {
		return c.map1(a[0], Dynamic, func(m *Runner, v Value) Value { return m.readJSON(v.S) }), nil
	}
	return c.map1(a[0], Dynamic, func(m *Runner, v Value) Value {
		if !v.OK || v.S[0] != '"' {
			return v
		}
		if inner := m.convert(v, Dynamic, String).S; scan.Valid(inner) {
			return m.readJSON(inner)
		}
		return v
	}), nil
}

// readJSON is the value of JSON text; what is none is a string.
func (m *Runner) readJSON(text []byte) Value {
	p := scan.Space(text, 0)
	if p == len(text) {
		return null
	}
	if end, _, err := scan.Skip(text, p); err == nil && scan.Space(text, end) == len(text) {
		return jsonValue(text[p:end])
	}
	return m.makeJSON(func(dst []byte) []byte { return scan.AppendQuoted(dst, text) })
}

// common finds the type that all values can have. Dynamic values follow the
// others; with mixed set, values of different kinds become dynamic.
func (c *compiler) common(x *call, values []code, mixed bool) (Type, error) {
	t := Dynamic
	for _, v := range values {
		switch {
		case v.typ == Dynamic || v.typ == t:
		case t == Dynamic:
			t = v.typ
		case isNumber(t) && isNumber(v.typ):
			t = widest(t, v.typ)
		case mixed:
			return Dynamic, nil
		default:
			return t, c.errorf(x.pos, "%s needs values of one type, got %s and %s", x.fn, t, v.typ)
		}
	}
	return t, nil
}

// choose compiles iff(test, a, b) and case(test, a, …, otherwise).
func choose(c *compiler, x *call, a []code) (code, error) {
	var values []code
	for i := 1; i < len(a); i += 2 {
		values = append(values, a[i])
	}
	values = append(values, a[len(a)-1])
	t, err := c.common(x, values, true)
	if err != nil {
		return code{}, err
	}
	type branch struct{ cond, value func(*Runner) Value }
	var branches []branch
	konst := c.fold
	for i := 0; i+1 < len(a); i += 2 {
		value := c.cast(values[i/2], t)
		konst = konst && a[i].konst && value.konst
		branches = append(branches, branch{c.run(a[i]).eval, c.run(value).eval})
	}
	last := c.cast(values[len(values)-1], t)
	rest := c.run(last).eval
	k := code{typ: t, eval: func(m *Runner) Value {
		for _, b := range branches {
			if v := b.cond(m); v.OK && v.N != 0 {
				return b.value(m)
			}
		}
		return rest(m)
	}}
	if konst && last.konst {
		return c.constant(k), nil
	}
	return k, nil
}

func coalesce(c *compiler, x *call, a []code) (code, error) {
	t, err := c.common(x, a, false)
	if err != nil {
		return code{}, err
	}
	evals := make([]func(*Runner) Value, len(a))
	konst := c.fold
	for i := range a {
		if a[i].typ == Dynamic && t != Dynamic {
			return code{}, c.errorf(x.pos, "coalesce does not mix %s with dynamic: write to%s(…)", t, t)
		}
		konst = konst && a[i].konst
		evals[i] = c.run(c.cast(a[i], t)).eval
	}
	k := code{typ: t, eval: func(m *Runner) (v Value) {
		for _, e := range evals {
			if v = e(m); v.OK && (t != String || len(v.S) > 0) {
				return v
			}
		}
		return v
	}}
	if konst {
		return c.constant(k), nil
	}
	return k, nil
}

func isNull(want bool) func(*compiler, *call, []code) (code, error) {
	return func(c *compiler, _ *call, a []code) (code, error) {
		isText := a[0].typ == String // a string is never null
		return c.map1(a[0], Bool, func(_ *Runner, v Value) Value { return boolValue((!v.OK && !isText) == want) }), nil
	}
}

func extreme(sign int) func(*compiler, *call, []code) (code, error) {
	return func(c *compiler, x *call, a []code) (code, error) {
		t, err := c.common(x, a, false)
		if err != nil {
			return code{}, err
		}
		for i, k := range a {
			if k.typ == Dynamic || k.typ == GUID {
				return code{}, c.errorf(x.args[i].position(), "%s needs values that have an order, not a %s", x.fn, k.typ)
			}
		}
		order := ordering(t)
		k := c.cast(a[0], t)
		for _, b := range a[1:] {
			k = c.map2(k, c.cast(b, t), t, func(_ *Runner, a, b Value) Value {
				if !a.OK || b.OK && order(b, a)*sign > 0 {
					return b
				}
				return a
			})
		}
		return k, nil
	}
}

// around compiles around(value, center, delta): center-delta <= value <= center+delta.
func around(c *compiler, x *call, _ []code) (code, error) {
	value, center, delta := x.args[0], x.args[1], x.args[2]
	return c.between(&between{pos: x.pos, x: value, lo: &infix{x.pos, "-", center, delta}, hi: &infix{x.pos, "+", center, delta}})
}

func typeName(c *compiler, _ *call, a []code) (code, error) {
	if t := a[0].typ; t != Dynamic {
		name := textValue(t.String())
		return c.map1(a[0], String, func(_ *Runner, v Value) Value {
			if !v.OK && t != String {
				return textValue("null")
			}
			return name
		}), nil
	}
	return c.map1(a[0], String, func(_ *Runner, v Value) Value {
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

// columnIfExists has the type of its default, as Microsoft's parser says.
func columnIfExists(c *compiler, x *call) (code, error) {
	id, err := c.columnName(x)
	if err != nil {
		return code{}, err
	}
	def, err := c.expr(x.args[1])
	if err != nil {
		return code{}, err
	}
	if k, ok := c.column(id); ok {
		return c.cast(k, def.typ), nil
	}
	return def, nil
}

func isColumnExists(c *compiler, x *call) (code, error) {
	id, err := c.columnName(x)
	if err != nil {
		return code{}, err
	}
	_, ok := c.column(id)
	return constant(Bool, boolValue(ok)), nil
}

func (c *compiler) columnName(x *call) (string, error) {
	id, ok := x.args[0].(*literal)
	if !ok || id.val.typ != String {
		return "", c.errorf(x.args[0].position(), "the first argument of %s is the column's name in quotes", x.fn)
	}
	return string(id.val.val.S), nil
}

// canonicalJSON writes a value as JSON with the keys of objects in order.
func canonicalJSON(c *compiler, _ *call, a []code) (code, error) {
	return c.apply(&function{result: String, nulls: true, eval: func(m *Runner, a []Value) Value {
		if !a[0].OK {
			return textValue("null")
		}
		return m.make(func(dst []byte) []byte { return appendCanonical(dst, a[0].S) })
	}}, []code{c.cast(a[0], Dynamic)}), nil
}

func appendCanonical(dst, raw []byte) []byte {
	switch raw[0] {
	case '{':
		members := map[string][]byte{}
		eachMember(raw, func(name, value []byte) { members[string(name)] = value })
		dst = append(dst, '{')
		for i, name := range sortedKeys(members) {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendCanonical(append(scan.AppendQuoted(dst, name), ':'), members[name])
		}
		return append(dst, '}')
	case '[':
		dst = append(dst, '[')
		first := true
		eachElement(raw, func(value []byte) {
			if !first {
				dst = append(dst, ',')
			}
			first = false
			dst = appendCanonical(dst, value)
		})
		return append(dst, ']')
	}
	return append(dst, raw...)
}

func sortedKeys[T any](m map[string]T) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
