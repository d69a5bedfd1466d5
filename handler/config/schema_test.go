package config

import (
	"os"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/sluice-connectors/sluice/handler/testkit"
)

// TestSchemaAcceptsTheExample of the README, and refuses a key that there is not.
func TestSchemaAcceptsTheExample(t *testing.T) {
	schema := testkit.Schema(t, Schema())
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(readme), "```yaml\n")
	example, _, ok := strings.Cut(example, "```")
	if !ok {
		t.Fatal("the README has no example")
	}
	for change, good := range map[string]bool{"": true, "\nconections: []\n": false} {
		var v any
		if err := yaml.Unmarshal([]byte(example+change), &v); err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(v); (err == nil) != good {
			t.Errorf("%q: %v", change, err)
		}
	}
}
