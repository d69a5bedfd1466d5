package rest

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/spec"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

const tokenConnector = `
name: acme
title: Acme
publisher: Acme
support: {tier: community}
description: A test.
settings:
  - {name: host, required: true}
  - {name: key, secret: true, required: true}
base_url: https://{host}
auth: {type: api_key, header: X-Key, value: "{key}"}
limits: {share: 0.5}
streams:
  - name: s
    request: {path: "/v1/{host}/events", query: {from: "{window.from:unix}", to: "{window.to:unix_ms}", day: "{window.from:date}"}}
    paging: {type: token, token: $.meta.next, query: {cursor: "{page.token}"}}
    records: $.data
    position: {type: window, time: t, order: none, granularity: 1s, bounds: "[)", lag: 0s, overlap: 0s, retention: 30d}
    table: Acme_CL
tables:
  - name: Acme_CL
    columns: [{name: TimeGenerated, type: datetime, kql: todatetime(t)}]
`

const secret = "key-that-nobody-may-see"

// open is a source of one stream.
func open(c *spec.Connector, s *spec.Stream, opt Options) (*Source, error) {
	conn, err := Open(c, opt)
	if err != nil {
		return nil, err
	}
	return conn.Source(s, ""), nil
}

func newSource(t *testing.T, h http.HandlerFunc) (*Source, *httptest.Server) {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", noon.Format(http.TimeFormat))
		h(w, r)
	}))
	t.Cleanup(srv.Close)
	c, err := spec.Parse("acme.yaml", []byte(tokenConnector))
	if err != nil {
		t.Fatal(err)
	}
	s, err := open(c, &c.Streams[0], Options{BaseURL: srv.URL + "/base", Settings: map[string]string{"host": "a b", "key": secret}, Now: func() time.Time { return noon }, UserAgent: "Sluice/test"})
	if err != nil {
		t.Fatal(err)
	}
	return s, srv
}

var window = engine.Window{From: noon.Add(-time.Hour), To: noon}

func TestRequestAndTokenPaging(t *testing.T) {
	var urls []string
	s, _ := newSource(t, func(w http.ResponseWriter, r *http.Request) {
		urls = append(urls, r.URL.String())
		if r.Header.Get("X-Key") != secret {
			t.Errorf("X-Key is %q", r.Header.Get("X-Key"))
		}
		if len(urls) == 1 {
			w.Write([]byte(`{"data":[{"t":1}],"meta":{"next":"t&1"}}`))
			return
		}
		w.Write([]byte(`{"meta":{"next":null},"data":null}`))
	})
	p, err := s.Fetch(t.Context(), window, "")
	if err != nil || string(p.Records) != `[{"t":1}]` || p.Next != "t&1" {
		t.Fatalf("%+v, %v", p, err)
	}
	p, err = s.Fetch(t.Context(), window, p.Next)
	if err != nil || len(p.Records) != 0 || p.Next != "" {
		t.Fatalf("%+v, %v", p, err)
	}
	want := "/base/v1/a%20b/events?day=2026-11-22&from=1795345200&to=1795348800000"
	if urls[0] != want || urls[1] != strings.Replace(want, "?", "?cursor=t%261&", 1) {
		t.Errorf("asked for %v", urls)
	}
}

func TestErrorsAreClassifiedAndTellNoSecret(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		header map[string]string
		body   string
		token  string
		kind   engine.Kind
		reason string
		wait   time.Duration
		text   string
	}{
		"wrong key, echoed":    {401, nil, `{"error":"unknown key ` + secret + `"}`, "", engine.Auth, "wrong_credentials", 0, "check key (ACME_KEY)"},
		"forbidden":            {403, nil, ``, "", engine.Auth, "forbidden", 0, "prerequisites"},
		"limit said with 403":  {403, map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1795348860"}, ``, "", engine.Throttled, "throttled", 61 * time.Second, ""},
		"429 in seconds":       {429, map[string]string{"Retry-After": "7"}, ``, "", engine.Throttled, "throttled", 7 * time.Second, ""},
		"429 as a date":        {429, map[string]string{"Retry-After": noon.Add(90 * time.Second).Format(http.TimeFormat)}, ``, "", engine.Throttled, "throttled", 91 * time.Second, ""},
		"429 without a word":   {429, nil, ``, "", engine.Throttled, "throttled", 0, ""},
		"503 with Retry-After": {503, map[string]string{"Retry-After": "5"}, ``, "", engine.Throttled, "throttled", 5 * time.Second, ""},
		"500":                  {500, nil, "<html>\x1b[31mboom</html>", "", engine.Transient, "provider_error", 0, "500"},
		"404":                  {404, nil, ``, "", engine.Permanent, "not_found", 0, "check base_url"},
		"400":                  {400, nil, "bad\r\nrequest \x1b[31m", "", engine.Permanent, "bad_request", 0, "bad  request"},
		"HTML that is no data": {200, map[string]string{"Content-Type": "text/html"}, "<html>sign in</html>", "", engine.Transient, "not_json", 0, "sign-in or maintenance page"},
		"no records":           {200, nil, `{"meta":{}}`, "", engine.Transient, "wrong_shape", 0, "no $.data"},
		"cut off":              {200, nil, `{"data":[{"t":1}`, "", engine.Transient, "malformed_page", 0, "invalid JSON"},
		"redirect elsewhere":   {302, map[string]string{"Location": "https://evil.example/x"}, ``, "", engine.Permanent, "foreign_link", 0, "evil.example"},
	} {
		s, _ := newSource(t, func(w http.ResponseWriter, _ *http.Request) {
			for k, v := range c.header {
				w.Header().Set(k, v)
			}
			w.WriteHeader(c.status)
			w.Write([]byte(c.body))
		})
		_, err := s.Fetch(t.Context(), window, c.token)
		var e *engine.Error
		if !errors.As(err, &e) || e.Kind != c.kind || e.Reason != c.reason || e.Wait != c.wait || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v (%+v)", name, err, e)
			continue
		}
		if strings.Contains(err.Error(), secret) || strings.ContainsAny(err.Error(), "\x1b\r\n") {
			t.Errorf("%s: the error shows a secret or control characters: %q", name, err)
		}
	}
}

func TestARejectedPageTokenIsExpired(t *testing.T) {
	s, _ := newSource(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) })
	if _, err := s.Fetch(t.Context(), window, "old"); !errors.Is(err, engine.ErrTokenExpired) {
		t.Errorf("error: %v", err)
	}
}

func TestHalfOfTheRateLimitIsLeftToOthers(t *testing.T) {
	s, _ := newSource(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Rate-Limit-Limit", "100")
		w.Header().Set("X-Rate-Limit-Remaining", "49")
		w.Header().Set("X-Rate-Limit-Reset", "30")
		w.Write([]byte(`{"data":[]}`))
	})
	if _, err := s.Fetch(t.Context(), window, ""); err != nil {
		t.Fatal(err)
	}
	_, err := s.Fetch(t.Context(), window, "")
	var e *engine.Error
	if !errors.As(err, &e) || e.Kind != engine.Throttled || e.Reason != "rate_share" || e.Wait != 30*time.Second {
		t.Errorf("error: %v (%+v)", err, e)
	}
}

func TestAClockThatIsAheadStopsTheRun(t *testing.T) {
	s, _ := newSource(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", noon.Add(-10*time.Minute).Format(http.TimeFormat))
		w.Write([]byte(`{"data":[]}`))
	})
	_, err := s.Fetch(t.Context(), window, "")
	var e *engine.Error
	if !errors.As(err, &e) || e.Reason != "clock_wrong" || !strings.Contains(err.Error(), "10m0s ahead") {
		t.Errorf("error: %v", err)
	}
}

func TestUnreachableHostsSayWhatToCheck(t *testing.T) {
	c, err := spec.Parse("acme.yaml", []byte(tokenConnector))
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]struct{ reason, text string }{
		"no-such-host.invalid": {"host_not_found", "check the setting host (ACME_HOST)"},
	} {
		s, err := open(c, &c.Streams[0], Options{Settings: map[string]string{"host": host, "key": secret}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Fetch(t.Context(), window, "")
		var e *engine.Error
		if !errors.As(err, &e) || e.Reason != want.reason || !strings.Contains(err.Error(), want.text) {
			t.Errorf("%s: %v (%+v)", host, err, e)
		}
	}
	s, srv := newSource(t, nil)
	srv.Close()
	_, err = s.Fetch(t.Context(), window, "")
	var e *engine.Error
	if !errors.As(err, &e) || e.Kind != engine.Transient || e.Reason != "unreachable" {
		t.Errorf("closed port: %v", err)
	}
}

func FuzzNextLink(f *testing.F) {
	f.Add(`<https://a/x>; rel="self", <https://a/x?p=2>; rel="next"`)
	f.Fuzz(func(t *testing.T, s string) {
		if got, err := linkTo("next", []string{s}); err == nil && !strings.Contains(s, got) {
			t.Errorf("%q gives %q", s, got)
		}
	})
}

// repaged has a source page in another way.
func repaged(s *Source, paging spec.Paging) {
	s.levels[0].paging = &paging
	s.levels[0].pager = newPager(s.levels[0])
}

// request is the request of a source for a page.
func request(t *testing.T, src *Source, token string) (*http.Request, error) {
	sc := &scope{settings: src.opt.Settings, window: window}
	return src.levels[0].request(t.Context(), sc.with("page.token", token), token)
}

// FuzzSameOrigin: whatever a provider names as the next page, the request goes
// to the configured host.
func FuzzSameOrigin(f *testing.F) {
	for _, s := range []string{"https://evil.example/", "//evil.example/x", "/ok?x=1", "http://127.0.0.1@evil.example/", "https:evil", "\\\\evil", "?p=2", "http://127.0.0.1:1/"} {
		f.Add(s)
	}
	c, err := spec.Parse("acme.yaml", []byte(strings.Replace(tokenConnector, "{type: token, token: $.meta.next, query: {cursor: \"{page.token}\"}}", "{type: link_header}", 1)))
	if err != nil {
		f.Fatal(err)
	}
	src, err := open(c, &c.Streams[0], Options{Settings: map[string]string{"host": "acme.example", "key": secret}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, link string) {
		req, err := request(t, src, link)
		if err == nil && (req.URL.Scheme != "https" || req.URL.Host != "acme.example") {
			t.Errorf("the page token %q leads to %s", link, req.URL)
		}
		first, err := request(t, src, "")
		if err != nil {
			t.Fatal(err)
		}
		resp := &http.Response{Header: http.Header{"Link": {"<" + link + `>; rel="next"`}}, Request: first}
		next, err := src.levels[0].pager.way.next(&reply{resp: resp})
		if err != nil || next == "" {
			return
		}
		if req, err := request(t, src, next); err == nil && (req.URL.Scheme != "https" || req.URL.Host != "acme.example") {
			t.Errorf("the link %q leads to %s", link, req.URL)
		}
	})
}

// TestWhereAKeyGoes: header, query and cookie, on the first page and on those whose
// address the provider gives.
func TestWhereAKeyGoes(t *testing.T) {
	for auth, got := range map[string]func(*http.Request) string{
		`{type: api_key, header: X-Key, prefix: Token, value: "{key}"}`: func(r *http.Request) string { return strings.TrimPrefix(r.Header.Get("X-Key"), "Token ") },
		`{type: api_key, value: "{key}"}`:                               func(r *http.Request) string { return r.Header.Get("Authorization") },
		`{type: api_key, query: api key, value: "{key}"}`:               func(r *http.Request) string { return r.URL.Query().Get("api key") },
		`{type: api_key, cookie: session, value: "{key}"}`: func(r *http.Request) string {
			c, err := r.Cookie("session")
			if err != nil {
				return err.Error()
			}
			return c.Value
		},
		`{type: bearer, value: "{key}"}`: func(r *http.Request) string { return strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ") },
		`{type: basic, username: "{host}", password: "{key}"}`: func(r *http.Request) string {
			_, pw, _ := r.BasicAuth()
			return pw
		},
	} {
		doc := strings.Replace(tokenConnector, `{type: api_key, header: X-Key, value: "{key}"}`, auth, 1)
		doc = strings.Replace(doc, `{type: token, token: $.meta.next, query: {cursor: "{page.token}"}}`, "{type: next_url, url: $.next}", 1)
		c, err := spec.Parse("acme.yaml", []byte(doc))
		if err != nil {
			t.Fatal(err)
		}
		var keys []string
		base, srv := newSource(t, func(w http.ResponseWriter, r *http.Request) {
			keys = append(keys, got(r))
			_, _ = io.WriteString(w, `{"data":[1],"next":"?p=2"}`)
		})
		s, err := open(c, &c.Streams[0], Options{BaseURL: srv.URL, Settings: map[string]string{"host": "h", "key": secret}, Now: base.opt.Now})
		if err != nil {
			t.Fatal(err)
		}
		page, err := s.Fetch(t.Context(), window, "")
		if err == nil {
			_, err = s.Fetch(t.Context(), window, page.Next)
		}
		if err != nil || len(keys) != 2 || keys[0] != secret || keys[1] != secret || strings.Contains(page.Next, secret) {
			t.Errorf("%s: keys %q, next page %q, %v", auth, keys, page.Next, err)
		}
	}
}

func newClockAt(now time.Time) func() time.Time { return func() time.Time { return now } }
