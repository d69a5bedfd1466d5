package kql

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sluice-connectors/sluice/handler/nearest"
)

// param is a parameter of a function.
type param struct {
	name     string
	kind     kind
	optional bool
	repeat   bool // one or more times, together with its neighbours that repeat
	konst    bool // a constant
}

// naming says how a column is called that gets no name of its own (what
// Microsoft's parser calls ResultNameKind).
type naming uint8

const (
	nameNone       naming = iota // Column1
	nameArgument                 // as the first argument is
	nameBoth                     // function_argument
	nameOnly                     // as the argument is, if there is only one
	nameTypePrefix               // type_argument, tree_argument, repeat_argument
	nameSorted                   // argument_sorted
	nameValue                    // as the column is that the argument names
)

// function is one scalar function of the language.
type function struct {
	name   string
	topic  string
	first  string // the name that this one is an alias of
	params []param
	// result is the type that eval returns; build decides for itself.
	result  Type
	typed   bool
	atLeast int // arguments, where parameters repeat
	naming  naming
	prefix  string
	in      Dialect
	// Exactly one of the next three. eval gets the arguments in the types of
	// their kinds; a null among them makes the result null unless nulls is set.
	eval    func(m *Runner, a []Value) Value
	build   func(c *compiler, x *call, a []code) (code, error)
	special func(c *compiler, x *call) (code, error) // takes its arguments unevaluated
	nulls   bool
	varies  bool // not the same for the same arguments: never folded
}

// topic is what the functions that are being declared are about.
var topic string

// functions is the table of all functions. It is filled in init, because some
// of them lead back to it.
var functions = map[string]*function{}

// declare enters a function. Its signature reads
//
//	name(a:kind, b:kind?, c:kind*, d:const kind) type
//
// with ? for what may be left out and * for what may be repeated.
func declare(signature string) *function {
	head, rest, _ := strings.Cut(signature, "(")
	list, result, _ := strings.Cut(rest, ")")
	f := &function{name: head, topic: topic, in: notInDCR}
	if dcrFunctions[head] {
		f.in = everywhere
	}
	if t, ok := typeNames[strings.TrimSpace(result)]; ok {
		f.result, f.typed = t, true
	}
	for _, item := range strings.Split(list, ", ") {
		name, text, ok := strings.Cut(item, ":")
		if !ok {
			continue
		}
		p := param{name: name}
		text, p.optional = strings.CutSuffix(text, "?")
		text, p.repeat = strings.CutSuffix(text, "*")
		text, p.konst = strings.CutPrefix(text, "const ")
		if p.kind, ok = kindNamed(text); !ok {
			panic("kql: kind " + text + " in " + signature)
		}
		f.params = append(f.params, p)
	}
	functions[head] = f
	return f
}

// pure declares a function of its arguments' values.
func pure(signature string, eval func(m *Runner, a []Value) Value) *function {
	f := declare(signature)
	f.eval = eval
	return f
}

// total declares a pure function that has an answer for null arguments too.
func total(signature string, eval func(m *Runner, a []Value) Value) *function {
	f := pure(signature, eval)
	f.nulls = true
	return f
}

// built declares a function that looks at its arguments when it is compiled.
func built(signature string, build func(c *compiler, x *call, a []code) (code, error)) *function {
	f := declare(signature)
	f.build = build
	return f
}

// named sets how a column is called that f makes.
func (f *function) named(n naming, prefix string) *function {
	f.naming, f.prefix = n, prefix
	return f
}

// least sets how many arguments f takes at least, where a parameter repeats.
func (f *function) least(n int) *function {
	f.atLeast = n
	return f
}

// alias enters f under more names.
func (f *function) alias(names ...string) {
	for _, n := range names {
		g := *f
		g.name, g.first, g.in = n, f.name, notInDCR
		if dcrFunctions[n] {
			g.in = everywhere
		}
		functions[n] = &g
	}
}

func functionNames() []string { return slices.Sorted(maps.Keys(functions)) }

// usage prints the function as one would call it.
func (f *function) usage() string {
	var parts []string
	for _, p := range f.params {
		s := p.name
		if p.optional {
			s += "?"
		}
		if p.repeat {
			s += " …"
		}
		parts = append(parts, s)
	}
	return f.name + "(" + strings.Join(parts, ", ") + ")"
}

// param returns the parameter that argument i of n goes to. Parameters that
// repeat stand together, after some and before some others.
func (f *function) param(i, n int) *param {
	from, to := f.group()
	if from == to || i < from {
		return &f.params[i]
	}
	after := len(f.params) - to
	for after > 0 && n-after < to { // optional parameters at the end were left out
		after--
	}
	if i >= n-after {
		return &f.params[to+i-(n-after)]
	}
	return &f.params[from+(i-from)%(to-from)]
}

// group is the range of the parameters that repeat.
func (f *function) group() (from, to int) {
	from = slices.IndexFunc(f.params, func(p param) bool { return p.repeat })
	if from < 0 {
		return 0, 0
	}
	for to = from; to < len(f.params) && f.params[to].repeat; to++ {
	}
	return from, to
}

// count reports whether f can have n arguments.
func (f *function) count(n int) bool {
	least := f.atLeast
	for _, p := range f.params {
		if !p.optional && f.atLeast == 0 {
			least++
		}
	}
	from, to := f.group()
	if from == to {
		return n >= least && n <= len(f.params)
	}
	size := to - from
	return n >= least && (size == 1 || (n-len(f.params))%size == 0)
}

// call compiles a call.
func (c *compiler) call(x *call) (code, error) {
	if f := c.lets.function(x.fn); f != nil {
		return c.inline(f, x)
	}
	if slices.Contains(ownFunctions, x.fn) {
		return c.ownFunction(x)
	}
	f, ok := functions[x.fn]
	if !ok {
		names := c.dialect.functions()
		if c.constants != nil {
			names = append(names, ownFunctions...)
		}
		return code{}, c.errorf(x.pos, "there is no function %s%s", x.fn, nearest.Hint(x.fn, names))
	}
	if !c.dialect.available(f.in) {
		return code{}, c.errorf(x.pos, "%s", c.dialect.refuse("the function", x.fn))
	}
	if !f.count(len(x.args)) {
		return code{}, c.errorf(x.pos, "%s does not take %s", f.usage(), arguments(len(x.args)))
	}
	if f.special != nil {
		return f.special(c, x)
	}
	args := make([]code, len(x.args))
	for i, a := range x.args {
		k, err := c.argument(f, f.param(i, len(x.args)), a)
		if err != nil {
			return k, err
		}
		args[i] = k
	}
	if f.build != nil {
		return f.build(c, x, args)
	}
	return c.apply(f, args), nil
}

func arguments(n int) string {
	if n == 1 {
		return "1 argument"
	}
	return fmt.Sprintf("%d arguments", n)
}

// argument compiles an argument and brings it to the type that p wants.
func (c *compiler) argument(f *function, p *param, x expr) (code, error) {
	t, isType := x.(*typeOf)
	if isType != (p.kind == kindType) {
		return code{}, c.errorf(x.position(), "%s wants %s as %s", f.usage(), kinds[p.kind].wants, p.name)
	}
	if isType {
		return code{typ: t.typ, konst: true}, nil
	}
	k, err := c.expr(x)
	if err != nil {
		return k, err
	}
	as, ok := p.kind.takes(k.typ)
	if !ok {
		return k, c.errorf(x.position(), "%s wants %s as %s, not a %s%s", f.usage(), kinds[p.kind].wants, p.name, k.typ, converter(p.kind, k.typ))
	}
	if p.konst && !k.konst {
		return k, c.errorf(x.position(), "%s wants a constant as %s", f.usage(), p.name)
	}
	return c.cast(k, as), nil
}

// need says what an argument has to be; if it is not, the result is null.
type need uint8

const (
	anything need = iota
	aValue        // no null
	aPart         // no null, no empty text
)

func (n need) met(v Value) bool {
	return n == anything || v.OK && (n == aValue || len(v.S) > 0 && string(v.S) != `""`)
}

// needOf is what f needs of an argument. An id that is made of parts of a record
// is none where a part is missing, since different records would have it; what
// is to stand for a missing part comes from coalesce, iff or case.
func (c *compiler) needOf(f *function, a code) need {
	switch part := c.identity && !a.konst && f.result != Bool; {
	case part && isText(a.typ):
		return aPart
	case part, !f.nulls && a.typ != String:
		return aValue
	}
	return anything
}

// apply makes the code of a pure function. Constants are applied at once.
func (c *compiler) apply(f *function, args []code) code {
	evals := make([]func(*Runner) Value, len(args))
	needs := make([]need, len(args))
	konst := !f.varies && c.fold
	for i, a := range args {
		konst = konst && a.konst
		evals[i] = c.run(a).eval
		needs[i] = c.needOf(f, a)
	}
	eval, makes := f.eval, len(args) > 1 && isText(f.result)
	k := code{typ: f.result, eval: func(m *Runner) Value {
		base, ok, size := len(m.stack), true, 0
		for i, e := range evals {
			v := e(m)
			ok = ok && needs[i].met(v)
			size += len(v.S)
			m.stack = append(m.stack, v)
		}
		out := null
		if ok && (!makes || m.room(size)) {
			out = eval(m, m.stack[base:])
		}
		m.stack = m.stack[:base]
		return out
	}}
	if konst {
		return c.constant(k)
	}
	return k
}

// constant evaluates k, which reads nothing of the record.
func (c *compiler) constant(k code) code {
	m := c.scratch()
	v := k.eval(m)
	v.S = slices.Clone(v.S)
	return code{typ: k.typ, konst: true, val: v, odd: m.odd}
}
