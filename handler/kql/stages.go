package kql

import (
	"fmt"
	"slices"
	"strings"
)

// segment is a run of operators that keep one row one row.
type segment struct {
	filters []func(*Runner) Value
	expand  *expansion // what ends the segment; nil: the row is done
}

// stage compiles one operator: it changes the columns or adds a filter.
func (c *compiler) stage(s *stage, p *Program) error {
	outer := c.reads
	c.reads = new([]int) // what a filter reads is in no column
	defer func() { c.reads = outer }()
	if op := operators[s.word]; !c.dialect.available(op.in) {
		return c.errorf(s.pos, "%s", c.dialect.refuse("the operator", s.word))
	}
	switch s.op {
	case "where":
		k, err := c.expr(s.cond)
		if err != nil {
			return err
		}
		return c.filter(p, k, s.cond.position())
	case "extend", "project":
		items, err := c.items(s)
		if err != nil {
			return err
		}
		if s.op == "extend" {
			items = replaceColumns(c.cols, items)
		} else {
			c.open = false
		}
		c.cols = items
	case "project-rename":
		return c.rename(s)
	case "project-away", "project-keep":
		return c.keepColumns(s)
	case "parse", "parse-where":
		return c.parse(s, p)
	case "parse-kv":
		return c.parseKV(s)
	case "mv-expand":
		return c.mvExpand(s, p)
	}
	return nil
}

// filter adds a condition to the last segment.
func (c *compiler) filter(p *Program, k code, pos int) error {
	if k.typ != Bool {
		return c.errorf(pos, "a filter is a bool, not a %s%s", k.typ, converter(kindBool, k.typ))
	}
	last := &p.segments[len(p.segments)-1]
	last.filters = append(last.filters, c.run(k).eval)
	return nil
}

// items compiles "a = x, …"; all see the columns as they were before.
func (c *compiler) items(s *stage) ([]bound, error) {
	var cols []bound
	n := namer{op: s.op, taken: map[string]bool{}}
	for _, it := range s.items {
		if it.name != "" && s.op != "extend" && n.taken[it.name] {
			return nil, c.errorf(it.pos, "there are two columns with the name %s", it.name)
		}
		n.taken[it.name] = it.name != ""
	}
	for i, it := range s.items {
		k, err := c.item(it.x)
		if err != nil {
			return nil, err
		}
		parts, names := c.parts(it, k)
		if len(names) < len(it.names) {
			return nil, c.errorf(it.pos, "there are %d names for %d values", len(it.names), len(parts))
		}
		for j, part := range parts {
			one := it
			if one.name = names[j]; one.name != "" && j >= len(it.names) && it.name == "" {
				one.name = n.unique(one.name)
			}
			cols = append(cols, bound{name: n.name(one, i), code: c.register(part), text: exprString(it.x)})
			if s.op == "project" && slices.ContainsFunc(cols[:len(cols)-1], func(b bound) bool { return b.name == cols[len(cols)-1].name }) {
				return nil, c.errorf(it.pos, "there are two columns with the name %s", cols[len(cols)-1].name)
			}
		}
	}
	return cols, nil
}

// parts are the columns that an item makes and their names, "" where the item
// does not tell: one, or as many as a function such as array_sort_asc sorts.
func (c *compiler) parts(it named, k code) (parts []code, names []string) {
	x, isCall := it.x.(*call)
	if k.tuple == nil || !isCall || c.lets.function(x.fn) != nil {
		return []code{k}, append(slices.Clone(it.names), it.name)[:1]
	}
	for j, part := range k.tuple {
		name := argumentName(x.args[j]) + "_sorted"
		switch {
		case j < len(it.names):
			name = it.names[j]
		case j == 0 && it.name != "":
			name = it.name
		}
		part.reads = k.reads
		parts, names = append(parts, part), append(names, name)
	}
	return parts, names
}

// item compiles an item. One that only gives a column another name, or the
// same, is no use of it yet.
func (c *compiler) item(x expr) (code, error) {
	k, err := c.apart(func() (code, error) { return c.expr(x) })
	if _, move := x.(*name); move && k.memo != nil {
		k.memo.uses--
	}
	return k, err
}

// namer gives items without a name the ones that Kusto gives them.
type namer struct {
	op    string
	taken map[string]bool
	auto  int
}

func (n *namer) name(it named, i int) string {
	if it.name != "" {
		return it.name
	}
	if n.op == "print" {
		return fmt.Sprintf("print_%d", i)
	}
	id := argumentName(it.x)
	if id == "" {
		n.auto++
		return n.unique(fmt.Sprintf("Column%d", n.auto))
	}
	if _, plain := it.x.(*name); plain || n.op == "extend" {
		n.taken[id] = true
		return id
	}
	return n.unique(id)
}

// unique makes a name that no other item has.
func (n *namer) unique(id string) string {
	out := id
	for i := 1; n.taken[out]; i++ {
		out = fmt.Sprintf("%s%d", id, i)
	}
	n.taken[out] = true
	return out
}

// argumentName is the name that an expression lends to a column, or "".
func argumentName(x expr) string {
	switch x := x.(type) {
	case *name:
		return x.id
	case *member:
		if base := argumentName(x.x); base != "" {
			return base + "_" + x.key
		}
	case *index:
		if base := argumentName(x.x); base != "" {
			if l, ok := x.i.(*literal); ok {
				return base + "_" + string(appendText(nil, l.val.typ, l.val.val))
			}
			return base + "_"
		}
	case *call:
		return callName(x)
	}
	return ""
}

func callName(x *call) string {
	f := functions[x.fn]
	if f == nil || len(x.args) == 0 {
		return ""
	}
	base := argumentName(x.args[0])
	if l, ok := x.args[0].(*literal); ok && f.naming == nameValue {
		return string(l.val.val.S)
	}
	switch {
	case f.naming == nameTypePrefix && base != "":
		return f.prefix + "_" + base
	case f.naming == nameSorted && base != "":
		return base + "_sorted"
	case f.naming == nameBoth && base != "":
		return f.name + "_" + base
	case f.naming == nameArgument, f.naming == nameOnly && len(x.args) == 1:
		return base
	}
	return ""
}

func replaceColumns(cols, items []bound) []bound {
	out := slices.Clone(cols)
	for _, it := range items {
		if i := slices.IndexFunc(out, func(b bound) bool { return b.name == it.name }); i >= 0 {
			out[i] = it
		} else {
			out = append(out, it)
		}
	}
	return out
}

func (c *compiler) rename(s *stage) error {
	out := slices.Clone(c.cols)
	for _, it := range s.items {
		from, ok := it.x.(*name)
		if !ok || it.name == "" {
			return c.errorf(it.pos, "project-rename takes New = Old")
		}
		k, ok := c.column(from.id)
		if !ok {
			return c.noColumn(from.pos, from.id)
		}
		b := bound{name: it.name, code: k, text: quoteName(from.id)}
		if i := slices.IndexFunc(out, func(b bound) bool { return b.name == from.id }); i >= 0 {
			out[i] = b
		} else { // a column of the open record: its old name is no more
			out = append(out, b, bound{name: from.id, hidden: true})
		}
	}
	for i, b := range out {
		if slices.ContainsFunc(out[:i], func(o bound) bool { return o.name == b.name && !o.hidden && !b.hidden }) {
			return c.errorf(s.pos, "there are two columns with the name %s", b.name)
		}
	}
	c.cols = out
	return nil
}

// keepColumns compiles project-away and project-keep.
func (c *compiler) keepColumns(s *stage) error {
	for _, it := range s.items {
		if strings.Contains(it.name, "*") {
			if !c.open && !slices.ContainsFunc(c.cols, func(b bound) bool { return like(b.name, it.name) }) {
				return c.errorf(it.pos, "there is no column that fits %s", it.name)
			}
			continue
		}
		if _, ok := c.column(it.name); !ok {
			return c.noColumn(it.pos, it.name)
		}
	}
	if c.open {
		for _, it := range s.items {
			if s.op == "project-away" {
				if strings.Contains(it.name, "*") {
					return c.errorf(it.pos, "a pattern needs declared columns: the record's members are not known before it comes")
				}
				c.cols = replaceColumns(c.cols, []bound{{name: it.name, hidden: true}})
			} else if !slices.ContainsFunc(c.cols, func(b bound) bool { return b.name == it.name }) {
				k, _ := c.column(it.name)
				c.cols = append(c.cols, bound{name: it.name, code: k, text: quoteName(it.name)})
			}
		}
		if s.op == "project-away" {
			return nil
		}
		c.open = false
	}
	c.cols = slices.DeleteFunc(slices.Clone(c.cols), func(b bound) bool {
		fits := slices.ContainsFunc(s.items, func(it named) bool { return like(b.name, it.name) })
		return fits == (s.op == "project-away")
	})
	return nil
}

// like reports whether a name fits a pattern, in which * stands for anything.
func like(s, pattern string) bool {
	pieces := strings.Split(pattern, "*")
	if len(pieces) == 1 {
		return s == pattern
	}
	first, last := pieces[0], pieces[len(pieces)-1]
	if !strings.HasPrefix(s, first) {
		return false
	}
	s = s[len(first):]
	for _, piece := range pieces[1 : len(pieces)-1] {
		i := strings.Index(s, piece)
		if i < 0 {
			return false
		}
		s = s[i+len(piece):]
	}
	return strings.HasSuffix(s, last)
}
