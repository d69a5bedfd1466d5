package kql

import (
	"bytes"
	"slices"
	"strconv"

	"github.com/sluice-connectors/sluice/handler/scan"
)

// The functions over sets: arrays in which the order of elements does not count.

func init() {
	topic = "Arrays, sets and bags"
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
