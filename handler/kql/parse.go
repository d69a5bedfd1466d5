package kql

import (
	"github.com/sluice-connectors/sluice/handler/nearest"
)

type parser struct {
	text  string
	toks  []token
	at    int
	depth int

	dialect Dialect // what messages propose is in it
}

// maxNesting is how deep expressions and pipelines may nest.
const maxNesting = 500

func newParser(text string) (*parser, error) {
	toks, err := lex(text)
	if err != nil {
		return nil, err
	}
	return &parser{text: text, toks: toks}, nil
}

// parseQuery parses a whole transformation: let statements, then a pipeline.
func parseQuery(text string, d Dialect) (*query, error) {
	p, err := newParser(text)
	if err != nil {
		return nil, err
	}
	p.dialect = d
	q := &query{text: text}
	if q.lets, err = p.lets(); err != nil {
		return nil, err
	}
	if q.pipe, err = p.pipeline(); err != nil {
		return nil, err
	}
	for p.accept(";") {
	}
	if t := p.peek(); t.kind != tokEnd {
		return nil, p.unexpected(t, "'|' or the end")
	}
	return q, nil
}

// parseExpr parses a text that is one expression.
func parseExpr(text string) (expr, error) {
	p, err := newParser(text)
	if err != nil {
		return nil, err
	}
	x, err := p.expr()
	if err != nil {
		return nil, err
	}
	if t := p.peek(); t.kind != tokEnd {
		return nil, p.unexpected(t, "an operator or the end")
	}
	return x, nil
}

func (p *parser) peek() token { return p.toks[p.at] }
func (p *parser) next() token {
	t := p.toks[p.at]
	if t.kind != tokEnd {
		p.at++
	}
	return t
}

// ahead is the n-th token after the next one.
func (p *parser) ahead(n int) token {
	return p.toks[min(p.at+n, len(p.toks)-1)]
}

func (t token) isPunct(s string) bool { return t.kind == tokPunct && t.text == s }
func (t token) isName(s string) bool  { return t.kind == tokName && t.text == s }

func (p *parser) isName(s string) bool  { return p.peek().isName(s) }
func (p *parser) isPunct(s string) bool { return p.peek().isPunct(s) }

func (p *parser) accept(punct string) bool {
	if p.isPunct(punct) {
		p.at++
		return true
	}
	return false
}

func (p *parser) acceptName(word string) bool {
	if p.isName(word) {
		p.at++
		return true
	}
	return false
}

func (p *parser) expect(punct string) error {
	if !p.accept(punct) {
		return p.unexpected(p.peek(), "'"+punct+"'")
	}
	return nil
}

func (p *parser) expectName(word string) error {
	if !p.acceptName(word) {
		return p.unexpected(p.peek(), "'"+word+"'")
	}
	return nil
}

func (p *parser) unexpected(t token, want string) error {
	got := "the end of the text"
	if t.kind != tokEnd {
		got = p.text[t.pos:t.end]
	}
	return errorAt(p.text, t.pos, "want %s, got %s", want, got)
}

// nest guards against texts that nest deeper than the stack is.
func (p *parser) nest() error {
	if p.depth++; p.depth > maxNesting {
		return errorAt(p.text, p.peek().pos, "nested too deep")
	}
	return nil
}

// list calls one for each item up to the closing punctuation, which it takes.
// A comma after the last item is allowed.
func (p *parser) list(closing string, one func() error) error {
	for first := true; !p.accept(closing); first = false {
		if !first {
			if !p.accept(",") {
				return p.unexpected(p.peek(), "',' or '"+closing+"'")
			}
			if p.accept(closing) {
				return nil
			}
		}
		if err := one(); err != nil {
			return err
		}
	}
	return nil
}

// identifier reads a plain name or a bracketed one: ['odd name'].
func (p *parser) identifier() (string, error) {
	t := p.peek()
	if t.kind == tokName && t.text[0] != '!' {
		p.at++
		return t.text, nil
	}
	if p.accept("[") {
		s := p.next()
		if s.kind != tokString {
			return "", p.unexpected(s, "a name in quotes")
		}
		return s.text, p.expect("]")
	}
	return "", p.unexpected(t, "a name")
}

// lets reads let statements for as long as there are any.
func (p *parser) lets() ([]let, error) {
	var lets []let
	for {
		for p.accept(";") {
		}
		if !p.isName("let") {
			return lets, nil
		}
		l, err := p.let()
		if err != nil {
			return nil, err
		}
		lets = append(lets, l)
	}
}

func (p *parser) let() (let, error) {
	l := let{pos: p.next().pos}
	var err error
	if l.name, err = p.identifier(); err != nil {
		return l, err
	}
	if err = p.expect("="); err != nil {
		return l, err
	}
	if p.isName("view") && p.ahead(1).isPunct("(") { // a function that search would find: no difference here
		p.next()
	}
	if l.isFunc = p.startsFunction(); !l.isFunc {
		if l.body, err = p.body(); err != nil {
			return l, err
		}
		return l, p.expect(";")
	}
	p.next()
	if l.params, err = p.params(); err != nil {
		return l, err
	}
	if err = p.expect("{"); err != nil {
		return l, err
	}
	if l.body.lets, err = p.lets(); err != nil {
		return l, err
	}
	lets := l.body.lets
	if l.body, err = p.body(); err != nil {
		return l, err
	}
	l.body.lets = lets
	p.accept(";")
	if err = p.expect("}"); err != nil {
		return l, err
	}
	return l, p.expect(";")
}

// body reads an expression or a table.
func (p *parser) body() (b body, err error) {
	if p.startsTable() {
		b.table, err = p.pipeline()
		return b, err
	}
	at := p.at
	if b.x, err = p.expr(); err == nil && p.isPunct("|") { // it was a function that yields a table
		p.at, b.x = at, nil
		b.table, err = p.pipeline()
	}
	return b, err
}

// startsFunction looks ahead for "(name:" or "(){": both begin a function.
func (p *parser) startsFunction() bool {
	if !p.isPunct("(") {
		return false
	}
	a, b := p.ahead(1), p.ahead(2)
	if a.isPunct("[") && b.kind == tokString && p.ahead(3).isPunct("]") { // a name in quotes
		a, b = token{kind: tokName}, p.ahead(4)
	}
	return a.kind == tokName && b.isPunct(":") || a.isPunct(")") && b.isPunct("{")
}

// startsTable looks ahead for what begins a table and no scalar.
func (p *parser) startsTable() bool {
	t, next := p.peek(), p.ahead(1)
	if t.kind != tokName {
		return false
	}
	switch t.text {
	case "datatable", "print":
		return true
	case "range":
		return !next.isPunct("(")
	case "source":
		return next.isPunct("|") || next.isPunct(";") || next.isPunct(")") || next.isPunct("}")
	}
	return next.isPunct("|")
}

// params reads the parameters of a function after the opening parenthesis.
func (p *parser) params() ([]column, error) {
	var ps []column
	err := p.list(")", func() error {
		c, err := p.column()
		if err == nil && p.accept("=") {
			c.def, err = p.unaryExpr()
		}
		ps = append(ps, c)
		return err
	})
	return ps, err
}

// column reads name:type.
func (p *parser) column() (c column, err error) {
	if c.name, err = p.identifier(); err != nil {
		return c, err
	}
	if err = p.expect(":"); err != nil {
		return c, err
	}
	if c.isTable = p.isPunct("("); !c.isTable {
		c.typ, err = p.typeName()
		return c, err
	}
	if p.ahead(1).isPunct("*") && p.ahead(2).isPunct(")") {
		p.at += 3
		return c, nil
	}
	c.cols, err = p.columns()
	return c, err
}

func (p *parser) typeName() (Type, error) {
	t := p.next()
	typ, ok := typeNames[t.text]
	if t.kind != tokName || !ok {
		return typ, p.unexpected(t, "a type")
	}
	return typ, nil
}

// columns reads (name:type, …).
func (p *parser) columns() ([]column, error) {
	if err := p.expect("("); err != nil {
		return nil, err
	}
	var cols []column
	err := p.list(")", func() error {
		c, err := p.column()
		cols = append(cols, c)
		return err
	})
	return cols, err
}

// pipeline reads a source and the operators after it.
func (p *parser) pipeline() (*pipeline, error) {
	if err := p.nest(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	first, err := p.source()
	if err != nil {
		return nil, err
	}
	pipe := &pipeline{stages: []stage{first}}
	for p.accept("|") {
		s, err := p.stage()
		if err != nil {
			return nil, err
		}
		pipe.stages = append(pipe.stages, s)
	}
	return pipe, nil
}

// exprs reads a list up to and including the closing punctuation.
func (p *parser) exprs(closing string) ([]expr, error) {
	var list []expr
	err := p.list(closing, func() error {
		x, err := p.expr()
		list = append(list, x)
		return err
	})
	return list, err
}

// arguments reads those of a call: scalars, and tables in parentheses.
func (p *parser) arguments() ([]expr, error) {
	var list []expr
	err := p.list(")", func() error {
		x, err := p.argument()
		list = append(list, x)
		return err
	})
	return list, err
}

func (p *parser) argument() (expr, error) {
	t := &tableArg{pos: p.peek().pos}
	var err error
	if p.isName("datatable") { // needs no parentheses
		t.table, err = p.pipeline()
		return t, err
	}
	if !p.isPunct("(") {
		return p.expr()
	}
	p.at++
	if p.startsTable() {
		if t.table, err = p.pipeline(); err == nil {
			err = p.expect(")")
		}
		return t, err
	}
	p.at--
	return p.expr()
}

// items reads "a = x, (b, c) = y, z, …".
func (p *parser) items() ([]named, error) {
	var items []named
	for {
		it := named{pos: p.peek().pos}
		var err error
		switch {
		case p.startsAssignment():
			if it.name, err = p.identifier(); err != nil {
				return nil, err
			}
			p.next()
		case p.startsTuple():
			p.next()
			err = p.list(")", func() error {
				n, err := p.identifier()
				it.names = append(it.names, n)
				return err
			})
			if err != nil {
				return nil, err
			}
			p.next()
		}
		if it.x, err = p.expr(); err != nil {
			return nil, err
		}
		items = append(items, it)
		if !p.accept(",") {
			return items, nil
		}
	}
}

func (p *parser) startsAssignment() bool {
	if p.peek().kind == tokName {
		return p.ahead(1).isPunct("=")
	}
	return p.isPunct("[") && p.ahead(1).kind == tokString && p.ahead(2).isPunct("]") && p.ahead(3).isPunct("=")
}

// startsTuple looks ahead for "(a, b) =".
func (p *parser) startsTuple() bool {
	if !p.isPunct("(") {
		return false
	}
	for i := 1; ; i += 2 {
		if p.ahead(i).kind != tokName {
			return false
		}
		switch t := p.ahead(i + 1); {
		case t.isPunct(")"):
			return p.ahead(i + 2).isPunct("=")
		case !t.isPunct(","):
			return false
		}
	}
}

// names reads column names; project-away and project-keep allow patterns (a*).
func (p *parser) names() ([]named, error) {
	var items []named
	for {
		it := named{pos: p.peek().pos}
		if p.accept("*") {
			it.name = "*"
		} else {
			n, err := p.identifier()
			if err != nil {
				return nil, err
			}
			it.name = n
		}
		for p.isPunct("*") && p.peek().pos == p.toks[p.at-1].end { // a*, *b, a*b
			p.next()
			it.name += "*"
			if t := p.peek(); t.kind == tokName && t.pos == p.toks[p.at-1].end {
				it.name += p.next().text
			}
		}
		items = append(items, it)
		if !p.accept(",") {
			return items, nil
		}
	}
}

// notRowByRow is the error for an operator that a transformation cannot have.
func (p *parser) notRowByRow(t token) error {
	return errorAt(p.text, t.pos, "the operator %s is not available in a transformation%s", t.text, nearest.Hint(t.text, p.dialect.operators()))
}
