package kql

import (
	"slices"
	"time"

	"github.com/sluice-connectors/sluice/handler/nearest"
	"github.com/sluice-connectors/sluice/handler/scan"
)

// code is a compiled expression.
type code struct {
	typ   Type
	eval  func(m *Runner) Value // nil while the code is a plain path or a constant
	path  []scan.Step           // the record's value at this path; typ is Dynamic
	konst bool                  // val is the value
	val   Value
	odd   bool // the constant came of something odd, such as a division by zero
	// text is set on tostring(path): the text of the value in that slot can be
	// copied from the record into a string column as it stands.
	text *int
	from *int  // the slot of the record's value that a conversion reads
	memo *memo // set on what is evaluated once for several users
	// reads lists the slots of the record's values that go into what a name
	// stands for: whoever uses it reads them.
	reads []int
	// tuple holds the values of a function that yields several columns.
	tuple []code
}

// scope maps names to what let bound; an inner scope hides its outer one.
type scope struct {
	outer  *scope
	names  map[string]code
	funcs  map[string]*closure
	tables map[string]*table
}

// closure is a function that was let, and the names that it sees.
type closure struct {
	let   *let
	scope *scope
}

func newScope(outer *scope) *scope {
	return &scope{outer, map[string]code{}, map[string]*closure{}, map[string]*table{}}
}

// find looks a name up in one of the maps of a scope and its outer ones.
func find[T any](s *scope, id string, in func(*scope) map[string]T) (found T, ok bool) {
	for ; s != nil; s = s.outer {
		if found, ok = in(s)[id]; ok {
			return found, true
		}
	}
	return found, false
}

func (s *scope) lookup(id string) (code, bool) {
	return find(s, id, func(s *scope) map[string]code { return s.names })
}

func (s *scope) function(id string) *closure {
	f, _ := find(s, id, func(s *scope) map[string]*closure { return s.funcs })
	return f
}

func (s *scope) table(id string) *table {
	t, _ := find(s, id, func(s *scope) map[string]*table { return s.tables })
	return t
}

// compiler turns syntax trees into code; all code of one program shares its
// path tree and its registers.
type compiler struct {
	text    string // for the places of errors
	tree    *scan.Tree
	lets    *scope
	open    bool // any name is a column of the record
	cols    []bound
	reads   *[]int // the slots that what is being compiled reads
	regs    *int   // shared with the compilers of inner tables
	casts   map[castKey]code
	depth   int
	dialect Dialect

	constants *Constants

	fold     bool // evaluate constants now; tests switch it off
	identity bool // what is compiled is an id: what is made of parts needs all of them
	inner    bool // of a table that is not the main one: there is no record
	warnings *[]string
}

// bound is a column in the order of the output.
type bound struct {
	name   string
	code   code
	hidden bool // a member of the open record that was put away
	text   string
}

func newCompiler(text string, opt Options) *compiler {
	c := &compiler{
		text: text, tree: scan.NewTree(), lets: newScope(nil), casts: map[castKey]code{}, reads: new([]int), regs: new(int),
		open: opt.Source == nil, dialect: opt.Dialect, constants: opt.Constants, fold: !opt.noFold, warnings: new([]string),
	}
	c.cols = c.declared(opt.Source)
	return c
}

// declared are the columns of a record, converted to the types that they are declared to have.
func (c *compiler) declared(source []Column) []bound {
	var cols []bound
	for _, col := range source {
		k, _ := c.apart(func() (code, error) { return c.cast(code{typ: Dynamic, path: scan.Key(col.Name)}, col.Type), nil })
		cols = append(cols, bound{name: col.Name, code: k, text: quoteName(col.Name)})
	}
	return cols
}

// innerCompiler compiles a table that the main pipeline refers to.
func (c *compiler) innerCompiler(lets *scope) *compiler {
	return &compiler{
		text: c.text, tree: scan.NewTree(), lets: lets, casts: map[castKey]code{}, reads: new([]int), regs: c.regs,
		depth: c.depth, dialect: c.dialect, constants: c.constants, fold: c.fold, inner: true, warnings: c.warnings,
	}
}

func (c *compiler) errorf(pos int, format string, args ...any) error {
	return errorAt(c.text, pos, format, args...)
}

// scratch makes a Runner that evaluates constants.
func (c *compiler) scratch() *Runner {
	return &Runner{Now: time.Now, regs: make([]Value, *c.regs), regAt: make([]uint32, *c.regs), regOdd: make([]bool, *c.regs), epoch: 1}
}

// column finds the column called id, declared, computed, or of the open record.
func (c *compiler) column(id string) (code, bool) {
	for i := range c.cols {
		if c.cols[i].name == id {
			return c.cols[i].code, !c.cols[i].hidden
		}
	}
	if c.open {
		return code{typ: Dynamic, path: scan.Key(id)}, true
	}
	return code{}, false
}

func constant(t Type, v Value) code { return code{typ: t, konst: true, val: v} }

// slot is the place of the record's value at path, which is read with it.
func (c *compiler) slot(path []scan.Step) int {
	slot := c.tree.Add(path)
	c.read(slot)
	return slot
}

// read notes that what is being compiled reads values of the record.
func (c *compiler) read(slots ...int) {
	for _, s := range slots {
		if !slices.Contains(*c.reads, s) {
			*c.reads = append(*c.reads, s)
		}
	}
}

// apart compiles what is used by a name, or not at all.
func (c *compiler) apart(compile func() (code, error)) (code, error) {
	outer := c.reads
	c.reads = new([]int)
	k, err := compile()
	c.read(k.reads...)
	k.reads, c.reads = *c.reads, outer
	return k, err
}

// run makes k executable: a path gets its slot in the tree.
func (c *compiler) run(k code) code {
	c.read(k.reads...)
	switch {
	case k.eval != nil:
	case k.konst && k.odd:
		v := k.val
		k.eval = func(m *Runner) Value { m.odd = true; return v }
	case k.konst:
		v := k.val
		k.eval = func(*Runner) Value { return v }
	default:
		slot := c.slot(k.path)
		k.eval = func(m *Runner) Value { return m.dynamic(slot) }
	}
	return k
}

// memo is an expression that several others may use. It is evaluated once for
// each row if they do; if only one does, remembering its value costs more.
type memo struct {
	eval func(*Runner) Value
	uses int
	slot int // the register
}

// register makes k a memo. Whoever uses it says so with used.
func (c *compiler) register(k code) code {
	if k.konst || k.eval == nil || k.text != nil || k.memo != nil {
		return k
	}
	o := &memo{eval: k.eval, slot: c.newRegister()}
	k.memo = o
	k.eval = func(m *Runner) Value {
		if o.uses < 2 {
			return o.eval(m)
		}
		r := o.slot
		if m.regAt[r] != m.epoch {
			before := m.odd
			m.odd = false
			m.regs[r] = o.eval(m)
			m.regAt[r], m.regOdd[r] = m.epoch, m.odd
			m.odd = before
		}
		m.odd = m.odd || m.regOdd[r]
		return m.regs[r]
	}
	return k
}

// used counts a use of k by an expression or an output.
func (k code) used() code {
	if k.memo != nil {
		k.memo.uses++
	}
	return k
}

// newRegister reserves a place for a value of the row.
func (c *compiler) newRegister() int {
	*c.regs++
	return *c.regs - 1
}

func (c *compiler) expr(x expr) (code, error) {
	if c.depth++; c.depth > 4*maxNesting {
		return code{}, c.errorf(x.position(), "nested too deep")
	}
	defer func() { c.depth-- }()
	switch x := x.(type) {
	case *literal:
		if x.val.typ == Dynamic && c.dialect == DCRDialect {
			return code{}, c.errorf(x.pos, "dynamic(…) is not available in a data collection rule (dialect dcr); use parse_json('…')")
		}
		return constant(x.val.typ, x.val.val), nil
	case *name:
		return c.name(x)
	case *member:
		return c.member(x)
	case *index:
		return c.index(x)
	case *call:
		return c.call(x)
	case *unary:
		k, err := c.expr(x.x)
		if err != nil {
			return k, err
		}
		return c.negate(k, x.pos)
	case *infix:
		return c.binary(x)
	case *inList:
		return c.inList(x)
	case *between:
		return c.between(x)
	case *scalarOf:
		return c.scalarOf(x)
	case *tableArg:
		return code{}, c.errorf(x.pos, "a table is no value: it is an argument of functions that let binds, of in and of toscalar")
	case *typeOf:
		return code{}, c.errorf(x.pos, "typeof(…) is no value: it is an argument of extract and extract_json")
	case *star:
		return code{}, c.errorf(x.pos, "* is no value: it is an argument of pack_array")
	}
	panic("kql: unknown node")
}

func (c *compiler) name(x *name) (code, error) {
	if k, ok := c.lets.lookup(x.id); ok && c.lets.outer != nil { // a function's parameter hides a column
		return k.used(), nil
	}
	for i := range c.cols {
		if c.cols[i].name == x.id && !c.cols[i].hidden {
			return c.cols[i].code.used(), nil
		}
	}
	if k, ok := c.lets.lookup(x.id); ok {
		return k.used(), nil
	}
	if c.lets.table(x.id) != nil {
		return code{}, c.errorf(x.pos, "%s is a table: look a value up in it with in (%s) or toscalar(%s | …)", x.id, x.id, x.id)
	}
	if k, ok := c.column(x.id); ok {
		return k, nil
	}
	return code{}, c.noColumn(x.pos, x.id)
}

func (c *compiler) noColumn(pos int, id string) error {
	var names []string
	for _, b := range c.cols {
		names = append(names, b.name)
	}
	for s := c.lets; s != nil; s = s.outer {
		for n := range s.names {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	return c.errorf(pos, "there is no column %s%s", id, nearest.Hint(id, names))
}

func (c *compiler) member(x *member) (code, error) {
	k, err := c.expr(x.x)
	if err != nil {
		return k, err
	}
	if k.typ != Dynamic {
		return k, c.errorf(x.pos, "%s has no members: only dynamic values do", k.typ)
	}
	return c.step(k, scan.Step{Key: x.key}), nil
}

// step looks into a dynamic value. Into the record it only lengthens the path.
func (c *compiler) step(k code, st scan.Step) code {
	if k.path != nil {
		k.path = append(slices.Clone(k.path), st)
		return k
	}
	tree := scan.NewTree()
	slot := tree.Add([]scan.Step{st})
	return c.map1(k, Dynamic, func(m *Runner, v Value) Value { return m.lookup(tree, slot, v) })
}

func (c *compiler) index(x *index) (code, error) {
	k, err := c.expr(x.x)
	if err != nil {
		return k, err
	}
	i, err := c.expr(x.i)
	if err != nil {
		return i, err
	}
	if k.typ != Dynamic {
		return k, c.errorf(x.pos, "%s cannot be indexed: only dynamic values can", k.typ)
	}
	if i.konst && (i.typ == Long || i.typ == Int) && i.val.OK && i.val.N >= 0 {
		return c.step(k, scan.Step{Index: int(i.val.N), IsIndex: true}), nil
	}
	if k.konst && k.val.OK && k.val.S[0] == '{' {
		return c.dictionary(k, i), nil
	}
	it := i.typ
	return c.map2(k, i, Dynamic, func(m *Runner, v, i Value) Value { return m.at(v, it, i) }), nil
}

// dictionary looks a computed key up in a constant object. Few entries are
// compared one by one: that takes less time than hashing the key.
func (c *compiler) dictionary(k, i code) code {
	type entry struct {
		key string
		val Value
	}
	var list []entry
	entries := map[string]Value{}
	eachMember(k.val.S, func(key, val []byte) {
		v := jsonValue(slices.Clone(val))
		list = append([]entry{{string(key), v}}, list...) // of repeated keys the last counts
		entries[string(key)] = v
	})
	if len(list) > 12 {
		return c.map1(c.cast(i, String), Dynamic, func(_ *Runner, v Value) Value { return entries[string(v.S)] })
	}
	return c.map1(c.cast(i, String), Dynamic, func(_ *Runner, v Value) Value {
		for i := range list {
			if list[i].key == string(v.S) {
				return list[i].val
			}
		}
		return null
	})
}

// map1 applies f to a value; of a constant, at once.
func (c *compiler) map1(a code, t Type, f func(*Runner, Value) Value) code {
	eval := c.run(a).eval
	k := code{typ: t, eval: func(m *Runner) Value { return f(m, eval(m)) }}
	if a.konst && c.fold {
		return c.constant(k)
	}
	return k
}

// map2 applies f to two values; of constants, at once.
func (c *compiler) map2(a, b code, t Type, f func(m *Runner, x, y Value) Value) code {
	ae, be := c.run(a).eval, c.run(b).eval
	k := code{typ: t, eval: func(m *Runner) Value { return f(m, ae(m), be(m)) }}
	if a.konst && b.konst && c.fold {
		return c.constant(k)
	}
	return k
}

// cast converts k to type t as the to…() functions do.
func (c *compiler) cast(k code, t Type) code {
	if k.typ == t {
		return k
	}
	from := k.typ
	if t == String && k.path != nil {
		slot := c.slot(k.path)
		return code{typ: String, text: &slot, eval: func(m *Runner) Value { return m.text(slot) }}
	}
	out := c.map1(k, t, func(m *Runner, v Value) Value { return m.convert(v, from, t) })
	if k.path == nil {
		return out
	}
	slot := c.slot(k.path)
	if known, ok := c.casts[castKey{slot, t}]; ok { // converted elsewhere: once is enough
		return known.used()
	}
	out.from = &slot
	out = c.register(out)
	c.casts[castKey{slot, t}] = out
	return out.used()
}

// castKey names the conversion of a value of the record to a type.
type castKey struct {
	slot int
	typ  Type
}

// inline expands a function that was let.
func (c *compiler) inline(f *closure, x *call) (code, error) {
	inner, err := c.bindParams(f, x.fn, x.pos, x.args)
	if err != nil {
		return code{}, err
	}
	if f.yieldsTable() {
		return code{}, c.errorf(x.pos, "%s yields a table: write toscalar(%s(…))", x.fn, x.fn)
	}
	lets, cols, open := c.lets, c.cols, c.open
	c.lets, c.cols, c.open = inner, nil, false // a function sees its parameters only
	defer func() { c.lets, c.cols, c.open = lets, cols, open }()
	if err := c.bindLets(f.let.body.lets); err != nil {
		return code{}, err
	}
	return c.expr(f.let.body.x)
}

// bindParams makes the scope of a function's body.
func (c *compiler) bindParams(f *closure, fn string, pos int, args []expr) (*scope, error) {
	inner := newScope(newScope(f.scope))
	if len(args) > len(f.let.params) {
		return nil, c.errorf(pos, "%s takes %s, got %d", fn, arguments(len(f.let.params)), len(args))
	}
	for i, p := range f.let.params {
		x := p.def
		if i < len(args) {
			x = args[i]
		}
		if x == nil {
			return nil, c.errorf(pos, "%s takes %s, got %d", fn, arguments(len(f.let.params)), len(args))
		}
		if p.isTable {
			t, err := c.tableArgument(fn, p, x)
			if err != nil {
				return nil, err
			}
			inner.tables[p.name] = t
			continue
		}
		k, err := c.expr(x)
		if err != nil {
			return nil, err
		}
		if k.typ != p.typ && k.typ != Dynamic && !(isNumber(k.typ) && isNumber(p.typ)) {
			return nil, c.errorf(x.position(), "%s wants a %s as %s, not a %s", fn, p.typ, p.name, k.typ)
		}
		inner.names[p.name] = c.register(c.cast(k, p.typ))
	}
	return inner, nil
}
