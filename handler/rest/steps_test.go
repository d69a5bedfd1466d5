package rest

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestStepsLookUpEachRecord(t *testing.T) {
	answers := map[string]any{
		"GET /list":        `{"items":[{"id":"a","link":"/x/a?v=1"},{"id":"b","link":"/x/b"}],"next":"2"}`,
		"GET /list?page=2": `{"items":[{"id":"c","link":"/x/c"}]}`,
		"GET /x/a?v=1":     `[{"n":1},{"n":2}]`,
		"GET /x/b":         `[]`,
		"GET /x/c":         `{"n":3}`,
	}
	stream := `
request: {path: /list}
paging: {type: token, token: $.next, query: {page: "{page.token}"}}
records: $.items
steps:
  - request: {url: "{item.link}"}
    records: $` + windowed
	for _, afresh := range []bool{false, true} {
		a := newAPI(t, answers)
		got, _ := a.all(t, declared(t, "", stream), "", afresh)
		expect(t, got, `{"n":1}`, `{"n":2}`, `{"n":3}`)
		if !afresh && len(a.asked) != 5 {
			t.Errorf("requests: %q", a.asked)
		}
	}
	joined := strings.Replace(stream, "    records: $\n", "    records: $\n    join: detail\n", 1)
	a := newAPI(t, answers)
	got, _ := a.all(t, declared(t, "", joined), "", false)
	expect(t, got, `{"id":"a","link":"/x/a?v=1","detail":{"n":1}}`, `{"id":"a","link":"/x/a?v=1","detail":{"n":2}}`, `{"id":"c","link":"/x/c","detail":{"n":3}}`)
}

func TestStepsInBatchesAndBelowEachOther(t *testing.T) {
	stream := `
request: {path: /ids}
records: $.ids
steps:
  - request: {method: POST, path: /get, body: {ids: "{items}", most: 2}}
    batch: 2
    records: $.things
  - request: {path: "/things/{item.id}/events"}
    paging: {type: offset, size: 2, stop: short_page, query: {skip: "{page.token}"}}
    records: $` + windowed
	for _, afresh := range []bool{false, true} {
		a := newAPI(t, map[string]any{
			"GET /ids":                               `{"ids":["a/1","b","c"]}`,
			`POST /get {"ids":["a/1","b"],"most":2}`: `{"things":[{"id":"a/1"},{"id":"b"}]}`,
			`POST /get {"ids":["c"],"most":2}`:       `{"things":[{"id":"c"}]}`,
			"GET /things/a%2F1/events?skip=0":        `[1,2]`,
			"GET /things/a%2F1/events?skip=2":        `[3]`,
			"GET /things/b/events?skip=0":            `[4]`,
			"GET /things/c/events?skip=0":            `[]`,
		})
		got, _ := a.all(t, declared(t, "", stream), "", afresh)
		expect(t, got, "1", "2", "3", "4")
	}
}

func TestARecordIsLookedUpOnce(t *testing.T) {
	a := newAPI(t, map[string]any{"GET /list": `[{"u":"/1"},{"u":"/2"},{"u":"/3"}]`, "GET /1": `[1]`, "GET /2": `[2]`, "GET /3": `[3]`})
	c := declared(t, "", `
request: {path: /list}
records: $
steps: [{request: {url: "{item.u}"}, records: $, once: true}]`+windowed)
	src := a.open(t, c)
	known := map[string]bool{}
	src.Know(func(key []byte) bool { return known[string(key)] })
	page, err := src.Fetch(t.Context(), window, "")
	if err != nil || len(page.Done) != 1 {
		t.Fatalf("%+v, %v", page, err)
	}
	known[string(page.Done[0])] = true
	got, _ := a.all(t, c, "", false)
	expect(t, got, "1", "2", "3")
	a.asked = nil
	src.loaded[0] = nil
	page, err = src.Fetch(t.Context(), window, "")
	if err != nil || string(page.Records) != "[2]" {
		t.Errorf("%s, %v; asked %q", page.Records, err, a.asked)
	}
}

// TestAListThatChangedIsBegunAnew: what a place counted is another record now.
func TestAListThatChangedIsBegunAnew(t *testing.T) {
	list := `["a","b","c"]`
	a := newAPI(t, map[string]any{"GET /list": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, list) },
		"GET /x/a": `["a"]`, "GET /x/b": `["b"]`, "GET /x/c": `["c"]`, "GET /x/z": `["z"]`})
	c := declared(t, "", `
request: {path: /list}
records: $
steps: [{request: {path: "/x/{item}"}, records: $}]`+windowed)
	page, err := a.open(t, c).Fetch(t.Context(), window, "")
	if err != nil || page.Next == "" {
		t.Fatal(page, err)
	}
	list = `["z","a","b","c"]`
	got, _ := a.all(t, c, page.Next, true)
	expect(t, got, `"z"`, `"a"`, `"b"`, `"c"`)
}

func TestStepsAskSeveralAtATime(t *testing.T) {
	var items []string
	answers := map[string]any{}
	var want []string
	for i := range 9 {
		items = append(items, fmt.Sprint(i))
		answers[fmt.Sprintf("GET /x/%d", i)] = fmt.Sprintf(`[%d]`, i)
		want = append(want, fmt.Sprint(i))
	}
	failed := false
	answers["GET /x/5"] = func(w http.ResponseWriter, _ *http.Request) {
		if !failed {
			failed = true
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		_, _ = io.WriteString(w, `[5]`)
	}
	answers["GET /list"] = "[" + strings.Join(items, ",") + "]"
	c := declared(t, "", `
request: {path: /list}
records: $
steps: [{request: {path: "/x/{item}"}, records: $}]`+windowed)
	c.Limits.Concurrency = 4
	a := newAPI(t, answers)
	got, _ := a.all(t, c, "", false)
	expect(t, got, want...)
}

func TestNothingOfAStepGoesElsewhere(t *testing.T) {
	stream := `
request: {path: /list}
records: $
steps: [{request: {url: "{item}"}, records: $}]` + windowed
	for _, link := range []string{"https://evil.example/x", "//evil.example/x", "http://me@evil.example"} {
		a := newAPI(t, map[string]any{"GET /list": `["` + link + `"]`})
		page, err := a.open(t, declared(t, "", stream)).Fetch(t.Context(), window, "")
		if err != nil || len(page.Bad) != 1 || page.Bad[0].Reason != "foreign_link" {
			t.Errorf("%s: %+v, %v", link, page, err)
		}
	}
	l := &listing{origins: []string{"*.amazonaws.com", "files.acme.example"}}
	for link, want := range map[string]bool{"https://b.s3.amazonaws.com/x": true, "https://files.acme.example/": true, "https://amazonaws.com.evil.example/": false, "https://evilamazonaws.com/": false,
		"http://b.s3.amazonaws.com/": false, "https://x@files.acme.example/": false} {
		u, err := http.NewRequest("GET", link, nil)
		if err != nil {
			t.Fatal(err)
		}
		if l.allows(u.URL) != want {
			t.Errorf("%s: %v", link, !want)
		}
	}
}
