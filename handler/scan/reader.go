package scan

import "slices"

// Reader reads values with a Tree. It is used by one goroutine.
type Reader struct {
	// Spans holds, after Read, the value of each path by its number; Kind is
	// None where the text has no such value. Of repeated member names the last
	// counts.
	Spans []Span
	// Flags of the whole value: BadUTF8 when any string in it is not UTF-8,
	// Repeated when an object that was looked into has a name twice.
	Flags Flags
	// CollectRest keeps what Tree.Take left over of an object, for AppendRest.
	CollectRest bool
	// Lenient steps over a value that cannot be read, as SkipDamaged does: records
	// below it are for others to read.
	Lenient bool

	tree   *Tree
	order  [][]learned // by node
	seen   []uint32    // by node: the epoch in which it was met last
	epoch  uint32
	visits uint32 // objects looked into
	rest   []piece
	scanner
}

// NewReader returns a Reader for the paths of t.
func NewReader(t *Tree) *Reader {
	return &Reader{
		Spans: make([]Span, t.slots),
		tree:  t,
		order: make([][]learned, len(t.nodes)),
		seen:  make([]uint32, len(t.nodes)),
	}
}

// Read scans the JSON value at or after src[p] once, fills Spans, and returns
// where the value ends.
func (r *Reader) Read(src []byte, p int) (end int, err error) {
	clear(r.Spans)
	r.rest = r.rest[:0]
	r.scanner = scanner{src: src}
	r.epoch++
	p = Space(src, p)
	end = r.node(p, p, 0, 0, r.CollectRest && p < len(src) && src[p] == '{')
	r.Flags = r.flags
	if r.err != nil {
		return 0, r.err
	}
	return end, nil
}

// Forget lets go of the text that was read, which may be large.
func (r *Reader) Forget() { r.scanner = scanner{} }

// node scans the value at p, for which node n of the tree waits. Its name, if it
// has one, begins at start. With rest, what is not taken of it is kept.
func (r *Reader) node(start, p, n, depth int, rest bool) int {
	if p >= len(r.src) {
		return r.fail(p, "unexpected end")
	}
	nd := &r.tree.nodes[n]
	if r.seen[n] == r.epoch {
		r.flags |= Repeated
		r.forget(n)
	}
	r.seen[n] = r.epoch
	rest = rest && !nd.taken
	at, c := p, r.src[p]
	var flags Flags
	if c == '{' && (len(nd.keys) > 0 || n == 0 && rest) || c == '[' && len(nd.elems) > 0 {
		p = r.inside(start, p, n, depth, rest)
	} else {
		if c != '"' {
			p = r.value(p, depth)
		} else if p, flags = r.str(p); p < 0 {
			p = r.damaged(at)
		}
		if rest && c != 'n' && p >= 0 {
			r.rest = append(r.rest, piece{int32(start), int32(p), whole})
		}
	}
	if p >= 0 && nd.slot >= 0 {
		r.Spans[nd.slot] = Span{int32(at), int32(p), kinds[c], flags}
	}
	return p
}

// value is scanner.value, and lenient.
func (r *Reader) value(p, depth int) int {
	end := r.scanner.value(p, depth)
	if end < 0 {
		end = r.damaged(p)
	}
	return end
}

// damaged returns where the value at p ends that could not be read, or -1.
func (r *Reader) damaged(p int) int {
	if !r.Lenient {
		return -1
	}
	end, ok := SkipDamaged(r.src, p)
	if !ok {
		return -1
	}
	r.err = nil
	return end
}

// inside scans the members or elements of the container at p.
func (r *Reader) inside(start, p, n, depth int, rest bool) int {
	if depth >= MaxDepth {
		return r.fail(p, "nested too deep")
	}
	first := len(r.rest)
	if rest && n != 0 {
		r.rest = append(r.rest, piece{int32(start), int32(p + 1), opening})
	}
	if r.src[p] == '{' {
		p = r.members(p, n, depth, rest)
	} else {
		p = r.elements(p, n, depth, rest)
	}
	if rest && n != 0 && p >= 0 {
		r.closeRest(first, p)
	}
	return p
}

func (r *Reader) members(p, n, depth int, rest bool) int {
	r.visits++
	visit := r.visits
	before := -1 // where the value before ends
	p, more := r.open(p, '}')
	for k := 0; more; {
		start := p
		var m int
		if p, m, k = r.memberName(p, n, k, visit); p < 0 {
			return -1
		}
		if p = r.colon(p); p < 0 {
			return -1
		}
		if m >= 0 {
			p = r.node(start, p, m, depth+1, rest)
		} else {
			at := p
			if p = r.value(p, depth+1); rest && p >= 0 && r.src[at] != 'n' {
				r.keep(start, p, before)
			}
		}
		if p < 0 {
			return -1
		}
		before = p
		p, more = r.next(p, '}')
	}
	return p
}

// learned is a member name that was met below a node, and the node that waits
// for it; -1 when none does.
type learned struct {
	name  string
	node  int
	visit uint32 // the object that had it last
}

// Records of one stream have their members in one order, some left out. A
// Reader learns that order, and then a name costs one comparison.
const (
	maxLearned = 128 // names remembered for a node
	lookAhead  = 8   // names that may be left out in a row
)

// memberName reads the name at p below node n. k is where in the learned order
// the name is expected; it returns the position after the name, the node that
// waits for the member, and where the next name is expected.
func (r *Reader) memberName(p, n, k int, visit uint32) (end, node, next int) {
	src, order := r.src, r.order[n]
	if p >= len(src) || src[p] != '"' {
		return r.fail(p, "want a member name in double quotes"), -1, k
	}
	for j := k; j < len(order) && j < k+lookAhead; j++ {
		l := &order[j]
		if q := p + 1 + len(l.name); q < len(src) && src[q] == '"' && string(src[p+1:q]) == l.name {
			r.meet(l, visit)
			return q + 1, l.node, j + 1
		}
	}
	end, flags := r.str(p)
	if end < 0 {
		return -1, -1, k
	}
	name := src[p+1 : end-1]
	if flags&Escaped != 0 {
		name = AppendUnquoted(nil, name)
	}
	if j := slices.IndexFunc(order, func(l learned) bool { return l.name == string(name) }); j >= 0 {
		r.meet(&order[j], visit)
		return end, order[j].node, j + 1
	}
	node = r.find(n, name)
	if len(order) < maxLearned && flags == 0 {
		r.order[n] = slices.Insert(order, k, learned{string(name), node, visit})
		k++
	}
	return end, node, k
}

// meet notes that the object being visited has a name.
func (r *Reader) meet(l *learned, visit uint32) {
	if l.visit == visit {
		r.flags |= Repeated
	}
	l.visit = visit
}

// find returns the node below n for the member called name, or -1.
func (r *Reader) find(n int, name []byte) int {
	for _, e := range r.tree.nodes[n].keys {
		if e.name == string(name) {
			return e.node
		}
	}
	return -1
}

func (r *Reader) elements(p, n, depth int, rest bool) int {
	before := -1
	p, more := r.open(p, ']')
	for i := 0; more; i++ {
		m := -1
		for _, e := range r.tree.nodes[n].elems {
			if e.index == i {
				m = e.node
			}
		}
		start, kept := p, len(r.rest)
		if m >= 0 {
			p = r.node(p, p, m, depth+1, rest)
		} else {
			p = r.value(p, depth+1)
		}
		switch {
		case p < 0:
			return -1
		case !rest:
		case m < 0 && r.src[start] != 'n':
			r.keep(start, p, before)
		case len(r.rest) == kept:
			r.rest = append(r.rest, piece{what: gap})
		}
		before = p
		p, more = r.next(p, ']')
	}
	return p
}

// forget clears what was found below n: its member name was repeated.
func (r *Reader) forget(n int) {
	nd := &r.tree.nodes[n]
	if nd.slot >= 0 {
		r.Spans[nd.slot] = Span{}
	}
	for _, e := range nd.keys {
		r.forget(e.node)
	}
	for _, e := range nd.elems {
		r.forget(e.node)
	}
}
