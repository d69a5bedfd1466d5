package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/sluice-connectors/sluice/handler/engine"
)

// printer is a sink that prints rows.
type printer struct {
	w      io.Writer
	output string
	limit  int
	n      int
	// columns are those of the output table; nil: those that say most.
	columns []string
	table   []map[string]any
}

func (p *printer) Has(string) bool { return true }
func (p *printer) full() bool      { return p.limit > 0 && p.n >= p.limit }

// Upload implements engine.Sink.
func (p *printer) Upload(_ context.Context, b engine.Batch) error {
	var rows []json.RawMessage
	if err := json.Unmarshal(b.Rows, &rows); err != nil {
		return err
	}
	for _, row := range rows {
		if p.full() {
			return &engine.Error{Kind: engine.Permanent, Op: "print", Err: errEnough}
		}
		if err := p.print(row); err != nil {
			return &engine.Error{Kind: engine.Permanent, Op: "print", Err: err}
		}
		p.n++
	}
	return nil
}

func (p *printer) print(row json.RawMessage) error {
	switch p.output {
	case "table":
		var m map[string]any
		dec := json.NewDecoder(bytes.NewReader(row))
		dec.UseNumber() // large integers as they stand
		if err := dec.Decode(&m); err != nil {
			return err
		}
		p.table = append(p.table, m)
		return nil
	case "json":
		sep := ",\n"
		if p.n == 0 {
			sep = "[\n"
		}
		_, err := fmt.Fprintf(p.w, "%s%s", sep, row)
		return err
	}
	_, err := fmt.Fprintf(p.w, "%s\n", row)
	return err
}

func (p *printer) close() error {
	switch {
	case p.output == "table":
		if p.columns == nil {
			p.columns = telling(p.table)
		}
		return printTable(p.w, p.columns, p.table)
	case p.output == "json" && p.n == 0:
		_, err := fmt.Fprintln(p.w, "[]")
		return err
	case p.output == "json":
		_, err := fmt.Fprintln(p.w, "\n]")
		return err
	}
	return nil
}

// telling are the columns that say most: filled in most rows and short.
func telling(rows []map[string]any) []string {
	filled := map[string]int{}
	for _, r := range rows {
		for k, v := range r {
			if s, ok := v.(string); ok && len(s) <= 40 && k != "EventUid" && k != "SluiceConnection" && k != "TimeGenerated" {
				filled[k]++
			}
		}
	}
	var cols []string
	for k := range filled {
		cols = append(cols, k)
	}
	slices.SortFunc(cols, func(a, b string) int {
		if d := filled[b] - filled[a]; d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	return append([]string{"TimeGenerated"}, cols[:min(len(cols), 5)]...)
}

// printTable prints rows as aligned columns. What could steer a terminal is
// made visible.
func printTable(w io.Writer, cols []string, rows []map[string]any) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, strings.Join(cols, "\t"))
	for _, r := range rows {
		cells := make([]string, len(cols))
		for i, c := range cols {
			cells[i] = cell(r[c])
		}
		fmt.Fprintln(tw, strings.Join(cells, "\t"))
	}
	return tw.Flush()
}

// cell is a value as a table shows it.
func cell(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return strings.Map(func(r rune) rune {
			if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
				return '\uFFFD'
			}
			return r
		}, v)
	}
	b, _ := json.Marshal(v)
	return string(b)
}

// isTerminal reports whether a person looks at what is written.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0
}

// printJSON prints a document for scripts.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
