package scan

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Path says where values are in JSON text: $ for the whole of it, $.a.b for
// members, $['odd name'], $.list[0], $.list[-1], $.list[1:3], $.list[*], $.map.*,
// $..name at any depth, $.list[?(@.kind == 'x')] for the elements that meet a
// condition (RFC 9535, of which it is the part that APIs need). A Path may be
// shared.
type Path struct {
	steps []pathStep
	text  string
}

type stepKind uint8

const (
	stepKey stepKind = iota
	stepIndex
	stepSlice
	stepAll
	stepFilter
)

type pathStep struct {
	text     string // of the path, from this step on
	kind     stepKind
	deep     bool // at any depth
	list     bool // of stepAll: written [*], so of a list
	key      string
	from, to int
	hasTo    bool
	filter   []condition // all of them
}

// condition is one comparison of a filter; op "" asks for existence.
type condition struct {
	left  Path
	op    string
	right any // string, float64, bool or nil
}

// ParsePath reads a path.
func ParsePath(text string) (Path, error) {
	p := Path{text: text}
	rest, ok := strings.CutPrefix(text, "$")
	if !ok {
		return p, fmt.Errorf("the path %q has to begin with $", text)
	}
	var err error
	if p.steps, rest, err = parseSteps(rest); err == nil && rest != "" {
		err = fmt.Errorf("%q is not understood", rest)
	}
	if err != nil {
		return p, fmt.Errorf("the path %q: %w", text, err)
	}
	return p, nil
}

// String is the path as it was written.
func (p Path) String() string { return p.text }

// Steps returns a path of members and elements as a Tree takes it; ok is false
// for one that may lead to several values, or counts from the end.
func (p Path) Steps() (steps []Step, ok bool) {
	for _, s := range p.steps {
		switch {
		case s.kind == stepKey && !s.deep:
			steps = append(steps, Step{Key: s.key})
		case s.kind == stepIndex && s.from >= 0 && !s.deep:
			steps = append(steps, Step{Index: s.from, IsIndex: true})
		default:
			return nil, false
		}
	}
	return steps, true
}

func parseSteps(text string) (steps []pathStep, rest string, err error) {
	for text != "" {
		s := pathStep{text: text}
		switch {
		case strings.HasPrefix(text, "..["):
			s.deep, text = true, text[2:]
			s, text, err = parseBracket(text, s)
		case strings.HasPrefix(text, ".."):
			s.deep = true
			s, text, err = parseName(text[2:], s)
		case strings.HasPrefix(text, ".["): // as Json.NET takes it
			s, text, err = parseBracket(text[1:], s)
		case text[0] == '.':
			s, text, err = parseName(text[1:], s)
		case text[0] == '[':
			s, text, err = parseBracket(text, s)
		default:
			return steps, text, nil
		}
		if err != nil {
			return nil, text, err
		}
		steps = append(steps, s)
	}
	return steps, text, nil
}

func parseName(text string, s pathStep) (pathStep, string, error) {
	if rest, ok := strings.CutPrefix(text, "*"); ok {
		s.kind = stepAll
		return s, rest, nil
	}
	end := strings.IndexAny(text, ".[ =!<>()&'\"")
	if end < 0 {
		end = len(text)
	}
	if end == 0 {
		return s, text, errors.New("a name is missing after the dot")
	}
	s.key = text[:end]
	return s, text[end:], nil
}

// parseBracket reads [0], [-1], [1:3], [*], ['name'], [?(…)].
func parseBracket(text string, s pathStep) (pathStep, string, error) {
	inner := text[1:]
	switch {
	case strings.HasPrefix(inner, "*]"):
		s.kind, s.list = stepAll, true
		return s, inner[2:], nil
	case strings.HasPrefix(inner, "?"):
		return parseFilter(inner[1:], s)
	case strings.HasPrefix(inner, "'"), strings.HasPrefix(inner, `"`):
		name, rest, err := parseQuoted(inner)
		if err == nil && !strings.HasPrefix(rest, "]") {
			err = errors.New("a ] is missing")
		}
		if err != nil {
			return s, rest, err
		}
		s.key = name
		return s, rest[1:], nil
	}
	inner, rest, ok := strings.Cut(inner, "]")
	if !ok {
		return s, text, errors.New("a ] is missing")
	}
	from, to, slice := strings.Cut(inner, ":")
	number := func(text string) (n int, err error) {
		if text = strings.TrimSpace(text); text != "" {
			if n, err = strconv.Atoi(text); err != nil {
				err = fmt.Errorf("[%s] is no place in a list", inner)
			}
		}
		return n, err
	}
	var err1, err2 error
	s.kind = stepIndex
	s.from, err1 = number(from)
	if slice {
		s.kind, s.hasTo = stepSlice, strings.TrimSpace(to) != ""
		s.to, err2 = number(to)
	} else if strings.TrimSpace(from) == "" {
		err1 = errors.New("[] is empty")
	}
	return s, rest, errors.Join(err1, err2)
}

func parseQuoted(text string) (value, rest string, err error) {
	end := strings.IndexByte(text[1:], text[0])
	if end < 0 {
		return "", text, errors.New("a quote is missing")
	}
	return text[1 : end+1], text[end+2:], nil
}

// parseFilter reads (@.a == 'x' && @.b)], the brackets perhaps left out.
func parseFilter(text string, s pathStep) (pathStep, string, error) {
	s.kind = stepFilter
	text = strings.TrimSpace(text)
	text, paren := strings.CutPrefix(text, "(")
	for {
		c, rest, err := parseCondition(strings.TrimSpace(text))
		if err != nil {
			return s, text, err
		}
		s.filter = append(s.filter, c)
		text = strings.TrimSpace(rest)
		var more bool
		if text, more = strings.CutPrefix(text, "&&"); !more {
			break
		}
	}
	if paren {
		var ok bool
		if text, ok = strings.CutPrefix(text, ")"); !ok {
			return s, text, errors.New("a ) is missing")
		}
	}
	text, ok := strings.CutPrefix(strings.TrimSpace(text), "]")
	if !ok {
		return s, text, errors.New("a ] is missing")
	}
	return s, text, nil
}

func parseCondition(text string) (c condition, rest string, err error) {
	text, ok := strings.CutPrefix(text, "@")
	if !ok {
		return c, text, errors.New("a condition has to begin with @")
	}
	if c.left.steps, text, err = parseSteps(text); err != nil {
		return c, text, err
	}
	if _, single := c.left.Steps(); !single {
		return c, text, errors.New("a condition is about one value")
	}
	text = strings.TrimSpace(text)
	for _, op := range []string{"==", "!=", "<=", ">=", "<", ">"} {
		if rest, ok := strings.CutPrefix(text, op); ok {
			c.op = op
			c.right, rest, err = parseLiteral(strings.TrimSpace(rest))
			return c, rest, err
		}
	}
	return c, text, nil
}

func parseLiteral(text string) (value any, rest string, err error) {
	if strings.HasPrefix(text, "'") || strings.HasPrefix(text, `"`) {
		return parseQuoted(text)
	}
	end := strings.IndexAny(text, " )]&")
	if end < 0 {
		end = len(text)
	}
	word, rest := text[:end], text[end:]
	switch word {
	case "true":
		return true, rest, nil
	case "false":
		return false, rest, nil
	case "null":
		return nil, rest, nil
	}
	f, err := strconv.ParseFloat(word, 64)
	if err != nil {
		return nil, rest, fmt.Errorf("%q is neither a text in quotes nor a number, true, false or null", word)
	}
	return f, rest, nil
}

// Select calls f with where each value of the path stands in src, which is one
// JSON value as Children takes it, in order.
func (p Path) Select(src []byte, f func(start, end int)) {
	if start := Space(src, 0); start < len(src) {
		s := selection{src: src, f: f}
		s.walk(start, p.steps, 0)
	}
}

type selection struct {
	src []byte
	f   func(start, end int)
}

func (s *selection) walk(at int, steps []pathStep, depth int) {
	if depth > MaxDepth {
		return
	}
	if len(steps) == 0 {
		if end, err := Extent(s.src, at); err == nil {
			s.f(at, end)
		}
		return
	}
	step, rest := &steps[0], steps[1:]
	i, n := 0, 0
	if s.src[at] == '[' && (step.from < 0 || step.to < 0) {
		Children(s.src, at, func([]byte, int) bool { n++; return true })
	}
	Children(s.src, at, func(name []byte, child int) bool {
		if step.takes(s.src, name, i, n, child) {
			s.walk(child, rest, depth+1)
		}
		if step.deep {
			s.walk(child, steps, depth+1)
		}
		i++
		return true
	})
}

// takes reports whether a step leads to the i-th child of a container; n is how
// many there are, where that matters.
func (st *pathStep) takes(src, name []byte, i, n, child int) bool {
	switch st.kind {
	case stepAll:
		return true
	case stepKey:
		return name != nil && string(AppendUnquoted(nil, name[1:len(name)-1])) == st.key
	case stepIndex:
		return name == nil && (i == st.from || st.from < 0 && i == n+st.from)
	case stepSlice:
		from, to := st.from, st.to
		if from < 0 {
			from += n
		}
		if to < 0 {
			to += n
		}
		return name == nil && i >= from && (!st.hasTo || i < to)
	}
	for _, c := range st.filter {
		if !c.holds(src[child:]) {
			return false
		}
	}
	return true
}

func (c *condition) holds(src []byte) bool {
	found, result := false, false
	s := selection{src: src, f: func(start, end int) {
		found = true
		result = c.compare(src[start:end])
	}}
	s.walk(0, c.left.steps, 0)
	if !found && c.op == "!=" {
		return c.right != nil
	}
	return found && result
}

func (c *condition) compare(value []byte) bool {
	if c.op == "" {
		return true
	}
	var order int // of value and right
	comparable := true
	switch right := c.right.(type) {
	case string:
		comparable = value[0] == '"'
		if comparable {
			order = strings.Compare(string(AppendUnquoted(nil, value[1:len(value)-1])), right)
		}
	case float64:
		f, err := strconv.ParseFloat(string(value), 64)
		comparable = err == nil
		switch {
		case f < right:
			order = -1
		case f > right:
			order = 1
		}
	default:
		comparable = bytes.Equal(value, fmt.Appendf(nil, "%v", right)) || right == nil && string(value) == "null"
	}
	switch c.op {
	case "==":
		return comparable && order == 0
	case "!=":
		return !comparable || order != 0
	case "<":
		return comparable && order < 0
	case "<=":
		return comparable && order <= 0
	case ">":
		return comparable && order > 0
	}
	return comparable && order >= 0
}

// Children calls f with each member or element of the container at src[at],
// until f returns false: the quoted name, nil in an array, and where the value
// begins. src is valid JSON, or damaged in some values only; of another value there
// are no children. It returns where the container ends, -1 when that was not reached.
func Children(src []byte, at int, f func(name []byte, value int) bool) (end int) {
	if at >= len(src) || src[at] != '[' && src[at] != '{' {
		return -1
	}
	object := src[at] == '{'
	for p := Space(src, at+1); p < len(src); {
		if src[p] == ']' || src[p] == '}' {
			return p + 1
		}
		var name []byte
		var err error
		if object {
			start := p
			if p, err = Extent(src, p); err != nil || p-start < 2 || src[start] != '"' {
				return -1
			}
			name = src[start:p]
			if p = Space(src, p); p >= len(src) || src[p] != ':' {
				return -1
			}
			p = Space(src, p+1)
		}
		value := p
		if p, err = Extent(src, value); err != nil || !f(name, value) {
			return -1
		}
		if p = Space(src, p); p < len(src) && src[p] == ',' {
			p = Space(src, p+1)
		}
	}
	return -1
}

// Extent returns where the value at or after src[p] ends, be it damaged.
func Extent(src []byte, p int) (int, error) {
	end, _, err := Skip(src, p)
	if err != nil {
		if end, ok := SkipDamaged(src, p); ok {
			return end, nil
		}
	}
	return end, err
}
