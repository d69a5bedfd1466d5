package main

import (
	"encoding/json"
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
	for _, pattern := range []string{"functions/*/*", "infra/connectors/*/*"} {
		found, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pattern)))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			if compiled := strings.HasSuffix(f, "azuredeploy.json") || strings.HasSuffix(f, "workspace.json"); files[f] == "" && !compiled {
				t.Errorf("%s belongs to no connector", f)
			}
		}
	}
}

// TestTheCompilerHasNothingToSay of any Bicep file, each by itself; its linter speaks with
// the rules of infra/bicepconfig.json. What is kept compiled is what it makes.
func TestTheCompilerHasNothingToSay(t *testing.T) {
	c := compilerFor(t)
	paths, err := bicepFiles(root)
	if err != nil || len(paths) < 90 {
		t.Fatalf("%d files, %v", len(paths), err)
	}
	kept := 0
	for _, path := range paths {
		want, err := c.compile(path)
		if err != nil {
			t.Error(err)
		} else if to := keptAs(path); to != "" {
			kept++
			if got, err := os.ReadFile(to); err != nil || string(got) != want {
				t.Errorf("%s is out of date: run scripts/generate (%v)", to, err)
			}
		}
	}
	if kept < 36 {
		t.Errorf("%d templates are kept", kept)
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
