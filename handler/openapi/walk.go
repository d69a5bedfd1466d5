package openapi

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// node is a member: all that the schemas which speak of it say, together.
type node struct {
	types  map[string]bool
	values []string
	keys   map[string]*node
	elem   *node // of a list
	any    *node // of an object with whatever keys
}

// walk puts schemas together.
type walk struct {
	d    *Document
	size int // schemas that were looked at
	err  error
}

// Schemas may refer to themselves, and to each other in many ways: what is deeper, and what
// comes after so many, is dynamic.
const (
	maxDepth   = 20
	maxSchemas = 50000
)

// schema notes in n what s says; refs are the references that led here.
func (w *walk) schema(n *node, s map[string]any, refs []string) {
	if w.size++; len(refs) >= maxDepth || w.size > maxSchemas {
		n.is("dynamic")
		return
	}
	if ref := text(s["$ref"]); ref != "" {
		w.refer(n, ref, refs)
		return
	}
	for _, key := range []string{"allOf", "oneOf", "anyOf"} {
		list, _ := s[key].([]any)
		for _, one := range list {
			if m, ok := one.(map[string]any); ok {
				w.schema(n, m, refs)
			}
		}
	}
	props, _ := s["properties"].(map[string]any)
	items, isList := s["items"].(map[string]any)
	extra, more := s["additionalProperties"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(props)) {
		if m, ok := props[name].(map[string]any); ok {
			w.schema(n.child(name), m, append(slices.Clip(refs), ""))
		}
	}
	if isList {
		w.schema(made(&n.elem), items, append(slices.Clip(refs), ""))
	}
	if more {
		w.schema(made(&n.any), extra, append(slices.Clip(refs), ""))
	}
	if len(props) == 0 && !isList && !more {
		n.plain(s)
	}
}

func (w *walk) refer(n *node, ref string, refs []string) {
	s, ok := w.d.resolve(ref)
	switch {
	case !strings.HasPrefix(ref, "#/"):
		w.fail("%s refers to another file, %s: put them together into one first", w.d.file, ref)
	case !ok:
		w.fail("%s refers to %s, which it does not have", w.d.file, ref)
	case slices.Contains(refs, ref):
		n.is("dynamic") // it is in itself
	default:
		w.schema(n, s, append(slices.Clip(refs), ref))
	}
}

func (w *walk) fail(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf(format, args...)
	}
}

func (n *node) child(name string) *node {
	if n.keys == nil {
		n.keys = map[string]*node{}
	}
	if n.keys[name] == nil {
		n.keys[name] = &node{}
	}
	return n.keys[name]
}

func made(n **node) *node {
	if *n == nil {
		*n = &node{}
	}
	return *n
}

func (n *node) is(typ string) {
	if n.types == nil {
		n.types = map[string]bool{}
	}
	n.types[typ] = true
}

// plain notes the types of a schema without members. One that says nothing of a type says
// nothing where others do: it is a part of them.
func (n *node) plain(s map[string]any) {
	list, several := s["type"].([]any) // OpenAPI 3.1
	if !several {
		list = []any{s["type"]}
	}
	values, _ := s["enum"].([]any)
	for _, t := range list {
		switch typ := typeOf(text(t), text(s["format"])); {
		case typ != "":
			n.is(typ)
		case len(values) > 0 && !several:
			n.is("string")
		}
	}
	for _, v := range values {
		if t := text(v); t != "" && !slices.Contains(n.values, t) {
			n.values = append(n.values, t)
		}
	}
}

// typeOf is what model.yaml calls a type; "" when none is said.
func typeOf(t, format string) string {
	switch t {
	case "string":
		switch format {
		case "date-time", "date":
			return "datetime"
		case "uuid":
			return "guid"
		case "int64", "int32", "uint64":
			return "long-text"
		case "double", "float", "decimal":
			return "real-text"
		case "boolean":
			return "bool-text"
		}
		return "string"
	case "integer":
		if format == "int32" {
			return "int"
		}
		return "long"
	case "number":
		return "real"
	case "boolean":
		return "bool"
	case "object", "array":
		return "dynamic"
	}
	return ""
}

// typ is the type that holds what all that is said of n allows.
func (n *node) typ() string {
	types := slices.Sorted(maps.Keys(n.types))
	has := func(among ...string) bool {
		return !slices.ContainsFunc(types, func(t string) bool { return !slices.Contains(among, t) })
	}
	switch {
	case len(types) == 0:
		return "dynamic"
	case len(types) == 1:
		return types[0]
	case has("int", "long"):
		return "long"
	case has("int", "long", "real"):
		return "real"
	case has("string", "datetime", "guid", "long-text", "real-text", "bool-text"):
		return "string"
	}
	return "dynamic"
}

// members appends those of n, whose path is at.
func (n *node) members(at string, list *[]Member) {
	scalar := slices.ContainsFunc(slices.Collect(maps.Keys(n.types)), func(t string) bool { return t != "dynamic" })
	forms := 0
	for _, is := range []bool{scalar, n.elem != nil, len(n.keys) > 0 || n.any != nil} {
		if is {
			forms++
		}
	}
	switch {
	case forms > 1 && at != "":
		*list = append(*list, Member{Path: at, Type: "dynamic"})
		return
	case n.elem == nil && len(n.keys) == 0 && n.any == nil:
		*list = append(*list, Member{Path: at, Type: n.typ(), Values: n.values})
		return
	}
	for _, name := range slices.Sorted(maps.Keys(n.keys)) {
		n.keys[name].members(join(at, name), list)
	}
	if n.elem != nil {
		n.elem.members(at+"[]", list)
	}
	if n.any != nil {
		n.any.members(strings.TrimPrefix(at+".*", "."), list)
	}
}

var plainName = regexp.MustCompile(`^[^.\[\]"*]+$`)

func join(at, name string) string {
	switch {
	case !plainName.MatchString(name):
		return at + `["` + name + `"]`
	case at == "":
		return name
	}
	return at + "." + name
}
