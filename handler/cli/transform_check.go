package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/sluice-connectors/sluice/connectors"
	"github.com/sluice-connectors/sluice/handler/kql"
	"github.com/sluice-connectors/sluice/handler/nearest"
	"github.com/sluice-connectors/sluice/handler/sentinel"
	"github.com/sluice-connectors/sluice/handler/spec"
)

// tableSchema is a table that rows are compared with.
type tableSchema struct {
	Name    string
	Columns []kql.Column
	engine  []string // columns that the engine fills, not the KQL
}

// findTable reads the columns of a table from a connector, by the table's
// name, or from a file: a connector.yaml, or JSON with a table of a workspace
// in it. NAME:FILE picks one of several tables in a file.
func findTable(what string) (*tableSchema, error) {
	name, file, picked := strings.Cut(what, ":")
	if !picked {
		name, file = "", what
	}
	if !picked && !strings.ContainsAny(what, `/\.`) {
		set := known()
		cs, err := set.All()
		if err != nil {
			return nil, err
		}
		var tables []*tableSchema
		for _, c := range cs {
			tables = append(tables, tablesOf(c)...)
		}
		table, err := pickTable(tables, what, "the connectors")
		if err != nil {
			err = errors.Join(err, set.Err()) // it may be there
		}
		return table, err
	}
	if strings.HasSuffix(file, ".yaml") {
		c, err := connectors.Find(file)
		if err != nil {
			return nil, err
		}
		return pickTable(tablesOf(c), name, file)
	}
	doc, err := readJSON(file)
	if err != nil {
		return nil, err
	}
	var tables []*tableSchema
	for _, r := range resources(doc, "workspaces/tables") {
		schema := member(member(r, "properties"), "schema")
		cols, err := jsonColumns(member(schema, "columns"))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		n, _ := member(schema, "name").(string)
		tables = append(tables, &tableSchema{Name: n, Columns: cols})
	}
	return pickTable(tables, name, file)
}

func tablesOf(c *spec.Connector) []*tableSchema {
	var out []*tableSchema
	for i := range c.Tables {
		t := &tableSchema{Name: c.Tables[i].Name, Columns: c.Tables[i].Schema()}
		for _, col := range sentinel.Columns[1:] {
			t.engine = append(t.engine, col.Name)
		}
		out = append(out, t)
	}
	return out
}

// pickTable finds the table called name, or the only one.
func pickTable(tables []*tableSchema, name, where string) (*tableSchema, error) {
	var names []string
	for _, t := range tables {
		if t.Name == name || name == "" && len(tables) == 1 {
			return t, nil
		}
		names = append(names, t.Name)
	}
	switch {
	case len(tables) == 0:
		return nil, fmt.Errorf("%s has no table", where)
	case name == "":
		return nil, fmt.Errorf("%s has several tables; say which: TABLE:%s, where TABLE is one of %s", where, where, strings.Join(names, ", "))
	}
	return nil, fmt.Errorf("%s: there is no table %q%s; there are %s", where, name, nearest.Hint(name, names), strings.Join(names, ", "))
}

// readSource reads the columns of records: a list, or a data collection rule.
func readSource(s string) ([]kql.Column, error) {
	if s == "" {
		return nil, nil
	}
	file, isFile := strings.CutPrefix(s, "@")
	if !isFile {
		return listedColumns(s)
	}
	doc, err := readJSON(file)
	if err != nil {
		return nil, err
	}
	for _, r := range resources(doc, "dataCollectionRules") {
		streams, _ := member(member(r, "properties"), "streamDeclarations").(map[string]any)
		if len(streams) > 1 {
			return nil, fmt.Errorf("%s declares %d streams: give the columns of one as 'name:type, …'", file, len(streams))
		}
		for _, stream := range streams {
			cols, err := jsonColumns(member(stream, "columns"))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
			return cols, nil
		}
	}
	return nil, fmt.Errorf("%s has no data collection rule with a stream declaration", file)
}

// listedColumns reads name:type, …; names may be in brackets and quotes.
func listedColumns(s string) ([]kql.Column, error) {
	var cols []kql.Column
	for _, item := range strings.Split(s, ",") {
		i := strings.LastIndex(item, ":")
		if i < 0 {
			return nil, usageError("--source: %q: want name:type", strings.TrimSpace(item))
		}
		name, text := strings.Trim(strings.TrimSpace(item[:i]), `[]'"`), strings.TrimSpace(item[i+1:])
		typ, ok := kql.ParseType(text)
		if !ok {
			return nil, usageError("--source: %q is no type; there are bool, int, long, real, string, datetime, dynamic, timespan, guid and decimal", text)
		}
		cols = append(cols, kql.Column{Name: name, Type: typ})
	}
	return cols, nil
}

func readJSON(file string) (any, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var doc any
	if err := json.Unmarshal([]byte(strings.TrimPrefix(string(data), "\ufeff")), &doc); err != nil {
		return nil, fmt.Errorf("%s is no JSON: %w", file, err)
	}
	return doc, nil
}

// resources finds the objects of an ARM template whose type ends so, however
// they are nested.
func resources(v any, suffix string) []any {
	var out []any
	switch v := v.(type) {
	case map[string]any:
		if t, _ := member(v, "type").(string); strings.HasSuffix(strings.ToLower(t), strings.ToLower(suffix)) {
			out = append(out, v)
		}
		for _, k := range slices.Sorted(maps.Keys(v)) {
			out = append(out, resources(v[k], suffix)...)
		}
	case []any:
		for _, e := range v {
			out = append(out, resources(e, suffix)...)
		}
	}
	return out
}

// member reads a member of an object, whatever the case of its name.
func member(v any, key string) any {
	m, _ := v.(map[string]any)
	for k, e := range m {
		if strings.EqualFold(k, key) {
			return e
		}
	}
	return nil
}

func jsonColumns(v any) ([]kql.Column, error) {
	list, _ := v.([]any)
	var cols []kql.Column
	for _, c := range list {
		name, _ := member(c, "name").(string)
		text, _ := member(c, "type").(string)
		typ, ok := kql.ParseType(text)
		if !ok {
			return nil, fmt.Errorf("column %q has the type %q, which is none", name, text)
		}
		cols = append(cols, kql.Column{Name: name, Type: typ})
	}
	if len(cols) == 0 {
		return nil, errors.New("there are no columns")
	}
	return cols, nil
}

// checkReport says how rows fit a table.
type checkReport struct {
	Table    string           `json:"table"`
	Rows     int              `json:"rows"`
	Unfilled []string         `json:"unfilled"` // columns that the KQL yields and no row has
	Unused   []string         `json:"unused"`   // columns of the table that the KQL does not yield
	Dropped  []string         `json:"dropped"`  // columns of the KQL that the table lacks
	Unfit    map[string]int64 `json:"unfit"`    // values that became null, by column
	TooLong  map[string]int64 `json:"too_long"` // texts of more than 64 KB, which the service cuts, by column
	Warnings []string         `json:"warnings,omitempty"`
}

// maxListed is how many names a line of the report has.
const maxListed = 25

func (t *transformer) checkRows(prog *kql.Program, table *tableSchema, files []string) error {
	rep := checkReport{Table: table.Name, Unfilled: []string{}, Unused: []string{}, Dropped: append([]string{}, prog.Dropped...), TooLong: map[string]int64{}, Warnings: prog.Warnings}
	for _, name := range prog.Unused {
		if !slices.Contains(table.engine, name) {
			rep.Unused = append(rep.Unused, name)
		}
	}
	filled := map[string]bool{}
	m := prog.Runner()
	err := t.each(prog, m, files, func(row []byte) error {
		rep.Rows++
		var cells map[string]json.RawMessage
		if err := json.Unmarshal(row, &cells); err != nil {
			return err
		}
		for name, raw := range cells {
			filled[name] = true
			if len(raw) > sentinel.MaxText {
				rep.TooLong[name]++
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, c := range prog.Columns {
		if !filled[c.Name] {
			rep.Unfilled = append(rep.Unfilled, c.Name)
		}
	}
	rep.Unfit = m.Oddities()
	if t.output == "json" {
		err = printJSON(t.std.out, rep)
	} else {
		rep.print(t.std.out)
	}
	if err == nil && len(rep.Unfit)+len(rep.Dropped)+len(rep.TooLong) > 0 {
		err = fmt.Errorf("the rows do not fit %s", table.Name)
	}
	return err
}

func (r *checkReport) print(w io.Writer) {
	fmt.Fprintf(w, "%s against %s\n", plural(int64(r.Rows), "row"), r.Table)
	list := func(what string, names []string) {
		if len(names) > 0 {
			names = slices.Sorted(slices.Values(names))
			more := ""
			if n := len(names) - maxListed; n > 0 {
				names, more = names[:maxListed], fmt.Sprintf(" … and %d more (-o json has them all)", n)
			}
			fmt.Fprintf(w, "  %s: %s%s\n", what, strings.Join(names, ", "), more)
		}
	}
	list("no record fills", r.Unfilled)
	list("the KQL does not yield", r.Unused)
	list("the table lacks", r.Dropped)
	if slices.Contains(r.Unused, "TimeGenerated") {
		fmt.Fprintln(w, "  without TimeGenerated the service takes the time of receipt")
	}
	if len(r.Unfit) > 0 {
		fmt.Fprintf(w, "  values that do not fit and became null: %s\n", counts(r.Unfit))
	}
	if len(r.TooLong) > 0 {
		fmt.Fprintf(w, "  values of more than 64 KB, which the service cuts: %s\n", counts(r.TooLong))
	}
	for _, n := range r.Warnings {
		fmt.Fprintln(w, "  warning:", n)
	}
	if len(r.Unfilled)+len(r.Unused)+len(r.Dropped)+len(r.Unfit)+len(r.TooLong) == 0 {
		fmt.Fprintln(w, "  every column is filled and every value fits")
	}
}
