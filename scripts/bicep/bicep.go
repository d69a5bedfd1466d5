// Package bicep compiles the part of Bicep that infra/ is written in to the
// ARM JSON that the portal's button and az take.
//
// Bicep's own compiler does not come with Go, npm or Debian, which is all that a
// fresh machine has, and the compiled form has to be in the project; a test keeps
// it fresh, and a workflow compiles with Microsoft's too. The part: param, var, output, resource
// (existing, if, for, parent, scope), module (if, scope), metadata; decorators;
// all operators, interpolation, lambdas, loadTextContent. Types of resources are
// not checked here: the templates are validated against Azure's schemas.
package bicep

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Object is a JSON object that keeps the order of its members.
type Object []Member

// Member is a name with its value: Object, []any, string, int64, bool or nil.
type Member struct {
	Name  string
	Value any
}

// MarshalJSON implements json.Marshaler.
func (o Object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := encode(&b, m.Name); err != nil {
			return nil, err
		}
		b.WriteByte(':')
		if err := encode(&b, m.Value); err != nil {
			return nil, err
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// encode writes JSON without the escapes for HTML.
func encode(b *bytes.Buffer, v any) error {
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	b.Truncate(b.Len() - 1) // the line end
	return err
}

// Read returns the text of a file.
type Read func(path string) ([]byte, error)

// Compile compiles the Bicep file at a path, with its modules, to ARM JSON.
func Compile(path string, read Read) ([]byte, error) {
	o, err := compile(path, read)
	if err != nil {
		return nil, err
	}
	var raw, b bytes.Buffer
	if err := encode(&raw, o); err != nil {
		return nil, err
	}
	// A line for each value, for comparing; no indentation, for Azure's limit of 4 MB.
	if err := json.Indent(&b, raw.Bytes(), "", ""); err != nil {
		return nil, err
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}

// compiler compiles one file.
type compiler struct {
	path, src string
	read      Read
	symbols   map[string]*statement
	used      map[string]bool
	files     []Member        // variables that hold the contents of files
	locals    []string        // parameters of lambdas
	loop      *loop           // of the resource that is being compiled
	needs     []string        // resources and modules that were referred to
	inline    []string        // variables that are being inlined
	visiting  map[string]bool // variables and names that are being looked into
	errs      []error
}

func compile(at string, read Read) (Object, error) {
	src, err := read(at)
	if err != nil {
		return nil, err
	}
	f, err := parse(at, string(src))
	if err != nil {
		return nil, err
	}
	c := &compiler{path: at, src: string(src), read: read, symbols: map[string]*statement{}, used: map[string]bool{}, visiting: map[string]bool{}}
	for _, s := range f.statements {
		if s.kind == "output" || s.kind == "metadata" {
			continue
		}
		if c.symbols[s.name] != nil {
			c.errorf(s.pos, "%s is declared twice", s.name)
		}
		c.symbols[s.name] = s
	}
	o := c.template(f)
	for _, s := range f.statements {
		if (s.kind == "param" || s.kind == "var" || s.existing) && !c.used[s.name] {
			c.errorf(s.pos, "%s %s is not used", s.kind, s.name)
		}
	}
	return o, errors.Join(c.errs...)
}

func (c *compiler) errorf(pos int, format string, args ...any) {
	c.errs = append(c.errs, fmt.Errorf("%s: %s", place(c.path, c.src, pos), fmt.Sprintf(format, args...)))
}

func (c *compiler) template(f *file) Object {
	sections := map[string]Object{}
	var resources []any
	for _, s := range f.statements {
		switch s.kind {
		case "metadata":
			sections["metadata"] = append(sections["metadata"], Member{s.name, c.value(s.value)})
		case "param":
			sections["parameters"] = append(sections["parameters"], Member{s.name, c.param(s)})
		case "var":
			if v := c.value(s.value); !c.runtime(s.value) {
				sections["variables"] = append(sections["variables"], Member{s.name, v})
			}
		case "output":
			out := Object{{"type", s.typ}}
			out = append(out, c.described(s)...)
			sections["outputs"] = append(sections["outputs"], Member{s.name, append(out, Member{"value", c.value(s.value)})})
		case "resource", "module":
			if !s.existing {
				resources = append(resources, c.declared(s))
			}
		}
	}
	sections["variables"] = append(c.files, sections["variables"]...)
	o := Object{
		{"$schema", "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"},
		{"contentVersion", "1.0.0.0"},
	}
	for _, name := range []string{"metadata", "parameters", "variables"} {
		if len(sections[name]) > 0 {
			o = append(o, Member{name, sections[name]})
		}
	}
	if resources == nil {
		resources = []any{}
	}
	o = append(o, Member{"resources", resources})
	if len(sections["outputs"]) > 0 {
		o = append(o, Member{"outputs", sections["outputs"]})
	}
	return o
}

// described are the members that decorators make, but for those of a type.
func (c *compiler) described(s *statement) (o Object) {
	var meta Object
	for _, d := range s.decorators {
		var arg any
		if len(d.args) == 1 {
			arg = c.value(d.args[0])
		}
		switch d.name {
		case "secure":
			continue
		case "description":
			meta = append(meta, Member{"description", arg})
		case "metadata":
			more, _ := arg.(Object)
			meta = append(meta, more...)
		case "allowed":
			o = append(o, Member{"allowedValues", arg})
		case "minLength", "maxLength", "minValue", "maxValue":
			o = append(o, Member{d.name, arg})
		default:
			c.errorf(d.pos, "the decorator @%s is not known here", d.name)
		}
		if arg == nil {
			c.errorf(d.pos, "@%s needs a value", d.name)
		}
	}
	if meta != nil {
		o = append(o, Member{"metadata", meta})
	}
	return o
}

func (c *compiler) param(s *statement) Object {
	typ := s.typ
	if !slices.Contains([]string{"string", "int", "bool", "object", "array"}, typ) {
		c.errorf(s.pos, "the type %q is not known here", typ)
	}
	if slices.ContainsFunc(s.decorators, func(d *call) bool { return d.name == "secure" }) {
		typ = map[string]string{"string": "secureString", "object": "secureObject"}[typ]
	}
	o := Object{{"type", typ}}
	if s.value != nil {
		o = append(o, Member{"defaultValue", c.value(s.value)})
	}
	return append(o, c.described(s)...)
}

// get takes a member out of a resource's body.
func (o *object) get(name string) expr {
	if o != nil {
		for _, m := range o.members {
			if m.name == name {
				return m.value
			}
		}
	}
	return nil
}

// declared compiles a resource or module.
func (c *compiler) declared(s *statement) Object {
	c.needs, c.loop = nil, s.loop
	defer func() { c.loop = nil }()
	o := Object{}
	if s.cond != nil {
		o = append(o, Member{"condition", c.value(s.cond)})
	}
	if s.loop != nil {
		o = append(o, Member{"copy", Object{{"name", s.name}, {"count", "[length(" + c.arm(s.loop.list) + ")]"}}})
	}
	if s.kind == "module" {
		o = append(o, c.module(s)...)
	} else {
		o = append(o, c.resource(s)...)
	}
	if d := s.body.get("dependsOn"); d != nil {
		list, ok := d.(*array)
		if !ok {
			c.errorf(d.at(), "dependsOn has to be a list")
			list = &array{}
		}
		for _, item := range list.items {
			if id, ok := item.(*ident); ok && c.isResource(id.name) {
				c.need(id.name)
			} else {
				c.errorf(item.at(), "dependsOn takes names of resources and modules")
			}
		}
	}
	if deps := c.dependsOn(s); len(deps) > 0 {
		o = append(o, Member{"dependsOn", deps})
	}
	return o
}

func (c *compiler) resource(s *statement) Object {
	typ, version, ok := strings.Cut(s.typ, "@")
	if !ok {
		c.errorf(s.pos, "want 'type@version', not %q", s.typ)
	}
	o := Object{{"type", typ}, {"apiVersion", version}}
	if scope := s.body.get("scope"); scope != nil {
		o = append(o, Member{"scope", "[" + c.symbolID(scope) + "]"})
	}
	o = append(o, Member{"name", expression(c.fullName(s))})
	for _, m := range s.body.members {
		switch m.name {
		case "name", "parent", "scope", "dependsOn":
		default:
			o = append(o, Member{m.name, c.value(m.value)})
		}
	}
	return o
}

// deployments is the version of nested deployments.
const deployments = "2025-04-01"

func (c *compiler) module(s *statement) Object {
	at := path.Join(path.Dir(c.path), s.typ)
	inner, err := compile(at, c.read)
	if err != nil {
		c.errs = append(c.errs, err)
		return nil
	}
	o := Object{{"type", "Microsoft.Resources/deployments"}, {"apiVersion", deployments}, {"name", expression(c.moduleName(s))}}
	if sub, group := c.scopeOf(s); group != "" {
		if sub != "" {
			o = append(o, Member{"subscriptionId", expression(sub)})
		}
		o = append(o, Member{"resourceGroup", expression(group)})
	}
	props := Object{{"expressionEvaluationOptions", Object{{"scope", "inner"}}}, {"mode", "Incremental"}}
	if params := c.arguments(s, inner); len(params) > 0 {
		props = append(props, Member{"parameters", params})
	}
	return append(o, Member{"properties", append(props, Member{"template", inner})})
}

// arguments are a module's parameters; they are checked against those that it declares.
func (c *compiler) arguments(s *statement, inner Object) (params Object) {
	declared := inner.get("parameters")
	given := map[string]bool{}
	args, _ := s.body.get("params").(*object)
	if args != nil {
		for _, m := range args.members {
			given[m.name] = true
			if declared.get(m.name) == nil {
				c.errorf(m.value.at(), "the module %s has no parameter %q", s.typ, m.name)
			}
			params = append(params, Member{m.name, Object{{"value", c.value(m.value)}}})
		}
	}
	for _, p := range declared {
		if _, ok := p.Value.(Object).find("defaultValue"); !ok && !given[p.Name] {
			c.errorf(s.pos, "the module %s needs the parameter %q", s.typ, p.Name)
		}
	}
	return params
}

func (o Object) find(name string) (any, bool) {
	for _, m := range o {
		if m.Name == name {
			return m.Value, true
		}
	}
	return nil, false
}

func (o Object) get(name string) Object {
	v, _ := o.find(name)
	inner, _ := v.(Object)
	return inner
}

// dependsOn lists what a resource refers to, in order and once.
func (c *compiler) dependsOn(s *statement) (list []any) {
	seen := map[string]bool{s.name: true}
	for _, name := range c.needs {
		if seen[name] {
			continue
		}
		seen[name] = true
		if other := c.symbols[name]; other.loop != nil {
			list = append(list, name)
		} else {
			list = append(list, "["+c.id(other)+"]")
		}
	}
	return list
}

// need notes that what is being compiled refers to a resource or module. One
// that exists already is not waited for, but what it is a part of may be made here.
func (c *compiler) need(name string) {
	s := c.symbols[name]
	c.used[name] = true
	if !s.existing {
		c.needs = append(c.needs, name)
		return
	}
	for _, key := range []string{"parent", "scope"} {
		if id, ok := s.body.get(key).(*ident); ok {
			c.need(id.name)
		}
	}
}

func (c *compiler) isResource(name string) bool {
	s := c.symbols[name]
	return s != nil && (s.kind == "resource" || s.kind == "module")
}
