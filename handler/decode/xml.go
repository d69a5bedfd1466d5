package decode

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"

	"github.com/sluice-connectors/sluice/handler/engine"
)

const maxDepth = 1000 // of elements

// fromXML turns a document into JSON as Json.NET does (newtonsoft.com, "Converting
// between JSON and XML"): attributes are @name, text beside them is #text, one
// child of a name is a value, several are an array, an empty element is null. A
// character that XML does not allow is one that is no UTF-8 in the JSON; an & or <
// that begins nothing is text. A record whose elements do not fit each other is Bad.
func fromXML(o Options, body []byte) (*Body, error) {
	t, err := o.readXML(body, nil)
	damaged := false
	if syntax := new(xml.SyntaxError); errors.As(err, &syntax) {
		if err := (&Growth{Room: o.Room}).To(min(2*len(body), Max)); err != nil {
			return nil, err
		}
		repaired := repairXML(body)
		if damaged = !bytes.Equal(repaired, body); damaged {
			body = repaired
			t, err = o.readXML(body, nil)
		}
	}
	if err != nil && len(o.Records) > 0 && !errors.Is(err, ErrTooLarge) {
		t, err = o.readXML(body, o.Records)
	}
	if err != nil {
		return nil, err
	}
	t.damaged, t.growth = damaged, Growth{Room: o.Room}
	out := t.appendMember([]byte{'{'}, t.nodes[0].first)
	if out = append(out, '}'); t.full(out) {
		return nil, t.err
	}
	return &Body{JSON: out, Bad: t.bad}, nil
}

// tree is a document on its way to JSON. It is kept small: most of a large document
// are short elements.
type tree struct {
	nodes   []node
	texts   []byte
	names   []string // each quoted, with a colon behind it
	numbers map[string]int32
	latest  []latest // by name
	damaged bool     // U+FFFD in it stands for what is no character
	rec     record
	bad     []engine.Bad // records that were left out
	growth  Growth       // of the tree, then of what is written
	err     error        // there is no room for more
}

// full reports whether there is no room for what was written.
func (t *tree) full(out []byte) bool {
	if t.err == nil {
		t.err = t.growth.To(len(out))
	}
	return t.err != nil
}

// node is an element, an attribute, or with name 0 the text between elements.
type node struct {
	name              int32
	first, last, next int32 // children, and the sibling that follows; 0: none
	same              int32 // the next sibling of the same name
	from, to          int32 // its text, of those
	later             bool  // a sibling before it has the same name
	plain             bool  // an attribute: a text, and nothing else
}

const nodeSize = 32

// latest is the last child of a parent that has a name.
type latest struct{ parent, child int32 }

const textName, attribute = "#text", "@"

// readXML reads a document. With a path to records it leaves out those that are no XML,
// where it can be told where they end.
func (o Options) readXML(body []byte, records []string) (*tree, error) {
	t := &tree{nodes: make([]node, 1), numbers: map[string]int32{}, growth: Growth{Room: o.Room}}
	t.number(textName)
	open, from, dec := []int32{0}, 0, decoderOf(body)
	for {
		at := from + int(dec.InputOffset())
		token, err := dec.RawToken() // which keeps prefixes, and leaves it to us whether ends fit
		if errors.Is(err, io.EOF) {
			break
		}
		t.noteRecord(token, open, records, at)
		if err == nil {
			open, err = t.take(token, open)
		}
		if err != nil {
			if from = t.leaveOut(body, records, err); from == 0 {
				return nil, err
			}
			open, dec = open[:len(records)], decoderOf(body[from:])
		}
		if err := t.growth.To(len(t.nodes) * nodeSize); err != nil {
			return nil, err
		}
	}
	if root := t.nodes[0]; len(open) != 1 || root.first == 0 || t.nodes[root.first].next != 0 {
		return nil, errors.New("the document is not complete")
	}
	return t, nil
}

func decoderOf(body []byte) *xml.Decoder {
	dec := xml.NewDecoder(bytes.NewReader(body))
	dec.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil } // it is UTF-8 by now
	return dec
}

// take adds a token below those elements that are open.
func (t *tree) take(token xml.Token, open []int32) ([]int32, error) {
	top := open[len(open)-1]
	switch token := token.(type) {
	case xml.StartElement:
		if len(open) > maxDepth {
			return open, fmt.Errorf("elements are nested more than %d deep", maxDepth)
		}
		e := t.add(top, qualified(token.Name))
		for _, a := range token.Attr {
			id := t.add(e, attribute+qualified(a.Name))
			t.texts = append(t.texts, a.Value...)
			t.nodes[id].to, t.nodes[id].plain = int32(len(t.texts)), true
		}
		return append(open, e), nil
	case xml.EndElement:
		if name := qualified(token.Name); top == 0 || t.numbers[name] != t.nodes[top].name {
			return open, fmt.Errorf("</%s> ends no element", name)
		}
		return open[:len(open)-1], nil
	case xml.CharData:
		if top > 0 {
			id := t.add(top, textName)
			t.texts = append(t.texts, token...)
			t.nodes[id].to = int32(len(t.texts))
		}
	}
	return open, nil
}

// add makes a node below parent.
func (t *tree) add(parent int32, name string) int32 {
	at := int32(len(t.texts))
	n := node{name: t.number(name), from: at, to: at}
	id := int32(len(t.nodes))
	t.nodes = append(t.nodes, n)
	p := &t.nodes[parent]
	if p.first == 0 {
		p.first = id
	} else {
		t.nodes[p.last].next = id
	}
	p.last = id
	return id
}

// number is a name's place among the names.
func (t *tree) number(name string) int32 {
	n, ok := t.numbers[name]
	if !ok {
		n = int32(len(t.names))
		t.numbers[name] = n
		t.names = append(t.names, string(append(appendText(nil, name), ':')))
		t.latest = append(t.latest, latest{})
	}
	return n
}

func qualified(n xml.Name) string {
	if n.Space == "" {
		return n.Local
	}
	return n.Space + ":" + n.Local
}

// appendMember writes "name":value.
func (t *tree) appendMember(out []byte, id int32) []byte {
	return t.appendValue(append(out, t.names[t.nodes[id].name]...), id)
}

// appendValue writes an element or attribute: the text alone where there is nothing else.
func (t *tree) appendValue(out []byte, id int32) []byte {
	n := t.nodes[id]
	if n.plain {
		return t.appendText(out, t.texts[n.from:n.to])
	}
	text, members, elements := t.group(id)
	if elements { // blanks between them
		text = bytes.TrimSpace(text)
	}
	switch {
	case members:
		return t.appendObject(out, n.first, text)
	case len(text) == 0:
		return append(out, "null"...)
	}
	return t.appendText(out, text)
}

func (t *tree) appendObject(out []byte, first int32, text []byte) []byte {
	out = append(out, '{')
	start := len(out)
	comma := func() {
		if len(out) > start {
			out = append(out, ',')
		}
	}
	said := len(text) == 0
	for c := first; c != 0; c = t.nodes[c].next {
		n := t.nodes[c]
		if n.name == 0 || n.later {
			continue
		}
		if !said && !n.plain {
			said = true
			comma()
			out = t.appendText(append(out, t.names[0]...), text)
		}
		comma()
		out = t.appendGroup(out, c)
		if t.full(out) {
			return out
		}
	}
	if !said {
		comma()
		out = t.appendText(append(out, t.names[0]...), text)
	}
	return append(out, '}')
}

// appendGroup writes the children of a name: one as a value, several as a list.
func (t *tree) appendGroup(out []byte, id int32) []byte {
	if t.nodes[id].same == 0 {
		return t.appendMember(out, id)
	}
	out = append(append(out, t.names[t.nodes[id].name]...), '[')
	for c := id; c != 0 && !t.full(out); c = t.nodes[c].same {
		if c != id {
			out = append(out, ',')
		}
		out = t.appendValue(out, c)
	}
	return append(out, ']')
}

// group links the children of an element by their names, and returns its text and
// whether it has attributes or elements, and elements.
func (t *tree) group(id int32) (text []byte, members, elements bool) {
	single := true
	for c := t.nodes[id].first; c != 0; c = t.nodes[c].next {
		n := &t.nodes[c]
		if n.name == 0 {
			if piece := t.texts[n.from:n.to]; text == nil {
				text = piece
			} else {
				if single {
					text, single = bytes.Clone(text), false
				}
				text = append(text, piece...)
			}
			continue
		}
		members, elements = true, elements || !n.plain
		if before := t.latest[n.name]; before.parent == id {
			t.nodes[before.child].same, n.later = c, true
		}
		t.latest[n.name] = latest{id, c}
	}
	return text, members, elements
}

func (t *tree) appendText(out, text []byte) []byte {
	start := len(out)
	out = appendText(out, text)
	if !t.damaged || !bytes.Contains(out[start:], []byte("\ufffd")) {
		return out
	}
	return append(out[:start], bytes.ReplaceAll(out[start:], []byte("\ufffd"), []byte{0xff})...)
}
