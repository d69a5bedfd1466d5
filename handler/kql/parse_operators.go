package kql

// operators is a table: what each operator reads, and where it is available.
// It is filled in init, for its functions lead back to it.
var operators map[string]operator

type operator struct {
	in   Dialect // the dialects that have it
	read func(p *parser, s *stage) error
}

func init() {
	items := func(p *parser, s *stage) (err error) { s.items, err = p.items(); return err }
	names := func(p *parser, s *stage) (err error) { s.items, err = p.names(); return err }
	cond := func(p *parser, s *stage) (err error) { s.cond, err = p.expr(); return err }
	operators = map[string]operator{
		"extend": {everywhere, items}, "project": {everywhere, items}, "project-rename": {everywhere, items},
		"project-away": {everywhere, names}, "project-keep": {notInDCR, names},
		"where": {everywhere, cond}, "filter": {notInDCR, cond},
		"parse": {everywhere, (*parser).parseOperator}, "parse-where": {notInDCR, (*parser).parseOperator}, "parse-kv": {notInDCR, (*parser).parseKV},
		"mv-expand": {StepDialect, (*parser).mvExpand}, "mvexpand": {StepDialect, (*parser).mvExpand},
	}
}

// notRowByRow are words that begin pipelines of many tables, or of other places.
var notRowByRow = words("union join find search externaldata evaluate cluster database table workspace app resource")

func operatorNames() []string {
	var names []string
	for n := range operators {
		names = append(names, n)
	}
	return names
}

// source reads what a pipeline begins with.
func (p *parser) source() (stage, error) {
	t := p.next()
	s := stage{pos: t.pos, op: t.text}
	var err error
	switch {
	case t.isName("print"):
		s.items, err = p.items()
	case t.isName("source"):
	case t.isName("datatable"):
		err = p.datatable(&s)
	case t.isName("range") && !p.isPunct("("):
		err = p.rangeSource(&s)
	case t.isPunct("("):
		s.op = "nested"
		if s.nested, err = p.pipeline(); err == nil {
			err = p.expect(")")
		}
	case t.kind == tokName && notRowByRow[t.text]:
		return s, p.notRowByRow(t)
	case t.kind == tokName || t.isPunct("["):
		p.at--
		if s.name, err = p.identifier(); err != nil {
			return s, err
		}
		if s.op = "table"; !p.accept("(") {
			break
		}
		s.op = "call"
		var args []expr
		args, err = p.arguments()
		for _, x := range args {
			s.items = append(s.items, named{x: x})
		}
	default:
		return s, p.unexpected(t, "source, print, datatable, range or a table")
	}
	return s, err
}

func (p *parser) datatable(s *stage) (err error) {
	if s.cols, err = p.columns(); err != nil {
		return err
	}
	open := p.peek()
	if err = p.expect("["); err != nil {
		return err
	}
	if s.cells, err = p.exprs("]"); err != nil {
		return err
	}
	if len(s.cols) == 0 || len(s.cells)%len(s.cols) != 0 {
		return errorAt(p.text, open.pos, "%d values do not fill rows of %d columns", len(s.cells), len(s.cols))
	}
	return nil
}

// rangeSource reads: range x from a to b step c.
func (p *parser) rangeSource(s *stage) (err error) {
	if s.name, err = p.identifier(); err != nil {
		return err
	}
	for _, word := range []string{"from", "to", "step"} {
		if err = p.expectName(word); err != nil {
			return err
		}
		x, err := p.expr()
		if err != nil {
			return err
		}
		s.items = append(s.items, named{x: x})
	}
	return nil
}

// stage reads one operator after a |.
func (p *parser) stage() (stage, error) {
	t := p.next()
	s := stage{pos: t.pos, op: t.text, word: t.text}
	if t.kind != tokName {
		return s, p.unexpected(t, "an operator")
	}
	op, ok := operators[t.text]
	if !ok {
		return s, p.notRowByRow(t)
	}
	err := op.read(p, &s)
	switch s.op {
	case "filter":
		s.op = "where"
	case "mvexpand":
		s.op = "mv-expand"
	}
	return s, err
}

// properties reads name=value pairs that stand between an operator and its first argument.
func (p *parser) properties(s *stage, known ...string) error {
	for p.peek().kind == tokName && p.ahead(1).isPunct("=") {
		isKnown := false
		for _, k := range known {
			isKnown = isKnown || p.isName(k)
		}
		if !isKnown {
			return nil
		}
		key := p.next()
		p.next()
		v := p.next()
		if v.kind == tokEnd || v.kind == tokPunct {
			return p.unexpected(v, "a value of "+key.text)
		}
		if s.with == nil {
			s.with = map[string]option{}
		}
		s.with[key.text] = option{v.pos, v.text}
	}
	return nil
}

// parseOperator reads: [kind=…] [flags=…] x with * "text" column:type …
func (p *parser) parseOperator(s *stage) (err error) {
	if err = p.properties(s, "kind", "flags"); err != nil {
		return err
	}
	if s.cond, err = p.expr(); err != nil {
		return err
	}
	if err = p.expectName("with"); err != nil {
		return err
	}
	s.parse = &pattern{}
	for {
		t := p.peek()
		pt := part{pos: t.pos}
		switch {
		case t.kind == tokString:
			pt.text = p.next().text
			for p.peek().kind == tokString { // adjacent literals are one
				pt.text += p.next().text
			}
		case p.accept("*"):
			pt.star = true
		case t.kind == tokName || t.isPunct("["):
			if pt.col.name, err = p.identifier(); err != nil {
				return err
			}
			pt.col.typ = String
			if p.accept(":") {
				if pt.col.typ, err = p.typeName(); err != nil {
					return err
				}
			}
		default:
			if len(s.parse.parts) == 0 {
				return p.unexpected(t, "a text, a column or *")
			}
			return nil
		}
		s.parse.parts = append(s.parse.parts, pt)
	}
}

// parseKV reads: x as (columns) with (option=value, …).
func (p *parser) parseKV(s *stage) (err error) {
	if s.cond, err = p.expr(); err != nil {
		return err
	}
	if err = p.expectName("as"); err != nil {
		return err
	}
	if s.cols, err = p.columns(); err != nil {
		return err
	}
	s.with = map[string]option{}
	if !p.acceptName("with") {
		return nil
	}
	if err = p.expect("("); err != nil {
		return err
	}
	return p.list(")", func() error {
		key := p.next()
		switch key.text {
		case "pair_delimiter", "kv_delimiter", "quote", "escape", "greedy", "regex":
		default:
			return p.unexpected(key, "pair_delimiter, kv_delimiter, quote, escape, greedy or regex")
		}
		if err := p.expect("="); err != nil {
			return err
		}
		v := p.next()
		if v.kind != tokString && !v.isName("true") && !v.isName("false") {
			return p.unexpected(v, "a value of "+key.text)
		}
		s.with[key.text] = option{v.pos, v.text}
		return nil
	})
}

// mvExpand reads: [kind=…] [with_itemindex=…] a = x to typeof(type), … [limit n]
func (p *parser) mvExpand(s *stage) (err error) {
	if err = p.properties(s, "kind", "bagexpansion", "with_itemindex"); err != nil {
		return err
	}
	for {
		it, c := named{pos: p.peek().pos}, column{typ: Dynamic}
		if p.startsAssignment() {
			if it.name, err = p.identifier(); err != nil {
				return err
			}
			p.next()
		}
		if it.x, err = p.expr(); err != nil {
			return err
		}
		if p.acceptName("to") {
			if err = p.expectName("typeof"); err != nil {
				return err
			}
			if c.typ, err = p.typeInParens(); err != nil {
				return err
			}
		}
		s.items, s.cols = append(s.items, it), append(s.cols, c)
		if !p.accept(",") {
			break
		}
	}
	if p.acceptName("limit") {
		t := p.next()
		if t.kind != tokNumber {
			return p.unexpected(t, "a number")
		}
		if s.with == nil {
			s.with = map[string]option{}
		}
		s.with["limit"] = option{t.pos, t.text}
	}
	return nil
}

func (p *parser) typeInParens() (Type, error) {
	if err := p.expect("("); err != nil {
		return 0, err
	}
	t, err := p.typeName()
	if err != nil {
		return t, err
	}
	return t, p.expect(")")
}
