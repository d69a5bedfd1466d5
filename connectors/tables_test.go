package connectors

import (
	"encoding/csv"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-connectors/sluice/handler/sentinel"
	"github.com/sluice-connectors/sluice/handler/spec"
	"github.com/sluice-connectors/sluice/handler/testkit"
)

const (
	tablesFile   = "testdata/tables.txt"
	newerFile    = "testdata/tables_newer.txt" // written by hand
	tablesCommit = "4167c9caa798d8ead1fa1e5944f431ed0b999ea1"
	renewTables  = "go test ./connectors -run TestTablesAreMicrosofts -update, where ../shared/data/tables is"
)

const tablesHead = `# The columns that Microsoft's definitions give the tables of our connectors: names by type.
# Columns that the service fills are left out. A table that is not here is ours alone.
# Source: github.com/oshezaf/sentinelninja at ` + tablesCommit + `, Apache-2.0, collected
# there from Azure Monitor's documentation and github.com/Azure/Azure-Sentinel (MIT).
# ` + renewTables + `, writes it anew.
`

// TestTablesAreMicrosofts: a table that Microsoft defines has Microsoft's columns. They are
// in the project; where the source is at hand, they are compared with it, and with
// what it has of a new table.
func TestTablesAreMicrosofts(t *testing.T) {
	renewed(t)
	theirs := readTables(t)
	if len(theirs) < 40 {
		t.Errorf("%d tables of Microsoft's", len(theirs))
	}
	for table := range ourTables(t) {
		ours := map[string]string{}
		for _, col := range table.Columns {
			ours[col.Name] = col.Type
		}
		for name, typ := range theirs[table.Name] {
			if ours[name] != typ && !slices.ContainsFunc(sentinel.Columns[1:], func(c sentinel.Column) bool { return c.Name == name }) {
				t.Errorf("%s: Microsoft's column %s is a %s, ours is %q", table.Name, name, typ, ours[name])
			}
		}
	}
}

// ourTables yields the tables of all connectors.
func ourTables(t *testing.T) func(yield func(*spec.Table) bool) {
	t.Helper()
	cs, err := All()
	if err != nil {
		t.Fatal(err)
	}
	return func(yield func(*spec.Table) bool) {
		for _, c := range cs {
			for i := range c.Tables {
				if !yield(&c.Tables[i]) {
					return
				}
			}
		}
	}
}

// readTables are the types of Microsoft's columns by table and name.
func readTables(t *testing.T) map[string]map[string]string {
	t.Helper()
	var text string
	for _, file := range []string{tablesFile, newerFile} {
		part, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text += string(part)
	}
	tables := map[string]map[string]string{}
	var cols map[string]string
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, " "):
			for _, name := range words[1:] {
				cols[name] = words[0]
			}
		default:
			cols = map[string]string{}
			tables[words[0]] = cols
		}
	}
	return tables
}

// renewed compares the file with its source, where this is at hand; -update writes it.
func renewed(t *testing.T) {
	t.Helper()
	dir := filepath.Join("..", "..", "shared", "data", "tables")
	f, err := os.Open(filepath.Join(dir, "table_schemas.csv"))
	if err != nil {
		return
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if readme, err := os.ReadFile(filepath.Join(dir, "README.md")); err != nil || !strings.Contains(string(readme), tablesCommit) {
		t.Errorf("the source is not of the commit %s (%v)", tablesCommit, err)
	}
	text := tablesHead + cutTables(t, rows)
	if testkit.Updating() {
		if err := os.WriteFile(tablesFile, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	} else if kept, _ := os.ReadFile(tablesFile); string(kept) != text {
		t.Errorf("%s is out of date: %s", tablesFile, renewTables)
	}
}

// cutTables writes what the source has of the tables of our connectors.
func cutTables(t *testing.T, rows [][]string) string {
	theirs := map[string]map[string][]string{} // names by table and type
	for _, r := range rows[1:] {
		if theirs[r[0]] == nil {
			theirs[r[0]] = map[string][]string{}
		}
		if !slices.Contains([]string{"TenantId", "SourceSystem", "Type", "_BilledSize", "_IsBillable", "_ResourceId", "_SubscriptionId", "_ItemId"}, r[1]) { // the service fills these
			theirs[r[0]][r[2]] = append(theirs[r[0]][r[2]], r[1])
		}
	}
	parts := map[string]string{}
	for table := range ourTables(t) {
		types := theirs[msTable(theirs, table.Name)]
		if types == nil {
			continue
		}
		var b strings.Builder
		fmt.Fprintln(&b, table.Name)
		for _, typ := range slices.Sorted(maps.Keys(types)) {
			writeNames(&b, typ, slices.Sorted(slices.Values(types[typ])))
		}
		parts[table.Name] = b.String()
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		b.WriteString(parts[name])
	}
	return b.String()
}

// writeNames writes lines of a width that can be read.
func writeNames(b *strings.Builder, typ string, names []string) {
	for line := ""; len(names) > 0; line = "" {
		for len(names) > 0 && (line == "" || len(line)+len(names[0]) < 110) {
			line, names = line+" "+names[0], names[1:]
		}
		fmt.Fprintf(b, " %s%s\n", typ, line)
	}
}

// msTable is the table of Microsoft's that one is made after: of that name, or, where
// Azure's own table takes no columns of ours, of that name without _CL.
func msTable(tables map[string]map[string][]string, name string) string {
	if own := strings.TrimSuffix(name, "_CL"); tables[name] == nil && tables[own] != nil {
		return own
	}
	return name
}
