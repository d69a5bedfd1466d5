package okta

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/sluice-connectors/sluice/connectors"
	"github.com/sluice-connectors/sluice/handler/kql"
	"github.com/sluice-connectors/sluice/handler/spec"
	"github.com/sluice-connectors/sluice/handler/testkit"
)

const shared = "../../../shared/data"

// TestRowsAgreeWithMicrosoftsTransform runs the transform of Microsoft's own
// Okta connector and ours over the same records and compares column by column.
func TestRowsAgreeWithMicrosoftsTransform(t *testing.T) {
	official := officialProgram(t).Runner()
	c, ours := ourTransform(t)
	compared, cells := 0, 0
	for _, file := range []string{"system_log.json", "system_log.2.json", "system_log.adapted.json", "system_log.examples.json"} {
		data, err := os.ReadFile(filepath.Join(shared, "samples", "okta", file))
		if err != nil {
			t.Fatal(err)
		}
		var records []json.RawMessage
		if err := json.Unmarshal(data, &records); err != nil {
			t.Fatal(err)
		}
		for i, rec := range records {
			want, got := row(t, official, rec), row(t, ours, rec)
			at, ok := ours.Held()
			if wantAt, _ := want["TimeGenerated"].(string); ok && at.Format("2006-01-02T15:04:05.9999999Z") != wantAt {
				t.Errorf("%s record %d: TimeGenerated %v, want %v", file, i, at, wantAt)
			}
			delete(want, "TimeGenerated")
			for _, name := range keys(want, got) {
				cells++
				if !reflect.DeepEqual(want[name], got[name]) {
					t.Errorf("%s record %d, column %s: %v, want %v", file, i, name, got[name], want[name])
				}
			}
			compared++
		}
	}
	t.Logf("%d records, %d filled cells", compared, cells)
	if compared < 300 || len(c.Tables[0].Columns) != len(officialColumns(t)) {
		t.Errorf("%d records, %d columns of %d", compared, len(c.Tables[0].Columns), len(officialColumns(t)))
	}
}

// agreed are records, and the rows that Microsoft's transform makes of them.
type agreed struct {
	Source  string            `json:"source"`
	Records []json.RawMessage `json:"records"`
	Rows    []map[string]any  `json:"rows"`
}

const agreedFile = "testdata/microsoft.json"

func readAgreed(t *testing.T) (a agreed) {
	t.Helper()
	data, err := os.ReadFile(agreedFile)
	if err == nil {
		err = json.Unmarshal(data, &a)
	}
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// ourTransform makes rows of records as the connector does.
func ourTransform(t *testing.T) (*spec.Connector, *kql.Runner) {
	t.Helper()
	c, err := connectors.Find("okta")
	if err != nil {
		t.Fatal(err)
	}
	prog, err := c.Streams[0].Compile(&c.Tables[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	return c, prog.Runner()
}

// ourRow is a record's row without TimeGenerated, which the engine writes, but with when
// that is.
func ourRow(t *testing.T, m *kql.Runner, rec []byte) map[string]any {
	t.Helper()
	got := row(t, m, rec)
	if at, ok := m.Held(); ok {
		got["TimeGenerated"] = at.Format("2006-01-02T15:04:05.9999999Z")
	}
	return got
}

// TestRowsAreThoseOfMicrosoftsTransform, cell by cell: its values are in the project.
func TestRowsAreThoseOfMicrosoftsTransform(t *testing.T) {
	a := readAgreed(t)
	if len(a.Records) < 40 || len(a.Rows) != len(a.Records) {
		t.Fatalf("%d records, %d rows", len(a.Records), len(a.Rows))
	}
	c, ours := ourTransform(t)
	filled := map[string]bool{}
	for i, rec := range a.Records {
		want, got := a.Rows[i], ourRow(t, ours, rec)
		for _, name := range keys(want, got) {
			filled[name] = true
			if !reflect.DeepEqual(want[name], got[name]) {
				t.Errorf("record %d, column %s: %v, want %v", i, name, got[name], want[name])
			}
		}
	}
	if len(filled) < 55 {
		t.Errorf("only %d of %d columns are filled by the records", len(filled), len(c.Tables[0].Columns))
	}
}

// TestTheAgreedRowsAreMicrosofts holds the project's values against the transform itself.
// With -update they are written anew.
func TestTheAgreedRowsAreMicrosofts(t *testing.T) {
	official, a := officialProgram(t).Runner(), readAgreed(t)
	var rows []map[string]any
	for _, rec := range a.Records {
		rows = append(rows, row(t, official, rec))
	}
	if !testkit.Updating() {
		if !reflect.DeepEqual(rows, a.Rows) {
			t.Error("the transform makes other rows: -update writes them anew")
		}
		return
	}
	a.Rows = rows
	text, err := json.MarshalIndent(a, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(agreedFile, append(text, '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
}

func keys(a, b map[string]any) []string {
	var names []string
	for k := range a {
		names = append(names, k)
	}
	for k := range b {
		if _, ok := a[k]; !ok {
			names = append(names, k)
		}
	}
	return names
}

// row maps a record. Texts that are empty and values that are null are absent,
// in our rows as in a workspace.
func row(t *testing.T, m *kql.Runner, rec []byte) map[string]any {
	t.Helper()
	_, out, err := m.Map(rec, nil)
	if err != nil {
		t.Fatal(err)
	}
	var v map[string]any
	if err := json.Unmarshal(append(out, '}'), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

type rule struct {
	Properties struct {
		StreamDeclarations map[string]struct {
			Columns []struct{ Name, Type string }
		}
		DataFlows []struct{ TransformKql string }
	}
}

func officialRule(t *testing.T) rule {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(shared, "ccf", "_parts", "okta-sso-v2.dcr.json"))
	if err != nil {
		t.Skip("Microsoft's packages of the codeless framework are not in ../shared/data/ccf")
	}
	var rules []rule
	if err := json.Unmarshal(data, &rules); err != nil {
		t.Fatal(err)
	}
	return rules[0]
}

func officialProgram(t *testing.T) *kql.Program {
	t.Helper()
	r := officialRule(t)
	var source []kql.Column
	for _, s := range r.Properties.StreamDeclarations {
		for _, c := range s.Columns {
			typ, ok := kql.ParseType(c.Type)
			if !ok {
				t.Fatal(fmt.Errorf("type %s", c.Type))
			}
			source = append(source, kql.Column{Name: c.Name, Type: typ})
		}
	}
	p, err := kql.Compile(r.Properties.DataFlows[0].TransformKql, kql.Options{Source: source})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func officialColumns(t *testing.T) []kql.Column { return officialProgram(t).Columns }
