package spec

import (
	"reflect"
	"strings"
)

// Schema returns the JSON Schema (draft 2020-12) of connector.yaml, for editors.
func Schema() map[string]any { return SchemaOf("Sluice connector", reflect.TypeFor[Connector]()) }

// SchemaOf returns the JSON Schema of a file whose keys a type has in its tags.
func SchemaOf(title string, t reflect.Type) map[string]any {
	s := schemaOf(t)
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = title
	return s
}

func schemaOf(t reflect.Type) map[string]any {
	switch {
	case t == reflect.TypeFor[Duration]():
		return map[string]any{"type": "string", "pattern": `^([0-9.]+(ms|s|m|h|d))+$`}
	case t == reflect.TypeFor[Lets]():
		return map[string]any{"type": "object", "additionalProperties": map[string]any{"type": "string"}}
	}
	one := []string{"string", "number", "boolean"}
	switch t.Kind() {
	case reflect.Pointer:
		return schemaOf(t.Elem())
	case reflect.Struct:
		return objectSchema(t)
	case reflect.Slice:
		return map[string]any{"type": "array", "items": schemaOf(t.Elem())}
	case reflect.Map:
		value := map[string]any{"type": one}
		if t.Elem().Kind() == reflect.Struct {
			value = schemaOf(t.Elem())
		}
		if t.Elem() == reflect.TypeFor[Values]() {
			value = map[string]any{"anyOf": []any{value, map[string]any{"type": "array", "items": value}}}
		}
		return map[string]any{"type": "object", "additionalProperties": value}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int:
		return map[string]any{"type": "integer"}
	case reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.String:
		return map[string]any{"type": "string"}
	}
	return map[string]any{} // any
}

func objectSchema(t reflect.Type) map[string]any {
	props := map[string]any{}
	required := []string{}
	for i := range t.NumField() {
		f := t.Field(i)
		p := schemaOf(f.Type)
		p["description"] = f.Tag.Get("doc")
		if enum := f.Tag.Get("enum"); enum != "" {
			p["enum"] = strings.Split(enum, "|")
		}
		props[f.Tag.Get("yaml")] = p
		if f.Tag.Get("required") == "true" {
			required = append(required, f.Tag.Get("yaml"))
		}
	}
	return map[string]any{"type": "object", "additionalProperties": false, "properties": props, "required": required}
}
