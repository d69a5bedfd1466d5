package connectors

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-connectors/sluice/handler/kql"
	"github.com/sluice-connectors/sluice/handler/kql/kusto"
	"github.com/sluice-connectors/sluice/handler/sentinel"
	"github.com/sluice-connectors/sluice/handler/spec"
)

// TestMicrosoftsParserAgrees gives Microsoft's parser every KQL text of every
// connector: the transformation of each table, the id and time of each stream,
// and the sample queries over the tables.
func TestMicrosoftsParserAgrees(t *testing.T) {
	k := kusto.Start(t)
	cs, err := All()
	if err != nil {
		t.Fatal(err)
	}
	health := []kusto.Column{}
	for _, c := range sentinel.HealthColumns {
		health = append(health, kusto.Column{Name: c.Name, Type: c.Type})
	}
	tables := map[string]string{sentinel.HealthTable: kusto.Schema(health)}
	for _, c := range cs {
		for i := range c.Tables {
			table := &c.Tables[i]
			var all []kusto.Column
			for _, col := range table.Schema() {
				all = append(all, kusto.Column{Name: col.Name, Type: col.Type.String()})
			}
			tables[table.Name] = kusto.Schema(all)
		}
	}
	for _, c := range cs {
		for i := range c.Tables {
			table := &c.Tables[i]
			text, members, err := withoutConstants(table).TransformKQL()
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			for _, col := range table.Columns {
				if col.KQL == "" {
					continue
				}
				typ, _ := kql.ParseType(col.Type)
				want = append(want, col.Name+":"+typ.String())
			}
			check(t, k, c.Name, text, dynamicSource(members), "("+strings.Join(want, ", ")+")")
			for _, s := range c.Streams {
				if s.Table != table.Name {
					continue
				}
				for what, x := range map[string]string{"string": s.Position.ID, "datetime": s.Position.Time} {
					if x == "" {
						continue
					}
					typ, _ := kql.ParseType(what)
					text, members, err := kql.TableQuery{Columns: []kql.Named{{Name: "x", KQL: x}}}.TransformKQL([]kql.Column{{Name: "x", Type: typ}})
					if err != nil {
						t.Fatal(err)
					}
					check(t, k, c.Name, text, dynamicSource(members), "(x:"+what+")")
				}
			}
		}
		for _, q := range c.Queries {
			check(t, k, c.Name, q.KQL, tables, "")
		}
	}
}

// dynamicSource is a record with these members.
func dynamicSource(members []string) map[string]string {
	var cols []kusto.Column
	for _, m := range members {
		cols = append(cols, kusto.Column{Name: m, Type: "dynamic"})
	}
	return map[string]string{"source": kusto.Schema(cols)}
}

// check asks for errors and, when want is not "", for the columns of the result.
func check(t *testing.T, k *kusto.Checker, connector, text string, tables map[string]string, want string) {
	t.Helper()
	a := k.Check(t, kusto.Query{Text: text, Tables: tables})
	for _, e := range a.Errors {
		t.Errorf("%s: %s\n%s", connector, e.Message, text)
	}
	if want != "" && a.String() != want {
		t.Errorf("%s: columns\n%s, want\n%s", connector, a, want)
	}
}

// constant is a function that only a connector's columns have: its value is a text.
var constant = regexp.MustCompile(`\bsetting\("[^"]*"\)|\b(connection|part)\(\)`)

func withoutConstants(t *spec.Table) *spec.Table {
	plain := *t
	plain.Columns = slices.Clone(t.Columns)
	for i := range plain.Columns {
		plain.Columns[i].KQL = constant.ReplaceAllString(plain.Columns[i].KQL, `"text"`)
	}
	return &plain
}
