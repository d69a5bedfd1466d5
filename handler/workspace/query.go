package workspace

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-connectors/sluice/handler/kql"
	"github.com/sluice-connectors/sluice/handler/nearest"
	"github.com/sluice-connectors/sluice/handler/sentinel"
)

// Bounds of a query and of its answer, which has sentinel.MaxAnswer rows at most. The
// others are our own.
const (
	maxQuery  = 256 << 10 // bytes of its text
	maxAnswer = 64 << 20  // bytes of its rows
	maxTime   = 30 * time.Second
)

// Result is the answer to a query.
type Result struct {
	Columns []kql.Column
	Rows    [][]any // in the order of Columns; nil is null

	bytes int
}

// query is POST /v1/workspaces/{id}/query of the Log Analytics query API. It asks for
// no token, but for a header that a page elsewhere cannot have the browser send.
func (w *Workspace) query(rw http.ResponseWriter, req *http.Request) {
	in := struct{ Query string }{req.URL.Query().Get("query")}
	switch {
	case req.Method == http.MethodGet && req.Header.Get("Authorization") == "":
		apiError(rw, http.StatusUnauthorized, "AuthorizationRequiredError", "Valid authentication was not provided: send an Authorization header, or POST {\"query\": …}.")
		return
	case req.Method == http.MethodPost && !isJSON(req):
		apiError(rw, http.StatusUnsupportedMediaType, "UnsupportedMediaType", "Content-Type has to be application/json.")
		return
	case req.Method == http.MethodPost:
		if err := json.NewDecoder(io.LimitReader(req.Body, 2*maxQuery)).Decode(&in); err != nil {
			apiError(rw, http.StatusBadRequest, "BadArgumentError", "want {\"query\": …} of at most 256 KiB: "+err.Error())
			return
		}
	}
	res, err := w.Query(req.Context(), in.Query)
	if err != nil {
		apiError(rw, http.StatusBadRequest, "BadArgumentError", err.Error())
		return
	}
	type column struct {
		Name string `json:"name"`
		Type string `json:"type"`
	}
	cols := make([]column, len(res.Columns))
	for i, c := range res.Columns {
		cols[i] = column{c.Name, c.Type.String()}
	}
	writeJSON(rw, http.StatusOK, map[string]any{"tables": []any{map[string]any{"name": "PrimaryResult", "columns": cols, "rows": res.Rows}}})
}

// Query answers a simple read: a table, then getschema, or where, extend, project (and its
// relatives), take, count, sort, top, distinct, and summarize of count, dcount,
// sum, min and max by columns.
func (w *Workspace) Query(ctx context.Context, text string) (*Result, error) {
	if len(text) > maxQuery {
		return nil, fmt.Errorf("the query has more than %d bytes", maxQuery)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, maxTime, fmt.Errorf("the query takes longer than %s: add a filter, or take", maxTime))
	defer cancel()
	res, err := w.answer(ctx, splitPipes(text))
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return res, err
}

// answer runs the stages of a query.
func (w *Workspace) answer(ctx context.Context, stages []string) (*Result, error) {
	name := strings.TrimSpace(stages[0])
	t, ok := w.tables[name]
	if !ok {
		var names []string
		for n := range w.tables {
			names = append(names, n)
		}
		slices.Sort(names)
		return nil, fmt.Errorf("there is no table %q%s; there are %s", name, nearest.Hint(name, names), strings.Join(names, ", "))
	}
	stages = stages[1:]
	if len(stages) == 1 && strings.TrimSpace(stages[0]) == "getschema" {
		return schemaOf(t), nil
	}
	n := rowStages(stages)
	limit := sentinel.MaxAnswer + 1
	if n < len(stages) {
		if f := strings.Fields(stages[n]); len(f) == 2 && (f[0] == "take" || f[0] == "limit") {
			if m, err := strconv.Atoi(f[1]); err == nil {
				limit = m // no need to read on
			}
		}
	}
	res, err := w.read(ctx, t, stages[:n], limit)
	for err == nil && n < len(stages) {
		if k := rowStages(stages[n:]); k > 0 {
			res, err = res.again(ctx, stages[n:n+k])
			n += k
			continue
		}
		if err = ctx.Err(); err == nil {
			err = res.apply(strings.TrimSpace(stages[n]))
		}
		n++
	}
	return res, err
}

// schemaOf answers getschema.
func schemaOf(t *table) *Result {
	res := &Result{Columns: []kql.Column{{Name: "ColumnName", Type: kql.String}, {Name: "ColumnOrdinal", Type: kql.Int}, {Name: "ColumnType", Type: kql.String}}}
	for i, c := range t.Columns {
		res.Rows = append(res.Rows, []any{c.Name, i, c.Type.String()})
	}
	return res
}

// splitPipes splits a query at the | outside of strings.
func splitPipes(text string) []string {
	var parts []string
	start, quote := 0, byte(0)
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quote != 0 && c == '\\':
			i++
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote == 0 && c == '|':
			parts, start = append(parts, text[start:i]), i+1
		}
	}
	return append(parts, text[start:])
}

var rowOperators = []string{"where", "filter", "extend", "project", "project-away", "project-keep", "project-rename", "parse", "parse-where", "parse-kv"}

// rowStages counts the leading stages that work on one row at a time.
func rowStages(stages []string) int {
	for i, s := range stages {
		if f := strings.Fields(s); len(f) == 0 || !slices.Contains(rowOperators, f[0]) {
			return i
		}
	}
	return len(stages)
}

func pipeline(stages []string) string {
	q := "source"
	for _, s := range stages {
		q += " |" + s
	}
	return q
}

// read runs row operators over a table, oldest rows first, until it has limit rows.
func (w *Workspace) read(ctx context.Context, t *table, stages []string, limit int) (*Result, error) {
	prog, err := kql.Compile(pipeline(stages), kql.Options{Source: t.Columns})
	if err != nil {
		return nil, err
	}
	rows, err := w.db.QueryContext(ctx, "SELECT row FROM rows WHERE tbl = ? ORDER BY at, id", t.Name)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	res, m := newResult(prog), prog.Runner()
	for len(res.Rows) < limit && rows.Next() {
		var row []byte
		if err := rows.Scan(&row); err != nil {
			return nil, err
		}
		if err := res.add(m, row); err != nil {
			return nil, err
		}
	}
	return res, rows.Err()
}

func newResult(p *kql.Program) *Result {
	return &Result{Columns: p.Columns, Rows: [][]any{}}
}

// add maps one row and appends it.
func (r *Result) add(m *kql.Runner, row []byte) error {
	_, out, err := m.Map(row, nil)
	if err != nil || !m.Kept() {
		return err
	}
	if len(r.Rows) >= sentinel.MaxAnswer {
		return fmt.Errorf("the answer has more than %d rows: add a filter or take", sentinel.MaxAnswer)
	}
	if r.bytes += len(out); r.bytes > maxAnswer {
		return fmt.Errorf("the answer has more than %d MiB: add a filter, take or project", maxAnswer>>20)
	}
	var vals map[string]json.RawMessage
	if err := json.Unmarshal(append(out, '}'), &vals); err != nil {
		return err
	}
	cells := make([]any, len(r.Columns))
	for i, c := range r.Columns {
		if raw, ok := vals[c.Name]; ok {
			cells[i] = raw
		} else if c.Type == kql.String {
			cells[i] = json.RawMessage(`""`)
		}
	}
	r.Rows = append(r.Rows, cells)
	return nil
}

// again runs row operators over rows that have been changed already.
func (r *Result) again(ctx context.Context, stages []string) (*Result, error) {
	prog, err := kql.Compile(pipeline(stages), kql.Options{Source: r.Columns})
	if err != nil {
		return nil, err
	}
	res, m := newResult(prog), prog.Runner()
	for _, cells := range r.Rows {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		row := map[string]any{}
		for i, c := range r.Columns {
			row[c.Name] = cells[i]
		}
		b, err := json.Marshal(row)
		if err == nil {
			err = res.add(m, b)
		}
		if err != nil {
			return nil, err
		}
	}
	return res, nil
}

// apply runs an operator that works on all rows.
func (r *Result) apply(stage string) error {
	op, rest, _ := strings.Cut(stage, " ")
	rest = strings.TrimSpace(rest)
	switch op {
	case "take", "limit":
		n, err := strconv.Atoi(rest)
		if err != nil || n < 0 {
			return fmt.Errorf("take %s: want a number of rows", rest)
		}
		r.Rows = r.Rows[:min(n, len(r.Rows))]
		return nil
	case "count":
		r.Columns, r.Rows = []kql.Column{{Name: "Count", Type: kql.Long}}, [][]any{{len(r.Rows)}}
		return nil
	case "sort", "order":
		by, ok := strings.CutPrefix(rest, "by ")
		if !ok {
			return errors.New("sort: want sort by column [asc|desc]")
		}
		return r.sort(by)
	case "top":
		count, by, ok := strings.Cut(rest, " by ")
		n, err := strconv.Atoi(strings.TrimSpace(count))
		if !ok || err != nil || n < 0 {
			return errors.New("top: want top 10 by column [asc|desc]")
		}
		if err := r.sort(by); err != nil {
			return err
		}
		r.Rows = r.Rows[:min(n, len(r.Rows))]
		return nil
	case "distinct":
		return r.summarize(nil, rest)
	case "summarize":
		aggs, by, _ := strings.Cut(rest, " by ")
		if strings.HasPrefix(rest, "by ") {
			aggs, by = "", strings.TrimPrefix(rest, "by ")
		}
		return r.summarize(splitList(aggs), by)
	}
	known := append([]string{"take", "limit", "count", "sort", "order", "top", "distinct", "summarize"}, rowOperators...)
	return fmt.Errorf("this workspace does not know the operator %s%s; it answers %s", op, nearest.Hint(op, known), strings.Join(known, ", "))
}

// splitList splits at the commas outside of parentheses.
func splitList(s string) []string {
	var parts []string
	depth, start := 0, 0
	for i, c := range s {
		switch c {
		case '(':
			depth++
		case ')':
			depth--
		case ',':
			if depth == 0 {
				parts, start = append(parts, s[start:i]), i+1
			}
		}
	}
	if last := strings.TrimSpace(s[start:]); last != "" {
		parts = append(parts, last)
	}
	return parts
}

func (r *Result) column(name string) (int, error) {
	name = strings.TrimSpace(name)
	i := slices.IndexFunc(r.Columns, func(c kql.Column) bool { return c.Name == name })
	if i < 0 {
		var names []string
		for _, c := range r.Columns {
			names = append(names, c.Name)
		}
		return 0, fmt.Errorf("there is no column %s%s", name, nearest.Hint(name, names))
	}
	return i, nil
}

// sortKey is a column to sort by.
type sortKey struct {
	col  int
	desc bool
}

func (r *Result) sort(by string) error {
	var keys []sortKey
	for _, part := range splitList(by) {
		f := strings.Fields(part)
		if len(f) == 0 {
			return errors.New("sort: a column is missing between two commas")
		}
		i, err := r.column(f[0])
		if err != nil {
			return err
		}
		keys = append(keys, sortKey{i, len(f) < 2 || f[1] != "asc"}) // Kusto sorts descending by default
	}
	type line struct {
		cells []any
		texts []string // those of keys
	}
	lines := make([]line, len(r.Rows))
	for i, cells := range r.Rows {
		lines[i] = line{cells, make([]string, len(keys))}
		for j, k := range keys {
			lines[i].texts[j] = cellText(cells[k.col])
		}
	}
	slices.SortStableFunc(lines, func(a, b line) int {
		for j, k := range keys {
			d := compareTexts(r.Columns[k.col].Type, a.texts[j], b.texts[j])
			if k.desc {
				d = -d
			}
			if d != 0 {
				return d
			}
		}
		return 0
	})
	for i := range lines {
		r.Rows[i] = lines[i].cells
	}
	return nil
}

func cellText(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case json.RawMessage:
		var s string
		if json.Unmarshal(v, &s) == nil {
			return s
		}
		return string(v)
	}
	return fmt.Sprint(v)
}

func compareTexts(t kql.Type, x, y string) int {
	switch t {
	case kql.Int, kql.Long, kql.Real, kql.Decimal:
		f, _ := strconv.ParseFloat(x, 64)
		g, _ := strconv.ParseFloat(y, 64)
		return cmp.Compare(f, g)
	}
	return strings.Compare(x, y) // ISO 8601 times sort as text
}
