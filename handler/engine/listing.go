package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
)

// A listing can fail to lead anywhere: the provider refuses a page token for good,
// answers every token with the same page, or leads from one empty page to the next.

const (
	maxRestarts = 8    // of a window, on suspicion; each is cut shorter than the one before
	maxSame     = 2    // pages that repeat another one of the listing
	maxEmpty    = 1000 // pages in a row without records, in a run
)

// begin forgets what is known of the listing so far.
func (r *run) begin() {
	r.dropAhead()
	r.asked, r.watch = map[idHash]bool{}, watch{}
}

// refusal reports whether an error is the source's answer to a page token, and not to
// wait or to stop.
func (r *run) refusal(err error) bool {
	for _, other := range []error{errBudget, ErrLeaseLost, context.Canceled} {
		if errors.Is(err, other) {
			return false
		}
	}
	return err != nil && r.work.Token != "" && errors.Is(err, r.answer) && kindOf(err) != Throttled
}

// suspects reports whether an error may be due to the page token, of whatever kind it
// is: then it is worth to ask for the beginning of the window. What may pass, or be
// mended by a person, has to have come in an earlier run, too.
func (r *run) suspects(err error) bool {
	w := &r.work
	if w.Restarts >= maxRestarts || r.s.Position.Moving || !r.refusal(err) {
		return false
	}
	return kindOf(err) == Permanent || w.Refused > 0
}

// noteRefusal counts the runs that ended at the same page token.
func (r *run) noteRefusal(err error) {
	w, c := &r.work, r.c
	if !r.refusal(err) {
		return
	}
	if c.Window == nil && r.s.Position.Kind == Cursor && w.Listing == 0 {
		begun := *w
		c.Window = &begun
	}
	if c.Window != nil && c.Window.Token == w.Token {
		c.Window.Refused++
	}
}

// pageSum tells pages with other records apart, in whatever order they come.
type pageSum struct {
	records int
	sum     [2]uint64
	fresh   bool // a record was new
}

func (s *pageSum) add(h idHash, fresh bool) {
	s.records++
	s.sum[0] += binary.BigEndian.Uint64(h[:8])
	s.sum[1] += binary.BigEndian.Uint64(h[8:])
	s.fresh = s.fresh || fresh
}

func (s pageSum) sameAs(t pageSum) bool { return s.records == t.records && s.sum == t.sum }

// watch compares the pages of a listing with the one before, and with one that is
// left behind further and further, for circles.
type watch struct {
	last, mark  pageSum
	pages       int
	same, empty int // without anything new since: pages that repeat another; pages without records
}

// leadsOn is an error when the page after this one cannot be expected to bring
// anything. Where a list leads to the records, many items may lead to the same, or to
// none.
func (r *run) leadsOn(page *Page) error {
	w, p := &r.watch, r.page.sum
	if page.Next == "" || r.s.Position.Indirect || r.s.Position.Moving {
		return nil
	}
	switch {
	case p.records == 0:
		w.empty++
	case p.fresh:
		w.same, w.empty = 0, 0
	default:
		if w.empty = 0; p.sameAs(w.last) || p.sameAs(w.mark) {
			w.same++
		}
	}
	if p.records > 0 {
		w.last = p
	}
	if w.pages++; bits.OnesCount(uint(w.pages)) == 1 {
		w.mark = p
	}
	fail := func(reason, hint, text string, n int) error {
		return &Error{Kind: Permanent, Op: "list " + r.s.Key(), Reason: reason, Hint: hint, Err: fmt.Errorf(text, n)}
	}
	switch {
	case w.same >= maxSame:
		return fail("same_page_again", "what it has is delivered; check the parameters of paging, and whether something on the way drops them",
			"the provider answers with the same records again, whatever page it is asked for (%d times)", w.same+1)
	case w.empty >= maxEmpty:
		return fail("empty_pages", "the next run goes on there", "%d pages in a row had no records, and each named another one", w.empty)
	}
	return nil
}
