package spec

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/sluice-connectors/sluice/handler/nearest"
)

// eachText calls f with every text below x, and with its path.
func eachText(path string, x any, f func(path, text string)) {
	switch x := x.(type) {
	case string:
		f(path, x)
	case []any:
		for i, e := range x {
			eachText(fmt.Sprintf("%s[%d]", path, i), e, f)
		}
	case Values:
		for _, e := range x {
			f(path, e)
		}
	case map[string]any:
		eachKey(path, x, f)
	case map[string]string:
		eachKey(path, x, f)
	case map[string]Values:
		eachKey(path, x, f)
	}
}

func eachKey[V any](path string, m map[string]V, f func(path, text string)) {
	for _, k := range slices.Sorted(maps.Keys(m)) {
		eachText(join(path, k), m[k], f)
	}
}

// nearPlaceholder is what was meant as a placeholder and is none: {Window.From},
// {window.from }, {{page.token}}.
var nearPlaceholder = regexp.MustCompile(`(?i)window\.(from|to)|page\.(token|size|reader)|sign\.result`)

// placeholders checks the {…} in a text: settings, and those of extra.
func (v *validator) placeholders(path, text string, extra []string) {
	known := append(v.settingNames(), extra...)
	for _, m := range Placeholder.FindAllStringSubmatch(text, -1) {
		if first, _, _ := strings.Cut(m[1], "."); !slices.Contains(known, m[1]) && !(first == "item" && slices.Contains(known, "item")) {
			v.errorf(path, "there is no placeholder {%s}%s", m[1], nearest.Hint(m[1], known))
		}
		if _, err := TimeFormat(m[2]); err != nil {
			v.errorf(path, "%v", err)
		}
		if m[2] != "" && !strings.HasPrefix(m[1], "window.") {
			v.errorf(path, "only window.from and window.to have a format")
		}
		if strings.Contains(text, "{"+m[0]+"}") {
			v.errorf(path, "{%s} has two pairs of braces: write %s", m[0], m[0])
		}
	}
	if near := nearPlaceholder.FindString(Placeholder.ReplaceAllString(text, "")); near != "" {
		v.errorf(path, "%s would be sent as it is: a placeholder is written {%s}", near, strings.ToLower(near))
	}
}

// closed checks a text in which a brace can only be that of a placeholder.
func (v *validator) closed(path, text string) {
	if rest := Placeholder.ReplaceAllString(text, ""); strings.ContainsAny(rest, "{}") {
		v.errorf(path, "a brace in %q belongs to no placeholder: write {name}, in lower case", text)
	}
}

// tree checks the placeholders in all texts below x.
func (v *validator) tree(path string, x any, extra []string) {
	eachText(path, x, func(at, text string) { v.placeholders(at, text, extra) })
}

// static is the part of a text that the file has, without what placeholders stand for.
func static(text string) string { return Placeholder.ReplaceAllString(text, "") }

var (
	// httpToken is the name of a header or of a cookie (RFC 9110, section 5.6.2).
	httpToken = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")
	// cookieText is what a cookie's value can have (RFC 6265, section 4.1.1).
	cookieText = regexp.MustCompile(`^[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*$`)
	control    = regexp.MustCompile(`[\x00-\x1f\x7f]`)
)

// ownHeaders are written by the client itself: a value of the file would have no effect.
var ownHeaders = []string{"host", "connection", "content-length", "transfer-encoding", "te", "trailer", "upgrade", "accept-encoding"}

func (v *validator) header(path, name string) {
	if name != "" && !httpToken.MatchString(name) {
		v.errorf(path, "%q is no name of a header", name)
	}
}

// headers checks names and values of headers, and the placeholders in them.
func (v *validator) headers(path string, headers map[string]string, known []string) {
	seen := map[string]string{}
	for _, k := range slices.Sorted(maps.Keys(headers)) {
		at, lower := join(path, k), strings.ToLower(k)
		v.header(at, k)
		v.placeholders(at, headers[k], known)
		if control.MatchString(static(headers[k])) {
			v.errorf(at, "the header %s has a line end or another control character", k)
		}
		if slices.Contains(ownHeaders, lower) {
			v.errorf(at, "the header %s is written by Sluice itself: leave it out", k)
		}
		if other := seen[lower]; other != "" {
			v.errorf(at, "the headers %s and %s are one", other, k)
		}
		seen[lower] = k
	}
}

// requestPath checks a path below base_url. It is written as in an address: escaped.
func (v *validator) requestPath(at, path string) {
	plain := static(path)
	_, err := url.PathUnescape(plain)
	switch {
	case !strings.HasPrefix(path, "/"):
		v.errorf(at, "path %q has to begin with /", path)
	case strings.Contains(plain, "?"):
		v.errorf(at, "path %q has a question mark: parameters go to query: {name: value}; a question mark in the path itself is %%3F", path)
	case strings.Contains(plain, "#"):
		v.errorf(at, "path %q has a #, behind which nothing is sent: leave it out, or write %%23", path)
	case err != nil:
		v.errorf(at, "path %q: %% begins an escape such as %%20; %% itself is %%25", path)
	case strings.TrimSpace(path) != path || control.MatchString(path):
		v.errorf(at, "path %q has a blank at an end, or a control character", path)
	case slices.ContainsFunc(strings.Split(path, "/"), func(e string) bool { return e == "." || e == ".." }):
		v.errorf(at, "path %q has the element . or ..: write where it leads", path)
	}
	v.closed(at, path)
}
