package kql

import (
	"slices"

	"github.com/sluice-connectors/sluice/handler/nearest"
	"github.com/sluice-connectors/sluice/handler/scan"
)

// code is a compiled expression.
type code struct {
	typ   Type
	eval  func(m *Runner) Value // nil while the code is a plain path
	path  []scan.Step           // the record's value at this path; typ is Dynamic
	konst bool                  // val is the value
	val   Value
	// text is set on tostring(path): the text of the value in that slot can be
	// copied from the record into a string column as it stands.
	text *int
	from *int // the slot of the record's value that a conversion reads
}

// scope maps names to codes; an inner scope hides its outer one.
type scope struct {
	outer *scope
	names map[string]code
	funcs map[string]*let
}

func (s *scope) lookup(id string) (code, bool) {
	for ; s != nil; s = s.outer {
		if c, ok := s.names[id]; ok {
			return c, true
		}
	}
	return code{}, false
}

func (s *scope) function(id string) *let {
	for ; s != nil; s = s.outer {
		if f, ok := s.funcs[id]; ok {
			return f
		}
	}
	return nil
}

func newScope(outer *scope) *scope {
	return &scope{outer: outer, names: map[string]code{}, funcs: map[string]*let{}}
}

// compiler turns syntax trees into code; all code of one program shares its
// path tree and its registers.
type compiler struct {
	text  string // for the places of errors
	tree  *scan.Tree
	lets  *scope
	open  bool // any name is a column of the record
	cols  []bound
	regs  int
	casts map[castKey]code
	depth int
}

// bound is a column in the order of the output.
type bound struct {
	name string
	code code
}

func (c *compiler) errorf(pos int, format string, args ...any) error {
	return errorAt(c.text, pos, format, args...)
}

// column finds the column called id, declared, computed, or of the open record.
func (c *compiler) column(id string) (code, bool) {
	for i := range c.cols {
		if c.cols[i].name == id {
			return c.cols[i].code, true
		}
	}
	if c.open {
		return code{typ: Dynamic, path: scan.Key(id)}, true
	}
	return code{}, false
}

func constant(t Type, v Value) code { return code{typ: t, konst: true, val: v} }

// run makes c executable: a path gets its slot in the tree.
func (c *compiler) run(k code) code {
	switch {
	case k.eval != nil:
	case k.konst:
		v := k.val
		k.eval = func(*Runner) Value { return v }
	default:
		slot := c.tree.Add(k.path)
		k.eval = func(m *Runner) Value { return m.dynamic(slot) }
	}
	return k
}

// register evaluates k at most once for each record, however often it is used.
func (c *compiler) register(k code) code {
	if k.konst || k.eval == nil || k.text != nil {
		return k
	}
	r, eval := c.regs, k.eval
	c.regs++
	k.eval = func(m *Runner) Value {
		if m.regAt[r] != m.epoch {
			m.regs[r] = eval(m)
			m.regAt[r] = m.epoch
		}
		return m.regs[r]
	}
	return k
}

func (c *compiler) expr(x expr) (code, error) {
	if c.depth++; c.depth > 500 {
		return code{}, c.errorf(x.position(), "expression is nested too deep")
	}
	defer func() { c.depth-- }()
	switch x := x.(type) {
	case *literal:
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
	case *binary:
		return c.binary(x)
	case *inList:
		return c.inList(x)
	case *between:
		return c.between(x)
	}
	panic("kql: unknown node")
}

func (c *compiler) name(x *name) (code, error) {
	if k, ok := c.lets.lookup(x.id); ok && c.lets.outer != nil { // a function's parameter hides a column
		return k, nil
	}
	for i := range c.cols {
		if c.cols[i].name == x.id {
			return c.cols[i].code, nil
		}
	}
	if k, ok := c.lets.lookup(x.id); ok {
		return k, nil
	}
	if k, ok := c.column(x.id); ok {
		return k, nil
	}
	return code{}, c.errorf(x.pos, "there is no column %s%s", x.id, nearest.Hint(x.id, c.known()))
}

// known lists the names that a misspelt one may have been meant to be.
func (c *compiler) known() []string {
	var names []string
	for _, b := range c.cols {
		names = append(names, b.name)
	}
	for n := range c.lets.names {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
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
	if k.konst && k.val.OK {
		return c.dictionary(k, i), nil
	}
	k, i = c.run(k), c.run(i)
	ke, ie, it := k.eval, i.eval, i.typ
	return code{typ: Dynamic, eval: func(m *Runner) Value { return m.at(ke(m), it, ie(m)) }}, nil
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
func (c *compiler) map1(k code, t Type, f func(*Runner, Value) Value) code {
	if k.konst {
		v := f(newScratch(), k.val)
		v.S = slices.Clone(v.S)
		return constant(t, v)
	}
	eval := c.run(k).eval
	return code{typ: t, eval: func(m *Runner) Value { return f(m, eval(m)) }}
}

// map2 applies f to two values; of constants, at once.
func (c *compiler) map2(a, b code, t Type, f func(m *Runner, x, y Value) Value) code {
	if a.konst && b.konst {
		v := f(newScratch(), a.val, b.val)
		v.S = slices.Clone(v.S)
		return constant(t, v)
	}
	ae, be := c.run(a).eval, c.run(b).eval
	return code{typ: t, eval: func(m *Runner) Value { return f(m, ae(m), be(m)) }}
}

// cast converts k to type t as the to…() functions do.
func (c *compiler) cast(k code, t Type) code {
	if k.typ == t {
		return k
	}
	from := k.typ
	if t == String && k.path != nil {
		slot := c.tree.Add(k.path)
		return code{typ: String, text: &slot, eval: func(m *Runner) Value { return m.text(slot) }}
	}
	out := c.map1(k, t, func(m *Runner, v Value) Value { return m.convert(v, from, t) })
	if k.path == nil {
		return out
	}
	slot := c.tree.Add(k.path)
	if known, ok := c.casts[castKey{slot, t}]; ok { // converted elsewhere: once is enough
		return known
	}
	out.from = &slot
	out = c.register(out)
	c.casts[castKey{slot, t}] = out
	return out
}

// castKey names the conversion of a value of the record to a type.
type castKey struct {
	slot int
	typ  Type
}

func (c *compiler) call(x *call) (code, error) {
	if f := c.lets.function(x.fn); f != nil {
		return c.inline(f, x)
	}
	f, ok := functions[x.fn]
	if !ok {
		return code{}, c.errorf(x.pos, "there is no function %s%s", x.fn, nearest.Hint(x.fn, functionNames()))
	}
	if len(x.args) < f.min || len(x.args) > f.max {
		return code{}, c.errorf(x.pos, "%s takes %s, got %d", x.fn, f.arity(), len(x.args))
	}
	if f.special != nil {
		return f.special(c, x)
	}
	args := make([]code, len(x.args))
	for i, a := range x.args {
		k, err := c.expr(a)
		if err != nil {
			return k, err
		}
		args[i] = k
	}
	return f.build(c, x, args)
}

// inline expands a function that was let.
func (c *compiler) inline(f *let, x *call) (code, error) {
	if len(x.args) != len(f.params) {
		return code{}, c.errorf(x.pos, "%s takes %d arguments, got %d", x.fn, len(f.params), len(x.args))
	}
	inner := newScope(c.lets)
	inner.funcs[x.fn] = nil // no recursion
	for i, p := range f.params {
		k, err := c.expr(x.args[i])
		if err != nil {
			return k, err
		}
		inner.names[p.name] = c.register(c.cast(k, p.typ))
	}
	outer := c.lets
	c.lets = inner
	defer func() { c.lets = outer }()
	return c.expr(f.body)
}
