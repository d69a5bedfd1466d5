package kql

// The syntax tree. Pos fields are byte offsets into the text it came from.

type expr interface{ position() int }

type (
	literal struct { // a constant: 1, 'x', datetime(…), dynamic(…)
		pos int
		val lit
	}
	name struct { // a column, or something let
		pos int
		id  string
	}
	member struct { // x.key and x['key']
		pos int
		x   expr
		key string
	}
	index struct { // x[i], where i is no string literal
		pos  int
		x, i expr
	}
	call struct { // f(args)
		pos  int
		fn   string
		args []expr
	}
	unary struct { // - x
		pos int
		op  string
		x   expr
	}
	infix struct { // l op r; op in lower case
		pos  int
		op   string
		l, r expr
	}
	inList struct { // x in (list), or x in (table)
		pos   int
		op    string // in, !in, in~, !in~, has_any, has_all
		x     expr
		list  []expr
		table *pipeline
	}
	between struct { // x between (lo .. hi)
		pos       int
		not       bool
		x, lo, hi expr
	}
	typeOf struct { // typeof(long), an argument of extract and extract_json
		pos int
		typ Type
	}
	star struct{ pos int } // *, all columns: an argument of pack_array
	// scalarOf is toscalar(…): the first cell of a table or the value of a scalar.
	scalarOf struct {
		pos   int
		table *pipeline
	}
	tableArg struct { // a table, as the argument of a function that let binds
		pos   int
		table *pipeline
	}
)

func (e *literal) position() int  { return e.pos }
func (e *name) position() int     { return e.pos }
func (e *member) position() int   { return e.pos }
func (e *index) position() int    { return e.pos }
func (e *call) position() int     { return e.pos }
func (e *unary) position() int    { return e.pos }
func (e *infix) position() int    { return e.pos }
func (e *inList) position() int   { return e.pos }
func (e *between) position() int  { return e.pos }
func (e *typeOf) position() int   { return e.pos }
func (e *star) position() int     { return e.pos }
func (e *scalarOf) position() int { return e.pos }
func (e *tableArg) position() int { return e.pos }

// let binds a name to a scalar or a table, or with params to a function.
type let struct {
	pos    int
	name   string
	isFunc bool
	params []column
	body   body
}

// body is what a let statement or a function yields: one of x and table, after
// statements of its own.
type body struct {
	lets  []let
	x     expr
	table *pipeline
}

// column is a name with its type; of a parameter also its default, or the
// columns of the table that it is.
type column struct {
	name    string
	typ     Type
	def     expr
	isTable bool
	cols    []column // of a table; none of T:(*)
}

// named is one item of extend, project, print and project-rename.
type named struct {
	pos   int
	name  string   // "" when the item gives none
	names []string // (a, b) = x: names of the columns that x yields
	x     expr
}

// pipeline is a source of rows and the operators that follow it.
type pipeline struct {
	stages []stage // the first one is the source
}

// stage is one operator of a pipeline.
type stage struct {
	pos int
	// op is, of sources: source, print, datatable, range, table, call, nested;
	// of operators: extend, project, project-away, project-keep,
	// project-rename, where, parse, parse-where, parse-kv, mv-expand.
	op     string
	word   string    // op as it is written: filter for where
	items  []named   // columns; of range the three bounds; of a call its arguments
	name   string    // of table and call; of range the column
	cond   expr      // of where; of parse and parse-kv what is parsed
	cols   []column  // of datatable, parse-kv and mv-expand (type Dynamic: as it is)
	cells  []expr    // of datatable, row by row
	nested *pipeline // of nested
	parse  *pattern
	with   map[string]option // properties: kind, flags, pair_delimiter, with_itemindex …
}

// option is a property of an operator and where it stands.
type option struct {
	pos   int
	value string
}

// pattern is what parse looks for: texts and columns in turn.
type pattern struct {
	parts []part
}

// part is a text, a column, or a * that skips.
type part struct {
	pos  int
	text string
	col  column // of a column: its name is not ""
	star bool
}

// query is a whole text.
type query struct {
	text string
	lets []let
	pipe *pipeline
}
