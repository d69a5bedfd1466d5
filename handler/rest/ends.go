package rest

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/scan"
)

// Where a listing ends: at the page that names no next one, or that is the last by
// what the connector says. It is not believed when the answer itself says that there
// is more.

// ends reports whether the page is the last one, whatever it names as the next.
// token named this page, next names the one after it; n is how many records it has.
func (p *pager) ends(body []byte, n int, token, next string) (bool, error) {
	d := p.paging
	if d.Type == "iterator" {
		return n == 0, nil
	}
	more := p.more >= 0 && truthy(p.reader.Spans[p.more], body)
	switch {
	case next == "", p.more >= 0 && !more, d.Stop == "empty_page" && n == 0, d.Stop == "short_page" && n < d.Size && !more:
		return true, p.complete(body, n, token, more)
	case d.Type == "last_record" && next == token && (d.Size == 0 || n >= d.Size) && (d.Size > 0 || p.src.s.Position.Type != "cursor"):
		// Of a cursor without a size this is what it looks like when nothing is new.
		return false, p.src.fail(engine.Permanent, "no_progress", "the position stays; have the connector ask for larger pages, and write size: and stop: short_page below paging",
			fmt.Errorf("the page after %s %q ends with the same value, so that no page leads on from it", d.Token, p.src.foreign(token, 60)), 0)
	}
	return false, nil
}

// complete is an error when an answer says that there is more than what was listed,
// although there is no page after it. more is what a flag says.
func (p *pager) complete(body []byte, n int, token string, more bool) error {
	cause := errors.New("the provider says that there is more, and names no next page")
	if more && n == 0 {
		cause = errors.New("the provider says that there is more, and the page is empty")
	}
	if !more {
		total, err := p.promised(body, n)
		listed, unit := p.before(token), "records"
		if p.paging.Type == "page" {
			unit = "pages"
		} else if listed >= 0 {
			listed += n
		}
		if err != nil || listed < 0 || listed >= total {
			return err
		}
		cause = fmt.Errorf("the provider says there are %d %s and has listed %d", total, unit, listed)
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

// before is how many records the pages before the one that token names had; where
// pages have numbers, how many pages there were with it. -1: that was in another
// run, and is not known any more.
func (p *pager) before(token string) int {
	at, _ := strconv.Atoi(token)
	switch d := p.paging; {
	case d.Type == "offset", d.Type == "page" && !d.ZeroBased:
		return at
	case d.Type == "page":
		return at + 1
	case token == p.first():
		return 0
	case token == p.at:
		return p.listed
	}
	return -1
}

// note remembers how many records there were before the page that next names.
func (p *pager) note(n int, token, next string) {
	if before := p.before(token); before >= 0 {
		p.at, p.listed = next, before+n
	} else {
		p.at = ""
	}
}

// iterated is the token of an iterator's next page; it counts, to tell one from the
// next.
func iterated(reader, token string) string {
	_, count, _ := strings.Cut(token, ".")
	n, _ := strconv.Atoi(count)
	return reader + "." + strconv.Itoa(n+1)
}

// counted is the token of the page after the one that token, a number, names, and
// that has n records; "" when there are no more. After a page that is shorter than
// it should be the next one begins right behind its records: an offset may count
// records that are not shown, so a few come twice, where none must be left out.
func (p *pager) counted(body []byte, n int, token string) (string, error) {
	at, err := strconv.Atoi(token)
	if err != nil {
		return "", p.src.fail(engine.Permanent, "bad_request", "", fmt.Errorf("the stored page %q is no number", token), 0)
	}
	total, err := p.promised(body, n)
	if err != nil || n == 0 {
		return "", err
	}
	done := p.before(token)
	if p.paging.Type == "page" {
		at++
	} else {
		at, done = at+n, done+n
	}
	if p.total >= 0 && done >= total {
		return "", nil
	}
	return strconv.Itoa(at), nil
}

// size is how many records a page has, and the last of them. Where nothing depends on
// their number they are not counted, and some are 1.
func (p *pager) size(records []byte) (n int, last []byte, err error) {
	d := p.paging
	switch {
	case d.Type == "offset", d.Type == "last_record", d.Stop == "short_page", p.total >= 0,
		p.step != nil && p.tree == nil: // what is cut or garbled is the record's that the step is about
		return p.count(records)
	case p.aside == 0 && empty(records):
		return 0, nil, nil
	}
	return 1, nil, nil
}

// truthy is what a response means by "there is more": true, a number that is
// not 0, a text that does not mean no.
func truthy(sp scan.Span, body []byte) bool {
	text := unlessEnd(textOf(sp, body))
	f, err := strconv.ParseFloat(text, 64)
	return text != "" && (err != nil || f != 0)
}
