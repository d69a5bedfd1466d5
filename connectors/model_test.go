package connectors

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/model"
	"github.com/sluice-connectors/sluice/handler/sentinel"
	"github.com/sluice-connectors/sluice/handler/spec"
)

// TestConnectorsReadWhatProvidersPublish: no id, time, filter or column reads a member that
// the provider's model does not have. A column is narrower than its member only where the
// table is Microsoft's and has it so; what does not fit is in AdditionalFields.
func TestConnectorsReadWhatProvidersPublish(t *testing.T) {
	theirs := readTables(t)
	eachModel(t, func(t *testing.T, c *spec.Connector, m *model.Model) {
		for _, f := range m.Check(c) {
			col := columnOf(c, f.Table, f.Column)
			if !f.Narrow || theirs[f.Table][f.Column] != col.Type {
				t.Errorf("%s %s %s: %s", f.At, f.Table, f.Column, f.Msg)
			}
		}
	})
}

// TestEveryColumnCanBeFilled: rows are made of records as providers publish them, with each
// member absent once, and each value that it can have; what no record can fill, and still
// has an expression, is a mistake.
func TestEveryColumnCanBeFilled(t *testing.T) {
	eachModel(t, func(t *testing.T, c *spec.Connector, m *model.Model) {
		for i := range c.Tables {
			filled := map[string]bool{}
			for j := range c.Streams {
				if s := &c.Streams[j]; s.Table == c.Tables[i].Name {
					fill(t, c, s, &c.Tables[i], m, filled)
				}
			}
			for _, col := range c.Tables[i].Columns {
				if col.KQL != "" && col.Name != "TimeGenerated" && !filled[col.Name] {
					t.Errorf("%s: no published record fills %s, which is %s", c.Tables[i].Name, col.Name, col.KQL)
				}
			}
		}
	})
}

// fill maps records of a stream and notes the columns that get a value.
func fill(t *testing.T, c *spec.Connector, s *spec.Stream, table *spec.Table, m *model.Model, filled map[string]bool) {
	t.Helper()
	settings := map[string]string{}
	for _, set := range c.Settings {
		settings[set.Name] = "text"
	}
	prog, err := s.Compile(table, c.Constants("acme", "text", settings))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	mapper := sentinel.NewMapper(prog, func() time.Time { return now })
	m.Records(s.Name, nil, func(rec []byte, absent string) {
		if !json.Valid(rec) {
			t.Fatalf("%s", rec)
		}
		if _, err := mapper.Map(rec); err != nil {
			t.Fatalf("without %s: %v", absent, err)
		}
		rows := engine.NewRows(1)
		mapper.Rows(rows, &engine.Stamp{Connection: "acme", UID: []byte("1"), Now: now})
		for row := range rows.All(0) {
			var cells map[string]any
			if err := json.Unmarshal(row, &cells); err != nil {
				t.Fatalf("without %s: %v\n%s", absent, err, row)
			}
			for name, v := range cells {
				filled[name] = filled[name] || v != nil && fmt.Sprint(v) != "" && fmt.Sprint(v) != "[]" && fmt.Sprint(v) != "map[]"
			}
		}
	})
}

func columnOf(c *spec.Connector, table, column string) spec.Column {
	for _, t := range c.Tables {
		if i := slices.IndexFunc(t.Columns, func(col spec.Column) bool { return col.Name == column }); t.Name == table && i >= 0 {
			return t.Columns[i]
		}
	}
	return spec.Column{}
}

// unmodeled are connectors that have no model yet.
var unmodeled = strings.Fields("github")

func eachModel(t *testing.T, f func(t *testing.T, c *spec.Connector, m *model.Model)) {
	all, err := All()
	if err != nil {
		t.Fatal(err)
	}
	without := map[string]bool{}
	for _, c := range all {
		m, err := ModelOf(c.Name, "")
		if err != nil {
			t.Error(err)
			continue
		}
		if m == nil {
			without[c.Name] = true
			continue
		}
		t.Run(c.Name, func(t *testing.T) { f(t, c, m) })
	}
	if got := slices.Sorted(maps.Keys(without)); !slices.Equal(got, unmodeled) {
		t.Errorf("without a model: %q, want %q", got, unmodeled)
	}
}
