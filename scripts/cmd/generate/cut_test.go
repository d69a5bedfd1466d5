package main

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// cut is what values use of a schema.
type cut struct {
	facts      map[string]any
	properties map[string]*cut
	patterns   map[string]*cut
	first      map[int]*cut // of a list
	items      *cut         // of a list, the others
	additional *cut         // of an object, those that are not named
	branches   map[string]map[int]*cut
}

// branches are the words that a schema is put together with.
var branches = []string{"allOf", "anyOf", "oneOf"}

// plainFacts are what is taken as it is. The rest is prose, or forbids what is not in a cut
// anyway.
var (
	plainFacts = []string{"type", "enum", "const", "pattern", "format", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems",
		"multipleOf", "uniqueItems", "required", "minProperties"}
	left = []string{"$schema", "$id", "id", "$comment", "title", "description", "default", "definitions", "examples", "defaultSnippets", "not"}
)

// whole are schemas in a folder.
type whole struct {
	base, dir string
	docs      map[string]any
	compiler  *jsonschema.Compiler
}

func newWhole(base, dir string) *whole {
	w := &whole{base, dir, map[string]any{}, jsonschema.NewCompiler()}
	w.compiler.UseLoader(w)
	return w
}

// Load finds a schema for the library.
func (w *whole) Load(address string) (any, error) {
	name, ok := strings.CutPrefix(strings.Replace(address, "http://", "https://", 1), w.base)
	if !ok {
		return nil, fmt.Errorf("no schema at %s", address)
	}
	name = strings.TrimSuffix(name, "#")
	if doc := w.docs[name]; doc != nil {
		return doc, nil
	}
	data, err := os.ReadFile(filepath.Join(w.dir, filepath.FromSlash(name)))
	if err != nil {
		return nil, err
	}
	// Go's regular expressions do not look ahead; the one place that does forbids
	// two hyphens in a row.
	w.docs[name], err = jsonschema.UnmarshalJSON(strings.NewReader(strings.ReplaceAll(string(data), "(?!-)", "")))
	return w.docs[name], err
}

func (w *whole) validate(at string, v any) error {
	s, err := w.compiler.Compile(at)
	if err != nil {
		return err
	}
	return s.Validate(v)
}

// schema is the part of a schema that an address names.
func (w *whole) schema(at string) (map[string]any, error) {
	address, pointer, _ := strings.Cut(at, "#")
	v, err := w.Load(address)
	for _, name := range strings.Split(pointer, "/")[1:] {
		name, _ = url.PathUnescape(name)
		name = strings.NewReplacer("~1", "/", "~0", "~").Replace(name)
		switch x := v.(type) {
		case map[string]any:
			v = x[name]
		case []any:
			i, _ := strconv.Atoi(name)
			v = x[i]
		}
	}
	s, ok := v.(map[string]any)
	if err == nil && !ok {
		err = fmt.Errorf("no schema at %s", at)
	}
	return s, err
}

// below is the address of a part of a schema.
func below(at string, names ...string) string {
	if !strings.Contains(at, "#") {
		at += "#"
	}
	for _, n := range names {
		at += "/" + url.PathEscape(strings.NewReplacer("~", "~0", "/", "~1").Replace(n))
	}
	return at
}

// take adds to a cut what a value, which fits, uses of the schema at an address.
func (w *whole) take(c *cut, at string, v any) error {
	s, err := w.schema(at)
	if err != nil {
		return err
	}
	if ref, ok := s["$ref"].(string); ok {
		if address, _, _ := strings.Cut(at, "#"); strings.HasPrefix(ref, "#") {
			ref = address + ref
		}
		return w.take(c, ref, v)
	}
	for k, x := range s {
		switch {
		case slices.Contains(plainFacts, k) || k == "additionalProperties" && x == false:
			in(&c.facts)[k] = x
		case slices.Contains(branches, k):
			if err := w.takeBranches(c, k, x.([]any), at, v); err != nil {
				return err
			}
		case !slices.Contains(left, k) && !slices.Contains(inside, k):
			return fmt.Errorf("%s has the word %s, which is not known here", at, k)
		}
	}
	switch v := v.(type) {
	case map[string]any:
		return w.takeMembers(c, s, at, v)
	case []any:
		return w.takeItems(c, s, at, v)
	}
	return nil
}

// inside are the words about what is inside a value.
var inside = []string{"properties", "patternProperties", "additionalProperties", "items", "additionalItems"}

// takeBranches takes those that the value fits.
func (w *whole) takeBranches(c *cut, word string, list []any, at string, v any) error {
	for i := range list {
		branch := below(at, word, strconv.Itoa(i))
		if w.validate(branch, v) != nil {
			continue
		}
		if in(&c.branches)[word] == nil {
			c.branches[word] = map[int]*cut{}
		}
		if err := w.take(part(c.branches[word], i), branch, v); err != nil {
			return err
		}
	}
	return nil
}

// takeMembers takes the members that the object has and the schema knows.
func (w *whole) takeMembers(c *cut, s map[string]any, at string, v map[string]any) error {
	named, _ := s["properties"].(map[string]any)
	patterns, _ := s["patternProperties"].(map[string]any)
	_, others := s["additionalProperties"].(map[string]any)
	if named != nil && c.properties == nil {
		c.properties = map[string]*cut{}
	}
	for name, x := range v {
		known := named[name] != nil
		var errs []error
		if known {
			errs = append(errs, w.take(part(c.properties, name), below(at, "properties", name), x))
		}
		for p := range patterns {
			if regexp.MustCompile(p).MatchString(name) {
				known = true
				errs = append(errs, w.take(part(in(&c.patterns), p), below(at, "patternProperties", p), x))
			}
		}
		if !known && others {
			errs = append(errs, w.take(only(&c.additional), below(at, "additionalProperties"), x))
		}
		if err := errors.Join(errs...); err != nil {
			return err
		}
	}
	return nil
}

func (w *whole) takeItems(c *cut, s map[string]any, at string, v []any) error {
	several, _ := s["items"].([]any)
	for i, x := range v {
		var err error
		switch {
		case i < len(several):
			err = w.take(part(in(&c.first), i), below(at, "items", strconv.Itoa(i)), x)
		case several != nil && s["additionalItems"] != nil:
			err = w.take(only(&c.items), below(at, "additionalItems"), x)
		case several == nil && s["items"] != nil:
			err = w.take(only(&c.items), below(at, "items"), x)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// in is a map that is made when it is first written to.
func in[K comparable, V any](m *map[K]V) map[K]V {
	if *m == nil {
		*m = map[K]V{}
	}
	return *m
}

func part[K comparable](m map[K]*cut, k K) *cut {
	if m[k] == nil {
		m[k] = &cut{}
	}
	return m[k]
}

func only(c **cut) *cut {
	if *c == nil {
		*c = &cut{}
	}
	return *c
}

// schema is a cut as a JSON Schema (draft 2020-12).
func (c *cut) schema() map[string]any {
	s := map[string]any{}
	maps.Copy(s, c.facts)
	if c.properties != nil && (len(c.properties) > 0 || c.additional == nil) { // none: the object has to be empty
		s["properties"] = schemas(c.properties)
	}
	if c.patterns != nil {
		s["patternProperties"] = schemas(c.patterns)
	}
	for word, inner := range map[string]*cut{"items": c.items, "additionalProperties": c.additional} {
		if inner != nil {
			s[word] = inner.schema()
		}
	}
	if c.first != nil {
		s["prefixItems"] = listed(c.first)
	}
	for word, m := range c.branches {
		list := listed(m)
		if len(list) == 1 && len(c.branches) == 1 && len(s) == 0 {
			return list[0].(map[string]any)
		}
		if len(list) > 0 {
			s[word] = list
		}
	}
	return s
}

func schemas(m map[string]*cut) map[string]any {
	out := map[string]any{}
	for k, c := range m {
		out[k] = c.schema()
	}
	return out
}

// listed are the schemas that say something, in their order.
func listed(m map[int]*cut) (list []any) {
	for _, i := range slices.Sorted(maps.Keys(m)) {
		if s := m[i].schema(); len(s) > 0 {
			list = append(list, s)
		}
	}
	return list
}
