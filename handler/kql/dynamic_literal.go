package kql

import (
	"fmt"

	"github.com/sluice-connectors/sluice/handler/scan"
)

// dynamicLiteral turns what stands between the parentheses of dynamic(…) into
// JSON. It is JSON with KQL's strings and with typed literals such as datetime(…)
// as values.
func dynamicLiteral(text string) ([]byte, error) {
	if scan.Valid([]byte(text)) {
		return []byte(text), nil
	}
	p, err := newParser(text)
	if err != nil {
		return nil, short(err)
	}
	raw, err := p.dynamicValue(nil)
	if err == nil && p.peek().kind != tokEnd {
		err = p.unexpected(p.peek(), "the end")
	}
	return raw, short(err)
}

// short is the message of an error in a piece of a text: its place is of no use.
func short(err error) error {
	if e, ok := err.(*Error); ok {
		return fmt.Errorf("%s", e.Msg)
	}
	return err
}

func shorten(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}

func (p *parser) dynamicValue(dst []byte) ([]byte, error) {
	if err := p.nest(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	switch {
	case p.accept("{"):
		dst = append(dst, '{')
		return p.dynamicItems(dst, "}", func(dst []byte) ([]byte, error) {
			key := p.next()
			if key.kind != tokString {
				return nil, p.unexpected(key, "a key in quotes")
			}
			if err := p.expect(":"); err != nil {
				return nil, err
			}
			return p.dynamicValue(append(scan.AppendQuoted(dst, key.text), ':'))
		})
	case p.accept("["):
		return p.dynamicItems(append(dst, '['), "]", p.dynamicValue)
	case p.acceptName("null"):
		return append(dst, "null"...), nil
	}
	x, err := p.unaryExpr()
	if err != nil {
		return nil, err
	}
	if neg, ok := x.(*unary); ok {
		if l, ok := neg.x.(*literal); ok && l.val.typ != String {
			l.val.val.N, l.val.val.F = -l.val.val.N, -l.val.val.F
			x = l
		}
	}
	l, ok := x.(*literal)
	if !ok {
		return nil, fmt.Errorf("it is made of constants only")
	}
	return appendDynamic(dst, l.val.typ, l.val.val), nil
}

func (p *parser) dynamicItems(dst []byte, closing string, one func([]byte) ([]byte, error)) ([]byte, error) {
	first := true
	err := p.list(closing, func() (err error) {
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst, err = one(dst)
		return err
	})
	return append(dst, closing...), err
}
