package rest

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-connectors/sluice/handler/spec"
)

// TestEachWayOfPagingIsKnown: the connector may write these, and no others are there.
func TestEachWayOfPagingIsKnown(t *testing.T) {
	field, _ := reflect.TypeFor[spec.Paging]().FieldByName("Type")
	declared := strings.Split(field.Tag.Get("enum"), "|")
	slices.Sort(declared)
	if known := slices.Sorted(maps.Keys(ways)); !slices.Equal(known, declared) {
		t.Errorf("known are %q, a connector may write %q", known, declared)
	}
}

// TestPaging lists windows in all ways of paging: the requests that are made, as
// path, query, headers and body, and where the listing ends.
func TestPaging(t *testing.T) {
	for _, x := range []struct {
		what    string
		paging  string
		answers []string // bodies; "Name: value | body" has a header
		want    []string // requests, without the parameters of the window
		err     string   // the reason of the last request's error
	}{
		{"one page", `{type: none}`, []string{`{"data":[1]}`}, []string{""}, ""},
		{"absolute address", `{type: next_url, url: $.meta.next}`, []string{`{"data":[1],"meta":{"next":"ORIGIN/base/v1/more?p=2"}}`, `{"data":[2],"meta":{"next":null}}`}, []string{"", "/base/v1/more?p=2"}, ""},
		{"relative address", `{type: next_url, url: $.next}`, []string{`{"data":[1],"next":"?p=2"}`, `{"data":[2],"next":""}`}, []string{"", "?p=2"}, ""},
		{"address elsewhere", `{type: next_url, url: $.next}`, []string{`{"data":[1],"next":"https://evil.example/"}`}, []string{""}, "foreign_link"},
		{"address with blanks", `{type: next_url, url: $.next}`, []string{`{"data":[1],"next":"ORIGIN/base/v1/more?p=a b%20c \"d\" 5%&q=é"}`, `{"data":[2]}`}, []string{"", "/base/v1/more?p=a+b+c+%22d%22+5%25&q=%C3%A9"}, ""},
		{"address without a scheme", `{type: next_url, url: $.next}`, []string{`{"data":[1],"next":"//evil.example/"}`}, []string{""}, "foreign_link"},
		{"address by a filter", `{type: next_url, url: "$.links[?(@.rel == 'next')].href"}`, []string{`{"data":[1],"links":[{"rel":"self","href":"?p=1"},{"rel":"next","href":"?p=2"}]}`, `{"data":[2],"links":[{"rel":"self","href":"?p=2"}]}`}, []string{"", "?p=2"}, ""},
		{"address in the last element", `{type: next_url, url: "$.links[-1].href"}`, []string{`{"data":[1],"links":[{"href":"?p=1"},{"href":"?p=2"}]}`, `{"data":[2],"links":[{"href":null}]}`}, []string{"", "?p=2"}, ""},
		{"several addresses", `{type: next_url, url: "$.links[*].href"}`, []string{`{"data":[1],"links":[{"href":"?p=1"},{"href":"?p=2"}]}`}, []string{""}, "unexpected_answer"},
		{"one address several times", `{type: next_url, url: "$.links[*].href"}`, []string{`{"data":[1],"links":[{"href":"?p=2"},{},{"href":"?p=2"}]}`, `{"data":[2],"links":[]}`}, []string{"", "?p=2"}, ""},
		{"false instead of an address", `{type: next_url, url: $.next}`, []string{`{"data":[1],"next":false}`}, []string{""}, ""},
		{"0 instead of a token", `{type: token, token: $.next, query: {c: "{page.token}"}}`, []string{`{"data":[1],"next":0}`}, []string{""}, ""},
		{"the text 0 is a token", `{type: token, token: $.next, query: {c: "{page.token}"}}`, []string{`{"data":[1],"next":"0"}`, `{"data":[2],"next":0.0}`}, []string{"", "?c=0"}, ""},
		{"the text null instead of a token", `{type: token, token: $.next, query: {c: "{page.token}"}}`, []string{`{"data":[1],"next":"null"}`}, []string{""}, ""},
		{"the text None in a header", `{type: token, token_header: X-Next, query: {c: "{page.token}"}}`, []string{`X-Next: None | {"data":[1]}`}, []string{""}, ""},
		{"token in a header, both ways", `{type: token, token_header: X-Next, headers: {X-Cursor: "{page.token}"}}`, []string{`X-Next: t2 | {"data":[1]}`, `{"data":[2]}`}, []string{"", " X-Cursor=t2"}, ""},
		{"token that is a number", `{type: token, token: $.next, query: {c: "{page.token}"}}`, []string{`{"data":[1],"next":17}`, `{"data":[2]}`}, []string{"", "?c=17"}, ""},
		{"only the token", `{type: token, token: $.next, only: true, query: {c: "{page.token}"}}`, []string{`{"data":[1],"next":"a b"}`, `{"data":[2]}`}, []string{"", "!?c=a+b"}, ""},
		{"flag that is a number", `{type: token, token: $.next, more: $.left, query: {c: "{page.token}"}}`, []string{`{"data":[1],"next":"x","left":1}`, `{"data":[2],"next":"y","left":0}`}, []string{"", "?c=x"}, ""},
		{"flag that is a text", `{type: token, token: $.next, more: $.left, query: {c: "{page.token}"}}`, []string{`{"data":[1],"next":"x","left":"true"}`, `{"data":[2],"next":"y","left":"false"}`}, []string{"", "?c=x"}, ""},
		{"offset until a page is empty", `{type: offset, size: 2, query: {skip: "{page.token}", top: "{page.size}"}}`, []string{`{"data":[1,2]}`, `{"data":[{"a":[3]}]}`, `{"data":[]}`}, []string{"?skip=0&top=2", "?skip=2&top=2", "?skip=3&top=2"}, ""},
		{"offset until a page is short", `{type: offset, size: 2, stop: short_page, query: {skip: "{page.token}"}}`, []string{`{"data":[1,2]}`, `{"data":[3]}`}, []string{"?skip=0", "?skip=2"}, ""},
		{"offset until all are there", `{type: offset, total: $.count, query: {skip: "{page.token}"}}`, []string{`{"data":[1,2],"count":3}`, `{"data":[3],"count":"3"}`}, []string{"?skip=0", "?skip=2"}, ""},
		{"total that is no number", `{type: offset, total: $.count, query: {skip: "{page.token}"}}`, []string{`{"data":[1,2]}`}, []string{"?skip=0"}, "unexpected_answer"},
		{"an empty page before the total", `{type: offset, total: $.count, query: {skip: "{page.token}"}}`, []string{`{"data":[1,2],"count":3}`, `{"data":[],"count":3}`}, []string{"?skip=0", "?skip=2"}, "empty_before_end"},
		{"an empty page behind all of them, without a total", `{type: offset, total: $.count, query: {skip: "{page.token}"}}`, []string{`{"data":[1,2],"count":"3.0"}`, `{"data":[]}`}, []string{"?skip=0", "?skip=2"}, ""},
		{"a short page before the total", `{type: offset, size: 2, stop: short_page, total: $.count, query: {skip: "{page.token}"}}`, []string{`{"data":[1],"count":3}`}, []string{"?skip=0"}, "empty_before_end"},
		{"an offset that counts hidden records", `{type: offset, size: 2, total: $.count, query: {skip: "{page.token}", top: "{page.size}"}}`, []string{`{"data":[1],"count":3}`, `{"data":[1,3],"count":3}`}, []string{"?skip=0&top=2", "?skip=1&top=2"}, ""},
		{"an empty page before the last", `{type: page, total: $.pages, query: {page: "{page.token}"}}`, []string{`{"data":[1],"pages":3}`, `{"data":[],"pages":3}`}, []string{"?page=1", "?page=2"}, "empty_before_end"},
		{"an empty last page", `{type: page, zero_based: true, total: $.pages, query: {page: "{page.token}"}}`, []string{`{"data":[1],"pages":2}`, `{"data":[],"pages":2}`}, []string{"?page=0", "?page=1"}, ""},
		{"no next token before the total", `{type: token, token: $.next, total: $.count, query: {c: "{page.token}"}}`, []string{`{"data":[1],"count":3,"next":"x"}`, `{"data":[2],"count":3}`}, []string{"", "?c=x"}, "empty_before_end"},
		{"all of the total", `{type: token, token: $.next, total: $.count, query: {c: "{page.token}"}}`, []string{`{"data":[1,2],"count":3,"next":"x"}`, `{"data":[3],"count":3}`}, []string{"", "?c=x"}, ""},
		{"a total that grows, and falls", `{type: token, token: $.next, total: $.count, query: {c: "{page.token}"}}`, []string{`{"data":[1],"count":9,"next":"x"}`, `{"data":[2],"count":2}`}, []string{"", "?c=x"}, ""},
		{"one page that has not all", `{type: none, total: $.count}`, []string{`{"data":[1],"count":2}`}, []string{""}, "empty_before_end"},
		{"more, but no next page", `{type: token, token: $.next, more: $.left, query: {c: "{page.token}"}}`, []string{`{"data":[1],"left":true}`}, []string{""}, "empty_before_end"},
		{"more, and an empty page on the way", `{type: token, token: $.next, more: $.left, query: {c: "{page.token}"}}`, []string{`{"data":[],"next":"x","left":true}`, `{"data":[1],"left":false,"next":"y"}`}, []string{"", "?c=x"}, ""},
		{"more, but the page is empty", `{type: offset, more: $.left, query: {skip: "{page.token}"}}`, []string{`{"data":[1],"left":1}`, `{"data":[],"left":1}`}, []string{"?skip=0", "?skip=1"}, "empty_before_end"},
		{"more, and a short page", `{type: offset, size: 2, stop: short_page, more: $.left, query: {skip: "{page.token}"}}`, []string{`{"data":[1],"left":true}`, `{"data":[2],"left":false}`}, []string{"?skip=0", "?skip=1"}, ""},
		{"a full page of one value", `{type: last_record, token: $.id, size: 2, stop: short_page, query: {after: "{page.token}"}}`, []string{`{"data":[{"id":1},{"id":2}]}`, `{"data":[{"id":2},{"id":2}]}`}, []string{"", "?after=2"}, "no_progress"},
		{"the last record again, and nothing new", `{type: last_record, token: $.id, size: 2, stop: short_page, query: {after: "{page.token}"}}`, []string{`{"data":[{"id":1},{"id":2}]}`, `{"data":[{"id":2}]}`}, []string{"", "?after=2"}, ""},
		{"pages from 1", `{type: page, total: $.pages, query: {page: "{page.token}"}}`, []string{`{"data":[1],"pages":2}`, `{"data":[2],"pages":2}`}, []string{"?page=1", "?page=2"}, ""},
		{"pages from 0", `{type: page, zero_based: true, total: $.pages, query: {page: "{page.token}"}}`, []string{`{"data":[1],"pages":2}`, `{"data":[2],"pages":2}`}, []string{"?page=0", "?page=1"}, ""},
		{"after the last record", `{type: last_record, token: $.id, query: {after: "{page.token}"}}`, []string{`{"data":[{"id":1},{"id":"b"}]}`, `{"data":[{"id":"c"}]}`, `{"data":[]}`}, []string{"", "?after=b", "?after=c"}, ""},
		{"a last record without the value", `{type: last_record, token: $.id, query: {after: "{page.token}"}}`, []string{`{"data":[{"id":1},{}]}`}, []string{""}, "unexpected_answer"},
	} {
		t.Run(x.what, func(t *testing.T) {
			doc := strings.Replace(tokenConnector, `{type: token, token: $.meta.next, query: {cursor: "{page.token}"}}`, x.paging, 1)
			c, err := spec.Parse("acme.yaml", []byte(doc))
			if err != nil {
				t.Fatal(err)
			}
			var asked []string
			base, srv := newSource(t, func(w http.ResponseWriter, r *http.Request) {
				asked = append(asked, describe(r))
				body := x.answers[min(len(asked), len(x.answers))-1]
				if header, rest, ok := strings.Cut(body, " | "); ok {
					name, value, _ := strings.Cut(header, ": ")
					w.Header().Set(name, value)
					body = rest
				}
				_, _ = io.WriteString(w, strings.ReplaceAll(body, "ORIGIN", "http://"+r.Host))
			})
			s, err := open(c, &c.Streams[0], Options{BaseURL: srv.URL + "/base", Settings: map[string]string{"host": "h", "key": secret}, Now: base.opt.Now})
			if err != nil {
				t.Fatal(err)
			}
			token := ""
			for range len(x.answers) + 1 {
				page, ferr := s.Fetch(t.Context(), window, token)
				if err = ferr; err != nil || page.Next == "" {
					break
				}
				if token = page.Next; !page.Steady {
					t.Error("the next page waits until this one is dealt with")
				}
			}
			if got := reason(err); got != x.err && !(x.err == "" && err == nil) {
				t.Errorf("it ends with %v, want %q", err, x.err)
			}
			if !slices.Equal(asked, x.want) {
				t.Errorf("requests %q, want %q", asked, x.want)
			}
		})
	}
}

// describe is what a request has beside the parameters of the window; "!" when it
// does not have those.
func describe(r *http.Request) string {
	q := r.URL.Query()
	mark := "!"
	if q.Has("from") || r.URL.Path != "/base/v1/h/events" || len(q) == 1 && q.Has("p") {
		mark = ""
	}
	for _, k := range []string{"from", "to", "day"} {
		q.Del(k)
	}
	text := ""
	if r.URL.Path != "/base/v1/h/events" {
		text = r.URL.Path
	}
	if len(q) > 0 {
		text += "?" + q.Encode()
	}
	if v := r.Header.Get("X-Cursor"); v != "" {
		text += fmt.Sprintf(" X-Cursor=%s", v)
	}
	return mark + text
}
