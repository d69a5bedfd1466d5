package spec

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/sluice-connectors/sluice/handler/nearest"
)

// Problem is a mistake in a file.
type Problem struct {
	File      string
	Line, Col int
	Msg       string
}

func (p *Problem) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Col, p.Msg)
}

// Places knows where in a file each value stands, by its path: streams[0].paging.type.
type Places struct {
	file string
	at   map[string][2]int
}

// Problem makes an error for the value at path, or for what it is part of.
func (p *Places) Problem(path, format string, args ...any) error {
	for {
		if at, ok := p.at[path]; ok {
			return &Problem{p.file, at[0], at[1], fmt.Sprintf(format, args...)}
		}
		i := strings.LastIndexAny(path, ".[")
		if i < 0 {
			return &Problem{p.file, 1, 1, fmt.Sprintf(format, args...)}
		}
		path = path[:i]
	}
}

// Decode reads a YAML file into v, a pointer to a struct whose fields have the
// tags yaml, required and enum. An unknown key, a missing one and a value
// outside its list are errors that name file, line and column.
func Decode(file string, data []byte, v any) (*Places, error) {
	f, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, syntaxProblem(file, err)
	}
	w := &walker{places: &Places{file, map[string][2]int{}}, anchors: map[string]ast.Node{}}
	if len(f.Docs) != 1 || f.Docs[0].Body == nil {
		return nil, &Problem{file, 1, 1, "want one YAML document"}
	}
	w.walk(f.Docs[0].Body, reflect.TypeOf(v).Elem(), "")
	if err := errors.Join(w.errs...); err != nil {
		return w.places, err
	}
	if err := yaml.NodeToValue(f.Docs[0].Body, v); err != nil {
		return w.places, syntaxProblem(file, err)
	}
	return w.places, nil
}

func syntaxProblem(file string, err error) error {
	var ye yaml.Error
	if errors.As(err, &ye) && ye.GetToken() != nil {
		pos := ye.GetToken().Position
		return &Problem{file, pos.Line, pos.Column, ye.GetMessage()}
	}
	return &Problem{file, 1, 1, err.Error()}
}

// walker compares a document with the type it will be decoded into.
type walker struct {
	places  *Places
	anchors map[string]ast.Node
	errs    []error
}

// resolve steps over tags and anchors to the value itself.
func (w *walker) resolve(n ast.Node) ast.Node {
	switch n := n.(type) {
	case *ast.TagNode:
		return w.resolve(n.Value)
	case *ast.AnchorNode:
		w.anchors[n.Name.String()] = n.Value
		return w.resolve(n.Value)
	case *ast.AliasNode:
		if v, ok := w.anchors[n.Value.String()]; ok {
			return w.resolve(v)
		}
	}
	return n
}

func (w *walker) errorf(path, format string, args ...any) {
	w.errs = append(w.errs, w.places.Problem(path, format, args...))
}

func (w *walker) note(path string, n ast.Node) {
	pos := n.GetToken().Position
	w.places.at[path] = [2]int{pos.Line, pos.Column}
}

func (w *walker) walk(n ast.Node, t reflect.Type, path string) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	at := n
	n = w.resolve(n)
	if path != "" && w.places.at[path] == [2]int{} {
		w.note(path, at)
	}
	switch t.Kind() {
	case reflect.Struct:
		w.walkStruct(n, t, path)
	case reflect.Slice:
		if t == reflect.TypeFor[Lets]() {
			return
		}
		if _, list := n.(*ast.SequenceNode); t == reflect.TypeFor[Values]() && !list {
			return
		}
		seq, ok := n.(*ast.SequenceNode)
		if !ok {
			w.errorf(path, "want a list")
			return
		}
		for i, item := range seq.Values {
			w.walk(item, t.Elem(), fmt.Sprintf("%s[%d]", path, i))
		}
	case reflect.Map:
		pairs, ok := w.mapping(n)
		if !ok {
			w.errorf(path, "want keys and values")
			return
		}
		for _, p := range pairs {
			w.walk(p.Value, t.Elem(), join(path, key(p)))
		}
	}
}

func (w *walker) walkStruct(n ast.Node, t reflect.Type, path string) {
	pairs, ok := w.mapping(n)
	if !ok {
		w.errorf(path, "want keys and values: %s", strings.Join(fieldNames(t), ", "))
		return
	}
	given := map[string]bool{}
	for _, p := range pairs {
		k := key(p)
		given[k] = true
		w.note(join(path, k), p.Key)
		f, ok := fieldByKey(t, k)
		if !ok {
			w.errorf(join(path, k), "unknown key %q%s", k, nearest.Hint(k, fieldNames(t)))
			continue
		}
		w.walk(p.Value, f.Type, join(path, k))
		if enum := f.Tag.Get("enum"); enum != "" {
			allowed := strings.Split(enum, "|")
			if s := scalar(p.Value); !contains(allowed, s) {
				w.errorf(join(path, k), "%s is %q, want %s%s", k, s, strings.Join(allowed, ", "), nearest.Hint(s, allowed))
			}
		}
	}
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Tag.Get("required") == "true" && !given[f.Tag.Get("yaml")] {
			w.errorf(path, "the key %q is missing: %s", f.Tag.Get("yaml"), f.Tag.Get("doc"))
		}
	}
}

// mapping returns the pairs of a mapping, those of a merge key (<<) included.
func (w *walker) mapping(n ast.Node) ([]*ast.MappingValueNode, bool) {
	var given []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingNode:
		given = n.Values
	case *ast.MappingValueNode:
		given = []*ast.MappingValueNode{n}
	default:
		return nil, false
	}
	var pairs []*ast.MappingValueNode
	for _, p := range given {
		if _, merge := p.Key.(*ast.MergeKeyNode); !merge {
			pairs = append(pairs, p)
			continue
		}
		merged, ok := w.mapping(w.resolve(p.Value))
		if !ok {
			return nil, false
		}
		pairs = append(merged, pairs...)
	}
	return pairs, true
}

func key(p *ast.MappingValueNode) string { return strings.Trim(p.Key.String(), `"'`) }

func scalar(n ast.Node) string {
	if s, ok := n.(*ast.StringNode); ok {
		return s.Value
	}
	return n.String()
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func contains(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}

func fieldByKey(t reflect.Type, key string) (reflect.StructField, bool) {
	for i := range t.NumField() {
		if f := t.Field(i); f.Tag.Get("yaml") == key {
			return f, true
		}
	}
	return reflect.StructField{}, false
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

// UnmarshalYAML implements yaml.InterfaceUnmarshaler.
func (l *Lets) UnmarshalYAML(unmarshal func(any) error) error {
	var m yaml.MapSlice
	if err := unmarshal(&m); err != nil {
		return err
	}
	for _, item := range m {
		*l = append(*l, Let{fmt.Sprint(item.Key), fmt.Sprint(item.Value)})
	}
	return nil
}

// has reports whether the file has a value at path.
func (p *Places) has(path string) bool {
	_, ok := p.at[path]
	return ok
}
