package author

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// Recorder is an http.RoundTripper that keeps what goes through it. What it keeps
// has test values in the place of secrets.
type Recorder struct {
	Next    http.RoundTripper
	Scrub   func(string) string      // puts test values in the place of secrets
	Skip    func(*http.Request) bool // not to be kept, such as requests for tokens
	mu      sync.Mutex
	entries []Recorded
}

// kept are the headers of answers that a case needs.
var kept = []string{"Link", "Content-Type", "Retry-After"}

// RoundTrip implements http.RoundTripper.
func (r *Recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	var sent []byte
	if req.GetBody != nil {
		body, err := req.GetBody()
		if err != nil {
			return nil, err
		}
		if sent, err = io.ReadAll(body); err != nil {
			return nil, err
		}
	}
	resp, err := r.Next.RoundTrip(req)
	if err != nil || r.Skip != nil && r.Skip(req) {
		return resp, err
	}
	answer, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(answer))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.entries = append(r.entries, r.entry(req, sent, resp, answer))
	return resp, nil
}

func (r *Recorder) entry(req *http.Request, sent []byte, resp *http.Response, answer []byte) Recorded {
	origin := req.URL.Scheme + "://" + req.URL.Host
	clean := func(s string) string { return strings.ReplaceAll(r.Scrub(s), origin, "{origin}") }
	x := Recorded{Method: req.Method, Path: clean(req.URL.Path), Query: map[string]string{}, Status: resp.StatusCode, Headers: map[string]string{}, Answer: []byte(clean(string(answer)))}
	for k, v := range req.URL.Query() {
		slices.Sort(v)
		x.Query[k] = clean(strings.Join(v, ","))
	}
	if strings.HasPrefix(req.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		x.Form = map[string]string{}
		form, _ := url.ParseQuery(string(sent))
		for k, v := range form {
			x.Form[k] = clean(strings.Join(v, ","))
		}
	} else {
		x.Body = []byte(r.Scrub(string(sent)))
	}
	for name, values := range resp.Header {
		if slices.Contains(kept, name) || strings.Contains(strings.ToLower(name), "ratelimit") || strings.Contains(strings.ToLower(name), "rate-limit") || strings.Contains(strings.ToLower(name), "next") {
			x.Headers[name] = clean(strings.Join(values, ", "))
		}
	}
	if indented := new(bytes.Buffer); json.Indent(indented, x.Answer, "", "  ") == nil {
		indented.WriteByte('\n')
		x.Answer = indented.Bytes()
	} else {
		x.AnswerIsNoJSON = true
	}
	return x
}

// Recorded returns what went through so far.
func (r *Recorder) Recorded() []Recorded {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.entries)
}

// Clock is the machine's clock, but for the time that computing takes: it stands
// still except while something sleeps. So what is recorded can be replayed.
type Clock struct {
	Start time.Time
	mu    sync.Mutex
	slept time.Duration
}

// Now implements engine.Clock.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.Start.Add(c.slept)
}

// Slept is how long something has slept in all.
func (c *Clock) Slept() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.slept
}

// Sleep implements engine.Clock.
func (c *Clock) Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.slept += d
	return nil
}

// Scrubber puts test-NAME in the place of each secret, in all its encodings.
func Scrubber(secrets map[string]string) func(string) string {
	var pairs []string
	names := make([]string, 0, len(secrets))
	for n := range secrets {
		names = append(names, n)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(len(secrets[b])-len(secrets[a]), strings.Compare(a, b)) })
	for _, n := range names {
		v := secrets[n]
		if v == "" {
			continue
		}
		quoted, _ := json.Marshal(v)
		for _, form := range []string{v, url.QueryEscape(v), url.PathEscape(v), strings.Trim(string(quoted), `"`)} {
			pairs = append(pairs, form, "test-"+n)
		}
	}
	replacer := strings.NewReplacer(pairs...)
	return replacer.Replace
}
