package rest

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/spec"
)

// declared is a connector with one stream, s, that is declared by text; at is the
// time it is there.
func declared(t *testing.T, auth, stream string) *spec.Connector {
	t.Helper()
	doc := tokenConnector[:strings.Index(tokenConnector, "streams:")] + "streams:\n  - name: s\n    " + strings.ReplaceAll(strings.TrimSpace(stream), "\n", "\n    ") + "\n    table: Acme_CL\n" +
		tokenConnector[strings.Index(tokenConnector, "tables:"):]
	if !strings.Contains(stream, "{window.from") { // which a stream of windows has to ask for; answers do not go by headers
		doc = strings.Replace(doc, "request: {", `request: {headers: {X-Since: "{window.from}"}, `, 1)
	}
	if auth != "" {
		doc = strings.Replace(doc, `{type: api_key, header: X-Key, value: "{key}"}`, auth, 1)
	}
	c, err := spec.Parse("acme.yaml", []byte(doc))
	if err != nil {
		t.Fatalf("%v\n%s", err, doc)
	}
	return c
}

const windowed = `
position: {type: window, time: t, order: none, granularity: 1s, bounds: "[)", lag: 0s, overlap: 0s, retention: 30d}`

// api answers by method, address and body; an answer is a body, a status or a func.
type api struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string
}

func newAPI(t *testing.T, answers map[string]any) *api {
	a := &api{}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", noon.Format(http.TimeFormat))
		body, _ := io.ReadAll(r.Body)
		what := strings.TrimSpace(r.Method + " " + r.URL.RequestURI() + " " + string(body))
		a.mu.Lock()
		defer a.mu.Unlock()
		a.asked = append(a.asked, what)
		switch x := answers[what].(type) {
		case string:
			_, _ = io.WriteString(w, x)
		case int:
			w.WriteHeader(x)
		case func(http.ResponseWriter, *http.Request):
			x(w, r)
		default:
			t.Errorf("unexpected request: %s", what)
			w.WriteHeader(http.StatusTeapot)
		}
	}))
	t.Cleanup(a.Close)
	return a
}

func (a *api) open(t *testing.T, c *spec.Connector) *Source {
	t.Helper()
	s, err := open(c, &c.Streams[0], Options{BaseURL: a.URL, Settings: map[string]string{"host": "me", "key": secret}, Now: newClockAt(noon)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// all lists every page from token on; each page is read by a source of its own when
// afresh is set, as after a crash.
func (a *api) all(t *testing.T, c *spec.Connector, token string, afresh bool) (records []string, last *engine.Page) {
	t.Helper()
	src := a.open(t, c)
	for range 50 {
		if afresh {
			src = a.open(t, c)
		}
		page, err := src.Fetch(t.Context(), window, token)
		if e := new(engine.Error); errors.As(err, &e) && e.Kind == engine.Throttled {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, recordsOf(t, page)...)
		last = page
		if token = page.Next; token == "" {
			return records, last
		}
	}
	t.Fatal("the listing does not end")
	return nil, nil
}

// recordsOf are the records of a page, which can all be read.
func recordsOf(t *testing.T, page *engine.Page) (texts []string) {
	t.Helper()
	items, bad, err := elements(page.Records, page.Lines)
	if err != nil || len(bad) > 0 {
		t.Fatal(bad, err)
	}
	for _, e := range items {
		texts = append(texts, string(e))
	}
	return texts
}

func expect(t *testing.T, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestACursorOutlivesTheRun(t *testing.T) {
	stream := `
request: {path: /events, query: {start: "{window.from:unix}", take: 2}}
paging: {type: last_record, token: $.id, stop: short_page, size: 2, only: true, query: {from: "{page.token}"}}
records: $
position: {type: cursor, time: t, id: id}`
	a := newAPI(t, map[string]any{
		"GET /events?start=1795345200&take=2": `[{"id":"1"},{"id":"2"}]`,
		"GET /events?from=2":                  `[{"id":"3"}]`,
		"GET /events?from=3":                  `[]`,
	})
	c := declared(t, "", stream)
	got, last := a.all(t, c, "", false)
	expect(t, got, `{"id":"1"}`, `{"id":"2"}`, `{"id":"3"}`)
	if last.Cursor != "3" {
		t.Errorf("the cursor is %q", last.Cursor)
	}
	_, last = a.all(t, c, last.Cursor, true)
	if last.Cursor != "3" {
		t.Errorf("the cursor is %q when there is nothing new", last.Cursor)
	}
}

// TestATokenThatStaysTheSameEndsACursor: providers say so that there is no more.
func TestATokenThatStaysTheSameEndsACursor(t *testing.T) {
	a := newAPI(t, map[string]any{"GET /events": `{"next":"a","items":[1]}`, "GET /events?c=a": `{"next":"a","items":[]}`})
	got, last := a.all(t, declared(t, "", `
request: {path: /events}
paging: {type: token, token: $.next, query: {c: "{page.token}"}}
records: $.items
position: {type: cursor, time: t}`), "", false)
	expect(t, got, "1")
	if last.Cursor != "a" || len(a.asked) != 2 {
		t.Errorf("cursor %q, requests %q", last.Cursor, a.asked)
	}
}

// TestAnIteratorBeginsAnewInDoubt: the provider moves on when it answers, so after a
// page that was lost another reader begins at the window's start.
func TestAnIteratorBeginsAnewInDoubt(t *testing.T) {
	stream := `
request: {path: /events}
paging: {type: iterator, first: "{window.from:unix}", next: next, query: {index: "sluice-{page.reader}", op: "{page.token}"}}
records: $.result
position: {type: cursor, time: t}`
	var asked []string
	at := map[string]int{} // by reader
	fault := 0
	a := newAPI(t, nil)
	a.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock() // an answer that breaks off does not wait for its handler
		defer a.mu.Unlock()
		reader, op := r.URL.Query().Get("index"), r.URL.Query().Get("op")
		asked = append(asked, op)
		if fault > 200 {
			w.WriteHeader(fault)
			return
		}
		page := []string{`[1]`, `[2]`, `[3]`, `[]`, `[4]`, `[]`}[at[reader]]
		at[reader]++
		if fault == 1 {
			panic(http.ErrAbortHandler)
		}
		fmt.Fprintf(w, `{"result":%s}`, page)
	})
	set := func(f int) {
		a.mu.Lock()
		defer a.mu.Unlock()
		fault = f
	}
	src := a.open(t, declared(t, "", stream))
	now := noon
	src.opt.Now = func() time.Time { return now }
	fetch := func(token, want string) *engine.Page {
		t.Helper()
		page, err := src.Fetch(t.Context(), window, token)
		if err != nil || string(page.Records) != want || page.Commit != (want != "[]") || page.Steady {
			t.Fatalf("%+v, %v; want %s, not to be asked on ahead", page, err, want)
		}
		return page
	}
	page := fetch("", "[1]")
	set(503) // an answer, so nothing was sent
	if _, err := src.Fetch(t.Context(), window, page.Next); reason(err) != "provider_error" {
		t.Fatal(err)
	}
	set(0)
	page = fetch(page.Next, "[2]")
	set(1)
	if _, err := src.Fetch(t.Context(), window, page.Next); reason(err) != "unreachable" {
		t.Fatal(err)
	}
	set(0)
	if _, err := src.Fetch(t.Context(), window, page.Next); !errors.Is(err, engine.ErrTokenExpired) {
		t.Fatal(err)
	}
	now = now.Add(time.Second)
	page = fetch("", "[1]")
	for _, want := range []string{"[2]", "[3]", "[]"} {
		page = fetch(page.Next, want)
	}
	if page.Next != "" {
		t.Errorf("an empty page leads on to %q", page.Next)
	}
	page = fetch(page.Cursor, "[4]")
	fetch(page.Next, "[]")
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(at) != 2 {
		t.Errorf("readers: %v", at)
	}
	expect(t, asked, "1795345200", "next", "next", "next", "1795345200", "next", "next", "next", "next", "next")
}

func TestWhereRecordsAre(t *testing.T) {
	for _, x := range []struct{ stream, body, want string }{
		{"records: $.groups[*].items", `{"groups":[{"items":[1,2]},{"items":[]},{"items":null},{"items":[3]}]}`, "1\n2\n3"},
		{"records: $.map.*", `{"map":{"a":{"n":1},"b":[{"n":2},{"n":3}]}}`, `{"n":1}` + "\n" + `{"n":2}` + "\n" + `{"n":3}`},
		{"records: \"$.t[?(@.kind == 'P')].rows\"", `{"t":[{"kind":"Q","rows":[1]},{"kind":"P","rows":[[2,3]]}]}`, "[2,3]"},
		{"records: $.items\nexplode: {at: events, index: i}", `{"items":[{"id":1,"events":[{"e":1},{"e":2}],"z":true},{"id":2,"events":[]},{"id":3},{"events":{"e":9}}]}`,
			`{"id":1,"events":{"e":1},"i":0,"z":true}` + "\n" + `{"id":1,"events":{"e":2},"i":1,"z":true}` + "\n" + `{"id":2,"events":[]}` + "\n" + `{"id":3}` + "\n" + `{"events":{"e":9},"i":0}`},
		{"records: $.items\nexplode: {at: found.events}", `{"items":[{"id":1,"found":{"events":[{"e":1},{"e":2}],"n":2},"z":true},{"found":{"events":{"e":9}}},{"found":5},{"found":{"n":0}},{"id":2}]}`,
			`{"id":1,"found":{"events":{"e":1},"n":2},"z":true}` + "\n" + `{"id":1,"found":{"events":{"e":2},"n":2},"z":true}` + "\n" + `{"found":{"events":{"e":9}}}` + "\n" + `{"found":5}` + "\n" + `{"found":{"n":0}}` + "\n" + `{"id":2}`},
		{"records: $.data\nresponse: {columns: \"$.meta[*].name\"}", `{"meta":[{"name":"A"},{"name":"B"}],"data":[["x",1],["y",null,3]]}`, `{"A":"x","B":1}` + "\n" + `{"A":"y","B":null,"Column3":3}`},
		{"records: $.data[*][0]\nresponse: {unwrap: json}", `{"data":[["{\"a\":1}"],["no json"]]}`, `{"a":1}` + "\n" + `"no json"`},
		{"records: $.m[*].d\nresponse: {unwrap: base64}", `{"m":[{"d":"` + base64.StdEncoding.EncodeToString([]byte(`{"a":"ü"}`)) + `"}]}`, `{"a":"ü"}`},
		{"records: $\nresponse: {format: lines}", "one\r\n\n\"two\"\n", `{"line":"one"}` + "\n" + `{"line":"\"two\""}`},
		{"records: $\nresponse: {format: ndjson}", "", ""},
		{"records: $\nresponse: {format: ndjson}", "{\"a\":1}\n{\"a\":2}\n", "{\"a\":1}\n{\"a\":2}"},
	} {
		a := newAPI(t, map[string]any{"GET /x": x.body})
		got, _ := a.all(t, declared(t, "", "request: {path: /x}\n"+x.stream+windowed), "", false)
		expect(t, got, strings.Split(x.want, "\n")...)
	}
}

func TestPlacesInABody(t *testing.T) {
	c := declared(t, "", `
request: {method: POST, path: /q, body: {query: "query { x { id } }", variables: {first: 2, where: [{at: "{window.from:unix_ms}"}]}}}
paging: {type: token, token: $.end, more: $.more, body: {$.variables.after: "{page.token}", "$.variables.where[0].page": "{page.token}"}}
records: $.items`+windowed)
	first := `POST /q {"query":"query { x { id } }","variables":{"first":2,"where":[{"at":1795345200000}]}}`
	second := `POST /q {"query":"query { x { id } }","variables":{"after":"e1","first":2,"where":[{"at":1795345200000,"page":"e1"}]}}`
	a := newAPI(t, map[string]any{first: `{"items":[1],"end":"e1","more":true}`, second: `{"items":[2],"end":"e2","more":false}`})
	got, _ := a.all(t, c, "", false)
	expect(t, got, "1", "2")
}

func TestPageTokensFromLists(t *testing.T) {
	c := declared(t, "", `
request: {path: /l}
paging: {type: token, token: $.meta.next, query: {next: "{page.token}"}}
records: $.items`+windowed)
	a := newAPI(t, map[string]any{"GET /l": `{"items":[1],"meta":{"next":["17", "abc"]}}`, "GET /l?next=17%2Cabc": `{"items":[2],"meta":{"next":null}}`})
	got, _ := a.all(t, c, "", false)
	expect(t, got, "1", "2")
	c = declared(t, "", `
request: {path: /l}
paging: {type: next_url, url_header: NextPageUri}
records: $`+windowed)
	a = newAPI(t, map[string]any{"GET /l": func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("NextPageUri", "http://"+r.Host+"/l?p=2")
		_, _ = io.WriteString(w, "[1]")
	}, "GET /l?p=2": "[2]"})
	got, _ = a.all(t, c, "", false)
	expect(t, got, "1", "2")
}

func TestAPlaceThatIsDamaged(t *testing.T) {
	a := newAPI(t, map[string]any{"GET /list": `["a"]`})
	c := declared(t, "", "request: {path: /list}\nrecords: $\nsteps: [{request: {path: \"/x/{item}\"}, records: $}]"+windowed)
	for _, token := range []string{"x", "[]", "{}", `[{"i":-1}]`, `[{},{},{}]`} {
		if _, err := a.open(t, c).Fetch(t.Context(), window, token); reason(err) != "bad_request" {
			t.Errorf("%s: %v", token, err)
		}
	}
}

// TestAStepHasCredentialsOfItsOwn, which are asked for, replaced and redacted like the
// connector's.
func TestAStepHasCredentialsOfItsOwn(t *testing.T) {
	c := declared(t, "", `
request: {path: /list}
records: $
steps:
  - request: {path: "/x/{item}"}
    auth: {type: oauth2, token_url: /token, client_id: step, client_secret: "{key}"}
    records: $`+windowed)
	issued := 0
	a := newAPI(t, map[string]any{
		"GET /list": func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("X-Key") != secret || r.Header.Get("Authorization") != "" {
				t.Errorf("the list is asked for with %v", r.Header)
			}
			_, _ = io.WriteString(w, `["a","b"]`)
		},
		"POST /token client_id=step&client_secret=" + secret + "&grant_type=client_credentials": func(w http.ResponseWriter, _ *http.Request) {
			issued++
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"access_token":"own-token-%d","expires_in":3600}`, issued)
		},
		"GET /x/a": func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("X-Key") != "" {
				t.Errorf("the step is asked with %v", r.Header)
			}
			if r.Header.Get("Authorization") != "Bearer own-token-1" { // as b, when it is asked for whether anything can be had
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			_, _ = io.WriteString(w, `[1]`)
		},
		"GET /x/b": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, r.Header.Get("Authorization"))
		},
	})
	src := a.open(t, c)
	page, err := src.Fetch(t.Context(), window, "")
	if err != nil || string(page.Records) != "[1]" {
		t.Fatal(page, err)
	}
	_, err = src.Fetch(t.Context(), window, page.Next)
	if reason(err) != "wrong_credentials" || issued != 3 || strings.Contains(err.Error(), "own-token") {
		t.Errorf("%d tokens, %v", issued, err)
	}
}

// TestALinkOutlivesTheRun: the last page's address is where the next run goes on.
func TestALinkOutlivesTheRun(t *testing.T) {
	page2 := `{"items":[2],"next":null}`
	a := newAPI(t, map[string]any{"GET /l": `{"items":[1],"next":"/l?p=2"}`, "GET /l?p=2": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, page2) }, "GET /l?p=3": `{"items":[4]}`})
	c := declared(t, "", `
request: {path: /l}
paging: {type: next_url, url: $.next}
records: $.items
position: {type: cursor, time: t}`)
	got, last := a.all(t, c, "", false)
	expect(t, got, "1", "2")
	page2 = `{"items":[2,3],"next":"/l?p=3"}`
	got, last = a.all(t, c, last.Cursor, true)
	expect(t, got, "2", "3", "4")
	if last.Cursor != "/l?p=3" {
		t.Errorf("the cursor is %q", last.Cursor)
	}
}

// TestAListWhosePageTokenHasExpiredIsAskedForAgain, and not taken from memory, where it
// would lead to the token that has expired.
func TestAListWhosePageTokenHasExpiredIsAskedForAgain(t *testing.T) {
	next := "old"
	a := newAPI(t, map[string]any{"GET /list": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, `{"items":["a"],"next":%q}`, next) },
		"GET /list?page=old": 410, "GET /list?page=new": `{"items":["b"]}`, "GET /x/a": `["a"]`, "GET /x/b": `["b"]`})
	c := declared(t, "", `
request: {path: /list}
paging: {type: token, token: $.next, query: {page: "{page.token}"}}
records: $.items
steps: [{request: {path: "/x/{item}"}, records: $}]`+windowed)
	src := a.open(t, c)
	page, err := src.Fetch(t.Context(), window, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := src.Fetch(t.Context(), window, page.Next); !errors.Is(err, engine.ErrTokenExpired) {
		t.Fatal(err)
	}
	next = "new"
	var got []string
	for token := ""; ; token = page.Next {
		if page, err = src.Fetch(t.Context(), window, token); err != nil {
			t.Fatal(err)
		}
		got = append(got, recordsOf(t, page)...)
		if page.Next == "" {
			break
		}
	}
	expect(t, got, `"a"`, `"b"`)
}

// TestParametersInsideOfOthers: names with brackets, as some APIs nest them.
func TestParametersInsideOfOthers(t *testing.T) {
	a := newAPI(t, map[string]any{"GET /l?filter%5Bfrom%5D=1795345200&filter%5Bkind%5D%5B%5D=a&filter%5Bkind%5D%5B%5D=b": `[1]`})
	got, _ := a.all(t, declared(t, "", `
request: {path: /l, query: {"filter[from]": "{window.from:unix}", "filter[kind][]": [a, b]}}
records: $`+windowed), "", false)
	expect(t, got, "1")
}
