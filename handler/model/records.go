package model

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/sluice-connectors/sluice/handler/scan"
	"github.com/sluice-connectors/sluice/handler/spec"
)

// most is how many records are made of a stream at most: one for each member that it may
// lack, and one for each value of the one that has most.
const mostValues = 64

// Records are records of a stream as its provider may send them: every member filled, with
// each of its values in turn; lists with none, one and two elements; and each of those that
// need not be there absent once. f is called with each and the path that is absent.
func (m *Model) Records(stream string, needed map[string]bool, f func(rec []byte, absent string)) {
	root := m.roots[stream]
	values := 1
	var paths []string
	root.each("", func(path string, n *node) {
		paths = append(paths, path)
		values = max(values, min(len(n.values), mostValues))
	})
	for turn := range values {
		f(root.record(&form{turn: turn, elems: 1}), "")
	}
	for _, elems := range []int{0, 2} {
		f(root.record(&form{elems: elems}), "")
	}
	for _, path := range paths {
		if !needed[path] {
			f(root.record(&form{elems: 1, absent: path}), path)
		}
	}
}

// form is how a record is made.
type form struct {
	turn   int    // which of a member's values
	elems  int    // how many elements lists have
	absent string // the path of a member that is not there
}

// each calls f with each member, by its path from at on.
func (n *node) each(at string, f func(path string, n *node)) {
	for _, name := range slices.Sorted(maps.Keys(n.keys)) {
		path := at + "." + name
		f(path, n.keys[name])
		n.keys[name].each(path, f)
	}
	if n.elem != nil {
		n.elem.each(at+elemStep, f)
	}
	if n.any != nil {
		n.any.each(at+"."+anyStep, f)
	}
}

func (n *node) record(how *form) []byte { return n.append(nil, "", how) }

func (n *node) append(dst []byte, at string, how *form) []byte {
	switch {
	case n.elem != nil:
		dst = append(dst, '[')
		for i := range how.elems {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = n.elem.append(dst, at+elemStep, how)
		}
		return append(dst, ']')
	case len(n.keys) > 0 || n.any != nil:
		return n.object(dst, at, how)
	case len(n.values) > 0:
		return append(dst, n.values[how.turn%len(n.values)]...)
	}
	return append(dst, types[n.typ]...)
}

func (n *node) object(dst []byte, at string, how *form) []byte {
	dst = append(dst, '{')
	first := true
	member := func(name, path string, n *node) {
		if path == how.absent {
			return
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(scan.AppendQuoted(dst, name), ':')
		dst = n.append(dst, path, how)
	}
	for _, name := range slices.Sorted(maps.Keys(n.keys)) {
		member(name, at+"."+name, n.keys[name])
	}
	if n.any != nil {
		member("member", at+"."+anyStep, n.any)
	}
	return append(dst, '}')
}

// Sample is what a column of a table may hold, with all members filled; nil of one that is
// made of several members, or of none.
func (m *Model) Sample(c *spec.Connector, t *spec.Table, column string) json.RawMessage {
	i := slices.IndexFunc(t.Columns, func(col spec.Column) bool { return col.Name == column })
	if i < 0 {
		return nil
	}
	paths := reads(c, t.Columns[i].KQL, t.Let)
	if len(paths) != 1 {
		return nil
	}
	roots, _ := m.feeding(c, t.Name)
	for _, root := range roots {
		if n, _, _ := root.find(paths[0]); n != nil {
			return n.record(&form{elems: 1})
		}
	}
	return nil
}
