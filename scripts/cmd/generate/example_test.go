package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-connectors/sluice/connectors"
)

// TestReviewedSnapshotsAreFresh: they are what Microsoft's compiler works out now.
func TestReviewedSnapshotsAreFresh(t *testing.T) {
	c := compilerFor(t)
	files, err := reviewed(c, root)
	if err != nil || len(files) < 2 {
		t.Fatalf("%d snapshots, %v", len(files), err)
	}
	for path, want := range files {
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%s is out of date: run scripts/generate, and look at what changed (%v)", path, err)
		}
	}
}

// TestTheREADMEsBicepCompiles, without a word.
func TestTheREADMEsBicepCompiles(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join(root, "infra", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(readme), "```bicep\n")
	text, _, ok := strings.Cut(text, "```")
	if !ok {
		t.Fatal("the README has no Bicep")
	}
	whole, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(whole, filepath.Join(dir, "sluice")); err != nil {
		t.Skip("no symbolic link can be made: ", err)
	}
	path := filepath.Join(dir, "main.bicep")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c := compilerFor(t)
	if _, err := c.compile(path); err != nil {
		t.Error(err)
	}
}

// TestExamplesAreParameterFiles: those that people copy compile as they are, with their
// settings in the environment, and make a deployment.
func TestExamplesAreParameterFiles(t *testing.T) {
	cs, err := connectors.All()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("SLUICE_WORKSPACE", workspaceID)
	folders := []string{""}
	for _, c := range cs {
		folders = append(folders, filepath.Join("connectors", c.Name))
		for _, s := range c.Settings {
			t.Setenv(c.EnvName(s.Name), settingValue(c.Name, s))
		}
	}
	c := compilerFor(t)
	for _, folder := range folders {
		from := filepath.Join(root, "infra", folder)
		example, err := os.ReadFile(filepath.Join(from, "main.bicepparam"))
		if err != nil {
			t.Fatal(err)
		}
		template, err := os.ReadFile(filepath.Join(from, "azuredeploy.json"))
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		path := filepath.Join(dir, "main.bicepparam")
		text := strings.Replace(string(example), "using 'main.bicep'", "using 'azuredeploy.json'", 1)
		if err := write(map[string]string{path: text, filepath.Join(dir, "azuredeploy.json"): string(template)}); err != nil {
			t.Fatal(err)
		}
		snapshot, err := c.snapshot(path, place)
		if err != nil {
			t.Fatalf("%s: %v", folder, err)
		}
		if !strings.Contains(snapshot, `"diagnostics": []`) || strings.Count(snapshot, `"Microsoft.SecurityInsights/dataConnectorDefinitions"`) != map[bool]int{true: len(cs), false: 1}[folder == ""] {
			t.Errorf("%s: %.2000s", folder, snapshot)
		}
	}
}
