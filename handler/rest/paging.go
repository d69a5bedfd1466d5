package rest

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/scan"
)

// pager knows how a stream gets from one page to the next. What it looks up in a
// response is read in one pass together with the records.
type pager struct {
	src    *Source
	tree   *scan.Tree // paths into the body of a response
	reader *scan.Reader
	// The paths' numbers; -1: none.
	records, token, more, total, success int

	last   *scan.Reader // of last_record: the path into a record
	lastAt int
}

// newPager collects the paths that are looked up in each response.
func newPager(r *Source) *pager {
	p := &pager{src: r, records: -1, token: -1, more: -1, total: -1, success: -1}
	decl := &r.s.Paging
	tree := scan.NewTree()
	n := 0
	add := func(slot *int, path string) {
		if path != "" && path != "$" {
			*slot = tree.Add(steps(path))
			n++
		}
	}
	add(&p.records, r.s.Records)
	add(&p.success, r.s.Success.At)
	switch decl.Type {
	case "next_url":
		add(&p.token, decl.URL)
	case "token":
		add(&p.token, decl.Token)
	case "last_record":
		t := scan.NewTree()
		p.lastAt = t.Add(steps(decl.Token))
		p.last = scan.NewReader(t)
	}
	add(&p.more, decl.More)
	add(&p.total, decl.Total)
	if n > 0 {
		p.tree, p.reader = tree, scan.NewReader(tree)
	}
	return p
}

// steps is a path such as $.data.items.
func steps(path string) []scan.Step { return scan.Key(strings.Split(path, ".")[1:]...) }

// first is the token of a window's first page: "" unless pages are counted.
func (p *pager) first() string {
	switch d := &p.src.s.Paging; {
	case d.Type == "offset", d.Type == "page" && d.ZeroBased:
		return "0"
	case d.Type == "page":
		return "1"
	}
	return ""
}

// page finds the records and the next page's token in a response to a request
// for the page that token names.
func (p *pager) page(resp *http.Response, body []byte, token string) (*engine.Page, error) {
	r := p.src
	page := &engine.Page{Records: body}
	if p.tree != nil {
		if _, err := p.reader.Read(body, 0); err != nil {
			return nil, r.fail(engine.Transient, "malformed_page", "", err, 0)
		}
	}
	if p.success >= 0 {
		if got, want := textOf(p.reader.Spans[p.success], body), r.s.Success.Is; got != want {
			return nil, &hiddenError{fmt.Errorf("%s is %q, not %q", r.s.Success.At, r.foreign(got, 100), want)}
		}
	}
	if p.records >= 0 {
		sp := p.reader.Spans[p.records]
		switch sp.Kind {
		case scan.None:
			return nil, r.fail(engine.Transient, "unexpected_answer", "the API may have changed", fmt.Errorf("the response has no %s", r.s.Records), 0)
		case scan.Null:
			page.Records = nil
		default:
			page.Records = body[sp.Start:sp.End]
		}
	}
	next, err := p.next(resp, body, page.Records, token)
	if err == nil && next != "" {
		var stop bool
		if stop, err = p.stops(body, page.Records); stop {
			next = ""
		}
	}
	page.Next = r.secrets.mask(next)
	return page, err
}

// stops reports whether the page is the last one, whatever it names as the next.
func (p *pager) stops(body, records []byte) (bool, error) {
	d := &p.src.s.Paging
	if p.more >= 0 && !truthy(p.reader.Spans[p.more], body) {
		return true, nil
	}
	switch d.Stop {
	case "empty_page":
		return empty(records), nil
	case "short_page":
		n, _, err := p.count(records)
		return n < d.Size, err
	}
	return false, nil
}

// next returns the token of the next page, or "".
func (p *pager) next(resp *http.Response, body, records []byte, token string) (string, error) {
	d := &p.src.s.Paging
	switch d.Type {
	case "link_header":
		return p.follow(resp, nextLink(resp.Header.Values("Link")))
	case "next_url":
		return p.follow(resp, textOf(p.reader.Spans[p.token], body))
	case "token":
		if d.TokenHeader != "" {
			return resp.Header.Get(d.TokenHeader), nil
		}
		return textOf(p.reader.Spans[p.token], body), nil
	case "offset", "page":
		return p.counted(body, records, token)
	case "last_record":
		_, last, err := p.count(records)
		if err != nil || last == nil {
			return "", err
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

// counted is the token of the page after the one that token, a number, names. A
// page without records is the last.
func (p *pager) counted(body, records []byte, token string) (string, error) {
	at, err := strconv.Atoi(token)
	if err != nil {
		return "", p.src.fail(engine.Permanent, "bad_request", "", fmt.Errorf("the stored page %q is no number", token), 0)
	}
	n, _, err := p.count(records)
	if err != nil || n == 0 {
		return "", err
	}
	done := at + n // records so far
	if p.src.s.Paging.Type == "page" {
		at++
		if done = at; !p.src.s.Paging.ZeroBased {
			done-- // pages so far
		}
	} else {
		at = done
	}
	if p.total >= 0 {
		total, err := strconv.Atoi(textOf(p.reader.Spans[p.total], body))
		if err != nil {
			return "", p.src.fail(engine.Transient, "unexpected_answer", "the API may have changed", fmt.Errorf("%s is no number", p.src.s.Paging.Total), 0)
		}
		if done >= total {
			return "", nil
		}
	}
	return strconv.Itoa(at), nil
}

// count counts the records of a page and returns the last of them.
func (p *pager) count(records []byte) (n int, last []byte, err error) {
	at := scan.Space(records, 0)
	list := at < len(records) && records[at] == '['
	if list {
		at++
	}
	for {
		for at < len(records) && (records[at] <= ' ' || records[at] == ',') {
			at++
		}
		if at >= len(records) || list && records[at] == ']' {
			return n, last, nil
		}
		end, _, err := scan.Skip(records, at)
		if err != nil {
			return 0, nil, p.src.fail(engine.Transient, "malformed_page", "", err, 0)
		}
		n, last, at = n+1, records[at:end], end
	}
}

// follow makes a page token of a URL: its path and query. It has to be at the
// origin that the connection is configured for.
func (p *pager) follow(resp *http.Response, link string) (string, error) {
	if link == "" {
		return "", nil
	}
	u, err := resp.Request.URL.Parse(link)
	if err != nil || !p.src.sameOrigin(u) {
		return "", p.src.fail(engine.Permanent, "foreign_link", "nothing was sent there; the position stays",
			fmt.Errorf("the provider's next page is at another origin: %s", p.src.foreign(link, 100)), 0)
	}
	return u.RequestURI(), nil
}

// followed is the URL that a page token of follow stands for.
func (p *pager) followed(token string) (*url.URL, error) {
	ref, err := url.ParseRequestURI(token)
	if err != nil || !strings.HasPrefix(token, "/") || strings.HasPrefix(token, "//") {
		return nil, errors.New("the stored page link is not a path")
	}
	ref.Scheme, ref.Host, ref.User = p.src.base.Scheme, p.src.base.Host, nil
	return ref, nil
}

// byURL reports whether page tokens are URLs.
func (p *pager) byURL() bool {
	return p.src.s.Paging.Type == "link_header" || p.src.s.Paging.Type == "next_url"
}

// textOf is the text of a value in a response, "" when there is none.
func textOf(sp scan.Span, body []byte) string {
	switch sp.Kind {
	case scan.None, scan.Null:
		return ""
	case scan.String:
		return string(sp.Text(body))
	}
	return string(body[sp.Start:sp.End])
}

// truthy is what a response means by "there is more": true, a number that is
// not 0, a text that is neither empty nor false.
func truthy(sp scan.Span, body []byte) bool {
	text := textOf(sp, body)
	f, err := strconv.ParseFloat(text, 64)
	return text != "" && text != "false" && (err != nil || f != 0)
}

func empty(records []byte) bool {
	p := scan.Space(records, 0)
	if p < len(records) && records[p] == '[' {
		p = scan.Space(records, p+1)
		return p < len(records) && records[p] == ']'
	}
	return p == len(records)
}

// nextLink finds the target of rel="next" in Link headers (RFC 8288).
func nextLink(headers []string) string {
	for _, h := range headers {
		for h != "" {
			start := strings.IndexByte(h, '<')
			end := strings.IndexByte(h, '>')
			if start < 0 || end < start {
				break
			}
			target, rest := h[start+1:end], h[end+1:]
			params := rest
			if i := strings.IndexByte(rest, '<'); i >= 0 {
				params, h = rest[:i], rest[i:]
			} else {
				h = ""
			}
			if relNext.MatchString(params) {
				return target
			}
		}
	}
	return ""
}

var relNext = regexp.MustCompile(`(?i);\s*rel\s*=\s*"?(?:[^",;]*\s)?next(?:\s[^",;]*)?"?\s*(?:[;,]|$)`)
