package spec

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Problem is a mistake in a file.
type Problem struct {
	File      string
	Line, Col int
	Msg       string
	Path      string // of the value that it is about, such as streams[0].paging.type
}

func (p *Problem) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Col, p.Msg)
}

// Places knows where in a file each value stands, by its path: streams[0].paging.type.
type Places struct {
	file string
	at   map[string][2]int
}

// Problem makes an error for the value at path, or for what it is part of.
func (p *Places) Problem(path, format string, args ...any) error {
	line, col := p.find(path)
	return &Problem{p.file, line, col, fmt.Sprintf(format, args...), path}
}

// Place is where the value at path stands: sluice.yaml:1:14.
func (p *Places) Place(path string) string {
	line, col := p.find(path)
	return fmt.Sprintf("%s:%d:%d", p.file, line, col)
}

// find is the place of the value at path, or of what it is part of.
func (p *Places) find(path string) (line, col int) {
	for {
		at, ok := p.at[path]
		if ok || path == "" {
			return max(at[0], 1), max(at[1], 1)
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
}

// Has reports whether the file has a value at path.
func (p *Places) Has(path string) bool {
	_, ok := p.at[path]
	return ok
}

// Decode reads a YAML file into v, a pointer to a struct whose fields have the tags
// yaml, doc, required and enum. An unknown key, a missing one, one that is there
// twice, a value of another kind and one outside its list are errors that name file,
// line and column. Texts are what the file has: 010, 1.10 and yes stay as they are.
func Decode(file string, data []byte, v any) (*Places, error) {
	text, err := plainText(file, data)
	if err != nil {
		return nil, err
	}
	f, err := parser.ParseBytes(text, 0, parser.AllowDuplicateMapKey()) // the decoder names both
	if err != nil {
		return nil, syntaxProblem(file, err)
	}
	switch {
	case len(f.Docs) == 0 || f.Docs[0].Body == nil:
		return nil, &Problem{file, 1, 1, "the file is empty", ""}
	case len(f.Docs) > 1:
		at := f.Docs[1].Start.Position
		return nil, &Problem{file, at.Line, at.Column, "want one YAML document: what follows --- is a second one", ""}
	}
	d := &decoder{places: &Places{file, map[string][2]int{}}, anchors: map[string]ast.Node{}}
	d.value(f.Docs[0].Body, reflect.ValueOf(v).Elem(), "")
	return d.places, errors.Join(d.errs...)
}

// A spec is written by people. What is larger or deeper is a mistake, and the parser's
// time grows with the square of the depth.
const (
	maxFile  = 1 << 20
	maxDepth = 100
)

// plainText is the file without a byte order mark and with line ends of one kind. What
// no text has, and brackets that open without an end, are errors.
func plainText(file string, data []byte) ([]byte, error) {
	if bytes.HasPrefix(data, []byte{0xff, 0xfe}) || bytes.HasPrefix(data, []byte{0xfe, 0xff}) {
		return nil, &Problem{file, 1, 1, "the file is UTF-16: save it as UTF-8", ""}
	}
	if len(data) > maxFile {
		return nil, &Problem{file, 1, 1, fmt.Sprintf("the file has %d bytes, at most %d can be", len(data), maxFile), ""}
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
	data = bytes.ReplaceAll(data, []byte("\r"), []byte("\n"))
	line, col, depth := 1, 1, 0
	for rest := data; len(rest) > 0; col++ {
		r, n := utf8.DecodeRune(rest)
		switch {
		case r == utf8.RuneError && n == 1:
			return nil, &Problem{file, line, col, fmt.Sprintf("the byte %02x is no text in UTF-8: save the file as UTF-8", rest[0]), ""}
		case r < ' ' && r != '\t' && r != '\n' || r == 0x7f:
			return nil, &Problem{file, line, col, fmt.Sprintf("the control character %U: remove it", r), ""}
		case r == '\n':
			line, col = line+1, 0
		case r == '[' || r == '{':
			depth++
		case (r == ']' || r == '}') && depth > 0:
			depth--
		}
		if depth > maxDepth {
			return nil, &Problem{file, line, col, fmt.Sprintf("more than %d brackets are open: one has no end", maxDepth), ""}
		}
		rest = rest[n:]
	}
	return data, nil
}

// syntaxWords say in words what the parser says in terms of the language.
var syntaxWords = []struct{ has, words string }{
	{"'\t'", "there is a tab: indent with blanks"},
	{"tab character", "there is a tab: indent with blanks"},
	{"reserved character", "a text that begins with @ or ` needs quotes"},
	{"block sequence entries", "a list with - begins in the line below its key"},
	{"sequence end token ']'", "the list that begins with [ has no end: write ]"},
	{"',' or '}' must be", "a comma or a } is missing here; a text with { or } in it needs quotes"},
	{"',' or ']' must be", "a comma or a ] is missing here; a text with [ or ] in it needs quotes"},
	{"flow mapping end", "what begins with { is not closed: write }; a text with { in it needs quotes"},
	{"flow map", "what begins with { is not closed: write }; a text with { in it needs quotes"},
	{"could not find end character of", "a quote is not closed"},
	{"unknown escape character", `\ begins an escape in double quotes: write single quotes, in which it is itself`},
	{"non-map value", "want a key and a value: is there a colon with a blank behind it, and is the indentation right?"},
	{"mapping value is not allowed", "a second colon: a text with a colon and a blank in it needs quotes"},
	{"is not allowed in this context", "this does not belong here: is the indentation right? A text that begins with a quote or a bracket, or has a colon and a blank in it, needs quotes as a whole"},
	{"invalid key", "want a key and a value here: is the indentation right?"},
	{"unexpected key name", "this does not belong here: is the indentation right?"},
}

func syntaxProblem(file string, err error) error {
	line, col, msg := 1, 1, err.Error()
	var ye yaml.Error
	if errors.As(err, &ye) && ye.GetToken() != nil {
		pos := ye.GetToken().Position
		line, col, msg = pos.Line, pos.Column, ye.GetMessage()
	}
	for _, s := range syntaxWords {
		if strings.Contains(msg, s.has) {
			msg = s.words
			break
		}
	}
	return &Problem{file, line, col, msg, ""}
}
