package scan

import "slices"

// Step is one step of a path: into a member of an object, or into an element
// of an array.
type Step struct {
	Key     string
	Index   int // counts from 0; used when IsIndex
	IsIndex bool
}

// Key returns the path of nested member names.
func Key(names ...string) []Step {
	path := make([]Step, len(names))
	for i, n := range names {
		path[i].Key = n
	}
	return path
}

// Tree is a set of paths that are looked up together, in one pass over a value.
// Add all paths first; after that a Tree may be shared by any number of Readers.
type Tree struct {
	nodes []node
	slots int
}

type node struct {
	slot  int // -1: nobody asked for this value itself
	keys  []edge
	elems []edge
}

type edge struct {
	name  string
	index int
	node  int
}

// NewTree returns a Tree without paths.
func NewTree() *Tree { return &Tree{nodes: []node{{slot: -1}}} }

// Add asks for the value at path (empty: the whole value) and returns the
// number under which a Reader will find it. Equal paths have equal numbers.
func (t *Tree) Add(path []Step) int {
	n := 0
	for _, st := range path {
		n = t.child(n, st)
	}
	if t.nodes[n].slot < 0 {
		t.nodes[n].slot = t.slots
		t.slots++
	}
	return t.nodes[n].slot
}

func (t *Tree) child(n int, st Step) int {
	edges := &t.nodes[n].keys
	if st.IsIndex {
		edges = &t.nodes[n].elems
	}
	for _, e := range *edges {
		if e.name == st.Key && e.index == st.Index {
			return e.node
		}
	}
	m := len(t.nodes)
	*edges = append(*edges, edge{st.Key, st.Index, m})
	t.nodes = append(t.nodes, node{slot: -1})
	return m
}

// Span is where a value stands in the text, and what it is.
type Span struct {
	Start, End int32
	Kind       Kind
	Flags      Flags
}

// Reader reads values with a Tree. It is used by one goroutine.
type Reader struct {
	// Spans holds, after Read, the value of each path by its number; Kind is
	// None where the text has no such value. Of repeated member names the last
	// counts.
	Spans []Span
	// Flags of the whole value: BadUTF8 when any string in it is not UTF-8.
	Flags Flags
	// Rest holds, when CollectRest is set, the members of a top-level object
	// that no path of the tree has a use for: name and value as one span.
	Rest        []Span
	CollectRest bool

	tree  *Tree
	order [][]learned // by node
	seen  []uint32
	epoch uint32
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

// Read scans the JSON value at or after src[p] once, fills Spans and Rest, and
// returns where the value ends.
func (r *Reader) Read(src []byte, p int) (end int, err error) {
	clear(r.Spans)
	r.Rest = r.Rest[:0]
	r.scanner = scanner{src: src}
	r.epoch++
	end = r.node(Space(src, p), 0, 0)
	r.Flags = r.flags
	if r.err != nil {
		return 0, r.err
	}
	return end, nil
}

// node scans the value at p, for which node n of the tree waits.
func (r *Reader) node(p, n, depth int) int {
	if p >= len(r.src) {
		return r.fail(p, "unexpected end")
	}
	nd := &r.tree.nodes[n]
	if r.seen[n] == r.epoch {
		r.forget(n)
	}
	r.seen[n] = r.epoch
	start, c := p, r.src[p]
	var flags Flags
	switch {
	case c == '"':
		p, flags = r.str(p)
	case c == '{' && (len(nd.keys) > 0 || n == 0 && r.CollectRest):
		p = r.members(p, n, depth)
	case c == '[' && len(nd.elems) > 0:
		p = r.elements(p, n, depth)
	default:
		p = r.value(p, depth)
	}
	if p >= 0 && nd.slot >= 0 {
		r.Spans[nd.slot] = Span{int32(start), int32(p), kinds[c], flags}
	}
	return p
}

func (r *Reader) members(p, n, depth int) int {
	if depth >= MaxDepth {
		return r.fail(p, "nested too deep")
	}
	p, more := r.open(p, '}')
	for k := 0; more; {
		start := p
		var m int
		if p, m, k = r.memberName(p, n, k); p < 0 {
			return -1
		}
		if p = r.colon(p); p < 0 {
			return -1
		}
		at := p
		if m >= 0 {
			p = r.node(p, m, depth+1)
		} else {
			p = r.value(p, depth+1)
		}
		if p < 0 {
			return -1
		}
		if n == 0 && r.CollectRest && !r.used(m, r.src[at]) {
			r.Rest = append(r.Rest, Span{Start: int32(start), End: int32(p), Kind: Object})
		}
		p, more = r.next(p, '}')
	}
	return p
}

// used reports whether node m has a use for a value that begins with c: it was
// asked for itself, or it can have the members that were asked for.
func (r *Reader) used(m int, c byte) bool {
	if m < 0 {
		return false
	}
	nd := &r.tree.nodes[m]
	return nd.slot >= 0 || c == '{' || c == '['
}

// learned is a member name that was met below a node, and the node that waits
// for it; -1 when none does.
type learned struct {
	name string
	node int
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
func (r *Reader) memberName(p, n, k int) (end, node, next int) {
	src, order := r.src, r.order[n]
	if p >= len(src) || src[p] != '"' {
		return r.fail(p, "want a member name in double quotes"), -1, k
	}
	for j := k; j < len(order) && j < k+lookAhead; j++ {
		name := order[j].name
		if q := p + 1 + len(name); q < len(src) && src[q] == '"' && string(src[p+1:q]) == name {
			return q + 1, order[j].node, j + 1
		}
	}
	end, flags := r.str(p)
	if end < 0 {
		return -1, -1, k
	}
	name := src[p+1 : end-1]
	if flags&Escaped != 0 {
		return end, r.find(n, AppendUnquoted(nil, name)), k
	}
	node = r.find(n, name)
	if len(order) < maxLearned && flags == 0 {
		r.order[n] = slices.Insert(order, k, learned{string(name), node})
		k++
	}
	return end, node, k
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

func (r *Reader) elements(p, n, depth int) int {
	if depth >= MaxDepth {
		return r.fail(p, "nested too deep")
	}
	p, more := r.open(p, ']')
	for i := 0; more; i++ {
		m := -1
		for _, e := range r.tree.nodes[n].elems {
			if e.index == i {
				m = e.node
			}
		}
		if m >= 0 {
			p = r.node(p, m, depth+1)
		} else {
			p = r.value(p, depth+1)
		}
		if p < 0 {
			return -1
		}
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

// RootKeys lists the members of the value itself that paths begin with.
func (t *Tree) RootKeys() []string {
	var names []string
	for _, e := range t.nodes[0].keys {
		names = append(names, e.name)
	}
	return names
}

// Paths lists the paths that were asked for, by their numbers.
func (t *Tree) Paths() [][]Step {
	paths := make([][]Step, t.slots)
	var walk func(n int, path []Step)
	walk = func(n int, path []Step) {
		if s := t.nodes[n].slot; s >= 0 {
			paths[s] = path
		}
		for _, e := range t.nodes[n].keys {
			walk(e.node, append(slices.Clip(path), Step{Key: e.name}))
		}
		for _, e := range t.nodes[n].elems {
			walk(e.node, append(slices.Clip(path), Step{Index: e.index, IsIndex: true}))
		}
	}
	walk(0, nil)
	return paths
}
