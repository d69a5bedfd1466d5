// Package rest lists a stream that a connector declares over a REST API: it
// makes requests from the declaration, follows pages, keeps to the provider's
// rate limit and classifies errors.
//
// Requests never leave the origin that the connection is configured for,
// whatever a response says, and no error text holds a credential.
package rest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/scan"
	"github.com/sluice-connectors/sluice/handler/spec"
)

// Options are what a connection adds to a connector's declaration.
type Options struct {
	BaseURL   string            // overrides the connector's; http:// only for loopback
	Settings  map[string]string // by name, secrets resolved
	Transport http.RoundTripper // sends the requests; nil: the usual one
	Now       func() time.Time  // nil: the machine's clock
	UserAgent string
	// PrivateNetwork allows a base_url whose name leads to a private address.
	PrivateNetwork bool
}

// Source is an engine.Source. One goroutine uses it.
type Source struct {
	c       *spec.Connector
	s       *spec.Stream
	base    *url.URL
	opt     Options
	client  *http.Client
	dialer  *net.Dialer
	secrets secrets

	pager     *pager
	token     accessToken // of oauth2
	renewed   bool        // the token, because an answer said so; no page has come since
	size      int         // of the last body, a guess for the next
	notBefore time.Time   // our share of the rate limit is used up until then
}

var _ engine.Source = (*Source)(nil)

// New prepares stream s of connector c.
func New(c *spec.Connector, s *spec.Stream, opt Options) (*Source, error) {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	r := &Source{c: c, s: s, opt: opt, dialer: newDialer()}
	for _, name := range c.Secrets() {
		if v := opt.Settings[name]; v != "" {
			r.secrets.set(name, v)
		}
	}
	if a := c.Auth; a.Type == "basic" {
		r.secrets.set("basic", expand(a.Username, opt.Settings, nil)+":"+expand(a.Password, opt.Settings, nil))
	}
	base := opt.BaseURL
	if base == "" {
		base = expand(c.BaseURL, opt.Settings, nil)
	}
	var err error
	if r.base, err = ParseBase(base); err != nil {
		return nil, fmt.Errorf("base_url of %s: %w", c.Name, err)
	}
	transport := opt.Transport
	if transport == nil {
		transport = r.guardedTransport()
	}
	r.client = &http.Client{Timeout: 100 * time.Second, CheckRedirect: r.checkRedirect, Transport: transport}
	r.pager = newPager(r)
	return r, nil
}

// Stream prepares stream s of connector c for the engine: its requests, its rows
// and the facts of its position. The connection is named after the connector.
func Stream(c *spec.Connector, s *spec.Stream, opt Options) (*engine.Stream, error) {
	source, err := New(c, s, opt)
	if err != nil {
		return nil, err
	}
	prog, err := s.Compile(c.Table(s.Table))
	if err != nil {
		return nil, err
	}
	mapper := prog.Runner()
	mapper.Now = source.opt.Now
	return &engine.Stream{Connection: c.Name, Connector: c.Name, Name: s.Name, Table: s.Table,
		Source: source, Mapper: mapper, Position: Facts(&s.Position), MaxPages: s.Paging.MaxPages}, nil
}

// Facts turns the position that a stream declares into what the engine needs.
func Facts(p *spec.Position) engine.Position {
	return engine.Position{
		Lag: time.Duration(p.Lag), Overlap: time.Duration(p.Overlap), MaxWindow: time.Duration(p.MaxWindow), Granularity: time.Duration(p.Granularity),
		Retention: time.Duration(p.Retention), Ascending: p.Order == "ascending", FromExclusive: strings.HasPrefix(p.Bounds, "("),
		ToInclusive: strings.HasSuffix(p.Bounds, "]"),
	}
}

// ParseBase checks an address to send requests to: https, or http to this machine.
func ParseBase(s string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSuffix(s, "/"))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%q is no URL", s)
	case u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("%q has to be a scheme, a host and perhaps a path", s)
	case u.Scheme == "https":
		return u, nil
	case u.Scheme == "http" && Loopback(u.Hostname()):
		return u, nil
	case u.Scheme == "http":
		return nil, fmt.Errorf("%q would send credentials unencrypted: write https://, http:// is for 127.0.0.1 only", s)
	}
	return nil, fmt.Errorf("%q has to begin with https://", s)
}

// Loopback reports whether host names this machine.
func Loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Fetch implements engine.Source. A page token is the path and query of the
// next page's URL, or the token from the body.
func (r *Source) Fetch(ctx context.Context, w engine.Window, token string) (*engine.Page, error) {
	if token = r.secrets.unmask(token); token == "" {
		token = r.pager.first()
	}
	if wait := r.notBefore.Sub(r.opt.Now()); wait > 0 {
		return nil, r.fail(engine.Throttled, "rate_share", "", errors.New("our share of the provider's rate limit is used up"), wait)
	}
	resp, err := r.send(ctx, w, token)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if err := r.checkClock(resp); err != nil {
		return nil, err
	}
	r.pace(resp.Header)
	body, err := r.read(resp)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return r.answered(resp, body, r.statusError(resp, body, token != r.pager.first()))
	}
	page, err := r.page(resp, body, token)
	if hidden := new(hiddenError); errors.As(err, &hidden) {
		return r.answered(resp, body, r.fail(engine.Transient, "provider_error", "", fmt.Errorf("%s answered 200, but %w%s", r.base.Host, hidden.err, r.after(body)), 0))
	}
	if err == nil {
		r.renewed = false
	}
	return page, err
}

// send makes the request for a page; once more with a new token when the provider
// refuses the one it has issued.
func (r *Source) send(ctx context.Context, w engine.Window, token string) (*http.Response, error) {
	for {
		req, err := r.request(ctx, w, token)
		if err != nil {
			return nil, r.fail(engine.Permanent, "bad_request", "", err, 0)
		}
		known := r.token.value != ""
		if err := r.authenticate(req); err != nil {
			return nil, err
		}
		resp, err := r.client.Do(req)
		if err != nil {
			return nil, r.networkError(err)
		}
		if resp.StatusCode == http.StatusUnauthorized && known && r.forgetToken() {
			resp.Body.Close()
			continue
		}
		return resp, nil
	}
}

func (r *Source) op() string { return "list " + r.c.Name + "/" + r.s.Name }

func (r *Source) fail(kind engine.Kind, reason, hint string, err error, wait time.Duration) error {
	return &engine.Error{Kind: kind, Op: r.op(), Reason: reason, Hint: hint, Err: err, Wait: wait}
}

// request builds the request for a page.
func (r *Source) request(ctx context.Context, w engine.Window, token string) (*http.Request, error) {
	d, paging, extra := &r.s.Request, &r.s.Paging, map[string]func(format string) string{
		"window.from": func(f string) string { return formatTime(w.From, f) },
		"window.to":   func(f string) string { return formatTime(w.To, f) },
		"page.token":  func(string) string { return token },
		"page.size":   func(string) string { return strconv.Itoa(r.s.Paging.Size) },
	}
	u, err := r.url(token, extra)
	if err != nil {
		return nil, err
	}
	var body io.Reader
	tree := d.Body
	if token != "" && paging.Body != nil {
		tree = paging.Body
	}
	kind := ""
	if tree != nil {
		b, k, err := encode(d.Encode, expandTree(tree, r.opt.Settings, extra))
		if err != nil {
			return nil, err
		}
		body, kind = bytes.NewReader(b), k
	}
	req, err := http.NewRequestWithContext(ctx, d.Method, u.String(), body)
	if err != nil {
		return nil, err
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", r.opt.UserAgent)
	for k, v := range d.Headers {
		req.Header.Set(k, expand(v, r.opt.Settings, extra))
	}
	for k, v := range paging.Headers {
		if v = expand(v, r.opt.Settings, extra); token != "" && v != "" {
			req.Header.Set(k, v)
		}
	}
	return req, nil
}

func (r *Source) url(token string, extra map[string]func(string) string) (*url.URL, error) {
	if token != "" && r.pager.byURL() {
		return r.pager.followed(token)
	}
	u := *r.base
	path := spec.Placeholder.ReplaceAllStringFunc(r.s.Request.Path, func(m string) string {
		return url.PathEscape(expand(m, r.opt.Settings, extra))
	})
	raw, err := url.PathUnescape(path)
	if err != nil {
		return nil, err
	}
	u.RawPath = strings.TrimSuffix(r.base.EscapedPath(), "/") + path
	u.Path = strings.TrimSuffix(r.base.Path, "/") + raw
	q := url.Values{}
	add := func(params map[string]spec.Values) {
		for k, values := range params {
			given := false
			for _, v := range values {
				if v = expand(v, r.opt.Settings, extra); v == "" {
					continue
				}
				if !given {
					q.Del(k) // the next page's parameter takes the place of the first's
				}
				given = true
				q.Add(k, v)
			}
		}
	}
	if token == r.pager.first() || !r.s.Paging.Only {
		add(r.s.Request.Query)
	}
	if token != "" {
		add(r.s.Paging.Query)
	}
	u.RawQuery = q.Encode()
	return &u, nil
}

// encode writes a body and returns its type.
func encode(how string, tree any) (body []byte, kind string, err error) {
	switch how {
	case "form":
		form := url.Values{}
		fields, _ := tree.(map[string]any)
		for k, v := range fields {
			list, ok := v.([]any)
			if !ok {
				list = []any{v}
			}
			for _, item := range list {
				form.Add(k, fmt.Sprint(item))
			}
		}
		return []byte(form.Encode()), "application/x-www-form-urlencoded", nil
	case "text":
		text, _ := tree.(string)
		return []byte(text), "text/plain; charset=utf-8", nil
	}
	body, err = json.Marshal(tree)
	return body, "application/json", err
}

// authenticate puts the credentials into a request.
func (r *Source) authenticate(req *http.Request) error {
	a := r.c.Auth
	value := expand(a.Value, r.opt.Settings, nil)
	switch a.Type {
	case "api_key":
		if a.Prefix != "" {
			value = a.Prefix + " " + value
		}
		switch {
		case a.Query != "":
			q := req.URL.Query()
			q.Set(a.Query, value)
			req.URL.RawQuery = q.Encode()
		case a.Cookie != "":
			req.AddCookie(&http.Cookie{Name: a.Cookie, Value: value})
		default:
			req.Header.Set(a.Header, value)
		}
	case "bearer":
		req.Header.Set("Authorization", "Bearer "+value)
	case "oauth2":
		t, err := r.bearer(req.Context())
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+t)
	case "basic":
		req.SetBasicAuth(expand(a.Username, r.opt.Settings, nil), expand(a.Password, r.opt.Settings, nil))
	}
	return nil
}

// maxBody is the largest response that is read.
const maxBody = 64 << 20

// read reads the body into memory of its own: records refer to it until they
// are acknowledged.
func (r *Source) read(resp *http.Response) ([]byte, error) {
	size := r.size + r.size/8
	if resp.ContentLength >= 0 {
		size = int(min(resp.ContentLength, maxBody))
	}
	buf := bytes.NewBuffer(make([]byte, 0, max(size, 1024)+bytes.MinRead))
	n, err := buf.ReadFrom(io.LimitReader(resp.Body, maxBody+1))
	switch {
	case err != nil:
		return nil, r.networkError(err)
	case n > maxBody:
		return nil, r.tooLarge()
	}
	r.size = int(n)
	return buf.Bytes(), nil
}

// page reads a response to a request for the page that token names.
func (r *Source) page(resp *http.Response, body []byte, token string) (*engine.Page, error) {
	kind := resp.Header.Get("Content-Type")
	foreign := func() error {
		return r.fail(engine.Transient, "not_json", "check base_url: a sign-in or maintenance page answers", fmt.Errorf("the response is no %s but %q", strings.ToUpper(cmp.Or(r.s.Response.Format, "json")), r.foreign(kind, 80)), 0)
	}
	if isHTML(kind, body) {
		return nil, foreign()
	}
	body, err := asJSON(&r.s.Response, body)
	switch {
	case errors.Is(err, errTooLarge):
		return nil, r.tooLarge()
	case err != nil:
		return nil, r.fail(engine.Transient, "malformed_page", "", errors.New(r.foreign(err.Error(), 200)), 0)
	}
	if p := scan.Space(body, 0); p >= len(body) || body[p] != '[' && body[p] != '{' {
		return nil, foreign()
	}
	return r.pager.page(resp, body, token)
}

// isHTML reports whether a page for people has come instead of data.
func isHTML(kind string, body []byte) bool {
	start := bytes.ToLower(bytes.TrimLeft(body[:min(len(body), 200)], " \t\r\n\ufeff"))
	return bytes.HasPrefix(start, []byte("<")) && (strings.HasPrefix(kind, "text/html") || bytes.HasPrefix(start, []byte("<!doctype html")) || bytes.HasPrefix(start, []byte("<html")))
}

func (r *Source) tooLarge() error {
	return r.fail(engine.Permanent, "page_too_large", "ask for fewer records in a page", errTooLarge, 0)
}

func (r *Source) sameOrigin(u *url.URL) bool {
	return u.Scheme == r.base.Scheme && strings.EqualFold(u.Host, r.base.Host)
}

func (r *Source) checkRedirect(req *http.Request, via []*http.Request) error {
	if !r.sameOrigin(req.URL) {
		return fmt.Errorf("redirected to another origin: %s", r.foreign(req.URL.Host, 100))
	}
	if len(via) >= 5 {
		return errors.New("redirected too often")
	}
	return nil
}

func expand(text string, settings map[string]string, extra map[string]func(string) string) string {
	if !strings.Contains(text, "{") {
		return text
	}
	return spec.Placeholder.ReplaceAllStringFunc(text, func(m string) string {
		g := spec.Placeholder.FindStringSubmatch(m)
		if f := extra[g[1]]; f != nil {
			return f(g[2])
		}
		return settings[g[1]]
	})
}

// expandTree expands the texts of a YAML tree.
func expandTree(x any, settings map[string]string, extra map[string]func(string) string) any {
	switch x := x.(type) {
	case string:
		return expand(x, settings, extra)
	case map[string]any:
		out := make(map[string]any, len(x))
		for k, v := range x {
			out[k] = expandTree(v, settings, extra)
		}
		return out
	case []any:
		out := make([]any, len(x))
		for i, v := range x {
			out[i] = expandTree(v, settings, extra)
		}
		return out
	}
	return x
}

func formatTime(t time.Time, format string) string {
	f, err := spec.TimeFormat(format)
	if err != nil { // which the validation of the connector has found
		panic(err)
	}
	return f(t)
}
