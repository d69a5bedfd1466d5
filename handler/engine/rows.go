package engine

import "iter"

// Rows takes what a Mapper makes of a record, and keeps it by table: of each a JSON
// array without its end.
type Rows struct {
	parts  []part
	open   int // the table of the row that was begun
	record int // the record whose rows come, as the batch numbers them
}

// part is the rows of one table.
type part struct {
	buf  []byte // "[" row "," row …
	ends []int  // where each row ends in buf
	of   []int  // the record that each row is of
}

// NewRows takes rows for so many tables.
func NewRows(tables int) *Rows { return &Rows{parts: make([]part, tables)} }

// All yields the rows of a table.
func (r *Rows) All(table int) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		p := &r.parts[table]
		for i, end := range p.ends {
			if !yield(p.buf[p.start(i):end]) {
				return
			}
		}
	}
}

// Begin begins a row of the stream's table of that number: the text of the row, a JSON
// object, is appended to what it returns, which then goes to End.
func (r *Rows) Begin(table int) []byte {
	r.open = table
	p := &r.parts[table]
	switch {
	case len(p.buf) == 0:
		p.buf = append(p.buf, '[')
	case len(p.ends) > 0:
		return append(p.buf, ',')
	}
	return p.buf
}

// End ends the row that was begun.
func (r *Rows) End(text []byte) {
	p := &r.parts[r.open]
	p.buf = text
	p.ends = append(p.ends, len(text))
	p.of = append(p.of, r.record)
}

// start is where row i begins in the text.
func (p *part) start(i int) int {
	if i == 0 {
		return 1
	}
	return p.ends[i-1] + 1
}

// size is how many bytes rows [i, j) have in an upload of their own.
func (p *part) size(i, j int) int { return p.ends[j-1] - p.start(i) + len("[]") }

// before is how many rows are of the records before one.
func (p *part) before(record int) int {
	n := len(p.of)
	for n > 0 && p.of[n-1] >= record {
		n--
	}
	return n
}

// cut drops the rows from the n-th on.
func (p *part) cut(n int) {
	end := min(len(p.buf), 1)
	if n > 0 {
		end = p.ends[n-1]
	}
	p.buf, p.ends, p.of = p.buf[:end], p.ends[:n], p.of[:n]
}

// upload is rows [i, j) as a batch of their own. The array of all of them is the text
// itself.
func (p *part) upload(t *Table, i, j int) Batch {
	b := Batch{Table: t.Name, Columns: t.Columns}
	if i == 0 && j == len(p.ends) {
		b.Rows, b.Ends = append(p.buf, ']'), p.ends
		return b
	}
	from := p.start(i)
	b.Rows = append(append([]byte{'['}, p.buf[from:p.ends[j-1]]...), ']')
	for _, end := range p.ends[i:j] {
		b.Ends = append(b.Ends, end-from+1)
	}
	return b
}
