package decode

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/scan"
)

// maxBad is how many records of a body may be unreadable where more are than can be
// read: beyond it is no body of records.
const maxBad = 1000

// fromCSV makes an array of objects of rows (RFC 4180). Values stay texts. A row that
// cannot be read ends with its line, and is Bad.
func fromCSV(o Options, body []byte) (*Body, error) {
	if err := isRows(o, body); err != nil {
		return nil, err
	}
	r := newRows(o, body)
	c := columns{rows: r}
	if !o.NoHeader {
		if err := c.readHeader(); err != nil {
			return nil, err
		}
		if o.Known != nil && !slices.ContainsFunc(c.texts(), o.Known) {
			return nil, &scan.ShapeError{Place: "the first line", Found: "none of the columns that rows are made of", Want: "their names"}
		}
	}
	growth, size := Growth{Room: o.Room}, len(body)+len(body)/2+2
	if err := growth.To(min(size, Max)); err != nil {
		return nil, err
	}
	b := &Body{JSON: make([]byte, 0, size)}
	b.JSON = append(b.JSON, '[')
	for good := 0; r.next(); {
		if r.why == "" {
			if good++; good > 1 {
				b.JSON = append(b.JSON, ',')
			}
			b.JSON = c.append(b.JSON)
		} else {
			b.Bad = append(b.Bad, engine.Bad{Body: r.raw, Reason: "malformed_record", Detail: r.problem()})
		}
		if err := growth.To(len(b.JSON)); err != nil {
			return nil, err
		}
		if len(b.Bad) > maxBad && len(b.Bad) > good {
			return nil, fmt.Errorf("most of its rows cannot be read: %s", b.Bad[0].Detail)
		}
	}
	b.JSON = append(b.JSON, ']')
	return b, nil
}

// isRows is an error for a document that came instead: as a header it would be a file
// without rows.
func isRows(o Options, body []byte) error {
	at := scan.Space(body, 0)
	switch {
	case at == len(body):
		return nil
	case body[at] == '<':
		return errors.New("it is a document in XML or HTML, and no rows")
	case body[at] != '{' && body[at] != '[':
		return nil
	case scan.Valid(body):
		return &scan.ShapeError{Place: "$", Found: scan.Describe(body, at), Want: "rows of a csv"}
	case o.NoHeader: // a value may begin like this, and a name does not
		return nil
	}
	return errors.New("it begins as JSON, and has no rows")
}

// columns are the names of values.
type columns struct {
	*rows
	names []string // each quoted, with a colon behind it
	taken map[string]bool
}

// texts are the names that are in use.
func (c *columns) texts() []string { return slices.Collect(maps.Keys(c.taken)) }

// readHeader takes the names from the first row. Blanks around them are none of theirs.
func (c *columns) readHeader() error {
	if !c.next() {
		return nil
	}
	if c.why != "" {
		return fmt.Errorf("its header cannot be read: %s", c.problem())
	}
	if c.blanks = slices.ContainsFunc(c.fields[1:], func(name []byte) bool { return len(name) > 0 && name[0] == ' ' }); c.blanks {
		c.at, c.line = 0, 1
		c.next()
	}
	for _, name := range c.fields {
		c.add(string(bytes.TrimSpace(name)))
	}
	return nil
}

// add names the next column: one without a name by its number, and one whose name
// another has, with how many there are.
func (c *columns) add(name string) {
	if name == "" {
		name = "Column" + strconv.Itoa(len(c.names)+1)
	}
	if c.taken == nil {
		c.taken = map[string]bool{}
	}
	unique := name
	for n := 2; c.taken[unique]; n++ {
		unique = name + "_" + strconv.Itoa(n)
	}
	c.taken[unique] = true
	c.names = append(c.names, string(append(appendText(nil, unique), ':')))
}

// append writes the row as an object.
func (c *columns) append(out []byte) []byte {
	out = append(out, '{')
	for i, v := range c.fields {
		if i > 0 {
			out = append(out, ',')
		}
		if i == len(c.names) {
			c.add("")
		}
		out = appendText(append(out, c.names[i]...), v)
	}
	return append(out, '}')
}

// rows reads a csv, row by row.
type rows struct {
	src    []byte
	at     int // where the next row begins
	line   int // the line it is in
	comma  []byte
	end    byte // of a line: a line feed, or of old systems a carriage return
	blanks bool // values have blanks before them
	width  int  // how many values the first row has; 0: there was none
	eol    span // of the line that is read: from where on it was looked for, and where it ends

	// The row that was read.
	raw    []byte
	began  int // its line
	fields [][]byte
	why    string // it is none, and ends with its line
	bare   bool   // it has a quote in a value without quotes around it
	buf    []byte // texts with quotes in them
}

func newRows(o Options, body []byte) *rows {
	r := &rows{src: body, line: 1, comma: []byte{','}, end: '\n', eol: span{-1, -1}}
	if o.Delimiter != "" {
		_, n := utf8.DecodeRuneInString(o.Delimiter)
		r.comma = []byte(o.Delimiter[:n])
	}
	if i := bytes.IndexAny(body, "\r\n"); i >= 0 && body[i] == '\r' && (i+1 == len(body) || body[i+1] != '\n') {
		r.end = '\r'
	}
	return r
}

func (r *rows) problem() string { return fmt.Sprintf("line %d: %s", r.began, r.why) }

// next reads the next row that is not empty; false: there is none.
func (r *rows) next() bool {
	start := r.at
	for start < len(r.src) && (r.src[start] == '\r' || r.src[start] == '\n') {
		start++
	}
	if r.pass(start); start == len(r.src) {
		return false
	}
	lineEnd := r.lineEnd(start)
	r.began, r.fields, r.buf, r.why, r.bare = r.line, r.fields[:0], r.buf[:0], "", false
	end := r.row(start)
	switch several := end > lineEnd; {
	case r.why != "":
		end = lineEnd
	case r.width == 0 || len(r.fields) == r.width:
	case several:
		r.why, end = "a quote is not closed in its line", lineEnd
	case r.bare:
		r.why = "a quote stands in a value without quotes around it"
	}
	r.raw = bytes.TrimRight(r.src[start:end], "\r")
	r.pass(end)
	if r.why == "" && r.width == 0 {
		r.width = len(r.fields)
	}
	return true
}

// pass goes on to a place, counting lines.
func (r *rows) pass(end int) {
	r.line += bytes.Count(r.src[r.at:end], []byte{r.end})
	r.at = end
}

type span struct{ from, to int }

// lineEnd is where the line at p ends, before what ends it.
func (r *rows) lineEnd(p int) int {
	if r.eol.from > p || p > r.eol.to {
		r.eol = span{p, len(r.src)}
		if n := bytes.IndexByte(r.src[p:], r.end); n >= 0 {
			r.eol.to = p + n
		}
	}
	return r.eol.to
}

// row reads the fields from p on and returns where they end, or with why how far it
// looked.
func (r *rows) row(p int) int {
	for {
		var value []byte
		if value, p = r.field(p); r.why != "" {
			return p
		}
		r.fields = append(r.fields, value)
		if !bytes.HasPrefix(r.src[p:], r.comma) {
			return p
		}
		p += len(r.comma)
	}
}

// field reads the value at p and returns where it ends: before a comma, or the end of
// the line.
func (r *rows) field(p int) (value []byte, end int) {
	if r.blanks {
		p = r.skip(p)
	}
	if p < len(r.src) && r.src[p] == '"' {
		return r.quoted(p + 1)
	}
	end = r.lineEnd(p)
	if n := bytes.Index(r.src[p:end], r.comma); n >= 0 {
		end = p + n
		value = r.src[p:end]
	} else {
		value = bytes.TrimSuffix(r.src[p:end], []byte{'\r'})
	}
	r.bare = r.bare || bytes.IndexByte(value, '"') >= 0
	return value, end
}

// quoted reads the value whose opening quote is before p. Two quotes are one of the text.
func (r *rows) quoted(p int) (value []byte, end int) {
	text, from := len(r.buf), p
	for {
		n := bytes.IndexByte(r.src[p:], '"')
		if n < 0 {
			r.why = "a quote is not closed"
			return nil, len(r.src)
		}
		p += n + 1
		if p < len(r.src) && r.src[p] == '"' {
			r.buf = append(r.buf, r.src[from:p]...)
			p++
			from = p
			continue
		}
		break
	}
	value = r.src[from : p-1]
	if len(r.buf) > text {
		r.buf = append(r.buf, value...)
		value = r.buf[text:]
	}
	end = r.skip(p)
	if end < len(r.src) && r.src[end] == '\r' && r.end == '\n' {
		end++
	}
	if end < len(r.src) && r.src[end] != r.end && !bytes.HasPrefix(r.src[end:], r.comma) {
		r.why = "a quote stands in the middle of a value"
	}
	return value, end
}

// skip steps over blanks, unless they are what stands between values.
func (r *rows) skip(p int) int {
	for p < len(r.src) && (r.src[p] == ' ' || r.src[p] == '\t') && !bytes.HasPrefix(r.src[p:], r.comma) {
		p++
	}
	return p
}
