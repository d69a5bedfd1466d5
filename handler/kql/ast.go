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
	binary struct { // l op r; op in lower case
		pos  int
		op   string
		l, r expr
	}
	inList struct { // x in (list)
		pos  int
		op   string // in, !in, in~, !in~, has_any, has_all
		x    expr
		list []expr
	}
	between struct { // x between (lo .. hi)
		pos       int
		not       bool
		x, lo, hi expr
	}
)

func (e *literal) position() int { return e.pos }
func (e *name) position() int    { return e.pos }
func (e *member) position() int  { return e.pos }
func (e *index) position() int   { return e.pos }
func (e *call) position() int    { return e.pos }
func (e *unary) position() int   { return e.pos }
func (e *binary) position() int  { return e.pos }
func (e *inList) position() int  { return e.pos }
func (e *between) position() int { return e.pos }

// let binds a name to a scalar, or with params to a function of scalars.
type let struct {
	pos    int
	name   string
	isFunc bool
	params []param
	body   expr
}

type param struct {
	name string
	typ  Type
}

// named is one item of extend, project, print and project-rename.
type named struct {
	pos  int
	name string // "" when the item gives none
	x    expr
}

// stage is one operator of the pipeline.
type stage struct {
	pos   int
	op    string // source, print, extend, project, project-away, project-keep, project-rename, where
	items []named
	cond  expr
}

type query struct {
	text   string
	lets   []let
	stages []stage
}
