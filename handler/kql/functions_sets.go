package kql

import (
	"maps"
	"strconv"

	"github.com/sluice-connectors/sluice/handler/scan"
)

// The functions over sets: arrays in which the order of elements does not count.

func init() {
	topic = "Arrays, sets and bags"
	pure("set_union(set:array*) dynamic", sets(func(out *set, in []*set) {
		for _, s := range in {
			out.add(s.list, func(string) bool { return true })
		}
	})).least(2)
	pure("set_intersect(set:array*) dynamic", sets(func(out *set, in []*set) {
		out.add(in[0].list, func(key string) bool {
			n := 1
			for _, s := range in[1:] {
				if s.keys[key] {
					n++
				}
			}
			return n == len(in)
		})
	})).least(2)
	pure("set_difference(set:array*) dynamic", sets(func(out *set, in []*set) {
		out.add(in[0].list, func(key string) bool {
			for _, s := range in[1:] {
				if s.keys[key] {
					return false
				}
			}
			return true
		})
	})).least(2)
	pure("set_equals(a:array, b:array) bool", func(_ *Runner, a []Value) Value {
		return boolValue(maps.Equal(setOf(a[0]).keys, setOf(a[1]).keys))
	})
	built("set_has_element(set:array, value:scalar) bool", func(c *compiler, _ *call, a []code) (code, error) {
		return c.map2(a[0], c.cast(a[1], Dynamic), Bool, func(_ *Runner, list, v Value) Value {
			found, key := false, keyOf(jsonOrNull(v))
			if list.OK {
				eachElement(list.S, func(raw []byte) { found = found || keyOf(raw) == key })
			}
			return boolValue(found)
		}), nil
	})
	pure("jaccard_index(a:array, b:array) dynamic", jaccard)
}

// set is elements that differ, in the order in which they came.
type set struct {
	list [][]byte
	keys map[string]bool
}

func setOf(v Value) *set {
	s := &set{keys: map[string]bool{}}
	s.add(elementsOf(v), func(string) bool { return true })
	return s
}

// add adds what is new and to be kept.
func (s *set) add(list [][]byte, keep func(key string) bool) {
	for _, raw := range list {
		if key := keyOf(raw); !s.keys[key] && keep(key) {
			s.keys[key] = true
			s.list = append(s.list, raw)
		}
	}
}

// keyOf is equal for equal values: numbers by value, texts by what they mean.
func keyOf(raw []byte) string {
	switch scan.KindOf(raw[0]) {
	case scan.String:
		return `"` + string(appendText(nil, Dynamic, jsonValue(raw)))
	case scan.Number:
		if _, whole := parseDigits(raw); whole {
			return string(raw)
		}
		f, err := strconv.ParseFloat(string(raw), 64)
		if n := int64(f); err == nil && float64(n) == f {
			return strconv.FormatInt(n, 10)
		}
		return strconv.FormatFloat(f, 'g', -1, 64)
	}
	return string(raw)
}

// sets makes a function of several sets that gives a set.
func sets(f func(out *set, in []*set)) func(m *Runner, a []Value) Value {
	return func(m *Runner, a []Value) Value {
		in := make([]*set, len(a))
		for i, v := range a {
			if !isArray(v) {
				return null
			}
			in[i] = setOf(v)
		}
		out := &set{keys: map[string]bool{}}
		f(out, in)
		return m.arrayOf(out.list)
	}
}

func jaccard(m *Runner, a []Value) Value {
	if !isArray(a[0]) || !isArray(a[1]) {
		return null
	}
	x, y, both := setOf(a[0]), setOf(a[1]), 0
	for key := range x.keys {
		if y.keys[key] {
			both++
		}
	}
	all := len(x.list) + len(y.list) - both
	if all == 0 {
		return null
	}
	return m.convert(realValue(float64(both)/float64(all)), Real, Dynamic)
}
