package decode

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"

	"github.com/sluice-connectors/sluice/handler/engine"
)

// record is where a record of a document begins, and what the tree was then.
type record struct {
	inside       bool
	at           int // in the document
	parent, last int32
	nodes, texts int
}

// noteRecord notes that a token at a place of the document begins a record, or is none
// of one.
func (t *tree) noteRecord(token xml.Token, open []int32, records []string, at int) {
	depth := len(records)
	if depth == 0 || len(open) > depth {
		return
	}
	t.rec.inside = false
	start, ok := token.(xml.StartElement)
	if !ok || len(open) < depth || qualified(start.Name) != records[depth-1] {
		return
	}
	for i, name := range records[:depth-1] {
		if t.nodes[open[i+1]].name != t.number(name) {
			return
		}
	}
	parent := open[depth-1]
	t.rec = record{true, at, parent, t.nodes[parent].last, len(t.nodes), len(t.texts)}
}

// leaveOut takes the record that is being read off the tree, because of err, and
// returns where it ends: behind its end tag, or before that where another begins or
// the list ends. It returns 0 when there is none, or when its end cannot be told.
func (t *tree) leaveOut(body []byte, records []string, err error) (end int) {
	r := &t.rec
	if !r.inside || len(t.bad) == maxBad {
		return 0
	}
	end = recordEnd(body, r.at, records)
	if end == 0 {
		return 0
	}
	what := err.Error()
	if syntax := new(xml.SyntaxError); errors.As(err, &syntax) {
		what = syntax.Msg
	}
	t.bad = append(t.bad, engine.Bad{Body: bytes.TrimSpace(body[r.at:end]), Reason: "malformed_record",
		Detail: fmt.Sprintf("line %d: %s", 1+bytes.Count(body[:r.at], []byte{'\n'}), what)})
	t.nodes, t.texts, r.inside = t.nodes[:r.nodes], t.texts[:r.texts], false
	p := &t.nodes[r.parent]
	if p.last = r.last; r.last == 0 {
		p.first = 0
	} else {
		t.nodes[r.last].next = 0
	}
	return end
}

// recordEnd is where the record at a place ends, 0 when that cannot be told.
func recordEnd(body []byte, at int, records []string) int {
	name, found := records[len(records)-1], false
	if _, to := findTag(body, at, "</"+name); to > 0 {
		body, found = body[:to], true
	}
	next := []string{"<" + name}
	if len(records) > 1 {
		next = append(next, "</"+records[len(records)-2])
	}
	for _, tag := range next {
		if from, _ := findTag(body, at+1, tag); from > 0 {
			body, found = body[:from], true
		}
	}
	if !found {
		return 0
	}
	return len(body)
}

// findTag is where the next tag of a name begins and ends, 0 when there is none.
func findTag(body []byte, at int, tag string) (from, to int) {
	for {
		n := bytes.Index(body[at:], []byte(tag))
		if n < 0 {
			return 0, 0
		}
		from = at + n
		if at = from + len(tag); at == len(body) {
			return 0, 0
		}
		switch body[at] {
		case ' ', '\t', '\r', '\n', '>', '/':
			if n = bytes.IndexByte(body[at:], '>'); n >= 0 {
				return from, at + n + 1
			}
		}
	}
}
