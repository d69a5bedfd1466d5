package connectors

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-connectors/sluice/handler/connectortest"
	"github.com/sluice-connectors/sluice/handler/local"
)

// TestCases runs every case of every connector; see README.md of the project
// for what a case is, and write expectations with -update.
func TestCases(t *testing.T) {
	cs, err := All()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cs {
		t.Run(c.Name, func(t *testing.T) { connectortest.Cases(t, c, filepath.Join(c.Name, "testdata")) })
	}
}

func TestEveryConnectorIsWhole(t *testing.T) {
	cs, err := All()
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]string{}
	for _, c := range cs {
		if _, err := local.Parse(c.Schedule); err != nil {
			t.Errorf("%s: %v", c.Name, err)
		}
		if other := names[c.FunctionName()]; other != "" {
			t.Errorf("%s and %s have one function name", c.Name, other)
		}
		names[c.FunctionName()] = c.Name
		if len(c.Prerequisites) == 0 || len(c.Instructions) == 0 || len(c.Queries) == 0 {
			t.Errorf("%s lacks prerequisites, instructions or queries", c.Name)
		}
		for _, s := range c.Settings {
			if s.Help == "" || s.Label == "" {
				t.Errorf("%s: the setting %s needs a label and a help text", c.Name, s.Name)
			}
		}
		readme, err := os.ReadFile(filepath.Join(c.Name, "README.md"))
		if err != nil {
			t.Error(err)
			continue
		}
		for _, part := range []string{"## What it collects", "## Credentials and permissions", "## Tables", "## Known oddities"} {
			if !strings.Contains(string(readme), part) {
				t.Errorf("%s/README.md lacks %q", c.Name, part)
			}
		}
	}
}

func TestFindNamesTheNearest(t *testing.T) {
	_, err := Find("otka")
	if err == nil || !strings.Contains(err.Error(), "did you mean okta?") {
		t.Errorf("error: %v", err)
	}
}
