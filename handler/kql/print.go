package kql

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/sluice-connectors/sluice/handler/scan"
)

// printer writes a syntax tree as KQL again, one operator a line. What it
// writes parses to the same tree.
type printer struct{ strings.Builder }

func (q *query) String() string {
	var p printer
	p.lets(q.lets)
	p.pipeline(q.pipe, "\n")
	return p.String()
}

func exprString(x expr) string {
	var p printer
	p.expr(x)
	return p.String()
}

func (p *printer) add(parts ...string) {
	for _, s := range parts {
		p.WriteString(s)
	}
}

// each writes items with commas between them.
func each[T any](p *printer, items []T, one func(T)) {
	for i, it := range items {
		if i > 0 {
			p.add(", ")
		}
		one(it)
	}
}

func (p *printer) lets(lets []let) {
	for _, l := range lets {
		p.add("let ", quoteName(l.name), " = ")
		if !l.isFunc {
			p.body(l.body)
			p.add(";\n")
			continue
		}
		p.columns(l.params)
		p.add(" { ")
		p.lets(l.body.lets)
		p.body(l.body)
		p.add(" };\n")
	}
}

func (p *printer) body(b body) {
	if b.table != nil {
		p.pipeline(b.table, " ")
	} else {
		p.expr(b.x)
	}
}

func (p *printer) columns(cols []column) {
	p.add("(")
	each(p, cols, func(c column) {
		p.add(quoteName(c.name), ":")
		switch {
		case !c.isTable:
			p.add(c.typ.String())
		case len(c.cols) == 0:
			p.add("(*)")
		default:
			p.columns(c.cols)
		}
		if c.def != nil {
			p.add(" = ")
			p.expr(c.def)
		}
	})
	p.add(")")
}

func (p *printer) pipeline(pipe *pipeline, sep string) {
	for i := range pipe.stages {
		if i > 0 {
			p.add(sep, "| ")
		}
		p.stage(&pipe.stages[i])
	}
}

func (p *printer) stage(s *stage) {
	switch s.op {
	case "source":
		p.add("source")
	case "table":
		p.add(quoteName(s.name))
	case "call":
		p.add(quoteName(s.name), "(")
		p.items(s.items)
		p.add(")")
	case "nested":
		p.add("(")
		p.pipeline(s.nested, " ")
		p.add(")")
	case "datatable":
		p.add("datatable")
		p.columns(s.cols)
		p.add("[")
		each(p, s.cells, p.expr)
		p.add("]")
	case "range":
		p.add("range ", quoteName(s.name), " from ")
		p.expr(s.items[0].x)
		p.add(" to ")
		p.expr(s.items[1].x)
		p.add(" step ")
		p.expr(s.items[2].x)
	case "where":
		p.add("where ")
		p.expr(s.cond)
	case "parse", "parse-where":
		p.parse(s)
	case "parse-kv":
		p.parseKV(s)
	case "mv-expand":
		p.mvExpand(s)
	default:
		p.add(s.op, " ")
		p.items(s.items)
	}
}

func (p *printer) items(items []named) {
	each(p, items, func(it named) {
		switch {
		case it.x == nil: // of project-away and project-keep
			p.add(quotePattern(it.name))
			return
		case it.name != "":
			p.add(quoteName(it.name), " = ")
		case it.names != nil:
			p.add("(", strings.Join(it.names, ", "), ") = ")
		}
		p.expr(it.x)
	})
}

func (p *printer) options(s *stage, sep string) {
	for i, key := range slices.Sorted(maps.Keys(s.with)) {
		if key == "limit" {
			continue
		}
		if i > 0 {
			p.add(sep)
		}
		p.add(key, "=")
		if s.op == "parse-kv" && key != "greedy" {
			p.add(quoteText(s.with[key].value))
		} else {
			p.add(s.with[key].value)
		}
	}
}

func (p *printer) parse(s *stage) {
	p.add(s.op, " ")
	p.options(s, " ")
	p.add(" ")
	p.expr(s.cond)
	p.add(" with")
	for _, pt := range s.parse.parts {
		switch {
		case pt.star:
			p.add(" *")
		case pt.col.name != "":
			p.add(" ", quoteName(pt.col.name), ":", pt.col.typ.String())
		default:
			p.add(" ", quoteText(pt.text))
		}
	}
}

func (p *printer) parseKV(s *stage) {
	p.add("parse-kv ")
	p.expr(s.cond)
	p.add(" as ")
	p.columns(s.cols)
	if len(s.with) > 0 {
		p.add(" with (")
		p.options(s, ", ")
		p.add(")")
	}
}

func (p *printer) mvExpand(s *stage) {
	p.add("mv-expand ")
	p.options(s, " ")
	p.add(" ")
	i := 0
	each(p, s.items, func(it named) {
		if it.name != "" {
			p.add(quoteName(it.name), " = ")
		}
		p.expr(it.x)
		if t := s.cols[i].typ; t != Dynamic {
			p.add(" to typeof(", t.String(), ")")
		}
		i++
	})
	if l, ok := s.with["limit"]; ok {
		p.add(" limit ", l.value)
	}
}

func (p *printer) expr(x expr) {
	switch x := x.(type) {
	case *literal:
		p.literal(x.val)
	case *name:
		p.add(quoteName(x.id))
	case *member:
		p.operand(x.x)
		if quoteName(x.key) == x.key {
			p.add(".", x.key)
		} else {
			p.add("[", quoteText(x.key), "]")
		}
	case *index:
		p.operand(x.x)
		p.add("[")
		p.operand(x.i)
		p.add("]")
	case *call:
		p.add(x.fn, "(")
		each(p, x.args, p.expr)
		p.add(")")
	case *unary:
		p.add("-")
		p.operand(x.x)
	case *infix:
		p.operand(x.l)
		p.add(" ", x.op, " ")
		p.operand(x.r)
	case *inList:
		p.operand(x.x)
		p.add(" ", x.op, " (")
		if x.table != nil {
			p.pipeline(x.table, " ")
		} else {
			each(p, x.list, p.expr)
		}
		p.add(")")
	case *between:
		p.operand(x.x)
		if x.not {
			p.add(" !between (")
		} else {
			p.add(" between (")
		}
		p.expr(x.lo)
		p.add(" .. ")
		p.expr(x.hi)
		p.add(")")
	case *typeOf:
		p.add("typeof(", x.typ.String(), ")")
	case *star:
		p.add("*")
	case *tableArg:
		p.add("(")
		p.pipeline(x.table, " ")
		p.add(")")
	case *scalarOf:
		p.add("toscalar(")
		p.pipeline(x.table, " ")
		p.add(")")
	}
}

// operand writes an expression with parentheses unless it needs none anywhere.
func (p *printer) operand(x expr) {
	switch x.(type) {
	case *unary, *infix, *inList, *between:
		p.add("(")
		p.expr(x)
		p.add(")")
	default:
		p.expr(x)
	}
}

// literal writes a constant so that its type is read again.
func (p *printer) literal(l lit) {
	text := string(appendText(nil, l.typ, l.val))
	switch {
	case l.typ == String:
		p.add(quoteText(text))
	case !l.val.OK:
		p.add(l.typ.String(), "(null)")
	case l.typ == Dynamic:
		p.add("dynamic(", string(l.val.S), ")")
	case l.typ == Long && l.val.N >= 0:
		p.add(strconv.FormatInt(l.val.N, 10))
	case l.typ == Bool && l.val.N != 0:
		p.add("true")
	case l.typ == Bool:
		p.add("false")
	default:
		p.add(l.typ.String(), "(", text, ")")
	}
}

// quoteText writes a string literal.
func quoteText(s string) string {
	b := scan.AppendQuoted(nil, s)
	return string(b)
}

// quoteName writes a name, in brackets where it is odd or a word of the language.
func quoteName(s string) string {
	ok := s != "" && isNameStart(s) && !reserved[s]
	for i := 0; ok && i < len(s); {
		ok = isNamePart(s[i:])
		_, n := utf8.DecodeRuneInString(s[i:])
		i += n
	}
	if ok {
		return s
	}
	return "[" + quoteText(s) + "]"
}

// quotePattern is quoteName for the patterns of project-away and project-keep.
func quotePattern(s string) string {
	var b strings.Builder
	for i, piece := range strings.Split(s, "*") {
		if i > 0 {
			b.WriteByte('*')
		}
		if piece != "" && (i == 0 || quoteName(piece) == piece) {
			b.WriteString(quoteName(piece))
		} else {
			b.WriteString(piece)
		}
	}
	return b.String()
}

// reserved are words that mean something where a name may stand.
var reserved = map[string]bool{"true": true, "false": true, "let": true, "source": true, "print": true, "datatable": true, "range": true, "with": true,
	"and": true, "or": true, "in": true, "between": true, "matches": true, "contains": true, "has": true, "startswith": true, "endswith": true, "as": true, "to": true, "limit": true, "h": true, "H": true, "typeof": true}
