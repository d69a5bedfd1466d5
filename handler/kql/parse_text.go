package kql

import (
	"bytes"
	"regexp"
	"strings"
)

// The operators that take texts apart: parse, parse-where and parse-kv.

// extraction fills registers with what was found in a text, once for each row.
type extraction struct {
	text  func(*Runner) Value
	found int // the register that says whether the text fits
	cols  []column
	regs  []int
	// match calls set for the columns that it finds, and reports whether the
	// text fits. A value that cannot be converted is null; unless relaxed, then
	// nothing is found.
	match   func(m *Runner, text []byte, set func(col int, value []byte)) bool
	relaxed bool
}

// extract adds the columns that e fills.
func (c *compiler) extract(e *extraction) {
	reads := *c.reads // by the text
	e.found = c.newRegister()
	var cols []bound
	for _, col := range e.cols {
		r := c.newRegister()
		e.regs = append(e.regs, r)
		cols = append(cols, bound{name: col.name, text: quoteName(col.name), code: code{typ: col.typ, reads: reads, eval: func(m *Runner) Value {
			e.run(m)
			m.odd = m.odd || m.regOdd[r]
			return m.regs[r]
		}}})
	}
	c.cols = replaceColumns(c.cols, cols)
}

func (e *extraction) run(m *Runner) bool {
	if m.regAt[e.found] == m.epoch {
		return m.regs[e.found].OK
	}
	text := e.text(m).S
	for _, r := range e.regs {
		m.regs[r], m.regOdd[r] = null, false
	}
	before, fits := m.odd, true
	found := e.match(m, text, func(i int, value []byte) {
		m.odd = false
		m.regs[e.regs[i]] = m.convert(bytesValue(value), String, e.cols[i].typ)
		m.regOdd[e.regs[i]] = m.odd
		fits = fits && m.regs[e.regs[i]].OK
	})
	m.odd = before
	if found = found && (fits || e.relaxed); !found {
		for _, r := range e.regs {
			m.regs[r] = null
		}
	}
	m.regs[e.found] = Value{OK: found}
	m.regAt[e.found] = m.epoch
	return found
}

// parse compiles parse and parse-where.
func (c *compiler) parse(s *stage, p *Program) error {
	k, err := c.expr(s.cond)
	if err != nil {
		return err
	}
	if k.typ != String && k.typ != Dynamic {
		return c.errorf(s.cond.position(), "%s takes a text, not a %s: write tostring(…)", s.op, k.typ)
	}
	e := &extraction{text: c.run(c.cast(k, String)).eval}
	for _, pt := range s.parse.parts {
		if pt.col.name != "" {
			e.cols = append(e.cols, pt.col)
		}
	}
	if c.dialect == DCRDialect && len(e.cols) > dcrMaxParse {
		return c.errorf(s.pos, "a parse of a data collection rule makes at most %d columns, not %d", dcrMaxParse, len(e.cols))
	}
	switch kind := s.with["kind"]; kind.value {
	case "", "simple", "relaxed":
		if f, ok := s.with["flags"]; ok {
			return c.errorf(f.pos, "flags go with kind=regex")
		}
		e.relaxed = kind.value == "relaxed"
		if err := c.checkPattern(s.parse); err != nil {
			return err
		}
		e.match = func(_ *Runner, text []byte, set func(int, []byte)) bool { return s.parse.match(text, e.cols, set) }
	case "regex":
		re, err := c.parseRegex(s)
		if err != nil {
			return err
		}
		e.match = func(_ *Runner, text []byte, set func(int, []byte)) bool {
			loc := re.re.FindSubmatchIndex(text)
			for i, g := range re.groups {
				if loc != nil && loc[2*g] >= 0 {
					set(i, text[loc[2*g]:loc[2*g+1]])
				}
			}
			return loc != nil
		}
	default:
		return c.errorf(kind.pos, "kind is simple, relaxed or regex, not %s", kind.value)
	}
	c.extract(e)
	if s.op == "parse-where" {
		last := &p.segments[len(p.segments)-1]
		last.filters = append(last.filters, func(m *Runner) Value { return boolValue(e.run(m)) })
	}
	return nil
}

// grouped is a regular expression and the numbers of the groups that are columns.
type grouped struct {
	re     *regexp.Regexp
	groups []int
}

// parseRegex makes one expression of the pattern: texts are expressions, and
// columns and * stand for anything.
func (c *compiler) parseRegex(s *stage) (*grouped, error) {
	g := &grouped{}
	var b strings.Builder
	b.WriteString("(?s" + s.with["flags"].value + ")^")
	n := 0
	for _, pt := range s.parse.parts {
		switch {
		case pt.star:
			b.WriteString(".*")
		case pt.col.name == "":
			re, err := regexp.Compile(pt.text)
			if err != nil {
				return nil, c.errorf(pt.pos, "%v", err)
			}
			n += re.NumSubexp()
			b.WriteString("(?:" + pt.text + ")")
		default:
			n++
			g.groups = append(g.groups, n)
			b.WriteString("(" + typePattern(pt.col.typ) + ")")
		}
	}
	var err error
	if g.re, err = regexp.Compile(b.String() + "$"); err != nil {
		return nil, c.errorf(s.pos, "%v", err)
	}
	return g, nil
}

func typePattern(t Type) string {
	switch t {
	case Int, Long:
		return `-?\d+`
	case Real, Decimal:
		return `-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?`
	}
	return ".*"
}

// checkPattern refuses patterns in which nothing says where a column ends.
func (c *compiler) checkPattern(p *pattern) error {
	for i, pt := range p.parts {
		if i == 0 {
			continue
		}
		before := p.parts[i-1]
		switch isCol := pt.col.name != ""; {
		case pt.star && before.star:
			return c.errorf(pt.pos, "one * is enough")
		case isCol && before.star, isCol && before.col.name != "" && !isNumber(before.col.typ):
			return c.errorf(pt.pos, "nothing says where %s begins: put a text before it", pt.col.name)
		}
	}
	return nil
}

// match finds the columns of a pattern by looking for its texts one after the
// other. The pattern has to fit the whole text.
func (p *pattern) match(text []byte, cols []column, set func(int, []byte)) bool {
	pos, col, n := 0, -1, 0 // col: the column that began at pos; -2: a *
	for i, pt := range p.parts {
		switch {
		case pt.star && col >= 0: // a number ends where its digits do
			end := pos + numberLength(text[pos:])
			if !isNumber(cols[col].typ) {
				end = pos
			}
			set(col, text[pos:end])
			pos, col = end, -2
		case pt.star:
			col = -2
		case pt.col.name != "":
			if col >= 0 {
				end := pos + numberLength(text[pos:])
				set(col, text[pos:end])
				pos = end
			}
			col = n
			n++
		default:
			at := findPiece(text[pos:], []byte(pt.text), col == -1, i == len(p.parts)-1)
			if at < 0 {
				return false
			}
			if col >= 0 {
				set(col, text[pos:pos+at])
			}
			pos, col = pos+at+len(pt.text), -1
		}
	}
	if col >= 0 {
		set(col, text[pos:])
	}
	return col != -1 || pos == len(text)
}

// findPiece finds a piece of a pattern: here, at the end, or the first one.
func findPiece(text, piece []byte, here, last bool) int {
	switch {
	case here && !bytes.HasPrefix(text, piece), last && !bytes.HasSuffix(text, piece):
		return -1
	case here && last && len(text) != len(piece):
		return -1
	case here:
		return 0
	case last:
		return len(text) - len(piece)
	}
	return bytes.Index(text, piece)
}

// numberLength is how much of text is a number, with a fraction or without.
func numberLength(text []byte) int {
	n := 0
	if n < len(text) && text[n] == '-' {
		n++
	}
	from := n
	for n < len(text) && '0' <= text[n] && text[n] <= '9' {
		n++
	}
	if n == from {
		return 0
	}
	if n+1 < len(text) && text[n] == '.' && '0' <= text[n+1] && text[n+1] <= '9' {
		for n++; n < len(text) && '0' <= text[n] && text[n] <= '9'; n++ {
		}
	}
	return n
}

// parseKV compiles parse-kv.
func (c *compiler) parseKV(s *stage) error {
	k, err := c.expr(s.cond)
	if err != nil {
		return err
	}
	if k.typ != String && k.typ != Dynamic {
		return c.errorf(s.cond.position(), "parse-kv takes a text, not a %s: write tostring(…)", k.typ)
	}
	e := &extraction{text: c.run(c.cast(k, String)).eval, cols: s.cols, relaxed: true}
	kv := &pairs{pair: " ", delim: "=", index: map[string]int{}, greedy: s.with["greedy"].value == "true"}
	for i, col := range s.cols {
		kv.index[col.name] = i
	}
	for key, opt := range s.with {
		switch key {
		case "pair_delimiter":
			kv.pair = opt.value
		case "kv_delimiter":
			kv.delim = opt.value
		case "quote":
			q := []rune(opt.value)
			if len(q) != 1 && len(q) != 2 {
				return c.errorf(opt.pos, "quote is one character, or an opening and a closing one")
			}
			kv.open, kv.close = string(q[0]), string(q[len(q)-1])
		case "escape":
			kv.escape = opt.value
		case "regex":
			if kv.regex, err = regexp.Compile(opt.value); err == nil && kv.regex.NumSubexp() != 2 {
				return c.errorf(opt.pos, "the regular expression needs two groups, one for the key and one for the value")
			}
			if err != nil {
				return c.errorf(opt.pos, "%v", err)
			}
		}
	}
	_, hasPair := s.with["pair_delimiter"]
	_, hasDelim := s.with["kv_delimiter"]
	kv.anything = !hasPair && !hasDelim && kv.regex == nil
	if kv.pair == "" || kv.delim == "" {
		return c.errorf(s.pos, "pair_delimiter and kv_delimiter cannot be empty")
	}
	e.match = kv.match
	c.extract(e)
	return nil
}

// pairs is how parse-kv finds keys and values.
type pairs struct {
	pair, delim string
	open, close string // quotes; "" for none
	escape      string
	anything    bool // whatever is no letter or digit separates
	greedy      bool // a value goes on until the last delimiter before the next key
	regex       *regexp.Regexp
	index       map[string]int
}

func (p *pairs) match(m *Runner, text []byte, set func(int, []byte)) bool {
	seen := make([]bool, len(p.index))
	put := func(key, value []byte) {
		if i, ok := p.index[string(key)]; ok && !seen[i] { // the first one counts
			seen[i] = true
			set(i, value)
		}
	}
	if p.regex != nil {
		found := p.regex.FindAllSubmatch(text, maxFound+1)
		for _, g := range found {
			put(g[1], g[2])
		}
		m.odd = m.odd || len(found) > maxFound
		return len(found) <= maxFound
	}
	if p.anything {
		words := bytes.FieldsFunc(text, func(r rune) bool { return !isTermRune(r) && r != '_' })
		for i := 0; i+1 < len(words); i++ {
			put(words[i], words[i+1])
		}
		return true
	}
	for len(text) > 0 {
		var key, value []byte
		var quoted bool
		if key, text, quoted = p.token(m, text, p.delim); text == nil {
			break
		}
		if i := bytes.LastIndex(key, []byte(p.pair)); i >= 0 && !quoted {
			key = key[i+len(p.pair):] // a piece without a value came before it
		}
		if !quoted {
			key = bytes.TrimSpace(key)
		}
		value, text = p.value(m, text)
		put(key, value)
	}
	return true
}

func (p *pairs) quoted(s []byte) bool { return p.open != "" && bytes.HasPrefix(s, []byte(p.open)) }

// token reads up to a delimiter, or a text in quotes and the delimiter after
// it. rest is nil where there is no delimiter any more.
func (p *pairs) token(m *Runner, text []byte, delim string) (tok, rest []byte, quoted bool) {
	if s := bytes.TrimLeft(text, " \t"); p.quoted(s) {
		if inner, after, ok := p.unquote(m, s); ok {
			_, rest, found := bytes.Cut(after, []byte(delim))
			if !found {
				rest = nil
			}
			return inner, rest, true
		}
	}
	tok, rest, found := bytes.Cut(text, []byte(delim))
	if !found {
		rest = nil
	}
	return tok, rest, false
}

// unquote reads a text in quotes.
func (p *pairs) unquote(m *Runner, s []byte) (inner, after []byte, ok bool) {
	var out []byte
	escaped := false
	for i := len(p.open); i < len(s); {
		switch rest := s[i:]; {
		case p.escape != "" && bytes.HasPrefix(rest, []byte(p.escape)) && len(rest) > len(p.escape):
			if !escaped {
				out = append(out, s[len(p.open):i]...)
			}
			out = append(out, rest[len(p.escape)])
			i += len(p.escape) + 1
			escaped = true
		case bytes.HasPrefix(rest, []byte(p.close)):
			if !escaped {
				return s[len(p.open):i], rest[len(p.close):], true
			}
			return m.keep(out), rest[len(p.close):], true
		default:
			if escaped {
				out = append(out, s[i])
			}
			i++
		}
	}
	return nil, nil, false
}

// value reads the value after a key.
func (p *pairs) value(m *Runner, text []byte) (value, rest []byte) {
	if s := bytes.TrimLeft(text, " \t"); p.quoted(s) {
		value, rest, _ = p.token(m, text, p.pair)
		return value, rest
	}
	if p.greedy {
		next := bytes.Index(text, []byte(p.delim))
		if next < 0 {
			return bytes.TrimSpace(text), nil
		}
		end := bytes.LastIndex(text[:next], []byte(p.pair))
		if end < 0 {
			end = next
		}
		return bytes.TrimSpace(text[:end]), text[min(end+len(p.pair), len(text)):]
	}
	value, rest, _ = p.token(m, text, p.pair)
	return bytes.TrimSpace(value), rest
}
