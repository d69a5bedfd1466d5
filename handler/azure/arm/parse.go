package arm

import (
	"fmt"
	"strconv"
	"strings"
)

// thunk is an expression that can be worked out, or left alone, as if does.
type thunk func(d *deployment) any

type parser struct {
	d   *deployment
	src string
	pos int
}

func (p *parser) failf(format string, args ...any) {
	failf("expression [%s] at %d: %s", p.src, p.pos, fmt.Sprintf(format, args...))
}

func (p *parser) space() {
	for p.pos < len(p.src) && strings.IndexByte(" \n\t", p.src[p.pos]) >= 0 {
		p.pos++
	}
}

func (p *parser) eat(c byte) bool {
	p.space()
	if p.pos < len(p.src) && p.src[p.pos] == c {
		p.pos++
		return true
	}
	return false
}

func (p *parser) run(ok func(c byte) bool) string {
	start := p.pos
	for p.pos < len(p.src) && ok(p.src[p.pos]) {
		p.pos++
	}
	return p.src[start:p.pos]
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isName(c byte) bool {
	return isDigit(c) || c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// expr reads a value with the members and indexes behind it.
func (p *parser) expr() thunk {
	x := p.primary()
	for {
		switch inner := x; {
		case p.eat('.'):
			name := p.run(isName)
			x = func(d *deployment) any { return at(inner(d), name) }
		case p.eat('['):
			index := p.expr()
			if !p.eat(']') {
				p.failf("expected ]")
			}
			x = func(d *deployment) any { return at(inner(d), index(d)) }
		default:
			return x
		}
	}
}

func (p *parser) primary() thunk {
	p.space()
	switch {
	case p.eat('\''):
		return p.text()
	case p.pos < len(p.src) && isDigit(p.src[p.pos]):
		n, _ := strconv.Atoi(p.run(isDigit))
		return func(*deployment) any { return n }
	}
	name := p.run(isName)
	if !p.eat('(') {
		p.failf("expected a function")
	}
	var args []thunk
	for !p.eat(')') {
		if len(args) > 0 && !p.eat(',') {
			p.failf("expected , or )")
		}
		args = append(args, p.expr())
	}
	return func(d *deployment) any { return d.call(name, args) }
}

func (p *parser) text() thunk {
	var b strings.Builder
	for {
		b.WriteString(p.run(func(c byte) bool { return c != '\'' }))
		if !p.eat('\'') {
			p.failf("this text does not end")
		}
		if p.pos == len(p.src) || p.src[p.pos] != '\'' {
			s := b.String()
			return func(*deployment) any { return s }
		}
		b.WriteByte('\'')
		p.pos++
	}
}
