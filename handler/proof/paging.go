package proof

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
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

	request  string                                                            // in a spec; "": a query with from and to
	position string                                                            // in a spec, instead of a window
	steps    string                                                            // in a spec
	job      bool                                                              // the request starts a job
	details  bool                                                              // what a record leads to may be gone for good
	serve    func(p *provider, rw http.ResponseWriter, req *http.Request) bool // answers requests that are no listing

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
	"counted": {paging: `{type: offset, size: SIZE, total: $.total, query: {skip: "{page.token}", limit: "{page.size}"}}`, records: "$.items", tokens: "offset", full: true,
		parse: parseOffset("skip", func(n, _ int) int { return n }), write: writeCounted},
	"page": {paging: `{type: page, size: SIZE, stop: short_page, query: {page: "{page.token}", limit: "{page.size}"}}`, records: "$.items", tokens: "offset", full: true,
		parse: parseOffset("page", func(n, size int) int { return (n - 1) * size }), write: writeObject},
	"cursor": {paging: `{type: token, token: $.cursor, only: true, query: {cursor: "{page.token}"}}`, records: "$.items", tokens: "after", full: true,
		request: `{path: /events, query: {from: "{window.from:rfc3339_ms}"}}`, position: `{type: cursor, time: todatetime(at), id: id, overlap: 10m}`,
		parse: parseFrom, write: writeObject},
	"iterator": {paging: `{type: iterator, first: "{window.from:rfc3339_ms}", next: next, query: {op: "{page.token}", index: "{page.reader}"}}`, records: "$.items", tokens: "after", full: true,
		request: `{path: /events}`, position: `{type: cursor, time: todatetime(at), id: id, overlap: 10m}`,
		parse: parseFrom, write: writeObject, serve: serveIterator},
	"snapshot": {paging: `{type: token, token: $.cursor, query: {cursor: "{page.token}"}}`, records: "$.items", tokens: "snapshot", full: true,
		request: `{path: /events}`, position: `{type: snapshot, time: todatetime(at), id: id, every: 20m}`,
		parse: parseFrom, write: writeObject},
	"steps": {paging: `{type: token, token: $.cursor, query: {cursor: "{page.token}"}}`, records: "$.items",
		steps: `[{request: {url: "{item.link}"}, records: $, once: true}]`, details: true,
		parse: parseQuery("from", "to", "cursor"), write: writeLinks, serve: serveDetail},
	"job": {paging: "{type: none}", whole: true,
		request: `{method: POST, path: /jobs, body: {from: "{window.from:rfc3339_ms}", to: "{window.to:rfc3339_ms}"}}`,
		job:     true,
		parse:   parseBody("from", "to"), write: writeLink(""), serve: serveJob},
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
		q.size = size
		return q, err
	}
}

// writeCounted is an object with records that says how many there are in all.
func writeCounted(rw http.ResponseWriter, _ *http.Request, records []string, _ string) {
	total := rw.Header().Get("X-Total-Count")
	rw.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(rw, `{"total":%s,"items":[%s]}`, total, strings.Join(records, ","))
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

// parseFrom reads a request for all that has come, or has come since.
func parseFrom(req *http.Request) (q query, err error) {
	v := req.URL.Query()
	q.token, q.to = v.Get("cursor"), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	if from := v.Get("from"); from != "" {
		q.from, err = time.Parse(time.RFC3339, from)
	}
	return q, err
}

// writeLinks answers with where the records are.
func writeLinks(rw http.ResponseWriter, req *http.Request, records []string, next string) {
	for i, r := range records {
		id := r
		if _, after, ok := strings.Cut(r, `"id":"`); ok {
			id, _, _ = strings.Cut(after, `"`)
		} else { // "r0001 is no object"
			id, _, _ = strings.Cut(strings.Trim(r, `"`), " ")
		}
		records[i] = linkTo(id)
	}
	writeObject(rw, req, records, next)
}

// linkTo is a list's item that leads to a record.
func linkTo(id string) string { return fmt.Sprintf(`{"link":"/detail/%s"}`, id) }

// serveDetail answers with one record.
func serveDetail(p *provider, rw http.ResponseWriter, req *http.Request) bool {
	id, ok := strings.CutPrefix(req.URL.Path, "/detail/")
	if r := p.byID[id]; ok && r != nil && r.kind != gone {
		rw.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(rw, "[%s]", r.json)
	} else if ok {
		rw.WriteHeader(http.StatusNotFound)
	}
	return ok
}

// reader is what a provider remembers of one that iterates.
type reader struct {
	from time.Time
	sent map[string]bool
}

// serveIterator sends what a reader has not been sent, and counts it as sent when it
// answers, whatever becomes of the answer.
func serveIterator(p *provider, rw http.ResponseWriter, req *http.Request) bool {
	v := req.URL.Query()
	name := v.Get("index")
	if op := v.Get("op"); op != "next" {
		from, err := time.Parse(time.RFC3339, op)
		if err != nil {
			p.w.oracle.problem("the provider does not understand %s", req.URL)
		}
		p.readers[name] = &reader{from, map[string]bool{}}
	}
	r := p.readers[name]
	if r == nil {
		p.w.oracle.problem("nobody knows the reader of %s", req.URL)
		rw.WriteHeader(http.StatusNotFound)
		return true
	}
	var texts []string
	for _, rec := range p.listing(&query{from: r.from, to: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)}) {
		if !r.sent[rec.id] && len(texts) < p.w.API.pageSize {
			r.sent[rec.id] = true
			texts = append(texts, rec.json)
		}
	}
	writeObject(rw, req, texts, "")
	return true
}

// work is a job of a provider's.
type work struct {
	done  time.Time
	parts [][]string
}

const jobSpec = `{id: $.id, status: {path: "/jobs/{job}"}, at: $.status, done: [done], failed: [failed], every: 20s, timeout: 30m, parts: "$.parts[*].name", download: {path: "/jobs/{job}/{part}"}, delete: {method: DELETE, path: "/jobs/{job}"}}`

// serveJob starts jobs, tells how they are, and has their parts.
func serveJob(p *provider, rw http.ResponseWriter, req *http.Request) bool {
	rw.Header().Set("Content-Type", "application/json")
	if req.Method == http.MethodPost {
		q, err := p.w.API.parse(req)
		if err != nil {
			p.w.oracle.problem("the provider does not understand %s: %v", req.URL, err)
		}
		job := &work{done: p.now().Add(time.Duration(p.w.rng.IntN(90)) * time.Second)}
		for i, r := range p.listing(&q) {
			if i%5 == 0 {
				job.parts = append(job.parts, nil)
			}
			last := &job.parts[len(job.parts)-1]
			*last = append(*last, r.json)
		}
		name := fmt.Sprintf("job-%d", len(p.jobs))
		p.jobs[name] = job
		fmt.Fprintf(rw, `{"id":%q}`, name)
		return true
	}
	name, part, download := strings.Cut(strings.TrimPrefix(req.URL.Path, "/jobs/"), "/")
	job := p.jobs[name]
	n, err := strconv.Atoi(strings.TrimPrefix(part, "part-"))
	switch {
	case job == nil || download && (err != nil || n >= len(job.parts)):
		rw.WriteHeader(http.StatusNotFound)
	case req.Method == http.MethodDelete:
		p.jobs[name] = nil
	case download:
		fmt.Fprintf(rw, "[%s]", strings.Join(job.parts[n], ","))
	case p.now().Before(job.done):
		fmt.Fprint(rw, `{"status":"running"}`)
	default:
		var names []string
		for i := range job.parts {
			names = append(names, fmt.Sprintf(`{"name":"part-%d"}`, i))
		}
		fmt.Fprintf(rw, `{"status":"done","parts":[%s]}`, strings.Join(names, ","))
	}
	return true
}
