package spec

import (
	"embed"
	"fmt"
	"io/fs"
	"reflect"
	"slices"
	"strings"
)

// examples are parts of connector.yaml files, one for each thing that a spec can
// say. Their first line says what they show.
//
//go:embed examples/*.yaml
var examples embed.FS

// section is a part of the reference: a type, where it is in the file, and what the
// names of its examples begin with.
type section struct {
	title   string
	of      reflect.Type
	example []string
}

var sections = []section{
	{"connector.yaml", reflect.TypeFor[Connector](), nil},
	{"support", reflect.TypeFor[Support](), nil},
	{"settings", reflect.TypeFor[Setting](), nil},
	{"auth", reflect.TypeFor[Auth](), []string{"auth"}},
	{"auth.login", reflect.TypeFor[Login](), nil},
	{"auth.sign", reflect.TypeFor[Sign](), nil},
	{"limits", reflect.TypeFor[Limits](), []string{"limits"}},
	{"streams", reflect.TypeFor[Stream](), []string{"needs", "records"}},
	{"for_each", reflect.TypeFor[ForEach](), []string{"for_each"}},
	{"prepare", reflect.TypeFor[Prepare](), []string{"prepare"}},
	{"request", reflect.TypeFor[Request](), []string{"request"}},
	{"paging", reflect.TypeFor[Paging](), []string{"paging"}},
	{"response", reflect.TypeFor[Response](), []string{"response"}},
	{"success", reflect.TypeFor[Success](), []string{"success"}},
	{"errors", reflect.TypeFor[ErrorRule](), []string{"errors"}},
	{"explode", reflect.TypeFor[Explode](), []string{"explode"}},
	{"steps", reflect.TypeFor[Step](), []string{"steps"}},
	{"job", reflect.TypeFor[Job](), []string{"job"}},
	{"position", reflect.TypeFor[Position](), []string{"position"}},
	{"tables", reflect.TypeFor[Table](), nil},
	{"columns", reflect.TypeFor[Column](), nil},
	{"queries", reflect.TypeFor[Query](), nil},
}

// Reference describes connector.yaml in Markdown: every key, and an example of each
// thing that can be said.
func Reference() (string, error) {
	var b strings.Builder
	for _, s := range sections {
		fmt.Fprintf(&b, "\n### %s\n\n| Key | | |\n|---|---|---|\n", s.title)
		for i := range s.of.NumField() {
			f := s.of.Field(i)
			kind := keyKind(f.Type)
			if enum := f.Tag.Get("enum"); enum != "" {
				kind = strings.ReplaceAll(enum, "|", ", ")
			}
			if f.Tag.Get("required") == "true" {
				kind += "; required"
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", f.Tag.Get("yaml"), kind, strings.ReplaceAll(f.Tag.Get("doc"), "|", `\|`))
		}
		for _, prefix := range s.example {
			if err := writeExamples(&b, prefix); err != nil {
				return "", err
			}
		}
	}
	return b.String(), nil
}

// keyKind names the type of a key for a person.
func keyKind(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[Duration]():
		return "duration"
	case t == reflect.TypeFor[Values](), t == reflect.TypeFor[Lets]():
		return "keys and values"
	}
	switch t.Kind() {
	case reflect.Pointer:
		return keyKind(t.Elem())
	case reflect.Struct, reflect.Map:
		return "keys and values"
	case reflect.Slice:
		return "list"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Float64:
		return "number"
	case reflect.Interface:
		return "anything"
	}
	return "text"
}

func writeExamples(b *strings.Builder, prefix string) error {
	names, err := fs.Glob(examples, "examples/"+prefix+"*.yaml")
	if err != nil {
		return err
	}
	slices.Sort(names)
	for _, name := range names {
		data, err := examples.ReadFile(name)
		if err != nil {
			return err
		}
		first, rest, _ := strings.Cut(string(data), "\n")
		fmt.Fprintf(b, "\n%s\n\n```yaml\n%s```\n", strings.TrimPrefix(first, "# "), rest)
	}
	return nil
}
