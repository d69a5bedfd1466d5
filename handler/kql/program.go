// Package kql is the transformation language: the part of KQL that works on
// one row at a time, as Azure Monitor runs it in data collection rules, with
// Microsoft's types and null rules. README.md beside this file lists what it
// has and what surprises people.
//
// A query is compiled once. All paths into the record that its columns,
// filters and helpers touch form one tree; each record is scanned once, the
// spans found are handed to the compiled expressions, and the row is written
// straight into the caller's buffer. A column that is a plain path costs a
// copy of its JSON token: no map, no interface value, no re-encoding.
package kql

import (
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/sluice-connectors/sluice/handler/scan"
)

// Column is a column of a table or of a record: its name and type.
type Column struct {
	Name string
	Type Type
}

// Named is a KQL expression with a name.
type Named struct {
	Name string
	KQL  string
}

// Options tell what a query reads and what is wanted of it.
type Options struct {
	// Dialect is what the text may use.
	Dialect Dialect
	// Source declares the record's columns, as a DCR stream does. Nil: any
	// name is a column of the record, of type dynamic.
	Source []Column
	// Table fixes the columns of the row and their types. Nil: as the query yields them.
	Table []Column
	// Hold names a column that is computed but not written: Runner.Held has it.
	Hold string
	// Constants are those of the connection that the text is for; nil: none.
	Constants *Constants
	// ID and Time are expressions over the record: its identity and when it happened.
	ID, Time string
	// MaxText is the longest text in bytes that a column may hold; longer
	// values are cut and noted in Runner.Additional. 0: any length.
	MaxText int
	// Rest keeps the record's members that nothing refers to, for Runner.Additional.
	Rest bool

	noFold bool // leave constant expressions to run time; tests compare both
}

// Program is a compiled query. It is immutable and shared by its Runners.
type Program struct {
	Columns  []Column // in the order in which rows have them
	Dropped  []string // columns that the query yields and the table lacks
	Unused   []string // columns of the table that the query does not yield
	Warnings []string // what the author should know, such as a function that is empty here

	tree     *scan.Tree
	regs     int
	segments []segment // operators between those that multiply rows
	table    *table    // the rows, of a query that reads no record
	hold     *output
	id       func(*Runner) Value
	idSlot   *int // of the value of the record that is the id as it stands
	time     func(*Runner) Value
	outputs  []output
	rest     bool // members that nothing refers to are part of the row
	opt      Options
}

// Inputless reports whether the query makes its rows of nothing: it begins
// with print, datatable or range, and is run once, with Runner.Each over nil.
func (p *Program) Inputless() bool { return p.table != nil }

// Multiplies reports whether the query may make several rows of one record.
// Runner.Each runs it; Runner.Map does not.
func (p *Program) Multiplies() bool {
	return len(p.segments) > 1 || p.table != nil && len(p.table.rows) != 1
}

// Reads reports whether rows are made of a member of the record, besides the rest.
func (p *Program) Reads(member string) bool {
	return p.tree.Asks(member)
}

// Compile compiles a query: let statements, then "source | …" or another table.
func Compile(text string, opt Options) (*Program, error) {
	q, err := parseQuery(text, opt.Dialect)
	if err != nil {
		return nil, err
	}
	c := newCompiler(text, opt)
	p := &Program{opt: opt}
	if n := utf8.RuneCountInString(text); opt.Dialect == DCRDialect && n > dcrMaxText {
		*c.warnings = append(*c.warnings, fmt.Sprintf("the text has %d characters; a data collection rule is documented to take %d", n, dcrMaxText))
	}
	cols, open := c.cols, c.open
	c.cols, c.open = nil, false // let statements see no record
	if err := c.bindLets(q.lets); err != nil {
		return nil, err
	}
	c.cols, c.open = cols, open
	if err := c.id(p, nil); err != nil {
		return nil, err
	}
	if err := c.pipeline(q.pipe, p); err != nil {
		return nil, err
	}
	if c.open {
		c.passThrough(p)
	}
	return p, c.finish(p)
}

// pipeline compiles operators in their order into p.
func (c *compiler) pipeline(pipe *pipeline, p *Program) error {
	if len(p.segments) == 0 {
		p.segments = make([]segment, 1)
	}
	if err := c.source(&pipe.stages[0], p); err != nil {
		return err
	}
	for i := range pipe.stages[1:] {
		if err := c.stage(&pipe.stages[i+1], p); err != nil {
			return err
		}
	}
	return nil
}

// TableQuery is the columns of a table as its spec writes them: one expression
// for each column, over the record, with a filter and helper values.
type TableQuery struct {
	Let     []Named
	Where   string
	Columns []Named
}

// CompileTable compiles the columns of a table. Errors name the column.
func CompileTable(t TableQuery, opt Options) (*Program, error) {
	c := newCompiler("", opt)
	p := &Program{opt: opt, segments: make([]segment, 1)}
	if err := c.helpers(t.Let); err != nil {
		return nil, err
	}
	if err := c.id(p, t.Let); err != nil {
		return nil, err
	}
	if t.Where != "" {
		_, err := c.apart(func() (code, error) { // what a filter reads is in no column
			k, err := c.parsed(t.Where)
			if err == nil {
				err = c.filter(p, k, 0)
			}
			return k, err
		})
		if err != nil {
			return nil, fmt.Errorf("where: %w", err)
		}
	}
	cols := make([]bound, len(t.Columns))
	for i, n := range t.Columns {
		k, err := c.apart(func() (code, error) { return c.parsed(n.KQL) })
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", n.Name, err)
		}
		cols[i] = bound{name: n.Name, code: k, text: n.KQL}
	}
	c.cols = cols
	return p, c.finish(p)
}

// helpers binds the helper values of a table.
func (c *compiler) helpers(lets []Named) error {
	for _, l := range lets {
		k, err := c.apart(func() (code, error) { return c.parsed(l.KQL) })
		if err != nil {
			return fmt.Errorf("let %s: %w", l.Name, err)
		}
		c.lets.names[l.Name] = c.register(k)
	}
	return nil
}

// parsed compiles a text that is one expression.
func (c *compiler) parsed(text string) (code, error) {
	c.text = text
	x, err := parseExpr(text)
	if err != nil {
		return code{}, err
	}
	return c.expr(x)
}

// passThrough keeps the members of an open record that no column replaced.
func (c *compiler) passThrough(p *Program) {
	for i := range c.cols {
		if c.cols[i].hidden {
			continue
		}
		c.cols[i].code = c.run(c.cols[i].code) // its paths are in the tree now
	}
	for _, name := range c.tree.RootKeys() {
		if !slices.ContainsFunc(c.cols, func(b bound) bool { return b.name == name }) {
			c.cols = append(c.cols, bound{name: name, code: code{typ: Dynamic, path: scan.Key(name)}, text: quoteName(name)})
		}
	}
	for _, b := range c.cols {
		c.slot(scan.Key(b.name)) // a column, or put away on purpose: not among the rest
	}
	p.rest = true
}

// finish turns the columns into writers.
func (c *compiler) finish(p *Program) error {
	when, err := c.helper("time", p.opt.Time, Datetime, p.opt.Source)
	if err != nil {
		return err
	}
	p.time = when.eval
	c.fit(p)
	for _, b := range c.cols {
		if b.hidden {
			continue
		}
		c.read(b.code.reads...)
		if b.code.from == nil { // a conversion was counted when it was made
			b.code.used()
		}
		o := c.output(b, p.opt.MaxText)
		if b.name == p.opt.Hold {
			o.value = c.run(b.code).eval
			p.hold = &o
			continue
		}
		p.outputs = append(p.outputs, o)
		p.Columns = append(p.Columns, o.column)
	}
	c.tree.Take(*c.reads...)
	p.tree, p.regs, p.Warnings = c.tree, *c.regs, *c.warnings
	return nil
}

// id compiles the record's identity, in which what is made of parts needs all of
// them, also in the helpers of a table.
func (c *compiler) id(p *Program, lets []Named) error {
	if p.opt.ID == "" {
		return nil
	}
	outer := c.lets
	c.identity = true
	defer func() { c.identity, c.lets = false, outer }()
	if len(lets) > 0 {
		c.lets = newScope(nil)
		if err := c.helpers(lets); err != nil {
			return err
		}
	}
	id, err := c.helper("id", p.opt.ID, String, p.opt.Source)
	p.id = id.eval
	if id.text != nil { // the row has it as EventUid
		c.read(*id.text)
		p.idSlot = id.text
	}
	return err
}

// helper compiles an expression over the record itself, not the row.
func (c *compiler) helper(what, text string, t Type, source []Column) (code, error) {
	if text == "" {
		return code{}, nil
	}
	cols, open := c.cols, c.open
	c.open, c.cols = source == nil, c.declared(source)
	defer func() { c.cols, c.open = cols, open }()
	k, err := c.apart(func() (code, error) {
		k, err := c.parsed(text)
		if err != nil {
			return k, fmt.Errorf("%s: %w", what, err)
		}
		return c.run(c.cast(k, t)), nil
	})
	return k, err
}

// fit brings the columns to those of the table, when one is given.
func (c *compiler) fit(p *Program) {
	if p.opt.Table == nil {
		return
	}
	var cols []bound
	for _, col := range p.opt.Table {
		i := slices.IndexFunc(c.cols, func(b bound) bool { return b.name == col.Name && !b.hidden })
		if i < 0 {
			p.Unused = append(p.Unused, col.Name)
			continue
		}
		cols = append(cols, bound{name: col.Name, code: c.cast(c.cols[i].code, col.Type), text: c.cols[i].text})
	}
	for _, b := range c.cols {
		if !b.hidden && !slices.ContainsFunc(p.opt.Table, func(col Column) bool { return col.Name == b.name }) {
			p.Dropped = append(p.Dropped, b.name)
		}
	}
	c.cols = cols
}
