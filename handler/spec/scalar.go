package spec

import (
	"math"
	"reflect"
	"regexp"
	"strconv"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// source is a scalar as the file has it.
func source(n ast.Node) (text string, ok bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	}
	return "", false
}

// text is a scalar as a text; what else it could mean in YAML does not matter.
func (d *decoder) text(n ast.Node, path string) (string, bool) {
	text, ok := source(n)
	if !ok {
		hint := ""
		if m, isMap := n.(*ast.MappingNode); isMap && m.IsFlowStyle {
			hint = ": a text with { in it needs quotes"
		} else if isMap {
			hint = ": a text with a colon and a blank in it needs quotes"
		}
		d.errorf(path, "%s is one text, not %s%s", name(path), found(n), hint)
	}
	return text, ok
}

// found says what a value is, for errors.
func found(n ast.Node) string {
	switch n.(type) {
	case *ast.SequenceNode:
		return "a list"
	case *ast.NullNode:
		return "nothing"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "keys and values"
	}
	text, _ := source(n)
	if quoted(n) {
		return "the text " + strconv.Quote(text)
	}
	return strconv.Quote(text)
}

func (d *decoder) duration(n ast.Node, to *Duration, path string) {
	text, ok := d.text(n, path)
	if !ok {
		return
	}
	v, err := ParseDuration(text)
	if err != nil {
		d.errorf(path, "%s: %v", name(path), err)
	} else if v < 0 {
		d.errorf(path, "%s cannot be negative", name(path))
	}
	*to = v
}

func (d *decoder) list(n ast.Node, to *Values, path string) {
	items := []ast.Node{n}
	if seq, ok := n.(*ast.SequenceNode); ok {
		items = seq.Values
	}
	for _, item := range items {
		if item = d.follow(item, path); item == nil {
			return
		}
		if _, scalar := source(item); !scalar {
			d.errorf(path, "%s: want a text or a list of texts, not %s", name(path), found(item))
			return
		}
		text, _ := source(item)
		*to = append(*to, text)
	}
}

var (
	wholeNumber   = regexp.MustCompile(`^-?(0|[1-9][0-9]*)$`)
	decimalNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?$`)
	likeNumber    = regexp.MustCompile(`^[-+]?(0[xob][0-9a-fA-F_]+|\.[0-9]+|[0-9][0-9_]*\.?[0-9]*)([eE][-+]?[0-9]+)?$`)
	likeBool      = regexp.MustCompile(`^(?i:yes|no|on|off)$`)
)

// number reads what is a plain number in every version of YAML: not 010, 1_000 or 1e3.
func (d *decoder) number(n ast.Node, v reflect.Value, path string) {
	text, _ := source(n)
	if v.Kind() == reflect.Float64 {
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || !decimalNumber.MatchString(text) || quoted(n) {
			d.errorf(path, "%s is a number such as 0.5, not %s", name(path), found(n))
		} else if f < 0 {
			d.errorf(path, "%s cannot be negative", name(path))
		}
		v.SetFloat(f)
		return
	}
	i, err := strconv.Atoi(text)
	if err != nil || !wholeNumber.MatchString(text) || quoted(n) {
		d.errorf(path, "%s is a whole number such as 10, not %s", name(path), found(n))
	} else if i < 0 {
		d.errorf(path, "%s cannot be negative", name(path))
	}
	v.SetInt(int64(i))
}

func quoted(n ast.Node) bool {
	s, ok := n.(*ast.StringNode)
	return ok && (s.Token.Type == token.SingleQuoteType || s.Token.Type == token.DoubleQuoteType)
}

// scalar is a plain value of a tree.
func (d *decoder) scalar(n ast.Node, path string) any {
	text, ok := source(n)
	_, block := n.(*ast.LiteralNode)
	switch {
	case !ok:
		d.errorf(path, "%s: want a value, not %s", name(path), n.GetToken().Value)
		return nil
	case block || quoted(n):
		return text
	case wholeNumber.MatchString(text):
		if i, err := strconv.ParseInt(text, 10, 64); err == nil {
			return i
		}
	case decimalNumber.MatchString(text):
		if f, err := strconv.ParseFloat(text, 64); err == nil && !math.IsInf(f, 0) {
			return f
		}
	}
	if _, isText := n.(*ast.StringNode); !isText || likeNumber.MatchString(text) || likeBool.MatchString(text) {
		d.errorf(path, "%s: is %s a text, a number, or true or false? Write it in quotes, or as a plain number, true or false", name(path), text)
	}
	return text
}
