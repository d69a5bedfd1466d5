package rest

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/scan"
)

// pages is a way of paging: how a listing gets from one page to the next. Each way has
// a file of its own, and a line in ways.
type pages interface {
	// first is the token of a window's first page: "" unless pages are counted.
	first() string
	// scope is sc with what {page.…} stands for in a request for the page that token
	// names; {page.size} is there already.
	scope(sc *scope, token string) (*scope, error)
	// next is the token of the page after the one that has come, "" when there is none.
	next(r *reply) (string, error)
}

// A way may do more than that.
type (
	// addressed has addresses for tokens.
	addressed interface {
		address(token string) (*url.URL, error)
	}
	// counting has to know how many records each page has.
	counting interface{ counts() }
	// numbered counts: its tokens say how much there was before them.
	numbered interface {
		// listed is how much there is up to the end of the page that token names, which
		// has n records, and of what.
		listed(token string, n int) (count int, unit string)
	}
	// ending knows better where a listing ends. What stops reports is the rule.
	ending interface {
		ends(r *reply, next string) (bool, error)
	}
	// moving is asked for what the provider itself remembers: it moves on with each
	// request, be the page lost or not.
	moving interface {
		// unsure is told whether the provider may have sent a page that has not come.
		unsure(bool)
		// lead says in a page what follows it.
		lead(page *engine.Page, next string)
	}
)

// ways are the ways of paging by the name that a connector writes. What one looks up
// in a body, it adds to the paths.
var ways = map[string]func(*pager, *paths) pages{
	"none":        newOnePage,
	"link_header": newByLink,
	"next_url":    newByURL,
	"token":       newByToken,
	"offset":      newByOffset,
	"page":        newByNumber,
	"last_record": newByLastRecord,
	"iterator":    newIterator,
}

// reply is what came for the page that token names: n records, or some, of which last
// is the last one; see pager.size.
type reply struct {
	resp  *http.Response
	body  []byte
	token string

	records []byte
	n       int
	last    []byte
}

// paths are looked up in a body in one pass, together with the records.
type paths struct {
	tree *scan.Tree
	n    int
}

// add returns the number of a path in the tree; -1 for one that is not plain, and for
// none.
func (in *paths) add(text string) int {
	steps, plain := parsedPath(text).Steps()
	if text == "" || text == "$" || !plain {
		return -1
	}
	in.n++
	return in.tree.Add(steps)
}

// pager finds the pages of a listing. What it looks up in a response is read in one
// pass together with the records.
type pager struct {
	*listing
	way    pages
	tree   *scan.Tree // paths into the body of a response
	reader *scan.Reader
	// The paths' numbers; -1: none.
	records, more, total, success, absent, empty int

	place scan.Place // of the records
	alone bool       // the record that answers a request may stand alone, without a list
	lines bool       // of the present page: each record has a line
	aside int        // of the present page: what is no record already
	reply reply      // of the present page

	at     string // with total: before the page that this token names
	listed int    // so many records were listed
}

// elementsOf is the place of records in a body that has to be a list, also that of a step.
const elementsOf = "$[*]"

// newPager collects the paths that are looked up in each response.
func newPager(l *listing) *pager {
	p := &pager{listing: l, alone: l.step != nil && l.records != elementsOf}
	records := l.records
	if records == elementsOf {
		records = "$"
	}
	p.place = scan.Place{Path: parsedPath(records), Single: l.resp.Format == "xml", Plain: l.resp.Unwrap != ""}
	in := &paths{tree: scan.NewTree()}
	p.records, p.empty = in.add(records), in.add(l.empty)
	p.success, p.absent = in.add(l.success.At), in.add(l.success.Absent)
	p.way = ways[l.paging.Type](p, in)
	p.more, p.total = in.add(l.paging.More), in.add(l.paging.Total)
	if in.n > 0 {
		p.tree, p.reader = in.tree, scan.NewReader(in.tree)
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
func (p *pager) first() string { return p.way.first() }

// scope is sc with what {page.…} stands for in a request for the page that token names.
func (p *pager) scope(sc *scope, token string) (*scope, error) {
	return p.way.scope(sc.with("page.size", json.Number(strconv.Itoa(p.paging.Size))), token)
}

// moves reports whether the provider moves on with each request.
func (p *pager) moves() bool {
	_, moves := p.way.(moving)
	return moves
}

// unsure notes, where it matters, whether a page may have been sent that has not come.
func (p *pager) unsure(is bool) {
	if w, ok := p.way.(moving); ok {
		w.unsure(is)
	}
}

// lead says in a page what follows it.
func (p *pager) lead(page *engine.Page, token, next string, stop bool) {
	mask := p.src.secrets.Mask
	if !stop {
		page.Next = mask(next)
	}
	if w, ok := p.way.(moving); ok {
		w.lead(page, next)
		return
	}
	switch {
	case p.src.s.Position.Type != "cursor":
	case next == token: // the provider has no more for now
		page.Next, page.Cursor = "", mask(token)
	case stop:
		page.Cursor = mask(cmp.Or(next, token))
	}
}

// pointer is where in a body the next page is named.
type pointer struct {
	p       *pager
	slot    int       // of a plain path
	several scan.Path // one that may lead to several values
	plain   bool
}

func (in *paths) pointer(p *pager, text string) pointer {
	path := parsedPath(text)
	_, plain := path.Steps()
	return pointer{p, in.add(text), path, plain}
}

// text is the page token, or the address, that a plain path leads to.
func (w *pointer) text(body []byte) string {
	sp := w.p.reader.Spans[w.slot]
	if sp.Kind == scan.None {
		return ""
	}
	return tokenText(body[sp.Start:sp.End])
}

// textOf is the text of a value in a response, "" when there is none.
func textOf(sp scan.Span, body []byte) string {
	switch sp.Kind {
	case scan.None, scan.Null:
		return ""
	case scan.String:
		return string(sp.Text(body))
	}
	return scan.PlainText(body[sp.Start:sp.End])
}
