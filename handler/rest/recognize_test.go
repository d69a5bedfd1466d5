package rest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sluice-connectors/sluice/handler/spec"
)

// asRun is open for a source that the engine gets: it knows the stream's records.
func (a *api) asRun(t *testing.T, c *spec.Connector) *Source {
	t.Helper()
	conn, err := Open(c, Options{BaseURL: a.URL, Settings: map[string]string{"host": "me", "key": secret}, Now: newClockAt(noon)})
	if err != nil {
		t.Fatal(err)
	}
	prog, err := conn.Compile(&c.Streams[0], "")
	if err != nil {
		t.Fatal(err)
	}
	s := conn.Source(&c.Streams[0], "")
	s.Recognize(prog)
	return s
}

// TestAnErrorInTheFormatOfTheRecordsIsNone: the position stays.
func TestAnErrorInTheFormatOfTheRecordsIsNone(t *testing.T) {
	for what, x := range map[string]struct {
		format, body string
		records      int // -1: it is none of the stream's
	}{
		"a line with an error":           {"{format: ndjson}", `{"error":"busy"}` + "\n", -1},
		"a line with nothing":            {"{format: ndjson}", "{}\n", -1},
		"a line that is no object":       {"{format: ndjson}", "\"busy\"\n", -1},
		"a line with a time":             {"{format: ndjson}", `{"t":"2026-11-22T10:00:00Z"}` + "\n", 1},
		"one that is none beside one":    {"{format: ndjson}", `{"x":1}` + "\n" + `{"t":"2026-11-22T10:00:00Z"}` + "\n", 2},
		"documents":                      {"{}", `{"error":1} {"error":2}`, -1},
		"in a list it is a record":       {"{}", `[{"error":1}]`, 1},
		"a csv that is a text":           {"{format: csv}", "Internal error, try later", -1},
		"a csv of other columns":         {"{format: csv}", "ERROR\nquery failed\n", -1},
		"a csv":                          {"{format: csv}", "x,t\n1,2026-11-22T10:00:00Z\n", 1},
		"a csv without rows":             {"{format: csv}", "x,t\n", 0},
		"one without a header is a text": {"{format: csv, no_header: true}", "busy\n", 1},
	} {
		a := newAPI(t, map[string]any{"GET /l": x.body})
		c := declared(t, "", "request: {path: /l}\nresponse: "+x.format+"\nrecords: $"+windowed)
		page, err := a.asRun(t, c).Fetch(t.Context(), window, "")
		switch {
		case x.records < 0 && reason(err) == "wrong_shape":
		case x.records < 0 || err != nil:
			t.Errorf("%s: %v, %v", what, page, err)
		case len(recordsOf(t, page)) != x.records:
			t.Errorf("%s: %s", what, page.Records)
		}
	}
}

// TestAnErrorInThePlaceOfADetailIsNone: it is asked for again, and then set aside.
func TestAnErrorInThePlaceOfADetailIsNone(t *testing.T) {
	good := `{"t":"2026-11-22T10:00:00Z"}`
	for what, x := range map[string]struct{ position, answer, want string }{
		"an error":                       {"time: t", `{"error":{"code":"InternalError"}}`, ""},
		"nothing":                        {"time: t", `{}`, ""},
		"known by its time":              {"time: t, id: x", good, good},
		"known by its id":                {"time: t, id: x", `{"x":7}`, `{"x":7}`},
		"an id, where time says nothing": {"time: now(), id: t", `{"error":1}`, ""},
		"the list says that it has one":  {"time: t", `[{"error":1}]`, `{"error":1}`},
		"a time that is null":            {"time: t", `{"t":null}`, ""},
	} {
		for _, several := range []int{1, 4} {
			a := newAPI(t, map[string]any{"GET /list": `[{"id":1},{"id":"b"},{"id":3}]`, "GET /x/1": good, "GET /x/b": x.answer, "GET /x/3": good})
			c := declared(t, "", strings.Replace(details, "time: t", x.position, 1))
			c.Limits.Concurrency = several
			got, aside, err := a.walk(t, a.asRun(t, c), "")
			want, wantAside := []string{good, x.want, good}, []string(nil)
			if x.want == "" {
				want, wantAside = []string{good, good}, []string{`wrong_shape {"id":"b"}`}
			}
			if fmt.Sprint(got) != fmt.Sprint(want) || fmt.Sprint(aside) != fmt.Sprint(wantAside) || err != nil {
				t.Errorf("%s, %d at a time: %v aside %v, %v", what, several, got, aside, err)
			}
		}
	}
}

// TestAnEmptyPageThatSaysWhyIsAnError, unless the connector says what an error is.
func TestAnEmptyPageThatSaysWhyIsAnError(t *testing.T) {
	for body, want := range map[string]string{
		`{"data":{"a":null},"errors":[{"message":"timeout"}]}`:        "provider_error",
		`{"data":{"a":[]},"errors":[{"code":"RateLimitExceeded"}]}`:   "throttled",
		`{"data":{"a":[]},"error":"shard failed"}`:                    "provider_error",
		`{"data":{"a":[]},"error":true}`:                              "provider_error",
		`{"data":{"a":[]},"errors":[ ],"error":{}}`:                   "",
		`{"data":{"a":[]},"error":null,"errors":0}`:                   "",
		`{"data":{"a":[]},"error":"none","errors":false}`:             "",
		`{"data":{"a":[{"t":1}]},"errors":[{"message":"one shard"}]}`: "",
	} {
		a := newAPI(t, map[string]any{"GET /l": body})
		c := declared(t, "", "request: {path: /l}\nrecords: $.data.a"+windowed)
		_, err := a.open(t, c).Fetch(t.Context(), window, "")
		if got := reason(err); err != nil && got != want || err == nil && want != "" {
			t.Errorf("%s: %v, want %q", body, err, want)
		}
		c.Streams[0].Success = spec.Success{At: "$.data.ok"}
		if _, err := a.open(t, c).Fetch(t.Context(), window, ""); err != nil {
			t.Errorf("%s is a success: %v", body, err)
		}
	}
}
