package kql

import (
	"github.com/sluice-connectors/sluice/handler/nearest"
)

type parser struct {
	text string
	toks []token
	at   int
}

func newParser(text string) (*parser, error) {
	toks, err := lex(text)
	if err != nil {
		return nil, err
	}
	return &parser{text: text, toks: toks}, nil
}

// parseQuery parses a whole transformation: let statements, then a pipeline.
func parseQuery(text string) (*query, error) {
	p, err := newParser(text)
	if err != nil {
		return nil, err
	}
	q := &query{text: text}
	for p.isName("let") {
		l, err := p.let()
		if err != nil {
			return nil, err
		}
		q.lets = append(q.lets, l)
	}
	if err := p.pipeline(q); err != nil {
		return nil, err
	}
	p.accept(";")
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

func (p *parser) isName(s string) bool {
	t := p.peek()
	return t.kind == tokName && t.text == s
}

func (p *parser) isPunct(s string) bool {
	t := p.peek()
	return t.kind == tokPunct && t.text == s
}

func (p *parser) accept(punct string) bool {
	if p.isPunct(punct) {
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

func (p *parser) unexpected(t token, want string) error {
	got := "the end of the text"
	if t.kind != tokEnd {
		got = p.text[t.pos:t.end]
	}
	return errorAt(p.text, t.pos, "want %s, got %s", want, got)
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

func (p *parser) let() (let, error) {
	l := let{pos: p.next().pos}
	var err error
	if l.name, err = p.identifier(); err != nil {
		return l, err
	}
	if err = p.expect("="); err != nil {
		return l, err
	}
	if l.isFunc = p.startsFunction(); l.isFunc {
		if l.params, err = p.params(); err != nil {
			return l, err
		}
		if err = p.expect("{"); err != nil {
			return l, err
		}
		if l.body, err = p.expr(); err != nil {
			return l, err
		}
		p.accept(";")
		if err = p.expect("}"); err != nil {
			return l, err
		}
	} else if l.body, err = p.expr(); err != nil {
		return l, err
	}
	return l, p.expect(";")
}

// startsFunction looks ahead for "(name:" or "(){": both begin a function.
func (p *parser) startsFunction() bool {
	if !p.isPunct("(") || p.at+2 >= len(p.toks) {
		return false
	}
	a, b := p.toks[p.at+1], p.toks[p.at+2]
	return a.kind == tokName && b.text == ":" || a.text == ")" && b.text == "{"
}

func (p *parser) params() ([]param, error) {
	p.next()
	var ps []param
	for !p.accept(")") {
		if len(ps) > 0 {
			if err := p.expect(","); err != nil {
				return nil, err
			}
		}
		n, err := p.identifier()
		if err != nil {
			return nil, err
		}
		if err := p.expect(":"); err != nil {
			return nil, err
		}
		t := p.next()
		typ, ok := typeNames[t.text]
		if !ok {
			return nil, p.unexpected(t, "a type")
		}
		ps = append(ps, param{n, typ})
	}
	return ps, nil
}

func (p *parser) pipeline(q *query) error {
	t := p.next()
	switch {
	case t.kind == tokName && t.text == "print":
		items, err := p.items()
		if err != nil {
			return err
		}
		q.stages = append(q.stages, stage{pos: t.pos, op: "print", items: items})
	case t.kind == tokName && t.text == "source":
		q.stages = append(q.stages, stage{pos: t.pos, op: "source"})
	default:
		return p.unexpected(t, "source or print")
	}
	for p.accept("|") {
		s, err := p.stage()
		if err != nil {
			return err
		}
		q.stages = append(q.stages, s)
	}
	return nil
}

// operators that are written here; the rest of KQL works on many rows.
var operatorNames = []string{"extend", "project", "project-away", "project-keep", "project-rename", "where"}

func (p *parser) stage() (stage, error) {
	t := p.next()
	s := stage{pos: t.pos, op: t.text}
	var err error
	switch {
	case t.kind != tokName:
		return s, p.unexpected(t, "an operator")
	case t.text == "where" || t.text == "filter":
		s.op = "where"
		s.cond, err = p.expr()
	case t.text == "extend" || t.text == "project" || t.text == "project-rename":
		s.items, err = p.items()
	case t.text == "project-away" || t.text == "project-keep":
		s.items, err = p.names()
	default:
		return s, errorAt(p.text, t.pos, "the operator %s is not available in a transformation%s", t.text, nearest.Hint(t.text, operatorNames))
	}
	return s, err
}

// items reads "a = x, y, …".
func (p *parser) items() ([]named, error) {
	var items []named
	for {
		it := named{pos: p.peek().pos}
		if p.startsAssignment() {
			n, err := p.identifier()
			if err != nil {
				return nil, err
			}
			it.name = n
			p.next()
		}
		x, err := p.expr()
		if err != nil {
			return nil, err
		}
		it.x = x
		items = append(items, it)
		if !p.accept(",") {
			return items, nil
		}
	}
}

func (p *parser) startsAssignment() bool {
	rest := p.toks[p.at:]
	if rest[0].kind == tokName {
		return rest[1].kind == tokPunct && rest[1].text == "="
	}
	return len(rest) > 3 && rest[0].text == "[" && rest[1].kind == tokString && rest[2].text == "]" && rest[3].text == "="
}

// names reads column names, of which project-away and -keep allow patterns (a*).
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
			if p.isPunct("*") && p.peek().pos == p.toks[p.at-1].end {
				p.next()
				it.name += "*"
			}
		}
		items = append(items, it)
		if !p.accept(",") {
			return items, nil
		}
	}
}
