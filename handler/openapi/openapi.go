// Package openapi reads what an API's description (OpenAPI 3, Swagger 2) says of the
// records that it lists: their members and types, as model.yaml has them.
package openapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sluice-connectors/sluice/handler/nearest"
	"github.com/sluice-connectors/sluice/handler/spec"
)

// Document is a description.
type Document struct {
	Title   string // of the API
	Version string // of the API

	file string
	root map[string]any
	at   string // the pointer of its schemas
}

// Read reads a description, in JSON or YAML.
func Read(file string, data []byte) (*Document, error) {
	v, err := parse(file, data)
	if err != nil {
		return nil, err
	}
	d := &Document{file: file}
	d.root, _ = v.(map[string]any)
	switch {
	case d.root["openapi"] != nil:
		d.at = "#/components/schemas"
	case d.root["swagger"] != nil:
		d.at = "#/definitions"
	default:
		return nil, fmt.Errorf("%s is no description of an API: it has neither openapi nor swagger at its top", file)
	}
	info, _ := d.root["info"].(map[string]any)
	d.Title, d.Version = text(info["title"]), text(info["version"])
	return d, nil
}

func parse(file string, data []byte) (v any, err error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if trimmed := bytes.TrimSpace(data); len(trimmed) == 0 || trimmed[0] != '{' {
		return spec.Document(file, data)
	}
	if err = json.Unmarshal(data, &v); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return v, nil
}

// text is a plain value as a text; of others, "".
func text(v any) string {
	switch v.(type) {
	case nil, map[string]any, []any:
		return ""
	}
	return fmt.Sprint(v)
}

// Schemas are the names of the schemas that the description has.
func (d *Document) Schemas() []string {
	all, _ := d.resolve(d.at)
	return slices.Sorted(maps.Keys(all))
}

// Member is a member of a record.
type Member struct {
	Path   string
	Type   string
	Values []string // those that it can have, if they are known
}

// Members are the members of a schema, by its name or a pointer into the description; of
// a list, those of its elements.
func (d *Document) Members(name string) ([]Member, error) {
	pointer := name
	if !strings.HasPrefix(name, "#/") {
		pointer = d.at + "/" + escape(name)
		if _, ok := d.resolve(pointer); !ok {
			return nil, d.noSchema(name)
		}
	}
	w := &walk{d: d}
	n := &node{}
	w.schema(n, map[string]any{"$ref": pointer}, nil)
	if w.err != nil {
		return nil, w.err
	}
	for n.elem != nil && len(n.keys) == 0 {
		n = n.elem
	}
	if len(n.keys) == 0 && n.any == nil {
		return nil, fmt.Errorf("%s: the schema %s has no members: name that of one record", d.file, name)
	}
	var list []Member
	n.members("", &list)
	return list, nil
}

// most is how many names an error lists.
const most = 30

func (d *Document) noSchema(name string) error {
	all := d.Schemas()
	if len(all) == 0 {
		return fmt.Errorf("%s has no schemas in %s: give a pointer to the one of a record, such as #/paths/…", d.file, d.at[2:])
	}
	list, more := all, ""
	if len(list) > most {
		list, more = list[:most], fmt.Sprintf(" and %d more", len(all)-most)
	}
	return fmt.Errorf("%s has no schema %s%s; there are %s%s", d.file, name, nearest.Hint(name, all), strings.Join(list, ", "), more)
}

var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")
var pointerUnescapes = strings.NewReplacer("~1", "/", "~0", "~")

func escape(name string) string { return pointerEscapes.Replace(name) }

// resolve is the object that a pointer within the description leads to.
func (d *Document) resolve(pointer string) (map[string]any, bool) {
	var v any = d.root
	for step := range strings.SplitSeq(strings.TrimPrefix(pointer, "#/"), "/") {
		step = pointerUnescapes.Replace(step)
		switch in := v.(type) {
		case map[string]any:
			v = in[step]
		case []any:
			i := -1
			if _, err := fmt.Sscan(step, &i); err != nil || i < 0 || i >= len(in) {
				return nil, false
			}
			v = in[i]
		default:
			return nil, false
		}
	}
	m, ok := v.(map[string]any)
	return m, ok
}
