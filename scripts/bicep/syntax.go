package bicep

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// file is a parsed Bicep file.
type file struct {
	path       string
	scope      string // targetScope
	statements []*statement
}

// statement is a declaration. What a field holds depends on kind.
type statement struct {
	kind       string // param, var, output, resource, module, metadata
	name       string
	typ        string // of a param or output; type@version of a resource; path of a module
	existing   bool
	decorators []*call
	value      expr // default of a param, value of a var or output
	body       *object
	cond       expr // of if (…)
	loop       *loop
	pos        int
}

// loop is [for item in list: …].
type loop struct {
	item string
	list expr
}

// The expressions of Bicep.
type (
	expr   interface{ at() int }
	object struct {
		members []member
		pos     int
	}
	member struct {
		name  string
		key   *text // of a name that is worked out: '${id}'
		value expr
	}
	array struct {
		items []expr
		pos   int
	}
	// text is a string: its parts alternate between text and expressions, and
	// begin and end with text.
	text struct {
		parts []string
		exprs []expr
		pos   int
	}
	number struct {
		n   int64
		pos int
	}
	word struct { // true, false, null
		name string
		pos  int
	}
	ident struct {
		name string
		pos  int
	}
	access struct { // x.name, x.?name, x[index], x[?index]
		x     expr
		name  string
		index expr
		safe  bool
		pos   int
	}
	call struct {
		name string
		args []expr
		pos  int
	}
	lambda struct {
		param string
		body  expr
		pos   int
	}
	operation struct { // of one, two or three operands
		op   string
		args []expr
		pos  int
	}
)

func (e *object) at() int    { return e.pos }
func (e *array) at() int     { return e.pos }
func (e *text) at() int      { return e.pos }
func (e *number) at() int    { return e.pos }
func (e *word) at() int      { return e.pos }
func (e *ident) at() int     { return e.pos }
func (e *access) at() int    { return e.pos }
func (e *call) at() int      { return e.pos }
func (e *lambda) at() int    { return e.pos }
func (e *operation) at() int { return e.pos }

// parser reads the text of a file from pos on. The first mistake is thrown as a
// mistake and caught by parse.
type parser struct {
	path, src string
	pos       int
}

type mistake struct{ error }

// place is file:line:column of a position.
func place(path, src string, pos int) string {
	head := src[:min(pos, len(src))]
	line := 1 + strings.Count(head, "\n")
	return fmt.Sprintf("%s:%d:%d", path, line, utf8.RuneCountInString(head[strings.LastIndexByte(head, '\n')+1:])+1)
}

func (p *parser) failf(format string, args ...any) {
	panic(mistake{fmt.Errorf("%s: %s", place(p.path, p.src, p.pos), fmt.Sprintf(format, args...))})
}

func parse(path, src string) (f *file, err error) {
	p := &parser{path: path, src: src}
	defer func() {
		switch m := recover().(type) {
		case nil:
		case mistake:
			err = m.error
		default:
			panic(m)
		}
	}()
	f = &file{path: path, scope: "resourceGroup"}
	for p.lines(); p.pos < len(p.src); p.lines() {
		if p.keyword("targetScope") {
			p.want("=")
			f.scope = literal(p.expr())
		} else {
			f.statements = append(f.statements, p.statement())
		}
		p.endOfLine()
	}
	return f, nil
}

// blank skips spaces and comments, lines line ends too.
func (p *parser) blank() { p.skip(" \t\r") }
func (p *parser) lines() { p.skip(" \t\r\n") }

func (p *parser) skip(set string) {
	for p.pos < len(p.src) {
		rest := p.src[p.pos:]
		switch {
		case strings.IndexByte(set, rest[0]) >= 0:
			p.pos++
		case strings.HasPrefix(rest, "//"), strings.HasPrefix(rest, "#disable-"):
			n := strings.IndexByte(rest, '\n')
			if n < 0 {
				n = len(rest)
			}
			p.pos += n
		case strings.HasPrefix(rest, "/*"):
			n := strings.Index(rest, "*/")
			if n < 0 {
				p.failf("this comment does not end")
			}
			p.pos += n + 2
		default:
			return
		}
	}
}

func (p *parser) endOfLine() {
	p.blank()
	if p.pos < len(p.src) && p.src[p.pos] != '\n' {
		p.failf("expected the end of the line, not %q", p.peekWord())
	}
}

func (p *parser) peekWord() string {
	rest, _, _ := strings.Cut(p.src[p.pos:], "\n")
	return rest[:min(len(rest), 20)]
}

func (p *parser) peek(s string) bool {
	p.blank()
	return strings.HasPrefix(p.src[p.pos:], s)
}

func (p *parser) eat(s string) bool {
	if p.peek(s) {
		p.pos += len(s)
		return true
	}
	return false
}

func (p *parser) want(s string) {
	if !p.eat(s) {
		p.failf("expected %q, not %q", s, p.peekWord())
	}
}

func isLetter(c byte) bool {
	return c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// name reads an identifier, or "" when there is none.
func (p *parser) name() string {
	p.blank()
	start := p.pos
	for p.pos < len(p.src) && (isLetter(p.src[p.pos]) || p.pos > start && '0' <= p.src[p.pos] && p.src[p.pos] <= '9') {
		p.pos++
	}
	return p.src[start:p.pos]
}

func (p *parser) wantName(what string) string {
	n := p.name()
	if n == "" {
		p.failf("expected %s, not %q", what, p.peekWord())
	}
	return n
}

// keyword reads an identifier if it is this one.
func (p *parser) keyword(k string) bool {
	start := p.pos
	if p.name() == k {
		return true
	}
	p.pos = start
	return false
}

func (p *parser) statement() *statement {
	s := &statement{}
	for p.eat("@") {
		c, ok := p.primary().(*call)
		if !ok {
			p.failf("expected a decorator such as @description('…')")
		}
		s.decorators = append(s.decorators, c)
		p.lines()
	}
	p.blank()
	s.pos = p.pos
	s.kind = p.wantName("a declaration")
	s.name = p.wantName("a name")
	switch s.kind {
	case "param", "output":
		s.typ = p.wantName("a type")
		if s.kind == "output" {
			p.want("=")
			s.value = p.expr()
		} else if p.eat("=") {
			s.value = p.expr()
		}
	case "var", "metadata":
		p.want("=")
		s.value = p.expr()
	case "resource", "module":
		p.blank()
		t, ok := p.primary().(*text)
		if !ok || len(t.exprs) > 0 {
			p.failf("expected a plain string after %s %s", s.kind, s.name)
		}
		s.typ = t.parts[0]
		s.existing = p.keyword("existing")
		p.want("=")
		p.resource(s)
	default:
		p.pos = s.pos
		p.failf("%q begins no declaration that is known here", s.kind)
	}
	return s
}

// resource reads [if (…)] {…}, or one of these for each item of a list.
func (p *parser) resource(s *statement) {
	if p.eat("[") {
		if !p.keyword("for") {
			p.failf("expected for")
		}
		s.loop = &loop{item: p.wantName("a name")}
		if !p.keyword("in") {
			p.failf("expected in")
		}
		s.loop.list = p.expr()
		p.want(":")
		defer p.want("]")
	}
	if p.keyword("if") {
		p.want("(")
		s.cond = p.expr()
		p.want(")")
	}
	body, ok := p.primary().(*object)
	if !ok {
		p.failf("expected an object")
	}
	s.body = body
}

// precedence of the operators, loosest first.
var precedence = [][]string{{"??"}, {"||"}, {"&&"}, {"==", "!="}, {"<=", ">=", "<", ">"}, {"+", "-"}, {"*", "/", "%"}}

func (p *parser) expr() expr {
	p.blank()
	pos := p.pos
	x := p.binary(0)
	if start := p.pos; p.eatTernary("?") {
		p.lines()
		yes := p.expr()
		if !p.eatTernary(":") {
			p.failf("expected %q after what the condition at %s gives", ":", place(p.path, p.src, start))
		}
		p.lines()
		return &operation{"?:", []expr{x, yes, p.expr()}, pos}
	}
	return x
}

// eatTernary reads ? or :, which may stand on a line of its own.
func (p *parser) eatTernary(s string) bool {
	start := p.pos
	p.lines()
	if strings.HasPrefix(p.src[p.pos:], s) && !strings.HasPrefix(p.src[p.pos:], "??") {
		p.pos += len(s)
		return true
	}
	p.pos = start
	return false
}

func (p *parser) binary(level int) expr {
	if level == len(precedence) {
		return p.unary()
	}
	p.blank()
	pos := p.pos
	x := p.binary(level + 1)
	for {
		op := ""
		for _, o := range precedence[level] {
			if p.peek(o) {
				op = o
				break
			}
		}
		if op == "" {
			return x
		}
		p.pos += len(op)
		p.lines()
		x = &operation{op, []expr{x, p.binary(level + 1)}, pos}
	}
}

func (p *parser) unary() expr {
	p.blank()
	pos := p.pos
	for _, op := range []string{"!", "-"} {
		if p.eat(op) {
			return &operation{op, []expr{p.unary()}, pos}
		}
	}
	return p.suffixed()
}

// suffixed reads a value with what follows it: .name, .?name, [index].
func (p *parser) suffixed() expr {
	x := p.primary()
	for {
		pos := p.pos
		switch {
		case strings.HasPrefix(p.src[p.pos:], ".?"):
			p.pos += 2
			x = &access{x: x, name: p.wantName("a member"), safe: true, pos: pos}
		case strings.HasPrefix(p.src[p.pos:], "."):
			p.pos++
			x = &access{x: x, name: p.wantName("a member"), pos: pos}
		case strings.HasPrefix(p.src[p.pos:], "!.") || strings.HasPrefix(p.src[p.pos:], "!)"):
			p.pos++ // it is not null: nothing to compile
		case strings.HasPrefix(p.src[p.pos:], "["):
			p.pos++
			safe := p.eat("?")
			x = &access{x: x, index: p.expr(), safe: safe, pos: pos}
			p.want("]")
		default:
			return x
		}
	}
}

func (p *parser) primary() expr {
	p.blank()
	pos := p.pos
	if pos == len(p.src) {
		p.failf("expected a value, not the end of the file")
	}
	switch c := p.src[pos]; {
	case c == '{':
		return p.object()
	case c == '[':
		return p.array()
	case c == '(':
		p.pos++
		p.lines()
		x := p.expr()
		p.lines()
		p.want(")")
		return x
	case c == '\'':
		return p.text()
	case '0' <= c && c <= '9':
		for p.pos < len(p.src) && '0' <= p.src[p.pos] && p.src[p.pos] <= '9' {
			p.pos++
		}
		n, _ := strconv.ParseInt(p.src[pos:p.pos], 10, 64)
		return &number{n, pos}
	}
	name := p.wantName("a value")
	switch {
	case name == "true" || name == "false" || name == "null":
		return &word{name, pos}
	case strings.HasPrefix(p.src[p.pos:], "("):
		return &call{name, p.args(), pos}
	case p.eat("=>"):
		return &lambda{name, p.expr(), pos}
	}
	return &ident{name, pos}
}

func (p *parser) args() (args []expr) {
	p.want("(")
	for p.lines(); !p.eat(")"); p.lines() {
		if len(args) > 0 {
			p.want(",")
			p.lines()
		}
		args = append(args, p.expr())
	}
	return args
}

func (p *parser) object() *object {
	o := &object{pos: p.pos}
	p.want("{")
	for p.lines(); !p.eat("}"); p.separator("}") {
		p.blank()
		m := member{}
		if !p.peek("'") {
			m.name = p.wantName("a member's name")
		} else if t := p.text(); len(t.exprs) > 0 {
			m.key = t
		} else {
			m.name = t.parts[0]
		}
		p.want(":")
		m.value = p.expr()
		o.members = append(o.members, m)
	}
	return o
}

func (p *parser) array() *array {
	a := &array{pos: p.pos}
	p.want("[")
	for p.lines(); !p.eat("]"); p.separator("]") {
		a.items = append(a.items, p.expr())
	}
	return a
}

// separator reads the comma or line end between two elements.
func (p *parser) separator(end string) {
	if p.eat(",") {
		p.lines()
		return
	}
	start := p.pos
	p.lines()
	if !strings.Contains(p.src[start:p.pos], "\n") && !p.peek(end) {
		p.failf("expected a comma, a new line or %q, not %q", end, p.peekWord())
	}
}

// text reads '…' with ${…} in it, or the raw ”'…”'.
func (p *parser) text() *text {
	t := &text{pos: p.pos}
	if p.eat("'''") {
		n := strings.Index(p.src[p.pos:], "'''")
		if n < 0 {
			p.failf("this text does not end")
		}
		t.parts = []string{strings.TrimPrefix(p.src[p.pos:p.pos+n], "\n")}
		p.pos += n + 3
		return t
	}
	p.want("'")
	var b strings.Builder
	for {
		if p.pos == len(p.src) || p.src[p.pos] == '\n' {
			p.failf("this text does not end")
		}
		switch rest := p.src[p.pos:]; {
		case rest[0] == '\'':
			p.pos++
			t.parts = append(t.parts, b.String())
			return t
		case strings.HasPrefix(rest, "${"):
			p.pos += 2
			t.parts = append(t.parts, b.String())
			b.Reset()
			t.exprs = append(t.exprs, p.expr())
			p.want("}")
		case rest[0] == '\\':
			b.WriteString(p.escape())
		default:
			b.WriteByte(rest[0])
			p.pos++
		}
	}
}

var escapes = map[byte]string{'\\': `\`, '\'': "'", 'n': "\n", 'r': "\r", 't': "\t", '$': "$"}

func (p *parser) escape() string {
	if p.pos+1 < len(p.src) {
		if s, ok := escapes[p.src[p.pos+1]]; ok {
			p.pos += 2
			return s
		}
	}
	p.failf("this escape is not known")
	return ""
}

// literal is the text of a plain string, or "".
func literal(e expr) string {
	if t, ok := e.(*text); ok && len(t.exprs) == 0 {
		return t.parts[0]
	}
	return ""
}
