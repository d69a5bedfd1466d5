package scan

import (
	"fmt"
	"strings"
)

// A ShapeError says what stands where a path promises a list of records.
type ShapeError struct {
	Place string // the path as far as it leads
	Found string // in words; "" when nothing is there
	Want  string
}

func (e *ShapeError) Error() string {
	if e.Found == "" {
		return fmt.Sprintf("there is no %s; %s", e.Place, e.Want)
	}
	return fmt.Sprintf("%s is %s; want %s", e.Place, e.Found, e.Want)
}

// Place is where lists of records have to be.
type Place struct {
	Path
	// Single takes what stands alone for a list of one, and null for one of none: of
	// XML, where a list of one cannot be told from a value.
	Single bool
	// Plain takes a text or a number for a list of one: where records are such, behind [*].
	Plain bool
}

// Lists calls f with each list of records that the place leads to in the value at
// src[at], which is valid JSON but for its records: an array, or where the path
// ends in brackets, such as [*], a record itself. null is a list of none. It is an error,
// a *ShapeError, when the place is not there, or holds something else.
func (p Place) Lists(src []byte, at int, f func(start, end int)) error {
	d := demand{Place: p, selection: selection{src: src, f: f}}
	return d.walk(at, p.steps)
}

type demand struct {
	Place
	selection
}

// upTo is the path as it leads to the first of steps.
func (d *demand) upTo(steps []pathStep) string {
	return strings.TrimSuffix(d.text, restOf(steps))
}

func restOf(steps []pathStep) string {
	if len(steps) == 0 {
		return ""
	}
	return steps[0].text
}

func (d *demand) walk(at int, steps []pathStep) error {
	kind := KindOf(d.src[at])
	if len(steps) == 0 {
		return d.list(at, kind)
	}
	step, rest := &steps[0], steps[1:]
	switch {
	case step.deep:
		return d.somewhere(at, steps)
	case step.kind == stepKey:
		return d.member(at, kind, steps)
	case kind == Null:
		return nil
	case step.kind == stepAll && !step.list && kind == Object: // the members of a map
	case kind != Array && d.Single:
		return d.element(at, rest)
	case kind != Array:
		return &ShapeError{d.upTo(steps), Describe(d.src, at), "a list"}
	}
	return d.children(at, steps)
}

// list takes the value at the end of the path.
func (d *demand) list(at int, kind Kind) error {
	switch {
	case kind == Null:
		return nil
	case kind != Array && !d.Single && !(d.Plain && (kind == String || kind == Number)):
		return &ShapeError{d.text, Describe(d.src, at), "a list"}
	}
	return d.take(at)
}

func (d *demand) take(at int) error {
	end, err := Extent(d.src, at)
	if err == nil {
		d.f(at, end)
	}
	return err
}

// element goes on with one of several values; the last of a path may be a record.
func (d *demand) element(at int, rest []pathStep) error {
	if len(rest) == 0 {
		return d.take(at)
	}
	return d.walk(at, rest)
}

// member goes on with the one member that a step names.
func (d *demand) member(at int, kind Kind, steps []pathStep) error {
	if kind != Object {
		return &ShapeError{d.upTo(steps), Describe(d.src, at), "an object with " + d.upTo(steps[1:])}
	}
	found := -1
	twice := false
	end := Children(d.src, at, func(name []byte, value int) bool {
		if steps[0].takes(d.src, name, 0, 0, value) {
			twice = found >= 0
			found = value
		}
		return !twice
	})
	switch {
	case twice:
		return &ShapeError{d.upTo(steps[1:]), "there twice", "it once"}
	case end < 0:
		return d.damaged(at, steps)
	case found < 0:
		return &ShapeError{d.upTo(steps[1:]), "", d.upTo(steps) + " is " + Describe(d.src, at)}
	}
	return d.walk(found, steps[1:])
}

// children goes on with the elements that a step takes. A place in the list has to
// be there, what is chosen by a condition or a range need not.
func (d *demand) children(at int, steps []pathStep) (err error) {
	step := &steps[0]
	i, n, met := 0, 0, false
	if step.from < 0 || step.to < 0 {
		Children(d.src, at, func([]byte, int) bool { n++; return true })
	}
	end := Children(d.src, at, func(name []byte, child int) bool {
		if step.takes(d.src, name, i, n, child) {
			met = true
			err = d.element(child, steps[1:])
		}
		i++
		return err == nil
	})
	switch {
	case err != nil:
		return err
	case end < 0:
		return d.damaged(at, steps)
	case !met && step.kind == stepIndex:
		return &ShapeError{d.upTo(steps[1:]), "", fmt.Sprintf("%s is a list of %d", d.upTo(steps), i)}
	}
	return nil
}

func (d *demand) damaged(at int, steps []pathStep) error {
	return &SyntaxError{at, "the end of " + d.upTo(steps) + " cannot be told"}
}

// somewhere takes what a path leads to at any depth: at least once.
func (d *demand) somewhere(at int, steps []pathStep) (err error) {
	met := false
	s := selection{src: d.src, f: func(start, end int) {
		met = true
		if err != nil {
			return
		}
		if steps[len(steps)-1].kind == stepKey {
			err = d.list(start, KindOf(d.src[start]))
		} else {
			d.f(start, end)
		}
	}}
	s.walk(at, steps, 0)
	if err == nil && !met {
		return &ShapeError{d.text, "", d.upTo(steps) + " is " + Describe(d.src, at)}
	}
	return err
}
