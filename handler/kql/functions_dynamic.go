package kql

import (
	"bytes"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-connectors/sluice/handler/scan"
)

// The functions over dynamic values: arrays, sets and bags.

func init() {
	topic = "Arrays, sets and bags"
	pure("array_length(array:array) long", arrayLength).alias("arraylength")
	declare("pack_array(value:scalar*) dynamic").special = packArray
	built("bag_pack(key:string*, value:scalar*) dynamic", bagPack).alias("pack", "pack_dictionary")
	declare("pack_all(ignore_null_empty:scalar?) dynamic").special = packAll
	declare("bag_pack_columns(column:scalar*) dynamic").special = bagPackColumns

	total("array_concat(array:array*) dynamic", arrayConcat)
	total("zip(array:array*) dynamic", zip).least(2)
	pure("array_reverse(array:array) dynamic", arrays(func(_ []Value, list [][]byte) [][]byte { slices.Reverse(list); return list }))
	pure("array_slice(array:array, start:integer, end:integer) dynamic", arrays(arraySlice))
	pure("array_rotate_left(array:array, count:integer) dynamic", arrays(func(a []Value, list [][]byte) [][]byte { return rotate(list, a[1].N) }))
	pure("array_rotate_right(array:array, count:integer) dynamic", arrays(func(a []Value, list [][]byte) [][]byte { return rotate(list, -a[1].N) }))
	built("array_shift_left(array:array, count:integer, default:scalar?) dynamic", arrayShift(1))
	built("array_shift_right(array:array, count:integer, default:scalar?) dynamic", arrayShift(-1))
	built("array_split(array:array, index:scalar) dynamic", arraySplit)
	pure("array_sum(array:array) real", arraySum)
	built("array_index_of(array:array, value:scalar, start:integer?, length:integer?, occurrence:const integer?) long", arrayIndexOf)
	built("array_iff(conditions:array, if_true:scalar, if_false:scalar) dynamic", arrayIff).alias("array_iif")
	built("array_sort_asc(array:scalar*)", arraySort(1)).named(nameSorted, "")
	built("array_sort_desc(array:scalar*)", arraySort(-1)).named(nameSorted, "")
	built("range(start:summable, stop:summable, step:summable?) dynamic", rangeFunction)
	built("repeat(value:scalar, count:integer) dynamic", repeat).named(nameTypePrefix, "repeat")
	pure("strcat_array(array:array, delimiter:text) string", strcatArray).alias("array_strcat")

	pure("set_union(set:array*) dynamic", sets(func(s *set, lists [][][]byte) [][]byte {
		return s.distinct(slices.Concat(lists...), func([]byte) bool { return true })
	})).least(2)
	pure("set_intersect(set:array*) dynamic", sets(func(s *set, lists [][][]byte) [][]byte {
		return s.distinct(lists[0], func(raw []byte) bool {
			return !slices.ContainsFunc(lists[1:], func(other [][]byte) bool { return !contains(other, raw) })
		})
	})).least(2)
	pure("set_difference(set:array*) dynamic", sets(func(s *set, lists [][][]byte) [][]byte {
		return s.distinct(lists[0], func(raw []byte) bool {
			return !slices.ContainsFunc(lists[1:], func(other [][]byte) bool { return contains(other, raw) })
		})
	})).least(2)
	pure("set_equals(a:array, b:array) bool", func(_ *Runner, a []Value) Value {
		x, y := elementsOf(a[0]), elementsOf(a[1])
		in := func(list [][]byte) func([]byte) bool { return func(raw []byte) bool { return !contains(list, raw) } }
		return boolValue(!slices.ContainsFunc(x, in(y)) && !slices.ContainsFunc(y, in(x)))
	})
	built("set_has_element(set:array, value:scalar) bool", func(c *compiler, _ *call, a []code) (code, error) {
		return c.map2(a[0], c.cast(a[1], Dynamic), Bool, func(_ *Runner, set, v Value) Value {
			return boolValue(contains(elementsOf(set), jsonOrNull(v)))
		}), nil
	})
	pure("jaccard_index(a:array, b:array) dynamic", jaccard)

	pure("bag_keys(object:bag) dynamic", bagKeys)
	pure("bag_has_key(bag:bag, key:string) bool", func(m *Runner, a []Value) Value { return boolValue(m.path(a[0], a[1].S).OK) })
	total("bag_merge(bag:bag*) dynamic", bagMerge).least(2)
	pure("bag_remove_keys(bag:bag, keys:array) dynamic", bagRemoveKeys)
	built("bag_set_key(bag:bag, key:const string, value:scalar) dynamic", bagSetKey)
	pure("bag_zip(keys:array, values:array) dynamic", bagZip)
	pure("treepath(object:bag) dynamic", treePath).named(nameTypePrefix, "tree")
	built("extract_json(path:const string, json:string, type:type?)", extractJSON).alias("extractjson")
}

// elementsOf lists the elements of an array; of anything else, none.
func elementsOf(v Value) [][]byte {
	var list [][]byte
	if v.OK {
		eachElement(v.S, func(raw []byte) { list = append(list, raw) })
	}
	return list
}

func isArray(v Value) bool { return v.OK && v.S[0] == '[' }
func isBag(v Value) bool   { return v.OK && v.S[0] == '{' }

func jsonOrNull(v Value) []byte {
	if !v.OK {
		return []byte("null")
	}
	return v.S
}

func (m *Runner) arrayOf(list [][]byte) Value {
	return m.makeJSON(func(dst []byte) []byte { return appendArray(dst, slices.Values(list)) })
}

func appendArray(dst []byte, list iter.Seq[[]byte]) []byte {
	dst = append(dst, '[')
	first := true
	for raw := range list {
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(dst, raw...)
	}
	return append(dst, ']')
}

// arrays makes a function of an array that gives an array.
func arrays(f func(a []Value, list [][]byte) [][]byte) func(m *Runner, a []Value) Value {
	return func(m *Runner, a []Value) Value {
		if !isArray(a[0]) {
			return null
		}
		return m.arrayOf(f(a, elementsOf(a[0])))
	}
}

func arrayLength(_ *Runner, a []Value) Value {
	if !isArray(a[0]) {
		return null
	}
	n := int64(0)
	eachElement(a[0].S, func([]byte) { n++ })
	return longValue(n)
}

// packArray compiles pack_array(a, b, …) and pack_array(*).
func packArray(c *compiler, x *call) (code, error) {
	var args []code
	if _, ok := x.args[0].(*star); ok && len(x.args) == 1 {
		for _, b := range c.cols {
			args = append(args, c.cast(b.code, Dynamic))
		}
	} else {
		for _, e := range x.args {
			k, err := c.expr(e)
			if err != nil {
				return k, err
			}
			args = append(args, c.cast(k, Dynamic))
		}
	}
	return c.apply(&function{result: Dynamic, nulls: true, eval: func(m *Runner, a []Value) Value {
		return m.makeJSON(func(dst []byte) []byte {
			for i, v := range a {
				dst = append(append(dst, "[,"[min(i, 1)]), jsonOrNull(v)...)
			}
			if len(a) == 0 {
				dst = append(dst, '[')
			}
			return append(dst, ']')
		})
	}}, args), nil
}

func bagPack(c *compiler, _ *call, a []code) (code, error) {
	for i := 1; i < len(a); i += 2 {
		a[i] = c.cast(a[i], Dynamic)
	}
	return c.pack(a, func(Value) bool { return true }), nil
}

// pack makes an object of keys and values in turn.
func (c *compiler) pack(a []code, keep func(Value) bool) code {
	return c.apply(&function{result: Dynamic, nulls: true, eval: func(m *Runner, a []Value) Value {
		return m.makeJSON(func(dst []byte) []byte {
			dst = append(dst, '{')
			from := len(dst)
			for i := 0; i < len(a); i += 2 {
				if !keep(a[i+1]) {
					continue
				}
				if len(dst) > from {
					dst = append(dst, ',')
				}
				dst = append(scan.AppendQuoted(dst, a[i].S), ':')
				dst = append(dst, jsonOrNull(a[i+1])...)
			}
			return append(dst, '}')
		})
	}}, a)
}

// packAll makes an object of all columns.
func packAll(c *compiler, x *call) (code, error) {
	if c.open {
		return code{}, c.errorf(x.pos, "pack_all needs declared columns: the record's members are not known before it comes")
	}
	keep := func(Value) bool { return true }
	if len(x.args) == 1 {
		l, ok := x.args[0].(*literal)
		if !ok || l.val.typ != Bool {
			return code{}, c.errorf(x.args[0].position(), "pack_all takes true or false")
		}
		if l.val.val.N != 0 {
			keep = func(v Value) bool { return v.OK && string(v.S) != `""` }
		}
	}
	return c.pack(c.columnPairs(c.cols), keep), nil
}

func bagPackColumns(c *compiler, x *call) (code, error) {
	var cols []bound
	for _, e := range x.args {
		k, err := c.expr(e)
		if err != nil {
			return k, err
		}
		cols = append(cols, bound{name: argumentName(e), code: k})
	}
	return c.pack(c.columnPairs(cols), func(Value) bool { return true }), nil
}

func (c *compiler) columnPairs(cols []bound) []code {
	var a []code
	for _, b := range cols {
		if !b.hidden {
			a = append(a, constant(String, textValue(b.name)), c.cast(b.code, Dynamic))
		}
	}
	return a
}

func arrayConcat(m *Runner, a []Value) Value {
	var list [][]byte
	for _, v := range a {
		if v.OK && !isArray(v) {
			return null
		}
		list = append(list, elementsOf(v)...)
	}
	return m.arrayOf(list)
}

// zip makes arrays of the elements that stand in the same place.
func zip(m *Runner, a []Value) Value {
	lists := make([][][]byte, len(a))
	n := 0
	for i, v := range a {
		if !isArray(v) {
			return null
		}
		lists[i] = elementsOf(v)
		n = max(n, len(lists[i]))
	}
	return m.makeJSON(func(dst []byte) []byte {
		dst = append(dst, '[')
		for i := range n {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendArray(dst, func(yield func([]byte) bool) {
				for _, l := range lists {
					raw := []byte("null")
					if i < len(l) {
						raw = l[i]
					}
					if !yield(raw) {
						return
					}
				}
			})
		}
		return append(dst, ']')
	})
}

// arraySlice takes both ends in; negative positions count from the end.
func arraySlice(a []Value, list [][]byte) [][]byte {
	n := int64(len(list))
	from, to := a[1].N, a[2].N
	if from < 0 {
		from = max(n+from, 0)
	}
	if to < 0 {
		to += n
	}
	to = min(to, n-1)
	if from > to {
		return nil
	}
	return list[from : to+1]
}

func rotate(list [][]byte, by int64) [][]byte {
	if len(list) == 0 {
		return list
	}
	n := int64(len(list))
	k := (by%n + n) % n
	return append(slices.Clone(list[k:]), list[:k]...)
}

func arrayShift(direction int64) func(*compiler, *call, []code) (code, error) {
	return func(c *compiler, _ *call, a []code) (code, error) {
		fill := constant(Dynamic, null)
		if len(a) == 3 {
			fill = c.cast(a[2], Dynamic)
		}
		return c.apply(&function{result: Dynamic, nulls: true, eval: func(m *Runner, a []Value) Value {
			if !isArray(a[0]) || !a[1].OK {
				return null
			}
			list := elementsOf(a[0])
			n, by := int64(len(list)), a[1].N*direction
			out := make([][]byte, n)
			for i := range n {
				out[i] = jsonOrNull(a[2])
				if j := i + by; 0 <= j && j < n {
					out[i] = list[j]
				}
			}
			return m.arrayOf(out)
		}}, []code{a[0], a[1], fill}), nil
	}
}

// arraySplit cuts an array at one or several positions.
func arraySplit(c *compiler, x *call, a []code) (code, error) {
	if !isWhole(a[1].typ) && a[1].typ != Dynamic {
		return code{}, c.errorf(x.args[1].position(), "array_split wants an integer or an array of integers, not a %s", a[1].typ)
	}
	return c.map2(a[0], c.cast(a[1], Dynamic), Dynamic, func(m *Runner, v, at Value) Value {
		if !isArray(v) || !at.OK {
			return null
		}
		list, from := elementsOf(v), 0
		var pieces [][]byte
		cut := func(to int) {
			to = min(max(to, from), len(list))
			pieces = append(pieces, m.arrayOf(list[from:to]).S)
			from = to
		}
		m.eachItem(at, func(item Value) {
			n := int(m.number(item).n)
			if n < 0 {
				n = max(n+len(list), 0)
			}
			cut(n)
		})
		cut(len(list))
		return m.arrayOf(pieces)
	}), nil
}

func arraySum(m *Runner, a []Value) Value {
	if !isArray(a[0]) {
		return null
	}
	sum, ok := 0.0, true
	eachElement(a[0].S, func(raw []byte) {
		v := jsonValue(raw)
		if !v.OK {
			return
		}
		n := m.number(v)
		sum, ok = sum+n.f, ok && n.OK && raw[0] != '"'
	})
	return m.or(Value{F: sum, OK: ok})
}

// arrayIndexOf finds an occurrence of a value in array[start:start+length].
func arrayIndexOf(c *compiler, _ *call, a []code) (code, error) {
	a[1] = c.cast(a[1], Dynamic)
	return c.apply(&function{result: Long, eval: func(_ *Runner, a []Value) Value {
		if !isArray(a[0]) {
			return null
		}
		list := elementsOf(a[0])
		from, end, nth := int64(0), int64(len(list)), int64(1)
		if len(a) > 2 {
			if from = a[2].N; from < 0 {
				from = max(from+end, 0)
			}
		}
		if len(a) > 3 && a[3].N >= 0 {
			end = min(end, from+a[3].N)
		}
		if len(a) > 4 {
			nth = a[4].N
		}
		for i := from; i < end; i++ {
			if same(list[i], a[1].S) {
				if nth--; nth == 0 {
					return longValue(i)
				}
			}
		}
		return longValue(-1)
	}}, a), nil
}

// arrayIff chooses, for each condition, from two arrays or values.
func arrayIff(c *compiler, _ *call, a []code) (code, error) {
	a[1], a[2] = c.cast(a[1], Dynamic), c.cast(a[2], Dynamic)
	return c.apply(&function{result: Dynamic, nulls: true, eval: func(m *Runner, a []Value) Value {
		if !isArray(a[0]) {
			return null
		}
		pick := func(v Value, i int) []byte {
			if !isArray(v) {
				return jsonOrNull(v)
			}
			if list := elementsOf(v); i < len(list) {
				return list[i]
			}
			return []byte("null")
		}
		var out [][]byte
		eachElement(a[0].S, func(raw []byte) {
			cond, i := m.converted(jsonValue(raw), Dynamic, Bool), len(out)
			switch {
			case !jsonValue(raw).OK || !cond.OK:
				out = append(out, []byte("null"))
			case cond.N != 0:
				out = append(out, pick(a[1], i))
			default:
				out = append(out, pick(a[2], i))
			}
		})
		return m.arrayOf(out)
	}}, a), nil
}

// arraySort sorts an array, and brings others into the same order.
func arraySort(sign int) func(*compiler, *call, []code) (code, error) {
	return func(c *compiler, x *call, a []code) (code, error) {
		nullsLast := true
		if last := len(a) - 1; last > 0 && a[last].typ == Bool && a[last].konst {
			nullsLast = a[last].val.N != 0
			a = a[:last]
		}
		for i, k := range a {
			if k.typ != Dynamic {
				return code{}, c.errorf(x.args[i].position(), "%s takes arrays, not a %s", x.fn, k.typ)
			}
		}
		sorted := c.register(c.apply(&function{result: Dynamic, eval: func(m *Runner, a []Value) Value {
			return m.sortArrays(a, sign, nullsLast)
		}}, a))
		if len(a) == 1 {
			return c.step(sorted, scan.Step{IsIndex: true}), nil
		}
		for i := range a {
			sorted.tuple = append(sorted.tuple, c.step(code{typ: Dynamic, eval: c.run(sorted.used()).eval}, scan.Step{Index: i, IsIndex: true}))
		}
		return sorted, nil
	}
}

// sortArrays gives the arrays in the order of the first, as one array.
func (m *Runner) sortArrays(a []Value, sign int, nullsLast bool) Value {
	if !isArray(a[0]) {
		return null
	}
	keys := elementsOf(a[0])
	order := make([]int, len(keys))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		x, y := keys[i], keys[j]
		switch xNull, yNull := x[0] == 'n', y[0] == 'n'; {
		case xNull && yNull:
			return 0
		case xNull == nullsLast && xNull != yNull:
			return 1
		case xNull != yNull:
			return -1
		}
		return m.orderJSON(x, y) * sign
	})
	var out [][]byte
	for _, v := range a {
		list := elementsOf(v)
		if len(list) != len(keys) {
			out = append(out, []byte("null")) // arrays of other lengths cannot follow
			continue
		}
		moved := make([][]byte, len(list))
		for i, j := range order {
			moved[i] = list[j]
		}
		out = append(out, m.arrayOf(moved).S)
	}
	return m.arrayOf(out)
}

// orderJSON orders numbers by value, and texts by their characters.
func (m *Runner) orderJSON(x, y []byte) int {
	a, b := m.number(jsonValue(x)), m.number(jsonValue(y))
	if a.OK && b.OK && x[0] != '"' && y[0] != '"' {
		if a.whole && b.whole {
			return compareInts(a.n, b.n)
		}
		return compareFloats(a.f, b.f)
	}
	if kx, ky := scan.KindOf(x[0]), scan.KindOf(y[0]); kx != ky {
		return int(kx) - int(ky)
	}
	return bytes.Compare(appendText(nil, Dynamic, jsonValue(x)), appendText(nil, Dynamic, jsonValue(y)))
}

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
		list := make([][]byte, min(a[1].N, maxRange))
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

// set collects elements that differ.
type set struct{ out [][]byte }

func (s *set) distinct(list [][]byte, keep func([]byte) bool) [][]byte {
	for _, raw := range list {
		if keep(raw) && !contains(s.out, raw) {
			s.out = append(s.out, raw)
		}
	}
	return s.out
}

func sets(f func(s *set, lists [][][]byte) [][]byte) func(m *Runner, a []Value) Value {
	return func(m *Runner, a []Value) Value {
		lists := make([][][]byte, len(a))
		for i, v := range a {
			if !isArray(v) {
				return null
			}
			lists[i] = elementsOf(v)
		}
		return m.arrayOf(f(&set{}, lists))
	}
}

func contains(list [][]byte, raw []byte) bool {
	return slices.ContainsFunc(list, func(e []byte) bool { return same(e, raw) })
}

// same compares two JSON values: numbers by value, texts by what they mean.
func same(a, b []byte) bool {
	switch {
	case bytes.Equal(a, b):
		return true
	case len(a) == 0 || len(b) == 0 || scan.KindOf(a[0]) != scan.KindOf(b[0]):
		return false
	case scan.KindOf(a[0]) == scan.Number:
		x, err1 := strconv.ParseFloat(string(a), 64)
		y, err2 := strconv.ParseFloat(string(b), 64)
		_, whole1 := parseDigits(a)
		_, whole2 := parseDigits(b)
		return err1 == nil && err2 == nil && x == y && !(whole1 && whole2)
	}
	return bytes.Equal(appendText(nil, Dynamic, jsonValue(a)), appendText(nil, Dynamic, jsonValue(b)))
}

func jaccard(m *Runner, a []Value) Value {
	if !isArray(a[0]) || !isArray(a[1]) {
		return null
	}
	all := func([]byte) bool { return true }
	x, y := new(set).distinct(elementsOf(a[0]), all), new(set).distinct(elementsOf(a[1]), all)
	both := len(new(set).distinct(x, func(raw []byte) bool { return contains(y, raw) }))
	if len(x)+len(y) == 0 {
		return null
	}
	return m.convert(realValue(float64(both)/float64(len(x)+len(y)-both)), Real, Dynamic)
}

func bagKeys(m *Runner, a []Value) Value {
	if !isBag(a[0]) {
		return null
	}
	return m.makeJSON(func(dst []byte) []byte {
		dst = append(dst, '[')
		from := len(dst)
		eachMember(a[0].S, func(name, _ []byte) {
			if len(dst) > from {
				dst = append(dst, ',')
			}
			dst = scan.AppendQuoted(dst, name)
		})
		return append(dst, ']')
	})
}

// bag is a JSON object whose members keep their order.
type bag struct {
	keys   []string
	values map[string][]byte
}

func bagOf(v Value) *bag {
	b := &bag{values: map[string][]byte{}}
	eachMember(v.S, func(name, raw []byte) { b.set(string(name), raw) })
	return b
}

func (b *bag) set(key string, raw []byte) {
	if _, ok := b.values[key]; !ok {
		b.keys = append(b.keys, key)
	}
	b.values[key] = raw
}

func (b *bag) remove(key string) {
	if _, ok := b.values[key]; ok {
		delete(b.values, key)
		b.keys = slices.DeleteFunc(b.keys, func(k string) bool { return k == key })
	}
}

func (b *bag) append(dst []byte) []byte {
	dst = append(dst, '{')
	for i, k := range b.keys {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(append(scan.AppendQuoted(dst, k), ':'), b.values[k]...)
	}
	return append(dst, '}')
}

// bagMerge merges bags; of a key that several have, the first counts.
func bagMerge(m *Runner, a []Value) Value {
	out := &bag{values: map[string][]byte{}}
	for _, v := range a {
		if !v.OK {
			continue
		}
		if !isBag(v) {
			return null
		}
		eachMember(v.S, func(name, raw []byte) {
			if _, ok := out.values[string(name)]; !ok {
				out.set(string(name), raw)
			}
		})
	}
	return m.makeJSON(out.append)
}

// steps reads the path of a bag function: a key, or $.a.b and $['a']['b'].
func steps(path string) []string {
	rest, ok := strings.CutPrefix(path, "$")
	if !ok || rest == "" || rest[0] != '.' && rest[0] != '[' {
		return []string{path}
	}
	var out []string
	for rest != "" {
		switch {
		case strings.HasPrefix(rest, "['"):
			key, after, found := strings.Cut(rest[2:], "']")
			if !found {
				return []string{path}
			}
			out, rest = append(out, key), after
		case rest[0] == '.':
			end := strings.IndexAny(rest[1:], ".[")
			if end < 0 {
				end = len(rest) - 1
			}
			out, rest = append(out, rest[1:end+1]), rest[end+1:]
		default:
			return []string{path}
		}
	}
	return out
}

// path finds what a path leads to.
func (m *Runner) path(v Value, path []byte) Value {
	for _, key := range steps(string(path)) {
		if !isBag(v) {
			return Value{}
		}
		found, in := false, v
		eachMember(in.S, func(name, raw []byte) {
			if string(name) == key {
				v, found = Value{S: raw, OK: true}, true
			}
		})
		if !found {
			return Value{}
		}
	}
	return v
}

func bagRemoveKeys(m *Runner, a []Value) Value {
	if !isBag(a[0]) || !isArray(a[1]) {
		return null
	}
	raw := a[0].S
	eachElement(a[1].S, func(key []byte) {
		raw = removePath(raw, steps(string(appendText(nil, Dynamic, jsonValue(key)))))
	})
	return m.makeJSON(func(dst []byte) []byte { return append(dst, raw...) })
}

func removePath(raw []byte, path []string) []byte {
	if len(raw) == 0 || raw[0] != '{' {
		return raw
	}
	b := bagOf(Value{S: raw})
	if len(path) == 1 {
		b.remove(path[0])
	} else if inner, ok := b.values[path[0]]; ok {
		b.values[path[0]] = removePath(inner, path[1:])
	}
	return b.append(nil)
}

func bagSetKey(c *compiler, _ *call, a []code) (code, error) {
	path := steps(string(a[1].val.S))
	return c.apply(&function{result: Dynamic, nulls: true, eval: func(m *Runner, a []Value) Value {
		if !isBag(a[0]) {
			return null
		}
		return m.makeJSON(func(dst []byte) []byte { return append(dst, setPath(a[0].S, path, jsonOrNull(a[1]))...) })
	}}, []code{a[0], c.cast(a[2], Dynamic)}), nil
}

func setPath(raw []byte, path []string, value []byte) []byte {
	if len(raw) == 0 || raw[0] != '{' {
		raw = []byte("{}")
	}
	b := bagOf(Value{S: raw})
	if len(path) > 1 {
		value = setPath(b.values[path[0]], path[1:], value)
	}
	b.set(path[0], value)
	return b.append(nil)
}

func bagZip(m *Runner, a []Value) Value {
	if !isArray(a[0]) || !isArray(a[1]) {
		return null
	}
	values, out, i := elementsOf(a[1]), &bag{values: map[string][]byte{}}, 0
	eachElement(a[0].S, func(key []byte) {
		value := []byte("null")
		if i < len(values) {
			value = values[i]
		}
		if i++; key[0] == '"' {
			out.set(string(appendText(nil, Dynamic, jsonValue(key))), value)
		}
	})
	return m.makeJSON(out.append)
}

// treePath lists the paths to everything in a value.
func treePath(m *Runner, a []Value) Value {
	if !isBag(a[0]) && !isArray(a[0]) {
		return null
	}
	var paths []string
	var walk func(prefix string, raw []byte)
	walk = func(prefix string, raw []byte) {
		eachMember(raw, func(name, value []byte) {
			p := fmt.Sprintf("%s['%s']", prefix, name)
			paths = append(paths, p)
			walk(p, value)
		})
		i := 0
		eachElement(raw, func(value []byte) {
			if i == 0 {
				paths = append(paths, prefix+"[0]")
				walk(prefix+"[0]", value)
			}
			i++
		})
	}
	walk("", a[0].S)
	return m.makeJSON(func(dst []byte) []byte {
		dst = append(dst, '[')
		for i, p := range paths {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = scan.AppendQuoted(dst, p)
		}
		return append(dst, ']')
	})
}

// extractJSON compiles extract_json("$.a[0].b", text[, typeof(long)]).
func extractJSON(c *compiler, x *call, a []code) (code, error) {
	path, ok := jsonPath(string(a[0].val.S))
	if !ok {
		return code{}, c.errorf(x.args[0].position(), "%s wants a path such as $.a[0]['b']", x.fn)
	}
	tree := scan.NewTree()
	slot := tree.Add(path)
	k := c.map1(a[1], Dynamic, func(m *Runner, v Value) Value {
		p := scan.Space(v.S, 0)
		if p == len(v.S) {
			return null
		}
		return m.lookup(tree, slot, Value{S: v.S[p:], OK: true})
	})
	t := String
	if len(a) == 3 {
		t = a[2].typ
	}
	return c.cast(k, t), nil
}

// jsonPath reads $.a[0]['b'].
func jsonPath(s string) ([]scan.Step, bool) {
	s, ok := strings.CutPrefix(s, "$")
	var path []scan.Step
	for ok && s != "" {
		switch {
		case s[0] == '.':
			end := strings.IndexAny(s[1:], ".[")
			if end < 0 {
				end = len(s) - 1
			}
			path, s = append(path, scan.Step{Key: s[1 : end+1]}), s[end+1:]
		case s[0] == '[':
			inner, rest, found := strings.Cut(s[1:], "]")
			if !found || inner == "" {
				return nil, false
			}
			if n, err := strconv.Atoi(inner); err == nil && n >= 0 {
				path = append(path, scan.Step{Index: n, IsIndex: true})
			} else if q := inner[0]; len(inner) > 1 && (q == '\'' || q == '"') && inner[len(inner)-1] == q {
				path = append(path, scan.Step{Key: inner[1 : len(inner)-1]})
			} else {
				return nil, false
			}
			s = rest
		default:
			return nil, false
		}
	}
	return path, ok
}
