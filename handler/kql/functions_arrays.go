package kql

import (
	"bytes"
	"iter"
	"slices"

	"github.com/sluice-connectors/sluice/handler/scan"
)

// The functions over arrays.

func init() {
	topic = "Arrays, sets and bags"
	pure("array_length(array:array) long", arrayLength).alias("arraylength")
	declare("pack_array(value:scalar*) dynamic").special = packArray

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
	size := 0
	for _, raw := range list {
		size += len(raw) + 1
	}
	if !m.room(size) {
		return null
	}
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
		if c.open {
			return code{}, c.errorf(x.pos, "pack_array(*) needs declared columns: the record's members are not known before it comes")
		}
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
			return appendArray(dst, func(yield func([]byte) bool) {
				for _, v := range a {
					if !yield(jsonOrNull(v)) {
						return
					}
				}
			})
		})
	}}, args), nil
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
	if !m.room(n * len(a) * len(",null")) {
		return null
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
		list, key := elementsOf(a[0]), keyOf(a[1].S)
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
			if keyOf(list[i]) == key {
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
