package cases

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/scan"
	"github.com/sluice-connectors/sluice/handler/spec"
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

// Robustness runs the stream of a case against a provider that fails in each way
// that it can, at each request of the case's first run: once, which the run has to
// get along with, and for as long as it takes to give up, with the right reason and
// nothing lost in the run after that.
func Robustness(ctx context.Context, c *spec.Connector, s *spec.Stream, dir string) ([]*Result, error) {
	cs, err := Load(dir)
	if err != nil {
		return nil, err
	}
	calm, err := try(ctx, c, s, cs, dir, nil, 0, false)
	if err != nil {
		return nil, err
	}
	if len(calm.Problems) > 0 {
		return []*Result{calm.Result}, nil
	}
	var list []*Result
	for _, f := range faults() {
		for n := range calm.asked {
			for _, always := range []bool{false, true} {
				if f.always && !always || len(f.reasons) == 0 && always != f.always {
					continue
				}
				got, err := try(ctx, c, s, cs, dir, &f, n, always)
				if err != nil {
					return nil, err
				}
				if !got.struck {
					continue
				}
				got.judge(calm, &f, always)
				list = append(list, got.Result)
			}
		}
	}
	return list, nil
}

// trial is what came of a case with a fault.
type trial struct {
	*Result
	asked            int  // requests of the first run
	struck           bool // the fault happened
	first            engine.Report
	aside            int64    // what the first run could not get, and set aside
	arrived, finally []string // events after the first run, and in the end
	position         time.Time
}

// judge compares with the run in which nothing failed.
func (t *trial) judge(calm *trial, f *fault, always bool) {
	report := func(format string, args ...any) {
		t.problem("%s at request %s: "+format, append([]any{f.name, strings.TrimPrefix(t.Case, f.name+" ")}, args...)...)
	}
	aside := t.aside > calm.aside // the request was about one record of a list
	switch ok := t.first.Outcome == engine.OK; {
	case (!always || len(f.reasons) == 0) && !ok && t.first.Reason != "malformed_page": // the engine sees it, with the records
		report("the run is %s (%s): %s", t.first.Outcome, t.first.Reason, t.first.Message)
	case always && len(f.reasons) > 0 && !slices.Contains(f.reasons, t.first.Reason) && !(ok && (aside || slices.Equal(t.arrived, calm.arrived))):
		report("the run is %s (%s): %s, want %s", t.first.Outcome, t.first.Reason, t.first.Message, strings.Join(f.reasons, " or "))
	}
	if len(t.arrived) < len(calm.arrived) && !aside && !t.position.Before(calm.position) {
		report("%d of %d events have arrived, and the position is at %s", len(t.arrived), len(calm.arrived), t.position)
	}
	if !slices.Equal(t.finally, calm.arrived) {
		report("the next run has brought %d events, want %d: %v, want %v", len(t.finally), len(calm.arrived), t.finally, calm.arrived)
	}
}

// try runs a case's first run with a fault at request n, and then once more without.
func try(ctx context.Context, c *spec.Connector, s *spec.Stream, cs *Case, dir string, f *fault, n int, always bool) (*trial, error) {
	w, err := newWorld(c, s, cs, dir)
	if err != nil {
		return nil, err
	}
	t := &trial{Result: &Result{Stream: s.Name, Case: "undisturbed"}}
	l := &lab{w: w, s: s, script: cs.Runs[0].Exchanges, uses: make([]int, len(cs.Runs[0].Exchanges)), fault: f, at: n, always: always, queued: map[string]*Exchange{}}
	if f != nil {
		t.Case = fmt.Sprintf("%s %d", f.name, n+1)
	}
	w.provider.problem, w.provider.before = t.problem, l.answer
	now, err := time.Parse(time.RFC3339, cs.Runs[0].Now)
	if err != nil {
		return nil, err
	}
	w.clock.Advance(now.Sub(w.clock.Now()))
	t.first = w.engine.Run(ctx, w.stream, 10*time.Minute)
	t.asked, t.struck = l.asked, l.struck
	t.arrived, t.aside = distinct(uids(w.sink.Rows())), t.first.Counts.Quarantined
	cp, _, _, err := engine.LoadCheckpoint(ctx, w.engine.Store, w.stream.Key())
	if err != nil {
		return nil, err
	}
	t.position = cp.Position
	if f == nil {
		if t.first.Outcome != engine.OK {
			t.problem("undisturbed the run is %s (%s): %s", t.first.Outcome, t.first.Reason, t.first.Message)
		}
		return t, nil
	}
	l.fault = nil
	w.clock.Advance(5 * time.Minute)
	if rep := w.engine.Run(ctx, w.stream, 10*time.Minute); rep.Outcome != engine.OK {
		t.problem("%s: the run after it is %s (%s): %s", t.Case, rep.Outcome, rep.Reason, rep.Message)
	}
	if err := w.replay(ctx); err != nil {
		t.problem("%s: what was set aside cannot be had again: %v", t.Case, err)
	}
	t.finally = distinct(uids(w.sink.Rows()))
	t.Rows, t.Requests = len(w.sink.Rows()), l.asked
	return t, nil
}

// replay asks again for what could not be had.
func (w *world) replay(ctx context.Context) error {
	return w.engine.Quarantine(ctx, "", func(q *engine.Quarantined) error {
		if q.Again == "" {
			return nil
		}
		return w.engine.Replay(ctx, w.stream, q)
	})
}

func distinct(list []string) []string { return slices.Compact(list) }

// lab answers requests by the exchanges of a case, in whatever order they come, and
// has one of them fail.
type lab struct {
	w      *world
	s      *spec.Stream
	script []Exchange
	uses   []int // how often each exchange was used since the listing began
	asked  int
	queued map[string]*Exchange // answers to page tokens that the lab has made up

	fault  *fault
	at     int // the request that fails
	always bool
	struck bool
}

// answer is the provider's answer to a request that no script expects.
func (l *lab) answer(req *http.Request) (*http.Response, error) {
	x, which := l.find(req)
	if x == nil && l.madeUp(req) { // nobody knows it any more
		return l.w.provider.answer(req, &Response{Status: http.StatusGone})
	}
	if x == nil {
		l.w.provider.problem("unexpected request: %s %s", req.Method, req.URL)
		return l.w.provider.answer(req, &Response{Status: http.StatusTeapot})
	}
	n := l.asked
	l.asked++
	if l.fault != nil && (n == l.at && !l.struck || l.always && l.struck && (which == l.at || l.partOf(req, x))) {
		if r := l.fault.change(l, which, x); r != nil {
			if !l.struck {
				l.at = which // it is this exchange that goes on failing
			}
			l.struck = true
			if l.fault.reasons != nil || r.Status == http.StatusGone { // it is asked for again
				l.uses[which]--
			}
			return l.w.provider.answer(req, r)
		}
	}
	return l.w.provider.answer(req, &x.Response)
}

// partOf reports whether a request is for a part of the batch whose request fails.
func (l *lab) partOf(req *http.Request, x *Exchange) bool {
	at := &l.script[l.at]
	return !l.lists(x) && req.URL.Path == at.Request.Path && !maps.Equal(expected(&x.Request), parameters(req))
}

// find returns the exchange whose request is most like one that has come. Times of
// windows differ from run to run, page tokens do not.
func (l *lab) find(req *http.Request) (*Exchange, int) {
	got := parameters(req)
	if l.madeUp(req) {
		if l.fault == nil {
			return nil, 0
		}
		for token, x := range l.queued {
			if !slices.Contains(slices.Collect(maps.Values(got)), token) {
				continue
			}
			return x, slices.IndexFunc(l.script, func(e Exchange) bool { return e.Request.Path == x.Request.Path })
		}
	}
	best, like := -1, -1<<30
	for i := range l.script {
		want := &l.script[i].Request
		if cmp.Or(want.Method, "GET") != req.Method || want.Path != req.URL.Path {
			continue
		}
		if score := similarity(expected(want), got); score > like || score == like && l.uses[i] < l.uses[best] {
			best, like = i, score
		}
	}
	if best < 0 {
		return nil, 0
	}
	if best == 0 { // the listing begins anew
		clear(l.uses)
	}
	l.uses[best]++
	return &l.script[best], best
}

// madeUp reports whether a request has a page token that the lab has made up.
func (l *lab) madeUp(req *http.Request) bool {
	for _, v := range parameters(req) {
		if l.queued[v] != nil {
			return true
		}
	}
	return false
}

// parameters are those of a request's query and body, by name.
func parameters(req *http.Request) map[string]string {
	out := flat(req.URL.Query())
	if req.GetBody == nil {
		return out
	}
	body, err := req.GetBody()
	if err != nil {
		return out
	}
	var v any
	if json.NewDecoder(body).Decode(&v) == nil {
		flatten(out, "", v)
	}
	return out
}

func expected(want *Request) map[string]string {
	out := map[string]string{}
	maps.Copy(out, want.Query)
	maps.Copy(out, want.Form)
	if text, err := json.Marshal(want.Body); err == nil && want.Body != nil {
		var v any
		if json.Unmarshal(text, &v) == nil {
			flatten(out, "", v)
		}
	}
	return out
}

func flatten(out map[string]string, name string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			flatten(out, name+"."+k, e)
		}
	case []any:
		for i, e := range v {
			flatten(out, fmt.Sprint(name, ".", i), e)
		}
	default:
		out[name] = fmt.Sprint(v)
	}
}

func similarity(a, b map[string]string) (score int) {
	for k, v := range a {
		switch other, ok := b[k]; {
		case !ok:
			score -= 2
		case other == v:
			score++
		}
	}
	for k := range b {
		if _, ok := a[k]; !ok {
			score -= 2
		}
	}
	return score
}

// lists reports whether an exchange is of the stream's own list, whose pages the
// spec describes.
func (l *lab) lists(x *Exchange) bool {
	return l.s.Job == nil && x.Request.Path == l.script[l.firstList()].Request.Path
}

func (l *lab) firstList() int {
	if l.s.Prepare != nil && len(l.script) > 1 {
		return 1
	}
	return 0
}

// text is an answer's body, nil when it cannot be read.
func (l *lab) text(x *Exchange) (text []byte) {
	switch r := &x.Response; {
	case r.Body != nil:
		text, _ = json.Marshal(r.Body)
	case r.File != "":
		text, _ = os.ReadFile(filepath.Join(l.w.provider.dir, r.File))
	default:
		text = []byte(r.Text)
	}
	return text
}

// with is an answer with another body, JSON.
func (x *Exchange) with(body []byte) *Response {
	r := x.Response
	r.Body, r.File, r.Text = nil, "", string(body)
	r.Headers = maps.Clone(r.Headers)
	if r.Headers == nil {
		r.Headers = map[string]string{}
	}
	r.Headers["Content-Type"] = "application/json"
	return &r
}

// splice puts a value into the places that a path leads to; nil when it leads
// nowhere. All else stays as it is, byte by byte: some ids are hashes of records.
func splice(body []byte, path, value string) []byte {
	p, err := scan.ParsePath(path)
	if err != nil || !scan.Valid(body) {
		return nil
	}
	var out []byte
	done := 0
	p.Select(body, func(start, end int) {
		out = append(append(out, body[done:start]...), value...)
		done = end
	})
	if out == nil {
		return nil
	}
	return append(out, body[done:]...)
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

func (l *lab) header(x *Exchange, name, value string) *Response {
	r := x.Response
	r.Headers = maps.Clone(r.Headers)
	if r.Headers == nil {
		r.Headers = map[string]string{}
	}
	r.Headers[name] = value
	return &r
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
