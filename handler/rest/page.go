package rest

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"

	"github.com/sluice-connectors/sluice/handler/decode"
	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/scan"
)

// page finds the records and the next page's token in a response to a request
// for the page that token names.
func (p *pager) page(resp *http.Response, body *decode.Body, token string) (*engine.Page, error) {
	page := &engine.Page{Bad: body.Bad, Lines: body.Lines}
	p.aside = len(body.Bad)
	defer p.forget()
	var err error
	if page.Records, err = p.found(page, body.JSON); err != nil {
		return nil, p.unfit(err, body.JSON)
	}
	p.lines, p.aside = page.Lines, len(page.Bad)
	r := &p.reply
	*r = reply{resp: resp, body: body.JSON, token: token, records: page.Records}
	if err := p.size(r); err != nil {
		return nil, err
	}
	next, err := p.way.next(r)
	if err != nil {
		return nil, err
	}
	stop, err := p.ends(r, next)
	if err != nil {
		return nil, err
	}
	p.note(r, next)
	p.lead(page, token, next, stop)
	at := valueAt(page.Records, 0)
	listed := at == len(page.Records) || page.Records[at] == '['
	err = p.shape(page, body.JSON)
	if err == nil && !listed {
		err = p.recognized(page)
	}
	if err != nil {
		return nil, p.unfit(err, body.JSON)
	}
	return page, nil
}

// forget lets go of the body, which is the page's.
func (p *pager) forget() {
	p.reply = reply{}
	if p.reader != nil {
		p.reader.Forget()
	}
}

// unfit is the error of a page whose body is not what the stream declares.
func (l *listing) unfit(err error, body []byte) error {
	r := l.src
	var shape *scan.ShapeError
	var hidden *hiddenError
	switch {
	case errors.As(err, &hidden):
		return err
	case errors.Is(err, decode.ErrTooLarge):
		return r.tooLarge()
	case errors.As(err, &shape):
		return r.fail(engine.Transient, "wrong_shape", "the API may have changed, or it says in this way that something is wrong; the position stays",
			fmt.Errorf("the response is not as declared: %s%s", r.foreign(shape.Error(), 300), r.errs.After(body)), 0)
	}
	return r.fail(engine.Transient, "malformed_page", "", errors.New(r.foreign(err.Error(), 200)), 0)
}

// found is where the records are in a body: mostly a part of it. Of several documents
// one after the other it is all of their lists; the next page's token is in the last.
func (p *pager) found(page *engine.Page, body []byte) ([]byte, error) {
	if p.place.String() == "$" && p.tree == nil {
		return body, p.whole(page, body)
	}
	var lists [][]byte
	documents, records := 0, 0 // records: documents that are one themselves
	for at := valueAt(body, 0); at < len(body); {
		end, err := p.document(body, at)
		switch {
		case err != nil && page.Lines:
			end = scan.LineEnd(body, at)
			page.Bad = append(page.Bad, unreadable(body[at:end], err))
			at = valueAt(body, end)
			continue
		case err != nil:
			return nil, err
		}
		if documents++; p.place.String() == "$" && body[at] == '{' {
			records++
		}
		if lists, err = p.lists(lists, body, at, end); err != nil {
			return nil, err
		}
		at = valueAt(body, end)
	}
	if records == 1 && documents == 1 && !p.alone && !page.Lines || records > 0 && records < documents {
		return nil, &scan.ShapeError{Place: "$", Found: scan.Describe(body, valueAt(body, 0)), Want: "a list"}
	}
	page.Lines = false
	found := joined(lists)
	if len(page.Bad) == 0 && empty(found) {
		return found, p.emptyForAReason(body)
	}
	return found, nil
}

// emptyForAReason is an error when a page without records says what went wrong, as
// GraphQL does beside a null. What a stream calls a success, or empty, is believed.
func (p *pager) emptyForAReason(body []byte) error {
	at := valueAt(body, 0)
	if at == len(body) || body[at] != '{' || p.success >= 0 || p.absent >= 0 || p.empty >= 0 && p.reader.Spans[p.empty].Kind != scan.None {
		return nil
	}
	var err error
	scan.Children(body, at, func(name []byte, value int) bool {
		switch string(name) {
		case `"error"`, `"errors"`:
			if end, _, skipped := scan.Skip(body, value); skipped == nil && !nothing(body[value:end]) {
				err = &hiddenError{fmt.Errorf("it has no records, but %s", name)}
			}
		}
		return err == nil
	})
	return err
}

// nothing reports whether a value says that there is none.
func nothing(value []byte) bool {
	switch value[0] {
	case '{', '[':
		return len(bytes.TrimSpace(value[1:len(value)-1])) == 0
	}
	return tokenText(value) == ""
}

// document reads the JSON value at body[at], looks up the paths in it, and returns
// where it ends.
func (p *pager) document(body []byte, at int) (end int, err error) {
	if p.tree == nil {
		return scan.Extent(body, at)
	}
	if end, err = p.reader.Read(body, at); err != nil {
		return end, err
	}
	return end, p.succeeded(body)
}

// succeeded is an error when a document says that it is one.
func (p *pager) succeeded(body []byte) error {
	want := p.listing.success
	if p.success >= 0 {
		if got := textOf(p.reader.Spans[p.success], body); got != want.Is {
			return &hiddenError{fmt.Errorf("%s is %q, not %q", want.At, p.src.foreign(got, 100), want.Is)}
		}
	}
	if p.absent >= 0 && p.reader.Spans[p.absent].Kind > scan.Null {
		return &hiddenError{fmt.Errorf("it has %s", want.Absent)}
	}
	return nil
}

// lists adds the lists of records of the document at body[at:end].
func (p *pager) lists(lists [][]byte, body []byte, at, end int) ([][]byte, error) {
	if p.records >= 0 && p.reader.Flags&scan.Repeated == 0 { // else Lists tells whether it matters
		if sp := p.reader.Spans[p.records]; sp.Kind == scan.Array {
			return append(lists, body[sp.Start:sp.End]), nil
		}
	}
	saysEmpty := p.empty >= 0 && p.reader.Spans[p.empty].Kind != scan.None
	switch {
	case p.listing.empty != "" && scan.KindOf(body[at]) == scan.Null:
		return lists, nil
	case p.place.String() == "$" && body[at] == '{': // found decides
		return append(lists, body[at:end]), nil
	case p.place.String() == "$" && body[at] != '[':
		return nil, &scan.ShapeError{Place: "$", Found: scan.Describe(body, at), Want: "a list"}
	}
	missing := new(scan.ShapeError)
	err := p.place.Lists(body, at, func(start, end int) { lists = append(lists, body[start:end]) })
	if errors.As(err, &missing) && (missing.Found == "" && (saysEmpty || p.aside > 0) || missing.Found == "null" && p.aside > 0) { // null: no element is left
		err = nil
	}
	return lists, err
}

// whole is an error unless a body whose records are on its top level has a list
// there, or several records one after the other. The records are read by the engine.
func (p *pager) whole(page *engine.Page, body []byte) error {
	at := valueAt(body, 0)
	switch {
	case at == len(body) || body[at] == '[' || page.Lines:
		return nil
	case body[at] == '{':
		end, err := scan.Extent(body, at)
		if err != nil || p.alone || valueAt(body, end) < len(body) {
			page.Lines = err == nil && scan.LineEnd(body, at) < valueAt(body, end) && end <= scan.LineEnd(body, at)
			return err
		}
	case p.listing.empty != "" && scan.KindOf(body[at]) == scan.Null:
		return nil
	}
	return &scan.ShapeError{Place: "$", Found: scan.Describe(body, at), Want: "a list"}
}

// valueAt is where the next of several values begins that stand one after the other;
// 0x1e may stand before each (RFC 7464).
func valueAt(body []byte, at int) int {
	for at < len(body) && body[at] <= ' ' {
		at++
	}
	return at
}

// joined makes one list of several, or of records.
func joined(lists [][]byte) []byte {
	switch len(lists) {
	case 0:
		return nil
	case 1:
		return lists[0]
	}
	out := []byte{'['}
	for _, list := range lists {
		if list[0] == '[' {
			list = bytes.TrimSpace(list[1 : len(list)-1])
		}
		if len(list) == 0 {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(out, list...)
	}
	return append(out, ']')
}

// count counts the records of a page, with those that are none, and finds the last that
// can be read.
func (p *pager) count(r *reply) error {
	r.n = p.aside
	for rec, err := range scan.Records(r.records, p.lines) {
		if rec == nil {
			return p.unfit(err, r.records)
		}
		if r.n++; err == nil {
			r.last = rec
		}
	}
	return nil
}

// empty reports whether there are no records.
func empty(records []byte) bool {
	for range scan.Records(records, false) {
		return false
	}
	return true
}
