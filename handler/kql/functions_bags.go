package kql

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-connectors/sluice/handler/scan"
)

// The functions over bags: objects with keys and values.

func init() {
	topic = "Arrays, sets and bags"
	built("bag_pack(key:string*, value:scalar*) dynamic", bagPack).alias("pack", "pack_dictionary")
	declare("pack_all(ignore_null_empty:scalar?) dynamic").special = packAll
	declare("bag_pack_columns(column:scalar*) dynamic").special = bagPackColumns
	pure("bag_keys(object:bag) dynamic", bagKeys)
	pure("bag_has_key(bag:bag, key:string) bool", func(m *Runner, a []Value) Value { return boolValue(m.path(a[0], a[1].S).OK) })
	total("bag_merge(bag:bag*) dynamic", bagMerge).least(2)
	pure("bag_remove_keys(bag:bag, keys:array) dynamic", bagRemoveKeys)
	built("bag_set_key(bag:bag, key:const string, value:scalar) dynamic", bagSetKey)
	pure("bag_zip(keys:array, values:array) dynamic", bagZip)
	pure("treepath(object:bag) dynamic", treePath).named(nameTypePrefix, "tree")
	built("extract_json(path:const string, json:string, type:type?)", extractJSON).alias("extractjson")
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
	size := 0
	var walk func(prefix string, raw []byte)
	walk = func(prefix string, raw []byte) {
		if size += len(prefix); size > maxMade {
			return
		}
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
	if size > maxMade {
		return m.or(null)
	}
	return m.strings(paths)
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
