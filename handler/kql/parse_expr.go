package kql

import "strings"

// Binding powers of the binary operators, weakest first.
func power(op string) int {
	switch op {
	case "or":
		return 1
	case "and":
		return 2
	case "+", "-":
		return 4
	case "*", "/", "%":
		return 5
	}
	return comparison
}

const comparison = 3 // comparisons and string operators

// wordOperators are the comparisons that are spelled as words.
var wordOperators = map[string]bool{}

func init() {
	for _, w := range strings.Fields("contains contains_cs has has_cs hasprefix hasprefix_cs hassuffix hassuffix_cs startswith startswith_cs endswith endswith_cs") {
		wordOperators[w], wordOperators["!"+w] = true, true
	}
}

// operator returns the binary operator that the next token is, or "".
func (p *parser) operator() string {
	t := p.peek()
	switch t.kind {
	case tokPunct:
		switch t.text {
		case "<>":
			return "!="
		case "==", "!=", "=~", "!~", "<", ">", "<=", ">=", "+", "-", "*", "/", "%":
			return t.text
		}
	case tokName:
		switch t.text {
		case "and", "or", "in", "in~", "!in", "!in~", "has_any", "has_all", "between", "!between", "matches":
			return t.text
		}
		if wordOperators[t.text] {
			return t.text
		}
	}
	return ""
}

func (p *parser) expr() (expr, error) {
	if err := p.nest(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	return p.binaryExpr(1)
}

func (p *parser) binaryExpr(least int) (expr, error) {
	x, err := p.unaryExpr()
	if err != nil {
		return nil, err
	}
	for {
		op := p.operator()
		if op == "" || power(op) < least {
			return x, nil
		}
		t := p.next()
		switch op {
		case "in", "in~", "!in", "!in~", "has_any", "has_all":
			x, err = p.inList(x, op, t.pos)
		case "between", "!between":
			x, err = p.between(x, op == "!between", t.pos)
		case "matches":
			if !p.isName("regex") {
				return nil, p.unexpected(p.peek(), "regex")
			}
			p.next()
			op = "matches regex"
			fallthrough
		default:
			var r expr
			if r, err = p.binaryExpr(power(op) + 1); err == nil {
				x = &infix{t.pos, op, x, r}
			}
		}
		if err != nil {
			return nil, err
		}
		if power(op) == comparison && power(p.operator()) == comparison && p.operator() != "" {
			return nil, errorAt(p.text, p.peek().pos, "comparisons do not chain: put one of them in parentheses")
		}
	}
}

func (p *parser) inList(x expr, op string, pos int) (expr, error) {
	if err := p.expect("("); err != nil {
		return nil, err
	}
	in := &inList{pos: pos, op: op, x: x}
	var err error
	if p.startsTable() {
		if in.table, err = p.pipeline(); err == nil {
			err = p.expect(")")
		}
	} else {
		in.list, err = p.exprs(")")
	}
	return in, err
}

func (p *parser) between(x expr, not bool, pos int) (expr, error) {
	b := &between{pos: pos, not: not, x: x}
	err := p.expect("(")
	if err == nil {
		b.lo, err = p.expr()
	}
	if err == nil {
		err = p.expect("..")
	}
	if err == nil {
		b.hi, err = p.expr()
	}
	if err == nil {
		err = p.expect(")")
	}
	return b, err
}

func (p *parser) unaryExpr() (expr, error) {
	if t := p.peek(); t.isPunct("-") || t.isPunct("+") {
		p.next()
		if err := p.nest(); err != nil {
			return nil, err
		}
		defer func() { p.depth-- }()
		x, err := p.unaryExpr()
		if err != nil || t.text == "+" {
			return x, err
		}
		return &unary{t.pos, "-", x}, nil
	}
	return p.postfix()
}

func (p *parser) postfix() (expr, error) {
	x, err := p.primary()
	for err == nil {
		t := p.peek()
		switch {
		case p.accept("."):
			var key string
			if key, err = p.identifier(); err == nil {
				x = &member{t.pos, x, key}
			}
		case p.accept("["):
			var i expr
			if i, err = p.expr(); err != nil {
				break
			}
			if l, ok := i.(*literal); ok && l.val.typ == String {
				x = &member{t.pos, x, string(l.val.val.S)}
			} else {
				x = &index{t.pos, x, i}
			}
			err = p.expect("]")
		default:
			return x, nil
		}
	}
	return nil, err
}

func (p *parser) primary() (expr, error) {
	t := p.peek()
	switch t.kind {
	case tokNumber:
		p.next()
		v, err := parseNumber(p.text, t)
		return &literal{t.pos, v}, err
	case tokString:
		p.next()
		s := t.text
		for p.peek().kind == tokString { // adjacent literals are one string
			s += p.next().text
		}
		return &literal{t.pos, lit{String, textValue(s)}}, nil
	case tokName:
		if t.text == "true" || t.text == "false" {
			p.next()
			return &literal{t.pos, lit{Bool, boolValue(t.text == "true")}}, nil
		}
		if p.ahead(1).isPunct("(") {
			return p.callOrLiteral(t)
		}
		id, err := p.identifier()
		return &name{t.pos, id}, err
	case tokPunct:
		if t.text == "[" {
			id, err := p.identifier()
			return &name{t.pos, id}, err
		}
		if t.text == "*" {
			p.next()
			return &star{t.pos}, nil
		}
		if p.accept("(") {
			x, err := p.expr()
			if err == nil {
				err = p.expect(")")
			}
			return x, err
		}
	}
	return nil, p.unexpected(t, "an expression")
}

// callOrLiteral reads f(…), or a typed literal such as datetime(2026-01-02),
// whose text between the parentheses is not made of tokens.
func (p *parser) callOrLiteral(t token) (expr, error) {
	typ, isType := typeNames[t.text]
	switch {
	case t.text == "toscalar":
		p.at += 2
		return p.scalarOf(t.pos)
	case t.text == "typeof":
		p.at++
		typ, err := p.typeInParens()
		return &typeOf{t.pos, typ}, err
	case !isType:
		p.at += 2
		args, err := p.arguments()
		return &call{t.pos, t.text, args}, err
	}
	open := p.toks[p.at+1]
	end, err := closingParen(p.text, open.pos)
	if err != nil {
		return nil, err
	}
	for p.peek().kind != tokEnd && p.peek().pos <= end {
		p.next()
	}
	text := strings.TrimSpace(p.text[open.end:end])
	if typ == Dynamic {
		raw, err := dynamicLiteral(text)
		if err != nil {
			return nil, errorAt(p.text, open.end, "%s is not a dynamic value: %v", shorten(text), err)
		}
		return &literal{t.pos, lit{Dynamic, jsonValue(raw)}}, nil
	}
	v, ok := parseTyped(typ, text)
	if !ok {
		return nil, errorAt(p.text, open.end, "%q is not a %s", text, typ)
	}
	return &literal{t.pos, v}, nil
}

// scalarOf reads the argument of toscalar and the closing parenthesis.
func (p *parser) scalarOf(pos int) (x expr, err error) {
	if p.startsTable() || p.peek().kind == tokName && p.ahead(1).isPunct(")") {
		s := &scalarOf{pos: pos}
		s.table, err = p.pipeline()
		x = s
	} else {
		x, err = p.expr()
	}
	if err == nil {
		err = p.expect(")")
	}
	return x, err
}

// closingParen finds the parenthesis that closes the one at open, skipping strings.
func closingParen(text string, open int) (int, error) {
	depth := 0
	for p := open; p < len(text); p++ {
		switch text[p] {
		case '"', '\'':
			t, err := lexString(text, p)
			if err != nil {
				return 0, err
			}
			p = t.end - 1
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return p, nil
			}
		}
	}
	return 0, errorAt(text, open, "parenthesis is not closed")
}
