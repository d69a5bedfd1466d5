package cases

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"

	"github.com/sluice-connectors/sluice/handler/scan"
	"github.com/sluice-connectors/sluice/handler/spec"
)

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
			if text, ok := e.(string); ok { // an id, wherever in a batch
				out[name+"."+text] = text
				continue
			}
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
	if l.s.Prepare != nil && !l.s.PreparesLate() && len(l.script) > 1 {
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

// header is an answer with a header more.
func (l *lab) header(x *Exchange, name, value string) *Response {
	r := x.Response
	r.Headers = maps.Clone(r.Headers)
	if r.Headers == nil {
		r.Headers = map[string]string{}
	}
	r.Headers[name] = value
	return &r
}
