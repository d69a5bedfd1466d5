// Package model reads model.yaml: what a provider publishes of its records, names and types
// with where that stands. A connector is held against it, so that no column reads a member
// that does not exist, and rows to test with are made of it.
package model

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/sluice-connectors/sluice/handler/nearest"
	"github.com/sluice-connectors/sluice/handler/scan"
	"github.com/sluice-connectors/sluice/handler/spec"
)

// Model is a model.yaml.
type Model struct {
	Source  string            `yaml:"source" required:"true" doc:"Where the members are published: name, version, address."`
	Read    string            `yaml:"read" required:"true" doc:"When that was read: 2026-11-26."`
	Streams map[string]Stream `yaml:"streams" required:"true" doc:"The records of each stream, by its name."`

	roots map[string]*node
}

// Stream is what is published of one stream's records.
type Stream struct {
	Source      string            `yaml:"source" doc:"Where its members are published, in place of the one above."`
	Members     map[string]string `yaml:"members" required:"true" doc:"Types by path: a.b, list[].c, map.*; behind = values that there are: string = SUCCESS | FAILURE."`
	Unpublished map[string]Seen   `yaml:"unpublished" doc:"Members that exist and are not published, by path."`
}

// Seen is a member that is not published.
type Seen struct {
	Type string `yaml:"type" required:"true" doc:"Its type."`
	Seen string `yaml:"seen" required:"true" doc:"Where it was seen, and when."`
}

// types are what a member can be, and an example of each in JSON. A text that holds a
// value of another type is named after that.
var types = map[string]string{
	"string": `"text"`, "datetime": `"2026-11-22T10:20:30.123Z"`, "bool": `true`, "int": `7`, "long": `1795342830`, "real": `1.5`,
	"guid": `"6f9619ff-8b86-d011-b42d-00c04fc964ff"`, "dynamic": `{"member":"text"}`,
	"long-text": `"1795342830"`, "real-text": `"1.5"`, "bool-text": `"true"`, "json-text": `"{\"member\":\"text\"}"`,
}

// node is a member, or the record itself.
type node struct {
	typ    string   // of one without members: a name in types
	values []string // that it can have, as JSON
	keys   map[string]*node
	elem   *node // of a list
	any    *node // of an object with whatever keys
}

// Parse reads a model.yaml; errors name file and line.
func Parse(file string, data []byte) (*Model, error) {
	m := &Model{}
	places, err := spec.Decode(file, data, m)
	if err != nil {
		return nil, err
	}
	m.roots = map[string]*node{}
	for _, name := range slices.Sorted(maps.Keys(m.Streams)) {
		s, at, root := m.Streams[name], "streams."+name, &node{}
		m.roots[name] = root
		for _, path := range slices.Sorted(maps.Keys(s.Members)) {
			if msg := root.add(path, s.Members[path]); msg != "" {
				return nil, places.Problem(at+".members."+path, "%s", msg)
			}
		}
		for _, path := range slices.Sorted(maps.Keys(s.Unpublished)) {
			if msg := root.add(path, s.Unpublished[path].Type); msg != "" {
				return nil, places.Problem(at+".unpublished."+path, "%s", msg)
			}
		}
	}
	return m, nil
}

// add puts a member in the tree; it returns what is wrong with it, or "".
func (n *node) add(path, text string) string {
	typ, values, some := strings.Cut(text, "=")
	typ = strings.TrimSpace(typ)
	example, ok := types[typ]
	if !ok {
		return "there is no type " + typ + nearest.Hint(typ, slices.Sorted(maps.Keys(types)))
	}
	steps, ok := stepsOf(path)
	if !ok {
		return "cannot be read as a path: want a.b, list[].c, map.* or [\"odd.name\"].c"
	}
	for _, s := range steps {
		if n.typ != "" && n.typ != "dynamic" {
			return "what it is in is a " + n.typ
		}
		n = n.child(s)
	}
	n.typ = typ
	for v := range strings.SplitSeq(values, "|") {
		if v = strings.TrimSpace(v); some && v != "" {
			if example[0] == '"' {
				v = string(scan.AppendQuoted(nil, v))
			}
			n.values = append(n.values, v)
		}
	}
	return ""
}

// The steps of a path that are no name.
const (
	elemStep = "[]"
	anyStep  = "*"
)

// stepsOf takes a path apart.
func stepsOf(path string) (steps []string, ok bool) {
	for rest := path; rest != ""; {
		var step string
		switch {
		case strings.HasPrefix(rest, elemStep):
			step, rest = elemStep, rest[2:]
		case strings.HasPrefix(rest, `["`):
			name, after, found := strings.Cut(rest[2:], `"]`)
			if !found || name == "" {
				return nil, false
			}
			step, rest = "."+name, after
		default:
			end := strings.IndexAny(rest, ".[")
			if end < 0 {
				end = len(rest)
			}
			if end == 0 {
				return nil, false
			}
			step, rest = "."+rest[:end], rest[end:]
			if step == ".*" {
				step = anyStep
			}
		}
		steps = append(steps, step)
		if next, dot := strings.CutPrefix(rest, "."); dot {
			if rest = next; rest == "" {
				return nil, false
			}
		}
	}
	return steps, len(steps) > 0
}

func (n *node) child(step string) *node {
	var at **node
	switch step {
	case elemStep:
		at = &n.elem
	case anyStep:
		at = &n.any
	default:
		if n.keys == nil {
			n.keys = map[string]*node{}
		}
		c := n.keys[step[1:]]
		if c == nil {
			c = &node{}
			n.keys[step[1:]] = c
		}
		return c
	}
	if *at == nil {
		*at = &node{}
	}
	return *at
}

// find is the member that a path of a KQL expression leads to; where there is none,
// known are the names that there are in the last object on the way, and step is the name
// that is not one of them.
func (n *node) find(path []scan.Step) (found *node, step string, known []string) {
	for _, s := range path {
		var next *node
		switch {
		case n.typ == "dynamic" || n.typ == "json-text":
			return n, "", nil
		case s.IsIndex:
			next = n.elem
		default:
			next = cmp.Or(n.keys[s.Key], n.any)
		}
		if next == nil {
			return nil, s.Key, slices.Sorted(maps.Keys(n.keys))
		}
		n = next
	}
	return n, "", nil
}

// leaves calls f with the path of each member that has no members.
func (n *node) leaves(path []scan.Step, f func(path []scan.Step, n *node)) {
	if len(n.keys) == 0 && n.elem == nil && n.any == nil {
		f(path, n)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(n.keys)) {
		n.keys[name].leaves(append(slices.Clip(path), scan.Step{Key: name}), f)
	}
	if n.elem != nil {
		n.elem.leaves(append(slices.Clip(path), scan.Step{IsIndex: true}), f)
	}
	if n.any != nil {
		n.any.leaves(append(slices.Clip(path), scan.Step{Key: anyStep}), f)
	}
}
