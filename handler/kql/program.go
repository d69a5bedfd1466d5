// Package kql is the transformation language: the part of KQL that works on
// one row at a time, as Azure Monitor runs it in data collection rules.
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
	"strings"

	"github.com/sluice-connectors/sluice/handler/nearest"
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
	// Source declares the record's columns, as a DCR stream does. Nil: any
	// name is a column of the record, of type dynamic.
	Source []Column
	// Table fixes the columns of the row and their types. Nil: as the query yields them.
	Table []Column
	// Hold names a column that is computed but not written: Runner.Held has it.
	Hold string
	// ID and Time are expressions over the record: its identity and when it happened.
	ID, Time string
	// MaxText is the longest text in bytes that a column may hold; longer
	// values are cut and noted in Runner.Additional. 0: any length.
	MaxText int
	// Rest keeps the record's members that nothing refers to, for Runner.Additional.
	Rest bool
}

// Program is a compiled query. It is immutable and shared by its Runners.
type Program struct {
	Columns []Column // in the order in which rows have them
	Dropped []string // columns that the query yields and the table lacks
	Unused  []string // columns of the table that the query does not yield

	tree    *scan.Tree
	regs    int
	filters []func(*Runner) Value
	hold    *output
	id      func(*Runner) Value
	time    func(*Runner) Value
	outputs []output
	rest    bool // members that nothing refers to are part of the row
	opt     Options
}

// Compile compiles a query: let statements, then "source | …" or "print …".
func Compile(text string, opt Options) (*Program, error) {
	q, err := parseQuery(text)
	if err != nil {
		return nil, err
	}
	c := newCompiler(text, opt)
	if err := c.bindLets(q.lets); err != nil {
		return nil, err
	}
	p := &Program{opt: opt}
	projected := opt.Source != nil
	for i := range q.stages {
		s := &q.stages[i]
		if err := c.stage(s, p); err != nil {
			return nil, err
		}
		projected = projected || s.op == "project" || s.op == "print" || s.op == "project-keep"
	}
	if !projected {
		c.passThrough(p)
	}
	return p, c.finish(p)
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
	p := &Program{opt: opt}
	one := func(n Named) (code, error) {
		c.text = n.KQL
		x, err := parseExpr(n.KQL)
		if err != nil {
			return code{}, err
		}
		return c.expr(x)
	}
	for _, l := range t.Let {
		k, err := one(l)
		if err != nil {
			return nil, fmt.Errorf("let %s: %w", l.Name, err)
		}
		c.lets.names[l.Name] = c.register(k)
	}
	if t.Where != "" {
		k, err := one(Named{KQL: t.Where})
		if err != nil {
			return nil, fmt.Errorf("where: %w", err)
		}
		p.filters = append(p.filters, c.run(c.cast(k, Bool)).eval)
	}
	cols := make([]bound, len(t.Columns))
	for i, n := range t.Columns {
		k, err := one(n)
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", n.Name, err)
		}
		cols[i] = bound{n.Name, k}
	}
	c.cols = cols
	return p, c.finish(p)
}

func newCompiler(text string, opt Options) *compiler {
	c := &compiler{text: text, tree: scan.NewTree(), lets: newScope(nil), casts: map[castKey]code{}, open: opt.Source == nil}
	for _, col := range opt.Source {
		k := code{typ: Dynamic, path: scan.Key(col.Name)}
		c.cols = append(c.cols, bound{col.Name, c.cast(k, col.Type)})
	}
	return c
}

func (c *compiler) bindLets(lets []let) error {
	for i := range lets {
		l := &lets[i]
		if l.isFunc {
			c.lets.funcs[l.name] = l
			continue
		}
		k, err := c.expr(l.body)
		if err != nil {
			return err
		}
		c.lets.names[l.name] = c.register(k)
	}
	return nil
}

// stage compiles one operator: it changes the columns or adds a filter.
func (c *compiler) stage(s *stage, p *Program) error {
	switch s.op {
	case "where":
		k, err := c.expr(s.cond)
		if err != nil {
			return err
		}
		p.filters = append(p.filters, c.run(c.cast(k, Bool)).eval)
	case "extend", "project", "print":
		items, err := c.items(s)
		if err != nil {
			return err
		}
		if s.op == "extend" {
			items = replaceColumns(c.cols, items)
		} else {
			c.open = false
		}
		c.cols = items
	case "project-rename":
		return c.rename(s)
	case "project-away", "project-keep":
		return c.keepColumns(s)
	}
	return nil
}

// items compiles "a = x, …"; all see the columns as they were before.
func (c *compiler) items(s *stage) ([]bound, error) {
	var cols []bound
	for i, it := range s.items {
		k, err := c.expr(it.x)
		if err != nil {
			return nil, err
		}
		cols = append(cols, bound{itemName(it, s.op, i), c.register(k)})
	}
	return cols, nil
}

// itemName gives an item without a name the one that Kusto gives it.
func itemName(it named, op string, i int) string {
	if it.name != "" {
		return it.name
	}
	if op == "print" {
		return fmt.Sprintf("print_%d", i)
	}
	switch x := it.x.(type) {
	case *name:
		return x.id
	case *member:
		if inner := itemName(named{x: x.x}, op, i); inner != "" {
			return inner + "_" + x.key
		}
	case *call:
		if len(x.args) > 0 {
			if inner, ok := x.args[0].(*name); ok {
				return inner.id
			}
		}
	}
	return fmt.Sprintf("Column%d", i+1)
}

func replaceColumns(cols, items []bound) []bound {
	out := slices.Clone(cols)
	for _, it := range items {
		if i := slices.IndexFunc(out, func(b bound) bool { return b.name == it.name }); i >= 0 {
			out[i] = it
		} else {
			out = append(out, it)
		}
	}
	return out
}

func (c *compiler) rename(s *stage) error {
	out := slices.Clone(c.cols)
	for _, it := range s.items {
		from, ok := it.x.(*name)
		if !ok || it.name == "" {
			return c.errorf(it.pos, "project-rename takes New = Old")
		}
		k, ok := c.column(from.id)
		if !ok {
			return c.errorf(from.pos, "there is no column %s%s", from.id, nearest.Hint(from.id, c.known()))
		}
		if i := slices.IndexFunc(out, func(b bound) bool { return b.name == from.id }); i >= 0 {
			out[i] = bound{it.name, k}
		} else { // a column of the open record: its old name is no more
			out = append(out, bound{it.name, k}, bound{from.id, code{typ: Dynamic, konst: true}})
		}
	}
	c.cols = out
	return nil
}

func (c *compiler) keepColumns(s *stage) error {
	match := func(col string) bool {
		return slices.ContainsFunc(s.items, func(it named) bool {
			prefix, isPattern := strings.CutSuffix(it.name, "*")
			return it.name == col || isPattern && strings.HasPrefix(col, prefix)
		})
	}
	for _, it := range s.items {
		if _, ok := c.column(it.name); !ok && !strings.HasSuffix(it.name, "*") {
			return c.errorf(it.pos, "there is no column %s%s", it.name, nearest.Hint(it.name, c.known()))
		}
	}
	if c.open {
		for _, it := range s.items {
			if s.op == "project-away" { // hide it: a null constant stands for no column
				c.cols = replaceColumns(c.cols, []bound{{it.name, code{typ: Dynamic, konst: true}}})
			} else if !slices.ContainsFunc(c.cols, func(b bound) bool { return b.name == it.name }) {
				k, _ := c.column(it.name)
				c.cols = append(c.cols, bound{it.name, k})
			}
		}
		if s.op == "project-away" {
			return nil
		}
		c.open = false
	}
	c.cols = slices.DeleteFunc(slices.Clone(c.cols), func(b bound) bool { return match(b.name) == (s.op == "project-away") })
	return nil
}

// passThrough keeps the members of an open record that no column replaced.
func (c *compiler) passThrough(p *Program) {
	for i := range c.cols {
		c.cols[i].code = c.run(c.cols[i].code) // its paths are in the tree now
	}
	for _, name := range c.tree.RootKeys() {
		if !slices.ContainsFunc(c.cols, func(b bound) bool { return b.name == name }) {
			c.cols = append(c.cols, bound{name, code{typ: Dynamic, path: scan.Key(name)}})
		}
	}
	for _, b := range c.cols {
		c.tree.Add(scan.Key(b.name)) // known to the tree, so not among the rest
	}
	p.rest = true
}

// finish turns the columns into writers.
func (c *compiler) finish(p *Program) error {
	helper := func(what, text string, t Type) (func(*Runner) Value, error) {
		if text == "" {
			return nil, nil
		}
		c.text, c.open = text, c.open || p.opt.Source == nil
		x, err := parseExpr(text)
		if err == nil {
			var k code
			cols := c.cols
			c.cols = nil // the record's own columns, not the row's
			for _, col := range p.opt.Source {
				c.cols = append(c.cols, bound{col.Name, c.cast(code{typ: Dynamic, path: scan.Key(col.Name)}, col.Type)})
			}
			if k, err = c.expr(x); err == nil {
				c.cols = cols
				return c.run(c.cast(k, t)).eval, nil
			}
		}
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	var err error
	if p.id, err = helper("id", p.opt.ID, String); err != nil {
		return err
	}
	if p.time, err = helper("time", p.opt.Time, Datetime); err != nil {
		return err
	}
	c.fit(p)
	for _, b := range c.cols {
		if b.code.konst && !b.code.val.OK && b.code.typ == Dynamic {
			continue // hidden
		}
		o := c.output(b, p.opt.MaxText)
		if b.name == p.opt.Hold {
			k := c.run(b.code)
			o.value = k.eval
			p.hold = &o
			continue
		}
		p.outputs = append(p.outputs, o)
		p.Columns = append(p.Columns, o.column)
	}
	p.tree, p.regs = c.tree, c.regs
	return nil
}

// fit brings the columns to those of the table, when one is given.
func (c *compiler) fit(p *Program) {
	if p.opt.Table == nil {
		return
	}
	var cols []bound
	for _, col := range p.opt.Table {
		i := slices.IndexFunc(c.cols, func(b bound) bool { return b.name == col.Name })
		if i < 0 {
			p.Unused = append(p.Unused, col.Name)
			continue
		}
		cols = append(cols, bound{col.Name, c.cast(c.cols[i].code, col.Type)})
	}
	for _, b := range c.cols {
		if !slices.ContainsFunc(p.opt.Table, func(col Column) bool { return col.Name == b.name }) {
			p.Dropped = append(p.Dropped, b.name)
		}
	}
	c.cols = cols
}
