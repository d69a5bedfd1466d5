package rest

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/scan"
	"github.com/sluice-connectors/sluice/handler/spec"
)

// scope is what the placeholders of a request stand for.
type scope struct {
	settings map[string]string
	window   engine.Window
	values   map[string]any    // page.token, page.size, part, job: texts and numbers
	item     []byte            // {item}, {item.id}: the record that a step is about
	items    []json.RawMessage // {items}
}

// with is the scope with one value more.
func (s *scope) with(name string, value any) *scope {
	inner := *s
	inner.values = map[string]any{name: value}
	for k, v := range s.values {
		if k != name {
			inner.values[k] = v
		}
	}
	return &inner
}

// value is what one placeholder stands for; a text, a json.Number, or a list.
func (s *scope) value(name, format string) any {
	switch name {
	case "window.from":
		return spec.FormatTime(s.window.From, format)
	case "window.to":
		return spec.FormatTime(s.window.To, format)
	case "items":
		return s.items
	}
	if path, ok := strings.CutPrefix(name, "item"); ok && s.item != nil && (path == "" || path[0] == '.') {
		return memberText(s.item, path)
	}
	if v, ok := s.values[name]; ok {
		return v
	}
	return s.settings[name]
}

// memberText is a member of a record as a text, the record itself for "".
func memberText(item []byte, path string) string {
	p, err := scan.ParsePath("$" + path)
	if err != nil {
		return ""
	}
	text := ""
	p.Select(item, func(start, end int) { text = scan.PlainText(item[start:end]) })
	return text
}

// expand puts what placeholders stand for into a text.
func (s *scope) expand(text string) string {
	return spec.Expand(text, func(name, format string) string {
		switch v := s.value(name, format).(type) {
		case string:
			return v
		case []json.RawMessage:
			var parts []string
			for _, item := range v {
				parts = append(parts, scan.PlainText(item))
			}
			return strings.Join(parts, ",")
		default:
			return fmt.Sprint(v)
		}
	})
}

// tree expands the texts of a YAML tree. A text that is one placeholder and
// nothing else becomes what that stands for: a number, or a list. Numbers are
// times in unix formats, sizes and counted pages.
func (s *scope) tree(x any) any {
	switch x := x.(type) {
	case string:
		if g := spec.Placeholder.FindStringSubmatch(x); g != nil && g[0] == x {
			v := s.value(g[1], g[2])
			if text, ok := v.(string); ok && strings.HasPrefix(g[1], "window.") && strings.HasPrefix(g[2], "unix") {
				return json.Number(text)
			}
			return v
		}
		return s.expand(x)
	case map[string]any:
		out := make(map[string]any, len(x))
		for k, v := range x {
			out[k] = s.tree(v)
		}
		return out
	case []any:
		out := make([]any, len(x))
		for i, v := range x {
			out[i] = s.tree(v)
		}
		return out
	}
	return x
}
