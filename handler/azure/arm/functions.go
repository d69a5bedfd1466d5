package arm

import (
	"crypto/sha1"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// pure are the functions that depend on their arguments only.
var pure map[string]func(a []any) any

func init() {
	constant := func(v any) func(a []any) any { return func([]any) any { return v } }
	pure = map[string]func(a []any) any{
		"true": constant(true), "false": constant(false), "null": constant(nil),
		"not":          func(a []any) any { return !truth(a[0]) },
		"equals":       func(a []any) any { return str(a[0]) == str(a[1]) },
		"empty":        func(a []any) any { return empty(a[0]) },
		"length":       length,
		"toLower":      func(a []any) any { return strings.ToLower(str(a[0])) },
		"string":       func(a []any) any { return str(a[0]) },
		"json":         fromJSON,
		"replace":      func(a []any) any { return strings.ReplaceAll(str(a[0]), str(a[1]), str(a[2])) },
		"split":        split,
		"take":         take,
		"format":       format,
		"concat":       concat,
		"join":         func(a []any) any { return strings.Join(texts(list(a[0])), str(a[1])) },
		"last":         func(a []any) any { return at(a[0], len(list(a[0]))-1) },
		"contains":     contains,
		"coalesce":     coalesce,
		"tryGet":       tryGet,
		"guid":         func(a []any) any { return guid(texts(a)) },
		"createArray":  func(a []any) any { return a },
		"createObject": createObject,
		"union":        union,
		"items":        items,
		"filter": func(a []any) any {
			f := function(a[1])
			return slices.DeleteFunc(slices.Clone(list(a[0])), func(v any) bool { return !truth(f(v)) })
		},
		"map": func(a []any) any {
			f := function(a[1])
			l := []any{}
			for _, v := range list(a[0]) {
				l = append(l, f(v))
			}
			return l
		},
	}
}

func fromJSON(a []any) any {
	var v any
	if err := json.Unmarshal([]byte(str(a[0])), &v); err != nil {
		failf("%q is no JSON: %v", a[0], err)
	}
	return v
}

// function is a lambda.
func function(v any) func(any) any {
	f, ok := v.(func(any) any)
	if !ok {
		failf("%v is no lambda", v)
	}
	return f
}

func length(a []any) any {
	switch v := a[0].(type) {
	case string:
		return len([]rune(v))
	case map[string]any:
		return len(v)
	}
	return len(list(a[0]))
}

func split(a []any) any {
	l := []any{}
	for _, s := range strings.Split(str(a[0]), str(a[1])) {
		l = append(l, s)
	}
	return l
}

func take(a []any) any {
	n := max(number(a[1]), 0)
	if l, ok := a[0].([]any); ok {
		return l[:min(n, len(l))]
	}
	r := []rune(str(a[0]))
	return string(r[:min(n, len(r))])
}

func format(a []any) any {
	s := strings.NewReplacer("{{", "\x00", "}}", "\x01").Replace(str(a[0]))
	for i, v := range a[1:] {
		s = strings.ReplaceAll(s, fmt.Sprintf("{%d}", i), str(v))
	}
	return strings.NewReplacer("\x00", "{", "\x01", "}").Replace(s)
}

func concat(a []any) any {
	if _, ok := a[0].([]any); !ok {
		return strings.Join(texts(a), "")
	}
	l := []any{}
	for _, v := range a {
		l = append(l, list(v)...)
	}
	return l
}

func contains(a []any) any {
	switch v := a[0].(type) {
	case []any:
		return slices.ContainsFunc(v, func(x any) bool { return str(x) == str(a[1]) })
	case map[string]any:
		_, ok := v[str(a[1])]
		return ok
	}
	return strings.Contains(str(a[0]), str(a[1]))
}

func coalesce(a []any) any {
	for _, v := range a {
		if v != nil {
			return v
		}
	}
	return nil
}

func tryGet(a []any) any {
	m, ok := a[0].(map[string]any)
	if !ok {
		return nil
	}
	return m[str(a[1])]
}

func createObject(a []any) any {
	m := map[string]any{}
	for i := 0; i+1 < len(a); i += 2 {
		m[str(a[i])] = a[i+1]
	}
	return m
}

// items are the members of an object, by name.
func items(a []any) any {
	l := []any{}
	m := obj(a[0])
	for _, k := range slices.Sorted(maps.Keys(m)) {
		l = append(l, map[string]any{"key": k, "value": m[k]})
	}
	return l
}

func union(a []any) any {
	if _, ok := a[0].(map[string]any); ok {
		m := map[string]any{}
		for _, v := range a {
			for k, x := range obj(v) {
				m[k] = x
			}
		}
		return m
	}
	return concat(a)
}

// guid is ARM's: a UUID of version 5 (RFC 4122) of the values with hyphens between.
func guid(parts []string) string {
	namespace := []byte{0x11, 0xfb, 0x06, 0xfb, 0x71, 0x2d, 0x4d, 0xdd, 0x98, 0xc7, 0xe7, 0x1b, 0xbd, 0x58, 0x88, 0x30}
	h := sha1.Sum(append(namespace, strings.Join(parts, "-")...))
	h[6], h[8] = h[6]&0x0f|0x50, h[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", h[0:4], h[4:6], h[6:8], h[8:10], h[10:16])
}
