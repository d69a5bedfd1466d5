package kql

import (
	"fmt"
	"slices"
	"strings"
)

// TransformKQL writes the query as one text, as it may stand in a data
// collection rule: constants as let statements, helpers that read the record
// as extend, then the filter and the columns in the types of table. members
// are the record's members that it reads, each a column of type dynamic.
func (t TableQuery) TransformKQL(table []Column) (text string, members []string, err error) {
	c := newCompiler("", Options{})
	var b strings.Builder
	var helpers, columns []string
	one := func(text string) (code, error) {
		k, err := c.parsed(text)
		if err != nil {
			return k, err
		}
		return c.run(k), nil // its paths are in the tree now
	}
	for _, l := range t.Let {
		k, err := one(l.KQL)
		if err != nil {
			return "", nil, fmt.Errorf("let %s: %w", l.Name, err)
		}
		c.lets.names[l.Name] = k
		if k.konst {
			fmt.Fprintf(&b, "let %s = %s;\n", quoteName(l.Name), l.KQL)
		} else {
			helpers = append(helpers, "| extend "+quoteName(l.Name)+" = "+l.KQL)
		}
	}
	lines := append([]string{"source"}, helpers...)
	if t.Where != "" {
		if _, err := one(t.Where); err != nil {
			return "", nil, fmt.Errorf("where: %w", err)
		}
		lines = append(lines, "| where "+t.Where)
	}
	for _, n := range t.Columns {
		k, err := one(n.KQL)
		if err != nil {
			return "", nil, fmt.Errorf("column %s: %w", n.Name, err)
		}
		columns = append(columns, "    "+quoteName(n.Name)+" = "+converted(n, k.typ, table))
	}
	lines = append(lines, "| project\n"+strings.Join(columns, ",\n"))
	members = c.tree.RootKeys()
	slices.Sort(members)
	return b.String() + strings.Join(lines, "\n") + "\n", members, nil
}

// converted is the expression of a column in the type that the table wants.
func converted(n Named, t Type, table []Column) string {
	i := slices.IndexFunc(table, func(col Column) bool { return col.Name == n.Name })
	if i < 0 || table[i].Type == t {
		return n.KQL
	}
	to := "to" + table[i].Type.String()
	if table[i].Type == Dynamic {
		to = "todynamic"
	}
	return to + "(" + n.KQL + ")"
}
