package cli

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-connectors/sluice/handler/openapi"
)

func modelCommand(std *stdio) *cobra.Command {
	var file, schema, stream string
	cmd := &cobra.Command{
		Use:   "model --openapi FILE --schema NAME",
		Short: "Write what a provider publishes of its records, from its specification",
		Long: `Model reads a provider's specification (OpenAPI 3 or Swagger 2, JSON or YAML) and
prints the members of one schema with their types, as model.yaml beside a
connector.yaml has them. The schema is that of one record, not of the answer
with the list in it; where it has no name, give a pointer that begins with #/.

What is said in several places (allOf, oneOf, anyOf) is put together; what is
in itself, or is said in ways that do not agree, is dynamic. Specifications call
many times and numbers only texts: look at those, and write datetime or
long-text.`,
		Example: "  sluice model --openapi management.yaml --schema LogEvent --stream system_log > connectors/okta/model.yaml\n" +
			"  sluice model --openapi api.json --schema '#/paths/~1events/get/responses/200/content/application~1json/schema'",
		Args: atMost(0),
		RunE: func(*cobra.Command, []string) error {
			if file == "" {
				return usageError("give --openapi, the file of the provider's specification")
			}
			d, err := description(file)
			if err != nil {
				return err
			}
			if schema == "" {
				return usageError("give --schema, the name of the schema of one record; there are %s", strings.Join(d.Schemas(), ", "))
			}
			members, err := d.Members(schema)
			if err != nil {
				return err
			}
			name := schema[strings.LastIndex(schema, "/")+1:]
			if stream == "" {
				stream = snake(name)
			}
			fmt.Fprint(std.out, modelText(d, name, stream, time.Now().UTC().Format(time.DateOnly), members))
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&file, "openapi", "", "the specification")
	f.StringVar(&schema, "schema", "", "the schema of one record: its name, or a pointer such as #/components/schemas/LogEvent")
	f.StringVar(&stream, "stream", "", "the stream in connector.yaml (default: the schema's name)")
	_ = cmd.RegisterFlagCompletionFunc("schema", names(func(*cobra.Command, []string) []string { // the flag is there
		if d, err := description(file); err == nil {
			return d.Schemas()
		}
		return nil
	}))
	return cmd
}

func description(file string) (*openapi.Document, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return openapi.Read(file, data)
}

// modelText is model.yaml.
func modelText(d *openapi.Document, schema, stream, day string, members []openapi.Member) string {
	var b strings.Builder
	api := strings.TrimSpace(d.Title + " " + d.Version)
	fmt.Fprintf(&b, "# What is published of %s, written from its specification.\nsource: %s\nread: %s\nstreams:\n  %s:\n    members:\n",
		oneLine(d.Title), quoted(strings.TrimPrefix(api+", "+schema, ", ")), day, stream)
	for _, m := range members {
		value := m.Type
		if list := strings.Join(m.Values, " | "); list != "" && m.Type != "dynamic" {
			value += " = " + list
		}
		fmt.Fprintf(&b, "      %s: %s\n", quoted(m.Path), quoted(value))
	}
	return b.String()
}

// bare is a text that YAML reads as it stands.
var bare = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.*\[\] =|/+-]*$`)

// quoted is a text in YAML.
func quoted(s string) string {
	if bare.MatchString(s) && strings.TrimSpace(s) == s {
		switch strings.ToLower(s) {
		case "null", "true", "false", "yes", "no", "on", "off", "y", "n":
		default:
			return s
		}
	}
	return "'" + strings.ReplaceAll(strings.Join(strings.Fields(s), " "), "'", "''") + "'"
}

var humps = regexp.MustCompile(`([a-z0-9])([A-Z])|[^A-Za-z0-9]+`)

// snake is a name as streams have them.
func snake(name string) string {
	return strings.ToLower(strings.Trim(humps.ReplaceAllString(name, "${1}_${2}"), "_"))
}
