package cases

import (
	"bytes"
	"cmp"
	"fmt"
	"net/http"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
)

// fault is a way in which a provider fails.
type fault struct {
	name string
	// change makes another answer of the one to the n-th request; nil when it says
	// nothing here.
	change func(l *lab, n int, x *Exchange) *Response
	// reasons are the codes of a run that sees nothing else; none: it gets along.
	reasons []string
	// always says that the fault stays for a whole run; else one that is over at the
	// second try must not be noticed.
	always bool
}

func status(code int, headers map[string]string) func(*lab, int, *Exchange) *Response {
	return func(*lab, int, *Exchange) *Response {
		return &Response{Status: code, Headers: headers, Body: map[string]any{"message": "try again"}}
	}
}

func broken(how string) func(*lab, int, *Exchange) *Response {
	return func(_ *lab, _ int, x *Exchange) *Response {
		r := x.Response
		r.Fault = how
		return &r
	}
}

func faults() []fault {
	throttled := []string{"throttled"}
	shapes := []string{"wrong_shape", "empty_answer", "malformed_page", "not_json", "provider_error", "unexpected_answer", "token_expired"}
	return []fault{
		{name: "429 without a header", change: status(429, nil), reasons: throttled},
		{name: "429 with seconds", change: status(429, map[string]string{"Retry-After": "7"}), reasons: throttled},
		{name: "429 with a date", change: func(l *lab, _ int, _ *Exchange) *Response {
			return &Response{Status: 429, Headers: map[string]string{"Retry-After": l.w.clock.Now().Add(9 * time.Second).Format(http.TimeFormat)}}
		}, reasons: throttled},
		{name: "429 with a reset", change: func(l *lab, _ int, _ *Exchange) *Response {
			return &Response{Status: 429, Headers: map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Limit": "100", "X-RateLimit-Reset": fmt.Sprint(l.w.clock.Now().Unix() + 5)}}
		}, reasons: throttled},
		{name: "429 with a reset in milliseconds", change: func(l *lab, _ int, _ *Exchange) *Response {
			return &Response{Status: 429, Headers: map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Limit": "100", "X-RateLimit-Reset": fmt.Sprint(l.w.clock.Now().UnixMilli() + 5000)}}
		}, reasons: throttled},
		{name: "429 with a reset in a week", change: status(429, map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "604800"}), reasons: throttled},
		{name: "403 for too many requests", change: func(*lab, int, *Exchange) *Response {
			return &Response{Status: 403, Text: `{"message": "You have exceeded a secondary rate limit."}`}
		}, reasons: throttled},
		{name: "500", change: status(500, nil), reasons: []string{"provider_error"}},
		{name: "502", change: status(502, nil), reasons: []string{"provider_error"}},
		{name: "503 with seconds", change: status(503, map[string]string{"Retry-After": "3"}), reasons: throttled},
		{name: "reset", change: broken("reset"), reasons: []string{"unreachable", "token_expired"}},
		{name: "slow body", change: broken("slow"), reasons: []string{"unreachable", "token_expired"}},
		{name: "truncated body", change: broken("truncated"), reasons: []string{"unreachable", "token_expired"}},
		{name: "invalid", change: func(*lab, int, *Exchange) *Response { return &Response{Text: `{"a": [1, 2`} },
			reasons: []string{"malformed_page", "wrong_shape", "unexpected_answer", "not_json", "token_expired"}},
		{name: "HTML with 200", change: func(*lab, int, *Exchange) *Response {
			return &Response{Headers: map[string]string{"Content-Type": "text/html"}, Text: "<!doctype html><title>Sign in</title>"}
		}, reasons: []string{"not_json", "token_expired"}},
		{name: "an error object with 200", change: func(l *lab, _ int, _ *Exchange) *Response {
			if l.s.Response.Format == "ndjson" { // where each object is a record
				return nil
			}
			return &Response{Text: `{"errorCode": "E1", "errorSummary": "try again"}`}
		}, reasons: []string{"wrong_shape", "malformed_page", "unexpected_answer", "provider_error", "not_json", "token_expired", engine.JobRunning}},
		{name: "an empty object with 200", change: instead(`{}`), reasons: shapes},
		{name: "false with 200", change: instead(`false`), reasons: shapes},
		{name: "no byte with 200", change: instead(``), reasons: shapes},
		{name: "an error behind the records", change: (*lab).followed, reasons: shapes},
		{name: "a byte order mark", change: (*lab).marked},
		{name: "a record that cannot be read", change: (*lab).garbled},
		{name: "401", change: status(401, nil), reasons: []string{"wrong_credentials"}, always: true},
		{name: "403", change: status(403, nil), reasons: []string{"forbidden"}, always: true},
		{name: "404", change: status(404, nil), reasons: []string{"not_found", "bad_request", "token_expired", "job_failed"}, always: true},
		{name: "an empty page before the total", change: (*lab).emptyOfSome, reasons: []string{"empty_before_end"}},
		{name: "next page elsewhere", change: (*lab).elsewhere, reasons: []string{"foreign_link"}, always: true},
		{name: "the same page again", change: (*lab).circle, reasons: []string{"paging_loop"}, always: true},
		{name: "each record twice", change: (*lab).doubled, always: true},
		{name: "an empty page with a token", change: (*lab).emptyFirst},
		{name: "expired token", change: (*lab).expired},
	}
}

// elsewhere has an answer name a next page at another host.
func (l *lab) elsewhere(_ int, x *Exchange) *Response {
	const evil = "https://evil.example/steal"
	switch p := &l.s.Paging; {
	case !l.lists(x):
	case p.Type == "link_header":
		return l.header(x, "Link", "<"+evil+`>; rel="`+cmp.Or(p.Rel, "next")+`"`)
	case p.URLHeader != "":
		return l.header(x, p.URLHeader, evil)
	case p.Type == "next_url":
		if body := splice(l.text(x), p.URL, `"`+evil+`"`); body != nil {
			return x.with(body)
		}
	}
	return nil
}

// circle has every answer name the same next page.
func (l *lab) circle(_ int, x *Exchange) *Response {
	p := &l.s.Paging
	if !l.lists(x) || p.Type != "token" || p.Token == "" {
		return nil
	}
	body := splice(l.text(x), p.Token, `"circle"`)
	if p.More != "" {
		body = splice(body, p.More, "true")
	}
	if body == nil {
		return nil
	}
	l.queued["circle"] = &Exchange{Request: x.Request, Response: *x.with(body)}
	return x.with(body)
}

// emptyFirst puts a page without records before an answer.
func (l *lab) emptyFirst(_ int, x *Exchange) *Response {
	p := &l.s.Paging
	if !l.lists(x) || p.Type != "token" || p.Token == "" || p.Stop != "" || l.s.Records == "$" {
		return nil
	}
	body := splice(splice(l.text(x), l.s.Records, "[]"), p.Token, `"made-up"`)
	if p.More != "" {
		body = splice(body, p.More, "true")
	}
	if body == nil {
		return nil
	}
	l.queued["made-up"] = x
	return x.with(body)
}

// emptyOfSome has an answer list nothing of what it says there is.
func (l *lab) emptyOfSome(_ int, x *Exchange) *Response {
	body := l.text(x)
	if !l.lists(x) || l.s.Paging.Total == "" || l.s.Records == "$" || bytes.Contains(body, []byte(`"total":0`)) {
		return nil
	}
	if body = splice(body, l.s.Records, "[]"); body == nil {
		return nil
	}
	return x.with(body)
}

// expired has the provider forget a page token, once.
func (l *lab) expired(_ int, x *Exchange) *Response {
	if !l.lists(x) || x == &l.script[l.firstList()] || l.s.Paging.Type == "none" || l.s.Paging.Type == "iterator" || l.s.Paging.Type == "offset" || l.s.Paging.Type == "page" {
		return nil
	}
	return &Response{Status: http.StatusGone}
}
