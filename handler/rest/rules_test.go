package rest

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/sluice-connectors/sluice/handler/spec"
)

// TestRulesForAnswers: what a provider says in ways of its own, with status 200 or
// with another.
func TestRulesForAnswers(t *testing.T) {
	const rules = `success: {at: $.meta.status, is: ok}
    errors:
      - {status: 400, body: no events, do: ignore}
      - {status: 409, do: retry}
      - {body: quota exceeded, do: throttled}
      - {status: 200, body: maintenance, do: retry}
      - {status: 404, do: fail}
    records: $.data`
	for what, x := range map[string]struct {
		status int
		body   string
		want   string // the reason; "" for a page
	}{
		"all is well":                 {200, `{"data":[1],"meta":{"status":"ok"}}`, ""},
		"an error with status 200":    {200, `{"data":[],"meta":{"status":"failed"}}`, "provider_error"},
		"no status":                   {200, `{"data":[]}`, "provider_error"},
		"a quota with status 200":     {200, `{"meta":{"status":"failed","text":"quota exceeded"}}`, "throttled"},
		"a quota with another status": {400, `quota exceeded`, "throttled"},
		"nothing there":               {400, `{"error":"no events in this time"}`, ""},
		"another bad request":         {400, `{"error":"bad ` + secret + `"}`, "bad_request"},
		"a conflict":                  {409, ``, "provider_error"},
		"gone for good":               {404, ``, "bad_request"},
		"what no rule is about":       {403, ``, "throttled"}, // for it says how long to wait
	} {
		doc := strings.Replace(tokenConnector, "records: $.data", rules, 1)
		c, err := spec.Parse("acme.yaml", []byte(doc))
		if err != nil {
			t.Fatal(err)
		}
		base, srv := newSource(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "30")
			w.WriteHeader(x.status)
			_, _ = io.WriteString(w, x.body)
		})
		s, err := open(c, &c.Streams[0], Options{BaseURL: srv.URL, Settings: map[string]string{"host": "h", "key": secret}, Now: base.opt.Now})
		if err != nil {
			t.Fatal(err)
		}
		page, err := s.Fetch(t.Context(), window, "")
		switch {
		case x.want == "" && (err != nil || page == nil):
			t.Errorf("%s: %v", what, err)
		case x.want != "" && (reason(err) != x.want || strings.Contains(err.Error(), secret)):
			t.Errorf("%s: %v (%s), want %s", what, err, reason(err), x.want)
		}
	}
}

// TestAnAnswerMayAskForANewToken, with any status; once.
func TestAnAnswerMayAskForANewToken(t *testing.T) {
	s := &issuer{}
	src := authSource(t, clientAuth, s.serve, nil)
	src.levels[0].rules = []spec.ErrorRule{{Status: 401, Body: "bad", Do: "new_token"}}
	s.refuse = true
	for i, want := range []string{"token_refused", "wrong_credentials"} {
		if _, err := src.Fetch(t.Context(), window, ""); reason(err) != want {
			t.Errorf("answer %d: %v, want %s", i+1, err, want)
		}
	}
	s.refuse = false
	if _, err := src.Fetch(t.Context(), window, ""); err != nil || src.levels[0].renewed || s.issued != 3 {
		t.Errorf("%d tokens, %v", s.issued, err)
	}
}

// TestLinesThatBreakOff are asked for again, where a rule tells the provider's text; in
// a record, or in the middle, it is one like any other.
func TestLinesThatBreakOff(t *testing.T) {
	const stream = `
request: {path: /list}
response: {format: ndjson}
errors: [{status: 200, body: Error streaming, do: retry}]
records: $` + windowed
	for body, want := range map[string]string{
		"{\"a\":1}\nError streaming data.\n":             "provider_error",
		"{\"a\":1}\r\nError streaming data.":             "provider_error",
		"Error streaming data.":                          "not_json",
		"{\"a\":1}\n{\"a\":\"Error streaming data.\"}\n": "",
		"{\"a\":1}\nError streaming data.\n{\"a\":2}\n":  "",
		"{\"a\":1}\nanother text\n":                      "",
		"":                                               "",
	} {
		src := newAPI(t, map[string]any{"GET /list": body}).open(t, declared(t, "", stream))
		if _, err := src.Fetch(t.Context(), window, ""); err != nil && reason(err) != want || (err == nil) != (want == "") {
			t.Errorf("%q: %v, want %q", body, err, want)
		}
	}
}
