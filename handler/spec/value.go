package spec

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/sluice-connectors/sluice/handler/nearest"
)

// maxValues bounds what a document may become: aliases of aliases multiply.
const maxValues = 1 << 17

// decoder writes a YAML document into Go values, and collects what is wrong with it.
type decoder struct {
	places  *Places
	anchors map[string]ast.Node
	values  int // so far
	depth   int
	errs    []error
}

func (d *decoder) errorf(path, format string, args ...any) {
	d.errs = append(d.errs, d.places.Problem(path, format, args...))
}

// note remembers where the value at path begins: where its key does, if it has one.
func (d *decoder) note(path string, n ast.Node) {
	if _, known := d.places.at[path]; known {
		return
	}
	at := n.GetToken().Position
	switch n := n.(type) {
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			at = n.Values[0].Key.GetToken().Position
		}
	case *ast.MappingValueNode:
		at = n.Key.GetToken().Position
	}
	d.places.at[path] = [2]int{at.Line, at.Column}
}

// value writes n into v.
func (d *decoder) value(n ast.Node, v reflect.Value, path string) {
	d.note(path, n)
	d.values, d.depth = d.values+1, d.depth+1
	defer func() { d.depth-- }()
	if d.values > maxValues || d.depth > maxDepth {
		if d.values <= maxValues+1 { // once is enough
			d.errorf(path, "nested too deep, or aliases of aliases")
		}
		return
	}
	if n = d.follow(n, path); n == nil {
		return
	}
	if _, null := n.(*ast.NullNode); null && v.Kind() != reflect.Interface {
		d.errorf(path, "%s has no value: write one, or leave the key out", name(path))
		return
	}
	switch to := v.Addr().Interface().(type) {
	case *Duration:
		d.duration(n, to, path)
	case *Values:
		d.list(n, to, path)
	case *Lets:
		d.lets(n, to, path)
	case *any:
		*to = d.tree(n, path)
	case *string:
		*to, _ = d.text(n, path)
	default:
		d.compound(n, v, path)
	}
}

func (d *decoder) compound(n ast.Node, v reflect.Value, path string) {
	switch v.Kind() {
	case reflect.Bool:
		b, ok := n.(*ast.BoolNode)
		if !ok {
			d.errorf(path, "%s is true or false, not %s", name(path), found(n))
			return
		}
		v.SetBool(b.Value)
	case reflect.Int, reflect.Float64:
		d.number(n, v, path)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(n, v.Elem(), path)
	case reflect.Struct:
		d.structure(n, v, path)
	case reflect.Slice:
		d.slice(n, v, path)
	case reflect.Map:
		pairs, ok := d.pairs(n, path)
		if !ok {
			d.errorf(path, "%s: want keys and values, not %s", name(path), found(n))
			return
		}
		v.Set(reflect.MakeMap(v.Type()))
		for _, p := range pairs {
			d.note(join(path, p.key), p.node.Value)
			elem := reflect.New(v.Type().Elem()).Elem()
			d.value(p.node.Value, elem, join(path, p.key))
			v.SetMapIndex(reflect.ValueOf(p.key), elem)
		}
	default:
		panic("no file has a value of type " + v.Type().String())
	}
}

func (d *decoder) slice(n ast.Node, v reflect.Value, path string) {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		d.errorf(path, "%s: want a list, not %s: write [a, b], or a line that begins with - for each", name(path), found(n))
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(seq.Values), len(seq.Values)))
	for i, item := range seq.Values {
		d.value(item, v.Index(i), fmt.Sprintf("%s[%d]", path, i))
	}
}

func (d *decoder) structure(n ast.Node, v reflect.Value, path string) {
	t := v.Type()
	pairs, ok := d.pairs(n, path)
	if !ok {
		d.errorf(path, "want keys and values, not %s: %s", found(n), strings.Join(fieldNames(t), ", "))
		return
	}
	given := map[string]bool{}
	for _, p := range pairs {
		at := join(path, p.key)
		given[p.key] = true
		d.note(at, p.node.Key)
		i := slices.IndexFunc(reflect.VisibleFields(t), func(f reflect.StructField) bool { return f.Tag.Get("yaml") == p.key })
		if i < 0 {
			d.errorf(at, "unknown key %q%s", p.key, nearest.Hint(p.key, fieldNames(t)))
			continue
		}
		d.field(p.node.Value, t.Field(i), v.Field(i), at)
	}
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Tag.Get("required") == "true" && !given[f.Tag.Get("yaml")] {
			d.errorf(path, "the key %q is missing: %s", f.Tag.Get("yaml"), f.Tag.Get("doc"))
		}
	}
}

// field writes the value of a key. What is wrong with a plain one is said with what
// the key is for.
func (d *decoder) field(n ast.Node, f reflect.StructField, v reflect.Value, path string) {
	before := len(d.errs)
	d.value(n, v, path)
	switch v.Kind() {
	case reflect.String, reflect.Bool, reflect.Int, reflect.Int64, reflect.Float64:
		if len(d.errs) == before {
			d.allowed(f, v, path)
		} else if p, ok := d.errs[before].(*Problem); ok {
			p.Msg += " (" + f.Tag.Get("doc") + ")"
		}
	}
}

// allowed checks a text that has to be one of a few, or may not be empty.
func (d *decoder) allowed(f reflect.StructField, v reflect.Value, path string) {
	if v.Kind() != reflect.String {
		return
	}
	key, s := f.Tag.Get("yaml"), v.String()
	if f.Tag.Get("required") == "true" && s == "" {
		d.errorf(path, "%s is empty: %s", key, f.Tag.Get("doc"))
	} else if enum := f.Tag.Get("enum"); enum != "" && !slices.Contains(strings.Split(enum, "|"), s) {
		words := strings.Split(enum, "|")
		d.errorf(path, "%s is %q, want %s%s", key, s, strings.Join(words, ", "), nearest.Hint(s, words))
	}
}

// follow steps over anchors and aliases to the value itself; nil when there is none.
func (d *decoder) follow(n ast.Node, path string) ast.Node {
	for {
		switch x := n.(type) {
		case *ast.TagNode:
			d.errorf(path, "tags such as %s have no meaning here: leave it out", x.Start.Value)
			return nil
		case *ast.AnchorNode:
			d.anchors[x.Name.String()] = x.Value
			n = x.Value
		case *ast.AliasNode:
			v, ok := d.anchors[x.Value.String()]
			if !ok {
				d.errorf(path, "there is no &%s before *%s; a text that begins with * needs quotes", x.Value, x.Value)
				return nil
			}
			n = v
		default:
			return n
		}
	}
}

// pair is a key of a mapping, and its place in the file.
type pair struct {
	key  string
	node *ast.MappingValueNode
}

// pairs are the keys and values of a mapping. Those of a merge key (<<) come first,
// so that the mapping's own replace them.
func (d *decoder) pairs(n ast.Node, path string) (list []pair, ok bool) {
	var given []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingNode:
		given = n.Values
	case *ast.MappingValueNode:
		given = []*ast.MappingValueNode{n}
	default:
		return nil, false
	}
	lines := map[string]int{}
	for _, p := range given {
		if _, merge := p.Key.(*ast.MergeKeyNode); merge {
			list = append(d.merged(p.Value, path), list...)
			continue
		}
		key, at := keyText(p.Key), p.Key.GetToken().Position
		if first, twice := lines[key]; twice {
			d.errs = append(d.errs, &Problem{d.places.file, at.Line, at.Column, fmt.Sprintf("the key %q is there twice: first in line %d", key, first), path})
			continue
		}
		lines[key] = at.Line
		list = append(list, pair{key, p})
	}
	return list, true
}

func (d *decoder) merged(n ast.Node, path string) []pair {
	if n = d.follow(n, path); n == nil {
		return nil
	}
	list, ok := d.pairs(n, path)
	if !ok {
		d.errorf(path, "want <<: *name, the keys and values of an anchor, not %s", found(n))
	}
	return list
}

func keyText(k ast.MapKeyNode) string {
	switch k := k.(type) {
	case *ast.StringNode:
		return k.Value
	case *ast.MappingKeyNode: // ? key
		if s, ok := k.Value.(*ast.StringNode); ok {
			return s.Value
		}
		return k.Value.String()
	}
	return k.GetToken().Value
}

func (d *decoder) lets(n ast.Node, to *Lets, path string) {
	pairs, ok := d.pairs(n, path)
	if !ok {
		d.errorf(path, "%s: want names and KQL expressions, not %s", name(path), found(n))
	}
	for _, p := range pairs {
		l := Let{Name: p.key}
		d.value(p.node.Value, reflect.ValueOf(&l.KQL).Elem(), join(path, p.key))
		*to = append(*to, l)
	}
}

// tree is a value of any kind, as JSON has it. What versions of YAML read in
// different ways has to be written so that they do not.
func (d *decoder) tree(n ast.Node, path string) any {
	switch n := n.(type) {
	case *ast.NullNode:
		return nil
	case *ast.BoolNode:
		return n.Value
	case *ast.SequenceNode:
		list := make([]any, len(n.Values))
		for i, item := range n.Values {
			d.value(item, reflect.ValueOf(&list[i]).Elem(), fmt.Sprintf("%s[%d]", path, i))
		}
		return list
	case *ast.MappingNode, *ast.MappingValueNode:
		pairs, _ := d.pairs(n, path)
		m := make(map[string]any, len(pairs))
		for _, p := range pairs {
			var v any
			d.value(p.node.Value, reflect.ValueOf(&v).Elem(), join(path, p.key))
			m[p.key] = v
		}
		return m
	}
	return d.scalar(n, path)
}

// name is the last key of a path.
func name(path string) string {
	name := path[strings.LastIndexByte(path, '.')+1:]
	if name == "" {
		return "the file"
	}
	return name
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func fieldNames(t reflect.Type) []string {
	var names []string
	for i := range t.NumField() {
		if k := t.Field(i).Tag.Get("yaml"); k != "" && k != "-" {
			names = append(names, k)
		}
	}
	return names
}
