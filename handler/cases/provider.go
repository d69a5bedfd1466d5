package cases

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/sluice-connectors/sluice/handler/memory"
	"github.com/sluice-connectors/sluice/handler/spec"
)

// provider answers a script, request by request. It is an http.RoundTripper: no
// request leaves the process, whatever its host.
type provider struct {
	dir     string
	clock   *memory.Clock
	auth    *spec.Auth
	script  []Exchange
	problem func(format string, args ...any)
	asked   int // requests that were answered from scripts

	// before, when set, may answer a request itself.
	before func(req *http.Request) (*http.Response, error)
}

// RoundTrip implements http.RoundTripper.
func (p *provider) RoundTrip(req *http.Request) (*http.Response, error) {
	if p.isLogin(req) && (len(p.script) == 0 || p.script[0].Request.Path != req.URL.Path) {
		return p.answer(req, &Response{Body: map[string]any{"access_token": "issued-token", "token_type": "Bearer", "expires_in": 3600}})
	}
	if p.before != nil {
		if resp, err := p.before(req); resp != nil || err != nil {
			return resp, err
		}
	}
	if len(p.script) == 0 {
		p.problem("unexpected request: %s %s", req.Method, req.URL)
		return p.answer(req, &Response{Status: http.StatusTeapot})
	}
	x := p.script[0]
	p.script = p.script[1:]
	p.asked++
	p.check(&x.Request, req)
	return p.answer(req, &x.Response)
}

// isLogin reports whether a request is one for a token.
func (p *provider) isLogin(req *http.Request) bool {
	path, _, _ := strings.Cut(p.auth.TokenURL, "?")
	host := ""
	switch {
	case p.auth.Type == "azure":
		return req.URL.Host == "login.microsoftonline.com"
	case p.auth.Login != nil:
		return false // its answer is not known
	case path == "":
		return false
	}
	if u, err := url.Parse(spec.Placeholder.ReplaceAllString(path, "x")); err == nil && u.Host != "" {
		path, host = u.Path, u.Host
	}
	return strings.HasSuffix(req.URL.Path, path) && (host == "" || strings.Contains(host, "x") || host == req.URL.Host)
}

func (p *provider) answer(req *http.Request, r *Response) (*http.Response, error) {
	if r.Fault == "reset" {
		return nil, errors.New("connection reset by peer")
	}
	origin := req.URL.Scheme + "://" + req.URL.Host
	header := http.Header{"Date": {p.clock.Now().Format(http.TimeFormat)}}
	body := []byte(r.Text)
	switch {
	case r.File != "":
		b, err := os.ReadFile(filepath.Join(p.dir, r.File))
		if err != nil {
			p.problem("%v", err)
		}
		body = b
	case r.Body != nil:
		b, err := json.Marshal(r.Body)
		if err != nil {
			p.problem("%v", err)
		}
		body = b
		header.Set("Content-Type", "application/json")
	}
	for k, v := range r.Headers {
		header.Set(k, strings.ReplaceAll(v, "{origin}", origin))
	}
	body = bytes.ReplaceAll(body, []byte("{origin}"), []byte(origin))
	code := cmp.Or(r.Status, http.StatusOK)
	resp := &http.Response{StatusCode: code, Status: fmt.Sprint(code, " ", http.StatusText(code)), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Request: req, ContentLength: int64(len(body)), Body: io.NopCloser(bytes.NewReader(body))}
	switch r.Fault {
	case "truncated":
		resp.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body[:len(body)/2]), failing{io.ErrUnexpectedEOF}))
	case "slow":
		resp.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body[:len(body)/2]), failing{os.ErrDeadlineExceeded}))
	}
	return resp, nil
}

// failing is the rest of a body that does not come.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// check compares a request with the one that is expected.
func (p *provider) check(want *Request, r *http.Request) {
	if m := cmp.Or(want.Method, "GET"); r.Method != m || r.URL.Path != want.Path {
		p.problem("request %s %s, want %s %s", r.Method, r.URL.Path, m, want.Path)
	}
	wanted := want.Query
	if wanted == nil {
		wanted = map[string]string{}
	}
	if d := gocmp.Diff(wanted, flat(r.URL.Query())); d != "" {
		p.problem("query of %s (- want, + got):\n%s", want.Path, d)
	}
	for k, v := range want.Headers {
		if g := r.Header.Get(k); g != v {
			p.problem("header %s of %s is %q, want %q", k, want.Path, g, v)
		}
	}
	if want.Body == nil && want.Form == nil || r.Body == nil {
		return
	}
	b, err := io.ReadAll(r.Body)
	if err != nil {
		p.problem("body of %s: %v", want.Path, err)
		return
	}
	if want.Form != nil {
		form, err := url.ParseQuery(string(b))
		if d := gocmp.Diff(want.Form, flat(form)); d != "" || err != nil {
			p.problem("form of %s: %v (- want, + got):\n%s", want.Path, err, d)
		}
		return
	}
	text, err1 := json.Marshal(want.Body)
	wantBody, err2 := tree(text)
	gotBody, err3 := tree(b)
	if d := gocmp.Diff(wantBody, gotBody); d != "" || errors.Join(err1, err2, err3) != nil {
		p.problem("body of %s: %v (- want, + got):\n%s", want.Path, errors.Join(err1, err2, err3), d)
	}
}

func flat(values url.Values) map[string]string {
	out := map[string]string{}
	for k, v := range values {
		slices.Sort(v)
		out[k] = strings.Join(v, ",")
	}
	return out
}
