package kql

import (
	"slices"

	"github.com/sluice-connectors/sluice/handler/nearest"
)

// table is a table of constants: a datatable, a range, or what operators made
// of one. It is evaluated when the query is compiled.
type table struct {
	cols []Column
	rows [][]Value
}

// maxRows bounds the tables that a text may make of nothing.
const maxRows = 1_000_000

// bindLets adds the names that let statements bind to the scope.
func (c *compiler) bindLets(lets []let) error {
	for i := range lets {
		l := &lets[i]
		if l.isFunc {
			c.lets.funcs[l.name] = &closure{l, c.lets.copy()}
			continue
		}
		if l.body.table != nil {
			t, err := c.table(l.body.table, c.lets)
			if err != nil {
				return err
			}
			c.lets.tables[l.name] = t
			continue
		}
		if t, err := c.namedTable(l.body.x); t != nil || err != nil {
			if err != nil {
				return err
			}
			c.lets.tables[l.name] = t
			continue
		}
		k, err := c.apart(func() (code, error) { return c.expr(l.body.x) })
		if err != nil {
			return err
		}
		c.lets.names[l.name] = c.register(k)
	}
	return nil
}

// namedTable is the table that an expression names or calls; nil when it is a scalar.
func (c *compiler) namedTable(x expr) (*table, error) {
	switch x := x.(type) {
	case *name:
		return c.lets.table(x.id), nil
	case *tableArg:
		return c.table(x.table, c.lets)
	case *call:
		if f := c.lets.function(x.fn); f.yieldsTable() {
			s := stage{pos: x.pos, op: "call", name: x.fn}
			for _, a := range x.args {
				s.items = append(s.items, named{x: a})
			}
			return c.callTable(&s)
		}
	}
	return nil, nil
}

// yieldsTable reports whether the function's value is a table and no scalar.
func (f *closure) yieldsTable() bool {
	if f == nil {
		return false
	}
	n, ok := f.let.body.x.(*name)
	return f.let.body.table != nil || ok && slices.ContainsFunc(f.let.params, func(p column) bool { return p.isTable && p.name == n.id })
}

// tableArgument is the table that parameter p of a function gets.
func (c *compiler) tableArgument(fn string, p column, x expr) (*table, error) {
	if c.dialect == DCRDialect {
		return nil, c.errorf(x.position(), "functions of a data collection rule take scalars only (dialect dcr), and %s is a table", p.name)
	}
	t, err := c.namedTable(x)
	if err != nil {
		return nil, err
	}
	if t == nil {
		return nil, c.errorf(x.position(), "%s wants a table as %s", fn, p.name)
	}
	for _, col := range p.cols {
		if !slices.ContainsFunc(t.cols, func(have Column) bool { return have.Name == col.name && have.Type == col.typ }) {
			return nil, c.errorf(x.position(), "%s wants a table with the column %s:%s as %s", fn, col.name, col.typ, p.name)
		}
	}
	return t, nil
}

// copy freezes what is bound so far: a function sees what stood before it.
func (s *scope) copy() *scope {
	t := newScope(s.outer)
	for k, v := range s.names {
		t.names[k] = v
	}
	for k, v := range s.funcs {
		t.funcs[k] = v
	}
	for k, v := range s.tables {
		t.tables[k] = v
	}
	return t
}

// table evaluates a pipeline that reads no record.
func (c *compiler) table(pipe *pipeline, lets *scope) (*table, error) {
	inner := c.innerCompiler(lets)
	if inner.depth++; inner.depth > maxNesting {
		return nil, c.errorf(pipe.stages[0].pos, "nested too deep")
	}
	p := &Program{}
	if err := inner.pipeline(pipe, p); err != nil {
		return nil, err
	}
	p.tree, p.regs = inner.tree, *inner.regs
	out := &table{}
	evals := make([]func(*Runner) Value, len(inner.cols))
	for i, b := range inner.cols {
		out.cols = append(out.cols, Column{b.name, b.code.typ})
		evals[i] = inner.run(b.code).eval
	}
	m := p.Runner()
	err := m.rows(func() error {
		row := make([]Value, len(evals))
		for i, e := range evals {
			row[i] = e(m)
			row[i].S = slices.Clone(row[i].S)
		}
		if out.rows = append(out.rows, row); len(out.rows) > maxRows {
			return c.errorf(pipe.stages[0].pos, "the table has more than %d rows", maxRows)
		}
		return nil
	})
	return out, err
}

// source compiles what a pipeline begins with.
func (c *compiler) source(s *stage, p *Program) error {
	switch s.op {
	case "source":
		if c.inner {
			return c.errorf(s.pos, "source can only be read by the main pipeline: a let or toscalar has a table of its own, such as datatable")
		}
		return nil
	case "nested":
		return c.pipeline(s.nested, p)
	}
	c.open, c.cols = false, nil
	t := &table{}
	var err error
	switch s.op {
	case "print":
		c.cols, err = c.items(s)
		p.table = &table{rows: [][]Value{nil}}
		return err
	case "datatable":
		t, err = c.datatable(s)
	case "range":
		if c.dialect == DCRDialect {
			return c.errorf(s.pos, "%s", c.dialect.refuse("the operator", "range"))
		}
		t, err = c.rangeTable(s)
	case "table":
		if t = c.lets.table(s.name); t != nil {
			break
		}
		fallthrough // a function without parameters needs no parentheses
	case "call":
		t, err = c.callTable(s)
	}
	if err != nil {
		return err
	}
	for i, col := range t.cols {
		c.cols = append(c.cols, bound{name: col.Name, text: quoteName(col.Name), code: code{typ: col.Type, eval: func(m *Runner) Value { return m.row[i] }}})
	}
	p.table = t
	return nil
}

func (c *compiler) noTable(s *stage) error {
	names := []string{"source"}
	for sc := c.lets; sc != nil; sc = sc.outer {
		for n := range sc.tables {
			names = append(names, n)
		}
	}
	return c.errorf(s.pos, "there is no table %s%s: a transformation reads source, or a table that let binds", s.name, nearest.Hint(s.name, names))
}

// constExpr compiles an expression that has to be a constant, as type t.
func (c *compiler) constExpr(x expr, t Type) (Value, error) {
	k, err := c.expr(x)
	if err != nil {
		return null, err
	}
	if k.typ != t && k.typ != Dynamic && !(isNumber(k.typ) && isNumber(t)) && !(k.konst && !k.val.OK) {
		return null, c.errorf(x.position(), "want a %s, got a %s", t, k.typ)
	}
	return c.constant(c.run(c.cast(k, t))).val, nil
}

func (c *compiler) datatable(s *stage) (*table, error) {
	t := &table{}
	for _, col := range s.cols {
		t.cols = append(t.cols, Column{col.name, col.typ})
	}
	for i := 0; i < len(s.cells); i += len(s.cols) {
		row := make([]Value, len(s.cols))
		for j := range s.cols {
			v, err := c.cell(s.cells[i+j], s.cols[j].typ)
			if err != nil {
				return nil, err
			}
			row[j] = v
		}
		t.rows = append(t.rows, row)
	}
	return t, nil
}

// cell is a value of a datatable. Into a dynamic column goes a value of any type.
func (c *compiler) cell(x expr, t Type) (Value, error) {
	if l, ok := x.(*literal); ok && (t == Dynamic || l.val.typ == String) {
		return c.constant(c.run(c.cast(constant(l.val.typ, l.val.val), t))).val, nil
	}
	return c.constExpr(x, t)
}

// rangeTable makes: range x from a to b step c.
func (c *compiler) rangeTable(s *stage) (*table, error) {
	var k [3]code
	for i := range k {
		var err error
		if k[i], err = c.expr(s.items[i].x); err != nil {
			return nil, err
		}
		k[i] = c.constant(c.run(k[i]))
	}
	t, step := k[0].typ, k[2].typ
	switch {
	case isNumber(t) && isNumber(k[1].typ) && isNumber(step):
		t = widest(widest(t, k[1].typ), step)
		if t == Int {
			t = Long
		}
		step = t
	case (t == Datetime || t == Timespan) && k[1].typ == t && step == Timespan:
	default:
		return nil, c.errorf(s.pos, "range cannot go from %s to %s by %s", k[0].typ, k[1].typ, k[2].typ)
	}
	from, to, by := c.cast(k[0], t).val, c.cast(k[1], t).val, c.cast(k[2], step).val
	out := &table{cols: []Column{{s.name, t}}}
	for v := range series(t, from, to, by) {
		if out.rows = append(out.rows, []Value{v}); len(out.rows) > maxRows {
			return nil, c.errorf(s.pos, "the range has more than %d rows", maxRows)
		}
	}
	return out, nil
}

// callTable evaluates a function that yields a table.
func (c *compiler) callTable(s *stage) (*table, error) {
	f := c.lets.function(s.name)
	if f == nil {
		return nil, c.noTable(s)
	}
	var args []expr
	for _, it := range s.items {
		args = append(args, it.x)
	}
	inner, err := c.bindParams(f, s.name, s.pos, args)
	if err != nil {
		return nil, err
	}
	if n, ok := f.let.body.x.(*name); ok && inner.table(n.id) != nil { // the table that it got, as it is
		return inner.table(n.id), nil
	}
	if f.let.body.table == nil {
		return nil, c.errorf(s.pos, "%s yields no table", s.name)
	}
	k := c.innerCompiler(inner)
	if err := k.bindLets(f.let.body.lets); err != nil {
		return nil, err
	}
	return k.table(f.let.body.table, inner)
}

// scalarOf is toscalar(…): the first cell of a table.
func (c *compiler) scalarOf(x *scalarOf) (code, error) {
	if first := &x.table.stages[0]; first.op == "table" && len(x.table.stages) == 1 && c.lets.table(first.name) == nil {
		return c.expr(&name{first.pos, first.name}) // the value of a scalar
	}
	t, err := c.table(x.table, c.lets)
	if err != nil {
		return code{}, err
	}
	if len(t.cols) == 0 {
		return code{}, c.errorf(x.pos, "the table has no columns")
	}
	if len(t.rows) == 0 {
		return constant(t.cols[0].Type, null), nil
	}
	return constant(t.cols[0].Type, t.rows[0][0]), nil
}

// firstColumn lists the values of a table that a value is looked up in.
func (c *compiler) firstColumn(pos int, t *table) ([]code, error) {
	if len(t.cols) == 0 {
		return nil, c.errorf(pos, "the table has no columns")
	}
	var items []code
	for _, r := range t.rows {
		items = append(items, constant(t.cols[0].Type, r[0]))
	}
	return items, nil
}
