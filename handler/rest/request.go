package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/sluice-connectors/sluice/handler/scan"
	"github.com/sluice-connectors/sluice/handler/spec"
)

// request builds the request of a listing, for the page that token names.
func (l *listing) request(ctx context.Context, sc *scope, token string) (*http.Request, error) {
	var paging spec.Paging // of a page that has a token
	if token != "" {
		paging = *l.paging
	}
	u, err := l.url(sc, token)
	if err != nil {
		return nil, err
	}
	tree := sc.tree(l.req.Body)
	switch keys, places := paging.Body.(map[string]any); {
	case places && isPlaces(keys):
		for _, path := range slices.Sorted(maps.Keys(keys)) {
			if tree, err = place(tree, path, sc.tree(keys[path])); err != nil {
				return nil, err
			}
		}
	case paging.Body != nil:
		tree = sc.tree(paging.Body)
	}
	var body io.Reader
	kind := ""
	if tree != nil {
		if a := l.cred; a.Body != "" {
			if tree, err = place(tree, a.Body, l.src.setting(a.Value)); err != nil {
				return nil, err
			}
		}
		b, k, err := encode(l.req.Encode, tree)
		if err != nil {
			return nil, err
		}
		body, kind = bytes.NewReader(b), k
	}
	req, err := http.NewRequestWithContext(ctx, l.req.Method, u.String(), body)
	if err != nil {
		return nil, err
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	if body == nil && l.pager.moves() {
		// net/http sends a GET without a body once more when a connection ends
		// before the answer: the provider would have moved on by two pages.
		req.Body = io.NopCloser(strings.NewReader(""))
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", l.src.opt.UserAgent)
	for _, headers := range []map[string]string{l.req.Headers, paging.Headers} {
		for k, v := range headers {
			if v = sc.expand(v); v != "" {
				req.Header.Set(k, v)
			}
		}
	}
	return req, nil
}

// isPlaces reports whether the keys of a body are places in another.
func isPlaces(keys map[string]any) bool {
	for k := range keys {
		return strings.HasPrefix(k, "$.")
	}
	return false
}

// place sets one place of a tree, such as $.variables.after, and returns it. What
// is on the way and not there is made.
func place(tree any, path string, value any) (any, error) {
	p, err := scan.ParsePath("$." + strings.TrimPrefix(path, "$."))
	if err != nil {
		return nil, err
	}
	steps, _ := p.Steps()
	return placeAt(tree, steps, path, value)
}

func placeAt(tree any, steps []scan.Step, path string, value any) (any, error) {
	if len(steps) == 0 {
		return value, nil
	}
	var err error
	switch step := steps[0]; t := tree.(type) {
	case nil:
		if step.IsIndex {
			return nil, fmt.Errorf("the body has no list at %s", path)
		}
		m := map[string]any{}
		m[step.Key], err = placeAt(nil, steps[1:], path, value)
		return m, err
	case map[string]any:
		t[step.Key], err = placeAt(t[step.Key], steps[1:], path, value)
		return t, err
	case []any:
		if !step.IsIndex || step.Index >= len(t) {
			return nil, fmt.Errorf("the list in the body has no %s", path)
		}
		t[step.Index], err = placeAt(t[step.Index], steps[1:], path, value)
		return t, err
	}
	return nil, fmt.Errorf("%s leads into a plain value of the body", path)
}

// url is the address of a page.
func (l *listing) url(sc *scope, token string) (*url.URL, error) {
	if w, ok := l.pager.way.(addressed); ok && token != "" {
		return w.address(token)
	}
	u := *l.src.base
	if l.req.URL != "" {
		text := sc.expand(l.req.URL)
		if text == "" {
			return nil, fmt.Errorf("there is no %s to go to", l.req.URL)
		}
		link, err := l.src.base.Parse(escapeLink(text))
		switch {
		case err == nil && l.src.sameOrigin(link):
			link.Host, link.User = u.Host, nil
		case err != nil || !l.allows(link):
			return nil, &foreignLink{l.src.foreign(text, 100)}
		}
		u = *link
	} else if err := setPath(&u, l.req.Path, sc); err != nil {
		return nil, err
	}
	q := u.Query()
	add := func(params map[string]spec.Values) {
		for k, values := range params {
			given := false
			for _, v := range values {
				if v = sc.expand(v); v == "" {
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
	if token == l.pager.first() || !l.paging.Only {
		add(l.req.Query)
	}
	if token != "" || l.pager.moves() {
		add(l.paging.Query)
	}
	if len(q) > 0 {
		u.RawQuery = q.Encode()
	}
	return &u, nil
}

// setPath appends a path to that of u. What a placeholder stands for is one
// element of it, whatever is in it.
func setPath(u *url.URL, path string, sc *scope) error {
	escaped := spec.Placeholder.ReplaceAllStringFunc(path, func(m string) string { return url.PathEscape(sc.expand(m)) })
	raw, err := url.PathUnescape(escaped)
	if err != nil {
		return err
	}
	u.RawPath = strings.TrimSuffix(u.EscapedPath(), "/") + escaped
	u.Path = strings.TrimSuffix(u.Path, "/") + raw
	return nil
}

// foreignLink is an address of the provider's that leads elsewhere.
type foreignLink struct{ link string }

func (e *foreignLink) Error() string {
	return "the provider names an address at another origin: " + e.link
}

// allows reports whether requests of a step may go to an address, without
// credentials.
func (l *listing) allows(u *url.URL) bool {
	return u.Scheme == "https" && u.User == nil && slices.ContainsFunc(l.origins, func(o string) bool {
		domain, any := strings.CutPrefix(o+":443", "*")
		return !any && hostPort(u) == domain || any && strings.HasSuffix(hostPort(u), domain)
	})
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
