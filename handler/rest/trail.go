package rest

import (
	"crypto/sha256"
	"fmt"

	"github.com/sluice-connectors/sluice/handler/engine"
)

// A stream's own pages are watched by the engine. Those of the lists on the way to
// its records it does not see: each level of a stream with steps has a trail.

const (
	maxSame  = 2    // pages that are the one before once more
	maxEmpty = 1000 // pages in a row without records
)

// trail is how a level came to the page it is at.
type trail struct {
	next        string // the token of the page after it
	sum         [sha256.Size]byte
	same, empty int
}

// leadsOn is an error when the pages that follow the one that token named cannot be
// expected to bring anything: the provider does not look at the token, or leads from
// one empty page to the next.
func (r *Source) leadsOn(level int, token string, page *engine.Page) error {
	t := &r.luck[level].trail
	if token == "" || token != t.next {
		*t = trail{}
	}
	before := *t
	if t.next = page.Next; page.Next == "" {
		return nil
	}
	t.sum = sha256.Sum256(page.Records)
	switch {
	case empty(page.Records):
		t.empty++
	case t.sum == before.sum:
		t.empty, t.same = 0, before.same+1
	default:
		t.empty, t.same = 0, 0
	}
	switch {
	case t.same >= maxSame:
		return r.fail(engine.Permanent, "same_page_again", "check the parameters of paging, and whether something on the way drops them",
			fmt.Errorf("the provider answers with the same page again, whatever page it is asked for (%d times)", t.same+1), 0)
	case t.empty >= maxEmpty:
		t.empty = 0
		return r.fail(engine.Permanent, "empty_pages", "the next run goes on there", fmt.Errorf("%d pages in a row had no records, and each named another one", maxEmpty), 0)
	}
	return nil
}
