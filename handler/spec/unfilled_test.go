package spec_test

import (
	"os"
	"strings"
	"testing"

	"github.com/sluice-connectors/sluice/handler/spec"
)

func TestAColumnWithoutKQLIsInTheTableAndInNoRow(t *testing.T) {
	data, err := os.ReadFile("testdata/minimal.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.TrimRight(string(data), "\n") + "\n      - {name: Unfilled, type: string, description: Where it went.}\n"
	c, err := spec.Parse("connector.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	table := &c.Tables[0]
	found := false
	for _, col := range table.Schema() {
		found = found || col.Name == "Unfilled"
	}
	if !found {
		t.Error("the table has no such column")
	}
	p, err := c.Streams[0].Compile(table, c.Constants("", "", nil))
	if err != nil {
		t.Fatal(err)
	}
	m := p.Runner()
	_, row, err := m.Map([]byte(`{"Unfilled":"x","published":"2026-01-01"}`), nil)
	if err != nil || strings.Contains(string(row), "Unfilled") || !strings.Contains(string(m.Additional()), `"Unfilled":"x"`) {
		t.Errorf("row %s, besides %s (%v)", row, m.Additional(), err)
	}
	if text, _, err := table.TransformKQL(); err != nil || strings.Contains(text, "Unfilled") {
		t.Errorf("the transformation reads it: %s (%v)", text, err)
	}
}
