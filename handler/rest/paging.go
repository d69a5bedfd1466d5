package rest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/scan"
)

// pager knows how a listing gets from one page to the next. What it looks up in a
// response is read in one pass together with the records.
type pager struct {
	*listing
	tree   *scan.Tree // paths into the body of a response
	reader *scan.Reader
	// The paths' numbers; -1: none.
	records, token, more, total, success, absent, empty int

	several, tokens scan.Path // paths to the records and the token that lead to several values, or are not plain

	last   *scan.Reader // of last_record: the path into a record
	lastAt int
	who    string // of iterator: the reader
	unsure bool   // of iterator: the provider may have sent a page that has not come

	at     string // with total: before the page that this token names
	listed int    // so many records were listed
}

// newPager collects the paths that are looked up in each response.
func newPager(l *listing) *pager {
	p := &pager{listing: l, records: -1, token: -1, more: -1, total: -1, success: -1, absent: -1, empty: -1}
	decl := l.paging
	tree := scan.NewTree()
	n := 0
	add := func(slot *int, several *scan.Path, text string) {
		path := parsedPath(text)
		steps, plain := path.Steps()
		switch {
		case text == "" || text == "$":
		case plain:
			*slot = tree.Add(steps)
			n++
		default:
			*several = path
		}
	}
	var none scan.Path
	add(&p.records, &p.several, l.records)
	add(&p.empty, &none, l.empty)
	add(&p.success, &none, l.success.At)
	add(&p.absent, &none, l.success.Absent)
	switch decl.Type {
	case "next_url":
		add(&p.token, &p.tokens, decl.URL)
	case "token":
		add(&p.token, &p.tokens, decl.Token)
	case "last_record":
		t := scan.NewTree()
		steps, _ := parsedPath(decl.Token).Steps()
		p.lastAt = t.Add(steps)
		p.last = scan.NewReader(t)
	}
	add(&p.more, &none, decl.More)
	add(&p.total, &none, decl.Total)
	if n > 0 {
		p.tree, p.reader = tree, scan.NewReader(tree)
	}
	return p
}

// parsedPath is a path that the validation of the connector has read already.
func parsedPath(text string) scan.Path {
	if text == "" {
		text = "$"
	}
	p, err := scan.ParsePath(text)
	if err != nil {
		panic(err)
	}
	return p
}

// first is the token of a window's first page: "" unless pages are counted.
func (p *pager) first() string {
	switch d := p.paging; {
	case d.Type == "offset", d.Type == "page" && d.ZeroBased:
		return "0"
	case d.Type == "page":
		return "1"
	}
	return ""
}

// scope is sc with what {page.…} stands for in a request for the page that token
// names. Of an iterator a token is the reader and how many pages it has had. Where a
// page may have been sent and lost, the token is of no more use, and a reader that
// begins anew finds it; what the lost reader is sent later, such as by a process that
// wakes up, does it no harm.
func (p *pager) scope(sc *scope, token string) (*scope, error) {
	sc = sc.with("page.size", json.Number(strconv.Itoa(p.paging.Size)))
	if p.paging.Type != "iterator" {
		return sc.with("page.token", pageToken(p.paging, token)), nil
	}
	if token == "" {
		p.who = strconv.FormatInt(p.src.opt.Now().UnixNano(), 36) // nobody else has the stream now
		return sc.with("page.reader", p.who).with("page.token", sc.expand(p.paging.First)), nil
	}
	if p.unsure {
		p.unsure = false
		return nil, fmt.Errorf("%w: a page may have been sent that has not come", engine.ErrTokenExpired)
	}
	p.who, _, _ = strings.Cut(token, ".")
	return sc.with("page.reader", p.who).with("page.token", p.paging.Next), nil
}

// page finds the records and the next page's token in a response to a request
// for the page that token names.
func (p *pager) page(resp *http.Response, body []byte, token string) (*engine.Page, error) {
	r := p.src
	page := &engine.Page{Records: body}
	if err := p.read(body); err != nil {
		return nil, r.fail(engine.Transient, "malformed_page", "", err, 0)
	}
	if p.success >= 0 {
		got, want := textOf(p.reader.Spans[p.success], body), p.listing.success
		if got != want.Is {
			return nil, &hiddenError{fmt.Errorf("%s is %q, not %q", want.At, r.foreign(got, 100), want.Is)}
		}
	}
	if p.absent >= 0 {
		if sp := p.reader.Spans[p.absent]; sp.Kind != scan.None && sp.Kind != scan.Null {
			return nil, &hiddenError{fmt.Errorf("it has %s", p.listing.success.Absent)}
		}
	}
	var err error
	if page.Records, err = p.found(body); err != nil {
		return nil, err
	}
	n, last, err := p.size(page.Records)
	if err != nil {
		return nil, err
	}
	next, err := p.next(resp, body, n, last, token)
	if err != nil {
		return nil, err
	}
	stop, err := p.ends(body, n, token, next)
	if err != nil {
		return nil, err
	}
	p.note(n, token, next)
	p.lead(page, token, next, stop)
	page.Records, err = p.shape(body, page.Records)
	return page, err
}

// read looks up the paths. Where the records are taken out of the body here, and not
// by the engine, it is the whole body that has to be valid: what is cut short would
// look as if it had fewer records.
func (p *pager) read(body []byte) error {
	if p.tree != nil {
		_, err := p.reader.Read(body, 0)
		return err
	}
	if p.records < 0 && (p.step != nil || len(p.src.levels) > 1 || p.several.String() != "" || p.resp.Columns != "" || p.resp.Unwrap != "" || p.explode.At != "") {
		return validValues(body)
	}
	return nil
}

// validValues is an error unless a text is JSON values one after the other.
func validValues(body []byte) error {
	for at := scan.Space(body, 0); at < len(body); {
		end, _, err := scan.Skip(body, at)
		if err != nil {
			return err
		}
		for at = end; at < len(body) && (body[at] <= ' ' || body[at] == 0x1e); at++ {
		}
	}
	return nil
}

// lead says in a page what follows it.
func (p *pager) lead(page *engine.Page, token, next string, stop bool) {
	mask := p.src.secrets.mask
	if !stop {
		page.Next = mask(next)
	}
	switch {
	case p.paging.Type == "iterator":
		p.unsure = false
		page.Cursor, page.Commit = next, !empty(page.Records)
	case p.src.s.Position.Type != "cursor":
	case next == token: // the provider has no more for now
		page.Next, page.Cursor = "", mask(token)
	case stop:
		page.Cursor = mask(cmp.Or(next, token))
	}
}

// found is where the records are in a body.
func (p *pager) found(body []byte) ([]byte, error) {
	if p.several.String() != "" {
		return p.collect(body), nil
	}
	if p.records < 0 {
		return body, nil
	}
	sp := p.reader.Spans[p.records]
	switch sp.Kind {
	case scan.None:
		if p.empty >= 0 && p.reader.Spans[p.empty].Kind != scan.None {
			return nil, nil
		}
		return nil, p.src.fail(engine.Transient, "unexpected_answer", "the API may have changed", fmt.Errorf("the response has no %s", p.listing.records), 0)
	case scan.Null:
		return nil, nil
	}
	return body[sp.Start:sp.End], nil
}

// collect makes an array of the values that a path leads to; of those that are
// arrays, of their elements.
func (p *pager) collect(body []byte) []byte {
	out := []byte{'['}
	p.several.Select(body, func(start, end int) {
		value := body[start:end]
		if value[0] == '[' {
			value = bytes.TrimSpace(value[1 : len(value)-1])
		}
		if len(value) == 0 || string(value) == "null" {
			return
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(out, value...)
	})
	return append(out, ']')
}

// next returns the token of the page after one with n records, or "".
func (p *pager) next(resp *http.Response, body []byte, n int, last []byte, token string) (string, error) {
	d := p.paging
	switch d.Type {
	case "link_header":
		link, err := linkTo(cmp.Or(d.Rel, "next"), resp.Header.Values("Link"))
		if err != nil {
			return "", p.src.fail(engine.Transient, "unexpected_answer", "the API may have changed", errors.New("the header Link cannot be followed: "+p.src.foreign(err.Error(), 200)), 0)
		}
		return p.follow(resp, link)
	case "next_url":
		if d.URLHeader != "" {
			return p.follow(resp, resp.Header.Get(d.URLHeader))
		}
		link, err := p.linkIn(body)
		if err != nil {
			return "", err
		}
		return p.follow(resp, link)
	case "token":
		if d.TokenHeader != "" {
			return unlessEnd(resp.Header.Get(d.TokenHeader)), nil
		}
		return unlessEnd(p.tokenIn(body)), nil
	case "offset", "page":
		return p.counted(body, n, token)
	case "iterator":
		return iterated(p.who, token), nil
	case "last_record":
		if last == nil {
			return "", nil
		}
		if _, err := p.last.Read(last, 0); err != nil {
			return "", p.src.fail(engine.Transient, "malformed_page", "", err, 0)
		}
		value := textOf(p.last.Spans[p.lastAt], last)
		if value == "" {
			return "", p.src.fail(engine.Permanent, "unexpected_answer", "the API may have changed", fmt.Errorf("the last record of the page has no %s", d.Token), 0)
		}
		return value, nil
	}
	return "", nil
}

// tokenIn is the page token in a body; the elements of a list with commas between.
func (p *pager) tokenIn(body []byte) string {
	if p.tokens.String() == "" {
		return textOf(p.reader.Spans[p.token], body)
	}
	var parts []string
	p.tokens.Select(body, func(start, end int) { parts = append(parts, plainText(body[start:end])) })
	return strings.Join(parts, ",")
}

// linkIn is the address in a body. A path with a filter may lead to several values;
// they have to be the same, or there is no telling which one leads on.
func (p *pager) linkIn(body []byte) (string, error) {
	if p.tokens.String() == "" {
		return textOf(p.reader.Spans[p.token], body), nil
	}
	var link string
	several := false
	p.tokens.Select(body, func(start, end int) {
		text := unlessEnd(plainText(body[start:end]))
		several = several || link != "" && text != "" && text != link
		link = cmp.Or(text, link)
	})
	if several {
		return "", p.src.fail(engine.Transient, "unexpected_answer", "the API may have changed", fmt.Errorf("%s leads to several addresses", p.paging.URL), 0)
	}
	return link, nil
}

// textOf is the text of a value in a response, "" when there is none.
func textOf(sp scan.Span, body []byte) string {
	switch sp.Kind {
	case scan.None, scan.Null:
		return ""
	case scan.String:
		return string(sp.Text(body))
	}
	return plainText(body[sp.Start:sp.End])
}
