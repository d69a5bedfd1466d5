package rest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/nearest"
	"github.com/sluice-connectors/sluice/handler/scan"
	"github.com/sluice-connectors/sluice/handler/spec"
)

// A step asks with members of a record. A request in which one is missing asks for
// something else, such as for the whole list, and rows would be made of the answer:
// it is not made.

// need is a member of a record that a request has.
type need struct {
	name   string // as in the connector: item.id, items
	path   scan.Path
	header bool // it stands in a header
	whole  bool // it is sent as the value that it is
}

// itemIncomplete is the reason why a record that lacks a member is set aside.
const itemIncomplete = "item_incomplete"

// prepare finds what the requests of a listing need.
func (l *listing) prepare() {
	body := func(x any) { l.visit(x, need{}, true) }
	for _, q := range []map[string]spec.Values{l.req.Query, l.paging.Query} {
		for _, values := range q {
			for _, v := range values {
				l.visit(v, need{}, false)
			}
		}
	}
	for _, h := range []map[string]string{l.req.Headers, l.paging.Headers} {
		for _, v := range h {
			l.visit(v, need{header: true}, false)
		}
	}
	l.visit(l.req.Path, need{}, false)
	l.visit(l.req.URL, need{}, false)
	body(l.req.Body)
	body(l.paging.Body)
	slices.SortFunc(l.needs, func(a, b need) int { return strings.Compare(a.name, b.name) })
}

// visit notes the placeholders in a part of a request; whole, that one which stands by
// itself is sent as the value that it is.
func (l *listing) visit(x any, n need, whole bool) {
	switch x := x.(type) {
	case string:
		for _, g := range spec.Placeholder.FindAllStringSubmatch(x, -1) {
			n.name, n.whole = g[1], whole && g[0] == x && g[1] == "items"
			l.windowed = l.windowed || strings.HasPrefix(n.name, "window.")
			member, ok := strings.CutPrefix(n.name, "item")
			if member == "s" {
				member = ""
			}
			if path, err := scan.ParsePath("$" + member); ok && err == nil && (member == "" || member[0] == '.') {
				n.path = path
				l.needs = append(l.needs, n)
			}
		}
	case map[string]any:
		for _, v := range x {
			l.visit(v, n, whole)
		}
	case []any:
		for _, v := range x {
			l.visit(v, n, whole)
		}
	}
}

// complete is an error when a record that the request is about lacks what it needs.
func (l *listing) complete(sc *scope) error {
	if l.step == nil {
		return nil
	}
	for _, n := range l.needs {
		for _, item := range l.about(sc) {
			if why := n.lacking(item); why != "" {
				return l.ofRecord(l.src.fail(engine.Permanent, itemIncomplete, "", fmt.Errorf("%s %s", n.name, why), 0))
			}
		}
	}
	return nil
}

// about is the record, or the batch, that a step is about.
func (l *listing) about(sc *scope) [][]byte {
	if l.step.Batch == 0 {
		return [][]byte{sc.item}
	}
	var items [][]byte
	for _, item := range sc.items {
		items = append(items, item)
	}
	return items
}

// What is wrong with a member for all records alike is a mistake of the connector.
const (
	notThere = "is not there"
	noText   = "is no text or number"
)

// lacking says what is wrong with the member of a record, "" when it can be asked with.
func (n *need) lacking(item []byte) string {
	why := notThere
	n.path.Select(item, func(start, end int) {
		value := item[start:end]
		switch text := scan.PlainText(value); {
		case scan.KindOf(value[0]) == scan.Null:
			why = "is null"
		case strings.TrimSpace(text) == "":
			why = "is empty"
		case !n.whole && (value[0] == '{' || value[0] == '['):
			why = noText
		case noName(text):
			why = "is " + text + ", which leads to another place"
		case n.header && strings.ContainsFunc(text, unicode.IsControl):
			why = "has a control character"
		default:
			why = ""
		}
	})
	return why
}

// noName reports whether a text in an address would lead to something else than what it
// names.
func noName(text string) bool {
	text = strings.TrimSpace(text)
	return text == "" || text == "." || text == ".."
}

// incomplete is an error when the records of a list lack a member one and all, so that
// it is not the record at place that is at fault.
func (r *Source) incomplete(place []frame) error {
	level := len(place) - 1
	l, items := r.levels[level], r.loaded[level-1].items
	if len(items) < 2 || r.luck[level].had != nil {
		return nil
	}
	for _, n := range l.needs {
		why := n.lacking(items[0])
		if why != notThere && why != noText || slices.ContainsFunc(items, func(item json.RawMessage) bool { return n.lacking(item) != why }) {
			continue
		}
		hint := "the position stays; check the step's request in the connector"
		return r.fail(engine.Permanent, itemIncomplete, hint, fmt.Errorf("%s %s, in none of %d records of the list, and %s needs it%s",
			n.name, why, len(items), l.asks(), nearest.Hint(lastName(n.name), r.names(n, items[0]))), 0)
	}
	return nil
}

// lastName is the member that item.a.b ends with.
func lastName(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }

// names are the members beside the one that is needed.
func (r *Source) names(n need, item []byte) (names []string) {
	place := strings.TrimPrefix(strings.TrimSuffix(n.name, lastName(n.name)), "item")
	path, err := scan.ParsePath("$" + strings.TrimSuffix(place, "."))
	if err != nil {
		return nil
	}
	path.Select(item, func(start, _ int) {
		if item[start] != '{' {
			return
		}
		scan.Children(item, start, func(name []byte, _ int) bool {
			names = append(names, r.foreign(string(scan.AppendUnquoted(nil, name[1:len(name)-1])), 60))
			return true
		})
	})
	return names
}
