package cli

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/sluice-connectors/sluice/handler/kql"
)

// transformer is the transform command.
type transformer struct {
	kql, dialect, source, check, output string
	explain                             bool
	std                                 *stdio
}

func transformCommand(std *stdio) *cobra.Command {
	t := transformer{std: std}
	cmd := &cobra.Command{
		Use:   "transform --kql TEXT|@FILE [FILE...]",
		Short: "Run a transformation over records and print the rows",
		Long: `Transform reads records (a JSON array, an object, or one after the other; gzip too)
from files or from standard input, and prints the rows that the KQL makes of them.
The KQL is what a data collection rule's transformKql may be, and more; --dialect dcr
refuses what a data collection rule would refuse.

Without --source every member of a record is a column of type dynamic. With it, the
record has those columns and types, as a DCR stream does.

Values that do not fit (a text that is no number, a division by zero) become null;
how many did, and in which columns, is said at the end. --check compares the rows with
a table and ends with exit code 1 when something does not fit.`,
		Example: `  sluice transform --kql 'print Answer = strcat("4", 2)'
  sluice transform --kql 'source | project User = tostring(actor.alternateId)' records.json
  sluice transform --kql @transform.kql --dialect dcr --source 'time:datetime, user:string' -o table < records.ndjson.gz
  sluice transform --kql @transform.kql --explain
  sluice transform --kql @transform.kql --check OktaV2_CL records.json`,
		RunE: func(_ *cobra.Command, files []string) error { return t.run(files) },
	}
	f := cmd.Flags()
	f.StringVar(&t.kql, "kql", "", "the transformation, or @ and the name of its file")
	f.StringVar(&t.dialect, "dialect", "full", "what the text may use: full, dcr (a data collection rule) or step (a step of a codeless connector)")
	f.StringVar(&t.source, "source", "", "columns of the records: 'name:type, …', or @ and a file with a data collection rule")
	f.StringVar(&t.check, "check", "", "compare the rows with a table: the name of a connector's table, or a file (connector.yaml, ARM template)")
	f.BoolVar(&t.explain, "explain", false, "show the compiled plan: what is read, and how each column is made")
	f.StringVarP(&t.output, "output", "o", "ndjson", "ndjson, json or table")
	return cmd
}

func (t *transformer) run(files []string) error {
	if err := oneOf("output", t.output, "ndjson", "json", "table"); err != nil {
		return err
	}
	opt := kql.Options{}
	var ok bool
	if opt.Dialect, ok = kql.ParseDialect(t.dialect); !ok {
		return oneOf("dialect", t.dialect, "full", "dcr", "step")
	}
	text, err := textOrFile(t.kql)
	if err != nil {
		return err
	}
	if strings.TrimSpace(text) == "" {
		return usageError("give the transformation: --kql 'source | …' or --kql @FILE")
	}
	if opt.Source, err = readSource(t.source); err != nil {
		return err
	}
	var table *tableSchema
	if t.check != "" {
		if table, err = findTable(t.check); err != nil {
			return err
		}
		opt.Table = table.Columns
	}
	prog, err := kql.Compile(text, opt)
	if err != nil {
		return fmt.Errorf("the KQL has a mistake at %w", err)
	}
	switch {
	case t.explain:
		return t.printPlan(prog.Explain())
	case table != nil:
		return t.checkRows(prog, table, files)
	}
	for _, w := range prog.Warnings {
		fmt.Fprintln(t.std.err, "warning:", w)
	}
	return t.printRows(prog, files)
}

// textOrFile returns s, or of @name what the file has.
func textOrFile(s string) (string, error) {
	path, ok := strings.CutPrefix(s, "@")
	if !ok {
		return s, nil
	}
	b, err := os.ReadFile(path)
	return strings.TrimPrefix(string(b), "\ufeff"), err
}

func (t *transformer) printRows(prog *kql.Program, files []string) error {
	w := bufio.NewWriter(t.std.out)
	defer w.Flush()
	out := &printer{w: w, output: t.output}
	for _, c := range prog.Columns {
		out.columns = append(out.columns, c.Name)
	}
	if prog.Explain().Rest {
		out.columns = nil // the record's own members follow
	}
	m := prog.Runner()
	err := t.each(prog, m, files, func(row []byte) error {
		if err := out.print(row); err != nil {
			return err
		}
		out.n++
		return nil
	})
	if err := errors.Join(err, out.close(), w.Flush()); err != nil {
		return err
	}
	if odd := m.Oddities(); len(odd) > 0 {
		fmt.Fprintln(t.std.err, "values that did not fit:", counts(odd))
	}
	return nil
}

// counts lists columns with how often something was the case with them.
func counts(m map[string]int64) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%s %d", k, m[k]))
	}
	return strings.Join(parts, ", ")
}

// each runs the program over all records, or once where it needs none. Memory
// does not grow with the records.
func (t *transformer) each(prog *kql.Program, m *kql.Runner, files []string, row func([]byte) error) error {
	if prog.Inputless() {
		_, err := m.Each(nil, row)
		return err
	}
	read := func(name string, r io.Reader) error {
		err := eachRecord(r, func(rec json.RawMessage) error {
			_, err := m.Each(rec, row)
			return err
		})
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	}
	if len(files) == 0 {
		return read("standard input", t.std.in)
	}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		err = read(name, f)
		f.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// eachRecord reads the elements of a JSON array, or JSON values one after the
// other, packed with gzip or not.
func eachRecord(in io.Reader, f func(json.RawMessage) error) error {
	br := bufio.NewReaderSize(in, 64<<10)
	if magic, _ := br.Peek(2); string(magic) == "\x1f\x8b" {
		z, err := gzip.NewReader(br)
		if err != nil {
			return err
		}
		br = bufio.NewReaderSize(z, 64<<10)
	}
	if bom, _ := br.Peek(3); string(bom) == "\ufeff" {
		_, _ = br.Discard(3)
	}
	dec := json.NewDecoder(br)
	first, err := firstByte(br)
	if errors.Is(err, io.EOF) {
		return nil
	}
	if inArray := err == nil && first == '['; inArray {
		if _, err := dec.Token(); err != nil {
			return err
		}
	}
	for n := 1; first != '[' || dec.More(); n++ {
		var rec json.RawMessage
		if err := dec.Decode(&rec); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("record %d: %w", n, inWords(err))
		}
		if err := f(rec); err != nil {
			return fmt.Errorf("record %d: %w", n, err)
		}
	}
	if _, err := dec.Token(); err != nil { // the closing bracket
		return fmt.Errorf("the array is not closed: %w", inWords(err))
	}
	return nil
}

// inWords is an error of reading JSON without the words of the library.
func inWords(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the JSON ends in the middle")
	}
	if e := new(json.SyntaxError); errors.As(err, &e) {
		what, _, _ := strings.Cut(e.Error(), " looking for")
		return fmt.Errorf("this is no JSON, at byte %d: %s", e.Offset, what)
	}
	return err
}

// firstByte looks at the first byte that is no white space.
func firstByte(r *bufio.Reader) (byte, error) {
	for {
		b, err := r.ReadByte()
		if err != nil {
			return 0, err
		}
		if b > ' ' {
			return b, r.UnreadByte()
		}
	}
}

func (t *transformer) printPlan(p kql.Plan) error {
	if t.output == "json" {
		return printJSON(t.std.out, p)
	}
	w := t.std.out
	fmt.Fprintf(w, "reads %s, in one pass over the record:\n", plural(int64(len(p.Paths)), "path"))
	for _, path := range p.Paths {
		fmt.Fprintln(w, "  "+path)
	}
	fmt.Fprintf(w, "filters: %d\n", p.Filters)
	if p.Rows != "" {
		fmt.Fprintln(w, "rows: "+p.Rows)
	}
	how := map[string]int64{}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(tw, "columns: %d\n", len(p.Columns))
	for _, c := range p.Columns {
		how[c.How]++
		fmt.Fprintf(tw, "  %s\t%s\t%s\t%s\n", c.Name, c.Type, c.How, oneLine(c.KQL))
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	if p.Rest {
		fmt.Fprintln(w, "  and every other member of the record, as it stands")
	}
	fmt.Fprintln(w, "how they are made: "+counts(how))
	for _, n := range p.Dropped {
		fmt.Fprintf(w, "the table has no column %s: it is dropped\n", n)
	}
	for _, n := range p.Unused {
		fmt.Fprintf(w, "nothing fills the table's column %s\n", n)
	}
	for _, n := range p.Warnings {
		fmt.Fprintln(w, "warning:", n)
	}
	return nil
}

func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > 80 {
		s = string(r[:79]) + "…"
	}
	return s
}
