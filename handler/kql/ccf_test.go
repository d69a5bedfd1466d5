package kql

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// shared is where texts of others may be.
const shared = "../../../shared/data"

const (
	noPackages = "Microsoft's packages of the codeless framework are not in ../shared/data/ccf"
	noExamples = "the worked examples of Microsoft's documentation are not in ../shared/data/kql"
	noSamples  = "records of providers are not in ../shared/data/samples"
)

// ccfPackage is what a package of Microsoft's codeless framework says about rows.
type ccfPackage struct {
	source    []Column
	transform string
	table     []Column
}

// find collects resources of a type from JSON of any shape; files are named
// and nested as their authors liked.
func findResources(v any, typ string, f func(map[string]any)) {
	switch v := v.(type) {
	case map[string]any:
		if t, _ := v["type"].(string); strings.EqualFold(t, typ) {
			f(v)
		}
		for _, e := range v {
			findResources(e, typ, f)
		}
	case []any:
		for _, e := range v {
			findResources(e, typ, f)
		}
	}
}

// get reads a member whatever the case of its name.
func get(v any, path ...string) any {
	for _, key := range path {
		m, _ := v.(map[string]any)
		v = nil
		for k, e := range m {
			if strings.EqualFold(k, key) {
				v = e
			}
		}
	}
	return v
}

func columnsOf(t *testing.T, v any) []Column {
	t.Helper()
	var cols []Column
	list, _ := v.([]any)
	for _, c := range list {
		name, _ := get(c, "name").(string)
		text, _ := get(c, "type").(string)
		typ, ok := ParseType(text)
		if !ok {
			t.Errorf("column %s has type %q", name, text)
		}
		cols = append(cols, Column{name, typ})
	}
	return cols
}

func readPackage(t *testing.T, dir string) ccfPackage {
	t.Helper()
	var p ccfPackage
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var doc any
		if err := json.Unmarshal([]byte(strings.TrimPrefix(string(data), "\ufeff")), &doc); err != nil {
			t.Fatal(f, err)
		}
		findResources(doc, "Microsoft.Insights/dataCollectionRules", func(r map[string]any) {
			streams, _ := get(r, "properties", "streamDeclarations").(map[string]any)
			for _, s := range streams {
				p.source = columnsOf(t, get(s, "columns"))
			}
			flows, _ := get(r, "properties", "dataFlows").([]any)
			p.transform, _ = get(flows[0], "transformKql").(string)
		})
		findResources(doc, "Microsoft.OperationalInsights/workspaces/tables", func(r map[string]any) {
			p.table = columnsOf(t, get(r, "properties", "schema", "columns"))
		})
	}
	return p
}

// fitting makes a record that has a value of the declared type in every column.
func fitting(p ccfPackage) string {
	rec := map[string]any{}
	for _, c := range p.source {
		switch c.Type {
		case Datetime:
			rec[c.Name] = "2026-11-22T10:00:00.1234567Z"
		case Bool:
			rec[c.Name] = true
		case Int, Long:
			rec[c.Name] = 1795348800
		case Real:
			rec[c.Name] = 1.5
		case Dynamic:
			rec[c.Name] = map[string]any{"#cdata-section": "text", "message": map[string]any{"id": "m1", "timestamp": "2026-11-22T10:00:00Z", "toAddresses": []string{"a@b.example"}}}
		default:
			rec[c.Name] = `{"id":7,"sent_at":"2026-11-22T10:00:00Z","risk":"low"}`
		}
	}
	b, _ := json.Marshal(rec)
	return string(b)
}

// Mistakes of the originals, named in the README of the packages: columns that
// a transform yields and its table lacks.
var knownDropped = map[string][]string{
	"thehive": {"TheHiveCustomFields"},
	"zerofox-botnet": {"ip_address", "bot_name", "c2_ip_address", "c2_domain", "is_common_domain", "file_location", "operating_system", "anti_viruses", "country_code", "zip_code",
		"location", "current_language", "available_keyboards", "uac", "process_elevation", "acquired_at", "logged_at", "estimated_infected_at", "breached_at", "tags"},
	"valimail": {"SourceSystem"}, // a standard column: the service fills it
}

// TestPackagesOfTheCodelessFramework compiles the transform of every package,
// with its stream and its table, and runs it on a fitting record.
func TestPackagesOfTheCodelessFramework(t *testing.T) {
	dirs, err := filepath.Glob(filepath.Join(shared, "ccf", "[a-z]*"))
	if err != nil || len(dirs) == 0 {
		t.Skip(noPackages)
	}
	n := 0
	for _, dir := range dirs {
		name := filepath.Base(dir)
		t.Run(name, func(t *testing.T) {
			p := readPackage(t, dir)
			if len(p.source) == 0 || len(p.table) == 0 {
				t.Fatalf("package has %d columns in and %d out", len(p.source), len(p.table))
			}
			prog, err := Compile(p.transform, Options{Source: p.source, Table: p.table})
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range prog.Dropped {
				if !slices.Contains(knownDropped[name], d) {
					t.Errorf("column %s of the transform is not in the table", d)
				}
			}
			m := prog.Runner()
			_, row, err := m.Map([]byte(fitting(p)), nil)
			if err != nil {
				t.Fatal(err)
			}
			var got map[string]any
			if err := json.Unmarshal(append(row, '}'), &got); err != nil {
				t.Fatal(err)
			}
			if got["TimeGenerated"] == nil {
				t.Errorf("row has no TimeGenerated: %s", row)
			}
			fits(t, prog, got)
		})
		n++
	}
	if n != 10 {
		t.Errorf("%d packages", n)
	}
}

// fits checks that each value has the JSON type of its column.
func fits(t *testing.T, p *Program, row map[string]any) {
	t.Helper()
	for _, c := range p.Columns {
		v, ok := row[c.Name]
		if !ok {
			continue
		}
		switch c.Type {
		case String, Datetime, GUID, Timespan:
			_, ok = v.(string)
		case Bool:
			_, ok = v.(bool)
		case Int, Long, Real, Decimal:
			_, ok = v.(float64)
		}
		if !ok {
			t.Errorf("column %s of type %s holds %v", c.Name, c.Type, v)
		}
	}
}

// TestOneCarriageReturnSeparatesLines, as in published packages, such as that of Atlassian
// Confluence: what is behind it is no part of a comment.
func TestOneCarriageReturnSeparatesLines(t *testing.T) {
	got := evaluate(t, "source\r| extend a = 1 // the first\r| project a, b = 2\r", "{}", Options{})
	if want := `{"a":1,"b":2}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
