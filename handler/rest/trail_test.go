package rest

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/sluice-connectors/sluice/handler/engine"
)

// TestAListOnTheWayThatDoesNotLeadOnIsAnError: the provider does not look at the page
// that is asked for, of a list or of a step.
func TestAListOnTheWayThatDoesNotLeadOnIsAnError(t *testing.T) {
	n := 0
	again := func(text string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) {
			n++
			fmt.Fprintf(w, text, n)
		}
	}
	stream := `
request: {path: /list}
paging: {type: token, token: $.next, query: {page: "{page.token}"}}
records: $.items
steps:
  - request: {path: "/x/{item.id}"}
    paging: {type: token, token: $.next, query: {page: "{page.token}"}}
    records: $.items` + windowed
	for what, x := range map[string]struct {
		list, item any
		reason     string
	}{
		"a list":                           {again(`{"items":[{"id":"a"}],"next":"t%d"}`), `{"items":[{"n":1}]}`, "same_page_again"},
		"a step":                           {`{"items":[{"id":"a"}]}`, again(`{"items":[{"n":1}],"next":"t%d"}`), "same_page_again"},
		"a list of nothing":                {again(`{"items":[],"next":"t%d"}`), nil, "empty_pages"},
		"many items that lead to the same": {`{"items":[{"id":"a"},{"id":"a"},{"id":"a"},{"id":"a"},{"id":"a"}]}`, `{"items":[{"n":1}]}`, ""},
	} {
		n = 0
		answers := map[string]any{"GET /list": x.list, "GET /x/a": x.item}
		for i := range 1001 {
			answers[fmt.Sprint("GET /list?page=t", i)], answers[fmt.Sprint("GET /x/a?page=t", i)] = x.list, x.item
		}
		src, token, reason, pages := newAPI(t, answers).open(t, declared(t, "", stream)), "", "", 0
		for ; pages < 3000; pages++ {
			page, err := src.Fetch(t.Context(), window, token)
			if e := new(engine.Error); errors.As(err, &e) {
				reason = e.Reason
				if x.reason != "" && !strings.Contains(err.Error(), "page") {
					t.Errorf("%s: %v", what, err)
				}
				break
			}
			if err != nil {
				t.Fatal(what, err)
			}
			if token = page.Next; token == "" {
				break
			}
		}
		if reason != x.reason || reason == "same_page_again" && n > 3 {
			t.Errorf("%s: %q after %d pages and %d requests, want %q", what, reason, pages, n, x.reason)
		}
	}
}

// TestAListOnTheWayIsAskedForAnewWhenItsNextPageIsRefused: what was kept of it led
// there.
func TestAListOnTheWayIsAskedForAnewWhenItsNextPageIsRefused(t *testing.T) {
	tokens := 0
	a := newAPI(t, map[string]any{
		"GET /list": func(w http.ResponseWriter, _ *http.Request) {
			tokens++
			fmt.Fprintf(w, `{"items":[{"id":"a"}],"next":"t%d"}`, tokens)
		},
		"GET /list?page=t1": http.StatusUnprocessableEntity,
		"GET /list?page=t2": `{"items":[{"id":"b"}]}`,
		"GET /x/a":          `{"n":1}`,
		"GET /x/b":          `{"n":2}`,
	})
	src := a.open(t, declared(t, "", `
request: {path: /list}
paging: {type: token, token: $.next, query: {page: "{page.token}"}}
records: $.items
steps:
  - request: {path: "/x/{item.id}"}
    records: $`+windowed))
	var got []string
	for token, again := "", false; ; {
		page, err := src.Fetch(t.Context(), window, token)
		switch {
		case err != nil && again:
			t.Fatal(err)
		case err != nil: // as the engine does
			token, again = "", true
			continue
		}
		got = append(got, recordsOf(t, page)...)
		if token = page.Next; token == "" {
			break
		}
	}
	expect(t, got, `{"n":1}`, `{"n":1}`, `{"n":2}`)
}
