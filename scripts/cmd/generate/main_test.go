package main

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
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

// TestFilesFitTheHostsSchemas validates against the official schemas. The one of
// function.json cannot be used whole: its list of bindings accepts a timer in two places
// and wants one, so the binding is checked against its own definition.
func TestFilesFitTheHostsSchemas(t *testing.T) {
	places := map[string]string{
		"host.json":    "host.schema.json",
		"timerTrigger": "function.schema.json#/definitions/timerTriggerBinding",
		"any binding":  "function.schema.json#/definitions/bindingBase",
	}
	schema := official{
		file:   "host.json",
		source: "github.com/SchemaStore/schemastore at 3b6446ad8a077bac56f4a4796c0b7fd88927fc8e, src/schemas/json/host.json and function.json; Apache-2.0",
		base:   "https://json.schemastore.org/",
		dir:    "functions",
		of:     func(key string) string { return places[key] },
	}
	functions, err := filepath.Glob(filepath.Join(root, "functions", "*", "function.json"))
	if err != nil || len(functions) == 0 {
		t.Errorf("there are no functions: %v", err)
	}
	for _, f := range functions {
		var doc struct{ Bindings []map[string]any }
		readJSON(t, f, &doc)
		timer, each := maps.Clone(doc.Bindings[0]), doc.Bindings[0]
		delete(timer, "name") // each knows of its own members
		delete(each, "schedule")
		delete(each, "useMonitor")
		schema.uses = append(schema.uses, use{"timerTrigger", f, timer}, use{"any binding", f, each})
	}
	var host map[string]any
	readJSON(t, filepath.Join(root, "host.json"), &host)
	schema.uses = append(schema.uses, use{"host.json", "host.json", host})
	schema.check(t)
}
