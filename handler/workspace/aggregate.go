package workspace

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-connectors/sluice/handler/kql"
)

// aggregate is one function of summarize.
type aggregate struct {
	name, fn string
	col      int
}

func (r *Result) aggregate(text string) (aggregate, error) {
	a := aggregate{col: -1}
	name, call, named := strings.Cut(text, "=")
	if !named {
		call = text
	}
	fn, arg, ok := strings.Cut(strings.TrimSpace(call), "(")
	arg = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(arg), ")"))
	a.fn = strings.TrimSpace(fn)
	if !ok || !slices.Contains([]string{"count", "dcount", "sum", "min", "max"}, a.fn) {
		return a, fmt.Errorf("summarize %s: want count(), dcount(column), sum(column), min(column) or max(column)", strings.TrimSpace(text))
	}
	a.name = a.fn + "_" + arg
	if named {
		a.name = strings.TrimSpace(name)
	}
	var err error
	if a.fn != "count" {
		a.col, err = r.column(arg)
	}
	return a, err
}

func (a aggregate) of(t kql.Type, rows [][]any) any {
	if a.fn == "count" {
		return len(rows)
	}
	distinct := map[string]bool{}
	sum, best := 0.0, any(nil)
	for _, row := range rows {
		v := row[a.col]
		if v == nil {
			continue
		}
		distinct[cellText(v)] = true
		f, _ := strconv.ParseFloat(cellText(v), 64)
		sum += f
		if d := compareTexts(t, cellText(v), cellText(best)); best == nil || a.fn == "min" && d < 0 || a.fn == "max" && d > 0 {
			best = v
		}
	}
	switch a.fn {
	case "dcount":
		return len(distinct)
	case "sum":
		return sum
	}
	return best
}

// summarize groups rows by columns, in the order in which groups appear.
func (r *Result) summarize(aggs []string, by string) error {
	var keys []int
	for _, name := range splitList(by) {
		i, err := r.column(name)
		if err != nil {
			return err
		}
		keys = append(keys, i)
	}
	var fs []aggregate
	for _, text := range aggs {
		a, err := r.aggregate(text)
		if err != nil {
			return err
		}
		fs = append(fs, a)
	}
	groups, order := map[string][][]any{}, []string{}
	for _, row := range r.Rows {
		var k string
		for _, i := range keys {
			k += cellText(row[i]) + "\x00"
		}
		if groups[k] == nil {
			order = append(order, k)
		}
		groups[k] = append(groups[k], row)
	}
	if len(keys) == 0 && len(order) == 0 {
		order = append(order, "")
	}
	out := &Result{Rows: [][]any{}}
	for _, i := range keys {
		out.Columns = append(out.Columns, r.Columns[i])
	}
	for _, f := range fs {
		t := kql.Long
		if f.fn == "min" || f.fn == "max" || f.fn == "sum" {
			t = r.Columns[f.col].Type
		}
		out.Columns = append(out.Columns, kql.Column{Name: f.name, Type: t})
	}
	for _, k := range order {
		rows := groups[k]
		var cells []any
		for _, i := range keys {
			cells = append(cells, rows[0][i])
		}
		for _, f := range fs {
			t := kql.Long
			if f.col >= 0 {
				t = r.Columns[f.col].Type
			}
			cells = append(cells, f.of(t, rows))
		}
		out.Rows = append(out.Rows, cells)
	}
	*r = *out
	return nil
}
