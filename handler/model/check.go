package model

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/sluice-connectors/sluice/handler/kql"
	"github.com/sluice-connectors/sluice/handler/nearest"
	"github.com/sluice-connectors/sluice/handler/scan"
	"github.com/sluice-connectors/sluice/handler/spec"
)

// Finding is something in a connector that does not agree with its model.
type Finding struct {
	At     string // the place in connector.yaml: streams[0].position.id
	Msg    string
	Narrow bool   // a column is narrower than what it reads: what does not fit is in AdditionalFields
	Table  string // of a column
	Column string
}

// Check holds what a connector reads of its records against what the provider publishes.
func (m *Model) Check(c *spec.Connector) (list []Finding) {
	known := map[string]bool{}
	for i := range c.Streams {
		s := &c.Streams[i]
		if known[s.Name] = true; m.roots[s.Name] == nil {
			list = append(list, Finding{At: fmt.Sprintf("streams[%d].name", i), Msg: "model.yaml has nothing of the stream " + s.Name})
		}
	}
	for name := range m.roots {
		if !known[name] {
			list = append(list, Finding{Msg: "model.yaml has a stream " + name + ", and the connector has none"})
		}
	}
	if len(list) > 0 {
		return list
	}
	for i := range c.Streams {
		list = append(list, m.position(c, i)...)
	}
	for i := range c.Tables {
		list = append(list, m.table(c, i)...)
	}
	return list
}

// position checks what a stream's id and time read.
func (m *Model) position(c *spec.Connector, i int) (list []Finding) {
	s := &c.Streams[i]
	for _, of := range []struct{ key, kql string }{{"id", s.Position.ID}, {"time", s.Position.Time}} {
		for _, path := range reads(c, of.kql, nil) {
			if msg := unknown(path, []*node{m.roots[s.Name]}, s.Name); msg != "" {
				list = append(list, Finding{At: fmt.Sprintf("streams[%d].position.%s", i, of.key), Msg: msg})
			}
		}
	}
	return list
}

// table checks what a table's columns and filter read, of the streams that feed it.
func (m *Model) table(c *spec.Connector, i int) (list []Finding) {
	t := &c.Tables[i]
	roots, names := m.feeding(c, t.Name)
	for _, path := range reads(c, t.Where, t.Let) {
		if msg := unknown(path, roots, names); msg != "" {
			list = append(list, Finding{At: fmt.Sprintf("tables[%d].where", i), Msg: msg, Table: t.Name})
		}
	}
	for j, col := range t.Columns {
		paths := reads(c, col.KQL, t.Let)
		f := Finding{At: fmt.Sprintf("tables[%d].columns[%d].kql", i, j), Table: t.Name, Column: col.Name}
		for _, path := range paths {
			if f.Msg = unknown(path, roots, names); f.Msg != "" {
				list = append(list, f)
			}
		}
		if len(paths) == 1 && f.Msg == "" {
			if f.Msg = narrower(col.Type, paths[0], roots); f.Msg != "" {
				f.Narrow = true
				list = append(list, f)
			}
		}
	}
	return list
}

// feeding are the records that go to a table, and the names of their streams.
func (m *Model) feeding(c *spec.Connector, table string) (roots []*node, names string) {
	var list []string
	for _, s := range c.Streams {
		if s.Table == table {
			roots, list = append(roots, m.roots[s.Name]), append(list, s.Name)
		}
	}
	return roots, strings.Join(list, ", ")
}

var word = regexp.MustCompile(`\w+`)

// reads are the paths that an expression looks up in a record; none of one that is wrong,
// which has been said.
func reads(c *spec.Connector, text string, let spec.Lets) [][]scan.Step {
	if text == "" {
		return nil
	}
	q := kql.TableQuery{Columns: []kql.Named{{Name: "x", KQL: text}}}
	for _, l := range slices.Backward(let) { // each may use those before it
		if slices.Contains(word.FindAllString(text, -1), l.Name) {
			q.Let, text = append(q.Let, kql.Named(l)), text+" "+l.KQL
		}
	}
	slices.Reverse(q.Let)
	p, err := kql.CompileTable(q, kql.Options{Constants: c.Constants("", "", nil)})
	if err != nil {
		return nil
	}
	return p.Paths()
}

// unknown says that no record has a member, or "".
func unknown(path []scan.Step, roots []*node, of string) string {
	var step string
	var known []string
	for _, root := range roots {
		found, s, k := root.find(path)
		if found != nil {
			return ""
		}
		step, known = s, append(known, k...)
	}
	slices.Sort(known)
	return fmt.Sprintf("%s reads what %s does not have%s", kql.PathText(path), of, nearest.Hint(step, slices.Compact(known)))
}

// wider are, by the type of a column, types of members of which it does not hold all values.
var wider = map[string][]string{
	"int":      {"long", "real", "string", "dynamic", "long-text", "real-text", "datetime", "guid", "list"},
	"long":     {"real", "string", "dynamic", "real-text", "datetime", "guid", "list"},
	"real":     {"string", "dynamic", "datetime", "guid", "list"},
	"bool":     {"string", "dynamic", "datetime", "guid", "list"},
	"datetime": {"list", "guid", "long", "int", "real"}, // a number is no time as it stands
	"guid":     {"list"},
}

// narrower says that a column cannot hold all that its member can be, or "".
func narrower(column string, path []scan.Step, roots []*node) string {
	for _, root := range roots {
		n, _, _ := root.find(path)
		if n == nil {
			continue
		}
		typ := n.typ
		if n.elem != nil {
			typ = "list"
		}
		if slices.Contains(wider[column], typ) {
			return fmt.Sprintf("the column is %s, and %s is %s", column, kql.PathText(path), typ)
		}
	}
	return ""
}

// Unread are the members of a table's records that no column reads, by their paths; they
// are in AdditionalFields.
func (m *Model) Unread(c *spec.Connector, t *spec.Table) (list []string) {
	var read [][]scan.Step
	for _, col := range t.Columns {
		read = append(read, reads(c, col.KQL, t.Let)...)
	}
	roots, _ := m.feeding(c, t.Name)
	for _, root := range roots {
		root.leaves(nil, func(path []scan.Step, _ *node) {
			if !slices.ContainsFunc(read, func(r []scan.Step) bool { return covers(r, path) }) {
				list = append(list, kql.PathText(path))
			}
		})
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// covers reports whether what is read has a member in it.
func covers(read, path []scan.Step) bool {
	if len(read) > len(path) {
		return slices.EqualFunc(read[:len(path)], path, same) // it reads into what is published as one
	}
	return slices.EqualFunc(read, path[:len(read)], same)
}

func same(a, b scan.Step) bool {
	return a.IsIndex && b.IsIndex || a.Key == b.Key && a.IsIndex == b.IsIndex || b.Key == anyStep
}
