package proof

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// dialect is a way of paging: what a spec says of it, and how a provider speaks it.
type dialect struct {
	paging  string // in a spec, with SIZE for the size of a page
	records string // where records are; "$" by default
	body    bool   // requests have a body
	tokens  string // the only kind of page token that goes with it; "": any
	objects bool   // every record is an object
	whole   bool   // there are no pages
	full    bool   // every page but the last is full, and has each record once

	parse func(*http.Request) (query, error)
	write func(rw http.ResponseWriter, req *http.Request, records []string, next string)
}

// dialects are all ways of paging that a spec can say.
var dialects = map[string]dialect{
	"none": {paging: "{type: none}", whole: true,
		parse: parseQuery("from", "to", "cursor"), write: writeLink("cursor")},
	"link": {paging: "{type: link_header}",
		parse: parseQuery("from", "to", "cursor"), write: writeLink("cursor")},
	"url": {paging: "{type: next_url, url: $.next}", records: "$.items",
		parse: parseQuery("from", "to", "cursor"), write: writeURL},
	"query": {paging: `{type: token, token: $.cursor, query: {cursor: "{page.token}"}}`, records: "$.items",
		parse: parseQuery("from", "to", "cursor"), write: writeObject},
	"header": {paging: `{type: token, token_header: X-Next, headers: {X-Cursor: "{page.token}"}}`, records: "$.items",
		parse: parseHeader, write: writeHeader},
	"body": {paging: `{type: token, token: $.cursor, more: $.more, body: {cursor: "{page.token}"}}`, records: "$.items", body: true,
		parse: parseBody("from", "to"), write: writeWindow("from", "to")},
	"offset": {paging: `{type: offset, size: SIZE, query: {skip: "{page.token}", limit: "{page.size}"}}`, records: "$.items", tokens: "offset", full: true,
		parse: parseOffset("skip", func(n, _ int) int { return n }), write: writeObject},
	"page": {paging: `{type: page, size: SIZE, stop: short_page, query: {page: "{page.token}", limit: "{page.size}"}}`, records: "$.items", tokens: "offset", full: true,
		parse: parseOffset("page", func(n, size int) int { return (n - 1) * size }), write: writeObject},
	"last": {paging: `{type: last_record, token: $.id, query: {after_id: "{page.token}"}}`, records: "$.items", tokens: "after", objects: true, full: true,
		parse: parseAfter, write: writeObject},
}

// parseOffset reads a request that counts records or pages.
func parseOffset(name string, offset func(n, size int) int) func(*http.Request) (query, error) {
	plain := parseQuery("from", "to", "")
	return func(req *http.Request) (query, error) {
		q, err := plain(req)
		if err != nil {
			return q, err
		}
		v := req.URL.Query()
		n, err := strconv.Atoi(v.Get(name))
		if err != nil {
			return q, fmt.Errorf("%s: %w", name, err)
		}
		size, err := strconv.Atoi(v.Get("limit"))
		if at := offset(n, size); at > 0 {
			q.token = strconv.Itoa(at)
		}
		return q, err
	}
}

// parseAfter reads a request for what follows a record.
func parseAfter(req *http.Request) (query, error) {
	q, err := parseQuery("from", "to", "")(req)
	if id := req.URL.Query().Get("after_id"); id != "" {
		q.token = base64.RawURLEncoding.EncodeToString([]byte(id))
	}
	return q, err
}

func parseHeader(req *http.Request) (query, error) {
	q, err := parseQuery("from", "to", "")(req)
	q.token = req.Header.Get("X-Cursor")
	return q, err
}

// writeURL answers with the address of the next page, relative as they often are.
func writeURL(rw http.ResponseWriter, req *http.Request, records []string, next string) {
	address := "null"
	if next != "" {
		v := req.URL.Query()
		v.Set("cursor", next)
		address = quote(req.URL.Path + "?" + v.Encode())
	}
	rw.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(rw, `{"next":%s,"items":[%s]}`, address, strings.Join(records, ","))
}

// writeHeader answers with the token of the next page in a header.
func writeHeader(rw http.ResponseWriter, _ *http.Request, records []string, next string) {
	rw.Header().Set("Content-Type", "application/json")
	if next != "" {
		rw.Header().Set("X-Next", next)
	}
	fmt.Fprintf(rw, `{"items":[%s]}`, strings.Join(records, ","))
}
