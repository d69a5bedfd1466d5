package rest

import (
	"sync"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/kql"
	"github.com/sluice-connectors/sluice/handler/scan"
	"github.com/sluice-connectors/sluice/handler/spec"
)

// In a list there is nothing but records. What stands without one may be a record, or
// an error with status 200, which is an object too: a record it is when its id or its
// time can be read.

// recognizer knows the records of a stream.
type recognizer struct {
	position *spec.Position
	prog     *kql.Program

	mu       sync.Mutex
	runner   *kql.Runner
	id, time bool // whether they tell something: what {} has, too, does not
}

// Recognize has the source look at what may be no record, with the program that makes
// rows of the stream. One that was joined is known by the record around it.
func (r *Source) Recognize(prog *kql.Program) {
	last := r.levels[len(r.levels)-1]
	if prog.Multiplies() || last.step != nil && last.step.Join != "" {
		return
	}
	k := &recognizer{position: &r.s.Position, prog: prog, runner: prog.Runner()}
	id, time := k.read([]byte("{}"))
	k.id, k.time = !id && k.position.ID != "", !time
	last.knows = k
}

// read reports whether a record's id and its time can be read.
func (k *recognizer) read(rec []byte) (id, time bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, err := k.runner.Read(rec); err != nil || !k.runner.IsObject() {
		return false, false
	}
	_, time = k.runner.EventTime()
	return len(k.runner.ID()) > 0, time
}

// column reports whether the stream's rows are made of a column.
func (k *recognizer) column(name string) bool { return k.prog.Reads(name) }

// recognized is an error when none of the records of a page that came without a list
// is one.
func (l *listing) recognized(page *engine.Page) error {
	k := l.knows
	if k == nil || !k.id && !k.time {
		return nil
	}
	var first []byte
	for rec, err := range scan.Records(page.Records, page.Lines) {
		if err != nil {
			return nil // which the engine deals with
		}
		if id, time := k.read(rec); id && k.id || time && k.time {
			return nil
		}
		if first == nil {
			first = rec
		}
	}
	if first == nil {
		return nil
	}
	return &scan.ShapeError{Place: "$", Found: scan.Describe(first, 0), Want: "a record, in which " + k.wanted() + " can be read"}
}

// wanted names what a record is known by.
func (k *recognizer) wanted() string {
	switch {
	case !k.time:
		return "its id (" + k.position.ID + ")"
	case !k.id:
		return "its time (" + k.position.Time + ")"
	}
	return "its id (" + k.position.ID + ") or its time (" + k.position.Time + ")"
}
