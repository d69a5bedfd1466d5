package rest

import (
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

	place  scan.Place // of the records
	tokens scan.Path  // the path to the token that leads to several values, or is not plain
	alone  bool       // the record that answers a request may stand alone, without a list
	lines  bool       // of the present page: each record has a line
	aside  int        // of the present page: what is no record already

	last   *scan.Reader // of last_record: the path into a record
	lastAt int
	who    string // of iterator: the reader
	unsure bool   // of iterator: the provider may have sent a page that has not come

	at     string // with total: before the page that this token names
	listed int    // so many records were listed
}

// elementsOf is the place of records in a body that has to be a list, also that of a step.
const elementsOf = "$[*]"

// newPager collects the paths that are looked up in each response.
func newPager(l *listing) *pager {
	p := &pager{listing: l, alone: l.step != nil && l.records != elementsOf, records: -1, token: -1, more: -1, total: -1, success: -1, absent: -1, empty: -1}
	records := l.records
	if records == elementsOf {
		records = "$"
	}
	p.place = scan.Place{Path: parsedPath(records), Single: l.resp.Format == "xml", Plain: l.resp.Unwrap != ""}
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
	add(&p.records, &none, records)
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
		p.reader.Lenient = true
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

// lead says in a page what follows it.
func (p *pager) lead(page *engine.Page, token, next string, stop bool) {
	mask := p.src.secrets.mask
	if !stop {
		page.Next = mask(next)
	}
	switch {
	case p.paging.Type == "iterator":
		p.unsure = false
		page.Cursor, page.Commit = next, p.aside > 0 || !empty(page.Records)
	case p.src.s.Position.Type != "cursor":
	case next == token: // the provider has no more for now
		page.Next, page.Cursor = "", mask(token)
	case stop:
		page.Cursor = mask(cmp.Or(next, token))
	}
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
		return p.tokenIn(body), nil
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
		return p.plainToken(body)
	}
	var parts []string
	p.tokens.Select(body, func(start, end int) { parts = append(parts, plainText(body[start:end])) })
	return unlessEnd(strings.Join(parts, ","))
}

// plainToken is the page token, or the address, that a path without a filter leads to.
func (p *pager) plainToken(body []byte) string {
	sp := p.reader.Spans[p.token]
	if sp.Kind == scan.None {
		return ""
	}
	return tokenText(body[sp.Start:sp.End])
}

// linkIn is the address in a body. A path with a filter may lead to several values;
// they have to be the same, or there is no telling which one leads on.
func (p *pager) linkIn(body []byte) (string, error) {
	if p.tokens.String() == "" {
		return p.plainToken(body), nil
	}
	var link string
	several := false
	p.tokens.Select(body, func(start, end int) {
		text := tokenText(body[start:end])
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
