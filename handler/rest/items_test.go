package rest

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-connectors/sluice/handler/engine"
)

const details = `
request: {path: /list}
records: $
steps: [{request: {path: "/x/{item.id}"}, records: $}]` + windowed

// walk lists every page from token on as the engine does: what is transient is tried
// six times. It returns the records, and what was set aside as "reason body".
func (a *api) walk(t *testing.T, src *Source, token string) (records, aside []string, err error) {
	t.Helper()
	asked := map[string]bool{}
	for tries := 1; ; {
		page, err := src.Fetch(t.Context(), window, token)
		if e := new(engine.Error); errors.As(err, &e) && e.Kind == engine.Transient && tries < 6 {
			tries++
			continue
		}
		if err != nil {
			return records, aside, err
		}
		records = append(records, recordsOf(t, page)...)
		for _, b := range page.Bad {
			aside = append(aside, b.Reason+" "+string(b.Body))
		}
		if page.Next == "" {
			return records, aside, nil
		}
		if asked[page.Next] {
			t.Fatalf("the listing goes in a circle: %s", page.Next)
		}
		asked[page.Next] = true
		token, tries = page.Next, 1
	}
}

// TestOneRecordThatCannotBeHadIsSetAside, and its mates arrive, whether they are asked
// for one by one or ahead of their turn.
func TestOneRecordThatCannotBeHadIsSetAside(t *testing.T) {
	for what, x := range map[string]struct {
		id, answer any
		reason     string
	}{
		"gone since":              {`"b"`, 404, "item_not_found"},
		"gone for good":           {`"b"`, 410, "item_gone"},
		"refused":                 {`"b"`, 400, "bad_request"},
		"not allowed":             {`"b"`, 403, "forbidden"},
		"not with these":          {`"b"`, 401, "wrong_credentials"},
		"an error time and again": {`"b"`, 500, "provider_error"},
		"a redirect elsewhere": {`"b"`, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://evil.example/", http.StatusFound)
		}, "foreign_link"},
		"a connection that breaks off": {`"b"`, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "unreachable"},
		"an answer without a body":     {`"b"`, ``, "empty_answer"},
		"not the format":               {`"b"`, `<html>`, "not_json"},
		"a list that was cut":          {`"b"`, `[{"a":1},{"b":"x`, "malformed_page"},
		"something behind a list":      {`"b"`, `[1]}`, "malformed_page"},
		"no member":                    {``, nil, "item_incomplete"},
		"null":                         {`null`, nil, "item_incomplete"},
		"empty":                        {`" "`, nil, "item_incomplete"},
		"the folder above":             {`".."`, nil, "item_incomplete"},
		"an object":                    {`{"b":1}`, nil, "item_incomplete"},
		"a list":                       {`["b"]`, nil, "item_incomplete"},
	} {
		for _, at := range []int{0, 2, 3} {
			for _, several := range []int{1, 4} {
				mates := []string{`{"id":"1"}`, `{"id":"2"}`, `{"id":"3"}`}
				bad := `{"n":0}`
				if x.id != "" {
					bad = fmt.Sprintf(`{"id":%s}`, x.id)
				}
				list := slices.Insert(slices.Clone(mates), at, bad)
				a := newAPI(t, map[string]any{"GET /list": "[" + strings.Join(list, ",") + "]", "GET /x/1": "[1]", "GET /x/2": "[2]", "GET /x/3": "[3]", "GET /x/b": x.answer})
				c := declared(t, "", details)
				c.Limits.Concurrency = several
				got, aside, err := a.walk(t, a.open(t, c), "")
				if err != nil || fmt.Sprint(got) != "[1 2 3]" || len(aside) != 1 || aside[0] != x.reason+" "+bad {
					t.Errorf("%s at %d, %d at a time: records %v, aside %v, %v", what, at, several, got, aside, err)
				}
			}
		}
	}
}

// TestARecordWhoseNextPageIsGoneIsSetAside when the window was listed anew for it.
func TestARecordWhoseNextPageIsGoneIsSetAside(t *testing.T) {
	a := newAPI(t, map[string]any{"GET /list": `[{"id":"1"},{"id":"2"}]`, "GET /x/1": `{"data":[1],"next":"n"}`, "GET /x/1?p=n": 404, "GET /x/2": `{"data":[2]}`})
	src := a.open(t, declared(t, "", strings.Replace(details, `records: $}]`, `paging: {type: token, token: $.next, query: {p: "{page.token}"}}, records: $.data}]`, 1)))
	if _, _, err := a.walk(t, src, ""); !errors.Is(err, engine.ErrTokenExpired) {
		t.Fatal(err)
	}
	got, aside, err := a.walk(t, src, "")
	if err != nil {
		t.Fatal(err)
	}
	expect(t, got, "1", "2")
	expect(t, aside, `item_gone {"id":"1"}`)
}

// TestWhatNoRecordLeadsToIsNoFaultOfTheirs: nothing is set aside when the step asks at
// the wrong place, or when the provider is down.
func TestWhatNoRecordLeadsToIsNoFaultOfTheirs(t *testing.T) {
	for status, want := range map[int]string{404: "not_found", 410: "bad_request", 400: "bad_request", 500: "provider_error", 401: "wrong_credentials", 403: "forbidden", 429: "throttled"} {
		a := newAPI(t, map[string]any{"GET /list": `[{"id":1},{"id":2},{"id":3}]`, "GET /x/1": status, "GET /x/2": status, "GET /x/3": status})
		got, aside, err := a.walk(t, a.open(t, declared(t, "", details)), "")
		if reason(err) != want || len(got)+len(aside) > 0 || len(a.asked) > 12 {
			t.Errorf("%d: %v %v, %v; %d requests", status, got, aside, err, len(a.asked))
		}
		if want == "not_found" && (!strings.Contains(err.Error(), "GET /x/{item.id}") || strings.Contains(err.Error(), "base_url")) {
			t.Errorf("%d: %v", status, err)
		}
	}
	// Neither when it begins to answer so after a while.
	var down bool
	answers := map[string]any{"GET /list": `[{"id":0},{"id":1},{"id":2},{"id":3},{"id":4},{"id":5}]`}
	for i := range 6 {
		answers[fmt.Sprintf("GET /x/%d", i)] = func(w http.ResponseWriter, _ *http.Request) {
			if down = down || i == 2; down {
				w.WriteHeader(http.StatusNotFound)
				return
			}
			_, _ = io.WriteString(w, "[1]")
		}
	}
	a := newAPI(t, answers)
	got, aside, err := a.walk(t, a.open(t, declared(t, "", details)), "")
	if reason(err) != "not_found" || len(got) != 2 || len(aside) > 1 {
		t.Errorf("%v %v, %v", got, aside, err)
	}
}

// TestALoneRecordThatIsGoneDoesNotStopAQuietStream: there is no other to compare it
// with.
func TestALoneRecordThatIsGoneDoesNotStopAQuietStream(t *testing.T) {
	a := newAPI(t, map[string]any{"GET /list": `[{"id":1}]`, "GET /x/1": 404})
	_, aside, err := a.walk(t, a.open(t, declared(t, "", details)), "")
	expect(t, aside, `item_not_found {"id":1}`)
	if err != nil {
		t.Error(err)
	}
}

// TestOldRecordsThatAreGoneDoNotHideNewOnes: the last of a list is asked for, too.
func TestOldRecordsThatAreGoneDoNotHideNewOnes(t *testing.T) {
	for _, status := range []int{404, 410, 403} {
		answers := map[string]any{"GET /list": `[{"id":1},{"id":2},{"id":3},{"id":4},{"id":5}]`, "GET /x/5": "[5]"}
		for i := range 4 {
			answers[fmt.Sprintf("GET /x/%d", i+1)] = status
		}
		a := newAPI(t, answers)
		got, aside, err := a.walk(t, a.open(t, declared(t, "", details)), "")
		if fmt.Sprint(got) != "[5]" || len(aside) != 4 || err != nil {
			t.Errorf("%d: %v aside %v, %v", status, got, aside, err)
		}
	}
}

// TestAPermissionThatIsMissingSetsNothingAside, however few records there are, and
// although some could be had before.
func TestAPermissionThatIsMissingSetsNothingAside(t *testing.T) {
	for _, status := range []int{401, 403} {
		for _, list := range []string{`[{"id":1}]`, `[{"id":1},{"id":2}]`, `[{"id":0},{"id":1},{"id":2}]`} {
			once := true
			a := newAPI(t, map[string]any{"GET /list": list, "GET /x/1": status, "GET /x/2": status, "GET /x/0": func(w http.ResponseWriter, _ *http.Request) {
				if !once {
					w.WriteHeader(status)
					return
				}
				once = false
				_, _ = io.WriteString(w, "[0]")
			}})
			_, aside, err := a.walk(t, a.open(t, declared(t, "", details)), "")
			if e := new(engine.Error); len(aside) > 0 || !errors.As(err, &e) || e.Kind != engine.Auth {
				t.Errorf("%d %s: aside %v, %v", status, list, aside, err)
			}
		}
	}
}

// TestAMemberThatNoRecordHasIsNamed, with the one that was meant.
func TestAMemberThatNoRecordHasIsNamed(t *testing.T) {
	for request, want := range map[string]string{
		`path: "/x/{item.ids}"`:                             "item.ids is not there, in none of 2 records of the list, and GET /x/{item.ids} needs it (did you mean id?)",
		`url: "{item.link}"`:                                "item.link is not there",
		`{path: /x, query: {q: "a {item.meta.idx}"}}`:       "(did you mean id?)",
		`{path: /x, headers: {X-Id: "{item.uid}"}}`:         "item.uid is not there",
		`{method: POST, path: /x, body: {a: ["{item.b}"]}}`: "item.b is not there",
		`path: "/x/{item}"`:                                 "item is no text or number",
	} {
		if request[0] != '{' {
			request = "{" + request + "}"
		}
		a := newAPI(t, map[string]any{"GET /list": `[{"id":1,"meta":{"id":3}},{"id":2,"meta":{"id":4}}]`})
		_, aside, err := a.walk(t, a.open(t, declared(t, "", strings.Replace(details, `{path: "/x/{item.id}"}`, request, 1))), "")
		if reason(err) != "item_incomplete" || !strings.Contains(err.Error(), want) || len(aside) > 0 || len(a.asked) != 1 {
			t.Errorf("%s: %v; aside %v, asked %q", request, err, aside, a.asked)
		}
	}
}

// TestOfABatchOnlyTheBadOneIsSetAside: the batch is halved until it is found.
func TestOfABatchOnlyTheBadOneIsSetAside(t *testing.T) {
	for bad, want := range map[string]string{`"n9"`: "item_not_found", `null`: "item_incomplete", `""`: "item_incomplete"} {
		var ids, mates []string
		for i := range 20 {
			ids = append(ids, fmt.Sprintf(`"n%d"`, i))
		}
		ids[9] = bad
		for _, id := range slices.Delete(slices.Clone(ids), 9, 10) {
			mates = append(mates, strings.Trim(id, `"`))
		}
		a := newAPI(t, nil)
		a.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			a.asked = append(a.asked, r.URL.RawQuery)
			if r.URL.Path == "/list" {
				_, _ = io.WriteString(w, "["+strings.Join(ids, ",")+"]")
				return
			}
			var found []string
			for _, id := range strings.Split(r.URL.Query().Get("ids"), ",") {
				if id == "n9" {
					w.WriteHeader(http.StatusNotFound)
					return
				}
				found = append(found, `"`+id+`"`)
			}
			_, _ = io.WriteString(w, "["+strings.Join(found, ",")+"]")
		})
		c := declared(t, "", strings.Replace(details, `{path: "/x/{item.id}"}, records: $`, `{path: /x, query: {ids: "{items}"}}, batch: 8, records: $`, 1))
		got, aside, err := a.walk(t, a.open(t, c), "")
		if err != nil || strings.ReplaceAll(strings.Join(got, " "), `"`, "") != strings.Join(mates, " ") || len(aside) != 1 || aside[0] != want+" "+bad {
			t.Errorf("%s: %v aside %v, %v", bad, got, aside, err)
		}
		if len(a.asked) > 14 {
			t.Errorf("%s: %d requests: %q", bad, len(a.asked), a.asked)
		}
	}
}

// TestAPageOfDetailsIsAPartOfTheLists: what a provider lists at most is counted in pages
// of the list.
func TestAPageOfDetailsIsAPartOfTheLists(t *testing.T) {
	a := newAPI(t, map[string]any{"GET /list": `{"data":[{"id":1},{"id":2}],"next":"n"}`, "GET /list?p=n": `{"data":[{"id":3}]}`, "GET /x/1": "[1]", "GET /x/2": "[2]", "GET /x/3": "[3]"})
	c := declared(t, "", strings.Replace(details, "records: $\n", "paging: {type: token, token: $.next, query: {p: \"{page.token}\"}}\nrecords: $.data\n", 1))
	src, token := a.open(t, c), ""
	for i, part := range []bool{true, false, false} {
		page, err := src.Fetch(t.Context(), window, token)
		if err != nil || page.Part != part {
			t.Fatalf("page %d: %+v, %v", i, page, err)
		}
		token = page.Next
	}
}

// TestWhatABatchLeavesOutIsSetAside, where the connector says how it can be told.
func TestWhatABatchLeavesOutIsSetAside(t *testing.T) {
	stream := strings.Replace(details, `{path: "/x/{item.id}"}, records: $`, `{path: /x, query: {ids: "{items}"}}, batch: 3, key: $.id, records: $`, 1)
	a := newAPI(t, map[string]any{"GET /list": `["a","b",3,"d"]`, "GET /x?ids=a%2Cb%2C3": `[{"id":"3"},{"id":"a"}]`, "GET /x?ids=d": `[]`, "GET /x?ids=3": `[{"id":3}]`})
	got, aside, err := a.walk(t, a.open(t, declared(t, "", stream)), "")
	if err != nil {
		t.Fatal(err)
	}
	expect(t, got, `{"id":"3"}`, `{"id":"a"}`)
	expect(t, aside, `item_not_found "b"`, `item_not_found "d"`)
	// What leaves all out, whoever is asked for, is no fault of theirs.
	a = newAPI(t, map[string]any{"GET /list": `["a","b","c"]`, "GET /x?ids=a%2Cb%2Cc": `[]`, "GET /x?ids=b%2Cc": `[]`, "GET /x?ids=a": `[]`, "GET /x?ids=b": `[]`, "GET /x?ids=c": `[]`})
	if got, aside, err := a.walk(t, a.open(t, declared(t, "", stream)), ""); err == nil || len(got)+len(aside) > 0 {
		t.Errorf("%v aside %v, %v", got, aside, err)
	}
}

// TestWhatWasSetAsideCanBeAskedForAgain, all pages of it, and what lies below.
func TestWhatWasSetAsideCanBeAskedForAgain(t *testing.T) {
	stream := `
request: {path: /list}
records: $
steps:
  - request: {path: "/groups/{item.id}", query: {from: "{window.from:unix}"}}
    paging: {type: token, token: $.next, query: {page: "{page.token}"}}
    join: user
    records: $.users
  - request: {path: "/events/{item.id}/{item.user}"}
    records: $` + windowed
	answers := map[string]any{
		"GET /list":                      `[{"id":"g1"},{"id":"g2"},{"id":"g3"}]`,
		"GET /groups/g1?from=1795345200": `{"users":["u1","u2"]}`,
		"GET /groups/g2?from=1795345200": 404,
		"GET /groups/g3?from=1795345200": `{"users":[]}`,
		"GET /events/g1/u1":              404,
		"GET /events/g1/u2":              `[{"e":2}]`,
	}
	a := newAPI(t, answers)
	src := a.open(t, declared(t, "", stream))
	kept := pagesOf(t, func(token string) (*engine.Page, error) { return src.Fetch(t.Context(), window, token) }).bad
	if len(kept) != 2 || string(kept[0].Body) != `{"id":"g1","user":"u1"}` || string(kept[1].Body) != `{"id":"g2"}` || !strings.Contains(kept[1].Detail, "GET /groups/{item.id}: ") {
		t.Fatalf("%+v", kept)
	}
	if strings.Contains(kept[0].Again, "from") || !strings.Contains(kept[1].Again, "from") {
		t.Errorf("the window has to be kept where it is asked with: %s, %s", kept[0].Again, kept[1].Again)
	}
	src = a.open(t, declared(t, "", stream)) // in another process
	if _, err := src.Refetch(t.Context(), kept[0].Again, ""); reason(err) != "not_found" {
		t.Errorf("what is still gone: %v", err)
	}
	answers["GET /events/g1/u1"] = `[{"e":1}]`
	answers["GET /groups/g2?from=1795345200"] = `{"users":["u3"],"next":"2"}`
	answers["GET /groups/g2?from=1795345200&page=2"] = `{"users":["u4"]}`
	answers["GET /events/g2/u3"], answers["GET /events/g2/u4"] = `[{"e":3}]`, `[{"e":4},{"e":5}]`
	var got []string
	for _, b := range kept {
		got = append(got, pagesOf(t, func(token string) (*engine.Page, error) { return src.Refetch(t.Context(), b.Again, token) }).records...)
	}
	expect(t, got, `{"e":1}`, `{"e":3}`, `{"e":4}`, `{"e":5}`)
	for _, bad := range []string{"", "{}", `{"level":3,"item":1}`} {
		if _, err := src.Refetch(t.Context(), bad, ""); err == nil {
			t.Errorf("%q is asked for", bad)
		}
	}
}

// TestWhatFailsBelowWhatIsAskedForAgain keeps its own level: what is set aside a second
// time leads to the same request.
func TestWhatFailsBelowWhatIsAskedForAgain(t *testing.T) {
	answers := map[string]any{
		"GET /list": `[{"id":"l"}]`, "GET /a/l": `[{"id":"a1"},{"id":"a2"}]`,
		"GET /b/a1": 404, "GET /b/a2": `[]`,
	}
	a := newAPI(t, answers)
	src := a.open(t, declared(t, "", `
request: {path: /list}
records: $
steps:
  - {request: {path: "/a/{item.id}"}, records: $}
  - {request: {path: "/b/{item.id}"}, records: $}
  - {request: {path: "/c/{item.id}"}, records: $, once: true}`+windowed))
	kept := pagesOf(t, func(token string) (*engine.Page, error) { return src.Fetch(t.Context(), window, token) }).bad
	again := func() outcome {
		return pagesOf(t, func(token string) (*engine.Page, error) { return src.Refetch(t.Context(), kept[0].Again, token) })
	}
	if len(kept) != 1 || string(kept[0].Body) != `{"id":"a1"}` {
		t.Fatalf("%+v", kept)
	}
	answers["GET /b/a1"], answers["GET /c/b1"], answers["GET /c/b2"] = `[{"id":"b1"},{"id":"b2"}]`, 404, `[2]`
	o := again()
	expect(t, o.records, "2")
	expect(t, o.done, `step 3 {"id":"b2"}`)
	if kept = o.bad; len(kept) != 1 || string(kept[0].Body) != `{"id":"b1"}` {
		t.Fatalf("%+v", kept)
	}
	answers["GET /c/b1"] = `[1]`
	expect(t, again().records, "1")
}

// outcome is what came of several pages.
type outcome struct {
	records, done []string
	bad           []engine.Bad
}

// pagesOf is what comes of every page; one that fails is asked for again.
func pagesOf(t *testing.T, fetch func(token string) (*engine.Page, error)) (o outcome) {
	t.Helper()
	for token, tries := "", 0; ; {
		page, err := fetch(token)
		if e := new(engine.Error); errors.As(err, &e) && e.Kind == engine.Transient && tries < 6 {
			tries++
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		o.records, o.bad = append(o.records, recordsOf(t, page)...), append(o.bad, page.Bad...)
		for _, key := range page.Done {
			o.done = append(o.done, string(key))
		}
		if token = page.Next; token == "" {
			return o
		}
	}
}
