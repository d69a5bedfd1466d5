package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

const root = "../../.."

func TestGeneratedFilesAreFresh(t *testing.T) {
	files, err := generate(root)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range files {
		got, err := os.ReadFile(path)
		if err != nil || string(got) != want {
			t.Errorf("%s is out of date: run scripts/generate (%v)", path, err)
		}
	}
	folders, err := filepath.Glob(filepath.Join(root, "functions", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range folders {
		if files[filepath.Join(f, "function.json")] == "" {
			t.Errorf("%s belongs to no connector", f)
		}
	}
}

// TestFilesFitTheHostsSchemas validates against the official schemas, where
// they are at hand. The one of function.json cannot be used whole: its list of
// bindings accepts a timer in two places and wants one, so the binding is
// checked against its own definition.
func TestFilesFitTheHostsSchemas(t *testing.T) {
	dir := filepath.Join(root, "..", "shared", "data", "functions")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("the official schemas are not at hand")
	}
	validate := func(schema, path string, part func(doc map[string]any) any) {
		s, err := jsonschema.NewCompiler().Compile(filepath.Join(dir, schema))
		if err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		var doc map[string]any
		if err == nil {
			err = json.Unmarshal(data, &doc)
		}
		if err == nil {
			err = s.Validate(part(doc))
		}
		if err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	functions, err := filepath.Glob(filepath.Join(root, "functions", "*", "function.json"))
	if err != nil || len(functions) == 0 {
		t.Errorf("there are no functions: %v", err)
	}
	for _, f := range functions {
		timer := func(doc map[string]any) any { return doc["bindings"].([]any)[0] }
		validate("function.schema.json#/definitions/timerTriggerBinding", f, timer)
		validate("function.schema.json#/definitions/bindingBase", f, timer)
	}
	validate("host.schema.json", filepath.Join(root, "host.json"), func(doc map[string]any) any { return doc })
}

// TestTemplatesFitAzuresSchemas validates each resource of each template against
// the official schema of its type and version, where these are at hand.
func TestTemplatesFitAzuresSchemas(t *testing.T) {
	dir := filepath.Join(root, "..", "shared", "data", "arm")
	data, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err != nil {
		t.Skip("the official schemas are not at hand")
	}
	var index map[string][]string
	if err := json.Unmarshal(data, &index); err != nil {
		t.Fatal(err)
	}
	templates, err := filepath.Glob(filepath.Join(root, "infra", "connectors", "*.json"))
	if err != nil || len(templates) < 3 {
		t.Fatalf("%d templates, %v", len(templates), err)
	}
	c := jsonschema.NewCompiler()
	c.UseLoader(armLoader(dir))
	for _, path := range templates {
		for _, r := range resources(t, path) {
			key := r["type"].(string) + "@" + r["apiVersion"].(string)
			if len(index[key]) == 0 {
				t.Errorf("%s: there is no schema of %s", path, key)
				continue
			}
			s, err := c.Compile("https://schema.management.azure.com/schemas/" + index[key][0])
			if err != nil {
				t.Fatal(err)
			}
			withoutFalseAlarms(r)
			if err := s.Validate(map[string]any(r)); err != nil {
				t.Errorf("%s: %s %s: %v", path, key, r["name"], err)
			}
		}
	}
}

// withoutFalseAlarms takes out what the schema of rules lists as the only values
// and the service does not: the kinds (Direct is missing) and the streams of a
// flow (those of one's own are).
func withoutFalseAlarms(r map[string]any) {
	if r["type"] != "Microsoft.Insights/dataCollectionRules" {
		return
	}
	delete(r, "kind")
	for _, f := range dig(r, "properties", "dataFlows").([]any) {
		f.(map[string]any)["streams"] = []any{"Microsoft-Event"}
	}
}

// TestRulesFeedTheirTables: what a rule declares, its table has, and a rule is
// within the service's limits.
func TestRulesFeedTheirTables(t *testing.T) {
	templates, _ := filepath.Glob(filepath.Join(root, "infra", "connectors", "*.json"))
	for _, path := range templates {
		tables := map[string]map[string]bool{}
		for _, r := range resources(t, path) {
			if schema, ok := dig(r, "properties", "schema").(map[string]any); ok {
				cols := map[string]bool{}
				for _, c := range schema["columns"].([]any) {
					cols[dig(c, "name").(string)] = true
				}
				if !cols["TimeGenerated"] || len(cols) > 500 {
					t.Errorf("%s: table %s has %d columns, or no TimeGenerated", path, schema["name"], len(cols))
				}
				tables["Custom-"+schema["name"].(string)] = cols
			}
		}
		for _, r := range resources(t, path) {
			streams, _ := dig(r, "properties", "streamDeclarations").(map[string]any)
			if len(streams) > ruleStreams {
				t.Errorf("%s: %s has %d streams", path, r["name"], len(streams))
			}
			for name, s := range streams {
				for _, c := range dig(s, "columns").([]any) {
					if col := dig(c, "name").(string); !tables[name][col] {
						t.Errorf("%s: stream %s declares %s, which its table lacks", path, name, col)
					}
				}
			}
		}
	}
}

func resources(t *testing.T, path string) []map[string]any {
	t.Helper()
	var doc struct{ Resources []map[string]any }
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, &doc)
	}
	if err != nil {
		t.Fatal(err)
	}
	return doc.Resources
}

func dig(v any, path ...string) any {
	for _, k := range path {
		m, _ := v.(map[string]any)
		v = m[k]
	}
	return v
}

// armLoader finds Azure's schemas in a folder.
type armLoader string

func (l armLoader) Load(url string) (any, error) {
	name, ok := strings.CutPrefix(strings.Replace(url, "http://", "https://", 1), "https://schema.management.azure.com/schemas/")
	if !ok {
		return nil, fmt.Errorf("no schema at %s", url)
	}
	f, err := os.Open(filepath.Join(string(l), filepath.FromSlash(strings.TrimSuffix(name, "#"))))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return jsonschema.UnmarshalJSON(f)
}
