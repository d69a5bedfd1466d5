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
	slot  int  // -1: nobody asked for this value itself
	taken bool // nothing of this value is left over
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

// Take says that the values of some paths, by their numbers, go where they are
// asked for, whole: nothing of them is left over for Reader.AppendRest.
func (t *Tree) Take(slots ...int) {
	for i := range t.nodes {
		if nd := &t.nodes[i]; nd.slot >= 0 && slices.Contains(slots, nd.slot) {
			nd.taken = true
		}
	}
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

// RootKeys lists the members of the value itself that paths begin with.
func (t *Tree) RootKeys() []string {
	var names []string
	for _, e := range t.nodes[0].keys {
		names = append(names, e.name)
	}
	return names
}

// Asks reports whether a path begins with a member, or is the whole value.
func (t *Tree) Asks(member string) bool {
	return t.nodes[0].slot >= 0 || slices.Contains(t.RootKeys(), member)
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
