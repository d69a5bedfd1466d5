package rest

import (
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/scan"
)

// Where a listing ends: at the page that names no next one, or that is the last by
// what the connector says. It is not believed when the answer itself says that there
// is more.

// ends reports whether the page that has come is the last one, whatever it names as
// the next.
func (p *pager) ends(r *reply, next string) (bool, error) {
	if w, ok := p.way.(ending); ok {
		return w.ends(r, next)
	}
	return p.stops(r, next)
}

// stops is the rule by which most listings end.
func (p *pager) stops(r *reply, next string) (bool, error) {
	d := p.paging
	more := p.more >= 0 && truthy(p.reader.Spans[p.more], r.body)
	if next == "" || p.more >= 0 && !more || d.Stop == "empty_page" && r.n == 0 || d.Stop == "short_page" && r.n < d.Size && !more {
		return true, p.complete(r, more)
	}
	return false, nil
}

// complete is an error when an answer says that there is more than what was listed,
// although there is no page after it. more is what a flag says.
func (p *pager) complete(r *reply, more bool) error {
	cause := errors.New("the provider says that there is more, and names no next page")
	if more && r.n == 0 {
		cause = errors.New("the provider says that there is more, and the page is empty")
	}
	if !more {
		total, err := p.promised(r.body, r.n)
		count, unit := p.sofar(r)
		if err != nil || count < 0 || count >= total {
			return err
		}
		cause = fmt.Errorf("the provider says there are %d %s and has listed %d", total, unit, count)
	}
	return p.src.fail(engine.Transient, "empty_before_end", "the position stays; the page is asked for again", cause, 0)
}

// promised is how many records, or pages, there are by what a page with n records
// says; 0 when it need not say.
func (p *pager) promised(body []byte, n int) (int, error) {
	if p.total < 0 {
		return 0, nil
	}
	text := textOf(p.reader.Spans[p.total], body)
	if text == "" && n == 0 {
		return 0, nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || f != math.Trunc(f) || f < 0 || f > math.MaxInt32 {
		return 0, p.src.fail(engine.Transient, "unexpected_answer", "the API may have changed", fmt.Errorf("%s is no number", p.paging.Total), 0)
	}
	return int(f), nil
}

// sofar is how much was listed with the page that has come, and of what. -1: a part of
// it was in another run, and is not known any more.
func (p *pager) sofar(r *reply) (count int, unit string) {
	if w, ok := p.way.(numbered); ok {
		return w.listed(r.token, r.n)
	}
	switch r.token {
	case p.first():
		return r.n, "records"
	case p.at:
		return p.listed + r.n, "records"
	}
	return -1, "records"
}

// note remembers how many records there were before the page that next names.
func (p *pager) note(r *reply, next string) {
	count, _ := p.sofar(r)
	if p.at = ""; count >= 0 {
		p.at, p.listed = next, count
	}
}

// size finds how many records a page has. Where nothing depends on their number they
// are not counted, and some are 1.
func (p *pager) size(r *reply) error {
	_, counts := p.way.(counting)
	switch {
	case counts, p.paging.Stop == "short_page", p.total >= 0, p.step != nil && p.tree == nil: // what is cut or garbled is the record's that the step is about
		return p.count(r)
	case p.aside > 0 || !empty(r.records):
		r.n = 1
	}
	return nil
}

// truthy is what a response means by "there is more": true, a number that is
// not 0, a text that does not mean no.
func truthy(sp scan.Span, body []byte) bool {
	text := unlessEnd(textOf(sp, body))
	f, err := strconv.ParseFloat(text, 64)
	return text != "" && (err != nil || f != 0)
}
